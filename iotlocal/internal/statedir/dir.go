package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/portage-iot/awsiot/internal/filelock"
)

const (
	stateFile = "state"
	newFile   = "state.new"
	lockFile  = "lock"

	// slack is how many dead bytes a file may have before it is worth a copy.
	slack = 1 << 20
)

// ErrLocked is wrapped by the error of Open when another server uses the directory.
var ErrLocked = filelock.ErrLocked

// key names a value.
type key struct{ kind, key string }

// span is where the line of a value stands, its line feed included.
type span struct{ off, size int64 }

// Dir is an open state directory. It is safe for concurrent use.
type Dir struct {
	path string
	open opener
	lock io.Closer

	mu      sync.Mutex
	f       file
	loaded  map[key]json.RawMessage // what Open found and nobody has taken yet
	index   map[key]span
	size    int64  // of the file
	live    int64  // of it, what counts
	slack   int64  // how many dead bytes are worth a copy
	wait    int64  // and how many more after a copy that failed
	written uint64 // number of the last write
	torn    bool   // there are bytes behind size that have to go
	broken  error  // the disk has failed: nothing is written any more
	closed  bool

	syncing sync.Mutex
	synced  uint64 // number of the last write that is durable; under syncing
}

// Open opens a state directory, or makes one. The errors name the file: one that another server uses (ErrLocked), that is none of
// this package, of another format, or damaged, at which line.
func Open(path string) (*Dir, error) { return openDir(path, openFile) }

func openDir(path string, open opener) (_ *Dir, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("iotlocal: state: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("iotlocal: state: %w", err)
	}
	d := &Dir{path: path, open: open, loaded: map[key]json.RawMessage{}, index: map[key]span{}, slack: slack}
	if d.lock, err = filelock.Lock(d.name(lockFile)); err != nil {
		return nil, fmt.Errorf("iotlocal: state directory %s: %w", path, err)
	}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Dir) name(file string) string { return filepath.Join(d.path, file) }

// failed is the error of a file operation.
func (d *Dir) failed(file string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("iotlocal: state file %s: %w", d.name(file), err)
}

// fail makes every later call fail: what is on the disk is not certain. d.mu is held.
func (d *Dir) fail(err error) error {
	d.broken = d.failed(stateFile, fmt.Errorf("%w (nothing more is kept; start the server again)", err))
	return d.broken
}

// start reads the file, or makes it.
func (d *Dir) start() (err error) {
	if err := os.Remove(d.name(newFile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return fmt.Errorf("iotlocal: state: %w", err)
	}
	st, err := os.Lstat(d.name(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d.rewrite()
	}
	if err != nil {
		return fmt.Errorf("iotlocal: state: %w", err)
	}
	if !st.Mode().IsRegular() {
		return d.failed(stateFile, errors.New("is no regular file"))
	}
	if d.f, err = d.open(d.name(stateFile), os.O_RDWR); err != nil {
		return d.failed(stateFile, err)
	}
	if err := d.read(st.Size()); err != nil {
		return d.failed(stateFile, err)
	}
	d.torn = d.size < st.Size()
	return d.mend()
}

// note puts the line of a change into the index.
func (d *Dir) note(k key, s span, put bool) {
	d.live -= d.index[k].size
	delete(d.index, k)
	if put {
		d.index[k] = s
		d.live += s.size
	}
}

// Load takes what Open has found of a kind, by rising keys.
func (d *Dir) Load(kind string) iter.Seq2[string, json.RawMessage] {
	d.mu.Lock()
	defer d.mu.Unlock()
	values := map[string]json.RawMessage{}
	for k, v := range d.loaded {
		if k.kind == kind {
			values[k.key] = v
			delete(d.loaded, k)
		}
	}
	return func(yield func(string, json.RawMessage) bool) {
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if !yield(k, values[k]) {
				return
			}
		}
	}
}

// Loaded is called when everybody has loaded what is theirs. The error names a kind that was nobody's: the state of a newer
// version, which this one would keep without knowing what depends on it.
func (d *Dir) Loaded() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.loaded {
		return d.failed(stateFile, fmt.Errorf("has values of the kind %q, which this version of iotlocal does not know", k.kind))
	}
	return nil
}

// Bad returns the error for a value that its owner cannot read.
func (d *Dir) Bad(kind, key string, cause error) error {
	return d.failed(stateFile, fmt.Errorf("the value of %s %q cannot be used: %w", kind, key, cause))
}

// Write makes changes, all or none of them. When it returns they survive the death of the process, and after Sync that of the
// machine. The error names the file; the state is then as before, and the next Write may do better.
func (d *Dir) Write(changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	var b []byte
	sizes := make([]int64, len(changes))
	for i, c := range changes {
		column, before := byte(more), len(b)
		if i == len(changes)-1 {
			column = last
		}
		var err error
		if b, err = appendLine(b, c, column); err != nil {
			return err
		}
		sizes[i] = int64(len(b) - before)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return err
	}
	if d.size-int64(len(header))-d.live > d.live+d.slack+d.wait {
		d.wait = 0
		if err := d.rewrite(); d.broken != nil {
			return d.broken
		} else if err != nil { // the disk may be full: not at every write
			d.wait = d.size
		}
	}
	if _, err := d.f.WriteAt(b, d.size); err != nil {
		d.torn = true
		_ = d.mend() // if that fails too, the next call tries again
		return d.failed(stateFile, err)
	}
	at := d.size
	for i, c := range changes {
		d.note(key{c.Kind, c.Key}, span{at, sizes[i]}, c.Value != nil)
		at += sizes[i]
	}
	d.size = at
	d.written++
	return nil
}

func (d *Dir) usable() error {
	switch {
	case d.closed:
		return d.failed(stateFile, fs.ErrClosed)
	case d.broken != nil:
		return d.broken
	}
	return d.mend()
}

// mend cuts off what is behind the last transaction.
func (d *Dir) mend() error {
	if !d.torn {
		return nil
	}
	if err := d.f.Truncate(d.size); err != nil {
		return d.failed(stateFile, err)
	}
	d.torn = false
	return nil
}

// Sync returns when everything that was written before survives a power failure. Calls at the same time share the disk's work.
// After an error, what is on the disk is not certain, and every later call fails: the server has to be started again.
func (d *Dir) Sync() error {
	d.mu.Lock()
	want := d.written
	d.mu.Unlock()
	d.syncing.Lock()
	defer d.syncing.Unlock()
	for {
		d.mu.Lock()
		f, done, err := d.f, d.written, d.broken
		if d.closed {
			err = d.failed(stateFile, fs.ErrClosed)
		}
		d.mu.Unlock()
		if err != nil || d.synced >= want {
			return err
		}
		err = f.Sync()
		if err == nil {
			d.synced = done
			return nil
		}
		d.mu.Lock()
		if d.f == f && !d.closed { // else another file has taken its place meanwhile
			_ = d.fail(err)
		}
		d.mu.Unlock()
	}
}

// Commit is Write and Sync. When only Sync fails the changes may be there after a restart, or not.
func (d *Dir) Commit(changes ...Change) error {
	if err := d.Write(changes...); err != nil {
		return err
	}
	return d.Sync()
}

// Close releases the directory. What was written is synced.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	var errs []error
	if d.f != nil {
		if d.broken == nil {
			errs = append(errs, d.mend())
			if err := d.f.Sync(); err != nil {
				errs = append(errs, d.failed(stateFile, err))
			}
		}
		errs = append(errs, d.f.Close())
	}
	return errors.Join(append(errs, d.lock.Close())...)
}
