package journal

import (
	"math/rand/v2"
	"os"
	"path/filepath"
)

// mend cuts off what a failed write left behind. Until that is done nothing more
// is written: the rest of a batch could be read as records behind a shorter frame.
func (j *Journal) mend() error {
	if !j.torn {
		return nil
	}
	if err := j.active.Truncate(j.last().size); err != nil {
		return err
	}
	j.torn = false
	return nil
}

// room makes the last segment ready to take n bytes.
func (j *Journal) room(op string, n int64) error {
	if j.active != nil {
		seg := j.last()
		if err := j.mend(); err != nil {
			return wrap(op, seg.path, err)
		}
		if !j.sealed && (seg.size+n <= j.opts.SegmentBytes || seg.size == segHead) {
			return nil
		}
		j.closeActive() // all of it is written; the error of Close says nothing new
	}
	// A number is used once, also if the segment cannot be made: then the failed
	// file may be there still.
	seg := &segment{seq: j.nextSeq, salt: rand.Uint32(), size: segHead}
	seg.path = filepath.Join(j.dir, segName(seg.seq))
	j.nextSeq++
	f, err := j.fs.open(seg.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return wrap(op, seg.path, err)
	}
	_, err = f.WriteAt(appendSegHead(nil, seg.salt, seg.seq), 0)
	if err == nil && j.opts.Sync == SyncEach {
		err = f.Sync()
		if err == nil {
			err = j.fs.syncDir(j.dir)
		}
	}
	if err != nil {
		f.Close()
		j.fs.remove(seg.path) // if that fails, Open finds a segment without records
		return wrap(op, seg.path, err)
	}
	j.active = f
	j.segs = append(j.segs, seg)
	j.total += segHead
	return nil
}

const (
	flushAt  = 64 << 10 // frames are gathered up to about this size
	copyUpTo = 32 << 10 // data above this goes to the file without a copy
)

// write puts the pending removals and the records of data, of size bytes with
// their heads, at the end of the log, and into the index; on failure neither.
func (j *Journal) write(op string, first uint64, data [][]byte, size int64) error {
	if err := j.room(op, size+int64(len(j.pending))*frameHead); err != nil {
		return err
	}
	seg := j.last()
	pos := seg.size
	flush := func(p []byte) error {
		n, err := j.active.WriteAt(p, pos)
		pos += int64(n)
		return err
	}
	emit := func() (err error) {
		b := j.buf[:0]
		for _, t := range j.pending {
			b = appendHead(b, seg.salt, remove, t.id, nil)
		}
		for i, d := range data {
			b = appendHead(b, seg.salt, put, first+uint64(i), d)
			if len(d) <= copyUpTo {
				b = append(b, d...)
				d = nil
			}
			if len(d) > 0 || len(b) >= flushAt {
				if err := flush(b); err != nil {
					return err
				}
				b = b[:0]
			}
			if len(d) > 0 {
				if err := flush(d); err != nil {
					return err
				}
			}
		}
		if len(b) > 0 {
			err = flush(b)
		}
		j.buf = b[:0]
		return err
	}
	err := emit()
	if err == nil && j.opts.Sync == SyncEach {
		if err = j.active.Sync(); err != nil {
			// After a failed sync the system may drop pages and report success the
			// next time: later records go to another segment.
			j.sealed = true
		}
	}
	if cap(j.buf) > 4*flushAt {
		j.buf = nil // many removals at once; do not keep their room
	}
	if err != nil {
		j.torn = true
		j.mend() // if that fails too, the next call tries again
		return wrap(op, seg.path, err)
	}
	j.total += pos - seg.size
	off := seg.size + int64(len(j.pending))*frameHead
	for i, d := range data {
		n := frameHead + int64(len(d))
		j.note(first+uint64(i), seg, off, n)
		off += n
	}
	seg.size = pos
	j.pending = j.pending[:0]
	return nil
}
