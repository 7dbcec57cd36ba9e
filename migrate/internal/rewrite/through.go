package rewrite

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// rewriteSome writes the calls that have a rule, of a class whose client keeps its type: the old client (through), or
// the old shape of a new one that an earlier run has made (forward).
func (k *Class) rewriteSome() {
	k.Flow.Uses = slices.DeleteFunc(k.Flow.Uses, func(u *flow.Use) bool {
		if k.side == through {
			return u.Kind != flow.Call || !k.row(u.Sel.Sel.Name).Request
		}
		return u.Sel == nil || k.newClient(u) == nil || !k.alone(u)
	})
	k.countTodos()
	if k.Family.Begin != nil {
		k.Family.Begin(k)
	}
	if k.side == forward {
		k.configures()
	}
	k.operations()
	if k.side == forward {
		k.dropLegacy()
	}
	k.finish()
}

// crossed writes the receiver of u, which has a rule, where it is not of the class that is being rewritten.
func (k *Class) crossed(u *flow.Use) {
	switch k.side {
	case through:
		back := edit.Text("." + k.Family.Bridge.Back + "()")
		switch u.Expr.(type) {
		case *ast.UnaryExpr, *ast.StarExpr:
			k.Edit(edit.Replace(u.Expr, edit.Text("("), edit.Src(u.Expr), edit.Text(")"), back))
		default:
			k.Edit(edit.Replace(u.Expr, edit.Src(u.Expr), back))
		}
	case forward:
		x := k.newClient(u)
		if ast.Unparen(u.Expr) == u.Expr && u.Expr.Pos() <= x.Pos() && x.End() <= u.Expr.End() {
			k.Edit(edit.Replace(u.Expr, edit.Src(x)))
		} else {
			k.Edit(edit.Replace(u.Expr, edit.Text(types.ExprString(x))))
		}
	}
}

// newClient is the new client that u, a use of its old shape, is made on, as it can be written where u stands: x of
// FromV2(x), or of a variable that is FromV2(x) for good. Nil: there is none.
func (k *Class) newClient(u *flow.Use) ast.Expr {
	if c, ok := ast.Unparen(u.Expr).(*ast.CallExpr); ok && k.isBridge(c) {
		return c.Args[0]
	}
	id, ok := ast.Unparen(u.Expr).(*ast.Ident)
	if !ok {
		return nil
	}
	v, ok := k.Pkg.Info.Uses[id].(*types.Var)
	if !ok || v.IsField() || v.Parent() == k.Pkg.Types.Scope() || !k.Pkg.Constant(v) {
		return nil
	}
	c, ok := k.Pkg.Defs[v].(*ast.CallExpr)
	if !ok || !k.isBridge(c) {
		return nil
	}
	x := c.Args[0]
	cur, _ := k.Pkg.Ins.Root().FindNode(x)
	rt, ok := k.Pkg.RootOf(cur, x)
	if !ok || rt.path != rt.base.Name() || Outermost(u.Cur) != rt.fn {
		return nil
	}
	if _, o := k.Pkg.Types.Scope().Innermost(u.Expr.Pos()).LookupParent(rt.path, u.Expr.Pos()); o != rt.base {
		return nil
	}
	for _, p := range k.Pkg.Assigned[rt.base] {
		if p > x.Pos() {
			return nil
		}
	}
	return x
}

// alone reports whether the rule of u looks at nothing but u.
func (k *Class) alone(u *flow.Use) bool {
	return u.Kind == flow.Call && (k.row(u.Sel.Sel.Name).Request || k.role(u) == Configure)
}

// isBridge reports whether c gives a new client the old shape, and nothing besides.
func (k *Class) isBridge(c *ast.CallExpr) bool {
	f := flow.StaticCallee(k.Pkg.Info, c)
	return f != nil && len(c.Args) == 1 && !c.Ellipsis.IsValid() && k.Family.isBridge(f)
}

func (f *Family) isBridge(fn *types.Func) bool {
	return fn.Pkg() != nil && fn.Pkg().Path() == f.Bridge.Package && fn.Name() == f.Bridge.Forward && fn.Signature().Recv() == nil
}

// dropLegacy removes the declaration of a variable that holds the old shape of a client and that nothing uses any more.
func (k *Class) dropLegacy() {
	moved := map[ast.Node]bool{}
	for _, u := range k.Flow.Uses {
		moved[ast.Unparen(u.Expr)] = k.refused[u] == nil
	}
	for _, m := range k.Flow.Members {
		v, ok := m.(*types.Var)
		if !ok || len(k.Pkg.Uses[v]) == 0 {
			continue
		}
		c, ok := k.Pkg.Defs[v].(*ast.CallExpr)
		if !ok || !k.isBridge(c) {
			continue
		}
		all := true
		for _, use := range k.Pkg.Uses[v] {
			all = all && moved[use.Node()]
		}
		cur, _ := k.Pkg.Ins.Root().FindNode(c)
		if s, ok := StmtOf(cur); ok && all {
			if as, is := s.(*ast.AssignStmt); is && len(as.Lhs) == 1 {
				k.DeleteStmt(s)
			}
		}
	}
}

// planForward fills the unit of a class that an earlier run has bridged: uses that have a rule by now are rewritten, the
// others stay, and are reported again.
func (k *Class) planForward() {
	k.describe()
	for _, u := range k.uses {
		if x := k.newClient(u); x != nil {
			k.Unit.Name = types.ExprString(x)
			break
		}
	}
	t := k.settled(forward)
	if len(t.Unit.Reasons) == 0 && len(t.Unit.Edits) > 0 {
		k.take(t)
	} else {
		k.Unit.Edits = nil
	}
	for u, i := range k.siteOf() {
		if t.Bridged[u] != nil || k.newClient(u) == nil || !k.alone(u) || k.Unit.Edits == nil {
			k.Unit.Sites[i].Outcome = unit.Bridged
		}
	}
	for _, u := range k.uses {
		if u.Sel == nil {
			continue
		}
		why := t.Bridged[u]
		switch {
		case why != nil:
		case k.branchOf(u) != nil:
			why = []unit.Reason{{Anchor: "bridge", Text: "an earlier run has left this value on the old shape, with all of its uses"}}
		case k.newClient(u) == nil:
			why = []unit.Reason{{Anchor: "bridge", Text: "the old shape of the client is kept in a variable or field that may hold another one"}}
		case !k.alone(u):
			why = []unit.Reason{{Anchor: "bridge", Text: "what becomes of " + u.Sel.Sel.Name + " depends on the other uses of the client, which an earlier run has rewritten"}}
		}
		if why != nil {
			k.Unit.Bridges = append(k.Unit.Bridges, k.bridgeOf(u, why))
		}
	}
	for _, b := range k.Flow.Borders {
		if b.Way != flow.Leaves {
			continue
		}
		why, rule := k.borderText(b)
		k.Unit.Bridges = append(k.Unit.Bridges, k.handedOver(b.Pos, rule, b.Detail, why))
	}
	k.Unit.SortReasons()
}
