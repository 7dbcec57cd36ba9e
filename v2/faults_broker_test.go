package awsiot_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// PUBACK never comes: AckTimeout fails the operation, its id stays reserved until the reconnect.
func TestFaultPubackNeverComes(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 5 * time.Second }).up()
		n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Times: 2, Action: iotlocal.Drop})
		began := time.Now()
		first, second := n.PublishAsync(packet("t", "a", 1)), n.PublishAsync(packet("t", "b", 1))
		for _, f := range []*awsiot.Future[awsiot.PublishResult]{first, second} {
			_, err := f.Wait(within(time.Minute))
			if want := `awsiot: publish "t": ` + awsiot.ErrAckTimeout.Error(); err == nil || err.Error() != want || !errors.Is(err, awsiot.ErrAckTimeout) {
				t.Errorf("%v", err)
			}
		}
		if d := time.Since(began); d != 5*time.Second || n.State() != awsiot.StateConnected {
			t.Errorf("after %v, %v", d, n.State())
		}
		awsiot.GrantIDs(n.Client, 65535-2) // the counter comes round to 1 and 2
		n.publish("t", "c")
		e.srv.Faults().Cut("c")
		n.again()
		awsiot.GrantIDs(n.Client, 65535-3)
		n.publish("t", "d")
		n.publish("t", "e")
		n.publish("t", "f")
		var ids []uint16
		for _, p := range n.sent(iotlocal.PUBLISH) {
			ids = append(ids, p.PacketID)
		}
		equal(t, "a and b are not sent again, c steps over their ids, d and e have them", ids, []uint16{1, 2, 3, 1, 2, 3})
	})
}

// 65,535 in flight: the next one waits, and no id is used twice.
func TestFaultAllIdentifiersInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = -1 })
		p := w.start()
		for range 65535 {
			w.client.PublishFunc(packet("t", "", 1), nil)
		}
		last := w.client.PublishAsync(packet("t", "last", 1))
		sub := w.client.SubscribeAsync(filters(nil, "f"))
		var seen [65536]bool
		for range 65535 {
			v := expect[*packets.Publish](p)
			if seen[v.PacketID] || v.PacketID == 0 || len(v.Payload) > 0 {
				t.Fatalf("id %d twice, or %q out of turn", v.PacketID, v.Payload)
			}
			seen[v.PacketID] = true
		}
		p.silent(10 * time.Minute)
		if s := w.client.Stats(); s.IncompleteOperationCount != 65537 || s.UnackedOperationCount != 65535 {
			t.Errorf("%+v", s)
		}
		p.send(uint16(4711))
		equal(t, "the free id", p.take(1), []string{"last#4711"})
		p.send(uint16(1))
		equal(t, "the next one, for a subscribe", p.take(1), []string{"sub[f]"})
		p.send(uint16(4711), suback(1, 1))
		for _, err := range []error{wait(last), wait(sub)} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// wait waits a minute for a future.
func wait[T any](f *awsiot.Future[T]) error {
	_, err := f.Wait(within(time.Minute))
	return err
}

// Server DISCONNECT with every reason code: surfaced with its reason string and server reference;
// tried again soon, or, where coming back soon cannot help, after the longest delay.
func TestFaultServerDisconnect(t *testing.T) {
	lasting := []byte{0x80, 0x81, 0x82, 0x83, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9C, 0x9D} // 0x87 heals: a policy may be attached
	slow := []byte{0x8A, 0x9C, 0x9D}
	asked := []byte{0x81, 0x82, 0x97} // of what was under way one packet may be the cause: a PINGREQ goes ahead of it
	for _, code := range []byte{0, 4, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8A, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
		0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2} {
		t.Run(fmt.Sprintf("0x%02X", code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				var lost []*awsiot.Disconnection
				w.client.Observe(awsiot.Observer{OnDisconnection: func(d *awsiot.Disconnection) { lost = append(lost, d) }})
				p := w.start()
				w.client.PublishFunc(packet("t", "kept", 1), w.events.done("kept"))
				p.take(1)
				d := &packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{ReasonString: "because",
					User: []packets.User{{Key: "k", Value: "v"}}}}
				if code == 0x9C || code == 0x9D {
					d.Properties.ServerReference = "elsewhere:8883"
				}
				p.send(d)
				p.expectEnd()
				began := time.Now()
				p, _ = w.accept(sessionPresent())
				delay := time.Since(began)
				if len(lost) != 1 {
					t.Fatalf("%d events", len(lost))
				}
				err, pkt := lost[0].Err, lost[0].Packet
				if pkt == nil || byte(pkt.Code) != code || pkt.Reason != "because" || len(pkt.UserProperties) != 1 || pkt.ServerReference != d.Properties.ServerReference {
					t.Errorf("packet %+v", pkt)
				}
				heals, want := !slices.Contains(lasting, code) && code != 0x8A, time.Second
				if slices.Contains(slow, code) {
					want = 120 * time.Second
				}
				if got, ok := awsiot.ReasonOf(err); ok != (code >= 0x80) || ok && (byte(got) != code || !strings.Contains(err.Error(), "because")) {
					t.Errorf("%v", err)
				}
				if awsiot.Retryable(err) != heals || delay != want {
					t.Errorf("retryable %v, tried again after %v", awsiot.Retryable(err), delay)
				}
				if slices.Contains(asked, code) {
					p.answer(expect[*packets.Pingreq](p))
				}
				equal(t, "not lost", p.take(1), []string{"kept#1+"})
			})
		})
	}
}

