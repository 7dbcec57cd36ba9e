package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// An operation ends only when it was alone under way, and closes count only in a row, each on a connection that had
// just answered a PINGREQ.
func TestOnlyThreeInARowAlone(t *testing.T) {
	type step struct {
		answers bool   // the PINGREQ
		how     string // the connection ends
	}
	good := func(how ...string) (list []step) {
		for _, h := range how {
			list = append(list, step{true, h})
		}
		return list
	}
	for _, tt := range []struct {
		name  string
		steps []step
		ends  bool
	}{
		{"three closes", good("close", "reset", "close"), true},
		{"two closes", good("close", "close"), false},
		{"closes and doubtful codes", good("close", "0x81", "0x97"), true},
		{"a restart in between", good("close", "close", "0x8B", "close", "close"), false},
		{"a late close in between", good("close", "close", "late", "close", "close"), false},
		{"three after that", good("close", "0x8B", "close", "close", "close"), true},
		{"the PINGREQ is not answered", []step{{true, "close"}, {true, "close"}, {false, "close"}, {false, "close"}, {false, "0x82"}}, false},
		{"that does not break the row", []step{{true, "close"}, {true, "close"}, {false, "close"}, {true, "close"}}, true},
		{"a code that blames, once", good("0x95"), false},
		{"a close where none was sent", good("0x95", "close", "close", "close"), false},
		{"and three where one was", good("0x95", "close", "close", "close", "close"), true},
		{"a code that blames, twice", good("0x95", "0x90"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				f := w.client.PublishAsync(packet("t", "a", 1))
				blamed := false
				end := func(how string) {
					var code byte
					blamed = false
					switch n, _ := fmt.Sscanf(how, "0x%02X", &code); {
					case n == 1:
						p.send(&packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{}})
						blamed = code == 0x95
						p.expectEnd()
					case how == "reset":
						p.cut()
					case how == "late":
						pass(3 * time.Second)
						fallthrough
					default:
						_ = p.conn.Close()
					}
				}
				for range 2 { // so it becomes a suspect
					p.take(1)
					end("close")
					p, _ = w.accept(sessionPresent())
				}
				for i, s := range tt.steps {
					if !blamed {
						ping := expect[*packets.Pingreq](p)
						if s.answers {
							p.answer(ping)
						} else {
							p.silent(time.Second)
						}
					}
					if s.answers {
						equal(t, fmt.Sprint("step ", i), p.take(1), []string{"a#1+"})
					}
					if _, err := f.Result(); !errors.Is(err, awsiot.ErrPending) {
						t.Fatalf("step %d: %v", i, err)
					}
					end(s.how)
					synctest.Wait()
					if i < len(tt.steps)-1 {
						p, _ = w.accept(sessionPresent())
					}
				}
				if _, err := f.Result(); errors.Is(err, awsiot.ErrPending) == tt.ends {
					t.Errorf("in the end: %v", err)
				}
			})
		})
	}
}

// A window that a close ends is begun with one again, and what is behind the poison is innocent.
func TestOneAgainAfterAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		k := &killer{kills: poison, code: 0x82, session: true}
		w.serveKiller(k)
		_ = w.client.Start()
		synctest.Wait()
		for _, s := range []string{"a", "poison", "c"} {
			w.client.PublishFunc(packet("t", s, 1), w.events.done(s))
		}
		k2 := []string{"a#1 poison#2 kill"}
		pass(2 * time.Minute)
		got := k.connections()
		if len(got) < 3 || got[0] != k2[0] {
			t.Fatalf("%q", got)
		}
		for _, c := range got[1 : len(got)-1] {
			if strings.Contains(c, "c#") {
				t.Errorf("sent beside the poison: %s", c)
			}
		}
		if last := got[len(got)-1]; last != "Pingreq c#3+" {
			t.Errorf("last: %s", last)
		}
	})
}

