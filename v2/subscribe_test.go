package awsiot_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// names returns f00, f01, ... n of them.
func names(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("f%02d", i))
	}
	return list
}

// subscribeAll subscribes to each filter with a call of its own; p acknowledges.
func subscribeAll(t *testing.T, w *world, p *peer, fs ...string) {
	t.Helper()
	done := make(chan bool)
	go func() {
		for range fs {
			p.answer(p.next())
		}
		done <- true
	}()
	for _, f := range fs {
		if _, err := w.client.Subscribe(t.Context(), filters(func(m *awsiot.Message) { w.events.add("%s got %s", f, m.Payload) }, f)); err != nil {
			t.Error(err)
		}
	}
	<-done
}

// The v1 behaviour that the C runtime dropped: subscriptions
// are made again in batches of 8, in the order of their first registration, with an event each.
func TestResubscribeWhen(t *testing.T) {
	twenty := names(20)
	batches := []string{fmt.Sprintf("sub%v", twenty[:8]), fmt.Sprintf("sub%v", twenty[8:16]), fmt.Sprintf("sub%v", twenty[16:])}
	for _, tt := range []struct {
		when    awsiot.ResubscribeWhen
		present bool
		want    []string
	}{
		{awsiot.ResubscribeIfNoSession, false, batches},
		{awsiot.ResubscribeIfNoSession, true, nil},
		{awsiot.ResubscribeAlways, false, batches},
		{awsiot.ResubscribeAlways, true, batches},
		{awsiot.ResubscribeNever, false, nil},
		{awsiot.ResubscribeNever, true, nil},
	} {
		t.Run(fmt.Sprintf("%v, present %v", tt.when, tt.present), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.Resubscribe.When = tt.when })
				p := w.start()
				subscribeAll(t, w, p, twenty...)
				p.cut()
				synctest.Wait()
				w.events.take()
				w.client.PublishFunc(packet("t", "queued", 1), nil)
				p, _ = w.accept(func(a *packets.Connack) { a.SessionPresent = tt.present })
				for _, want := range tt.want {
					v := expect[*packets.Subscribe](p)
					equal(t, "SUBSCRIBE", []string{describe(v)}, []string{want})
					if v.Subscriptions[0].QoS != 1 {
						t.Errorf("QoS %d", v.Subscriptions[0].QoS)
					}
					p.answer(v)
				}
				if q := expect[*packets.Publish](p); string(q.Payload) != "queued" {
					t.Errorf("behind the subscriptions: %v", q)
				}
				p.silent(time.Second)
				var events []string
				for _, b := range tt.want {
					events = append(events, "resubscribed "+b[3:]+": <nil>")
				}
				equal(t, "events", w.events.take()[2:], events)
				p.send(publish("f13", "x", 0))
				synctest.Wait()
				equal(t, "routes", w.events.take(), []string{"f13 got x"})
			})
		})
	}
}

// Resubscribe.BatchSize, and subscription identifiers, which cannot share a SUBSCRIBE.
func TestResubscribeBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.Resubscribe.BatchSize = 3 })
		p := w.start()
		subscribeAll(t, w, p, names(4)...)
		for _, f := range []string{"g", "h"} {
			go func() { p.answer(p.next()) }()
			s := filters(nil, f)
			s.SubscriptionIdentifier = new(uint32(7))
			s.Subscriptions[0].NoLocal, s.Subscriptions[0].RetainHandling = true, awsiot.RetainDontSend
			if _, err := w.client.Subscribe(t.Context(), s); err != nil {
				t.Error(err)
			}
		}
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "first", p.take(2), []string{"sub[f00 f01 f02]", "sub[f03]"})
		v := expect[*packets.Subscribe](p)
		if describe(v) != "sub[g h]" || v.Properties.SubscriptionIdentifier == nil || *v.Properties.SubscriptionIdentifier != 7 ||
			!v.Subscriptions[1].NoLocal || v.Subscriptions[1].RetainHandling != 2 {
			t.Errorf("%v", v)
		}
	})
}

// The filters of one SUBSCRIBE keep their order, too.
func TestResubscribeKeepsOrderWithinPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		fs := []string{"h", "c", "a", "f", "b", "g", "e", "d"}
		go func() { p.answer(p.next()) }()
		if _, err := w.client.Subscribe(t.Context(), filters(nil, fs...)); err != nil {
			t.Error(err)
		}
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "again", p.take(1), []string{fmt.Sprintf("sub%v", fs)})
	})
}

