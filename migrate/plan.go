package migrate

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/unit"
	"github.com/portage-iot/awsiot/migrate/v1client"
	"golang.org/x/tools/go/packages"
)

// gather analyzes every set and merges the units. A unit that several operating systems see must look the same
// in all of them; one that only some see is taken from there.
func gather(sets []*set) []*unit.Unit {
	var out []*unit.Unit
	byPos := map[string]*unit.Unit{}
	for _, s := range sets {
		covered := map[string]bool{} // files that some set compiles
		for _, o := range sets {
			for _, p := range o.pkgs {
				for _, f := range p.GoFiles {
					covered[f] = true
				}
			}
		}
		for _, p := range s.pkgs {
			for _, u := range v1client.Analyze(s.input(p)) {
				blockIgnored(u, p, covered)
				normalize(u, s.fset)
				key := u.Pos.String()
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
	slices.SortFunc(out, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	return out
}

// blockIgnored adds a reason for a file that build constraints exclude everywhere and that mentions a changed name:
// it cannot be type-checked, so nobody knows whether it would still compile.
func blockIgnored(u *unit.Unit, p *packages.Package, covered map[string]bool) {
	if len(u.Reasons) > 0 {
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
				u.AddReason(unit.Reason{Pos: fset.Position(id.Pos()), Rule: "class", Anchor: "build-constraints",
					Text: "build constraints exclude this file, and it mentions " + id.Name + "; name its system with -goos or its tag with -tags"})
			}
			return true
		})
	}
	if len(u.Reasons) > 0 {
		u.Edits = nil
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
	for _, x := range u.Sites {
		if !slices.Contains(old.Sites, x) {
			old.Sites = append(old.Sites, x)
		}
	}
	for _, x := range u.Notes {
		if !slices.Contains(old.Notes, x) {
			old.Notes = append(old.Notes, x)
		}
	}
	old.Changed = append(old.Changed, u.Changed...)
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
	if len(old.Reasons) > 0 {
		old.Edits = nil
	}
	old.SortReasons()
}

func differs(u *unit.Unit, s *set) {
	if len(u.Reasons) == 0 {
		u.AddReason(unit.Reason{Pos: u.Pos, Rule: "class", Anchor: "build-constraints", Text: "the client is used differently for GOOS=" + s.goos})
	}
}

// has reports whether the set compiles a file.
func (s *set) has(name string) bool {
	return slices.ContainsFunc(s.pkgs, func(p *packages.Package) bool { return slices.Contains(p.GoFiles, name) })
}

// source reads files from the overlay or from disk, once.
type source struct {
	overlay map[string][]byte
	read    map[string][]byte
}

func (s *source) file(name string) ([]byte, error) {
	if b, ok := s.overlay[name]; ok {
		return b, nil
	}
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
	out := map[string][]byte{}
	for name, fe := range byFile {
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
		if out[name], err = edit.FixImports(name, text, add, gone); err != nil {
			return nil, err
		}
	}
	return out, nil
}
