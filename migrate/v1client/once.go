package v1client

import (
	"go/ast"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// connects are the calls that connect the client, in source order.
func (k *class) connects() []*flow.Use {
	return append(k.Calls("Connect"), k.Calls("ConnectAsync")...)
}

// connectsOnce reports whether the client is connected at one place, which runs once.
func (k *class) connectsOnce() bool {
	all := k.connects()
	return len(all) == 1 && k.once(all[0]) && !k.CallsElsewhere("Connect", "ConnectAsync")
}

// reconnects reports whether the program may connect the client again after u.
func (k *class) reconnects(u *flow.Use) bool {
	if len(k.Flow.Ctors) == 0 {
		return true // by code that is not seen
	}
	all := k.connects()
	if k.CallsElsewhere("Connect", "ConnectAsync") {
		return true
	}
	if len(all) > 1 {
		fn := rewrite.Innermost(u.Cur)
		return !slices.ContainsFunc(all, k.once) || slices.ContainsFunc(all, func(c *flow.Use) bool {
			return rewrite.Innermost(c.Cur) != fn || c.Expr.Pos() > u.Expr.Pos() || !k.once(c)
		})
	}
	return slices.ContainsFunc(all, func(c *flow.Use) bool {
		return !k.once(c) || rewrite.Innermost(c.Cur) == rewrite.Innermost(u.Cur) && c.Expr.Pos() > u.Expr.Pos()
	})
}

// connected reports whether the client is connected already where u connects it: another connect call stands before it
// in the same function, without a disconnect call in between. A connect call in the branch that handles the failure of
// another, or in a loop, tries again.
func (k *class) connected(u *flow.Use) bool {
	ends := append(k.Calls("Disconnect"), k.Calls("DisconnectAsync")...)
	fn := rewrite.Innermost(u.Cur)
	rt, ok := k.Pkg.RootOf(u.Cur, u.Expr)
	return ok && slices.ContainsFunc(k.connects(), func(c *flow.Use) bool {
		crt, ok := k.Pkg.RootOf(c.Cur, c.Expr)
		return ok && crt == rt && rewrite.Innermost(c.Cur) == fn && c.Expr.Pos() < u.Expr.Pos() && !alternatives(c, u) &&
			!slices.ContainsFunc(ends, func(d *flow.Use) bool { return c.Expr.Pos() < d.Expr.Pos() && d.Expr.Pos() < u.Expr.Pos() })
	})
}

// alternatives reports whether a and b, behind it, stand in different branches of one statement, b in a branch of a's
// own statement, or a in a branch that leaves.
func alternatives(a, b *flow.Use) bool {
	pa, pb := rewrite.PlacesOf(a.Cur), rewrite.PlacesOf(b.Cur)
	for i := range min(len(pa), len(pb)) {
		if pa[i].List != pb[i].List {
			return true
		}
		if pa[i].Idx != pb[i].Idx {
			return i+1 < len(pa) && leaves(pa[i+1].List)
		}
	}
	return len(pa) < len(pb)
}

// leaves reports whether a list of statements ends in a return, a jump, or a call of panic.
func leaves(list ast.Node) bool {
	s := rewrite.Stmts(list)
	if len(s) == 0 {
		return false
	}
	switch s := s[len(s)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	case *ast.ExprStmt:
		c, ok := s.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		id, ok := c.Fun.(*ast.Ident)
		return ok && id.Name == "panic"
	}
	return false
}

// once reports whether u runs at most once in the life of its client: it is in no loop, and its function makes the
// client, or runs once itself.
func (k *class) once(u *flow.Use) bool { return k.runsOnce(u.Cur, map[ast.Node]bool{}) }

func (k *class) runsOnce(cur inspector.Cursor, seen map[ast.Node]bool) bool {
	fn := rewrite.Innermost(cur)
	if fn == nil || seen[fn] || jumpsBack(fn) {
		return false
	}
	seen[fn] = true
	makers := k.Makers()
	makes := slices.ContainsFunc(makers, func(c *ast.CallExpr) bool {
		made, ok := k.Pkg.Ins.Root().FindNode(c)
		return ok && rewrite.Innermost(made) == fn
	})
	for c := range cur.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil), (*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		n := c.Node()
		if n == fn {
			break
		}
		if !slices.ContainsFunc(makers, func(c *ast.CallExpr) bool { return n.Pos() <= c.Pos() && c.Pos() < n.End() }) {
			return false // every turn of the loop, for one client
		}
	}
	if makes {
		return true
	}
	switch fn := fn.(type) {
	case *ast.FuncDecl:
		name := fn.Name.Name
		if fn.Recv == nil && (name == "init" || name == "main" && k.Pkg.Types.Name() == "main") {
			return true
		}
		if fn.Name.IsExported() && k.Pkg.Types.Name() != "main" {
			return false
		}
		uses := k.Pkg.Uses[k.Pkg.Info.Defs[fn.Name]]
		if len(uses) != 1 {
			return false
		}
		call, ok := calledAt(uses[0])
		return ok && k.runsOnce(call, seen)
	case *ast.FuncLit:
		lit, ok := k.Pkg.Ins.Root().FindNode(fn)
		if !ok {
			return false
		}
		call, self := rewrite.ParentSkippingParens(lit)
		c, ok := call.Node().(*ast.CallExpr)
		return ok && c.Fun == self && k.runsOnce(call, seen)
	}
	return false
}

// calledAt is the call of the function that cur names, ok is false when it is used as a value.
func calledAt(cur inspector.Cursor) (call inspector.Cursor, ok bool) {
	if s, is := cur.Parent().Node().(*ast.SelectorExpr); is && s.Sel == cur.Node() {
		cur = cur.Parent()
	}
	c, is := cur.Parent().Node().(*ast.CallExpr)
	return cur.Parent(), is && c.Fun == cur.Node()
}

// jumpsBack reports whether a goto stands in the function.
func jumpsBack(fn ast.Node) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		b, ok := n.(*ast.BranchStmt)
		found = found || ok && b.Tok.String() == "goto"
		return !found
	})
	return found
}
