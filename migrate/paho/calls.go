package paho

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// ruleOf is the rule of a method of the client.
func ruleOf(name string) string {
	for _, m := range members {
		if m.Name == name {
			return m.Rule
		}
	}
	return "class"
}

// tokenCalls are the methods that return a token, with those of v2: the one that waits, and the one that does not.
var tokenCalls = map[string]struct{ wait, async string }{
	"Connect":           {"StartAndWait", "StartAsync"},
	"Publish":           {"Publish", "PublishAsync"},
	"Subscribe":         {"Subscribe", "SubscribeAsync"},
	"SubscribeMultiple": {"Subscribe", "SubscribeAsync"},
	"Unsubscribe":       {"Unsubscribe", "UnsubscribeAsync"},
}

// waits reports whether u becomes a call that takes a context.
func (p *pkg) waits(u *flow.Use) bool {
	if _, ok := tokenCalls[u.Sel.Sel.Name]; !ok {
		return false
	}
	return p.useOfToken(u).kind == waited && !p.isPromise(u.Call)
}

// operation is a call that returns a token, in v2's form.
type operation struct {
	u      *flow.Use
	packet []edit.Piece // nil for Connect
	wait   string
	async  string
	drop   string       // in place of async, where nobody looks at the future
	free   []edit.Piece // a function that returns a future, in place of the method
	on     []edit.Piece // whose method wait is; nil: the client's
	bare   bool         // wait returns an error and nothing else
}

// call is the source of the call of a method.
func (o *operation) call(name string, first string) []edit.Piece {
	if o.free != nil {
		if first == "" {
			return o.free
		}
		return append(slices.Clone(o.free), edit.Text(".Wait("+first+")"))
	}
	on := o.on
	if on == nil {
		on = []edit.Piece{rewrite.Receiver(o.u.Sel)}
	}
	out := append(slices.Clone(on), edit.Text("."+name+"("+first))
	if o.packet != nil {
		if first != "" {
			out = append(out, edit.Text(", "))
		}
		out = append(out, o.packet...)
	}
	return append(out, edit.Text(")"))
}

// operations rewrites the calls on the clients of a class.
func (w *writer) operations(c *class) {
	set := w.factsOf(c)
	for _, u := range c.flow.Uses {
		if u.Kind != flow.Call {
			continue
		}
		name := u.Sel.Sel.Name
		q := w.q(u.Call.Pos())
		if len(u.Call.Args) == 1 {
			if _, multi := w.Info.TypeOf(u.Call.Args[0]).(*types.Tuple); multi {
				w.keep(u, rewrite.Why{Anchor: "result-use", Text: "all arguments come from one call"})
				continue
			}
		}
		switch name {
		case "IsConnectionOpen":
			v2 := q(paths.V2)
			text := edit.Text(".State() == " + v2 + ".StateConnected")
			if par, _ := rewrite.ParentSkippingParens(w.cursor(u.Call)); isNot(par.Node()) {
				w.k.Edit(edit.Replace(par.Node(), edit.Src(u.Sel.X), edit.Text(".State() != "+v2+".StateConnected")))
			} else {
				pieces := []edit.Piece{edit.Src(u.Sel.X), text}
				if b, ok := par.Node().(*ast.BinaryExpr); ok && b.Op.Precedence() >= 3 {
					pieces = append(append([]edit.Piece{edit.Text("(")}, pieces...), edit.Text(")"))
				}
				w.k.Edit(edit.Replace(u.Call, pieces...))
			}
		case "IsConnected":
			is := ".ConnectedPaho("
			switch {
			case set.retries || set.unknown || set.elsewhere && w.speaksOf("ConnectRetry"):
				w.keep(u, rewrite.Why{Anchor: "computed-options", Text: "it depends on ConnectRetry, which is not known here"})
				continue
			case set.retry:
				is = ".StartedPaho("
			}
			w.k.Edit(edit.Replace(u.Call, edit.Text(q(paths.V2)+is), edit.Src(u.Sel.X), edit.Text(")")))
		case "Disconnect":
			w.disconnect(u)
		case "AddRoute":
			w.k.Edit(edit.Replace(u.Sel.Sel, edit.Text("Handle")))
			h := w.handlerArg(u.Call.Args[1], set.unordered, q)
			if len(h) > 1 {
				w.k.Edit(edit.Replace(u.Call.Args[1], h...))
			}
		case "Connect", "Publish", "Subscribe", "SubscribeMultiple", "Unsubscribe":
			o, why := w.operation(u, set)
			if why.Text != "" {
				w.keep(u, why)
				continue
			}
			w.token(o)
		default:
			w.keep(u, rewrite.Why{Anchor: "unknown-use", Text: name + " has no form of v2"})
		}
	}
}

