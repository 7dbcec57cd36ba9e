package awsiot_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A trap of paho.golang: a handler that blocks for an hour delays neither pings nor
// completions nor the news of a dead link, and memory stays bounded.
func TestHandlerBlocksForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.KeepAlive, o.ReceiveMaximum, o.Inbound.MaxBytes = time.Minute, 10, 100_000
		})
		release, n := make(chan bool), 0
		w.client.Handle("#", func(*awsiot.Message) {
			if n++; n == 1 {
				<-release
			}
		})
		p := w.start()
		for range 5000 {
			p.send(publish("t", strings.Repeat("x", 1000), 0))
		}
		for i := range uint16(10) {
			p.send(publish("t", "x", i+1))
		}
		pings := 0
		go func() {
			for v := p.next(); v != nil; v = p.next() {
				if _, ok := v.(*packets.Pingreq); ok {
					pings++
				}
				p.answer(v)
			}
		}()
		pass(time.Hour)
		if pings < 50 {
			t.Errorf("%d pings", pings)
		}
		start := time.Now()
		if _, err := w.client.Publish(t.Context(), packet("t", "x", 1)); err != nil || time.Since(start) > 0 {
			t.Errorf("Publish: %v after %v", err, time.Since(start))
		}
		// 79 fit into MaxBytes; the runner has taken a chunk of 64, or a block of 65, at most when it begins to wait.
		if s := w.client.Stats(); s.InboundDropped < 5000-79-65 || s.InboundDropped > 5000-79 {
			t.Errorf("%+v", s)
		}
		synctest.Wait()
		w.events.take()
		p.cut()
		synctest.Wait()
		equal(t, "news", []string{words(w.events.take())}, []string{"disconnection"})
		close(release)
		synctest.Wait()
		if want := 5000 + 10 - int(w.client.Stats().InboundDropped); n != want {
			t.Errorf("%d messages were handled, want %d", n, want)
		}
	})
}

// Inbound limits: what is dropped, the counter, the log; QoS 1 is never dropped, and order is kept.
func TestInboundLimits(t *testing.T) {
	const each = 1 + 1 + 256
	for _, tt := range []struct {
		full awsiot.FullBehavior
		want string
	}{
		{awsiot.RejectNew, "0 1 2 q"},
		{awsiot.DropOldest, "0 q 4 5"},
	} {
		t.Run(tt.full.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newStateLog(t)
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Inbound = awsiot.Inbound{MaxBytes: 2 * each, WhenFull: tt.full}
					o.Logger = slog.New(log)
				})
				release := make(chan bool)
				var got []string
				w.client.Handle("#", func(m *awsiot.Message) {
					if got = append(got, string(m.Payload)); len(got) == 1 {
						<-release
					}
				})
				p := w.start()
				p.send(publish("t", "0", 0))
				synctest.Wait() // its handler runs: it does not wait any more
				for _, s := range []string{"1", "2", "q", "3", "4", "5"} {
					id := uint16(0)
					if s == "q" {
						id = 1
					}
					p.send(publish("t", s, id))
					synctest.Wait()
				}
				close(release)
				synctest.Wait()
				equal(t, "handled", []string{strings.Join(got, " ")}, []string{tt.want})
				if s := w.client.Stats(); s.InboundDropped != 3 {
					t.Errorf("%+v", s)
				}
				if logs := log.matching("dropped"); len(logs) == 0 || !strings.HasPrefix(logs[0], "WARN") {
					t.Errorf("log: %q", logs)
				}
				if a := expect[*packets.Puback](p); a.PacketID != 1 {
					t.Errorf("%v", a)
				}
			})
		})
	}
}

