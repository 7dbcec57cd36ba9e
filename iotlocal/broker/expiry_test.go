package broker

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
)

// A session ends at the instant its expiry interval has passed, whether or not the janitor has been there: the clock
// jumps here and nobody calls Wake.
func TestSessionExpiryBoundary(t *testing.T) {
	for _, tt := range []struct {
		name    string
		away    time.Duration
		present bool
	}{
		{"before", time.Minute - 1, true}, {"at", time.Minute, false}, {"after", time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				b := New(Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
				defer b.Close()
				nw := &memnet.Network{}
				l, err := nw.Listen("b:1883")
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Listen(l, nil); err != nil {
					t.Fatal(err)
				}
				connect := func() (*peer, bool) {
					nc, err := nw.Dial(t.Context(), "tcp", "b:1883")
					if err != nil {
						t.Fatal(err)
					}
					p := &peer{t, nc}
					p.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "c",
						Properties: &p5.Properties{SessionExpiryInterval: new(uint32(60))}})
					return p, p.read().(*p5.Connack).SessionPresent
				}
				p, present := connect()
				if present {
					t.Fatal("a session before the first connection")
				}
				p.send(&p5.Subscribe{PacketID: 1, Properties: &p5.Properties{}, Subscriptions: []p5.SubOptions{{Topic: "t", QoS: 1}}})
				p.read()
				closeAndWait(p.nc)
				ahead.Add(int64(tt.away))
				if _, there := b.Session("c"); there != tt.present {
					t.Errorf("Session says %v", there)
				}
				reached := b.Publish(&Message{Topic: "t", QoS: 1})
				if (reached == 1) != tt.present {
					t.Errorf("a message reached %d sessions", reached)
				}
				p, present = connect()
				if present != tt.present {
					t.Errorf("session present %v, want %v", present, tt.present)
				}
				if s, _ := b.Session("c"); len(s.Subscriptions) != reached {
					t.Errorf("subscriptions %q", s.Subscriptions)
				}
				closeAndWait(p.nc)
			})
		})
	}
}

func closeAndWait(nc net.Conn) {
	nc.Close()
	synctest.Wait()
}

// DISCONNECT may change the session expiry interval, up to the limit of CONNECT.
func TestSessionExpiryOfDisconnect(t *testing.T) {
	for _, tt := range []struct {
		name    string
		connect uint32
		last    *uint32
		want    time.Duration // 0: no session is left
	}{
		{"absent", 60, nil, time.Minute},
		{"longer", 60, new(uint32(120)), 2 * time.Minute},
		{"at the limit", 60, new(uint32(3600)), time.Hour},
		{"over the limit", 60, new(uint32(3601)), time.Hour},
		{"for ever", 60, new(uint32(0xFFFFFFFF)), time.Hour},
		{"none", 60, new(uint32(0)), 0},
		{"CONNECT over the limit", 7200, nil, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{Limits: Limits{SessionExpiry: time.Hour}})
				defer b.Close()
				nw := &memnet.Network{}
				l, err := nw.Listen("b:1883")
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Listen(l, nil); err != nil {
					t.Fatal(err)
				}
				nc, err := nw.Dial(t.Context(), "tcp", "b:1883")
				if err != nil {
					t.Fatal(err)
				}
				p := &peer{t, nc}
				p.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "c", Properties: &p5.Properties{SessionExpiryInterval: &tt.connect}})
				p.read()
				p.send(&p5.Disconnect{Properties: &p5.Properties{SessionExpiryInterval: tt.last}})
				synctest.Wait()
				s, there := b.Session("c")
				if there != (tt.want != 0) || s.Expiry != tt.want {
					t.Errorf("session %v, expiry %v, want %v", there, s.Expiry, tt.want)
				}
				if tt.want > 0 { // and it ends then
					time.Sleep(tt.want - 1)
					if _, there := b.Session("c"); !there {
						t.Error("ended early")
					}
					time.Sleep(time.Nanosecond)
					if _, there := b.Session("c"); there {
						t.Error("did not end")
					}
				}
				nc.Close()
			})
		})
	}
}
