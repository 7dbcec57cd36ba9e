package shadowcompat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const patience = 10 * time.Second

// events records callbacks.
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

// wait waits for n events and returns them.
func (e *events) wait(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(patience)
	for {
		e.mu.Lock()
		got := slices.Clone(e.list)
		e.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-e.wake:
		case <-late:
			t.Fatalf("only %d of %d events: %q", len(got), n, got)
		}
	}
}

// cb returns a callback that records name, status and payload without what
// changes from run to run.
func (e *events) cb(name string) shadowcompat.ShadowCallback {
	return func(payload, status, token string) { e.add("%s %s %s", name, status, normal(payload)) }
}

var changing = regexp.MustCompile(`"(clientToken|timestamp)":( ?)("[^"]*"|\d+)`)

func normal(payload string) string { return changing.ReplaceAllString(payload, `"$1":${2}X`) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func connected(t *testing.T, srv *iotlocal.Server, opts ...v1compat.ClientOption) *shadowcompat.AWSIoTMQTTShadowClient {
	t.Helper()
	c := shadowcompat.NewAWSIoTMQTTShadowClient("shadow", opts...)
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ConfigureConnectDisconnectTimeout(5)
	t.Cleanup(func() {
		c.Disconnect()
		core := c.GetMQTTConnection().V2()
		core.Close()
		<-core.Done()
	})
	must(t, c.Connect())
	return c
}

// sent returns what the client has sent, once it is n packets.
func sent(t *testing.T, srv *iotlocal.Server, n int) []string {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
		got = got[:0]
		for _, p := range ps {
			if p.Dir != iotlocal.ClientToServer || p.ClientID != "shadow" {
				continue
			}
			topic := strings.TrimPrefix(p.Topic, "$aws/things/Bot/shadow/")
			switch p.Type {
			case iotlocal.PUBLISH:
				got = append(got, fmt.Sprintf("PUBLISH %s %d %s", topic, p.QoS, normal(string(p.Payload))))
			case iotlocal.SUBSCRIBE:
				got = append(got, fmt.Sprintf("SUBSCRIBE %s %d", strings.TrimPrefix(p.Filters[0].Filter, "$aws/things/Bot/shadow/"), p.Filters[0].QoS))
			case iotlocal.UNSUBSCRIBE:
				got = append(got, "UNSUBSCRIBE "+strings.TrimPrefix(p.Filters[0].Filter, "$aws/things/Bot/shadow/"))
			case iotlocal.CONNECT, iotlocal.DISCONNECT:
				got = append(got, p.Type.String())
			}
		}
		return len(got) >= n
	})
	if err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	return slices.Clone(got)
}

