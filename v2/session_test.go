package awsiot_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// take reads n packets and describes them: "one#1" is a PUBLISH of "one" with id 1, with a
// "+" behind it when DUP is set and without the id at QoS 0; "sub[a b]" and "unsub[a]" the others.
func (p *peer) take(n int) (list []string) {
	p.t.Helper()
	for range n {
		list = append(list, describe(p.next()))
	}
	return list
}

func describe(v packets.Packet) string {
	switch v := v.(type) {
	case *packets.Publish:
		s := string(v.Payload)
		if v.QoS > 0 {
			s += fmt.Sprintf("#%d", v.PacketID)
		}
		if v.Duplicate {
			s += "+"
		}
		return s
	case *packets.Subscribe:
		var fs []string
		for _, o := range v.Subscriptions {
			fs = append(fs, o.Topic)
		}
		return fmt.Sprintf("sub%v", fs)
	case *packets.Unsubscribe:
		return fmt.Sprintf("unsub%v", v.Topics)
	case *packets.Disconnect:
		return fmt.Sprintf("disconnect 0x%02X", v.ReasonCode)
	case nil:
		return "end"
	}
	return fmt.Sprintf("%T", v)
}

// Cases of aws-c-mqtt's tests: restore_session_on_ping_timeout_reconnect, reconnect_rejoin_session_fail_qos0, and of the group "operation queue"
// bind_packet_id_already_bound: what is sent again keeps its identifier.
func TestResendWithSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		for i := range 4 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), awsiot.AtLeastOnce), w.events.done(fmt.Sprint(i)))
		}
		equal(t, "first sending", p.take(4), []string{"0#1", "1#2", "2#3", "3#4"})
		p.send(uint16(2))
		synctest.Wait()
		p.cut()
		synctest.Wait()
		if s := w.client.Stats(); s.IncompleteOperationCount != 3 || s.UnackedOperationCount != 3 {
			t.Errorf("while away: %+v", s)
		}
		p, c := w.accept(sessionPresent())
		if c.CleanStart {
			t.Error("clean start at the second connection")
		}
		equal(t, "second sending", p.take(3), []string{"0#1+", "2#3+", "3#4+"})
		p.send(uint16(4), uint16(1), uint16(3), uint16(1))
		synctest.Wait()
		w.client.PublishFunc(packet("t", "new", awsiot.AtLeastOnce), nil)
		equal(t, "afterwards", p.take(1), []string{"new#5"})
		if s := w.client.Stats(); s.IncompleteOperationCount != 1 || s.Reconnects != 1 {
			t.Errorf("%+v", s)
		}
		equal(t, "events", w.events.take()[4:], []string{"attempting", "success", "3: <nil>", "0: <nil>", "2: <nil>"})
	})
}

// Cases of aws-c-mqtt's tests: discard_session_on_server_clean_start, receive_nonexisting_session_state,
// operation_processing reconnect_no_session_fail_qos0: a new message with a new id and without
// DUP (complaint: the C runtime keeps both).
func TestResendWithoutSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		for _, s := range []string{"a", "b", "c"} {
			w.client.PublishFunc(packet("t", s, awsiot.AtLeastOnce), w.events.done(s))
		}
		equal(t, "first sending", p.take(3), []string{"a#1", "b#2", "c#3"})
		p.send(uint16(1))
		synctest.Wait()
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "second sending", p.take(2), []string{"b#4", "c#5"})
		p.send(uint16(4), uint16(2), uint16(5)) // 2 is the id of before: ignored
		synctest.Wait()
		if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 || s.UnackedOperationSize != 0 {
			t.Errorf("%+v", s)
		}
		if s := w.client.State(); s != awsiot.StateConnected {
			t.Error(s)
		}
	})
}

