//go:build unix

package migrate

import (
	"io/fs"
	"os"
	"syscall"
)

// links is how many names the file has.
func links(st fs.FileInfo) int {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Nlink)
	}
	return 1
}

// takeOwner gives t the owner and the group of st, and reports whether it has them now.
func takeOwner(t *os.File, st fs.FileInfo) bool {
	want, ok := st.Sys().(*syscall.Stat_t)
	have, err := t.Stat()
	if !ok || err != nil {
		return true
	}
	if s, ok := have.Sys().(*syscall.Stat_t); ok && s.Uid == want.Uid && s.Gid == want.Gid {
		return true
	}
	return t.Chown(int(want.Uid), int(want.Gid)) == nil
}