// Suspects keep the order of the publishes [MQTT5-4.6.0-1]: what was sent before the first of them goes with them.
func TestSuspectsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		w.client.PublishFunc(packet("t", "early", 1), nil)
		p.take(1)
		pass(3 * time.Second)
		w.client.PublishFunc(packet("t", "late", 1), nil)
		p.take(1)
		_ = p.conn.Close()
		p, _ = w.accept(sessionPresent(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) }))
		equal(t, "one may be under way", p.take(1), []string{"early#1+"})
		pass(3 * time.Second)
		p.send(uint16(1))
		equal(t, "then the other", p.take(1), []string{"late#2+"})
		w.client.PublishFunc(packet("t", "third", 1), nil)
		_ = p.conn.Close()
		p, _ = w.accept(sessionPresent())
		p.answer(expect[*packets.Pingreq](p))
		equal(t, "a suspect", p.take(1), []string{"late#2+"})
		p.silent(time.Second)
		p.send(uint16(2))
		equal(t, "and the rest", p.take(1), []string{"third#3"})
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		w.client.PublishFunc(packet("t", "old", 1), nil)
		p.take(1)
		for range 2 {
			pass(3 * time.Second) // the close is not about that
			w.client.PublishFunc(packet("t", "young", 1), nil)
			p.next()
			_ = p.conn.Close()
			p, _ = w.accept(sessionPresent())
			if v := describe(p.next()); v != "old#1+" {
				t.Fatal(v)
			}
			p.take(1)
		}
		_ = p.conn.Close()
		p, _ = w.accept(sessionPresent())
		p.answer(expect[*packets.Pingreq](p))
		equal(t, "ahead of the suspects", p.take(1), []string{"old#1+"})
		p.silent(time.Second)
	})
}

// A broker may judge a large packet by its first bytes: the write fails, and the DISCONNECT that waits to be read says why.
func TestBlamedInTheMiddleOfAPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		large := &awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 1<<20), QoS: 1}
		var end error
		_ = w.client.Start()
		for i := range 2 {
			p, _ := w.accept(sessionPresentIf(i > 0))
			if i == 0 {
				w.client.PublishFunc(large, func(_ awsiot.PublishResult, err error) { end = err })
			}
			synctest.Wait()
			p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{ReasonString: "because"}})
			_ = p.conn.Close() // while the client still writes
			synctest.Wait()
		}
		checkConviction(t, end, 0x95, `publish "t"`)
		if !strings.Contains(end.Error(), "payload of at most 131072") {
			t.Errorf("no hint: %v", end)
		}
	})
}

// sessionPresentIf is sessionPresent where present is true.
func sessionPresentIf(present bool) func(*packets.Connack) {
	return func(a *packets.Connack) { a.SessionPresent = present }
}

// A broker that blames every connection, whatever is sent, does not make one operation end after the other: before the
// second one a PINGREQ must be answered.
func TestBlamesEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.MaxReconnectDelay = time.Second })
		p := w.start()
		for i := range 5 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), w.events.done(fmt.Sprint(i)))
		}
		p.take(5)
		for i := range 20 {
			p.send(&packets.Disconnect{ReasonCode: 0x9B, Properties: &packets.Properties{}})
			p.expectEnd()
			p, _ = w.accept(sessionPresent())
			if i == 0 {
				p.take(1)
			} else {
				expect[*packets.Pingreq](p)
			}
		}
		ended := slices.DeleteFunc(w.events.take(), func(s string) bool {
			return !strings.Contains(s, `publish "t"`) || strings.HasPrefix(s, "disconnection")
		})
		if len(ended) != 1 || !strings.HasPrefix(ended[0], "0: ") {
			t.Errorf("ended: %q", ended)
		}
		for id := range uint16(4) { // it was the will, and that is put right
			if id == 0 {
				p.reply(&packets.Pingresp{})
			}
			if v := describe(p.next()); v != fmt.Sprintf("%d#%d+", id+1, id+2) {
				t.Fatal(v)
			}
			p.send(id + 2)
		}
	})
}

