package statedir

import (
	"io"
	"os"
)

// file is what the package needs of an open file; the tests put one that fails in its place.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// opener opens a file, for its owner alone: the state holds private keys.
type opener func(path string, flag int) (file, error)

func openFile(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}
