package v1compat_test

// The rules: where this module differs from v1 on purpose. A rule rewrites the recording into what must be seen
// instead; what it looks for is in packets, calls and callbacks. The comparison then knows no exceptions.

import (
	"slices"
	"strings"
)

// trRule is one difference from v1 that is meant.
type trRule struct {
	name  string
	quirk bool // Quirks has a switch: with StrictV1 the rule does not apply
	apply func(tr *transcript, strict bool) bool
}

// The order matters: a rule sees what those before it have made of the recording.
var trRules = []trRule{
	{"ConfigureErrorAtConnect", false, ruleConfigure},
	{"EndpointMissing", false, ruleEndpoint},
	{"MetricsAfterQuery", false, ruleMetrics},
	{"QoS2Refused", false, ruleQoS2},
	{"InvalidRefusedAtCall", false, ruleInvalid},
	{"JobStatusRefused", false, ruleJobsStatus},
	{"JobWithoutTopicHarmless", false, ruleJobsTopic},
	{"CallbackPanicSurvived", false, rulePanic},
	{"CallInCallbackWorks", false, ruleCallInCallback},
	{"TimeoutCallbackUnlocked", false, ruleTimeoutCallback},
	{"CallbacksDoNotHoldNetwork", false, ruleSlowCallback},
	{"AcceptRefusedConnect", true, ruleRefused},
	{"NoOnlineWhenRefused", false, ruleRefusedHooks},
	{"NoDowngrade", false, ruleDowngrade},
	{"FailedConnectEnds", false, ruleFailedConnect},
	{"WebsocketTLS", false, ruleWebsocketTLS},
	{"WebsocketRFC6455", false, ruleWebsocketRFC},
	{"WebsocketHeaderAnyCase", false, ruleWebsocketHeader},
	{"ReconnectAfterAnyError", false, ruleReconnectGoesOn},
	{"DisconnectWhileOffline", false, ruleDisconnect},
	{"PingTimeoutIsHalf", false, rulePing},
	{"OfflineOnce", false, ruleOfflineOnce},
	{"NoRetransmitOnLiveLink", false, ruleRetransmit},
	{"LostSessionSendsAnew", false, ruleLostSession},
	{"CapHoldsOnReconnect", false, ruleCap},
	{"DrainStopsWhileOffline", false, ruleDrain},
	{"KeepRejectedSubscription", true, ruleRejected},
	{"QueuedPublishAckLost", true, ruleQueuedAck},
	{"ShadowVersionReset", true, ruleVersionReset},
	{"ShadowSubscribeSleep", true, ruleShadowSleep},
	{"DiscoveryTimeoutHolds", false, ruleDiscoveryTimeout},
	{"DiscoveryHeaderAnyCase", false, ruleDiscoveryHeader},
}

// applyRules rewrites the recording and returns the rules that found something.
func applyRules(tr *transcript, strict bool) []trRule {
	var fired []trRule
	for _, r := range trRules {
		if (!strict || !r.quirk) && r.apply(tr, strict) {
			fired = append(fired, r)
			tr.sort()
		}
	}
	return fired
}

// shift moves everything after seq by dt seconds.
func (tr *transcript) shift(seq, dt float64) {
	for _, p := range tr.Packets {
		if p.Seq > seq {
			p.T += dt
		}
	}
	for _, c := range tr.Callbacks {
		if c.Seq > seq {
			c.T += dt
		}
	}
	for _, c := range tr.Calls {
		if c.Seq > seq {
			c.T += dt
		}
		if c.EndSeq > seq {
			c.EndT += dt
			if c.Seq <= seq && c.main() {
				c.Blocked = max(0, c.Blocked+dt)
			}
		}
	}
}

func (tr *transcript) dropPackets(which func(*trPacket) bool) {
	tr.Packets = slices.DeleteFunc(tr.Packets, which)
}

func (tr *transcript) dropCallbacks(which func(*trCallback) bool) bool {
	n := len(tr.Callbacks)
	tr.Callbacks = slices.DeleteFunc(tr.Callbacks, which)
	return len(tr.Callbacks) < n
}

// packet finds the first packet that fits, or nil.
func (tr *transcript) packet(which func(*trPacket) bool) *trPacket {
	if i := slices.IndexFunc(tr.Packets, which); i >= 0 {
		return tr.Packets[i]
	}
	return nil
}

