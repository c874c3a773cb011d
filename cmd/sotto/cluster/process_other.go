//go:build !linux

package cluster

import (
	"errors"
	"syscall"
	"time"
)

// attributes keep a terminal's Ctrl-C from a node, which its parent stops in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// maxRSS returns bytes; macOS counts them.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss }

// cpuOf would return the CPU time of a running process.
func cpuOf(int) (time.Duration, error) {
	return 0, errors.New("the CPU time of another process can't be read on this system")
}
