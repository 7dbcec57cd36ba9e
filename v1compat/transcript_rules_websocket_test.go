package v1compat_test

// The rules about websockets.

import (
	"math"
	"net/http"
	"slices"
	"strings"
)

// ruleWebsocketTLS: the TLS of a websocket names the server, and HTTP/1.1 as what is spoken.
func ruleWebsocketTLS(tr *transcript, _ bool) bool {
	fired := false
	if !tr.websocket() {
		return false
	}
	for _, p := range tr.Packets {
		if p.Type != "TRANSPORT_OPEN" || !p.TLS || p.ClientCert {
			continue
		}
		for _, c := range tr.Calls {
			if c.Method == "configureEndpoint" && c.Seq < p.Seq {
				p.SNI, _ = c.Args[0].(string)
			}
		}
		p.ALPN, fired = "http/1.1", true
	}
	return fired
}

// ruleWebsocketRFC: the upgrade request is one of RFC 6455, with a key of 16 bytes, for subprotocol mqtt [MQTT5-6.0.0-3],
// and signed for the service that AWS documents, without X-Amz-Expires, which the service does not look at. No extension
// is offered.
func ruleWebsocketRFC(tr *transcript, _ bool) bool {
	fired := false
	for _, p := range tr.Packets {
		if p.Type != "WS_UPGRADE_REQUEST" {
			continue
		}
		p.KeyLen, fired = 16, true
		p.RequestLine = strings.Replace(p.RequestLine, "%2Fiotdata%2F", "%2Fiotdevicegateway%2F", 1)
		p.RequestLine = strings.Replace(p.RequestLine, "&X-Amz-Expires=86400", "", 1)
		p.Headers = slices.DeleteFunc(p.Headers, func(h string) bool { return strings.HasPrefix(h, "Sec-WebSocket-Extensions:") })
		for i, h := range p.Headers {
			p.Headers[i] = strings.Replace(h, "Sec-WebSocket-Protocol: mqttv3.1", "Sec-WebSocket-Protocol: mqtt", 1)
		}
		p.Headers = append(p.Headers, "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip") // net/http's own
	}
	return fired
}

// ruleWebsocketHeader: the name of a header is the same in any case [RFC 9110, 5.1]. v1 took lower case for
// Sec-WebSocket-Accept only; anything else was an exception of the first connect, and ended the network thread when
// reconnecting. Here the handshake is good, and the connection goes on.
func ruleWebsocketHeader(tr *transcript, _ bool) bool {
	fired := false
	for _, r := range slices.Clone(tr.Packets) {
		if r.Type != "WS_UPGRADE_RESPONSE" || r.Status != http.StatusSwitchingProtocols || r.AcceptName == strings.ToLower(r.AcceptName) {
			continue
		}
		fired = true
		former := tr.packet(func(p *trPacket) bool { return p.Type == "CONNECT" })
		connect := *former
		connect.Seq, connect.T, connect.Conn = r.Seq+0.1, r.T, r.Conn
		tr.Packets = append(tr.Packets, &connect, &trPacket{Seq: r.Seq + 0.2, T: r.T, Dir: "s2c", Type: "CONNACK", Conn: r.Conn})
		tr.dropPackets(func(p *trPacket) bool { return p.Conn == r.Conn && strings.HasSuffix(p.Type, "_CLOSED") })
		if slices.ContainsFunc(tr.Calls, func(c *trCall) bool { return c.Assign == "onOnline" }) {
			tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: r.Seq + 0.3, T: r.T, Name: "onOnline", Thread: "event-dispatch"})
		}
		for _, c := range tr.Calls {
			switch {
			case c.Method == "connect" && c.within(r.Seq):
				c.becomes("true")
			case strings.HasPrefix(c.Method, "publish") && c.Seq > r.Seq:
				tr.online(c, r.Conn)
			}
		}
	}
	return fired
}

// online makes a publish call that was queued one that was sent.
func (tr *transcript) online(c *trCall, conn int) {
	switch string(c.Returns) {
	case "false":
		c.becomes("true")
	case `"QUEUED"`:
		c.becomes(`"<mid>"`)
	default:
		return
	}
	q, _ := c.Args[2].(float64)
	topic, _ := c.Args0().(string)
	p := &trPacket{Seq: c.Seq + 0.1, T: c.T, Dir: "c2s", Type: "PUBLISH", Conn: conn, Topic: topic, QoS: int(q), Payload: c.Args[1]}
	if q == 0 {
		tr.Packets = append(tr.Packets, p)
		return
	}
	p.MidRef = "c970"
	tr.acked(p, "PUBACK")
}

// ruleReconnectGoesOn: a handshake that is refused when reconnecting is tried again after the waits of the back-off. v1
// survived errors of the socket only: its network thread ended, and nothing was ever sent again.
func ruleReconnectGoesOn(tr *transcript, _ bool) bool {
	var refused, request, open, lost *trPacket
	for _, p := range tr.Packets {
		switch p.Type {
		case "TRANSPORT_OPEN":
			refused, open = nil, p // it went on
		case "WS_UPGRADE_REQUEST":
			request = p
		case "WS_UPGRADE_RESPONSE":
			if p.Status != http.StatusSwitchingProtocols {
				refused = p
			}
		case "CLIENT_CLOSED", "SERVER_SIDE_CLOSED":
			if refused == nil {
				lost = p
			}
		}
	}
	if refused == nil || lost == nil || slices.ContainsFunc(tr.Calls, func(c *trCall) bool { return c.Seq > lost.Seq && strings.HasPrefix(c.Method, "connect") }) {
		return false
	}
	last := tr.Calls[len(tr.Calls)-1].T
	wait := 2 * math.Round(open.T-lost.T)
	for t, n := open.T+wait, open.Conn+1; t < last; t, n = t+wait, n+1 {
		wait *= 2
		again := []trPacket{*open, *request, *refused}
		seq := tr.room(t, len(again))
		for i := range again {
			again[i].Seq, again[i].T, again[i].Conn = seq+float64(i), t, n
			tr.Packets = append(tr.Packets, &again[i])
		}
	}
	return true
}

// room moves the places of all entries after time t by n, and returns the first place that is free.
func (tr *transcript) room(t float64, n int) float64 {
	free := math.Inf(1)
	each := func(seq *float64, at float64) {
		if at > t {
			free = min(free, *seq)
			*seq += float64(n)
		}
	}
	for _, c := range tr.Calls {
		each(&c.Seq, c.T)
		each(&c.EndSeq, c.EndT)
	}
	for _, p := range tr.Packets {
		each(&p.Seq, p.T)
	}
	for _, c := range tr.Callbacks {
		each(&c.Seq, c.T)
	}
	return free
}