// Manual PUBACK. Cases of aws-c-mqtt's tests: manual ack basic_success, no_auto_puback, invalid_control_id,
// multiple_publishes, disconnect_cancellation.
func TestHoldAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		acks := map[string]func() error{}
		var kept *awsiot.Message
		w.client.Handle("#", func(m *awsiot.Message) {
			ack, ok := m.HoldAck()
			if ok != (m.QoS == 1) {
				t.Errorf("%s: ok %v", m.Payload, ok)
			}
			if _, again := m.HoldAck(); again {
				t.Errorf("%s: held twice", m.Payload)
			}
			acks[string(m.Payload)], kept = ack, m
		})
		p := w.start()
		p.send(publish("t", "a", 1), publish("t", "zero", 0), publish("t", "b", 2), publish("t", "c", 3), publish("t", "d", 4))
		p.silent(time.Minute) // nothing by itself
		if _, ok := kept.HoldAck(); ok {
			t.Error("HoldAck outside the handler")
		}
		for _, s := range []string{"b", "a"} {
			if err := acks[s](); err != nil {
				t.Error(err)
			}
		}
		for _, want := range []uint16{2, 1} { // in the order of the calls
			if a := expect[*packets.Puback](p); a.PacketID != want {
				t.Errorf("PUBACK %d, want %d", a.PacketID, want)
			}
		}
		if err := acks["a"](); !errors.Is(err, awsiot.ErrProtocol) {
			t.Errorf("acknowledged twice: %v", err)
		}
		p.cut()
		synctest.Wait()
		if err := acks["c"](); !errors.Is(err, awsiot.ErrAckLost) {
			t.Errorf("connection gone: %v", err)
		}
		p, _ = w.accept(sessionPresent())
		if err := acks["d"](); !errors.Is(err, awsiot.ErrAckLost) {
			t.Errorf("another connection: %v", err)
		}
		p.silent(time.Second)
		again := publish("t", "c2", 3)
		again.Duplicate = true
		p.send(again)
		synctest.Wait()
		if !kept.Duplicate {
			t.Error("Duplicate is not set")
		}
		p.silent(time.Second)
		if err := acks["c2"](); err != nil {
			t.Error(err)
		}
		if a := expect[*packets.Puback](p); a.PacketID != 3 {
			t.Errorf("%v", a)
		}
		p.silent(time.Second)
	})
}

// The acknowledgement of a message whose handlers were still running when its connection ended
// is not sent on the next one: there its id may mean another message.
func TestAckOfTheConnectionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		release := make(chan bool)
		w.client.Handle("#", func(*awsiot.Message) { <-release })
		p := w.start()
		p.send(publish("t", "x", 7))
		synctest.Wait()
		p.cut()
		p, _ = w.accept(sessionPresent())
		release <- true
		p.silent(time.Second)
		p.send(publish("t", "x", 7))
		release <- true
		if a := expect[*packets.Puback](p); a.PacketID != 7 {
			t.Errorf("%v", a)
		}
	})
}

// Cases of aws-c-mqtt's tests: receive_qos1_return_puback_test, puback_ordering: PUBACKs in the order of the messages, each after its handlers.
func TestPubackOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.client.Handle("#", func(m *awsiot.Message) { <-time.After(time.Duration(len(m.Payload)) * 100 * time.Millisecond) })
		p := w.start()
		start := time.Now()
		var sum time.Duration
		for i, n := range []int{5, 1, 3, 1, 1} {
			p.send(publish("t", strings.Repeat("x", n), uint16(50-i)))
		}
		for i, n := range []int{5, 1, 3, 1, 1} {
			sum += time.Duration(n) * 100 * time.Millisecond
			a := expect[*packets.Puback](p)
			if d := time.Since(start); a.PacketID != uint16(50-i) || d < sum || d > sum+2*time.Millisecond {
				t.Errorf("%d: %d after %v, want %v", i, a.PacketID, d, sum)
			}
		}
	})
}

// SerialCallbacks: messages and events one after another, in the order of arrival.
func TestSerialCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks = true })
		var got []string
		running := 0
		call := func(s string) {
			if running++; running > 1 {
				t.Error("two callbacks at once")
			}
			<-time.After(time.Second)
			running--
			got = append(got, s)
		}
		p := w.start()
		if _, err := w.client.Subscribe(within(time.Millisecond), filters(func(m *awsiot.Message) { call(string(m.Payload)) }, "#")); err == nil {
			t.Error("no error")
		}
		for _, s := range []string{"a", "b", "c"} {
			w.client.PublishFunc(packet("t", s, 1), func(awsiot.PublishResult, error) { call("ack " + s) })
		}
		p.take(4)
		w.client.Observe(awsiot.Observer{OnDisconnection: func(*awsiot.Disconnection) { call("disconnection") }})
		p.send(publish("t", "1", 0), uint16(2), publish("t", "2", 0), publish("t", "3", 0), uint16(3), uint16(4), publish("t", "4", 0))
		synctest.Wait()
		p.cut()
		pass(time.Minute)
		equal(t, "order", got, []string{"1", "ack a", "2", "3", "ack b", "ack c", "4", "disconnection"})
	})
}

