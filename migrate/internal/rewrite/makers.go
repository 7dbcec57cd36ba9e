package rewrite

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// Makers returns the calls in this package that make a new client of the class every time they run: those of its
// constructor, and those of factories, functions that return nothing but what such a call has made.
func (k *Class) Makers() []*ast.CallExpr {
	if k.makers != nil {
		return k.makers
	}
	k.makers = []*ast.CallExpr{}
	places := []surveyed{{pkg: &k.Pkg.Package, flow: k.Flow}}
	places = append(places, k.elsewhere...)
	f := factories{ctors: map[*ast.CallExpr]bool{}, decls: map[string]declared{}}
	for _, p := range places {
		for _, c := range p.flow.Ctors {
			f.ctors[c.Call] = true
		}
		for _, file := range p.pkg.Files {
			for _, d := range file.Decls {
				if fd, ok := d.(*ast.FuncDecl); ok && fd.Body != nil {
					if fn, ok := p.pkg.Info.Defs[fd.Name].(*types.Func); ok {
						f.decls[fn.FullName()] = declared{fd, p.pkg.Info}
					}
				}
			}
		}
	}
	for cur := range k.Pkg.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		if c := cur.Node().(*ast.CallExpr); f.makes(c, k.Pkg.Info, nil) && k.gives(c) {
			k.makers = append(k.makers, c)
		}
	}
	return k.makers
}

// gives reports whether a call is a constructor of the class, or of a function whose result is a member of it or of
// one of its classes in other packages.
func (k *Class) gives(c *ast.CallExpr) bool {
	if slices.ContainsFunc(k.Flow.Ctors, func(x *flow.Ctor) bool { return x.Call == c }) {
		return true
	}
	fn := flow.StaticCallee(k.Pkg.Info, c)
	for v := range fn.Signature().Results().Variables() {
		if slices.ContainsFunc(k.Flow.Members, func(m types.Object) bool { return m.Pos() == v.Pos() && m.Name() == v.Name() }) {
			return true
		}
	}
	return false
}

// declared is a function with what the type checker knows about its body.
type declared struct {
	*ast.FuncDecl
	info *types.Info
}

type factories struct {
	ctors map[*ast.CallExpr]bool
	decls map[string]declared // by full name: a test variant of a package has other objects
}

// makes reports whether a call gives a new client.
func (f factories) makes(c *ast.CallExpr, info *types.Info, through []string) bool {
	if f.ctors[c] {
		return true
	}
	fn := flow.StaticCallee(info, c)
	if fn == nil || flow.Interface(fn) || slices.Contains(through, fn.FullName()) {
		return false
	}
	d, ok := f.decls[fn.FullName()]
	if !ok {
		return false
	}
	through = append(slices.Clone(through), fn.FullName())
	made, ok := false, true
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			ok = ok && len(n.Results) > 0 // named results may hold anything
			for _, r := range n.Results {
				switch x := ast.Unparen(r).(type) {
				case *ast.CallExpr:
					if f.makes(x, d.info, through) {
						made = true
					} else if len(n.Results) == 1 {
						ok = false
					}
				case *ast.Ident:
					if v, is := d.info.Uses[x].(*types.Var); is && f.holds(v, d, through) {
						made = true
					} else if is && !types.IsInterface(v.Type()) {
						ok = false
					}
				default:
					ok = ok && len(n.Results) > 1
				}
			}
		}
		return ok
	})
	return ok && made
}

// holds reports whether v is a variable of the function that is assigned once, what a call has made.
func (f factories) holds(v *types.Var, d declared, through []string) bool {
	if v.Pos() < d.Body.Pos() || v.Pos() >= d.Body.End() {
		return false
	}
	made, others := false, false
	ast.Inspect(d.Body, func(n ast.Node) bool {
		as, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, l := range as.Lhs {
			id, ok := ast.Unparen(l).(*ast.Ident)
			if !ok || d.info.ObjectOf(id) != v {
				continue
			}
			c, ok := ast.Unparen(as.Rhs[min(i, len(as.Rhs)-1)]).(*ast.CallExpr)
			if ok && !made && f.makes(c, d.info, through) {
				made = true
			} else {
				others = true
			}
		}
		return true
	})
	return made && !others
}
