package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A callback panics: recovered, reported with its stack, the message is acknowledged, and the next
// one delivered (another SDK's thread is dead then).
func TestFaultCallbackPanics(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		log := newStateLog(t)
		n := e.client("c", func(o *awsiot.ClientOptions) { o.Logger = slog.New(log) }).up()
		handler := func(m *awsiot.Message) {
			if string(m.Payload) == "1" {
				panic("boom")
			}
			n.events.add("handled %s", m.Payload)
		}
		if _, err := n.Subscribe(within(time.Minute), filters(handler, "t")); err != nil {
			t.Fatal(err)
		}
		n.events.take()
		for i := range 3 {
			n.publish("t", fmt.Sprint(i))
		}
		synctest.Wait()
		equal(t, "handled", n.events.take(), []string{"handled 0", "handled 2"})
		equal(t, "received", n.got.take(), []string{"t=0", "t=1", "t=2"})
		if acks := n.sent(iotlocal.PUBACK); len(acks) != 3 {
			t.Errorf("%d PUBACKs", len(acks))
		}
		if l := log.matching("panic in a callback panic=boom"); len(l) != 1 || !strings.Contains(l[0], "faults_calls_test.go") {
			t.Errorf("log %q", l)
		}
	})
}

// A callback blocks for an hour: keep-alive and acknowledgements of others go on, memory is
// bounded by Receive Maximum: the broker keeps what comes meanwhile, and all of it arrives.
func TestFaultCallbackBlocks(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		release, first := make(chan bool), true
		n := e.client("c", func(o *awsiot.ClientOptions) {
			o.KeepAlive, o.ReceiveMaximum = time.Minute, 10
			o.OnPublishReceived = nil
		}).up()
		handler := func(m *awsiot.Message) {
			n.got.add("%s", m.Payload)
			if first {
				first = false
				<-release
			}
		}
		if _, err := n.Subscribe(within(time.Minute), filters(handler, "t")); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 1000 {
			if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: fmt.Append(nil, i), QoS: 1}); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(i))
		}
		pass(time.Hour)
		if in := n.recorded(iotlocal.ServerToClient, iotlocal.PUBLISH); len(in) != 10 {
			t.Errorf("%d messages were sent to a client that acknowledges none", len(in))
		}
		if pings := len(n.sent(iotlocal.PINGREQ)); pings < 55 || len(n.sent(iotlocal.CONNECT)) != 1 {
			t.Errorf("%d pings in an hour, %d connections", pings, len(n.sent(iotlocal.CONNECT)))
		}
		began := time.Now()
		n.publish("other", "x")
		if d := time.Since(began); d > time.Millisecond {
			t.Errorf("a publish took %v", d)
		}
		close(release)
		pass(time.Second)
		equal(t, "handled", n.got.take(), want)
	})
}

// A callback calls Publish, Subscribe, Unsubscribe, Stop, Start and Close (re-entrancy): no deadlock.
// (Every method in every callback: TestEveryMethodInEveryCallback.)
func TestFaultReentrancy(t *testing.T) {
	for _, serial := range []bool{false, true} {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.SerialCallbacks = serial }).up()
			ended := make(chan error, 2)
			ctx := context.Background()
			handler := func(m *awsiot.Message) {
				c := n.Client
				if string(m.Payload) == "close" {
					ended <- c.Close()
					return
				}
				var errs []error
				check := func(err error) { errs = append(errs, err) }
				_, err := c.Publish(ctx, packet("u", "from the handler", 1))
				check(err)
				_, err = c.Subscribe(ctx, filters(nil, "v"))
				check(err)
				_, err = c.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"v"}})
				check(err)
				check(c.Stop(ctx, nil))
				check(c.Start())
				_, err = c.AwaitConnected(ctx)
				check(err)
				_, err = c.Publish(ctx, packet("u", "again", 1))
				check(err)
				ended <- errors.Join(errs...)
			}
			if _, err := n.Subscribe(ctx, filters(handler, "t")); err != nil {
				t.Fatal(err)
			}
			for _, m := range []string{"all", "close"} {
				if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte(m), QoS: 0}); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-ended:
					if err != nil {
						t.Errorf("%s, serial %v: %v", m, serial, err)
					}
				case <-time.After(time.Hour):
					t.Fatalf("%s, serial %v: deadlock", m, serial)
				}
			}
			equal(t, "sent", payloads(n.sent(iotlocal.PUBLISH)), []string{"from the handler", "again"})
		})
	}
}

