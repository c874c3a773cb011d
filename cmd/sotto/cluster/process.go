package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Usage is what one process took, from its start to its end.
type Usage struct {
	Name    string
	CPU     time.Duration // user and system
	MaxRSS  int64         // bytes, at the peak
	Elapsed time.Duration
}

// stopLimit is how long a process may take to stop by itself.
const stopLimit = 15 * time.Second

type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	began time.Time
	done  chan struct{} // closed when it has ended
	err   error         // of Wait, valid once done is closed
	asked bool          // it was told to stop
}

func startProcess(program, name, log string, args []string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the child has its own
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = attributes()
	p := &process{name: name, cmd: cmd, log: log, began: time.Now(), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) interrupt() {
	p.asked = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that is gone needs no telling
}

// wait returns when the process has ended, by force if need be.
func (p *process) wait() (Usage, error) {
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	usage := Usage{Name: p.name, Elapsed: time.Since(p.began)}
	state := p.cmd.ProcessState
	usage.CPU = state.UserTime() + state.SystemTime()
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = maxRSS(r)
	}
	if p.err != nil && !p.asked {
		return usage, fmt.Errorf("%s: %w; its log ends: %s", p.name, p.err, p.logTail())
	}
	return usage, nil
}

// logTail returns the end of the process's log, for an error.
func (p *process) logTail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("\n")))
}
