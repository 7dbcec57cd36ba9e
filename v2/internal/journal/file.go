package journal

import (
	"errors"
	"io"
	"os"

	"github.com/portage-iot/awsiot/internal/filelock"
)

// file is what the journal needs of an open segment.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	size() (int64, error)
}

// fsys is what it needs of the file system; the tests put one that fails in its
// place.
type fsys interface {
	mkdirAll(dir string) error
	readDir(dir string) (names []string, err error)
	open(path string, flag int) (file, error)
	remove(path string) error
	rename(from, to string) error
	lock(path string) (io.Closer, error)
	syncDir(dir string) error
}

// osFS is the file system of the machine. What it creates is for the user alone:
// the records hold what the device sends.
type osFS struct{}

func (osFS) mkdirAll(dir string) error    { return os.MkdirAll(dir, 0o700) }
func (osFS) remove(path string) error     { return os.Remove(path) }
func (osFS) rename(from, to string) error { return os.Rename(from, to) }
func (osFS) syncDir(dir string) error     { return filelock.SyncDir(dir) }

func (osFS) lock(path string) (io.Closer, error) {
	l, err := filelock.Lock(path)
	if errors.Is(err, filelock.ErrLocked) {
		return nil, ErrLocked
	}
	return l, err
}

func (osFS) readDir(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (osFS) open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
