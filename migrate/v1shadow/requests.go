package v1shadow

import (
	"go/ast"
	"go/constant"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/edge"
)

// accepted is the status of an answer that is no refusal.
const accepted = "accepted"

// write writes a use of a typed handler.
func (h *typed) write(k *rewrite.Class, u *flow.Use) {
	op, request := operations[u.Sel.Sel.Name]
	switch {
	case !request:
		h.writeDelta(k, u)
	case k.Pkg.Info.Types[u.Call.Args[op.callback]].IsNil():
		h.writePublish(k, u, op.name)
		k.OnWire(u.Sel.Sel.Pos(), "shadow", silent(op.topic))
	default:
		h.writeAsync(k, u, op.name, op.callback)
		k.OnWire(u.Sel.Sel.Pos(), "shadow", asking(op.topic))
	}
}

// notes says what the new form does differently.
func (h *typed) notes(k *rewrite.Class, c *ast.CallExpr) {
	if h.asks != "" {
		k.Note(c.Pos(), "shadow", "requests are sent once their answers are subscribed, in their order, after the call: a Disconnect before that ends them, and what else the program sends may overtake them")
	}
	if h.deltas > 0 {
		k.Note(c.Pos(), "shadow", "every delta is heard; v1's handler passed over those whose version it had seen")
	}
}

// request is the request of an operation, with the document of an update and the fields that are given.
func (h *typed) request(k *rewrite.Class, u *flow.Use, name string, more ...edit.Piece) []edit.Piece {
	out := []edit.Piece{edit.Text("&" + k.Q(u.Call.Pos(), paths.IOTShadow) + "." + name + "Request{ThingName: "), edit.Text(h.thingAt(u))}
	if u.Sel.Sel.Name == "ShadowUpdate" {
		out = append(out, edit.Text(", Document: []byte("), edit.Src(u.Call.Args[0]), edit.Text(")"))
	}
	return append(append(out, more...), edit.Text("}"))
}

// writePublish writes a request whose answer nobody hears: a publish, as in v1.
func (h *typed) writePublish(k *rewrite.Class, u *flow.Use, name string) {
	out := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".Publish" + name + "(" + k.Ctx(u.Call.Pos()) + ", ")}
	out = append(append(out, h.request(k, u, name)...), edit.Text(", "+k.Q(u.Call.Pos(), paths.V2)+".AtMostOnce)"))
	k.Edit(edit.Replace(u.Call, out...))
	onlyError(k, u)
}

// writeAsync writes a request with a callback.
func (h *typed) writeAsync(k *rewrite.Class, u *flow.Use, name string, callback int) {
	out := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text("." + name + "Async(")}
	timeout := append([]edit.Piece{edit.Text(", Timeout: ")}, seconds(k, u.Call.Args[callback+1])...)
	out = append(append(out, h.request(k, u, name, timeout...)...), edit.Text(").OnDone("))
	out = append(out, answer(k, ast.Unparen(u.Call.Args[callback]), name)...)
	out = append(out, edit.Text(")"))
	if onlyError(k, u) {
		out = append(out, edit.Text(".Err()"))
	}
	k.Edit(edit.Replace(u.Call, out...))
}

// onlyError leaves out the token of a request where its error is assigned, and reports whether it is.
func onlyError(k *rewrite.Class, u *flow.Use) bool {
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	s, ok := par.Node().(*ast.AssignStmt)
	if ok {
		k.Edit(edit.Edit{Pos: s.Lhs[0].Pos(), End: s.Lhs[1].Pos()})
	}
	return ok
}

// writeDelta writes the subscription to the deltas.
func (h *typed) writeDelta(k *rewrite.Class, u *flow.Use) {
	q := k.Q(u.Call.Pos(), paths.IOTShadow)
	cb := ast.Unparen(u.Call.Args[0])
	status := []edit.Piece{edit.Text(`"delta/" + `), edit.Text(h.thingAt(u))}
	out := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".SubscribeToShadowDeltaUpdatedEvents(" + k.Ctx(u.Call.Pos()) + ", &" + q + ".ShadowDeltaUpdatedSubscriptionRequest{ThingName: "),
		edit.Text(h.thingAt(u)), edit.Text("}, " + k.Q(u.Call.Pos(), paths.V2) + ".AtMostOnce, ")}
	e := local("e", cb)
	if e == h.thingAt(u) || strings.HasPrefix(h.thingAt(u), e+".") {
		e += "2"
	}
	lit, ok := cb.(*ast.FuncLit)
	if !ok {
		out = append(out, edit.Text("func("+e+" *"+q+".ShadowDeltaUpdatedEvent) { "), edit.Src(cb), edit.Text("(string("+e+".Raw), "))
		out = append(append(out, status...), edit.Text(`, "") }`))
	} else {
		k.Edit(edit.Replace(lit.Type, edit.Text("func("+e+" *"+q+".ShadowDeltaUpdatedEvent)")))
		values := [][]edit.Piece{{edit.Text("string(" + e + ".Raw)")}, status, {edit.Text(`""`)}}
		var names []string
		var right []edit.Piece
		for i, id := range params(lit) {
			if used(k, id) {
				if names = append(names, id.Name); len(names) > 1 {
					right = append(right, edit.Text(", "))
				}
				right = append(right, values[i]...)
			}
		}
		if len(names) > 0 {
			begin(k, lit, append([]edit.Piece{edit.Text(strings.Join(names, ", ") + " := ")}, right...))
		}
		out = append(out, edit.Src(lit))
	}
	k.Edit(edit.Replace(u.Call, append(out, edit.Text(")"))...))
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	if s, ok := par.Node().(*ast.AssignStmt); ok {
		k.Insert(s.Lhs[0].Pos(), "_, ")
	}
}

