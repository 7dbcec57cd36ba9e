package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// How a killer ends a connection: a reason code of a DISCONNECT, or without a word.
const withoutWord = 0

// killer is a broker that ends the connection over some packets, and keeps what it got on each connection.
type killer struct {
	kills   func(packets.Packet) bool
	code    byte // of the DISCONNECT, or withoutWord
	after   time.Duration
	session bool // it has the session of every connection but the first
	deaf    bool // it does not answer PINGREQ

	mu     sync.Mutex
	wire   [][]string // per connection: what came, as describe has it, and "kill"
	byPeer map[*peer]int
}

// serveKiller makes k the broker of w.
func (w *world) serveKiller(k *killer) {
	k.byPeer = map[*peer]int{}
	w.serve(func(_ *packets.Connect, a *packets.Connack) {
		k.mu.Lock()
		defer k.mu.Unlock()
		a.SessionPresent = k.session && len(k.wire) > 0
		k.wire = append(k.wire, nil)
	}, func(p *peer, v packets.Packet) {
		k.mu.Lock()
		if _, ok := k.byPeer[p]; !ok {
			k.byPeer[p] = len(k.wire) - 1
		}
		n := k.byPeer[p]
		k.wire[n] = append(k.wire[n], strings.TrimPrefix(describe(v), "*packets."))
		kills := k.kills(v)
		if kills {
			k.wire[n] = append(k.wire[n], "kill")
		}
		k.mu.Unlock()
		if _, ping := v.(*packets.Pingreq); ping && k.deaf {
			return
		}
		if !kills {
			p.answer(v)
			return
		}
		if k.after > 0 {
			<-time.After(k.after)
		}
		if k.code != withoutWord {
			p.reply(&packets.Disconnect{ReasonCode: k.code, Properties: &packets.Properties{ReasonString: "because"}})
		}
		_ = p.conn.Close()
	})
}

// connections returns what came on each connection, one line each.
func (k *killer) connections() (list []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.wire {
		list = append(list, strings.Join(c, " "))
	}
	return list
}

// poison is what the killers of most tests kill for.
func poison(v packets.Packet) bool {
	p, ok := v.(*packets.Publish)
	return ok && strings.HasPrefix(string(p.Payload), "poison")
}

// What blames a packet, and how many connections it takes to be sure.
var blames = []struct {
	code        byte
	connections int
	asks        bool // the client sends a PINGREQ ahead of a suspect that goes alone
}{
	{0x8F, 2, false}, {0x90, 2, false}, {0x95, 2, false}, {0x99, 2, false}, {0x9A, 2, false}, {0x9B, 2, false}, {0x9E, 2, false}, {0xA1, 2, false}, {0xA2, 2, false},
	{0x81, 4, true}, {0x82, 4, true}, {0x97, 4, true},
	{withoutWord, 5, true},
}

// A publish over which the broker ends connections ends itself: with a DISCONNECT that blames it at the first
// repetition, with one that may mean something else at the third, and without a word at the third after the two that
// made it a suspect. The error is the broker's reason, or ErrEndsConnection. What was around it arrives, once each and in order.
func TestPoisonEnds(t *testing.T) {
	for _, b := range blames {
		for _, session := range []bool{true, false} {
			t.Run(fmt.Sprintf("0x%02X session %v", b.code, session), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, rejoin)
					k := &killer{kills: poison, code: b.code, session: session}
					w.serveKiller(k)
					began := time.Now()
					var at time.Duration
					var end error
					_ = w.client.Start()
					synctest.Wait()
					w.client.PublishFunc(packet("t", "poison", 1), func(_ awsiot.PublishResult, err error) { at, end = time.Since(began), err })
					w.client.PublishFunc(packet("t", "behind", 1), w.events.done("behind"))
					pass(time.Minute) // the delays are 1, 2, 4, 8 and 16 s
					checkConviction(t, end, b.code, `publish "t"`)
					list := k.connections()
					if last := list[len(list)-1]; len(list) != b.connections+1 || strings.Count(last, "behind#") != 1 || strings.Contains(last, "poison") {
						t.Errorf("connections:\n%s", strings.Join(list, "\n"))
					}
					for i, c := range list[1:b.connections] {
						alone := "poison#1+ kill"
						if b.asks && (i > 0 || b.code != withoutWord) {
							alone = "Pingreq " + alone
						}
						if session && c != alone {
							t.Errorf("connection %d: %s, want %s", i+2, c, alone)
						}
					}
					if at > 10*time.Second && b.code != withoutWord {
						t.Errorf("it took %v", at)
					}
					if events := w.events.take(); !slices.Contains(events, "behind: <nil>") {
						t.Errorf("%v", events)
					}
					if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 || s.UnackedOperationSize != 0 || s.IncompleteOperationSize != 0 {
						t.Errorf("%+v", s)
					}
					w.client.PublishFunc(packet("t", "new", 1), w.events.done("new"))
					synctest.Wait()
					equal(t, "afterwards", w.events.take(), []string{"new: <nil>"})
				})
			})
		}
	}
}