// A filter that is refused when subscribed again loses its route, and the event says so.
func TestResubscribeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		subscribeAll(t, w, p, "a", "b", "c")
		p.cut()
		synctest.Wait()
		w.events.take()
		p, _ = w.accept(nil)
		v := expect[*packets.Subscribe](p)
		p.send(suback(v.PacketID, 1, 0x87, 1), publish("a", "1", 0), publish("b", "2", 0), publish("c", "3", 0))
		synctest.Wait()
		list := w.events.take()[2:]
		slices.Sort(list) // messages and events are two lanes
		equal(t, "events", list, []string{"a got 1", "c got 3", `resubscribed [a b c]: awsiot: subscribe "b": not authorized (0x87); hint: the policy may not allow iot:Subscribe to this filter`})
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "next connection", p.take(1), []string{"sub[a c]"})
	})
}

// A connection that ends before the SUBACK: the broker may have a new session without the
// subscriptions, and says "session present" next time. They are made again all the same.
func TestResubscribeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		subscribeAll(t, w, p, "a")
		p.cut()
		p, _ = w.accept(nil)
		equal(t, "no session", p.take(1), []string{"sub[a]"})
		p.cut()
		p, _ = w.accept(sessionPresent())
		v := expect[*packets.Subscribe](p)
		p.answer(v)
		synctest.Wait()
		p.cut()
		p, _ = w.accept(sessionPresent())
		p.silent(time.Second) // now the broker has it
	})
}

// A Subscribe that is pending when the connection is lost is sent once, not once more by resubscribing.
func TestPendingSubscribeSentOnce(t *testing.T) {
	for _, when := range []awsiot.ResubscribeWhen{awsiot.ResubscribeIfNoSession, awsiot.ResubscribeAlways} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.Resubscribe.When = when })
			p := w.start()
			subscribeAll(t, w, p, "old")
			f := w.client.SubscribeAsync(filters(nil, "pending"))
			equal(t, "first", p.take(1), []string{"sub[pending]"})
			p.cut()
			p, _ = w.accept(nil)
			for _, want := range []string{"sub[old]", "sub[pending]"} {
				v := p.next()
				equal(t, "second", []string{describe(v)}, []string{want})
				p.answer(v)
			}
			p.silent(time.Second)
			if ack, err := f.Result(); err != nil || len(ack.Codes) != 1 {
				t.Errorf("%v, %v", ack, err)
			}
		})
	}
}

// Handle's routes are independent of Subscribe and Unsubscribe; several per filter; removed one by one.
func TestHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		h := func(name string) awsiot.MessageHandler {
			return func(m *awsiot.Message) { w.events.add("%s %v", name, m.Handled) }
		}
		remove1 := w.client.Handle("a/#", h("one"))
		p := w.start()
		go func() { p.answer(p.next()) }()
		if _, err := w.client.Subscribe(t.Context(), filters(h("sub"), "a/#")); err != nil {
			t.Error(err)
		}
		remove2 := w.client.Handle("a/#", h("two"))
		w.client.Handle("a/#/b", h("invalid"))()
		got := func(want ...string) {
			t.Helper()
			synctest.Wait()
			w.events.take()
			p.send(publish("a/b", "x", 0))
			synctest.Wait()
			equal(t, "handlers", w.events.take(), want)
		}
		got("one true", "sub true", "two true")
		go func() { p.answer(p.next()) }()
		if _, err := w.client.Unsubscribe(t.Context(), &awsiot.UnsubscribePacket{TopicFilters: []string{"a/#"}}); err != nil {
			t.Error(err)
		}
		got("one true", "two true")
		remove1()
		remove1()
		got("two true")
		remove2()
		got()
	})
}

