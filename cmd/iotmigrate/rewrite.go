package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
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

// options are the flags that check, diff and fix share.
type options struct {
	config migrate.Config
	json   bool
}

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
	res, err := migrate.Run(ctx, o.config)
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate %s: %v\n", name, err)
		return exitError
	}
	switch {
	case o.json:
		err = res.WriteJSON(stdout)
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
	if res.Left() {
		return exitManual
	}
	return exitDone
}

// parse reads flags and packages; a value that this version does not know is an error, never ignored.
func parse(name string, args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("iotmigrate "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	var from, to, goos, tags string
	var idioms bool
	fs.StringVar(&o.config.Dir, "C", "", "run in `DIR`")
	fs.StringVar(&from, "from", "v1", "API to migrate from: v1")
	fs.StringVar(&to, "to", "v2", "API to migrate to: v2")
	fs.StringVar(&goos, "goos", "", "operating systems to check the result for, by commas (default: this one)")
	fs.StringVar(&tags, "tags", "", "build tags, by commas")
	fs.BoolVar(&idioms, "idioms", false, "write options as a literal (not available in this version)")
	fs.BoolVar(&o.config.Todo, "todo", false, "add a comment with the reason at every place that is left")
	fs.BoolVar(&o.json, "json", false, "write the report as JSON")
	fs.BoolVar(&o.config.Force, "force", false, "fix: also in a git work tree with uncommitted changes")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errors.New("see the flags above")
	}
	for f := range strings.SplitSeq(from, ",") {
		switch f {
		case "v1":
		case "paho":
			return o, errors.New("-from paho is not available in this version")
		default:
			return o, fmt.Errorf("-from %q: want v1", f)
		}
	}
	switch to {
	case "v2":
	case "dropin":
		return o, errors.New("-to dropin: v1-shaped code runs on v1compat as it is; use -to v2")
	default:
		return o, fmt.Errorf("-to %q: want v2", to)
	}
	if idioms {
		return o, errors.New("-idioms is not available in this version")
	}
	var err error
	if o.config.GOOS, err = list("-goos", goos); err != nil {
		return o, err
	}
	if o.config.Tags, err = list("-tags", tags); err != nil {
		return o, err
	}
	for _, g := range o.config.GOOS {
		if !knownGOOS[g] {
			return o, fmt.Errorf("-goos %q: not an operating system that Go knows", g)
		}
	}
	if o.config.Dir != "" {
		if st, err := os.Stat(o.config.Dir); err != nil {
			return o, err
		} else if !st.IsDir() {
			return o, fmt.Errorf("-C %s: not a directory", o.config.Dir)
		}
	}
	o.config.Patterns = fs.Args()
	for _, p := range o.config.Patterns {
		if strings.HasPrefix(p, "-") {
			return o, fmt.Errorf("flag %s after the packages: flags come first", p)
		}
	}
	return o, nil
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