// checkConviction checks the error of an operation that a broker has ended connections for.
func checkConviction(t *testing.T, err error, code byte, what string) {
	t.Helper()
	if err == nil {
		t.Fatal("it has not ended, or without an error")
	}
	got, has := awsiot.ReasonOf(err)
	re, is := errors.AsType[*awsiot.ReasonError](err)
	switch {
	case code != withoutWord:
		if !has || byte(got) != code || !is || what != re.Op+` "`+re.Topic+`"` || re.Reason != "because" || !strings.HasPrefix(err.Error(), "awsiot: "+what+": "+got.String()) {
			t.Errorf("%v", err)
		}
	case has || !errors.Is(err, awsiot.ErrEndsConnection) || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "awsiot: "+what+": "+awsiot.ErrEndsConnection.Error()):
		t.Errorf("%v", err)
	}
	if !errors.Is(err, awsiot.ErrEndsConnection) || awsiot.Retryable(err) {
		t.Errorf("%v: retryable %v", err, awsiot.Retryable(err))
	}
}

// With the default back-off, jitter and all, a poisonous publish is found and ended within 10 s.
func TestPoisonEndsInTime(t *testing.T) {
	for _, b := range blames {
		if b.code == withoutWord {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.RetryJitterMode = awsiot.JitterFull })
			w.serveKiller(&killer{kills: poison, code: b.code})
			_ = w.client.Start()
			_, err := w.client.Publish(within(10*time.Second), packet("t", "poison", 1))
			checkConviction(t, err, b.code, `publish "t"`)
		})
	}
}

// One close is an ordinary restart: everything is sent again at once. Two in a row, each within 2 s of the last byte,
// make suspects.
func TestClosesThatMakeSuspects(t *testing.T) {
	type loss struct {
		wait time.Duration
		how  string
	}
	for _, tt := range []struct {
		name    string
		losses  []loss
		suspect bool
	}{
		{"one close", []loss{{0, "close"}}, false},
		{"one reset", []loss{{0, "reset"}}, false},
		{"two closes", []loss{{0, "close"}, {0, "close"}}, true},
		{"a close and a reset, 2 s later each", []loss{{2 * time.Second, "close"}, {2 * time.Second, "reset"}}, true},
		{"later than 2 s", []loss{{0, "close"}, {2001 * time.Millisecond, "close"}}, false},
		{"not in a row", []loss{{0, "close"}, {2001 * time.Millisecond, "close"}, {0, "close"}}, false},
		{"timeouts of pings", []loss{{0, "close"}, {0, "silence"}, {0, "close"}, {0, "silence"}}, false},
		{"other reasons", []loss{{0, "close"}, {0, "0x8B"}, {0, "0x89"}, {0, "0x96"}, {0, "0x8E"}, {0, "0x00"}, {0, "0x94"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.KeepAlive = 4 * time.Second })
				p := w.start()
				w.client.PublishFunc(packet("t", "a", 1), nil)
				w.client.PublishFunc(packet("t", "b", 1), nil)
				for i, l := range tt.losses {
					if got := p.take(2); !strings.HasPrefix(got[0], "a#1") || !strings.HasPrefix(got[1], "b#2") {
						t.Fatalf("connection %d: %v", i, got)
					}
					pass(l.wait)
					switch l.how {
					case "close":
						_ = p.conn.Close()
					case "reset":
						p.cut()
					case "silence":
						p.conn.(*memnet.Conn).Blackhole()
					default:
						var code byte
						_, _ = fmt.Sscanf(l.how, "0x%02X", &code)
						p.send(&packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{}})
					}
					p, _ = w.accept(sessionPresent())
				}
				want := []string{"a#1+", "b#2+"}
				if tt.suspect {
					p.answer(expect[*packets.Pingreq](p))
					equal(t, "alone", p.take(1), want[:1])
					p.silent(time.Second)
					return
				}
				equal(t, "at full speed", p.take(2), want)
			})
		})
	}
}

