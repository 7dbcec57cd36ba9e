package awsiot_test

// What Update changes at once, for what is under way.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

func update(w *world, change func(*awsiot.ClientOptions)) {
	w.t.Helper()
	if err := w.client.Update(change); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// updatesNow has a row for every field, or more.
var updatesNow = []struct {
	field, name string
	before      func(*awsiot.ClientOptions)
	run         func(w *world)
}{
	{"AckTimeout", "shorter, for an operation that waits", nil, func(w *world) {
		p := w.start()
		timeAcks(w, "a")
		p.take(1)
		pass(10 * time.Second)
		timeAcks(w, "b")
		update(w, func(o *awsiot.ClientOptions) { o.AckTimeout = 15 * time.Second })
		pass(time.Minute)
		equal(w.t, "ends", w.events.take(), []string{"a 15s true", "b 15s true"})
	}},
	{"AckTimeout", "shorter than what has passed", nil, func(w *world) {
		w.start()
		timeAcks(w, "a")
		pass(10 * time.Second)
		update(w, func(o *awsiot.ClientOptions) { o.AckTimeout = 5 * time.Second })
		equal(w.t, "ends", w.events.take(), []string{"a 10s true"})
	}},
	{"AckTimeout", "longer", nil, func(w *world) {
		w.start()
		timeAcks(w, "a")
		pass(59 * time.Second)
		update(w, func(o *awsiot.ClientOptions) { o.AckTimeout = 100 * time.Second })
		pass(5 * time.Minute)
		equal(w.t, "ends", w.events.take(), []string{"a 1m40s true"})
	}},
	{"AckTimeout", "off and on again", nil, func(w *world) {
		p := w.start()
		timeAcks(w, "a")
		update(w, func(o *awsiot.ClientOptions) { o.AckTimeout = -1 })
		timeAcks(w, "b")
		keepAlive(p, time.Hour)
		equal(w.t, "without", w.events.take(), nil)
		update(w, func(o *awsiot.ClientOptions) { o.AckTimeout = time.Minute })
		equal(w.t, "with", w.events.take(), []string{"a 1h0m0s true", "b 1h0m0s true"})
	}},
	{"OfflineQueue", "DrainRate during a drain", keepAll(1), func(w *world) {
		queue(w, 6)
		p := w.start()
		start := time.Now()
		equal(w.t, "at 1 per second", drainedAt(p, start, 2), []string{"0 0s", "1 1s"})
		pass(100 * time.Millisecond)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.DrainRate = 4 })
		equal(w.t, "at 4, also the interval that has begun", drainedAt(p, start, 2), []string{"2 1.25s", "3 1.5s"})
		pass(10 * time.Millisecond)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.DrainRate = 0.5 })
		equal(w.t, "at 0.5", drainedAt(p, start, 1), []string{"4 3.5s"})
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.DrainRate = 0 })
		equal(w.t, "at once", drainedAt(p, start, 1), []string{"5 3.5s"})
	}},
	{"OfflineQueue", "limits below what is queued", keepAll(0), func(w *world) {
		queue(w, 4)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations = 2 })
		refused(w, awsiot.ErrQueueFull)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations, o.OfflineQueue.MaxBytes = 0, 10 })
		refused(w, awsiot.ErrQueueFull)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations, o.OfflineQueue.MaxBytes = -1, 0 })
		refused(w, awsiot.ErrOffline)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.Behavior = awsiot.FailAll })
		refused(w, awsiot.ErrOffline)
		update(w, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxOperations: 5}
		})
		queue(w, 1)
		refused(w, awsiot.ErrQueueFull)
		equal(w.t, "nothing was dropped", w.start().take(5), []string{"0", "1", "2", "3", "0"})
	}},
	{"OfflineQueue", "WhenFull", func(o *awsiot.ClientOptions) {
		o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxOperations: 2}
	}, func(w *world) {
		queue(w, 2)
		refused(w, awsiot.ErrQueueFull)
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.WhenFull = awsiot.DropOldest })
		w.client.PublishFunc(packet("t", "new", 0), nil)
		equal(w.t, "sent", w.start().take(2), []string{"1", "new"})
	}},
	{"OfflineQueue", "room for a call that waits for it", func(o *awsiot.ClientOptions) {
		o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxOperations: 1, WhenFull: awsiot.Block}
	}, func(w *world) {
		queue(w, 1)
		for i := range 3 {
			go w.client.PublishFunc(packet("t", "blocked", 0), nil)
			synctest.Wait()
			if n := w.client.Stats().IncompleteOperationCount; n != uint64(i+1) {
				w.t.Errorf("%d are queued", n)
			}
			update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations++ })
		}
		for range 2 {
			go w.client.PublishFunc(packet("t", "one of them", 0), w.events.done("refused"))
		}
		synctest.Wait()
		update(w, func(o *awsiot.ClientOptions) {
			o.OfflineQueue.MaxOperations, o.OfflineQueue.WhenFull = 5, awsiot.RejectNew
		})
		equal(w.t, "one has room", w.events.take(), []string{`refused: awsiot: publish "t": queue full`})
		if n := w.client.Stats().IncompleteOperationCount; n != 5 {
			w.t.Errorf("%d are queued", n)
		}
	}},
	{"OfflineQueue", "ReturnQueued", keepAll(0), func(w *world) {
		update(w, func(o *awsiot.ClientOptions) { o.OfflineQueue.ReturnQueued = true })
		if r, err := w.client.Publish(w.t.Context(), packet("t", "x", 1)); err != nil || !r.Queued {
			w.t.Errorf("%+v %v", r, err)
		}
	}},
	{"MaxInflight", "wider and narrower", func(o *awsiot.ClientOptions) { o.MaxInflight = 1 }, func(w *world) {
		p := w.start()
		for i := range 6 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), nil)
		}
		equal(w.t, "1", p.take(1), []string{"0#1"})
		p.silent(time.Second)
		update(w, func(o *awsiot.ClientOptions) { o.MaxInflight = 3 })
		equal(w.t, "3", p.take(2), []string{"1#2", "2#3"})
		update(w, func(o *awsiot.ClientOptions) { o.MaxInflight = 2 })
		p.send(uint16(1))
		p.silent(time.Second)
		p.send(uint16(2))
		equal(w.t, "2", p.take(1), []string{"3#4"})
	}},
	{"Inbound", "MaxBytes", nil, func(w *world) {
		p := w.start()
		release := make(chan struct{})
		w.client.Handle("t", func(m *awsiot.Message) { w.events.add("%d bytes", len(m.Payload)); <-release })
		p.send(publish("t", "first", 0))
		synctest.Wait()
		update(w, func(o *awsiot.ClientOptions) { o.Inbound.MaxBytes = 1 << 10 })
		p.send(publish("t", string(make([]byte, 2<<10)), 0))
		synctest.Wait()
		update(w, func(o *awsiot.ClientOptions) { o.Inbound.MaxBytes = 1 << 20 })
		p.send(publish("t", string(make([]byte, 3<<10)), 0))
		synctest.Wait()
		close(release)
		synctest.Wait()
		equal(w.t, "delivered", w.events.take()[2:], []string{"5 bytes", "3072 bytes"})
	}},
	{"PingTimeout", "shorter, while a ping waits for its answer", func(o *awsiot.ClientOptions) { o.KeepAlive = time.Minute }, func(w *world) {
		p := w.start()
		w.events.take()
		expect[*packets.Pingreq](p)
		start := time.Now()
		pass(time.Second)
		update(w, func(o *awsiot.ClientOptions) { o.PingTimeout = 5 * time.Second })
		expect[*packets.Disconnect](p)
		if d := time.Since(start); d != 5*time.Second {
			w.t.Errorf("after %v", d)
		}
	}},
	{"ConnectTimeout", "shorter, while it dials", dialForever, func(w *world) {
		failsAfter(w, "ConnectTimeout 4s", 4*time.Second, func(o *awsiot.ClientOptions) { o.ConnectTimeout = 4 * time.Second })
	}},
	{"ConnectTimeout", "longer, while it dials", dialForever, func(w *world) {
		failsAfter(w, "ConnectTimeout 40s", 40*time.Second, func(o *awsiot.ClientOptions) { o.ConnectTimeout = 40 * time.Second })
	}},
	{"ConnackTimeout", "shorter, while it waits for CONNACK", nil, func(w *world) {
		failsAfter(w, "waited 3s", 3*time.Second, func(o *awsiot.ClientOptions) { o.ConnackTimeout = 3 * time.Second })
	}},
	{"ConnackTimeout", "longer, while it waits for CONNACK", nil, func(w *world) {
		failsAfter(w, "waited 50s", 50*time.Second, func(o *awsiot.ClientOptions) { o.ConnackTimeout = 50 * time.Second })
	}},
	{"MinReconnectDelay", "longer, in the middle of a wait", nil, func(w *world) {
		reconnectsAfter(w, 5*time.Second, func(o *awsiot.ClientOptions) { o.MinReconnectDelay = 5 * time.Second })
	}},
	{"MaxReconnectDelay", "shorter, in the middle of a wait", slowRetry, func(w *world) {
		reconnectsAfter(w, 30*time.Second, func(o *awsiot.ClientOptions) { o.MaxReconnectDelay = 30 * time.Second })
	}},
	{"MaxReconnectDelay", "shorter than what has passed", slowRetry, func(w *world) {
		reconnectsAfter(w, 500*time.Millisecond, func(o *awsiot.ClientOptions) { o.MaxReconnectDelay = 100 * time.Millisecond })
	}},
	{"InitialReconnectDelay", "in the middle of the first wait", slowRetry, func(w *world) {
		reconnectsAfter(w, 2*time.Second, func(o *awsiot.ClientOptions) { o.InitialReconnectDelay = 2 * time.Second })
	}},
	{"RetryJitterMode", "in the middle of a wait", slowRetry, func(w *world) {
		start := time.Now()
		w.start().cut()
		update(w, func(o *awsiot.ClientOptions) { o.RetryJitterMode = awsiot.JitterFull })
		for n := 0; time.Since(start) < 60*time.Second; n++ { // each change draws anew: sooner or later the delay has passed
			if n == 1000 {
				w.t.Fatal("the delays are not drawn")
			}
			pass(10 * time.Millisecond)
			if w.client.State() == awsiot.StateConnecting {
				return
			}
			update(w, func(o *awsiot.ClientOptions) { o.MinReconnectDelay += time.Nanosecond })
		}
	}},
	{"MinConnectedTimeToResetReconnectDelay", "on a connection", nil, func(w *world) {
		w.start().cut()
		for range 3 { // the delays grow: these connections live for no time
			p, _ := w.accept(nil)
			p.cut()
		}
		w.accept(nil)
		update(w, func(o *awsiot.ClientOptions) { o.MinConnectedTimeToResetReconnectDelay = 2 * time.Second })
		pass(2 * time.Second)
		start := time.Now()
		w.net.CutAll()
		w.raw()
		if d := time.Since(start); d != time.Second {
			w.t.Errorf("the next attempt came after %v", d)
		}
	}},
}