func inject(t *testing.T, srv *iotlocal.Server, topic, payload string) {
	t.Helper()
	if _, err := srv.Publish(iotlocal.Message{Topic: "$aws/things/Bot/shadow/" + topic, Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

// v1's transcripts shadow_persistent_accepted and _rejected.
func TestPersistent(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	ev := newEvents()
	call := func(token string, err error) {
		t.Helper()
		must(t, err)
		if len(token) != 36 {
			t.Errorf("token %q", token)
		}
	}
	for round := range 2 {
		n := round * 4
		call(h.ShadowGet(ev.cb("get"), 5)) // rejected: there is no document
		ev.wait(t, n+1)
		call(h.ShadowUpdate(`{"state":{"reported":{"t":1}}}`, ev.cb("update"), 5))
		ev.wait(t, n+2)
		call(h.ShadowGet(ev.cb("get"), 5))
		ev.wait(t, n+3)
		call(h.ShadowDelete(ev.cb("delete"), 5))
		ev.wait(t, n+4)
	}
	got := ev.wait(t, 8)
	for i, want := range []string{"get rejected ", "update accepted ", "get accepted ", "delete accepted "} {
		for _, j := range []int{i, i + 4} {
			if !strings.HasPrefix(got[j], want) || !strings.Contains(got[j], `"clientToken":X`) {
				t.Errorf("answer %d: %q, want %q", j, got[j], want)
			}
		}
	}
	equal(t, "packets", sent(t, srv, 15), []string{"CONNECT",
		"SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0", `PUBLISH get 0 {"clientToken": X}`,
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"state": {"reported": {"t": 1}}, "clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`,
		"SUBSCRIBE delete/accepted 0", "SUBSCRIBE delete/rejected 0", `PUBLISH delete 0 {"clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`, `PUBLISH update 0 {"state": {"reported": {"t": 1}}, "clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`, `PUBLISH delete 0 {"clientToken": X}`,
	})
}

// v1's transcripts shadow_nonpersistent_accepted and _rejected: subscribed before
// each request, unsubscribed after the answer.
func TestNonPersistent(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	ev := newEvents()
	one := []string{"SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0", `PUBLISH get 0 {"clientToken": X}`, "UNSUBSCRIBE get/accepted", "UNSUBSCRIBE get/rejected"}
	for i := range 2 {
		_, err := h.ShadowGet(ev.cb("get"), 5)
		must(t, err)
		ev.wait(t, i+1)
		sent(t, srv, 1+5*(i+1))
	}
	equal(t, "packets", sent(t, srv, 11), slices.Concat([]string{"CONNECT"}, one, one))
}

// v1's transcript shadow_nonpersistent_timeout: unsubscribed first, then the
// callback; shadow_persistent_timeout: the callback alone. A late answer is
// ignored. In the timeout callback the handler can be used (v1 stopped for good).
func TestTimeout(t *testing.T) {
	for _, persistent := range []bool{true, false} {
		t.Run(fmt.Sprint(persistent), func(t *testing.T) {
			srv := iotlocal.StartT(t, iotlocal.Options{})
			h := connected(t, srv).CreateShadowHandlerWithName("Bot", persistent)
			_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Times: 1, Action: iotlocal.Drop})
			must(t, err)
			ev := newEvents()
			var token string
			tokens := make(chan string, 1)
			token, err = h.ShadowGet(func(payload, status, got string) {
				seen := len(sent(t, srv, 4))
				ev.add("%s %s %d", payload, status, seen)
				tokens <- got
				if _, err := h.ShadowGet(ev.cb("again"), 5); err != nil {
					ev.add("%v", err)
				}
			}, 0.05)
			must(t, err)
			if got := <-tokens; got != token {
				t.Errorf("token %q, want %q", got, token)
			}
			want := "REQUEST TIME OUT timeout 6" // CONNECT, 2 SUBSCRIBE, PUBLISH, 2 UNSUBSCRIBE
			if persistent {
				want = "REQUEST TIME OUT timeout 4"
			}
			got := ev.wait(t, 2)
			if got[0] != want || !strings.HasPrefix(got[1], "again rejected ") {
				t.Errorf("got %q, want %q", got, want)
			}
			inject(t, srv, "get/accepted", fmt.Sprintf(`{"clientToken":%q,"version":1}`, token))
			_, err = h.ShadowGet(ev.cb("last"), 5)
			must(t, err)
			if got := ev.wait(t, 3); !strings.HasPrefix(got[2], "last rejected ") {
				t.Errorf("after a late answer: %q", got)
			}
		})
	}
}

// v1's transcript shadow_foreign_and_late.
func TestForeignAnswers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	must(t, err)
	ev := newEvents()
	token, err := h.ShadowGet(ev.cb("get"), 5)
	must(t, err)
	_, err = h.ShadowUpdate("{}", ev.cb("update"), 5)
	must(t, err)
	for _, payload := range []string{`{"state":{},"version":3,"clientToken":"someone-else"}`, `{"state":{},"version":4}`, `not json`, `[]`, ``} {
		inject(t, srv, "get/accepted", payload)
	}
	// The token of a get in an answer to an update: not its answer.
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"clientToken":%q}`, token))
	inject(t, srv, "get/rejected", fmt.Sprintf(`{"code":404,"clientToken":%q}`, token))
	inject(t, srv, "get/accepted", fmt.Sprintf(`{"clientToken":%q}`, token))
	equal(t, "events", ev.wait(t, 1), []string{`get rejected {"code":404,"clientToken":X}`})
}

// One callback per action: the last one registered gets the answers of both, as
// v1's transcript shadow_concurrent_updates shows. Subscribed twice, unsubscribed
// once.
func TestConcurrentUpdates(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	must(t, err)
	ev := newEvents()
	first, err := h.ShadowUpdate(`{"n":1}`, ev.cb("first"), 5)
	must(t, err)
	second, err := h.ShadowUpdate(`{"n":2}`, ev.cb("second"), 5)
	must(t, err)
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"n":2,"clientToken":%q}`, second))
	ev.wait(t, 1)
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"n":1,"clientToken":%q}`, first))
	equal(t, "events", ev.wait(t, 2), []string{`second accepted {"n":2,"clientToken":X}`, `second accepted {"n":1,"clientToken":X}`})
	equal(t, "packets", sent(t, srv, 9), []string{"CONNECT",
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"n": 1, "clientToken": X}`,
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"n": 2, "clientToken": X}`,
		"UNSUBSCRIBE update/accepted", "UNSUBSCRIBE update/rejected"})
}

// v1's transcript shadow_delta, with the version rule.
func TestDelta(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	h := c.CreateShadowHandlerWithName("Bot", true)
	ev := newEvents()
	must(t, h.ShadowRegisterDeltaCallback(func(payload, status, token string) {
		if token != "" {
			t.Errorf("token %q", token)
		}
		ev.add("%s %s", status, payload)
	}))
	for _, payload := range []string{`{"version":5}`, `{"version":6}`, `{"version":6}`, `{"version":4}`, `{"state":{}}`, `no json`, `{"version":7}`} {
		inject(t, srv, "update/delta", payload)
	}
	equal(t, "deltas", ev.wait(t, 3), []string{`delta/Bot {"version":5}`, `delta/Bot {"version":6}`, `delta/Bot {"version":7}`})
	must(t, h.ShadowUnregisterDeltaCallback())
	inject(t, srv, "update/delta", `{"version":8}`)
	var ke *v1compat.KeyError
	if err := h.ShadowUnregisterDeltaCallback(); !errors.As(err, &ke) || ke.Key != "delta" {
		t.Errorf("second unregister: %v", err)
	}
	must(t, h.ShadowRegisterDeltaCallback(nil))
	inject(t, srv, "update/delta", `{"version":9}`)
	equal(t, "packets", sent(t, srv, 4), []string{"CONNECT", "SUBSCRIBE update/delta 0", "UNSUBSCRIBE update/delta", "SUBSCRIBE update/delta 0"})
	if n := len(ev.wait(t, 3)); n != 3 {
		t.Errorf("%d deltas", n)
	}
}

// The version rule of accepted answers, by default and with its quirks: what of
// the deltas that follow each answer is delivered.
func TestVersionRule(t *testing.T) {
	for _, tt := range []struct {
		name   string
		quirks v1compat.Quirks
		want   string
	}{
		{"default", v1compat.Quirks{}, "9 11 3"},
		{"reset", v1compat.Quirks{ShadowVersionReset: true}, "9 8 10 11 3"},
		{"same version", v1compat.Quirks{ShadowDeltaSameVersion: true}, "9 10 11 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := iotlocal.StartT(t, iotlocal.Options{})
			h := connected(t, srv, v1compat.WithQuirks(tt.quirks)).CreateShadowHandlerWithName("Bot", true)
			_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			must(t, err)
			deltas, answers := newEvents(), newEvents()
			must(t, h.ShadowRegisterDeltaCallback(func(payload, _, _ string) {
				deltas.add("%s", strings.Trim(payload, `{"version:}`))
			}))
			n := 0
			answer := func(action string, version int) {
				t.Helper()
				var token string
				var err error
				switch action {
				case "get":
					token, err = h.ShadowGet(answers.cb("get"), 5)
				case "update":
					token, err = h.ShadowUpdate("{}", answers.cb("update"), 5)
				default:
					token, err = h.ShadowDelete(answers.cb("delete"), 5)
				}
				must(t, err)
				inject(t, srv, action+"/accepted", fmt.Sprintf(`{"version":%d,"clientToken":%q}`, version, token))
				n++
				answers.wait(t, n)
			}
			delta := func(version int) { inject(t, srv, "update/delta", fmt.Sprintf(`{"version":%d}`, version)) }
			delta(9)
			delta(8)         // older
			answer("get", 7) // older: resets in v1
			delta(8)
			answer("update", 10)
			delta(10) // the accepted answer came first
			if tt.quirks.ShadowVersionReset {
				answer("get", 9)
			}
			delta(10)
			delta(11)
			answer("delete", 11)
			delta(3)
			want := strings.Fields(tt.want)
			equal(t, "deltas", deltas.wait(t, len(want)), want)
		})
	}
}