// DUP goes away again when the session is lost after the message was sent a second time in it.
func TestDupEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), nil)
		equal(t, "first", p.take(1), []string{"a#1"})
		p.cut()
		p, _ = w.accept(sessionPresent())
		equal(t, "session present", p.take(1), []string{"a#1+"})
		pass(3 * time.Second) // else two ends so soon would make it a suspect
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "no session", p.take(1), []string{"a#2"})
		pass(3 * time.Second)
		p.cut()
		p, _ = w.accept(sessionPresent())
		equal(t, "session present again", p.take(1), []string{"a#2+"})
	})
}

// Cut in the middle of an outgoing PUBLISH. What was not fully handed over was never
// sent: it gets a new id and DUP 0, even in a session that goes on.
func TestCutInsidePublish(t *testing.T) {
	for _, tt := range []struct {
		name    string
		present bool
		want    []string
	}{
		{"session present", true, []string{"whole#1+", "half#3", "behind#4"}},
		{"no session", false, []string{"whole#4", "half#5", "behind#6"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				w.client.PublishFunc(packet("t", "whole", awsiot.AtLeastOnce), w.events.done("whole"))
				equal(t, "before", p.take(1), []string{"whole#1"})
				p.conn.(*memnet.Conn).SetLink(memnet.ToServer, memnet.Link{CutAfter: 5})
				w.client.PublishFunc(packet("t", "half", awsiot.AtLeastOnce), w.events.done("half"))
				synctest.Wait()
				if v := p.next(); v != nil {
					t.Errorf("got %v", v)
				}
				w.client.PublishFunc(packet("t", "behind", awsiot.AtLeastOnce), w.events.done("behind"))
				var change func(*packets.Connack)
				if tt.present {
					change = sessionPresent()
				}
				p, _ = w.accept(change)
				got := p.take(3)
				if !tt.present { // the counter goes on where it was: only the order and DUP are fixed
					for i := range got {
						if n := len(got[i]); got[i][n-1] == '+' {
							t.Errorf("DUP in a new session: %v", got)
						}
						got[i] = got[i][:len(got[i])-1]
						tt.want[i] = tt.want[i][:len(tt.want[i])-1]
					}
				}
				equal(t, "sent again", got, tt.want)
			})
		})
	}
}

// A trap of paho.golang: the receive maximum holds for what is sent again, also when the new
// CONNACK lowers it. Cases of aws-c-mqtt's tests: flow_control_receive_maximum.
func TestReceiveMaximumOnResend(t *testing.T) {
	for _, present := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			const n = 6
			for i := range n {
				w.client.PublishFunc(packet("t", fmt.Sprint(i), awsiot.AtLeastOnce), nil)
			}
			p.take(n)
			p.cut()
			p, _ = w.accept(func(a *packets.Connack) {
				a.SessionPresent = present
				a.Properties.ReceiveMaximum = new(uint16(2))
			})
			w.client.PublishFunc(packet("t", "new", awsiot.AtLeastOnce), nil)
			w.client.PublishFunc(packet("t", "q0", awsiot.AtMostOnce), nil)
			var ids []uint16
			for i := range n + 1 {
				if len(ids) == 2 {
					p.silent(time.Second)
					p.send(ids[0])
					ids = ids[1:]
				}
				v := expect[*packets.Publish](p)
				want := fmt.Sprint(i)
				if i == n {
					want = "new"
				}
				if string(v.Payload) != want || v.Duplicate != (present && i < n) {
					t.Errorf("present %v, %d: %s dup %v", present, i, v.Payload, v.Duplicate)
				}
				ids = append(ids, v.PacketID)
			}
			equal(t, "QoS 0 behind it", p.take(1), []string{"q0"}) // order of the calls, as in aws-c-mqtt
			if s := w.client.Stats(); s.UnackedOperationCount != 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Doubled PUBACKs, PUBACKs of the connection before and PUBACKs for nothing are
// ignored and logged, and do not widen the window.
func TestForeignPubacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o) })
		p := w.start()
		for _, s := range []string{"a", "b", "c"} {
			w.client.PublishFunc(packet("t", s, awsiot.AtLeastOnce), w.events.done(s))
		}
		p.take(3)
		p.send(uint16(1), uint16(1), uint16(77), uint16(1))
		p.cut()
		w.events.take()
		p, _ = w.accept(sessionPresent(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) }))
		first := p.take(1)[0]
		p.send(uint16(3)) // not sent on this connection yet: an answer to the one before
		p.silent(time.Second)
		w.events.take()
		switch first {
		case "a#1+": // the cut overtook the first PUBACK
			p.send(uint16(1))
			equal(t, "next", p.take(1), []string{"b#2+"})
		case "b#2+":
		default:
			t.Fatal(first)
		}
		p.send(uint16(2), uint16(2), uint16(2), uint16(1))
		equal(t, "one place in the window, not three", p.take(1), []string{"c#3+"})
		w.client.PublishFunc(packet("t", "d", awsiot.AtLeastOnce), w.events.done("d"))
		p.silent(time.Second)
		p.send(uint16(3))
		equal(t, "last", p.take(1), []string{"d#4"})
		synctest.Wait() // the completion of c is a callback
		list := w.events.take()
		equal(t, "completions", list[len(list)-2:], []string{"b: <nil>", "c: <nil>"})
	})
}

