package flow

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// holds reports whether a value of type t is followed: the type itself, a container of it, a function that takes or
// returns it, a named type of this package for one of these, or an instance of a generic type for it.
func (a *analysis) holds(t types.Type) bool {
	if t == nil {
		return false
	}
	if h, ok := a.held[t]; ok {
		return h
	}
	a.held[t] = false // a type that contains itself
	h := a.holdsNew(t)
	a.held[t] = h
	return h
}

func (a *analysis) holdsNew(t types.Type) bool {
	if a.t.Is(t) {
		return true
	}
	switch u := types.Unalias(t).(type) {
	case *types.Slice:
		return a.holds(u.Elem())
	case *types.Array:
		return a.holds(u.Elem())
	case *types.Chan:
		return a.holds(u.Elem())
	case *types.Map:
		return a.holds(u.Elem())
	case *types.Signature:
		return !a.isCallback(u) && (a.holdsTuple(u.Params()) || a.holdsTuple(u.Results()))
	case *types.Named:
		if u.TypeArgs().Len() > 0 {
			return a.instance(u)
		}
		return a.named(u) && a.holds(u.Underlying())
	}
	return false
}

func (a *analysis) holdsTuple(t *types.Tuple) bool {
	for v := range t.Variables() {
		if a.holds(v.Type()) {
			return true
		}
	}
	return false
}

// takes reports whether a function takes or returns the type, also one that has the shape of a callback: its parameters are
// those of its calls all the same.
func (a *analysis) takes(f *types.Func) bool {
	return a.holdsTuple(f.Signature().Params()) || a.holdsTuple(f.Signature().Results())
}

func (a *analysis) isCallback(s *types.Signature) bool { return a.t.Callback != nil && a.t.Callback(s) }

// named reports whether u is declared here as a container or a function type, so that its declaration can change.
func (a *analysis) named(u *types.Named) bool {
	if !a.own(u.Obj().Pkg()) || u.TypeParams().Len() > 0 {
		return false
	}
	switch u.Underlying().(type) {
	case *types.Slice, *types.Array, *types.Chan, *types.Map, *types.Signature:
		return true
	}
	return false
}

// instance reports whether u is a generic type of another package with the followed type, or what it points to, as an
// argument: atomic.Pointer[T]. What its methods take and return is followed.
func (a *analysis) instance(u *types.Named) bool {
	if a.own(u.Obj().Pkg()) {
		return false
	}
	for t := range u.TypeArgs().Types() {
		if a.holds(t) || a.t.Is(types.NewPointer(t)) {
			return true
		}
	}
	return false
}

// joinNamed joins n with the types and aliases of this package that its type t is written with: all values of one are
// one class.
func (a *analysis) joinNamed(n types.Object, t types.Type) {
	if al, ok := t.(*types.Alias); ok {
		if a.own(al.Obj().Pkg()) && al.TypeArgs().Len() == 0 && a.holds(al) {
			a.union(n, al.Obj())
		}
		t = types.Unalias(t)
	}
	switch u := t.(type) {
	case *types.Slice:
		a.joinNamed(n, u.Elem())
	case *types.Array:
		a.joinNamed(n, u.Elem())
	case *types.Chan:
		a.joinNamed(n, u.Elem())
	case *types.Map:
		a.joinNamed(n, u.Elem())
	case *types.Signature:
		if a.isCallback(u) {
			return
		}
		for _, tup := range []*types.Tuple{u.Params(), u.Results()} {
			for v := range tup.Variables() {
				if a.holds(v.Type()) {
					a.joinNamed(n, v.Type())
				}
			}
		}
	case *types.Named:
		if u.TypeArgs().Len() == 0 && a.named(u) && a.holds(u) {
			a.union(n, u.Obj())
		}
	}
}

// joinSignature joins n with the parameters and results that a function type t declares.
func (a *analysis) joinSignature(n types.Object, t types.Type) {
	sig, ok := types.Unalias(t).(*types.Signature)
	if !ok {
		return
	}
	for _, tup := range []*types.Tuple{sig.Params(), sig.Results()} {
		for v := range tup.Variables() {
			if a.holds(v.Type()) {
				a.union(n, v)
			}
		}
	}
}

