package statedir

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/filelock"
)

// read reads the file. Afterwards size is where the last whole transaction ends.
func (d *Dir) read(size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(d.f, 0, size), 64<<10)
	first, err := in.ReadSlice('\n')
	if err != nil || string(first) != header {
		if strings.HasPrefix(string(first), "iotlocal state, format ") {
			return errors.New("was written by another version of iotlocal")
		}
		return fmt.Errorf("is no state of iotlocal: it does not begin with %q", header)
	}
	type found struct {
		Change
		span
	}
	var open []found // of the transaction that is being read
	at := int64(len(header))
	d.size = at
	for number := 2; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what has no end was not written to the end
			return nil
		}
		if err != nil {
			return err
		}
		c, column, err := parseLine(line[:len(line)-1])
		if err != nil {
			return fmt.Errorf("line %d %w; move the directory away to begin anew, or cut the file before that line to go on with what stands before it", number, err)
		}
		open = append(open, found{c, span{at, int64(len(line))}})
		if at += int64(len(line)); column == more {
			continue
		}
		for _, c := range open {
			k := key{c.Kind, c.Key}
			d.note(k, c.span, c.Value != nil)
			if delete(d.loaded, k); c.Value != nil {
				d.loaded[k] = c.Value
			}
		}
		open, d.size = open[:0], at
	}
}

// rewrite writes what is alive to a new file, durably, which takes the place of the old one. d.mu is held. An error leaves the
// old file in its place.
func (d *Dir) rewrite() error {
	f, err := d.open(d.name(newFile), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return d.failed(newFile, err)
	}
	index, size, err := d.copyLive(f)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(d.failed(newFile, err), f.Close(), os.Remove(d.name(newFile)))
	}
	done, err := d.replace(f)
	if done {
		d.index, d.size, d.live, d.torn = index, size, size-int64(len(header)), false
	}
	return err
}

// replace puts a new file, which is durable, in the place of the old one. It reports whether it is there.
func (d *Dir) replace(f file) (done bool, err error) {
	err = f.Close()
	if d.f != nil { // Windows renames nothing onto an open file
		err = errors.Join(err, d.f.Close())
	}
	if err == nil {
		err = os.Rename(d.name(newFile), d.name(stateFile))
	}
	done = err == nil
	if done {
		err = filelock.SyncDir(d.path)
	}
	var again error
	if d.f, again = d.open(d.name(stateFile), os.O_RDWR); again != nil {
		d.f = nil
	}
	switch {
	case again != nil || done && err != nil:
		return done, d.fail(errors.Join(err, again))
	case err != nil:
		return false, errors.Join(d.failed(newFile, err), os.Remove(d.name(newFile)))
	}
	return true, nil
}

// copyLive writes header and live lines, in the order of the old file.
func (d *Dir) copyLive(f file) (index map[key]span, size int64, err error) {
	index = make(map[key]span, len(d.index))
	keys := slices.SortedFunc(maps.Keys(d.index), func(a, b key) int { return cmp.Compare(d.index[a].off, d.index[b].off) })
	out := bytes.NewBuffer([]byte(header))
	flush := func() error {
		_, err := f.WriteAt(out.Bytes(), size)
		size += int64(out.Len())
		out.Reset()
		return err
	}
	for _, k := range keys {
		s := d.index[k]
		line := make([]byte, s.size)
		if _, err := d.f.ReadAt(line, s.off); err != nil {
			return nil, 0, err
		}
		if c, _, err := parseLine(line[:len(line)-1]); err != nil || c.Kind != k.kind || c.Key != k.key {
			return nil, 0, fmt.Errorf("%s has changed on the disk", d.name(stateFile))
		}
		line[9] = last
		seal(line[:len(line)-1])
		index[k] = span{size + int64(out.Len()), s.size}
		out.Write(line)
		if out.Len() > 64<<10 {
			if err := flush(); err != nil {
				return nil, 0, err
			}
		}
	}
	return index, size, flush()
}