func TestUpdateAtOnce(t *testing.T) {
	var covered []string
	for _, tt := range updatesNow {
		covered = append(covered, tt.field)
		t.Run(tt.field+" "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(newWorld(t, tt.before)) })
		})
	}
	for _, f := range optionFields(t, "at once") {
		if !slices.Contains(covered, f) {
			t.Errorf("no row for %s", f)
		}
	}
}

// timeAcks publishes at QoS 1, and records when that ends and whether by AckTimeout.
func timeAcks(w *world, name string) {
	w.events.take()
	start := time.Now()
	w.client.PublishFunc(packet("t", name, 1), func(_ awsiot.PublishResult, err error) {
		w.events.add("%s %v %v", name, time.Since(start), errors.Is(err, awsiot.ErrAckTimeout))
	})
	synctest.Wait()
}

// keepAlive answers pings for d.
func keepAlive(p *peer, d time.Duration) {
	go func() {
		for v := p.next(); v != nil; v = p.next() {
			if _, ok := v.(*packets.Pingreq); ok {
				p.answer(v)
			}
		}
	}()
	pass(d)
}

func keepAll(rate float64) func(*awsiot.ClientOptions) {
	return func(o *awsiot.ClientOptions) {
		o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, DrainRate: rate}
	}
}

// queue publishes n messages at QoS 0, without a connection.
func queue(w *world, n int) {
	for i := range n {
		w.client.PublishFunc(packet("t", fmt.Sprint(i), 0), nil)
	}
}

