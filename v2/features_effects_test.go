package awsiot_test

// More of the features that the migration guide lists in its appendix: what an interval does in the
// end, what a broker says of its own accord and without a fault rule, and what a third party sees.

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

// Session expiry counts from the end of the connection, also of one that just drops, and the same
// client notices whether it was in time.
func TestFeatureSessionExpiryAfterLoss(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) {
			o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Minute
		}).up().subscribe("t")
		pass(time.Hour) // connected: nothing runs out
		for _, tt := range []struct {
			away time.Duration
			kept bool
		}{{0, true}, {59 * time.Second, true}, {59 * time.Second, true}, {61 * time.Second, false}, {59 * time.Second, true}} {
			n.Abort() // no DISCONNECT
			synctest.Wait()
			if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte("meanwhile"), QoS: 1}); err != nil {
				t.Fatal(err)
			}
			pass(tt.away)
			n.events.take()
			n.up()
			resubscribed := slices.Contains(n.events.take(), "resubscribed [t]: <nil>")
			if s := n.again(); s.Connack.SessionPresent != tt.kept || s.Settings.RejoinedSession != tt.kept || resubscribed == tt.kept {
				t.Errorf("after %v: session present %v, resubscribed %v", tt.away, s.Connack.SessionPresent, resubscribed)
			}
			n.publish("t", "now")
			synctest.Wait()
			want := []string{"t=meanwhile", "t=now"}
			if !tt.kept {
				want = want[1:]
			}
			equal(t, fmt.Sprint("after ", tt.away), n.got.take(), want)
		}
	})
}

// The broker may give less than CONNECT asks for: its interval is in the settings, and it is the one that counts.
func TestFeatureSessionExpiryOfBroker(t *testing.T) {
	for _, tt := range []struct {
		away time.Duration
		kept bool
	}{{9 * time.Minute, true}, {11 * time.Minute, false}} {
		withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{SessionExpiry: 10 * time.Minute}}, func(t *testing.T, e *onLocal) {
			n := e.client("c", rejoin).up()
			if s := n.again().Settings; s.SessionExpiry != 10*time.Minute {
				t.Errorf("negotiated %v", s.SessionExpiry)
			}
			if err := n.Stop(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			pass(tt.away)
			n.up()
			if s := n.again(); s.Connack.SessionPresent != tt.kept {
				t.Errorf("after %v: session present %v", tt.away, s.Connack.SessionPresent)
			}
		})
	}
}

// Message expiry of retained messages: late subscribers are told what is left, and the message is gone after it.
func TestFeatureMessageExpiryRetained(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		pub := e.client("pub", nil).up()
		for topic, expiry := range map[string]*time.Duration{"short": new(10 * time.Second), "long": new(time.Minute), "forever": nil} {
			p := packet(topic, "x", 1)
			p.Retain, p.MessageExpiry = true, expiry
			if _, err := pub.Publish(within(time.Minute), p); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for _, tt := range []struct {
			at   time.Duration
			want []string
		}{
			{4 * time.Second, []string{"forever", "long 56s", "short 6s"}},
			{11 * time.Second, []string{"forever", "long 49s"}},
			{61 * time.Second, []string{"forever"}},
		} {
			pass(tt.at - time.Since(began))
			var got []string
			e.client(fmt.Sprint("late ", tt.at), func(o *awsiot.ClientOptions) {
				o.OnPublishReceived = func(m *awsiot.Message) {
					if s := m.Topic; m.MessageExpiry != nil {
						got = append(got, fmt.Sprint(s, " ", *m.MessageExpiry))
					} else {
						got = append(got, s)
					}
				}
			}).up().subscribe("short", "long", "forever")
			synctest.Wait()
			slices.Sort(got)
			equal(t, fmt.Sprint("after ", tt.at), got, tt.want)
		}
	})
}

