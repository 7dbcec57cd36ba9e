package shadowcompat_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

func TestMain(m *testing.M) { os.Exit(facadetest.Main(m, v1compat.SetLogger)) }

// cb returns a callback that records name, status and payload without what
// changes from run to run.
func cb(e *facadetest.Events, name string) shadowcompat.ShadowCallback {
	return func(payload, status, token string) { e.Add("%s %s %s", name, status, normal(payload)) }
}

var changing = regexp.MustCompile(`"(clientToken|timestamp)":( ?)("[^"]*"|\d+)`)

func normal(payload string) string { return changing.ReplaceAllString(payload, `"$1":${2}X`) }

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
	require.NoError(t, c.Connect())
	return c
}

// wire is what the client has sent, in the words of the shadow service.
func wire(srv *iotlocal.Server) facadetest.Wire {
	return facadetest.Wire{Server: srv, ClientID: "shadow", Prefix: "$aws/things/Bot/shadow/", Payload: normal}
}

func inject(t *testing.T, srv *iotlocal.Server, topic, payload string) {
	t.Helper()
	_, err := srv.Publish(iotlocal.Message{Topic: "$aws/things/Bot/shadow/" + topic, Payload: []byte(payload)})
	require.NoError(t, err)
}

// v1's transcripts shadow_persistent_accepted and _rejected.
func TestPersistent(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	ev := facadetest.NewEvents()
	call := func(token string, err error) {
		t.Helper()
		require.NoError(t, err)
		assert.Len(t, token, 36, "token")
	}
	for round := range 2 {
		n := round * 4
		call(h.ShadowGet(cb(ev, "get"), 5)) // rejected: there is no document
		ev.Wait(t, n+1)
		call(h.ShadowUpdate(`{"state":{"reported":{"t":1}}}`, cb(ev, "update"), 5))
		ev.Wait(t, n+2)
		call(h.ShadowGet(cb(ev, "get"), 5))
		ev.Wait(t, n+3)
		call(h.ShadowDelete(cb(ev, "delete"), 5))
		ev.Wait(t, n+4)
	}
	got := ev.Wait(t, 8)
	for i, want := range []string{"get rejected ", "update accepted ", "get accepted ", "delete accepted "} {
		for _, j := range []int{i, i + 4} {
			assert.True(t, strings.HasPrefix(got[j], want), "answer")
			assert.Contains(t, got[j], `"clientToken":X`, "answer")
		}
	}
	assert.Equal(t, []string{"CONNECT",
		"SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0", `PUBLISH get 0 {"clientToken": X}`,
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"state": {"reported": {"t": 1}}, "clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`,
		"SUBSCRIBE delete/accepted 0", "SUBSCRIBE delete/rejected 0", `PUBLISH delete 0 {"clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`, `PUBLISH update 0 {"state": {"reported": {"t": 1}}, "clientToken": X}`,
		`PUBLISH get 0 {"clientToken": X}`, `PUBLISH delete 0 {"clientToken": X}`,
	}, wire(srv).Sent(t, 15), "packets")
}

// v1's transcripts shadow_nonpersistent_accepted and _rejected: subscribed before
// each request, unsubscribed after the answer.
func TestNonPersistent(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	ev := facadetest.NewEvents()
	one := []string{"SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0", `PUBLISH get 0 {"clientToken": X}`, "UNSUBSCRIBE get/accepted", "UNSUBSCRIBE get/rejected"}
	for i := range 2 {
		_, err := h.ShadowGet(cb(ev, "get"), 5)
		require.NoError(t, err)
		ev.Wait(t, i+1)
		wire(srv).Sent(t, 1+5*(i+1))
	}
	assert.Equal(t, slices.Concat([]string{"CONNECT"}, one, one), wire(srv).Sent(t, 11), "packets")
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
			require.NoError(t, err)
			ev := facadetest.NewEvents()
			var token string
			tokens := make(chan string, 1)
			token, err = h.ShadowGet(func(payload, status, got string) {
				seen := len(wire(srv).Sent(t, 4))
				ev.Add("%s %s %d", payload, status, seen)
				tokens <- got
				if _, err := h.ShadowGet(cb(ev, "again"), 5); err != nil {
					ev.Add("%v", err)
				}
			}, 0.05)
			require.NoError(t, err)
			assert.Equal(t, token, <-tokens, "token")
			want := "REQUEST TIME OUT timeout 6" // CONNECT, 2 SUBSCRIBE, PUBLISH, 2 UNSUBSCRIBE
			if persistent {
				want = "REQUEST TIME OUT timeout 4"
			}
			got := ev.Wait(t, 2)
			assert.Equal(t, want, got[0])
			assert.True(t, strings.HasPrefix(got[1], "again rejected "))
			inject(t, srv, "get/accepted", fmt.Sprintf(`{"clientToken":%q,"version":1}`, token))
			_, err = h.ShadowGet(cb(ev, "last"), 5)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(ev.Wait(t, 3)[2], "last rejected "), "after a late answer")
		})
	}
}