// Two handlers of one thing: v1's took each other's messages away.
func TestTwoHandlers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	a, b := c.CreateShadowHandlerWithName("Bot", true), c.CreateShadowHandlerWithName("Bot", false)
	ev := newEvents()
	must(t, a.ShadowRegisterDeltaCallback(ev.cb("a")))
	must(t, b.ShadowRegisterDeltaCallback(ev.cb("b")))
	inject(t, srv, "update/delta", `{"version":1}`)
	got := ev.wait(t, 2)
	slices.Sort(got)
	equal(t, "deltas", got, []string{`a delta/Bot {"version":1}`, `b delta/Bot {"version":1}`})
	must(t, b.ShadowUnregisterDeltaCallback()) // a still holds the topic
	inject(t, srv, "update/delta", `{"version":2}`)
	if got := ev.wait(t, 3); got[2] != `a delta/Bot {"version":2}` {
		t.Errorf("%q", got)
	}
	_, err := a.ShadowUpdate(`{"state":{"reported":{"x":1}}}`, ev.cb("a"), 5)
	must(t, err)
	_, err = b.ShadowUpdate(`{"state":{"reported":{"x":2}}}`, ev.cb("b"), 5)
	must(t, err)
	got = ev.wait(t, 5)[3:]
	slices.Sort(got)
	if !strings.HasPrefix(got[0], "a accepted") || !strings.HasPrefix(got[1], "b accepted") {
		t.Errorf("%q", got)
	}
	must(t, a.ShadowUnregisterDeltaCallback())
	packets := sent(t, srv, 10)
	if n := len(packets); packets[n-1] != "UNSUBSCRIBE update/delta" || slices.Index(packets, "UNSUBSCRIBE update/delta") != n-1 {
		t.Errorf("%q", packets)
	}
	if slices.Contains(packets, "UNSUBSCRIBE update/accepted") {
		t.Errorf("b unsubscribed what a holds: %q", packets)
	}
}