// isNot reports whether n is a negation.
func isNot(n ast.Node) bool {
	u, ok := n.(*ast.UnaryExpr)
	return ok && u.Op.String() == "!"
}

// keep leaves a call on paho's shape of the client.
func (w *writer) keep(u *flow.Use, why rewrite.Why) {
	q := w.k.Q(u.Expr.Pos(), paths.PahoCompat)
	w.k.Edit(edit.Replace(u.Expr, edit.Text(q+".FromV2("), edit.Src(u.Expr), edit.Text(")")))
	name := u.Sel.Sel.Name
	if i, ok := sinks[name]; ok && i < len(u.Call.Args) && !w.Info.Types[u.Call.Args[i]].IsNil() {
		e := u.Call.Args[i]
		if c := w.classOf(handler, e); c.moves() {
			w.k.Edit(edit.Replace(e, edit.Text(q+".HandlerFromV2("), edit.Src(e), edit.Text(")")))
		}
	}
	w.bridge(u.Sel.Sel.Pos(), ruleOf(name), name, "mqtt.FromV2", why.Text, why.Anchor, "write it with a call of awsiot.Client")
	w.tokensOf(u, unit.Bridged)
}

// factsOf are what the options of a class of clients say, together.
func (w *writer) factsOf(c *class) facts {
	var out facts
	all := c.optionsOf()
	if len(all) == 0 { // the client of a callback
		for _, o := range w.of(client) {
			all = append(all, o.optionsOf()...)
		}
	}
	if len(all) == 0 { // of another package
		for _, p := range w.mod.pkgs {
			for _, o := range p.classes[client] {
				all = append(all, o.optionsOf()...)
			}
		}
	}
	for _, o := range all {
		if o == nil || o.set == nil {
			out.elsewhere, out.unknown = true, true
			continue
		}
		out.merge(o.set)
	}
	return out
}

// disconnect writes DrainFor.
func (w *writer) disconnect(u *flow.Use) {
	arg := u.Call.Args[0]
	w.k.Edit(edit.Replace(u.Sel.Sel, edit.Text("DrainFor")))
	t := w.k.Q(arg.Pos(), "time")
	if v := w.Info.Types[arg].Value; v != nil && w.k.Untyped(arg) {
		if n, ok := constant.Int64Val(constant.ToInt(v)); ok && n == 0 {
			return
		}
		if _, lit := ast.Unparen(arg).(*ast.BasicLit); lit {
			w.k.Edit(edit.Replace(arg, edit.Src(arg), edit.Text(" * "+t+".Millisecond")))
			return
		}
	}
	if c, ok := ast.Unparen(arg).(*ast.CallExpr); ok && len(c.Args) == 1 && w.Info.Types[c.Fun].IsType() {
		if lit, ok := ast.Unparen(c.Args[0]).(*ast.BasicLit); ok && lit.Kind == token.INT { // uint(250)
			w.k.Edit(edit.Replace(arg, edit.Src(lit), edit.Text(" * "+t+".Millisecond")))
			return
		}
	}
	w.k.Edit(edit.Replace(arg, edit.Text(t+".Duration("), edit.Src(arg), edit.Text(") * "+t+".Millisecond")))
}

// qos is the QoS of a packet.
func (p *pkg) qos(e ast.Expr, v2 string) []edit.Piece {
	if _, lit := ast.Unparen(e).(*ast.BasicLit); lit {
		return []edit.Piece{edit.Src(e)}
	}
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && len(c.Args) == 1 && p.Info.Types[c.Fun].IsType() {
		if _, lit := ast.Unparen(c.Args[0]).(*ast.BasicLit); lit {
			return []edit.Piece{edit.Src(c.Args[0])}
		}
		to, of := p.Info.TypeOf(c), p.Info.TypeOf(c.Args[0])
		if b, ok := of.Underlying().(*types.Basic); ok && b.Info()&types.IsInteger != 0 && p.Info.Types[e].Value == nil && types.Identical(to, types.Typ[types.Byte]) {
			return []edit.Piece{edit.Text(v2 + ".QoS("), edit.Src(c.Args[0]), edit.Text(")")} // byte(q): QoS cuts as byte does
		}
	}
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok {
		if name, ok := method(flow.StaticCallee(p.Info, c), "Message"); ok && name == "Qos" {
			if s := ast.Unparen(c.Fun).(*ast.SelectorExpr); p.movingClass(message, s.X) != nil && p.Pure(s.X) {
				return []edit.Piece{edit.Text(types.ExprString(s.X) + ".QoS")}
			}
		}
	}
	return []edit.Piece{edit.Text(v2 + ".QoS("), edit.Src(e), edit.Text(")")}
}

