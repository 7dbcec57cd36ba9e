package v1compat_test

// The rules about requests and shadows.

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ruleRetransmit: MQTT 5 forbids to send a message again on a live connection [MQTT5-4.4.0-1]; v1 did after 20 s.
func ruleRetransmit(tr *transcript, _ bool) bool {
	fired := false
	sent := map[string]bool{} // by connection and reference
	tr.dropPackets(func(p *trPacket) bool {
		key := fmt.Sprint(p.Conn, p.MidRef)
		switch {
		case p.Dir == "c2s" && p.Type == "PUBLISH" && p.QoS > 0:
			again := p.Dup && sent[key]
			sent[key] = true
			if again {
				sent["again"+key], fired = true, true
			}
			return again
		case p.Dir == "s2c" && p.Type == "PUBACK" && sent["again"+key]:
			return true // its answer
		}
		return false
	})
	return fired
}

// ruleLostSession: what a session that the server does not have left unacknowledged is sent as new: DUP would say that
// the session had sent it [MQTT5-3.3.1-1].
func ruleLostSession(tr *transcript, _ bool) bool {
	fired := false
	present := map[int]bool{}
	for _, p := range tr.Packets {
		switch {
		case p.Type == "CONNACK":
			present[p.Conn] = p.SessionPresent
		case p.Dir == "c2s" && p.Type == "PUBLISH" && p.Dup && !present[p.Conn]:
			p.Dup = false
			old := p.MidRef
			for _, q := range tr.Packets {
				if q.Conn == p.Conn && q.MidRef == old {
					q.MidRef = fmt.Sprintf("%d%s", 100+p.Conn, old)
				}
			}
			fired = true
		}
	}
	return fired
}

// ruleCap: at most 20 messages are unacknowledged on a connection, after a reconnect too.
func ruleCap(tr *transcript, _ bool) bool {
	const most = 20
	fired := false
	open := map[int]map[string]bool{}
	over := map[string]bool{}
	tr.dropPackets(func(p *trPacket) bool {
		key := fmt.Sprint(p.Conn, p.MidRef)
		if open[p.Conn] == nil {
			open[p.Conn] = map[string]bool{}
		}
		switch {
		case p.Dir == "c2s" && p.Type == "PUBLISH" && p.QoS > 0:
			if len(open[p.Conn]) == most && tr.neverAcked(p.Conn) {
				over[key], fired = true, true
				return true
			}
			open[p.Conn][p.MidRef] = true
		case p.Dir == "s2c" && p.Type == "PUBACK":
			if over[key] {
				return true
			}
			if p.Proxy != "dropped" && p.Proxy != "held" {
				delete(open[p.Conn], p.MidRef)
			}
		}
		return false
	})
	return fired
}

// neverAcked reports whether no PUBACK reached the client on a connection.
func (tr *transcript) neverAcked(conn int) bool {
	return tr.packet(func(p *trPacket) bool {
		return p.Conn == conn && p.Dir == "s2c" && p.Type == "PUBACK" && p.Proxy != "dropped" && p.Proxy != "held"
	}) == nil
}

// ruleRejected: a filter that the server refused is forgotten, and not subscribed again.
func ruleRejected(tr *transcript, _ bool) bool {
	fired := false
	refused, gone := map[string]bool{}, map[string]bool{}
	filters := map[string]string{} // by reference
	tr.dropPackets(func(p *trPacket) bool {
		switch {
		case p.Dir == "c2s" && p.Type == "SUBSCRIBE":
			filters[p.MidRef] = p.Topic
			called := slices.ContainsFunc(tr.Calls, func(c *trCall) bool {
				return strings.HasPrefix(c.Method, "subscribe") && c.Args[0] == p.Topic && c.Seq < p.Seq && p.T-c.T < 0.3
			})
			if refused[p.Topic] && !called {
				gone[p.MidRef], fired = true, true
				return true
			}
		case p.Type == "SUBACK":
			if len(p.Granted) == 1 && p.Granted[0] >= 0x80 {
				refused[filters[p.MidRef]] = true
			}
			return gone[p.MidRef]
		}
		return false
	})
	tr.dropCallbacks(func(cb *trCallback) bool {
		ref, _ := cb.Kwargs["mid_ref"].(string)
		return gone[ref]
	})
	return fired
}

