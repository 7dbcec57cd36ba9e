package paho

import (
	"go/ast"
	"go/token"
	"go/types"
	"math"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// segment is what is done with the token that s assigns to a variable, until it is assigned again.
func (p *pkg) segment(cur inspector.Cursor, s *ast.AssignStmt, id *ast.Ident) tokenUse {
	v, ok := p.Info.ObjectOf(id).(*types.Var)
	if !ok || v.IsField() || v.Parent() == p.Types.Scope() {
		return tokenUse{}
	}
	defs, ok := p.assignments(v)
	if !ok {
		return tokenUse{}
	}
	end := token.Pos(math.MaxInt)
	for _, d := range defs {
		if d.Pos() > s.Pos() && d.Pos() < end {
			end = d.Pos()
		}
	}
	t := tokenUse{kind: future, stmt: s, def: s, v: v}
	for _, use := range p.Uses[v] {
		if use.Node().Pos() == id.Pos() || use.Node().Pos() < s.End() || use.Node().Pos() >= end {
			continue
		}
		if use.ParentEdgeKind() == edge.AssignStmt_Lhs {
			continue // another assignment
		}
		sel := use.Parent()
		for {
			if _, paren := sel.Node().(*ast.ParenExpr); !paren {
				break
			}
			sel = sel.Parent()
		}
		if name, _ := p.tokenMethod(sel); name == "" {
			return tokenUse{}
		}
		t.uses = append(t.uses, sel)
	}
	if w := p.waitPoint(cur, s, v); w != nil {
		t.kind, t.wait = waited, w
		for _, sel := range t.uses {
			if name, c := p.tokenMethod(sel); name != "Error" && !w.covers(c) {
				t.kind, t.wait = future, nil
				break
			}
		}
	}
	if t.kind == future {
		for _, sel := range t.uses {
			if name, c := p.tokenMethod(sel); name == "Wait" && p.laterWait(c) == nil {
				return tokenUse{}
			}
		}
	}
	return t
}

// assignments are the assignments to a token variable, when they are all of one statement list, so that each holds from
// where it stands to the next one: none is in a literal or branch, and the first declares the variable.
func (p *pkg) assignments(v *types.Var) ([]*ast.AssignStmt, bool) {
	var out []*ast.AssignStmt
	var list ast.Node
	declared := false
	add := func(id inspector.Cursor) bool {
		s, ok := id.Parent().Node().(*ast.AssignStmt)
		if !ok || len(s.Lhs) != 1 || len(s.Rhs) != 1 {
			return false
		}
		out = append(out, s)
		declared = declared || s.Tok == token.DEFINE
		in := id.Parent().Parent().Node()
		if _, header := in.(*ast.IfStmt); !header {
			if list == nil {
				list = in
			}
			return in == list
		}
		return true
	}
	for ident := range p.Ins.Root().Preorder((*ast.Ident)(nil)) {
		id := ident.Node().(*ast.Ident)
		if p.Info.Defs[id] == v {
			if !add(ident) {
				return nil, false
			}
		}
	}
	for _, use := range p.Uses[v] {
		if use.ParentEdgeKind() == edge.AssignStmt_Lhs && !add(use) {
			return nil, false
		}
		if u, ok := use.Parent().Node().(*ast.UnaryExpr); ok && u.Op == token.AND {
			return nil, false
		}
	}
	if !declared || len(out) == 0 {
		return nil, false
	}
	if len(out) > 1 {
		for _, s := range out {
			if _, header := p.cursor(s).Parent().Node().(*ast.IfStmt); header {
				return nil, false
			}
			c, ok := ast.Unparen(s.Rhs[0]).(*ast.CallExpr)
			if !ok {
				return nil, false
			}
			if name, ok := method(flow.StaticCallee(p.Info, c), "Client"); !ok || tokenCalls[name].wait == "" {
				return nil, false
			}
		}
		for _, use := range p.Uses[v] {
			if _, lit := rewrite.Innermost(use).(*ast.FuncLit); lit && rewrite.Innermost(use) != rewrite.Innermost(p.cursor(out[0])) {
				return nil, false
			}
		}
	}
	return out, true
}

// covers reports whether c is the call that waits.
func (w *waitPoint) covers(c *ast.CallExpr) bool {
	switch {
	case w.stmt != nil:
		return w.stmt.Pos() <= c.Pos() && c.End() <= w.stmt.End()
	case w.init:
		return w.head.Init.Pos() <= c.Pos() && c.End() <= w.head.Init.End()
	case w.alone:
		return ast.Unparen(w.head.Cond) == c
	}
	return ast.Unparen(w.first.X) == c
}

// isWait reports whether e waits for v: v.Wait(), or <-v.Done().
func (p *pkg) isWait(e ast.Expr, v *types.Var, receive bool) bool {
	name := "Wait"
	if u, ok := ast.Unparen(e).(*ast.UnaryExpr); ok && u.Op == token.ARROW && receive {
		e, name = u.X, "Done"
	}
	c, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	s, ok := ast.Unparen(c.Fun).(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	id, ok := ast.Unparen(s.X).(*ast.Ident)
	return ok && p.Info.Uses[id] == v
}

// waitStmt reports whether s does nothing but wait for v.
func (p *pkg) waitStmt(s ast.Stmt, v *types.Var) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		return p.isWait(s.X, v, true)
	case *ast.AssignStmt:
		id, ok := s.Lhs[0].(*ast.Ident)
		return ok && len(s.Lhs) == 1 && len(s.Rhs) == 1 && id.Name == "_" && p.isWait(s.Rhs[0], v, true)
	}
	return false
}

