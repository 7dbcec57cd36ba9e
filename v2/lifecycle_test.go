package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The golden sequences of events and the rules of the states, with Stop in every state.
// Cases of aws-c-mqtt's tests: client_direct_connect_success, sync/async_channel_failure, connack_refusal, connack_timeout, from_server_disconnect.
func TestStopInEveryState(t *testing.T) {
	refuse := func(a *packets.Connack) { a.ReasonCode = 0x88 }
	for _, tt := range []struct {
		name  string
		state awsiot.ConnectionState
		reach func(w *world)
		want  string // the events, by their first words
	}{
		{"stopped", awsiot.StateStopped, func(*world) {}, ""},
		{"dialling", awsiot.StateConnecting, func(w *world) {
			w.net.NextFaults(memnet.Faults{Hang: true})
			_ = w.client.Start()
		}, "attempting failure stopped"},
		{"handshake", awsiot.StateConnecting, func(w *world) { _ = w.client.Start(); w.raw() }, "attempting failure stopped"},
		{"handshake, CONNECT was read", awsiot.StateConnecting, func(w *world) {
			_ = w.client.Start()
			w.raw().next()
		}, "attempting failure stopped"},
		{"connected", awsiot.StateConnected, func(w *world) {
			p := w.start()
			go p.take(2)
		}, "attempting success disconnection stopped"},
		{"connected to a silent peer", awsiot.StateConnected, func(w *world) { w.start() }, "attempting success disconnection stopped"},
		{"connected, half-open", awsiot.StateConnected, func(w *world) { w.start().conn.(*memnet.Conn).Blackhole() }, "attempting success disconnection stopped"},
		{"connected, the writer is stuck", awsiot.StateConnected, func(w *world) {
			p := w.start()
			p.conn.(*memnet.Conn).SetLink(memnet.ToServer, memnet.Link{Hold: true})
			w.client.PublishFunc(&awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 1<<20)}, nil)
		}, "attempting success disconnection stopped"},
		{"backoff after a refusal", awsiot.StateBackoff, func(w *world) {
			_ = w.client.Start()
			w.accept(refuse)
		}, "attempting failure stopped"},
		{"backoff after a loss", awsiot.StateBackoff, func(w *world) { w.start().cut() }, "attempting success disconnection stopped"},
		{"backoff after DISCONNECT", awsiot.StateBackoff, func(w *world) {
			w.start().send(&packets.Disconnect{ReasonCode: 0x8E, Properties: &packets.Properties{}})
		}, "attempting success disconnection stopped"},
		{"draining", awsiot.StateConnected, func(w *world) {
			for range 10 {
				w.client.PublishFunc(packet("t", "x", 1), nil)
			}
			w.start()
		}, "attempting success disconnection stopped"},
	} {
		for _, end := range []string{"Stop", "Stop twice", "Close", "Abort", "Drain", "Stop, ctx over"} {
			t.Run(tt.name+", "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, DrainRate: 1}
					})
					tt.reach(w)
					synctest.Wait()
					if s := w.client.State(); s != tt.state {
						t.Fatalf("state %v", s)
					}
					q0 := w.client.PublishAsync(packet("t", "pending", 1))
					start := time.Now()
					over, cancel := context.WithCancel(t.Context())
					cancel()
					switch end {
					case "Stop":
						if err := w.client.Stop(t.Context(), nil); err != nil {
							t.Error(err)
						}
					case "Stop twice":
						second := make(chan error)
						go func() { second <- w.client.Stop(t.Context(), nil) }()
						if err := errors.Join(w.client.Stop(t.Context(), nil), <-second); err != nil {
							t.Error(err)
						}
					case "Close":
						_ = w.client.Close()
					case "Abort":
						w.client.Abort()
					case "Drain":
						_ = w.client.Drain(within(500 * time.Millisecond))
						start = start.Add(500 * time.Millisecond) // may have waited for a PUBACK that does not come
					case "Stop, ctx over":
						if err := w.client.Stop(over, nil); err != nil && !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
					}
					if d := time.Since(start); d > 4*time.Second || end == "Abort" && d > 0 || end == "Stop, ctx over" && d > 0 {
						t.Errorf("took %v", d)
					}
					if s := w.client.State(); s != awsiot.StateStopped {
						t.Errorf("state %v", s)
					}
					cause := awsiot.ErrStopped
					if end == "Close" {
						cause = awsiot.ErrClosed
					}
					if err := q0.Err(); !errors.Is(err, cause) {
						t.Errorf("pending operation: %v", err)
					}
					if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 {
						t.Errorf("%+v", s)
					}
					synctest.Wait()
					list := w.events.take()
					checkPairing(t, list)
					equal(t, "events", []string{words(list)}, []string{tt.want})
					if err := w.client.Start(); (end == "Close") != errors.Is(err, awsiot.ErrClosed) {
						t.Errorf("Start afterwards: %v", err)
					} else if err == nil {
						synctest.Wait()
						if list := words(w.events.take()); !strings.HasPrefix(list, "attempting") {
							t.Errorf("Start afterwards: %s", list)
						}
					}
				})
			})
		}
	}
}

// Cases of aws-c-mqtt's tests, group "operation queue": processing_nothing_clean_disconnect, something_clean_disconnect. Behind a DISCONNECT
// nothing is sent [MQTT5-3.14.4-1]: what is submitted while the broker has not hung up yet ends with ErrStopped.
func TestNothingBehindDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OfflineQueue.Behavior = awsiot.KeepAll })
		p := w.start()
		go func() { _ = w.client.Stop(context.Background(), nil) }()
		synctest.Wait()
		if s := w.client.State(); s != awsiot.StateDisconnecting {
			t.Fatal(s)
		}
		for what, err := range map[string]error{
			"QoS 0":       w.client.PublishAsync(packet("t", "x", 0)).Err(),
			"QoS 1":       w.client.PublishAsync(packet("t", "x", 1)).Err(),
			"subscribe":   w.client.SubscribeAsync(filters(nil, "f")).Err(),
			"unsubscribe": w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"f"}}).Err(),
		} {
			if !errors.Is(err, awsiot.ErrStopped) {
				t.Errorf("%s: %v", what, err)
			}
		}
		p.expectClose()
		synctest.Wait()
		if s := countsOf(w); s != (awsiot.OperationStatistics{}) || w.client.State() != awsiot.StateStopped {
			t.Errorf("%+v, %v", s, w.client.State())
		}
	})
}

// words returns the first word of each event.
func words(events []string) string {
	var list []string
	for _, e := range events {
		w, _, _ := strings.Cut(e, ":")
		list = append(list, w)
	}
	return strings.Join(list, " ")
}

// Abort sends no DISCONNECT, so the broker publishes the will; Stop sends the packet asked for.
func TestLastWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*awsiot.Client) error
		want []string
	}{
		{"Stop", func(c *awsiot.Client) error { return c.Stop(context.Background(), nil) }, []string{"disconnect 0x00", "end"}},
		{"Stop with the will", func(c *awsiot.Client) error {
			return c.Stop(context.Background(), &awsiot.DisconnectPacket{Code: awsiot.ReasonDisconnectWithWillMessage, Reason: "bye",
				SessionExpiry: new(time.Minute)})
		}, []string{"disconnect 0x04", "end"}},
		{"Close", (*awsiot.Client).Close, []string{"disconnect 0x00", "end"}},
		{"Abort", func(c *awsiot.Client) error { c.Abort(); return nil }, []string{"end"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				got := make(chan []string)
				go func() { got <- p.take(len(tt.want)); _ = p.conn.Close() }()
				if err := tt.end(w.client); err != nil {
					t.Error(err)
				}
				equal(t, "wire", <-got, tt.want)
			})
		})
	}
}

// A wrong DisconnectPacket is refused, and the client goes on. Cases of aws-c-mqtt's tests: validation disconnect.
func TestStopWithWrongPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		for _, tt := range []struct {
			p     awsiot.DisconnectPacket
			field string
		}{
			{awsiot.DisconnectPacket{SessionExpiry: new(time.Hour)}, "SessionExpiry"}, // promote_zero_session_expiry
			{awsiot.DisconnectPacket{SessionExpiry: new(-time.Hour)}, "SessionExpiry"},
			{awsiot.DisconnectPacket{Code: 0x10}, "Code"},
			{awsiot.DisconnectPacket{ServerReference: "x"}, "ServerReference"},
			{awsiot.DisconnectPacket{Reason: "\xff"}, "Reason"},
			{awsiot.DisconnectPacket{Reason: strings.Repeat("x", 65536)}, "Reason"},
			{awsiot.DisconnectPacket{UserProperties: []awsiot.UserProperty{{Name: "\xff"}}}, "UserProperties[0].Name"},
			{awsiot.DisconnectPacket{UserProperties: []awsiot.UserProperty{{Value: "\xff"}}}, "UserProperties[0].Value"},
			{awsiot.DisconnectPacket{UserProperties: make([]awsiot.UserProperty, 1025)}, "UserProperties"},
		} {
			var ve *awsiot.ValidationError
			if err := w.client.Stop(t.Context(), &tt.p); !errors.As(err, &ve) || ve.Field != tt.field {
				t.Errorf("%s: %v", tt.field, err)
			}
			if s := w.client.State(); s != awsiot.StateConnected {
				t.Fatalf("%s: %v", tt.field, s)
			}
		}
	})
}

