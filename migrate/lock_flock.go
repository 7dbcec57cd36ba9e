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

// own reports whether a file belongs to this process's user, and to nobody else.
func own(f os.FileInfo) bool {
	st, ok := f.Sys().(*syscall.Stat_t)
	return ok && f.Mode().IsRegular() && f.Mode().Perm()&0o077 == 0 && int64(st.Uid) == int64(os.Geteuid())
}
