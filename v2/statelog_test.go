package awsiot_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// stateLog is a slog.Handler that checks every "state" record: it must be a transition of the
// table, and begin where the one before it ended.
type stateLog struct {
	t testing.TB

	mu   sync.Mutex
	at   string
	seen map[string]int
	logs []string // everything, as "level message attrs"
}

func newStateLog(t testing.TB) *stateLog {
	return &stateLog{t: t, at: "StateStopped", seen: map[string]int{}}
}

func (h *stateLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *stateLog) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *stateLog) WithGroup(string) slog.Handler            { return h }

func (h *stateLog) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]string{}
	var text strings.Builder
	fmt.Fprintf(&text, "%v %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		fmt.Fprintf(&text, " %s=%v", a.Key, a.Value)
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs = append(h.logs, text.String())
	if r.Message != "state" {
		return nil
	}
	from, to, trig := attrs["from"], attrs["to"], attrs["trigger"]
	if !awsiot.Transition(from, to, trig) {
		h.t.Errorf("not in the table: %s > %s by %s", from, to, trig)
	}
	if from != h.at {
		h.t.Errorf("state was %s, and left %s", h.at, from)
	}
	h.at = to
	h.seen[from+" "+trig]++
	return nil
}

// matching returns the records that contain text.
func (h *stateLog) matching(text string) (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.logs {
		if strings.Contains(l, text) {
			list = append(list, l)
		}
	}
	return list
}

// TestRandomLife starts, stops and breaks a client at random for a simulated day and more:
// only transitions of the table are seen, all of them are, and the pairing rule of the events holds.
func TestRandomLife(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			log := newStateLog(t)
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.Logger = slog.New(log)
				o.KeepAlive = 60 * time.Second
			})
			var mu sync.Mutex // rnd is used by the peers, too
			draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
			w.serve(func(_ *packets.Connect, a *packets.Connack) {
				switch draw(6) {
				case 0:
					a.ReasonCode = 0x88
				case 1:
					<-time.After(time.Duration(draw(30)) * time.Second)
				}
			}, nil)
			for range 3000 {
				switch draw(9) {
				case 0, 1, 2:
					if err := w.client.Start(); err != nil {
						t.Error(err)
					}
				case 3:
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(draw(3000))*time.Millisecond)
					_ = w.client.Stop(ctx, nil)
					cancel()
				case 4:
					go func() { _ = w.client.Stop(t.Context(), nil) }()
				case 5:
					w.net.CutAll()
				case 6:
					w.net.NextFaults([]memnet.Faults{{Refuse: true}, {Hang: true}, {DialDelay: 3 * time.Second},
						memnet.Both(memnet.Link{Blackhole: true})}[draw(4)])
				case 7:
					w.client.PublishFunc(packet("t", "x", awsiot.QoS(draw(2))), nil)
				}
				pass(time.Duration(draw(40_000)) * time.Millisecond)
			}
			_ = w.client.Close()
			synctest.Wait()
			checkPairing(t, w.events.take())
			for _, tr := range []string{"StateStopped start", "StateConnecting accepted", "StateConnecting failed", "StateConnecting stop",
				"StateConnected failed", "StateConnected stop", "StateBackoff retry", "StateBackoff stop", "StateDisconnecting gone"} {
				if log.seen[tr] == 0 {
					t.Errorf("seed %d: never seen: %s", seed, tr)
				}
			}
		})
	}
}

// checkPairing checks the rule of the events: each attempt is followed by exactly one
// success or failure, each success by exactly one disconnection; stopped comes only between them.
func checkPairing(t testing.TB, events []string) {
	t.Helper()
	at := "idle"
	for i, e := range events {
		word, _, _ := strings.Cut(e, ":")
		if strings.HasPrefix(word, "resubscribed") {
			continue
		}
		next, ok := map[string]string{
			"idle attempting": "attempt", "attempt success": "up", "attempt failure": "idle",
			"up disconnection": "idle", "idle stopped": "idle"}[at+" "+word]
		if !ok {
			t.Fatalf("event %d is %q while %s, after %q", i, e, at, events[max(0, i-4):i])
		}
		at = next
	}
	if at != "idle" {
		t.Errorf("the events end while %s: %q", at, events[max(0, len(events)-4):])
	}
}
