//go:build interop

package interop

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of these tests.
const patience = 5 * time.Minute

// tool is the path of a program that the tests need. It is an error, never a reason to skip, when it is missing.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} { // where Debian keeps daemons, which PATH may lack
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatalf("the program %s is missing: apt-get install mosquitto mosquitto-clients, or bash ci/interop.sh", name)
	return ""
}

// process is a running program whose output is read line by line.
type process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended; err is set then
	err    error

	mu    sync.Mutex
	lines []string
	news  chan struct{} // closed and replaced at every line
}

// start starts a program, which the end of the test kills if it still runs.
func start(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(path), cmd: exec.Command(path, args...), exited: make(chan struct{}), news: make(chan struct{})}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.add(lines.Text())
		}
	})
	go func() { // joined by exited
		err := p.cmd.Wait()
		w.Close()
		reading.Wait()
		p.err = err
		close(p.exited)
		p.wake()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, strings.Join(p.said(), "\n"))
		}
	})
	return p
}

func (p *process) add(line string) {
	p.mu.Lock()
	p.lines = append(p.lines, line)
	p.mu.Unlock()
	p.wake()
}

func (p *process) wake() {
	p.mu.Lock()
	close(p.news)
	p.news = make(chan struct{})
	p.mu.Unlock()
}

// said is every line so far.
func (p *process) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// count is how many lines contain part.
func (p *process) count(part string) int {
	n := 0
	for _, l := range p.said() {
		if strings.Contains(l, part) {
			n++
		}
	}
	return n
}

// waitFor waits until n lines contain part. It fails the test when the program ends before, or patience does.
func (p *process) waitFor(t *testing.T, n int, part string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		if p.count(part) >= n {
			return
		}
		select {
		case <-news:
		case <-p.exited:
			if p.count(part) >= n {
				return
			}
			t.Fatalf("%s ended (%v) without having said %q %d times", p.name, p.err, part, n)
		case <-timeout:
			t.Fatalf("%s did not say %q %d times within %v", p.name, part, n, patience)
		}
	}
}

// wait waits for the end of the program and returns its error.
func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v", p.name, patience)
		return nil
	}
}

// kill ends the program and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}

// run runs a program to its end.
func run(t *testing.T, path string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
	}
}
