package awsiot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// killsFilters kills for a SUBSCRIBE or UNSUBSCRIBE of more than n filters, or with one that begins with "bad".
func killsFilters(n int) func(packets.Packet) bool {
	return func(v packets.Packet) bool {
		var fs []string
		switch v := v.(type) {
		case *packets.Subscribe:
			for _, s := range v.Subscriptions {
				fs = append(fs, s.Topic)
			}
		case *packets.Unsubscribe:
			fs = v.Topics
		}
		return len(fs) > n || slices.ContainsFunc(fs, func(f string) bool { return strings.HasPrefix(f, "bad") })
	}
}

// A SUBSCRIBE or UNSUBSCRIBE of the program ends as a publish does; the routes of a SUBSCRIBE go, and it is not made
// again on later connections. With too many filters the error says so, and not that it came too often.
func TestSubscribeEnds(t *testing.T) {
	for _, code := range []byte{0x97, 0x8F, withoutWord} {
		t.Run(fmt.Sprintf("0x%02X", code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.MaxReconnectDelay = 5 * time.Second })
				k := &killer{kills: killsFilters(8), code: code}
				w.serveKiller(k)
				var got recorder
				handler := func(m *awsiot.Message) { got.add("%s", m.Topic) }
				_ = w.client.Start()
				if _, err := w.client.Subscribe(within(time.Minute), filters(handler, "good")); err != nil {
					t.Fatal(err)
				}
				nine := manyFilters(9)
				what := `subscribe "f0, f1, and 7 more"`
				_, err := w.client.Subscribe(within(5*time.Minute), filters(handler, nine...))
				checkConviction(t, err, code, what)
				hint := "9 filters in one packet; AWS IoT Core takes at most 8"
				if code != 0x8F && !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "send less often") {
					t.Errorf("hint: %v", err)
				}
				for _, e := range w.events.take() {
					if strings.Contains(e, "send less often") {
						t.Errorf("hint: %s", e)
					}
				}
				_, err = w.client.Unsubscribe(within(5*time.Minute), &awsiot.UnsubscribePacket{TopicFilters: nine})
				checkConviction(t, err, code, "un"+what)
				k.mu.Lock()
				n := len(k.wire)
				k.mu.Unlock()
				w.net.CutAll()
				pass(5 * time.Minute)
				if c := k.connections(); len(c) != n+1 || c[n] != "sub[good]" {
					t.Errorf("afterwards: %q", c[n:])
				}
			})
		})
	}
}

// A SUBSCRIBE that the client makes again by itself is not given up while it has more than one filter: half as many go
// into the next one, and then one. The end of a filter alone is OnResubscribed.Err, and its route goes.
func TestResubscribeIsProbed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		code  byte
		when  awsiot.ResubscribeWhen
		batch int
		kills func(packets.Packet) bool
		bad   bool
	}{
		{"a bad filter, a clear word", 0x8F, awsiot.ResubscribeIfNoSession, 8, killsFilters(8), true},
		{"a bad filter, a doubtful word", 0x82, awsiot.ResubscribeIfNoSession, 8, killsFilters(8), true},
		{"a bad filter, no word", withoutWord, awsiot.ResubscribeIfNoSession, 8, killsFilters(8), true},
		{"as v1", 0x8F, awsiot.ResubscribeAlways, 1, killsFilters(8), true},
		{"too many for half", 0x97, awsiot.ResubscribeIfNoSession, 8, killsFilters(2), false},
		{"too many", 0x97, awsiot.ResubscribeIfNoSession, 16, killsFilters(8), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.Resubscribe = awsiot.Resubscribe{When: tt.when, BatchSize: tt.batch}
				})
				bad := false // the broker changes its mind
				k := &killer{code: tt.code, kills: func(v packets.Packet) bool { return bad && tt.kills(v) }}
				w.serveKiller(k)
				_ = w.client.Start()
				names := manyFilters(12)
				if tt.bad {
					names[5] = "bad"
				}
				for _, f := range names {
					if _, err := w.client.Subscribe(within(time.Minute), filters(nil, f)); err != nil {
						t.Fatal(err)
					}
				}
				w.client.PublishFunc(packet("t", "x", 1), nil)
				synctest.Wait()
				k.mu.Lock()
				bad = tt.bad || len(names) > 8
				k.mu.Unlock()
				w.events.take()
				w.net.CutAll()
				pass(time.Second)
				w.client.PublishFunc(packet("t", "waits", 1), w.events.done("waits"))
				pass(30 * time.Minute)
				last := map[string]string{}
				for _, e := range w.events.take() {
					if e == "waits: <nil>" {
						last["waits"] = "ok"
					}
					if rest, ok := strings.CutPrefix(e, "resubscribed ["); ok {
						fs, err, _ := strings.Cut(rest, "]: ")
						for _, f := range strings.Fields(fs) {
							last[f] = err
						}
					}
				}
				for _, f := range append(names, "waits") {
					switch {
					case tt.bad && f == "bad":
						if !strings.Contains(last[f], `awsiot: subscribe "bad": `) || strings.Contains(last[f], "offline") {
							t.Errorf("%s: %s", f, last[f])
						}
					case f != "waits" && last[f] != "<nil>", f == "waits" && last[f] != "ok":
						t.Errorf("%s: %q", f, last[f])
					}
				}
				k.mu.Lock()
				n := len(k.wire)
				k.mu.Unlock()
				if n > 14 {
					t.Errorf("%d connections:\n%s", n, strings.Join(k.connections(), "\n"))
				}
				// what is bad is forgotten
				w.net.CutAll()
				pass(30 * time.Minute)
				again := strings.Join(k.connections()[n:], "\n")
				if tt.bad && strings.Contains(again, "bad") || !strings.Contains(again, "f0") || !strings.Contains(again, "f11") {
					t.Errorf("on the next connection: %s", again)
				}
			})
		})
	}
}

// The first half of what an automatic SUBSCRIBE had is tried alone, then the second; a publish that was under way with
// it goes as a suspect, too.
func TestResubscribeHalved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for _, f := range manyFilters(4) {
			w.client.SubscribeAsync(filters(nil, f))
			p.answer(p.next())
		}
		_ = p.conn.Close()
		p, _ = w.accept(nil)
		equal(t, "all in one", p.take(1), []string{"sub[f0 f1 f2 f3]"})
		w.client.PublishFunc(packet("t", "a", 1), w.events.done("a"))
		if v := describe(p.next()); v != "a#6" {
			t.Fatal(v)
		}
		p.send(&packets.Disconnect{ReasonCode: 0xA1, Properties: &packets.Properties{}})
		p, _ = w.accept(nil)
		for _, want := range []string{"sub[f0 f1]", "sub[f2 f3]"} {
			v := p.next()
			if describe(v) != want {
				t.Fatalf("got %s, want %s", describe(v), want)
			}
			if want == "sub[f0 f1]" {
				p.silent(time.Second)
			}
			p.answer(v)
		}
		if v := describe(p.next()); !strings.HasPrefix(v, "a#") {
			t.Fatal(v)
		}
	})
}

// manyFilters returns f0, f1, and so on.
func manyFilters(n int) (fs []string) {
	for i := range n {
		fs = append(fs, fmt.Sprint("f", i))
	}
	return fs
}