// answer is the callback of a request in the form of OnDone.
func answer(k *rewrite.Class, cb ast.Expr, name string) []edit.Piece {
	q := k.Q(cb.Pos(), paths.IOTShadow)
	r, err := local("r", cb), local("err", cb)
	lit, ok := cb.(*ast.FuncLit)
	if !ok {
		return []edit.Piece{edit.Text("func(" + r + " *" + q + "." + name + "Response, " + err + " error) { "), edit.Src(cb), edit.Text("(" + q + ".AnswerV1(" + r + ", " + err + ")) }")}
	}
	ids := params(lit)
	tests, plain := comparisons(k, ids[1])
	head := func(r, err string) {
		k.Edit(edit.Replace(lit.Type, edit.Text("func("+r+" *"+q+"."+name+"Response, "+err+" error)")))
	}
	switch {
	case !slices.ContainsFunc(ids, func(id *ast.Ident) bool { return used(k, id) }):
		head("_", "_")
	case plain && !used(k, ids[0]) && !used(k, ids[2]):
		head("_", err)
		for _, b := range tests {
			k.Edit(edit.Replace(b, edit.Text(err+" "+b.Op.String()+" nil")))
		}
	default:
		head(r, err)
		var names []string
		for _, id := range ids {
			if used(k, id) {
				names = append(names, id.Name)
			} else {
				names = append(names, "_")
			}
		}
		begin(k, lit, []edit.Piece{edit.Text(strings.Join(names, ", ") + " := " + q + ".AnswerV1(" + r + ", " + err + ")")})
	}
	return []edit.Piece{edit.Src(lit)}
}

// params are the names of a v1 callback's parameters, nil for those without.
func params(lit *ast.FuncLit) []*ast.Ident {
	out := make([]*ast.Ident, 0, 3)
	for _, f := range lit.Type.Params.List {
		out = append(out, f.Names...)
	}
	return append(out, make([]*ast.Ident, 3-len(out))...)
}

// used reports whether the parameter has a name that the body uses.
func used(k *rewrite.Class, id *ast.Ident) bool {
	return id != nil && len(k.Pkg.Uses[k.Pkg.Info.Defs[id]]) > 0
}

// comparisons are the comparisons of a status with "accepted", if it is used for nothing else.
func comparisons(k *rewrite.Class, status *ast.Ident) (out []*ast.BinaryExpr, ok bool) {
	if status == nil {
		return nil, false
	}
	for _, cur := range k.Pkg.Uses[k.Pkg.Info.Defs[status]] {
		b, is := cur.Parent().Node().(*ast.BinaryExpr)
		if !is || b.Op != token.EQL && b.Op != token.NEQ {
			return nil, false
		}
		other := b.Y
		if cur.ParentEdgeKind() == edge.BinaryExpr_Y {
			other = b.X
		}
		if v := k.Value(other); v == nil || constant.StringVal(v) != accepted {
			return nil, false
		}
		out = append(out, b)
	}
	return out, true
}

// local is a name for a new parameter that nothing in the nodes has: base, or that with a number.
func local(base string, in ...ast.Node) string {
	taken := map[string]bool{}
	for _, n := range in {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				taken[id.Name] = true
			}
			return true
		})
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	return name
}

// begin puts a statement at the beginning of lit.
func begin(k *rewrite.Class, lit *ast.FuncLit, p []edit.Piece) {
	pieces := append([]edit.Piece{edit.Text("\n")}, p...)
	at := lit.Body.Lbrace + 1
	if k.Pkg.Pos(at).Line == k.Pkg.Pos(lit.Body.List[0].Pos()).Line { // there is one: it uses a parameter
		pieces = append(pieces, edit.Text("\n"))
	}
	k.Edit(edit.Edit{Pos: at, End: at, Pieces: pieces})
}
