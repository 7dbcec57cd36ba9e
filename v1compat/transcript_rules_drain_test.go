package v1compat_test

// The rule about a link that is lost while the queue is drained.

import (
	"fmt"
	"strings"
)

// ruleDrain: draining stops with the link, and goes on with the next connection where it was. v1 drained into the void:
// QoS 0 messages were lost, QoS 1 ones came in a burst after the reconnect, and calls after it raised publishError(4)
// although their message was sent later.
func ruleDrain(tr *transcript, _ bool) bool {
	loss, connack := tr.interrupted()
	if connack == nil {
		return false
	}
	interval := 0.5
	var waiting []*trCall
	for _, c := range tr.Calls {
		if hz, _ := c.Args0().(float64); c.Method == "configureDrainingFrequency" && hz > 0 {
			interval = 1 / hz
		}
		if !strings.HasPrefix(c.Method, "publish") || c.Seq > connack.Seq {
			continue
		}
		queued := string(c.Returns) == "false" || string(c.Returns) == `"QUEUED"`
		failed := c.Raises != nil && c.Raises.Message == "Publish Error: 4"
		if p := tr.published(c); p != nil && p.Seq < loss.Seq || !queued && !failed {
			continue
		}
		if failed {
			c.becomes(map[string]string{"publish": "false", "publishAsync": `"QUEUED"`}[c.Method])
		}
		waiting = append(waiting, c)
	}
	for i, c := range waiting {
		if p := tr.published(c); p != nil {
			tr.dropPackets(func(q *trPacket) bool { return q == p || q.MidRef == p.MidRef && p.MidRef != "" && q.Conn == p.Conn })
		}
		q, _ := c.Args[2].(float64)
		topic, _ := c.Args0().(string)
		p := &trPacket{Seq: connack.Seq + 0.01*float64(i+1), T: connack.T + interval*float64(i), Dir: "c2s", Type: "PUBLISH", Conn: connack.Conn, Topic: topic, QoS: int(q), Payload: c.Args[1]}
		if q == 0 {
			tr.Packets = append(tr.Packets, p)
			continue
		}
		p.MidRef = fmt.Sprintf("c%d", 950+i)
		tr.acked(p, "PUBACK")
	}
	return true
}

// interrupted finds a loss of the link after which v1 drained into the void, and the connection that followed.
func (tr *transcript) interrupted() (loss, connack *trPacket) {
	for _, c := range tr.Calls {
		if !strings.HasPrefix(c.Method, "publish") || len(c.Args) < 3 {
			continue
		}
		lost := c.Args[2] == 0.0 && (string(c.Returns) == "false" || string(c.Returns) == `"QUEUED"`) && tr.published(c) == nil
		failed := c.Raises != nil && c.Raises.Message == "Publish Error: 4"
		if !lost && !failed {
			continue
		}
		for _, p := range tr.Packets {
			switch {
			case p.Type == "CONNACK" && loss != nil:
				return loss, p
			case p.Type == "DISCONNECT":
				return nil, nil
			case p.Type == "CLIENT_CLOSED" || p.Type == "SERVER_SIDE_CLOSED":
				if loss == nil && tr.packet(func(q *trPacket) bool { return q.Conn == p.Conn && q.Type == "PUBLISH" && q.Dir == "c2s" }) != nil {
					loss = p
				}
			}
		}
	}
	return nil, nil
}

// published is the packet in which the message of a publish call was sent first, or nil.
func (tr *transcript) published(c *trCall) *trPacket {
	return tr.packet(func(p *trPacket) bool {
		return p.Dir == "c2s" && p.Type == "PUBLISH" && p.Seq > c.Seq && p.Topic == c.Args0() && canonical(p.Payload) == canonical(c.Args[1])
	})
}
