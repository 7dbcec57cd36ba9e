package iotlocal_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
)

func (e *env) fault(r iotlocal.Rule) *iotlocal.RuleHandle {
	e.t.Helper()
	h, err := e.srv.Faults().Add(r)
	if err != nil {
		e.t.Fatal(err)
	}
	return h
}

func TestFaultRuleErrors(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		for name, r := range map[string]iotlocal.Rule{
			"unknown action":   {Action: 99},
			"event direction":  {Dir: iotlocal.Event},
			"event type":       {Type: iotlocal.TransportOpen},
			"negative nth":     {Nth: -1},
			"delay without":    {Action: iotlocal.Delay},
			"replace without":  {Action: iotlocal.Replace},
			"reject a ping":    {Action: iotlocal.Reject, Type: iotlocal.PINGREQ},
			"reject all types": {Action: iotlocal.Reject},
		} {
			if _, err := e.srv.Faults().Add(r); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: fault rule: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := e.srv.Faults().RefuseConnects(0, 0x87); err == nil {
			t.Error("RefuseConnects(0)")
		}
	})
}

// Faults of what the server sends.
func TestFaultsSent(t *testing.T) {
	puback := iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK}
	with := func(a iotlocal.Action, change ...func(*iotlocal.Rule)) iotlocal.Rule {
		r := puback
		r.Action = a
		for _, f := range change {
			f(&r)
		}
		return r
	}
	nth2 := func(r *iotlocal.Rule) { r.Nth = 2 }
	for _, tt := range []struct {
		name string
		rule iotlocal.Rule
		run  func(e *env, r *raw, h *iotlocal.RuleHandle)
	}{
		{"drop", with(iotlocal.Drop), func(e *env, r *raw, h *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.quiet()
			h.Remove()
			r.pub("t", "2", 2)
		}},
		{"drop the second", with(iotlocal.Drop, nth2), func(e *env, r *raw, h *iotlocal.RuleHandle) {
			r.pub("t", "1", 1)
			r.send(pub5("t", "2", 1, 2))
			r.quiet()
			r.pub("t", "3", 3)
			if h.Hits() != 1 {
				e.t.Errorf("%d hits", h.Hits())
			}
		}},
		{"delay reorders", with(iotlocal.Delay, func(r *iotlocal.Rule) { r.Times, r.Delay = 1, 3*time.Second }), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			start := time.Now()
			r.send(pub5("t", "1", 1, 1))
			r.pub("t", "2", 2)
			if a := want[*p5.Puback](r); a.PacketID != 1 || time.Since(start) != 3*time.Second {
				e.t.Errorf("%v after %v", a, time.Since(start))
			}
		}},
		{"hold and release", with(iotlocal.Hold, func(r *iotlocal.Rule) { r.Times = 2 }), func(e *env, r *raw, h *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.send(pub5("t", "2", 1, 2))
			r.pub("t", "3", 3)
			r.quiet()
			h.Release()
			for _, id := range []uint16{1, 2} {
				if a := want[*p5.Puback](r); a.PacketID != id {
					e.t.Errorf("%v, want %d", a, id)
				}
			}
		}},
		{"duplicate", with(iotlocal.Duplicate), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			r.pub("t", "1", 1)
			if a := want[*p5.Puback](r); a.PacketID != 1 {
				e.t.Errorf("%v", a)
			}
		}},
		{"illegal code", with(iotlocal.Reject, func(r *iotlocal.Rule) { r.Code = 0x01 }), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			if c := r.pub("t", "1", 1); c != 1 {
				e.t.Errorf("0x%02X", c)
			}
		}},
		{"wrong packet", with(iotlocal.Replace, func(r *iotlocal.Rule) { r.Raw = []byte{0x90, 4, 0, 1, 0, 0} }), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			want[*p5.Suback](r)
		}},
		{"cut before", with(iotlocal.CutBefore), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.closed()
		}},
		{"cut in the middle", with(iotlocal.CutMiddle, func(r *iotlocal.Rule) { r.Bytes = 3 }), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			b, err := io.ReadAll(r.nc)
			if len(b) != 3 || err != nil && !memnet.IsReset(err) {
				e.t.Errorf("% X %v", b, err)
			}
			r.nc.Close()
		}},
		{"cut after", with(iotlocal.CutAfter), func(e *env, r *raw, _ *iotlocal.RuleHandle) {
			r.pub("t", "1", 1)
			r.closed()
		}},
		{"pass counts", with(iotlocal.Pass), func(e *env, r *raw, h *iotlocal.RuleHandle) {
			acted := h.Acted()
			r.pub("t", "1", 1)
			<-acted
			r.pub("t", "1", 1)
			if h.Hits() != 2 {
				e.t.Errorf("%d hits", h.Hits())
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, _ := e.connect5("c")
				tt.run(e, r, e.fault(tt.rule))
				r.drop()
			})
		})
	}
}

