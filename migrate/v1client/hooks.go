package v1client

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// hookFields maps v1's hooks to the option, which is also the field of Observer, and the type of its argument.
var hookFields = map[string]struct{ option, arg string }{
	"OnOnline":  {"OnConnectionSuccess", "ConnectionSuccess"},
	"OnOffline": {"OnDisconnection", "Disconnection"},
	"OnMessage": {"OnPublishReceived", ""},
}

// hooks rewrites the assignments to OnOnline, OnOffline and OnMessage.
func (k *class) hooks() {
	for _, u := range k.c.Uses {
		if u.Kind == flow.FieldGet {
			k.block(u.Sel.Sel.Pos(), "hooks", "hooks", "the hook "+u.Sel.Sel.Name+" is read or assigned together with something else")
		}
		if u.Kind != flow.FieldSet {
			continue
		}
		name := u.Sel.Sel.Name
		h, ok := hookFields[name]
		if !ok {
			k.block(u.Sel.Sel.Pos(), "hooks", "hooks", name+" has no v2 form")
			continue
		}
		as := k.assignOf(u)
		opts, before := k.helpers[u.Node]
		if r := k.owned[u]; r != nil {
			opts, before = r.opts, true
		}
		if !before && (name == "OnMessage" || !k.beforeConnect(u)) {
			k.block(u.Sel.Sel.Pos(), "hooks", "hooks", name+" is assigned where it is not known to be before the first Connect")
			continue
		}
		value := k.hookValue(as.Rhs[0], name, h.arg)
		if value == nil {
			continue
		}
		if before {
			k.edit(edit.Replace(as, append([]edit.Piece{edit.Text(opts + "." + h.option + " = ")}, value...)...))
			continue
		}
		pieces := []edit.Piece{receiver(u.Sel), edit.Text(".Observe(" + k.q(as.Pos(), paths.V2) + ".Observer{" + h.option + ": ")}
		k.edit(edit.Replace(as, append(append(pieces, value...), edit.Text("})"))...))
	}
}

func (k *class) assignOf(u *flow.Use) *ast.AssignStmt {
	for c := range u.Cur.Enclosing((*ast.AssignStmt)(nil)) {
		return c.Node().(*ast.AssignStmt)
	}
	return nil
}

// beforeConnect reports whether a Connect on the same variable follows in the same function, and none comes before.
func (k *class) beforeConnect(u *flow.Use) bool {
	rt, ok := k.p.rootOf(u.Cur, u.Expr)
	if !ok {
		return false
	}
	first := token.Pos(0)
	for _, name := range []string{"Connect", "ConnectAsync"} {
		for _, c := range k.calls(name) {
			crt, ok := k.p.rootOf(c.Cur, c.Expr)
			if !ok || crt != rt || innermost(c.Cur) != innermost(u.Cur) {
				return false
			}
			if first == 0 || c.Expr.Pos() < first {
				first = c.Expr.Pos()
			}
		}
	}
	return first > u.Expr.Pos()
}

// hookValue converts the function that is assigned to a hook.
func (k *class) hookValue(e ast.Expr, hook, arg string) []edit.Piece {
	if tv := k.p.Info.Types[e]; tv.IsNil() {
		return []edit.Piece{edit.Text("nil")}
	}
	q := k.q(e.Pos(), paths.V2)
	lit, isLit := ast.Unparen(e).(*ast.FuncLit)
	if hook == "OnMessage" {
		if pieces := k.convert(e, k.hooked(e), "hooks"); pieces != nil {
			return pieces
		}
		k.block(e.Pos(), "hooks", "callbacks", "the OnMessage function cannot take the v2 message")
		return nil
	}
	sig := "func(*" + q + "." + arg + ") "
	switch {
	case isLit:
		return []edit.Piece{edit.Text(sig), edit.Src(lit.Body)}
	case k.funcDecl(e) != nil && k.p.pure(e), k.stable(e) && k.isLiteralVar(e):
		return []edit.Piece{edit.Text(sig + "{ "), edit.Src(e), edit.Text("() }")}
	}
	k.block(e.Pos(), "hooks", "hooks", hook+" is assigned a function value that may be nil or change")
	return nil
}

// isLiteralVar reports whether e is a variable that was declared with a function literal and stays that.
func (k *class) isLiteralVar(e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return false
	}
	if _, isFunc := k.p.Info.Uses[id].(*types.Func); isFunc {
		return true
	}
	_, lit := k.p.defs[k.p.Info.Uses[id]].(*ast.FuncLit)
	return lit
}

// onlyHook reports whether every use of d is an assignment to the hook in this class.
func (k *class) onlyHook(d *ast.FuncDecl, hook string) bool {
	f := k.p.Info.Defs[d.Name]
	for _, c := range k.p.uses[f] {
		e := c.Node()
		if s, ok := c.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == e {
			e = s
		}
		found := false
		for _, u := range k.c.Uses {
			if u.Kind == flow.FieldSet && u.Sel.Sel.Name == hook && k.assignOf(u).Rhs[0] == e {
				found = true
			}
		}
		if !found {
			return false
		}
	}
	return true
}