// v1's transcript shadow_foreign_and_late.
func TestForeignAnswers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	require.NoError(t, err)
	ev := facadetest.NewEvents()
	token, err := h.ShadowGet(cb(ev, "get"), 5)
	require.NoError(t, err)
	_, err = h.ShadowUpdate("{}", cb(ev, "update"), 5)
	require.NoError(t, err)
	for _, payload := range []string{`{"state":{},"version":3,"clientToken":"someone-else"}`, `{"state":{},"version":4}`, `not json`, `[]`, ``} {
		inject(t, srv, "get/accepted", payload)
	}
	// The token of a get in an answer to an update: not its answer.
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"clientToken":%q}`, token))
	inject(t, srv, "get/rejected", fmt.Sprintf(`{"code":404,"clientToken":%q}`, token))
	inject(t, srv, "get/accepted", fmt.Sprintf(`{"clientToken":%q}`, token))
	assert.Equal(t, []string{`get rejected {"code":404,"clientToken":X}`}, ev.Wait(t, 1), "events")
}

// One callback per action: the last one registered gets the answers of both, as
// v1's transcript shadow_concurrent_updates shows. Subscribed twice, unsubscribed
// once.
func TestConcurrentUpdates(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	require.NoError(t, err)
	ev := facadetest.NewEvents()
	first, err := h.ShadowUpdate(`{"n":1}`, cb(ev, "first"), 5)
	require.NoError(t, err)
	second, err := h.ShadowUpdate(`{"n":2}`, cb(ev, "second"), 5)
	require.NoError(t, err)
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"n":2,"clientToken":%q}`, second))
	ev.Wait(t, 1)
	inject(t, srv, "update/accepted", fmt.Sprintf(`{"n":1,"clientToken":%q}`, first))
	assert.Equal(t, []string{`second accepted {"n":2,"clientToken":X}`, `second accepted {"n":1,"clientToken":X}`}, ev.Wait(t, 2), "events")
	assert.Equal(t, []string{"CONNECT",
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"n": 1, "clientToken": X}`,
		"SUBSCRIBE update/accepted 0", "SUBSCRIBE update/rejected 0", `PUBLISH update 0 {"n": 2, "clientToken": X}`,
		"UNSUBSCRIBE update/accepted", "UNSUBSCRIBE update/rejected"}, wire(srv).Sent(t, 9), "packets")
}

// v1's transcript shadow_delta, with the version rule.
func TestDelta(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	h := c.CreateShadowHandlerWithName("Bot", true)
	ev := facadetest.NewEvents()
	require.NoError(t, h.ShadowRegisterDeltaCallback(func(payload, status, token string) {
		assert.Empty(t, token, "token")
		ev.Add("%s %s", status, payload)
	}))
	for _, payload := range []string{`{"version":5}`, `{"version":6}`, `{"version":6}`, `{"version":4}`, `{"state":{}}`, `no json`, `{"version":7}`} {
		inject(t, srv, "update/delta", payload)
	}
	assert.Equal(t, []string{`delta/Bot {"version":5}`, `delta/Bot {"version":6}`, `delta/Bot {"version":7}`}, ev.Wait(t, 3), "deltas")
	require.NoError(t, h.ShadowUnregisterDeltaCallback())
	inject(t, srv, "update/delta", `{"version":8}`)
	var ke *v1compat.KeyError
	if assert.ErrorAs(t, h.ShadowUnregisterDeltaCallback(), &ke, "second unregister") {
		assert.Equal(t, "delta", ke.Key, "second unregister")
	}
	require.NoError(t, h.ShadowRegisterDeltaCallback(nil))
	inject(t, srv, "update/delta", `{"version":9}`)
	assert.Equal(t, []string{"CONNECT", "SUBSCRIBE update/delta 0", "UNSUBSCRIBE update/delta", "SUBSCRIBE update/delta 0"}, wire(srv).Sent(t, 4), "packets")
	assert.Equal(t, 3, len(ev.Wait(t, 3)))
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
			require.NoError(t, err)
			deltas, answers := facadetest.NewEvents(), facadetest.NewEvents()
			require.NoError(t, h.ShadowRegisterDeltaCallback(func(payload, _, _ string) {
				deltas.Add("%s", strings.Trim(payload, `{"version:}`))
			}))
			n := 0
			answer := func(action string, version int) {
				t.Helper()
				var token string
				var err error
				switch action {
				case "get":
					token, err = h.ShadowGet(cb(answers, "get"), 5)
				case "update":
					token, err = h.ShadowUpdate("{}", cb(answers, "update"), 5)
				default:
					token, err = h.ShadowDelete(cb(answers, "delete"), 5)
				}
				require.NoError(t, err)
				inject(t, srv, action+"/accepted", fmt.Sprintf(`{"version":%d,"clientToken":%q}`, version, token))
				n++
				answers.Wait(t, n)
			}
			delta := func(version int) { inject(t, srv, "update/delta", fmt.Sprintf(`{"version":%d}`, version)) }
			delta(9)
			delta(8)         // older
			answer("get", 7) // older: resets in v1
			delta(8)
			answer("update", 10)
			delta(10) // the accepted answer came first
			if tt.quirks.ShadowVersionReset {
				answer("get", 10) // what is known is not newer either
			}
			delta(10)
			delta(11)
			answer("delete", 11)
			delta(3)
			want := strings.Fields(tt.want)
			assert.Equal(t, want, deltas.Wait(t, len(want)), "deltas")
		})
	}
}