// Faults of what the server receives.
func TestFaultsReceived(t *testing.T) {
	c2s := func(typ iotlocal.PacketType, a iotlocal.Action, change ...func(*iotlocal.Rule)) iotlocal.Rule {
		r := iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: typ, Action: a, Topic: "t"}
		for _, f := range change {
			f(&r)
		}
		return r
	}
	code := func(c iotlocal.Code) func(*iotlocal.Rule) { return func(r *iotlocal.Rule) { r.Code = c } }
	for _, tt := range []struct {
		name string
		rule iotlocal.Rule
		run  func(e *env, r, s *raw, h *iotlocal.RuleHandle) // s subscribed to #
	}{
		{"PUBLISH dropped", c2s(iotlocal.PUBLISH, iotlocal.Drop), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.quiet()
			s.quiet()
			r.pub("other", "1", 1)
			want[*p5.Publish](s)
		}},
		{"PUBLISH delayed delays what follows", c2s(iotlocal.PUBLISH, iotlocal.Delay, func(r *iotlocal.Rule) { r.Delay = time.Second }), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			start := time.Now()
			r.send(pub5("t", "1", 1, 1))
			r.send(pub5("other", "2", 1, 2))
			for _, id := range []uint16{1, 2} {
				if a := want[*p5.Puback](r); a.PacketID != id || time.Since(start) != time.Second {
					e.t.Errorf("%v after %v", a, time.Since(start))
				}
			}
		}},
		{"PUBLISH held", c2s(iotlocal.PUBLISH, iotlocal.Hold), func(e *env, r, s *raw, h *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.quiet()
			h.Release()
			want[*p5.Puback](r)
		}},
		{"PUBLISH twice", c2s(iotlocal.PUBLISH, iotlocal.Duplicate), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.pub("t", "1", 1)
			want[*p5.Puback](r)
			want[*p5.Publish](s)
			want[*p5.Publish](s)
		}},
		{"PUBLISH rejected", c2s(iotlocal.PUBLISH, iotlocal.Reject, code(0x97)), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			if c := r.pub("t", "1", 1); c != 0x97 {
				e.t.Errorf("0x%02X", c)
			}
			s.quiet()
		}},
		{"QoS 0 rejected", c2s(iotlocal.PUBLISH, iotlocal.Reject, code(0x97)), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 0, 0))
			r.disconnected(0x97)
		}},
		{"SUBSCRIBE rejected", c2s(iotlocal.SUBSCRIBE, iotlocal.Reject, code(0x87)), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			if g := r.sub(1, "x", "t"); !bytes.Equal(g, []byte{0x87, 0x87}) {
				e.t.Errorf("% X", g)
			}
			if g := r.sub(1, "x"); g[0] != 1 {
				e.t.Errorf("% X", g)
			}
		}},
		{"UNSUBSCRIBE rejected", c2s(iotlocal.UNSUBSCRIBE, iotlocal.Reject, code(0x83)), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(&p5.Unsubscribe{PacketID: 1, Topics: []string{"t"}, Properties: &p5.Properties{}})
			if g := want[*p5.Unsuback](r).Reasons; !bytes.Equal(g, []byte{0x83}) {
				e.t.Errorf("% X", g)
			}
		}},
		{"PUBLISH answered with garbage", c2s(iotlocal.PUBLISH, iotlocal.Replace, func(r *iotlocal.Rule) { r.Raw = []byte{0xFF, 0xFF} }), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			b := make([]byte, 2)
			if _, err := io.ReadFull(r.nc, b); err != nil || b[0] != 0xFF {
				e.t.Errorf("% X %v", b, err)
			}
			s.quiet()
		}},
		{"cut before PUBLISH", c2s(iotlocal.PUBLISH, iotlocal.CutBefore), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.closed()
			s.quiet()
		}},
		{"cut after PUBLISH", c2s(iotlocal.PUBLISH, iotlocal.CutAfter), func(e *env, r, s *raw, _ *iotlocal.RuleHandle) {
			r.send(pub5("t", "1", 1, 1))
			r.closed() // no PUBACK
			want[*p5.Publish](s)
		}},
		{"client id", c2s(iotlocal.PUBLISH, iotlocal.Drop, func(r *iotlocal.Rule) { r.ClientID = "someone else" }), func(e *env, r, s *raw, h *iotlocal.RuleHandle) {
			r.pub("t", "1", 1)
			if h.Hits() != 0 {
				e.t.Errorf("%d hits", h.Hits())
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				s, _ := e.connect5("observer")
				s.sub(0, "#")
				r, _ := e.connect5("c")
				tt.run(e, r, s, e.fault(tt.rule))
				r.drop()
				s.drop()
			})
		})
	}
}

