package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// toEndpoint reports whether the target is what ConfigureEndpoint is told: the same host, and the same port as text. It must be
// told so wherever the factory is set.
func (d *proxyDial) toEndpoint(c *ast.CallExpr) bool {
	calls := d.k.Calls("ConfigureEndpoint")
	if len(calls) != 1 {
		return d.no(d.target, "the client does not have one call of ConfigureEndpoint to compare this with")
	}
	endpoint := calls[0].Call
	var block ast.Node
	for cur := range calls[0].Cur.Enclosing((*ast.BlockStmt)(nil), (*ast.CaseClause)(nil), (*ast.CommClause)(nil), (*ast.FuncLit)(nil), (*ast.IfStmt)(nil)) {
		block = cur.Node()
		break
	}
	if _, ok := block.(*ast.BlockStmt); !ok || c.Pos() < endpoint.Pos() || c.Pos() > block.End() || len(endpoint.Args) != 2 {
		return d.no(d.target, "it is not plain that ConfigureEndpoint was called before")
	}
	host, port := endpoint.Args[0], endpoint.Args[1]
	ok := false
	if v := valueOf(d.k, d.target); v.Kind() == constant.String {
		h, p := valueOf(d.k, host), valueOf(d.k, port)
		ok = h.Kind() == constant.String && p.Kind() == constant.Int && constant.StringVal(v) == constant.StringVal(h)+":"+p.ExactString()
	} else if call, isCall := ast.Unparen(d.target).(*ast.CallExpr); isCall {
		switch d.callee(call) {
		case "net.JoinHostPort":
			ok = d.alike(call.Args[0], host) && d.textOf(call.Args[1], port)
		case "fmt.Sprintf":
			ok = len(call.Args) == 3 && d.isText(call.Args[0], "%s:%d") && d.isString(call.Args[1]) && d.alike(call.Args[1], host) && d.alike(call.Args[2], port)
		}
	}
	return ok || d.no(d.target, "this is not plainly the host and port of ConfigureEndpoint")
}

// textOf reports whether text is the number: a constant, strconv.Itoa of it, or what it was read from by strconv.Atoi.
func (d *proxyDial) textOf(text, number ast.Expr) bool {
	if s, n := valueOf(d.k, text), valueOf(d.k, number); s.Kind() == constant.String && n.Kind() == constant.Int {
		return constant.StringVal(s) == n.ExactString()
	}
	if call, ok := ast.Unparen(text).(*ast.CallExpr); ok && d.callee(call) == "strconv.Itoa" {
		return d.alike(call.Args[0], number)
	}
	v, ok := d.object(number).(*types.Var)
	if !ok || !d.settled(v) {
		return false
	}
	found := false
	for cur := range d.k.Pkg.Ins.Root().Preorder((*ast.AssignStmt)(nil)) {
		st := cur.Node().(*ast.AssignStmt)
		if len(st.Lhs) != 2 || len(st.Rhs) != 1 || d.object(st.Lhs[0]) != v {
			continue
		}
		call, ok := ast.Unparen(st.Rhs[0]).(*ast.CallExpr)
		found = ok && d.callee(call) == "strconv.Atoi" && d.alike(call.Args[0], text)
	}
	return found
}

// alike reports whether two expressions are the same value whenever they are read: constants, or the same variables, fields of
// them, flags and arguments of the program, which nothing sets again.
func (d *proxyDial) alike(a, b ast.Expr) bool {
	a, b = ast.Unparen(a), ast.Unparen(b)
	if x, y := valueOf(d.k, a), valueOf(d.k, b); x.Kind() != constant.Unknown || y.Kind() != constant.Unknown {
		return x.Kind() == y.Kind() && constant.Compare(x, token.EQL, y)
	}
	switch a := a.(type) {
	case *ast.Ident:
		v, ok := d.object(a).(*types.Var)
		return ok && v == d.object(b) && d.settled(v)
	case *ast.SelectorExpr:
		y, ok := b.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		f, ok := d.k.Pkg.Info.Uses[a.Sel].(*types.Var)
		return ok && f == d.k.Pkg.Info.Uses[y.Sel] && f.IsField() && d.settled(f) && d.alike(a.X, y.X)
	case *ast.StarExpr:
		y, ok := b.(*ast.StarExpr)
		return ok && d.isFlag(a.X) && d.alike(a.X, y.X)
	case *ast.IndexExpr:
		y, ok := b.(*ast.IndexExpr)
		return ok && d.isArgs(a.X) && d.isArgs(y.X) && d.alike(a.Index, y.Index)
	case *ast.CallExpr:
		y, ok := b.(*ast.CallExpr)
		name := d.callee(a)
		if !ok || name != d.callee(y) || len(a.Args) != len(y.Args) || name != "net.JoinHostPort" && name != "strconv.Itoa" && name != "fmt.Sprintf" {
			return false
		}
		for i := range a.Args {
			if !d.alike(a.Args[i], y.Args[i]) {
				return false
			}
		}
		return true
	}
	return false
}

// settled reports whether nothing in the package sets v, or a part of it, after its declaration. Other packages cannot.
func (d *proxyDial) settled(v *types.Var) bool {
	if v.Pkg() != d.k.Pkg.Types || v.Exported() && (v.IsField() || v.Parent() == v.Pkg().Scope()) || !d.k.Pkg.Constant(v) {
		return false
	}
	for _, cur := range d.k.Pkg.Uses[v] {
		if d.set(cur) {
			return false
		}
	}
	return true
}

// set reports whether the variable at cur, or a part of it, is set or has its address taken there.
func (d *proxyDial) set(cur inspector.Cursor) bool {
	for {
		switch k, _ := cur.ParentEdge(); k {
		case edge.SelectorExpr_X, edge.SelectorExpr_Sel, edge.IndexExpr_X, edge.StarExpr_X, edge.ParenExpr_X:
			cur = cur.Parent()
		case edge.IncDecStmt_X, edge.RangeStmt_Key, edge.RangeStmt_Value:
			return true
		case edge.AssignStmt_Lhs:
			id, ok := cur.Node().(*ast.Ident)
			return !ok || d.k.Pkg.Info.Defs[id] == nil
		case edge.UnaryExpr_X:
			return cur.Parent().Node().(*ast.UnaryExpr).Op == token.AND
		default:
			return false
		}
	}
}

// isFlag reports whether e is a variable that flag.String or its like gave.
func (d *proxyDial) isFlag(e ast.Expr) bool {
	o := d.object(e)
	if o == nil {
		return false
	}
	call, ok := d.k.Pkg.Defs[o].(*ast.CallExpr)
	return ok && strings.HasPrefix(d.callee(call), "flag.")
}

// isArgs reports whether e is os.Args, of which the package sets nothing.
func (d *proxyDial) isArgs(e ast.Expr) bool {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	v, ok := d.k.Pkg.Info.Uses[sel.Sel].(*types.Var)
	return ok && v.Pkg() != nil && v.Pkg().Path() == "os" && v.Name() == "Args" &&
		d.k.Pkg.Constant(v) && !slices.ContainsFunc(d.k.Pkg.Uses[v], d.set)
}
