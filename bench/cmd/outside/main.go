// Command outside runs iotmigrate on modules that are not ours and prints what became of them, a row for each: call sites by
// outcome, clients and the uses of their tokens, whether what it wrote compiles with its tests, and whether a second run has more to do. Only these numbers are kept: the
// code of others stays where it is, and is worked on as a copy.
//
//	go build -o iotmigrate ../cmd/iotmigrate
//	go run ./cmd/outside -tool ./iotmigrate -flags "-from paho -to dropin" -rule constructor DIR...
//
// Each DIR is a directory of a Go module; the go command must be able to build it, from its cache or the network.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ours is the module that the rewritten code imports.
const ours = "github.com/portage-iot/awsiot"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "outside:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	tool, checkout, get string
	flags               []string
	rule                string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("outside", flag.ContinueOnError)
	var o options
	var flags string
	fs.StringVar(&o.tool, "tool", "iotmigrate", "the `program` to run")
	fs.StringVar(&o.checkout, "checkout", "..", "`DIR` of this repository, which the modules get by a replace directive")
	fs.StringVar(&o.get, "get", "pahocompat,v2", "`packages` of it that the rewritten code may need, by commas")
	fs.StringVar(&flags, "flags", "-from paho -to dropin", "`flags` of iotmigrate fix")
	fs.StringVar(&o.rule, "rule", "constructor", "`rule` whose sites are counted by themselves")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("no modules: name their directories")
	}
	o.flags = strings.Fields(flags)
	for _, p := range []*string{&o.tool, &o.checkout} {
		full, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = full
	}
	fmt.Fprintf(out, "| module | clients moved | of those closed in their package | token uses | %s sites | rewritten | bridged | left | compiles | second run empty | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|\n", o.rule)
	all := &row{name: "all", rule: o.rule}
	for _, dir := range fs.Args() {
		r, err := o.module(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		fmt.Fprintln(out, r)
		for _, x := range r.reasons() {
			fmt.Fprintln(os.Stderr, "\t"+x)
		}
		all.report.Units = append(all.report.Units, r.report.Units...)
	}
	if fs.NArg() > 1 {
		fmt.Fprintln(out, all)
	}
	return nil
}

// report is what is read of iotmigrate's JSON.
type report struct {
	Units []struct {
		Rewritten bool
		Sites     []site
		Reasons   []struct{ Pos, Text, Link string }
		Bridges   []struct{ Pos, What, Text, Link string }
		Package   string
	}
	Problems []struct{ Package string }
}

// site is a call site of a unit.
type site struct{ Rule, Outcome string }

// row is one module.
type row struct {
	name            string
	report          report
	rule            string
	compiles, empty string
	took            time.Duration
}

// module works on a copy of the module in dir.
func (o options) module(ctx context.Context, dir string) (r *row, err error) {
	work, err := os.MkdirTemp("", "outside-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.CopyFS(work, os.DirFS(dir)); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(work, "vendor")); err != nil { // it does not have ours
		return nil, err
	}
	prepare := [][]string{{"go", "mod", "edit", "-require=" + ours + "@v0.0.0", "-replace=" + ours + "=" + o.checkout}}
	list := []string{"go", "list", "-deps"} // which adds what is missing to go.mod and go.sum
	for p := range strings.SplitSeq(o.get, ",") {
		list = append(list, ours+"/"+p)
	}
	for _, words := range append(prepare, list) {
		if _, err := command(ctx, work, words...); err != nil {
			return nil, err
		}
	}
	r = &row{name: filepath.Base(dir), rule: o.rule, compiles: "yes", empty: "yes"}
	start := time.Now()
	text, err := command(ctx, work, slices.Concat([]string{o.tool, "fix", "-force", "-json"}, o.flags, []string{"./..."})...)
	r.took = time.Since(start)
	if err := json.Unmarshal(text, &r.report); err != nil {
		return nil, fmt.Errorf("the report of iotmigrate: %w", err)
	}
	if err != nil && len(r.report.Problems) == 0 {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			return nil, err
		}
	}
	var packages []string
	for _, u := range r.report.Units {
		if slices.ContainsFunc(u.Sites, func(s site) bool { return s.Rule == "not analyzed" }) {
			continue // a file that this build leaves out: what it names is no import path
		}
		packages = append(packages, strings.TrimSuffix(u.Package, "_test"))
	}
	slices.Sort(packages)
	if packages = slices.Compact(packages); len(packages) > 0 { // one analyzer: vet compiles the tests too, and what else it says was there before
		if _, err := command(ctx, work, append([]string{"go", "vet", "-asmdecl"}, packages...)...); err != nil {
			r.compiles = "NO: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
	}
	again, err := command(ctx, work, slices.Concat([]string{o.tool, "diff"}, o.flags, []string{"./..."})...)
	if len(again) > 0 || err != nil && ctx.Err() != nil {
		r.empty = "NO"
	}
	return r, nil
}

// share is how many of a number of things have moved.
type share struct{ moved, of int }

func (s *share) add(moved bool) {
	s.of++
	if moved {
		s.moved++
	}
}

// String is the share with its percentage.
func (s share) String() string {
	if s.of == 0 {
		return "0"
	}
	return fmt.Sprintf("%d of %d (%.0f %%)", s.moved, s.of, 100*float64(s.moved)/float64(s.of))
}

// borders are the sections about what other packages do with a client.
var borders = []string{"exported-api", "other-packages"}

// String is the row as Markdown. A unit with a constructor is a class of clients; one is closed when nothing that is said of it is
// about other packages. A bridged use of a token has moved with its client.
func (r *row) String() string {
	all := map[string]int{}
	var ruled, tokens, clients, closed share
	for _, u := range r.report.Units {
		made, open := false, false
		for _, s := range u.Sites {
			all[s.Outcome]++
			if s.Rule == r.rule {
				ruled.add(s.Outcome == "rewritten")
			}
			if s.Rule == "token" {
				tokens.add(s.Outcome != "left")
			}
			made = made || s.Rule == "constructor"
		}
		for _, x := range u.Reasons {
			open = open || slices.ContainsFunc(borders, func(b string) bool { return strings.HasSuffix(x.Link, "#"+b) })
		}
		if made {
			clients.add(u.Rewritten)
			if !open {
				closed.add(u.Rewritten)
			}
		}
	}
	name := r.name
	if n := len(r.report.Problems); n > 0 {
		name += fmt.Sprintf(" (%d packages do not compile as they are)", n)
	}
	return fmt.Sprintf("| %s | %v | %v | %v | %d of %d | %d | %d | %d | %s | %s | %.1f |", name, clients, closed, tokens, ruled.moved, ruled.of,
		all["rewritten"], all["bridged"], all["left"], r.compiles, r.empty, r.took.Seconds())
}

// reasons are what stands in the way, the most frequent first.
func (r *row) reasons() []string {
	n := map[string]int{}
	for _, u := range r.report.Units {
		for _, x := range u.Reasons {
			n[x.Text]++
		}
		for _, x := range u.Bridges {
			n["bridge: "+x.What+": "+x.Text]++
		}
	}
	var out []string
	for text := range n {
		out = append(out, text)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
	for i, text := range out {
		out[i] = fmt.Sprintf("%d %s", n[text], text)
	}
	return out
}

// command runs a program and returns what it printed; its error has what it said to stderr.
func command(ctx context.Context, dir string, words ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}
