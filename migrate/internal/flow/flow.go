// Package flow finds the flow classes of a type in one package: the variables, fields, parameters and results that
// values of the type move through, joined where a value moves from one to the other. A container or a function value
// is one member together with what it holds, takes and returns; so is a named type of containers or functions.
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
	// Links finds the functions that make a followed value out of another one, so that both are of one class: it returns
	// the index of the argument that they make it of, -1 for the receiver. nil: there are none.
	Links func(*types.Func) (arg int, ok bool)
	// Linked finds the other packages that are analyzed and rewritten together with this one, so that members of theirs
	// are followed too. nil: there are none. Where it is false for the package itself, what other packages can reach is a
	// border.
	Linked func(*types.Package) bool
	// Keep says that functions which other packages can call keep their types: a value that such a function returns, or
	// is given, leaves its class there.
	Keep bool
	// Named says that the type is written by its name, and not as a pointer to that: an interface, a function type.
	Named bool
}

// links is Links, where it may be nil.
func (t Target) links(f *types.Func) (arg int, ok bool) {
	if t.Links == nil || f == nil {
		return 0, false
	}
	return t.Links(f)
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
	Link                    // F(x) where F makes another value of the class out of x
)

// Use is one use of a member.
type Use struct {
	Kind UseKind
	Node types.Object      // the member
	Expr ast.Expr          // the expression that is the value
	Cur  inspector.Cursor  // of Expr, or of the outermost parenthesis around it
	Sel  *ast.SelectorExpr // Call, FieldSet, FieldGet
	Call *ast.CallExpr     // Call, Pass, Link
	To   types.Object      // Pass: the parameter
	// Through holds the embedded fields that a promoted selector leaves out between Expr, which is a struct then, and the
	// value; the last is the member.
	Through []*types.Var
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

// Way tells what happens at a border.
type Way int

// The ways. Where a value of the type itself leaves or enters, it can be converted at that place.
const (
	Declared Way = iota // a declaration, or a value that is not of the type itself
	Leaves              // a value of the class goes to where it is not followed
	Enters              // a value from where it is not followed comes into the class
)

// Border is a place where a class touches something that is not followed.
type Border struct {
	Kind   BorderKind
	Way    Way
	Pos    token.Pos
	Detail string      // name of the function, type or syntax
	Func   *types.Func // Foreign: the function of the other package, when known
	Expr   ast.Expr    // Leaves, Enters: the value
}

// Class is a flow class.
type Class struct {
	Members  []types.Object // in source order
	Ctors    []*Ctor
	Uses     []*Use
	Mentions []Mention
	Borders  []Border
	Reads    []*Read               // calls among the values that stand for what they return
	Bound    map[types.Object]bool // parameters of functions that are also values, or that implement an interface
	Callback types.Object          // the first parameter that the library fills and that gives a value; nil: none
	Exprs    []ast.Expr            // expressions that are values of it without a variable, in source order: function literals, names of functions, calls
	Shared   []string              // with Linked: names of the members that classes of other packages can have too, for comparison
	at       token.Pos
}

// First is the position of the first constructor, else of the first member or use.
func (c *Class) First() token.Pos { return c.at }

// Given reports whether all values of c are the library's, which hands them to a callback.
func (c *Class) Given() bool { return len(c.Ctors) == 0 && c.Callback != nil }

// Analyze returns the classes of t in p, in source order.
func Analyze(p *Package, in *inspector.Inspector, t Target) []*Class {
	a := &analysis{p: p, t: t, info: p.Info, in: in,
		parent: map[types.Object]types.Object{}, synth: map[ast.Expr]types.Object{}, held: map[types.Type]bool{},
		declaredBy: map[types.Object]types.Object{}, callback: map[types.Object]bool{}, bound: map[types.Object]bool{}, walked: map[*types.Named]bool{}, reads: map[*ast.CallExpr]*Read{}}
	for cur := range in.Root().Preorder((*ast.FuncDecl)(nil), (*ast.InterfaceType)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.FuncDecl:
			if fn, ok := a.info.Defs[n.Name].(*types.Func); ok {
				a.declare(fn, fn)
			}
		case *ast.InterfaceType:
			a.declareInterface(cur, n)
		}
	}
	a.implementations()
	for cur := range in.Root().Preorder() {
		switch n := cur.Node().(type) {
		case *ast.CaseClause:
			a.typeCase(n)
		case ast.Expr:
			a.expr(cur, n)
		}
	}
	return a.classes()
}

// Implicit returns the embedded fields that the selector s leaves out.
func Implicit(info *types.Info, s *ast.SelectorExpr) []*types.Var {
	sel := info.Selections[s]
	if sel == nil || len(sel.Index()) < 2 {
		return nil
	}
	var out []*types.Var
	t := sel.Recv()
	for _, i := range sel.Index()[:len(sel.Index())-1] {
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		st, ok := t.Underlying().(*types.Struct)
		if !ok {
			return nil
		}
		f := st.Field(i)
		out, t = append(out, f.Origin()), f.Type()
	}
	return out
}

// StaticCallee returns the function that c calls, or nil when it is a function value, a conversion or a built-in.
func StaticCallee(info *types.Info, c *ast.CallExpr) *types.Func {
	var id *ast.Ident
	switch f := ast.Unparen(c.Fun).(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	case *ast.IndexExpr: // of a generic function, or of a container of function values
		return StaticCallee(info, &ast.CallExpr{Fun: f.X})
	case *ast.IndexListExpr:
		return StaticCallee(info, &ast.CallExpr{Fun: f.X})
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
