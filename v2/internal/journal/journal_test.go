package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// mustOpen opens dir; the journal is closed with the test.
func mustOpen(t testing.TB, dir string, o Options) (*Journal, []Record) {
	t.Helper()
	j, records, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, records
}

func mustAppend(t testing.TB, j *Journal, data ...string) []uint64 {
	t.Helper()
	var ids []uint64
	for _, d := range data {
		id, err := j.Append([]byte(d))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// text returns the records as "id=data id=data".
func text(records []Record) string {
	var b []string
	for _, r := range records {
		b = append(b, fmt.Sprintf("%d=%s", r.ID, r.Data))
	}
	return strings.Join(b, " ")
}

// kill leaves the journal as the death of the process would: the files stay as
// they are, the lock goes.
func kill(j *Journal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.closeFiles()
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segExt))
	if err != nil {
		t.Fatal(err)
	}
	return names // sorted
}

func TestAppendRemoveOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b") // made with its parents
	j, records := mustOpen(t, dir, Options{})
	if len(records) != 0 || len(segments(t, dir)) != 0 {
		t.Fatalf("a new journal has records %v, segments %v", records, segments(t, dir))
	}
	ids := mustAppend(t, j, "one", "", "three")
	first, err := j.AppendBatch([]byte("four"), []byte("five"))
	if err != nil || !slices.Equal(append(ids, first), []uint64{1, 2, 3, 4}) {
		t.Fatalf("ids %v, batch %d, %v", ids, first, err)
	}
	if err := j.Remove(3); err != nil {
		t.Fatal(err)
	}
	if err := j.Remove(3, 99, 0, 1, 1); err != nil { // idempotent, unknown ids, twice in a call
		t.Fatal(err)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(){func() { j.Close() }, func() { kill(j) }} {
		end()
		j, records = mustOpen(t, dir, Options{})
		if got := text(records); got != "2= 4=four 5=five" {
			t.Fatalf("records %q", got)
		}
		if len(j.Losses()) != 0 {
			t.Fatalf("losses %v", j.Losses())
		}
	}
	if id := mustAppend(t, j, "six")[0]; id != 6 {
		t.Errorf("id after opening again is %d, want 6", id)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no such modes
	}
	dir := filepath.Join(t.TempDir(), "store")
	j, _ := mustOpen(t, dir, Options{})
	mustAppend(t, j, "x")
	want := map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "lock"): 0o600, segments(t, dir)[0]: 0o600}
	for path, mode := range want {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, want %v", path, info.Mode().Perm(), mode)
		}
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{})
	_, _, err := Open(dir, Options{})
	e, ok := errors.AsType[*Error](err)
	if !errors.Is(err, ErrLocked) || !ok || e.File != filepath.Join(dir, "lock") {
		t.Fatalf("second Open: %v", err)
	}
	if want := fmt.Sprintf("store: open %q: in use by another client or process", e.File); err.Error() != want {
		t.Errorf("text %q, want %q", err, want)
	}
	j.Close()
	mustOpen(t, dir, Options{})
}

