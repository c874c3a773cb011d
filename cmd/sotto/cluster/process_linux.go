package cluster

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// attributes keep a terminal's Ctrl-C from a node, which its parent stops in order, and make the kernel stop a node whose
// parent has died without stopping it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// maxRSS returns bytes; Linux counts kilobytes.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss * 1024 }

// cpuOf returns the CPU time, user and system, that a running process has taken so far: fields 14 and 15 of /proc/PID/stat, see
// proc_pid_stat(5), in ticks of a hundredth of a second.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on: the second may have blanks
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: its stat has %d fields", pid, len(fields))
	}
	var total time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		total += time.Duration(ticks) * time.Second / 100
	}
	return total, nil
}
