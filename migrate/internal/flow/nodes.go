package flow

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// nodeOf returns the member that e denotes, or nil when e is nil or of another type.
func (a *analysis) nodeOf(e ast.Expr) types.Object {
	e = ast.Unparen(e)
	if tv, ok := a.info.Types[e]; ok && tv.IsNil() {
		return nil
	}
	switch e := e.(type) {
	case *ast.Ident:
		switch o := a.info.ObjectOf(e).(type) {
		case *types.Var:
			if !a.own(o.Pkg()) { // through a dot import
				return a.opaque(e, Foreign, o.Name(), nil)
			}
			return o.Origin()
		case *types.Func:
			return a.funcNode(e, o)
		}
	case *ast.SelectorExpr:
		switch o := a.info.Uses[e.Sel].(type) {
		case *types.Var:
			if !a.own(o.Pkg()) {
				return a.opaque(e, Foreign, types.ExprString(e), nil)
			}
			return o.Origin()
		case *types.Func:
			return a.funcNode(e, o)
		}
	case *ast.FuncLit:
		n := a.standIn(e)
		a.joinSignature(n, a.info.TypeOf(e))
		return n
	case *ast.IndexExpr:
		if a.holds(a.info.TypeOf(e.X)) {
			return a.nodeOf(e.X)
		}
	case *ast.SliceExpr:
		return a.nodeOf(e.X)
	case *ast.UnaryExpr:
		if e.Op == token.ARROW && a.holds(a.info.TypeOf(e.X)) {
			return a.nodeOf(e.X)
		}
	case *ast.CompositeLit:
		return a.standIn(e)
	case *ast.CallExpr:
		return a.callNode(e)
	}
	return a.opaque(e, Opaque, syntax(e), nil)
}

// funcNode stands for a declared function or a method that is used as a value: all it takes and returns flows there.
func (a *analysis) funcNode(e ast.Expr, f *types.Func) types.Object {
	f = f.Origin()
	switch {
	case !a.own(f.Pkg()):
		return a.opaque(e, Foreign, f.FullName(), f)
	case f.Signature().TypeParams().Len() > 0:
		return a.opaque(e, Opaque, "generic function "+f.Name(), nil)
	}
	n := a.standIn(e)
	a.joinSignature(n, f.Signature())
	a.bind(f)
	return n
}

// bind records that the types of what f takes and returns are those of the client, whatever f does with them: f is a
// value of a function type, or implements an interface.
func (a *analysis) bind(f *types.Func) {
	for v := range f.Signature().Params().Variables() {
		a.bound[v] = true
	}
}

func (a *analysis) callNode(e *ast.CallExpr) types.Object {
	if tv := a.info.Types[ast.Unparen(e.Fun)]; tv.IsType() && len(e.Args) == 1 {
		if n := a.nodeOf(e.Args[0]); n != nil && a.holds(a.info.TypeOf(e.Args[0])) {
			a.find(n)
			a.joinNamed(n, tv.Type)
			return n
		}
		if at := a.info.Types[ast.Unparen(e.Args[0])]; at.IsNil() {
			return a.standIn(e)
		}
		return a.opaque(e, Converted, "conversion", nil)
	} else if tv.IsBuiltin() {
		id, _ := ast.Unparen(e.Fun).(*ast.Ident)
		if id != nil && id.Name == "append" && len(e.Args) > 0 {
			if n := a.nodeOf(e.Args[0]); n != nil {
				return n
			}
		}
		return a.standIn(e)
	}
	if f := StaticCallee(a.info, e); f != nil && a.t.Ctor(f) {
		if a.synth[e] == nil {
			n := a.standIn(e)
			cur, _ := a.in.Root().FindNode(e)
			a.ctors = append(a.ctors, &Ctor{Call: e, Cur: cur, Node: n})
		}
		return a.synth[e]
	}
	return a.resultNode(e, 0)
}

// linked is the stand-in for what a linking call makes of its argument arg, -1 for the receiver.
func (a *analysis) linked(e *ast.CallExpr, arg int) types.Object {
	n := a.standIn(e)
	if arg >= 0 {
		if arg < len(e.Args) {
			a.union(n, a.nodeOf(e.Args[arg]))
		}
	} else if s, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr); ok {
		a.union(n, a.nodeOf(s.X))
	}
	return n
}

