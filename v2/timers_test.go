package awsiot_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// pings returns when PINGREQs arrive within d, each answered, in a list like "2s 4s".
func (p *peer) pings(d time.Duration) string {
	var list []string
	start := time.Now()
	_ = p.conn.SetReadDeadline(start.Add(d))
	for {
		v := p.next()
		if v == nil {
			break
		}
		if _, ok := v.(*packets.Pingreq); ok {
			list = append(list, time.Since(start).String())
		}
		p.answer(v)
	}
	_ = p.conn.SetReadDeadline(time.Time{})
	return strings.Join(list, " ")
}

// Cases of aws-c-mqtt's tests: ping_sequence, disabled_keep_alive, ping_write_pushout (not registered there).
// MQTT asks for a packet from the client per interval [MQTT5-3.1.2-20]; the client also
// wants to hear from the broker, so a ping goes out when either direction was idle.
func TestKeepAlive(t *testing.T) {
	server := func(s uint16) func(*packets.Connack) {
		return func(a *packets.Connack) { a.Properties.ServerKeepAlive = new(s) }
	}
	for _, tt := range []struct {
		name      string
		keepAlive time.Duration
		change    func(*packets.Connack)
		onWire    uint16
		want      string
	}{
		{"every interval when idle", 4 * time.Second, nil, 4, "4s 8s 12s 16s"},
		{"default", 0, nil, 1200, ""},
		{"negative: none", -1, nil, 0, ""},
		{"a part of a second is rounded up", 3500 * time.Millisecond, nil, 4, "4s 8s 12s 16s"},
		{"server keep alive is shorter", time.Minute, server(5), 60, "5s 10s 15s"},
		{"server keep alive is longer", 5 * time.Second, server(60), 5, ""},
		{"server keep alive 0: none", 5 * time.Second, server(0), 5, ""},
		{"server keep alive against none", -1, server(9), 0, "9s 18s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.KeepAlive = tt.keepAlive })
				_ = w.client.Start()
				p, c := w.accept(tt.change)
				if c.KeepAlive != tt.onWire {
					t.Errorf("CONNECT has keep alive %d", c.KeepAlive)
				}
				if got := p.pings(19 * time.Second); got != tt.want {
					t.Errorf("pings at %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// Complaint of the AWS SDKs: no pings on a metered link that is in use both ways.
func TestKeepAliveWithTraffic(t *testing.T) {
	for _, tt := range []struct {
		name     string
		out, in  bool
		min, max int // pings in 20 intervals
	}{
		{"both directions", true, true, 0, 0},
		{"only sending", true, false, 9, 20},
		{"only receiving", false, true, 9, 20},
		{"idle", false, false, 19, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.KeepAlive = 2 * time.Second })
				p := w.start()
				pings := make(chan int)
				go func() {
					n := 0
					for v := p.next(); v != nil; v = p.next() {
						if _, ok := v.(*packets.Pingreq); ok {
							n++
							p.reply(&packets.Pingresp{})
						}
					}
					pings <- n
				}()
				for range 40 {
					pass(time.Second)
					if tt.out {
						w.client.PublishFunc(packet("t", "x", 0), nil)
					}
					if tt.in {
						p.send(publish("t", "x", 0))
					}
				}
				p.cut()
				if n := <-pings; n < tt.min || n > tt.max {
					t.Errorf("%d pings, want %d to %d", n, tt.min, tt.max)
				}
			})
		})
	}
}