// An acknowledgement of the wrong kind for an id is a protocol error, not a completion.
func TestAckOfTheWrongKind(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(*awsiot.Client)
		ack  any
	}{
		{"PUBACK for a SUBSCRIBE", func(c *awsiot.Client) { c.SubscribeAsync(filters(nil, "f")) }, uint16(1)},
		{"PUBACK for an UNSUBSCRIBE", func(c *awsiot.Client) {
			c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		}, uint16(1)},
		{"SUBACK for a PUBLISH", func(c *awsiot.Client) { c.PublishAsync(packet("t", "x", 1)) }, suback(1, 0)},
		{"UNSUBACK for a SUBSCRIBE", func(c *awsiot.Client) { c.SubscribeAsync(filters(nil, "f")) }, unsuback(1, 0)},
		{"SUBACK for an UNSUBSCRIBE", func(c *awsiot.Client) {
			c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		}, suback(1, 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				var d *awsiot.Disconnection
				w.client.Observe(awsiot.Observer{OnDisconnection: func(e *awsiot.Disconnection) { d = e }})
				p := w.start()
				tt.call(w.client)
				p.next()
				p.send(tt.ack)
				if v := expect[*packets.Disconnect](p); v.ReasonCode != 0x82 {
					t.Errorf("DISCONNECT 0x%02X", v.ReasonCode)
				}
				p.expectEnd()
				synctest.Wait()
				if d == nil || !errors.Is(d.Err, awsiot.ErrProtocol) {
					t.Fatalf("disconnection: %+v", d)
				}
				// the operation is pending, and done on the next connection
				p, _ = w.accept(nil)
				v := p.next()
				if v == nil {
					t.Fatal("not sent again")
				}
				p.answer(v)
				synctest.Wait()
				if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// Cases of aws-c-mqtt's tests: session_resumption_clean_start, _post_success, _always, no_session_after_client_stop.
func TestCleanStartFlag(t *testing.T) {
	for _, tt := range []struct {
		behavior awsiot.SessionBehavior
		want     []bool // first attempt (refused), second, after a cut, after Stop and Start
	}{
		{awsiot.CleanSession, []bool{true, true, true, true}},
		{awsiot.RejoinPostSuccess, []bool{true, true, false, true}},
		{awsiot.RejoinAlways, []bool{false, false, false, false}},
	} {
		t.Run(tt.behavior.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.SessionBehavior, o.SessionExpiry = tt.behavior, 5*time.Minute
				})
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
				var got []bool
				connect := func(code byte) *peer {
					p, c := w.accept(func(a *packets.Connack) { a.ReasonCode = code })
					got = append(got, c.CleanStart)
					if e := c.Properties.SessionExpiryInterval; e == nil || *e != 300 {
						t.Errorf("session expiry %v", e)
					}
					return p
				}
				connect(0x88)
				connect(0).cut()
				p := connect(0)
				go p.take(2) // DISCONNECT, end
				if err := w.client.Stop(t.Context(), nil); err != nil {
					t.Error(err)
				}
				if err := w.client.Start(); err != nil {
					t.Error(err)
				}
				connect(0)
				equal(t, "clean start", got, tt.want)
			})
		})
	}
}

