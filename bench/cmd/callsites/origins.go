package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/packages"
)

// Where a value may come from.
const (
	fromV2     = "FromV2" // v1's shape of an awsiot.Client
	fromFacade = "V2"     // the awsiot.Client of a v1-shaped one
)

// origins knows what is assigned to the variables, fields, parameters and results of a module.
type origins struct {
	assigned map[types.Object][]ast.Expr
	uses     map[*ast.Ident]types.Object
	selected map[*ast.Ident]bool // the names behind the dots
	calls    map[*ast.Ident]*ast.CallExpr
	bridges  bool // something in the module calls FromV2 or Handler
	logger   bool // an awsiot.Client logs through v1compat.Logger
}

func newOrigins(pkgs []*packages.Package) *origins {
	o := &origins{assigned: map[types.Object][]ast.Expr{}, uses: map[*ast.Ident]types.Object{}, selected: map[*ast.Ident]bool{}, calls: map[*ast.Ident]*ast.CallExpr{}}
	for _, p := range pkgs {
		for id, obj := range p.TypesInfo.Uses {
			o.uses[id] = obj
			if f, ok := obj.(*types.Func); ok && f.Pkg() != nil && facades[f.Pkg().Path()] != nil && (f.Name() == "FromV2" || f.Name() == "Handler") {
				o.bridges = true
			} else if ok && f.Pkg() != nil && facades[f.Pkg().Path()] != nil && f.Name() == "Logger" {
				o.logger = true
			}
		}
		for id, obj := range p.TypesInfo.Defs {
			o.uses[id] = obj
		}
		for _, file := range p.Syntax {
			o.read(p.TypesInfo, file)
		}
	}
	return o
}

func (o *origins) read(info *types.Info, file *ast.File) {
	var enclosing []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			enclosing = enclosing[:len(enclosing)-1]
			return true
		}
		enclosing = append(enclosing, n)
		switch n := n.(type) {
		case *ast.SelectorExpr:
			o.selected[n.Sel] = true
		case *ast.AssignStmt:
			o.pairs(n.Lhs, n.Rhs)
		case *ast.ValueSpec:
			lhs := make([]ast.Expr, len(n.Names))
			for i, name := range n.Names {
				lhs[i] = name
			}
			o.pairs(lhs, n.Values)
		case *ast.KeyValueExpr:
			o.assign(n.Key, n.Value)
		case *ast.CompositeLit:
			if st, ok := underlying(info.TypeOf(n)).(*types.Struct); ok {
				for i, e := range n.Elts {
					if _, keyed := e.(*ast.KeyValueExpr); !keyed && i < st.NumFields() {
						o.assigned[st.Field(i)] = append(o.assigned[st.Field(i)], e)
					}
				}
			}
		case *ast.CallExpr:
			if id := name(n.Fun); id != nil {
				o.calls[id] = n
			}
			if sig, ok := underlying(info.TypeOf(n.Fun)).(*types.Signature); ok {
				for i, a := range n.Args {
					if i < sig.Params().Len() {
						o.assigned[sig.Params().At(i)] = append(o.assigned[sig.Params().At(i)], a)
					}
				}
			}
		case *ast.TypeSwitchStmt:
			o.cases(info, n)
		case *ast.RangeStmt:
			if n.Value != nil {
				o.assign(n.Value, n.X)
			}
		case *ast.ReturnStmt:
			if f := function(info, enclosing); f != nil {
				for _, e := range n.Results {
					o.assigned[f] = append(o.assigned[f], e)
				}
			}
		}
		return true
	})
}

// cases gives the variables of a type switch, one for each case, what is switched on.
func (o *origins) cases(info *types.Info, n *ast.TypeSwitchStmt) {
	s, ok := n.Assign.(*ast.AssignStmt)
	if !ok {
		return
	}
	for _, c := range n.Body.List {
		if v := info.Implicits[c]; v != nil {
			o.assigned[v] = append(o.assigned[v], s.Rhs[0])
		}
	}
}

