package statedir

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test binary runs again as another process when this variable names a directory to work on.
const helperEnv = "IOTLOCAL_STATEDIR_HELPER"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		fmt.Fprintln(os.Stderr, work(path))
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// pairs is how many pairs of keys the process works on. Both of a pair always have the same value.
const pairs = 20

// work makes changes for ever and says on standard output what has been done. Every value is one more than that before.
func work(path string) error {
	d, err := Open(path)
	if err != nil {
		return err
	}
	d.slack = 4000
	at := [pairs]int{}
	for k, v := range load(d, "left") {
		var i, n int
		if _, err := fmt.Sscanf(k+" "+v, "%d [%d", &i, &n); err != nil {
			return err
		}
		at[i] = n
	}
	for {
		i := rand.IntN(pairs)
		n := at[i] + 1
		value := []any{n, strings.Repeat("x", rand.IntN(300))}
		left, err := Put("left", fmt.Sprint(i), value)
		if err != nil {
			return err
		}
		right, err := Put("right", fmt.Sprint(i), value)
		if err != nil {
			return err
		}
		if err := d.Write(left, right); err != nil { // no Sync: only the process dies
			return err
		}
		at[i] = n
		fmt.Fprintf(os.Stdout, "%d %d\n", i, n) // one write
	}
}

// A process that works on a directory is killed at random points, again and again: what it said it had done is there, nothing is
// there half, and nothing is older than it was.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	said := [pairs]int{}
	total := 0
	for round := range 10 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), helperEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := 1 + rand.IntN(800)
		lines := bufio.NewScanner(out)
		for n := 1; lines.Scan(); n++ {
			if n == killAfter {
				cmd.Process.Kill() // what it said before is read on
			}
			var i, v int
			if _, err := fmt.Sscanf(lines.Text(), "%d %d", &i, &v); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			said[i] = v
			total++
		}
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("round %d: %s", round, stderr.String())
		}
		d, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		left, right := load(d, "left"), load(d, "right")
		for i := range pairs {
			k := fmt.Sprint(i)
			if left[k] != right[k] {
				t.Fatalf("round %d: pair %d is %.20q and %.20q", round, i, left[k], right[k])
			}
			n := 0
			_, _ = fmt.Sscanf(left[k], "[%d", &n)
			if n != said[i] && n != said[i]+1 {
				t.Fatalf("round %d: pair %d is at %d, it was said to be at %d", round, i, n, said[i])
			}
			said[i] = n
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if total < 100 {
		t.Errorf("only %d changes were made", total)
	}
}
