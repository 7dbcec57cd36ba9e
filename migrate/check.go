package migrate

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
	"github.com/portage-iot/awsiot/migrate/v1client"
	"golang.org/x/tools/go/packages"
)

// checker type-checks rewritten files in the packages they belong to.
type checker struct {
	sets []*set
	src  *source
	gone []edit.Package
}

// checkError is what the compiler says about a rewritten package.
type checkError struct {
	GOOS string
	Pos  token.Position
	Msg  string
}

func (e *checkError) Error() string {
	return fmt.Sprintf("%s: %s (GOOS=%s)", short(e.Pos), e.Msg, e.GOOS)
}

// try renders the units and type-checks every package that has a changed file, in every set.
func (c *checker) try(units []*unit.Unit) (map[string][]byte, error) {
	files, err := c.src.render(units, c.gone)
	if err != nil {
		return nil, err
	}
	for _, s := range c.sets {
		for _, p := range s.pkgs {
			if _, err := s.recheck(p, files); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// recheck type-checks p with the new files. It returns nil when none of them is in p.
func (s *set) recheck(p *packages.Package, files map[string][]byte) (*v1client.Input, error) {
	touched := false
	for _, name := range p.CompiledGoFiles {
		_, ok := files[name]
		touched = touched || ok
	}
	if !touched {
		return nil, nil
	}
	var syntax []*ast.File
	for _, f := range p.Syntax {
		name := s.fset.File(f.FileStart).Name()
		b, ok := files[name]
		if !ok {
			syntax = append(syntax, f)
			continue
		}
		nf, err := parser.ParseFile(s.fset, name, b, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		syntax = append(syntax, nf)
	}
	var first *checkError
	conf := types.Config{Importer: s.importer(p), Sizes: p.TypesSizes, Error: func(err error) {
		if te, ok := errors.AsType[types.Error](err); ok && first == nil {
			first = &checkError{s.goos, te.Fset.Position(te.Pos), te.Msg}
		}
	}}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Implicits: map[ast.Node]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Scopes: map[ast.Node]*types.Scope{},
		Instances: map[*ast.Ident]types.Instance{}, FileVersions: map[*ast.File]string{}}
	tp, err := conf.Check(p.PkgPath, s.fset, syntax, info)
	if first != nil {
		return nil, first
	}
	if err != nil {
		return nil, err
	}
	in := &v1client.Input{Package: flow.Package{Fset: s.fset, Files: syntax, Types: tp, Info: info}}
	in.Untouchable = func(name string) string { return untouchable(p, name) }
	return in, nil
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// importer resolves an import of p in what was loaded: its own imports, else the packages that the rules write.
func (s *set) importer(p *packages.Package) types.Importer {
	return importerFunc(func(path string) (*types.Package, error) {
		if path == "unsafe" {
			return types.Unsafe, nil
		}
		if i := p.Imports[path]; i != nil && i.Types != nil {
			return i.Types, nil
		}
		if x := s.extra[path]; x != nil && x.Types != nil && len(x.Errors) == 0 {
			return x.Types, nil
		}
		return nil, fmt.Errorf("package %s is not available to %s", path, p.PkgPath)
	})
}

// doesNotCompile is the section about units that the compiler refuses.
const doesNotCompile = "does-not-compile"

// settle finds the units that can go in together: all of them when that type-checks, else it halves until it has
// found the ones that do not, and rejects those with the compiler's message.
func (c *checker) settle(units []*unit.Unit) ([]*unit.Unit, map[string][]byte, error) {
	files, err := c.try(units)
	if err == nil {
		return units, files, nil
	}
	var good []*unit.Unit
	byPkg := map[string][]*unit.Unit{}
	for _, u := range units {
		byPkg[u.Package] = append(byPkg[u.Package], u)
	}
	for _, pkg := range slices.Sorted(maps.Keys(byPkg)) {
		good = c.add(good, byPkg[pkg])
	}
	slices.SortFunc(good, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	files, err = c.try(good)
	return good, files, err
}

// add returns good and those of units that type-check with it.
func (c *checker) add(good, units []*unit.Unit) []*unit.Unit {
	if len(units) == 0 {
		return good
	}
	both := append(slices.Clone(good), units...)
	_, err := c.try(both)
	switch {
	case err == nil:
		return both
	case len(units) == 1:
		r := unit.Reason{Pos: units[0].Pos, Rule: "class", Anchor: doesNotCompile, Text: "the rewritten code does not compile: " + err.Error()}
		units[0].AddReason(r)
		units[0].Edits = nil
		return good
	}
	half := len(units) / 2
	return c.add(c.add(good, units[:half]), units[half:])
}

// again analyzes the rewritten packages: a second run must have nothing to propose, but for the units that this one
// has rejected because they do not compile.
func (c *checker) again(files map[string][]byte, units []*unit.Unit) error {
	rejected := map[string]bool{}
	for _, u := range units {
		if slices.ContainsFunc(u.Reasons, func(r unit.Reason) bool { return r.Anchor == doesNotCompile }) {
			rejected[u.Package+" "+u.Name] = true
		}
	}
	for _, s := range c.sets {
		for _, p := range s.pkgs {
			in, err := s.recheck(p, files)
			if err != nil {
				return err
			}
			if in == nil {
				continue
			}
			for _, u := range v1client.Analyze(*in) {
				if len(u.Reasons) == 0 && !rejected[u.Package+" "+u.Name] {
					return fmt.Errorf("%s: a second run would rewrite %s again; nothing was changed, please report this", u.Pos, u.Name)
				}
			}
		}
	}
	return nil
}

// gonePackages describes the packages whose import a rewrite can make superfluous.
func gonePackages(sets []*set) []edit.Package {
	out := []edit.Package{{Path: paths.V1Compat, Name: "v1compat"}}
	for _, s := range sets {
		for _, p := range s.pkgs {
			if v1 := p.Imports[paths.V1Compat]; v1 != nil && v1.Types != nil {
				out[0].Exports = map[string]bool{}
				for _, n := range v1.Types.Scope().Names() {
					out[0].Exports[n] = token.IsExported(n)
				}
				return out
			}
		}
	}
	return out
}
