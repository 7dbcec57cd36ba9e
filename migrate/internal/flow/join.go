package flow

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ast/inspector"
)

type analysis struct {
	p        *Package
	t        Target
	info     *types.Info
	in       *inspector.Inspector
	parent   map[types.Object]types.Object // union-find
	synth    map[ast.Expr]types.Object     // stand-ins for expressions without a variable
	ctors    []*Ctor
	uses     []*Use
	mentions []Mention
	borders  []nodeBorder
	funcUsed map[*types.Func]bool // used other than by a call
	callback map[types.Object]bool
}

type nodeBorder struct {
	node types.Object
	Border
}

func (a *analysis) find(n types.Object) types.Object {
	p, ok := a.parent[n]
	if !ok {
		a.parent[n] = n
		return n
	}
	if p != n {
		p = a.find(p)
		a.parent[n] = p
	}
	return p
}

func (a *analysis) union(x, y types.Object) {
	if x != nil && y != nil {
		a.parent[a.find(x)] = a.find(y)
	}
}

func (a *analysis) border(n types.Object, k BorderKind, pos token.Pos, detail string) {
	if n == nil {
		return
	}
	a.find(n)
	a.borders = append(a.borders, nodeBorder{n, Border{Kind: k, Pos: pos, Detail: detail}})
}

func (a *analysis) standIn(e ast.Expr, name string) types.Object {
	if a.synth[e] == nil {
		a.synth[e] = types.NewVar(e.Pos(), a.p.Types, name, a.info.TypeOf(e))
		a.find(a.synth[e])
	}
	return a.synth[e]
}

// opaque is a stand-in for a value whose origin is not followed.
func (a *analysis) opaque(e ast.Expr, k BorderKind, detail string, f *types.Func) types.Object {
	if a.synth[e] == nil {
		n := a.standIn(e, "")
		a.borders = append(a.borders, nodeBorder{n, Border{Kind: k, Pos: e.Pos(), Detail: detail, Func: f}})
	}
	return a.synth[e]
}

// nodeOf returns the member that e denotes, or nil when e is nil or of another type.
func (a *analysis) nodeOf(e ast.Expr) types.Object {
	e = ast.Unparen(e)
	if tv, ok := a.info.Types[e]; ok && tv.IsNil() {
		return nil
	}
	switch e := e.(type) {
	case *ast.Ident:
		if v, ok := a.info.ObjectOf(e).(*types.Var); ok {
			return v.Origin()
		}
	case *ast.SelectorExpr:
		if v, ok := a.info.Uses[e.Sel].(*types.Var); ok {
			if v.Pkg() != a.p.Types {
				return a.opaque(e, Foreign, types.ExprString(e), nil)
			}
			return v.Origin()
		}
	case *ast.IndexExpr:
		if a.t.Holds(a.info.TypeOf(e.X)) {
			return a.nodeOf(e.X)
		}
	case *ast.SliceExpr:
		return a.nodeOf(e.X)
	case *ast.UnaryExpr:
		if e.Op == token.ARROW && a.t.Holds(a.info.TypeOf(e.X)) {
			return a.nodeOf(e.X)
		}
	case *ast.CompositeLit:
		return a.standIn(e, "literal")
	case *ast.CallExpr:
		return a.callNode(e)
	}
	return a.opaque(e, Opaque, syntax(e), nil)
}

func (a *analysis) callNode(e *ast.CallExpr) types.Object {
	if tv := a.info.Types[ast.Unparen(e.Fun)]; tv.IsType() && len(e.Args) == 1 {
		if n := a.nodeOf(e.Args[0]); n != nil && a.t.Holds(a.info.TypeOf(e.Args[0])) {
			return n
		}
		if at := a.info.Types[ast.Unparen(e.Args[0])]; at.IsNil() {
			return a.standIn(e, "conversion")
		}
		return a.opaque(e, Converted, "conversion", nil)
	} else if tv.IsBuiltin() {
		id, _ := ast.Unparen(e.Fun).(*ast.Ident)
		if id != nil && id.Name == "append" && len(e.Args) > 0 {
			if n := a.nodeOf(e.Args[0]); n != nil {
				return n
			}
		}
		return a.standIn(e, "built-in")
	}
	f := StaticCallee(a.info, e)
	if f == nil {
		return a.opaque(e, FuncValue, "a function value", nil)
	}
	if a.t.Ctor(f) {
		if a.synth[e] == nil {
			n := a.standIn(e, "constructor")
			cur, _ := a.in.Root().FindNode(e)
			a.ctors = append(a.ctors, &Ctor{Call: e, Cur: cur, Node: n})
		}
		return a.synth[e]
	}
	if f.Pkg() == a.p.Types && !Interface(f) {
		if r := f.Origin().Signature().Results(); r.Len() == 1 && a.t.Holds(r.At(0).Type()) {
			return r.At(0)
		}
		return a.opaque(e, Opaque, "generic function "+f.Name(), nil)
	}
	if Interface(f) {
		return a.opaque(e, Converted, "interface method "+f.Name(), nil)
	}
	return a.opaque(e, Foreign, f.FullName(), f)
}

