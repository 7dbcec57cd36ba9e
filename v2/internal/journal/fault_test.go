package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// faultFS is a file system with faults. fail is asked before each
// step with its name and the path; n is the number of bytes of a write. It returns
// how many of them still go through, and the error. Syncs do nothing more.
type faultFS struct {
	fsys
	fail func(step, path string, n int) (int, error)
}

func (f *faultFS) check(step, path string) error {
	if f.fail == nil {
		return nil
	}
	if _, err := f.fail(step, path, 0); err != nil {
		return &os.PathError{Op: step, Path: path, Err: err}
	}
	return nil
}

func (f *faultFS) mkdirAll(dir string) error {
	return cmpErr(f.check("mkdir", dir), func() error { return f.fsys.mkdirAll(dir) })
}
func (f *faultFS) remove(path string) error {
	return cmpErr(f.check("remove", path), func() error { return f.fsys.remove(path) })
}
func (f *faultFS) rename(from, to string) error {
	return cmpErr(f.check("rename", from), func() error { return f.fsys.rename(from, to) })
}
func (f *faultFS) syncDir(dir string) error { return f.check("syncdir", dir) }
func (f *faultFS) readDir(dir string) (names []string, err error) {
	err = cmpErr(f.check("readdir", dir), func() error { names, err = f.fsys.readDir(dir); return err })
	return names, err
}
func (f *faultFS) lock(path string) (c io.Closer, err error) {
	err = cmpErr(f.check("lock", path), func() error { c, err = f.fsys.lock(path); return err })
	return c, err
}
func (f *faultFS) open(path string, flag int) (file, error) {
	step := "open"
	if flag&os.O_CREATE != 0 {
		step = "create"
	}
	if err := f.check(step, path); err != nil {
		return nil, err
	}
	osf, err := f.fsys.open(path, flag)
	if err != nil {
		return nil, err
	}
	return &faultFile{osf, f, path}, nil
}

// cmpErr returns err, or what then returns.
func cmpErr(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

type faultFile struct {
	file
	fs   *faultFS
	path string
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.fail == nil {
		return f.file.WriteAt(p, off)
	}
	allowed, err := f.fs.fail("write", f.path, len(p))
	if err == nil {
		return f.file.WriteAt(p, off)
	}
	n, werr := f.file.WriteAt(p[:allowed], off)
	return n, errors.Join(werr, &os.PathError{Op: "write", Path: f.path, Err: err})
}
func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.check("read", f.path); err != nil {
		return 0, err
	}
	return f.file.ReadAt(p, off)
}
func (f *faultFile) Truncate(size int64) error {
	return cmpErr(f.fs.check("truncate", f.path), func() error { return f.file.Truncate(size) })
}
func (f *faultFile) Sync() error { return f.fs.check("sync", f.path) }
func (f *faultFile) size() (int64, error) {
	if err := f.fs.check("stat", f.path); err != nil {
		return 0, err
	}
	return f.file.size()
}
func (f *faultFile) Close() error {
	return errors.Join(f.file.Close(), f.fs.check("close", f.path))
}

// on makes a fail function that fails one step with err.
func on(step string, err error) func(string, string, int) (int, error) {
	return func(s, _ string, n int) (int, error) {
		if s == step {
			return n / 2, err
		}
		return n, nil
	}
}

// Every way in which Open can fail names the file and the cause, and lets go of
// the lock. Among them: a read-only file system.
func TestOpenFaults(t *testing.T) {
	tests := []struct {
		step string
		err  error
		file string
	}{
		{"mkdir", syscall.EACCES, ""},
		{"lock", syscall.EROFS, "lock"},
		{"readdir", syscall.EIO, ""},
		{"open", syscall.EROFS, segName(1)},
		{"stat", syscall.EIO, segName(1)},
		{"read", syscall.EIO, segName(1)},
	}
	for _, tt := range tests {
		t.Run(tt.step, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := mustOpen(t, dir, Options{})
			mustAppend(t, j, "kept")
			kill(j)
			fs := &faultFS{fsys: osFS{}, fail: on(tt.step, tt.err)}
			_, _, err := open(dir, Options{}, fs)
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, tt.err) || e.Op != "open" || e.File != filepath.Join(dir, tt.file) {
				t.Fatalf("error %#v", err)
			}
			if want := fmt.Sprintf("store: open %q: %v", e.File, tt.err); err.Error() != want {
				t.Errorf("text %q, want %q", err, want)
			}
			if _, records := mustOpen(t, dir, Options{}); text(records) != "1=kept" {
				t.Errorf("records %q afterwards", text(records))
			}
		})
	}
}

func TestDirIsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		_, _, err := Open(dir, Options{})
		if e, ok := errors.AsType[*Error](err); !ok || e.File != dir || !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("Open(%q): %v", dir, err)
		}
	}
}

