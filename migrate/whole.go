package migrate

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/packages"
)

// modulePatterns are the patterns of all packages of the main modules: a module's own, or those of a workspace. Only with
// all of them at hand it is known who uses an exported name.
func modulePatterns(ctx context.Context, c Config, env []string) ([]string, error) {
	if slices.ContainsFunc(c.Patterns, func(p string) bool { return strings.HasSuffix(p, ".go") }) {
		return nil, errors.New("the rewrite of a whole module takes packages, not files")
	}
	out, errs, err := goCommand(ctx, c.Dir, env, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", errors.Join(reason(errs), err))
	}
	var patterns []string
	for dir := range strings.Lines(string(out)) {
		if dir = strings.TrimSpace(dir); dir != "" {
			patterns = append(patterns, filepath.Join(dir, "..."))
		}
	}
	if len(patterns) == 0 {
		return nil, errors.New("the rewrite of a whole module needs a module: there is no go.mod here")
	}
	return patterns, nil
}

// link notes the packages that are rewritten together, or of which one can change what another sees: all that were loaded, without those of the API itself.
func (s *set) link(all []*packages.Package) {
	s.linked = map[string]bool{}
	for _, p := range all {
		if !s.rules.own(p.PkgPath) {
			s.linked[p.PkgPath] = true
		}
	}
	if s.whole {
		s.joint = s.linked
	}
}

// inputs prepares all packages of the set for the analysis. changed gives those that were rewritten; nil: none was.
func (s *set) inputs(changed func(*packages.Package) (*rewrite.Input, error)) ([]rewrite.Input, error) {
	var out []rewrite.Input
	var from []*packages.Package
	for _, p := range s.pkgs {
		in := s.input(p)
		if changed != nil {
			c, err := changed(p)
			if err != nil {
				return nil, err
			}
			if c == nil && !s.linksOf(p) && len(s.rules.moves) == 0 {
				continue
			}
			if c != nil {
				in = *c
			}
		}
		out, from = append(out, in), append(from, p)
	}
	var linked []rewrite.Input
	for i, p := range from {
		if s.linksOf(p) {
			out[i].Linked = func(p *types.Package) bool { return s.joint[p.Path()] }
			linked = append(linked, out[i])
		}
	}
	if len(linked) == 0 {
		return out, nil
	}
	survey := rewrite.NewSurvey(linked, s.rules.families)
	for i := range out {
		if out[i].Linked != nil {
			out[i].Survey = survey
		}
	}
	return out, nil
}

// linksOf reports whether p is one of the packages that move together with their users, or depends on one.
func (s *set) linksOf(p *packages.Package) bool {
	if s.joint[p.PkgPath] {
		return true
	}
	for path := range s.joint {
		if s.view != nil && s.view.depends(p.ID, path) || s.view == nil && imports(p, path, map[*packages.Package]bool{}) {
			return true
		}
	}
	return false
}

// clients puts the units together that are one client in several packages, in order of the first; a unit that shares
// nothing is alone.
func clients(units []*unit.Unit) [][]*unit.Unit {
	parent := make([]int, len(units))
	var find func(int) int
	find = func(i int) int {
		if parent[i] != i {
			parent[i] = find(parent[i])
		}
		return parent[i]
	}
	owner := map[string]int{}
	for i, u := range units {
		parent[i] = i
		for _, n := range u.Shared {
			if o, ok := owner[n]; ok {
				parent[find(i)] = find(o)
			} else {
				owner[n] = i
			}
		}
	}
	var out [][]*unit.Unit
	index := map[int]int{}
	for i, u := range units {
		root := find(i)
		at, ok := index[root]
		if !ok {
			at = len(out)
			index[root] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], u)
	}
	return out
}

// together leaves every unit of a client of which one unit is left: the type of what they share changes for all of them.
func (rs *rules) together(units []*unit.Unit) {
	for _, c := range clients(units) {
		i := slices.IndexFunc(c, func(u *unit.Unit) bool { return len(u.Reasons) > 0 })
		if i < 0 || len(c) == 1 {
			continue
		}
		why := c[i].Reasons[0]
		for _, u := range c {
			if len(u.Reasons) == 0 && rs.isMove(u.Family) {
				u.AddReason(unit.Reason{Pos: u.Pos, Rule: "import", Anchor: "token-types",
					Text: fmt.Sprintf("what makes clients and what names token types move together, and %s of package %s has to stay: %s", c[i].Name, c[i].Package, why.Text)})
			} else if len(u.Reasons) == 0 {
				u.AddReason(unit.Reason{Pos: u.Pos, Rule: "class", Anchor: "exported-api",
					Text: fmt.Sprintf("the client is shared with package %s, where it has to stay: %s", c[i].Package, why.Text)})
			}
			u.Drop()
		}
	}
}

// blockImporters adds a reason to a unit with shared members for every file of another package that build constraints
// exclude, that imports the unit's package and that mentions a name of it that changes.
func (s *set) blockImporters(u *unit.Unit, covered map[string]bool) {
	if len(u.Shared) == 0 || len(u.Edits) == 0 || s.view == nil {
		return
	}
	for _, name := range s.view.ignored {
		if covered[name] {
			continue
		}
		fset := token.NewFileSet()
		f, _ := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if f == nil || never(f) || !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return strings.Trim(i.Path.Value, "`\"") == u.Package }) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && slices.Contains(u.Changed, id.Name) {
				u.Refuse(ignoredReason(fset.Position(id.Pos()), id.Name))
			}
			return true
		})
	}
}

// ignoredReason is the reason of a file that build constraints exclude.
func ignoredReason(pos token.Position, name string) unit.Reason {
	return unit.Reason{Pos: pos, Rule: "class", Anchor: "build-constraints",
		Text: "build constraints exclude this file, and it mentions " + name + "; name its system with -goos or its tag with -tags"}
}