// [MQTT5-3.2.2-4]: a session that was not asked for fails the attempt, and the next one follows.
func TestUnexpectedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var f *awsiot.ConnectionFailure
		w.client.Observe(awsiot.Observer{OnConnectionFailure: func(e *awsiot.ConnectionFailure) { f = e }})
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ := w.accept(sessionPresent())
		p.expectEnd()
		synctest.Wait()
		if f == nil || !errors.Is(f.Err, awsiot.ErrUnexpectedSession) || f.Connack == nil || !f.Connack.SessionPresent {
			t.Fatalf("%+v", f)
		}
		w.accept(nil)
		equal(t, "events", w.events.take(), []string{"attempting", "failure: awsiot: connect: " + awsiot.ErrUnexpectedSession.Error(), "attempting", "success"})
	})
}

// Golden queue orders: unacknowledged [sub1, pub1, pub2, sub2], then [sub3, pub3] in the queue.
func TestGoldenQueueOrder(t *testing.T) {
	for _, tt := range []struct {
		name     string
		behavior awsiot.OfflineQueueBehavior
		present  bool
		want     []string
	}{
		{"rejoin, FailQoS0", awsiot.FailQoS0, true, []string{"pub1#2+", "pub2#3+", "sub[s1]", "sub[s2]", "sub[s3]", "pub3"}},
		{"rejoin, FailNonQoS1", awsiot.FailNonQoS1, true, []string{"pub1#2+", "pub2#3+", "pub3"}},
		{"rejoin, FailAll", awsiot.FailAll, true, []string{"pub1#2+", "pub2#3+"}},
		{"no session, FailQoS0", awsiot.FailQoS0, false, []string{"sub[s1]", "pub1", "pub2", "sub[s2]", "sub[s3]", "pub3"}},
		{"no session, FailNonQoS1", awsiot.FailNonQoS1, false, []string{"pub1", "pub2", "pub3"}},
		{"no session, FailAll", awsiot.FailAll, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.OfflineQueue.Behavior = tt.behavior
					o.Resubscribe.When = awsiot.ResubscribeNever
				})
				p := w.start()
				ends := map[string]error{}
				sub := func(f string) {
					w.client.SubscribeAsync(filters(nil, f)).OnDone(func(_ *awsiot.SubackPacket, err error) { ends[f] = err })
				}
				pub := func(s string) {
					w.client.PublishFunc(packet("t", s, 1), func(_ awsiot.PublishResult, err error) { ends[s] = err })
				}
				sub("s1")
				pub("pub1")
				pub("pub2")
				sub("s2")
				equal(t, "before", p.take(4), []string{"sub[s1]", "pub1#2", "pub2#3", "sub[s2]"})
				p.cut()
				synctest.Wait()
				sub("s3")
				pub("pub3")
				p, _ = w.accept(func(a *packets.Connack) { a.SessionPresent = tt.present })
				for i, want := range tt.want {
					v := p.next()
					got := describe(v)
					if len(got) > len(want) && got[:len(want)+1] == want+"#" {
						got = want // an id that may be any
					}
					if got != want {
						t.Errorf("packet %d: got %s, want %s", i, got, want)
					}
					p.answer(v)
				}
				p.silent(time.Second)
				failed := 0
				for name, err := range ends {
					if err != nil {
						failed++
						if !errors.Is(err, awsiot.ErrOffline) {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if len(ends) != 6 || failed != 6-len(tt.want) {
					t.Errorf("%d ends, %d failed: %v", len(ends), failed, ends)
				}
			})
		})
	}
}