// becomes sets how a call ends.
func (c *trCall) becomes(returns string) { c.Returns, c.Raises = []byte(returns), nil }

func (c *trCall) fails(kind, message string) { c.Returns, c.Raises = nil, &trRaise{kind, message} }

// within reports whether seq is in the time of the call.
func (c *trCall) within(seq float64) bool { return seq > c.Seq && (c.EndSeq == 0 || seq < c.EndSeq) }

// until is the seq of the next call of one of the methods after seq.
func (tr *transcript) until(seq float64, methods ...string) float64 {
	for _, c := range tr.Calls {
		if c.Seq > seq && slices.Contains(methods, c.Method) {
			return c.Seq
		}
	}
	return 1e9
}

// acked adds the broker's answer right after p.
func (tr *transcript) acked(p *trPacket, kind string) {
	a := &trPacket{Seq: p.Seq + 0.001, T: p.T, Dir: "s2c", Type: kind, Conn: p.Conn, MidRef: p.MidRef}
	if kind == "SUBACK" {
		a.Granted = []int{p.QoS}
	}
	tr.Packets = append(tr.Packets, p, a)
}

// ruleConfigure: a Configure call returns nothing here; what is wrong with it, the next Connect returns.
func ruleConfigure(tr *transcript, _ bool) bool {
	fired := false
	for i, c := range tr.Calls {
		if !strings.HasPrefix(c.Method, "configure") || c.Raises == nil {
			continue
		}
		fired = true
		wrong := *c.Raises
		c.becomes("null")
		if wrong.Type == "TypeError" {
			continue // Go's compiler raises it
		}
		for _, next := range tr.Calls[i+1:] {
			if next.Method == c.Method || next.Method == "__init__" {
				break // put right, or another object
			}
			if next.Method == "connect" {
				next.fails(wrong.Type, wrong.Message)
				tr.shift(next.EndSeq-0.001, -next.Blocked)
				next.Blocked = 0
				tr.dropPackets(func(p *trPacket) bool { return next.within(p.Seq) })
				break
			}
		}
	}
	return fired
}

// ruleEndpoint: connect without configureEndpoint is a ValueError, not Python's word for a bug.
func ruleEndpoint(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Raises != nil && c.Raises.Type == "AttributeError" && strings.Contains(c.Raises.Message, "_endpoint_provider") {
			c.fails("ValueError", "Invalid host.")
			fired = true
		}
	}
	return fired
}

// ruleMetrics: the SDK's name is joined with & to a user name that has a query already.
func ruleMetrics(tr *transcript, _ bool) bool {
	fired := false
	for _, p := range tr.Packets {
		if p.Username == nil {
			continue
		}
		if i := strings.LastIndex(*p.Username, "?SDK="); i > 0 && strings.Contains((*p.Username)[:i], "?") {
			p.Username = new((*p.Username)[:i] + "&" + (*p.Username)[i+1:])
			fired = true
		}
	}
	return fired
}

// ruleQoS2: QoS 2 is an error of the call, and nothing is sent.
func ruleQoS2(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		at := map[string]int{"publish": 2, "publishAsync": 2, "subscribe": 1, "subscribeAsync": 1}
		if i, ok := at[c.Method]; !ok || len(c.Args) <= i || c.Args[i] != 2.0 {
			continue
		}
		c.fails("ValueError", "Invalid QoS level.")
		fired = true
		tr.dropPackets(func(p *trPacket) bool { return c.within(p.Seq) && p.Dir != "event" })
	}
	if fired {
		tr.dropPackets(func(p *trPacket) bool {
			return p.Type == "PUBREC" || p.Type == "PUBREL" || p.Type == "PUBCOMP" || p.Type == "PUBLISH" && p.QoS == 2
		})
		tr.dropCallbacks(func(cb *trCallback) bool {
			m, ok := map[string]any(nil), false
			if len(cb.Args) > 0 {
				m, ok = cb.Args[len(cb.Args)-1].(map[string]any)
			}
			return ok && m["qos"] == 2.0
		})
	}
	return fired
}

