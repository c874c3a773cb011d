//go:build !linux

package cluster

import "syscall"

// attributes keep a terminal's Ctrl-C from a node, which its parent stops in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// maxRSS returns bytes; macOS counts them.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss }
