package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Cases of aws-c-mqtt's tests, group "connect": client_direct_connect_success, and the golden sequence "start, stop".
func TestStartPublishStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		w.client.PublishFunc(packet("a/b", "zero", awsiot.AtMostOnce), w.events.done("q0"))
		w.client.PublishFunc(packet("a/b", "one", awsiot.AtLeastOnce), w.events.done("q1"))
		q0, q1 := expect[*packets.Publish](p), expect[*packets.Publish](p)
		if q0.QoS != 0 || string(q0.Payload) != "zero" || q1.QoS != 1 || q1.PacketID != 1 || q1.Duplicate || q1.Topic != "a/b" {
			t.Errorf("on the wire: %v, %v", q0, q1)
		}
		synctest.Wait()
		equal(t, "before the PUBACK", w.events.take(), []string{"attempting", "success", "q0: <nil>"})
		if s := w.client.Stats(); s.IncompleteOperationCount != 1 || s.UnackedOperationCount != 1 || s.UnackedOperationSize != uint64(2+2+3+2+1+3) {
			t.Errorf("stats: %+v", s)
		}
		p.send(q1.PacketID)
		synctest.Wait()
		equal(t, "after the PUBACK", w.events.take(), []string{"q1: <nil>"})
		if s := countsOf(w); s != (awsiot.OperationStatistics{}) {
			t.Errorf("stats: %+v", s)
		}
		go func() {
			if d := expect[*packets.Disconnect](p); d.ReasonCode != 0 {
				t.Errorf("DISCONNECT: %v", d)
			}
			p.expectEnd()
		}()
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Error(err)
		}
		if s := w.client.State(); s != awsiot.StateStopped {
			t.Error(s)
		}
		synctest.Wait()
		equal(t, "after Stop", w.events.take(), []string{"disconnection: awsiot: connection: client stopped", "stopped"})
	})
}

func TestBlockingPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for _, tt := range []struct {
			name string
			code byte
			want error
		}{
			{"success", 0, nil},
			{"no matching subscribers", 0x10, nil},
			{"not authorized", 0x87, &awsiot.ReasonError{Op: "publish", Topic: "t", Code: awsiot.ReasonNotAuthorized}},
			{"a code that PUBACK does not have", 0x01, awsiot.ErrProtocol},
		} {
			func() {
				go func() { p.send(puback(expect[*packets.Publish](p).PacketID, tt.code)) }()
				r, err := w.client.Publish(context.Background(), packet("t", "x", awsiot.AtLeastOnce))
				var re *awsiot.ReasonError
				switch {
				case errors.As(tt.want, &re):
					if got, ok := errors.AsType[*awsiot.ReasonError](err); !ok || got.Error() != re.Error() {
						t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
					}
				case !errors.Is(err, tt.want):
					t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
				}
				if byte(r.Code) != tt.code {
					t.Errorf("%s: code %v", tt.name, r.Code)
				}
			}()
		}
	})
}

// A complaint about the AWS SDKs, and promise: a cancelled queued operation leaves the queue, one on the wire has an unknown outcome.
func TestPublishContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := w.client.Publish(ctx, packet("t", "queued", awsiot.AtLeastOnce))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, awsiot.ErrUnknownOutcome) {
			t.Errorf("queued: %v", err)
		}
		p := w.start()
		_, err = w.client.Publish(within(time.Second), packet("t", "sent", awsiot.AtLeastOnce))
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, awsiot.ErrUnknownOutcome) {
			t.Errorf("sent: %v", err)
		}
		if q := expect[*packets.Publish](p); string(q.Payload) != "sent" {
			t.Errorf("the cancelled message was sent: %v", q)
		}
		p.send(uint16(1))
		synctest.Wait()
		if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Cases of aws-c-mqtt's tests, group "pub/sub": subscribe_success, unsubscribe_success.
func TestSubscribeHandlersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		h := func(name string) awsiot.MessageHandler {
			return func(m *awsiot.Message) { rec.add("%s %s %s %v", name, m.Topic, m.Payload, m.Handled) }
		}
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OnPublishReceived = h("all") })
		p := w.start()
		go func() {
			s := expect[*packets.Subscribe](p)
			if len(s.Subscriptions) != 2 || s.Subscriptions[0].Topic != "o/#" || s.Subscriptions[1].Topic != "o/a" || s.Subscriptions[0].QoS != 1 {
				t.Errorf("SUBSCRIBE: %+v", s)
			}
			// The broker may send what it has before the SUBACK [MQTT5-3.8.4]: the routes must be there.
			p.send(publish("o/a", "x", 0))
			synctest.Wait()
			p.send(suback(s.PacketID, 1, 1), publish("other", "y", 7))
			if a := expect[*packets.Puback](p); a.PacketID != 7 || a.ReasonCode != 0 {
				t.Errorf("PUBACK: %v", a)
			}
		}()
		ack, err := w.client.Subscribe(context.Background(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
			{TopicFilter: "o/#", QoS: 1, Handler: h("wild")}, {TopicFilter: "o/a", QoS: 1, Handler: h("exact")}}})
		if err != nil || len(ack.Codes) != 2 || ack.Codes[0] != awsiot.ReasonGrantedQoS1 {
			t.Errorf("%+v, %v", ack, err)
		}
		synctest.Wait()
		equal(t, "messages", rec.take(), []string{"wild o/a x true", "exact o/a x true", "all o/a x true", "all other y false"})

		go func() {
			u := expect[*packets.Unsubscribe](p)
			p.send(unsuback(u.PacketID, 0), publish("o/a", "z", 0))
		}()
		if _, err := w.client.Unsubscribe(context.Background(), &awsiot.UnsubscribePacket{TopicFilters: []string{"o/#"}}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		equal(t, "after unsubscribe", rec.take(), []string{"exact o/a z true", "all o/a z true"})
	})
}

func TestSubscribePartlyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		w := newWorld(t, nil)
		p := w.start()
		go func() {
			s := expect[*packets.Subscribe](p)
			p.send(suback(s.PacketID, 1, 0x87, 0x8F), publish("a", "1", 0), publish("b", "2", 0))
		}()
		ack, err := w.client.Subscribe(context.Background(), filters(func(m *awsiot.Message) { rec.add("%s", m.Topic) }, "a", "b", "c"))
		if ack == nil || len(ack.Codes) != 3 || ack.Codes[1] != awsiot.ReasonNotAuthorized {
			t.Fatalf("%+v", ack)
		}
		want := "awsiot: subscribe \"b\": not authorized (0x87)\nawsiot: subscribe \"c\": topic filter invalid (0x8F); hint: the policy may not allow iot:Subscribe to this filter"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		equal(t, "messages", rec.take(), []string{"a"})
	})
}

// Cases of aws-c-mqtt's tests, group "pub/sub": sub_pub_unsub_qos0, _qos1, with a broker in between.
func TestSubscribePublishUnsubscribe(t *testing.T) {
	for _, qos := range []awsiot.QoS{awsiot.AtMostOnce, awsiot.AtLeastOnce} {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			n := e.client("c", nil).up()
			publish := func(payload string) {
				if r, err := n.Publish(within(time.Minute), packet("a/b", payload, qos)); err != nil || r.Code.IsError() {
					t.Errorf("%v: %s: %+v, %v", qos, payload, r, err)
				}
				synctest.Wait()
			}
			publish("before")
			s := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a/+", QoS: qos,
				Handler: func(m *awsiot.Message) { n.events.add("%s=%s %v", m.Topic, m.Payload, m.QoS) }}}}
			ack, err := n.Subscribe(within(time.Minute), s)
			if err != nil || !slices.Equal(ack.Codes, []awsiot.ReasonCode{awsiot.ReasonCode(qos)}) {
				t.Errorf("%v: %+v, %v", qos, ack, err)
			}
			n.events.take()
			publish("between")
			equal(t, "received", n.events.take(), []string{fmt.Sprintf("a/b=between %v", qos)})
			un, err := n.Unsubscribe(within(time.Minute), &awsiot.UnsubscribePacket{TopicFilters: []string{"a/+"}})
			if err != nil || !slices.Equal(un.Codes, []awsiot.ReasonCode{awsiot.ReasonSuccess}) {
				t.Errorf("%v: %+v, %v", qos, un, err)
			}
			publish("after")
			equal(t, "received after UNSUBSCRIBE", n.events.take(), nil)
			if got := len(n.sent(iotlocal.PUBLISH)); got != 3 {
				t.Errorf("%v: the broker had %d messages", qos, got)
			}
		})
	}
}

// Cases of aws-c-mqtt's tests, group "alias end-to-end": outbound_alias_manual_failure_empty_topic. The client puts the alias in the place of
// the topic by itself; without a topic it would have to believe what the broker has.
func TestManualAliasNeedsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.TopicAliasing.Outbound = awsiot.AliasManual })
		_ = w.client.Start()
		p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = new(uint16(5)) })
		for _, qos := range []awsiot.QoS{awsiot.AtMostOnce, awsiot.AtLeastOnce} {
			q := packet("", "x", qos)
			q.TopicAlias = new(uint16(1))
			var ve *awsiot.ValidationError
			if _, err := w.client.Publish(t.Context(), q); !errors.As(err, &ve) || ve.Field != "Topic" {
				t.Errorf("%v: %v", qos, err)
			}
		}
		p.silent(time.Second)
		if s := countsOf(w); s != (awsiot.OperationStatistics{}) || w.client.State() != awsiot.StateConnected {
			t.Errorf("%+v, %v", s, w.client.State())
		}
	})
}
