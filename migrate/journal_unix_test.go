//go:build unix

package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// killed names the environment of a process that is to end at a step of writing: directory, directory of the journal,
// number of the step.
const killed = "PORTAGE_TEST_KILLED"

// killTree are files of every kind: one that grows, one that shrinks, and both again with a second name, which are
// written in place.
func killTree(t *testing.T) *tree {
	t.Helper()
	long := strings.Repeat("new and longer ", 2000)
	w := newTree(t, map[string]string{"grows.go": long, "shrinks.go": "n", "linked grows.go": long, "linked shrinks.go": "n"})
	other := t.TempDir()
	for name := range w.files {
		if base := filepath.Base(name); strings.HasPrefix(base, "linked") {
			if err := os.Link(name, filepath.Join(other, base)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// writeAndDie is the other process: it writes, and kills itself before its nth step.
func writeAndDie(ctx context.Context, journal string, n int, files map[string]File) error {
	w := writer{journalDir: journal, step: func(string) {
		if n--; n < 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal has come
		}
	}}
	return w.write(ctx, files)
}

// TestKilled kills a process at every step of writing. The run after that leaves all files old, or all new when they
// were, and nothing else, and says what it did.
func TestKilled(t *testing.T) {
	if arg := os.Getenv(killed); arg != "" {
		var a struct {
			Journal string
			Step    int
			Files   map[string]File
		}
		if err := json.Unmarshal([]byte(arg), &a); err != nil {
			t.Fatal(err)
		}
		if err := writeAndDie(t.Context(), a.Journal, a.Step, a.Files); err != nil {
			t.Fatal(err)
		}
		return
	}
	saw := map[string]int{}
	for n := 0; ; n++ {
		w := killTree(t)
		arg, err := json.Marshal(map[string]any{"Journal": w.journal, "Step": n, "Files": w.files})
		if err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), killed+"="+string(arg))
		out, err := child.CombinedOutput()
		if err == nil { // it had no step n
			w.holds(t, after)
			break
		}
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v\n%s", n, err, out)
		}
		said, err := restore(w.journal)
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		verb, _, _ := strings.Cut(said, " ")
		saw[verb]++
		if verb == "finished" {
			w.holds(t, after)
		} else {
			w.holds(t, before)
		}
		if again, err := restore(w.journal); again != "" || err != nil {
			t.Errorf("step %d: a second time: %q, %v", n, again, err)
		}
	}
	if saw["finished"] == 0 || saw["undid"] < 10 || saw[""] == 0 {
		t.Errorf("what was said, by its first word: %v", saw)
	}
}

// TestRestore: journals of every kind that a run can find.
func TestRestore(t *testing.T) {
	a := func(w *tree) string { return filepath.Join(w.dir, "a.go") }
	tests := []struct {
		name    string
		prepare func(t *testing.T, w *tree, text []byte) []byte // what stands in the journal
		said    string
		err     string
		keeps   bool // the journal stays
	}{
		{"cut off", func(_ *testing.T, _ *tree, text []byte) []byte { return text[:len(text)/2] }, "before it changed anything", "", false},
		{"empty", func(*testing.T, *tree, []byte) []byte { return nil }, "before it changed anything", "", false},
		{"half of it written", func(t *testing.T, w *tree, text []byte) []byte {
			overwrite(t, a(w), "new a")
			return text
		}, "undid what an interrupted run began: 1 file of 2 had been rewritten", "", false},
		{"an edit since", func(t *testing.T, w *tree, text []byte) []byte {
			overwrite(t, a(w), "my work")
			return text
		}, "", "a.go was changed since", true},
		{"a file is gone", func(t *testing.T, w *tree, text []byte) []byte {
			if err := os.Remove(a(w)); err != nil {
				t.Fatal(err)
			}
			return text
		}, "", "no such file", true},
		{"of another version", func(*testing.T, *tree, []byte) []byte { return []byte("{\"Version\":2}\n") }, "", "not a journal that this version can read", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newTree(t, map[string]string{"a.go": "new a", "b.go": "new b"})
			rec := record{Version: 1}
			for name, f := range w.files {
				rec.Files = append(rec.Files, recordFile{name, name + ".temp", name + ".backup", f.Old, f.New})
			}
			text, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(w.journal, journalName)
			overwrite(t, path, string(tt.prepare(t, w, append(text, '\n'))))
			said, err := restore(w.journal)
			if !strings.Contains(said, tt.said) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %v", said, err)
			}
			if _, err := os.Stat(path); (err == nil) != tt.keeps {
				t.Errorf("the journal: %v", err)
			}
			if !tt.keeps {
				w.holds(t, before)
			}
		})
	}
}

// TestForeignJournal: what others could have written, such as the journal that comes with a clone, makes no run write anything.
func TestForeignJournal(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o620, 0o602} {
		w := newTree(t, map[string]string{"a.go": "new a", "b.go": "new b"})
		rec := record{Version: 1}
		for name, f := range w.files { // one of them seems to have been written already, and to need its old content
			was, is := []byte("theirs"), f.Old
			if filepath.Base(name) == "b.go" {
				was, is = is, was
			}
			rec.Files = append(rec.Files, recordFile{name, name + ".temp", name + ".backup", was, is})
		}
		text, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(w.journal, journalName)
		overwrite(t, path, string(append(text, '\n')))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if said, err := restore(w.journal); err != nil || !strings.Contains(said, "is no journal of your own runs") {
			t.Errorf("%v: %q, %v", mode, said, err)
		}
		if err := os.Remove(path); err != nil {
			t.Errorf("%v: the journal: %v", mode, err)
		}
		w.holds(t, before)
	}
}

// TestJournalOfALiveRun: neither a second writer nor a restore touches what a run is still writing.
func TestJournalOfALiveRun(t *testing.T) {
	w := newTree(t, map[string]string{"a.go": "new a"})
	asked := 0
	writing := writer{journalDir: w.journal, step: func(what string) {
		if what == "journal" {
			return
		}
		asked++
		if _, err := restore(w.journal); !errors.Is(err, errOtherRun) {
			t.Errorf("%s: restore: %v", what, err)
		}
		if err := w.write(t.Context()); !errors.Is(err, errOtherRun) {
			t.Errorf("%s: write: %v", what, err)
		}
	}}
	if err := writing.write(t.Context(), w.files); err != nil || asked < 4 {
		t.Errorf("%d steps, %v", asked, err)
	}
	w.holds(t, after)
}

// TestRestoreAll: a run finds the journal above its directory and above the directories it names.
func TestRestoreAll(t *testing.T) {
	for i, tt := range []struct{ at, dir, pattern string }{
		{"m", "m", "."}, {"m", "m/a/b", "./..."}, {"m", ".", "./m/a/..."}, {"m", "other", "../m/a"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			root := t.TempDir()
			for _, d := range []string{"m/a/b", "other"} {
				if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			overwrite(t, filepath.Join(root, tt.at, journalName), "")
			said, err := restoreAll(filepath.Join(root, tt.dir), []string{tt.pattern})
			if err != nil || fmt.Sprint(said) != "[a run was interrupted before it changed anything]" {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}

func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
