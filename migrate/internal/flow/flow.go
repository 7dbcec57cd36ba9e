// Package flow finds the flow classes of a type in one package: the variables, fields, parameters and results that
// values of the type move through, joined where a value moves from one to the other.
//
// A class is the unit of a rewrite that changes the type: either every declaration and every use in it changes, or
// none does. Whatever the analysis does not follow (interfaces, function values, other packages) is recorded as a
// Border of the class, never passed over in silence.
package flow

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// Package is what the analysis needs of a type-checked package.
type Package struct {
	Fset  *token.FileSet
	Files []*ast.File
	Types *types.Package
	Info  *types.Info
}

// Target says what is followed.
type Target struct {
	Is       func(types.Type) bool       // the type itself
	Ctor     func(*types.Func) bool      // functions that make a new value
	Callback func(*types.Signature) bool // signatures through which the library hands values to the program
}

// UseKind tells what is done with a value.
type UseKind int

// The uses that are not plain moves between members.
const (
	Call     UseKind = iota // x.Method(...)
	FieldSet                // x.Field = v, alone in its assignment
	FieldGet                // any other use of x.Field
	Compare                 // x == nil, x != y
	Pass                    // f(x) where f is a function of this package
	Move                    // x is assigned, returned, stored or sent to another member
)

// Use is one use of a member.
type Use struct {
	Kind UseKind
	Node types.Object      // the member
	Expr ast.Expr          // the expression that is the value
	Cur  inspector.Cursor  // of Expr, or of the outermost parenthesis around it
	Sel  *ast.SelectorExpr // Call, FieldSet, FieldGet
	Call *ast.CallExpr     // Call, Pass
	To   types.Object      // Pass: the parameter
}

// Ctor is a call that makes a value.
type Ctor struct {
	Call *ast.CallExpr
	Cur  inspector.Cursor
	Node types.Object
}

// Mention is a place where the type's name is written in the declaration of a member.
type Mention struct {
	Expr  ast.Expr // T or pkg.T, without the star
	Owner types.Object
}

// BorderKind tells how a value leaves or enters what is followed.
type BorderKind int

// The borders.
const (
	Converted   BorderKind = iota // to an interface or another type
	Exported                      // other packages can see it
	Foreign                       // passed to, or made by, another package
	Opaque                        // comes from an expression that is not followed
	FuncValue                     // moves through a function value
	Address                       // its address is taken, it is dereferenced or copied
	Embedded                      // embedded in a struct
	MethodValue                   // x.Method without a call
	MapKey                        // key of a map
	Unfollowed                    // anything else
)

// Border is a place where a class touches something that is not followed.
type Border struct {
	Kind   BorderKind
	Pos    token.Pos
	Detail string      // name of the function, type or syntax
	Func   *types.Func // Foreign: the function of the other package, when known
}

// Class is a flow class.
type Class struct {
	Members  []types.Object // in source order
	Ctors    []*Ctor
	Uses     []*Use
	Mentions []Mention
	Borders  []Border
	Callback bool // a value comes from a parameter that the library fills
}

// First is the position of the first constructor, else of the first member.
func (c *Class) First() token.Pos {
	if len(c.Ctors) > 0 {
		return c.Ctors[0].Call.Pos()
	}
	return c.Members[0].Pos()
}

// Analyze returns the classes of t in p, in source order.
func Analyze(p *Package, in *inspector.Inspector, t Target) []*Class {
	a := &analysis{p: p, t: t, info: p.Info, in: in,
		parent: map[types.Object]types.Object{}, synth: map[ast.Expr]types.Object{},
		funcUsed: map[*types.Func]bool{}, callback: map[types.Object]bool{}}
	for cur := range in.Root().Preorder() {
		switch n := cur.Node().(type) {
		case *ast.FuncDecl:
			a.declare(n)
		case ast.Expr:
			a.expr(cur, n)
		}
	}
	return a.classes()
}

// Holds reports whether t is the followed type or a slice, array, map or channel of it.
func (t Target) Holds(x types.Type) bool {
	if x == nil {
		return false
	}
	if t.Is(x) {
		return true
	}
	switch u := types.Unalias(x).(type) {
	case *types.Slice:
		return t.Holds(u.Elem())
	case *types.Array:
		return t.Holds(u.Elem())
	case *types.Chan:
		return t.Holds(u.Elem())
	case *types.Map:
		return t.Holds(u.Elem())
	}
	return false
}

// StaticCallee returns the function that c calls, or nil when it is a function value, a conversion or a built-in.
func StaticCallee(info *types.Info, c *ast.CallExpr) *types.Func {
	var id *ast.Ident
	switch f := ast.Unparen(c.Fun).(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return nil
	}
	fn, _ := info.Uses[id].(*types.Func)
	return fn
}

// Interface reports whether f is a method of an interface.
func Interface(f *types.Func) bool {
	r := f.Signature().Recv()
	return r != nil && types.IsInterface(r.Type())
}
