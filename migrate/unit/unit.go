// Package unit describes what an analyzer of the migration tool found: units of change, the call sites in them, and
// the reasons why a unit cannot be rewritten.
//
// A unit is the smallest thing that is rewritten or left as a whole: a flow class, that is a client with every
// variable, field, parameter and result it flows through.
package unit

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
)

// Outcome tells what becomes of a site when its unit is rewritten.
type Outcome int

// The outcomes.
const (
	Rewritten Outcome = iota // to v2's call
	Bridged                  // v1's call, on a client that is v2's: there is a Bridge at it
	Left                     // v1's call, on a client that stays v1's
)

// String is the outcome's name in reports.
func (o Outcome) String() string {
	switch o {
	case Rewritten:
		return "rewritten"
	case Bridged:
		return "bridged"
	case Left:
		return "left"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// Site is one call, assignment or declaration that a rule covers.
type Site struct {
	Pos     token.Position
	Rule    string  // name of the rule, such as "publish"
	What    string  // the v1 name at the site, such as "Publish"
	Outcome Outcome // of a unit that is rewritten; every site of another one is left
}

// Bridge is a place where v1-shaped code and a v2 client meet, because what stands there has no rule.
type Bridge struct {
	Pos    token.Position
	Rule   string
	What   string // what stays on v1's shape: a member, such as "ConnectAsync", or what the client is given to
	Form   string // what the code reads there, such as "v1compat.FromV2"
	Text   string // why it has no rule, in one sentence without a full stop
	Next   string // what a person does about it, in one sentence without a full stop
	Anchor string // section of MIGRATION.md about the reason; a key of Anchors
}

// Reason says why a unit is not rewritten, or, where it has edits all the same, why its client stays on v1's shape.
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
	Family    string         // the rules that found it; with the position its identity
	Sites     []Site
	Rewritten bool // the rewrite was planned, and it type-checks
	Reasons   []Reason
	Bridges   []Bridge // in a unit that is rewritten, or was by an earlier run
	Notes     []Note
	// Edits holds the planned changes by file name. It is nil when there is nothing to rewrite.
	Edits map[string]*FileEdits `json:"-"`
	// Changed holds the names of fields, package variables and functions whose declaration changes. A file that
	// build constraints exclude and that mentions one of them stands in the way.
	Changed []string `json:"-"`
	// Shared names members that units of other packages have too, in a rewrite of a whole module: all of them are
	// rewritten, or none.
	Shared []string `json:"-"`
	// Start and End bound the statement or declaration that Pos is in, for an analysis.Diagnostic.
	Start, End token.Pos `json:"-"`
}

// AddReason adds r unless the same text at the same place is there already.
func (u *Unit) AddReason(r Reason) {
	if !slices.ContainsFunc(u.Reasons, func(o Reason) bool { return o.Pos == r.Pos && o.Text == r.Text }) {
		u.Reasons = append(u.Reasons, r)
	}
}

// Becomes is what becomes of a site of u.
func (u *Unit) Becomes(s Site) Outcome {
	if !u.Rewritten {
		if s.Outcome == Bridged {
			return Bridged // by an earlier run
		}
		return Left
	}
	return s.Outcome
}

// Done reports whether nothing of u is on v1's shape any more.
func (u *Unit) Done() bool { return u.Rewritten && len(u.Reasons) == 0 && len(u.Bridges) == 0 }

// Drop gives up what was planned: the unit is left as it is.
func (u *Unit) Drop() {
	u.Edits, u.Bridges = nil, nil
	for i := range u.Sites {
		u.Sites[i].Outcome = Left
	}
}

// Refuse adds r and gives up what was planned.
func (u *Unit) Refuse(r Reason) {
	u.AddReason(r)
	u.Drop()
}

// SortReasons orders sites, reasons, bridges and notes by position.
func (u *Unit) SortReasons() {
	slices.SortStableFunc(u.Sites, func(a, b Site) int { return ComparePos(a.Pos, b.Pos) })
	slices.SortStableFunc(u.Reasons, func(a, b Reason) int { return ComparePos(a.Pos, b.Pos) })
	slices.SortStableFunc(u.Bridges, func(a, b Bridge) int { return ComparePos(a.Pos, b.Pos) })
	slices.SortStableFunc(u.Notes, func(a, b Note) int { return ComparePos(a.Pos, b.Pos) })
}

// ComparePos orders positions by file, then by offset.
func ComparePos(a, b token.Position) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Offset, b.Offset))
}
