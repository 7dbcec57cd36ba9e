package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// Baseline is the uses of v1's API that are known, so that a run can tell what is new. A use is known by its package, the
// declaration it stands in and what is used there, and how many such there are: lines, files and other declarations may move.
type Baseline struct {
	Version int            `json:"version"`
	Uses    map[string]int `json:"uses"` // how many, by package, declaration and what is used
}

// baselineVersion is the form of the file.
const baselineVersion = 1

// ReadBaseline reads what WriteBaseline has written.
func ReadBaseline(rd io.Reader) (*Baseline, error) {
	b := &Baseline{}
	d := json.NewDecoder(rd)
	if err := d.Decode(b); err != nil {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a baseline: there is more behind it")
	}
	if b.Version != baselineVersion {
		return nil, fmt.Errorf("a baseline of version %d: this program reads version %d", b.Version, baselineVersion)
	}
	for k, n := range b.Uses {
		if n < 1 {
			return nil, fmt.Errorf("not a baseline: %d uses of %q", n, k)
		}
	}
	return b, nil
}

// WriteBaseline writes the uses of v1's API that stay after the run, in order, a line each.
func (r *Report) WriteBaseline(w io.Writer) error {
	b := Baseline{Version: baselineVersion, Uses: map[string]int{}}
	for _, u := range r.Uses() {
		b.Uses[u.key()]++
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(b)
}

// gone is how many uses the baseline names that are no more.
func (b *Baseline) gone(uses []Use) (n int) {
	left := map[string]int{}
	for _, u := range uses {
		left[u.key()]++
	}
	for k, known := range b.Uses {
		n += max(0, known-left[k])
	}
	return n
}

// Use is a place that stays on v1's shape after the run, bridges included.
type Use struct {
	Unit    *unit.Unit
	Pos     token.Position
	Rule    string
	What    string // the v1 name, or what the client is given to
	In      string // the declaration around it, such as (*gateway).start
	N       int    // the how-manieth of its kind in the declaration, from 1
	Outcome unit.Outcome
	New     bool // a baseline was given and does not know it
}

// key is what a baseline knows the use by.
func (u Use) key() string { return u.Unit.Package + " " + u.In + " " + u.What }

// ID is the identity of the use, which stays when lines move.
func (u Use) ID() string { return fmt.Sprintf("%s %d", u.key(), u.N) }

// Uses are the places that stay on v1's shape, in order.
func (r *Report) Uses() []Use {
	if r.uses != nil {
		return r.uses
	}
	r.uses = []Use{}
	for _, u := range r.Units {
		if u.Done() {
			continue
		}
		here := len(r.uses)
		for _, s := range u.Sites {
			if o := u.Becomes(s); o != unit.Rewritten {
				r.uses = append(r.uses, Use{Unit: u, Pos: s.Pos, Rule: s.Rule, What: s.What, Outcome: o})
			}
		}
		for _, x := range handed(u) {
			r.uses = append(r.uses, Use{Unit: u, Pos: x.Pos, Rule: x.Rule, What: x.What, Outcome: unit.Bridged})
		}
		if len(r.uses) == here {
			r.uses = append(r.uses, Use{Unit: u, Pos: u.Pos, Rule: "class", What: u.Name, Outcome: unit.Left})
		}
	}
	slices.SortStableFunc(r.uses, func(a, b Use) int { return unit.ComparePos(a.Pos, b.Pos) })
	n := map[string]int{}
	for i := range r.uses {
		u := &r.uses[i]
		u.In = r.decl(u.Pos)
		n[u.key()]++
		u.N = n[u.key()]
		u.New = r.Baseline != nil && u.N > r.Baseline.Uses[u.key()]
	}
	return r.uses
}

// decl names the declaration around a position; "the file" where there is none.
func (r *Report) decl(p token.Position) string {
	if r.decls == nil {
		r.decls = map[string]func(int) string{}
	}
	f, ok := r.decls[p.Filename]
	if !ok {
		f = func(int) string { return "the file" }
		if src, err := r.Source(p.Filename); err == nil {
			f = declarations(p.Filename, src)
		}
		r.decls[p.Filename] = f
	}
	return f(p.Offset)
}

// declarations returns a function that names the declaration at an offset of a file.
func declarations(name string, src []byte) func(offset int) string {
	fset := token.NewFileSet()
	f, _ := parser.ParseFile(fset, name, src, parser.SkipObjectResolution) // in part, where it does not parse
	return func(offset int) string {
		if f == nil {
			return "the file"
		}
		for _, d := range f.Decls {
			if offset < fset.Position(d.Pos()).Offset || offset >= fset.Position(d.End()).Offset {
				continue
			}
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && len(d.Recv.List) > 0 {
					return "(" + types.ExprString(d.Recv.List[0].Type) + ")." + d.Name.Name
				}
				return d.Name.Name
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if offset >= fset.Position(s.Pos()).Offset && offset < fset.Position(s.End()).Offset {
						return specName(s)
					}
				}
			}
		}
		return "the file"
	}
}

func specName(s ast.Spec) string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return s.Name.Name
	case *ast.ValueSpec:
		var names []string
		for _, n := range s.Names {
			names = append(names, n.Name)
		}
		return strings.Join(names, ", ")
	}
	return "import"
}
