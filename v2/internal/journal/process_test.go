package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file run the test binary again as another process, told by
// this variable what to be.
const helperEnv = "AWSIOT_JOURNAL_HELPER"

func TestMain(m *testing.M) {
	switch what := os.Getenv(helperEnv); what {
	case "":
		os.Exit(m.Run())
	case "work":
		fmt.Fprintln(os.Stderr, work(os.Args[1], os.Args[2]))
	default:
		fmt.Fprintln(os.Stderr, otherHelper(what, os.Args[1]))
	}
	os.Exit(3)
}

func helper(t testing.TB, what string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+what)
	return cmd
}

var workOptions = Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20}

// payload is the record number n: its content follows from the number.
func payload(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	size := rng.IntN(400)
	if n%50 == 0 {
		size = 50 << 10 // more than a segment, written without a copy
	}
	b := fmt.Appendf(nil, "%d:", n)
	for range size {
		b = append(b, byte(rng.Uint32()))
	}
	return b
}

func number(data []byte) int {
	s, _, _ := strings.Cut(string(data), ":")
	n, _ := strconv.Atoi(s)
	return n
}

// work appends and removes at random for ever, from the given number on, and
// writes to standard output what it is about to do and what has succeeded:
// a and A around Append, r and R around Remove.
func work(dir, from string) error {
	next, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	j, records, err := Open(dir, workOptions)
	if err != nil {
		return err
	}
	for _, l := range j.Losses() {
		if !l.Torn {
			return errors.New(l.String())
		}
	}
	say := func(what byte, n int) { fmt.Fprintf(os.Stdout, "%c %d\n", what, n) } // one write each
	for {
		if rand.IntN(2) == 0 || len(records) == 0 {
			batch := 1 + rand.IntN(3)
			var data [][]byte
			for i := range batch {
				say('a', next+i)
				data = append(data, payload(next+i))
			}
			id, err := j.AppendBatch(data...)
			if err != nil && !errors.Is(err, ErrFull) {
				return err
			}
			if err == nil {
				for i, d := range data {
					records = append(records, Record{id + uint64(i), d})
					say('A', next+i)
				}
			}
			next += batch
			continue
		}
		i := rand.IntN(min(len(records), 100)) // mostly in order, with some that stay
		n := number(records[i].Data)
		say('r', n)
		if err := j.Remove(records[i].ID); err != nil {
			return err
		}
		say('R', n)
		records = append(records[:i], records[i+1:]...)
	}
}

// A process that works on a journal is killed at random points, again
// and again. Every record acknowledged is there, in order and as it was; none that
// was removed.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	must := map[int]bool{} // acknowledged and no removal begun
	var next, total int
	for round := range 12 {
		may := map[int]bool{} // begun
		cmd := helper(t, "work", dir, strconv.Itoa(next))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := rand.IntN(1500)
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			if i == killAfter {
				cmd.Process.Kill() // what it said before is read on
			}
			var what byte
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "%c %d", &what, &n); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			switch what {
			case 'a':
				may[n] = true
				next = max(next, n+1)
			case 'A':
				delete(may, n)
				must[n] = true
				total++
			case 'r':
				delete(must, n)
				may[n] = true
			case 'R':
				delete(may, n)
			}
		}
		cmd.Process.Kill()
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("round %d: %v: %s", round, err, stderr.String())
		}

		j, records, err := Open(dir, workOptions)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range j.Losses() {
			if !l.Torn {
				t.Fatalf("round %d: %v", round, l)
			}
		}
		last, found := -1, 0
		for _, r := range records {
			n := number(r.Data)
			if string(r.Data) != string(payload(n)) || n <= last {
				t.Fatalf("round %d: record %d differs, or is out of order after %d", round, n, last)
			}
			last = n
			if must[n] {
				found++
			} else if !may[n] {
				t.Fatalf("round %d: record %d was removed, or never appended", round, n)
			}
			must[n] = true // for the rounds to come
		}
		if missing := len(must) - len(records); missing > 0 {
			t.Fatalf("round %d: %d acknowledged records are missing, %d found", round, missing, found)
		}
		kill(j)
	}
	t.Logf("%d records acknowledged, %d live at the end", total, len(must))
	if total < 300 {
		t.Errorf("only %d records acknowledged", total)
	}
}

// A second process. It is told who is in the way, and gets in once that
// process is dead, however it died.
func TestLockedByProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := helper(t, "work", dir, "0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it is open
		t.Fatal(err)
	}
	_, _, err = Open(dir, Options{})
	if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrLocked) || e.File != filepath.Join(dir, "lock") {
		t.Errorf("Open: %v", err)
	}
	cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	mustOpen(t, dir, Options{})
}
