package v1client

import (
	"go/ast"
	"go/constant"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// packet is the text of a packet argument, without its closing brace.
type packet = []edit.Piece

func unsubscribePacket(u *flow.Use, q string) packet {
	return packet{edit.Text("&" + q + ".UnsubscribePacket{TopicFilters: []string{"), edit.Src(u.Call.Args[0]), edit.Text("}")}
}

// SubscribePacket is a packet, without its closing brace, that subscribes the callback of u to a filter.
func SubscribePacket(k *rewrite.Class, u *flow.Use, filter, qos []edit.Piece) []edit.Piece {
	c := of(k)
	q := c.v2(u)
	out := slices.Concat(packet{edit.Text("&" + q + ".SubscribePacket{Subscriptions: []" + q + ".Subscription{{TopicFilter: ")}, filter, packet{edit.Text(", QoS: ")}, qos)
	if h, none := c.handler(u, c.Callback(u)); !none {
		out = append(append(out, edit.Text(", Handler: ")), h...)
	}
	return append(out, edit.Text("}}"))
}

func (k *class) subscribePacket(u *flow.Use) packet {
	return SubscribePacket(k.Class, u, packet{edit.Src(u.Call.Args[0])}, k.qos(u.Call.Args[1], "subscribe"))
}

// SubscribeAsync writes an asynchronous subscribe of a packet without its closing brace, with its acknowledgement callback.
func SubscribeAsync(k *rewrite.Class, u *flow.Use, p []edit.Piece, ack ast.Expr) {
	c := of(k)
	if tv := c.Pkg.Info.Types[ack]; !tv.IsNil() {
		c.Note(ack.Pos(), "acks", "v1 called the acknowledgement callback again at every automatic resubscribe")
	}
	c.async(u, append(p, lasting), "SubscribeAsync", ack,
		ackForm{arg: "suback *" + c.v2(u) + ".SubackPacket, _ error", cond: "suback != nil", name: "suback", codes: ".Codes[0]"})
}

// QoS is the QoS of a packet.
func QoS(k *rewrite.Class, e ast.Expr, rule string) []edit.Piece { return of(k).qos(e, rule) }

func (k *class) publishPacket(u *flow.Use, q string, body []edit.Piece) packet {
	c := u.Call
	out := packet{edit.Text("&" + q + ".PublishPacket{Topic: "), edit.Src(c.Args[0]), edit.Text(", Payload: ")}
	out = append(append(out, body...), edit.Text(", QoS: "))
	return append(out, k.qos(c.Args[2], "publish")...)
}

func (k *class) publish(u *flow.Use) {
	q := k.v2(u)
	if body, ok := k.payload(u.Call.Args[1]); ok {
		k.Pair(u, append(k.publishPacket(u, q, body), edit.Text("}")), "Publish", "res")
		return
	}
	// The conversion can fail, as v1's Publish could: it becomes a statement of its own.
	k.converted(u, func(name string) packet {
		return append(k.publishPacket(u, q, []edit.Piece{edit.Text(name)}), edit.Text("}"))
	})
}

func (k *class) publishAsync(u *flow.Use) {
	q := k.v2(u)
	c := u.Call
	body, ok := k.payload(c.Args[1])
	if !ok {
		k.Block(c.Args[1].Pos(), "publish", "payload-types", "the static type of the payload is "+k.TypeName(c.Args[1]))
		return
	}
	ack, end := c.Args[3], lasting
	form := ackForm{arg: "_ " + q + ".PublishResult, ", cond: " == nil", err: true}
	if v := k.Value(c.Args[2]); v == nil {
		if !settled(k.Pkg, c.Args[2]) {
			k.Block(c.Args[2].Pos(), "publish", "evaluation-order", "the QoS decides whether ack runs, and may have changed by then")
			return
		}
		form.qos = c.Args[2]
	} else if constant.Sign(v) == 0 {
		form.never = true // v1 acknowledges nothing at QoS 0
		if !k.reconnects(u) {
			end = edit.Text("}")
		}
	}
	k.async(u, append(k.publishPacket(u, q, body), end), "PublishAsync", ack, form)
}