// Start twice is one start; Stop of a stopped client is none; both say nothing.
func TestStartTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for range 3 {
			if err := w.client.Start(); err != nil {
				t.Error(err)
			}
		}
		go p.take(2)
		for range 3 {
			if err := w.client.Stop(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		equal(t, "events", []string{words(w.events.take())}, []string{"attempting success disconnection stopped"})
		if n := w.net.Dials(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

// Stop and Start in quick succession are serialised: the old connection is gone, and OnStopped
// was emitted, before the new attempt (the C runtime skips the event and keeps the queue).
func TestStopThenStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start() // a peer that does not close: the end takes a while
		f := w.client.PublishAsync(packet("t", "x", 1))
		stopped := make(chan error, 1)
		go func() { stopped <- w.client.Stop(t.Context(), nil) }()
		synctest.Wait()
		if s := w.client.State(); s != awsiot.StateDisconnecting {
			t.Fatal(s)
		}
		if _, err := w.client.Publish(t.Context(), packet("t", "late", 1)); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("publish while stopping: %v", err)
		}
		started := make(chan error, 1)
		go func() { started <- w.client.StartAndWait(t.Context()) }()
		p, _ := w.accept(nil)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := <-started; err != nil {
			t.Errorf("StartAndWait while stopping: %v", err)
		}
		if err := f.Err(); !errors.Is(err, awsiot.ErrStopped) {
			t.Error(err)
		}
		synctest.Wait()
		equal(t, "events", []string{words(w.events.take())}, []string{"attempting success disconnection stopped attempting success"})
		p.silent(time.Second)
		if s := w.client.State(); s != awsiot.StateConnected {
			t.Error(s)
		}
	})
}

// StartAndWait: connected, or the cause and a stopped client.
func TestStartAndWait(t *testing.T) {
	ok := func(*packets.Connack) {}
	for _, tt := range []struct {
		name    string
		options func(*awsiot.ClientOptions)
		prepare func(w *world)
		connack func(*packets.Connack) // nil: silence
		check   func(err error) bool
		took    time.Duration
	}{
		{"connected", nil, nil, ok, func(err error) bool { return err == nil }, 0},
		{"validation", func(o *awsiot.ClientOptions) { o.Endpoint = ""; o.MaxInflight = -1 }, nil, nil, func(err error) bool {
			var ve *awsiot.ValidationError
			return errors.As(err, &ve) && strings.Contains(err.Error(), "Endpoint") && strings.Contains(err.Error(), "MaxInflight")
		}, 0},
		{"missing file", func(o *awsiot.ClientOptions) { o.Auth = awsiot.MTLSFromPath("/nonexistent/c", "/nonexistent/k") }, nil, nil, func(err error) bool {
			var ve *awsiot.ValidationError
			return errors.As(err, &ve) && ve.Field == "Auth"
		}, 0},
		{"refused", nil, nil, func(a *packets.Connack) { a.ReasonCode = 0x87 }, func(err error) bool {
			var ce *awsiot.ConnectError
			code, _ := awsiot.ReasonOf(err)
			return errors.As(err, &ce) && ce.Connack != nil && code == awsiot.ReasonNotAuthorized && awsiot.Retryable(err)
		}, 0},
		{"silence", nil, nil, nil, func(err error) bool { return errors.Is(err, awsiot.ErrConnackTimeout) }, 20 * time.Second},
		{"port closed", nil, func(w *world) { _ = w.ln.Close() }, nil, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }, 0},
		{"hanging dial", nil, func(w *world) { w.net.NextFaults(memnet.Faults{Hang: true}) }, nil, func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}, 10 * time.Second},
		{"closed client", nil, func(w *world) { _ = w.client.Close() }, nil, func(err error) bool { return errors.Is(err, awsiot.ErrClosed) }, 0},
		{"Stop meanwhile", nil, func(w *world) {
			go func() { <-time.After(3 * time.Second); _ = w.client.Stop(context.Background(), nil) }()
		}, nil, func(err error) bool { return errors.Is(err, awsiot.ErrStopped) }, 3 * time.Second},
		{"Close meanwhile", nil, func(w *world) { go func() { <-time.After(3 * time.Second); _ = w.client.Close() }() }, nil,
			func(err error) bool { return errors.Is(err, awsiot.ErrClosed) }, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.options)
				if tt.prepare != nil {
					tt.prepare(w)
				}
				if tt.connack != nil {
					go w.serveOnce(tt.connack)
				}
				start := time.Now()
				err := w.client.StartAndWait(t.Context())
				if d := time.Since(start); !tt.check(err) || d != tt.took {
					t.Errorf("%v after %v", err, d)
				}
				want := awsiot.StateStopped
				if err == nil {
					want = awsiot.StateConnected
				}
				if s := w.client.State(); s != want {
					t.Errorf("state %v", s)
				}
				dials := w.net.Dials()
				pass(10 * time.Minute)
				if err != nil && w.net.Dials() != dials {
					t.Error("it goes on connecting")
				}
			})
		})
	}
}

