package flow

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// declare makes members of the parameters and results of a declared function, named or not.
func (a *analysis) declare(fd *ast.FuncDecl) {
	fn, ok := a.info.Defs[fd.Name].(*types.Func)
	if !ok {
		return
	}
	sig := fn.Signature()
	for _, tup := range []*types.Tuple{sig.Params(), sig.Results()} {
		for v := range tup.Variables() {
			if a.t.Holds(v.Type()) {
				a.find(v)
			}
		}
	}
}

// expr looks at one expression: a type name, a use of a function as a value, or a value that is followed.
func (a *analysis) expr(cur inspector.Cursor, e ast.Expr) {
	if id, ok := e.(*ast.Ident); ok {
		switch o := a.info.Uses[id].(type) {
		case *types.TypeName:
			if a.t.Is(types.NewPointer(o.Type())) || a.t.Is(o.Type()) {
				a.mention(cur, id, o)
			}
			return
		case *types.Func:
			if o.Pkg() == a.p.Types && !called(cur) {
				a.funcUsed[o.Origin()] = true
			}
			return
		}
	}
	if lit, ok := e.(*ast.FuncLit); ok {
		a.funcLit(cur, lit)
		return
	}
	if _, ok := e.(*ast.ParenExpr); ok {
		return
	}
	t := a.typeOf(e)
	if t == nil || !a.t.Holds(t) || a.declared(cur) {
		return
	}
	n := a.nodeOf(e)
	if n == nil {
		return
	}
	a.find(n)
	up := cur
	for {
		if _, ok := up.Parent().Node().(*ast.ParenExpr); !ok {
			break
		}
		up = up.Parent()
	}
	a.use(up, e, n)
}

func (a *analysis) typeOf(e ast.Expr) types.Type {
	if tv, ok := a.info.Types[e]; ok {
		if tv.IsType() || tv.IsBuiltin() {
			return nil
		}
		return tv.Type
	}
	if id, ok := e.(*ast.Ident); ok {
		if v, ok := a.info.ObjectOf(id).(*types.Var); ok {
			return v.Type()
		}
	}
	return nil
}

// called reports whether cur, the name of a function, is what a call calls.
func called(cur inspector.Cursor) bool {
	n, p := cur.Node(), cur.Parent()
	if s, ok := p.Node().(*ast.SelectorExpr); ok && s.Sel == n {
		n, p = s, p.Parent()
	}
	for {
		pe, ok := p.Node().(*ast.ParenExpr)
		if !ok {
			break
		}
		n, p = pe, p.Parent()
	}
	c, ok := p.Node().(*ast.CallExpr)
	return ok && c.Fun == n
}

// declared reports whether cur is the name in a declaration, the key of a struct literal or the Sel of a selector,
// which are handled with their parents.
func (a *analysis) declared(cur inspector.Cursor) bool {
	switch p := cur.Parent().Node().(type) {
	case *ast.SelectorExpr:
		return p.Sel == cur.Node()
	case *ast.KeyValueExpr:
		if p.Key != cur.Node() {
			return false
		}
		id, ok := p.Key.(*ast.Ident)
		if !ok {
			return false
		}
		v, ok := a.info.Uses[id].(*types.Var)
		return ok && v.IsField()
	case *ast.Field:
		return p.Type != cur.Node()
	case *ast.ValueSpec:
		for _, n := range p.Names {
			if n == cur.Node() {
				return true
			}
		}
	}
	return false
}

// funcLit follows a function literal: one that is called at once is a block of code, one of the library's callback
// type gets its values from the library, and any other that takes or returns the type is a border.
func (a *analysis) funcLit(cur inspector.Cursor, lit *ast.FuncLit) {
	sig, ok := a.info.TypeOf(lit).(*types.Signature)
	if !ok {
		return
	}
	callback := a.t.Callback != nil && a.t.Callback(sig)
	direct := called(cur)
	for v := range sig.Params().Variables() {
		if !a.t.Holds(v.Type()) {
			continue
		}
		a.find(v)
		if callback {
			a.callback[v] = true
		} else if !direct {
			a.border(v, FuncValue, lit.Pos(), "a function literal")
		}
	}
	for v := range sig.Results().Variables() {
		if a.t.Holds(v.Type()) {
			a.border(v, FuncValue, lit.Pos(), "a function literal")
		}
	}
}
