package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"math"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// plan writes the edits of a region: the options variable, and the birth of the client.
func (r *Region) plan() {
	k := r.K
	if t := k.Type(r.Births[0].Ctor.Call); t.Make != "" {
		for _, b := range r.Births {
			k.Edit(edit.Replace(b.Ctor.Call.Fun, edit.Text(k.Q(b.Ctor.Call.Pos(), t.To.Package)+"."+t.Make)))
		}
		return
	}
	if r.Births[0].Form == Inline {
		k.planInline(r)
		return
	}
	if !r.span(k.Block) {
		k.Block(r.Births[0].Ctor.Call.Pos(), "constructor", "configure-elsewhere", "the client is made and configured in places that have no statement list in common")
		r.options()
		return
	}
	if !r.check(k.Block) {
		r.options()
		return
	}
	if r.bare() {
		return
	}
	list := Stmts(r.List)
	r.Opts = k.Fresh(r.Root.fn, list[r.First].Pos(), "opts")
	decl := r.dropDeclaration(list)
	direct := r.Births[0].Stmt == list[r.First]
	captured := r.capturedBefore(list)
	b := r.Births[0]
	for _, c := range r.Births {
		r.construct(c, direct && c == b, captured)
	}
	pos := b.Ctor.Call.Pos()
	if !direct {
		q := k.Q(pos, k.Family.Options.Package)
		text := "var " + r.Opts + " " + q + "." + k.Family.Options.Type
		if decl != nil {
			k.Edit(edit.Replace(decl, edit.Text(text)))
		} else {
			k.Insert(list[r.First].Pos(), text+"\n")
		}
	} else if decl != nil {
		k.DeleteStmt(decl)
	}
	at := k.endOfLine(list[r.Last].End())
	lhs := b.Lhs
	op := " = "
	switch {
	case captured && (b.Form == Define || b.Form == VarDecl):
	case b.Form == Define || b.Form == VarDecl || decl != nil:
		op = " := "
		if len(r.occurrences()) == 0 {
			lhs, op = []edit.Piece{edit.Text("_")}, " = "
		}
	}
	pieces := []edit.Piece{edit.Text("\n")}
	if text := k.Family.Complete(k, r, b.Ctor.Call); text != nil {
		pieces = append(append(pieces, text...), edit.Text("\n"))
	}
	pieces = append(append(pieces, lhs...), edit.Text(op))
	pieces = append(pieces, k.born(b, r.Opts)...)
	k.Edit(edit.Edit{Pos: at, End: at, Pieces: pieces})
}

// born is the making of what the constructor of b made, of the client and of what is around it.
func (k *Class) born(b *Birth, opts string) []edit.Piece {
	text := k.Q(b.Ctor.Call.Pos(), k.Family.Options.Package) + "." + k.Family.Options.Make + "(" + opts + ")"
	if t := k.Type(b.Ctor.Call); t.Birth != nil {
		return t.Birth(k, b, text)
	}
	return []edit.Piece{edit.Text(text)}
}

// from is the making of the options.
func (k *Class) from(b *Birth) []edit.Piece {
	q := k.Q(b.Ctor.Call.Pos(), k.Family.Options.Package)
	if k.Family.Options.From == "" {
		return []edit.Piece{edit.Text(q + "." + k.Family.Options.Type + "{}")}
	}
	if write := k.Family.Options.Literal; write != nil && k.Pkg.Idioms {
		if lit := write(k, b.Ctor.Call); lit != nil {
			return lit
		}
	}
	return []edit.Piece{edit.Text(q + "." + k.Family.Options.From + "("), edit.Src(b.Ctor.Call.Args[0]), edit.Text(")")}
}

// defaults is what follows from the constructor of b besides, as statements behind the one that makes o.
func (k *Class) defaults(r *Region, b *Birth, o string) []edit.Piece {
	var out []edit.Piece
	for _, d := range k.Type(b.Ctor.Call).Defaults {
		out = append(out, edit.Text("\n"+o+"."+d))
	}
	return append(out, k.Family.Constructed(k, r, b, o)...)
}

