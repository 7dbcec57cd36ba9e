package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate"
)

func check(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return rewrite(ctx, "check", args, stdout, stderr)
}

func diff(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return rewrite(ctx, "diff", args, stdout, stderr)
}

func fix(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return rewrite(ctx, "fix", args, stdout, stderr)
}

// options are the flags that check, diff, fix and baseline share.
type options struct {
	config      migrate.Config
	json, sarif bool
	html        string // file
}

// rewriteHelp is the head of the help of check, diff, fix and baseline, by name.
var rewriteHelp = map[string]string{
	"check": `usage: iotmigrate check [FLAGS] [PACKAGES]

Says what "iotmigrate fix" would do with every client, and why. Changes nothing. A client is rewritten with all variables,
fields and functions that it goes through; a use of it that has no rule is bridged, which means that it stays in the old
shape on the new client; and a client that cannot move is left. The old shape is that of AWS's v1 SDK (v1compat and the
packages on it), or with -from paho that of paho.mqtt.golang. Each reason names the section of MIGRATION.md about it.

  iotmigrate check ./...                          the report as text
  iotmigrate check -html report.html ./...        and as a page, with the code before and after
  iotmigrate check -baseline FILE -sarif ./...    for CI: exit status 3 only for what is new
  iotmigrate check -from paho -to dropin ./...    of code on paho.mqtt.golang: the import lines, and what MQTT 5 does not hold
`,
	"diff": `usage: iotmigrate diff [FLAGS] [PACKAGES]

Prints what "iotmigrate fix" would change as a unified diff, and the report to stderr. Changes nothing.

  iotmigrate diff ./... | less
  iotmigrate diff ./... >change.patch && git apply change.patch    in the root of the git work tree
`,
	"fix": `usage: iotmigrate fix [FLAGS] [PACKAGES]

Rewrites the files: all that change, or none when it is interrupted or a file cannot be written; a run after one that was
killed undoes what that had begun. Files of which git has no copy as they are (not committed, ignored, outside of the work
tree) are refused.

  iotmigrate fix ./...                 then read git diff, and run your tests; git checkout takes it back
  iotmigrate fix ./internal/device     package by package, to review in steps
  iotmigrate fix -todo ./...           and mark in the code what is left, with the reason
  iotmigrate fix -whole ./...          with what packages export: a client that they share moves in all of them
  iotmigrate fix -from paho -to dropin ./...    move code on paho.mqtt.golang to pahocompat by its import lines

A second run has nothing to change. "iotmigrate verify" then compares the program with the old one on the wire.
`,
	"baseline": `usage: iotmigrate baseline [FLAGS] [PACKAGES]

Records the places that stay on v1's shape (left or bridged) in a file, to be committed. Given the file by -baseline, check
exits with 3 only for places that it does not know: code may not take to v1's API anew, while the old code waits its turn.
A place is known by its package, declaration and call: lines and files may move. Run it again to update the file.

  iotmigrate baseline ./...                                    once, and whenever less is left
  iotmigrate check -baseline iotmigrate-baseline.json ./...    in CI
`,
}

const rewriteEnd = `
PACKAGES are named as for the go command, and flags come before them; none means the package in the directory.
Exit status: 0 nothing is left to do, 1 error, also of usage or in a package that does not compile, 3 something stays on
v1's shape, bridges included (with -baseline: something new).

flags:
`

const baselineEnd = `
PACKAGES are named as for the go command, and flags come before them; none means the package in the directory. A package
that does not compile is an error, and nothing is written.
Exit status: 0 written, 1 error, also of usage.

flags:
`

