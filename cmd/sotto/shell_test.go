package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a bash that runs one command after the other.
type shell struct {
	t   *testing.T
	dir string
	in  io.Writer
	out *bufio.Scanner

	kill func() // ends it and all that it has started
}

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: dir, in: in, out: bufio.NewScanner(read)}
	s.kill = func() {
		t.Errorf("%s: a command does not end", filepath.Base(dir))
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	t.Cleanup(func() {
		defer time.AfterFunc(patience, s.kill).Stop()
		fmt.Fprintln(in, "kill $(jobs -p) 2>&-; wait; exit 0")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
		_ = read.Close()
	})
	return s
}

// inBackground matches commands that start a node, whose log goes to a file.
var inBackground = regexp.MustCompile(`2> ?(\S+) &$`)

// run runs a command and returns what it says. Of a node in the background it returns when it answers.
func (s *shell) run(command string) string {
	const end = "end of output"
	defer time.AfterFunc(patience, s.kill).Stop()
	if _, err := fmt.Fprintf(s.in, "%s\necho '%s'\n", command, end); err != nil {
		s.t.Fatal(err)
	}
	var said strings.Builder
	for s.out.Scan() && s.out.Text() != end {
		fmt.Fprintln(&said, s.out.Text())
	}
	if match := inBackground.FindStringSubmatch(command); match != nil {
		s.awaitNode(filepath.Join(s.dir, match[1]))
	}
	return said.String()
}

func (s *shell) awaitNode(log string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), `"msg":"serving"`) {
			return
		}
	}
	text, err := os.ReadFile(log)
	s.t.Fatalf("a node does not start (%v): %s", err, text)
}