// Session taken over: surfaced with its cause; two clients with one id do not chase each other
// faster than the backoff, whether the broker says 0x8E or just closes.
func TestFaultSessionTakenOver(t *testing.T) {
	for _, bare := range []bool{false, true} {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			if bare {
				if _, err := e.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.DISCONNECT, Action: iotlocal.Drop}); err != nil {
					t.Fatal(err)
				}
			}
			one, two := e.client("same", nil), e.client("same", nil)
			one.up()
			two.up()
			pass(10 * time.Minute)
			conns := len(one.sent(iotlocal.CONNECT))
			// 1, 2, 4, ... 120 s each: 8 attempts in four minutes, then one every two minutes.
			if conns < 6 || conns > 2*12 {
				t.Errorf("bare %v: %d connections in ten minutes", bare, conns)
			}
			list := slices.Concat(one.events.take(), two.events.take())
			var losses []string
			for _, s := range list {
				if strings.HasPrefix(s, "disconnection: ") {
					losses = append(losses, s)
				}
			}
			want := "disconnection: awsiot: connection: session taken over (0x8E)"
			if bare {
				want = "disconnection: awsiot: connection: closed by the broker without a DISCONNECT"
			}
			for _, s := range losses {
				if !strings.HasPrefix(s, want) || !bare && !strings.Contains(s, "another connection uses the same client id") {
					t.Errorf("bare %v: %s", bare, s)
				}
			}
			if len(losses) < 5 {
				t.Errorf("bare %v: %q", bare, list)
			}
		})
	}
}

// CONNACK refusals: every code of MQTT 5 is an event with the code, and waits as long as the code
// deserves. The codes of MQTT 3 (1-5, and AWS's 7) in a CONNACK of MQTT 5 or 3.1.1 are a protocol error.
func TestFaultConnackRefusals(t *testing.T) {
	slow := []byte{0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9C, 0x9D}
	for _, code := range append(slices.Clone(slow), 0x87, 0x88, 0x89, 0x97, 0x9F, 0xEE) {
		t.Run(fmt.Sprintf("0x%02X", code), func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", nil)
				n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.CONNACK, Times: 1, Action: iotlocal.Reject, Code: iotlocal.Code(code)})
				n.PublishFunc(packet("t", "kept", 1), n.events.done("kept"))
				failed := failures(n.Client)
				_ = n.Start()
				f := <-failed
				err, began := f.Err, time.Now()
				if f.Connack == nil || byte(f.Connack.Code) != code || !strings.HasPrefix(err.Error(), "awsiot: connect: ") || !strings.Contains(err.Error(), fmt.Sprintf("(0x%02X)", code)) {
					t.Errorf("%+v, %v", f, err)
				}
				n.again()
				want := time.Second
				if slices.Contains(slow, code) {
					want = 120 * time.Second
				}
				if d := time.Since(began); d != want || awsiot.Retryable(err) != (want == time.Second) {
					t.Errorf("tried again after %v, retryable %v", d, awsiot.Retryable(err))
				}
				pass(time.Second)
				only(t, n.events.take(), "kept: <nil>")
			})
		})
	}
	for _, code := range []byte{1, 2, 3, 4, 5, 7} {
		for _, b := range [][]byte{{0x20, 2, 0, code}, {0x20, 3, 0, code, 0}} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				failed := failures(w.client)
				_ = w.client.Start()
				p := w.raw()
				expect[*packets.Connect](p)
				p.send(b)
				err := (<-failed).Err
				if !errors.Is(err, awsiot.ErrProtocol) {
					t.Errorf("% x: %v", b, err)
				}
				w.accept(nil)
			})
		}
	}
}

