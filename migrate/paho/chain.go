package paho

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// chain is a call of setters on what the call before returns: base.SetA(x).SetB(y).
type chain struct {
	whole ast.Expr
	base  ast.Expr // an expression, or a call of NewClientOptions
	sets  []*setting
}

// isSetter reports whether c calls a setter of options that returns them.
func (p *pkg) isSetter(c *ast.CallExpr) bool {
	f := flow.StaticCallee(p.Info, c)
	_, ok := method(f, "ClientOptions")
	return ok
}

// isChain reports whether e is a chain with at least one setter.
func (p *pkg) isChain(e ast.Expr) bool {
	c, ok := ast.Unparen(e).(*ast.CallExpr)
	return ok && p.isSetter(c)
}

// chainOf is the chain that c is the last call of.
func (p *pkg) chainOf(c *ast.CallExpr, byCall map[*ast.CallExpr]*setting) *chain {
	ch := &chain{whole: c, base: c}
	for {
		call, ok := ast.Unparen(ch.base).(*ast.CallExpr)
		if !ok || byCall[call] == nil {
			return ch
		}
		ch.sets = append([]*setting{byCall[call]}, ch.sets...)
		ch.base = ast.Unparen(call.Fun).(*ast.SelectorExpr).X
	}
}

// settings rewrites the options of a class.
func (w *writer) settings(c *class) {
	byCall := map[*ast.CallExpr]*setting{}
	for _, u := range c.flow.Uses {
		s := w.settingOf(u)
		if s == nil {
			continue
		}
		if call, ok := s.at.(*ast.CallExpr); ok {
			byCall[call] = s
			continue
		}
		o := types.ExprString(s.on)
		if pieces := s.write(o, w.q(s.at.Pos())); pieces != nil {
			w.k.Edit(edit.Replace(s.at, pieces...))
		} else {
			w.k.DeleteStmt(s.at.(ast.Stmt))
		}
	}
	for call := range byCall {
		par, self := rewrite.ParentSkippingParens(w.cursor(call))
		if s, ok := par.Node().(*ast.SelectorExpr); ok && s.X == self {
			if outer, ok := par.Parent().Node().(*ast.CallExpr); ok && byCall[outer] != nil {
				continue // part of a longer one
			}
		}
		w.chain(w.chainOf(call, byCall))
	}
	for _, m := range c.flow.Ctors {
		par, _ := rewrite.ParentSkippingParens(w.cursor(m.Call))
		if s, ok := par.Node().(*ast.SelectorExpr); ok {
			if outer, ok := par.Parent().Node().(*ast.CallExpr); ok && outer.Fun == s && byCall[outer] != nil {
				continue
			}
		}
		w.k.Edit(edit.Replace(m.Call.Fun, edit.Text(w.k.Q(m.Call.Pos(), paths.V2)+".OptionsPaho")))
	}
}

// statements are those of a chain on the options o, each with a line end before it.
func (w *writer) statements(ch *chain, o string) []edit.Piece {
	var out []edit.Piece
	for _, s := range ch.sets {
		if pieces := s.write(o, w.q(ch.whole.Pos())); pieces != nil {
			out = append(append(out, edit.Text("\n")), pieces...)
		}
	}
	return out
}

// start is the expression that a chain begins with, after the rewrite.
func (w *writer) start(ch *chain) []edit.Piece {
	if w.makes(ch.base) {
		return []edit.Piece{edit.Text(w.k.Q(ch.whole.Pos(), paths.V2) + ".OptionsPaho()")}
	}
	return []edit.Piece{edit.Src(ch.base)}
}

// makes reports whether e is a call of NewClientOptions.
func (w *writer) makes(e ast.Expr) bool {
	c, ok := ast.Unparen(e).(*ast.CallExpr)
	return ok && made(flow.StaticCallee(w.Info, c), "NewClientOptions")
}

// named is how the base of a chain is written in statements, "" when it must be held by a variable.
func (w *writer) named(e ast.Expr) string {
	if _, call := ast.Unparen(e).(*ast.CallExpr); call || !w.Pure(e) {
		return ""
	}
	return types.ExprString(ast.Unparen(e))
}

