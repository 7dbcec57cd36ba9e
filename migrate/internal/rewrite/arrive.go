package rewrite

import (
	"go/ast"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// arrival is the bridge of an earlier run through which a new client comes into a class that packages share, and that is
// rewritten with all of them: nil for any other border.
func (k *Class) arrival(b flow.Border) *ast.CallExpr {
	if k.Pkg.Bridges || len(k.Flow.Shared) == 0 || b.Kind != flow.Foreign || b.Func == nil || !k.Family.isBridge(b.Func) {
		return nil
	}
	c, ok := b.Expr.(*ast.CallExpr)
	if !ok || !k.isBridge(c) {
		return nil
	}
	return c
}

// arrives reports whether a client comes into the class so, here or in another package.
func (k *Class) arrives() bool {
	made := func(b flow.Border) bool { return b.Kind == flow.Foreign && b.Func != nil && k.Family.isBridge(b.Func) }
	return !k.Pkg.Bridges && len(k.Flow.Shared) > 0 && (slices.ContainsFunc(k.Flow.Borders, made) ||
		slices.ContainsFunc(k.elsewhere, func(c surveyed) bool { return slices.ContainsFunc(c.flow.Borders, made) }))
}

// arrivals takes the bridges away. What a use means that looks at other uses of its client cannot be told, since those of
// the new client are not of the class.
func (k *Class) arrivals() {
	if !k.arrives() {
		return
	}
	for _, b := range k.Flow.Borders {
		if c := k.arrival(b); c != nil {
			k.Edit(edit.Replace(c, edit.Src(c.Args[0])))
		}
	}
	for _, u := range k.Flow.Uses {
		if u.Sel != nil && !k.apart(u) {
			k.Block(u.Sel.Sel.Pos(), k.Rule(u.Sel.Sel.Name), "bridge", "what becomes of "+u.Sel.Sel.Name+" depends on the other uses of the client, which an earlier run has rewritten")
		}
	}
}

// apart reports whether what becomes of u depends on no other use of the client itself: it is alone, it ends the connection,
// or it is a member of what is made on the client.
func (k *Class) apart(u *flow.Use) bool {
	return k.alone(u) || u.Kind == flow.Call && (u.Sel.Sel.Name == k.Family.Ends || (group{k.Family}).row(u.Sel.Sel.Name).Name == "")
}
