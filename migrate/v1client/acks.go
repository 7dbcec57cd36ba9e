package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// ack is an acknowledgement callback that is known not to be nil: a literal, a local variable that holds one and is not
// assigned again, or a declared function or method.
type ack struct {
	lit    *ast.FuncLit
	name   string       // of the function, as it is written
	params []*types.Var // nil for one without a name
	types  []types.Type
	used   []*types.Var // those that its body uses
}

// ackOf reads an acknowledgement callback; nil when it may be nil or change.
func (k *class) ackOf(e ast.Expr) *ack {
	out := &ack{}
	t := (*ast.FuncType)(nil)
	if lit, ok := ast.Unparen(e).(*ast.FuncLit); ok {
		out.lit, t = lit, lit.Type
	} else if d := k.ackDecl(e); d != nil {
		out.name, t = types.ExprString(ast.Unparen(e)), d.Type
	} else if lit := k.literalOf(e); lit != nil {
		out.name, t = types.ExprString(ast.Unparen(e)), lit.Type
	} else {
		return nil
	}
	for _, f := range t.Params.List {
		for i := range max(1, len(f.Names)) {
			var v *types.Var
			if i < len(f.Names) {
				v, _ = k.Pkg.Info.Defs[f.Names[i]].(*types.Var)
			}
			out.params, out.types = append(out.params, v), append(out.types, k.Pkg.Info.TypeOf(f.Type))
			if v != nil && len(k.Pkg.Uses[v]) > 0 {
				out.used = append(out.used, v)
			}
		}
	}
	return out
}

// ackDecl is the declared function or method of this package that e names.
func (k *class) ackDecl(e ast.Expr) *ast.FuncDecl {
	if !k.Pkg.Pure(e) {
		return nil
	}
	f := k.named(e)
	if f == nil {
		return nil
	}
	return k.Pkg.Decls[f]
}

// param is parameter i, when the callback uses it.
func (a *ack) param(i int) *types.Var {
	for _, v := range a.used {
		if i < len(a.params) && a.params[i] == v {
			return v
		}
	}
	return nil
}

// literal writes the literal without the parameters that it does not use.
func (a *ack) literal(k *class) []edit.Piece {
	var params []string
	for i, t := range a.types {
		if v := a.param(i); v != nil {
			params = append(params, v.Name()+" "+k.typeText(t, a.lit.Pos()))
		}
	}
	return []edit.Piece{edit.Text("func(" + strings.Join(params, ", ") + ") "), edit.Src(a.lit.Body)}
}

// typeText writes the type of an ack's parameter: v1compat.Mid, int or []byte.
func (k *class) typeText(t types.Type, pos token.Pos) string {
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return k.Q(pos, paths.V1Compat) + "." + n.Obj().Name()
	}
	return types.TypeString(t, nil)
}

