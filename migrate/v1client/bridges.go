package v1client

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// sameFilter groups the subscriptions to one filter: v1 has one callback for each, and a later subscription replaces it,
// also with none. On two sides of a bridge both would run.
func sameFilter(k *rewrite.Class, u *flow.Use) string {
	if len(u.Call.Args) == 0 {
		return ""
	}
	if v := k.Value(u.Call.Args[0]); v != nil {
		return "filter " + v.ExactString()
	}
	return "filter " + types.ExprString(u.Call.Args[0])
}

// quirky reports whether the package asks for behaviours that are v1compat's own, so that a call would behave in another
// way on the client underneath.
func quirky(k *rewrite.Class) bool {
	for o := range k.Pkg.Uses {
		if f, ok := o.(*types.Func); ok && (paths.Func(f, paths.V1Compat, "WithQuirks") || paths.Func(f, paths.V1Compat, "WithStrictV1")) {
			return true
		}
	}
	return false
}

// back takes V2 away: the client is that itself by now. Where it is given v1's shape again, that stays: what is called on
// it is for a person to untie.
func back(k *rewrite.Class, u *flow.Use) {
	par, self := rewrite.ParentSkippingParens(k.CallCur(u))
	if c, ok := par.Node().(*ast.CallExpr); ok && c.Fun != self {
		if f := flow.StaticCallee(k.Pkg.Info, c); paths.Func(f, paths.V1Compat, "FromV2") {
			k.Block(u.Call.Pos(), "bridge", "bridge", "what V2 returns is given v1's shape again")
			return
		}
	}
	k.Edit(edit.Replace(u.Call, edit.Src(u.Sel.X)))
}