// rewrite is the common body of check, diff and fix.
func rewrite(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	o, err := parse(name, args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate %s: %v\n", name, err)
		return exitError
	}
	if name == "fix" {
		o.config.Mode = migrate.Fix
	}
	res, err := o.run(ctx, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate %s: %v\n", name, err)
		return exitError
	}
	if o.html != "" {
		if err := writeFile(o.html, res.WriteHTML); err != nil {
			fmt.Fprintf(stderr, "iotmigrate %s: %v\n", name, err)
			return exitError
		}
	}
	switch {
	case o.json:
		err = res.WriteJSON(stdout)
	case o.sarif:
		err = res.WriteSARIF(stdout)
	case name == "diff":
		text := res.Diff()
		if terminal(stdout) {
			text = migrate.Colour(text)
		}
		if _, err = io.WriteString(stdout, text); err == nil {
			err = res.WriteText(stderr)
		}
	default:
		err = res.WriteText(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate %s: %v\n", name, err)
		return exitError
	}
	switch {
	case len(res.Problems) > 0:
		return exitError
	case res.Left():
		return exitManual
	}
	return exitDone
}

// The heap has no collection below freeHeap, about what 100,000 lines need; from heapLimit on the collector works harder.
const (
	freeHeap  = 256 << 20
	heapLimit = 1 << 30
)

// tuneCollector trades memory for time, as a run is short. Who sets GOGC or GOMEMLIMIT
// knows better.
func tuneCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(freeHeap)
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) { // the first collection has found this garbage
		debug.SetGCPercent(300)
		debug.SetMemoryLimit(heapLimit)
	})
}

// run is migrate.Run with a line about its progress, where somebody sees it.
func (o options) run(ctx context.Context, stderr io.Writer) (*migrate.Result, error) {
	tuneCollector()
	if terminal(stderr) {
		p := newProgress(stderr)
		defer p.stop()
		o.config.Progress = p.stage
	}
	return migrate.Run(ctx, o.config)
}

// writeFile writes a file whole or not at all, also where one of the name stands already.
func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".iotmigrate-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// parse reads flags and packages; a value that this version does not know is an error, never ignored.
func parse(name string, args []string, stderr io.Writer) (options, error) {
	o := options{config: migrate.Config{Bridges: true}}
	fs := flag.NewFlagSet("iotmigrate "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		end := rewriteEnd
		if name == "baseline" {
			end = baselineEnd
		}
		fmt.Fprint(stderr, rewriteHelp[name], end)
		fs.PrintDefaults()
	}
	var from, to, goos, tags string
	fs.StringVar(&o.config.Dir, "C", "", "run in `DIR`, as if it were the current directory")
	fs.StringVar(&from, "from", "v1", "`APIs` to migrate from, by commas: v1 (the packages in the shape of AWS's v1 SDK), paho (paho.mqtt.golang and pahocompat)")
	fs.StringVar(&to, "to", "v2", "`API` to migrate to: v2, or dropin, the package with the old API on the new client (of paho)")
	fs.StringVar(&goos, "goos", "", "operating `systems` to check the result for, by commas (default: this one)")
	fs.StringVar(&tags, "tags", "", "build `tags`, by commas")
	fs.BoolVar(&o.config.Whole, "whole", false, "take all packages of the module: what they export moves too, with all of its users there or not at all; no bridges in v1-shaped code")
	if name != "baseline" { // its report is the baseline
		fs.BoolVar(&o.json, "json", false, "write the report as JSON")
		fs.BoolVar(&o.sarif, "sarif", false, "write the report as SARIF 2.1.0, for code scanning")
		fs.StringVar(&o.html, "html", "", "write the report, with the code before and after, also to `FILE` as a page")
	}
	baseline, known := "", "compare with `FILE`, which iotmigrate baseline has written: only what is new counts for the exit status"
	if name == "baseline" {
		baseline, known = "iotmigrate-baseline.json", "`FILE` to write"
	}
	fs.StringVar(&o.config.Baseline, "baseline", baseline, known)
	if name != "baseline" {
		fs.BoolVar(&o.config.Idioms, "idioms", false, "write the result as new code would be: v1's defaults as a literal of ClientOptions, contexts passed on to unexported functions, requests of shadow handlers typed where all uses of the handler are known; in code on paho, topics and requests of shadows by the functions of iotshadow")
	}
	if name == "diff" || name == "fix" { // the others change nothing
		fs.BoolVar(&o.config.Todo, "todo", false, "add a comment with the reason at every place that is left")
	}
	if name == "fix" {
		fs.BoolVar(&o.config.Force, "force", false, "also change files of which git has no copy as they are")
	}
	if err := parseFlags(fs, args, stderr); err != nil {
		return o, err
	}
	if err := o.route(from, to); err != nil {
		return o, err
	}
	if o.json && o.sarif {
		return o, errors.New("-json and -sarif: one report at a time can be written")
	}
	return o, o.packages(fs.Args(), goos, tags)
}