// A fault in any step of Append refuses that record and nothing else: what was
// there stays, and the next call succeeds.
func TestAppendFaults(t *testing.T) {
	for _, tt := range []struct {
		step  string
		fresh bool // in a new segment
		sync  SyncPolicy
	}{
		{"create", true, SyncNone}, {"write", true, SyncNone}, {"write", false, SyncNone},
		{"sync", true, SyncEach}, {"sync", false, SyncEach}, {"syncdir", true, SyncEach},
	} {
		t.Run(fmt.Sprintf("%s fresh=%v", tt.step, tt.fresh), func(t *testing.T) {
			dir, fs := t.TempDir(), &faultFS{fsys: osFS{}}
			o := Options{Sync: tt.sync}
			j, _, err := open(dir, o, fs)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if !tt.fresh {
				mustAppend(t, j, "before")
				want = "1=before "
			}
			fs.fail = on(tt.step, syscall.ENOSPC)
			for range 3 {
				_, err := j.AppendBatch([]byte("refused"), make([]byte, 100), make([]byte, 100))
				e, ok := errors.AsType[*Error](err)
				if !ok || !errors.Is(err, syscall.ENOSPC) || e.Op != "append" || !strings.HasPrefix(e.File, dir) {
					t.Fatalf("error %v", err)
				}
			}
			fs.fail = nil
			id := mustAppend(t, j, "after")[0]
			if distrusted := tt.step == "sync" && !tt.fresh; distrusted != (len(j.segs) > 1) {
				t.Errorf("%d segments: a segment whose sync failed must not be written again", len(j.segs))
			}
			kill(j)
			j, records := mustOpen(t, dir, o)
			if got := text(records); got != fmt.Sprintf("%s%d=after", want, id) || len(j.Losses()) > 0 {
				t.Errorf("records %q, losses %v", got, j.Losses())
			}
		})
	}
}

// A full disk that does not even give back what a failed batch took: nothing is
// written over it, since its rest would be read as records; once the disk does,
// all is well.
func TestTruncateFails(t *testing.T) {
	dir, fs := t.TempDir(), &faultFS{fsys: osFS{}}
	j, _, err := open(dir, Options{}, fs)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, "before")
	batch := [][]byte{make([]byte, 10), make([]byte, 10), make([]byte, 10), make([]byte, 10)}
	fs.fail = func(step, _ string, n int) (int, error) {
		if step == "write" || step == "truncate" {
			return n * 7 / 8, syscall.ENOSPC // three of four records
		}
		return n, nil
	}
	if _, err := j.AppendBatch(batch...); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	fs.fail = on("truncate", syscall.EIO)
	if _, err := j.Append(make([]byte, 10)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Append with the rest still there: %v", err)
	}
	fs.fail = nil
	mustAppend(t, j, "after")
	kill(j)
	j, records := mustOpen(t, dir, Options{})
	if got := text(records); got != "1=before 2=after" || len(j.Losses()) > 0 {
		t.Errorf("records %q, losses %v", got, j.Losses())
	}
}

// A full disk: Append fails, removing makes room, a removal that cannot be written
// is not forgotten.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	disk := &disk{free: 10 << 10}
	fs := &faultFS{fsys: osFS{}, fail: disk.fail}
	j, _, err := open(dir, Options{SegmentBytes: 1 << 10}, fs)
	if err != nil {
		t.Fatal(err)
	}
	disk.j = j
	var ids []uint64
	for {
		id, err := j.Append(make([]byte, 100))
		if errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) < 70 {
		t.Fatalf("only %d records", len(ids))
	}
	disk.free = 0
	last := ids[len(ids)-1]
	if err := j.Remove(last); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Remove on a disk without room for the removal: %v", err)
	}
	if err := j.Remove(last); !errors.Is(err, syscall.ENOSPC) { // still not on disk
		t.Fatalf("the second Remove: %v", err)
	}
	for _, id := range ids[:20] { // more than the two oldest segments
		if err := j.Remove(id); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	mustAppend(t, j, "after") // room again, and the removals are written with it
	kill(j)
	_, records := mustOpen(t, dir, Options{})
	if n := len(records); n != len(ids)-20 || records[0].ID != ids[20] || string(records[n-1].Data) != "after" {
		t.Errorf("%d records from %d on", n, records[0].ID)
	}
}

// disk refuses what exceeds free bytes beyond those of the segments.
type disk struct {
	free int64
	j    *Journal
	had  int64
}

func (d *disk) fail(step, _ string, n int) (int, error) {
	if step != "write" {
		return n, nil
	}
	if d.j != nil { // segments that were deleted
		d.free += max(0, d.had-d.j.total)
		d.had = d.j.total
	}
	if int64(n) > d.free {
		return int(d.free), syscall.ENOSPC
	}
	d.free -= int64(n)
	d.had += int64(n)
	return n, nil
}