func TestClosed(t *testing.T) {
	j, _ := mustOpen(t, t.TempDir(), Options{})
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if err := j.Remove(1); !errors.Is(err, ErrClosed) {
		t.Errorf("Remove: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{MaxBytes: -1}, {SegmentBytes: -1}, {Sync: 2}} {
		if _, _, err := Open(t.TempDir(), o); err == nil || !strings.HasPrefix(err.Error(), "store ") {
			t.Errorf("Open(%+v): %v", o, err)
		}
	}
	if _, _, err := Open("", Options{}); err == nil {
		t.Error(`Open("") succeeded`)
	}
	for p, want := range map[SyncPolicy]string{SyncNone: "SyncNone", SyncEach: "SyncEach", 7: "SyncPolicy(7)"} {
		if p.String() != want {
			t.Errorf("%d: %q, want %q", int(p), p, want)
		}
	}
	for k, want := range map[kind]string{put: "put", remove: "remove", 7: "kind(7)"} {
		if k.String() != want {
			t.Errorf("%d: %q, want %q", byte(k), k, want)
		}
	}
}

func TestFull(t *testing.T) {
	j, _ := mustOpen(t, t.TempDir(), Options{MaxBytes: 3 * (frameHead + 10)})
	ids := mustAppend(t, j, "0123456789", "0123456789")
	if _, err := j.AppendBatch(make([]byte, 10), nil); !errors.Is(err, ErrFull) {
		t.Fatalf("a batch one record too large: %v", err)
	}
	ids = append(ids, mustAppend(t, j, "0123456789")...) // exactly full
	if _, err := j.Append(nil); !errors.Is(err, ErrFull) {
		t.Fatalf("a full store: %v", err)
	}
	if err := j.Remove(ids[1]); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, "0123456789")
	if _, err := j.Append(make([]byte, MaxRecord+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("above MaxRecord: %v", err)
	}
}

// Records of all the sizes at which the code takes another way, in batches, over
// segments smaller than most of them.
func TestSizes(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 16 << 10}
	j, _ := mustOpen(t, dir, o)
	var want [][]byte
	rng := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{0, 1, 255, window/4 - 1, window / 4, window/4 + 1, copyUpTo, copyUpTo + 1, flushAt, flushAt + 1, 1 << 20, 3 << 20, 7} {
		d := make([]byte, n)
		rng.Read(d)
		want = append(want, d)
	}
	for _, d := range want {
		if _, err := j.Append(d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.AppendBatch(want...); err != nil {
		t.Fatal(err)
	}
	kill(j)
	_, records := mustOpen(t, dir, o)
	if len(records) != 2*len(want) {
		t.Fatalf("%d records, want %d", len(records), 2*len(want))
	}
	for i, r := range records {
		if !bytes.Equal(r.Data, want[i%len(want)]) {
			t.Errorf("record %d of %d bytes differs", r.ID, len(want[i%len(want)]))
		}
	}
}

// A long life in small segments: the files stay in proportion to what is live,
// also with one record that is never removed, and Close leaves nothing of an empty
// store.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 4 << 10, MaxBytes: 64 << 10}
	j, _ := mustOpen(t, dir, o)
	keep := mustAppend(t, j, "kept for ever")[0]
	var most int64
	for i := range 5000 {
		id := mustAppend(t, j, fmt.Sprintf("message %d", i))[0]
		if err := j.Remove(id); err != nil {
			t.Fatal(err)
		}
		var onDisk int64
		for _, s := range j.segs {
			onDisk += s.size
		}
		if onDisk != j.total {
			t.Fatalf("counted %d bytes, the segments have %d", j.total, onDisk)
		}
		most = max(most, onDisk)
	}
	if limit := 5 * o.SegmentBytes; most > limit {
		t.Errorf("up to %d bytes on disk for one record, want at most %d", most, limit)
	}
	for _, path := range segments(t, dir) {
		if info, err := os.Stat(path); err != nil || info.Size() > o.SegmentBytes {
			t.Errorf("%s: %v, %v", path, info.Size(), err)
		}
	}
	kill(j)
	j, records := mustOpen(t, dir, o)
	if got := text(records); got != "1=kept for ever" || len(j.Losses()) > 0 {
		t.Fatalf("records %q, losses %v", got, j.Losses())
	}
	if err := errors.Join(j.Remove(keep), j.Close()); err != nil {
		t.Fatal(err)
	}
	if left := segments(t, dir); len(left) > 0 {
		t.Errorf("an empty store leaves %v", left)
	}
}

// A queue that is used in order needs no copying: its segments go as they empty.
func TestQueueNeedsNoCopies(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{SegmentBytes: 4 << 10})
	var queue []uint64
	for range 2000 {
		queue = append(queue, mustAppend(t, j, strings.Repeat("x", 100))...)
		if len(queue) > 50 {
			if err := j.Remove(queue[0]); err != nil {
				t.Fatal(err)
			}
			queue = queue[1:]
		}
	}
	if n := len(segments(t, dir)); n > 6 {
		t.Errorf("%d segments for 6 KB of records", n)
	}
	for _, s := range j.segs {
		if s.next != 0 || !slices.IsSorted(s.ids) {
			t.Errorf("segment %d holds copies", s.seq)
		}
	}
}

// Lowered limits: what is there stays, and the files shrink to them.
func TestLoweredLimits(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{})
	ids := mustAppend(t, j, strings.Repeat("a", 50<<10), "b")
	for range 100 {
		if err := j.Remove(mustAppend(t, j, strings.Repeat("c", 1000))...); err != nil {
			t.Fatal(err)
		}
	}
	kill(j)
	j, records := mustOpen(t, dir, Options{MaxBytes: 1000, SegmentBytes: 1000})
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	if _, err := j.Append(nil); !errors.Is(err, ErrFull) {
		t.Fatalf("Append above the new limit: %v", err)
	}
	if err := j.Remove(ids[0]); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, "d", "e")
	if limit := int64(7000); j.total > limit {
		t.Errorf("%d bytes on disk, want at most %d", j.total, limit)
	}
}

// checkIndex asserts that the index says where the records are.
func checkIndex(t *rapid.T, j *Journal, fs *memFS) {
	for id, e := range j.index {
		b := fs.files[e.seg.path][e.off:]
		if h, ok := parseHead(b, e.seg.salt); !ok || h.id != id || h.kind != put || int64(h.length)+frameHead != e.size {
			t.Fatalf("record %d is not at %d of %s: %+v", id, e.off, e.seg.path, h)
		}
	}
}

