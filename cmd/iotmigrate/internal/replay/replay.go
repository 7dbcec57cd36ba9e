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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Options of Record.
type Options struct {
	// Args are the arguments of the program; see Placeholders for what is replaced in them.
	Args []string
	// Thing is the name of the thing whose certificate the program gets.
	Thing string
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
}

// Placeholders are replaced in arguments by the address of the server and the files of the thing.
var Placeholders = []string{"{host}", "{port}", "{ca}", "{cert}", "{key}", "{thing}", "{tcp-port}"}

// DefaultArgs are the arguments of the examples of this repository.
const DefaultArgs = "-endpoint {host} -port {port} -ca {ca} -cert {cert} -key {key}"

// ErrHangs is wrapped by the error of Record about a program that did not end in time.
var ErrHangs = errors.New("did not end")

// settle bounds the wait for the server to see the end of the connections of a program that is gone.
const settle = 5 * time.Second

// Record runs the program at path to its end. It is an error, by the name given and with the lines it printed first and last,
// when the program does not start, does not end in time (it is killed, with the processes it started), ends with a
// status other than 0, or never sends a CONNECT.
func Record(ctx context.Context, name, path string, o Options) (run *Run, err error) {
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	thing, err := server.NewThing(o.Thing)
	if err != nil {
		return nil, err
	}
	if o.Started != nil {
		o.Started(fmt.Sprintf("%s:%d", server.Host(), server.TLSPort()))
	}
	replace := strings.NewReplacer("{host}", server.Host(), "{port}", strconv.Itoa(server.TLSPort()), "{ca}", server.CAFile(),
		"{cert}", thing.CertFile, "{key}", thing.KeyFile, "{thing}", o.Thing, "{tcp-port}", strconv.Itoa(server.TCPPort()))
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = replace.Replace(a)
	}
	run = &Run{}
	start := time.Now()
	err = run.program(ctx, name, path, args, o.Timeout)
	run.Took = time.Since(start)
	if err != nil {
		return run, err
	}
	wait, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if err := server.Recorder().Wait(wait, allClosed); err != nil {
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

// program runs the process and collects its output.
func (r *Run) program(ctx context.Context, name, path string, args []string, timeout time.Duration) error {
	limited, cancel := context.WithTimeoutCause(ctx, timeout, ErrHangs)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	ownGroup(cmd)
	cmd.WaitDelay = time.Second // a process that it left behind may hold the pipes
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

// allClosed reports whether every connection has ended.
func allClosed(ps []record.Packet) bool {
	open := map[int]bool{}
	for _, p := range ps {
		switch p.Type {
		case wire.TransportOpen:
			open[p.Conn] = true
		case wire.ClientClosed, wire.ServerClosed, wire.HandshakeFailed:
			delete(open, p.Conn)
		}
	}
	return len(open) == 0
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
