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
	"sync"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/packages"
)

// checker type-checks rewritten files in the packages they belong to.
type checker struct {
	sets []*set
	src  *source
	gone []edit.Package
	last map[*set]*round // what the last try that succeeded has type-checked
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
	rounds := map[*set]*round{}
	for _, s := range c.sets {
		r := s.round(files)
		rounds[s] = r
		if _, err := each(s.pkgs, r.check); err != nil {
			return nil, err
		}
	}
	c.last = rounds
	return files, nil
}

// recheck type-checks p with the new files. It returns nil when none of them is in p.
func (s *set) recheck(p *packages.Package, files map[string][]byte) (*rewrite.Input, error) {
	return s.round(files).check(p)
}

// round is one type-check of a set with new files, of many packages at once.
type round struct {
	s     *set
	files map[string][]byte
	mu    sync.Mutex // for the maps
	dirty map[*packages.Package]bool
	done  map[*packages.Package]func() (*rewrite.Input, error)
}

func (s *set) round(files map[string][]byte) *round {
	return &round{s: s, files: files, dirty: map[*packages.Package]bool{}, done: map[*packages.Package]func() (*rewrite.Input, error){}}
}

// changed reports whether p has one of the files or, where what is exported can change, depends on one.
func (r *round) changed(p *packages.Package) bool {
	if d, ok := r.dirty[p]; ok {
		return d
	}
	d := slices.ContainsFunc(p.CompiledGoFiles, func(name string) bool { return r.files[name] != nil })
	r.dirty[p] = d
	if !d && r.s.linked != nil {
		for _, i := range p.Imports {
			d = d || len(i.Syntax) > 0 && r.changed(i)
		}
		r.dirty[p] = d
	}
	return d
}

// check type-checks p. It returns nil when p has not changed.
func (r *round) check(p *packages.Package) (*rewrite.Input, error) {
	r.mu.Lock()
	if !r.changed(p) {
		r.mu.Unlock()
		return nil, nil
	}
	done := r.done[p]
	if done == nil {
		done = sync.OnceValues(func() (*rewrite.Input, error) { return r.checkNew(p) })
		r.done[p] = done
	}
	r.mu.Unlock()
	return done()
}