// Neither a timeout nor trouble of the network or the machine makes a suspect, however often.
func TestLocalTroubleIsNoBlame(t *testing.T) {
	for _, how := range []error{os.ErrDeadlineExceeded, errors.New("no buffer space available"), context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			trouble := make(chan error, 1)
			w := newWorld(t, nil)
			w.client = awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), DisableMetrics: true,
				RetryJitterMode: awsiot.JitterNone, Dialer: troubled(w.net, trouble), SessionBehavior: awsiot.RejoinAlways, SessionExpiry: time.Hour})
			_ = w.client.Start()
			p, _ := w.accept(nil)
			w.client.PublishFunc(packet("t", "a", 1), nil)
			w.client.PublishFunc(packet("t", "b", 1), nil)
			for range 5 {
				p.take(2)
				trouble <- how
				p.send(uint16(99)) // ends the read
				p, _ = w.accept(sessionPresent())
			}
			equal(t, "at full speed", p.take(2), []string{"a#1+", "b#2+"})
			_ = w.client.Close()
		})
	}
}

// The store forgets what ended, so that the next process does not begin anew; one that was killed before begins with
// nothing held against it, and finds it.
func TestStoreForgetsPoison(t *testing.T) {
	for _, code := range []byte{0x95, 0x81, withoutWord} {
		t.Run(fmt.Sprintf("0x%02X", code), func(t *testing.T) {
			dir := t.TempDir()
			run := func(f func(w *world, k *killer)) {
				synctest.Test(t, func(t *testing.T) {
					w := storeWorld(t, dir)
					k := &killer{kills: poison, code: code}
					w.serveKiller(k)
					_ = w.client.Start()
					synctest.Wait()
					f(w, k)
				})
			}
			run(func(w *world, _ *killer) { // stopped while the poison is under suspicion
				w.client.PublishFunc(packet("t", "before", 1), nil)
				w.client.PublishFunc(packet("t", "poison", 1), nil)
				w.client.PublishFunc(packet("t", "behind", 1), nil)
				synctest.Wait()
			})
			run(func(w *world, k *killer) {
				pass(2 * time.Minute)
				if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
					t.Errorf("%+v\n%s", s, strings.Join(k.connections(), "\n"))
				}
				if first := k.connections()[0]; !strings.Contains(first, "poison#") {
					t.Errorf("the first process left no poison: %s", first)
				}
			})
			run(func(w *world, k *killer) {
				pass(time.Minute)
				equal(t, "the third process finds nothing", k.connections(), []string{""})
			})
		})
	}
}

// troubled returns a Dialer for connections whose next read fails with what comes from trouble.
func troubled(in *memnet.Network, trouble <-chan error) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := in.Dial(ctx, network, addr)
		return &troubledConn{c, trouble}, err
	}
}

// troubledConn is a connection whose next read fails with what comes from trouble.
type troubledConn struct {
	net.Conn
	trouble <-chan error
}

func (c *troubledConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case trouble := <-c.trouble:
		return 0, trouble
	default:
		return n, err
	}
}

// One that is left of a window, the others being acknowledged, was not alone; nor is one beside which another has timed
// out without an answer: the broker may mean that.
func TestNotAlone(t *testing.T) {
	suspects := func(t *testing.T, timeout time.Duration, names ...string) (*world, *peer) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = timeout })
		p := w.start()
		for _, s := range names {
			w.client.PublishFunc(packet("t", s, 1), w.events.done(s))
		}
		p.take(len(names))
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		return w, p
	}
	blame := func(w *world, p *peer) {
		w.events.take()
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		synctest.Wait()
		if e := w.events.take(); len(e) != 1 || !strings.HasPrefix(e[0], "disconnection: ") {
			t.Errorf("%q", e)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w, p := suspects(t, -1, "a", "b", "c")
		p.take(1)
		p.send(uint16(1))
		equal(t, "two", p.take(2), []string{"b#2+", "c#3+"})
		p.send(uint16(2))
		synctest.Wait()
		blame(w, p)
	})
	synctest.Test(t, func(t *testing.T) {
		w, p := suspects(t, 5*time.Second, "a", "b")
		p.take(1)
		pass(6 * time.Second)
		equal(t, "the next, when the first has timed out", p.take(1), []string{"b#2+"})
		blame(w, p)
	})
}