// bare makes the client in place of its constructor where no option is set before; false: it does not.
func (r *Region) bare() bool {
	k, b := r.K, r.Births[0]
	if len(r.Config) > 0 || len(r.Births) > 1 {
		return false
	}
	notes := len(k.Unit.Notes)
	if k.Type(b.Ctor.Call).Birth != nil || k.defaults(r, b, "opts") != nil || k.Family.Complete(k, r, b.Ctor.Call) != nil {
		k.Unit.Notes = k.Unit.Notes[:notes] // they come again with the options
		return false
	}
	k.inPlace(b)
	return true
}

// inPlace makes the client where its constructor stands.
func (k *Class) inPlace(b *Birth) {
	o := k.Family.Options
	text := k.Q(b.Ctor.Call.Pos(), o.Package) + "." + o.Make + "("
	k.Edit(edit.Replace(b.Ctor.Call, slices.Concat([]edit.Piece{edit.Text(text)}, k.from(b), []edit.Piece{edit.Text(")")})...))
}

// options looks at the constructor options of a region that is not rewritten, for the reasons in them.
func (r *Region) options() {
	for _, b := range r.Births {
		r.K.Family.Constructed(r.K, nil, b, "opts")
	}
}

// construct replaces the statement of one constructor by the making of the options.
func (r *Region) construct(b *Birth, first, captured bool) {
	k := r.K
	op := " = "
	if first {
		op = " := "
	}
	var pieces []edit.Piece
	if first && captured && (b.Form == Define || b.Form == VarDecl) {
		pieces = append(pieces, edit.Text("var "))
		pieces = append(append(pieces, b.Lhs...), edit.Text(" *"+k.to(b.Ctor.Call, k.Type(b.Ctor.Call))+"\n"))
	}
	pieces = append(append(pieces, edit.Text(r.Opts+op)), k.from(b)...)
	pieces = append(pieces, k.defaults(r, b, r.Opts)...)
	if b.Form == Element {
		pieces = append(pieces, edit.Text("\n"), edit.Src(b.Stmt))
		k.dropElement(b.Kv)
		// The literal is rendered inside the new text, so its own edits still apply.
		k.Edit(edit.Edit{Pos: b.Stmt.Pos(), End: b.Stmt.Pos(), Pieces: pieces[:len(pieces)-1]})
		return
	}
	k.Edit(edit.Replace(b.Stmt, pieces...))
}

// dropElement removes a field from a composite literal, with the comma after it.
func (k *Class) dropElement(kv *ast.KeyValueExpr) {
	cur, _ := k.Pkg.Ins.Root().FindNode(kv)
	lit := cur.Parent().Node().(*ast.CompositeLit)
	pos, end := kv.Pos(), kv.End()
	for i, e := range lit.Elts {
		if e != kv {
			continue
		}
		if i+1 < len(lit.Elts) {
			end = lit.Elts[i+1].Pos()
		} else if i > 0 {
			pos = lit.Elts[i-1].End()
		} else {
			pos, end = lit.Lbrace+1, lit.Rbrace
		}
	}
	k.Edit(edit.Edit{Pos: pos, End: end})
}

// DeleteStmt removes a statement and, when nothing else is on it, its line.
func (k *Class) DeleteStmt(s ast.Stmt) { k.Edit(k.Deletion(s)) }

// Deletion is the edit of DeleteStmt.
func (k *Class) Deletion(s ast.Stmt) edit.Edit {
	tf := k.Pkg.Fset.File(s.Pos())
	line := tf.Line(s.Pos())
	pos, end := s.Pos(), s.End()
	if line == tf.Line(s.End()) && line < tf.LineCount() {
		end = tf.LineStart(line + 1)
		for _, g := range k.Pkg.fileAt(pos).Comments {
			if g.Pos() > s.End() && g.Pos() < end {
				end = s.End()
			}
		}
	}
	return edit.Edit{Pos: pos, End: end}
}

// endOfLine is end, moved behind a line comment that follows on the same line, so that the comment stays with what
// it is about when text is inserted there.
func (k *Class) endOfLine(end token.Pos) token.Pos {
	tf := k.Pkg.Fset.File(end)
	line := tf.Line(end)
	for _, g := range k.Pkg.fileAt(end).Comments {
		if g.Pos() >= end && tf.Line(g.Pos()) == line && tf.Line(g.End()) == line && strings.HasPrefix(g.List[0].Text, "//") && k.Pkg.nothingIn(end, g.Pos()) {
			return g.End()
		}
	}
	return end
}

