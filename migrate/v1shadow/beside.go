package v1shadow

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/edge"
)

// beside is the name of the field that has the thing of every handler in the same struct as the handler; "" where there is
// none. Nothing but literals sets the one, and nothing but handlers made for it the other.
func (h *typed) beside(k *rewrite.Class) string {
	var in *types.Var
	for _, m := range h.branch.Members {
		if v, ok := m.(*types.Var); ok && v.Name() != "" {
			in = v
		}
	}
	if in == nil || !in.IsField() || len(h.branch.Members) != len(h.branch.Exprs)+1 {
		return ""
	}
	for _, u := range h.branch.Uses {
		if slices.ContainsFunc(h.branch.Ctors, func(c *flow.Ctor) bool { return ast.Unparen(u.Expr) == ast.Expr(c.Call) }) {
			continue // goes to the field
		}
		s, ok := ast.Unparen(u.Expr).(*ast.SelectorExpr)
		if !ok || u.Kind != flow.Call && u.Kind != flow.Compare || !h.holds(k, s.X) {
			return ""
		}
	}
	var field *types.Var
	for _, c := range h.branch.Ctors {
		f := h.forField(k, c)
		if f == nil || f.Exported() || field != nil && f != field {
			return ""
		}
		field = f
	}
	for _, cur := range k.Pkg.Uses[field] {
		if cur.ParentEdgeKind() == edge.KeyValueExpr_Key {
			continue
		}
		s := cur.Parent() // the selector
		for s.ParentEdgeKind() == edge.ParenExpr_X {
			s = s.Parent()
		}
		switch s.ParentEdgeKind() {
		case edge.AssignStmt_Lhs, edge.UnaryExpr_X, edge.IncDecStmt_X, edge.RangeStmt_Key, edge.RangeStmt_Value:
			return ""
		}
	}
	return field.Name()
}

// holds reports whether e is a variable that goes on naming the same struct.
func (h *typed) holds(k *rewrite.Class, e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return false
	}
	v, ok := k.Pkg.Info.Uses[id].(*types.Var)
	return ok && !v.IsField() && v.Parent() != k.Pkg.Types.Scope() && k.Pkg.Constant(v)
}

// forField is the field that the thing of a handler is in, where the handler goes to the same struct: x.handler is made of
// x.thing, or both are given the same variable or constant in one literal.
func (h *typed) forField(k *rewrite.Class, c *flow.Ctor) *types.Var {
	thing := ast.Unparen(c.Call.Args[0])
	par, self := rewrite.ParentSkippingParens(c.Cur)
	switch s := par.Node().(type) {
	case *ast.AssignStmt:
		if len(s.Lhs) != 1 || len(s.Rhs) != 1 {
			return nil
		}
		to, ok := ast.Unparen(s.Lhs[0]).(*ast.SelectorExpr)
		from, ok2 := thing.(*ast.SelectorExpr)
		if !ok || !ok2 || types.ExprString(to.X) != types.ExprString(from.X) || !h.holds(k, to.X) {
			return nil
		}
		return field(k, from.Sel)
	case *ast.KeyValueExpr:
		lit, ok := par.Parent().Node().(*ast.CompositeLit)
		if _, isIdent := thing.(*ast.Ident); !ok || !isIdent || s.Value != self {
			return nil
		}
		for _, e := range lit.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				return nil
			}
			if id, ok := kv.Key.(*ast.Ident); ok && types.ExprString(ast.Unparen(kv.Value)) == types.ExprString(thing) {
				return field(k, id)
			}
		}
	}
	return nil
}

// field is the field that id names, nil if it is something else.
func field(k *rewrite.Class, id *ast.Ident) *types.Var {
	if v, ok := k.Pkg.Info.Uses[id].(*types.Var); ok && v.IsField() {
		return v.Origin()
	}
	return nil
}