// call writes a call of the ack under a name: word is v1's word for the id, in v1compat, and data the second argument.
func (a *ack) call(k *class, name string, pos token.Pos, word, data string) string {
	var args []string
	for i, t := range a.types {
		used := a.param(i) != nil
		_, slice := t.Underlying().(*types.Slice)
		switch {
		case a.lit != nil && !used:
		case used && i == 0:
			args = append(args, k.Q(pos, paths.V1Compat)+"."+word)
		case used:
			args = append(args, data)
		case slice:
			args = append(args, "nil")
		default:
			args = append(args, "0")
		}
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// ackForm tells how a v1 acknowledgement callback is called from OnDone.
type ackForm struct {
	arg   string   // parameters of the OnDone function; with err, the name of the error is added
	name  string   // name among the parameters that the body must not use
	cond  string   // when ack runs; with err, the name of the error is put before it
	err   bool     // the condition is about the error
	codes string   // the granted QoS of v1's data, behind the name
	qos   ast.Expr // ack runs only when this is above 0
	never bool     // ack never runs
}

// async writes an asynchronous call with its acknowledgement, and adapts the use of its results.
func (k *class) async(u *flow.Use, p packet, method string, ack ast.Expr, form ackForm) {
	rule := k.Rule(u.Sel.Sel.Name)
	pieces := append([]edit.Piece{rewrite.Receiver(u.Sel), edit.Text("." + method + "(")}, p...)
	pieces = append(pieces, edit.Text(")"))
	if tv := k.Pkg.Info.Types[ack]; !tv.IsNil() && !form.never {
		done := k.onDone(u, ack, form, rule)
		if done == nil {
			return
		}
		pieces = append(pieces, done...)
	} else if form.never {
		if _, lit := ast.Unparen(ack).(*ast.FuncLit); lit {
			k.Note(ack.Pos(), "acks", "the acknowledgement callback is dropped: v1 never calls it at QoS 0")
		}
	}
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		k.Edit(edit.Replace(u.Call, pieces...))
	case *ast.AssignStmt:
		id, ok := s.Lhs[0].(*ast.Ident)
		switch {
		case !ok || len(s.Lhs) != 2:
			k.Block(s.Lhs[0].Pos(), rule, "message-ids", "the message id that "+u.Sel.Sel.Name+" returns is used")
		case id.Name == "_":
			k.Edit(edit.Edit{Pos: s.Lhs[0].Pos(), End: s.Lhs[1].Pos()})
			k.Edit(edit.Replace(u.Call, append(pieces, edit.Text(".Err()"))...))
		default:
			k.queued(u, par, s, id, pieces)
		}
	default:
		k.Block(u.Call.Pos(), rule, "result-use", "the results of "+u.Sel.Sel.Name+" are used in a way that has no rule")
	}
}

// queued adapts mid, err := client.PublishAsync(...) where mid is only compared with MidQueued: the future knows that.
func (k *class) queued(u *flow.Use, par inspector.Cursor, s *ast.AssignStmt, id *ast.Ident, call []edit.Piece) {
	rule := k.Rule(u.Sel.Sel.Name)
	v := k.Pkg.Info.Defs[id]
	if s.Tok != token.DEFINE || v == nil || !k.Pkg.Constant(v) {
		k.Block(id.Pos(), rule, "message-ids", "the message id that "+u.Sel.Sel.Name+" returns goes to a variable that is declared elsewhere")
		return
	}
	future := k.Fresh(rewrite.Outermost(u.Cur), s.Pos(), "future")
	var tests []edit.Edit
	for _, c := range k.Pkg.Uses[v] {
		up, self := rewrite.ParentSkippingParens(c)
		b, ok := up.Node().(*ast.BinaryExpr)
		if !ok || b.Op != token.EQL && b.Op != token.NEQ {
			k.Block(c.Node().Pos(), rule, "message-ids", "the message id that "+u.Sel.Sel.Name+" returns is used, and v2 gives none")
			return
		}
		other := b.X
		if other == self {
			other = b.Y
		}
		if !k.isMidQueued(other) {
			k.Block(c.Node().Pos(), rule, "message-ids", "the message id that "+u.Sel.Sel.Name+" returns is compared with something else than MidQueued")
			return
		}
		text := future + ".Queued()"
		if b.Op == token.NEQ {
			text = "!" + text
		}
		tests = append(tests, edit.Replace(b, edit.Text(text)))
	}
	stmt, ok := ahead(par)
	if !ok || stmt != s && !k.Pkg.Pure(u.Sel.X) {
		k.Block(u.Call.Pos(), rule, "result-use", "the future of "+u.Sel.Sel.Name+" needs a statement before this one, and there is no place for it")
		return
	}
	for _, e := range tests {
		k.Edit(e)
	}
	made := append([]edit.Piece{edit.Text(future + " := ")}, call...)
	errID, _ := s.Lhs[1].(*ast.Ident)
	if errID != nil && errID.Name == "_" && stmt == s {
		k.Edit(edit.Replace(s, made...))
		return
	}
	op := " = "
	if errID != nil && k.Pkg.Info.Defs[errID] != nil {
		op = " := "
	}
	made = append(made, edit.Text("\n"), edit.Range(stmt.Pos(), s.Pos()), edit.Src(s.Lhs[1]), edit.Text(op+future+".Err()"))
	k.Edit(edit.Edit{Pos: stmt.Pos(), End: s.End(), Pieces: made})
}

// isMidQueued reports whether e is v1compat.MidQueued.
func (k *class) isMidQueued(e ast.Expr) bool {
	var id *ast.Ident
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
	default:
		return false
	}
	c, ok := k.Pkg.Info.Uses[id].(*types.Const)
	return ok && c.Pkg() != nil && c.Pkg().Path() == paths.V1Compat && c.Name() == "MidQueued"
}

// onDone writes .OnDone(func(...) { if ok { ack } }).
func (k *class) onDone(u *flow.Use, e ast.Expr, form ackForm, rule string) []edit.Piece {
	a := k.ackOf(e)
	if a == nil {
		k.Block(e.Pos(), rule, "acks", "the acknowledgement callback is a function value that may be nil")
		return nil
	}
	if mid := a.param(0); mid != nil {
		name := "the acknowledgement callback"
		if a.lit == nil {
			name += " " + a.name
		}
		k.Block(k.Pkg.Uses[mid][0].Node().Pos(), rule, "message-ids", name+" uses "+mid.Name()+", and v2 gives no message ids")
		return nil
	}
	errName, arg, cond, codes := "", form.arg, form.cond, ""
	fn := rewrite.Outermost(u.Cur)
	if form.err {
		errName = k.quiet(e, "err", fn)
		if form.qos != nil && errName == "err" {
			errName = k.quiet(form.qos, "err", fn)
		}
		arg, cond = arg+errName+" error", errName+cond
	} else {
		n := k.quiet(e, form.name, fn)
		arg, cond, codes = strings.Replace(arg, form.name, n, 1), strings.Replace(cond, form.name, n, 1), "[]byte{byte("+n+form.codes+")}"
	}
	out := []edit.Piece{edit.Text(".OnDone(func(" + arg + ") {\nif " + cond)}
	if form.qos != nil {
		out = append(out, edit.Text(" && "), k.operand(form.qos)[0], edit.Src(form.qos), k.operand(form.qos)[1], edit.Text(" > 0"))
	}
	out = append(out, edit.Text(" {"))
	if a.lit == nil {
		return append(out, edit.Text("\n"+a.call(k, a.name, e.Pos(), "", codes)+"\n}\n})"))
	}
	if data := a.param(1); data != nil {
		text := "\n" + data.Name() + " := " + codes
		if body := a.lit.Body; len(body.List) > 0 && k.Pkg.Pos(body.Lbrace).Line == k.Pkg.Pos(body.List[0].Pos()).Line {
			text += "\n" // all on one line
		}
		out = append(out, edit.Text(text))
	}
	return append(out, edit.Range(a.lit.Body.Lbrace+1, a.lit.Body.Rbrace), edit.Text("}\n})"))
}

// quiet is base, or a fresh name when the callback's text mentions base.
func (k *class) quiet(ack ast.Expr, base string, fn ast.Node) string {
	used := false
	ast.Inspect(ack, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		used = used || ok && id.Name == base
		return true
	})
	if used {
		return k.Fresh(fn, ack.Pos(), base+"Done")
	}
	return base
}
