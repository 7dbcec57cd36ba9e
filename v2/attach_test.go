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

// filterUser is one way to use a filter.
type filterUser struct {
	name  string
	start func(w *world, got func()) (end func())
}

func attach(t testing.TB, w *world, o awsiot.AttachOptions) *awsiot.Attachment {
	t.Helper()
	a, err := w.client.Attach(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var filterUsers = []filterUser{
	{"Subscribe", func(w *world, got func()) func() {
		w.client.SubscribeAsync(filters(func(*awsiot.Message) { got() }, "f"))
		return func() { w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}) }
	}},
	{"Attach", func(w *world, got func()) func() {
		return attach(w.t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1, Handler: func(*awsiot.Message) { got() }}).Detach
	}},
	{"Attach direct", func(w *world, got func()) func() {
		return attach(w.t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1, Direct: true, Handler: func(*awsiot.Message) { got() }}).Detach
	}},
}

// acknowledgeAll answers what p gets, and notes it.
func acknowledgeAll(w *world, p *peer) {
	go func() {
		for v := p.next(); v != nil; v = p.next() {
			switch v.(type) {
			case *packets.Subscribe, *packets.Unsubscribe:
				w.events.add("%s", describe(v))
			}
			p.answer(v)
		}
	}()
}

// Of two users of one filter, either may go first: the other still hears, and the last one unsubscribes.
func TestAttachCounts(t *testing.T) {
	for _, one := range filterUsers {
		for _, two := range filterUsers {
			for _, firstEnds := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s and %s, the first ends first: %v", one.name, two.name, firstEnds), func(t *testing.T) {
					if one.name == "Subscribe" && two.name == "Subscribe" {
						return // one subscription per filter: there is no second one
					}
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, nil)
						p := w.start()
						w.events.take()
						acknowledgeAll(w, p)
						ends := [2]func(){one.start(w, func() { w.events.add("1 hears") }), two.start(w, func() { w.events.add("2 hears") })}
						synctest.Wait()
						if got := w.events.take(); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != "sub[f]" }) {
							t.Errorf("subscribing: %v", got)
						}
						first, stays := 0, "2 hears"
						if !firstEnds {
							first, stays = 1, "1 hears"
						}
						ends[first]()
						synctest.Wait()
						p.send(publish("f", "x", 7))
						synctest.Wait()
						equal(t, "after the first has ended", w.events.take(), []string{stays})
						ends[1-first]()
						synctest.Wait()
						p.send(publish("f", "x", 8))
						synctest.Wait()
						equal(t, "after the last has ended", w.events.take(), []string{"unsub[f]"})
					})
				})
			}
		}
	}
}

// The broker is asked for the highest QoS that a user wants.
func TestAttachQoS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		own := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "f", NoLocal: true}}}
		asked := func(want byte) *packets.Subscribe {
			t.Helper()
			s := expect[*packets.Subscribe](p)
			if got := s.Subscriptions[0]; got.QoS != want || got.NoLocal != (want == 0) {
				t.Errorf("asked for %+v, want QoS %d", got, want)
			}
			p.send(suback(s.PacketID, want))
			synctest.Wait()
			return s
		}
		w.client.SubscribeAsync(own)
		asked(0)
		a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
		if s, _ := a.Status(); s != awsiot.AttachmentPending {
			t.Errorf("at QoS 0 it is %v", s)
		}
		asked(1)
		if s, _ := a.Status(); s != awsiot.AttachmentEstablished {
			t.Errorf("at QoS 1 it is %v", s)
		}
		w.client.SubscribeAsync(own) // does not lower it
		asked(1)
		b := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
		if s, _ := b.Status(); s != awsiot.AttachmentEstablished {
			t.Errorf("the second is %v", s)
		}
		p.silent(time.Second)
		// A SUBSCRIBE of the program that is under way asks for too little: another one follows it.
		w.client.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "g", NoLocal: true}}})
		c := attach(t, w, awsiot.AttachOptions{TopicFilter: "g", QoS: 1})
		asked(0)
		asked(1)
		if s, _ := c.Status(); s != awsiot.AttachmentEstablished {
			t.Errorf("the third is %v", s)
		}
	})
}

