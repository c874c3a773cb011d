package dp_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/differential-privacy/go/v3/noise"

	_ "github.com/sotto-dev/sotto/dp"
)

// Guards the disk: a message of the noise library's logger (here its warning about a nil distribution; one line on
// standard error) leaves no log file behind.
func TestLibraryWritesNoLogFiles(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	noise.ToKind(nil)
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 0 {
		t.Errorf("%d files were written, such as %s", len(files), files[0].Name())
	}
}

// Guards programs that use the SDK: all of glog's flags are gone from the command line, so that they can have a flag
// "v" of their own, and no others are.
func TestLibraryLeavesNoFlags(t *testing.T) {
	flag.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && !strings.HasPrefix(f.Name, "rapid.") {
			t.Errorf("flag %s is on the command line", f.Name)
		}
	})
	flag.Bool("v", false, "a program's own")
	if flag.Lookup("test.run") == nil {
		t.Error("the flags of package testing are gone")
	}
}
