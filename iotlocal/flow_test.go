package iotlocal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Findings 1 and 3 about another broker: a burst larger than the client's
// receive maximum must arrive whole, in order, never with more unacknowledged
// than the client allows, and nothing is marked DUP that was not sent before.
func TestReceiveMaximumOfTheClient(t *testing.T) {
	const n = 50
	for _, max := range []uint16{1, 2, 10, 100} {
		for _, offline := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d offline=%v", max, offline), func(t *testing.T) {
				bubble(t, iotlocal.Options{}, func(e *env) {
					c, _ := e.connect5("slow", persistent, receiveMax(max))
					c.sub(1, "burst")
					if offline {
						c.drop()
					}
					p, _ := e.connect5("fast")
					for i := range n {
						if code := p.pub("burst", fmt.Sprint(i), 1); code != 0 {
							t.Fatalf("PUBACK 0x%02X", code)
						}
					}
					if offline {
						var ack *p5.Connack
						if c, ack = e.connect5("slow", persistent, receiveMax(max)); !ack.SessionPresent {
							t.Fatal("session lost")
						}
					}
					var unacked []uint16
					ids := map[uint16]bool{}
					for i := range n {
						m := want[*p5.Publish](c)
						if string(m.Payload) != fmt.Sprint(i) || m.Duplicate || m.QoS != 1 || ids[m.PacketID] || m.PacketID == 0 {
							t.Fatalf("message %d: %v", i, m)
						}
						ids[m.PacketID] = true
						unacked = append(unacked, m.PacketID)
						if len(unacked) == int(max) || i == n-1 {
							c.quiet() // the window is full, or all is said
							for _, id := range unacked {
								c.ack(id)
								delete(ids, id)
							}
							unacked = nil
						}
					}
					c.quiet()
					if s, _ := e.srv.Session("slow"); s.Queued != 0 || s.Unacked != 0 {
						t.Errorf("left over: %+v", s)
					}
					c.bye()
					p.bye()
				})
			})
		}
	}
}

// Messages that were sent and not acknowledged come again with the same id and
// DUP, in the order they had, before what was never sent; one window at a time
// even when the window has shrunk.
func TestResend(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c", persistent, receiveMax(3))
		c.sub(1, "t")
		p, _ := e.connect5("p")
		for i := range 5 {
			p.pub("t", fmt.Sprint(i), 1)
		}
		var ids []uint16
		for range 3 {
			ids = append(ids, want[*p5.Publish](c).PacketID)
		}
		c.ack(ids[1]) // out of order: message 3 goes out
		ids = append(ids, want[*p5.Publish](c).PacketID)
		c.drop()
		c, ack := e.connect5("c", persistent, receiveMax(1))
		if !ack.SessionPresent {
			t.Fatal("session lost")
		}
		for i, w := range []struct {
			payload string
			id      uint16
			dup     bool
		}{{"0", ids[0], true}, {"2", ids[2], true}, {"3", ids[3], true}, {"4", 0, false}} {
			m := want[*p5.Publish](c)
			if string(m.Payload) != w.payload || m.Duplicate != w.dup || w.id != 0 && m.PacketID != w.id {
				t.Errorf("message %d: %v, want %+v", i, m, w)
			}
			c.quiet()
			c.ack(m.PacketID)
		}
		c.quiet()
		c.bye()
		p.bye()
	})
}

func TestReceiveMaximumOfTheServer(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{ReceiveMaximum: 3}}, func(e *env) {
		c, ack := e.connect5("c")
		if *ack.Properties.ReceiveMaximum != 3 {
			t.Fatal(ack)
		}
		// Acknowledged ones do not count.
		for i := range 10 {
			c.pub("t", "x", uint16(i+1))
		}
		if _, err := e.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop}); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			c.send(pub5("t", "x", 1, uint16(i+1)))
		}
		c.quiet()
		c.send(pub5("t", "x", 0, 0)) // QoS 0 does not count
		c.quiet()
		c.send(pub5("t", "x", 1, 4))
		c.disconnected(0x93)
	})
}

