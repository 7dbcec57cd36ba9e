package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// constructorOptions writes what the options of a constructor call mean, as statements after the one that makes o.
func (k *class) constructorOptions(c *ast.CallExpr, o string) []edit.Piece {
	var out []edit.Piece
	if c.Ellipsis.IsValid() {
		k.block(c.Args[len(c.Args)-1].Pos(), "constructor", "computed-options", "constructor options passed as a slice")
		return nil
	}
	for _, a := range c.Args[1:] {
		call, ok := ast.Unparen(a).(*ast.CallExpr)
		var f *types.Func
		if ok {
			f = flow.StaticCallee(k.p.Info, call)
		}
		if f == nil || f.Pkg() == nil || f.Pkg().Path() != paths.V1Compat || len(call.Args) > 1 {
			k.block(a.Pos(), "constructor", "computed-options", "a constructor option that is not written as a call of v1compat")
			continue
		}
		var v constant.Value
		if len(call.Args) == 1 {
			v = k.value(call.Args[0])
		}
		switch f.Name() {
		case "WithProtocolType":
			k.note(a.Pos(), "protocol-type", "WithProtocolType is dropped: v2 speaks MQTT 5")
		case "WithWebsocket":
			if v == nil {
				k.block(a.Pos(), "constructor", "computed-options", "WithWebsocket is given a value that is not constant")
			} else if constant.BoolVal(v) {
				out = append(out, k.chain(c, o)...)
			}
		case "WithCleanSession":
			if v == nil {
				k.block(a.Pos(), "constructor", "computed-options", "WithCleanSession is given a value that is not constant")
			} else if !constant.BoolVal(v) {
				out = append(out, edit.Text("\n"+o+".SessionBehavior, "+o+".SessionExpiry = "+k.q(c.Pos(), paths.V2)+".RejoinAlways, "+k.q(c.Pos(), "time")+".Hour"))
			}
		default:
			k.block(a.Pos(), "constructor", "quirks", f.Name()+" asks for v1's own behaviour, which v2 does not have")
		}
	}
	return out
}

// planInline replaces a constructor that has no variable of its own: what it is part of gets the finished client.
func (k *class) planInline(r *region) {
	for _, b := range r.births {
		c := b.ctor.Call
		q := k.q(c.Pos(), paths.V2)
		stmt, inList := stmtOf(b.ctor.Cur)
		name := "opts"
		if inList {
			name = k.fresh(outermost(b.ctor.Cur), c.Pos(), "opts")
		}
		extra := k.constructorOptions(c, name)
		text := r.keepAliveText(c.Pos())
		if extra == nil && text == nil {
			k.edit(edit.Replace(c, edit.Text(q+".NewClient("+q+".OptionsV1("), edit.Src(c.Args[0]), edit.Text("))")))
			continue
		}
		if !inList || !k.p.pure(c.Args[0]) {
			k.block(c.Pos(), "constructor", "inline-constructor", "the client needs options and is made inside a larger expression")
			continue
		}
		pieces := append([]edit.Piece{edit.Text(name + " := " + q + ".OptionsV1("), edit.Src(c.Args[0]), edit.Text(")")}, extra...)
		if text != nil {
			r.opts = name
			pieces = append(append(pieces, edit.Text("\n")), r.keepAliveText(c.Pos())...)
		}
		k.edit(edit.Edit{Pos: stmt.Pos(), End: stmt.Pos(), Pieces: append(pieces, edit.Text("\n"))})
		k.edit(edit.Replace(c, edit.Text(q+".NewClient("+name+")")))
	}
}

// keepAlive is what the class's Connect calls say about the keep-alive.
type keepAlive struct {
	seconds int64    // constant, 600 when not given
	expr    ast.Expr // computed
	use     *flow.Use
}

// v1KeepAlive is the keep-alive that v1's connect uses when it is given none; OptionsV1 brings it.
const v1KeepAlive = 600

// keepAlives reads the argument of every Connect: v2 has one keep-alive per client, set before it is made.
func (k *class) keepAlives() {
	k.keep.seconds = v1KeepAlive
	type arg struct {
		u *flow.Use
		e ast.Expr
	}
	var args []arg
	for _, u := range k.c.Uses {
		if u.Kind != flow.Call || u.Sel.Sel.Name != "Connect" && u.Sel.Sel.Name != "ConnectAsync" {
			continue
		}
		a := arg{u: u}
		if u.Sel.Sel.Name == "Connect" && (len(u.Call.Args) > 1 || u.Call.Ellipsis.IsValid()) {
			k.block(u.Call.Pos(), "connect", "keep-alive", "Connect is given a list of keep-alives")
			return
		}
		if len(u.Call.Args) > 0 {
			a.e = u.Call.Args[0]
		}
		args = append(args, a)
	}
	for i, a := range args {
		n, computed := int64(v1KeepAlive), false
		if a.e != nil {
			v := k.value(a.e)
			if v == nil {
				computed = true
			} else {
				n, _ = constant.Int64Val(v)
			}
		}
		switch {
		case computed && len(args) > 1, i > 0 && n != k.keep.seconds:
			k.block(a.u.Call.Pos(), "connect", "keep-alive", "the client is connected with different keep-alives")
			return
		case computed:
			k.keep.expr, k.keep.use = a.e, a.u
		case n < 0 || n > 65535:
			k.block(a.u.Call.Pos(), "connect", "keep-alive", "the keep-alive "+strconv.FormatInt(n, 10)+" is outside 0 to 65535")
			return
		}
		k.keep.seconds = n
	}
	if k.keep.expr != nil && !k.availableAtBirth() {
		k.block(k.keep.expr.Pos(), "connect", "keep-alive", "the computed keep-alive is not known where the client is made")
		k.keep.expr = nil
	}
}

