package flow

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ast/inspector"
)

type analysis struct {
	p          *Package
	t          Target
	info       *types.Info
	in         *inspector.Inspector
	parent     map[types.Object]types.Object // union-find
	synth      map[ast.Expr]types.Object     // stand-ins for expressions without a variable
	ctors      []*Ctor
	uses       []*Use
	mentions   []Mention
	borders    []nodeBorder
	held       map[types.Type]bool           // what holds has found
	interfaces []*types.Func                 // methods of this package's interfaces that take or return the type
	declaredBy map[types.Object]types.Object // the function, or the interface type, that declares a parameter or result
	callback   map[types.Object]bool
	bound      map[types.Object]bool
	reached    map[types.Object]bool // what reachable has found
	walked     map[*types.Named]bool
	reads      map[*ast.CallExpr]*Read
	decls      map[types.Object]*ast.FuncDecl // what decl has found
}

type nodeBorder struct {
	node types.Object
	Border
}

func (a *analysis) find(n types.Object) types.Object {
	p, ok := a.parent[n]
	if !ok {
		a.parent[n] = n
		if tn, ok := n.(*types.TypeName); ok && !tn.IsAlias() {
			a.joinNamed(n, tn.Type().Underlying())
			a.joinSignature(n, tn.Type().Underlying())
		} else if ok {
			a.joinNamed(n, types.Unalias(tn.Type()))
			a.joinSignature(n, types.Unalias(tn.Type()))
		} else {
			a.joinNamed(n, n.Type())
		}
		return a.find(n)
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

// leaves records that e, a value of n, goes to where it is not followed. Only a value of the type itself can be converted
// there.
func (a *analysis) leaves(n types.Object, k BorderKind, e ast.Expr, detail string, f *types.Func) {
	b := Border{Kind: k, Pos: e.Pos(), Detail: detail, Func: f}
	if a.t.Is(a.info.TypeOf(e)) {
		b.Way, b.Expr = Leaves, e
	}
	a.find(n)
	a.borders = append(a.borders, nodeBorder{n, b})
}

func (a *analysis) standIn(e ast.Expr) types.Object {
	if a.synth[e] == nil {
		a.synth[e] = types.NewVar(e.Pos(), a.p.Types, "", a.info.TypeOf(e))
		a.find(a.synth[e])
	}
	return a.synth[e]
}

// opaque is a stand-in for a value whose origin is not followed.
func (a *analysis) opaque(e ast.Expr, k BorderKind, detail string, f *types.Func) types.Object {
	if a.synth[e] == nil {
		n := a.standIn(e)
		b := Border{Kind: k, Pos: e.Pos(), Detail: detail, Func: f}
		if tv, ok := a.info.Types[e]; ok && a.t.Is(tv.Type) && !tv.Assignable() {
			b.Way, b.Expr = Enters, e
		}
		a.borders = append(a.borders, nodeBorder{n, b})
	}
	return a.synth[e]
}

func (a *analysis) classes() []*Class {
	byRoot := map[types.Object]*Class{}
	get := func(n types.Object) *Class {
		r := a.find(n)
		if byRoot[r] == nil {
			byRoot[r] = &Class{Bound: map[types.Object]bool{}}
		}
		return byRoot[r]
	}
	for n := range a.parent {
		c := get(n)
		c.Members = append(c.Members, n)
		if a.bound[n] {
			c.Bound[n] = true
		}
		if a.callback[n] && (c.Callback == nil || n.Pos() < c.Callback.Pos()) {
			c.Callback = n
		}
	}
	for e, n := range a.synth {
		c := get(n)
		c.Exprs = append(c.Exprs, e)
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
	for _, r := range a.reads {
		if r != nil {
			c := get(r.node)
			c.Reads = append(c.Reads, r)
		}
	}
	var out []*Class
	for _, c := range byRoot {
		slices.SortStableFunc(c.Members, func(x, y types.Object) int {
			if xo, yo := x.Pkg() == a.p.Types, y.Pkg() == a.p.Types; xo != yo { // those of this package first
				if xo {
					return -1
				}
				return 1
			}
			return cmp.Or(a.compare(x.Pos(), y.Pos()), strings.Compare(x.Name(), y.Name()))
		})
		a.exported(c)
		slices.SortStableFunc(c.Exprs, func(x, y ast.Expr) int { return a.compare(x.Pos(), y.Pos()) })
		slices.SortStableFunc(c.Borders, func(x, y Border) int { return a.compare(x.Pos, y.Pos) })
		slices.SortStableFunc(c.Ctors, func(x, y *Ctor) int { return a.compare(x.Call.Pos(), y.Call.Pos()) })
		slices.SortFunc(c.Reads, func(x, y *Read) int { return a.compare(x.Call.Pos(), y.Call.Pos()) })
		slices.SortStableFunc(c.Uses, func(x, y *Use) int { return a.compare(x.Expr.Pos(), y.Expr.Pos()) })
		switch {
		case len(c.Ctors) > 0:
			c.at = c.Ctors[0].Call.Pos()
		case c.Members[0].Pkg() == a.p.Types:
			c.at = c.Members[0].Pos()
		case len(c.Uses) > 0:
			c.at = c.Uses[0].Expr.Pos()
		case len(c.Mentions) > 0:
			c.at = c.Mentions[0].Expr.Pos()
		case len(c.Borders) > 0:
			c.at = c.Borders[0].Pos
		default:
			continue // nothing of it is in this package
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(x, y *Class) int { return a.compare(x.at, y.at) })
	return out
}

// compare orders positions by file name and place. Files are parsed in any order, so the positions alone tell nothing.
func (a *analysis) compare(x, y token.Pos) int {
	fx, fy := a.p.Fset.File(x), a.p.Fset.File(y)
	if fx == fy || fx == nil || fy == nil {
		return int(x - y)
	}
	return cmp.Or(strings.Compare(fx.Name(), fy.Name()), int(x-y))
}

// own reports whether the declarations of p are followed: it is this package, or linked with it.
func (a *analysis) own(p *types.Package) bool {
	return p == a.p.Types || p != nil && a.t.Linked != nil && a.t.Linked(p)
}