// If old segments cannot be deleted the store still works, up to its bound, and
// then says why.
func TestCannotDelete(t *testing.T) {
	dir := t.TempDir()
	fs := &faultFS{fsys: osFS{}, fail: on("remove", syscall.EPERM)}
	o := Options{SegmentBytes: 1 << 10, MaxBytes: 4 << 10}
	j, _, err := open(dir, o, fs)
	if err != nil {
		t.Fatal(err)
	}
	cycle := func() error {
		id, err := j.Append(make([]byte, 100))
		if err == nil {
			err = j.Remove(id)
		}
		return err
	}
	n := 0
	for err = nil; err == nil && n < 1000; n++ {
		err = cycle()
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), segName(1)) {
		t.Fatalf("after %d records: %v", n, err)
	}
	if j.total > 3*o.MaxBytes+4*o.SegmentBytes {
		t.Errorf("%d bytes on disk", j.total)
	}
	fs.fail = nil
	for range 100 {
		if err := cycle(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(segments(t, dir)); n > 2 {
		t.Errorf("%d segments left", n)
	}
}

// A record that goes bad under the feet of compaction stays where it is.
func TestCompactionReadsBadRecord(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 1 << 10, MaxBytes: 4 << 10}
	j, _ := mustOpen(t, dir, o)
	mustAppend(t, j, "0123456789")
	flip(t, segments(t, dir)[0], segHead+frameHead+3)
	var err error
	for err == nil {
		var id uint64
		if id, err = j.Append(make([]byte, 100)); err == nil {
			err = j.Remove(id)
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, errDamaged) {
		t.Fatal(err)
	}
	kill(j)
	j, records := mustOpen(t, dir, o)
	if len(records) != 0 || len(j.Losses()) != 1 || j.Losses()[0].Records != 1 {
		t.Fatalf("records %q, losses %v", text(records), j.Losses())
	}
	mustAppend(t, j, "works again")
}

// Any step may fail at any time. What was appended and not removed is there after
// a restart; what else is there was to be removed, or to be appended, by a call
// that failed.
func TestFaultProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir := "/store"
		o := Options{SegmentBytes: rapid.Int64Range(1, 600).Draw(t, "SegmentBytes"), MaxBytes: 3000, Sync: SyncPolicy(rapid.IntRange(0, 1).Draw(t, "Sync"))}
		mem := newMemFS()
		fs, rate := &faultFS{fsys: mem}, 0
		fs.fail = func(step, _ string, n int) (int, error) {
			if rate > 0 && rapid.IntRange(0, 99).Draw(t, step) < rate {
				return rapid.IntRange(0, n).Draw(t, "written"), syscall.EIO
			}
			return n, nil
		}
		j, _, err := open(dir, o, fs)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { rate = 0; j.Close() }()
		var live []Record
		maybe := map[string]bool{} // what may come back
		counter := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			rate = rapid.SampledFrom([]int{0, 0, 10, 60}).Draw(t, "rate")
			switch rapid.SampledFrom([]string{"append", "append", "remove", "restart"}).Draw(t, "call") {
			case "append":
				counter++
				batch := [][]byte{fmt.Appendf(nil, "a%d", counter), fmt.Appendf(nil, "b%d%s", counter, strings.Repeat(".", rapid.IntRange(0, 200).Draw(t, "size")))}
				id, err := j.AppendBatch(batch...)
				for i, d := range batch {
					if err == nil {
						live = append(live, Record{id + uint64(i), d})
					} else {
						maybe[string(d)] = true
					}
				}
			case "remove":
				if len(live) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "i")
				if err := j.Remove(live[i].ID); err != nil {
					maybe[string(live[i].Data)] = true
				}
				live = slices.Delete(live, i, i+1)
			case "restart":
				if rapid.Bool().Draw(t, "kill") {
					kill(j)
				} else {
					j.Close()
				}
				records := []Record(nil)
				if j, records, err = open(dir, o, fs); err != nil {
					if rate == 0 {
						t.Fatal(err)
					}
					rate = 0
					if j, records, err = open(dir, o, fs); err != nil {
						t.Fatal(err)
					}
				}
				for _, l := range j.Losses() {
					if l.Records > 0 {
						t.Fatal(l)
					}
				}
				got := slices.Clone(records)
				got = slices.DeleteFunc(got, func(r Record) bool { return maybe[string(r.Data)] })
				if text(got) != text(live) {
					t.Fatalf("losses %v\ngot  %s\nwant %s\nall %s", j.Losses(), text(got), text(live), text(records))
				}
				live = records // what came back is there again, what did not never will
				clear(maybe)
			}
			checkIndex(t, j, mem)
		}
	})
}
