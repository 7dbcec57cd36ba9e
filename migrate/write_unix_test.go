//go:build unix

package migrate

import (
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWriteKeepsLinksAndModes: the other names of a file show the new content too, and every mode bit stays.
func TestWriteKeepsLinksAndModes(t *testing.T) {
	w := newTree(t, map[string]string{"linked.go": "n", "grown.go": strings.Repeat("new ", 1000), "moded.go": "new"})
	other := t.TempDir()
	for _, name := range []string{"linked.go", "grown.go"} {
		if err := os.Link(filepath.Join(w.dir, name), filepath.Join(other, name)); err != nil {
			t.Fatal(err)
		}
	}
	moded := filepath.Join(w.dir, "moded.go")
	if err := os.Chmod(moded, 0o751|fs.ModeSetgid|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(moded)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.holds(t, after)
	for _, name := range []string{"linked.go", "grown.go"} {
		a, errA := os.Stat(filepath.Join(w.dir, name))
		b, errB := os.Stat(filepath.Join(other, name))
		if errA != nil || errB != nil || !os.SameFile(a, b) {
			t.Errorf("%s is not one file under two names any more: %v, %v", name, errA, errB)
		}
	}
	if st, err := os.Stat(moded); err != nil || st.Mode() != was.Mode() {
		t.Errorf("mode %v, %v, was %v", st.Mode(), err, was.Mode())
	}
}

// TestWriteDiskFull: a limit on the size of files stands for a full disk. It strikes in the journal, and in the middle of the
// second file. The
// limit holds for a whole process, the log that the go command asks of a test among it, so the process is one of its own.
func TestWriteDiskFull(t *testing.T) {
	const alone = "PORTAGE_TEST_ALONE"
	if os.Getenv(alone) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteDiskFull$", "-test.v")
		child.Env = append(os.Environ(), alone+"=1")
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestWriteDiskFull") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	low := was
	low.Cur = 1 << 20
	for _, full := range []struct{ at, err string }{{"journal", "write the journal"}, {"stage", "b.go"}} {
		w := newTree(t, map[string]string{"a.go": "new a", "b.go": strings.Repeat("x", 1<<21), "c.go": "new c"})
		err := writer{journalDir: w.journal, step: func(what string) {
			if strings.HasPrefix(what, full.at) {
				if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &low); err != nil {
					t.Error(err)
				}
			}
		}}.write(t.Context(), w.files)
		if e := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); e != nil {
			t.Fatal(e)
		}
		if err == nil || !strings.Contains(err.Error(), full.err) || !strings.Contains(err.Error(), "nothing was written") {
			t.Errorf("full at the %s: %v", full.at, err)
		}
		w.holds(t, before)
	}
}
