//go:build unix && !aix && !solaris

package filelock

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Lock takes the lock that a file stands for, and makes the file. The lock belongs to the open file, so it
// excludes a second Open of the same process as well, and goes when the process
// dies, however it does. The file stays: removing it would let two processes hold
// locks on two files of the same name.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return f, nil
}

// SyncDir makes created, renamed and removed names durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