// Cases of aws-c-mqtt's tests: ping_timeout, ping_timeout_with_keep_alive_conflict. The event comes at
// keep alive + min(ping timeout, keep alive / 2), with DISCONNECT 0x8D on the wire.
func TestPingTimeout(t *testing.T) {
	for _, tt := range []struct{ keepAlive, timeout, want time.Duration }{
		{2 * time.Second, 750 * time.Millisecond, 2750 * time.Millisecond},
		{2 * time.Second, 10 * time.Second, 3 * time.Second},
		{60 * time.Second, 0, 90 * time.Second},
		{120 * time.Second, 0, 150 * time.Second},
		{time.Second, 0, 1500 * time.Millisecond},
	} {
		for _, dead := range []string{"silent", "half-open", "full"} {
			t.Run(fmt.Sprintf("%v %v %s", tt.keepAlive, tt.timeout, dead), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						rejoin(o)
						o.KeepAlive, o.PingTimeout, o.AckTimeout = tt.keepAlive, tt.timeout, -1
					})
					p := w.start()
					start := time.Now()
					var at time.Duration
					var cause error
					w.client.Observe(awsiot.Observer{OnDisconnection: func(e *awsiot.Disconnection) { at, cause = time.Since(start), e.Err }})
					f := w.client.PublishAsync(packet("t", "x", 1))
					p.take(1)
					limit := tt.want
					switch dead {
					case "silent":
						go func() {
							equal(t, "wire", p.take(3), []string{"*packets.Pingreq", "disconnect 0x8D", "end"})
						}()
					case "half-open":
						p.conn.(*memnet.Conn).Blackhole()
					case "full": // nothing gets out: the writer stands in Write
						p.conn.(*memnet.Conn).SetLink(memnet.ToServer, memnet.Link{Hold: true})
						w.client.PublishFunc(&awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 1<<20), QoS: 1}, nil)
						limit += 2 * time.Second // the DISCONNECT gets that long
					}
					pass(limit + 500*time.Millisecond)
					if at < tt.want || at > limit || !errors.Is(cause, awsiot.ErrPingTimeout) {
						t.Errorf("%v at %v, want %v", cause, at, tt.want)
					}
					if _, err := f.Result(); !errors.Is(err, awsiot.ErrPending) {
						t.Errorf("the publish did not survive: %v", err)
					}
					p, _ = w.accept(sessionPresent())
					equal(t, "sent again", p.take(1), []string{"x#1+"})
				})
			})
		}
	}
}

// Cases of aws-c-mqtt's tests: publish_timeout, dynamic_operation_timeout_default. The identifier stays
// reserved and the place in the window taken until the late PUBACK.
func TestAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 3 * time.Second; o.MaxInflight = 2 })
		p := w.start()
		start := time.Now()
		end := func(name string) func(awsiot.PublishResult, error) {
			return func(_ awsiot.PublishResult, err error) {
				w.events.add("%s %v %v", name, time.Since(start), errors.Is(err, awsiot.ErrAckTimeout))
			}
		}
		w.events.take()
		w.client.PublishFunc(packet("t", "a", 1), end("a"))
		pass(time.Second)
		w.client.PublishFunc(packet("t", "b", 1), end("b"))
		w.client.PublishFunc(packet("t", "c", 1), end("c")) // waits in the queue: its time does not run
		f := w.client.SubscribeAsync(filters(nil, "f"))
		equal(t, "sent", p.take(2), []string{"a#1", "b#2"})
		pass(9 * time.Second)
		equal(t, "ends", w.events.take(), []string{"a 3s true", "b 4s true"})
		p.silent(time.Second)
		p.send(uint16(1)) // late: ignored, but frees its place
		equal(t, "next", p.take(2), []string{"c#3", "sub[f]"})
		begin := time.Since(start)
		pass(5 * time.Second)
		equal(t, "ends", w.events.take(), []string{fmt.Sprintf("c %v true", begin+3*time.Second)})
		if _, err := f.Result(); !errors.Is(err, awsiot.ErrAckTimeout) {
			t.Error(err)
		}
		p.send(suback(4, 0), uint16(2), uint16(3), uint16(3), uint16(1))
		w.client.PublishFunc(packet("t", "d", 1), nil)
		w.client.PublishFunc(packet("t", "e", 1), nil)
		w.client.PublishFunc(packet("t", "f", 1), nil)
		equal(t, "the window is 2", p.take(2), []string{"d#5", "e#6"})
		p.silent(time.Second)
		if s := w.client.State(); s != awsiot.StateConnected {
			t.Error(s)
		}
	})
}