// The life of a subscription, as its users hear of it, whatever Resubscribe and OfflineQueue say.
func TestAttachStatus(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("direct %v", direct), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.Resubscribe.When = awsiot.ResubscribeNever
					o.OfflineQueue.Behavior = awsiot.FailAll
				})
				heard := &recorder{}
				var a *awsiot.Attachment
				a = attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1, Direct: direct, OnStatus: func(s awsiot.AttachmentStatus, err error) {
					heard.add("%v %v", s, err)
					_ = a.String() // asking is allowed
				}})
				steps := func(what string, want ...string) {
					t.Helper()
					synctest.Wait()
					equal(t, what, heard.take(), want)
				}
				p := w.start()
				s := expect[*packets.Subscribe](p)
				steps("before the SUBACK")
				p.answer(s)
				steps("SUBACK", "AttachmentEstablished <nil>")
				p.cut()
				steps("cut", "AttachmentPending <nil>")
				p, _ = w.accept(sessionPresent())
				steps("with the session", "AttachmentEstablished <nil>")
				p.silent(time.Second)
				p.cut()
				steps("cut", "AttachmentPending <nil>")
				p, _ = w.accept(nil)
				steps("without the session", "AttachmentLost <nil>")
				p.answer(expect[*packets.Subscribe](p))
				steps("SUBACK", "AttachmentEstablished <nil>")
				go p.next()
				_ = w.client.Stop(t.Context(), nil)
				stopped := `AttachmentPending awsiot: attach "f": client stopped`
				steps("stop", "AttachmentPending <nil>", stopped)
				p = w.start()
				steps("start", "AttachmentLost <nil>")
				p.answer(expect[*packets.Subscribe](p))
				steps("SUBACK", "AttachmentEstablished <nil>")
				p.cut()
				steps("cut", "AttachmentPending <nil>")
				_ = w.client.Close()
				steps("close", `AttachmentHalted awsiot: attach "f": client closed`)
				if _, err := a.Status(); !errors.Is(err, awsiot.ErrClosed) {
					t.Errorf("status: %v", err)
				}
				a.Detach()
				if _, err := w.client.Attach(awsiot.AttachOptions{TopicFilter: "f"}); !errors.Is(err, awsiot.ErrClosed) {
					t.Errorf("attach after close: %v", err)
				}
			})
		})
	}
}

func TestAttachRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 0x87))
		synctest.Wait()
		s, err := a.Status()
		if code, _ := awsiot.ReasonOf(err); s != awsiot.AttachmentHalted || code != awsiot.ReasonNotAuthorized {
			t.Errorf("%v, %v", s, err)
		}
		// What the program asks for may be refused where what others ask for is not.
		b := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
		p.answer(expect[*packets.Subscribe](p))
		f := w.client.SubscribeAsync(filters(nil, "f"))
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 0x97))
		if _, err := f.Wait(t.Context()); err == nil {
			t.Error("the refusal is no error")
		}
		p.answer(expect[*packets.Subscribe](p))
		synctest.Wait()
		if s, err := b.Status(); s != awsiot.AttachmentEstablished {
			t.Errorf("%v, %v", s, err)
		}
		if _, err := w.client.Attach(awsiot.AttachOptions{TopicFilter: "a/#/b"}); !isValidation(err) {
			t.Errorf("a wrong filter: %v", err)
		}
	})
}

func isValidation(err error) bool {
	var v *awsiot.ValidationError
	return errors.As(err, &v)
}

func TestAttachUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = time.Second })
		p := w.start()
		a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
		expect[*packets.Subscribe](p)
		pass(time.Second)
		if s, err := a.Status(); s != awsiot.AttachmentHalted || !errors.Is(err, awsiot.ErrAckTimeout) {
			t.Errorf("%v, %v", s, err)
		}
	})
}

// An UNSUBSCRIBE that waits does not undo what was attached after it.
func TestAttachAfterUnsubscribe(t *testing.T) {
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprintf("sent %v", sent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				subscribeAll(t, w, p, "f")
				unsubscribe := func() *awsiot.Future[*awsiot.UnsubackPacket] {
					return w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
				}
				var f *awsiot.Future[*awsiot.UnsubackPacket]
				var a *awsiot.Attachment
				if sent {
					f = unsubscribe()
					expect[*packets.Unsubscribe](p)
					a = attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
					p.cut()
					synctest.Wait()
				} else {
					p.cut()
					synctest.Wait()
					f = unsubscribe()
					a = attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
				}
				p, _ = w.accept(sessionPresent())
				p.answer(expect[*packets.Subscribe](p))
				p.silent(time.Second)
				if _, err := f.Result(); err != nil {
					t.Errorf("unsubscribe: %v", err)
				}
				if s, err := a.Status(); s != awsiot.AttachmentEstablished {
					t.Errorf("%v, %v", s, err)
				}
			})
		})
	}
}

// A detached filter whose session the broker keeps is unsubscribed on the next connection; a clean session needs nothing.
func TestDetachOffline(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		t.Run(fmt.Sprintf("the session is kept: %v", keeps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					if keeps {
						rejoin(o)
					}
				})
				p := w.start()
				a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f", QoS: 1})
				p.answer(expect[*packets.Subscribe](p))
				p.cut()
				synctest.Wait()
				a.Detach()
				if !keeps {
					p, _ = w.accept(nil)
				} else {
					p, _ = w.accept(sessionPresent())
					p.answer(expect[*packets.Unsubscribe](p))
				}
				p.silent(time.Second)
				if n := w.client.Stats().IncompleteOperationCount; n != 0 {
					t.Errorf("%d operations are left", n)
				}
			})
		})
	}
}

