package awsiot_test

// StartAndWait, AwaitConnected, Stop, Abort and Drain return when the callbacks of what they report have returned, and do not
// wait for ever.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// lateLines returns the Warn lines about callbacks that have not returned.
func lateLines(h *stateLog) (lines []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.logs {
		if strings.Contains(l, "callbacks have not returned") {
			lines = append(lines, l)
		}
	}
	return lines
}

// starters and enders are the calls that wait.
var (
	starters = map[string]func(*awsiot.Client, context.Context) error{
		"StartAndWait": (*awsiot.Client).StartAndWait,
		"AwaitConnected": func(c *awsiot.Client, ctx context.Context) error {
			if err := c.Start(); err != nil {
				return err
			}
			_, err := c.AwaitConnected(ctx)
			return err
		},
	}
	enders = map[string]func(*awsiot.Client, context.Context) error{
		"Stop":  func(c *awsiot.Client, ctx context.Context) error { return c.Stop(ctx, nil) },
		"Abort": func(c *awsiot.Client, _ context.Context) error { c.Abort(); return nil },
		"Drain": (*awsiot.Client).Drain,
	}
)

// Slow hooks have returned, those of ClientOptions and of observers, every time.
func TestEventsAreDelivered(t *testing.T) {
	for start, begin := range starters {
		for stop, end := range enders {
			t.Run(start+" "+stop, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log recorder
					slow := func(name string) { <-time.After(100 * time.Millisecond); log.add("%s", name) }
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { slow("online") }
						o.OnDisconnection = func(*awsiot.Disconnection) { slow("offline") }
					})
					w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { slow("observed") },
						OnStopped: func(*awsiot.Stopped) { slow("stopped") }})
					w.serve(nil, nil)
					for i := range 40 {
						if err := begin(w.client, t.Context()); err != nil {
							t.Fatal(err)
						}
						equal(t, fmt.Sprint("connected ", i), log.take(), []string{"online", "observed"})
						if err := end(w.client, t.Context()); err != nil {
							t.Fatal(err)
						}
						equal(t, fmt.Sprint("stopped ", i), log.take(), []string{"offline", "stopped"})
					}
				})
			})
		}
	}
}

// The same without a bubble, with the machine's own schedule.
func TestEventsAreDeliveredOverSockets(t *testing.T) {
	var log recorder
	options, stop := local("delivered")
	defer stop()
	options.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { log.add("online") }
	options.OnStopped = func(*awsiot.Stopped) { log.add("stopped") }
	c := awsiot.NewClient(options)
	defer func() { _ = c.Close(); <-c.Done() }()
	for range 40 {
		if err := c.StartAndWait(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "connected", log.take(), []string{"online"})
		if err := c.Stop(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		equal(t, "stopped", log.take(), []string{"stopped"})
	}
}

// A connection that is there has been there for longer than its hook takes: AwaitConnected and StartAndWait wait for that, too.
func TestDeliveryOfAConnectionThatIsThere(t *testing.T) {
	for name, call := range starters {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { <-time.After(3 * time.Second) }
			})
			w.start()
			pass(time.Second)
			for _, want := range []time.Duration{2 * time.Second, 0} {
				began := time.Now()
				if err := call(w.client, t.Context()); err != nil || time.Since(began) != want {
					t.Errorf("%s: %v after %v, want %v", name, err, time.Since(began), want)
				}
			}
		})
	}
}

// After a failure the client is stopped, and all hooks of that have returned.
func TestEventsOfAFailureAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.client.Observe(awsiot.Observer{OnStopped: func(*awsiot.Stopped) { <-time.After(time.Second); w.events.add("slow hook") }})
		w.serve(func(_ *packets.Connect, a *packets.Connack) { a.ReasonCode = 0x87 }, nil)
		err := w.client.StartAndWait(t.Context())
		if code, ok := awsiot.ReasonOf(err); !ok || code != awsiot.ReasonNotAuthorized {
			t.Error(err)
		}
		if l := w.events.take(); len(l) != 4 || l[3] != "slow hook" {
			t.Errorf("%q", l)
		}
	})
}

// A hook that does not return in time delays the call by ConnackTimeout, or until ctx ends, and changes no result; it is one
// line in the log.
func TestLateHook(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ctx     time.Duration // 0: none
		waits   time.Duration
		release bool // of the hook, before ctx ends
	}{
		{"ConnackTimeout", 0, 7 * time.Second, false},
		{"a longer ctx", time.Minute, 7 * time.Second, false},
		{"a shorter ctx", 2 * time.Second, 2 * time.Second, false},
		{"in time", 0, 3 * time.Second, true},
	} {
		for start, begin := range starters {
			for stop, end := range enders {
				t.Run(tt.name+" "+start+" "+stop, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						log := newStateLog(t)
						w := newWorld(t, func(o *awsiot.ClientOptions) { o.ConnackTimeout, o.Logger = 7*time.Second, slog.New(log) })
						w.serve(nil, nil)
						var gate chan struct{}
						block := func() { <-gate }
						w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { block() }, OnDisconnection: func(*awsiot.Disconnection) { block() }})
						check := func(what string, call func(*awsiot.Client, context.Context) error) {
							t.Helper()
							gate = make(chan struct{})
							open := sync.OnceFunc(func() { close(gate) })
							ctx, waits := context.Background(), tt.waits
							if tt.ctx > 0 {
								ctx = within(tt.ctx)
							}
							if what == "Abort" && tt.ctx > 0 { // it has no context
								waits = 7 * time.Second
							}
							if tt.release {
								time.AfterFunc(tt.waits, open)
							}
							began, lines := time.Now(), len(lateLines(log))
							if err := call(w.client, ctx); err != nil {
								t.Errorf("%s: %v", what, err)
							}
							if d := time.Since(began); d != waits {
								t.Errorf("%s: %v, want %v", what, d, waits)
							}
							if n := len(lateLines(log)) - lines; n != 1 && !tt.release || n != 0 && tt.release {
								t.Errorf("%s: %d lines", what, n)
							}
							open()
							synctest.Wait()
						}
						check(start, begin)
						check(stop, end)
					})
				})
			}
		}
	}
}