func (r *round) checkNew(p *packages.Package) (*rewrite.Input, error) {
	s, files := r.s, r.files
	var syntax []*ast.File
	for _, f := range p.Syntax {
		name := s.fset.File(f.FileStart).Name()
		b, ok := files[name]
		if !ok {
			syntax = append(syntax, f)
			continue
		}
		nf, err := parser.ParseFile(s.fset, name, b, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		syntax = append(syntax, nf)
	}
	var first *checkError
	conf := types.Config{Importer: r.importer(p), Sizes: p.TypesSizes, Error: func(err error) {
		if te, ok := errors.AsType[types.Error](err); ok && first == nil {
			first = &checkError{s.goos, te.Fset.Position(te.Pos), te.Msg}
		}
	}}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	info := newInfo(syntax)
	tp, err := conf.Check(p.PkgPath, s.fset, syntax, info)
	if first != nil {
		return nil, first
	}
	if err != nil {
		return nil, err
	}
	in := s.inputOf(p, flow.Package{Fset: s.fset, Files: syntax, Types: tp, Info: info})
	return &in, nil
}

// newInfo has room for about what files have: maps that grow step by step take a tenth of the time of a type-check.
func newInfo(files []*ast.File) *types.Info {
	n := 0
	for _, f := range files {
		n += int(f.FileEnd - f.FileStart)
	}
	return &types.Info{Types: make(map[ast.Expr]types.TypeAndValue, n/9), Defs: make(map[*ast.Ident]types.Object, n/60), Uses: make(map[*ast.Ident]types.Object, n/15),
		Implicits: map[ast.Node]types.Object{}, Selections: make(map[*ast.SelectorExpr]*types.Selection, n/70), Scopes: make(map[ast.Node]*types.Scope, n/100),
		Instances: map[*ast.Ident]types.Instance{}, FileVersions: map[*ast.File]string{}}
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// importer resolves an import of p in what was loaded: its own imports, else the packages that the rules write.
func (r *round) importer(p *packages.Package) types.Importer {
	s := r.s
	return importerFunc(func(path string) (*types.Package, error) {
		if path == "unsafe" {
			return types.Unsafe, nil
		}
		if i := p.Imports[path]; i != nil && s.linked != nil && len(i.Syntax) > 0 {
			if in, err := r.check(i); err != nil {
				return nil, err
			} else if in != nil {
				return in.Types, nil
			}
		}
		if i := p.Imports[path]; i != nil && i.Types != nil {
			return i.Types, nil
		}
		if x := s.extra[path]; x != nil && x.Types != nil && !missing(x) {
			return x.Types, nil
		}
		if t := s.stand[path]; t != nil {
			return t, nil
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
	byPkg := map[string][][]*unit.Unit{}
	for _, u := range clients(units) {
		byPkg[u[0].Package] = append(byPkg[u[0].Package], u)
	}
	for _, pkg := range slices.Sorted(maps.Keys(byPkg)) {
		good = c.add(good, byPkg[pkg])
	}
	slices.SortFunc(good, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	files, err = c.try(good)
	return good, files, err
}

// add returns good and those of the clients that type-check with it.
func (c *checker) add(good []*unit.Unit, more [][]*unit.Unit) []*unit.Unit {
	if len(more) == 0 {
		return good
	}
	both := append(slices.Clone(good), slices.Concat(more...)...)
	_, err := c.try(both)
	switch {
	case err == nil:
		return both
	case len(more) == 1:
		for _, u := range more[0] {
			u.Refuse(unit.Reason{Pos: u.Pos, Rule: "class", Anchor: doesNotCompile, Text: "the rewritten code does not compile: " + err.Error()})
		}
		return good
	}
	half := len(more) / 2
	return c.add(c.add(good, more[:half]), more[half:])
}

// unseen are the sections about reasons that the analysis of a package does not see.
var unseen = []string{doesNotCompile, "build-constraints", "exported-api", "token-types"}

// again analyzes the rewritten packages: a second run must have nothing to propose, but for the units that this one
// has rejected for what the analysis of a package does not see: the compiler, files of other systems, other packages.
func (c *checker) again(units []*unit.Unit) error {
	rejected := map[string]bool{}
	for _, u := range units {
		if slices.ContainsFunc(u.Reasons, func(r unit.Reason) bool {
			return slices.Contains(unseen, r.Anchor)
		}) {
			rejected[u.Package+" "+u.Name] = true
		}
	}
	for _, s := range c.sets {
		inputs, err := s.inputs(c.last[s].check)
		if err != nil {
			return err
		}
		all := slices.Concat(s.rules.analyze(inputs)...)
		s.rules.together(all)
		for _, u := range all {
			if len(u.Edits) > 0 && !rejected[u.Package+" "+u.Name] {
				return fmt.Errorf("%s: a second run would rewrite %s again; nothing was changed, please report this", u.Pos, u.Name)
			}
		}
	}
	return nil
}

// gonePackages describes the packages whose import a rewrite can make superfluous: those that the clients come from, and those
// that its writers free.
func gonePackages(sets []*set) []edit.Package {
	var out []edit.Package
	if len(sets) == 0 {
		return nil
	}
	for _, f := range sets[0].rules.families {
		for _, p := range f.Packages {
			out = append(out, edit.Package{Path: p, Name: paths.NameOf(p), Exports: exportsOf(p, sets)})
		}
		for _, p := range f.Frees {
			out = append(out, edit.Package{Path: p, Name: paths.NameOf(p), Apart: true})
		}
	}
	return out
}

// exportsOf are the exported names of a package that some loaded package imports; nil when none does.
func exportsOf(path string, sets []*set) map[string]bool {
	for _, s := range sets {
		for _, p := range s.pkgs {
			i := p.Imports[path]
			if i == nil || i.Types == nil {
				continue
			}
			exports := map[string]bool{}
			for _, n := range i.Types.Scope().Names() {
				exports[n] = token.IsExported(n)
			}
			return exports
		}
	}
	return nil
}
