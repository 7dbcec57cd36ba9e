package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// constructed writes what the constructor of b means besides v1's defaults, as statements after the one that makes o;
// r is nil for one that is only looked at.
func (k *class) constructed(r *rewrite.Region, b *rewrite.Birth, o string) []edit.Piece {
	c := b.Ctor.Call
	out := k.logger(c, o)
	for _, a := range k.optionsOf(c) {
		call := k.optionCall(a)
		if call == nil && c.Ellipsis.IsValid() {
			k.Block(a.Pos(), "constructor", "computed-options", "constructor options passed as a slice that is computed")
			continue
		} else if call == nil {
			k.Block(a.Pos(), "constructor", "computed-options", "a constructor option that is not written as a call of v1compat")
			continue
		}
		var v constant.Value
		if len(call.Args) == 1 {
			v = k.Value(call.Args[0])
		}
		switch name := flow.StaticCallee(k.Pkg.Info, call).Name(); name {
		case "WithProtocolType":
			k.Note(a.Pos(), "protocol-type", "WithProtocolType is dropped: v2 speaks MQTT 5")
			if v == nil {
				out = append(out, edit.Text("\n_ = "), edit.Src(call.Args[0]))
			}
		case "WithWebsocket":
			if v == nil {
				out = append(out, k.maybeWebsocket(r, b, call.Args[0], o)...)
			} else if constant.BoolVal(v) {
				out = append(out, k.chain(c, o)...)
			}
		case "WithCleanSession":
			keep := o + ".SessionBehavior, " + o + ".SessionExpiry = " + k.Q(c.Pos(), paths.V2) + ".RejoinAlways, " + k.Q(c.Pos(), "time") + ".Hour"
			if v == nil {
				out = append(append(append(out, edit.Text("\nif ")), k.not(call.Args[0])...), edit.Text(" {\n"+keep+"\n}"))
			} else if !constant.BoolVal(v) {
				out = append(out, edit.Text("\n"+keep))
			}
		case "WithQuirks":
			if lit, ok := ast.Unparen(call.Args[0]).(*ast.CompositeLit); ok && len(lit.Elts) == 0 {
				continue // none
			}
			fallthrough
		default:
			k.Block(a.Pos(), "constructor", "quirks", name+" asks for v1's own behaviour, which v2 does not have")
		}
	}
	if r != nil && k.websocketOf(c) == neverWebsocket && k.plain(b, r) {
		out = append(out, edit.Text("\n"), k.plainAuth(c, o))
	}
	return out
}

// optionCall is the call of v1compat that an option is, or nil.
func (k *class) optionCall(a ast.Expr) *ast.CallExpr {
	call, ok := ast.Unparen(a).(*ast.CallExpr)
	if !ok {
		return nil
	}
	f := flow.StaticCallee(k.Pkg.Info, call)
	if f == nil || f.Pkg() == nil || f.Pkg().Path() != paths.V1Compat || len(call.Args) > 1 {
		return nil
	}
	return call
}

// optionsOf are the optional arguments of a constructor: those of a slice are the elements that it was declared with.
func (k *class) optionsOf(c *ast.CallExpr) []ast.Expr {
	given := c.Args[k.Type(c).Arguments:]
	if c.Ellipsis.IsValid() {
		if lit := k.optionList(given[0]); lit != nil {
			return lit.Elts
		}
	}
	return given
}

// optionList is the literal that a list of constructor options is: written there, or in the declaration of a variable
// that is used for nothing else. Nil: the list is computed.
func (k *class) optionList(e ast.Expr) *ast.CompositeLit {
	if lit, ok := ast.Unparen(e).(*ast.CompositeLit); ok {
		return lit
	}
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, ok := k.Pkg.Info.Uses[id].(*types.Var)
	lit, isLit := k.Pkg.Defs[v].(*ast.CompositeLit)
	if !ok || !isLit || !k.Pkg.Constant(v) || v.Parent() == k.Pkg.Types.Scope() || !k.settled(lit) {
		return nil
	}
	for _, cur := range k.Pkg.Uses[v] {
		if !slices.ContainsFunc(k.Flow.Ctors, func(c *flow.Ctor) bool {
			return c.Call.Ellipsis.IsValid() && c.Call.Args[len(c.Call.Args)-1] == cur.Node()
		}) {
			return nil
		}
	}
	return lit
}

// settled reports whether e has the same value wherever its names mean the same: it computes nothing, and its variables
// stay as they are.
func (k *class) settled(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			ok = ok && (k.optionCall(n) != nil || k.Pkg.Info.Types[n.Fun].IsType())
		case *ast.Ident:
			if v, isVar := k.Pkg.Info.Uses[n].(*types.Var); isVar {
				ok = ok && !v.IsField() && k.Pkg.Constant(v) && v.Parent() != k.Pkg.Types.Scope()
			}
		case *ast.FuncLit, *ast.IndexExpr, *ast.StarExpr, *ast.UnaryExpr:
			u, not := n.(*ast.UnaryExpr)
			ok = ok && not && u.Op == token.NOT
		}
		return ok
	})
	return ok
}

