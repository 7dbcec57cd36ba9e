package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

var policies = []awsiot.OfflineQueueBehavior{awsiot.FailQoS0, awsiot.FailNonQoS1, awsiot.FailAll, awsiot.KeepAll}

// submit starts one operation by the name of its kind, and records its end.
func submit(w *world, kind string) {
	end := func(err error) {
		switch {
		case err == nil:
			w.events.add("%s ok", kind)
		case errors.Is(err, awsiot.ErrOffline):
			w.events.add("%s offline", kind)
		default:
			w.events.add("%s %v", kind, err)
		}
	}
	switch kind {
	case "q0", "q1":
		w.client.PublishFunc(packet("t", kind, awsiot.QoS(kind[1]-'0')), func(_ awsiot.PublishResult, err error) { end(err) })
	case "sub":
		w.client.SubscribeAsync(filters(nil, "f")).OnDone(func(_ *awsiot.SubackPacket, err error) { end(err) })
	case "unsub":
		w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"g"}}).OnDone(func(_ *awsiot.UnsubackPacket, err error) { end(err) })
	}
}

// kindOf is the name that submit has for a received packet.
func kindOf(v packets.Packet) string {
	switch v := v.(type) {
	case *packets.Publish:
		return string(v.Payload)
	case *packets.Subscribe:
		return "sub"
	case *packets.Unsubscribe:
		return "unsub"
	}
	return fmt.Sprintf("%T", v)
}

// drained answers everything that the client sends within a second, and returns the kinds in order.
func drained(p *peer) (kinds []string) {
	for {
		_ = p.conn.SetReadDeadline(time.Now().Add(time.Second))
		v := p.next()
		if v == nil {
			break
		}
		kinds = append(kinds, kindOf(v))
		p.answer(v)
	}
	_ = p.conn.SetReadDeadline(time.Time{})
	return kinds
}

// The table of queue policies, row by row, plus KeepAll. Cases of aws-c-mqtt's tests, group "offline": offline_operation_submission_fail_{all,
// qos0,non_qos1} and _then_connect (what was kept is sent), and "operation queue": disconnect_fail_*,
// reconnect_rejoin_session_*, reconnect_no_session_*, processing_nothing_{empty_queue,mqtt_connect} (while connecting
// nothing but CONNECT is sent).
func TestOfflineQueuePolicy(t *testing.T) {
	keepers := map[awsiot.OfflineQueueBehavior][]string{
		awsiot.FailQoS0: {"q1", "sub", "unsub"}, awsiot.FailNonQoS1: {"q1"}, awsiot.FailAll: nil, awsiot.KeepAll: {"q0", "q1", "sub", "unsub"},
	}
	kinds := []string{"q0", "q1", "sub", "unsub"}
	submitAll := func(w *world) {
		for _, k := range kinds {
			submit(w, k)
		}
		synctest.Wait()
	}
	noResubscribe := func(b awsiot.OfflineQueueBehavior) func(*awsiot.ClientOptions) {
		return func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.OfflineQueue.Behavior = b
			o.Resubscribe.When = awsiot.ResubscribeNever
		}
	}
	for _, tt := range []struct {
		name  string
		sent  []string // of kinds: what is on the wire when the connection is lost
		until func(w *world) *peer
		kept  func(keep []string) []string // in the order in which they are sent
	}{
		{"submitted before Start", nil, func(w *world) *peer { submitAll(w); return w.start() }, nil},
		{"submitted while connecting", nil, func(w *world) *peer {
			_ = w.client.Start()
			p := w.raw()
			submitAll(w)
			p.next()
			p.send(&packets.Connack{Properties: &packets.Properties{}})
			return p
		}, nil},
		{"submitted in backoff", nil, func(w *world) *peer {
			w.start().cut()
			synctest.Wait()
			submitAll(w)
			p, _ := w.accept(sessionPresent())
			return p
		}, nil},
		{"a failed attempt does not change the queue", nil, func(w *world) *peer {
			w.start().cut()
			synctest.Wait()
			submitAll(w)
			w.accept(func(a *packets.Connack) { a.ReasonCode = 0x88 })
			p, _ := w.accept(sessionPresent())
			return p
		}, nil},
		{"queued behind the receive maximum, connection lost", nil, func(w *world) *peer {
			_ = w.client.Start()
			one := func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) }
			p, _ := w.accept(one)
			submit(w, "q1")
			p.take(1)
			submit(w, "q1")
			submitAll(w)
			p.cut()
			p, _ = w.accept(sessionPresent())
			return p
		}, func(keep []string) []string {
			if slices.Contains(keep, "q1") {
				return append([]string{"q1", "q1"}, keep...)
			}
			return []string{"q1"} // was sent, is kept by every policy
		}},
		{"unacknowledged, connection lost, session present", nil, func(w *world) *peer {
			p := w.start()
			submitAll(w)
			p.take(4)
			p.cut()
			p, _ = w.accept(sessionPresent())
			return p
		}, func(keep []string) []string {
			return append([]string{"q1"}, slices.DeleteFunc(slices.Clone(keep), func(k string) bool { return k[0] == 'q' })...)
		}},
		{"unacknowledged, connection lost, no session", nil, func(w *world) *peer {
			p := w.start()
			submitAll(w)
			p.take(4)
			p.cut()
			p, _ = w.accept(nil)
			return p
		}, func(keep []string) []string { // the QoS 0 publish was written: done
			return slices.DeleteFunc(slices.Clone(keep), func(k string) bool { return k == "q0" })
		}},
	} {
		for _, policy := range policies {
			t.Run(tt.name+", "+policy.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, noResubscribe(policy))
					p := tt.until(w)
					got := drained(p)
					want := keepers[policy]
					if tt.kept != nil {
						want = tt.kept(want)
					}
					equal(t, "sent", got, want)
					synctest.Wait()
					ends := map[string]int{}
					for _, e := range w.events.take() {
						if !strings.ContainsAny(e, ":") && strings.Contains(e, " ") {
							ends[e]++
						}
					}
					for _, k := range kinds {
						if ends[k+" ok"]+ends[k+" offline"] == 0 {
							t.Errorf("%s has not ended: %v", k, ends)
						}
						if kept := slices.Contains(want, k); !kept && k != "q0" && ends[k+" offline"] != 1 {
							t.Errorf("%s: not kept, and ended with %v", k, ends)
						}
					}
					if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 || s.UnackedOperationCount != 0 {
						t.Errorf("%+v", s)
					}
				})
			})
		}
	}
}