// everyPacket is one of each packet that a broker may send, with every property.
func everyPacket(t testing.TB) map[string][]byte {
	props := func() *packets.Properties {
		return &packets.Properties{ReasonString: "why", User: []packets.User{{Key: "k", Value: "v"}}}
	}
	full := publish("topic", "payload", 1)
	full.Properties = &packets.Properties{PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(9)), ContentType: "text",
		ResponseTopic: "answer", CorrelationData: []byte("id"), User: props().User}
	connack := &packets.Connack{Properties: props()}
	connack.Properties.ServerKeepAlive, connack.Properties.ReceiveMaximum = new(uint16(60)), new(uint16(10))
	sub, unsub := suback(1, 0, 1), unsuback(1, 0, 0x11)
	sub.Properties, unsub.Properties = props(), props()
	list := map[string][]byte{}
	for name, v := range map[string]any{
		"CONNACK": connack, "PUBLISH 0": publish("topic", "payload", 0), "PUBLISH 1": full, "SUBACK": sub, "UNSUBACK": unsub,
		"PUBACK": &packets.Puback{PacketID: 1, ReasonCode: 0x10, Properties: props()}, "PINGRESP": &packets.Pingresp{},
		"DISCONNECT": &packets.Disconnect{ReasonCode: 0x8B, Properties: props()},
	} {
		list[name] = encode(t, v)
	}
	return list
}

// Malformed packets, every truncation of every packet: as bytes that end, and as a packet whose
// length says so. No panic; nothing half is delivered; the end of the connection is one event; a
// packet that is malformed gets the DISCONNECT of its fault, 0x81 or 0x82. (The decoder's fuzz
// targets and what it allocates: v2/internal/wire and FuzzBroker; a million random inputs: TestFaultRandom there.)
func TestFaultTruncations(t *testing.T) {
	refused := 0
	for name, whole := range everyPacket(t) {
		for cut := 1; cut < len(whole); cut++ {
			truncated(t, fmt.Sprintf("%s % x", name, whole[:cut]), whole[:cut], 0, name == "CONNACK", false)
			if cut < 2 {
				continue
			}
			b := bytes.Clone(whole[:cut]) // a whole packet, by its length: it may even be a valid one
			b[1] = byte(cut - 2)
			code := malformed(b)
			if code != 0 {
				refused++
			}
			truncated(t, fmt.Sprintf("%s % x", name, b), b, code, name == "CONNACK", true)
		}
	}
	if refused < 100 {
		t.Errorf("only %d malformed packets", refused)
	}
}

// malformed returns the code for what is wrong with a packet, 0 for nothing.
func malformed(b []byte) byte {
	f, _, err := wire.Next(b, 0)
	if err == nil {
		switch f.Type() {
		case wire.TypePublish:
			err = wire.ParsePublish(f, &wire.InPublish{})
		case wire.TypePuback:
			err = wire.ParseAck(f, &wire.Ack{})
		default:
			_, err = wire.Decode(f)
		}
	}
	var we *wire.Error
	if errors.As(err, &we) {
		return we.Code
	}
	return 0
}

// truncated sends b in place of the CONNACK or behind it, and then closes. code is what the
// DISCONNECT must have; 0: any. complete: b is a packet.
func truncated(t *testing.T, name string, b []byte, code byte, instead, complete bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.client.Handle("#", func(m *awsiot.Message) {
			if !complete || code != 0 || m.Topic != "topic" || !strings.HasPrefix("payload", string(m.Payload)) {
				t.Errorf("%s: delivered %+v", name, m)
			}
		})
		_ = w.client.Start()
		p := w.raw()
		expect[*packets.Connect](p)
		if instead {
			p.send(b)
			_ = p.conn.(*memnet.Conn).CloseWrite()
			p.expectEnd()
		} else {
			p.send(&packets.Connack{Properties: &packets.Properties{}})
			w.client.SubscribeAsync(filters(nil, "a", "b"))
			p.take(1)
			p.send(b)
			synctest.Wait()
			_ = p.conn.(*memnet.Conn).CloseWrite()
			var last byte
			for v := p.next(); v != nil; v = p.next() {
				if d, ok := v.(*packets.Disconnect); ok {
					last = d.ReasonCode
				}
			}
			if code != 0 && last != code || last != 0 && last != 0x81 && last != 0x82 {
				t.Errorf("%s: DISCONNECT 0x%02X, want 0x%02X", name, last, code)
			}
			_ = p.conn.Close()
		}
		synctest.Wait()
		ends := 0
		for _, s := range w.events.take() {
			if strings.HasPrefix(s, "disconnection: awsiot: connection: ") || strings.HasPrefix(s, "failure: awsiot: connect: ") {
				ends++
			} else if strings.HasPrefix(s, "disconnection") {
				t.Errorf("%s: %s", name, s)
			}
		}
		if s := w.client.State(); ends != 1 || s != awsiot.StateBackoff {
			t.Errorf("%s: %d ends, %v", name, ends, s)
		}
	})
}