// Reason codes that the broker finds by itself: what is over its limits has not happened, what is
// beside it in the same packet has, and nothing ends the connection.
func TestFeatureReasonCodesOfLimits(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{Subscriptions: 2}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlNone }).up()
		ack, err := n.Subscribe(within(time.Minute), filters(nil, "one", "two", "three"))
		var re *awsiot.ReasonError
		if !errors.As(err, &re) || re.Op != "subscribe" || re.Topic != "three" || re.Code != awsiot.ReasonQuotaExceeded || re.Reason == "" {
			t.Errorf("%v", err)
		}
		if ack == nil || !slices.Equal(ack.Codes, []awsiot.ReasonCode{awsiot.ReasonGrantedQoS1, awsiot.ReasonGrantedQoS1, awsiot.ReasonQuotaExceeded}) {
			t.Errorf("SUBACK %+v", ack)
		}
		for _, topic := range []string{"three", "two", "one"} {
			n.publish(topic, "x")
		}
		synctest.Wait()
		equal(t, "received", n.got.take(), []string{"two=x", "one=x"})
		off, err := n.Unsubscribe(within(time.Minute), &awsiot.UnsubscribePacket{TopicFilters: []string{"one", "three"}})
		if err != nil || !slices.Equal(off.Codes, []awsiot.ReasonCode{awsiot.ReasonSuccess, awsiot.ReasonNoSubscriptionExisted}) {
			t.Errorf("UNSUBACK %+v, %v", off, err)
		}
		n.subscribe("three") // there is room now
		n.publish("one", "x")
		n.publish("three", "x")
		synctest.Wait()
		equal(t, "received", n.got.take(), []string{"three=x"})
		if len(n.sent(iotlocal.CONNECT)) != 1 {
			t.Error("the connection did not live on")
		}
	})
}

// Topic aliases as a third party sees them: topics, also after a new connection, which has no aliases yet.
func TestFeatureTopicAliasesUnseen(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		watch := e.client("watch", nil).up().subscribe("a/#")
		n := e.client("c", func(o *awsiot.ClientOptions) {
			o.TopicAliasing = awsiot.TopicAliasing{Outbound: awsiot.AliasLRU, OutboundMaximum: 2}
		}).up()
		var want []string
		for round := range 3 {
			for i, topic := range []string{"a/x", "a/x", "a/y", "a/z", "a/x", "a/z"} {
				n.publish(topic, fmt.Sprint(round, i))
				want = append(want, fmt.Sprintf("%s=%d %d", topic, round, i))
			}
			e.srv.Faults().Cut("c")
			n.again()
		}
		synctest.Wait()
		equal(t, "the other client received", watch.got.take(), want)
	})
}

// Server disconnect for packets that are wrong, which the client itself never writes: the test
// writes them on its connection. The broker's code is reported, and the client carries on.
func TestFeatureServerDisconnectForErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		packet string
		code   awsiot.ReasonCode
	}{
		{"an alias beyond the maximum", "\x30\x07\x00\x01a\x03\x23\xff\x00", awsiot.ReasonTopicAliasInvalid},
		{"more than the maximum packet size", "\x30\xd8\x0f\x00\x01a\x00" + strings.Repeat("x", 0x7d8-4), awsiot.ReasonPacketTooLarge},
		{"a wildcard in a topic", "\x30\x04\x00\x01#\x00", awsiot.ReasonTopicNameInvalid},
		{"QoS 3", "\x36\x06\x00\x01a\x00\x01\x00", awsiot.ReasonMalformedPacket},
		{"a second CONNECT", "\x10\x0d\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x00", awsiot.ReasonProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaximumPacketSize: 1000}}, func(t *testing.T, e *onLocal) {
				n := e.client("c", nil)
				var lost []*awsiot.Disconnection
				n.Observe(awsiot.Observer{OnDisconnection: func(d *awsiot.Disconnection) { lost = append(lost, d) }})
				n.up().subscribe("x")
				if _, err := n.conn.Load().Write([]byte(tt.packet)); err != nil {
					t.Fatal(err)
				}
				n.again()
				var re *awsiot.ReasonError
				if len(lost) != 1 {
					t.Fatalf("the connection ended %d times", len(lost))
				}
				if d := lost[0]; d.Packet == nil || d.Packet.Code != tt.code || d.Packet.Reason == "" || !errors.As(d.Err, &re) || re.Code != tt.code {
					t.Errorf("%v, packet %+v", d.Err, d.Packet)
				}
				synctest.Wait() // subscribed anew
				n.publish("x", "goes on")
				synctest.Wait()
				equal(t, "received", n.got.take(), []string{"x=goes on"})
			})
		})
	}
}

