package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/migrate"
)

func init() {
	register(command{"demo", "see all of it at work on an example, against a local endpoint", demo})
}

// demoExample is the program that the demo migrates, from the root of the module.
const demoExample = "examples/v1-style/pubsub"

const demoHelp = `usage: iotmigrate demo [-mutate]

Runs ` + demoExample + ` against a local endpoint (iotlocal), shows what it said on the wire, rewrites a copy of it,
shows the change, runs the rewritten program and compares the packets. It needs Go and nothing else; nothing outside a
temporary directory is changed.

  iotmigrate demo            what a migration looks like, from the first run to the proof
  iotmigrate demo -mutate    with a fault in the rewritten program, which the comparison finds

Exit status: 0 every call site was rewritten and the packets are equal, 1 otherwise.

flags:
`

// demo is the command.
func demo(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("iotmigrate demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, demoHelp)
		fs.PrintDefaults()
	}
	mutated := fs.Bool("mutate", false, "change one byte of a payload in the rewritten program, to see the demo find it and fail")
	switch err := parseFlags(fs, args, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "iotmigrate demo: %v\n", err)
		return exitError
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "iotmigrate demo: unexpected argument %q\n", fs.Arg(0))
		return exitError
	}
	d := demonstration{out: stdout, colour: terminal(stdout)}
	if *mutated {
		d.rewritten = mutate
	}
	ok, err := d.run(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate demo: %v\n", err)
		return exitError
	}
	if !ok {
		return exitError
	}
	return exitDone
}

// demonstration is one run of the demo.
type demonstration struct {
	out    io.Writer
	colour bool
	env    []string // more environment for the go command; tests keep it off the network
	// rewritten, if set, changes the source that the tool wrote: what is built and run then is not what the tool made,
	// and the demo has to notice. A test and -mutate use it.
	rewritten func(source []byte) ([]byte, error)
}

// run takes the example all the way. ok tells whether every call site was rewritten and the packets are equal.
func (d *demonstration) run(ctx context.Context) (ok bool, err error) {
	source, err := sourceDir(ctx)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "iotmigrate-demo-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, err := newDemoModule(dir, source, d.env)
	if err != nil {
		return false, err
	}

	d.heading("A program written for the v1 SDK's API, " + demoExample + ", runs against a local endpoint")
	old, err := d.play(ctx, m, "before", "the v1-style program")
	if err != nil {
		return false, err
	}
	d.heading("What it said on the wire (→ to the endpoint, ← from it)")
	for _, l := range wirediff.Lines(old.Packets) {
		d.printf("%4d %s\n", l.N, l)
	}

	d.heading("iotmigrate fix rewrites a copy of it for the MQTT 5 client")
	res, err := migrate.Run(ctx, migrate.Config{Dir: dir, Patterns: []string{"./after"}, Mode: migrate.Fix, Force: true, Env: m.environ()})
	if err != nil {
		return false, err
	}
	diff := res.Diff()
	if d.colour {
		diff = migrate.Colour(diff)
	}
	d.printf("%s", diff)
	for _, u := range res.Units {
		for _, r := range u.Reasons {
			d.printf("left: %s: %s\n", r.Pos, r.Text)
		}
	}
	if d.rewritten != nil {
		if err := edit(filepath.Join(dir, "after", "main.go"), d.rewritten); err != nil {
			return false, err
		}
		d.printf("\nOne byte of a payload is now changed in the rewritten program, as asked.\n")
	}

	d.heading("The rewritten program runs")
	now, err := d.play(ctx, m, "after", "the rewritten program")
	if err != nil {
		return false, err
	}
	cmp := wirediff.Compare(old.Packets, now.Packets, wirediff.Options{})
	d.heading("The packets of both runs, compared, each with its acknowledgement")
	if err := cmp.WriteText(d.out); err != nil {
		return false, err
	}
	return d.verdict(res, cmp, old.Stdout == now.Stdout), nil
}

// play builds and runs one of the programs.
func (d *demonstration) play(ctx context.Context, m *demoModule, which, name string) (*replay.Run, error) {
	start := time.Now()
	path, err := m.build(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.printf("built in %.1f s\n", time.Since(start).Seconds())
	words, err := splitWords(replay.DefaultArgs + " -n 4 -interval 20ms")
	if err != nil {
		return nil, err
	}
	run, err := replay.Record(ctx, name, replay.Program{Path: path}, replay.Options{
		Args: words, Thing: "demo", Timeout: 20 * time.Second,
		Started: func(address string) { d.printf("endpoint %s: mutual TLS, MQTT 5 and 3.1.1\n", address) },
	})
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(run.Stdout + run.Stderr) {
		d.printf("  | %s", line)
	}
	d.printf("ended after %.1f s\n", run.Took.Seconds())
	return run, nil
}

// verdict prints the last table and its meaning.
func (d *demonstration) verdict(res *migrate.Result, cmp *wirediff.Result, sameOutput bool) bool {
	s, sum := res.Stats(), cmp.Total()
	d.heading("In short")
	d.printf("%-22s %4d\n%-22s %4d\n%-22s %4d of %d\n\n", "call sites rewritten", s.Rewritten, "call sites left", s.Left,
		"packets equal", sum.Equal, max(sum.Old, sum.New))
	switch {
	case !cmp.Equal():
		d.printf("FAILED: the programs differ on the wire. First difference: %s\n", cmp.Differences[0])
	case s.Rewritten == 0 || s.Left > 0:
		d.printf("FAILED: not every call site was rewritten.\n")
	case !sameOutput:
		d.printf("FAILED: the programs print different lines.\n")
	default:
		d.printf("Every call site was rewritten, and the rewritten program says the same on the wire.\n")
		d.printf("Your own code: iotmigrate check ./...   then: iotmigrate fix ./...   then: iotmigrate verify OLD NEW\n")
		return true
	}
	return false
}

func (d *demonstration) heading(text string) {
	if d.colour {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	d.printf("\n== %s\n\n", text)
}

// printf writes to the output. A reader that went away, such as head, ends the program by SIGPIPE on its own.
func (d *demonstration) printf(format string, a ...any) { fmt.Fprintf(d.out, format, a...) }

// edit changes a file by f.
func edit(name string, f func([]byte) ([]byte, error)) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if b, err = f(b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, b, 0o600)
}