// resultNode is result i of a call, or of another expression in an n:1 assignment.
func (a *analysis) resultNode(e ast.Expr, i int) types.Object {
	x, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		if ta, ok := ast.Unparen(e).(*ast.TypeAssertExpr); ok {
			return a.opaque(ta, Converted, "type assertion", nil)
		}
		return a.nodeOf(e) // v, ok := m[k], <-ch
	}
	f := StaticCallee(a.info, x)
	if arg, ok := a.t.links(f); ok {
		return a.linked(x, arg)
	}
	switch {
	case f == nil && a.holds(a.info.TypeOf(x.Fun)):
		return a.nodeOf(x.Fun)
	case f == nil:
		return a.opaque(x, FuncValue, "a function value", nil)
	case a.ofInstance(x) != nil:
		return a.ofInstance(x)
	case generic(f):
		return a.generic(x, f)
	case a.own(f.Pkg()):
		if r := a.reading(x, f); r != nil {
			return r.node
		}
		if r := f.Signature().Results(); i < r.Len() && a.holds(r.At(i).Type()) {
			return r.At(i)
		}
		return a.opaque(x, Opaque, "a method of generic type "+f.Name(), nil)
	case Interface(f):
		return a.opaque(x, Converted, "interface method "+f.Name(), nil)
	}
	return a.opaque(x, Foreign, f.FullName(), f)
}

// ofInstance is the receiver of a method call on an instance of a generic type for the followed type, nil for any other
// call: what goes through its methods goes through it.
func (a *analysis) ofInstance(c *ast.CallExpr) types.Object {
	s, ok := ast.Unparen(c.Fun).(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	t := a.info.TypeOf(s.X)
	if p, ok := t.(*types.Pointer); ok && !a.t.Is(t) {
		t = p.Elem()
	}
	if u, ok := types.Unalias(t).(*types.Named); !ok || u.TypeArgs().Len() == 0 || !a.instance(u) || a.info.Selections[s] == nil {
		return nil
	}
	return a.nodeOf(s.X)
}

// generic reports whether f is a generic function, or an instance of one.
func generic(f *types.Func) bool {
	return f.Signature().Recv() == nil && (f.Origin() != f || f.Signature().TypeParams().Len() > 0)
}

// generic stands for all values of the followed type that go into and come out of one call of a generic function, which
// cannot tell what they are: its type parameters have no methods, and nothing in it looks at dynamic types.
func (a *analysis) generic(c *ast.CallExpr, f *types.Func) types.Object {
	if a.synth[c] != nil {
		return a.synth[c]
	}
	f = f.Origin()
	if !a.blind(f) {
		return a.opaque(c, Opaque, "generic function "+f.Name(), f)
	}
	return a.standIn(c)
}

// blind reports whether a generic function treats its values all alike: one of the standard library, or one of this
// package that has no constraint with methods and no type assertion in its body.
func (a *analysis) blind(f *types.Func) bool {
	for p := range f.Signature().TypeParams().TypeParams() {
		if i, ok := p.Constraint().Underlying().(*types.Interface); !ok || i.NumMethods() > 0 {
			return false
		}
	}
	if f.Pkg() != a.p.Types {
		first, _, _ := strings.Cut(f.Pkg().Path(), "/")
		return !strings.Contains(first, ".")
	}
	for _, file := range a.p.Files {
		if f.Pos() < file.FileStart || f.Pos() > file.FileEnd {
			continue
		}
		for _, d := range file.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Name.Pos() == f.Pos() {
				ok := true
				ast.Inspect(fd, func(n ast.Node) bool {
					switch n.(type) {
					case *ast.TypeAssertExpr, *ast.TypeSwitchStmt, *ast.InterfaceType:
						ok = false
					}
					return ok
				})
				return ok
			}
		}
	}
	return false
}

func syntax(e ast.Expr) string {
	switch e.(type) {
	case *ast.TypeAssertExpr:
		return "a type assertion"
	case *ast.StarExpr:
		return "a pointer"
	case *ast.FuncLit:
		return "a function literal"
	case *ast.IndexExpr:
		return "a named container type"
	}
	return types.ExprString(e)
}
