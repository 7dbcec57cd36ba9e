package awsiot_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Unacknowledged is what this connection has sent: what was sent on one before, and waits for its place in the window of
// this one, is incomplete only. aws-c-mqtt keeps counting until the next CONNACK, and so does this client.
func TestUnackedIsOfThisConnection(t *testing.T) {
	for _, kept := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			for _, s := range []string{"a", "b"} {
				w.client.PublishFunc(packet("t", s, 1), nil)
			}
			equal(t, "sent", p.take(2), []string{"a#1", "b#2"})
			const size = 2 + 2 + 1 + 2 + 1 + 1
			check := func(when string, unacked, reconnects uint64) {
				t.Helper()
				synctest.Wait()
				want := awsiot.OperationStatistics{IncompleteOperationCount: 2, IncompleteOperationSize: 2 * size,
					UnackedOperationCount: unacked, UnackedOperationSize: unacked * size, Reconnects: reconnects}
				if s := countsOf(w); s != want {
					t.Errorf("session kept %v, %s:\n got %+v\nwant %+v", kept, when, s, want)
				}
			}
			check("sent", 2, 0)
			p.cut()
			check("cut", 2, 0)
			_, _ = w.accept(func(a *packets.Connack) { a.SessionPresent, a.Properties.ReceiveMaximum = kept, new(uint16(1)) })
			check("on the next connection", 1, 1)
		})
	}
}

// Cases of aws-c-mqtt's tests, group "stats": statistics_subscribe, _unsubscribe, _publish_qos0, _publish_qos1, _publish_qos1_requeue.
func TestStatisticsOverReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		w.client.SubscribeAsync(filters(nil, "filter"))
		w.client.PublishFunc(packet("t", "x", 1), nil)
		const subSize, pubSize = 2 + 2 + 1 + 2 + 6 + 1, 2 + 2 + 1 + 2 + 1 + 1
		want := awsiot.OperationStatistics{IncompleteOperationCount: 2, IncompleteOperationSize: subSize + pubSize}
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			if s := countsOf(w); s != want {
				t.Errorf("%s:\n got %+v\nwant %+v", when, s, want)
			}
		}
		check("before Start")
		p := w.start()
		want.UnackedOperationCount, want.UnackedOperationSize = 2, subSize+pubSize
		check("sent")
		p.take(2)
		p.send(suback(1, 1))
		want.IncompleteOperationCount, want.IncompleteOperationSize = 1, pubSize
		want.UnackedOperationCount, want.UnackedOperationSize = 1, pubSize
		check("SUBACK")
		p.cut()
		check("cut") // until the next connection it might still be acknowledged
		p, _ = w.accept(sessionPresent())
		want.Reconnects = 1
		check("sent again")
		p.take(1)
		p.send(uint16(2))
		want = awsiot.OperationStatistics{Reconnects: 1}
		check("PUBACK")
		if _, err := w.client.PublishAsync(packet("", "x", 1)).Result(); err == nil {
			t.Error("an empty topic was accepted")
		}
		check("refused operations do not count")

		const unsubSize = 2 + 2 + 1 + 2 + 6
		w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"filter"}})
		want.IncompleteOperationCount, want.IncompleteOperationSize = 1, unsubSize
		want.UnackedOperationCount, want.UnackedOperationSize = 1, unsubSize
		check("UNSUBSCRIBE")
		equal(t, "sent", p.take(1), []string{"unsub[filter]"})
		p.send(unsuback(3, 0))
		want = awsiot.OperationStatistics{Reconnects: 1}
		check("UNSUBACK")

		// A QoS 0 publish is incomplete until it is written, and never unacknowledged.
		big := packet("t", strings.Repeat("x", 1<<20), 0) // more than the network holds
		const bigSize = 1 + 3 + 2 + 1 + 1 + 1<<20
		w.client.PublishFunc(big, nil)
		w.client.PublishFunc(packet("t", "last", 0), nil)
		want.IncompleteOperationCount, want.IncompleteOperationSize = 2, bigSize+2+2+1+1+4
		check("QoS 0 on a slow link")
		equal(t, "sent", p.take(2), []string{string(big.Payload), "last"})
		want = awsiot.OperationStatistics{Reconnects: 1}
		check("QoS 0 written")
	})
}

// countsOf returns the statistics without the number of attempts, which TestAttempt looks at.
func countsOf(w *world) awsiot.OperationStatistics {
	s := w.client.Stats()
	s.Attempts = 0
	return s
}