// Oversized incoming packet: DISCONNECT 0x95. Outgoing above the broker's maximum: a local error
// before anything is sent, and the connection stays.
func TestFaultOversized(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaximumPacketSize: 1000}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.MaximumPacketSize = 500 }).up()
		big := strings.Repeat("x", 1000)
		for _, qos := range []awsiot.QoS{0, 1} {
			_, err := n.Publish(within(time.Minute), packet("t", big, qos))
			var ve *awsiot.ValidationError
			if !errors.As(err, &ve) || !strings.Contains(err.Error(), "the broker takes at most 1000") {
				t.Errorf("QoS %d: %v", qos, err)
			}
		}
		_, err := n.Subscribe(within(time.Minute), filters(nil, "a/"+strings.Repeat("x", 250), "b/"+strings.Repeat("x", 250), "c/"+strings.Repeat("x", 250), "d/"+strings.Repeat("x", 250)))
		var ve *awsiot.ValidationError
		if !errors.As(err, &ve) {
			t.Errorf("subscribe: %v", err)
		}
		n.PublishFunc(packet("t", big, 0), nil) // nobody waits for it: it is dropped
		n.publish("t", big[:900])
		if n.State() != awsiot.StateConnected || len(n.sent(iotlocal.CONNECT)) != 1 || len(n.sent(iotlocal.PUBLISH)) != 1 {
			t.Errorf("%v, %v", n.State(), n.sent(iotlocal.PUBLISH))
		}
		e.srv.Faults().Inject("c", encode(t, publish("t", big[:600], 0))) // the server itself would keep to the maximum
		synctest.Wait()
		ends := n.sent(iotlocal.DISCONNECT)
		if len(ends) != 1 || ends[0].Code != 0x95 {
			t.Errorf("DISCONNECT %v", ends)
		}
		n.again()
		equal(t, "delivered", n.got.take(), nil)
		only(t, n.events.take(), "disconnection: awsiot: connection: protocol error: ")
	})
}

// 128 KB payload, 128 KB + 1, 256 MB: limits by configuration, and a local error where the limit is known.
func TestFaultPayloadSizes(t *testing.T) {
	const aws = 128 << 10
	for _, tt := range []struct {
		name string
		size int
		flow awsiot.FlowControl
		max  uint32 // of the broker; 0: AWS's
		want string // "" success, else the error begins so
	}{
		{"128 KB", aws, awsiot.FlowControlNone, 0, ""},
		{"128 KB with AWS's limits", aws, awsiot.FlowControlAWS, 0, ""},
		{"128 KB + 1 with AWS's limits", aws + 1, awsiot.FlowControlAWS, 0, "awsiot: Payload: "},
		{"128 KB + 1 to a broker with more room", aws + 1, awsiot.FlowControlNone, 1 << 20, ""},
		{"as large as the broker's packet, + 1", 1<<20 - 9, awsiot.FlowControlNone, 1 << 20, "awsiot: Payload: "},
		{"256 MB", 256 << 20, awsiot.FlowControlNone, 1 << 20, "awsiot: Payload: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaximumPacketSize: tt.max, Payload: aws + int(tt.max)}}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) { o.FlowControl, o.MaximumPacketSize = tt.flow, 4<<20 }).up()
				p := &awsiot.PublishPacket{Topic: "t", Payload: make([]byte, tt.size), QoS: 1}
				got := n.subscribe("t")
				_, err := n.Publish(within(time.Minute), p)
				synctest.Wait()
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				if list := got.got.take(); (tt.want == "") != (len(list) == 1) || len(list) == 1 && len(list[0]) != len("t=")+tt.size {
					t.Errorf("%d messages arrived", len(list))
				}
				if n.State() != awsiot.StateConnected || len(n.sent(iotlocal.CONNECT)) != 1 {
					t.Error("the connection did not live on")
				}
			})
		})
	}
}