// OfflineQueue.MaxOperations: 0 no limit, n the limit, negative nothing is queued. RejectNew.
func TestMaxOperations(t *testing.T) {
	for _, tt := range []struct {
		max  int
		kept int
		want error
	}{{0, 5, nil}, {3, 3, awsiot.ErrQueueFull}, {1, 1, awsiot.ErrQueueFull}, {-1, 0, awsiot.ErrOffline}, {-7, 0, awsiot.ErrOffline}} {
		t.Run(fmt.Sprint(tt.max), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxOperations: tt.max}
				})
				for i := range 5 {
					f := w.client.PublishAsync(packet("t", fmt.Sprint(i), awsiot.QoS(i%2)))
					_, err := f.Result() // known at the call
					switch {
					case i < tt.kept:
						if !errors.Is(err, awsiot.ErrPending) || !f.Queued() {
							t.Errorf("%d: %v, queued %v", i, err, f.Queued())
						}
					case !errors.Is(err, tt.want) || f.Queued():
						t.Errorf("%d: %v, want %v", i, err, tt.want)
					}
				}
				if _, err := w.client.Subscribe(within(time.Second), filters(nil, "f")); tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("Subscribe: %v", err)
				}
				if _, err := w.client.Unsubscribe(within(time.Second), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}); tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("Unsubscribe: %v", err)
				}
				p := w.start()
				var want []string
				for i := range tt.kept {
					want = append(want, fmt.Sprint(i))
				}
				equal(t, "sent", drained(p), want)
				// connected: the queue does not matter, whatever its size
				w.client.PublishFunc(packet("t", "now", 1), nil)
				equal(t, "connected", drained(p), []string{"now"})
			})
		})
	}
}

// DropOldest ends the oldest with ErrDropped, oldest first, and keeps the order of the others.
func TestDropOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 3, WhenFull: awsiot.DropOldest}
		})
		for i := range 6 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), w.events.done(fmt.Sprint(i)))
		}
		synctest.Wait()
		equal(t, "dropped", w.events.take(), []string{`0: awsiot: publish "t": dropped from the full queue`,
			`1: awsiot: publish "t": dropped from the full queue`, `2: awsiot: publish "t": dropped from the full queue`})
		if s := w.client.Stats(); s.IncompleteOperationCount != 3 {
			t.Errorf("%+v", s)
		}
		equal(t, "sent", drained(w.start()), []string{"3", "4", "5"})
	})
}

