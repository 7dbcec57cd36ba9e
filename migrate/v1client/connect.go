package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// ahead is the statement before which others can be put that have to run before the call at cur: the one it is, or the
// if or switch whose first statement it is.
func ahead(cur inspector.Cursor) (ast.Stmt, bool) {
	if s, ok := rewrite.StmtOf(cur); ok {
		return s, true
	}
	for c := range cur.Enclosing((*ast.IfStmt)(nil), (*ast.SwitchStmt)(nil), (*ast.FuncLit)(nil)) {
		var init ast.Stmt
		switch s := c.Node().(type) {
		case *ast.IfStmt:
			init = s.Init
			if init == nil && s.Cond.Pos() <= cur.Node().Pos() && cur.Node().End() <= s.Cond.End() {
				init = s // the condition is evaluated first, and once
			}
		case *ast.SwitchStmt:
			init = s.Init
		}
		if init == nil || cur.Node().Pos() < init.Pos() || cur.Node().End() > init.End() {
			return nil, false
		}
		s, ok := rewrite.StmtOf(c)
		return s, ok && s == c.Node()
	}
	return nil, false
}

func (k *class) connect(u *flow.Use) {
	if k.connected(u) {
		k.Block(u.Call.Pos(), "connect", "connect-again", "the client may be connected here: v1 ended that connection and made a new one, StartAndWait would return at once")
		return
	}
	if !k.ownKeepAlive(u) {
		return
	}
	k.Edit(edit.Replace(u.Call, rewrite.Receiver(u.Sel), edit.Text(".StartAndWait("+k.Ctx(u.Call.Pos())+")")))
}

// ownKeepAlive writes the keep-alive of one connect call, where it is not that which the client is made with.
func (k *class) ownKeepAlive(u *flow.Use) bool {
	if !k.keep.late {
		return true
	}
	const rule = "connect"
	if u.Sel.Sel.Name == "Connect" && (len(u.Call.Args) > 1 || u.Call.Ellipsis.IsValid()) {
		k.Block(u.Call.Pos(), rule, "keep-alive", "Connect is given a list of keep-alives")
		return false
	}
	stmt, ok := ahead(k.CallCur(u))
	if !ok || !k.Pkg.Pure(u.Sel.X) {
		k.Block(u.Call.Pos(), rule, "keep-alive", "the keep-alive needs a statement before the call, and there is no place for one")
		return false
	}
	q := k.v2(u)
	value := []edit.Piece{edit.Text(k.keepAliveConst(v1KeepAlive, u.Call.Pos()))}
	if len(u.Call.Args) > 0 {
		arg := u.Call.Args[0]
		v := k.Value(arg)
		switch {
		case v == nil && !k.Pkg.Pure(arg):
			name := k.Fresh(rewrite.Outermost(u.Cur), u.Call.Pos(), "keepAlive")
			k.Edit(edit.Edit{Pos: stmt.Pos(), End: stmt.Pos(), Pieces: []edit.Piece{edit.Text(name + " := "), edit.Src(arg), edit.Text("\n")}})
			value = []edit.Piece{edit.Text(q + ".KeepAliveV1(" + name + ")")}
		case v == nil:
			value = []edit.Piece{edit.Text(q + ".KeepAliveV1("), edit.Src(arg), edit.Text(")")}
		default:
			n, _ := constant.Int64Val(v)
			if n < 0 || n > 65535 {
				k.Block(u.Call.Pos(), rule, "keep-alive", "the keep-alive "+strconv.FormatInt(n, 10)+" is outside 0 to 65535")
				return false
			}
			value = []edit.Piece{edit.Text(k.keepAliveConst(n, u.Call.Pos()))}
		}
	}
	pieces := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".Update(func(o *" + q + ".ClientOptions) {\no.KeepAlive = ")}
	k.Edit(edit.Edit{Pos: stmt.Pos(), End: stmt.Pos(), Pieces: append(append(pieces, value...), edit.Text("\n})\n"))})
	return true
}

