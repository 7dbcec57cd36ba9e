package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The callback kinds: hook puts fn where it is called once when play runs.
var callbacks = []string{"OnAttemptingConnect", "OnConnectionSuccess", "OnConnectionFailure", "OnDisconnection", "OnStopped", "OnResubscribed",
	"Observer", "PublishFunc", "PublishFunc that fails", "OnDone", "OnDone of a future that has ended", "Subscription.Handler", "Handle", "OnPublishReceived"}

// stage makes a world in which fn runs in a callback of the kind once, and plays until it has begun.
func stage(t *testing.T, kind string, serial bool, logger *slog.Logger, fn func(w *world)) *world {
	var w *world
	begun := make(chan struct{})
	var called atomic.Bool
	once := func() {
		if called.CompareAndSwap(false, true) {
			close(begun)
			fn(w)
		}
	}
	refuse := kind == "OnConnectionFailure"
	handler := func(*awsiot.Message) { once() }
	w = newWorld(t, func(o *awsiot.ClientOptions) {
		o.SerialCallbacks, o.Logger = serial, logger
		switch kind {
		case "OnAttemptingConnect":
			o.OnAttemptingConnect = func(*awsiot.AttemptingConnect) { once() }
		case "OnConnectionSuccess":
			o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { once() }
		case "OnConnectionFailure":
			o.OnConnectionFailure = func(*awsiot.ConnectionFailure) { once() }
		case "OnDisconnection":
			o.OnDisconnection = func(*awsiot.Disconnection) { once() }
		case "OnStopped":
			o.OnStopped = func(*awsiot.Stopped) { once() }
		case "OnResubscribed":
			o.OnResubscribed = func(*awsiot.Resubscribed) { once() }
		case "OnPublishReceived":
			o.OnPublishReceived = handler
		}
	})
	var first atomic.Bool
	w.serve(func(_ *packets.Connect, a *packets.Connack) {
		if refuse && first.CompareAndSwap(false, true) {
			a.ReasonCode = 0x88
		}
	}, func(p *peer, v packets.Packet) {
		p.answer(v)
		if q, ok := v.(*packets.Publish); ok && strings.HasPrefix(q.Topic, "echo") {
			p.reply(publish(q.Topic, string(q.Payload), 1+q.PacketID))
		}
	})
	start := func() {
		if err := w.client.StartAndWait(context.Background()); err != nil {
			t.Error(err)
		}
	}
	echo := func() { w.client.PublishFunc(packet("echo", "x", 1), nil) }
	switch kind {
	case "Observer":
		w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { once() }})
		_ = w.client.Start()
	case "PublishFunc":
		start()
		w.client.PublishFunc(packet("t", "x", 1), func(awsiot.PublishResult, error) { once() })
	case "PublishFunc that fails":
		start()
		w.client.PublishFunc(packet("#", "x", 1), func(awsiot.PublishResult, error) { once() })
	case "OnDone":
		start()
		w.client.PublishAsync(packet("t", "x", 1)).OnDone(func(awsiot.PublishResult, error) { once() })
	case "OnDone of a future that has ended":
		start()
		w.client.PublishAsync(packet("", "x", 1)).OnDone(func(awsiot.PublishResult, error) { once() })
	case "Subscription.Handler":
		start()
		w.client.SubscribeAsync(filters(handler, "echo"))
		echo()
	case "Handle":
		start()
		w.client.Handle("echo", handler)
		echo()
	case "OnPublishReceived":
		start()
		echo()
	case "OnResubscribed":
		start()
		if _, err := w.client.Subscribe(context.Background(), filters(nil, "f")); err != nil {
			t.Error(err)
		}
		w.net.CutAll()
	case "OnDisconnection":
		start()
		w.net.CutAll()
	case "OnStopped":
		start()
		_ = w.client.Stop(context.Background(), nil)
	default:
		_ = w.client.Start()
	}
	<-begun
	return w
}