// A message that was sent is never dropped for a new one: it would be lost at QoS 1 [MQTT5-4.4.0-1].
func TestDropOldestSparesSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 2, WhenFull: awsiot.DropOldest}
		})
		p := w.start()
		for _, s := range []string{"sent1", "sent2"} {
			w.client.PublishFunc(packet("t", s, 1), w.events.done(s))
		}
		p.take(2)
		p.cut()
		synctest.Wait()
		w.events.take()
		w.client.PublishFunc(packet("t", "new", 1), w.events.done("new"))
		synctest.Wait()
		equal(t, "refused", w.events.take(), []string{`new: awsiot: publish "t": queue full`})
		p, _ = w.accept(sessionPresent())
		equal(t, "sent again", drained(p), []string{"sent1", "sent2"})
	})
}

// MaxBytes counts the encoded packets; one that is larger than the whole limit is refused and drops nothing.
func TestMaxBytes(t *testing.T) {
	const each = 2 + 2 + 1 + 2 + 1 + 10 // head, topic, id, properties, payload
	payload := "0123456789"
	for _, full := range []awsiot.FullBehavior{awsiot.RejectNew, awsiot.DropOldest} {
		t.Run(full.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.OfflineQueue = awsiot.OfflineQueue{MaxBytes: 3*each - 1, WhenFull: full}
				})
				huge := w.client.PublishAsync(packet("t", strings.Repeat("x", 100), 1))
				if _, err := huge.Result(); !errors.Is(err, awsiot.ErrQueueFull) {
					t.Errorf("larger than the queue: %v", err)
				}
				var fs []*awsiot.Future[awsiot.PublishResult]
				for range 3 {
					fs = append(fs, w.client.PublishAsync(packet("t", payload, 1)))
				}
				if _, err := w.client.PublishAsync(packet("t", strings.Repeat("x", 100), 1)).Result(); !errors.Is(err, awsiot.ErrQueueFull) {
					t.Errorf("larger than the queue: %v", err)
				}
				want := []error{awsiot.ErrPending, awsiot.ErrPending, awsiot.ErrQueueFull}
				if full == awsiot.DropOldest {
					want = []error{awsiot.ErrDropped, awsiot.ErrPending, awsiot.ErrPending}
				}
				for i, f := range fs {
					if _, err := f.Result(); !errors.Is(err, want[i]) {
						t.Errorf("%d: %v, want %v", i, err, want[i])
					}
				}
				if s := w.client.Stats(); s.IncompleteOperationSize != 2*each {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// Block waits for room, in every kind of call, until ctx, Stop or Close end the wait.
func TestBlock(t *testing.T) {
	block := func(o *awsiot.ClientOptions) {
		o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 1, WhenFull: awsiot.Block}
	}
	t.Run("ctx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, block)
			w.client.PublishFunc(packet("t", "first", 1), nil)
			calls := map[string]func(context.Context) error{
				"publish": func(ctx context.Context) error {
					_, err := w.client.Publish(ctx, packet("t", "late", 1))
					return err
				},
				"subscribe": func(ctx context.Context) error { _, err := w.client.Subscribe(ctx, filters(nil, "f")); return err },
				"unsubscribe": func(ctx context.Context) error {
					_, err := w.client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
					return err
				},
			}
			for name, call := range calls {
				start := time.Now()
				err := call(within(7 * time.Second))
				if d := time.Since(start); d != 7*time.Second || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, awsiot.ErrUnknownOutcome) {
					t.Errorf("%s: %v after %v", name, err, d)
				}
			}
			equal(t, "sent", drained(w.start()), []string{"first"})
		})
	})
	t.Run("room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, block)
			got := make(chan error, 3)
			for i := range 4 {
				go func() {
					w.client.PublishFunc(packet("t", "m", 1), func(_ awsiot.PublishResult, err error) { got <- err })
				}()
				if i == 0 {
					synctest.Wait()
				}
			}
			pass(time.Minute)
			if s := w.client.Stats(); s.IncompleteOperationCount != 1 {
				t.Errorf("%+v", s)
			}
			equal(t, "sent", drained(w.start()), []string{"m", "m", "m", "m"})
			for range 4 {
				if err := <-got; err != nil {
					t.Error(err)
				}
			}
		})
	})
	t.Run("Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, block)
			w.client.PublishFunc(packet("t", "first", 1), nil)
			got := make(chan error)
			go func() { _, err := w.client.Publish(t.Context(), packet("t", "second", 1)); got <- err }()
			synctest.Wait()
			_ = w.client.Close()
			if err := <-got; !errors.Is(err, awsiot.ErrClosed) {
				t.Error(err)
			}
		})
	})
}