// still reports whether evaluating e has no effect: it is pure, or a property of a message.
func (p *pkg) still(e ast.Expr) bool {
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && !p.Pure(e) {
		_, ok := method(flow.StaticCallee(p.Info, c), "Message")
		return ok && p.Pure(c.Fun)
	}
	return p.Pure(e)
}

// twoIsRefused is the reason for QoS 2.
var twoIsRefused = rewrite.Why{Anchor: "qos2", Text: "QoS 2 has no v2 form, v2 refuses it always; write QoS 1, then run the tool again, or stay on paho where the broker has QoS 2"}

// two reports whether e is the constant QoS 2, or above.
func (p *pkg) two(e ast.Expr) bool {
	v := p.Info.Types[e].Value
	if v == nil {
		return false
	}
	n, ok := constant.Int64Val(constant.ToInt(v))
	return ok && n > 1
}

// payload converts a payload to []byte by its static type; ok is false where only paho's switch at run time can.
func (p *pkg) payload(e ast.Expr) (pieces []edit.Piece, ok bool) {
	t := p.Info.TypeOf(e)
	switch {
	case t == nil || p.Info.Types[e].IsNil():
		return nil, false
	case types.Identical(t, types.Typ[types.String]) || types.Identical(t, types.Typ[types.UntypedString]):
		if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && len(c.Args) == 1 && p.Info.Types[c.Fun].IsType() {
			if types.Identical(p.Info.TypeOf(c.Args[0]), types.NewSlice(types.Typ[types.Byte])) {
				return []edit.Piece{edit.Src(c.Args[0])}, true // string(b): the bytes themselves
			}
		}
		return []edit.Piece{edit.Text("[]byte("), edit.Src(ast.Unparen(e)), edit.Text(")")}, true
	case types.Identical(t, types.NewSlice(types.Typ[types.Byte])):
		return []edit.Piece{edit.Src(e)}, true
	case paths.Is(t, "bytes", "Buffer") && p.Info.Types[e].Addressable():
		return []edit.Piece{edit.Src(e), edit.Text(".Bytes()")}, true
	}
	return nil, false
}