// serveOnce answers the CONNECT of the next connection, and reads on.
func (w *world) serveOnce(change func(*packets.Connack)) {
	conn, err := w.ln.Accept()
	if err != nil {
		return
	}
	p := &peer{t: w.t, conn: conn}
	p.next()
	ack := &packets.Connack{Properties: &packets.Properties{}}
	change(ack)
	p.reply(ack)
	for p.next() != nil {
	}
}

func TestStartAndWaitContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, cause)
		defer cancel()
		start := time.Now()
		err := w.client.StartAndWait(ctx)
		if d := time.Since(start); !errors.Is(err, cause) || d != 2*time.Second || w.client.State() != awsiot.StateStopped {
			t.Errorf("%v after %v, %v", err, d, w.client.State())
		}
		synctest.Wait()
		equal(t, "events", []string{words(w.events.take())}, []string{"attempting failure stopped"})
	})
}

// AwaitConnected waits through failures, and ends with the client or its ctx.
func TestAwaitConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if _, err := w.client.AwaitConnected(t.Context()); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("not started: %v", err)
		}
		w.net.NextFaults(memnet.Faults{Refuse: true}, memnet.Faults{Refuse: true})
		_ = w.client.Start()
		if _, err := w.client.AwaitConnected(within(500 * time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ctx: %v", err)
		}
		if s := w.client.State(); s != awsiot.StateBackoff {
			t.Errorf("the client was disturbed: %v", s)
		}
		go w.serveOnce(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(9)) })
		for range 2 {
			s, err := w.client.AwaitConnected(t.Context())
			if err != nil || s.Settings.ReceiveMaximumFromServer != 9 {
				t.Errorf("%+v, %v", s, err)
			}
		}
		w.net.CutAll()
		synctest.Wait()
		for _, end := range []struct {
			call func() error
			want error
		}{{func() error { return w.client.Stop(t.Context(), nil) }, awsiot.ErrStopped}, {w.client.Close, awsiot.ErrClosed}} {
			if end.want == awsiot.ErrClosed {
				w.net.NextFaults(memnet.Faults{Hang: true})
				_ = w.client.Start()
			}
			got := make(chan error)
			go func() { _, err := w.client.AwaitConnected(t.Context()); got <- err }()
			synctest.Wait()
			_ = end.call()
			if err := <-got; !errors.Is(err, end.want) {
				t.Errorf("got %v, want %v", err, end.want)
			}
		}
		if _, err := w.client.AwaitConnected(t.Context()); !errors.Is(err, awsiot.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Drain refuses new operations, lets the pending ones end, and stops the client, which can be started again.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		f := w.client.PublishAsync(packet("t", "pending", 1))
		got := make(chan error)
		go func() { got <- w.client.Drain(t.Context()) }()
		synctest.Wait()
		if _, err := w.client.PublishAsync(packet("t", "new", 1)).Result(); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("new operation: %v", err)
		}
		if err := w.client.PublishAsync(packet("t", "new", 0)).Err(); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("new operation: %v", err)
		}
		equal(t, "sent", p.take(1), []string{"pending#1"})
		pass(5 * time.Second)
		if s := w.client.State(); s != awsiot.StateConnected {
			t.Error(s)
		}
		p.send(uint16(1))
		equal(t, "wire", p.take(2), []string{"disconnect 0x00", "end"})
		_ = p.conn.Close()
		if err := <-got; err != nil {
			t.Error(err)
		}
		if err := f.Err(); err != nil {
			t.Error(err)
		}
		w.start()
		if f := w.client.PublishAsync(packet("t", "again", 1)); f.Err() != nil {
			t.Error(f.Err())
		}
	})
}