// nothingIn reports whether no syntax begins or ends between two places of a file.
func (p *Package) nothingIn(from, to token.Pos) bool {
	ok := true
	ast.Inspect(p.fileAt(from), func(n ast.Node) bool {
		if n == nil || !ok || n.End() <= from || n.Pos() >= to {
			return false
		}
		ok = n.Pos() < from && n.End() > to
		return ok
	})
	return ok
}

// splitHooks sorts the hook assignments: those before the first other use configure, later ones observe.
func (r *Region) splitHooks() {
	var hooks, config []*flow.Use
	for _, u := range r.Config {
		if u.Kind == flow.FieldSet {
			hooks = append(hooks, u)
		} else {
			config = append(config, u)
		}
	}
	r.Config = append(config, hooks...)
	firstOther := token.Pos(math.MaxInt)
	fn := Innermost(r.Births[0].Ctor.Cur)
	for _, c := range r.occurrences() {
		if Innermost(c) == fn && c.Node().Pos() > r.Births[0].Ctor.Call.Pos() {
			firstOther = min(firstOther, c.Node().Pos())
		}
	}
	r.Config = config
	for _, h := range hooks {
		if h.Expr.Pos() < firstOther && Innermost(h.Cur) == fn {
			r.Config = append(r.Config, h)
		} else {
			delete(r.K.Owned, h)
		}
	}
}

// dropDeclaration returns the statement `var client *T` before the region when the client can be declared at its
// birth instead: the declaration stands in the same list and nothing uses the variable in between.
func (r *Region) dropDeclaration(list []ast.Stmt) ast.Stmt {
	if r.Births[0].Form != Assign {
		return nil
	}
	v, ok := r.Root.base.(*types.Var)
	if !ok || v.IsField() || v.Name() != r.Root.path {
		return nil
	}
	for _, s := range list[:r.First] {
		ds, ok := s.(*ast.DeclStmt)
		if !ok {
			continue
		}
		g := ds.Decl.(*ast.GenDecl)
		spec, ok := g.Specs[0].(*ast.ValueSpec)
		if !ok || len(g.Specs) != 1 || g.Lparen.IsValid() || len(spec.Names) != 1 || len(spec.Values) != 0 || r.K.Pkg.Info.Defs[spec.Names[0]] != v {
			continue
		}
		for _, c := range r.occurrences() {
			if c.Node().Pos() < list[r.Last].End() {
				return nil
			}
		}
		return s
	}
	return nil
}

// definite reports whether a constructor has run before the first configuring statement, on every path.
func definite(list []ast.Stmt, r *Region) bool {
	config := func(s ast.Stmt) bool {
		for _, u := range r.Config {
			if s.Pos() <= u.Expr.Pos() && u.Expr.Pos() < s.End() {
				return true
			}
		}
		return false
	}
	for _, s := range list {
		if makes(s, r) {
			return true
		}
		if config(s) {
			return false
		}
	}
	return false
}

// makes reports whether s makes the client on every path that goes on after it, before it configures.
func makes(s ast.Stmt, r *Region) bool {
	for _, b := range r.Births {
		if b.Stmt == s {
			return true
		}
	}
	switch s := s.(type) {
	case *ast.BlockStmt:
		return definite(s.List, r) || terminates(s, r)
	case *ast.IfStmt:
		return s.Else != nil && makes(s.Body, r) && makes(s.Else, r)
	case *ast.SwitchStmt:
		def := false
		for _, c := range s.Body.List {
			cc := c.(*ast.CaseClause)
			def = def || cc.List == nil
			if b := (&ast.BlockStmt{List: cc.Body}); !definite(cc.Body, r) && !terminates(b, r) {
				return false
			}
		}
		return def
	}
	return false
}

// terminates reports whether b ends the function or the program.
func terminates(b *ast.BlockStmt, r *Region) bool {
	if len(b.List) == 0 {
		return false
	}
	switch s := b.List[len(b.List)-1].(type) {
	case *ast.ReturnStmt:
		return true
	case *ast.ExprStmt:
		if c, ok := s.X.(*ast.CallExpr); ok {
			if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "panic" {
				return true
			}
			if f := flow.StaticCallee(r.K.Pkg.Info, c); f != nil {
				switch f.FullName() {
				case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
					return true
				}
			}
		}
	}
	return false
}