// Two handlers of one thing: v1's took each other's messages away.
func TestTwoHandlers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	a, b := c.CreateShadowHandlerWithName("Bot", true), c.CreateShadowHandlerWithName("Bot", false)
	ev := facadetest.NewEvents()
	require.NoError(t, a.ShadowRegisterDeltaCallback(cb(ev, "a")))
	require.NoError(t, b.ShadowRegisterDeltaCallback(cb(ev, "b")))
	inject(t, srv, "update/delta", `{"version":1}`)
	got := ev.Wait(t, 2)
	slices.Sort(got)
	assert.Equal(t, []string{`a delta/Bot {"version":1}`, `b delta/Bot {"version":1}`}, got, "deltas")
	require.NoError(t, b.ShadowUnregisterDeltaCallback()) // a still holds the topic
	inject(t, srv, "update/delta", `{"version":2}`)
	assert.Equal(t, `a delta/Bot {"version":2}`, ev.Wait(t, 3)[2])
	_, err := a.ShadowUpdate(`{"state":{"reported":{"x":1}}}`, cb(ev, "a"), 5)
	require.NoError(t, err)
	_, err = b.ShadowUpdate(`{"state":{"reported":{"x":2}}}`, cb(ev, "b"), 5)
	require.NoError(t, err)
	got = ev.Wait(t, 5)[3:]
	slices.Sort(got)
	assert.True(t, strings.HasPrefix(got[0], "a accepted"))
	assert.True(t, strings.HasPrefix(got[1], "b accepted"))
	require.NoError(t, a.ShadowUnregisterDeltaCallback())
	packets := wire(srv).Sent(t, 10)
	n := len(packets)
	assert.Equal(t, "UNSUBSCRIBE update/delta", packets[n-1])
	assert.Equal(t, n-1, slices.Index(packets, "UNSUBSCRIBE update/delta"))
	assert.NotContains(t, packets, "UNSUBSCRIBE update/accepted", "b unsubscribed what a holds")
}

// Requests from callbacks, blocking as they are.
func TestCallInCallback(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", false)
	ev := facadetest.NewEvents()
	require.NoError(t, h.ShadowRegisterDeltaCallback(func(payload, status, _ string) {
		answered := make(chan struct{})
		if _, err := h.ShadowUpdate(`{"state":{"reported":{"a":1}}}`, func(_, status, _ string) {
			ev.Add("reported %s", status)
			close(answered)
		}, 5); err != nil {
			ev.Add("%v", err)
			return
		}
		<-answered // a callback may wait for another
		ev.Add("delta done")
	}))
	// From the cloud: an update of this handler would share its one callback for updates with the one above.
	_, err := srv.Shadow("Bot", "").Update(`{"state":{"desired":{"a":1}}}`)
	require.NoError(t, err)
	assert.Equal(t, []string{"reported accepted", "delta done"}, ev.Wait(t, 2), "events")
}

