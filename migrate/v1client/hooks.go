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
)

// hook is the rule of a field of v1 that takes a function: the option that becomes of it, which is also the field of
// Observer, and the type of its argument.
func hook(option, arg string) func(*rewrite.Class, *flow.Use) {
	return func(c *rewrite.Class, u *flow.Use) { of(c).hook(u, option, arg) }
}

// hooksOfBoth blocks hooks of a client that a shadow or jobs client connects: Connect of that one put its own in their place.
func (k *class) hooksOfBoth() {
	outer := slices.ContainsFunc(k.Calls("Connect"), func(u *flow.Use) bool { return k.UseType(u).Package != paths.V1Compat })
	for _, u := range k.Flow.Uses {
		if outer && u.Kind == flow.FieldSet && u.Sel.Sel.Name != "OnMessage" && k.UseType(u).Package == paths.V1Compat {
			k.Block(u.Sel.Sel.Pos(), "hooks", "hooks", "v1 replaces "+u.Sel.Sel.Name+" of a client by that of the shadow or jobs client that connects it")
		}
	}
}

func (k *class) hook(u *flow.Use, option, arg string) {
	name := u.Sel.Sel.Name
	as := k.AssignOf(u)
	opts, before := k.OptionsAt(u)
	alone := k.assignedOnce(name)
	if !before && (!alone || !k.once(u)) {
		k.Block(u.Sel.Sel.Pos(), "hooks", "hooks", name+" is assigned more than once, and an observer would be added every time")
		return
	}
	value, test := k.hookValue(as.Rhs[0], name, arg, alone)
	if value == nil {
		return
	}
	if !before && !k.beforeConnect(u) {
		k.Note(u.Sel.Sel.Pos(), "hooks", "v1 reads "+name+" at the next Connect, an observer hears of events from now on")
	}
	pieces := []edit.Piece{edit.Text(opts + "." + option + " = ")}
	end := ""
	if !before {
		pieces = []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".Observe(" + k.Q(as.Pos(), paths.V2) + ".Observer{" + option + ": ")}
		end = "})"
	}
	pieces = append(append(pieces, value...), edit.Text(end))
	if test != nil {
		pieces = append(append(test, pieces...), edit.Text("\n}"))
	}
	k.Edit(edit.Replace(as, pieces...))
}

// assignedOnce reports whether one statement assigns the hook.
func (k *class) assignedOnce(name string) bool {
	n := 0
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.FieldSet && u.Sel.Sel.Name == name {
			n++
		}
	}
	return n == 1
}

// beforeConnect reports whether a Connect on the same variable follows in the same function, and none comes before.
func (k *class) beforeConnect(u *flow.Use) bool {
	rt, ok := k.Pkg.RootOf(u.Cur, u.Expr)
	if !ok || k.CallsElsewhere("Connect", "ConnectAsync") {
		return false
	}
	first := token.Pos(0)
	for _, name := range []string{"Connect", "ConnectAsync"} {
		for _, c := range k.Calls(name) {
			crt, ok := k.Pkg.RootOf(c.Cur, c.Expr)
			if !ok || crt != rt || rewrite.Innermost(c.Cur) != rewrite.Innermost(u.Cur) {
				return false
			}
			if first == 0 || c.Expr.Pos() < first {
				first = c.Expr.Pos()
			}
		}
	}
	return first > u.Expr.Pos()
}

// hookValue converts the function that is assigned to a hook. A value that may be nil is tested first, as v1 did, where
// nothing else was assigned before: test is the beginning of an if statement then.
func (k *class) hookValue(e ast.Expr, hook, arg string, alone bool) (value, test []edit.Piece) {
	if tv := k.Pkg.Info.Types[e]; tv.IsNil() {
		return []edit.Piece{edit.Text("nil")}, nil
	}
	q := k.Q(e.Pos(), paths.V2)
	lit, isLit := ast.Unparen(e).(*ast.FuncLit)
	if hook == "OnMessage" {
		if pieces := k.convert(e, k.hooked(e)); pieces != nil {
			return pieces, nil
		}
		k.Block(e.Pos(), "hooks", "callbacks", "the OnMessage function cannot take the v2 message")
		return nil, nil
	}
	sig := "func(*" + q + "." + arg + ") "
	switch {
	case isLit:
		return []edit.Piece{edit.Text(sig), edit.Src(lit.Body)}, nil
	case k.funcDecl(e) != nil && k.Pkg.Pure(e), k.declaredFunc(e), k.literalOf(e) != nil:
		return []edit.Piece{edit.Text(sig + "{ "), edit.Src(e), edit.Text("() }")}, nil
	case alone:
		cur, _ := k.Pkg.Ins.Root().FindNode(e)
		name := k.Fresh(rewrite.Outermost(cur), e.Pos(), "hook")
		return []edit.Piece{edit.Text(sig + "{ " + name + "() }")}, []edit.Piece{edit.Text("if " + name + " := "), edit.Src(e), edit.Text("; " + name + " != nil {\n")}
	}
	k.Block(e.Pos(), "hooks", "hooks", hook+" is assigned a function value that may be nil or change")
	return nil, nil
}

// declaredFunc reports whether e is the name of a declared function.
func (k *class) declaredFunc(e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = k.Pkg.Info.Uses[id].(*types.Func)
	return ok
}

// literalOf is the function literal that a local variable was declared with and that it keeps; nil when e is no such.
func (k *class) literalOf(e ast.Expr) *ast.FuncLit {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok || !k.stable(e) {
		return nil
	}
	lit, _ := k.Pkg.Defs[k.Pkg.Info.Uses[id]].(*ast.FuncLit)
	return lit
}
