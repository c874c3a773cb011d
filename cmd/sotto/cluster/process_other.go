//go:build !linux

package cluster

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

// maxRSS returns bytes; macOS counts them.
func maxRSS(r *syscall.Rusage) int64 { return r.Maxrss }