func TestSessions(t *testing.T) {
	v3 := func(c *p3.ConnectPacket) { c.CleanSession = false }
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{MaxKeepAlive: -1}}, func(e *env) {
		p, _ := e.connect5("p", func(c *p5.Connect) { c.KeepAlive = 0 })
		present := func(id string, clean bool, expiry uint32) bool {
			r, ack := e.connect5(id, func(c *p5.Connect) {
				c.CleanStart = clean
				c.Properties.SessionExpiryInterval = &expiry
			})
			r.drop()
			return ack.SessionPresent
		}
		if present("a", false, 10) {
			t.Error("session before the first connection")
		}
		time.Sleep(9 * time.Second)
		if !present("a", false, 10) {
			t.Error("session lost before its time")
		}
		time.Sleep(11 * time.Second)
		if _, ok := e.srv.Session("a"); ok {
			t.Error("session outlived its expiry")
		}
		if present("a", false, 10) {
			t.Error("expired session present")
		}
		if present("a", true, 10) {
			t.Error("clean start kept the session")
		}
		if !present("a", false, 0) || present("a", false, 0) {
			t.Error("session expiry 0 did not end the session with the connection")
		}

		// DISCONNECT changes the expiry.
		r, _ := e.connect5("a", persistent)
		r.send(&p5.Disconnect{Properties: &p5.Properties{SessionExpiryInterval: new(uint32(0))}})
		r.closed()
		if present("a", false, 10) {
			t.Error("DISCONNECT with expiry 0 kept the session")
		}

		// 3.1.1: an hour, subscriptions and QoS 1 messages kept, QoS 0 not.
		r, ack := e.connect3("three", v3)
		if ack.SessionPresent {
			t.Error("session before the first connection")
		}
		r.sub3(1, "t")
		r.drop()
		p.pub("t", "kept", 1)
		p.send(pub5("t", "not kept", 0, 0))
		time.Sleep(59 * time.Minute)
		r, ack = e.connect3("three", v3)
		if !ack.SessionPresent {
			t.Error("3.1.1 session lost before its time")
		}
		m, ok := r.read3().(*p3.PublishPacket)
		if !ok || string(m.Payload) != "kept" || m.Dup {
			t.Errorf("got %v", m)
		}
		r.quiet()
		r.drop()
		time.Sleep(61 * time.Minute)
		if r, ack = e.connect3("three", v3); ack.SessionPresent {
			t.Error("3.1.1 session outlived its hour")
		}
		r.drop()
		p.bye()
	})
}

func TestMessageExpiry(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c", persistent)
		c.sub(1, "t")
		c.drop()
		p, _ := e.connect5("p")
		send := func(text string, expiry *uint32) {
			m := pub5("t", text, 1, 1)
			m.Properties.MessageExpiry = expiry
			p.send(m)
			want[*p5.Puback](p)
		}
		send("none", nil)
		send("long", new(uint32(100)))
		send("short", new(uint32(30)))
		time.Sleep(40500 * time.Millisecond)
		c, _ = e.connect5("c", persistent)
		if m := want[*p5.Publish](c); string(m.Payload) != "none" || m.Properties.MessageExpiry != nil {
			t.Errorf("%v", m)
		}
		if m := want[*p5.Publish](c); string(m.Payload) != "long" || m.Properties.MessageExpiry == nil || *m.Properties.MessageExpiry != 60 {
			t.Errorf("%v", m)
		}
		c.quiet()
		c.bye()
		p.bye()
	})
}

func TestPropertiesTravelAndAcksCarryNone(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c")
		c.sub(1, "t")
		p, _ := e.connect5("p")
		m := pub5("t", "x", 1, 1)
		m.Properties = &p5.Properties{PayloadFormat: new(byte(1)), ContentType: "text/plain", ResponseTopic: "r", CorrelationData: []byte{1, 2},
			TopicAlias: new(uint16(1)), User: []p5.User{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}}}
		p.send(m)
		ack := want[*p5.Puback](p)
		if ack.ReasonCode != 0 || len(ack.Properties.User) != 0 || ack.Properties.ReasonString != "" {
			t.Errorf("PUBACK %v", ack)
		}
		got := want[*p5.Publish](c).Properties
		if *got.PayloadFormat != 1 || got.ContentType != "text/plain" || got.ResponseTopic != "r" || string(got.CorrelationData) != "\x01\x02" ||
			len(got.User) != 2 || got.User[1].Value != "2" || got.MessageExpiry != nil || got.TopicAlias != nil {
			t.Errorf("%v", got)
		}
		// The alias alone now stands for the topic, until it is set anew.
		for _, alias := range []struct{ topic, want string }{{"", "t"}, {"u", "u"}, {"", "u"}} {
			m := pub5(alias.topic, "y", 1, 2)
			m.Properties.TopicAlias = new(uint16(1))
			p.send(m)
			code := want[*p5.Puback](p).ReasonCode
			if (alias.want == "t") != (code == 0) {
				t.Errorf("alias for %q: PUBACK 0x%02X", alias.want, code)
			}
		}
		if m := want[*p5.Publish](c); m.Topic != "t" || string(m.Payload) != "y" {
			t.Errorf("%v", m)
		}
		c.quiet()
		c.bye()
		p.bye()
	})
}

