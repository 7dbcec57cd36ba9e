package journal

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// memDir is an absolute path everywhere, for journals in a memFS.
var memDir, _ = filepath.Abs("/store")

// memFS is a file system in memory, so that tests can open thousands of journals.
// It is stricter than a real one: what no journal should do is an error.
type memFS struct {
	files  map[string][]byte
	locked bool
}

func newMemFS() *memFS { return &memFS{files: map[string][]byte{}} }

func mustOpenIn(t testing.TB, fs *memFS, o Options) (*Journal, []Record) {
	t.Helper()
	j, records, err := open(memDir, o, fs)
	if err != nil {
		t.Fatal(err)
	}
	return j, records
}

func (*memFS) mkdirAll(string) error { return nil }
func (*memFS) syncDir(string) error  { return nil }

func (m *memFS) readDir(dir string) (names []string, err error) {
	for path := range m.files { // in no order, as on some file systems
		if name, ok := strings.CutPrefix(path, dir+string(filepath.Separator)); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func (m *memFS) remove(path string) error {
	if _, ok := m.files[path]; !ok {
		return &os.PathError{Op: "remove", Path: path, Err: os.ErrNotExist}
	}
	delete(m.files, path)
	return nil
}

func (m *memFS) rename(from, to string) error {
	b, ok := m.files[from]
	if !ok {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrNotExist}
	}
	delete(m.files, from)
	m.files[to] = b
	return nil
}

func (m *memFS) lock(string) (io.Closer, error) {
	if m.locked {
		return nil, ErrLocked
	}
	m.locked = true
	return memLock{m}, nil
}

type memLock struct{ m *memFS }

func (l memLock) Close() error {
	l.m.locked = false
	return nil
}

func (m *memFS) open(path string, flag int) (file, error) {
	_, exists := m.files[path]
	switch {
	case flag&os.O_EXCL != 0 && exists:
		return nil, os.ErrExist
	case flag&os.O_CREATE == 0 && !exists:
		return nil, os.ErrNotExist
	case !exists:
		m.files[path] = nil
	}
	return &memFile{m: m, path: path, readOnly: flag&os.O_RDWR == 0}, nil
}

type memFile struct {
	m                *memFS
	path             string
	readOnly, closed bool
}

// usable refuses a closed file and one that was deleted while it was open, which
// Windows does not allow.
func (f *memFile) usable(write bool) error {
	_, exists := f.m.files[f.path]
	switch {
	case f.closed || !exists:
		return os.ErrClosed
	case write && (f.readOnly || !f.m.locked):
		return os.ErrPermission
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.usable(false); err != nil {
		return 0, err
	}
	return bytes.NewReader(f.m.files[f.path]).ReadAt(p, off)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.usable(true); err != nil {
		return 0, err
	}
	b := f.m.files[f.path]
	if off > int64(len(b)) {
		return 0, syscall.EINVAL // a hole
	}
	f.m.files[f.path] = append(b[:off:off], append(bytes.Clone(p), b[min(int64(len(b)), off+int64(len(p))):]...)...)
	return len(p), nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.usable(true); err != nil {
		return err
	}
	if size > int64(len(f.m.files[f.path])) {
		return syscall.EINVAL
	}
	f.m.files[f.path] = f.m.files[f.path][:size]
	return nil
}

func (f *memFile) Sync() error          { return f.usable(true) }
func (f *memFile) size() (int64, error) { return int64(len(f.m.files[f.path])), f.usable(false) }

func (f *memFile) Close() error {
	err := f.usable(false)
	f.closed = true
	return err
}