// apis are the values of -from and -to.
var (
	apis    = []migrate.API{migrate.FromV1, migrate.FromPaho}
	targets = []migrate.Target{migrate.ToV2, migrate.ToDropIn}
)

// route takes the values of -from and -to.
func (o *options) route(from, to string) error {
	words, err := list("-from", from)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New("-from is empty: want v1 or paho, or both by a comma")
	}
	for _, w := range words {
		i := slices.IndexFunc(apis, func(a migrate.API) bool { return a.String() == w })
		if i < 0 {
			return fmt.Errorf("-from %q: want v1 or paho, or both by a comma", w)
		}
		o.config.From = append(o.config.From, apis[i])
	}
	i := slices.IndexFunc(targets, func(t migrate.Target) bool { return t.String() == to })
	if i < 0 {
		return fmt.Errorf("-to %q: want v2 or dropin", to)
	}
	o.config.To = targets[i]
	return o.config.Validate()
}

// packages takes the systems, the tags, the directory and the packages.
func (o *options) packages(patterns []string, goos, tags string) (err error) {
	if o.config.GOOS, err = list("-goos", goos); err != nil {
		return err
	}
	if o.config.Tags, err = list("-tags", tags); err != nil {
		return err
	}
	for _, g := range o.config.GOOS {
		if !knownGOOS[g] {
			return fmt.Errorf("-goos %q: not an operating system that Go knows", g)
		}
	}
	if o.config.Dir != "" {
		if st, err := os.Stat(o.config.Dir); err != nil {
			return fmt.Errorf("-C: %w", err)
		} else if !st.IsDir() {
			return fmt.Errorf("-C %s: not a directory", o.config.Dir)
		}
	}
	if o.html, err = o.place("-html", o.html); err != nil {
		return err
	}
	if o.config.Baseline, err = o.place("-baseline", o.config.Baseline); err != nil {
		return err
	}
	o.config.Patterns = patterns
	for _, p := range patterns {
		if strings.HasPrefix(p, "-") {
			return fmt.Errorf("flag %s after the packages: flags come first", p)
		}
	}
	return nil
}

// place returns where a file of -html or -baseline is, by -C, and an error where its directory is missing: said before a
// long run, not after it.
func (o *options) place(name, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.config.Dir, file)
	}
	if st, err := os.Stat(filepath.Dir(file)); err != nil || !st.IsDir() {
		return "", fmt.Errorf("%s %s: there is no directory %s", name, file, filepath.Dir(file))
	}
	return file, nil
}

// list splits a comma-separated value.
func list(name, value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	out := strings.Split(value, ",")
	for _, v := range out {
		if strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("%s %q: empty element", name, value)
		}
	}
	return out, nil
}

// knownGOOS are the values of go tool dist list.
var knownGOOS = map[string]bool{"aix": true, "android": true, "darwin": true, "dragonfly": true, "freebsd": true, "illumos": true,
	"ios": true, "js": true, "linux": true, "netbsd": true, "openbsd": true, "plan9": true, "solaris": true, "wasip1": true, "windows": true}

// terminal reports whether colours make sense: w is a terminal and NO_COLOR is not set.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