// declare makes members of the parameters and results of a function or method, named or not, that by declares.
func (a *analysis) declare(fn *types.Func, by types.Object) {
	sig := fn.Signature()
	for _, tup := range []*types.Tuple{sig.Params(), sig.Results()} {
		for v := range tup.Variables() {
			if a.holds(v.Type()) {
				a.find(v)
				a.declaredBy[v] = by
			}
		}
	}
}

// declareInterface makes members of the parameters and results of an interface's own methods.
func (a *analysis) declareInterface(cur inspector.Cursor, t *ast.InterfaceType) {
	it, ok := a.info.TypeOf(t).(*types.Interface)
	if !ok {
		return
	}
	var by types.Object
	if spec, ok := cur.Parent().Node().(*ast.TypeSpec); ok {
		by = a.info.Defs[spec.Name]
	}
	for f := range it.ExplicitMethods() {
		if a.takes(f) {
			a.declare(f, by)
			a.interfaces = append(a.interfaces, f)
		}
	}
}

// implementations joins the methods of the package's interfaces that take or return the type with every method of a
// type of this package that implements them: one cannot change without the others.
func (a *analysis) implementations() {
	var named []*types.Named
	add := func(o types.Object) *types.Named {
		if tn, ok := o.(*types.TypeName); ok && !tn.IsAlias() {
			if n, ok := tn.Type().(*types.Named); ok && n.TypeParams().Len() == 0 {
				named = append(named, n)
				return n
			}
		}
		return nil
	}
	for _, p := range a.p.Types.Imports() {
		if !a.own(p) {
			continue
		}
		for _, name := range p.Scope().Names() {
			n := add(p.Scope().Lookup(name))
			if n == nil || !types.IsInterface(n) {
				continue
			}
			for f := range n.Underlying().(*types.Interface).ExplicitMethods() {
				if a.takes(f) {
					a.interfaces = append(a.interfaces, f)
				}
			}
		}
	}
	if len(a.interfaces) == 0 {
		return
	}
	for _, o := range a.info.Defs {
		add(o)
	}
	for _, f := range a.interfaces {
		it, ok := f.Signature().Recv().Type().Underlying().(*types.Interface)
		if !ok {
			continue
		}
		for _, n := range named {
			var t types.Type = n
			if !types.IsInterface(n) {
				t = types.NewPointer(n)
			}
			if !types.Implements(t, it) {
				continue
			}
			if o, _, _ := types.LookupFieldOrMethod(t, false, a.p.Types, f.Name()); o != nil {
				if m, ok := o.(*types.Func); ok {
					a.joinSignatures(f, m.Origin())
				}
			}
		}
	}
}

// joinSignatures joins the parameters and results of two functions of the same type.
func (a *analysis) joinSignatures(f, g *types.Func) {
	a.bind(f)
	a.bind(g)
	s, t := f.Signature(), g.Signature()
	for i := range s.Params().Len() {
		if a.holds(s.Params().At(i).Type()) {
			a.joinOrBorder(s.Params().At(i), t.Params().At(i), g)
		}
	}
	for i := range s.Results().Len() {
		if a.holds(s.Results().At(i).Type()) {
			a.joinOrBorder(s.Results().At(i), t.Results().At(i), g)
		}
	}
}

func (a *analysis) joinOrBorder(x, y *types.Var, g *types.Func) {
	if a.own(g.Pkg()) {
		a.union(x, y)
		return
	}
	a.borders = append(a.borders, nodeBorder{x, Border{Kind: Foreign, Pos: x.Pos(), Detail: g.FullName(), Func: g}})
}

// typeCase records the variable of a type switch that has the followed type in a case: its value comes out of an
// interface.
func (a *analysis) typeCase(c *ast.CaseClause) {
	v, ok := a.info.Implicits[c].(*types.Var)
	if ok && a.holds(v.Type()) {
		a.border(v, Converted, c.Pos(), "a type switch")
	}
}
