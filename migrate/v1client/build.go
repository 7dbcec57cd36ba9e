package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"math"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// plan writes the edits of a region: the options variable, and the birth of the client.
func (r *region) plan() {
	k := r.k
	if r.births[0].form == inline {
		k.planInline(r)
		return
	}
	r.splitHooks()
	if !r.span() {
		k.block(r.births[0].ctor.Call.Pos(), "constructor", "configure-elsewhere", "the client is made and configured in places that have no statement list in common")
		r.options()
		return
	}
	if !r.check() {
		r.options()
		return
	}
	list := stmts(r.list)
	r.opts = k.fresh(r.root.fn, list[r.first].Pos(), "opts")
	decl := r.dropDeclaration(list)
	direct := r.births[0].stmt == list[r.first]
	captured := r.capturedBefore(list)
	b := r.births[0]
	for _, c := range r.births {
		r.construct(c, direct && c == b, captured)
	}
	pos := b.ctor.Call.Pos()
	if !direct {
		q := k.q(pos, paths.V2)
		text := "var " + r.opts + " " + q + ".ClientOptions"
		if decl != nil {
			k.edit(edit.Replace(decl, edit.Text(text)))
		} else {
			k.insert(list[r.first].Pos(), text+"\n")
		}
	} else if decl != nil {
		k.deleteStmt(decl)
	}
	at := k.endOfLine(list[r.last].End())
	lhs := b.lhs
	op := " = "
	switch {
	case captured && (b.form == define || b.form == varDecl):
	case b.form == define || b.form == varDecl || decl != nil:
		op = " := "
		if len(r.occurrences()) == 0 {
			lhs, op = []edit.Piece{edit.Text("_")}, " = "
		}
	}
	pieces := []edit.Piece{edit.Text("\n")}
	if text := r.keepAliveText(pos); text != nil {
		pieces = append(append(pieces, text...), edit.Text("\n"))
	}
	pieces = append(append(pieces, lhs...), edit.Text(op+k.q(pos, paths.V2)+".NewClient("+r.opts+")"))
	k.edit(edit.Edit{Pos: at, End: at, Pieces: pieces})
}

// options looks at the constructor options of a region that is not rewritten, for the reasons in them.
func (r *region) options() {
	for _, b := range r.births {
		r.k.constructorOptions(b.ctor.Call, "opts")
	}
}

// construct replaces the statement of one constructor by the making of the options.
func (r *region) construct(b *birth, first, captured bool) {
	k := r.k
	op := " = "
	if first {
		op = " := "
	}
	q := k.q(b.ctor.Call.Pos(), paths.V2)
	var pieces []edit.Piece
	if first && captured && (b.form == define || b.form == varDecl) {
		pieces = append(pieces, edit.Text("var "))
		pieces = append(append(pieces, b.lhs...), edit.Text(" *"+q+".Client\n"))
	}
	pieces = append(pieces, edit.Text(r.opts+op+q+".OptionsV1("))
	pieces = append(pieces, edit.Src(b.ctor.Call.Args[0]), edit.Text(")"))
	pieces = append(pieces, k.constructorOptions(b.ctor.Call, r.opts)...)
	if b.form == element {
		pieces = append(pieces, edit.Text("\n"), edit.Src(b.stmt))
		k.dropElement(b.kv)
		// The literal is rendered inside the new text, so its own edits still apply.
		k.edit(edit.Edit{Pos: b.stmt.Pos(), End: b.stmt.Pos(), Pieces: pieces[:len(pieces)-1]})
		return
	}
	k.edit(edit.Replace(b.stmt, pieces...))
}

// dropElement removes a field from a composite literal, with the comma after it.
func (k *class) dropElement(kv *ast.KeyValueExpr) {
	cur, _ := k.p.ins.Root().FindNode(kv)
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
	k.edit(edit.Edit{Pos: pos, End: end})
}

// deleteStmt removes a statement and, when nothing else is on it, its line.
func (k *class) deleteStmt(s ast.Stmt) {
	tf := k.p.Fset.File(s.Pos())
	line := tf.Line(s.Pos())
	pos, end := s.Pos(), s.End()
	if line == tf.Line(s.End()) && line < tf.LineCount() {
		end = tf.LineStart(line + 1)
		for _, g := range k.p.fileAt(pos).Comments {
			if g.Pos() > s.End() && g.Pos() < end {
				end = s.End()
			}
		}
	}
	k.edit(edit.Edit{Pos: pos, End: end})
}

// endOfLine is end, moved behind a line comment that follows on the same line, so that the comment stays with what
// it is about when text is inserted there.
func (k *class) endOfLine(end token.Pos) token.Pos {
	tf := k.p.Fset.File(end)
	line := tf.Line(end)
	for _, g := range k.p.fileAt(end).Comments {
		if g.Pos() >= end && tf.Line(g.Pos()) == line && tf.Line(g.End()) == line && strings.HasPrefix(g.List[0].Text, "//") {
			return g.End()
		}
	}
	return end
}

// splitHooks sorts the hook assignments: those before the first other use configure, later ones observe.
func (r *region) splitHooks() {
	var hooks, config []*flow.Use
	for _, u := range r.config {
		if u.Kind == flow.FieldSet {
			hooks = append(hooks, u)
		} else {
			config = append(config, u)
		}
	}
	r.config = append(config, hooks...)
	firstOther := token.Pos(math.MaxInt)
	fn := innermost(r.births[0].ctor.Cur)
	for _, c := range r.occurrences() {
		if innermost(c) == fn && c.Node().Pos() > r.births[0].ctor.Call.Pos() {
			firstOther = min(firstOther, c.Node().Pos())
		}
	}
	r.config, r.hooks = config, nil
	for _, h := range hooks {
		if h.Expr.Pos() < firstOther && innermost(h.Cur) == fn {
			r.config = append(r.config, h)
		} else {
			r.hooks = append(r.hooks, h)
			delete(r.k.owned, h)
		}
	}
}

// dropDeclaration returns the statement `var client *T` before the region when the client can be declared at its
// birth instead: the declaration stands in the same list and nothing uses the variable in between.
func (r *region) dropDeclaration(list []ast.Stmt) ast.Stmt {
	if r.births[0].form != assign {
		return nil
	}
	v, ok := r.root.base.(*types.Var)
	if !ok || v.IsField() || v.Name() != r.root.path {
		return nil
	}
	for _, s := range list[:r.first] {
		ds, ok := s.(*ast.DeclStmt)
		if !ok {
			continue
		}
		g := ds.Decl.(*ast.GenDecl)
		spec, ok := g.Specs[0].(*ast.ValueSpec)
		if !ok || len(g.Specs) != 1 || g.Lparen.IsValid() || len(spec.Names) != 1 || len(spec.Values) != 0 || r.k.p.Info.Defs[spec.Names[0]] != v {
			continue
		}
		for _, c := range r.occurrences() {
			if c.Node().Pos() < list[r.last].End() {
				return nil
			}
		}
		return s
	}
	return nil
}

// definite reports whether a constructor has run before the first configuring statement, on every path.
func definite(list []ast.Stmt, r *region) bool {
	config := func(s ast.Stmt) bool {
		for _, u := range r.config {
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
func makes(s ast.Stmt, r *region) bool {
	for _, b := range r.births {
		if b.stmt == s {
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
func terminates(b *ast.BlockStmt, r *region) bool {
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
			if f := flow.StaticCallee(r.k.p.Info, c); f != nil {
				switch f.FullName() {
				case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
					return true
				}
			}
		}
	}
	return false
}
