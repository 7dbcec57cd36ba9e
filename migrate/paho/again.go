package paho

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// A program may call Connect while paho connects again by itself. paho does nothing then, and the token has ended without an
// error. v2's start would wait for the next attempt, and stop the client when that fails. So a call that is made after a
// connection was lost, as far as can be seen, becomes awsiot.ConnectPaho.

// connectsAgain reports whether the Connect of u may be called while the client connects again: on the client that a handler
// gets, in a function that runs when a connection is lost, or where the program has found that no connection is open.
func (p *pkg) connectsAgain(u *flow.Use) bool {
	if v, ok := u.Node.(*types.Var); ok && p.byParam[v] != nil {
		return true
	}
	for cur := range u.Cur.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		if p.mod.lost[cur.Node()] {
			return true
		}
	}
	for cur := range u.Cur.Enclosing((*ast.IfStmt)(nil)) {
		if p.asksForConnection(cur.Node().(*ast.IfStmt).Cond) {
			return true
		}
	}
	return false
}

// asksForConnection reports whether e calls IsConnectionOpen.
func (p *pkg) asksForConnection(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			name, of := method(flow.StaticCallee(p.Info, c), "Client")
			found = found || of && name == "IsConnectionOpen"
		}
		return !found
	})
	return found
}

// afterLoss are the functions that run when a connection is lost: the handlers, and what they call.
func (m *module) afterLoss() map[ast.Node]bool {
	found := map[ast.Node]bool{}
	decls := map[string]*ast.FuncDecl{}
	infos := map[ast.Node]*pkg{}
	var todo []ast.Node
	reach := func(p *pkg, n ast.Node) {
		if !found[n] {
			found[n], infos[n] = true, p
			todo = append(todo, n)
		}
	}
	owners := map[*ast.FuncDecl]*pkg{}
	for _, p := range m.pkgs {
		for f, d := range p.Decls {
			decls[f.FullName()], owners[d] = d, p
		}
		for _, c := range p.classes[lost] {
			for _, f := range c.funcs {
				if f.lit != nil {
					reach(p, f.lit)
				} else {
					reach(p, f.decl)
				}
			}
		}
	}
	for len(todo) > 0 {
		n := todo[0]
		todo = todo[1:]
		ast.Inspect(n, func(x ast.Node) bool {
			if c, ok := x.(*ast.CallExpr); ok {
				if f := flow.StaticCallee(infos[n].Info, c); f != nil {
					if d := decls[f.Origin().FullName()]; d != nil {
						reach(owners[d], d)
					}
				}
			}
			return true
		})
	}
	return found
}

// always reports whether u happens whenever the value that it is a use of is made: it is in no branch, loop or function
// literal that the variable is declared outside of. A parameter counts as declared by the calls of its function.
func (p *pkg) always(u *flow.Use) bool { return p.alwaysFrom(u.Cur, u.Node, 0) }

func (p *pkg) alwaysFrom(cur inspector.Cursor, of types.Object, depth int) bool {
	v, ok := of.(*types.Var)
	if !ok || v.IsField() {
		return true // of a chain, or of a place that is not followed
	}
	for c := range cur.Enclosing((*ast.IfStmt)(nil), (*ast.ForStmt)(nil), (*ast.RangeStmt)(nil), (*ast.CaseClause)(nil), (*ast.CommClause)(nil), (*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		n := c.Node()
		inside := n.Pos() <= v.Pos() && v.Pos() < n.End()
		switch n := n.(type) {
		case *ast.IfStmt:
			if !inside && !(n.Cond.Pos() <= cur.Node().Pos() && cur.Node().End() <= n.Cond.End()) {
				return false
			}
		case *ast.FuncLit:
			if !inside || n.Type.Pos() <= v.Pos() && v.Pos() < n.Type.End() {
				return false // when it is called is not known
			}
			return true
		case *ast.FuncDecl:
			if !inside || v.Pos() >= n.Type.End() {
				return true
			}
			return depth < 3 && p.alwaysCalled(n, depth)
		default:
			if !inside {
				return false
			}
		}
	}
	return true
}

// alwaysCalled reports whether every use of a function of this package is a call that nothing decides about.
func (p *pkg) alwaysCalled(d *ast.FuncDecl, depth int) bool {
	uses := p.Uses[p.Info.Defs[d.Name]]
	for _, use := range uses {
		call, ok := calledBy(use)
		if !ok {
			return false
		}
		var of types.Object
		for _, a := range call.Args {
			if id, ok := ast.Unparen(a).(*ast.Ident); ok && options.is(p.Info.TypeOf(a)) {
				of = p.Info.ObjectOf(id)
			}
		}
		if !p.alwaysFrom(use, of, depth+1) {
			return false
		}
	}
	return len(uses) > 0
}

// optionsCall is the call of NewClientOptions that the options e come from; nil where that is not seen.
func (p *pkg) optionsCall(e ast.Expr) *ast.CallExpr {
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		if made(flow.StaticCallee(p.Info, e), "NewClientOptions") {
			return e
		}
		if s, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr); ok && p.isSetter(e) {
			return p.optionsCall(s.X)
		}
	case *ast.Ident:
		if v, ok := p.Info.ObjectOf(e).(*types.Var); ok && !v.IsField() && p.Constant(v) && p.Defs[v] != nil {
			return p.optionsCall(p.Defs[v])
		}
	}
	return nil
}

// apart reports whether two uses of options are never of the same: they come from two calls of NewClientOptions, are in different
// branches of one if or switch statement, or the earlier one is in a branch that ends with a return.
func (p *pkg) apart(ua, ub *flow.Use) bool {
	if x, y := p.optionsCall(ua.Expr), p.optionsCall(ub.Expr); x != nil && y != nil && x != y {
		return true
	}
	a, b := ua.Cur, ub.Cur
	if a.Node().Pos() > b.Node().Pos() {
		a, b = b, a
	}
	for c := range a.Enclosing((*ast.IfStmt)(nil), (*ast.CaseClause)(nil)) {
		switch n := c.Node().(type) {
		case *ast.IfStmt:
			if !within(n.Body, a) {
				continue
			}
			if n.Else != nil && within(n.Else, b) || !within(n, b) && returns(n.Body) && sameFunc(c, b) {
				return true
			}
		case *ast.CaseClause:
			if within(n, b) {
				continue
			}
			if body := c.Parent(); within(body.Node(), b) && !fallsThrough(body.Node()) || returnsList(n.Body) && sameFunc(c, b) {
				return true
			}
		}
	}
	return false
}

func within(n ast.Node, c inspector.Cursor) bool {
	return n.Pos() <= c.Node().Pos() && c.Node().End() <= n.End()
}

// returns reports whether a block ends with a return.
func returns(b *ast.BlockStmt) bool { return returnsList(b.List) }

func returnsList(list []ast.Stmt) bool {
	if len(list) == 0 {
		return false
	}
	_, ok := list[len(list)-1].(*ast.ReturnStmt)
	return ok
}

// sameFunc reports whether the innermost functions around a and b are one.
func sameFunc(a, b inspector.Cursor) bool { return funcOf(a) == funcOf(b) }

func funcOf(c inspector.Cursor) ast.Node {
	for f := range c.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return f.Node()
	}
	return nil
}

// fallsThrough reports whether a switch has a fallthrough of its own.
func fallsThrough(n ast.Node) (found bool) {
	ast.Inspect(n, func(x ast.Node) bool {
		b, ok := x.(*ast.BranchStmt)
		found = found || ok && b.Tok.String() == "fallthrough"
		return !found
	})
	return found
}