// Promise: any call is legal in a callback, Stop and Close included; neither waits for
// the callback it is called from.
func TestEveryMethodInEveryCallback(t *testing.T) {
	ctx := context.Background()
	methods := map[string]func(c *awsiot.Client){
		"Start":          func(c *awsiot.Client) { _ = c.Start() },
		"StartAndWait":   func(c *awsiot.Client) { _ = c.StartAndWait(ctx) },
		"AwaitConnected": func(c *awsiot.Client) { _, _ = c.AwaitConnected(ctx) },
		"Stop":           func(c *awsiot.Client) { _ = c.Stop(ctx, nil) },
		"Stop and Start": func(c *awsiot.Client) { _ = c.Stop(ctx, nil); _ = c.StartAndWait(ctx) },
		"Close":          func(c *awsiot.Client) { _ = c.Close() },
		"Close twice":    func(c *awsiot.Client) { _ = c.Close(); _ = c.Close() },
		"Abort":          func(c *awsiot.Client) { c.Abort() },
		"Drain":          func(c *awsiot.Client) { _ = c.Drain(within(time.Minute)) },
		"State, Stats":   func(c *awsiot.Client) { c.State(); c.Stats() },
		"Publish QoS 0":  func(c *awsiot.Client) { _, _ = c.Publish(ctx, packet("t", "x", 0)) },
		"Publish QoS 1":  func(c *awsiot.Client) { _, _ = c.Publish(within(time.Minute), packet("t", "x", 1)) },
		"PublishFunc":    func(c *awsiot.Client) { c.PublishFunc(packet("t", "x", 1), func(awsiot.PublishResult, error) {}) },
		"PublishAsync":   func(c *awsiot.Client) { _, _ = c.PublishAsync(packet("t", "x", 1)).Wait(within(time.Minute)) },
		"Subscribe":      func(c *awsiot.Client) { _, _ = c.Subscribe(within(time.Minute), filters(nil, "f")) },
		"Unsubscribe": func(c *awsiot.Client) {
			_, _ = c.Unsubscribe(within(time.Minute), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		},
		"Handle":  func(c *awsiot.Client) { c.Handle("f", func(*awsiot.Message) {})() },
		"Observe": func(c *awsiot.Client) { c.Observe(awsiot.Observer{})() },
		"Messages": func(c *awsiot.Client) {
			for range c.Messages(within(time.Second), filters(nil, "f")) {
			}
		},
	}
	for _, kind := range callbacks {
		for name, method := range methods {
			for _, serial := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s in %s, serial %v", name, kind, serial), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						returned := make(chan struct{})
						w := stage(t, kind, serial, nil, func(w *world) {
							defer close(returned)
							method(w.client)
						})
						select {
						case <-returned:
						case <-time.After(10 * time.Minute):
							t.Fatal("does not return")
						}
						_ = w.client.Close()
						<-w.client.Done()
						if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 {
							t.Errorf("%+v", s)
						}
					})
				})
			}
		}
	}
}

// A panic in any callback is recovered and logged with its stack, and the next callback comes.
func TestPanicInEveryCallback(t *testing.T) {
	for _, kind := range callbacks {
		for _, how := range []string{"panic", "Goexit"} {
			t.Run(kind+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := newStateLog(t)
					w := stage(t, kind, false, slog.New(log), func(*world) {
						if how == "panic" {
							panic("boom in " + kind)
						}
						runtime.Goexit()
					})
					_ = w.client.Start()
					if _, err := w.client.AwaitConnected(t.Context()); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					w.events.take()
					got := make(chan string, 9)
					w.client.Handle("echo2", func(m *awsiot.Message) { got <- "message" })
					w.client.PublishFunc(packet("echo2", "x", 1), func(awsiot.PublishResult, error) { got <- "event" })
					a, b := <-got, <-got
					if a == b {
						t.Errorf("%s twice", a)
					}
					logs := log.matching("boom in " + kind)
					if want := how == "panic"; len(logs) == 1 != want || want && (!strings.HasPrefix(logs[0], "ERROR") || !strings.Contains(logs[0], "close_test.go")) {
						t.Errorf("log: %q", logs)
					}
					if n := w.client.Stats().CallbackPanics; (n == 1) != (how == "panic") {
						t.Errorf("%d panics are counted", n)
					}
				})
			})
		}
	}
}