// A timed-out operation is over: it is not sent again on the next connection, and its
// identifier and its place in the window are free there.
func TestAckTimeoutThenReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = time.Second; o.MaxInflight = 1 })
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), nil)
		p.take(1)
		pass(2 * time.Second)
		w.client.PublishFunc(packet("t", "b", 1), nil)
		p.silent(time.Second)
		p.cut()
		p, _ = w.accept(sessionPresent())
		equal(t, "sent", p.take(1), []string{"b#2"})
		if s := w.client.Stats(); s.UnackedOperationCount != 1 || s.IncompleteOperationCount != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// The time of AckTimeout runs from the end of the write: what waits for the socket has not been sent. Cases of aws-c-mqtt's tests, group
// "operation queue": processing_nothing_pending_write_completion_connected, something_connected_overflow.
func TestAckTimeoutCountsFromWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 10 * time.Second })
		p := w.start()
		start := time.Now()
		conn := p.conn.(*memnet.Conn)
		conn.SetLink(memnet.ToServer, memnet.Link{Hold: true})
		end := func(name string) func(awsiot.PublishResult, error) {
			return func(_ awsiot.PublishResult, err error) { w.events.add("%s %v %v", name, time.Since(start), err) }
		}
		w.events.take()
		w.client.PublishFunc(&awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 1<<20), QoS: 1}, end("fills the buffer"))
		pass(time.Second)
		w.client.PublishFunc(packet("t", "behind it", 1), end("behind it"))
		pass(14 * time.Second)
		equal(t, "nothing is written", w.events.take(), nil)
		conn.SetLink(memnet.ToServer, memnet.Link{})
		p.take(2)
		pass(10*time.Second - time.Millisecond)
		equal(t, "before", w.events.take(), nil)
		pass(time.Millisecond)
		equal(t, "after", w.events.take(), []string{`fills the buffer 25s awsiot: publish "t": no acknowledgement in time`,
			`behind it 25s awsiot: publish "t": no acknowledgement in time`})
	})
}

// A PUBLISH that shares its write with a PUBACK in front of it has its own time.
func TestAckTimeoutBehindPuback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		early := 0
		start := time.Time{}
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.AckTimeout, o.KeepAlive = 10*time.Second, -1
		})
		w.client.Handle("in", func(m *awsiot.Message) {
			ack, _ := m.HoldAck()
			_ = ack()
			w.client.PublishFunc(packet("out", "x", 1), func(awsiot.PublishResult, error) {
				if time.Since(start) < 10*time.Second {
					early++
				}
			})
		})
		p := w.start()
		go func() {
			for p.next() != nil {
			}
		}()
		for i := range uint16(50) {
			start = time.Now()
			p.send(publish("in", "x", i+1))
			pass(11 * time.Second)
		}
		if early > 0 {
			t.Errorf("%d timed out early", early)
		}
	})
}

// AckTimeout negative: none.
func TestNoAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = -1; o.KeepAlive = -1 })
		p := w.start()
		f := w.client.PublishAsync(packet("t", "a", 1))
		p.take(1)
		pass(100 * time.Hour)
		p.send(uint16(1))
		if _, err := f.Wait(within(time.Second)); err != nil {
			t.Error(err)
		}
	})
}

// aws-c-mqtt's test connack_timeout: the time is a bound on the whole, however slowly the bytes come.
func TestConnackTimeout(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trickle bool
	}{{"silence", false}, {"one byte per second", true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.ConnackTimeout = 5 * time.Second })
				start := time.Now()
				_ = w.client.Start()
				p := w.raw()
				if tt.trickle {
					ack := &packets.Connack{Properties: &packets.Properties{ReasonString: strings.Repeat("slow", 20)}}
					p.conn.(*memnet.Conn).SetLink(memnet.ToClient, memnet.Link{Rate: 1})
					go p.reply(ack)
				}
				_, err := awaitFailure(w.client, nil)
				if d := time.Since(start); d != 5*time.Second || !errors.Is(err, awsiot.ErrConnackTimeout) {
					t.Errorf("%v after %v", err, d)
				}
				if s := w.client.State(); s != awsiot.StateBackoff {
					t.Error(s)
				}
			})
		})
	}
}