// resultNode is result i of a call in an n:1 assignment.
func (a *analysis) resultNode(e ast.Expr, i int) types.Object {
	switch x := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		f := StaticCallee(a.info, x)
		if f != nil && f.Pkg() == a.p.Types && !Interface(f) {
			if r := f.Origin().Signature().Results().At(i); a.t.Holds(r.Type()) {
				return r
			}
		}
		return a.opaque(x, Opaque, "a call that is not followed", f)
	case *ast.TypeAssertExpr:
		return a.opaque(x, Converted, "type assertion", nil)
	default: // v, ok := m[k], <-ch
		return a.nodeOf(e)
	}
}

func (a *analysis) classes() []*Class {
	for f := range a.funcUsed {
		sig := f.Signature()
		if a.t.Callback != nil && a.t.Callback(sig) {
			for v := range sig.Params().Variables() {
				if a.t.Holds(v.Type()) {
					a.callback[v] = true
				}
			}
			continue
		}
		for _, tup := range []*types.Tuple{sig.Params(), sig.Results()} {
			for v := range tup.Variables() {
				if a.t.Holds(v.Type()) {
					a.border(v, FuncValue, f.Pos(), f.Name())
				}
			}
		}
	}
	byRoot := map[types.Object]*Class{}
	get := func(n types.Object) *Class {
		r := a.find(n)
		if byRoot[r] == nil {
			byRoot[r] = &Class{}
		}
		return byRoot[r]
	}
	for n := range a.parent {
		c := get(n)
		c.Members = append(c.Members, n)
		c.Callback = c.Callback || a.callback[n]
	}
	for _, c := range byRoot {
		slices.SortFunc(c.Members, func(x, y types.Object) int { return int(x.Pos() - y.Pos()) })
	}
	for _, n := range a.ctors {
		c := get(n.Node)
		c.Ctors = append(c.Ctors, n)
	}
	for _, u := range a.uses {
		c := get(u.Node)
		c.Uses = append(c.Uses, u)
	}
	for _, m := range a.mentions {
		c := get(m.Owner)
		c.Mentions = append(c.Mentions, m)
	}
	for _, b := range a.borders {
		c := get(b.node)
		c.Borders = append(c.Borders, b.Border)
	}
	var out []*Class
	for _, c := range byRoot {
		a.exported(c)
		slices.SortStableFunc(c.Borders, func(x, y Border) int { return int(x.Pos - y.Pos) })
		slices.SortFunc(c.Ctors, func(x, y *Ctor) int { return int(x.Call.Pos() - y.Call.Pos()) })
		slices.SortStableFunc(c.Uses, func(x, y *Use) int { return int(x.Expr.Pos() - y.Expr.Pos()) })
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y *Class) int { return int(x.First() - y.First()) })
	return out
}

// exported records the members that other packages can reach. Nobody can import package main.
func (a *analysis) exported(c *Class) {
	if a.p.Types.Name() == "main" {
		return
	}
	for _, m := range c.Members {
		v, ok := m.(*types.Var)
		if !ok || v.Pkg() != a.p.Types {
			continue
		}
		if v.IsField() || v.Parent() == a.p.Types.Scope() {
			if v.Exported() {
				c.Borders = append(c.Borders, Border{Kind: Exported, Pos: v.Pos(), Detail: v.Name()})
			}
		} else if f := a.funcOf(v); f != nil && f.Exported() {
			c.Borders = append(c.Borders, Border{Kind: Exported, Pos: v.Pos(), Detail: f.Name()})
		}
	}
}

// funcOf returns the declared function that v is a parameter or result of.
func (a *analysis) funcOf(v *types.Var) *types.Func {
	for _, f := range a.p.Files {
		if v.Pos() < f.FileStart || v.Pos() > f.FileEnd {
			continue
		}
		for _, d := range f.Decls {
			fd, ok := d.(*ast.FuncDecl)
			if !ok || v.Pos() < fd.Pos() || v.Pos() >= fd.Type.End() {
				continue
			}
			fn, _ := a.info.Defs[fd.Name].(*types.Func)
			return fn
		}
	}
	return nil
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
