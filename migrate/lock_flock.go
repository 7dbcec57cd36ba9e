//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package migrate

import (
	"os"
	"syscall"
)

// lock reports whether f is now this process's alone, until it closes f or ends.
func lock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