// firstAnd is the && of cond whose left side waits for v, which is what cond does first.
func (p *pkg) firstAnd(cond ast.Expr, v *types.Var) *ast.BinaryExpr {
	for {
		b, ok := ast.Unparen(cond).(*ast.BinaryExpr)
		if !ok {
			return nil
		}
		if b.Op == token.LAND && p.isWait(b.X, v, false) {
			return b
		}
		cond = b.X
	}
}

// waitPoint is where the token that s assigns is waited for, when that comes right behind s; cur is that of s.
func (p *pkg) waitPoint(cur inspector.Cursor, s *ast.AssignStmt, v *types.Var) *waitPoint {
	if head, ok := cur.Parent().Node().(*ast.IfStmt); ok && head.Init == s {
		if b := p.firstAnd(head.Cond, v); b != nil {
			return &waitPoint{head: head, first: b, inIf: true}
		}
		if p.isWait(head.Cond, v, false) {
			return &waitPoint{head: head, alone: true, inIf: true}
		}
		return nil
	}
	list := rewrite.Stmts(cur.Parent().Node())
	i := slices.Index(list, ast.Stmt(s))
	if i < 0 || i+1 >= len(list) {
		return nil
	}
	next := list[i+1]
	if p.waitStmt(next, v) {
		return &waitPoint{stmt: next}
	}
	head, ok := next.(*ast.IfStmt)
	if !ok {
		return nil
	}
	if head.Init != nil {
		if p.waitStmt(head.Init, v) {
			return &waitPoint{head: head, init: true}
		}
		return nil
	}
	if b := p.firstAnd(head.Cond, v); b != nil {
		return &waitPoint{head: head, first: b}
	}
	if p.isWait(head.Cond, v, false) {
		return &waitPoint{head: head, alone: true}
	}
	return nil
}

// laterWait is the statement that c, a Wait on a future, can be taken out of: itself, or an if statement before which it
// can stand; nil: there is none.
func (p *pkg) laterWait(c *ast.CallExpr) ast.Stmt {
	par, _ := rewrite.ParentSkippingParens(p.cursor(c))
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		return s
	case *ast.AssignStmt:
		if id, ok := s.Lhs[0].(*ast.Ident); ok && len(s.Lhs) == 1 && len(s.Rhs) == 1 && id.Name == "_" {
			return s
		}
	case *ast.BinaryExpr:
		stmt, inList := rewrite.StmtOf(par)
		head, ok := stmt.(*ast.IfStmt)
		if !inList || !ok || head.Init != nil {
			return nil
		}
		if id, ok := ast.Unparen(ast.Unparen(c.Fun).(*ast.SelectorExpr).X).(*ast.Ident); ok {
			if b := p.firstAnd(head.Cond, p.Info.Uses[id].(*types.Var)); b == s {
				return head
			}
		}
	}
	return nil
}
