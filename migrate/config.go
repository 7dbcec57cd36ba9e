package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
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
	Dir      string            // directory in which Patterns are resolved; "" is the working directory
	Patterns []string          // packages as the go command names them; none means "."
	Mode     Mode              // Check or Fix
	Overlay  map[string][]byte // file contents by absolute name that stand for those on disk; Fix refuses it
	GOOS     []string          // operating systems to check for; none means the one Run runs on
	Tags     []string          // build tags that are set
	Force    bool              // Fix: also in a git work tree with uncommitted changes
	Todo     bool              // add a comment at every place that is left, with the reason
	Env      []string          // environment of the go command; nil is the environment of the process
}

type (
	// Unit is one client with everything it flows through, rewritten or left as a whole.
	Unit = unit.Unit
	// Site is one call, assignment or declaration of a unit.
	Site = unit.Site
	// Reason says why a unit is left.
	Reason = unit.Reason
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
}

// Stats counts the call sites of a result.
type Stats struct {
	Units, UnitsRewritten int
	Rewritten, Left       int // call sites
	Rules                 []RuleStats
}

// RuleStats counts the call sites of one rule.
type RuleStats struct {
	Rule            string
	Rewritten, Left int
}

// Stats counts call sites by rule. A site of a unit that is left counts as left, also where its own rule is ready.
func (r *Result) Stats() Stats {
	var s Stats
	byRule := map[string]*RuleStats{}
	for _, u := range r.Units {
		s.Units++
		if u.Rewritten {
			s.UnitsRewritten++
		}
		for _, site := range u.Sites {
			rs := byRule[site.Rule]
			if rs == nil {
				rs = &RuleStats{Rule: site.Rule}
				byRule[site.Rule] = rs
			}
			if u.Rewritten {
				rs.Rewritten++
				s.Rewritten++
			} else {
				rs.Left++
				s.Left++
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(byRule)) {
		s.Rules = append(s.Rules, *byRule[rule])
	}
	return s
}

// Left reports whether manual work is left.
func (r *Result) Left() bool {
	return slices.ContainsFunc(r.Units, func(u *Unit) bool { return !u.Rewritten })
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
