package edit

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Import is a package to import under a name. The name is written out when it is not the last element of the path.
type Import struct{ Path, Name string }

// Package tells FixImports about a package whose last use may be gone from a file.
type Package struct {
	Path    string
	Name    string          // package name
	Exports map[string]bool // exported names, needed only for a dot import; nil keeps a dot import
	Apart   bool            // it has nothing to do with what is added: its import is no place for that
}

// FixImports parses src, adds those imports of add that the file uses, removes those imports of gone that nothing in the file uses any
// more, and returns the gofmt'ed result. The first added import takes the place of a removed one, which gives the
// shortest diff; others go next to it, or into the group of standard packages.
func FixImports(filename string, src []byte, add []Import, gone []Package) ([]byte, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, filename, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	have := map[Import]bool{}
	for _, s := range f.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		im := Import{Path: p, Name: path.Base(p)}
		if s.Name != nil {
			im.Name = s.Name.Name
		}
		have[im] = true
	}
	names := qualifiers(f)
	add = slices.DeleteFunc(slices.Clone(add), func(i Import) bool { return have[i] || !names[i.Name] })
	slices.SortFunc(add, func(a, b Import) int { return strings.Compare(a.Path+" "+a.Name, b.Path+" "+b.Name) })
	add = slices.Compact(add)

	tf := fset.File(f.FileStart)
	out, err := Apply(tf, src, importEdits(f, tf, add, unused(f, gone), gone))
	if err != nil {
		return nil, err
	}
	return format.Source(out)
}

// importEdits plans the edits of the import declarations.
func importEdits(f *ast.File, tf *token.File, add []Import, drop []*ast.ImportSpec, gone []Package) []Edit {
	var std, other []Import
	for _, im := range add {
		if isStd(im.Path) {
			std = append(std, im)
		} else {
			other = append(other, im)
		}
	}
	block, single := importDecls(f)
	anchor := neighbour(f, gone)
	var edits []Edit
	if block == nil && len(single) == 1 && len(add) > 0 {
		// import "x" becomes a block
		return []Edit{Replace(single[0], blockPieces(single[0].Specs[0].(*ast.ImportSpec), drop, std, other)...)}
	}
	if block == nil && len(add) > 0 {
		pos, lead, trail := f.Name.End(), "\n\n", ""
		if len(single) > 0 {
			pos, lead, trail = single[0].Pos(), "", "\n\n"
		}
		edits = append(edits, Insert(pos, lead+"import ("+groups(std, other)+"\n)"+trail))
		std, other = nil, nil
	}
	for _, s := range drop {
		if len(other) > 0 && s == anchor && declOf(f, s).Lparen.IsValid() {
			edits = append(edits, Replace(s, Text(specs(other)))) // the added specs take the place of this one
			other = nil
			continue
		}
		edits = append(edits, dropSpec(f, tf, s, drop))
	}
	if len(other) > 0 {
		edits = append(edits, addOther(block, anchor, gone, other))
	}
	if len(std) > 0 {
		edits = append(edits, addStd(block, std, drop))
	}
	return edits
}

func isStd(p string) bool { return !strings.Contains(strings.SplitN(p, "/", 2)[0], ".") }

func specPath(s *ast.ImportSpec) string {
	p, _ := strconv.Unquote(s.Path.Value)
	return p
}

// importDecls returns the first import declaration with parentheses and all without, import "C" left out.
func importDecls(f *ast.File) (block *ast.GenDecl, single []*ast.GenDecl) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		switch {
		case !ok || g.Tok != token.IMPORT:
		case g.Lparen.IsValid():
			if block == nil && len(g.Specs) > 0 {
				block = g
			}
		case specPath(g.Specs[0].(*ast.ImportSpec)) != "C":
			single = append(single, g)
		}
	}
	return block, single
}

// blockPieces writes a single import as a block together with what is added, standard packages first.
func blockPieces(s *ast.ImportSpec, drop []*ast.ImportSpec, std, other []Import) []Piece {
	own := []Piece{Text("\n\t"), Src(s)}
	dropped := slices.Contains(drop, s)
	out := []Piece{Text("import (")}
	if len(std) > 0 {
		out = append(out, Text("\n\t"+specs(std)))
	}
	first := isStd(specPath(s))
	if !dropped && first {
		out = append(out, own...)
	}
	if len(other) > 0 || !dropped && !first {
		if len(out) > 1 {
			out = append(out, Text("\n"))
		}
		if !dropped && !first {
			out = append(out, own...)
		}
		if len(other) > 0 {
			out = append(out, Text("\n\t"+specs(other)))
		}
	}
	return append(out, Text("\n)"))
}

func groups(std, other []Import) string {
	var g []string
	for _, l := range [][]Import{std, other} {
		if len(l) > 0 {
			g = append(g, "\n\t"+specs(l))
		}
	}
	return strings.Join(g, "\n")
}

