package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long anything that must happen may take on a busy machine. Nothing waits longer than it has to.
const patience = time.Minute

// runForCode runs a command that must end with an exit code: code N command args…
func runForCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// capture keeps the standard output of the last command in a variable: capture NAME
func capture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// replace changes the only occurrence of a text in files: replace OLD NEW FILE…
func replace(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[2:] {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(replaced(ts, ts.ReadFile(file), args[0], args[1])), 0o644))
	}
}

// replaced reads \n in both texts as the end of a line.
func replaced(ts *testscript.TestScript, text, old, changed string) string {
	unescape := strings.NewReplacer(`\n`, "\n")
	old, changed = unescape.Replace(old), unescape.Replace(changed)
	if strings.Count(text, old) != 1 {
		ts.Fatalf("%q is %d times in the file, must be once", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, changed, 1)
}

// refused runs sotto lab on good.yaml after one change, which must end with exit code 1 and an error, as a regular
// expression: refused OLD NEW ERROR. No customer's value may be in what it says; in the scripts all of them begin with
// "secret".
func refused(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs("lab.yaml"), []byte(replaced(ts, ts.ReadFile("good.yaml"), args[0], args[1])), 0o644))
	runForCode(ts, false, []string{"1", "sotto", "lab", "lab.yaml"})
	said := ts.ReadFile("stderr")
	if !regexp.MustCompile(args[2]).MatchString(said) {
		ts.Fatalf("want %q", args[2])
	}
	if strings.Contains(said+ts.ReadFile("stdout"), "secret") {
		ts.Fatalf("a customer's value is in the output")
	}
}

// answers reads the last command's standard output as sotto lab --json prints it, one object per line with these members
// and no others, and checks that there are as many, and that what must agree does: answers NUMBER
func answers(ts *testscript.TestScript, _ bool, args []string) {
	type cell struct {
		Group                 map[string]string
		Value, Low, High, Std *float64
		Released              []int64
	}
	type table struct {
		By    []string
		Cells []cell
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.DisallowUnknownFields()
	for got := 0; ; got++ {
		var a struct {
			Name, Measure, Unit, Mechanism, Layout string
			Cells                                  []cell
			Tables                                 []table
			Earlier                                *bool
			Epsilon, Delta, Seconds                *float64
			CPUSeconds                             *float64 `json:"cpu_seconds"`
			Bytes                                  *uint64
			Charged                                map[string]float64
		}
		err := decoder.Decode(&a)
		if errors.Is(err, io.EOF) && got == want {
			return
		}
		ts.Check(err)
		if a.Name == "" || a.Measure == "" || a.Earlier == nil || a.Mechanism == "" || a.Layout == "" || a.Epsilon == nil || a.Delta == nil || a.Seconds == nil ||
			a.CPUSeconds == nil || a.Bytes == nil || *a.Bytes == 0 || len(a.Cells) == 0 || len(a.Charged) < 2 {
			ts.Fatalf("answer %d lacks something: %+v", got+1, a)
		}
		for party, epsilon := range a.Charged {
			if epsilon != *a.Epsilon {
				ts.Fatalf("answer %d costs %v, and %s is charged %v", got+1, *a.Epsilon, party, epsilon)
			}
		}
		cells := a.Cells
		for _, t := range a.Tables {
			if t.By == nil || len(t.Cells) == 0 {
				ts.Fatalf("answer %d: a table lacks something: %+v", got+1, t)
			}
			cells = append(cells, t.Cells...)
		}
		for _, c := range cells {
			if c.Group == nil || len(c.Released) == 0 || *c.Low > *c.Value || *c.High < *c.Value || *c.Std <= 0 {
				ts.Fatalf("answer %d: cell %v: %v is not within %v and %v", got+1, c.Group, *c.Value, *c.Low, *c.High)
			}
		}
	}
}

// mode checks the permissions of a file: mode 0600 FILE
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// interrupt runs a command in a process group of its own, as a shell does, presses Ctrl-C as soon as what it says matches
// a regular expression, and wants it to end as interrupted: interrupt REGEXP command args…
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	said := filepath.Join(ts.MkAbs("."), "said")
	out, err := os.Create(said)
	ts.Check(err)
	defer out.Close()
	cmd := scriptCommand(ts, args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit code says all
		close(ended)
	}()
	ts.Defer(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	awaitText(ts, said, args[0], ended)
	ts.Check(syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
	select {
	case <-ended:
	case <-time.After(patience):
		ts.Fatalf("it goes on after Ctrl-C")
	}
	text := ts.ReadFile(said)
	if cmd.ProcessState.ExitCode() != exitInterrupted || !strings.HasSuffix(text, "sotto: interrupted\n") {
		ts.Fatalf("exit code %d after Ctrl-C, want %d; it said:\n%s", cmd.ProcessState.ExitCode(), exitInterrupted, text)
	}
}

// awaitText returns when a file matches a regular expression; it fails if the process that writes it ends before.
func awaitText(ts *testscript.TestScript, file, pattern string, ended <-chan struct{}) {
	match := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if match.MatchString(ts.ReadFile(file)) {
			return
		}
		select {
		case <-ended:
			ts.Fatalf("it ended before it said %q:\n%s", pattern, ts.ReadFile(file))
		default:
		}
	}
	ts.Fatalf("it does not say %q:\n%s", pattern, ts.ReadFile(file))
}

func scriptCommand(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"), "SOTTO_AGREEMENT="+ts.Getenv("SOTTO_AGREEMENT"), "SOTTO_IDENTITY="+ts.Getenv("SOTTO_IDENTITY"))
	return cmd
}

// idle checks that nothing is left behind: no process that has to do with this script (where there is /proc to look it up
// in), and no temporary file.
func idle(ts *testscript.TestScript, _ bool, _ []string) {
	if runtime.GOOS == "linux" {
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		ts.Check(err)
		for _, file := range lines {
			line, _ := os.ReadFile(file) // a process that has just ended is no concern
			if strings.Contains(string(line), ts.Getenv("WORK")) {
				ts.Fatalf("left running: %q", line)
			}
		}
	}
	left, err := os.ReadDir(ts.Getenv("TMPDIR"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("%v", err)
	}
	for _, file := range left {
		ts.Fatalf("left behind: %s", file.Name())
	}
}
