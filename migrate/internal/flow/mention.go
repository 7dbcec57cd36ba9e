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
	pointer := a.t.Is(o.Type()) // an alias of the pointer type itself
	depth := 0
	for {
		p := at.Parent()
		switch p.Node().(type) {
		case *ast.StarExpr:
			depth++
		case *ast.ParenExpr, *ast.Ellipsis, *ast.ChanType:
		case *ast.ArrayType, *ast.MapType:
		default:
			for _, owner := range a.owners(at) {
				switch {
				case pointer:
					a.border(owner, Opaque, expr.Pos(), "an alias of the pointer type")
				case depth != 1:
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

// owners returns the members that the type expression at declares or makes.
func (a *analysis) owners(at inspector.Cursor) []types.Object {
	p := at.Parent()
	switch n := p.Node().(type) {
	case *ast.Field:
		return a.fieldOwners(p, n)
	case *ast.ValueSpec:
		var out []types.Object
		for _, name := range n.Names {
			if v := a.info.Defs[name]; v != nil && a.t.Holds(v.Type()) {
				out = append(out, v)
			}
		}
		return out
	case *ast.CompositeLit:
		if n.Type == at.Node() && a.t.Holds(a.info.TypeOf(n)) {
			return []types.Object{a.nodeOf(n)}
		}
	case *ast.CallExpr:
		if a.t.Holds(a.info.TypeOf(n)) {
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
		if v, ok := a.info.Defs[name].(*types.Var); ok && a.t.Holds(v.Type()) {
			out = append(out, v)
		}
	}
	switch t := owner.Node().(type) {
	case *ast.StructType:
		if len(f.Names) == 0 {
			if st, ok := a.info.TypeOf(t).(*types.Struct); ok {
				for v := range st.Fields() {
					if v.Embedded() && v.Pos() >= f.Pos() && v.Pos() < f.End() {
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
		}
		if sig == nil {
			return nil // the type of a function value: values that go through it are at a border
		}
		if len(f.Names) > 0 {
			return out
		}
		tup := sig.Params()
		if list.Node() == t.Results {
			tup = sig.Results()
		}
		for v := range tup.Variables() {
			if v.Pos() >= f.Pos() && v.Pos() < f.End() && a.t.Holds(v.Type()) {
				out = append(out, v)
			}
		}
		return out
	}
	return nil
}
