package awsiot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// AckTimeout is a sum: what an operation waits for its acknowledgement on one connection is not forgotten on the next.
// The time without a connection, in the queue and before the write does not count.
func TestAckTimeoutIsASum(t *testing.T) {
	for _, present := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				rejoin(o)
				o.AckTimeout, o.MaxInflight, o.MinReconnectDelay, o.MaxReconnectDelay = 10*time.Second, 1, 30*time.Second, 30*time.Second
			})
			p := w.start()
			start := time.Now()
			end := func(name string) func(awsiot.PublishResult, error) {
				return func(_ awsiot.PublishResult, err error) {
					w.events.add("%s %v %v", name, time.Since(start), errors.Is(err, awsiot.ErrAckTimeout))
				}
			}
			w.client.PublishFunc(packet("t", "a", 1), end("a"))
			w.client.PublishFunc(packet("t", "b", 1), end("b")) // waits for the window
			for range 3 {
				if v := describe(p.next()); !strings.HasPrefix(v, "a#") {
					t.Fatal(v)
				}
				pass(3 * time.Second)
				p.cut() // and 30 s without a connection
				p, _ = w.accept(sessionPresentIf(present))
			}
			w.events.take()
			p.take(1)
			pass(20 * time.Second)
			equal(t, "ends", w.events.take(), []string{fmt.Sprintf("a %v true", 3*33*time.Second+time.Second)})
			p.reply(uint16(1), uint16(2), uint16(3), uint16(4)) // late: the place in the window is free
			p.take(1)
			pass(9 * time.Second)
			equal(t, "the other begins at 0", w.events.take(), nil)
			pass(time.Second)
			if got := w.events.take(); len(got) != 1 || !strings.HasPrefix(got[0], "b ") {
				t.Error(got)
			}
		})
	}
}

// An operation that has used up its sum ends at the loss, with the reason of that; without this it would be sent again for ever.
func TestAckTimeoutEndsAtTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
		p := w.start()
		f := w.client.PublishAsync(packet("t", "a", 1))
		sub := w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		p.take(2)
		for range 4 {
			pass(2500*time.Millisecond - time.Nanosecond) // four times that is just below
			p.send(&packets.Disconnect{ReasonCode: 0x89, Properties: &packets.Properties{ReasonString: "full"}})
			p.expectEnd()
			p, _ = w.accept(sessionPresent())
			p.take(2)
		}
		<-time.After(4 * time.Nanosecond) // in this moment: the timer and the loss
		p.send(&packets.Disconnect{ReasonCode: 0x8B, Properties: &packets.Properties{}})
		synctest.Wait()
		for _, err := range []error{f.Err(), sub.Err()} {
			if code, ok := awsiot.ReasonOf(err); !errors.Is(err, awsiot.ErrAckTimeout) || !ok || code != awsiot.ReasonServerShuttingDown && code != awsiot.ReasonServerBusy {
				t.Errorf("%v", err)
			}
		}
		p, _ = w.accept(sessionPresent())
		p.silent(time.Minute)
	})
}

// What came later may have waited longer: an earlier connection sent in another order.
func TestAckTimeoutInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
		p := w.start()
		start := time.Now()
		end := func(name string) func(awsiot.PublishResult, error) {
			return func(_ awsiot.PublishResult, err error) { w.events.add("%s %v", name, time.Since(start)) }
		}
		w.client.PublishFunc(packet("t", "a", 1), end("a"))
		p.take(1)
		pass(4 * time.Second)
		w.client.PublishFunc(packet("t", "b", 1), end("b"))
		p.take(1)
		pass(4 * time.Second)
		p.cut()
		p, _ = w.accept(sessionPresent(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(3)) }))
		w.events.take()
		p.take(2)
		w.client.PublishFunc(packet("t", "c", 1), end("c"))
		p.take(1)
		pass(20 * time.Second)
		began := 9 * time.Second // 8 and the delay
		equal(t, "ends", w.events.take(), []string{fmt.Sprintf("a %v", began+2*time.Second), fmt.Sprintf("b %v", began+6*time.Second), fmt.Sprintf("c %v", began+10*time.Second)})
	})
}

// An UNSUBSCRIBE goes behind the publishes when it is sent again, though it has waited longer.
func TestAckTimeoutBehindTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
		p := w.start()
		var at time.Time
		w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}).OnDone(func(*awsiot.UnsubackPacket, error) { at = time.Now() })
		p.take(1)
		pass(4 * time.Second)
		w.client.PublishFunc(packet("t", "a", 1), nil)
		p.take(1)
		pass(4 * time.Second)
		p.cut()
		p, _ = w.accept(sessionPresent())
		equal(t, "the publish first", p.take(2), []string{"a#2+", "unsub[f]"})
		began := time.Now()
		pass(20 * time.Second)
		if got := at.Sub(began); got != 2*time.Second {
			t.Errorf("ended after %v, want 2s", got)
		}
	})
}

// A timer that is late, on a machine that slept perhaps, does not make the operation go on to the next connection.
func TestAckTimeoutSeenAtTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
		p := w.start()
		f := w.client.PublishAsync(packet("t", "a", 1))
		p.take(1)
		awsiot.StopAckTimer(w.client)
		pass(11 * time.Second)
		p.send(&packets.Disconnect{ReasonCode: 0x8B, Properties: &packets.Properties{}})
		p.expectEnd()
		synctest.Wait()
		if code, ok := awsiot.ReasonOf(f.Err()); !errors.Is(f.Err(), awsiot.ErrAckTimeout) || !ok || code != awsiot.ReasonServerShuttingDown {
			t.Errorf("%v", f.Err())
		}
		p, _ = w.accept(sessionPresent())
		p.silent(time.Minute)
	})
}

// A new process begins at 0.
func TestAckTimeoutOfANewProcess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := storeWorld(t, dir)
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), nil)
		p.take(1)
		pass(50 * time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		w := storeWorld(t, dir)
		p := w.start()
		p.take(1)
		pass(59 * time.Second)
		if s := w.client.Stats(); s.UnackedOperationCount != 1 {
			t.Errorf("%+v", s)
		}
		pass(time.Second)
		if s := w.client.Stats(); s.UnackedOperationCount != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The 5 s of OptionsV1 are the same sum.
func TestAckTimeoutOfOptionsV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			v1 := awsiot.OptionsV1("c")
			v1.Endpoint, v1.Auth, v1.Dialer, v1.OfflineQueue.ReturnQueued, v1.SessionBehavior, v1.SessionExpiry = o.Endpoint, o.Auth, o.Dialer, false, awsiot.RejoinAlways, time.Hour
			*o = v1
		})
		p := w.start()
		f := w.client.PublishAsync(packet("t", "a", 1))
		p.take(1)
		pass(3 * time.Second)
		p.cut()
		p, _ = w.accept(sessionPresent())
		p.take(1)
		pass(2 * time.Second)
		if err := f.Err(); !errors.Is(err, awsiot.ErrAckTimeout) || !strings.Contains(err.Error(), "connection reset") {
			t.Error(err)
		}
	})
}