func TestMaximumPacketSizeOfTheClient(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c", func(c *p5.Connect) { c.Properties.MaximumPacketSize = new(uint32(30)) })
		c.sub(1, "t")
		p, _ := e.connect5("p")
		// 1+1 header, 2+1 topic, 2 id, 1 properties, payload: 22 bytes fit.
		for _, n := range []int{22, 23, 22} {
			for qos := range byte(2) {
				p.send(pub5("t", fmt.Sprintf("%0*d", n, 0), qos, 1))
				if qos == 1 {
					want[*p5.Puback](p)
				}
			}
		}
		// QoS 0 has no packet id: 24 bytes fit.
		for _, w := range []struct {
			n   int
			qos byte
		}{{22, 0}, {22, 1}, {23, 0}, {22, 0}, {22, 1}} {
			m := want[*p5.Publish](c)
			if len(m.Payload) != w.n || m.QoS != w.qos {
				t.Errorf("%d bytes QoS %d, want %+v", len(m.Payload), m.QoS, w)
			}
		}
		c.quiet()
		if s, _ := e.srv.Session("c"); s.Unacked != 2 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
		c.bye()
		p.bye()
	})
}

// Topic by topic, the order in which a client publishes is the order in which
// every subscriber receives, QoS 0 and 1 apart.
func TestOrder(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{Outbound: -1}}, func(e *env) {
		p, _ := e.connect5("p")
		subs := make([]*raw, 3)
		for i := range subs {
			subs[i], _ = e.connect5(fmt.Sprint("s", i))
			subs[i].sub(byte(i%2), "o/+")
		}
		for i := range 200 {
			p.send(pub5("o/t", fmt.Sprint(i), byte(i/100), uint16(i%50+1)))
			if i >= 100 {
				want[*p5.Puback](p)
			}
		}
		for _, s := range subs {
			for i := range 200 {
				if m := want[*p5.Publish](s); string(m.Payload) != fmt.Sprint(i) {
					t.Fatalf("%s: %s at %d", s.id, m.Payload, i)
				}
			}
			s.drop()
		}
		p.bye()
	})
}

func TestSlowReaderLosesQoS0Only(t *testing.T) {
	var log bytes.Buffer // read after synctest.Wait only
	o := iotlocal.Options{Limits: iotlocal.Limits{PendingBytes: 10_000}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	bubble(t, o, func(e *env) {
		c, _ := e.connect5("c")
		c.sub(1, "t")
		p, _ := e.connect5("p")
		payload := fmt.Sprintf("%01000d", 0)
		for range 2000 {
			p.send(pub5("t", payload, 0, 0))
		}
		if code := p.pub("t", "last", 1); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		got := 0
		for {
			m := want[*p5.Publish](c)
			if m.QoS == 1 {
				break
			}
			got++
		}
		if got == 0 || got == 2000 || got+e.srv.Lost() != 2000 {
			t.Errorf("%d of 2000 QoS 0 messages arrived, %d were counted as lost", got, e.srv.Lost())
		}
		synctest.Wait()
		if n := strings.Count(log.String(), `msg="iotlocal: message dropped" client=c topic=t`); n == 0 || n > e.srv.Lost() {
			t.Errorf("%d losses in the log", n)
		}
		c.drop()
		p.bye()
	})
}

func TestFullSessionQueueIsCounted(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{Queued: 3}}, func(e *env) {
		c, _ := e.connect5("c", persistent)
		c.sub(1, "t")
		c.drop()
		p, _ := e.connect5("p")
		for i := range 5 {
			if code := p.pub("t", fmt.Sprint(i), 1); code != 0 { // a subscriber there is
				t.Errorf("message %d: PUBACK 0x%02X", i, code)
			}
		}
		if n := e.srv.Lost(); n != 2 {
			t.Errorf("%d lost, want 2", n)
		}
		c, _ = e.connect5("c", persistent)
		for i := range 3 {
			if m := want[*p5.Publish](c); string(m.Payload) != fmt.Sprint(i) {
				t.Errorf("%v", m)
			}
		}
		c.quiet()
		c.drop()
		p.bye()
	})
}