// ruleQueuedAck: the ack callback of a publish that was queued is called at its PUBACK.
func ruleQueuedAck(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Method != "publishAsync" || len(c.Args) < 4 || c.Args[2] == 0.0 || string(c.Returns) != `"QUEUED"` {
			continue
		}
		name := callbackName(c.Args[3])
		sent := tr.packet(func(p *trPacket) bool {
			return p.Dir == "c2s" && p.Type == "PUBLISH" && p.Seq > c.Seq && p.Topic == c.Args[0] && canonical(p.Payload) == canonical(c.Args[1])
		})
		if name == "" || sent == nil {
			continue
		}
		ack := tr.packet(func(p *trPacket) bool {
			return p.Type == "PUBACK" && p.Dir == "s2c" && p.MidRef == sent.MidRef && p.Seq > sent.Seq && p.Proxy == ""
		})
		if ack != nil {
			tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: ack.Seq + 0.1, T: ack.T, Name: name, Thread: "event-dispatch"})
			fired = true
		}
	}
	return fired
}

// ruleShadowSleep: a shadow request does not wait for 2 s after its SUBACKs.
func ruleShadowSleep(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Object != "deviceShadow" || c.Blocked < 1.9 {
			continue
		}
		var suback *trPacket
		for _, p := range tr.Packets {
			if p.Type == "SUBACK" && c.within(p.Seq) {
				suback = p
			}
		}
		if suback == nil {
			continue
		}
		tr.shift(suback.Seq, -2)
		if !c.main() {
			c.Blocked -= 2
		}
		fired = true
	}
	return fired
}

// ruleVersionReset: an accepted answer that is not newer leaves the known version alone, so that a delta which is older
// stays unwanted.
func ruleVersionReset(tr *transcript, _ bool) bool {
	fired := false
	v1, here := map[string]float64{}, map[string]float64{}
	for _, p := range tr.Packets {
		parts := strings.Split(p.Topic, "/")
		if p.Dir != "s2c" || p.Type != "PUBLISH" || len(parts) < 6 || parts[0] != "$aws" {
			continue
		}
		var doc struct {
			Version *float64 `json:"version"`
		}
		text, _ := p.Payload.(string)
		if json.Unmarshal([]byte(text), &doc) != nil {
			continue
		}
		thing := parts[2]
		if v1[thing] == 0 {
			v1[thing], here[thing] = -1, -1
		}
		i := slices.IndexFunc(tr.Callbacks, func(cb *trCallback) bool { return len(cb.Args) == 3 && cb.Args[0] == text && cb.Seq > p.Seq })
		if i < 0 {
			continue // nobody asked for it, or it was not wanted
		}
		switch {
		case parts[5] == "delta":
			if *doc.Version <= here[thing] {
				tr.Callbacks = slices.Delete(tr.Callbacks, i, i+1)
				fired = true
				continue
			}
			v1[thing], here[thing] = *doc.Version, *doc.Version
		case len(parts) == 6 && parts[5] == "accepted" && parts[4] == "delete":
			v1[thing], here[thing] = -1, -1
		case len(parts) == 6 && parts[5] == "accepted":
			if doc.Version == nil || *doc.Version <= v1[thing] {
				v1[thing] = -1
			} else {
				v1[thing] = *doc.Version
			}
			if doc.Version != nil {
				here[thing] = max(here[thing], *doc.Version)
			}
		}
	}
	return fired
}

