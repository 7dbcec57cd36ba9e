package journal

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
)

// SyncPolicy says what a record survives once Append has returned.
type SyncPolicy int

const (
	// SyncNone survives the death of the process, not that of the machine.
	SyncNone SyncPolicy = iota
	// SyncEach waits for the disk once per call: survives a power failure as far
	// as the disk keeps what it has confirmed.
	SyncEach
)

// String returns the name of the constant.
func (p SyncPolicy) String() string {
	switch p {
	case SyncNone:
		return "SyncNone"
	case SyncEach:
		return "SyncEach"
	}
	return fmt.Sprintf("SyncPolicy(%d)", int(p))
}

// Options are the settings of a journal. The zero value is the default.
type Options struct {
	// MaxBytes bounds the live records, each counted with 21 bytes more than its
	// data. 0 means 256 MiB. On disk there are at most 3*MaxBytes + 4*SegmentBytes.
	MaxBytes int64
	// SegmentBytes is the size at which a new segment begins; a larger record has
	// a segment for itself. 0 means 4 MiB.
	SegmentBytes int64
	Sync         SyncPolicy

	step int64 // compactStep, which tests lower
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.MaxBytes < 0:
		return o, fmt.Errorf("Options.MaxBytes is %d, must not be negative", o.MaxBytes)
	case o.SegmentBytes < 0:
		return o, fmt.Errorf("Options.SegmentBytes is %d, must not be negative", o.SegmentBytes)
	case o.Sync != SyncNone && o.Sync != SyncEach:
		return o, fmt.Errorf("Options.Sync is %v", o.Sync)
	}
	if o.step == 0 {
		o.step = compactStep
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 4 << 20
	}
	return o, nil
}

// Record is a record that was appended and not removed. IDs rise in the order of
// Append.
type Record struct {
	ID   uint64
	Data []byte
}

// Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	dir    string
	opts   Options
	fs     fsys
	lock   io.Closer
	losses []Loss

	// mu is held while files are written, unlike other mutexes of this module:
	// the order of the log is the order of the calls, and a call must not return
	// before its bytes are out. Nobody else waits for it.
	mu      sync.Mutex
	closed  bool
	segs    []*segment // oldest first; only the last is written
	nextSeq uint64
	nextID  uint64
	index   map[uint64]entry // the live records
	live    int64            // bytes of live frames
	total   int64            // bytes of all segments

	active file // the last segment, or nil if the next write begins a new one
	torn   bool // active may hold bytes behind its size, of a write that failed
	sealed bool // active failed in Sync: nothing more is entrusted to it
	source file // the oldest segment while it is being compacted

	pending    []tombstone // removals not yet written
	buf        []byte      // frames on their way to the file
	asideFiles []string    // damaged segments that were moved aside
	stuck      error       // why the oldest segments could not be cleared away, last time
}

type segment struct {
	seq  uint64
	path string
	salt uint32
	size int64
	live int64    // bytes of live frames
	ids  []uint64 // records put here, in order; live if index points here
	next int      // compaction has dealt with ids[:next]

	damaged bool // Open found bytes in it that are no frames
}

// entry is where a live record is.
type entry struct {
	seg  *segment
	off  int64
	size int64 // of the frame
}

type tombstone struct {
	id  uint64
	seq uint64 // of the segment of the record: once that is gone, none is needed
}

// Open opens the journal in dir, which it creates if need be, for the user alone
// (mode 0700), and returns its records in the order of Append. What is damaged is
// left out: see Losses. A directory in use is ErrLocked. The errors are *Error,
// unless o is wrong.
func Open(dir string, o Options) (*Journal, []Record, error) { return open(dir, o, osFS{}) }

func open(dir string, o Options, fs fsys) (*Journal, []Record, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, fmt.Errorf("store %q: %w", dir, err)
	}
	if dir == "" {
		return nil, nil, fmt.Errorf("store: the directory has no name")
	}
	abs, err := filepath.Abs(dir) // the program may change its directory later
	if err != nil {
		return nil, nil, wrap("open", dir, err)
	}
	j := &Journal{dir: abs, opts: o, fs: fs, nextSeq: 1, nextID: 1, index: make(map[uint64]entry)}
	if err := fs.mkdirAll(abs); err != nil {
		return nil, nil, wrap("open", abs, err)
	}
	lockPath := filepath.Join(abs, "lock")
	if j.lock, err = fs.lock(lockPath); err != nil {
		return nil, nil, wrap("open", lockPath, err)
	}
	records, err := j.replay()
	if err != nil {
		j.closeFiles()
		return nil, nil, err
	}
	return j, records, nil
}