// Stop during each state (connecting, handshake, backoff, connected, draining), Stop twice, Start
// after Stop: Stop returns soon, what was pending ends with ErrStopped once, and the client works again.
func TestFaultStopInEveryState(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(e *onLocal, n *node)
		state awsiot.ConnectionState
	}{
		{"connecting", func(e *onLocal, n *node) { e.net.NextFaults(memnet.Faults{Hang: true}); _ = n.Start() }, awsiot.StateConnecting},
		{"handshake", func(e *onLocal, n *node) { e.srv.Faults().SilenceConnections(1); _ = n.Start() }, awsiot.StateConnecting},
		{"backoff", func(e *onLocal, n *node) { e.net.NextFaults(memnet.Faults{Refuse: true}); _ = n.Start() }, awsiot.StateBackoff},
		{"connected", func(_ *onLocal, n *node) { n.up() }, awsiot.StateConnected},
		{"connection just lost", func(e *onLocal, n *node) { n.up(); e.srv.Faults().Cut("c") }, awsiot.StateBackoff},
		{"half-open", func(_ *onLocal, n *node) { n.up(); n.conn.Load().Blackhole() }, awsiot.StateConnected},
		{"draining", func(_ *onLocal, n *node) {
			for range 100 {
				n.PublishFunc(packet("t", "drain", 1), nil)
			}
			n.up()
			pass(3 * time.Second)
		}, awsiot.StateConnected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) { o.OfflineQueue.DrainRate = 2 })
				lost := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
				tt.start(e, n)
				synctest.Wait()
				n.PublishFunc(packet("t", "pending", 1), n.events.done("pending"))
				synctest.Wait()
				if s := n.State(); s != tt.state {
					t.Fatalf("state %v", s)
				}
				began := time.Now()
				twice := make(chan error, 1)
				go func() { twice <- n.Stop(context.Background(), nil) }()
				if err := errors.Join(n.Stop(context.Background(), nil), <-twice, n.Stop(context.Background(), nil)); err != nil {
					t.Error(err)
				}
				if d := time.Since(began); d > 5*time.Second || n.State() != awsiot.StateStopped {
					t.Errorf("%v after %v", n.State(), d)
				}
				synctest.Wait()
				list := n.events.take()
				if want := `pending: awsiot: publish "t": ` + awsiot.ErrStopped.Error(); only(t, list, "pending: ") != want {
					t.Errorf("want %q", want)
				}
				only(t, list, "stopped")
				if s := n.Stats(); s.IncompleteOperationCount != 0 {
					t.Errorf("%+v", s)
				}
				lost.Remove()
				n.up().publish("t", "after")
			})
		})
	}
}

// Context cancelled while queued, in flight, after the PUBACK, and at the very moment of the
// PUBACK: exactly one outcome. What was queued is never sent.
func TestFaultContextCancelled(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-time.After(time.Second); cancel() }()
		if _, err := n.Publish(ctx, packet("t", "queued", 1)); !errors.Is(err, context.Canceled) || errors.Is(err, awsiot.ErrUnknownOutcome) {
			t.Errorf("queued: %v", err)
		}
		if _, err := n.Subscribe(ctx, filters(nil, "never")); !errors.Is(err, context.Canceled) || errors.Is(err, awsiot.ErrUnknownOutcome) {
			t.Errorf("subscribe queued: %v", err)
		}
		n.up()
		held := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Hold})
		for _, call := range []func(context.Context) error{
			func(ctx context.Context) error {
				_, err := n.Publish(ctx, packet("t", "in flight", 1))
				return err
			},
			func(ctx context.Context) error {
				_, err := n.Subscribe(ctx, filters(nil, "f"))
				return err
			},
		} {
			if err := call(within(time.Second)); !errors.Is(err, awsiot.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("in flight: %v", err)
			}
		}
		if s := n.Stats(); s.UnackedOperationCount != 2 {
			t.Errorf("in flight still: %+v", s)
		}
		held.Remove()
		synctest.Wait()
		if s := n.Stats(); s.IncompleteOperationCount != 0 {
			t.Errorf("acknowledged after the cancellation: %+v", s)
		}
		ctx, cancel = context.WithCancel(context.Background())
		_, err := n.Publish(ctx, packet("t", "after", 1))
		if cancel(); err != nil {
			t.Errorf("cancelled after the PUBACK: %v", err)
		}
		n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Delay, Delay: time.Second})
		outcomes := map[bool]int{}
		for range 100 {
			_, err := n.Publish(within(time.Second), packet("t", "race", 1))
			if err != nil && !errors.Is(err, awsiot.ErrUnknownOutcome) {
				t.Fatal(err)
			}
			outcomes[err == nil]++
			synctest.Wait()
			if s := n.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 {
				t.Fatalf("%v and %+v", err, s)
			}
		}
		t.Logf("at the moment of the PUBACK: %d acknowledged, %d unknown", outcomes[true], outcomes[false])
		sent := payloads(n.sent(iotlocal.PUBLISH))
		equal(t, "sent", sent[:3], []string{"in flight", "after", "race"})
		if len(sent) != 102 {
			t.Errorf("%d publishes", len(sent))
		}
	})
}
