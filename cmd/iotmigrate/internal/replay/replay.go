// Package replay runs a program against an iotlocal server of its own and returns what was said on the wire.
package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Options of Record. Args, Env, Script and what a Program says may have Placeholders.
type Options struct {
	// Args are the arguments of a program that is not a Command, More those of every program.
	Args, More []string
	// Env is added to the environment of the process, as NAME=VALUE.
	Env []string
	// Thing is the name of the thing whose certificate the program gets; Things are more.
	Thing  string
	Things []string
	// Names are host names for the server's certificate; a proxy leads them to the server.
	Names []string
	// Jobs and Shadows are there when the program starts.
	Jobs    []Job
	Shadows []Shadow
	// Script is what the server does by itself while the program runs.
	Script Script
	// Timeout bounds the program. 0: a minute.
	Timeout time.Duration
	// Started, if set, is told the address of the server before the program starts.
	Started func(address string)
}

// Run is what a program did.
type Run struct {
	Packets        []record.Packet
	Stdout, Stderr string // the last MiB of each
	Took           time.Duration
	// Unplayed are the lines of the script that never came due.
	Unplayed []string
}

// ErrHangs is wrapped by the error of Record about a program that did not end in time.
var ErrHangs = errors.New("did not end")

// settle bounds the wait for the server to see the end of the connections of a program that is gone. It is long for the sake
// of busy machines: only a process that was left behind keeps one open.
const settle = 30 * time.Second

// Record runs a program to its end. It is an error, by the name given and with the lines it printed first and last,
// when the program does not start, does not end in time (it is killed, with the processes it started), ends with a
// status other than 0, or never sends a CONNECT, and when the script asks for what the server refuses.
func Record(ctx context.Context, name string, p Program, o Options) (run *Run, err error) {
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	words := p.Args
	if !p.Command {
		words = append(slices.Clone(words), o.Args...)
	}
	words = append(slices.Clone(words), o.More...)
	h, err := newHost(o, slices.Concat(words, o.Env))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	server := h.server
	if o.Started != nil {
		o.Started(fmt.Sprintf("%s:%d", server.Host(), server.TLSPort()))
	}
	args, err := h.fill(words)
	if err != nil {
		return nil, err
	}
	env, err := h.fill(o.Env)
	if err != nil {
		return nil, err
	}
	run = &Run{}
	before, then := o.Script.head()
	if _, err := before.run(ctx, server); err != nil {
		return run, err
	}
	playing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var script sync.WaitGroup
	var played int
	var failed error
	script.Go(func() {
		if played, failed = then.run(playing, server); failed != nil {
			stop(failed)
		}
	})
	start := time.Now()
	err = run.program(playing, name, p.Path, args, env, o.Timeout)
	run.Took = time.Since(start)
	stop(nil)
	script.Wait()
	if failed != nil || err != nil {
		return run, cmp.Or(failed, err)
	}
	for _, e := range then[played:] {
		run.Unplayed = append(run.Unplayed, fmt.Sprintf("line %d, %s", e.line, e.text))
	}
	wait, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if err := server.Recorder().WaitClosed(wait); err != nil {
		return run, fmt.Errorf("%s: its connections stayed open after it ended: %w", name, err)
	}
	if n := server.Recorder().Dropped(); n > 0 {
		return run, fmt.Errorf("%s: said more than the recorder holds (%d packets lost); let it send less", name, n)
	}
	run.Packets = server.Recorder().Packets()
	if !connected(run.Packets) {
		return run, fmt.Errorf("%s: never sent a CONNECT to %s:%d; do its arguments (%s) carry the address?%s",
			name, server.Host(), server.TLSPort(), strings.Join(args, " "), run.excerpt())
	}
	return run, nil
}

// pipes bounds the wait for the end of what a program printed that is gone: a process that it left behind may hold the pipes.
const pipes = 10 * time.Second

// program runs the process and collects its output.
func (r *Run) program(ctx context.Context, name, path string, args, env []string, timeout time.Duration) error {
	limited, cancel := context.WithTimeoutCause(ctx, timeout, ErrHangs)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	ownGroup(cmd)
	if len(env) > 0 {
		cmd.Env = append(cmd.Environ(), env...)
	}
	cmd.WaitDelay = pipes
	stdout, stderr := &buffer{}, &buffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	r.Stdout, r.Stderr = stdout.String(), stderr.String()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", name, context.Cause(ctx))
	case limited.Err() != nil && err != nil:
		return fmt.Errorf("%s: %w within %v (verify needs a program that ends by itself)%s", name, ErrHangs, timeout, r.excerpt())
	case err != nil:
		return fmt.Errorf("%s: %w%s", name, err, r.excerpt())
	}
	return nil
}

func connected(ps []record.Packet) bool {
	for _, p := range ps {
		if p.Type == wire.CONNECT {
			return true
		}
	}
	return false
}

// Lines of a program's output that stand in an error: what it said first is often the reason, and so is what it said last.
const (
	headLines = 3
	tailLines = 9
)

// excerpt is the beginning and the end of what the program printed, as part of an error text.
func (r *Run) excerpt() string {
	text := ""
	for _, stream := range []struct{ name, text string }{{"stdout", r.Stdout}, {"stderr", r.Stderr}} {
		if s := strings.TrimRight(stream.text, "\n"); s != "" {
			text += "; " + stream.name + ":\n\t" + strings.Join(shorten(strings.Split(s, "\n")), "\n\t")
		}
	}
	return cmp.Or(text, "; it printed nothing")
}

// shorten cuts lines out of the middle.
func shorten(lines []string) []string {
	cut := len(lines) - headLines - tailLines
	if cut <= 1 {
		return lines
	}
	return slices.Concat(lines[:headLines], []string{fmt.Sprintf("(%d more lines)", cut)}, lines[len(lines)-tailLines:])
}

// maxOutput is how much of a program's output is kept, in bytes: more is not shown anyway.
const maxOutput = 1 << 20

// buffer keeps the end of what is written to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write never fails: a program must not stop because its output is long.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Write(p)
	if over := b.b.Len() - maxOutput; over > 0 {
		b.b.Next(over)
	}
	return len(p), nil
}

// String returns what is kept.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