// Two lanes: a slow message handler does not delay events, and each lane is in order.
func TestTwoLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var messages []string
		w.client.Handle("#", func(m *awsiot.Message) { <-time.After(time.Second); messages = append(messages, string(m.Payload)) })
		p := w.start()
		w.events.take()
		var want []string
		for i := range 50 {
			w.client.PublishFunc(packet("t", "x", 1), w.events.done(fmt.Sprint(i)))
			want = append(want, fmt.Sprintf("%d: <nil>", i))
		}
		for range 50 {
			p.send(expect[*packets.Publish](p).PacketID, publish("t", fmt.Sprint(len(want)), 0))
		}
		synctest.Wait()
		equal(t, "events", w.events.take(), want)
		pass(time.Minute)
		if len(messages) != 50 {
			t.Errorf("%d messages", len(messages))
		}
	})
}

// Promise: the packet and its payload belong to the caller again when the call returns, also
// when the message is queued, waits for the socket or will be sent again.
func TestPacketsMayBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.OfflineQueue.Behavior = awsiot.KeepAll })
		shared := &awsiot.PublishPacket{}
		fill := func(qos awsiot.QoS) {
			*shared = awsiot.PublishPacket{Topic: "t", QoS: qos, Payload: []byte("payload"), CorrelationData: []byte("correlation"),
				PayloadFormat: new(awsiot.PayloadUTF8), MessageExpiry: new(24 * time.Hour), UserProperties: []awsiot.UserProperty{{Name: "n", Value: "v"}}}
		}
		spoil := func() {
			copy(shared.Payload, "XXXXXXX")
			copy(shared.CorrelationData, "XXXXXXXXXXX")
			*shared.PayloadFormat, *shared.MessageExpiry = 0, 0
			shared.UserProperties[0] = awsiot.UserProperty{Name: "X", Value: "X"}
			*shared = awsiot.PublishPacket{Topic: "X"}
		}
		calls := func() {
			for i := range 4 {
				fill(awsiot.QoS(i % 2))
				if i < 2 {
					w.client.PublishFunc(shared, nil)
				} else {
					w.client.PublishAsync(shared)
				}
				spoil()
			}
			sub := filters(nil, "filter")
			sub.UserProperties = []awsiot.UserProperty{{Name: "n", Value: "v"}}
			sub.SubscriptionIdentifier = new(uint32(5))
			w.client.SubscribeAsync(sub)
			sub.Subscriptions[0].TopicFilter, sub.UserProperties[0].Name, *sub.SubscriptionIdentifier = "X", "X", 9
			un := &awsiot.UnsubscribePacket{TopicFilters: []string{"other"}, UserProperties: []awsiot.UserProperty{{Name: "n", Value: "v"}}}
			w.client.UnsubscribeAsync(un)
			un.TopicFilters[0], un.UserProperties[0].Name = "X", "X"
		}
		check := func(p *peer, n int, when string) {
			t.Helper()
			for range n {
				v := p.next()
				ok := false
				switch v := v.(type) {
				case *packets.Publish:
					q := v.Properties
					ok = v.Topic == "t" && string(v.Payload) == "payload" && string(q.CorrelationData) == "correlation" && *q.PayloadFormat == 1 &&
						*q.MessageExpiry > 86000 && q.User[0] == packets.User{Key: "n", Value: "v"}
				case *packets.Subscribe:
					ok = v.Subscriptions[0].Topic == "filter" && v.Properties.User[0].Key == "n" && *v.Properties.SubscriptionIdentifier == 5
				case *packets.Unsubscribe:
					ok = v.Topics[0] == "other" && v.Properties.User[0].Key == "n"
				}
				if !ok {
					t.Errorf("%s: %v", when, v)
				}
			}
		}
		calls()
		p := w.start()
		check(p, 6, "queued")
		calls()
		check(p, 6, "direct")
		p.cut()
		p, _ = w.accept(sessionPresent())
		check(p, 4+4, "sent again") // QoS 1 twice per round, and SUBSCRIBE and UNSUBSCRIBE
	})
}
