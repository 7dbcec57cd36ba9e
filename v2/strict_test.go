package awsiot_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// What a broker must not send ends the connection with the right
// DISCONNECT, an event that says so, and a new attempt. Nothing is delivered.
func TestBrokerBreaksProtocol(t *testing.T) {
	qos2 := publish("t", "x", 1)
	qos2.QoS = 2
	alias := publish("t", "x", 0)
	alias.Properties.TopicAlias = new(uint16(1))
	big := []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F} // 256 MiB announced in five bytes
	for _, tt := range []struct {
		name string
		send []any
		code byte
	}{
		{"a length field of five bytes", []any{[]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}}, 0x81},
		{"packet type 0", []any{[]byte{0x00, 0x00}}, 0x81},
		{"reserved flags of PUBACK", []any{[]byte{0x41, 2, 0, 1}}, 0x81},
		{"reserved flags of PINGRESP", []any{[]byte{0xD1, 0}}, 0x81},
		{"PINGRESP with a body", []any{[]byte{0xD0, 1, 0}}, 0x81},
		{"PUBACK of one byte", []any{[]byte{0x40, 1, 0}}, 0x81},
		{"PUBACK with identifier 0", []any{[]byte{0x40, 2, 0, 0}}, 0x82},
		{"PUBLISH shorter than its topic", []any{[]byte{0x30, 3, 0, 9, 'a'}}, 0x81},
		{"PUBLISH with identifier 0", []any{[]byte{0x32, 6, 0, 1, 't', 0, 0, 0}}, 0x82},
		{"PUBLISH with a wildcard", []any{publish("a/#", "x", 0)}, 0x81},
		{"PUBLISH with a topic that is not UTF-8", []any{[]byte{0x30, 4, 0, 1, 0xFF, 0}}, 0x81},
		{"PUBLISH of QoS 3", []any{[]byte{0x36, 6, 0, 1, 't', 0, 1, 0}}, 0x81},
		{"PUBLISH of QoS 0 with DUP", []any{[]byte{0x38, 4, 0, 1, 't', 0}}, 0x81},
		{"PUBLISH with a property twice", []any{[]byte{0x30, 8, 0, 1, 't', 4, 1, 0, 1, 0}}, 0x82},
		{"PUBLISH with an unknown property", []any{[]byte{0x30, 6, 0, 1, 't', 2, 0x7F, 0}}, 0x81},
		{"PUBLISH of QoS 2", []any{qos2}, 0x9B},
		{"a topic alias although none was allowed", []any{alias}, 0x94},
		{"larger than the client's maximum", []any{big}, 0x95},
		{"SUBACK with too few codes", []any{suback(1, 0)}, 0x82},
		{"SUBACK with too many codes", []any{suback(1, 0, 0, 0)}, 0x82},
		{"a second CONNACK", []any{&packets.Connack{Properties: &packets.Properties{}}}, 0x82},
		{"CONNECT from a broker", []any{[]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 0}}, 0x82},
		{"SUBSCRIBE from a broker", []any{[]byte{0x82, 7, 0, 1, 0, 0, 1, 't', 0}}, 0x82},
		{"PINGREQ from a broker", []any{[]byte{0xC0, 0}}, 0x82},
		{"AUTH that was not asked for", []any{[]byte{0xF0, 0}}, 0x82},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				var d *awsiot.Disconnection
				w.client.Observe(awsiot.Observer{OnDisconnection: func(e *awsiot.Disconnection) { d = e }})
				w.client.Handle("#", func(m *awsiot.Message) { w.events.add("delivered %s", m.Payload) })
				p := w.start()
				f := w.client.SubscribeAsync(filters(nil, "a", "b"))
				p.take(1)
				p.send(publish("t", "before", 0))
				p.send(append(tt.send, publish("t", "after", 0))...)
				if v := expect[*packets.Disconnect](p); v.ReasonCode != tt.code {
					t.Errorf("DISCONNECT 0x%02X, want 0x%02X", v.ReasonCode, tt.code)
				}
				p.expectEnd()
				synctest.Wait()
				if d == nil || !errors.Is(d.Err, awsiot.ErrProtocol) || d.Packet != nil {
					t.Errorf("%+v", d)
				}
				for _, e := range w.events.take() {
					if strings.HasPrefix(e, "delivered") && e != "delivered before" {
						t.Error(e)
					}
				}
				if strings.HasPrefix(tt.name, "SUBACK") { // ended here, not tried for ever
					if err := f.Err(); !errors.Is(err, awsiot.ErrProtocol) {
						t.Errorf("Subscribe: %v", err)
					}
				}
				w.accept(sessionPresent())
			})
		})
	}
}

