package v1client

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// ruleOf is the rule that covers a method or hook of v1's client; reports and statistics are kept by rule.
func ruleOf(name string) string {
	switch {
	case configures[name].write != nil:
		return "configure"
	case strings.HasPrefix(name, "On"):
		return "hooks"
	}
	switch name {
	case "Connect", "ConnectAsync":
		return "connect"
	case "Disconnect", "DisconnectAsync":
		return "disconnect"
	case "Publish", "PublishAsync":
		return "publish"
	case "Subscribe", "SubscribeAsync":
		return "subscribe"
	case "Unsubscribe", "UnsubscribeAsync":
		return "unsubscribe"
	case "V2":
		return "bridge"
	}
	return "class"
}

// operations rewrites every call of a method that is not Configure*.
func (k *class) operations() {
	for _, u := range k.c.Uses {
		if u.Kind != flow.Call || configures[u.Sel.Sel.Name].write != nil {
			continue
		}
		c := u.Call
		if c.Ellipsis.IsValid() && u.Sel.Sel.Name != "Connect" {
			k.block(c.Pos(), ruleOf(u.Sel.Sel.Name), "computed-options", "arguments passed as a slice")
			continue
		}
		if len(c.Args) == 1 && k.p.Info.Types[c.Args[0]].Type != nil {
			if _, multi := k.p.Info.TypeOf(c.Args[0]).(*types.Tuple); multi {
				k.block(c.Pos(), ruleOf(u.Sel.Sel.Name), "result-use", "all arguments come from one call")
				continue
			}
		}
		q := ""
		switch u.Sel.Sel.Name {
		case "V2", "Connect", "Disconnect":
		default:
			q = k.q(c.Pos(), paths.V2)
		}
		switch u.Sel.Sel.Name {
		case "V2":
			k.edit(edit.Replace(c, edit.Src(u.Sel.X)))
		case "Connect":
			k.edit(edit.Replace(c, receiver(u.Sel), edit.Text(".StartAndWait("+k.ctx(c.Pos())+")")))
		case "Disconnect":
			k.disconnect(u)
		case "Publish":
			k.publish(u, q)
		case "PublishAsync":
			k.publishAsync(u, q)
		case "Subscribe":
			packet := k.subscribePacket(u, c.Args[2], q)
			k.pair(u, packet, "Subscribe", "suback", nil)
		case "SubscribeAsync":
			packet := k.subscribePacket(u, c.Args[3], q)
			k.async(u, packet, "SubscribeAsync", c.Args[2], ackForm{arg: "suback *" + q + ".SubackPacket, _ error", cond: "suback != nil", name: "suback"})
		case "Unsubscribe":
			k.pair(u, unsubscribePacket(u, q), "Unsubscribe", "unsuback", nil)
		case "UnsubscribeAsync":
			k.async(u, unsubscribePacket(u, q), "UnsubscribeAsync", c.Args[1], ackForm{arg: "unsuback *" + q + ".UnsubackPacket, _ error", cond: "unsuback != nil", name: "unsuback"})
		case "ConnectAsync":
			k.block(u.Sel.Sel.Pos(), "connect", "connect-async", "ConnectAsync has no rule yet")
		case "DisconnectAsync":
			k.block(u.Sel.Sel.Pos(), "disconnect", "disconnect-async", "DisconnectAsync has no rule yet")
		default:
			k.block(u.Sel.Sel.Pos(), "class", "unknown-use", u.Sel.Sel.Name+" has no v2 form that the tool knows")
		}
	}
}

func (k *class) disconnect(u *flow.Use) {
	k.edit(edit.Replace(u.Call, receiver(u.Sel), edit.Text(".Stop("+k.stopCtx(u.Call.Pos())+", nil)")))
	for _, c := range k.calls("Connect") {
		if innermost(c.Cur) == innermost(u.Cur) && c.Expr.Pos() > u.Expr.Pos() {
			k.note(u.Call.Pos(), "disconnect", "Stop ends what is queued or unacknowledged; v1 kept it for the next Connect")
			return
		}
	}
}

// packet is the text of a packet argument, without the leading comma.
type packet []edit.Piece

func unsubscribePacket(u *flow.Use, q string) packet {
	return packet{edit.Text("&" + q + ".UnsubscribePacket{TopicFilters: []string{"), edit.Src(u.Call.Args[0]), edit.Text("}}")}
}

func (k *class) subscribePacket(u *flow.Use, cb ast.Expr, q string) packet {
	out := packet{edit.Text("&" + q + ".SubscribePacket{Subscriptions: []" + q + ".Subscription{{TopicFilter: "), edit.Src(u.Call.Args[0]), edit.Text(", QoS: ")}
	out = append(out, k.qos(u.Call.Args[1], "subscribe")...)
	if h, none := k.handler(u, cb); !none {
		out = append(append(out, edit.Text(", Handler: ")), h...)
	}
	return append(out, edit.Text("}}}"))
}

func (k *class) publishPacket(u *flow.Use, q string, body []edit.Piece) packet {
	c := u.Call
	out := packet{edit.Text("&" + q + ".PublishPacket{Topic: "), edit.Src(c.Args[0]), edit.Text(", Payload: ")}
	out = append(append(out, body...), edit.Text(", QoS: "))
	return append(append(out, k.qos(c.Args[2], "publish")...), edit.Text("}"))
}

func (k *class) publish(u *flow.Use, q string) {
	if body, ok := k.payload(u.Call.Args[1]); ok {
		k.pair(u, k.publishPacket(u, q, body), "Publish", "res", nil)
		return
	}
	// The conversion can fail, as v1's Publish could: it becomes a statement of its own.
	k.pair(u, nil, "Publish", "res", func(name string) packet {
		return k.publishPacket(u, q, []edit.Piece{edit.Text(name)})
	})
}