// While suspects are under way nothing else goes out but PINGREQ, PUBACK and DISCONNECT.
func TestEverythingElseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.KeepAlive = 10 * time.Second })
		p := w.start()
		for _, s := range []string{"a", "b"} {
			w.client.PublishFunc(packet("t", s, 1), w.events.done(s))
		}
		p.take(2)
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		w.client.PublishFunc(packet("t", "queued", 1), w.events.done("queued"))
		p, _ = w.accept(sessionPresent())
		equal(t, "alone", p.take(1), []string{"a#1+"})
		w.client.PublishFunc(packet("t", "q0", 0), w.events.done("q0"))
		w.client.PublishFunc(packet("t", "new", 1), w.events.done("new"))
		sub := w.client.SubscribeAsync(filters(nil, "f"))
		if !sub.Queued() {
			t.Error("the subscribe is not said to wait")
		}
		p.silent(time.Second)
		p.send(publish("in", "x", 7))
		if ack := expect[*packets.Puback](p); ack.PacketID != 7 {
			t.Errorf("%v", ack)
		}
		p.answer(expect[*packets.Pingreq](p)) // of the keep-alive
		w.events.take()
		p.send(uint16(1))
		equal(t, "the second", p.take(1), []string{"b#2+"})
		p.silent(time.Second)
		p.send(uint16(2))
		equal(t, "the rest", p.take(4), []string{"queued#3", "q0", "new#4", "sub[f]"})
		synctest.Wait()
		equal(t, "ends", w.events.take(), []string{"a: <nil>", "b: <nil>", "q0: <nil>"})
		go p.expectClose()
		_ = w.client.Stop(context.Background(), nil)
	})
}

// A hundred innocent suspects cost seven round trips: 1, 2, 4 and so on under way.
func TestWindowsOfSuspects(t *testing.T) {
	for _, tt := range []struct {
		name  string
		code  byte
		n     int
		want  []int
		pings int
	}{
		{"a clear word", 0x95, 100, []int{1, 2, 4, 8, 16, 32, 37}, 0},
		{"a PINGREQ ahead", 0x82, 100, []int{1, 2, 4, 8, 16, 32, 37}, 1},
		{"the last one alone", 0x82, 4, []int{1, 2, 1}, 2},
		{"one", 0x95, 1, []int{1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				var want []string
				for i := range tt.n {
					w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), nil)
					want = append(want, fmt.Sprintf("%d#%d+", i, i+1))
				}
				p.take(tt.n)
				p.send(&packets.Disconnect{ReasonCode: tt.code, Properties: &packets.Properties{}})
				p, _ = w.accept(sessionPresent())
				var got []string
				var windows []int
				began, pings := time.Now(), 0
				for len(got) < tt.n {
					<-time.After(time.Second) // the way there and back
					var ids []any
					for {
						_ = p.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
						v := p.next()
						if v == nil {
							break
						}
						if _, ok := v.(*packets.Pingreq); ok {
							pings++
							ids = append(ids, &packets.Pingresp{})
							continue
						}
						got = append(got, describe(v))
						ids = append(ids, v.(*packets.Publish).PacketID)
					}
					if _, ok := ids[0].(uint16); ok {
						windows = append(windows, len(ids))
					}
					p.send(ids...)
				}
				equal(t, "windows", windows, tt.want)
				equal(t, "in their old order, with their identifiers", got, want)
				if trips := int(time.Since(began) / time.Second); pings != tt.pings || trips != len(tt.want)+tt.pings {
					t.Errorf("%d PINGREQs, %d round trips", pings, trips)
				}
				synctest.Wait()
				if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
