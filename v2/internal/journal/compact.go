package journal

import (
	"errors"
	"os"
)

// compactStep is how many bytes a call copies at least, if there is reason to:
// enough that small calls make progress, little enough (some 20 microseconds) that
// they do not feel it.
const compactStep = 64 << 10

// dead returns the bytes on disk that serve no live record.
func (j *Journal) dead() int64 { return j.total - j.live }

// compact deletes and copies away the oldest segments while more is dead than
// alive: one step, larger than the n bytes that the caller writes, so that the log
// shrinks while it is written. An error is kept in stuck and matters only if it
// lasts until the disk holds too much.
func (j *Journal) compact(n int64) {
	j.dropOldest()
	for budget := 2*n + j.opts.step; budget > 0 && j.stuck == nil && len(j.segs) > 1 && j.dead() > j.live+2*j.opts.SegmentBytes; {
		n, err := j.copyOne()
		if err != nil {
			j.stuck = err
			return
		}
		budget -= n
		j.dropOldest()
	}
}

// evacuate copies all live records of the segments up to number seq to the end of
// the log.
func (j *Journal) evacuate(seq uint64) error {
	if j.last().seq <= seq {
		j.closeActive() // so that a new segment begins
	}
	for len(j.segs) > 0 && j.segs[0].seq <= seq {
		if j.segs[0].live > 0 {
			if _, err := j.copyOne(); err != nil {
				return err
			}
		}
		if j.dropOldest(); j.stuck != nil {
			return j.stuck
		}
	}
	return nil
}

// copyOne copies the next live record of the oldest segment, which is not the
// active one, to the end of the log under its id. It returns the work done, in
// bytes.
func (j *Journal) copyOne() (int64, error) {
	seg := j.segs[0]
	for work := int64(1); seg.next < len(seg.ids); work += 8 {
		id := seg.ids[seg.next]
		e, ok := j.index[id]
		if !ok || e.seg != seg {
			seg.next++
			if work > compactStep {
				return work, nil
			}
			continue
		}
		data, err := j.fetch(seg, id, e)
		if err != nil {
			return 0, wrap("compact", seg.path, err)
		}
		if err := j.write("compact", id, [][]byte{data}, e.size); err != nil {
			return 0, err
		}
		seg.next++
		return work + e.size, nil
	}
	return 0, wrap("compact", seg.path, errDamaged) // there is always one: see segment.ids
}

// fetch reads a live record of the oldest segment back and checks it.
func (j *Journal) fetch(seg *segment, id uint64, e entry) ([]byte, error) {
	if j.source == nil {
		f, err := j.fs.open(seg.path, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		j.source = f
	}
	frame := make([]byte, e.size)
	if err := readFull(j.source, frame, e.off); err != nil {
		return nil, err
	}
	h, ok := parseHead(frame, seg.salt)
	if !ok || h.id != id || sum(frame[frameHead:]) != h.dataSum {
		return nil, errDamaged
	}
	return frame[frameHead:], nil
}

var errDamaged = errors.New("a record is damaged")

func (j *Journal) closeSource() {
	if j.source != nil {
		j.source.Close()
		j.source = nil
	}
}

// dropOldest deletes the segments at the beginning of the log that hold no live
// record, but never the active one, and the pending removals for them.
func (j *Journal) dropOldest() {
	dropped := false
	for len(j.segs) > 0 && j.segs[0].live == 0 && (len(j.segs) > 1 || j.active == nil) {
		seg := j.segs[0]
		j.closeSource() // Windows does not delete open files
		if err := j.discard(seg); err != nil && !errors.Is(err, os.ErrNotExist) {
			j.stuck = wrap("remove", seg.path, err)
			return
		}
		if j.opts.Sync == SyncEach {
			// In this order on disk as well; and a removal may count on it, below.
			if err := j.fs.syncDir(j.dir); err != nil {
				j.stuck = wrap("remove", j.dir, err)
				return // the segment is gone, which the next attempt accepts
			}
		}
		j.total -= seg.size
		j.segs[0] = nil
		j.segs = j.segs[1:]
		dropped = true
	}
	j.stuck = nil
	if dropped && len(j.pending) > 0 {
		kept := j.pending[:0]
		for _, t := range j.pending {
			if len(j.segs) > 0 && t.seq >= j.segs[0].seq {
				kept = append(kept, t)
			}
		}
		j.pending = kept
	}
}

// discard deletes the file of a segment. One that was damaged is moved aside.
func (j *Journal) discard(seg *segment) error {
	if !seg.damaged {
		return j.fs.remove(seg.path)
	}
	aside := seg.path + damagedExt
	if err := j.fs.rename(seg.path, aside); err != nil {
		return err
	}
	// One is enough to see what happened; more would fill the disk unnoticed.
	for _, old := range j.asideFiles {
		if old != aside {
			_ = j.fs.remove(old) // the next Open finds it again
		}
	}
	j.asideFiles = []string{aside}
	return nil
}
