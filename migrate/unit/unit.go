// Package unit describes what an analyzer of the migration tool found: units of change, the call sites in them, and
// the reasons why a unit cannot be rewritten.
//
// A unit is the smallest thing that is rewritten or left as a whole: a flow class, that is a client with every
// variable, field, parameter and result it flows through.
package unit

import (
	"cmp"
	"go/token"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
)

// Site is one call, assignment or declaration that a rule covers.
type Site struct {
	Pos  token.Position
	Rule string // name of the rule, such as "publish"
	What string // the v1 name at the site, such as "Publish"
}

// Reason says why a unit is not rewritten.
type Reason struct {
	Pos    token.Position
	Rule   string
	Text   string // what stands in the way, in one sentence without a full stop
	Anchor string // section of MIGRATION.md that tells what to do; a key of Anchors
}

// Note is something that a rewrite changes and a reader should know.
type Note struct {
	Pos    token.Position
	Text   string
	Anchor string
}

// Import is a package that edited text needs in a file under a given name.
type Import struct{ Path, Name string }

// FileEdits are the changes of one unit in one file.
type FileEdits struct {
	Edits   []edit.Edit
	Imports []Import
}

// Unit is one flow class, or one lone use of v1's API that has no rule.
type Unit struct {
	Pos       token.Position // of the constructor, else of the first member
	Name      string         // what the unit is about, such as "client"
	Package   string         // import path
	Sites     []Site
	Rewritten bool // the rewrite was planned, and it type-checks
	Reasons   []Reason
	Notes     []Note
	// Edits holds the planned changes by file name. It is empty when there are reasons.
	Edits map[string]*FileEdits `json:"-"`
	// Changed holds the names of fields, package variables and functions whose declaration changes. A file that
	// build constraints exclude and that mentions one of them stands in the way.
	Changed []string `json:"-"`
	// Start and End bound the statement or declaration that Pos is in, for an analysis.Diagnostic.
	Start, End token.Pos `json:"-"`
}

// AddReason adds r unless the same text at the same place is there already.
func (u *Unit) AddReason(r Reason) {
	if !slices.ContainsFunc(u.Reasons, func(o Reason) bool { return o.Pos == r.Pos && o.Text == r.Text }) {
		u.Reasons = append(u.Reasons, r)
	}
}

// SortReasons orders sites, reasons and notes by position.
func (u *Unit) SortReasons() {
	slices.SortStableFunc(u.Sites, func(a, b Site) int { return ComparePos(a.Pos, b.Pos) })
	slices.SortStableFunc(u.Reasons, func(a, b Reason) int { return ComparePos(a.Pos, b.Pos) })
	slices.SortStableFunc(u.Notes, func(a, b Note) int { return ComparePos(a.Pos, b.Pos) })
}

// ComparePos orders positions by file, then by offset.
func ComparePos(a, b token.Position) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Offset, b.Offset))
}
