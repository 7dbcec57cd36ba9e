package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	segExt     = ".seg"
	damagedExt = ".damaged"
)

func segName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, segExt) }

// parseSegName is the inverse of segName; ok is false for any other name.
func parseSegName(name string) (seq uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, segExt)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(hex, 16, 63) // there is always a next one
	return seq, err == nil && segName(seq) == name
}

// replay reads all segments and prepares the last one for writing.
func (j *Journal) replay() ([]Record, error) {
	names, err := j.fs.readDir(j.dir)
	if err != nil {
		return nil, wrap("open", j.dir, err)
	}
	for _, n := range names {
		path := filepath.Join(j.dir, n)
		if seq, ok := parseSegName(n); ok {
			j.segs = append(j.segs, &segment{seq: seq, path: path})
		} else if base, ok := strings.CutSuffix(n, damagedExt); ok {
			if _, ok := parseSegName(base); ok {
				j.asideFiles = append(j.asideFiles, path)
			}
		}
	}
	slices.SortFunc(j.segs, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })

	data := make(map[uint64][]byte)
	for i, seg := range j.segs {
		if err := j.replaySegment(seg, data, i == len(j.segs)-1); err != nil {
			return nil, wrap("open", seg.path, err)
		}
		j.total += seg.size
		j.nextSeq = seg.seq + 1
	}
	if n := len(j.segs) - 1; n >= 0 && j.segs[n].size < segHead && !j.segs[n].damaged {
		// Not begun. Left in place it would look like damage once others follow it.
		if j.fs.remove(j.segs[n].path) == nil {
			j.total -= j.segs[n].size
			j.segs = j.segs[:n]
		}
	}
	records := make([]Record, 0, len(data))
	for id, d := range data {
		records = append(records, Record{id, d})
	}
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })

	for _, seg := range slices.Backward(j.segs) {
		if seg.damaged {
			// If the disk is too full for it, the records stay where they are and
			// the next Open tries again.
			_ = j.evacuate(seg.seq)
			break
		}
	}
	j.dropOldest()
	return records, nil
}

// replaySegment applies the frames of a segment to the index and to data. The last
// segment is left open for writing, if it is sound. The error is one of the file
// system or ErrVersion; damage is no error but a Loss.
func (j *Journal) replaySegment(seg *segment, data map[uint64][]byte, last bool) error {
	flag := os.O_RDONLY
	if last {
		flag = os.O_RDWR
	}
	f, err := j.fs.open(seg.path, flag)
	if err != nil {
		return err
	}
	keep := false
	defer func() {
		if !keep {
			f.Close()
		}
	}()
	if seg.size, err = f.size(); err != nil {
		return err
	}
	b := make([]byte, min(segHead, seg.size))
	if err := readFull(f, b, 0); err != nil {
		return err
	}
	salt, ok, err := parseSegHead(b, seg.seq)
	if err != nil {
		return err
	}
	if !ok {
		// Without its salt no frame can be told from noise. A file that is too short
		// for a head is one whose creation was cut off.
		torn := last && seg.size < segHead
		if seg.size > 0 {
			seg.damaged = !torn
			j.losses = append(j.losses, Loss{File: seg.path, Bytes: seg.size, Torn: torn})
		}
		return nil
	}
	seg.salt = salt
	s := &scanner{r: f, size: seg.size, off: segHead, salt: salt}
	for {
		fr, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !fr.lost {
			j.apply(seg, fr, data)
			continue
		}
		loss := Loss{File: seg.path, Offset: fr.off, Bytes: fr.size, Torn: fr.torn && last}
		if fr.kind == put && !loss.Torn {
			loss.Records = 1
			j.nextID = max(j.nextID, fr.id+1)
		}
		j.losses = append(j.losses, loss)
		if !loss.Torn {
			seg.damaged = true
			continue
		}
		if err := f.Truncate(fr.off); err != nil {
			return err
		}
		seg.size = fr.off
		break
	}
	if keep = last && !seg.damaged; keep {
		j.active = f
	}
	return nil
}

// apply applies one frame.
func (j *Journal) apply(seg *segment, fr found, data map[uint64][]byte) {
	j.nextID = max(j.nextID, fr.id+1)
	switch fr.kind {
	case put:
		j.note(fr.id, seg, fr.off, fr.size)
		data[fr.id] = fr.data
	case remove:
		if e, ok := j.index[fr.id]; ok {
			j.forget(fr.id, e)
			delete(data, fr.id)
		}
	}
}
