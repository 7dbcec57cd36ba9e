package v1compat_test

// The rules about connections.

import (
	"slices"
)

// refusals are the connect calls that the broker refused, with the CONNACK.
func (tr *transcript) refusals(method string) map[*trCall]*trPacket {
	found := map[*trCall]*trPacket{}
	for _, c := range tr.Calls {
		if c.Method != method {
			continue
		}
		end := tr.until(c.Seq, "connect", "connectAsync", "disconnect", "disconnectAsync")
		if p := tr.packet(func(p *trPacket) bool { return p.Type == "CONNACK" && p.Seq > c.Seq && p.Seq < end }); p != nil && p.ReturnCode != 0 {
			found[c] = p
		}
	}
	return found
}

// ruleRefused: a connect that the server refuses is a ConnectError with the code, and is not tried again. A disconnect
// after it has nothing to end.
func ruleRefused(tr *transcript, _ bool) bool {
	refused := tr.refusals("connect")
	for c, connack := range refused {
		c.fails("connectError", "Connect Error: "+string(rune('0'+connack.ReturnCode)))
		end := tr.until(c.Seq, "connect", "connectAsync")
		tr.dropPackets(func(p *trPacket) bool { return p.Seq > connack.Seq && p.Seq < end })
		tr.dropCallbacks(func(cb *trCallback) bool { return cb.Seq > c.Seq && cb.Seq < end })
		for _, d := range tr.Calls {
			if d.Method == "disconnect" && d.Seq > c.Seq && d.Seq < end {
				d.fails("disconnectError", "Disconnect Error: 4")
				d.Blocked = 0
			}
		}
	}
	return len(refused) > 0
}

// ruleRefusedHooks: a refused connection was never online, so neither hook is called for it.
func ruleRefusedHooks(tr *transcript, _ bool) bool {
	fired := false
	for _, p := range tr.Packets {
		if p.Type != "CONNACK" || p.ReturnCode == 0 {
			continue
		}
		end := 1e9
		if next := tr.packet(func(q *trPacket) bool { return q.Type == "CONNACK" && q.Seq > p.Seq }); next != nil {
			end = next.Seq
		}
		for _, name := range []string{"onOnline", "onOffline"} {
			if i := slices.IndexFunc(tr.Callbacks, func(cb *trCallback) bool { return cb.Name == name && cb.Seq > p.Seq && cb.Seq < end }); i >= 0 {
				tr.Callbacks = slices.Delete(tr.Callbacks, i, i+1)
				fired = true
			}
		}
	}
	return fired
}

// maxDelay is the longest back-off: v1's default or what the program configured.
func (tr *transcript) maxDelay() float64 {
	longest := 32.0
	for _, c := range tr.Calls {
		if c.Method == "configureAutoReconnectBackoffTime" && !c.raised {
			longest, _ = c.Args[1].(float64)
		}
	}
	return longest
}

// ruleDowngrade: there is nothing below MQTT 5 to fall back to. A connection refused with code 1 is tried again after
// the longest back-off, since the core takes it that this will not change soon.
func ruleDowngrade(tr *transcript, _ bool) bool {
	fired := false
	for _, p := range tr.Packets {
		if p.Type == "CONNACK" && p.ReturnCode == 1 {
			next := tr.packet(func(q *trPacket) bool { return q.Type == "TRANSPORT_OPEN" && q.Seq > p.Seq })
			for _, c := range tr.Calls {
				if c.Method == "connect" && c.within(p.Seq) { // v1 waited for the second CONNACK
					c.EndSeq, c.EndT, c.Blocked = p.Seq+0.0005, p.T, p.T-c.T
				}
			}
			if next != nil {
				tr.shift(next.Seq-0.001, tr.maxDelay()-(next.T-p.T))
			}
			fired = true
		}
	}
	return fired
}

// ruleFailedConnect: a connect that gets no CONNACK closes its connection and is over: at once if the server closed.
// There is no onOffline without onOnline, and a disconnect after it has nothing to end.
func ruleFailedConnect(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Method != "connect" || c.Raises == nil || c.Raises.Type != "connectTimeoutException" {
			continue
		}
		sent := tr.packet(func(p *trPacket) bool { return p.Type == "CONNECT" && c.within(p.Seq) })
		if sent == nil {
			continue
		}
		end := tr.until(c.Seq, "connect", "connectAsync")
		if closed := tr.packet(func(p *trPacket) bool { return p.Type == "SERVER_CLOSES" && c.within(p.Seq) }); closed != nil {
			tr.shift(c.EndSeq-0.001, -c.Blocked)
			c.Blocked = 0
			fired = true
		}
		n := len(tr.Packets)
		tr.dropPackets(func(p *trPacket) bool {
			return p.Conn == sent.Conn && p.Seq > c.EndSeq && (p.Type == "DISCONNECT" || p.Type == "CLIENT_CLOSED")
		})
		fired = fired || len(tr.Packets) < n
		fired = tr.dropCallbacks(func(cb *trCallback) bool { return cb.Name == "onOffline" && cb.Seq > c.Seq && cb.Seq < end }) || fired
		for _, d := range tr.Calls {
			if d.Method == "disconnect" && d.Seq > c.Seq && d.Seq < end {
				d.fails("disconnectError", "Disconnect Error: 4")
				fired = true
			}
		}
	}
	return fired
}