func TestFaultsOnConnect(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		f := e.srv.Faults()
		if _, err := f.RefuseConnects(2, 0x89); err != nil {
			t.Fatal(err)
		}
		r, ack := e.connect5("c")
		if ack.ReasonCode != 0x89 {
			t.Errorf("CONNACK %v", ack)
		}
		r.closed()
		r3, ack3 := e.connect3("c")
		if ack3.ReturnCode != 3 {
			t.Errorf("CONNACK %v", ack3)
		}
		r3.closed()
		r, ack = e.connect5("c")
		if ack.ReasonCode != 0 {
			t.Errorf("CONNACK %v", ack)
		}
		r.bye()

		if _, err := f.RefuseConnects(1, 5); err != nil {
			t.Fatal(err)
		}
		r3, ack3 = e.connect3("c")
		if ack3.ReturnCode != 5 {
			t.Errorf("CONNACK %v", ack3)
		}
		r3.closed()

		f.RefuseConnections(1)
		r = e.dial()
		r.closed()

		f.SilenceConnections(1)
		r = e.dial()
		r.send(connect5("c"))
		time.Sleep(time.Hour)
		r.quiet()
		r.drop()

		h := e.fault(iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Delay, Delay: 5 * time.Second})
		start := time.Now()
		r, _ = e.connect5("c")
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("CONNACK after %v", d)
		}
		h.Remove()
		r.bye()

		e.fault(iotlocal.Rule{Type: iotlocal.CONNECT, Action: iotlocal.Drop, Times: 1})
		r = e.dial()
		r.send(connect5("c"))
		r.quiet()
		r.send(pub5("t", "x", 1, 1))
		r.closed() // without a word, since there was no CONNACK: the record says why
		all := e.srv.Recorder().Packets()
		if last := all[len(all)-1]; last.Type != iotlocal.ServerClosed || last.Reason == "" {
			t.Errorf("recorded %v", last)
		}

		f.Throttle(1)
		r = e.dial()
		start = time.Now()
		r.send(connect5("c"))
		r.nc.SetReadDeadline(time.Time{})
		cp, err := p5.ReadPacket(r.nc)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(bytesOf(cp.Content)); time.Since(start) < time.Duration(n-1)*time.Second {
			t.Errorf("%d bytes in %v", n, time.Since(start))
		}
		f.Throttle(0)
		r.drop()
	})
}

