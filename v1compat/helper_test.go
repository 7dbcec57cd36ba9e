package v1compat_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	v1compat.SetLogger(quiet())
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// quiet is a logger without output.
func quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// events records callbacks, and lets a test wait for them.
type events struct {
	mu   sync.Mutex
	list []string
	wake chan struct{}
}

func newEvents() *events { return &events{wake: make(chan struct{}, 1)} }

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	e.list = append(e.list, fmt.Sprintf(format, args...))
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.list...)
}

// wait waits for n events and returns them.
func (e *events) wait(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(patience)
	for {
		if got := e.all(); len(got) >= n {
			return got
		}
		select {
		case <-e.wake:
		case <-late:
			t.Fatalf("only %d of %d events: %q", len(e.all()), n, e.all())
		}
	}
}

// server starts an endpoint.
func server(t *testing.T) *iotlocal.Server {
	t.Helper()
	return iotlocal.StartT(t, iotlocal.Options{})
}

// plain makes a client that talks plain TCP to srv and is not connected.
func plain(t *testing.T, srv *iotlocal.Server, id string, opts ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient {
	t.Helper()
	c := v1compat.NewAWSIoTMQTTClient(id, opts...)
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ConfigureConnectDisconnectTimeout(5)
	t.Cleanup(func() {
		c.Disconnect() // an error says that it is not connected
		core := c.V2() // asked for again, it would be made anew
		core.Close()
		<-core.Done()
	})
	return c
}

// connected makes a client that is connected.
func connected(t *testing.T, srv *iotlocal.Server, id string, opts ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient {
	t.Helper()
	c := plain(t, srv, id, opts...)
	must(t, c.Connect())
	return c
}

// sent returns what client id has sent, as short texts, once it is n packets
// (without ACKs and PINGs).
func sent(t *testing.T, srv *iotlocal.Server, id string, n int) []string {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
		got = got[:0]
		for _, p := range ps {
			if p.Dir == iotlocal.ClientToServer && p.ClientID == id {
				if s := short(p); s != "" {
					got = append(got, s)
				}
			}
		}
		return len(got) >= n
	})
	if err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	return append([]string(nil), got...)
}

func short(p iotlocal.Packet) string {
	switch p.Type {
	case iotlocal.CONNECT:
		return "CONNECT"
	case iotlocal.PUBLISH:
		s := fmt.Sprintf("PUBLISH %s %d %s", p.Topic, p.QoS, p.Payload)
		if p.Dup {
			s += " dup"
		}
		if p.Retain {
			s += " retain"
		}
		return s
	case iotlocal.SUBSCRIBE:
		var fs []string
		for _, f := range p.Filters {
			fs = append(fs, fmt.Sprintf("%s %d", f.Filter, f.QoS))
		}
		return "SUBSCRIBE " + strings.Join(fs, ", ")
	case iotlocal.UNSUBSCRIBE:
		return "UNSUBSCRIBE " + p.Filters[0].Filter
	case iotlocal.DISCONNECT:
		return "DISCONNECT"
	}
	return ""
}

// fault adds a rule.
func fault(t *testing.T, srv *iotlocal.Server, r iotlocal.Rule) *iotlocal.RuleHandle {
	t.Helper()
	h, err := srv.Faults().Add(r)
	must(t, err)
	return h
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares lists of texts.
func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func bg() context.Context { return context.Background() }

func itoa(n int) string { return strconv.Itoa(n) }

// connectText returns the interesting parts of the last CONNECT of a client.
func connectText(srv *iotlocal.Server, id string) string {
	s := "no CONNECT"
	for _, p := range srv.Recorder().Packets() {
		k := p.Connect
		if k == nil || p.ClientID != id {
			continue
		}
		s = "rejoin"
		if k.CleanStart {
			s = "clean"
		}
		if k.SessionExpiry != nil {
			s += fmt.Sprintf(" %d", *k.SessionExpiry)
		}
		user := k.Username
		if i := strings.Index(user, "SDK"); i >= 0 {
			user = user[:i+3]
		}
		s += fmt.Sprintf(" %d %s", k.KeepAlive, user)
		if k.HasPassword {
			s += " password"
		}
		if w := k.Will; w != nil {
			s += fmt.Sprintf(" will %s %s %d %v", w.Topic, w.Payload, w.QoS, w.Retain)
		}
	}
	return s
}
