package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// message plans the change of a message variable from v1's type to v2's, together with the parameters it is passed
// to and the other messages that are passed to them. It reports false, without edits, when one of them goes where it
// cannot be followed.
func (k *class) message(v *types.Var) bool {
	if k.msgs[v] {
		return true
	}
	set := map[*types.Var]bool{v: true}
	work := []*types.Var{v}
	add := func(m *types.Var) {
		if !set[m] {
			set[m] = true
			work = append(work, m)
		}
	}
	var edits []edit.Edit
	for len(work) > 0 {
		m := work[0]
		work = work[1:]
		if !k.Pkg.Constant(m) || (k.roots[m] == nil || k.Pkg.DeclOf(m) != nil) && !k.passed(m, add) {
			return false
		}
		for _, c := range k.Pkg.Uses[m] {
			par, self := rewrite.ParentSkippingParens(c)
			switch p := par.Node().(type) {
			case *ast.SelectorExpr:
				e, ok := k.messageField(par, p, m)
				if !ok {
					return false
				}
				edits = append(edits, e...)
			case *ast.BinaryExpr:
				other := p.X
				if other == self {
					other = p.Y
				}
				if tv := k.Pkg.Info.Types[other]; !tv.IsNil() {
					return false
				}
			case *ast.CallExpr:
				to := k.messageArg(p, self)
				if to == nil {
					return false
				}
				add(to)
			default:
				return false
			}
		}
	}
	for m := range set {
		if k.roots[m] != nil {
			continue
		}
		t := k.messageType(m)
		if t == nil {
			return false
		}
		edits = append(edits, edit.Replace(t, edit.Text(k.Q(t.Pos(), paths.V2)+".Message")))
		k.Unit.Changed = append(k.Unit.Changed, k.Pkg.DeclOf(m).Name.Name)
	}
	for m := range set {
		k.msgs[m] = true
	}
	for _, e := range edits {
		k.Edit(e)
	}
	return true
}

// messageField rewrites the read of one field of message m.
func (k *class) messageField(par inspector.Cursor, s *ast.SelectorExpr, m *types.Var) ([]edit.Edit, bool) {
	switch s.Sel.Name {
	case "Topic", "Payload", "Retain":
		return nil, true
	case "Dup":
		return []edit.Edit{edit.Replace(s.Sel, edit.Text("Duplicate"))}, true
	case "QoS":
		if written(par) {
			return nil, false
		}
		return []edit.Edit{edit.Replace(s, edit.Text("byte("), edit.Src(s), edit.Text(")"))}, true
	case "Timestamp":
		body := k.roots[m]
		if body == nil || written(par) {
			k.lacks = "Timestamp"
			return nil, false // v1 took the time when the message came to the callback, not later
		}
		if k.arrivals[m] == "" {
			k.arrivals[m] = k.Fresh(rewrite.Outermost(par), body.Pos(), "received")
		}
		end := ""
		if tf := k.Pkg.Fset.File(body.Pos()); len(body.List) > 0 && tf.Line(body.List[0].Pos()) == tf.Line(body.Lbrace) {
			end = "\n"
		}
		now := edit.Edit{Pos: body.Lbrace + 1, End: body.Lbrace + 1, Once: true,
			Pieces: []edit.Piece{edit.Text("\n" + k.arrivals[m] + " := " + k.Q(body.Pos(), "time") + ".Now()" + end)}}
		return []edit.Edit{now, edit.Replace(s, edit.Text(k.arrivals[m]))}, true
	}
	k.lacks = s.Sel.Name
	return nil, false
}

// written reports whether the expression at cur is assigned to, or its address taken.
func written(cur inspector.Cursor) bool {
	up, self := rewrite.ParentSkippingParens(cur)
	switch p := up.Node().(type) {
	case *ast.AssignStmt:
		return slices.ContainsFunc(p.Lhs, func(l ast.Expr) bool { return l == self })
	case *ast.UnaryExpr:
		return p.Op == token.AND
	case *ast.IncDecStmt:
		return true
	}
	return false
}

// messageArg is the parameter of a function of this package that a message is passed to.
func (k *class) messageArg(c *ast.CallExpr, self ast.Node) *types.Var {
	f := flow.StaticCallee(k.Pkg.Info, c)
	if f == nil || f.Pkg() != k.Pkg.Types || flow.Interface(f) || f.Origin() != f || f.Signature().Variadic() || k.Pkg.Decls[f] == nil ||
		f.Exported() && k.Pkg.Types.Name() != "main" {
		return nil
	}
	for i, a := range c.Args {
		if a == self && i < f.Signature().Params().Len() {
			if v := f.Signature().Params().At(i); paths.IsPointer(v.Type(), paths.V1Compat, paths.V1Message) {
				return v
			}
		}
	}
	return nil
}

// passed reports whether every use of the function that m is a parameter of is a call that passes a variable for m,
// and adds these variables.
func (k *class) passed(m *types.Var, add func(*types.Var)) bool {
	d := k.Pkg.DeclOf(m)
	if d == nil {
		return false
	}
	for _, c := range k.Pkg.Uses[k.Pkg.Info.Defs[d.Name]] {
		if k.handedOver(c) {
			continue
		}
		n := c
		if s, ok := c.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == c.Node() {
			n = c.Parent()
		}
		call, ok := n.Parent().Node().(*ast.CallExpr)
		if !ok || call.Fun != n.Node() {
			return false
		}
		params := flow.StaticCallee(k.Pkg.Info, call).Signature().Params()
		if len(call.Args) != params.Len() {
			return false
		}
		for i, a := range call.Args {
			if params.At(i) != m {
				continue
			}
			id, ok := ast.Unparen(a).(*ast.Ident)
			if !ok {
				return false
			}
			v, ok := k.Pkg.Info.Uses[id].(*types.Var)
			if !ok {
				return false
			}
			add(v)
		}
	}
	return true
}

// messageType is the type expression of parameter m without the star, nil when other names share it.
func (k *class) messageType(m *types.Var) ast.Expr {
	d := k.Pkg.DeclOf(m)
	for _, f := range d.Type.Params.List {
		for _, n := range f.Names {
			if k.Pkg.Info.Defs[n] != m || len(f.Names) != 1 {
				continue
			}
			if s, ok := f.Type.(*ast.StarExpr); ok {
				return s.X
			}
		}
	}
	return nil
}
