package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func flip(t testing.TB, path string, off int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sample is a journal in two segments with removals, and what its state was after
// each call.
type sample struct {
	names  []string
	files  [][]byte
	states []string // as text(records)
	sizes  []int64  // of the last segment
	all    map[string]bool
}

func newSample(t testing.TB, segmentBytes int64) sample {
	fs := newMemFS()
	j, _ := mustOpenIn(t, fs, Options{SegmentBytes: segmentBytes})
	s := sample{all: map[string]bool{}}
	var live []Record
	note := func() {
		s.states, s.sizes = append(s.states, text(live)), append(s.sizes, j.last().size)
	}
	add := func(d string) {
		id := mustAppend(t, j, d)[0]
		live = append(live, Record{id, []byte(d)})
		s.all[fmt.Sprintf("%d=%s", id, d)] = true
		note()
	}
	drop := func(i int) {
		if err := j.Remove(live[i].ID); err != nil {
			t.Fatal(err)
		}
		live = append(live[:i:i], live[i+1:]...)
		note()
	}
	add("first")
	add("")
	add("third-record")
	drop(0)
	add("fourth:" + strings.Repeat("x", 40))
	drop(1)
	add("fifth")
	kill(j)
	for _, seg := range j.segs {
		s.names = append(s.names, filepath.Base(seg.path))
		s.files = append(s.files, fs.files[seg.path])
	}
	return s
}

// write makes a file system of the sample with file i replaced.
func (s sample) write(i int, b []byte) *memFS {
	fs := newMemFS()
	for k, n := range s.names {
		fs.files[filepath.Join(memDir, n)] = bytes.Clone(s.files[k])
	}
	fs.files[filepath.Join(memDir, s.names[i])] = bytes.Clone(b)
	return fs
}

// The process dies in the middle of a write: the last segment ends at any byte.
// All that was acknowledged before is there, nothing else, and the journal can be
// written again.
func TestTornAtEveryByte(t *testing.T) {
	s := newSample(t, 1<<20)
	if len(s.files) != 1 {
		t.Fatalf("%d segments", len(s.files))
	}
	for cut := range len(s.files[0]) + 1 {
		want := ""
		for i, size := range s.sizes {
			if int64(cut) >= size {
				want = s.states[i]
			}
		}
		fs := s.write(0, s.files[0][:cut])
		j, records := mustOpenIn(t, fs, Options{})
		if got := text(records); got != want {
			t.Fatalf("cut at %d: records %q, want %q", cut, got, want)
		}
		for _, l := range j.Losses() {
			if !l.Torn || l.Records != 0 || l.Offset+l.Bytes != int64(cut) {
				t.Fatalf("cut at %d: loss %+v", cut, l)
			}
		}
		id := mustAppend(t, j, "more")[0]
		kill(j)
		j, records = mustOpenIn(t, fs, Options{})
		if got, want := text(records), strings.TrimSpace(fmt.Sprintf("%s %d=more", want, id)); got != want || len(j.Losses()) > 0 {
			t.Fatalf("cut at %d, then more: records %q, want %q, losses %v", cut, got, want, j.Losses())
		}
		kill(j)
	}
}

// Every bit of every segment, flipped alone. No panic, no error, never a wrong
// record; exactly one loss, which covers the bit; what is not under it is there;
// and the loss is reported once only.
func TestEveryBit(t *testing.T) {
	s := newSample(t, 90)
	if len(s.files) < 3 {
		t.Fatalf("%d segments", len(s.files))
	}
	final := s.states[len(s.states)-1]
	for i, f := range s.files {
		for bit := range len(f) * 8 {
			b := bytes.Clone(f)
			b[bit/8] ^= 1 << (bit % 8)
			fs := s.write(i, b)
			j, records := mustOpenIn(t, fs, Options{SegmentBytes: 90})
			losses := j.Losses()
			at := fmt.Sprintf("%s byte %d bit %d: records %q, losses %v", s.names[i], bit/8, bit%8, text(records), losses)
			if len(losses) != 1 || losses[0].Offset > int64(bit/8) || losses[0].Offset+losses[0].Bytes <= int64(bit/8) || filepath.Base(losses[0].File) != s.names[i] {
				t.Fatal(at)
			}
			for _, r := range records {
				if !s.all[text([]Record{r})] {
					t.Fatalf("a record that never was: %s", at)
				}
			}
			// One flipped bit costs one frame (the last segment: what looks torn), or
			// a segment if it is in its head.
			missing := 0
			for _, w := range strings.Split(final, " ") {
				if w != "" && !strings.Contains(" "+text(records)+" ", " "+w+" ") {
					missing++
				}
			}
			if bit/8 >= segHead && missing > 1 {
				t.Fatalf("%d records missing: %s", missing, at)
			}
			kill(j)
			j, again := mustOpenIn(t, fs, Options{})
			if text(again) != text(records) || len(j.Losses()) > 0 {
				t.Fatalf("%s\nopened again: records %q, losses %v", at, text(again), j.Losses())
			}
			kill(j)
		}
	}
}

// A damaged segment is kept aside, one at a time.
func TestDamagedIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		j, records := mustOpen(t, dir, Options{})
		if len(records) != round {
			t.Fatalf("round %d: records %q", round, text(records))
		}
		mustAppend(t, j, "lost", fmt.Sprint("kept", round))
		seg, off := j.last().path, j.last().size-int64(len("kept0"))-frameHead-1
		kill(j)
		flip(t, seg, off)
		j, records = mustOpen(t, dir, Options{})
		if len(records) != round+1 || len(j.Losses()) != 1 || j.Losses()[0].Records != 1 || j.Losses()[0].Torn {
			t.Fatalf("round %d: records %q, losses %v", round, text(records), j.Losses())
		}
		if l := j.Losses()[0].String(); !strings.Contains(l, fmt.Sprintf("%q: %d damaged bytes at offset", seg, frameHead+len("lost"))) {
			t.Errorf("loss %q", l)
		}
		kill(j)
		want = []string{seg + damagedExt}
		if got, _ := filepath.Glob(filepath.Join(dir, "*"+damagedExt)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("aside: %v, want %v", got, want)
		}
	}
}