// dropOptionLists deletes the variables of option lists that nothing uses any more.
func (k *class) dropOptionLists() {
	done := map[types.Object]bool{}
	for _, c := range k.Flow.Ctors {
		if !c.Call.Ellipsis.IsValid() {
			continue
		}
		id, ok := ast.Unparen(c.Call.Args[len(c.Call.Args)-1]).(*ast.Ident)
		if !ok || done[k.Pkg.Info.Uses[id]] || k.optionList(id) == nil {
			continue
		}
		v := k.Pkg.Info.Uses[id]
		done[v] = true
		cur, _ := k.Pkg.Ins.Root().FindNode(k.Pkg.Defs[v])
		stmt, ok := rewrite.StmtOf(cur)
		switch s := stmt.(type) {
		case *ast.AssignStmt:
			ok = ok && len(s.Lhs) == 1
		case *ast.DeclStmt:
			spec, isValue := s.Decl.(*ast.GenDecl).Specs[0].(*ast.ValueSpec)
			ok = ok && isValue && len(s.Decl.(*ast.GenDecl).Specs) == 1 && len(spec.Names) == 1
		}
		if !ok {
			k.Block(v.Pos(), "constructor", "computed-options", "the list of constructor options is declared together with something else")
			continue
		}
		k.DeleteStmt(stmt)
	}
}

// keepAlive is what the class's connect calls say about the keep-alive.
type keepAlive struct {
	seconds int64    // constant, 600 when not given
	expr    ast.Expr // computed
	use     *flow.Use
	late    bool // each connect call sets its own
}

// v1KeepAlive is the keep-alive that v1's connect uses when it is given none; OptionsV1 brings it.
const v1KeepAlive = 600

// keepAlives reads the argument of every connect call: v2 has the keep-alive among the options. One that is not the same
// for all calls, or not known where the client is made, is set by an Update before each.
func (k *class) keepAlives() {
	k.keep.seconds = v1KeepAlive
	for i, u := range k.connects() {
		n := int64(v1KeepAlive)
		if len(u.Call.Args) > 1 && u.Sel.Sel.Name == "Connect" || u.Call.Ellipsis.IsValid() {
			k.keep.late = true
			break
		}
		if len(u.Call.Args) > 0 {
			v := k.Value(u.Call.Args[0])
			if v == nil {
				k.keep.late = k.keep.late || i > 0 || k.keep.expr != nil
				k.keep.expr, k.keep.use = u.Call.Args[0], u
				continue
			}
			n, _ = constant.Int64Val(v)
		}
		k.keep.late = k.keep.late || k.keep.expr != nil || i > 0 && n != k.keep.seconds || n < 0 || n > 65535
		k.keep.seconds = n
	}
	given := func(u *flow.Use) bool { return len(u.Call.Args) > 0 }
	if k.CallsElsewhere("Connect", "ConnectAsync") || len(k.MadeElsewhere()) > 0 { // another package may give another one, or make the client
		k.keep.late = slices.ContainsFunc(k.connects(), given) || k.GivenElsewhere("Connect", "ConnectAsync")
	}
	if k.keep.expr != nil && !k.keep.late {
		k.keep.late = !k.availableAtBirth()
	}
	if k.keep.late {
		k.keep.expr, k.keep.seconds = nil, v1KeepAlive
	}
}

// availableAtBirth reports whether the computed keep-alive has its value already where the client is made: Connect
// is in the same function as the one constructor, and nothing between them changes a part of the expression.
func (k *class) availableAtBirth() bool {
	e, u := k.keep.expr, k.keep.use
	if len(k.Regions) != 1 || !k.Pkg.Pure(e) {
		return false
	}
	r := k.Regions[0]
	rt, ok := k.Pkg.RootOf(u.Cur, u.Expr)
	if !ok || rt != r.Root || r.Births[0].Form == rewrite.Inline || rewrite.Innermost(u.Cur) != rewrite.Innermost(r.Births[0].Ctor.Cur) {
		return false
	}
	end := r.Births[0].Ctor.Call.Pos()
	for _, c := range r.Config {
		end = max(end, c.Expr.Pos())
	}
	ok = true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr, *ast.SelectorExpr:
			if s, isSel := n.(*ast.SelectorExpr); isSel {
				if _, isConst := k.Pkg.Info.Uses[s.Sel].(*types.Const); isConst {
					return false
				}
				// A field may change through any call in between; only accept it right next to the client's birth.
				ok = ok && k.Pkg.Fset.Position(u.Call.Pos()).Line-k.Pkg.Fset.Position(end).Line <= 2
			} else {
				ok = false
			}
		case *ast.Ident:
			if v, isVar := k.Pkg.Info.Uses[n].(*types.Var); isVar && !v.IsField() {
				ok = ok && (v.Pos() < end || v.Parent() == k.Pkg.Types.Scope())
				for _, p := range k.Pkg.Assigned[v] {
					ok = ok && !(p > end && p < u.Call.Pos())
				}
			}
		}
		return ok
	})
	return ok
}

// keepAliveText is the assignment of the keep-alive, or nil when it is v1's default.
func (k *class) keepAliveText(opts string, pos token.Pos) []edit.Piece {
	switch {
	case k.keep.expr != nil:
		return []edit.Piece{edit.Text(opts + ".KeepAlive = " + k.Q(pos, paths.V2) + ".KeepAliveV1("), edit.Src(k.keep.expr), edit.Text(")")}
	case k.keep.seconds == v1KeepAlive:
		return nil
	}
	return []edit.Piece{edit.Text(opts + ".KeepAlive = " + k.keepAliveConst(k.keep.seconds, pos))}
}

// keepAliveConst is a constant keep-alive; v1's 0 is none.
func (k *class) keepAliveConst(seconds int64, pos token.Pos) string {
	if seconds == 0 {
		return "-1"
	}
	return strconv.FormatInt(seconds, 10) + " * " + k.Q(pos, "time") + ".Second"
}
