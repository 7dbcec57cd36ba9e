package filelock

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// errorSharingViolation is ERROR_SHARING_VIOLATION, which package syscall lacks.
const errorSharingViolation syscall.Errno = 32

// Lock takes the lock that a file stands for: a file opened with share mode 0 cannot be
// opened again, by this process or another, until the handle goes, at the latest
// with the process.
func Lock(path string) (io.Closer, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		if errors.Is(err, errorSharingViolation) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

// SyncDir does nothing: Windows cannot flush a directory, and NTFS journals names
// by itself.
func SyncDir(string) error { return nil }