// operation is u in v2's form, or why it has none.
func (w *writer) operation(u *flow.Use, set facts) (*operation, rewrite.Why) {
	name, args := u.Sel.Sel.Name, u.Call.Args
	m := tokenCalls[name]
	o := &operation{u: u, wait: m.wait, async: m.async}
	v2 := w.k.Q(u.Call.Pos(), paths.V2)
	if w.asserted(u) {
		return nil, rewrite.Why{Anchor: "tokens", Text: "its token is asked for its type"}
	}
	switch name {
	case "Connect":
		switch {
		case set.retries || set.unknown || set.elsewhere && w.speaksOf("ConnectRetry"):
			return nil, rewrite.Why{Anchor: "computed-options", Text: "whether it tries again is not known here"}
		case set.retry:
			o.wait, o.async, o.drop = "StartAndRetry", "StartRetryAsync", "Start"
		case w.connectsAgain(u) && !set.ends && !(set.elsewhere && w.speaksOf("AutoReconnect")):
			o.free = []edit.Piece{edit.Text(v2 + ".ConnectPaho("), rewrite.Receiver(u.Sel), edit.Text(")")}
			o.packet = o.free
		}
		return o, rewrite.Why{}
	case "Publish":
		body, ok := w.payload(args[3])
		if !ok {
			o.free = []edit.Piece{edit.Text(v2 + ".PublishPaho("), rewrite.Receiver(u.Sel), edit.Text(", "), edit.Src(args[0]), edit.Text(", ")}
			o.free = append(append(o.free, w.qos(args[1], v2)...), edit.Text(", "), edit.Src(args[2]), edit.Text(", "), edit.Src(args[3]), edit.Text(")"))
			o.packet = o.free
			return o, rewrite.Why{}
		}
		body = append([]edit.Piece{edit.Text(", Payload: ")}, body...)
		o.packet = []edit.Piece{edit.Text("&" + v2 + ".PublishPacket{Topic: "), edit.Src(args[0])}
		last := !w.Pure(args[3]) && !(w.still(args[1]) && w.still(args[2])) // calls stay in paho's order
		if !last {
			o.packet = append(o.packet, body...)
		}
		if v := w.Info.Types[args[1]].Value; v == nil || constant.Sign(v) != 0 {
			o.packet = append(append(o.packet, edit.Text(", QoS: ")), w.qos(args[1], v2)...)
		}
		if v := w.Info.Types[args[2]].Value; v == nil || constant.BoolVal(v) {
			o.packet = append(o.packet, edit.Text(", Retain: "), edit.Src(args[2]))
		}
		if last {
			o.packet = append(o.packet, body...)
		}
		o.packet = append(o.packet, edit.Text("}"))
	case "Subscribe":
		o.packet = []edit.Piece{edit.Text("&" + v2 + ".SubscribePacket{Subscriptions: []" + v2 + ".Subscription{{TopicFilter: "), edit.Src(args[0])}
		if v := w.Info.Types[args[1]].Value; v == nil || constant.Sign(v) != 0 {
			o.packet = append(append(o.packet, edit.Text(", QoS: ")), w.qos(args[1], v2)...)
		}
		if !w.Info.Types[args[2]].IsNil() {
			o.packet = append(append(o.packet, edit.Text(", Handler: ")), w.handlerArg(args[2], set.unordered, w.q(u.Call.Pos()))...)
		}
		o.packet = append(o.packet, edit.Text("}}}"))
	case "SubscribeMultiple":
		h := w.handlerArg(args[1], set.unordered, w.q(u.Call.Pos()))
		if lit, ok := ast.Unparen(args[0]).(*ast.CompositeLit); ok && w.Info.Types[args[1]].IsNil() {
			o.packet = []edit.Piece{edit.Text("&" + v2 + ".SubscribePacket{Subscriptions: []" + v2 + ".Subscription{")}
			for i, e := range lit.Elts {
				kv := e.(*ast.KeyValueExpr)
				if i > 0 {
					o.packet = append(o.packet, edit.Text(", "))
				}
				o.packet = append(o.packet, edit.Text("{TopicFilter: "), edit.Src(kv.Key), edit.Text(", QoS: "))
				o.packet = append(append(o.packet, w.qos(kv.Value, v2)...), edit.Text("}"))
			}
			o.packet = append(o.packet, edit.Text("}}"))
			break
		}
		o.packet = append([]edit.Piece{edit.Text("&" + v2 + ".SubscribePacket{Subscriptions: " + v2 + ".SubscriptionsPaho("), edit.Src(args[0]), edit.Text(", ")}, h...)
		o.packet = append(o.packet, edit.Text(")}"))
	case "Unsubscribe":
		o.packet = []edit.Piece{edit.Text("&" + v2 + ".UnsubscribePacket{TopicFilters: ")}
		if u.Call.Ellipsis.IsValid() {
			o.packet = append(o.packet, edit.Src(args[0]))
		} else {
			o.packet = append(o.packet, edit.Text("[]string{"))
			for i, a := range args {
				if i > 0 {
					o.packet = append(o.packet, edit.Text(", "))
				}
				o.packet = append(o.packet, edit.Src(a))
			}
			o.packet = append(o.packet, edit.Text("}"))
		}
		o.packet = append(o.packet, edit.Text("}"))
	}
	return o, rewrite.Why{}
}

// anyTwo reports whether a map of filters has the constant QoS 2: one that is written out, or a variable that is declared
// with one.
func (p *pkg) anyTwo(e ast.Expr) bool {
	e = ast.Unparen(e)
	if id, ok := e.(*ast.Ident); ok {
		e = ast.Unparen(p.Defs[p.Info.Uses[id]])
	}
	lit, ok := e.(*ast.CompositeLit)
	return ok && slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		return ok && p.two(kv.Value)
	})
}

// speaksOf reports whether the package sets an option by the name.
func (p *pkg) speaksOf(name string) bool {
	for o := range p.Uses {
		if o.Pkg() != nil && o.Pkg().Path() == paths.Paho && (o.Name() == name || o.Name() == "Set"+name) {
			return true
		}
	}
	return false
}
