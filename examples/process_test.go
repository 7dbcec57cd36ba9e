package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/iotlocal"
)

// patience bounds every wait of these tests.
const patience = 5 * time.Minute

// binaries is the directory of the programs that the tests have built.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "examples"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(binaries)
		testsize.Waits()
		return m.Run()
	}())
}

// covered are the programs that tests speak of; TestCovered wants all of them.
var covered = map[string]*example{}

// builds has one build for each style: the programs of a directory are linked by one go command, when the first test needs
// one of them.
var builds = map[string]func() error{}

// example is an example program.
type example struct {
	dir   string // "v1-style/pubsub"
	build func() error
	bin   func() string
}

// program makes the example of a directory known to the tests. It is for the variables of the package:
//
//	var jobsSample = program("v1-style/jobsSample")
func program(dir string) *example {
	style, name := path.Split(dir)
	if builds[style] == nil {
		builds[style] = sync.OnceValue(func() error {
			return goBuild(filepath.Join(binaries, style)+string(filepath.Separator), "./"+style+"...")
		})
	}
	e := &example{dir: dir, build: builds[style], bin: sync.OnceValue(func() string {
		bin := filepath.Join(binaries, style, name) // which TestMain knows
		if runtime.GOOS == "windows" {
			bin += ".exe"
		}
		return bin
	})}
	covered[dir] = e
	return e
}

// goBuild builds programs, without the symbol table, which takes a third of the time of linking.
func goBuild(out string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if text, err := exec.CommandContext(ctx, "go", append([]string{"build", "-ldflags=-s", "-o", out}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", args[len(args)-1], err, text)
	}
	return nil
}

// process is a running example.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer // complete when it has ended
	exited chan struct{}
	err    error // of its end

	mu    sync.Mutex
	lines []string      // of its standard output
	news  chan struct{} // closed and replaced at every line and at the end
}

// start starts the program, with its own environment when env is not empty. The end of the test kills it.
func (e *example) start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	if err := e.build(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(e.bin(), args...), exited: make(chan struct{}), news: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(out) // ends with the program; joined by exited
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.exited
		if t.Failed() {
			t.Logf("%s said:\n%s\nand on stderr:\n%s", e.dir, strings.Join(p.said(), "\n"), &p.stderr)
		}
	})
	return p
}

func (p *process) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// said is every line of standard output so far.
func (p *process) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// waitFor waits for a line with a part.
func (p *process) waitFor(t *testing.T, part string) {
	t.Helper()
	limit := time.After(patience)
	for {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		if strings.Contains(strings.Join(p.said(), "\n"), part) {
			return
		}
		select {
		case <-news:
		case <-p.exited:
			if !strings.Contains(strings.Join(p.said(), "\n"), part) {
				t.Fatalf("it ended (%v) without a line with %q", p.err, part)
			}
		case <-limit:
			t.Fatalf("no line with %q", part)
		}
	}
}

// wait waits for the end of the program and returns its exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("it does not end")
		return -1
	}
}

// interrupt is Ctrl-C.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil { // not on Windows
		t.Fatal(err)
	}
}

// endpoint is an iotlocal with the identity of a thing on it.
type endpoint struct {
	*iotlocal.Server
	thing iotlocal.Thing
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	s := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := s.NewThing("thing")
	if err != nil {
		t.Fatal(err)
	}
	return &endpoint{s, thing}
}

// flags are the arguments with which a sample reaches the endpoint, and more.
func (e *endpoint) flags(more ...string) []string {
	return append([]string{"--endpoint", e.Host(), "--rootCA", e.CAFile(), "--cert", e.thing.CertFile, "--key", e.thing.KeyFile,
		"--port", fmt.Sprint(e.TLSPort())}, more...)
}

// wire is what the clients have said, of these types, when all of their connections have ended: a program may be gone before
// the endpoint has read its last packets.
func (e *endpoint) wire(t *testing.T, types ...iotlocal.PacketType) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Recorder().WaitClosed(ctx); err != nil {
		t.Error("the connections of a program stayed open after it had ended: ", err)
	}
	return e.soFar(types...)
}

// soFar is what the clients have said, of these types, until now.
func (e *endpoint) soFar(types ...iotlocal.PacketType) []string {
	var lines []string
	for _, p := range e.Recorder().Packets() {
		if p.Dir == iotlocal.ClientToServer && slices.Contains(types, p.Type) {
			lines = append(lines, describe(p))
		}
	}
	return lines
}

func describe(p iotlocal.Packet) string {
	switch p.Type {
	case iotlocal.SUBSCRIBE:
		return fmt.Sprintf("SUBSCRIBE %s %d", p.Filters[0].Filter, p.Filters[0].QoS)
	case iotlocal.PUBLISH:
		return fmt.Sprintf("PUBLISH %s %d %s", p.Topic, p.QoS, p.Payload)
	}
	return fmt.Sprintf("%v %s", p.Type, p.ClientID)
}

// sent waits until clients have said a packet that starts with a line.
func (e *endpoint) sent(t *testing.T, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Recorder().Wait(ctx, func(all []iotlocal.Packet) bool {
		for _, p := range all {
			if p.Dir == iotlocal.ClientToServer && strings.HasPrefix(describe(p), line) {
				return true
			}
		}
		return false
	}); err != nil {
		t.Fatalf("no %s: %v", line, err)
	}
}

// granted waits until the endpoint has answered a SUBSCRIBE: the filter counts from then on, not from its arrival.
func (e *endpoint) granted(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Recorder().Wait(ctx, func(all []iotlocal.Packet) bool {
		return slices.ContainsFunc(all, func(p iotlocal.Packet) bool { return p.Type == iotlocal.SUBACK })
	}); err != nil {
		t.Fatalf("no SUBACK: %v", err)
	}
}

// reported waits until the shadow of a thing has a part: a report counts from then on, not from its arrival.
func (e *endpoint) reported(t *testing.T, thing, part string) {
	t.Helper()
	limit := time.After(patience)
	for tick := time.Tick(5 * time.Millisecond); ; {
		doc, err := e.Shadow(thing, "").Get()
		if strings.Contains(string(doc), part) {
			return
		}
		select {
		case <-tick:
		case <-limit:
			t.Fatalf("the shadow is %s (%v), without %s", doc, err, part)
		}
	}
}