// The limit also bounds what waits on a connection for the Receive Maximum.
func TestLimitOnConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.MaxInflight = 1; o.OfflineQueue.MaxOperations = 2 })
		p := w.start()
		for i := range 5 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), w.events.done(fmt.Sprint(i)))
		}
		equal(t, "sent", drained(p), []string{"0", "1", "2"})
		synctest.Wait()
		equal(t, "ends", w.events.take()[2:], []string{`3: awsiot: publish "t": queue full`, `4: awsiot: publish "t": queue full`,
			"0: <nil>", "1: <nil>", "2: <nil>"})
	})
}

// DrainRate spaces what waited for a connection, and what is submitted meanwhile goes behind
// it; once the queue is empty everything goes at once. Loss while draining: the rest keeps waiting.
func TestDrainRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, DrainRate: 2}
		})
		for i := range 4 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), awsiot.QoS(i%2)), nil)
		}
		times := func(p *peer, n int) (list []string) {
			start := time.Now()
			for range n {
				v := p.next()
				list = append(list, fmt.Sprintf("%s %v", kindOf(v), time.Since(start)))
				p.answer(v)
			}
			synctest.Wait()
			return list
		}
		p := w.start()
		equal(t, "first connection", times(p, 2), []string{"0 0s", "1 500ms"})
		p.cut()
		p, _ = w.accept(nil)
		w.client.PublishFunc(packet("t", "new", 1), nil)
		if s := w.client.Stats(); s.IncompleteOperationCount != 2 {
			t.Errorf("%+v", s)
		}
		equal(t, "second connection", times(p, 3), []string{"2 0s", "3 500ms", "new 1s"})
		pass(500 * time.Millisecond) // the interval behind the last one
		w.client.PublishFunc(packet("t", "x", 0), nil)
		w.client.PublishFunc(packet("t", "y", 0), nil)
		equal(t, "drained", times(p, 2), []string{"x 0s", "y 0s"})
	})
}

// OfflineQueue.ReturnQueued: a blocking call that finds no connection, or one that is still
// draining, is queued and returns at once (v1's False); on a connection it waits as ever.
func TestReturnQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, ReturnQueued: true, DrainRate: 1}
		})
		call := func(when string, want bool) {
			t.Helper()
			start := time.Now()
			for i, q := range []awsiot.QoS{0, 1} {
				if r, err := w.client.Publish(t.Context(), packet("t", when, q)); err != nil || r.Queued != want {
					t.Errorf("%s: publish %d: %+v, %v", when, i, r, err)
				}
			}
			if r, err := w.client.Subscribe(t.Context(), filters(nil, "f")); err != nil || r.Queued != want || (len(r.Codes) == 0) != want {
				t.Errorf("%s: subscribe: %+v, %v", when, r, err)
			}
			if r, err := w.client.Unsubscribe(t.Context(), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}); err != nil || r.Queued != want {
				t.Errorf("%s: unsubscribe: %+v, %v", when, r, err)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("%s: took %v", when, d)
			}
		}
		call("stopped", true)
		_ = w.client.Start()
		p := w.raw()
		call("connecting", true)
		p.next()
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		got := make(chan []string)
		go func() {
			var list []string
			for v := p.next(); v != nil; v = p.next() {
				list = append(list, kindOf(v))
				p.answer(v)
			}
			got <- list
		}()
		synctest.Wait()
		call("draining", true)
		pass(12 * time.Second)
		call("connected", false)
		p.cut()
		four := func(s string) []string { return []string{s, s, "sub", "unsub"} }
		equal(t, "sent", <-got, slices.Concat(four("stopped"), four("connecting"), four("draining"), four("connected")))
	})
}