func TestFaultsOnLiveConnections(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		f := e.srv.Faults()
		r, _ := e.connect5("c", persistent)
		three, _ := e.connect3("three")
		r.sub(1, "t")

		if !f.Inject("c", []byte{0xD0, 0}) || f.Inject("nobody", []byte{0xD0, 0}) || f.Inject("c", nil) {
			t.Error("Inject")
		}
		want[*p5.Pingresp](r)

		h, err := f.BlackHole("c")
		if err != nil {
			t.Fatal(err)
		}
		r.send(pub5("t", "x", 1, 1))
		r.quiet()
		h.Remove()
		r.send(&p5.Pingreq{})
		want[*p5.Pingresp](r)

		if !f.Disconnect("c", 0x98, "maintenance") || f.Disconnect("nobody", 0x98, "") {
			t.Error("Disconnect")
		}
		if d := want[*p5.Disconnect](r); d.ReasonCode != 0x98 || d.Properties.ReasonString != "maintenance" {
			t.Errorf("%v", d)
		}
		r.closed()
		if !f.Disconnect("three", 0x98, "maintenance") {
			t.Error("Disconnect")
		}
		three.closed() // no packet that 3.1.1 does not have

		r, ack := e.connect5("c", persistent)
		if !ack.SessionPresent {
			t.Error("session lost by a DISCONNECT")
		}
		if n := f.Cut("c"); n != 1 {
			t.Errorf("cut %d", n)
		}
		r.closed()
		if r, ack = e.connect5("c", persistent); !ack.SessionPresent {
			t.Error("session lost by a cut")
		}
		f.LoseSessions()
		r.closed()
		if r, ack = e.connect5("c", persistent); ack.SessionPresent {
			t.Error("session kept by LoseSessions")
		}
		r.bye()
	})
}

// A message whose bytes began to leave is a DUP the next time; one that was
// kept back before is not.
func TestDupAfterCut(t *testing.T) {
	for name, tt := range map[string]struct {
		action iotlocal.Action
		dup    bool
	}{"before": {iotlocal.CutBefore, false}, "middle": {iotlocal.CutMiddle, true}, "after": {iotlocal.CutAfter, true}, "dropped": {iotlocal.Drop, false}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, _ := e.connect5("c", persistent)
				r.sub(1, "t")
				e.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBLISH, Action: tt.action, Times: 1})
				if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte("x"), QoS: 1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				r.drop()
				r, _ = e.connect5("c", persistent)
				if m := want[*p5.Publish](r); m.Duplicate != tt.dup {
					t.Errorf("DUP %v, want %v", m.Duplicate, tt.dup)
				}
				r.drop()
			})
		})
	}
}

// Close must not wait for anything that a fault holds back.
func TestCloseWithFaultsInPlace(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		e.srv.Faults().SilenceConnections(1)
		silent := e.dial()
		held, _ := e.connect5("held")
		held.sub(1, "t")
		e.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Hold})
		e.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PINGRESP, Action: iotlocal.Delay, Delay: time.Hour})
		held.send(&p5.Pingreq{})
		held.send(pub5("t", "x", 1, 1))
		half := e.dial() // no CONNECT
		synctest.Wait()
		start := time.Now()
		if err := e.srv.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("Close took %v", d)
		}
		for _, r := range []*raw{silent, held, half} {
			r.nc.Close()
		}
	})
}

func TestCloseTellsClients(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		five, _ := e.connect5("five")
		three, _ := e.connect3("three")
		done := make(chan error)
		go func() { done <- e.srv.Close() }()
		five.disconnected(0x8B)
		three.closed()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := e.srv.Recorder().Wait(context.Background(), func([]iotlocal.Packet) bool { return false }); err == nil {
			t.Error("Wait on a closed server must end")
		}
		if _, err := e.nw.Dial(context.Background(), "tcp", "127.0.0.1:1"); err == nil {
			t.Error("still listening")
		}
	})
}

func TestUnknownPubackIsIgnored(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("c")
		r.sub(1, "t")
		r.ack(77)
		r.pub2("t", "x")
		r.ack(1)
		r.ack(1)
		r.pub2("t", "y")
		r.drop()
		three, _ := e.connect3("three")
		p := p3.NewControlPacket(p3.Puback).(*p3.PubackPacket)
		p.MessageID = 5
		three.send3(p)
		if g := three.sub3(0, "x"); g[0] != 0 {
			t.Error(g)
		}
		three.drop()
	})
}

// Nothing may overtake a CONNACK, even one that a fault keeps back.
func TestDelayedConnackStaysFirst(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c", persistent)
		c.sub(1, "t")
		c.drop()
		if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte("x"), QoS: 1}); err != nil {
			t.Fatal(err)
		}
		e.fault(iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Delay, Delay: 5 * time.Second})
		c, ack := e.connect5("c", persistent)
		if !ack.SessionPresent {
			t.Error("session lost")
		}
		if m := want[*p5.Publish](c); string(m.Payload) != "x" {
			t.Errorf("%v", m)
		}
		c.drop()
	})
}
