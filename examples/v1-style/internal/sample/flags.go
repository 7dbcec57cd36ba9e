package sample

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// UsageError is a command line that the sample does not take.
type UsageError struct{ Err error }

// Error says what is wrong with it.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

var errHelp = flag.ErrHelp

// option is a flag with all of its names.
type option struct {
	names    []string
	kind     string // of its value; empty: it has none
	usage    string
	def      string // empty: not worth telling
	required bool
	text     *string // of a text
	declare  func(f *flag.FlagSet, name string)
}

func (p *Program) add(o *option) *option {
	p.options = append(p.options, o)
	return o
}

func (p *Program) text(v *string, usage string, names ...string) *option {
	return p.add(&option{names: names, kind: "TEXT", usage: usage, def: *v, text: v,
		declare: func(f *flag.FlagSet, name string) { f.StringVar(v, name, *v, usage) }})
}

func (p *Program) number(v *int, usage string, names ...string) {
	o := p.add(&option{names: names, kind: "NUMBER", usage: usage,
		declare: func(f *flag.FlagSet, name string) { f.IntVar(v, name, *v, usage) }})
	if *v != 0 {
		o.def = fmt.Sprint(*v)
	}
}

func (p *Program) duration(v *time.Duration, usage string, names ...string) {
	p.add(&option{names: names, kind: "DURATION", usage: usage, def: v.String(),
		declare: func(f *flag.FlagSet, name string) { f.DurationVar(v, name, *v, usage) }})
}

func (p *Program) truth(v *bool, usage string, names ...string) {
	p.add(&option{names: names, usage: usage,
		declare: func(f *flag.FlagSet, name string) { f.BoolVar(v, name, *v, usage) }})
}

// Parse reads the flags and checks the rules. It prints nothing. Errors:
// *UsageError, a *StatusError of a rule, or flag.ErrHelp for -h.
func (p *Program) Parse(args []string) error {
	f := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	for _, o := range p.options {
		for _, name := range o.names {
			o.declare(f, name)
		}
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return errHelp
		}
		return &UsageError{err}
	}
	if f.NArg() > 0 {
		return &UsageError{fmt.Errorf("unexpected argument %q", f.Arg(0))}
	}
	var missing []string
	for _, o := range p.options {
		if o.required && *o.text == "" {
			missing = append(missing, o.spelling("/"))
		}
	}
	if len(missing) > 0 {
		return &UsageError{fmt.Errorf("missing %s", strings.Join(missing, ", "))}
	}
	for _, rule := range p.rules {
		var status *StatusError
		switch err := rule(); {
		case err == nil:
		case errors.As(err, &status):
			return err
		default:
			return &UsageError{err}
		}
	}
	return nil
}

// spelling is -e/--endpoint: long names take two hyphens, as v1's samples wrote
// them. One or two are the same to package flag.
func (o *option) spelling(sep string) string {
	var b strings.Builder
	for i, name := range o.names {
		if i > 0 {
			b.WriteString(sep)
		}
		if len(name) > 2 {
			b.WriteString("-")
		}
		b.WriteString("-" + name)
	}
	return b.String()
}

// Usage is the text about the flags.
func (p *Program) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s", p.Name)
	for _, o := range p.options {
		if o.required {
			fmt.Fprintf(&b, " -%s %s", o.names[0], o.kind)
		}
	}
	b.WriteString(" [flags]\n")
	for _, o := range p.options {
		fmt.Fprintf(&b, "  %s", o.spelling(", "))
		if o.kind != "" {
			fmt.Fprintf(&b, " %s", o.kind)
		}
		fmt.Fprintf(&b, "\n    \t%s", o.usage)
		switch {
		case o.required:
			b.WriteString(" (required)")
		case o.def != "":
			fmt.Fprintf(&b, " (default %s)", o.def)
		}
		b.WriteString("\n")
	}
	return b.String()
}
