package rewrite

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// group is a family and those that join it: values of their types that are made of each other are one class.
type group []*Family

// joined is f with the families that join it.
func joined(f *Family, families []*Family) group {
	g := group{f}
	for _, o := range families {
		if o.Joins == f {
			g = append(g, o)
		}
	}
	return g
}

// Written returns the import paths that rewritten files may have and the originals may not, sorted.
func Written(families []*Family) []string {
	var out []string
	for _, f := range families {
		out = append(out, f.Writes...)
		if f.Bridge.Package != "" {
			out = append(out, f.Bridge.Package)
		}
		for _, t := range f.Types {
			out = append(out, t.To.Package)
			if t.Old != nil || t.Whole != nil {
				out = append(out, t.Package)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// row is the row of a member; the zero row when it has none.
func (g group) row(name string) Member {
	for _, f := range g {
		if i := slices.IndexFunc(f.Members, func(m Member) bool { return m.Name == name }); i >= 0 {
			return f.Members[i]
		}
	}
	return Member{}
}

// find returns the first type for which ok holds, nil if there is none.
func (g group) find(ok func(*Type) bool) *Type {
	for _, f := range g {
		for i := range f.Types {
			if ok(&f.Types[i]) {
				return &f.Types[i]
			}
		}
	}
	return nil
}

// of is the followed type that t points to, nil if there is none.
func (g group) of(t types.Type) *Type {
	return g.find(func(x *Type) bool { return paths.IsPointer(t, x.Package, x.Name) })
}

// target is what the flow analysis follows.
func (g group) target() flow.Target {
	return flow.Target{
		Is: func(t types.Type) bool { return g.of(t) != nil },
		Ctor: func(f *types.Func) bool {
			return g.find(func(x *Type) bool { return x.Constructor != "" && paths.Func(f, x.Package, x.Constructor) }) != nil
		},
		Callback: func(s *types.Signature) bool {
			return slices.ContainsFunc(g, func(f *Family) bool { return f.Callback != nil && f.Callback(s) })
		},
		Links: g.links,
	}
}

// links reports whether f makes one followed value out of another: out of its receiver, or its first argument.
func (g group) links(f *types.Func) (arg int, ok bool) {
	if f.Pkg() == nil || !g.row(f.Name()).Links {
		return 0, false
	}
	if r := f.Signature().Recv(); r != nil {
		return -1, g.of(r.Type()) != nil
	}
	return 0, g.find(func(x *Type) bool { return x.Package == f.Pkg().Path() }) != nil
}

// row is the row of a member of the class's types; the zero row when it has none.
func (k *Class) row(name string) Member { return k.group.row(name) }

// Type is the followed type of e.
func (k *Class) Type(e ast.Expr) *Type { return k.group.of(k.Pkg.Info.TypeOf(e)) }

// UseType is the followed type whose member u is, which may be embedded in u's value.
func (k *Class) UseType(u *flow.Use) *Type {
	if n := len(u.Through); n > 0 {
		return k.group.of(u.Through[n-1].Type())
	}
	return k.Type(u.Expr)
}

// Callback is the message callback that u, a call, is given; nil: its member takes none.
func (k *Class) Callback(u *flow.Use) ast.Expr {
	if u.Kind != flow.Call {
		return nil
	}
	return k.Argument(u, "callback")
}

// to is how the type that t becomes is written at e.
func (k *Class) to(e ast.Node, t *Type) string { return k.Q(e.Pos(), t.To.Package) + "." + t.To.Name }

// isClient reports whether t becomes the client itself.
func (g group) isClient(t *Type) bool { return t != nil && t.To == g[0].Types[0].To }

// linkRoot is what e comes from by calls that return the client in their receiver; e itself when there are none.
func (p *Package) linkRoot(g group, e ast.Expr) ast.Expr {
	for {
		e = ast.Unparen(e)
		c, ok := e.(*ast.CallExpr)
		if !ok {
			return e
		}
		f := flow.StaticCallee(p.Info, c)
		s, isSel := ast.Unparen(c.Fun).(*ast.SelectorExpr)
		if f == nil || !isSel {
			return e
		}
		if arg, ok := g.links(f); !ok || arg >= 0 || !g.isClient(g.of(p.Info.TypeOf(c))) {
			return e
		}
		e = s.X
	}
}