// chain rewrites one chain where it stands.
func (w *writer) chain(ch *chain) {
	cur := w.cursor(ch.whole)
	par, _ := rewrite.ParentSkippingParens(cur)
	stmt, inList := rewrite.StmtOf(cur)
	base := w.named(ch.base)
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		if !inList {
			break
		}
		if base != "" {
			w.replaceStmt(s, w.statements(ch, base))
			return
		}
		o := w.k.Fresh(rewrite.Outermost(cur), s.Pos(), "opts")
		w.replaceStmt(s, append(append([]edit.Piece{edit.Text("\n" + o + " := ")}, w.start(ch)...), w.statements(ch, o)...))
		return
	case *ast.AssignStmt:
		if !inList || len(s.Lhs) != 1 || s.Tok != token.DEFINE && s.Tok != token.ASSIGN || !w.Pure(s.Lhs[0]) {
			break
		}
		lhs := types.ExprString(s.Lhs[0])
		if lhs == "_" {
			break
		}
		if base == lhs {
			w.replaceStmt(s, w.statements(ch, lhs))
			return
		}
		head := append([]edit.Piece{edit.Text("\n" + lhs + " " + s.Tok.String() + " ")}, w.start(ch)...)
		w.replaceStmt(s, append(head, w.statements(ch, lhs)...))
		return
	}
	// An argument of NewClient, or any other part of a statement.
	star := ""
	if c, ok := par.Node().(*ast.CallExpr); ok && made(flow.StaticCallee(w.Info, c), "NewClient") {
		star = "*"
	}
	if inList && w.first(stmt, ch.whole) {
		o := base
		var head []edit.Piece
		if o == "" {
			o = w.k.Fresh(rewrite.Outermost(cur), stmt.Pos(), "opts")
			head = append([]edit.Piece{edit.Text(o + " := ")}, w.start(ch)...)
		}
		pieces := append(head, w.statements(ch, o)...)
		if len(pieces) > 0 && pieces[0].Text == "\n" {
			pieces = pieces[1:]
		}
		if len(pieces) > 0 {
			pieces = append(pieces, edit.Text("\n"))
		}
		pieces = append(pieces, edit.Range(stmt.Pos(), ch.whole.Pos()), edit.Text(star+o))
		w.k.Edit(edit.Edit{Pos: stmt.Pos(), End: ch.whole.End(), Pieces: pieces})
		return
	}
	o := "opts"
	text := []edit.Piece{edit.Text(star + "func() *" + w.typeText(options, ch.whole.Pos()) + " {\n" + o + " := ")}
	text = append(append(text, w.start(ch)...), w.statements(ch, o)...)
	w.k.Edit(edit.Replace(ch.whole, append(text, edit.Text("\nreturn "+o+"\n}()"))...))
}

// replaceStmt puts statements, each with a line end before it, in place of one; none: the line goes.
func (w *writer) replaceStmt(s ast.Stmt, pieces []edit.Piece) {
	if len(pieces) == 0 {
		w.k.DeleteStmt(s)
		return
	}
	if first := pieces[0].Text; first == "\n" {
		pieces = pieces[1:]
	} else {
		pieces[0] = edit.Text(first[1:])
	}
	w.k.Edit(edit.Replace(s, pieces...))
}

// first reports whether nothing with an effect is evaluated before e in s: calls that e is an argument of do not count.
func (w *writer) first(s ast.Stmt, e ast.Expr) bool {
	switch s.(type) {
	case *ast.ReturnStmt, *ast.AssignStmt, *ast.ExprStmt, *ast.DeclStmt:
	default:
		return false
	}
	ok := true
	ast.Inspect(s, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			if n.Pos() <= e.Pos() && e.End() <= n.End() {
				ok = false
			}
			return false
		case *ast.CallExpr:
			if n.End() <= e.Pos() && !w.Info.Types[ast.Unparen(n.Fun)].IsType() {
				ok = false
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && n.End() <= e.Pos() {
				ok = false
			}
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				ok = false
			}
		}
		return ok
	})
	return ok
}
