package dp

import (
	"flag"
	"slices"
)

// Google's library logs through glog, which on import adds nine flags to flag.CommandLine, "v" among them, and would
// write log files to the temporary directory on its first message. A program that uses this package must neither find
// its own flags taken nor log files left behind: so "logtostderr" is turned on, and flag.CommandLine is made anew
// without glog's flags, which have no other way to be taken away.
func init() {
	if toStderr := flag.Lookup("logtostderr"); toStderr != nil {
		_ = toStderr.Value.Set("true") // a boolean flag takes "true"
	}
	old := flag.CommandLine
	clean := flag.NewFlagSet(old.Name(), old.ErrorHandling())
	clean.Usage = func() { flag.Usage() } // as the package's own set does
	old.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(glogFlags, f.Name) {
			clean.Var(f.Value, f.Name, f.Usage)
		}
	})
	flag.CommandLine = clean
}

// glogFlags are what glog v1.2 adds.
var glogFlags = []string{
	"alsologtostderr", "log_backtrace_at", "log_dir", "log_link", "logbuflevel", "logtostderr", "stderrthreshold", "v", "vmodule",
}