// Every DISCONNECT that a broker may send is surfaced, with its packet; aws-c-mqtt's test from_server_disconnect.
func TestServerDisconnect(t *testing.T) {
	for code := 0; code <= 0xA2; code++ {
		if code != 0 && !legalIn("DISCONNECT", byte(code)) {
			continue
		}
		t.Run(fmt.Sprintf("0x%02X", code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				var d *awsiot.Disconnection
				w.client.Observe(awsiot.Observer{OnDisconnection: func(e *awsiot.Disconnection) { d = e }})
				p := w.start()
				p.send(&packets.Disconnect{ReasonCode: byte(code), Properties: &packets.Properties{ReasonString: "because", ServerReference: "other:8883",
					User: []packets.User{{Key: "k", Value: "v"}}}})
				p.expectEnd()
				synctest.Wait()
				if d == nil || d.Packet == nil {
					t.Fatalf("%+v", d)
				}
				if q := d.Packet; byte(q.Code) != byte(code) || q.Reason != "because" || q.ServerReference != "other:8883" ||
					len(q.UserProperties) != 1 || q.UserProperties[0] != (awsiot.UserProperty{Name: "k", Value: "v"}) {
					t.Errorf("%+v", q)
				}
				var re *awsiot.ReasonError
				if is := errors.As(d.Err, &re); is != (code >= 0x80) || d.Err == nil {
					t.Fatalf("%v", d.Err)
				} else if is && (byte(re.Code) != byte(code) || re.Reason != "because" || len(re.UserProperties) != 1 ||
					!strings.Contains(re.Error(), fmt.Sprintf("(0x%02X): because", code))) {
					t.Errorf("%+v", re)
				}
			})
		})
	}
}

// Negotiated settings: CONNACK over CONNECT over the defaults. Cases of aws-c-mqtt's tests: negotiated_settings_{reset,apply_connack,server_override}_test.
func TestNegotiatedSettings(t *testing.T) {
	change := func(a *packets.Connack) {
		a.Properties = &packets.Properties{SessionExpiryInterval: new(uint32(77)), ReceiveMaximum: new(uint16(5)), MaximumQOS: new(byte(0)),
			RetainAvailable: new(byte(0)), MaximumPacketSize: new(uint32(4096)), AssignedClientID: "", TopicAliasMaximum: new(uint16(3)),
			WildcardSubAvailable: new(byte(0)), SubIDAvailable: new(byte(0)), SharedSubAvailable: new(byte(0)), ServerKeepAlive: new(uint16(33)),
			ResponseInfo: "info", ServerReference: "ref", ReasonString: "why"}
	}
	for _, tt := range []struct {
		name   string
		change func(*packets.Connack)
		want   awsiot.NegotiatedSettings
	}{
		{"defaults", nil, awsiot.NegotiatedSettings{MaximumQoS: 1, SessionExpiry: time.Hour, ReceiveMaximumFromServer: 65535,
			MaximumPacketSizeToServer: 268435460, ServerKeepAlive: 50 * time.Second, RetainAvailable: true, WildcardSubscriptionsAvailable: true,
			SubscriptionIdentifiersAvailable: true, SharedSubscriptionsAvailable: true, ClientID: "c"}},
		{"CONNACK", change, awsiot.NegotiatedSettings{SessionExpiry: 77 * time.Second, ReceiveMaximumFromServer: 5, MaximumPacketSizeToServer: 4096,
			TopicAliasMaximumToServer: 3, ServerKeepAlive: 33 * time.Second, ClientID: "c"}},
		{"session present", sessionPresent(change), awsiot.NegotiatedSettings{SessionExpiry: 77 * time.Second, ReceiveMaximumFromServer: 5,
			MaximumPacketSizeToServer: 4096, TopicAliasMaximumToServer: 3, ServerKeepAlive: 33 * time.Second, ClientID: "c", RejoinedSession: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.KeepAlive = 50 * time.Second })
				_ = w.client.Start()
				w.accept(tt.change)
				s, err := w.client.AwaitConnected(t.Context())
				if err != nil || s.Settings != tt.want {
					t.Errorf("\n got %+v\nwant %+v", s.Settings, tt.want)
				}
				if tt.change != nil {
					if a := s.Connack; a.Reason != "why" || a.ResponseInformation != "info" || a.ServerReference != "ref" || *a.ServerKeepAlive != 33*time.Second ||
						*a.ReceiveMaximum != 5 || *a.MaximumQoS != 0 || *a.SessionExpiry != 77*time.Second || *a.MaximumPacketSize != 4096 {
						t.Errorf("%+v", a)
					}
				}
			})
		})
	}
}
