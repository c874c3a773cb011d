package dp

import "flag"

// Google's library logs through glog, which on import adds its flags to flag.CommandLine and would write log files to
// the temporary directory on its first message. It has no other switch than those flags, and flags once added can't be
// taken away. So its "logtostderr" is turned on here, as a default (a program that does parse flag.CommandLine keeps
// the last word): nothing that uses this package ever leaves a log file behind.
func init() {
	if toStderr := flag.Lookup("logtostderr"); toStderr != nil && toStderr.Value.Set("true") == nil {
		toStderr.DefValue = "true"
	}
}
