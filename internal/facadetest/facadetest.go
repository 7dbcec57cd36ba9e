// Package facadetest is what the tests of the facades (v1compat, shadowcompat, jobscompat) have in common: callbacks that
// are recorded, calls whose result is v1's True or False, and what a client has put on the wire.
package facadetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Patience bounds every wait of these tests. It is real time: tests of time run in a testing/synctest bubble.
const Patience = 5 * time.Minute

// Main is what TestMain of a facade exits with: it silences the log that is not set up by a test, and fails when goroutines are left
// at the end. setLogger is v1compat.SetLogger.
func Main(m *testing.M, setLogger func(*logrus.Logger)) (code int) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	setLogger(Quiet())
	code = m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// Quiet is a logger without output.
func Quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// Acked checks the results of a call that must be acknowledged, or written at QoS 0: v1's True.
func Acked(t testing.TB) func(acked bool, err error) {
	return func(acked bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, acked, "queued, not sent")
	}
}

// Queued checks the results of a call that must go into the offline queue: v1's False.
func Queued(t testing.TB) func(acked bool, err error) {
	return func(acked bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.False(t, acked, "sent, not queued")
	}
}

// Next is the next value of a channel that callbacks fill.
func Next[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(Patience):
		require.Fail(t, "no callback")
	}
	return v
}

// Events records callbacks, and lets a test wait for them.
type Events struct {
	mu   sync.Mutex
	list []string
	wake chan struct{}
}

// NewEvents makes an empty record.
func NewEvents() *Events { return &Events{wake: make(chan struct{}, 1)} }

// Add records one event.
func (e *Events) Add(format string, args ...any) {
	e.mu.Lock()
	e.list = append(e.list, fmt.Sprintf(format, args...))
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// All returns the events so far.
func (e *Events) All() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// Wait waits for n events and returns them.
func (e *Events) Wait(t testing.TB, n int) []string {
	t.Helper()
	late := time.After(Patience)
	for {
		if got := e.All(); len(got) >= n {
			return got
		}
		select {
		case <-e.wake:
		case <-late:
			require.FailNow(t, "events are missing", "only %d of %d: %q", len(e.All()), n, e.All())
		}
	}
}

// Wire reads what clients have put on the wire from the server's record.
type Wire struct {
	Server   *iotlocal.Server
	ClientID string              // of the client; "": of all
	Prefix   string              // left out of topics and filters
	Payload  func(string) string // of a payload, without what changes from run to run; nil: as it is
	Requests bool                // CONNECT and DISCONNECT are left out
}

// Sent returns the packets as short texts, without acknowledgements and pings, once they are n.
func (w Wire) Sent(t testing.TB, n int) []string {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	err := w.Server.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
		got = w.texts(ps)
		return len(got) >= n
	})
	require.NoError(t, err, "only %d of %d packets: %q", len(got), n, got)
	return got
}

// Now returns the packets so far, as Sent does.
func (w Wire) Now() []string { return w.texts(w.Server.Recorder().Packets()) }

func (w Wire) texts(ps []iotlocal.Packet) []string {
	var got []string
	for _, p := range ps {
		if p.Dir == iotlocal.ClientToServer && (w.ClientID == "" || p.ClientID == w.ClientID) {
			if text := w.text(p); text != "" {
				got = append(got, text)
			}
		}
	}
	return got
}

func (w Wire) text(p iotlocal.Packet) string {
	short := func(s string) string { return strings.TrimPrefix(s, w.Prefix) }
	switch p.Type {
	case iotlocal.CONNECT, iotlocal.DISCONNECT:
		if !w.Requests {
			return p.Type.String()
		}
	case iotlocal.PUBLISH:
		payload := string(p.Payload)
		if w.Payload != nil {
			payload = w.Payload(payload)
		}
		text := fmt.Sprintf("PUBLISH %s %d %s", short(p.Topic), p.QoS, payload)
		if p.Dup {
			text += " dup"
		}
		if p.Retain {
			text += " retain"
		}
		return text
	case iotlocal.SUBSCRIBE:
		var filters []string
		for _, f := range p.Filters {
			filters = append(filters, fmt.Sprintf("%s %d", short(f.Filter), f.QoS))
		}
		return "SUBSCRIBE " + strings.Join(filters, ", ")
	case iotlocal.UNSUBSCRIBE:
		return "UNSUBSCRIBE " + short(p.Filters[0].Filter)
	}
	return ""
}

// Sent is Wire.Sent of one client, with everything it has sent.
func Sent(t testing.TB, srv *iotlocal.Server, clientID string, n int) []string {
	t.Helper()
	return Wire{Server: srv, ClientID: clientID}.Sent(t, n)
}

// Text is one packet as Sent shows it, "" for acknowledgements and pings.
func Text(p iotlocal.Packet) string { return Wire{}.text(p) }
