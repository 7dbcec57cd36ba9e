package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// ended is a future of any kind.
type ended interface {
	Done() <-chan struct{}
	Err() error
}

// lasting are operations of every kind, with what they say on the wire.
var lasting = []struct {
	name string
	call func(*awsiot.Client, bool) ended
	kind string
}{
	{"publish", func(c *awsiot.Client, last bool) ended {
		return c.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: 1, Lasting: last})
	}, "*packets.Publish"},
	{"subscribe", func(c *awsiot.Client, last bool) ended {
		return c.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a", QoS: 1}}, Lasting: last})
	}, "*packets.Subscribe"},
	{"unsubscribe", func(c *awsiot.Client, last bool) ended {
		return c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"a"}, Lasting: last})
	}, "*packets.Unsubscribe"},
}

// An operation that lasts outlives AckTimeout and Stop, on the wire or in the queue, and is sent with the next connection;
// one that does not ends with ErrStopped.
func TestLasting(t *testing.T) {
	for _, op := range lasting {
		for _, where := range []string{"sent", "queued", "while stopping"} {
			t.Run(op.name+" "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						o.AckTimeout = 5 * time.Second
						o.OfflineQueue.Behavior = awsiot.KeepAll
					})
					if where == "queued" {
						checkLasting(t, w, op.call, op.kind, nil)
						return
					}
					p := w.start()
					if where == "sent" {
						checkLasting(t, w, op.call, op.kind, p)
						return
					}
					var f ended
					w.client.Observe(awsiot.Observer{OnDisconnection: func(*awsiot.Disconnection) { f = op.call(w.client, true) }})
					if err := w.client.Stop(context.Background(), nil); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					p = w.start()
					if v := p.next(); fmt.Sprintf("%T", v) != op.kind {
						t.Fatalf("%T, want %s", v, op.kind)
					}
					if err := f.Err(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// checkLasting makes one operation that lasts and one that does not, and stops and starts the client. p is nil while it is stopped.
func checkLasting(t *testing.T, w *world, call func(*awsiot.Client, bool) ended, kind string, p *peer) {
	t.Helper()
	lasts := call(w.client, true)
	if p != nil {
		p.next()
		time.Sleep(time.Minute) // 12 times AckTimeout
		synctest.Wait()
		if err := lasts.Err(); err != nil {
			t.Errorf("after AckTimeout: %v", err)
		}
	}
	ends := w.client.PublishAsync(&awsiot.PublishPacket{Topic: "b", QoS: 1})
	if err := w.client.Stop(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(ends.Err(), awsiot.ErrStopped) {
		t.Errorf("one that does not last: %v", ends.Err())
	}
	if err := lasts.Err(); err != nil {
		t.Fatalf("after Stop: %v", err)
	}
	p = w.start()
	v := p.next()
	if fmt.Sprintf("%T", v) != kind {
		t.Fatalf("%T, want %s", v, kind)
	}
	switch body := v.(type) {
	case *packets.Publish:
		if body.Duplicate || body.Topic != "a" {
			t.Errorf("%v: the session is new, and so is the message", body)
		}
		p.send(body.PacketID)
	case *packets.Subscribe:
		p.send(suback(body.PacketID, 1))
	case *packets.Unsubscribe:
		p.send(unsuback(body.PacketID, 0))
	}
	<-lasts.Done()
	if err := lasts.Err(); err != nil {
		t.Error(err)
	}
	if n := w.client.Stats(); n.IncompleteOperationCount != 0 || n.UnackedOperationCount != 0 {
		t.Errorf("%+v", n)
	}
}

// With the session of the broker a publish that lasts keeps its identifier over Stop and Start, and has DUP.
func TestLastingKeepsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
		})
		p := w.start()
		w.client.PublishAsync(&awsiot.PublishPacket{Topic: "other", QoS: 1})
		f := w.client.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: 1, Lasting: true})
		p.next()
		id := expect[*packets.Publish](p).PacketID
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ = w.accept(func(c *packets.Connack) { c.SessionPresent = true })
		again := expect[*packets.Publish](p)
		if again.PacketID != id || !again.Duplicate || again.Topic != "a" {
			t.Fatalf("%v, want identifier %d and DUP", again, id)
		}
		p.send(id)
		<-f.Done()
		if err := f.Err(); err != nil {
			t.Error(err)
		}
	})
}

