package iotlocal_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// lifecycle is an event as AWS documents it.
type lifecycle struct {
	ClientID, EventType, SessionIdentifier, PrincipalIdentifier, DisconnectReason, IPAddress string
	Timestamp                                                                                int64
	VersionNumber                                                                            *int64
	ClientInitiatedDisconnect                                                                *bool
	Topics                                                                                   []string
}

func (r *raw) event() (string, lifecycle) {
	r.t.Helper()
	m := want[*p5.Publish](r)
	var e lifecycle
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		r.t.Fatalf("%s: %v", m.Payload, err)
	}
	return m.Topic, e
}

func TestLifecycleEvents(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		watch, _ := e.connect5("watch")
		watch.sub(0, "$aws/events/presence/connected/lamp", "$aws/events/presence/disconnected/+", "$aws/events/subscriptions/+/lamp")
		for i, tt := range []struct {
			end    func(*raw)
			reason string
			client bool
		}{
			{func(r *raw) { r.bye() }, "CLIENT_INITIATED_DISCONNECT", true},
			{func(r *raw) { r.drop() }, "CONNECTION_LOST", false},
			{func(r *raw) { r.write([]byte{0xF0, 0}); synctest.Wait() }, "CLIENT_ERROR", false},
			{func(r *raw) { e.connect5("lamp"); synctest.Wait() }, "DUPLICATE_CLIENTID", false},
		} {
			lamp, _ := e.connect5("lamp")
			synctest.Wait()
			topic, on := watch.event()
			if topic != "$aws/events/presence/connected/lamp" || on.ClientID != "lamp" || on.EventType != "connected" || *on.VersionNumber != int64(i) ||
				len(on.SessionIdentifier) != 32 || on.PrincipalIdentifier != iotlocal.Anonymous || on.IPAddress == "" || on.Timestamp != time.Now().UnixMilli() {
				t.Errorf("%s: %+v", topic, on)
			}
			lamp.sub(1, "a", "b")
			synctest.Wait()
			if topic, s := watch.event(); topic != "$aws/events/subscriptions/subscribed/lamp" || !slices.Equal(s.Topics, []string{"a", "b"}) || s.SessionIdentifier != on.SessionIdentifier || s.VersionNumber != nil {
				t.Errorf("%s: %+v", topic, s)
			}
			lamp.send(&p5.Unsubscribe{PacketID: 7, Topics: []string{"b", "never"}, Properties: &p5.Properties{}})
			want[*p5.Unsuback](lamp)
			if topic, s := watch.event(); topic != "$aws/events/subscriptions/unsubscribed/lamp" || !slices.Equal(s.Topics, []string{"b"}) {
				t.Errorf("%s: %+v", topic, s)
			}
			tt.end(lamp)
			topic, off := watch.event()
			if tt.reason == "DUPLICATE_CLIENTID" && topic == "$aws/events/presence/connected/lamp" { // they come in either order
				topic, off = watch.event()
			}
			if topic != "$aws/events/presence/disconnected/lamp" || off.DisconnectReason != tt.reason || *off.ClientInitiatedDisconnect != tt.client ||
				off.SessionIdentifier != on.SessionIdentifier || *off.VersionNumber != int64(i) || off.IPAddress != "" {
				t.Errorf("%s: %+v", topic, off)
			}
		}
		wild, _ := e.connect5("a+b")
		wild.bye()
		watch.quiet()
	})
}

// A version begins at 0 again when the client was away for an hour.
func TestLifecycleVersions(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		watch, _ := e.connect5("watch")
		watch.sub(0, "$aws/events/presence/connected/lamp")
		var got []int64
		for _, away := range []time.Duration{0, 59 * time.Minute, 61 * time.Minute} {
			e.srv.Clock().Advance(away)
			lamp, _ := e.connect5("lamp")
			_, on := watch.event()
			got = append(got, *on.VersionNumber)
			lamp.bye()
		}
		if fmt.Sprint(got) != "[0 1 0]" {
			e.t.Errorf("versions %v", got)
		}
	})
}

func TestRateLimits(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{OfflineReplay: 10, PublishesPerSecond: 30, ConnectsPerSecond: 1}}, func(e *env) {
		t := e.t
		c, _ := e.connect5("c", persistent)
		c.sub(1, "a")
		c.drop()
		r, ack := e.connect5("c")
		if ack.ReasonCode != 0x9F {
			t.Errorf("CONNACK 0x%02X for the second connection in a second", ack.ReasonCode)
		}
		r.closed()
		p, _ := e.connect5("p")
		for i := range 25 {
			if code := p.pub("a", fmt.Sprint(i), uint16(i+1)); code != 0 {
				t.Fatalf("PUBACK 0x%02X", code)
			}
		}
		for i := range 10 { // five of them are too many
			p.send(pub5("a", "more", 1, uint16(100+i)))
		}
		for i := range 5 {
			if a := want[*p5.Puback](p); a.PacketID != uint16(100+i) {
				t.Errorf("PUBACK for %d", a.PacketID)
			}
		}
		p.quiet()
		synctest.Wait()
		if e.srv.Lost() != 5 {
			t.Errorf("%d lost", e.srv.Lost())
		}
		c, _ = e.connect5("c", persistent)
		for second := range 3 {
			for i := range 10 {
				m := want[*p5.Publish](c)
				if second == 0 && string(m.Payload) != fmt.Sprint(i) {
					t.Errorf("%s, want %d", m.Payload, i)
				}
				c.ack(m.PacketID)
			}
			c.nc.SetReadDeadline(time.Now().Add(900 * time.Millisecond))
			var b [1]byte
			if n, _ := c.nc.Read(b[:]); n > 0 {
				t.Errorf("more than 10 in second %d", second)
			}
		}
	})
}

func TestRequireSNI(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{RequireSNI: true})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1"} { // of an address no SNI is sent
		err := handshake(t, srv.TLSPort(), name, thing, srv)
		if (err == nil) != (name == "localhost") {
			t.Errorf("%s: %v", name, err)
		}
		if err := handshake(t, srv.WSSPort(), name, iotlocal.Thing{}, srv); (err == nil) != (name == "localhost") {
			t.Errorf("websockets, %s: %v", name, err)
		}
	}
}

func handshake(t *testing.T, port int, name string, thing iotlocal.Thing, srv *iotlocal.Server) error {
	t.Helper()
	conf := &tls.Config{RootCAs: rootCAs(srv), ServerName: name, MaxVersion: tls.VersionTLS12} // 1.2 reports the end of it
	if thing.Name != "" {
		pair, err := thing.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	nc, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), conf)
	if err == nil {
		nc.Close()
	}
	return err
}