// A QoS 1 message whose handler panicked or called Goexit is acknowledged: its place in the
// window of ReceiveMaximum is not lost.
func TestAckAfterPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.ReceiveMaximum = 1 })
		n := 0
		w.client.Handle("#", func(*awsiot.Message) {
			switch n++; n {
			case 1:
				panic("boom")
			case 2:
				runtime.Goexit()
			}
		})
		p := w.start()
		for i := range uint16(4) {
			p.send(publish("t", "x", i+1))
			_ = p.conn.SetReadDeadline(time.Now().Add(time.Second))
			if a := expect[*packets.Puback](p); a.PacketID != i+1 {
				t.Errorf("PUBACK %d", a.PacketID)
			}
		}
	})
}

// No callback begins after Close has returned, and every operation has completed once, with ErrClosed.
func TestCloseIsTheEnd(t *testing.T) {
	for _, serial := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks = serial; o.MaxInflight = 50 })
			var closed atomic.Bool
			var late, messages, ends, wrong atomic.Int64
			note := func(n *atomic.Int64) {
				if closed.Load() {
					late.Add(1)
				}
				n.Add(1)
			}
			w.client.Handle("#", func(*awsiot.Message) { note(&messages); <-time.After(time.Second) })
			w.client.Observe(awsiot.Observer{OnStopped: func(*awsiot.Stopped) { note(new(atomic.Int64)); <-time.After(time.Second) }})
			p := w.start()
			go func() {
				for p.next() != nil {
				}
			}()
			for i := range uint16(100) {
				w.client.PublishFunc(packet("t", "x", 1), func(_ awsiot.PublishResult, err error) {
					note(&ends)
					if !errors.Is(err, awsiot.ErrClosed) {
						wrong.Add(1)
					}
				})
				p.send(publish("t", "x", i+1))
			}
			pass(5500 * time.Millisecond)
			_ = w.client.Close()
			closed.Store(true)
			p.reply(publish("t", "x", 0))
			pass(time.Hour)
			if late.Load() > 0 || ends.Load() != 100 || wrong.Load() > 0 || messages.Load() > 8 {
				t.Errorf("serial %v: %d callbacks began after Close, %d completions, %d without ErrClosed, %d messages", serial, late.Load(), ends.Load(), wrong.Load(), messages.Load())
			}
			select {
			case <-w.client.Done():
			default:
				t.Error("Done is not closed")
			}
			for name, err := range map[string]error{
				"Start": w.client.Start(), "StartAndWait": w.client.StartAndWait(t.Context()), "PublishAsync": w.client.PublishAsync(packet("t", "x", 0)).Err(),
				"SubscribeAsync":   w.client.SubscribeAsync(filters(nil, "f")).Err(),
				"UnsubscribeAsync": w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}).Err(),
			} {
				if !errors.Is(err, awsiot.ErrClosed) {
					t.Errorf("%s after Close: %v", name, err)
				}
			}
			if _, err := w.client.Publish(t.Context(), packet("t", "x", 1)); !errors.Is(err, awsiot.ErrClosed) {
				t.Errorf("Publish after Close: %v", err)
			}
		})
	}
}

// Done waits for the callback that is running; Close, called elsewhere, does so too.
func TestDoneWaitsForCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.client.Handle("#", func(*awsiot.Message) { <-time.After(time.Hour) })
		p := w.start()
		go p.take(2)
		p.send(publish("t", "x", 0))
		synctest.Wait()
		start := time.Now()
		_ = w.client.Close()
		<-w.client.Done()
		if d := time.Since(start); d < time.Hour {
			t.Errorf("after %v", d)
		}
	})
}

// Two callbacks, one in each lane, that close the client at the same time do not wait for each other.
func TestCloseInBothLanes(t *testing.T) {
	for _, first := range []string{"message", "event"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			delay := map[string]time.Duration{first: 0}
			for _, l := range []string{"message", "event"} {
				if l != first {
					delay[l] = time.Second
				}
			}
			w.client.Handle("#", func(*awsiot.Message) { <-time.After(time.Second + delay["message"]); _ = w.client.Close() })
			p := w.start()
			go func() {
				for p.next() != nil {
				}
			}()
			w.client.PublishAsync(packet("", "", 0)).OnDone(func(awsiot.PublishResult, error) {
				<-time.After(time.Second + delay["event"])
				_ = w.client.Close()
			})
			p.send(publish("t", "x", 0))
			select {
			case <-w.client.Done():
			case <-time.After(time.Hour):
				t.Fatal("deadlock: each Close waits for the callback of the other")
			}
		})
	}
}
