package flow

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// mention finds the members whose declaration the type name id stands in.
func (a *analysis) mention(cur inspector.Cursor, id *ast.Ident, o *types.TypeName) {
	at := cur
	var expr ast.Expr = id
	if s, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == id {
		at, expr = cur.Parent(), s
	}
	if a.t.Is(o.Type()) && (!a.t.Named || a.own(o.Pkg())) {
		return // an alias of the type itself: its declaration changes
	}
	stars := 1
	if a.t.Named {
		stars = 0
	}
	depth, argument := 0, false
	for {
		p := at.Parent()
		switch p.Node().(type) {
		case *ast.StarExpr:
			depth++
		case *ast.ParenExpr, *ast.Ellipsis, *ast.ChanType:
		case *ast.ArrayType, *ast.MapType:
		case *ast.IndexExpr, *ast.IndexListExpr:
			argument = true
		default:
			if t, ok := funcTypeAround(p); ok {
				at = t
				continue
			}
			owners := a.owners(at)
			for _, owner := range owners {
				a.union(owners[0], owner) // a, b T: the type is written once
				switch {
				case depth != stars && !argument:
					a.border(owner, Address, expr.Pos(), "the struct itself")
				default:
					a.find(owner)
					a.mentions = append(a.mentions, Mention{expr, owner})
				}
			}
			return
		}
		at = p
	}
}

// funcTypeAround is the function type that p is a field of, when that type is part of a larger one: not the type of a
// declared function, of a literal or of an interface's method.
func funcTypeAround(p inspector.Cursor) (inspector.Cursor, bool) {
	if _, ok := p.Node().(*ast.Field); !ok {
		return p, false
	}
	t := p.Parent().Parent()
	if _, ok := t.Node().(*ast.FuncType); !ok {
		return p, false
	}
	switch t.Parent().Node().(type) {
	case *ast.FuncDecl, *ast.FuncLit:
		return p, false
	}
	return t, method(t) == nil
}

// method is the field of an interface that declares a method of type t, nil when t is no method's.
func method(t inspector.Cursor) *ast.Field {
	f, ok := t.Parent().Node().(*ast.Field)
	if !ok || len(f.Names) != 1 {
		return nil
	}
	if _, ok := t.Parent().Parent().Parent().Node().(*ast.InterfaceType); !ok {
		return nil
	}
	return f
}

// owners returns the members that the type expression at declares or makes.
func (a *analysis) owners(at inspector.Cursor) []types.Object {
	p := at.Parent()
	switch n := p.Node().(type) {
	case *ast.Field:
		return a.fieldOwners(p, n)
	case *ast.ValueSpec:
		var out []types.Object
		for _, name := range n.Names {
			if v := a.info.Defs[name]; v != nil && a.holds(v.Type()) {
				out = append(out, v)
			}
		}
		return out
	case *ast.TypeSpec:
		if o := a.info.Defs[n.Name]; o != nil && a.holds(o.Type()) {
			return []types.Object{o}
		}
	case *ast.CompositeLit:
		if n.Type == at.Node() && a.holds(a.info.TypeOf(n)) {
			return []types.Object{a.nodeOf(n)}
		}
	case *ast.CallExpr:
		if f := StaticCallee(a.info, n); f != nil && n.Fun == at.Node() && generic(f) {
			return []types.Object{a.generic(n, f)}
		}
		if a.holds(a.info.TypeOf(n)) {
			if v := a.nodeOf(n); v != nil {
				return []types.Object{v}
			}
		}
	}
	return nil
}

func (a *analysis) fieldOwners(fc inspector.Cursor, f *ast.Field) []types.Object {
	list := fc.Parent() // *ast.FieldList
	owner := list.Parent()
	var out []types.Object
	for _, name := range f.Names {
		if v, ok := a.info.Defs[name].(*types.Var); ok && a.holds(v.Type()) {
			out = append(out, v)
		}
	}
	switch t := owner.Node().(type) {
	case *ast.StructType:
		if len(f.Names) == 0 {
			if st, ok := a.info.TypeOf(t).(*types.Struct); ok {
				for v := range st.Fields() {
					if v.Embedded() && v.Pos() >= f.Pos() && v.Pos() < f.End() {
						if a.t.Is(v.Type()) {
							return []types.Object{v}
						}
						a.border(v, Embedded, f.Pos(), v.Name())
					}
				}
			}
			return nil
		}
		return out
	case *ast.FuncDecl, *ast.FuncLit:
		return out
	case *ast.FuncType:
		var sig *types.Signature
		switch fn := owner.Parent().Node().(type) {
		case *ast.FuncDecl:
			if o, ok := a.info.Defs[fn.Name].(*types.Func); ok {
				sig = o.Signature()
			}
		case *ast.FuncLit:
			sig, _ = a.info.TypeOf(fn).(*types.Signature)
		case *ast.Field:
			if m := method(owner); m != nil {
				if o, ok := a.info.Defs[m.Names[0]].(*types.Func); ok {
					sig = o.Signature()
				}
			}
		}
		if sig == nil {
			return nil
		}
		if len(f.Names) > 0 {
			return out
		}
		tup := sig.Params()
		if list.Node() == t.Results {
			tup = sig.Results()
		}
		for v := range tup.Variables() {
			if v.Pos() >= f.Pos() && v.Pos() < f.End() && a.holds(v.Type()) {
				out = append(out, v)
			}
		}
		return out
	}
	return nil
}
