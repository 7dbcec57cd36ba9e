package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func mustOpen(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func put(t testing.TB, kind, key string, value any) Change {
	t.Helper()
	c, err := Put(kind, key, value)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load returns what Open has found of a kind.
func load(d *Dir, kind string) map[string]string {
	all := map[string]string{}
	for k, v := range d.Load(kind) {
		all[k] = string(v)
	}
	return all
}

func expect(t testing.TB, path, kind string, want map[string]string) {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := load(d, kind); !maps.Equal(got, want) {
		t.Fatalf("found %v, want %v", got, want)
	}
	if err := errors.Join(d.Loaded(), d.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "on the way")
	d := mustOpen(t, path)
	key := "a \"key\"\nwith a line feed ö "
	if err := d.Commit(put(t, "thing", key, map[string]int{"a": 1}), put(t, "thing", "b", "x"), put(t, "other", "b", 3)); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(Delete("thing", "b"), Delete("thing", "never there"), put(t, "thing", "null", nil)); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, path)
	if err := d.Loaded(); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Fatalf("Loaded with values that nobody has taken: %v", err)
	}
	if got, want := load(d, "thing"), map[string]string{key: `{"a":1}`, "null": "null"}; !maps.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := load(d, "other"); got["b"] != "3" {
		t.Errorf("found %v", got)
	}
	if err := d.Loaded(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(put(t, "thing", "c", 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if err := d.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
}

func TestLocked(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Fatalf("a second Open: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
}

// What is not as Write leaves it is an error that names the file and the line; what a killed process leaves is not.
func TestDamage(t *testing.T) {
	base := t.TempDir()
	d := mustOpen(t, base)
	for i := range 3 {
		if err := d.Commit(put(t, "k", fmt.Sprint(i), i), put(t, "l", fmt.Sprint(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(base, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n") // header, 6 lines, ""
	all := map[string]string{"0": "0", "1": "1", "2": "2"}
	two := map[string]string{"0": "0", "1": "1"}
	begun, err := appendLine(nil, put(t, "k", "long", strings.Repeat("x", 500)), more)
	if err != nil {
		t.Fatal(err)
	}
	long := string(begun)
	join := func(l ...string) string { return strings.Join(l, "") }
	tests := []struct {
		name, text string
		want       map[string]string // nil: an error
		err        string
	}{
		{"whole", string(whole), all, ""},
		{"the last line has no end", strings.TrimSuffix(string(whole), "\n"), two, ""},
		{"a line begun", string(whole) + "1c291", all, ""},
		{"a transaction without its last line", join(lines[:6]...), two, ""},
		{"a long line of a transaction without its last", string(whole) + long, all, ""},
		{"zeros behind it, as a file system may leave", string(whole) + strings.Repeat("\x00", 5000), all, ""},
		{"nothing but the header", header, map[string]string{}, ""},
		{"empty", "", nil, "is no state of iotlocal"},
		{"the header cut", header[:10], nil, "is no state of iotlocal"},
		{"foreign", "{\"some\": \"thing\"}\n", nil, "is no state of iotlocal"},
		{"another format", "iotlocal state, format 2\n", nil, "another version"},
		{"a byte in the middle", strings.Replace(string(whole), `["k","1",1]`, `["k","1",2]`, 1), nil, "line 4 is damaged"},
		{"a byte at the end", strings.Replace(string(whole), `["l","2",2]`, `["l","2",3]`, 1), nil, "line 7 is damaged"},
		{"an empty line", join(lines[0], "\n"), nil, "line 2 is not a line"},
		{"another column", strings.Replace(string(whole), " + ", " - ", 1), nil, "line 2 is not a line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir()
			file := filepath.Join(path, stateFile)
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Open(path)
			if tt.want == nil {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), file) {
					t.Fatalf("%v, want %q", err, tt.err)
				}
				left, err := os.ReadFile(file)
				if err != nil || string(left) != tt.text {
					t.Fatalf("the file was changed: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := load(d, "k"); !maps.Equal(got, tt.want) {
				t.Fatalf("found %v, want %v", got, tt.want)
			}
			// What was dropped does not come back with the next write.
			if err := errors.Join(d.Commit(put(t, "k", "new", 9)), d.Close()); err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(tt.want)
			want["new"] = "9"
			d = mustOpen(t, path)
			if got := load(d, "k"); !maps.Equal(got, want) {
				t.Fatalf("after a write found %v, want %v", got, want)
			}
		})
	}
	t.Run("a directory in its place", func(t *testing.T) {
		path := t.TempDir()
		if err := os.Mkdir(filepath.Join(path, stateFile), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Fatal(err)
		}
	})
}

// Random changes against a map, with copies of the file in between and openings of the directory.
func TestRandomChanges(t *testing.T) {
	path := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	var copies int
	for range 10 {
		d := mustOpen(t, path)
		d.slack = 2000
		if got := load(d, "k"); !maps.Equal(got, model) {
			t.Fatalf("found %d values, want %d", len(got), len(model))
		}
		for range 200 {
			var changes []Change
			for range 1 + rng.IntN(4) {
				k := fmt.Sprint(rng.IntN(30))
				if rng.IntN(3) == 0 {
					changes = append(changes, Delete("k", k))
					delete(model, k)
					continue
				}
				c := put(t, "k", k, strings.Repeat("v", rng.IntN(200)))
				changes = append(changes, c)
				model[k] = string(c.Value)
			}
			before := d.size
			if err := d.Write(changes...); err != nil {
				t.Fatal(err)
			}
			if d.size < before {
				copies++
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if copies < 10 {
		t.Errorf("the file was copied %d times: the test does not test that", copies)
	}
	names, err := os.ReadDir(path)
	if err != nil || len(names) != 2 {
		t.Errorf("the directory has %v: %v", names, err)
	}
}

// disk is one that fails when it is told to.
type disk struct {
	room  int   // bytes that can still be written; negative: any number
	trunc error // of Truncate
	sync  error // of Sync
	make  error // of opening a file to write anew
}

type diskFile struct {
	file
	d *disk
}

func (d *disk) open(path string, flag int) (file, error) {
	if flag&os.O_CREATE != 0 && d.make != nil {
		return nil, d.make
	}
	f, err := openFile(path, flag)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d}, nil
}

func (f diskFile) WriteAt(b []byte, off int64) (int, error) {
	n := len(b)
	if f.d.room >= 0 {
		n = min(n, f.d.room)
		f.d.room -= n
	}
	n, err := f.file.WriteAt(b[:n], off)
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f diskFile) Truncate(size int64) error {
	if f.d.trunc != nil {
		return f.d.trunc
	}
	return f.file.Truncate(size)
}

func (f diskFile) Sync() error {
	if f.d.sync != nil {
		return f.d.sync
	}
	return f.file.Sync()
}

func TestDiskFull(t *testing.T) {
	path := t.TempDir()
	full := &disk{room: -1}
	d, err := openDir(path, full.open)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(put(t, "k", "a", 1)); err != nil {
		t.Fatal(err)
	}
	// It is full in the middle of a transaction, then does not even take the bytes back.
	full.room, full.trunc = 30, syscall.EIO
	err = d.Commit(put(t, "k", "a", 2), put(t, "k", "b", strings.Repeat("x", 100)))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), d.name(stateFile)) {
		t.Fatalf("full: %v", err)
	}
	full.room = -1
	if err := d.Commit(put(t, "k", "c", 3)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a write behind what could not be taken back: %v", err)
	}
	full.trunc = nil
	if err := d.Commit(put(t, "k", "c", 3)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "k", map[string]string{"a": "1", "c": "3"})
}

// A copy that fails leaves the old file, and is tried again later.
func TestDiskFullWhileCopying(t *testing.T) {
	path := t.TempDir()
	full := &disk{room: -1}
	d, err := openDir(path, full.open)
	if err != nil {
		t.Fatal(err)
	}
	d.slack = 500
	full.make = syscall.ENOSPC
	var copied bool
	for i := range 200 {
		if i == 100 {
			full.make = nil
		}
		before := d.size
		if err := d.Commit(put(t, "k", "a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		copied = copied || d.size < before
		if i < 100 && copied {
			t.Fatal("copied onto a full disk")
		}
	}
	if !copied {
		t.Error("never copied")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "k", map[string]string{"a": `"199"`})
}

// After a sync that failed nobody knows what is on the disk.
func TestSyncFails(t *testing.T) {
	bad := &disk{room: -1}
	d, err := openDir(t.TempDir(), bad.open)
	if err != nil {
		t.Fatal(err)
	}
	bad.sync = syscall.EIO
	if err := d.Commit(put(t, "k", "a", 1)); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	bad.sync = nil
	if err := d.Commit(put(t, "k", "a", 1)); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "start the server again") {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// Commits from everywhere, while the file is copied under them.
func TestConcurrentCommits(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	d.slack = 1000
	var wg sync.WaitGroup
	want := map[string]string{}
	for g := range 8 {
		want[fmt.Sprint(g)] = "49"
		wg.Go(func() {
			for i := range 50 {
				if err := d.Commit(put(t, "k", fmt.Sprint(g), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "k", want)
}

func FuzzParseLine(f *testing.F) {
	line, err := appendLine(nil, Change{"shadow", "lamp", json.RawMessage(`{"a":[1]}`)}, last)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line[prefixLen : len(line)-1])
	f.Add([]byte(`["a","b"]`))
	f.Add([]byte(`["a",1,2,3]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		sealed := slices.Concat([]byte("00000000 . "), text) // else no input comes past the sum
		seal(sealed)
		c, _, err := parseLine(sealed)
		_, _, _ = parseLine(text)
		if err != nil {
			return
		}
		again, err := appendLine(nil, c, more)
		if err != nil {
			t.Fatal(err)
		}
		back, column, err := parseLine(again[:len(again)-1])
		if err != nil || column != more || back.Kind != c.Kind || back.Key != c.Key {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
	})
}

// Open of any file either reads it or leaves it, and never panics.
func FuzzOpen(f *testing.F) {
	one, err := appendLine(nil, Change{"k", "a", json.RawMessage("1")}, more)
	if err != nil {
		f.Fatal(err)
	}
	two, err := appendLine(one, Change{Kind: "k", Key: "b"}, last)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(header))
	f.Add(slices.Concat([]byte(header), one))
	f.Add(slices.Concat([]byte(header), two))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir()
		file := filepath.Join(path, stateFile)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path)
		left, readErr := os.ReadFile(file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if string(left) != string(text) {
				t.Fatalf("refused with %v, and changed", err)
			}
			return
		}
		defer d.Close()
		if !strings.HasPrefix(string(text), string(left)) {
			t.Fatalf("%q became %q", text, left)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	d := mustOpen(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if err := d.Commit(put(b, "shadow", fmt.Sprint(i%100), map[string]int{"version": i})); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	d := mustOpen(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if err := d.Write(put(b, "shadow", fmt.Sprint(i%100), map[string]int{"version": i})); err != nil {
			b.Fatal(err)
		}
	}
}
