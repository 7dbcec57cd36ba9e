package flow

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

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
			if a.own(o.Pkg()) && !called(cur) && a.isCallback(o.Signature()) {
				a.fromLibrary(o.Origin().Signature())
			}
		}
	}
	if lit, ok := e.(*ast.FuncLit); ok && a.funcLit(cur, lit) {
		return
	}
	if s, ok := e.(*ast.SelectorExpr); ok {
		a.promoted(cur, s)
	}
	if c, ok := e.(*ast.CallExpr); ok {
		if t, ok := a.info.TypeOf(c).(*types.Tuple); ok && a.holdsTuple(t) {
			a.tuple(cur, c, t)
			return
		}
	}
	if _, ok := e.(*ast.ParenExpr); ok {
		return
	}
	t := a.typeOf(e)
	if t == nil || !a.holds(t) || a.declared(cur) || a.isFunc(e) && called(cur) {
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

// promoted records the use of a member through a struct that embeds the type.
func (a *analysis) promoted(cur inspector.Cursor, s *ast.SelectorExpr) {
	through := Implicit(a.info, s)
	for i, f := range through {
		if !a.t.Is(f.Type()) {
			continue
		}
		if !a.own(f.Pkg()) {
			a.opaque(s, Foreign, types.ExprString(s), nil)
			return
		}
		a.find(f)
		n := len(a.uses)
		a.selected(cur, s, f, s.X, cur.ChildAt(edge.SelectorExpr_X, -1))
		for _, u := range a.uses[n:] {
			u.Through = through[:i+1]
		}
		return
	}
}

// isFunc reports whether e names a declared function or method.
func (a *analysis) isFunc(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.IndexExpr:
		e = x.X
	case *ast.IndexListExpr:
		e = x.X
	}
	switch x := e.(type) {
	case *ast.SelectorExpr:
		e = x.Sel
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = a.info.Uses[id].(*types.Func)
	return ok
}

// funcLit follows a function literal that is no value: one that is called at once is a block of code, and one of the
// library's callback type gets its values from the library. Any other is a value that takes and returns the type.
func (a *analysis) funcLit(cur inspector.Cursor, lit *ast.FuncLit) bool {
	sig, ok := a.info.TypeOf(lit).(*types.Signature)
	if !ok {
		return true
	}
	if a.isCallback(sig) {
		a.fromLibrary(sig)
		return true
	}
	return called(cur)
}

// fromLibrary records that the library fills the parameters of a callback.
func (a *analysis) fromLibrary(sig *types.Signature) {
	for v := range sig.Params().Variables() {
		if a.holds(v.Type()) {
			a.find(v)
			a.callback[v] = true
		}
	}
}

// tuple joins the results of a call that gives several with what they go to at once: variables, results or parameters.
func (a *analysis) tuple(cur inspector.Cursor, c *ast.CallExpr, t *types.Tuple) {
	par := cur.Parent()
	for i := range t.Len() {
		if !a.holds(t.At(i).Type()) {
			continue
		}
		n := a.resultNode(c, i)
		a.find(n)
		var to types.Object
		switch p := par.Node().(type) {
		case *ast.AssignStmt:
			if id, ok := p.Lhs[i].(*ast.Ident); ok && id.Name == "_" || a.holds(a.typeOf(p.Lhs[i])) {
				continue // joined from there
			}
		case *ast.ValueSpec:
			if len(p.Names) != t.Len() {
				break
			}
			if p.Names[i].Name == "_" {
				continue
			}
			if v := a.info.Defs[p.Names[i]]; v != nil && a.holds(v.Type()) {
				to = v
			}
		case *ast.ReturnStmt:
			if sig := a.signatureAround(par); sig != nil && i < sig.Results().Len() && a.holds(sig.Results().At(i).Type()) {
				to = sig.Results().At(i)
			}
		case *ast.CallExpr:
			to, _ = a.parameter(p, i)
		case *ast.ExprStmt:
			continue
		}
		if to == nil {
			a.border(n, Converted, c.Pos(), "one of several results")
			continue
		}
		a.union(n, to)
	}
}