// rulePanic: a panic in a callback is logged; messages and acknowledgements go on.
func rulePanic(tr *transcript, _ bool) bool {
	i := slices.IndexFunc(tr.Callbacks, func(cb *trCallback) bool { return cb.panics })
	if i < 0 {
		return false
	}
	bad := tr.Callbacks[i]
	for _, p := range tr.Packets {
		if p.Dir == "s2c" && p.Type == "PUBLISH" && p.Seq > bad.Seq && len(bad.Args) == 3 {
			m := map[string]any{"topic": p.Topic, "payload": p.Payload, "qos": float64(p.QoS), "retain": p.Retain, "dup": p.Dup, "mid": p.MidRef}
			if p.QoS == 0 {
				m["mid"] = 0.0
			}
			tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: p.Seq + 0.01, T: p.T, Name: bad.Name, Args: []any{nil, nil, m}, Thread: bad.Thread})
		}
	}
	for _, c := range tr.Calls {
		if c.main() && c.Seq > bad.Seq && c.Raises != nil && strings.HasSuffix(c.Raises.Type, "TimeoutException") {
			c.becomes("true")
			tr.shift(c.EndSeq-0.001, -c.Blocked)
			c.Blocked = 0
		}
	}
	return true
}

// ruleCallInCallback: a blocking call inside a callback gets its acknowledgement.
func ruleCallInCallback(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Thread == "event-dispatch" && c.Raises != nil && strings.HasSuffix(c.Raises.Type, "TimeoutException") {
			c.becomes("true")
			tr.shift(c.EndSeq-0.001, -c.Blocked)
			c.Blocked = 0
			fired = true
		}
	}
	return fired
}

// ruleTimeoutCallback: a shadow request inside a timeout callback is made; v1 never returned from it.
func ruleTimeoutCallback(tr *transcript, strict bool) bool {
	fired := false
	for _, c := range tr.Calls {
		action, ok := strings.CutPrefix(c.Method, "shadow")
		if c.EndSeq != 0 || c.Thread != "timer" || !ok {
			continue
		}
		fired = true
		c.becomes(`"<token>"`)
		c.EndSeq, c.EndT = c.Seq+0.5, c.T
		first := tr.packet(func(p *trPacket) bool { return strings.HasPrefix(p.Topic, "$aws/things/") })
		thing := strings.Split(first.Topic, "/")[2]
		base := "$aws/things/" + thing + "/shadow/" + strings.ToLower(action)
		for i, suffix := range []string{"/accepted", "/rejected"} {
			tr.acked(&trPacket{Seq: c.Seq + 0.1 + float64(i)/10, T: c.T, Dir: "c2s", Type: "SUBSCRIBE", Conn: first.Conn, MidRef: "c9" + suffix[1:2], Filters: []any{map[string]any{"filter": base + suffix, "qos": 0.0}}, Topic: base + suffix}, "SUBACK")
		}
		body := `{"clientToken": "<token>"}`
		if text, ok := c.Args[0].(string); ok && c.Method == "shadowUpdate" {
			body = strings.TrimSuffix(text, "}") + `,"clientToken":"<token>"}`
		}
		t := c.T
		if strict {
			t += 2
			c.Blocked = 2
		}
		tr.Packets = append(tr.Packets, &trPacket{Seq: c.Seq + 0.4, T: t, Dir: "c2s", Type: "PUBLISH", Conn: first.Conn, Topic: base, Payload: body})
	}
	return fired
}

// ruleSlowCallback: pings go on while a callback runs.
func ruleSlowCallback(tr *transcript, _ bool) bool {
	fired := false
	for _, cb := range tr.Callbacks {
		conn := tr.packet(func(p *trPacket) bool { return p.Type == "CONNECT" && p.Seq < cb.Seq })
		if conn == nil || conn.KeepAlive == 0 || cb.sleeps.Seconds() < 2*float64(conn.KeepAlive) {
			continue
		}
		for t := float64(conn.KeepAlive); t < cb.sleeps.Seconds(); t += float64(conn.KeepAlive) {
			seq := cb.Seq + t/1000
			tr.Packets = append(tr.Packets, &trPacket{Seq: seq, T: cb.T + t, Dir: "c2s", Type: "PINGREQ", Conn: conn.Conn},
				&trPacket{Seq: seq + 0.0001, T: cb.T + t, Dir: "s2c", Type: "PINGRESP", Conn: conn.Conn})
		}
		fired = true
	}
	return fired
}
