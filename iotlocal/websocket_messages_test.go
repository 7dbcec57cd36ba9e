package iotlocal_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// message reads one websocket message, in whatever frames it comes.
func message(t *testing.T, in io.Reader) []byte {
	t.Helper()
	var all []byte
	for first := true; ; first = false {
		var h [2]byte
		if _, err := io.ReadFull(in, h[:]); err != nil {
			t.Fatalf("%v after %x", err, all)
		}
		op, want := h[0]&15, byte(0)
		if first {
			want = 2
		}
		if op != want || h[0]&0x70 != 0 || h[1] > 125 {
			t.Fatalf("frame %x", h)
		}
		body := make([]byte, h[1])
		if _, err := io.ReadFull(in, body); err != nil {
			t.Fatal(err)
		}
		all = append(all, body...)
		if h[0]&0x80 != 0 {
			return all
		}
	}
}

// onePerMessage reads as the v1 SDK for Python does: it takes one MQTT packet out of each websocket
// message. The SDK sees what follows in the message only when more bytes arrive; here it is lost for good.
func onePerMessage(t *testing.T, in io.Reader) p5.Packet {
	t.Helper()
	cp, err := p5.ReadPacket(bytes.NewReader(message(t, in)))
	if err != nil {
		t.Fatal(err)
	}
	return cp.Content
}

// Every MQTT packet is a websocket message of its own, also when several wait to be written at once: a
// PUBLISH and the PUBACK for it, what a rule held back, what is sent byte by byte, a large packet.
func TestOnePacketPerWebsocketMessage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int // per second towards the client; 0: at once
	}{{"at once", 0}, {"byte by byte", 100}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				t := e.t
				nc := e.dialWS()
				defer nc.Close()
				say(t, nc, v1Upgrade)
				in := bufio.NewReader(nc)
				if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
					t.Fatal(resp, err)
				}
				send := func(ps ...writerTo) {
					t.Helper()
					var b bytes.Buffer
					for _, p := range ps {
						if _, err := p.WriteTo(&b); err != nil {
							t.Fatal(err)
						}
					}
					say(t, nc, string(frame(2, b.Bytes())))
				}
				e.srv.Faults().Throttle(tt.bytes)
				held := e.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBLISH, Action: iotlocal.Hold, Times: 2})
				send(connect5("ws"), &p5.Subscribe{PacketID: 9, Properties: &p5.Properties{},
					Subscriptions: []p5.SubOptions{{Topic: "own", QoS: 1}}},
					pub5("own", "one", 1, 1), pub5("own", "two", 1, 2))
				got := func(want ...string) {
					t.Helper()
					for _, w := range want {
						var is string
						switch p := onePerMessage(t, in).(type) {
						case *p5.Connack:
							is = "CONNACK"
						case *p5.Suback:
							is = "SUBACK"
						case *p5.Puback:
							is = "PUBACK"
						case *p5.Publish:
							is = string(p.Payload[:3])
						}
						if is != w {
							t.Fatalf("%q, want %q of %q", is, w, want)
						}
					}
				}
				got("CONNACK", "SUBACK", "PUBACK", "PUBACK")
				held.Remove() // both go out in one batch of the writer
				got("one", "two")
				// A PUBLISH and its PUBACK are put into the outbox by one and the same step of the server.
				var seen []string
				send(pub5("own", "six", 1, 3))
				for range 2 {
					switch p := onePerMessage(t, in).(type) {
					case *p5.Puback:
						seen = append(seen, "PUBACK")
					case *p5.Publish:
						seen = append(seen, string(p.Payload))
					}
				}
				slices.Sort(seen)
				if !slices.Equal(seen, []string{"PUBACK", "six"}) {
					t.Errorf("%q", seen)
				}
			})
		})
	}
}

// A connection is among the pending ones from its beginning to the end of its upgrade, whatever that is.
func TestPendingUpgrades(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		expect := func(n int, when string) {
			t.Helper()
			synctest.Wait()
			if got := e.srv.PendingUpgrades(); got != n {
				t.Errorf("%d pending %s, want %d", got, when, n)
			}
		}
		refused, upgraded, silent, gone := e.dialWS(), e.dialWS(), e.dialWS(), e.dialWS()
		expect(4, "after dialling")
		say(t, refused, "GET / HTTP/1.1\r\n\r\n")
		say(t, upgraded, v1Upgrade)
		gone.Close()
		expect(1, "after a refusal, an upgrade and a loss")
		time.Sleep(11 * time.Second)
		expect(0, "after the time for an upgrade")
		for _, nc := range []net.Conn{refused, upgraded, silent} {
			nc.Close()
		}
	})
}
