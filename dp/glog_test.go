package dp_test

import (
	"flag"
	"os"
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
	if toStderr := flag.Lookup("logtostderr"); toStderr == nil || toStderr.Value.String() != "true" {
		t.Errorf("flag logtostderr is %v", toStderr)
	}
}