// ConnectTimeout bounds the dial and the TLS handshake together.
func TestConnectTimeout(t *testing.T) {
	for _, tt := range []struct {
		name   string
		auth   awsiot.Auth
		faults memnet.Faults
	}{
		{"a dial that hangs", awsiot.PlainTCP(), memnet.Faults{Hang: true}},
		{"a TLS handshake without an answer", awsiot.TLS(), memnet.Faults{}},
		{"a slow dial, then a handshake without an answer", awsiot.TLS(), memnet.Faults{DialDelay: 5 * time.Second}},
		{"a TLS handshake into a black hole", awsiot.TLS(), memnet.Both(memnet.Link{Blackhole: true})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Auth, o.Port, o.ConnectTimeout = tt.auth, 1883, 7*time.Second
					o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
				})
				w.net.NextFaults(tt.faults)
				start := time.Now()
				_ = w.client.Start()
				if !tt.faults.Hang {
					p := w.raw()
					defer func() { _ = p.conn.Close() }()
				}
				_, err := awaitFailure(w.client, nil)
				if d := time.Since(start); d != 7*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ConnectTimeout 7s") {
					t.Errorf("%v after %v", err, d)
				}
			})
		})
	}
}

// attempts returns the times before the next n attempts to connect, in milliseconds.
func attempts(w *world, n int) (gaps []int) {
	last, times := time.Now(), make(chan time.Time, n)
	remove := w.client.Observe(awsiot.Observer{OnAttemptingConnect: func(*awsiot.AttemptingConnect) {
		select {
		case times <- time.Now():
		default:
		}
	}})
	defer remove()
	for range n {
		at := <-times
		gaps = append(gaps, int(at.Sub(last).Milliseconds()))
		last = at
	}
	return gaps
}

// cBackoff sets the delays of aws-c-mqtt's own tests.
func cBackoff(o *awsiot.ClientOptions) {
	o.MinReconnectDelay, o.MaxReconnectDelay = 500*time.Millisecond, 5*time.Second
	o.MinConnectedTimeToResetReconnectDelay = 5 * time.Second
}

// Cases of aws-c-mqtt's tests: reconnect_failure_backoff: 500, 1000, 2000, 4000, 5000, 5000.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cBackoff)
		w.net.SetFaults(memnet.Faults{Refuse: true})
		_ = w.client.Start()
		synctest.Wait()
		equal(t, "delays", attempts(w, 6), []int{500, 1000, 2000, 4000, 5000, 5000})
	})
}

// Cases of aws-c-mqtt's tests: reconnect_backoff_insufficient_reset, _sufficient_reset: only a connection that
// lived long enough starts the delays anew; Stop and Start do not.
func TestBackoffReset(t *testing.T) {
	for _, tt := range []struct {
		life time.Duration
		want []int
	}{
		{5*time.Second - time.Millisecond, []int{4000, 5000}},
		{5 * time.Second, []int{500, 1000}},
	} {
		t.Run(tt.life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, cBackoff)
				w.net.NextFaults(memnet.Faults{Refuse: true}, memnet.Faults{Refuse: true}, memnet.Faults{Refuse: true})
				_ = w.client.Start()
				p, _ := w.accept(nil)
				w.net.SetFaults(memnet.Faults{Refuse: true})
				pass(tt.life)
				p.cut()
				synctest.Wait()
				equal(t, "delays", attempts(w, 2), tt.want)
			})
		})
	}
}

// The jitter modes: full draws from 0 to the exponential delay, decorrelated from the minimum
// to three times the one before, and really varies (T6: in the C runtime it equals full).
func TestBackoffJitter(t *testing.T) {
	for _, tt := range []struct {
		mode awsiot.RetryJitterMode
		low  int
	}{{awsiot.JitterFull, 0}, {awsiot.JitterDecorrelated, 500}} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { cBackoff(o); o.RetryJitterMode = tt.mode })
				w.net.SetFaults(memnet.Faults{Refuse: true})
				_ = w.client.Start()
				synctest.Wait()
				gaps := attempts(w, 300)
				low, high := slices.Min(gaps), slices.Max(gaps)
				if low < tt.low || low > 1000 || high > 5000 || high < 4000 {
					t.Errorf("delays from %d to %d ms", low, high)
				}
			})
		})
	}
}

