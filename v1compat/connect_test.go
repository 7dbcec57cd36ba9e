package v1compat_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Every way in which a first Connect fails: a typed error, in time, and the
// client can be used again.
func TestConnectFails(t *testing.T) {
	srv := server(t)
	other := server(t) // another CA
	thing, err := srv.NewThing("device")
	require.NoError(t, err)
	closedPort := func() int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}()
	for _, tt := range []struct {
		name  string
		do    func(c *v1compat.AWSIoTMQTTClient)
		check func(err error) bool
	}{
		{"port closed", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("127.0.0.1", closedPort) },
			func(err error) bool { var e *net.OpError; return errors.As(err, &e) && e.Op == "dial" }},
		{"unknown host", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("no-such-host.invalid", 1883) },
			func(err error) bool { var e *net.OpError; return errors.As(err, &e) && e.Op == "dial" }},
		{"unknown CA", func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
			c.ConfigureCredentials(other.CAFile(), thing.KeyFile, thing.CertFile)
		}, func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) }},
		{"name not in the certificate", func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureEndpoint("127.0.0.2", srv.TLSPort())
			c.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", srv.TLSPort())) })
			c.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
		}, func(err error) bool { var e x509.HostnameError; return errors.As(err, &e) }},
		{"key of another certificate", func(c *v1compat.AWSIoTMQTTClient) {
			foreign, err := other.NewThing("foreign")
			require.NoError(t, err)
			c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
			c.ConfigureCredentials(srv.CAFile(), foreign.KeyFile, thing.CertFile)
		}, func(err error) bool { return strings.Contains(err.Error(), "private key does not match") }},
		{"certificate of another CA", func(c *v1compat.AWSIoTMQTTClient) {
			foreign, err := other.NewThing("foreign")
			require.NoError(t, err)
			c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
			c.ConfigureCredentials(srv.CAFile(), foreign.KeyFile, foreign.CertFile)
		}, func(err error) bool {
			var e *net.OpError
			return errors.As(err, &e) && strings.Contains(err.Error(), "tls")
		}},
		{"TLS to a plain port", func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
		}, func(err error) bool { return err != nil }},
	} {
		for how, opts := range map[string][]v1compat.ClientOption{"": nil, ", strict": {v1compat.WithStrictV1()}} {
			t.Run(tt.name+how, func(t *testing.T) {
				c := plain(t, srv, "fails", opts...)
				c.ConfigureConnectDisconnectTimeout(600)
				c.OnOnline = func() { assert.Fail(t, "OnOnline") }
				c.OnOffline = func() { assert.Fail(t, "OnOffline") }
				tt.do(c)
				told := make(chan error, 1)
				c.OnAsyncError = func(op, _ string, err error) { told <- err }
				for _, connect := range []func() error{
					func() error { return c.Connect() },
					func() error {
						// TLS 1.3 refuses a client certificate after the CONNECT was sent, when
						// ConnectAsync has returned.
						if _, err := c.ConnectAsync(600, nil); err != nil || tt.name != "certificate of another CA" {
							return err
						}
						return <-told
					},
				} {
					begin := time.Now()
					err := connect()
					if assert.Error(t, err) {
						assert.True(t, tt.check(err))
					}
					assert.Less(t, time.Since(begin), 500*time.Second, "took as long as a silent peer, who has 600 s")
					assert.Equal(t, awsiot.StateStopped, c.V2().State(), "still")
					var de *v1compat.DisconnectError
					if assert.ErrorAs(t, c.Disconnect(), &de, "Disconnect") {
						assert.Equal(t, 4, de.Code, "Disconnect")
					}
				}
			})
		}
	}
}

// v1's codes 1 to 5 come out of the CONNACK of MQTT 5, as errors; v1 returned True.
func TestConnectRefused(t *testing.T) {
	srv := server(t)
	for code, want := range map[iotlocal.Code]int{0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			c := plain(t, srv, "refused")
			c.OnOnline = func() { assert.Fail(t, "OnOnline") }
			_, err := srv.Faults().RefuseConnects(1, code)
			require.NoError(t, err)
			err = c.Connect()
			var ce *v1compat.ConnectError
			var v2 *awsiot.ConnectError
			require.ErrorAs(t, err, &ce)
			require.Equal(t, want, ce.Code)
			require.ErrorAs(t, err, &v2)
			require.NotNil(t, v2.Connack)
			assert.True(t, strings.HasPrefix(err.Error(), fmt.Sprintf("Connect Error: %d: awsiot: ", want)))
			c.OnOnline = nil
			require.NoError(t, c.Connect())
		})
	}
}