// With no room to copy, the intact records of a damaged segment are read all the
// same, and moved at a later Open.
func TestDamageOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{})
	mustAppend(t, j, "a", "b", "c")
	kill(j)
	flip(t, segments(t, dir)[0], segHead+2*frameHead+1)
	fs := &faultFS{fsys: osFS{}, fail: on("create", errors.New("no space"))}
	for range 2 {
		j, records, err := open(dir, Options{}, fs)
		if err != nil || text(records) != "1=a 3=c" || len(j.Losses()) != 1 {
			t.Fatalf("records %q, %v", text(records), err)
		}
		if _, err := j.Append(nil); err == nil {
			t.Fatal("Append succeeded")
		}
		kill(j)
	}
	j, _ = mustOpen(t, dir, Options{})
	kill(j)
	if j, records := mustOpen(t, dir, Options{}); text(records) != "1=a 3=c" || len(j.Losses()) > 0 {
		t.Fatalf("records %q, losses %v", text(records), j.Losses())
	}
}

func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	b := append([]byte(magic), 2, 0, 0, 0)
	b = le.AppendUint64(append(b, 1, 2, 3, 4), 1)
	b = le.AppendUint32(b, sum(b))
	path := filepath.Join(dir, segName(1))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(dir, Options{})
	if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrVersion) || e.File != path {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
		t.Error("the file was changed")
	}
}

// Files that are none of the journal's are left alone; a segment under the name of
// another is not believed.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := []string{"README", "1.seg", "000000000000000A.seg", "ffffffffffffffff.seg", "0000000000000001.seg.bak"}
	for _, n := range foreign {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j, _ := mustOpen(t, dir, Options{})
	mustAppend(t, j, "x")
	kill(j)
	if err := os.Rename(filepath.Join(dir, segName(1)), filepath.Join(dir, segName(2))); err != nil {
		t.Fatal(err)
	}
	j, records := mustOpen(t, dir, Options{})
	if len(records) > 0 || len(j.Losses()) != 1 || j.Losses()[0].Bytes != segHead+frameHead+1 {
		t.Errorf("records %q, losses %v", text(records), j.Losses())
	}
	for _, n := range foreign {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			t.Error(err)
		}
	}
}