// The codes that do not heal wait MaxReconnectDelay, in CONNACK and in DISCONNECT.
func TestReasonsThatDoNotHeal(t *testing.T) {
	heals := func(code byte) bool {
		switch {
		case code >= 0x80 && code <= 0x86, code == 0x8A, code == 0x8C, code == 0x90, code == 0x95, code >= 0x99 && code <= 0x9D:
			return false
		}
		return true
	}
	for _, where := range []string{"CONNACK", "DISCONNECT"} {
		for code := byte(0x80); code <= 0xA2; code++ {
			if where == "CONNACK" && !legalIn("CONNACK", code) || where == "DISCONNECT" && !legalIn("DISCONNECT", code) {
				continue
			}
			t.Run(fmt.Sprintf("%s 0x%02X", where, code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						o.MinReconnectDelay, o.MaxReconnectDelay = 3*time.Second, 77*time.Second
					})
					_ = w.client.Start()
					var errs []error
					w.client.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) { errs = append(errs, f.Err) },
						OnDisconnection: func(d *awsiot.Disconnection) { errs = append(errs, d.Err) }})
					p, _ := w.accept(func(a *packets.Connack) {
						if where == "CONNACK" {
							a.ReasonCode = code
						}
					})
					if where == "DISCONNECT" {
						p.send(&packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{}})
					}
					synctest.Wait()
					want := 3 * time.Second
					if !heals(code) && (where == "CONNACK" || code == 0x8A || code == 0x9C || code == 0x9D) {
						want = 77 * time.Second
					}
					if got := attempts(w, 1)[0]; got != int(want.Milliseconds()) {
						t.Errorf("waited %d ms, want %v", got, want)
					}
					if len(errs) != 1 || awsiot.Retryable(errs[0]) != heals(code) {
						t.Fatalf("%v: Retryable", errs)
					}
					if got, ok := awsiot.ReasonOf(errs[0]); !ok || byte(got) != code {
						t.Errorf("ReasonOf: %v %v", got, ok)
					}
				})
			})
		}
	}
}

// legalIn reports whether table 2-6 of MQTT 5 lets a broker send the error code in the packet.
func legalIn(packet string, code byte) bool {
	switch packet {
	case "CONNACK":
		switch code {
		case 0x8B, 0x8D, 0x8E, 0x8F, 0x91, 0x92, 0x93, 0x94, 0x96, 0x98, 0x9E, 0xA0, 0xA1, 0xA2:
			return false
		}
	case "DISCONNECT":
		switch code {
		case 0x84, 0x85, 0x86, 0x88, 0x8A, 0x8C, 0x91, 0x92:
			return false
		}
	}
	return code >= 0x80 && code <= 0xA2
}

// 10,000 refusals leave the memory as it was, and every one is an event.
func TestManyRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.SetFaults(memnet.Faults{Refuse: true})
		failures := 0
		w.client.Observe(awsiot.Observer{OnConnectionFailure: func(*awsiot.ConnectionFailure) { failures++ }})
		w.client.PublishFunc(packet("t", "kept", 1), nil)
		_ = w.client.Start()
		heap := func() uint64 {
			pass(100 * 120 * time.Second)
			w.events.take()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for range 99 {
			heap()
		}
		after := heap()
		if failures < 10_000 {
			t.Errorf("%d failures", failures)
		}
		if after > before+256<<10 {
			t.Errorf("heap grew from %d to %d bytes", before, after)
		}
		w.net.SetFaults(memnet.Faults{})
		p, _ := w.accept(nil)
		equal(t, "sent", p.take(1), []string{"kept#1"})
	})
}

// A Dialer's own errors come through, and one that returns nothing is an error, not a panic. Cases of aws-c-mqtt's tests, group "connect":
// client_direct_connect_sync_channel_failure.
func TestDialerErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		want string
	}{
		{"error", func(context.Context, string, string) (net.Conn, error) { return nil, boom }, "boom"},
		{"nothing", func(context.Context, string, string) (net.Conn, error) { return nil, nil }, "neither a connection nor an error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.Dialer = tt.dial })
				err := w.client.StartAndWait(t.Context())
				var ce *awsiot.ConnectError
				if !errors.As(err, &ce) || !strings.Contains(err.Error(), tt.want) || tt.name == "error" && !errors.Is(err, boom) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
