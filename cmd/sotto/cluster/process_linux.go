package cluster

import "syscall"

// attributes make the kernel stop a node whose parent has died without stopping it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

// maxRSS returns bytes; Linux counts kilobytes.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss * 1024 }