// ruleDisconnect: disconnect while the client is reconnecting succeeds at once, and the client connects again.
func ruleDisconnect(tr *transcript, _ bool) bool {
	fired := false
	online, failed := false, false
	for _, c := range tr.Calls {
		switch {
		case (c.Method == "connect" || c.Method == "connectAsync") && c.Raises == nil:
			online = true
		case c.Method == "disconnectAsync" && online:
			fired = tr.disconnectsAsync(c) || fired
			online = false
		case c.Method == "disconnect" && c.Raises == nil:
			online = false
		case c.Method == "disconnect" && c.main() && online:
			c.becomes("true")
			tr.shift(c.EndSeq-0.001, -c.Blocked)
			c.Blocked, online, failed, fired = 0, false, true, true
		case c.Method == "connect" && failed && c.Raises.Type == "connectTimeoutException":
			tr.connects(c)
		}
	}
	return fired
}

// disconnectsAsync makes a disconnectAsync without a connection one that works: its callback is called.
func (tr *transcript) disconnectsAsync(c *trCall) bool {
	said := tr.packet(func(p *trPacket) bool { return p.Type == "DISCONNECT" && p.Seq > c.Seq }) != nil
	name := callbackName(c.Args0())
	called := slices.ContainsFunc(tr.Callbacks, func(cb *trCallback) bool { return cb.Name == name && cb.Seq > c.Seq })
	if said || called {
		return false
	}
	c.becomes(`"DISCONNECTED"`)
	if name != "" {
		tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: c.EndSeq + 0.1, T: c.EndT, Name: name, Args: []any{"DISCONNECTED", 0.0}, Thread: "event-dispatch"})
	}
	return true
}

// connects makes a connect that v1 could not do any more one that works.
func (tr *transcript) connects(c *trCall) {
	first := tr.packet(func(p *trPacket) bool { return p.Type == "CONNECT" })
	var open *trPacket
	for _, p := range tr.Packets {
		if p.Type == "TRANSPORT_OPEN" && c.within(p.Seq) {
			open = p
		}
	}
	c.becomes("true")
	tr.shift(c.EndSeq-0.001, -c.Blocked)
	c.Blocked = 0
	connect := *first
	connect.Seq, connect.T, connect.Conn = open.Seq+0.3, open.T, open.Conn
	tr.acked(&connect, "CONNACK")
	if i := slices.IndexFunc(tr.Calls, func(a *trCall) bool { return a.Assign == "onOnline" }); i >= 0 {
		tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: open.Seq + 0.4, T: open.T, Name: callbackName(tr.Calls[i].Value), Thread: "event-dispatch"})
	}
	tr.sort()
}

// rulePing: the core waits for a PINGRESP half the keep-alive, where v1 waited all of it, and says DISCONNECT with the
// reason before it closes.
func rulePing(tr *transcript, _ bool) bool {
	fired := false
	for _, ping := range tr.Packets {
		if ping.Type != "PINGREQ" {
			continue
		}
		answered := tr.packet(func(p *trPacket) bool {
			return p.Conn == ping.Conn && p.Seq > ping.Seq && p.Type == "PINGRESP" && p.Proxy == ""
		})
		closed := tr.packet(func(p *trPacket) bool {
			return p.Conn == ping.Conn && p.Seq > ping.Seq && (p.Type == "CLIENT_CLOSED" || p.Type == "SERVER_SIDE_CLOSED" || p.Type == "DISCONNECT")
		})
		later := tr.packet(func(p *trPacket) bool { return p.Conn == ping.Conn && p.Seq > ping.Seq && p.Type == "PINGREQ" })
		if answered != nil || later != nil || closed == nil || closed.Type == "DISCONNECT" {
			continue
		}
		connect := tr.packet(func(p *trPacket) bool { return p.Type == "CONNECT" && p.Conn == ping.Conn })
		half := float64(connect.KeepAlive) / 2
		tr.shift(closed.Seq-0.1, ping.T+half-closed.T)
		tr.Packets = append(tr.Packets, &trPacket{Seq: closed.Seq - 0.01, T: closed.T, Dir: "c2s", Type: "DISCONNECT", Conn: ping.Conn})
		tr.sort()
		return rulePing(tr, false) || true
	}
	return fired
}

// ruleOfflineOnce: onOffline once for each connection.
func ruleOfflineOnce(tr *transcript, _ bool) bool {
	online := true
	return tr.dropCallbacks(func(cb *trCallback) bool {
		switch cb.Name {
		case "onOnline":
			online = true
		case "onOffline":
			twice := !online
			online = false
			return twice
		}
		return false
	})
}
