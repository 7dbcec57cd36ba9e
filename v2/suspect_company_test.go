package awsiot_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// makeSuspects publishes each of names, and ends the connection with a DISCONNECT that blames one of them.
func makeSuspects(w *world, p *peer, names ...string) *peer {
	for _, s := range names {
		w.client.PublishFunc(packet("t", s, 1), w.events.done(s))
	}
	p.take(len(names))
	p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
	p.expectEnd()
	p, _ = w.accept(sessionPresent())
	return p
}

// A suspect whose AckTimeout has passed is still with the broker, so what is sent behind it is not alone: a DISCONNECT may
// be about either. Nor does it open the window, as an acknowledgement does.
func TestExpiredIsCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
		p := makeSuspects(w, w.start(), "a", "b", "c")
		equal(t, "alone", p.take(1), []string{"a#1+"})
		pass(10 * time.Second)
		equal(t, "one more", p.take(1), []string{"b#2+"})
		p.silent(time.Second)
		w.events.take()
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		for _, e := range w.events.take() {
			if strings.HasPrefix(e, "b:") {
				t.Error(e)
			}
		}
		equal(t, "the next", p.take(1), []string{"b#2+"})
	})
}

// Without keep-alive too a PINGREQ that is sent ahead of a suspect, and not answered, ends the connection after PingTimeout.
func TestProbeWithoutKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.KeepAlive, o.AckTimeout = -1, time.Hour })
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), nil)
		for range 2 {
			p.take(1)
			_ = p.conn.Close()
			p, _ = w.accept(sessionPresent())
		}
		expect[*packets.Pingreq](p)
		w.events.take()
		pass(w.client.Options().PingTimeout + time.Second)
		p, _ = w.accept(sessionPresent())
		p.answer(expect[*packets.Pingreq](p))
		equal(t, "alone", p.take(1), []string{"a#1+"})
	})
}

// DrainRate does not hold suspects back: what goes one by one is slow enough.
func TestProbeIsNotPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.OfflineQueue.DrainRate, o.AckTimeout = 1.0/60, time.Hour })
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"a", "b"} { // they wait for a connection
			w.client.PublishFunc(packet("t", s, 1), nil)
		}
		p, _ := w.accept(nil)
		p.take(1)
		pass(time.Minute)
		p.take(1)
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		began := time.Now()
		p.answer(p.next())
		p.answer(p.next())
		if d := time.Since(began); d > time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// The identifier of a publish over which connections ended is free again.
func TestEndedFreesItsIdentifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := makeSuspects(w, w.start(), "a")
		equal(t, "alone", p.take(1), []string{"a#1+"})
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		if n := awsiot.Suspects(w.client); n != 0 {
			t.Fatalf("%d suspects are left", n)
		}
		awsiot.GrantIDs(w.client, 65534)
		w.client.PublishFunc(packet("t", "next", 1), nil)
		equal(t, "the first identifier", p.take(1), []string{"next#1"})
	})
}
