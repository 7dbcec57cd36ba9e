package table

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// module is where the measured programs are.
const module = "github.com/portage-iot/awsiot/bench"

// oneRun bounds a single process; the process itself gives up, with a reason,
// a little earlier.
const (
	oneRun  = 20 * time.Second
	giveUp  = 15 * time.Second
	excerpt = 300 // bytes of a failed process's words that are shown
)

// Lab is a set of built programs and a running null broker.
type Lab struct {
	dir    string // holds the binaries and the broker's certificate
	node   string // holds crt.js; empty when aws-crt is not compared
	broker *exec.Cmd
	stdin  io.Closer // the broker ends when this is closed
	stderr bytes.Buffer
	tcp    string
	tls    string
	ca     string
}

// Open builds the programs that cells need into a folder of its own and starts
// the null broker on free loopback ports.
func Open(ctx context.Context, cells []Cell) (*Lab, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, ca: filepath.Join(dir, "ca.pem")}
	err = l.build(ctx)
	if err == nil && slices.ContainsFunc(cells, func(c Cell) bool { return c.Peer == router }) {
		err = l.buildRouter(ctx)
	}
	if err == nil && slices.ContainsFunc(cells, func(c Cell) bool { return c.Peer == CRT }) {
		l.node, _, err = FindCRT(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := l.startBroker(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context) error {
	args := []string{"build", "-o", l.dir + string(filepath.Separator)}
	for _, p := range []string{"nullbroker", "limit", "client"} {
		args = append(args, module+"/cmd/"+p)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s (run this inside the bench folder): %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (l *Lab) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(l.dir, name)
}

func (l *Lab) startBroker(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, l.program("nullbroker"), "-eof", "-tcp", "127.0.0.1:0", "-tls", "127.0.0.1:0", "-ca", l.ca)
	cmd.Stderr = &l.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	l.broker, l.stdin = cmd, in
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("null broker: %w: %s", err, l.stderr.String())
	}
	var at struct{ TCP, TLS string }
	if err := json.Unmarshal(line, &at); err != nil {
		return fmt.Errorf("null broker: %q: %w", line, err)
	}
	l.tcp, l.tls = at.TCP, at.TLS
	return nil
}

// Close ends the broker and removes the folder.
func (l *Lab) Close() error {
	var err error
	if l.broker != nil {
		err = l.stdin.Close()
		if err2 := l.broker.Wait(); err2 != nil {
			err = errors.Join(err, fmt.Errorf("null broker: %w: %s", err2, l.stderr.String()))
		}
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// Run measures one cell in a fresh process.
func (l *Lab) Run(ctx context.Context, c Cell, d time.Duration) (measure.Result, error) {
	program, args := l.command(c, d)
	ctx, cancel := context.WithTimeoutCause(ctx, oneRun, fmt.Errorf("not finished after %v", oneRun))
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+l.dir) // what a client leaves behind when it fails goes with the lab
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		words := strings.TrimSpace(stderr.String())
		return measure.Result{}, fmt.Errorf("%s: %w: %s", c, err, words[:min(len(words), excerpt)])
	}
	var r measure.Result
	if c.Peer == router {
		var err error
		if r, err = parseBenchmark(stdout.Bytes(), c.Spec); err != nil {
			return r, fmt.Errorf("%s: %w", c, err)
		}
	} else if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		return r, fmt.Errorf("%s: %q: %w", c, stdout.String(), err)
	}
	if r.Count == 0 || r.Rate <= 0 {
		return r, fmt.Errorf("%s: measured nothing: %s", c, strings.TrimSpace(stdout.String()))
	}
	r.Client = c.Peer
	return r, nil
}

func (l *Lab) command(c Cell, d time.Duration) (program string, args []string) {
	s := c.Spec
	if c.Peer == router {
		return l.program(router), routerArgs(s, min(d, 50*time.Millisecond))
	}
	args = []string{"-qos", strconv.Itoa(s.QoS), "-size", strconv.Itoa(s.Size), "-window", strconv.Itoa(s.Window),
		"-topics", strconv.Itoa(s.Topics), "-dur", d.String(), "-timeout", giveUp.String()}
	if s.TLS {
		args = append(args, "-addr", l.tls, "-ca", l.ca)
	} else {
		args = append(args, "-addr", l.tcp)
	}
	if s.Delay > 0 {
		args = append(args, "-delay", s.Delay.String())
	}
	if mode, ok := strings.CutPrefix(c.Peer, "limit-"); ok {
		return l.program("limit"), append(args, "-mode", mode)
	}
	if c.Peer == CRT {
		return "node", slices.Concat([]string{"--no-deprecation", filepath.Join(l.node, "crt.js")}, args)
	}
	if s.Work == measure.Idle {
		args = append(args, "-clients", strconv.Itoa(s.Clients))
	}
	return l.program("client"), append(args, "-client", c.Peer, "-work", string(s.Work))
}