// Requests from callbacks, blocking as they are.
func TestCallInCallback(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	ev := newEvents()
	must(t, h.ShadowRegisterDeltaCallback(func(payload, status, _ string) {
		answered := make(chan struct{})
		if _, err := h.ShadowUpdate(`{"state":{"reported":{"a":1}}}`, func(_, status, _ string) {
			ev.add("reported %s", status)
			close(answered)
		}, 5); err != nil {
			ev.add("%v", err)
			return
		}
		<-answered // a callback may wait for another
		ev.add("delta done")
	}))
	// From the cloud: an update of this handler would share its one callback for updates with the one above.
	_, err := srv.Shadow("Bot", "").Update(`{"state":{"desired":{"a":1}}}`)
	must(t, err)
	equal(t, "events", ev.wait(t, 2), []string{"reported accepted", "delta done"})
}

// Errors of the calls; the queue is off by default. A failed request leaves
// nothing behind.
func TestErrors(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	must(t, c.Disconnect())
	h := c.CreateShadowHandlerWithName("Bot", false)
	var sd *v1compat.SubscribeQueueDisabledError
	if token, err := h.ShadowGet(nil, 1); token != "" || !errors.As(err, &sd) {
		t.Errorf("get: %q, %v", token, err)
	}
	if err := h.ShadowRegisterDeltaCallback(func(string, string, string) {}); !errors.As(err, &sd) {
		t.Errorf("delta: %v", err)
	}
	var ke *v1compat.KeyError
	if err := h.ShadowUnregisterDeltaCallback(); !errors.As(err, &ke) {
		t.Errorf("unregister after a failed register: %v", err)
	}
	var ve *v1compat.ValueError
	var te *v1compat.TypeError
	if _, err := h.ShadowUpdate("{bad", nil, 1); !errors.As(err, &ve) || ve.Message != "Invalid JSON file." {
		t.Errorf("bad JSON: %v", err)
	}
	if _, err := h.ShadowUpdate("[1]", nil, 1); !errors.As(err, &te) {
		t.Errorf("not an object: %v", err)
	}
	if _, err := h.ShadowGet(nil, -1); !errors.As(err, &ve) {
		t.Errorf("negative timeout: %v", err)
	}
	for _, name := range []string{"", "a/b", "a+", "#"} {
		bad := c.CreateShadowHandlerWithName(name, true)
		_, err1 := bad.ShadowGet(nil, 1)
		for i, err := range []error{err1, bad.ShadowRegisterDeltaCallback(nil), bad.ShadowUnregisterDeltaCallback()} {
			if !errors.As(err, &ve) || ve.Message != "Invalid topic." {
				t.Errorf("name %q, call %d: %v", name, i, err)
			}
		}
	}
	must(t, c.Connect())
	ev := newEvents()
	_, err := h.ShadowGet(ev.cb("get"), 5)
	must(t, err)
	ev.wait(t, 1)
	equal(t, "packets", sent(t, srv, 8), []string{"CONNECT", "DISCONNECT", "CONNECT", "SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0",
		`PUBLISH get 0 {"clientToken": X}`, "UNSUBSCRIBE get/accepted", "UNSUBSCRIBE get/rejected"})

	// A persistent handler that has subscribed fails at the publish.
	p := c.CreateShadowHandlerWithName("Bot", true)
	_, err = p.ShadowGet(ev.cb("get"), 5)
	must(t, err)
	ev.wait(t, 2)
	must(t, c.Disconnect())
	var pd *v1compat.PublishQueueDisabledError
	if _, err := p.ShadowGet(nil, 1); !errors.As(err, &pd) {
		t.Errorf("publish: %v", err)
	}
	if err := shadowcompat.NewAWSIoTMQTTShadowClientWith(nil).Connect(); !errors.As(err, &te) {
		t.Errorf("nil connection: %v", err)
	}
}