// Close ends what lasts; so does a queue policy that does not keep it, at Stop.
func TestLastingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := w.client.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: 1, Lasting: true})
		_ = w.client.Close()
		if !errors.Is(f.Err(), awsiot.ErrClosed) {
			t.Error(f.Err())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OfflineQueue.Behavior = awsiot.FailNonQoS1 })
		p := w.start()
		f := w.client.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a"}}, Lasting: true})
		p.next()
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(f.Err(), awsiot.ErrStopped) {
			t.Error(f.Err())
		}
	})
}

// StartAndSend returns when the CONNECT is written, or with what prevented it; the client goes on after the first.
func TestStartAndSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		sent := make(chan error, 1)
		go func() { sent <- w.client.StartAndSend(context.Background()) }()
		conn, err := w.ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if s := w.client.State(); s != awsiot.StateConnecting {
			t.Error(s)
		}
		conn.Close() // the attempt fails, and another one follows
		w.accept(nil)
		if err := w.client.StartAndSend(context.Background()); err != nil {
			t.Errorf("of a connected client: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_ = w.ln.Close()
		var refused *awsiot.ConnectError
		if err := w.client.StartAndSend(context.Background()); !errors.As(err, &refused) {
			t.Error(err)
		}
		if s := w.client.State(); s != awsiot.StateStopped {
			t.Error(s)
		}
	})
}

// Observers hear every message behind its handlers, and of every Unsubscribe.
func TestObserveMessagesAndUnsubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		note := func(s string) { log = append(log, s) }
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.SerialCallbacks = true
			o.OnPublishReceived = func(*awsiot.Message) { note("options") }
		})
		remove := w.client.Observe(awsiot.Observer{
			OnPublishReceived: func(m *awsiot.Message) { note(fmt.Sprint("observer ", m.Handled)) },
			OnUnsubscribed:    func(u *awsiot.Unsubscribed) { note(fmt.Sprint("unsubscribed ", u.TopicFilters)) },
		})
		w.client.Handle("a", func(*awsiot.Message) { note("handler") })
		p := w.start()
		p.send(publish("a", "", 0))
		synctest.Wait()
		w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"x", "y"}})
		synctest.Wait()
		remove()
		p.send(publish("b", "", 0))
		synctest.Wait()
		if got, want := fmt.Sprint(log), "[handler options observer true unsubscribed [x y] options]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// What lasts is not ended by AckTimeout at a loss either, however much time connections have cost, and whatever
// OfflineQueue says it stays over Stop once it was sent.
func TestLastingOverLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.AckTimeout, o.OfflineQueue.Behavior = 5*time.Second, awsiot.FailAll
		})
		p := w.start()
		f := w.client.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: 1, Lasting: true})
		for range 4 {
			if v := expect[*packets.Publish](p); v.PacketID != 1 {
				t.Fatal(v)
			}
			pass(3 * time.Second)
			p.cut()
			p, _ = w.accept(sessionPresent())
		}
		p.take(1)
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ = w.accept(sessionPresent())
		p.answer(expect[*packets.Publish](p))
		<-f.Done()
		if err := f.Err(); err != nil {
			t.Error(err)
		}
	})
}

// A publish that lasts on a client with a Store comes back from there, once.
func TestLastingComesOnceFromTheStore(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.Store = awsiot.NewFileStore(dir) })
		p := w.start()
		w.client.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: 1, Lasting: true})
		p.take(1)
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		p = w.start()
		p.answer(expect[*packets.Publish](p))
		p.silent(time.Second)
		if n := w.client.Stats().IncompleteOperationCount; n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}
