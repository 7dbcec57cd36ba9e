package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
)

func init() {
	register(command{"verify", "run two programs and compare what they say on the wire", verify})
}

// Exit statuses of verify. Differences are no manual work that is left, so it has its own.
const (
	exitDiffers = 1
	exitUsage   = 2
)

// errUsage is wrapped by errors of the command line.
var errUsage = errors.New("usage")

const verifyHelp = `usage: iotmigrate verify [FLAGS] OLD NEW [-- ARGUMENTS]

Runs OLD, then NEW, each against a local endpoint of its own (iotlocal: TLS, the behaviour of AWS IoT Core), and compares
what they said on the wire in both directions. OLD and NEW are directories or packages of Go programs, which are built, or
executables. Each must end by itself with status 0.

Arguments after -- are added to those of -args. In all of them these are replaced: %s

Not compared: packet ids (acknowledgements are paired), the SDK's name in the user name, pings, the protocol level, the
limits that a client sets; on $aws/ topics payloads are JSON values, client tokens and the service's times are normalised.
The order of packets counts within a topic, not across topics: see -strict.

Exit status: 0 equal, 1 different or failed, 2 usage.

flags:
`

// verifyOptions are the flags and arguments of verify.
type verifyOptions struct {
	old, new string
	run      replay.Options
	diff     wirediff.Options
	json     bool
}

// verify is the command.
func verify(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseVerify(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM) // the temporary files must not stay
	defer stop()
	dir, err := os.MkdirTemp("", "iotmigrate-")
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitDiffers
	}
	res, err := verifyIn(ctx, dir, o)
	err = errors.Join(err, os.RemoveAll(dir))
	if err == nil {
		err = o.write(stdout, res)
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitDiffers
	}
	if !res.Equal() {
		return exitDiffers
	}
	return exitDone
}

// verifyIn builds both programs into dir before it runs the first.
func verifyIn(ctx context.Context, dir string, o verifyOptions) (*wirediff.Result, error) {
	var paths [2]string
	names := [2]string{"old program " + o.old, "new program " + o.new}
	for i, what := range []string{o.old, o.new} {
		sub := filepath.Join(dir, []string{"old", "new"}[i])
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		// One name for both: a program that puts its own name into a client id must not differ by that.
		path, err := replay.Build(ctx, what, sub, "program")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
		paths[i] = path
	}
	var runs [2]*replay.Run
	for i := range runs {
		run, err := replay.Record(ctx, names[i], paths[i], o.run)
		if err != nil {
			return nil, err
		}
		runs[i] = run
	}
	return wirediff.Compare(runs[0].Packets, runs[1].Packets, o.diff), nil
}

// verifyReport is the machine-readable result; fields are only ever added.
type verifyReport struct {
	Version int    `json:"version"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Equal   bool   `json:"equal"`
	*wirediff.Result
}

func (o verifyOptions) write(w io.Writer, res *wirediff.Result) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		e.SetEscapeHTML(false)
		return e.Encode(verifyReport{1, o.old, o.new, res.Equal(), res})
	}
	if _, err := fmt.Fprintf(w, "old: %s\nnew: %s\n\n", o.old, o.new); err != nil {
		return err
	}
	if err := res.WriteText(w); err != nil {
		return err
	}
	verdict := "\nThe programs say the same on the wire.\n"
	if n := len(res.Differences); n > 0 {
		verdict = fmt.Sprintf("\nThe programs differ on the wire in %d %s.\n", n, plural(n, "place"))
	}
	_, err := io.WriteString(w, verdict)
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

// parseVerify reads the command line.
func parseVerify(args []string, stderr io.Writer) (verifyOptions, error) {
	var o verifyOptions
	fs := flag.NewFlagSet("iotmigrate verify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, verifyHelp, strings.Join(replay.Placeholders, " "))
		fs.PrintDefaults()
	}
	var arguments, ignore string
	fs.StringVar(&arguments, "args", replay.DefaultArgs, "arguments of both programs, in `words` as a shell splits them")
	fs.DurationVar(&o.run.Timeout, "timeout", time.Minute, "how long each program may take")
	fs.StringVar(&o.run.Thing, "thing", "device", "name of the thing whose certificate the programs get")
	fs.StringVar(&ignore, "ignore", "", "`names` of members of JSON payloads that are not compared, by commas, such as a device's own clock")
	fs.BoolVar(&o.diff.Strict, "strict", false, "the order of packets counts across topics too")
	fs.BoolVar(&o.json, "json", false, "write the result as JSON")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: see the flags above", errUsage)
	}
	rest := fs.Args()
	if len(rest) < 2 {
		return o, fmt.Errorf("%w: want OLD and NEW, got %d arguments", errUsage, len(rest))
	}
	o.old, o.new, rest = rest[0], rest[1], rest[2:]
	if len(rest) > 0 {
		if rest[0] != "--" {
			return o, fmt.Errorf("%w: unexpected argument %q: flags come before OLD and NEW, arguments of the programs after --", errUsage, rest[0])
		}
		rest = rest[1:]
	}
	for _, what := range []string{o.old, o.new} {
		if what == "" || strings.HasPrefix(what, "-") {
			return o, fmt.Errorf("%w: %q is neither a package nor an executable", errUsage, what)
		}
	}
	if o.run.Timeout <= 0 {
		return o, fmt.Errorf("%w: -timeout %v: want more than 0", errUsage, o.run.Timeout)
	}
	words, err := splitWords(arguments)
	if err != nil {
		return o, fmt.Errorf("%w: -args: %w", errUsage, err)
	}
	o.run.Args = append(words, rest...)
	if ignore != "" {
		if o.diff.Ignore, err = list("-ignore", ignore); err != nil {
			return o, fmt.Errorf("%w: %w", errUsage, err)
		}
	}
	return o, nil
}

// splitWords splits a text at white space; quotes of both kinds and a backslash work as in a shell.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false
	var quote rune
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, started = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%q ends inside a quotation", s)
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}
