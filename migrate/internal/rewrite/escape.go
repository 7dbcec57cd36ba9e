package rewrite

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// Escapes reports whether the error that u returns can be asked for its type elsewhere than where it is: it is not
// dropped, and not only compared with nil, printed, turned into text or asked about on the spot.
func (k *Class) Escapes(u *flow.Use) bool {
	sig, ok := k.Pkg.Info.TypeOf(u.Call.Fun).(*types.Signature)
	if !ok || sig.Results().Len() == 0 {
		return false
	}
	last := sig.Results().Len() - 1
	if !types.Identical(sig.Results().At(last).Type(), types.Universe.Lookup("error").Type()) {
		return false
	}
	par, _ := ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		return false
	case *ast.AssignStmt:
		if len(s.Lhs) != last+1 {
			return true
		}
		id, ok := s.Lhs[last].(*ast.Ident)
		if !ok {
			return true
		}
		if id.Name == "_" {
			return false
		}
		v, ok := k.Pkg.Info.ObjectOf(id).(*types.Var)
		return !ok || v.Parent() == k.Pkg.Types.Scope() || k.isResult(v) || slices.ContainsFunc(k.Pkg.Uses[v], func(c inspector.Cursor) bool { return !k.harmless(c) })
	case *ast.BinaryExpr: // client.Connect() != nil
		return !k.Pkg.Info.Types[s.Y].IsNil()
	}
	return true
}

// isResult reports whether v is a named result, which a return hands out.
func (k *Class) isResult(v *types.Var) bool {
	for f := range k.Pkg.Ins.Root().Preorder((*ast.FuncType)(nil)) {
		if r := f.Node().(*ast.FuncType).Results; r != nil && r.Pos() <= v.Pos() && v.Pos() < r.End() {
			return true
		}
	}
	return false
}

// harmless reports whether the use of an error variable at c hands it to nobody who could ask for its type: it is
// assigned, compared with nil, asked for its text or for its type, or printed.
func (k *Class) harmless(c inspector.Cursor) bool {
	par, self := ParentSkippingParens(c)
	switch p := par.Node().(type) {
	case *ast.AssignStmt:
		return slices.ContainsFunc(p.Lhs, func(e ast.Expr) bool { return e == self })
	case *ast.BinaryExpr:
		return k.Pkg.Info.Types[p.X].IsNil() || k.Pkg.Info.Types[p.Y].IsNil()
	case *ast.SelectorExpr:
		return p.Sel.Name == "Error"
	case *ast.TypeAssertExpr:
		return true
	case *ast.CallExpr:
		f := flow.StaticCallee(k.Pkg.Info, p)
		if f == nil || f.Pkg() == nil {
			return false
		}
		switch f.Pkg().Path() {
		case "log", "log/slog":
			return !strings.HasPrefix(f.Name(), "Panic") && f.Name() != "Any" && f.Name() != "With"
		case "fmt":
			return strings.HasPrefix(f.Name(), "Print") || strings.HasPrefix(f.Name(), "Fprint") || strings.HasPrefix(f.Name(), "Sprint")
		case "errors":
			return f.Name() == "As" || f.Name() == "AsType" || f.Name() == "Is"
		case "testing":
			return true
		}
	}
	return false
}