// Subscribing again replaces options and handler in place, and keeps the place in the order.
func TestSubscribeAgainReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		h := func(name string) awsiot.MessageHandler { return func(*awsiot.Message) { w.events.add("%s", name) } }
		p := w.start()
		sub := func(f, name string, qos awsiot.QoS) {
			go func() { p.answer(p.next()) }()
			s := filters(h(name), f)
			s.Subscriptions[0].QoS = qos
			if _, err := w.client.Subscribe(t.Context(), s); err != nil {
				t.Error(err)
			}
		}
		sub("+", "wild", 1)
		sub("a", "exact", 1)
		sub("#", "all", 1)
		sub("+", "WILD", 0)
		synctest.Wait()
		w.events.take()
		p.send(publish("a", "x", 0))
		synctest.Wait()
		equal(t, "handlers", w.events.take(), []string{"WILD", "exact", "all"})
		p.cut()
		p, _ = w.accept(nil)
		v := expect[*packets.Subscribe](p)
		if describe(v) != "sub[+ a #]" || v.Subscriptions[0].QoS != 0 || v.Subscriptions[1].QoS != 1 {
			t.Errorf("%v", v)
		}
	})
}

// Routes and filters survive Stop and Start, and are subscribed again by Resubscribe's rule;
// operations that were pending ended with ErrStopped.
func TestSubscriptionsSurviveStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		subscribeAll(t, w, p, "a", "b")
		f := w.client.PublishAsync(packet("t", "x", 1))
		p.take(1)
		go p.take(2)
		if err := w.client.Stop(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if _, err := f.Result(); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("pending publish: %v", err)
		}
		p = w.start()
		v := p.next()
		equal(t, "again", []string{describe(v)}, []string{"sub[a b]"})
		p.answer(v)
		p.send(publish("b", "x", 0))
		p.silent(time.Second)
		if list := w.events.take(); !slices.Contains(list, "b got x") || !slices.Contains(list, "resubscribed [a b]: <nil>") {
			t.Errorf("%q", list)
		}
	})
}

// A Subscribe that ends without having been sent leaves no route; Unsubscribe before it is sent neither.
func TestSubscribeNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		h := func(*awsiot.Message) { w.events.add("delivered") }
		if _, err := w.client.Subscribe(within(time.Second), filters(h, "cancelled")); err == nil {
			t.Error("no error")
		}
		w.client.SubscribeAsync(filters(h, "stopped"))
		_ = w.client.Stop(t.Context(), nil)
		w.client.SubscribeAsync(filters(h, "kept"))
		p := w.start()
		v := p.next()
		equal(t, "sent", []string{describe(v)}, []string{"sub[kept]"})
		p.answer(v)
		synctest.Wait()
		w.events.take()
		p.send(publish("cancelled", "x", 0), publish("stopped", "x", 0), publish("kept", "x", 0))
		p.silent(time.Second)
		equal(t, "messages", w.events.take(), []string{"delivered"})
	})
}

// Cases of aws-c-mqtt's tests: subscribe vs connection, and of the group "limits" subscribe_fail_packet_too_big; what the broker said it does
// not have or take is refused here, and the connection stays.
func TestSubscribeAgainstConnack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_ = w.client.Start()
		p, _ := w.accept(func(a *packets.Connack) {
			a.Properties.WildcardSubAvailable, a.Properties.SharedSubAvailable, a.Properties.SubIDAvailable = new(byte(0)), new(byte(0)), new(byte(0))
			a.Properties.MaximumPacketSize = new(uint32(100))
		})
		withID := filters(nil, "a")
		withID.SubscriptionIdentifier = new(uint32(1))
		for _, s := range []*awsiot.SubscribePacket{filters(nil, "a", "b/#"), filters(nil, "+"), filters(nil, "$share/g/a"), withID,
			filters(nil, names(20)...)} {
			var ve *awsiot.ValidationError
			if _, err := w.client.Subscribe(t.Context(), s); !errors.As(err, &ve) {
				t.Errorf("%v: %v", s.Subscriptions, err)
			}
		}
		var ve *awsiot.ValidationError // validation unsubscribe, exceeds_maximum_packet_size
		if _, err := w.client.Unsubscribe(t.Context(), &awsiot.UnsubscribePacket{TopicFilters: names(20)}); !errors.As(err, &ve) || ve.Field != "TopicFilters" {
			t.Errorf("unsubscribe: %v", err)
		}
		f := w.client.SubscribeAsync(filters(nil, "a"))
		equal(t, "sent", p.take(1), []string{"sub[a]"})
		p.send(suback(1, 0))
		if _, err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
