package flow

import (
	"go/ast"
	"go/types"
	"strings"
)

// Read is a call, in this package, of a function that other packages can call and that does nothing but return a field or
// a package variable. The function keeps its type, and a call of it inside the package stands for what it returns.
type Read struct {
	Call *ast.CallExpr
	Name *ast.Ident // of the function in Call
	Path string     // what stands in place of the name and the parentheses, as client.inner
	node types.Object
}

// reading is the Read that e is, nil for any other call.
func (a *analysis) reading(e *ast.CallExpr, f *types.Func) *Read {
	if r, ok := a.reads[e]; ok {
		return r
	}
	a.reads[e] = nil
	x := a.accessor(f.Origin())
	if x == nil {
		return nil
	}
	r := &Read{Call: e, node: a.nodeOf(x)}
	if r.node == nil {
		return nil
	}
	switch fun := ast.Unparen(e.Fun).(type) {
	case *ast.Ident:
		r.Name, r.Path = fun, types.ExprString(x)
		base, _, _ := strings.Cut(r.Path, ".")
		scope := a.p.Types.Scope()
		if _, o := scope.Innermost(e.Pos()).LookupParent(base, e.Pos()); o != scope.Lookup(base) {
			return nil // hidden here
		}
	case *ast.SelectorExpr:
		_, path, ok := strings.Cut(types.ExprString(x), ".")
		sel := a.info.Selections[fun]
		if !ok || sel == nil || sel.Kind() != types.MethodVal {
			return nil
		}
		first, _, _ := strings.Cut(path, ".")
		want, _, _ := types.LookupFieldOrMethod(f.Signature().Recv().Type(), true, a.p.Types, first)
		if got, _, _ := types.LookupFieldOrMethod(sel.Recv(), true, a.p.Types, first); got == nil || got != want {
			return nil // another one is nearer
		}
		r.Name, r.Path = fun.Sel, path
	default:
		return nil
	}
	a.reads[e] = r
	return r
}

// accessor is what f returns, when f is a function of this package that keeps its type, takes nothing, and returns a field
// that it reaches from its receiver, or a package variable.
func (a *analysis) accessor(f *types.Func) ast.Expr {
	sig := f.Signature()
	if !a.t.Keep || f.Pkg() != a.p.Types || sig.Params().Len() != 0 || sig.Results().Len() != 1 || sig.TypeParams().Len()+sig.RecvTypeParams().Len() > 0 {
		return nil
	}
	if r := sig.Results().At(0); !a.t.Is(r.Type()) || a.declaredBy[r] == nil || !a.seen(r) {
		return nil
	}
	d := a.decl(f)
	if d == nil || d.Body == nil || len(d.Body.List) != 1 {
		return nil
	}
	ret, ok := d.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 || !a.t.Is(a.info.TypeOf(ret.Results[0])) {
		return nil
	}
	x := ast.Unparen(ret.Results[0])
	for e := x; ; {
		switch s := e.(type) {
		case *ast.SelectorExpr:
			if sel := a.info.Selections[s]; sel == nil || sel.Kind() != types.FieldVal {
				return nil
			}
			e = s.X
			continue
		case *ast.Ident:
			v, ok := a.info.Uses[s].(*types.Var)
			if ok && (v == sig.Recv() && e != x || sig.Recv() == nil && v.Parent() == a.p.Types.Scope()) {
				return x
			}
		}
		return nil
	}
}

// decl is the declaration of a function of this package.
func (a *analysis) decl(f *types.Func) *ast.FuncDecl {
	if a.decls == nil {
		a.decls = map[types.Object]*ast.FuncDecl{}
		for _, file := range a.p.Files {
			for _, d := range file.Decls {
				if fd, ok := d.(*ast.FuncDecl); ok {
					a.decls[a.info.Defs[fd.Name]] = fd
				}
			}
		}
	}
	return a.decls[f]
}