// The panic of a callback is a log line.
func TestPanic(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	ev := newEvents()
	_, err := h.ShadowGet(func(string, string, string) { defer ev.add("panic"); panic("x") }, 5)
	must(t, err)
	ev.wait(t, 1)
	_, err = h.ShadowGet(ev.cb("get"), 5)
	must(t, err)
	ev.wait(t, 2)
}

// Persistent subscriptions come back after a reconnect; the hooks are the shadow
// client's.
func TestReconnect(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	mqtt := v1compat.NewAWSIoTMQTTClient("shadow")
	mqtt.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	mqtt.OnOnline = func() { t.Error("the hook of the connection") }
	c := shadowcompat.NewAWSIoTMQTTShadowClientWith(mqtt)
	if c.GetMQTTConnection() != mqtt {
		t.Error("GetMQTTConnection")
	}
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	h := c.CreateShadowHandlerWithName("Bot", true)
	must(t, h.ShadowRegisterDeltaCallback(ev.cb("delta")))
	srv.Faults().Cut("shadow")
	ev.wait(t, 3)
	sent(t, srv, 4)
	inject(t, srv, "update/delta", `{"version":1}`)
	equal(t, "events", ev.wait(t, 4), []string{"online", "offline", "online", `delta delta/Bot {"version":1}`})
	must(t, c.Disconnect())
	must(t, mqtt.V2().Close())
}

// Everything that is delegated arrives at the connection.
func TestDelegation(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("Bot")
	must(t, err)
	c := shadowcompat.NewAWSIoTMQTTShadowClient("shadow")
	c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	c.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
	c.ConfigureIAMCredentials("a", "b", "c")
	c.ConfigureLastWill("will", "bye", 1)
	c.ConfigureAutoReconnectBackoffTime(1, 2, 3)
	c.ConfigureConnectDisconnectTimeout(5)
	c.ConfigureMQTTOperationTimeout(5)
	c.ConfigureUsernamePassword("user", "password")
	c.EnableMetricsCollection()
	c.DisableMetricsCollection()
	must(t, c.Connect(45))
	ps := srv.Recorder().Packets()
	i := slices.IndexFunc(ps, func(p iotlocal.Packet) bool { return p.Connect != nil })
	if k := ps[i].Connect; k.KeepAlive != 45 || k.Username != "user" || !k.HasPassword || k.Will == nil || k.Will.Topic != "will" || k.Will.Retain {
		t.Errorf("%+v", k)
	}
	must(t, c.Disconnect())
	c.ClearLastWill()
	c.ConfigureSocketFactory(nil)
	must(t, c.Connect())
	must(t, c.Disconnect())
	must(t, c.GetMQTTConnection().V2().Close())
}