// A process that dies in the middle of compaction leaves records twice: the later
// copy counts, and compaction goes on.
func TestKilledWhileCompacting(t *testing.T) {
	fs, o := newMemFS(), Options{SegmentBytes: 1000, MaxBytes: 8000, step: 1}
	j, _ := mustOpenIn(t, fs, o)
	var live []Record
	for i := range 8 { // one segment of records that stay
		d := fmt.Sprintf("stays %d %s", i, strings.Repeat("x", 80))
		live = append(live, Record{mustAppend(t, j, d)[0], []byte(d)})
	}
	twice := 0
	for range 300 {
		if err := j.Remove(mustAppend(t, j, strings.Repeat("y", 100))...); err != nil {
			t.Fatal(err)
		}
		if n := j.segs[0].next; n > 0 && n < len(j.segs[0].ids) {
			twice++
		}
		kill(j)
		var records []Record
		if j, records = mustOpenIn(t, fs, o); text(records) != text(live) {
			t.Fatalf("got  %s\nwant %s", text(records), text(live))
		}
		if j.stuck != nil {
			t.Fatal(j.stuck)
		}
		if limit := 5 * o.SegmentBytes; j.total > limit {
			t.Fatalf("%d bytes on disk, want at most %d", j.total, limit)
		}
	}
	if twice == 0 {
		t.Error("compaction was never half done")
	}
}

// Random calls, deaths and restarts against a slice.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, fs := "/store", newMemFS()
		o := Options{
			SegmentBytes: rapid.Int64Range(1, 2000).Draw(t, "SegmentBytes"),
			MaxBytes:     rapid.Int64Range(500, 20000).Draw(t, "MaxBytes"),
			Sync:         SyncPolicy(rapid.IntRange(0, 1).Draw(t, "Sync")),
			step:         rapid.Int64Range(1, 2000).Draw(t, "step"), // restarts find compaction half done
		}
		j, _, err := open(dir, o, fs)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { j.Close() }()
		var model []Record
		var live int64
		counter := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				var batch [][]byte
				var need int64
				for range rapid.IntRange(1, 4).Draw(t, "batch") {
					counter++
					d := fmt.Appendf(nil, "%d:%s", counter, strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "size")))
					batch, need = append(batch, d), need+frameHead+int64(len(d))
				}
				id, err := j.AppendBatch(batch...)
				if full := live+need > o.MaxBytes; full != errors.Is(err, ErrFull) || !full && err != nil {
					t.Fatalf("%d live bytes, %d more: %v", live, need, err)
				} else if full {
					return
				}
				live += need
				for i, d := range batch {
					model = append(model, Record{id + uint64(i), d})
				}
			},
			"remove": func(t *rapid.T) {
				var ids []uint64
				for range rapid.IntRange(0, 5).Draw(t, "n") {
					if len(model) > 0 {
						i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
						ids = append(ids, model[i].ID)
						live -= frameHead + int64(len(model[i].Data))
						model = slices.Delete(model, i, i+1)
					}
				}
				if err := j.Remove(ids...); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "kill") {
					kill(j)
				} else if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				var records []Record
				var err error
				if j, records, err = open(dir, o, fs); err != nil {
					t.Fatal(err)
				}
				if got, want := text(records), text(model); got != want || len(j.Losses()) > 0 {
					t.Fatalf("losses %v\ngot  %s\nwant %s", j.Losses(), got, want)
				}
			},
			"": func(t *rapid.T) {
				checkIndex(t, j, fs)
				var total, segLive int64
				for _, s := range j.segs {
					total, segLive = total+s.size, segLive+s.live
				}
				if j.live != live || segLive != live || j.total != total || len(j.index) != len(model) {
					t.Fatalf("live %d, by segment %d, want %d; total %d, want %d; %d indexed, want %d",
						j.live, segLive, live, j.total, total, len(j.index), len(model))
				}
				if limit := 3*o.MaxBytes + 4*o.SegmentBytes; total > limit {
					t.Fatalf("%d bytes on disk, want at most %d", total, limit)
				}
			},
		})
	})
}

func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, dir, Options{SegmentBytes: 8 << 10})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 {
				id, err := j.Append(fmt.Appendf(nil, "%d/%d", g, i))
				if err != nil {
					t.Error(err)
				} else if i%3 > 0 {
					if err := j.Remove(id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	kill(j)
	_, records := mustOpen(t, dir, Options{})
	next := map[byte]int{}
	for _, r := range records {
		g := r.Data[0]
		if want := fmt.Sprintf("%c/%d", g, next[g]); string(r.Data) != want {
			t.Fatalf("record %q, want %q", r.Data, want)
		}
		next[g] += 3
	}
	if len(records) != 400 {
		t.Errorf("%d records, want 400", len(records))
	}
}