// Strict v1: a refused Connect returns nil, and the client goes on trying.
func TestStrictAcceptsRefusal(t *testing.T) {
	t.Parallel()
	srv := server(t)
	_, err := srv.Faults().RefuseConnects(1, 0x88)
	require.NoError(t, err)
	c := plain(t, srv, "strict", v1compat.WithStrictV1())
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	require.NoError(t, c.Connect())
	assert.Equal(t, []string{"online"}, ev.Wait(t, 1), "events")
}

func TestConnectTimeout(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule iotlocal.Rule
	}{
		{"no CONNACK", iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Drop, Times: 1}},
		{"closed before CONNACK", iotlocal.Rule{Type: iotlocal.CONNECT, Action: iotlocal.CutBefore, Times: 1}},
		{"half a CONNACK", iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.CutMiddle, Times: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t)
			fault(t, srv, tt.rule)
			c := plain(t, srv, "timeout")
			c.ConfigureConnectDisconnectTimeout(0.2)
			err := c.Connect()
			var te *v1compat.ConnectTimeoutError
			require.ErrorAs(t, err, &te)
			require.True(t, strings.HasPrefix(err.Error(), "Connect Timeout: "))
			require.NoError(t, c.Connect())
		})
	}
}

// A server that accepts the connection and never speaks TLS.
func TestSilentServer(t *testing.T) {
	srv := server(t)
	srv.Faults().SilenceConnections(1)
	c := plain(t, srv, "silent")
	c.ConfigureConnectDisconnectTimeout(0.2)
	var te *v1compat.ConnectTimeoutError
	assert.ErrorAs(t, c.Connect(), &te)
}

// Connect returns after OnOnline, Disconnect after OnOffline; the hooks are those
// at Connect.
func TestHooks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "hooks")
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	ev.Add("connected")
	c.OnOnline = func() { ev.Add("online 2") }
	c.OnOffline = func() { ev.Add("offline 2") }
	require.NoError(t, c.Disconnect())
	ev.Add("disconnected")
	require.NoError(t, c.Connect())
	require.NoError(t, c.Disconnect())
	assert.Equal(t, []string{"online", "connected", "offline", "disconnected", "online 2", "offline 2"}, ev.All(), "events")
	var de *v1compat.DisconnectError
	if assert.ErrorAs(t, c.Disconnect(), &de, "second Disconnect") {
		assert.Equal(t, 4, de.Code, "second Disconnect")
	}
	_, err := c.DisconnectAsync(nil)
	assert.ErrorAs(t, err, &de, "DisconnectAsync")
}

func TestConnectAsync(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "async")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	_, err := srv.Faults().RefuseConnects(1, 0x88)
	require.NoError(t, err)
	mid, err := c.ConnectAsync(600, func(mid v1compat.Mid, data int) { ev.Add("ack %v %d", mid, data) })
	require.Equal(t, v1compat.MidConnected, mid)
	require.NoError(t, err)
	ev.Wait(t, 3)
	srv.Faults().RefuseConnections(2) // of no matter after the first success
	srv.Faults().Cut("async")         // the ack comes again after every reconnect
	ev.Wait(t, 6)
	mid, err = c.DisconnectAsync(func(mid v1compat.Mid, data int) { ev.Add("ack %v %d", mid, data) })
	require.Equal(t, v1compat.MidDisconnected, mid)
	require.NoError(t, err)
	assert.Equal(t, []string{"ack CONNECTED 3", "online", "ack CONNECTED 0", "offline", "online", "ack CONNECTED 0",
		"offline", "ack DISCONNECTED 0"}, ev.Wait(t, 8), "events")
}

// A first attempt that reaches the server and gets no CONNACK ends the client;
// the call has returned by then.
func TestConnectAsyncNoConnack(t *testing.T) {
	srv := server(t)
	fault(t, srv, iotlocal.Rule{Type: iotlocal.CONNECT, Action: iotlocal.CutBefore})
	c := plain(t, srv, "async")
	ev := facadetest.NewEvents()
	c.OnAsyncError = func(op, topic string, err error) {
		var te *v1compat.ConnectTimeoutError
		ev.Add("%s %q %v %v", op, topic, errors.As(err, &te), c.V2().State())
	}
	mid, err := c.ConnectAsync(600, func(v1compat.Mid, int) { assert.Fail(t, "ack") })
	assert.Equal(t, v1compat.MidConnected, mid)
	assert.NoError(t, err)
	assert.Equal(t, []string{`connect "" true StateStopped`}, ev.Wait(t, 1), "errors")
}

