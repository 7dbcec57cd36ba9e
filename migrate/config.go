package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/report"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Mode tells what Run does with the rewrite.
type Mode int

// The modes.
const (
	Check Mode = iota // plan and type-check, change nothing
	Fix               // the same, then write the files
)

// String is the name of the sub-command.
func (m Mode) String() string {
	switch m {
	case Check:
		return "check"
	case Fix:
		return "fix"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Config is the input of Run. The zero value checks the package in the working directory.
type Config struct {
	Dir      string             // directory in which Patterns are resolved; "" is the working directory
	Patterns []string           // packages as the go command names them; none means "."
	Mode     Mode               // Check or Fix
	From     []API              // what is migrated; none means FromV1
	To       Target             // what it becomes; FromV1 has no ToDropIn, as v1-shaped code runs on v1compat as it is
	Overlay  map[string][]byte  // file contents by absolute name that stand for those on disk; Fix refuses it
	GOOS     []string           // operating systems to check for; none means the one Run runs on
	Tags     []string           // build tags that are set
	Force    bool               // Fix: also in a git work tree with uncommitted changes
	Idioms   bool               // write the result as new code would be: options as a literal, contexts passed on
	Bridges  bool               // where a use has no rule, keep it on v1's shape and rewrite the rest; false: all of a client or nothing
	Whole    bool               // all packages of the module at once: what is exported moves too when all of its users there can follow; bridges only in code on paho
	Todo     bool               // add a comment at every place that is left, with the reason
	Baseline string             // file that Result.WriteBaseline has written: only what it does not know counts as left; "": none
	Env      []string           // environment of the go command; nil is the environment of the process
	Progress func(stage string) // is told what the run does next; nil: nobody
}

// stage tells what comes next.
func (c Config) stage(what string) {
	if c.Progress != nil {
		c.Progress(what)
	}
}

type (
	// Unit is one client with everything it flows through, rewritten or left as a whole.
	Unit = unit.Unit
	// Site is one call, assignment or declaration of a unit.
	Site = unit.Site
	// Reason says why a unit is left.
	Reason = unit.Reason
	// Outcome tells what becomes of a site.
	Outcome = unit.Outcome
	// Bridge is a place where v1-shaped code and a v2 client meet.
	Bridge = unit.Bridge
	// Note is something that a rewrite changes and a reader should know.
	Note = unit.Note
)

// File is a file that changes.
type File struct{ Old, New []byte }

// Result is the outcome of Run.
type Result struct {
	Dir     string          // absolute directory that file names in reports are relative to
	Units   []*Unit         // in order of position
	Files   map[string]File // by absolute name, only those that change
	Written bool            // Fix has written the files
	Notes   []string        // about the run as a whole, such as that there is no git work tree
	// Problems are packages of v1-shaped code that do not load or compile as they are. The report is about the others;
	// Fix writes nothing then.
	Problems []Problem
	mode     Mode
	src      *source
	words    report.Words
	baseline *report.Baseline
}

// Stats counts the call sites of a result.
type Stats struct {
	Units, UnitsRewritten    int // UnitsRewritten without those that keep something on v1's shape
	Rewritten, Bridged, Left int // call sites
	Rules                    []RuleStats
	Uses, NewUses            int // places that stay on v1's shape, call sites or not; those that a baseline does not know
}

// RuleStats counts the call sites of one rule.
type RuleStats struct {
	Rule                     string
	Rewritten, Bridged, Left int
}

// Stats counts call sites by rule. A site of a unit that is left counts as left, also where its own rule is ready, and
// so does a call on a client that stays v1's, also where other calls on that client are rewritten.
func (r *Result) Stats() Stats {
	var s Stats
	rows, total := report.Tally(r.Units, report.ByRule)
	for _, x := range rows {
		s.Rules = append(s.Rules, RuleStats{x.Name, x.Rewritten, x.Bridged, x.Left})
	}
	s.Rewritten, s.Bridged, s.Left = total.Rewritten, total.Bridged, total.Left
	s.Units, s.UnitsRewritten = len(r.Units), report.Done(r.Units)
	for _, u := range r.report().Uses() {
		s.Uses++
		if u.New {
			s.NewUses++
		}
	}
	return s
}

// Left reports whether manual work is left: something is still on v1's shape, bridges included. With a baseline, only
// what that does not know counts.
func (r *Result) Left() bool {
	if r.baseline != nil {
		return r.fresh()
	}
	return slices.ContainsFunc(r.Units, func(u *Unit) bool { return !u.Done() })
}

// Diff is the change as one unified diff, files in order of their names, relative to Dir.
func (r *Result) Diff() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		rel := relative(r.Dir, name)
		b.WriteString(edit.Diff("a/"+rel, "b/"+rel, r.Files[name].Old, r.Files[name].New))
	}
	return b.String()
}

// Colour adds terminal colours to a unified diff.
func Colour(diff string) string { return edit.Colour(diff) }
