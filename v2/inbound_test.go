package awsiot_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// heap returns the bytes that are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// blocked makes the handler of every message wait until release is closed, and counts what it has had.
func blocked(w *world) (release chan struct{}, handled *[]string) {
	release, handled = make(chan struct{}), new([]string)
	w.client.Handle("#", func(m *awsiot.Message) {
		*handled = append(*handled, string(m.Payload))
		<-release
	})
	return release, handled
}

// Whatever QoS 0 messages consist of, those that wait for a blocked handler count what they hold, and hold no more than
// Inbound allows; what came before the bound arrives, and every message is delivered or counted as dropped.
func TestInboundBoundsMemory(t *testing.T) {
	const limit = 1 << 20
	properties := func(n int, name, value string) func(*packets.Publish, int) {
		return func(p *packets.Publish, _ int) {
			for range n {
				p.Properties.User = append(p.Properties.User, packets.User{Key: name, Value: value})
			}
		}
	}
	for _, tt := range []struct {
		name   string
		size   int // of the payload
		change func(*packets.Publish, int)
		blocks bool
	}{
		{"user properties without text", 1, properties(1000, "", ""), false},
		{"user properties", 1, properties(100, "name", "a value of some length"), false},
		{"correlation data", 1, func(p *packets.Publish, _ int) { p.Properties.CorrelationData = make([]byte, 10_000) }, false},
		{"response topic and content type", 1, func(p *packets.Publish, _ int) {
			p.Properties.ResponseTopic, p.Properties.ContentType = strings.Repeat("r", 5000), strings.Repeat("c", 5000)
		}, false},
		{"nothing but the struct", 0, nil, false},
		{"small payloads", 70, nil, true},
		{"payloads above a size class", 260, nil, true},
		{"large payloads", 20_000, nil, true},
		{"long topics, each another one", 1, func(p *packets.Publish, i int) { p.Topic = strings.Repeat("t", 40_000) + fmt.Sprint(i) }, true},
	} {
		for _, full := range []awsiot.FullBehavior{awsiot.RejectNew, awsiot.DropOldest} {
			for _, together := range []bool{false, true} {
				t.Run(fmt.Sprint(tt.name, " ", full, " together ", together), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, func(o *awsiot.ClientOptions) { o.Inbound = awsiot.Inbound{MaxBytes: limit, WhenFull: full} })
						release, handled := blocked(w)
						p := w.start()
						one := func(i int) []byte {
							m := publish("t", strings.Repeat("x", tt.size), 0)
							if tt.change != nil {
								tt.change(m, i)
							}
							return encode(t, m)
						}
						p.send(one(0)) // it occupies the handler
						synctest.Wait()
						before, sent, blocks := heap(), 1, 0
						for bytes := 0; bytes < 6*limit && sent < 30_000; {
							var b []byte
							for together && len(b) < 100_000 || len(b) == 0 {
								b = append(b, one(sent)...)
								sent++
							}
							bytes += max(len(b), 200)
							p.send(b)
							if !together || blocks == 0 {
								synctest.Wait()
							}
							blocks = max(blocks, awsiot.WaitingBlocks(w.client))
						}
						synctest.Wait()
						counted, _, _ := awsiot.Waiting(w.client)
						grown := heap() - before
						if counted > limit || counted < limit/2 || grown > 3*limit {
							t.Errorf("%d bytes are counted, the heap has grown by %d; the limit is %d", counted, grown, limit)
						}
						if tt.blocks && together && blocks == 0 {
							t.Error("no block was handed over")
						}
						close(release)
						synctest.Wait()
						if s := w.client.Stats(); len(*handled)+int(s.InboundDropped) != sent || s.InboundDropped == 0 {
							t.Errorf("%d handled, %d dropped, of %d", len(*handled), s.InboundDropped, sent)
						}
						if counted, _, _ := awsiot.Waiting(w.client); counted != 0 {
							t.Errorf("%d bytes are counted at the end", counted)
						}
					})
				})
			}
		}
	}
}

// QoS 1 messages that wait are bounded by the Receive Maximum, which is announced also when the program has set none.
func TestFloodOfUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		release, handled := blocked(w)
		p := w.start()
		for i := range uint16(1000) {
			p.send(publish("t", "x", i+1))
		}
		p.silent(time.Second)
		p.send(publish("t", "x", 1001))
		if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x93 {
			t.Errorf("DISCONNECT 0x%02X", d.ReasonCode)
		}
		p.expectEnd()
		close(release)
		synctest.Wait()
		if len(*handled) != 1000 {
			t.Errorf("%d handled", len(*handled))
		}
	})
}

// A handler that publishes and waits, in the middle of a flood that it does not keep up with: its PUBACK is read as soon
// as it is there, and so is the PINGRESP, when it is plain that the handler stands still.
func TestFloodDoesNotHoldUpAcknowledgements(t *testing.T) {
	for _, full := range []awsiot.FullBehavior{awsiot.RejectNew, awsiot.DropOldest} {
		t.Run(full.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Inbound = awsiot.Inbound{MaxBytes: 256 << 20, WhenFull: full}
					o.KeepAlive, o.PingTimeout = 10*time.Second, 200*time.Millisecond
				})
				n, took := 0, time.Duration(0)
				w.client.Handle("#", func(m *awsiot.Message) {
					if n++; n > 1 {
						return
					}
					<-time.After(10 * time.Second) // the keep-alive is due meanwhile
					began := time.Now()
					if _, err := w.client.Publish(context.Background(), packet("up", "x", 1)); err != nil {
						t.Error(err)
					}
					took = time.Since(began)
				})
				p := w.start()
				p.send(flood(t, 0, 1, 256))
				synctest.Wait()
				flooded := flood(t, 1, 80_000, 256) // 21 MB, some 330 buffers of the reader
				ping, up := false, false
				for v := p.next(); v != nil && !(ping && up); v = p.next() {
					_, isPing := v.(*packets.Pingreq)
					ping, up = ping || isPing, up || !isPing
					p.send(flooded) // the answer is behind all of it
					p.answer(v)
					if ping && up {
						break
					}
				}
				pass(time.Second)
				if took > 120*time.Millisecond || took <= 0 { // 100 waits of a millisecond until the reader knows that the handler stands still
					t.Errorf("the publish took %v", took)
				}
				if s := w.client.State(); s != awsiot.StateConnected || n == 1 {
					t.Errorf("%v, %d messages: %v", s, n, w.events.take())
				}
			})
		})
	}
}