// availableAtBirth reports whether the computed keep-alive has its value already where the client is made: Connect
// is in the same function as the one constructor, and nothing between them changes a part of the expression.
func (k *class) availableAtBirth() bool {
	e, u := k.keep.expr, k.keep.use
	if len(k.regions) != 1 || !k.p.pure(e) {
		return false
	}
	r := k.regions[0]
	rt, ok := k.p.rootOf(u.Cur, u.Expr)
	if !ok || rt != r.root || r.births[0].form == inline || innermost(u.Cur) != innermost(r.births[0].ctor.Cur) {
		return false
	}
	end := r.births[0].ctor.Call.Pos()
	for _, c := range r.config {
		end = max(end, c.Expr.Pos())
	}
	ok = true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr, *ast.SelectorExpr:
			if s, isSel := n.(*ast.SelectorExpr); isSel {
				if _, isConst := k.p.Info.Uses[s.Sel].(*types.Const); isConst {
					return false
				}
				// A field may change through any call in between; only accept it right next to the client's birth.
				ok = ok && k.p.Fset.Position(u.Call.Pos()).Line-k.p.Fset.Position(end).Line <= 2
			} else {
				ok = false
			}
		case *ast.Ident:
			if v, isVar := k.p.Info.Uses[n].(*types.Var); isVar && !v.IsField() {
				ok = ok && (v.Pos() < end || v.Parent() == k.p.Types.Scope())
				for _, p := range k.p.assigned[v] {
					ok = ok && !(p > end && p < u.Call.Pos())
				}
			}
		}
		return ok
	})
	return ok
}

// keepAliveText is the assignment of the keep-alive, or nil when it is v1's default.
func (r *region) keepAliveText(pos token.Pos) []edit.Piece {
	k := r.k
	switch {
	case k.keep.expr != nil:
		return []edit.Piece{edit.Text(r.opts + ".KeepAlive = " + k.q(pos, paths.V2) + ".KeepAliveV1("), edit.Src(k.keep.expr), edit.Text(")")}
	case k.keep.seconds == v1KeepAlive:
		return nil
	case k.keep.seconds == 0:
		return []edit.Piece{edit.Text(r.opts + ".KeepAlive = -1")}
	}
	return []edit.Piece{edit.Text(r.opts + ".KeepAlive = " + strconv.FormatInt(k.keep.seconds, 10) + " * " + k.q(pos, "time") + ".Second")}
}

// findHelpers finds the parameters through which a function only configures: they become *awsiot.ClientOptions.
func (k *class) findHelpers() {
	cand := map[types.Object][]*flow.Use{}
	for _, m := range k.c.Members {
		v, ok := m.(*types.Var)
		if ok && k.p.constant(v) && target.Is(v.Type()) && k.p.isParam(v) {
			cand[v] = nil
		}
	}
	for _, u := range k.c.Uses {
		if _, ok := cand[u.Node]; ok {
			cand[u.Node] = append(cand[u.Node], u)
		}
	}
	for changed := true; changed; {
		changed = false
		for v, us := range cand {
			if !k.onlyConfigures(v, us, cand) {
				delete(cand, v)
				changed = true
			}
		}
	}
	for v := range cand {
		name := v.Name()
		if d := k.p.declOf(v); d != nil && len(k.p.uses[v]) > 0 {
			if n := k.fresh(d, d.Body.Pos(), "opts"); n == "opts" {
				name = n
				for id, o := range k.p.Info.Defs {
					if o == v {
						k.edit(edit.Replace(id, edit.Text(name)))
					}
				}
			}
		}
		k.helpers[v] = name
	}
}

func (k *class) onlyConfigures(v types.Object, us []*flow.Use, cand map[types.Object][]*flow.Use) bool {
	if len(us) == 0 || len(us) != len(k.p.uses[v]) {
		return false
	}
	for _, u := range us {
		switch u.Kind {
		case flow.Call:
			if configures[u.Sel.Sel.Name].write == nil {
				return false
			}
		case flow.FieldSet:
		case flow.Pass:
			if _, ok := cand[u.To]; !ok {
				return false
			}
		default:
			return false
		}
		if d, ok := innermost(u.Cur).(*ast.FuncDecl); !ok || d != k.p.declOf(v) {
			return false
		}
	}
	return true
}

// isParam reports whether v is a parameter of a declared function.
func (p *pkg) isParam(v *types.Var) bool {
	for f := range p.decls {
		for q := range f.Signature().Params().Variables() {
			if q == v {
				return true
			}
		}
	}
	return false
}