// A direct handler has the message while a callback waits for it, also in a burst at QoS 0.
func TestDirectHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks = true })
		p := w.start()
		answer := make(chan string, 1000)
		attach(t, w, awsiot.AttachOptions{TopicFilter: "answer", Direct: true, Handler: func(m *awsiot.Message) { answer <- string(m.Payload) }})
		p.answer(expect[*packets.Subscribe](p))
		asked := func(*awsiot.Message) {
			w.client.PublishFunc(packet("ask", "", 0), nil)
			w.events.add("the answer is %s", <-answer)
		}
		go w.client.SubscribeAsync(filters(asked, "q"))
		p.answer(expect[*packets.Subscribe](p))
		synctest.Wait()
		w.events.take()
		p.send(publish("q", "", 1))
		expect[*packets.Publish](p)
		p.send(publish("answer", "42", 2))
		synctest.Wait()
		equal(t, "events", w.events.take(), []string{"the answer is 42"})
		var burst []byte
		for range 1000 {
			m := publish("answer", string(make([]byte, 100)), 0)
			m.QoS = 0
			burst = append(burst, encode(t, m)...)
		}
		p.send(burst)
		synctest.Wait()
		if n := len(answer); n != 1000 {
			t.Errorf("%d of 1000 messages", n)
		}
	})
}

// A filter that is given up while the client is stopped is unsubscribed when the session is taken up again, also where
// the offline queue keeps nothing.
func TestDetachWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.OfflineQueue.Behavior = awsiot.FailAll })
		p := w.start()
		var all []*awsiot.Attachment
		for _, f := range names(10) {
			all = append(all, attach(t, w, awsiot.AttachOptions{TopicFilter: f, QoS: 1}))
			p.answer(expect[*packets.Subscribe](p))
		}
		go p.next()
		_ = w.client.Stop(t.Context(), nil)
		for _, a := range all {
			a.Detach()
		}
		attach(t, w, awsiot.AttachOptions{TopicFilter: "f03", QoS: 1}) // somebody uses that one again
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ = w.accept(sessionPresent())
		p.answer(expect[*packets.Subscribe](p))
		var gone []string
		for len(gone) < 9 {
			u := expect[*packets.Unsubscribe](p)
			gone = append(gone, u.Topics...)
			p.answer(u)
		}
		equal(t, "unsubscribed", gone, []string{"f00", "f01", "f02", "f04", "f05", "f06", "f07", "f08", "f09"})
		p.silent(time.Second)
	})
}

// A broker that refuses a whole SUBSCRIBE for one of its filters: after the loss of a session each is asked for by itself.
func TestAttachBatchRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		a := attach(t, w, awsiot.AttachOptions{TopicFilter: "a", QoS: 1})
		p.answer(expect[*packets.Subscribe](p))
		b := attach(t, w, awsiot.AttachOptions{TopicFilter: "b", QoS: 1})
		p.answer(expect[*packets.Subscribe](p))
		p.cut()
		p, _ = w.accept(nil)
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 0x87, 0x87))
		for range 2 {
			s := expect[*packets.Subscribe](p)
			if s.Subscriptions[0].Topic == "a" {
				p.send(suback(s.PacketID, 0x87))
			} else {
				p.answer(s)
			}
		}
		synctest.Wait()
		if s, _ := a.Status(); s != awsiot.AttachmentHalted {
			t.Errorf("a is %v", s)
		}
		if s, _ := b.Status(); s != awsiot.AttachmentEstablished {
			t.Errorf("b is %v", s)
		}
	})
}

// An Attach keeps a filter from an UNSUBSCRIBE that waits, so its Detach has to see to that: the broker may know the filter
// from its session, or hear of it from a SUBSCRIBE that waits as well.
func TestDetachMakesUpForAnUnsubscribe(t *testing.T) {
	for _, session := range []bool{true, false} {
		t.Run(fmt.Sprint("session ", session), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.OfflineQueue.Behavior = awsiot.KeepAll
				})
				use := func() { attach(t, w, awsiot.AttachOptions{TopicFilter: "f"}).Detach() }
				want := []string{"sub[f]", "unsub[f]"}
				if session {
					p := w.start()
					a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f"})
					p.answer(p.next())
					p.cut()
					synctest.Wait()
					a.Detach()
					use()
					want = want[1:]
				} else {
					w.client.SubscribeAsync(filters(nil, "f"))
					w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
					use()
					_ = w.client.Start()
				}
				p, _ := w.accept(sessionPresentIf(session))
				for _, packet := range want {
					v := p.next()
					if describe(v) != packet {
						t.Fatalf("got %s, want %s", describe(v), packet)
					}
					p.answer(v)
				}
				p.silent(time.Second)
			})
		})
	}
}

// The same with an UNSUBSCRIBE that the end of the connection has kept from being written: the filter has a user again, who is
// subscribed on the next connection, ahead of what has waited.
func TestAttachOverAnUnwrittenUnsubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OfflineQueue.Behavior = awsiot.KeepAll })
		p := w.start()
		a := attach(t, w, awsiot.AttachOptions{TopicFilter: "f"})
		p.answer(p.next())
		synctest.Wait()
		a.Detach()
		attach(t, w, awsiot.AttachOptions{TopicFilter: "f"})
		w.net.CutAll() // before the writer runs
		p, _ = w.accept(nil)
		v := p.next()
		if describe(v) != "sub[f]" {
			t.Fatal(describe(v))
		}
		p.answer(v)
		p.silent(time.Second)
	})
}
