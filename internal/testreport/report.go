package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What is shown of much.
const (
	headLines  = 20  // of a failed test, from the beginning
	tailLines  = 40  // and from the end
	stackLines = 250 // instead, with the stacks of all goroutines in it: what hangs stands anywhere
	lineBytes  = 300 // of a line
	shownTests = 40  // whose output is shown; of all others only the names
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
	ImportPath, FailedBuild       string // of the compiler
}

// subject is a test, or with Test "" a package, and what it has printed so far.
type subject struct {
	key   key
	lines *bounded
}

type key struct{ pkg, test string }

// name is how a person would ask for it.
func (k key) name() string { return strings.TrimSpace(k.pkg + " " + k.test) }

// report is made of the events of one run.
type report struct {
	w                       io.Writer
	running                 map[key]*subject
	failed                  []*subject
	skipped                 []string
	builds                  map[string]*bounded // by import path
	passed, failing, broken int                 // tests, tests, packages
}

func newReport(w io.Writer) *report {
	return &report{w: w, running: map[key]*subject{}, builds: map[string]*bounded{}}
}

// read takes the events to their end. A line that is none, as the go command prints when it downloads, goes through.
func (r *report) read(from io.Reader) error {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprintln(r.w, short(string(bytes.TrimSuffix(line, []byte("\n")))))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// packageLine is a line about a package as a whole.
var packageLine = regexp.MustCompile(`^(ok  |FAIL|\?   )\t`)

// noise is what the testing package prints when it goes from one test to the next.
var noise = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) |^PASS$`)

// take is the next event.
func (r *report) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		if r.builds[e.ImportPath] == nil {
			r.builds[e.ImportPath] = &bounded{}
		}
		r.builds[e.ImportPath].add(e.Output)
	case "output":
		if e.Test == "" && packageLine.MatchString(e.Output) {
			fmt.Fprintln(r.w, short(strings.TrimSuffix(e.Output, "\n")))
			return
		}
		if noise.MatchString(strings.TrimSuffix(e.Output, "\n")) {
			return
		}
		r.subject(k).lines.add(e.Output)
	case "run", "start":
		r.subject(k)
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		delete(r.running, k)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, k.name())
		}
		delete(r.running, k)
	case "fail":
		r.fail(k, e.FailedBuild)
	}
}

func (r *report) subject(k key) *subject {
	if r.running[k] == nil {
		r.running[k] = &subject{key: k, lines: &bounded{}}
	}
	return r.running[k]
}

// fail is the end of a test or package that failed. A package takes along what has not ended by itself: that was running when
// its process ended.
func (r *report) fail(k key, build string) {
	if k.test != "" {
		r.failing++
		r.failed = append(r.failed, r.subject(k))
		delete(r.running, k)
		return
	}
	r.broken++
	for other, s := range r.running {
		if other.pkg == k.pkg && other.test != "" {
			r.failing++
			r.failed = append(r.failed, s)
			delete(r.running, other)
		}
	}
	s := r.subject(k)
	delete(r.running, k)
	if out := r.builds[build]; out != nil {
		s.lines = out
		delete(r.builds, build) // the same for the next package
	}
	r.failed = append(r.failed, s)
}

// end writes the failures, and returns whether there are none.
func (r *report) end(noskip bool) bool {
	for i, s := range r.failed {
		if i < shownTests && len(s.lines.all()) > 0 {
			fmt.Fprintf(r.w, "\n----- %s\n", s.key.name())
			for _, l := range s.lines.all() {
				fmt.Fprintln(r.w, l)
			}
		}
	}
	if noskip && len(r.skipped) > 0 {
		fmt.Fprintln(r.w, "\nSkipped, which no test may be here:")
		for _, name := range r.skipped {
			fmt.Fprintln(r.w, "  "+name)
		}
	}
	if len(r.failed) > 0 {
		fmt.Fprintln(r.w, "\nFailed:")
		for _, s := range r.failed {
			fmt.Fprintln(r.w, "  "+short(s.key.name()))
		}
	}
	fmt.Fprintf(r.w, "\n== %d tests passed, %d failed, %d skipped; %d packages failed\n", r.passed, r.failing, len(r.skipped), r.broken)
	return len(r.failed) == 0 && (!noskip || len(r.skipped) == 0)
}

// bounded keeps the first and the last lines of what is added.
type bounded struct {
	head, tail []string
	cut        int
	open       bool // the last line has not ended
	stacks     bool // the stacks of all goroutines are in it
}

// dump begins the stacks of all goroutines.
var dump = regexp.MustCompile(`^(SIGQUIT: quit|panic: test timed out)`)

// add takes text: a line, or a part of one.
func (b *bounded) add(text string) {
	for part := range strings.Lines(text) {
		line := strings.TrimSuffix(part, "\n")
		b.stacks = b.stacks || dump.MatchString(line)
		limit := tailLines
		if b.stacks {
			limit = stackLines
		}
		switch at := b.last(); {
		case b.open && at != nil:
			*at = short(*at + line)
		case len(b.head) < headLines:
			b.head = append(b.head, short(line))
		default:
			if b.tail = append(b.tail, short(line)); len(b.tail) > limit {
				b.tail = b.tail[1:]
				b.cut++
			}
		}
		b.open = !strings.HasSuffix(part, "\n")
	}
}

func (b *bounded) last() *string {
	switch {
	case len(b.tail) > 0:
		return &b.tail[len(b.tail)-1]
	case len(b.head) > 0:
		return &b.head[len(b.head)-1]
	}
	return nil
}

// all returns what is kept, with a line for what is not.
func (b *bounded) all() []string {
	out := append([]string(nil), b.head...)
	if b.cut > 0 {
		out = append(out, fmt.Sprintf("... (%d more lines)", b.cut))
	}
	return append(out, b.tail...)
}

// short cuts a line, between two characters.
func short(line string) string {
	if len(line) <= lineBytes {
		return line
	}
	n := lineBytes
	for n > 0 && !utf8.RuneStart(line[n]) {
		n--
	}
	return line[:n] + "..."
}