// connectAsync writes ConnectAsync as StartAndSend, with an observer that calls its ack at every CONNACK. The ack ends
// with Disconnect in v1, so the client must not be connected again.
func (k *class) connectAsync(u *flow.Use) {
	const rule = "connect"
	ack := u.Call.Args[1]
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	drop := token.NoPos // the id of `_, err :=` ends here
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
	case *ast.AssignStmt:
		if id, ok := s.Lhs[0].(*ast.Ident); len(s.Lhs) != 2 || !ok || id.Name != "_" {
			k.Block(s.Lhs[0].Pos(), rule, "message-ids", "the id that ConnectAsync returns is used")
			return
		}
		drop = s.Lhs[1].Pos()
	default:
		k.Block(u.Call.Pos(), rule, "result-use", "the results of ConnectAsync are used in a way that has no rule")
		return
	}
	start := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".StartAndSend(" + k.Ctx(u.Call.Pos()) + ")")}
	from := u.Call.Pos() // what is replaced begins here
	if tv := k.Pkg.Info.Types[ack]; !tv.IsNil() {
		stmt, observe := k.connectAck(u, ack)
		if observe == nil {
			return
		}
		from = stmt.Pos()
		if drop.IsValid() {
			s := par.Node().(*ast.AssignStmt)
			observe = append(observe, edit.Range(from, s.Lhs[0].Pos()), edit.Range(drop, u.Call.Pos()))
			drop = token.NoPos
		} else {
			observe = append(observe, edit.Range(from, u.Call.Pos()))
		}
		start = append(observe, start...)
	}
	if !k.ownKeepAlive(u) {
		return
	}
	if drop.IsValid() {
		k.Edit(edit.Edit{Pos: par.Node().Pos(), End: drop})
	}
	k.Edit(edit.Edit{Pos: from, End: u.Call.End(), Pieces: start})
	k.Note(u.Call.Pos(), "connect-async", "when the broker closes the connection instead of answering, v1 gave up; StartAndSend goes on trying")
}

// connectAck is the observer that calls the ack of a ConnectAsync, and the statement that it stands before; nil: none.
func (k *class) connectAck(u *flow.Use, ack ast.Expr) (ast.Stmt, []edit.Piece) {
	const rule = "connect"
	if !k.connectsOnce() {
		k.Block(u.Call.Pos(), rule, "connect-async", "the client may be connected again, and v1's ack ends with Disconnect or another connect call")
		return nil, nil
	}
	stmt, ok := ahead(k.CallCur(u))
	if !ok || !k.Pkg.Pure(u.Sel.X) {
		k.Block(u.Call.Pos(), rule, "connect-async", "the ack needs a statement before the call, and there is no place for one")
		return nil, nil
	}
	a := k.ackOf(ack)
	if a == nil {
		k.Block(ack.Pos(), rule, "acks", "the acknowledgement callback is a function value that may be nil")
		return nil, nil
	}
	if data := a.param(1); data != nil && !k.onlyZeroTest(data) {
		k.Block(k.Pkg.Uses[data][0].Node().Pos(), rule, "connect-async", "the ack uses the return code, and v2 has the reason codes of MQTT 5")
		return nil, nil
	}
	q := k.v2(u)
	fn := rewrite.Outermost(u.Cur)
	var pieces []edit.Piece
	name := a.name
	if a.lit != nil {
		name = k.Fresh(fn, u.Call.Pos(), "onConnack")
		pieces = append(append([]edit.Piece{edit.Text(name + " := ")}, a.literal(k)...), edit.Text("\n"))
	}
	call := func(data string) string { return a.call(k, name, ack.Pos(), "MidConnected", data) }
	failure := k.Fresh(fn, u.Call.Pos(), "failure")
	pieces = append(pieces, rewrite.Receiver(u.Sel), edit.Text(".Observe("+q+".Observer{\nOnConnectionSuccess: func(*"+q+".ConnectionSuccess) { "+
		call("0")+" },\nOnConnectionFailure: func("+failure+" *"+q+".ConnectionFailure) {\nif "+failure+".Connack != nil { // refused\n"+
		call("int("+failure+".Connack.Code)")+"\n}\n},\n})\n"))
	return stmt, pieces
}