// String is the import spec as it is written in a file.
func (i Import) String() string {
	if i.Name == path.Base(i.Path) {
		return strconv.Quote(i.Path)
	}
	return i.Name + " " + strconv.Quote(i.Path)
}

func specs(list []Import) string {
	var s []string
	for _, i := range list {
		s = append(s, i.String())
	}
	return strings.Join(s, "\n\t")
}

// qualifiers returns the names that stand before a dot in f and that nothing in f declares: those of packages.
func qualifiers(f *ast.File) map[string]bool {
	out := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := s.X.(*ast.Ident); ok && id.Obj == nil {
				out[id.Name] = true
			}
		}
		return true
	})
	return out
}

// unused returns the specs of gone packages that nothing in f uses.
func unused(f *ast.File, gone []Package) []*ast.ImportSpec {
	unresolved := map[string]bool{}
	for _, id := range f.Unresolved {
		unresolved[id.Name] = true
	}
	qualifies := qualifiers(f)
	var out []*ast.ImportSpec
	for _, s := range f.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		i := slices.IndexFunc(gone, func(g Package) bool { return g.Path == p })
		if i < 0 {
			continue
		}
		name := gone[i].Name
		if s.Name != nil {
			name = s.Name.Name
		}
		used := qualifies[name]
		switch name {
		case "_":
			used = true
		case ".":
			used = gone[i].Exports == nil
			for n := range gone[i].Exports {
				used = used || unresolved[n]
			}
		}
		if !used {
			out = append(out, s)
		}
	}
	return out
}

// neighbour is the spec next to which new packages are imported: that of the first gone package that is not of the
// standard library, else the last one.
func neighbour(f *ast.File, gone []Package) *ast.ImportSpec {
	for _, s := range f.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		if slices.ContainsFunc(gone, func(g Package) bool { return g.Path == p && !g.Apart }) {
			return s
		}
	}
	if len(f.Imports) > 0 {
		return f.Imports[len(f.Imports)-1]
	}
	return nil
}

func declOf(f *ast.File, s *ast.ImportSpec) *ast.GenDecl {
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT && g.Pos() <= s.Pos() && s.End() <= g.End() {
			return g
		}
	}
	return nil
}

// dropSpec removes a spec with its line, or the whole declaration when nothing is left in it. Among others, which stay, it
// leaves no blank line.
func dropSpec(f *ast.File, tf *token.File, s *ast.ImportSpec, drop []*ast.ImportSpec) Edit {
	g := declOf(f, s)
	left := 0
	for _, o := range g.Specs {
		if !slices.Contains(drop, o.(*ast.ImportSpec)) {
			left++
		}
	}
	pos, end := s.Pos(), s.End()
	if s.Doc != nil {
		pos = s.Doc.Pos()
	}
	if s.Comment != nil {
		end = s.Comment.End()
	}
	if left == 0 && len(g.Specs) == 1 {
		pos, end = g.Pos(), g.End()
	}
	if line := tf.Line(end); line < tf.LineCount() {
		end = max(end, tf.LineStart(line+1)-1)
		if left > 0 && alone(g, tf, s) {
			pos, end = tf.LineStart(tf.Line(pos)), end+1
		}
	}
	return Edit{Pos: pos, End: end}
}

// alone reports whether nothing else of g stands on the line of s.
func alone(g *ast.GenDecl, tf *token.File, s *ast.ImportSpec) bool {
	line := tf.Line(s.Pos())
	return tf.Line(g.Lparen) != line && tf.Line(g.Rparen) != line && !slices.ContainsFunc(g.Specs, func(o ast.Spec) bool {
		return o != s && (tf.Line(o.Pos()) == line || tf.Line(o.End()) == line)
	})
}

// addOther puts specs next to anchor when that is a gone package, which is related, else behind the last spec.
func addOther(block *ast.GenDecl, anchor *ast.ImportSpec, gone []Package, list []Import) Edit {
	last := block.Specs[len(block.Specs)-1].(*ast.ImportSpec)
	related := anchor != nil && block.Pos() <= anchor.Pos() && anchor.End() <= block.End() &&
		slices.ContainsFunc(gone, func(g Package) bool { return g.Path == specPath(anchor) && !g.Apart })
	if related {
		last = anchor
	}
	end := last.End()
	if last.Comment != nil {
		end = last.Comment.End()
	}
	lead := "\n\t"
	if isStd(specPath(last)) {
		lead = "\n\n\t"
	}
	return Insert(end, lead+specs(list))
}

// addStd puts specs before the first standard package of the block, else into a group of their own at its top.
func addStd(block *ast.GenDecl, list []Import, drop []*ast.ImportSpec) Edit {
	for _, sp := range block.Specs {
		s := sp.(*ast.ImportSpec)
		if isStd(specPath(s)) && specPath(s) != "C" && !slices.Contains(drop, s) {
			return Insert(s.Pos(), specs(list)+"\n\t")
		}
	}
	return Insert(block.Lparen+1, "\n\t"+specs(list)+"\n")
}