func (k *class) publishAsync(u *flow.Use, q string) {
	c := u.Call
	body, ok := k.payload(c.Args[1])
	if !ok {
		k.block(c.Args[1].Pos(), "publish", "payload-types", "the static type of the payload is "+k.typeName(c.Args[1]))
		return
	}
	ack := c.Args[3]
	form := ackForm{arg: "_ " + q + ".PublishResult, ", cond: " == nil", err: true}
	if v := k.value(c.Args[2]); v == nil {
		if !k.p.settled(c.Args[2]) {
			k.block(c.Args[2].Pos(), "publish", "evaluation-order", "the QoS decides whether ack runs, and may have changed by then")
			return
		}
		form.qos = c.Args[2]
	} else if constant.Sign(v) == 0 {
		form.never = true // v1 acknowledges nothing at QoS 0
	}
	k.async(u, k.publishPacket(u, q, body), "PublishAsync", ack, form)
}

// ackForm tells how a v1 acknowledgement callback is called from OnDone.
type ackForm struct {
	arg   string   // parameters of the OnDone function; with err, the name of the error is added
	name  string   // name among the parameters that the body must not use
	cond  string   // when ack runs; with err, the name of the error is put before it
	err   bool     // the condition is about the error
	qos   ast.Expr // ack runs only when this is above 0
	never bool     // ack never runs
}

// async writes an asynchronous call with its acknowledgement, and adapts the use of its results.
func (k *class) async(u *flow.Use, p packet, method string, ack ast.Expr, form ackForm) {
	rule := ruleOf(u.Sel.Sel.Name)
	pieces := append([]edit.Piece{receiver(u.Sel), edit.Text("." + method + "(")}, p...)
	pieces = append(pieces, edit.Text(")"))
	if tv := k.p.Info.Types[ack]; !tv.IsNil() && !form.never {
		done := k.onDone(u, ack, form, rule)
		if done == nil {
			return
		}
		pieces = append(pieces, done...)
	} else if form.never {
		if _, lit := ast.Unparen(ack).(*ast.FuncLit); lit {
			k.note(ack.Pos(), "acks", "the acknowledgement callback is dropped: v1 never calls it at QoS 0")
		}
	}
	cur := k.callCur(u)
	par, _ := parentSkippingParens(cur)
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		k.edit(edit.Replace(u.Call, pieces...))
	case *ast.AssignStmt:
		if id, ok := s.Lhs[0].(*ast.Ident); !ok || id.Name != "_" || len(s.Lhs) != 2 {
			k.block(s.Lhs[0].Pos(), rule, "message-ids", "the message id that "+u.Sel.Sel.Name+" returns is used")
			return
		}
		k.edit(edit.Edit{Pos: s.Lhs[0].Pos(), End: s.Lhs[1].Pos()})
		k.edit(edit.Replace(u.Call, append(pieces, edit.Text(".Err()"))...))
	default:
		k.block(u.Call.Pos(), rule, "result-use", "the results of "+u.Sel.Sel.Name+" are used in a way that has no rule")
	}
}

// onDone writes .OnDone(func(...) { if ok { ack } }).
func (k *class) onDone(u *flow.Use, ack ast.Expr, form ackForm, rule string) []edit.Piece {
	errName, arg, cond := "", form.arg, form.cond
	fn := outermost(u.Cur)
	if form.err {
		errName = k.quiet(ack, "err", fn)
		if form.qos != nil && errName == "err" {
			errName = k.quiet(form.qos, "err", fn)
		}
		arg, cond = arg+errName+" error", errName+cond
	} else if n := k.quiet(ack, form.name, fn); n != form.name {
		arg, cond = strings.Replace(arg, form.name, n, 1), strings.Replace(cond, form.name, n, 1)
	}
	out := []edit.Piece{edit.Text(".OnDone(func(" + arg + ") {\nif " + cond)}
	if form.qos != nil {
		out = append(out, edit.Text(" && "), k.operand(form.qos)[0], edit.Src(form.qos), k.operand(form.qos)[1], edit.Text(" > 0"))
	}
	out = append(out, edit.Text(" {"))
	switch x := ast.Unparen(ack).(type) {
	case *ast.FuncLit:
		for _, f := range x.Type.Params.List {
			for _, n := range f.Names {
				if v := k.p.Info.Defs[n]; v != nil && len(k.p.uses[v]) > 0 {
					k.block(k.p.uses[v][0].Node().Pos(), rule, "message-ids", "the acknowledgement callback uses "+n.Name+", which v2 does not give")
					return nil
				}
			}
		}
		return append(out, edit.Range(x.Body.Lbrace+1, x.Body.Rbrace), edit.Text("}\n})"))
	default:
		d := k.funcDecl(ack)
		if d == nil || !k.p.pure(ack) {
			k.block(ack.Pos(), rule, "acks", "the acknowledgement callback is a function value that may be nil")
			return nil
		}
		n := 0
		for _, f := range d.Type.Params.List {
			for _, name := range f.Names {
				if v := k.p.Info.Defs[name]; v != nil && len(k.p.uses[v]) > 0 {
					k.block(name.Pos(), rule, "message-ids", "the acknowledgement callback "+d.Name.Name+" uses "+name.Name+", which v2 does not give")
					return nil
				}
			}
			n += max(1, len(f.Names))
		}
		zero := []string{"0", "nil"}
		return append(out, edit.Text("\n"), edit.Src(ack), edit.Text("("+strings.Join(zero[:n], ", ")+")\n}\n})"))
	}
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
		return k.fresh(fn, ack.Pos(), base+"Done")
	}
	return base
}