// What no handler has begun when the connection ends comes again if the session lives on, and is left out then: a blocked
// handler finds neither the memory of many reconnections nor their copies. Without the session nothing comes again,
// and everything stays. QoS 0 never comes again.
func TestMessagesOfTheConnectionBefore(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sessions func(reconnection int) bool // is it present?
		serial   bool
		window   int
		want     int // handled of QoS 1, per message that the broker has
	}{
		{"with the session", func(int) bool { return true }, false, 1000, 1},
		{"with the session, serial callbacks", func(int) bool { return true }, true, 1000, 1},
		{"without it", func(int) bool { return false }, false, 20, 73},
		{"lost once in the middle", func(n int) bool { return n != 36 }, false, 100, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.SerialCallbacks, o.Resubscribe.When, o.MaxReconnectDelay = tt.serial, awsiot.ResubscribeNever, time.Second
				})
				release, handled := blocked(w)
				p := w.start()
				send := func(dup bool) {
					var all []any
					for i := range tt.window {
						m := publish("t", fmt.Sprintf("q1 %d %s", i, strings.Repeat("x", 1000)), uint16(i+1))
						m.Duplicate = dup
						all = append(all, m)
					}
					p.send(all...)
					p.send(publish("t", "q0", 0))
					synctest.Wait()
				}
				send(false)
				before := heap()
				for n := range 72 {
					p.cut()
					p, _ = w.accept(func(a *packets.Connack) { a.SessionPresent = tt.sessions(n) })
					send(tt.sessions(n))
				}
				if grown := heap() - before; tt.want == 1 && grown > 4<<20 {
					t.Errorf("the heap has grown by %d", grown)
				}
				close(release)
				synctest.Wait()
				q0, times := 0, map[string]int{}
				for _, s := range *handled {
					if s == "q0" {
						q0++
					} else {
						times[s]++
					}
				}
				if q0 != 73 || len(times) != tt.window {
					t.Errorf("%d of QoS 0, %d different ones of QoS 1", q0, len(times))
				}
				for i := range tt.window {
					s := fmt.Sprintf("q1 %d %s", i, strings.Repeat("x", 1000))
					want := tt.want
					if i == 0 && tt.want < 73 {
						want++ // its handler had begun
					}
					if times[s] != want {
						t.Fatalf("%.10s was handled %d times, want %d", s, times[s], want)
					}
				}
				acks := p.take(tt.window) // of the last connection
				if acks[0] == "" {
					t.Error(acks)
				}
			})
		})
	}
}

// Topics that the client has seen are not kept for ever: an idle connection holds a few of them.
func TestTopicsOfAnIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		synctest.Wait()
		before := heap()
		for i := range 1500 {
			p.send(publish(strings.Repeat("t", 60_000)+fmt.Sprint(i), "x", 0))
			p.send(publish(strings.Repeat("t", 1000)+fmt.Sprint(i), "x", uint16(i%1000+1)))
			p.take(1)
		}
		synctest.Wait()
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("the heap has grown by %d", grown)
		}
	})
}

// blockingHandler is a slog handler that waits until release is closed.
type blockingHandler struct {
	release chan struct{}
	lines   *[]string
}

func (h blockingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h blockingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h blockingHandler) WithGroup(string) slog.Handler            { return h }
func (h blockingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelDebug {
		return nil
	}
	<-h.release
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	*h.lines = append(*h.lines, line)
	return nil
}

// A broker that sends acknowledgements for nothing, or messages that are dropped, fills no lane while the Logger is slow;
// how many there were is told.
func TestFloodOfLogRecords(t *testing.T) {
	for _, tt := range []struct {
		name, record string
		packet       func(i int) any
	}{
		{"acknowledgements", "acknowledgement that nothing waits for", func(i int) any { return uint16(i%60_000 + 1) }},
		{"dropped messages", "QoS 0 messages dropped", func(int) any { return publish("t", strings.Repeat("x", 2000), 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lines []string
				release := make(chan struct{})
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Logger, o.Inbound.MaxBytes = slog.New(blockingHandler{release, &lines}), 1000
				})
				p := w.start()
				before := heap()
				for range 100 {
					var all []any
					for i := range 500 {
						all = append(all, tt.packet(i))
					}
					p.send(all...)
					synctest.Wait()
				}
				if _, _, events := awsiot.Waiting(w.client); events > 100 {
					t.Errorf("%d items wait in the event lane", events)
				}
				if grown := heap() - before; grown > 1<<20 {
					t.Errorf("the heap has grown by %d", grown)
				}
				close(release)
				synctest.Wait()
				p.send(tt.packet(1)) // its record tells of those that were left out
				synctest.Wait()
				told := false
				for _, l := range lines {
					told = told || strings.HasPrefix(l, tt.record) && strings.Contains(l, "and_more=")
				}
				if !told {
					t.Errorf("nothing is said of what was left out: %q", lines[len(lines)-1])
				}
			})
		})
	}
}
