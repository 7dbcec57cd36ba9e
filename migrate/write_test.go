package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a directory with files to be replaced.
type tree struct {
	dir, journal string
	files        map[string]File
}

// newTree writes files whose names stand for their old content; the new one is given.
func newTree(t *testing.T, change map[string]string) *tree {
	t.Helper()
	w := &tree{dir: t.TempDir(), journal: t.TempDir(), files: map[string]File{}}
	for name, text := range change {
		full := filepath.Join(w.dir, name)
		old := "old " + name
		if err := os.WriteFile(full, []byte(old), 0o640); err != nil {
			t.Fatal(err)
		}
		w.files[full] = File{[]byte(old), []byte(text)}
	}
	return w
}

// holds fails the test unless every file has its old or its new content, as which says, and nothing else is there.
func (w *tree) holds(t *testing.T, which func(File) []byte) {
	t.Helper()
	for name, f := range w.files {
		if got, err := os.ReadFile(name); err != nil || string(got) != string(which(f)) {
			t.Errorf("%s holds %.40q, want %.40q (%v)", filepath.Base(name), got, which(f), err)
		}
	}
	left, err := os.ReadDir(w.dir)
	if err != nil || len(left) != len(w.files) {
		t.Errorf("in the directory: %v, %v, want %d files", left, err, len(w.files))
	}
	if left, err := os.ReadDir(w.journal); err != nil || len(left) != 0 {
		t.Errorf("where the journal was: %v, %v", left, err)
	}
}

// write replaces the files, the journal in a directory of its own.
func (w *tree) write(ctx context.Context) error {
	return writer{journalDir: w.journal}.write(ctx, w.files)
}

func before(f File) []byte { return f.Old }
func after(f File) []byte  { return f.New }

func TestWrite(t *testing.T) {
	change := map[string]string{"a.go": "new a", "b.go": "new", "c.go": "new c, which is longer than the old one"}
	t.Run("all", func(t *testing.T) {
		w := newTree(t, change)
		if err := w.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.holds(t, after)
		if st, err := os.Stat(filepath.Join(w.dir, "a.go")); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
	})
	t.Run("a file that changed meanwhile", func(t *testing.T) {
		w := newTree(t, change)
		b := filepath.Join(w.dir, "b.go")
		if err := os.WriteFile(b, []byte("edited"), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := w.write(t.Context()); err == nil || !strings.Contains(err.Error(), "changed during the run") {
			t.Errorf("%v", err)
		}
		w.files[b] = File{Old: []byte("edited")}
		w.holds(t, before)
	})
	t.Run("a read-only file", func(t *testing.T) {
		w := newTree(t, change)
		if err := os.Chmod(filepath.Join(w.dir, "c.go"), 0o440); err != nil {
			t.Fatal(err)
		}
		if err := w.write(t.Context()); !errors.Is(err, os.ErrPermission) {
			t.Errorf("%v", err)
		}
		w.holds(t, before)
	})
	t.Run("a link to a file", func(t *testing.T) {
		w := newTree(t, change)
		elsewhere := t.TempDir()
		link := filepath.Join(elsewhere, "link.go")
		if err := os.Symlink(filepath.Join(w.dir, "a.go"), link); err != nil {
			t.Fatal(err)
		}
		w.files[link] = w.files[filepath.Join(w.dir, "a.go")] // twice, under both names
		err := w.write(t.Context())
		delete(w.files, link)
		if err != nil {
			t.Fatal(err)
		}
		w.holds(t, after)
		if st, err := os.Lstat(link); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("the link became %v, %v", st.Mode(), err)
		}
	})
}

// endsAfter is a context that ends when it was asked n times: a signal in the middle.
type endsAfter struct {
	context.Context
	n int
}

func (e *endsAfter) Err() error {
	if e.n--; e.n < 0 {
		return context.Canceled
	}
	return nil
}

// TestWriteInterrupted: wherever an interrupt comes, all files are old or all are new, and nothing is left behind.
func TestWriteInterrupted(t *testing.T) {
	change := map[string]string{}
	for i := range 5 {
		change[fmt.Sprintf("f%d.go", i)] = fmt.Sprintf("new %d", i)
	}
	for n := range 8 {
		w := newTree(t, change)
		err := w.write(&endsAfter{t.Context(), n})
		if err != nil {
			if !strings.Contains(err.Error(), "nothing was written") {
				t.Errorf("interrupt %d: %v", n, err)
			}
			w.holds(t, before)
		} else {
			w.holds(t, after)
		}
		if done := n >= len(change)+1; done != (err == nil) {
			t.Errorf("interrupt %d: %v", n, err)
		}
	}
}

// TestCommitUndone: when a file cannot be put in place after others were, those get their old content back.
func TestCommitUndone(t *testing.T) {
	w := newTree(t, map[string]string{"a.go": "new a", "b.go": "b", "c.go": "new c"})
	linked := filepath.Join(t.TempDir(), "other name.go") // b is written in place, where the system tells of links
	if err := os.Link(filepath.Join(w.dir, "b.go"), linked); err != nil {
		t.Fatal(err)
	}
	last := "rename " + filepath.Join(w.dir, "c.go")
	thief := writer{journalDir: w.journal, step: func(what string) {
		if what != last {
			return
		}
		temps, _ := filepath.Glob(filepath.Join(w.dir, tempPrefix+"*-2"))
		for _, name := range temps {
			os.Remove(name)
		}
	}}
	if err := thief.write(t.Context(), w.files); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "next run") {
		t.Errorf("%v", err)
	}
	w.holds(t, before)
}
