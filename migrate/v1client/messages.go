package v1client

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/ast/inspector"
)

// message plans the change of a message variable from v1's type to v2's, together with the parameters it is passed
// to and the other messages that are passed to them. It reports false, without edits, when one of them goes where it
// cannot be followed.
func (k *class) message(v *types.Var, rule string) bool {
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
		if !k.p.constant(m) || !k.roots[m] && !k.passed(m, add) {
			return false
		}
		for _, c := range k.p.uses[m] {
			par, self := parentSkippingParens(c)
			switch p := par.Node().(type) {
			case *ast.SelectorExpr:
				e, ok := k.messageField(par, p, rule)
				if !ok {
					return false
				}
				edits = append(edits, e...)
			case *ast.BinaryExpr:
				other := p.X
				if other == self {
					other = p.Y
				}
				if tv := k.p.Info.Types[other]; !tv.IsNil() {
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
		if k.roots[m] {
			continue
		}
		t := k.messageType(m)
		if t == nil {
			return false
		}
		edits = append(edits, edit.Replace(t, edit.Text(k.q(t.Pos(), paths.V2)+".Message")))
		k.u.Changed = append(k.u.Changed, k.p.declOf(m).Name.Name)
	}
	for m := range set {
		k.msgs[m] = true
	}
	for _, e := range edits {
		k.edit(e)
	}
	return true
}

// messageField rewrites the read of one field of a message.
func (k *class) messageField(par inspector.Cursor, s *ast.SelectorExpr, rule string) ([]edit.Edit, bool) {
	switch s.Sel.Name {
	case "Topic", "Payload", "Retain":
		return nil, true
	case "Dup":
		return []edit.Edit{edit.Replace(s.Sel, edit.Text("Duplicate"))}, true
	case "QoS":
		up, self := parentSkippingParens(par)
		switch p := up.Node().(type) {
		case *ast.AssignStmt:
			for _, l := range p.Lhs {
				if l == self {
					return nil, false
				}
			}
		case *ast.UnaryExpr:
			if p.Op == token.AND {
				return nil, false
			}
		case *ast.IncDecStmt:
			return nil, false
		}
		return []edit.Edit{edit.Replace(s, edit.Text("byte("), edit.Src(s), edit.Text(")"))}, true
	case "Mid", "Timestamp":
		k.block(s.Sel.Pos(), rule, "message-fields", "v2's message has no "+s.Sel.Name)
		return nil, true
	}
	return nil, false
}

// messageArg is the parameter of a function of this package that a message is passed to.
func (k *class) messageArg(c *ast.CallExpr, self ast.Node) *types.Var {
	f := flow.StaticCallee(k.p.Info, c)
	if f == nil || f.Pkg() != k.p.Types || flow.Interface(f) || f.Origin() != f || f.Signature().Variadic() || k.p.decls[f] == nil ||
		f.Exported() && k.p.Types.Name() != "main" {
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
	d := k.p.declOf(m)
	if d == nil {
		return false
	}
	for _, c := range k.p.uses[k.p.Info.Defs[d.Name]] {
		n := c
		if s, ok := c.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == c.Node() {
			n = c.Parent()
		}
		call, ok := n.Parent().Node().(*ast.CallExpr)
		if !ok || call.Fun != n.Node() {
			return false
		}
		params := flow.StaticCallee(k.p.Info, call).Signature().Params()
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
			v, ok := k.p.Info.Uses[id].(*types.Var)
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
	d := k.p.declOf(m)
	for _, f := range d.Type.Params.List {
		for _, n := range f.Names {
			if k.p.Info.Defs[n] != m || len(f.Names) != 1 {
				continue
			}
			if s, ok := f.Type.(*ast.StarExpr); ok {
				return s.X
			}
		}
	}
	return nil
}