// Request and response of askers that use the same correlation data and do not stay: each gets its
// own answers, the one that was away when it comes back, and none that has expired by then.
func TestFeatureRequestResponseAway(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		server := e.client("server", nil).up()
		answer := func(m *awsiot.Message) { // thinks for a while, and its answer holds for another while
			time.AfterFunc(time.Minute, func() {
				server.PublishFunc(&awsiot.PublishPacket{Topic: m.ResponseTopic, CorrelationData: m.CorrelationData, MessageExpiry: m.MessageExpiry,
					Payload: append([]byte("answer to "), m.Payload...), QoS: awsiot.AtLeastOnce}, nil)
			})
		}
		if _, err := server.Subscribe(within(time.Minute), filters(answer, "request")); err != nil {
			t.Fatal(err)
		}
		asker := func(name string) (*node, *[]string) {
			var got []string
			n := e.client(name, rejoin).up()
			h := func(m *awsiot.Message) { got = append(got, fmt.Sprintf("%x %s", m.CorrelationData, m.Payload)) }
			if _, err := n.Subscribe(within(time.Minute), filters(h, "answers/"+name)); err != nil {
				t.Fatal(err)
			}
			for i, expiry := range []time.Duration{10 * time.Minute, time.Hour} {
				p := packet("request", fmt.Sprintf("%s's %d", name, i), 1)
				p.ResponseTopic, p.CorrelationData, p.MessageExpiry = "answers/"+name, []byte{0, byte(i)}, &expiry
				if _, err := n.Publish(within(time.Minute), p); err != nil {
					t.Fatal(err)
				}
			}
			return n, &got
		}
		_, stays := asker("stays")
		gone, goes := asker("goes")
		_ = gone.Stop(context.Background(), nil)
		pass(30 * time.Minute)
		slices.Sort(*stays) // two timers fire at once
		equal(t, "who stayed got", *stays, []string{"0000 answer to stays's 0", "0001 answer to stays's 1"})
		equal(t, "who is away got", *goes, nil)
		gone.up()
		synctest.Wait()
		equal(t, "who came back got", *goes, []string{"0001 answer to goes's 1"})
	})
}

// The properties of a message live through the wait in a session and in the retained store.
func TestFeaturePropertiesKept(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		sent := packet("t", "héllo", 1)
		sent.Retain, sent.PayloadFormat, sent.ContentType, sent.ResponseTopic, sent.CorrelationData = true, new(awsiot.PayloadUTF8), "text/plain", "answer", []byte{0, 0xFF}
		sent.UserProperties = []awsiot.UserProperty{{Name: "b", Value: "2"}, {Name: "a", Value: ""}, {Name: "b", Value: "1"}}
		var got []*awsiot.Message
		keep := func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.OnPublishReceived = func(m *awsiot.Message) { got = append(got, m) }
		}
		away := e.client("away", keep).up().subscribe("t")
		_ = away.Stop(context.Background(), nil)
		if _, err := e.client("pub", nil).up().Publish(within(time.Minute), sent); err != nil {
			t.Fatal(err)
		}
		pass(59 * time.Minute)
		away.up()
		e.client("late", keep).up().subscribe("t")
		synctest.Wait()
		if len(got) != 2 || got[0].Retain || !got[1].Retain {
			t.Fatalf("%+v", got)
		}
		for _, m := range got {
			if string(m.Payload) != "héllo" || m.PayloadFormat == nil || *m.PayloadFormat != awsiot.PayloadUTF8 || m.ContentType != sent.ContentType ||
				m.ResponseTopic != sent.ResponseTopic || !slices.Equal(m.CorrelationData, sent.CorrelationData) || m.MessageExpiry != nil {
				t.Errorf("%+v", m)
			}
			equal(t, "user properties", m.UserProperties, sent.UserProperties)
		}
	})
}