// The maximum packet size that CONNECT announced is a bound for every packet, and none is
// buffered beyond it: six bytes do not cost 256 MiB.
func TestMaximumPacketSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.MaximumPacketSize = 100 })
		got := 0
		w.client.Handle("#", func(m *awsiot.Message) { got = len(m.Payload) })
		_ = w.client.Start()
		p, c := w.accept(nil)
		if m := c.Properties.MaximumPacketSize; m == nil || *m != 100 {
			t.Errorf("CONNECT announces %v", m)
		}
		fits := 100 - 2 - 3 - 1
		p.send(publish("t", strings.Repeat("x", fits), 0))
		synctest.Wait()
		if got != fits {
			t.Errorf("a packet of 100 bytes: %d", got)
		}
		p.send(publish("t", strings.Repeat("x", fits+1), 0))
		if v := expect[*packets.Disconnect](p); v.ReasonCode != 0x95 {
			t.Errorf("0x%02X", v.ReasonCode)
		}
		_ = p.conn.Close()
		synctest.Wait()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			p, _ = w.accept(nil)
			p.send([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0})
			p.next()
			_ = p.conn.Close()
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%d bytes were allocated", n)
		}
	})
}

// More unacknowledged messages than ReceiveMaximum.
func TestReceiveMaximumExceeded(t *testing.T) {
	for _, n := range []uint16{3, 4} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.ReceiveMaximum = 3 })
			release := make(chan bool)
			w.client.Handle("#", func(*awsiot.Message) { <-release })
			p := w.start()
			for i := range n {
				p.send(publish("t", "x", i+1))
			}
			synctest.Wait()
			if n == 3 {
				p.silent(time.Minute)
				close(release)
				for i := range n {
					if a := expect[*packets.Puback](p); a.PacketID != i+1 {
						t.Errorf("%v", a)
					}
				}
				p.send(publish("t", "x", 1), publish("t", "x", 2), publish("t", "x", 3)) // the window is open again
				p.take(3)
				return
			}
			if v := expect[*packets.Disconnect](p); v.ReasonCode != 0x93 {
				t.Errorf("0x%02X", v.ReasonCode)
			}
			close(release)
			p.expectEnd()
		})
	}
}

// Anything but a CONNACK first, and CONNACKs that are not one, fail the attempt.
func TestBadHandshake(t *testing.T) {
	for name, b := range map[string][]byte{
		"PINGRESP first":      {0xD0, 0},
		"HTTP":                []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"TLS alert":           {0x15, 3, 1, 0, 2, 2, 70},
		"CONNACK of MQTT 3":   {0x20, 2, 0, 0},
		"reserved flags":      {0x20, 3, 2, 0, 0},
		"illegal code":        {0x20, 3, 0, 1, 0},
		"cut off":             {0x20, 3, 0},
		"nothing, then close": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				_ = w.client.Start()
				p := w.raw()
				p.next()
				f, err := awaitFailure(w.client, func() { p.reply(b); _ = p.conn.Close() })
				var ce *awsiot.ConnectError
				if !errors.As(err, &ce) {
					t.Errorf("%v", err)
				}
				if name != "illegal code" && f.Connack != nil {
					t.Errorf("%+v", f.Connack)
				}
				w.accept(nil)
			})
		})
	}
}

// Every fragment size: the client reads packets however they arrive.
func TestFragments(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 7, 11, 64, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				var got []string
				w.client.Handle("#", func(m *awsiot.Message) { got = append(got, fmt.Sprint(len(m.Payload))) })
				p := w.start()
				f := w.client.PublishAsync(packet("t", "x", 1))
				p.take(1)
				var want []string
				var vs []any
				for _, n := range []int{0, 1, 100, 120, 121, 500, 3000, 20000} {
					vs = append(vs, publish("topic", strings.Repeat("x", n), 0), &packets.Pingresp{})
					want = append(want, fmt.Sprint(n))
				}
				b := encode(t, append(vs, uint16(1))...)
				for len(b) > 0 {
					n := min(size, len(b))
					p.send(b[:n])
					b = b[n:]
					if size < 64 {
						synctest.Wait()
					}
				}
				synctest.Wait()
				equal(t, "messages", got, want)
				if _, err := f.Result(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// awaitFailure waits for the next failed attempt, which cause brings about, if it is not under way already.
func awaitFailure(c *awsiot.Client, cause func()) (*awsiot.ConnectionFailure, error) {
	got := make(chan *awsiot.ConnectionFailure, 1)
	remove := c.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) {
		select {
		case got <- f:
		default:
		}
	}})
	defer remove()
	if cause != nil { // not before somebody listens, or the failure that is seen is that of the next attempt
		go cause()
	}
	f := <-got
	return f, f.Err
}