// What was in the out buffer and not written keeps the order of the calls, subscribes too. Cases of aws-c-mqtt's tests: "operation
// queue": something_connected_multi, failure_message_send.
func TestUnwrittenKeepOrder(t *testing.T) {
	for _, present := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			p.conn.(*memnet.Conn).SetLink(memnet.ToServer, memnet.Link{CutAfter: 1})
			w.client.PublishFunc(packet("t", "one", 1), nil)
			w.client.SubscribeAsync(filters(nil, "f"))
			w.client.PublishFunc(packet("t", "two", 1), nil)
			p, _ = w.accept(func(a *packets.Connack) { a.SessionPresent = present })
			var got []string
			for range 3 {
				v := p.next()
				if q, ok := v.(*packets.Publish); ok {
					q.PacketID = 0
				}
				got = append(got, describe(v))
			}
			equal(t, "order", got, []string{"one#0", "sub[f]", "two#0"})
		})
	}
}

// Cases of aws-c-mqtt's tests: operation_bind_packet_id_{multiple_with_wrap_around,full_table}: with all
// 65,535 identifiers taken the next publish waits, and no id is used twice.
func TestPacketIdentifiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		awsiot.GrantIDs(w.client, 65533)
		got := make(chan []string)
		go func() { got <- p.take(4) }()
		for range 4 {
			w.client.PublishFunc(packet("t", "w", 1), nil)
		}
		equal(t, "wrap", <-got, []string{"w#65534", "w#65535", "w#1", "w#2"})
		ids := map[uint16]bool{65534: true, 65535: true, 1: true, 2: true}
		all := make(chan bool)
		go func() {
			for len(ids) < 65535 {
				v := expect[*packets.Publish](p)
				if ids[v.PacketID] {
					t.Errorf("id %d used twice", v.PacketID)
				}
				ids[v.PacketID] = true
			}
			all <- true
		}()
		for range 65535 - 4 {
			w.client.PublishFunc(packet("t", "x", 1), nil)
		}
		<-all
		w.client.PublishFunc(packet("t", "waits", 1), w.events.done("waits"))
		w.client.SubscribeAsync(filters(nil, "f"))
		p.silent(time.Second)
		p.send(uint16(4711))
		equal(t, "the id that became free", p.take(1), []string{"waits#4711"})
		p.silent(time.Second)
		p.send(uint16(5))
		if s := expect[*packets.Subscribe](p); s.PacketID != 5 {
			t.Errorf("SUBSCRIBE with id %d", s.PacketID)
		}
		if s := w.client.Stats(); s.UnackedOperationCount != 65535 {
			t.Errorf("%+v", s)
		}
	})
}

// Cases of aws-c-mqtt's tests: client_receive_assigned_client_id: used again for every later attempt, also after Stop and Start.
func TestAssignedClientID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.ClientID = "" })
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		assign := func(a *packets.Connack) { a.Properties.AssignedClientID = "given" }
		p, c := w.accept(assign)
		if c.ClientID != "" {
			t.Errorf("first id %q", c.ClientID)
		}
		s, err := w.client.AwaitConnected(t.Context())
		if err != nil || s.Settings.ClientID != "given" || s.Connack.AssignedClientIdentifier != "given" {
			t.Errorf("%+v, %v", s, err)
		}
		p.cut()
		p, c = w.accept(nil)
		if c.ClientID != "given" {
			t.Errorf("second id %q", c.ClientID)
		}
		go p.take(2)
		_ = w.client.Stop(t.Context(), nil)
		_ = w.client.Start()
		if _, c = w.accept(nil); c.ClientID != "given" {
			t.Errorf("third id %q", c.ClientID)
		}
		if s, _ := w.client.AwaitConnected(t.Context()); s.Settings.ClientID != "given" {
			t.Errorf("%+v", s.Settings)
		}
	})
}