// A length of 4 GiB, or of more than the file, allocates nothing like it. The sum
// is right, as only a broken writer would have it.
func TestHugeLength(t *testing.T) {
	for _, n := range []uint32{MaxRecord, MaxRecord + 1, 1<<32 - 1} {
		b := appendSegHead(nil, 7, 1)
		b = appendHead(b, 7, put, 1, []byte("ok"))
		b = append(b, "ok"...)
		start := len(b)
		b = appendHead(b, 7, put, 2, nil)
		le.PutUint32(b[start:], n)
		le.PutUint32(b[start+4:], headSum(b[start:], 7))
		b = append(b, "short"...)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segName(1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		allocated := testing.AllocsPerRun(1, func() {
			j, records, err := Open(dir, Options{})
			if err != nil || text(records) != "1=ok" {
				t.Fatalf("records %q, %v", text(records), err)
			}
			kill(j)
		})
		if allocated > 200 {
			t.Errorf("length %d: %v allocations", n, allocated)
		}
	}
}

// Bytes in a record that look like a frame of the same journal are data, also
// when the frame around them is damaged: the salt differs by segment.
func TestFrameWithinData(t *testing.T) {
	s := newSample(t, 1<<20)
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{})
	mustAppend(t, j, string(s.files[0]), "next")
	kill(j)
	flip(t, segments(t, dir)[0], segHead) // its length
	j, records := mustOpen(t, dir, Options{})
	if got := text(records); got != "2=next" {
		t.Errorf("records %q, losses %v", got, j.Losses())
	}
}

// FuzzOpen opens a journal whose segments are any bytes. Seeds that keep the sums
// right come from fuzzing the frames: the mutator cannot guess a CRC.
func FuzzOpen(f *testing.F) {
	s := newSample(f, 1<<20)
	f.Add(s.files[0], []byte{}, uint16(0), []byte{})
	f.Add(s.files[0][:50], s.files[0], uint16(3), []byte{0, 0, 0, 9})
	f.Add([]byte(magic), []byte("junk"), uint16(1), []byte{1})
	f.Fuzz(func(t *testing.T, first, second []byte, cut uint16, frames []byte) {
		fs := newMemFS()
		third := appendSegHead(nil, 7, 3)
		for len(frames) >= 3 { // kind, id, size: intact frames of any content
			k, id, n := kind(frames[0]), uint64(frames[1]), min(int(frames[2]), len(frames)-3)
			third = append(appendHead(third, 7, k, id, frames[3:3+n]), frames[3:3+n]...)
			frames = frames[3+n:]
		}
		third = third[:max(0, len(third)-int(cut))]
		for i, b := range [][]byte{first, second, third} {
			fs.files[filepath.Join(memDir, segName(uint64(i+1)))] = bytes.Clone(b)
		}
		o := Options{SegmentBytes: 100}
		j, records, err := open(memDir, o, fs)
		if err != nil {
			if errors.Is(err, ErrVersion) {
				return
			}
			t.Fatal(err)
		}
		var total int64
		for i, r := range records {
			total += int64(len(r.Data))
			if i > 0 && r.ID <= records[i-1].ID {
				t.Fatalf("ids %d, %d", records[i-1].ID, r.ID)
			}
		}
		if total > int64(len(first)+len(second)+len(third)) {
			t.Fatalf("%d bytes of records from %d", total, len(first)+len(second)+len(third))
		}
		id, err := j.Append([]byte("more"))
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		want := append(records, Record{id, []byte("more")})
		j, records, err = open(memDir, o, fs)
		if err != nil || text(records) != text(want) || len(j.Losses()) > 0 {
			t.Fatalf("losses %v, %v\ngot  %q\nwant %q", j.Losses(), err, text(records), text(want))
		}
		j.Close()
	})
}

// The number of a damaged last record is not given to the next one: whoever still holds it would remove the wrong record.
func TestNextIDAfterDamagedLastRecord(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{})
	mustAppend(t, j, "kept")
	lost, err := j.Append([]byte("lost"))
	if err != nil {
		t.Fatal(err)
	}
	seg, off := j.last().path, j.last().size-1
	kill(j)
	flip(t, seg, off)
	j, records := mustOpen(t, dir, Options{})
	defer kill(j)
	if len(records) != 1 || len(j.Losses()) != 1 {
		t.Fatalf("records %q, losses %v", text(records), j.Losses())
	}
	next, err := j.Append([]byte("next"))
	if err != nil || next <= lost {
		t.Errorf("the next record got the number %d, %v; the damaged one had %d", next, err, lost)
	}
}