// drainedAt takes n packets, and says when they came.
func drainedAt(p *peer, start time.Time, n int) (list []string) {
	for range n {
		list = append(list, fmt.Sprintf("%s %v", describe(p.next()), time.Since(start)))
	}
	return list
}

func refused(w *world, want error) {
	w.t.Helper()
	if err := w.client.PublishAsync(packet("t", "refused", 0)).Err(); !errors.Is(err, want) {
		w.t.Errorf("%v, want %v", err, want)
	}
}

// dialForever makes the first attempt hang in its Dialer.
func dialForever(o *awsiot.ClientOptions) {
	o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
}

// failsAfter starts the client, changes its options after a second of the first attempt, and wants that to fail when it
// is d old, with text in the error.
func failsAfter(w *world, text string, d time.Duration, change func(*awsiot.ClientOptions)) {
	w.t.Helper()
	start := time.Now()
	failed := make(chan string, 1)
	w.client.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) {
		select {
		case failed <- fmt.Sprintf("%v %v", time.Since(start), f.Err):
		default:
		}
	}})
	_ = w.client.Start()
	pass(time.Second)
	update(w, change)
	if got := <-failed; !strings.HasPrefix(got, d.String()+" ") || !strings.Contains(got, text) {
		w.t.Errorf("%s, want %v and %q", got, d, text)
	}
}

// slowRetry makes the first delay 60 s.
func slowRetry(o *awsiot.ClientOptions) {
	o.MinReconnectDelay, o.MaxReconnectDelay = time.Minute, time.Hour
}

// reconnectsAfter cuts the first connection, changes the options half a second later, and wants the next attempt d after
// the loss.
func reconnectsAfter(w *world, d time.Duration, change func(*awsiot.ClientOptions)) {
	w.t.Helper()
	w.start().cut()
	start := time.Now()
	pass(500 * time.Millisecond)
	update(w, change)
	w.raw()
	if got := time.Since(start); got != d {
		w.t.Errorf("after %v, want %v", got, d)
	}
}