// ConnectAsync does not wait for the CONNACK.
func TestConnectAsyncReturnsBeforeConnack(t *testing.T) {
	srv := server(t)
	held := fault(t, srv, iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Hold, Times: 1})
	c := plain(t, srv, "async")
	ev := facadetest.NewEvents()
	mid, err := c.ConnectAsync(600, func(_ v1compat.Mid, data int) { ev.Add("ack %d", data) })
	require.Equal(t, v1compat.MidConnected, mid)
	require.NoError(t, err)
	ev.Add("returned")
	held.Release()
	assert.Equal(t, []string{"returned", "ack 0"}, ev.Wait(t, 2), "events")
}

// v1: the second Connect opens a new connection; the former one ends without OnOffline and without DISCONNECT, so that
// the server publishes its will.
func TestConnectTwice(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "twice")
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	facadetest.Acked(t)(c.Subscribe("a", 1, nil))
	require.NoError(t, c.Connect(30))
	facadetest.Sent(t, srv, "twice", 4)
	require.NoError(t, c.Disconnect())
	assert.Equal(t, []string{"online", "online", "offline"}, ev.All(), "events")
	assert.Equal(t, []string{"CONNECT", "SUBSCRIBE a 1", "CONNECT", "SUBSCRIBE a 1", "DISCONNECT"}, facadetest.Sent(t, srv, "twice", 5), "packets")
}

// A reconnect: OnOffline, OnOnline, every filter again with its ack, in the order
// of the first subscription.
func TestReconnect(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "again")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	facadetest.Acked(t)(c.Subscribe("r/1", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s", m.Payload) }))
	_, err := c.SubscribeAsync("r/2", 0, func(mid v1compat.Mid, data []byte) { ev.Add("ack %v %v", mid, data) }, nil)
	require.NoError(t, err)
	ev.Wait(t, 2)
	srv.Faults().Cut("again")
	ev.Wait(t, 5)
	if ok, err := c.Publish("r/1", "hello", 1); !ok && err == nil { // queued if the filters are not there yet
		t.Log("queued")
	} else {
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"online", "ack 2 [0]", "offline", "online", "ack 3 [0]", "hello"}, ev.Wait(t, 6), "events")
	assert.Equal(t, []string{"CONNECT", "SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0",
		"CONNECT", "SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0", "PUBLISH r/1 1 hello"}, facadetest.Sent(t, srv, "again", 7), "packets")
}

// Disconnect while the client waits for the next attempt: at once, and the client
// can be used again (v1: it raised, and the client was lost).
func TestDisconnectWhileReconnecting(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "backoff")
	c.ConfigureAutoReconnectBackoffTime(600, 600, 700)
	ev := facadetest.NewEvents()
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	srv.Faults().Cut("backoff")
	ev.Wait(t, 1)
	begin := time.Now()
	require.NoError(t, c.Disconnect())
	assert.Less(t, time.Since(begin), 500*time.Second, "waited for the next attempt")
	assert.Equal(t, []string{"offline"}, ev.All(), "events")
	require.NoError(t, c.Connect())
}

// Blocking calls in callbacks work; v1 timed out.
func TestCallsInCallbacks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "inside")
	ev := facadetest.NewEvents()
	c.OnOnline = func() {
		ok, err := c.Subscribe("in", 1, func(cl *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
			ok, err := cl.Publish("out", m.Payload, 1)
			ev.Add("published %v %v", ok, err)
			ok, err = cl.Unsubscribe("in")
			ev.Add("unsubscribed %v %v", ok, err)
			ev.Add("disconnected %v", cl.Disconnect())
		})
		ev.Add("subscribed %v %v", ok, err)
	}
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	_, err := srv.Publish(iotlocal.Message{Topic: "in", Payload: []byte("x"), QoS: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"subscribed true <nil>", "published true <nil>", "unsubscribed true <nil>", "disconnected <nil>", "offline"}, ev.Wait(t, 5), "events")
}

// A panic in any callback is no more than a log line; v1's dispatcher ended.
func TestPanics(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "panic")
	c.ConfigureConnectDisconnectTimeout(600)
	ev := facadetest.NewEvents()
	c.OnOnline = func() { panic("online") }
	c.OnOffline = func() { panic("offline") }
	c.OnMessage = func(m *v1compat.Message) { ev.Add("%s", m.Payload); panic("message") }
	c.OnAsyncError = func(string, string, error) { panic("error") }
	begin := time.Now()
	require.NoError(t, c.Connect())
	assert.Less(t, time.Since(begin), 500*time.Second, "Connect waited for the callback, which has 600 s")
	facadetest.Acked(t)(c.Subscribe("p", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { panic("callback") }))
	for _, p := range []string{"1", "2"} {
		_, err := c.PublishAsync("p", p, 1, func(v1compat.Mid) { panic("ack") })
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"1", "2"}, ev.Wait(t, 2), "messages")
	require.NoError(t, c.Disconnect())
}