// ruleInvalid: a request with an invalid topic is an error of its call, online or not, and harms nothing else: what v1
// could not send after it is sent.
func ruleInvalid(tr *transcript, _ bool) bool {
	poison := 0.0
	fired := false
	for _, c := range tr.Calls {
		topic, _ := c.Args0().(string)
		publish := c.Method == "publish" || c.Method == "publishAsync"
		subscribe := c.Method == "subscribe" || c.Method == "subscribeAsync"
		queued := string(c.Returns) == "false" || string(c.Returns) == `"QUEUED"`
		switch {
		case publish && queued && topic == "":
			c.fails("ValueError", "Invalid topic.")
		case publish && queued && strings.ContainsAny(topic, "+#"):
			c.fails("ValueError", "Publish topic cannot contain wildcards.")
		case subscribe && topic == "" && c.Raises != nil && c.Raises.Type == "ValueError":
			// v1 had stored it; whether that harmed is seen at the next connection
			poison = c.Seq
			continue
		default:
			continue
		}
		poison, fired = c.Seq, true
	}
	if poison == 0 {
		return false
	}
	return tr.recovers(poison) || fired
}

// Args0 is the first argument, nil if there is none.
func (c *trCall) Args0() any {
	if len(c.Args) == 0 {
		return nil
	}
	return c.Args[0]
}

// recovers adds what v1's recovery thread would have sent, had it not ended at an invalid record or request: on the
// first connection after seq, the rest of the records, then the queue; and later requests are not queued.
func (tr *transcript) recovers(seq float64) bool {
	connack := tr.packet(func(p *trPacket) bool { return p.Type == "CONNACK" && p.Seq > seq })
	if connack == nil {
		return false
	}
	stuck := slices.ContainsFunc(tr.Calls, func(c *trCall) bool {
		return c.Seq > connack.Seq && (string(c.Returns) == "false" || string(c.Returns) == `"QUEUED"`)
	})
	if !stuck {
		return false
	}
	on := func(kind, topic string) *trPacket {
		return tr.packet(func(p *trPacket) bool {
			return p.Conn == connack.Conn && p.Type == kind && p.Dir == "c2s" && p.Topic == topic
		})
	}
	at, t, n := connack.Seq+0.5, connack.T, 900
	for _, p := range tr.Packets {
		if p.Conn == connack.Conn && p.Dir == "c2s" && (p.Type == "SUBSCRIBE" || p.Type == "PUBLISH") {
			at, t = p.Seq+0.1, p.T
		}
	}
	for _, c := range tr.Calls {
		topic, _ := c.Args0().(string)
		if topic == "" || c.Raises != nil {
			continue
		}
		n++
		ref := fmt.Sprintf("c%d", n)
		switch {
		case c.Method == "subscribe" && c.Seq < connack.Seq && on("SUBSCRIBE", topic) == nil:
			at += 0.01
			q, _ := c.Args[1].(float64)
			tr.acked(&trPacket{Seq: at, T: t, Dir: "c2s", Type: "SUBSCRIBE", Conn: connack.Conn, Topic: topic, QoS: int(q), MidRef: ref, Filters: []any{map[string]any{"filter": topic, "qos": q}}}, "SUBACK")
		case strings.HasPrefix(c.Method, "publish") && c.Seq < connack.Seq && on("PUBLISH", topic) == nil:
			at += 0.01
			t += 0.5 // the draining interval; the invalid request has no turn
			tr.acked(&trPacket{Seq: at, T: t, Dir: "c2s", Type: "PUBLISH", Conn: connack.Conn, Topic: topic, QoS: 1, Payload: c.Args[1], MidRef: ref}, "PUBACK")
		case strings.HasPrefix(c.Method, "publish") && c.Seq > connack.Seq && (string(c.Returns) == "false" || string(c.Returns) == `"QUEUED"`):
			tr.acked(&trPacket{Seq: c.Seq + 0.1, T: c.T, Dir: "c2s", Type: "PUBLISH", Conn: connack.Conn, Topic: topic, QoS: 1, Payload: c.Args[1], MidRef: ref}, "PUBACK")
			c.becomes(map[string]string{"publish": "true", "publishAsync": `"<mid>"`}[c.Method])
		}
	}
	return true
}