// ReturnQueued does not hide what is wrong: the errors of the call are returned.
func TestReturnQueuedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 1, ReturnQueued: true}
		})
		if r, err := w.client.Publish(t.Context(), packet("t", "x", 0)); r.Queued || !errors.Is(err, awsiot.ErrOffline) {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.client.Publish(t.Context(), packet("t", "x", 1)); !r.Queued || err != nil {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.client.Publish(t.Context(), packet("t", "y", 1)); r.Queued || !errors.Is(err, awsiot.ErrQueueFull) {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.client.Subscribe(t.Context(), filters(nil, "f")); r != nil || !errors.Is(err, awsiot.ErrQueueFull) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// One that was refused by this connection's limits fails alone when its turn comes. Cases of aws-c-mqtt's tests:
// publish exceeds_maximum_packet_size (group "limits": publish_fail_packet_too_big), exceeds_maximum_qos, invalid_retain.
func TestQueuedAgainstConnack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*packets.Connack)
		packet *awsiot.PublishPacket
		field  string
	}{
		{"too large", func(a *packets.Connack) { a.Properties.MaximumPacketSize = new(uint32(30)) }, packet("t", strings.Repeat("x", 40), 1), "Payload"},
		{"QoS", func(a *packets.Connack) { a.Properties.MaximumQOS = new(byte(0)) }, packet("t", "x", 1), "QoS"},
		{"retain", func(a *packets.Connack) { a.Properties.RetainAvailable = new(byte(0)) },
			&awsiot.PublishPacket{Topic: "t", QoS: 0, Retain: true}, "Retain"},
	} {
		for _, online := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, online %v", tt.name, online), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) { o.OfflineQueue.Behavior = awsiot.KeepAll })
					var f *awsiot.Future[awsiot.PublishResult]
					if !online {
						f = w.client.PublishAsync(tt.packet)
					}
					_ = w.client.Start()
					p, _ := w.accept(tt.change)
					if online {
						f = w.client.PublishAsync(tt.packet)
					}
					w.client.PublishFunc(packet("t", "fine", 0), nil)
					equal(t, "sent", p.take(1), []string{"fine"})
					var ve *awsiot.ValidationError
					if _, err := f.Result(); !errors.As(err, &ve) || ve.Field != tt.field {
						t.Errorf("%v", err)
					}
					if s := w.client.State(); s != awsiot.StateConnected {
						t.Error(s)
					}
					if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
						t.Errorf("%+v", s)
					}
				})
			})
		}
	}
}

// A blocking publish that goes on without its call: the future in its result gets the end.
func TestPublishPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.MaxInflight, o.AckTimeout, o.OfflineQueue.ReturnQueued = 1, -1, true
		})
		offline, err := w.client.Publish(context.Background(), packet("offline", "", 1))
		if err != nil || !offline.Queued || offline.Pending == nil || !offline.Pending.Queued() {
			t.Fatalf("offline: %+v, %v", offline, err)
		}
		p := w.start()
		first := expect[*packets.Publish](p)
		p.send(puback(first.PacketID, 0x10))
		if res, err := offline.Pending.Wait(within(time.Second)); err != nil || res.Code != awsiot.ReasonNoMatchingSubscribers {
			t.Errorf("the queued one ended with %+v, %v", res, err)
		}
		sent, err := w.client.Publish(within(time.Second), packet("sent", "", 1))
		if !errors.Is(err, awsiot.ErrUnknownOutcome) || sent.Queued || sent.Pending == nil {
			t.Fatalf("sent: %+v, %v", sent, err)
		}
		waits, err := w.client.Publish(within(time.Second), packet("waits", "", 1))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, awsiot.ErrUnknownOutcome) || !waits.Queued || waits.Pending == nil {
			t.Fatalf("behind it: %+v, %v", waits, err)
		}
		p.send(puback(expect[*packets.Publish](p).PacketID, 0x87))
		if _, err := sent.Pending.Wait(within(time.Second)); !errors.As(err, new(*awsiot.ReasonError)) {
			t.Errorf("the sent one ended with %v", err)
		}
		if m := expect[*packets.Publish](p); m.Topic != "waits" {
			t.Errorf("then %q", m.Topic)
		}
		_ = w.client.Close()
		if _, err := waits.Pending.Result(); !errors.Is(err, awsiot.ErrClosed) {
			t.Errorf("the last one ended with %v", err)
		}
		if res, err := w.client.Publish(within(time.Second), packet("late", "", 1)); res.Pending != nil || err == nil {
			t.Errorf("an error of the call: %+v, %v", res, err)
		}
	})
}