// onlyZeroTest reports whether v, a return code, is only compared with 0: then every other number serves for a refusal.
func (k *class) onlyZeroTest(v *types.Var) bool {
	for _, c := range k.Pkg.Uses[v] {
		par, self := rewrite.ParentSkippingParens(c)
		b, ok := par.Node().(*ast.BinaryExpr)
		if !ok || b.X != self {
			return false
		}
		switch b.Op {
		case token.EQL, token.NEQ, token.GTR, token.LEQ:
		default:
			return false
		}
		if n := k.Value(b.Y); n == nil || constant.Sign(n) != 0 {
			return false
		}
	}
	return true
}

func (k *class) disconnect(u *flow.Use) {
	k.Edit(edit.Replace(u.Call, rewrite.Receiver(u.Sel), edit.Text(".Stop("+k.StopCtx(u.Call.Pos())+", nil)")))
	if k.reconnects(u) {
		k.Note(u.Call.Pos(), "disconnect", "Stop ends what is queued or unacknowledged; v1 kept it for the next Connect")
	}
}

// disconnectAsync writes DisconnectAsync as a Stop in a goroutine. Stop returns when OnDisconnection and OnStopped have
// run, and that is when v1 called the ack.
func (k *class) disconnectAsync(u *flow.Use) {
	const rule = "disconnect"
	ack := u.Call.Args[0]
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
	case *ast.AssignStmt:
		for _, l := range s.Lhs {
			if id, ok := l.(*ast.Ident); !ok || id.Name != "_" {
				k.Block(l.Pos(), rule, "disconnect-async", "what DisconnectAsync returns is used, and a Stop in a goroutine returns nothing")
				return
			}
		}
	default:
		k.Block(u.Call.Pos(), rule, "disconnect-async", "DisconnectAsync stands where a go statement cannot")
		return
	}
	if _, ok := rewrite.StmtOf(par); !ok {
		k.Block(u.Call.Pos(), rule, "disconnect-async", "DisconnectAsync stands where a go statement cannot")
		return
	}
	if k.reconnects(u) {
		k.Block(u.Call.Pos(), rule, "disconnect-async", "the client may be connected again, and that Connect would not know that a Stop is to come first")
		return
	}
	stop := edit.Text(".Stop(" + k.StopCtx(u.Call.Pos()) + ", nil)")
	if tv := k.Pkg.Info.Types[ack]; tv.IsNil() {
		k.Edit(edit.Replace(par.Node(), edit.Text("go "), rewrite.Receiver(u.Sel), stop))
		return
	}
	a := k.ackOf(ack)
	if a == nil || !k.Pkg.Pure(u.Sel.X) {
		k.Block(ack.Pos(), rule, "acks", "the acknowledgement callback is a function value that may be nil")
		return
	}
	pieces := []edit.Piece{edit.Text("go func() {\n"), rewrite.Receiver(u.Sel), stop, edit.Text("\n")}
	switch {
	case a.lit != nil && len(a.used) == 0:
		pieces = append(pieces, edit.Range(a.lit.Body.Lbrace+1, a.lit.Body.Rbrace))
	case a.lit != nil:
		pieces = append(append(pieces, a.literal(k)...), edit.Text(a.call(k, "", ack.Pos(), "MidDisconnected", "0")))
	default:
		pieces = append(pieces, edit.Text(a.call(k, a.name, ack.Pos(), "MidDisconnected", "0")))
	}
	k.Edit(edit.Replace(par.Node(), append(pieces, edit.Text("\n}()"))...))
}
