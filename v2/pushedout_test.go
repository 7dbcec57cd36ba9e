package awsiot_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A subscribe that a later one pushes out of the full queue ends with ErrDropped and loses its route, of another filter or of the
// same; the later one is what the connection gets.
func TestSubscribePushesAnotherOut(t *testing.T) {
	for _, second := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 1, WhenFull: awsiot.DropOldest}
			})
			first := w.client.SubscribeAsync(filters(func(*awsiot.Message) { w.events.add("first") }, "a"))
			later := w.client.SubscribeAsync(filters(func(*awsiot.Message) { w.events.add("later") }, second))
			if err := first.Err(); !errors.Is(err, awsiot.ErrDropped) {
				t.Errorf("the first: %v", err)
			}
			p := w.start()
			s := expect[*packets.Subscribe](p)
			if len(s.Subscriptions) != 1 || s.Subscriptions[0].Topic != second {
				t.Errorf("%+v", s.Subscriptions)
			}
			p.send(suback(s.PacketID, 1))
			synctest.Wait()
			if err := later.Err(); err != nil {
				t.Errorf("the later: %v", err)
			}
			w.events.take()
			p.send(publish("a", "x", 0), publish(second, "x", 0))
			synctest.Wait()
			want := []string{"later"}
			if second == "a" {
				want = []string{"later", "later"}
			}
			equal(t, "handled", w.events.take(), want)
			p.silent(1)
		})
	}
}

// The client's own SUBSCRIBE after a reconnect is not what makes room in a full queue.
func TestResubscribeIsNotPushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.FlowControl = awsiot.FlowControlAWS // its bucket is empty at first, so the SUBSCRIBE waits
			o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 1, WhenFull: awsiot.DropOldest}
		})
		p := w.start()
		f := w.client.SubscribeAsync(filters(nil, "a"))
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 1))
		if _, err := f.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.cut()
		p, _ = w.accept(nil)
		w.events.take()
		if err := w.client.PublishAsync(packet("t", "x", 1)).Err(); !errors.Is(err, awsiot.ErrQueueFull) {
			t.Errorf("the publish: %v", err)
		}
		s := expect[*packets.Subscribe](p)
		p.send(suback(s.PacketID, 1))
		synctest.Wait()
		if all := strings.Join(w.events.take(), "\n"); all != "resubscribed [a]: <nil>" {
			t.Errorf("events: %s", all)
		}
	})
}
