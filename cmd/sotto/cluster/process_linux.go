package cluster

import "syscall"

// attributes keep a terminal's Ctrl-C from a node, which its parent stops in order, and make the kernel stop a node whose
// parent has died without stopping it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// maxRSS returns bytes; Linux counts kilobytes.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss * 1024 }