// A hook that wants the lock that its caller holds gets it when the call has returned.
func TestHookWantsTheCallersLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locked := make(chan struct{}, 1) // a lock that a bubble can see
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			hook := func() { locked <- struct{}{}; <-locked }
			o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { hook() }
			o.OnStopped = func(*awsiot.Stopped) { hook() }
		})
		w.serve(nil, nil)
		for range 2 {
			locked <- struct{}{}
			if err := w.client.StartAndWait(t.Context()); err != nil {
				t.Error(err)
			}
			<-locked
			synctest.Wait()
			locked <- struct{}{}
			if err := w.client.Stop(t.Context(), nil); err != nil {
				t.Error(err)
			}
			<-locked
			synctest.Wait()
		}
	})
}

// A callback that waits for a goroutine that calls Stop: Stop goes on without it.
func TestCallbackWaitsForAStopElsewhere(t *testing.T) {
	for _, serial := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks, o.ConnackTimeout = serial, 5*time.Second })
			w.serve(nil, nil)
			stopped := make(chan error)
			w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) {
				beside := make(chan error)
				go func() { beside <- w.client.Stop(context.Background(), nil) }()
				stopped <- <-beside
			}})
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := <-stopped; err != nil || time.Since(began) != 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			synctest.Wait()
			if l := w.events.take(); l[len(l)-1] != "stopped" {
				t.Errorf("%q", l)
			}
		})
	}
}

// With SerialCallbacks a message handler that hangs delays the events, but Stop and StartAndWait by ConnackTimeout only; without,
// not at all.
func TestDeliveryBehindAMessageHandler(t *testing.T) {
	for serial, want := range map[bool]time.Duration{true: 5 * time.Second, false: 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks, o.ConnackTimeout = serial, 5*time.Second })
			w.serve(nil, func(p *peer, v packets.Packet) {
				p.answer(v)
				p.reply(publish("t", "x", 0))
			})
			handling, release := make(chan struct{}), make(chan struct{})
			w.client.Handle("t", func(*awsiot.Message) { close(handling); <-release })
			if err := w.client.StartAndWait(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.client.PublishFunc(packet("u", "x", 0), nil)
			<-handling
			began := time.Now()
			if err := w.client.Stop(t.Context(), nil); err != nil || time.Since(began) != want {
				t.Errorf("serial %v: Stop: %v after %v", serial, err, time.Since(began))
			}
			began = time.Now()
			if err := w.client.StartAndWait(t.Context()); err != nil || time.Since(began) != want {
				t.Errorf("serial %v: StartAndWait: %v after %v", serial, err, time.Since(began))
			}
			close(release)
		})
	}
}

// Inside a callback of either lane no call waits for other callbacks, not even for those of the other lane.
func TestNoDeliveryInsideCallbacks(t *testing.T) {
	for _, lane := range []string{"message", "event"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.serve(nil, func(p *peer, v packets.Packet) {
				p.answer(v)
				p.reply(publish("t", "x", 0))
			})
			hold, done := make(chan struct{}), make(chan struct{})
			run := func() {
				defer close(done)
				began := time.Now()
				for range 3 {
					if err := errors.Join(w.client.Stop(t.Context(), nil), w.client.StartAndWait(t.Context())); err != nil {
						t.Error(err)
					}
					if _, err := w.client.AwaitConnected(t.Context()); err != nil {
						t.Error(err)
					}
				}
				w.client.Abort()
				_ = w.client.Drain(t.Context())
				if d := time.Since(began); d != 0 {
					t.Errorf("in a callback of a %s: it took %v", lane, d)
				}
			}
			inEvent := func() {
				if lane == "event" {
					run()
				} else {
					<-hold
				}
			}
			w.client.Handle("t", func(*awsiot.Message) {
				if lane == "message" {
					run()
				}
			})
			if err := w.client.StartAndWait(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.client.PublishFunc(packet("u", "x", 0), func(awsiot.PublishResult, error) { inEvent() })
			<-done
			close(hold)
		})
	}
}

// Close ends the wait of other calls, and none of them is late then.
func TestCloseEndsTheWaitForDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newStateLog(t)
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger = slog.New(log) })
		w.serve(nil, nil)
		release := make(chan struct{})
		w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { <-release }})
		returned := make(chan error)
		go func() { returned <- w.client.StartAndWait(t.Context()) }()
		synctest.Wait()
		go w.client.Close()
		if err := <-returned; err != nil || len(lateLines(log)) > 0 {
			t.Errorf("%v, %q", err, lateLines(log))
		}
		close(release)
	})
}
