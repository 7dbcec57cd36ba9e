//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak is the most memory in KiB that the process, or one that it has started, had at a time.
func peak(p *os.ProcessState) int64 {
	r, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // in bytes there
		return int64(r.Maxrss) >> 10
	}
	return int64(r.Maxrss)
}
