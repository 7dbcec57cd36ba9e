// Package report writes what a run of the migration tool found: as text, JSON, SARIF and HTML, and as a baseline, which
// later runs are compared with.
package report

import (
	"cmp"
	"fmt"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// File is a file that changes.
type File struct{ Old, New []byte }

// Problem is a package that cannot be analyzed as it is.
type Problem struct {
	Package string   `json:"package"`        // import path
	GOOS    string   `json:"goos,omitempty"` // where it does not compile, when that is not the system of the run
	Errors  []string `json:"errors"`         // what the go command and the compiler say, each once
}

// Report is what a run found.
type Report struct {
	Dir      string // absolute directory that file names are relative to
	URL      string // of MIGRATION.md, whose sections are linked
	Words    Words  // what is migrated; the zero value: v1's clients to v2
	Fix      bool   // the files were to be written
	Units    []*unit.Unit
	Files    map[string]File                    // by absolute name, only those that change
	Source   func(name string) ([]byte, error)  // content of a file before the run
	Written  bool                               // the files were written
	Notes    []string                           // about the run as a whole
	Problems []Problem                          // packages that could not be analyzed
	Baseline *Baseline                          // what is known already; nil: no baseline was given
	uses     []Use                              // once they are found
	decls    map[string]func(offset int) string // by file name
}

// Counts are numbers of call sites by what becomes of them.
type Counts struct{ Rewritten, Bridged, Left int }

// Add counts one site.
func (c *Counts) Add(o unit.Outcome) {
	switch o {
	case unit.Rewritten:
		c.Rewritten++
	case unit.Bridged:
		c.Bridged++
	case unit.Left:
		c.Left++
	}
}

// All is the number of sites.
func (c Counts) All() int { return c.Rewritten + c.Bridged + c.Left }

// Row is the counts of one rule or package.
type Row struct {
	Name string
	Counts
}

// handedOver is the rule under which a client counts that goes, as a whole, to what stays on v1's shape.
const handedOver = "handed over"

// places are the call sites of u, and where its client is handed over through a bridge.
func places(u *unit.Unit) []unit.Site {
	out := slices.Clone(u.Sites)
	for _, x := range handed(u) {
		out = append(out, unit.Site{Pos: x.Pos, Rule: handedOver, What: x.What, Outcome: unit.Bridged})
	}
	return out
}

// handed are the bridges of u that are no call site.
func handed(u *unit.Unit) []unit.Bridge {
	return slices.DeleteFunc(slices.Clone(u.Bridges), func(x unit.Bridge) bool {
		return slices.ContainsFunc(u.Sites, func(s unit.Site) bool { return s.Pos == x.Pos })
	})
}

// Tally counts the call sites of units by a key, in order of the keys, and all of them; bridges that are no call count as
// well.
func Tally(units []*unit.Unit, key func(*unit.Unit, unit.Site) string) (rows []Row, total Counts) {
	for _, u := range units {
		for _, s := range places(u) {
			k := key(u, s)
			i, ok := slices.BinarySearchFunc(rows, k, func(r Row, k string) int { return cmp.Compare(r.Name, k) })
			if !ok {
				rows = slices.Insert(rows, i, Row{Name: k})
			}
			rows[i].Add(u.Becomes(s))
			total.Add(u.Becomes(s))
		}
	}
	return rows, total
}

// ByRule is the key of Tally for the table of rules.
func ByRule(_ *unit.Unit, s unit.Site) string { return s.Rule }

// byPackage is the key of Tally for the table of packages.
func byPackage(u *unit.Unit, _ unit.Site) string { return u.Package }

// Done is how many units have nothing on v1's shape any more.
func Done(units []*unit.Unit) (n int) {
	for _, u := range units {
		if u.Done() {
			n++
		}
	}
	return n
}

// cause is a reason with the units that it holds back.
type cause struct {
	unit.Reason
	units []*unit.Unit
}

// shared are the causes that hold back several units: each is said once, with the units under it.
func (r *Report) shared() []*cause {
	var all []*cause
	at := map[string]*cause{}
	for _, u := range r.Units {
		for _, x := range u.Reasons {
			k := x.Pos.String() + " " + x.Text
			if at[k] == nil {
				at[k] = &cause{Reason: x}
				all = append(all, at[k])
			}
			at[k].units = append(at[k].units, u)
		}
	}
	all = slices.DeleteFunc(all, func(c *cause) bool { return len(c.units) < 2 })
	slices.SortStableFunc(all, func(a, b *cause) int { return unit.ComparePos(a.Pos, b.Pos) })
	return all
}

// done says what happened to the units that have rules, or would have.
func (r *Report) done() string {
	if r.Fix && len(r.Problems) == 0 {
		return "rewritten"
	}
	return "would be rewritten"
}

// Link is where a section of MIGRATION.md can be read.
func (r *Report) Link(anchor string) string { return r.URL + "#" + anchor }

// at is a position with its file name relative to the directory.
func (r *Report) at(p token.Position) string {
	p.Filename = Relative(r.Dir, p.Filename)
	return p.String()
}

// Relative is name relative to dir with slashes, or name itself when it is not below dir.
func Relative(dir, name string) string {
	rel, err := filepath.Rel(dir, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return filepath.ToSlash(name)
	}
	return filepath.ToSlash(rel)
}

// Count is a number of things, in words.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
