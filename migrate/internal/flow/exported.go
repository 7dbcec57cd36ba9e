package flow

import (
	"go/ast"
	"go/types"
)

// exported records the members that other packages can reach: as borders, or, when those that can are analyzed too, as
// shared; so are the members of those packages that are used here.
// Nobody can import package main.
func (a *analysis) exported(c *Class) {
	for _, m := range c.Members {
		name := m.Name()
		if by := a.declaredBy[m]; by != nil {
			name = by.Name()
		}
		if m.Pkg() == a.p.Types && !a.seen(m) {
			continue
		}
		if a.t.Linked == nil || !a.t.Linked(m.Pkg()) {
			c.Borders = append(c.Borders, Border{Kind: Exported, Pos: m.Pos(), Detail: name})
			continue
		}
		c.Bound[m] = true
		c.Shared = append(c.Shared, a.p.Fset.Position(m.Pos()).String()+" "+m.Name())
	}
}

// keeps reports whether to is a parameter or result of a function that keeps its type, so that n, the constructor's
// own value aside, leaves its class where it goes there.
func (a *analysis) keeps(to types.Object, e ast.Expr) bool {
	if !a.t.Keep || a.bound[to] || !a.t.Is(to.Type()) || !a.seen(to) {
		return false
	}
	if _, ok := a.declaredBy[to].(*types.Func); !ok {
		return false
	}
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok {
		f := StaticCallee(a.info, c)
		return f == nil || !a.t.Ctor(f)
	}
	return !a.info.Types[e].IsNil()
}

// seen reports whether other packages can reach a member of this one.
func (a *analysis) seen(m types.Object) bool {
	if a.p.Types.Name() == "main" {
		return false
	}
	if by := a.declaredBy[m]; by != nil {
		return a.reachable()[by]
	}
	if v, ok := m.(*types.Var); ok && !v.IsField() {
		return v.Exported() && v.Parent() == a.p.Types.Scope()
	}
	return a.reachable()[m]
}

// Reachable returns the types, fields, functions and methods of p that other packages can name or select.
func Reachable(p *Package) map[types.Object]bool {
	return (&analysis{p: p, info: p.Info, walked: map[*types.Named]bool{}}).reachable()
}

// reachable returns the types, fields, functions and methods of the package that other packages can name or select.
func (a *analysis) reachable() map[types.Object]bool {
	if a.reached != nil {
		return a.reached
	}
	a.reached = map[types.Object]bool{}
	for _, name := range a.p.Types.Scope().Names() {
		o := a.p.Types.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		a.reached[o] = true
		if f, ok := o.(*types.Func); ok {
			a.reached[f.Origin()] = true
		}
		a.reach(o.Type())
	}
	return a.reached
}

// reach adds what can be reached from a type.
func (a *analysis) reach(t types.Type) {
	switch u := t.(type) {
	case *types.Alias:
		if u.Obj().Pkg() == a.p.Types {
			a.reached[u.Obj()] = true
		}
		a.reach(types.Unalias(u))
	case *types.Named:
		for arg := range u.TypeArgs().Types() {
			a.reach(arg)
		}
		u = u.Origin()
		if u.Obj().Pkg() != a.p.Types || a.reached[u.Obj()] && a.walked[u] {
			return
		}
		a.reached[u.Obj()], a.walked[u] = true, true
		for m := range u.Methods() {
			if m.Exported() {
				a.reached[m] = true
				a.reach(m.Type())
			}
		}
		a.reach(u.Underlying())
	case *types.Pointer:
		a.reach(u.Elem())
	case *types.Slice:
		a.reach(u.Elem())
	case *types.Array:
		a.reach(u.Elem())
	case *types.Chan:
		a.reach(u.Elem())
	case *types.Map:
		a.reach(u.Key())
		a.reach(u.Elem())
	case *types.Signature:
		for v := range u.Params().Variables() {
			a.reach(v.Type())
		}
		for v := range u.Results().Variables() {
			a.reach(v.Type())
		}
	case *types.Struct:
		for f := range u.Fields() {
			if f.Exported() {
				a.reached[f] = true
			}
			if f.Exported() || f.Embedded() {
				a.reach(f.Type())
			}
		}
	case *types.Interface:
		for m := range u.Methods() {
			a.reach(m.Type())
		}
	}
}
