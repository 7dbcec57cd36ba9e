package pahodropin

import (
	"go/token"
	"go/types"
	"slices"
)

// StandIn is the package To as far as the type-check of moved code needs it, made of From: for modules whose go.mod does not name To
// yet. It has every name of From, as an alias where To has one, and the types of Tokens as types of its own with the same methods.
func (m *Move) StandIn(from *types.Package) *types.Package {
	p := types.NewPackage(m.To, from.Name())
	for _, name := range from.Scope().Names() {
		o := from.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.TypeName:
			n := types.NewTypeName(token.NoPos, p, name, nil)
			if slices.Contains(m.Tokens, name) {
				copyMethods(p, n, o.Type())
			} else {
				types.NewAlias(n, o.Type())
			}
			p.Scope().Insert(n)
		case *types.Const:
			p.Scope().Insert(types.NewConst(token.NoPos, p, name, o.Type(), o.Val()))
		case *types.Var:
			p.Scope().Insert(types.NewVar(token.NoPos, p, name, o.Type()))
		case *types.Func:
			p.Scope().Insert(types.NewFunc(token.NoPos, p, name, o.Signature()))
		}
	}
	for _, name := range m.More { // a dot import must not hide them
		if p.Scope().Lookup(name) == nil {
			p.Scope().Insert(types.NewVar(token.NoPos, p, name, types.Typ[types.Int]))
		}
	}
	p.SetImports(from.Imports())
	p.MarkComplete()
	return p
}

// copyMethods makes n a struct type with the exported methods that a pointer to t has.
func copyMethods(p *types.Package, n *types.TypeName, t types.Type) {
	named := types.NewNamed(n, types.NewStruct(nil, nil), nil)
	set := types.NewMethodSet(types.NewPointer(t))
	for s := range set.Methods() {
		f, ok := s.Obj().(*types.Func)
		if !ok || !f.Exported() {
			continue
		}
		recv := types.NewParam(token.NoPos, p, "", types.NewPointer(named))
		sig := types.NewSignatureType(recv, nil, nil, f.Signature().Params(), f.Signature().Results(), f.Signature().Variadic())
		named.AddMethod(types.NewFunc(token.NoPos, p, f.Name(), sig))
	}
}
