package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Shared subscriptions: each message goes to one member of the group, every member gets some, and
// somebody who subscribed on his own gets all.
func TestFeatureSharedSubscriptions(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		one, two := e.client("one", nil).up().subscribe("$share/group/t/+"), e.client("two", nil).up().subscribe("$share/group/t/+")
		alone := e.client("alone", nil).up().subscribe("t/+")
		var want []string
		for i := range 100 {
			alone.publish("t/x", fmt.Sprintf("%02d", i))
			want = append(want, fmt.Sprintf("t/x=%02d", i))
		}
		synctest.Wait()
		a, b := one.got.take(), two.got.take()
		if len(a) < 10 || len(b) < 10 {
			t.Errorf("%d and %d messages", len(a), len(b))
		}
		both := slices.Concat(a, b)
		slices.Sort(both)
		equal(t, "the group", both, want)
		equal(t, "alone", alone.got.take(), want)

		_ = one.Stop(context.Background(), nil) // the other one takes over
		alone.publish("t/x", "last")
		alone.publish("t/x", "of all")
		synctest.Wait()
		equal(t, "the rest of the group", two.got.take(), []string{"t/x=last", "t/x=of all"})
		var ve *awsiot.ValidationError
		p := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "$share/group/t", NoLocal: true}}}
		if _, err := two.Subscribe(within(time.Minute), p); !errors.As(err, &ve) || !strings.Contains(err.Error(), "NoLocal") {
			t.Errorf("shared and NoLocal [MQTT5-3.8.3-4]: %v", err)
		}
	})
}

// The handler of a shared subscription is found by the filter behind $share/group/.
func TestFeatureSharedSubscriptionRoute(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil).up()
		if _, err := n.Subscribe(within(time.Minute), filters(func(m *awsiot.Message) { n.events.add("handled %s", m.Topic) }, "$share/group/a/#")); err != nil {
			t.Fatal(err)
		}
		n.events.take()
		n.publish("a/b", "x")
		synctest.Wait()
		equal(t, "events", n.events.take(), []string{"handled a/b"})
	})
}

// Receive maximum: announced, kept to by the broker while the program holds acknowledgements back,
// and the broker's is kept to by the client.
func TestFeatureReceiveMaximum(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{ReceiveMaximum: 7}}, func(t *testing.T, e *onLocal) {
		var acks []func() error
		n := e.client("c", func(o *awsiot.ClientOptions) {
			o.ReceiveMaximum = 3
			o.OnPublishReceived = func(m *awsiot.Message) {
				if ack, ok := m.HoldAck(); ok {
					acks = append(acks, ack)
				}
			}
		}).up().subscribe("in")
		if c, s := n.sent(iotlocal.CONNECT)[0].Connect, n.again(); c.ReceiveMaximum == nil || *c.ReceiveMaximum != 3 || s.Settings.ReceiveMaximumFromServer != 7 {
			t.Errorf("CONNECT %v, negotiated %+v", c.ReceiveMaximum, s.Settings)
		}
		for range 10 {
			if _, err := e.srv.Publish(iotlocal.Message{Topic: "in", QoS: 1}); err != nil {
				t.Fatal(err)
			}
		}
		for got := 3; got <= 10; got++ {
			synctest.Wait()
			if len(acks) != got {
				t.Fatalf("%d messages with %d acknowledged", len(acks), got-3)
			}
			if err := acks[got-3](); err != nil {
				t.Fatal(err)
			}
		}
		held := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Hold})
		for range 20 {
			n.PublishFunc(packet("out", "x", 1), nil)
		}
		if sent := len(n.sent(iotlocal.PUBLISH)); sent != 7 {
			t.Errorf("%d publishes without an acknowledgement", sent)
		}
		held.Remove()
		if sent := len(n.sent(iotlocal.PUBLISH)); sent != 20 || len(n.sent(iotlocal.CONNECT)) != 1 {
			t.Errorf("%d publishes in the end", sent)
		}
	})
}

// Will with all its properties, after its delay.
func TestFeatureWill(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		var got *awsiot.Message
		var at time.Time
		e.client("watch", func(o *awsiot.ClientOptions) {
			o.OnPublishReceived = func(m *awsiot.Message) { got, at = m, time.Now() }
		}).up().subscribe("will/#")
		will := &awsiot.Will{Topic: "will/c", Payload: []byte("gone"), QoS: 1, Delay: new(5 * time.Second), PayloadFormat: new(awsiot.PayloadUTF8),
			MessageExpiry: new(time.Minute), ContentType: "text", ResponseTopic: "answer", CorrelationData: []byte{0, 1},
			UserProperties: []awsiot.UserProperty{{Name: "k", Value: "v"}, {Name: "k", Value: "w"}}}
		n := e.client("c", func(o *awsiot.ClientOptions) { o.Will, o.SessionExpiry = will, time.Hour }).up()
		began := time.Now()
		n.Abort()
		pass(10 * time.Second)
		if got == nil {
			t.Fatal("no will")
		}
		if d := at.Sub(began); d != 5*time.Second {
			t.Errorf("after %v", d)
		}
		if got.Topic != "will/c" || string(got.Payload) != "gone" || got.QoS != 1 || *got.PayloadFormat != awsiot.PayloadUTF8 || *got.MessageExpiry > time.Minute ||
			got.ContentType != "text" || got.ResponseTopic != "answer" || string(got.CorrelationData) != "\x00\x01" {
			t.Errorf("%+v", got)
		}
		equal(t, "user properties", got.UserProperties, will.UserProperties)
	})
}

