package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// childTest is, in the environment of a test binary that another one started, the test that it is to run.
const childTest = "SOTTO_TEST_CHILD"

// shutOut is how a child ends that can't reach the folder for temporary files.
const shutOut = 77

func TestMain(m *testing.M) {
	if path := os.Getenv(victimLedger); path != "" {
		victim(path)
		return
	}
	if os.Getenv(childTest) != "" && os.Getuid() == 0 {
		const nobody = 65534
		if err := syscall.Setuid(nobody); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if folder, err := os.MkdirTemp("", ""); err != nil {
			os.Exit(shutOut)
		} else {
			_ = os.Remove(folder)
		}
	}
	os.Exit(m.Run())
}

// inChild runs the calling test in a process of its own, in which permissions count, as they do not for root, and which may
// be spoiled for others. It returns false there.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childTest) == t.Name() {
		return false
	}
	folder, err := os.MkdirTemp("", "") // t.TempDir is for nobody else
	must(t, err)
	defer os.RemoveAll(folder)
	must(t, os.Chmod(folder, 0o777))
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), childTest+"="+t.Name(), "TMPDIR="+folder)
	out, err := command.CombinedOutput()
	if command.ProcessState.ExitCode() == shutOut {
		t.Skip("a user without privileges can't reach " + folder)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return true
}

// limitFileSize makes writes fail beyond a size.
func limitFileSize(bytes uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = bytes
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
