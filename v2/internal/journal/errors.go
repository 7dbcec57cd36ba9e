package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

var (
	// ErrLocked is wrapped by the error of Open when the directory is in use, by
	// another process or by this one.
	ErrLocked = errors.New("in use by another client or process")
	// ErrFull is wrapped by the error of Append when the live records would exceed
	// Options.MaxBytes. Removing records makes room.
	ErrFull = errors.New("the store is full")
	// ErrTooLarge is wrapped by the error of Append for a record above MaxRecord.
	ErrTooLarge = errors.New("the record is too large")
	// ErrClosed is wrapped by the error of every call after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrVersion is wrapped by the error of Open for files of a format that this
	// package does not know; they are left alone.
	ErrVersion = errors.New("written by another version of this package")
)

// Error is the error of every function of this package that touches files.
type Error struct {
	Op   string // "open", "append", "remove", "close"
	File string // the file or directory concerned, with its full path
	Err  error  // the cause: one of the values above or an error of the system
}

// Error names the operation, the file and the cause.
func (e *Error) Error() string { return fmt.Sprintf("store: %s %q: %v", e.Op, e.File, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrap makes an *Error without the path that package os puts into its own errors.
func wrap(op, file string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return &Error{Op: op, File: file, Err: err}
}

// Loss is a piece of a segment that Open could not read as intact records.
type Loss struct {
	File   string // full path when Open read it
	Offset int64  // of the first byte that is lost
	Bytes  int64  // how many bytes are lost
	// Records is how many records are certainly lost, 0 if that cannot be told:
	// the bytes may then have held some, or removals (whose records come back).
	Records int
	// Torn means that the bytes are the unfinished end of the last segment, as a
	// process leaves that is killed while it writes. No call had succeeded for them.
	Torn bool
}

// String describes the loss for a log.
func (l Loss) String() string {
	what := "damaged"
	if l.Torn {
		what = "unfinished"
	}
	return fmt.Sprintf("%q: %d %s bytes at offset %d dropped", l.File, l.Bytes, what, l.Offset)
}