// Errors of the calls; the queue is off by default. A failed request leaves
// nothing behind.
func TestErrors(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	require.NoError(t, c.Disconnect())
	h := c.CreateShadowHandlerWithName("Bot", false)
	var sd *v1compat.SubscribeQueueDisabledError
	token, err := h.ShadowGet(nil, 1)
	assert.Empty(t, token, "get")
	assert.ErrorAs(t, err, &sd, "get")
	assert.ErrorAs(t, h.ShadowRegisterDeltaCallback(func(string, string, string) {}), &sd, "delta")
	var ke *v1compat.KeyError
	assert.ErrorAs(t, h.ShadowUnregisterDeltaCallback(), &ke, "unregister after a failed register")
	var ve *v1compat.ValueError
	var te *v1compat.TypeError
	_, err = h.ShadowUpdate("{bad", nil, 1)
	if assert.ErrorAs(t, err, &ve, "bad JSON") {
		assert.Equal(t, "Invalid JSON file.", ve.Message, "bad JSON")
	}
	_, err = h.ShadowUpdate("[1]", nil, 1)
	assert.ErrorAs(t, err, &te, "not an object")
	_, err = h.ShadowGet(nil, -1)
	assert.ErrorAs(t, err, &ve, "negative timeout")
	for _, name := range []string{"", "a/b", "a+", "#"} {
		bad := c.CreateShadowHandlerWithName(name, true)
		_, err1 := bad.ShadowGet(nil, 1)
		for i, err := range []error{err1, bad.ShadowRegisterDeltaCallback(nil), bad.ShadowUnregisterDeltaCallback()} {
			if assert.ErrorAs(t, err, &ve, "name %q, call %d: %v", name, i, err) {
				assert.Equal(t, "Invalid topic.", ve.Message, "name %q, call %d: %v", name, i, err)
			}
		}
	}
	require.NoError(t, c.Connect())
	ev := facadetest.NewEvents()
	_, err = h.ShadowGet(cb(ev, "get"), 5)
	require.NoError(t, err)
	ev.Wait(t, 1)
	assert.Equal(t, []string{"CONNECT", "DISCONNECT", "CONNECT", "SUBSCRIBE get/accepted 0", "SUBSCRIBE get/rejected 0",
		`PUBLISH get 0 {"clientToken": X}`, "UNSUBSCRIBE get/accepted", "UNSUBSCRIBE get/rejected"}, wire(srv).Sent(t, 8), "packets")

	// A persistent handler that has subscribed fails at the publish.
	p := c.CreateShadowHandlerWithName("Bot", true)
	_, err = p.ShadowGet(cb(ev, "get"), 5)
	require.NoError(t, err)
	ev.Wait(t, 2)
	require.NoError(t, c.Disconnect())
	var pd *v1compat.PublishQueueDisabledError
	_, err = p.ShadowGet(nil, 1)
	assert.ErrorAs(t, err, &pd, "publish")
	assert.ErrorAs(t, shadowcompat.NewAWSIoTMQTTShadowClientWith(nil).Connect(), &te, "nil connection")
}

// The panic of a callback is a log line.
func TestPanic(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := connected(t, srv).CreateShadowHandlerWithName("Bot", true)
	ev := facadetest.NewEvents()
	_, err := h.ShadowGet(func(string, string, string) { defer ev.Add("panic"); panic("x") }, 5)
	require.NoError(t, err)
	ev.Wait(t, 1)
	_, err = h.ShadowGet(cb(ev, "get"), 5)
	require.NoError(t, err)
	ev.Wait(t, 2)
}

// Persistent subscriptions come back after a reconnect; the hooks are the shadow
// client's.
func TestReconnect(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	mqtt := v1compat.NewAWSIoTMQTTClient("shadow")
	mqtt.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	mqtt.OnOnline = func() { assert.Fail(t, "the hook of the connection") }
	c := shadowcompat.NewAWSIoTMQTTShadowClientWith(mqtt)
	assert.Same(t, mqtt, c.GetMQTTConnection(), "GetMQTTConnection")
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	h := c.CreateShadowHandlerWithName("Bot", true)
	require.NoError(t, h.ShadowRegisterDeltaCallback(cb(ev, "delta")))
	srv.Faults().Cut("shadow")
	ev.Wait(t, 3)
	wire(srv).Sent(t, 4)
	inject(t, srv, "update/delta", `{"version":1}`)
	assert.Equal(t, []string{"online", "offline", "online", `delta delta/Bot {"version":1}`}, ev.Wait(t, 4), "events")
	require.NoError(t, c.Disconnect())
	require.NoError(t, mqtt.V2().Close())
}

// Everything that is delegated arrives at the connection.
func TestDelegation(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("Bot")
	require.NoError(t, err)
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
	require.NoError(t, c.Connect(45))
	ps := srv.Recorder().Packets()
	i := slices.IndexFunc(ps, func(p iotlocal.Packet) bool { return p.Connect != nil })
	k := ps[i].Connect
	assert.Equal(t, uint16(45), k.KeepAlive)
	assert.Equal(t, "user", k.Username)
	assert.True(t, k.HasPassword)
	if assert.NotNil(t, k.Will) {
		assert.Equal(t, "will", k.Will.Topic)
		assert.False(t, k.Will.Retain)
	}
	require.NoError(t, c.Disconnect())
	c.ClearLastWill()
	c.ConfigureSocketFactory(nil)
	require.NoError(t, c.Connect())
	require.NoError(t, c.Disconnect())
	require.NoError(t, c.GetMQTTConnection().V2().Close())
}