// function is the declared function that a node stands in, unless a literal is between.
func function(info *types.Info, enclosing []ast.Node) types.Object {
	for i := len(enclosing) - 1; i >= 0; i-- {
		switch n := enclosing[i].(type) {
		case *ast.FuncLit:
			return nil
		case *ast.FuncDecl:
			return info.Defs[n.Name]
		}
	}
	return nil
}

func (o *origins) pairs(lhs, rhs []ast.Expr) {
	for i, l := range lhs {
		switch {
		case len(rhs) == len(lhs):
			o.assign(l, rhs[i])
		case len(rhs) == 1:
			o.assign(l, rhs[0])
		}
	}
}

func (o *origins) assign(l, r ast.Expr) {
	if obj := o.object(l); obj != nil {
		o.assigned[obj] = append(o.assigned[obj], r)
	}
}

// object is the variable, field or function that an expression names.
func (o *origins) object(e ast.Expr) types.Object {
	switch e := e.(type) {
	case *ast.Ident:
		return o.uses[e]
	case *ast.SelectorExpr:
		return o.uses[e.Sel]
	case *ast.IndexExpr:
		return o.object(e.X)
	case *ast.ParenExpr:
		return o.object(e.X)
	case *ast.StarExpr:
		return o.object(e.X)
	}
	return nil
}

// name is the identifier that an expression ends with.
func name(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	}
	return nil
}

// bridgedUse reports whether the use of a facade's function, by the name id behind the receiver or package, goes through
// FromV2: its receiver or one of its arguments comes from there.
func (o *origins) bridgedUse(receiver ast.Expr, id *ast.Ident) bool {
	if receiver != nil && o.comes(receiver, fromV2) {
		return true
	}
	if f, ok := o.uses[id].(*types.Func); !ok || f.Signature().Recv() != nil || o.calls[id] == nil {
		return false
	}
	for _, a := range o.calls[id].Args {
		if o.comes(a, fromV2) {
			return true
		}
	}
	return false
}

// comes reports whether a value may come from the bridge.
func (o *origins) comes(e ast.Expr, bridge string) bool {
	return o.from(e, bridge, map[types.Object]bool{})
}

func (o *origins) from(e ast.Expr, bridge string, seen map[types.Object]bool) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return o.from(e.X, bridge, seen)
	case *ast.StarExpr:
		return o.from(e.X, bridge, seen)
	case *ast.UnaryExpr:
		return o.from(e.X, bridge, seen)
	case *ast.TypeAssertExpr:
		return o.from(e.X, bridge, seen)
	case *ast.CompositeLit:
		return false
	case *ast.CallExpr:
		f, ok := o.object(e.Fun).(*types.Func)
		if !ok {
			return false
		}
		if f.Pkg() != nil && facades[f.Pkg().Path()] != nil {
			if f.Name() == bridge {
				return true
			}
			for _, a := range e.Args {
				if o.from(a, bridge, seen) {
					return true
				}
			}
			sel, ok := e.Fun.(*ast.SelectorExpr)
			return ok && f.Signature().Recv() != nil && o.from(sel.X, bridge, seen)
		}
		return o.any(f, bridge, seen)
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr:
		return o.any(o.object(e), bridge, seen)
	}
	return false
}

func (o *origins) any(obj types.Object, bridge string, seen map[types.Object]bool) bool {
	if obj == nil || seen[obj] {
		return false
	}
	seen[obj] = true
	for _, e := range o.assigned[obj] {
		if o.from(e, bridge, seen) {
			return true
		}
	}
	// The client of a callback is what Handler hands in; a half-moved module has no other one to hand in.
	v, ok := obj.(*types.Var)
	return ok && bridge == fromV2 && o.bridges && v.Kind() == types.ParamVar && len(o.assigned[obj]) == 0
}

func underlying(t types.Type) types.Type {
	if t == nil {
		return nil
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return p.Elem().Underlying()
	}
	return t.Underlying()
}