// Losses returns what Open could not read. A damaged segment is moved aside once
// its intact records are copied, under its name with .damaged added (only the last
// such file is kept), so the same loss is not reported at every Open.
func (j *Journal) Losses() []Loss { return slices.Clone(j.losses) }

// Append adds a record and returns its id. After it returns, the record survives
// what Options.Sync says. ErrFull and ErrTooLarge refuse it; an error of the file
// system names the file, and the call may be repeated.
func (j *Journal) Append(data []byte) (id uint64, err error) { return j.AppendBatch(data) }

// AppendBatch adds records with one write (and one sync), all or none, and returns
// the id of the first; the others follow it. A process killed in the middle of the
// call may leave the first few.
func (j *Journal) AppendBatch(data ...[]byte) (first uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, &Error{Op: "append", File: j.dir, Err: ErrClosed}
	}
	var need int64
	for _, d := range data {
		if len(d) > MaxRecord {
			return 0, &Error{Op: "append", File: j.dir, Err: fmt.Errorf("%d bytes, at most %d: %w", len(d), MaxRecord, ErrTooLarge)}
		}
		need += frameHead + int64(len(d))
	}
	if j.live+need > j.opts.MaxBytes {
		return 0, &Error{Op: "append", File: j.dir, Err: fmt.Errorf("%d of %d bytes used, %d more needed: %w", j.live, j.opts.MaxBytes, need, ErrFull)}
	}
	j.compact(need)
	if limit := 3*j.opts.MaxBytes + 4*j.opts.SegmentBytes; j.total+need > limit {
		// The limits were lowered, or the oldest segments cannot be cleared away.
		if j.compact(j.total); j.total+need > limit && j.stuck != nil {
			return 0, &Error{Op: "append", File: j.dir, Err: fmt.Errorf("%w with dead records that cannot be cleared away: %w", ErrFull, j.stuck)}
		}
	}
	first = j.nextID
	if err := j.write("append", first, data, need); err != nil {
		return 0, err
	}
	j.nextID += uint64(len(data))
	return first, nil
}

// Remove removes records; ids that are not there are ignored. The records are gone
// for this Journal in any case. An error means that the removal is not on disk,
// because that is full, say: it is tried again with the next call, and until that
// succeeds the records would come back at the next Open.
func (j *Journal) Remove(ids ...uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return &Error{Op: "remove", File: j.dir, Err: ErrClosed}
	}
	for _, id := range ids {
		if e, ok := j.index[id]; ok {
			j.forget(id, e)
			j.pending = append(j.pending, tombstone{id, e.seg.seq})
		}
	}
	j.dropOldest() // first: it may make tombstones needless
	if len(j.pending) == 0 {
		return nil
	}
	err := j.write("remove", 0, nil, 0)
	if err == nil {
		j.compact(int64(len(ids)) * frameHead)
	}
	return err
}

// Close writes removals that are still due and releases the directory. A journal
// without records leaves no segments behind. Further calls return ErrClosed, except
// Close, which then does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var err error
	if len(j.index) == 0 {
		j.closeActive()
		j.dropOldest()
	}
	if len(j.pending) > 0 {
		err = j.write("close", 0, nil, 0)
	} else if merr := j.mend(); merr != nil {
		err = wrap("close", j.last().path, merr)
	}
	if cerr := j.closeFiles(); err == nil && cerr != nil {
		err = wrap("close", j.dir, cerr)
	}
	return err
}

func (j *Journal) closeFiles() error {
	err := j.closeActive()
	j.closeSource()
	if lerr := j.lock.Close(); err == nil {
		err = lerr
	}
	return err
}

func (j *Journal) closeActive() error {
	if j.active == nil {
		return nil
	}
	err := j.active.Close()
	j.active, j.sealed, j.torn = nil, false, false
	return err
}

func (j *Journal) last() *segment { return j.segs[len(j.segs)-1] }

// forget takes a record out of the index.
func (j *Journal) forget(id uint64, e entry) {
	delete(j.index, id)
	e.seg.live -= e.size
	j.live -= e.size
}

// note puts a record into the index, in place of an earlier copy.
func (j *Journal) note(id uint64, seg *segment, off, size int64) {
	if e, ok := j.index[id]; ok {
		j.forget(id, e)
	}
	j.index[id] = entry{seg, off, size}
	seg.ids = append(seg.ids, id)
	seg.live += size
	j.live += size
}
