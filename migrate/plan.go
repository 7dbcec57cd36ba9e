package migrate

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/packages"
)

// gather analyzes every set and merges the units. A unit that several operating systems see must look the same
// in all of them; one that only some see is taken from there.
func gather(sets []*set) ([]*unit.Unit, error) {
	var out []*unit.Unit
	byPos := map[string]*unit.Unit{} // by family and position, which is a unit's identity
	for _, s := range sets {
		covered := map[string]bool{} // files that some set compiles
		for _, o := range sets {
			for _, p := range o.pkgs {
				for _, f := range p.GoFiles {
					covered[f] = true
				}
			}
		}
		inputs, err := s.inputs(nil)
		if err != nil {
			return nil, err
		}
		units := s.rules.analyze(inputs)
		for i, p := range s.pkgs {
			for _, u := range units[i] {
				blockIgnored(u, p, covered)
				s.blockImporters(u, covered)
				normalize(u, s.fset)
				key := u.Family + " " + u.Pos.String()
				old := byPos[key]
				if old == nil {
					byPos[key] = u
					out = append(out, u)
					continue
				}
				merge(old, u, s, sets)
			}
		}
	}
	out = append(out, excluded(sets)...)
	slices.SortFunc(out, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	if len(sets) > 0 {
		sets[0].rules.together(out)
	}
	return out, nil
}

// excluded returns a unit for every file that imports a facade and that no operating system of the run compiles: it was
// not analyzed, so it must not be passed over in silence.
func excluded(sets []*set) []*unit.Unit {
	var out []*unit.Unit
	done := map[string]bool{}
	for _, s := range sets {
		if s.view == nil {
			continue
		}
		for _, name := range s.view.excluded {
			if done[name] || slices.ContainsFunc(sets, func(o *set) bool { return o.has(name) }) {
				continue
			}
			done[name] = true
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, name, nil, parser.ImportsOnly|parser.ParseComments)
			if f == nil || err != nil {
				continue
			}
			spec := f.Imports[slices.IndexFunc(f.Imports, func(i *ast.ImportSpec) bool { return s.rules.facade(strings.Trim(i.Path.Value, "`\"")) })]
			at, text := fset.Position(spec.Pos()), "build constraints exclude this file, so it was not analyzed; name its system with -goos or its tag with -tags"
			if slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"C"` }) {
				text = "the file uses cgo, which is switched off (CGO_ENABLED) or has no C compiler, so it was not analyzed"
			}
			if never(f) {
				text = "the file is for no build (ignore), so it was not analyzed; run the tool on the file itself"
			}
			out = append(out, &unit.Unit{Pos: at, Name: filepath.Base(name), Package: f.Name.Name,
				Sites:   []unit.Site{{Pos: at, Rule: "not analyzed", What: spec.Path.Value}},
				Reasons: []unit.Reason{{Pos: at, Rule: "not analyzed", Anchor: "build-constraints", Text: text}}})
		}
	}
	return out
}

// blockIgnored adds a reason for a file that build constraints exclude everywhere and that mentions a changed name:
// it cannot be type-checked, so nobody knows whether it would still compile.
func blockIgnored(u *unit.Unit, p *packages.Package, covered map[string]bool) {
	if len(u.Edits) == 0 {
		return
	}
	for _, name := range p.IgnoredFiles {
		if covered[name] || filepath.Ext(name) != ".go" {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil && f == nil {
			continue
		}
		if strings.TrimSuffix(f.Name.Name, "_test") != strings.TrimSuffix(p.Name, "_test") {
			continue
		}
		if never(f) {
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

// never reports whether a file's build constraint holds with no tag but ignore, the custom for programs that stand in
// a package's directory without being part of it.
func never(f *ast.File) bool {
	for _, g := range f.Comments {
		if g.Pos() > f.Package {
			return false
		}
		for _, c := range g.List {
			if x, err := constraint.Parse(c.Text); err == nil {
				return !x.Eval(func(tag string) bool { return tag != "ignore" })
			}
		}
	}
	return false
}

// normalize makes positions relative to their file, so that edits of different sets can be compared and applied.
func normalize(u *unit.Unit, fset *token.FileSet) {
	for _, fe := range u.Edits {
		for i := range fe.Edits {
			e := &fe.Edits[i]
			base := token.Pos(fset.File(e.Pos).Base() - 1)
			e.Pos, e.End = e.Pos-base, e.End-base
			pieces := slices.Clone(e.Pieces)
			for j := range pieces {
				if pieces[j].Pos.IsValid() {
					pieces[j].Pos, pieces[j].End = pieces[j].Pos-base, pieces[j].End-base
				}
			}
			e.Pieces = pieces
		}
	}
}

// merge adds to old what set s sees of the same unit. Files that an earlier set sees too must change alike.
func merge(old, u *unit.Unit, s *set, sets []*set) {
	for _, r := range u.Reasons {
		old.AddReason(r)
	}
	blocked := len(u.Edits) == 0 || len(old.Edits) == 0
	if blocked {
		u.Edits, old.Edits = nil, nil
		if len(old.Reasons) > 0 { // not what an earlier run has bridged
			old.Drop()
			u.Drop()
		}
	}
	for _, x := range u.Sites {
		i := slices.IndexFunc(old.Sites, func(o unit.Site) bool { return o.Pos == x.Pos && o.Rule == x.Rule })
		if i < 0 {
			old.Sites = append(old.Sites, x)
		} else if !blocked && old.Sites[i].Outcome != x.Outcome {
			differs(old, s)
		}
	}
	for _, x := range u.Bridges {
		if !slices.Contains(old.Bridges, x) {
			old.Bridges = append(old.Bridges, x)
		}
	}
	for _, x := range u.Notes {
		if !slices.Contains(old.Notes, x) {
			old.Notes = append(old.Notes, x)
		}
	}
	old.Changed = append(old.Changed, u.Changed...)
	old.Shared = append(old.Shared, u.Shared...)
	earlier := sets[:slices.Index(sets, s)]
	for name, fe := range u.Edits {
		before := old.Edits[name]
		seen := slices.ContainsFunc(earlier, func(e *set) bool { return e.has(name) })
		switch {
		case before == nil && !seen && old.Edits != nil:
			old.Edits[name] = fe
		case before == nil || fmt.Sprint(fe.Edits) != fmt.Sprint(before.Edits):
			differs(old, s)
		}
	}
	for name := range old.Edits {
		if u.Edits[name] == nil && s.has(name) {
			differs(old, s)
		}
	}
	old.SortReasons()
}

func differs(u *unit.Unit, s *set) {
	u.Refuse(unit.Reason{Pos: u.Pos, Rule: "class", Anchor: "build-constraints", Text: "the client is used differently for GOOS=" + s.goos})
}

// has reports whether the set compiles a file.
func (s *set) has(name string) bool {
	return slices.ContainsFunc(s.pkgs, func(p *packages.Package) bool { return slices.Contains(p.GoFiles, name) })
}

// source reads files from the overlay or from disk, once.
type source struct {
	overlay map[string][]byte
	mu      sync.Mutex
	read    map[string][]byte
}

func (s *source) file(name string) ([]byte, error) {
	if b, ok := s.overlay[name]; ok {
		return b, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.read[name]; ok {
		return b, nil
	}
	b, err := os.ReadFile(name)
	if err == nil {
		s.read[name] = b
	}
	return b, err
}

// render applies the edits of the units and returns the new content of the files they touch.
func (s *source) render(units []*unit.Unit, gone []edit.Package) (map[string][]byte, error) {
	byFile := map[string]*unit.FileEdits{}
	for _, u := range units {
		for name, fe := range u.Edits {
			if byFile[name] == nil {
				byFile[name] = &unit.FileEdits{}
			}
			byFile[name].Edits = append(byFile[name].Edits, fe.Edits...)
			byFile[name].Imports = append(byFile[name].Imports, fe.Imports...)
		}
	}
	names := slices.Sorted(maps.Keys(byFile))
	texts, err := each(names, func(name string) ([]byte, error) { return s.renderFile(name, byFile[name], gone) })
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for i, name := range names {
		out[name] = texts[i]
	}
	return out, nil
}

// renderFile is render for one file.
func (s *source) renderFile(name string, fe *unit.FileEdits, gone []edit.Package) ([]byte, error) {
	src, err := s.file(name)
	if err != nil {
		return nil, err
	}
	tf := token.NewFileSet().AddFile(name, 1, len(src))
	tf.SetLinesForContent(src)
	text, err := edit.Apply(tf, src, fe.Edits)
	if err != nil {
		return nil, err
	}
	var add []edit.Import
	for _, i := range fe.Imports {
		add = append(add, edit.Import{Path: i.Path, Name: i.Name})
	}
	if len(add)+len(gone) > 0 {
		text, err = edit.FixImports(name, text, add, gone)
	} else {
		text, err = edit.Gofmt(src, text)
	}
	if err != nil {
		return nil, err
	}
	return edit.KeepForm(src, text), nil
}