// Retained messages: RetainHandling, RetainAsPublished, NoLocal, and the removal by an empty payload.
func TestFeatureRetained(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sub   awsiot.Subscription
		twice bool     // subscribe twice
		want  []string // "r" behind the payload: the retain flag
	}{
		{"RetainSend", awsiot.Subscription{}, false, []string{"kept r", "live"}},
		{"RetainSend, again", awsiot.Subscription{}, true, []string{"kept r", "kept r", "live"}},
		{"RetainSendIfNew", awsiot.Subscription{RetainHandling: awsiot.RetainSendIfNew}, false, []string{"kept r", "live"}},
		{"RetainSendIfNew, again", awsiot.Subscription{RetainHandling: awsiot.RetainSendIfNew}, true, []string{"kept r", "live"}},
		{"RetainDontSend", awsiot.Subscription{RetainHandling: awsiot.RetainDontSend}, false, []string{"live"}},
		{"RetainAsPublished", awsiot.Subscription{RetainAsPublished: true}, false, []string{"kept r", "live r"}},
		{"NoLocal", awsiot.Subscription{NoLocal: true}, false, []string{"kept r"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				var got []string
				n := e.client("c", func(o *awsiot.ClientOptions) {
					o.OnPublishReceived = func(m *awsiot.Message) {
						got = append(got, strings.TrimSpace(string(m.Payload)+map[bool]string{true: " r"}[m.Retain]))
					}
				}).up()
				retain := func(from *node, payload string) {
					p := packet("t", payload, 1)
					p.Retain = true
					if _, err := from.Publish(within(time.Minute), p); err != nil {
						t.Fatal(err)
					}
				}
				other := e.client("other", nil).up()
				retain(other, "kept")
				tt.sub.TopicFilter, tt.sub.QoS = "t", 1
				subscribe := func() {
					if _, err := n.Subscribe(within(time.Minute), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{tt.sub}}); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if subscribe(); tt.twice {
					subscribe()
				}
				retain(n, "live")
				synctest.Wait()
				equal(t, "received", got, tt.want)
				retain(other, "")
				late := e.client("late", nil).up().subscribe("t")
				synctest.Wait()
				equal(t, "after the removal", late.got.take(), nil)
			})
		})
	}
}

// Subscription identifiers: AWS has none and says so; the call is refused before anything is sent.
func TestFeatureSubscriptionIdentifiers(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil).up()
		if n.again().Settings.SubscriptionIdentifiersAvailable {
			t.Error("available")
		}
		p := filters(nil, "f")
		p.SubscriptionIdentifier = new(uint32(1))
		var ve *awsiot.ValidationError
		if _, err := n.Subscribe(within(time.Minute), p); !errors.As(err, &ve) || ve.Field != "SubscriptionIdentifier" {
			t.Errorf("%v", err)
		}
		if len(n.sent(iotlocal.SUBSCRIBE)) != 0 || n.State() != awsiot.StateConnected {
			t.Error("something was sent")
		}
	})
}

// Assigned client id: what the broker assigned is in the settings, and used at the reconnect, so
// that the session is found again. With AWS's limits the client makes one itself: AWS refuses its own at a reconnect.
func TestFeatureAssignedClientID(t *testing.T) {
	for _, flow := range []awsiot.FlowControl{awsiot.FlowControlNone, awsiot.FlowControlAWS} {
		t.Run(flow.String(), func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("", func(o *awsiot.ClientOptions) { rejoin(o); o.FlowControl = flow }).up().subscribe("t")
				first := n.again()
				n.id = first.Settings.ClientID
				if local := first.Connack.AssignedClientIdentifier == ""; n.id == "" || local != (flow == awsiot.FlowControlAWS) || local != strings.HasPrefix(n.id, "gen") {
					t.Errorf("%+v", first)
				}
				e.srv.Faults().Cut(n.id)
				if s := n.again(); s.Settings.ClientID != n.id || !s.Connack.SessionPresent {
					t.Errorf("%+v", s)
				}
				n.publish("t", "x")
				synctest.Wait()
				equal(t, "the session has its subscription", n.got.take(), []string{"t=x"})
			})
		})
	}
}

// Server keep-alive: what the broker wants instead is in the settings, and what the broker sees.
func TestFeatureServerKeepAlive(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaxKeepAlive: time.Minute}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.KeepAlive = time.Hour }).up()
		if s := n.again(); s.Settings.ServerKeepAlive != time.Minute || s.Connack.ServerKeepAlive == nil || *s.Connack.ServerKeepAlive != time.Minute {
			t.Errorf("%+v", s)
		}
		if c := n.sent(iotlocal.CONNECT)[0].Connect; c.KeepAlive != 3600 {
			t.Errorf("CONNECT has %d", c.KeepAlive)
		}
		pass(10*time.Minute + time.Second) // the broker would end the connection after 90 s
		pings := n.sent(iotlocal.PINGREQ)
		if len(pings) != 10 || len(n.sent(iotlocal.CONNECT)) != 1 || n.State() != awsiot.StateConnected {
			t.Fatalf("%d pings, %v", len(pings), n.State())
		}
		if gap := pings[1].Time.Sub(pings[0].Time); gap != time.Minute {
			t.Errorf("every %v", gap)
		}
	})
}
