package v1compat_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

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
	must(t, err)
	closedPort := func() int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
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
			must(t, err)
			c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
			c.ConfigureCredentials(srv.CAFile(), foreign.KeyFile, thing.CertFile)
		}, func(err error) bool { return strings.Contains(err.Error(), "private key does not match") }},
		{"certificate of another CA", func(c *v1compat.AWSIoTMQTTClient) {
			foreign, err := other.NewThing("foreign")
			must(t, err)
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
		t.Run(tt.name, func(t *testing.T) {
			c := plain(t, srv, "fails")
			c.OnOnline = func() { t.Error("OnOnline") }
			c.OnOffline = func() { t.Error("OnOffline") }
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
				if err == nil || !tt.check(err) {
					t.Errorf("%T %v", err, err)
				}
				if d := time.Since(begin); d > patience {
					t.Errorf("took %v", d)
				}
				if s := c.V2().State(); s != awsiot.StateStopped {
					t.Errorf("still %v", s)
				}
				var de *v1compat.DisconnectError
				if err := c.Disconnect(); !errors.As(err, &de) || de.Code != 4 {
					t.Errorf("Disconnect: %v", err)
				}
			}
		})
	}
}

// v1's codes 1 to 5 come out of the CONNACK of MQTT 5, as errors; v1 returned True.
func TestConnectRefused(t *testing.T) {
	srv := server(t)
	for code, want := range map[iotlocal.Code]int{0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			c := plain(t, srv, "refused")
			c.OnOnline = func() { t.Error("OnOnline") }
			_, err := srv.Faults().RefuseConnects(1, code)
			must(t, err)
			err = c.Connect()
			var ce *v1compat.ConnectError
			var v2 *awsiot.ConnectError
			if !errors.As(err, &ce) || ce.Code != want || !errors.As(err, &v2) || v2.Connack == nil {
				t.Fatalf("%v", err)
			}
			if want := fmt.Sprintf("Connect Error: %d: awsiot: ", want); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q", err)
			}
			c.OnOnline = nil
			must(t, c.Connect())
		})
	}
}

// Strict v1: a refused Connect returns nil, and the client goes on trying.
func TestStrictAcceptsRefusal(t *testing.T) {
	srv := server(t)
	_, err := srv.Faults().RefuseConnects(1, 0x88)
	must(t, err)
	c := plain(t, srv, "strict", v1compat.WithStrictV1())
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	must(t, c.Connect())
	equal(t, "events", ev.wait(t, 1), []string{"online"})
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
			if !errors.As(err, &te) || !strings.HasPrefix(err.Error(), "Connect Timeout: ") {
				t.Fatalf("%T %v", err, err)
			}
			must(t, c.Connect())
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
	if err := c.Connect(); !errors.As(err, &te) {
		t.Errorf("%v", err)
	}
}

// Connect returns after OnOnline, Disconnect after OnOffline; the hooks are those
// at Connect.
func TestHooks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "hooks")
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	ev.add("connected")
	c.OnOnline = func() { ev.add("online 2") }
	c.OnOffline = func() { ev.add("offline 2") }
	must(t, c.Disconnect())
	ev.add("disconnected")
	must(t, c.Connect())
	must(t, c.Disconnect())
	equal(t, "events", ev.all(), []string{"online", "connected", "offline", "disconnected", "online 2", "offline 2"})
	var de *v1compat.DisconnectError
	if err := c.Disconnect(); !errors.As(err, &de) || de.Code != 4 {
		t.Errorf("second Disconnect: %v", err)
	}
	if _, err := c.DisconnectAsync(nil); !errors.As(err, &de) {
		t.Errorf("DisconnectAsync: %v", err)
	}
}

func TestConnectAsync(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "async")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	_, err := srv.Faults().RefuseConnects(1, 0x88)
	must(t, err)
	mid, err := c.ConnectAsync(600, func(mid v1compat.Mid, data int) { ev.add("ack %v %d", mid, data) })
	if mid != v1compat.MidConnected || err != nil {
		t.Fatal(mid, err)
	}
	ev.wait(t, 3)
	srv.Faults().RefuseConnections(2) // of no matter after the first success
	srv.Faults().Cut("async")         // the ack comes again after every reconnect
	ev.wait(t, 6)
	mid, err = c.DisconnectAsync(func(mid v1compat.Mid, data int) { ev.add("ack %v %d", mid, data) })
	if mid != v1compat.MidDisconnected || err != nil {
		t.Fatal(mid, err)
	}
	equal(t, "events", ev.wait(t, 8), []string{"ack CONNECTED 3", "online", "ack CONNECTED 0", "offline", "online", "ack CONNECTED 0",
		"offline", "ack DISCONNECTED 0"})
}

// A first attempt that reaches the server and gets no CONNACK ends the client;
// the call has returned by then.
func TestConnectAsyncNoConnack(t *testing.T) {
	srv := server(t)
	fault(t, srv, iotlocal.Rule{Type: iotlocal.CONNECT, Action: iotlocal.CutBefore})
	c := plain(t, srv, "async")
	ev := newEvents()
	c.OnAsyncError = func(op, topic string, err error) {
		var te *v1compat.ConnectTimeoutError
		ev.add("%s %q %v %v", op, topic, errors.As(err, &te), c.V2().State())
	}
	mid, err := c.ConnectAsync(600, func(v1compat.Mid, int) { t.Error("ack") })
	if mid != v1compat.MidConnected || err != nil {
		t.Errorf("%v, %v", mid, err)
	}
	equal(t, "errors", ev.wait(t, 1), []string{`connect "" true StateStopped`})
}

// ConnectAsync does not wait for the CONNACK.
func TestConnectAsyncReturnsBeforeConnack(t *testing.T) {
	srv := server(t)
	held := fault(t, srv, iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Hold, Times: 1})
	c := plain(t, srv, "async")
	ev := newEvents()
	if mid, err := c.ConnectAsync(600, func(_ v1compat.Mid, data int) { ev.add("ack %d", data) }); mid != v1compat.MidConnected || err != nil {
		t.Fatal(mid, err)
	}
	ev.add("returned")
	held.Release()
	equal(t, "events", ev.wait(t, 2), []string{"returned", "ack 0"})
}

// v1: the second Connect opens a new connection; the former one ends without OnOffline and without DISCONNECT, so that
// the server publishes its will.
func TestConnectTwice(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "twice")
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	if ok, err := c.Subscribe("a", 1, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	must(t, c.Connect(30))
	sent(t, srv, "twice", 4)
	must(t, c.Disconnect())
	equal(t, "events", ev.all(), []string{"online", "online", "offline"})
	equal(t, "packets", sent(t, srv, "twice", 5), []string{"CONNECT", "SUBSCRIBE a 1", "CONNECT", "SUBSCRIBE a 1", "DISCONNECT"})
}

// A reconnect: OnOffline, OnOnline, every filter again with its ack, in the order
// of the first subscription.
func TestReconnect(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "again")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	if ok, err := c.Subscribe("r/1", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s", m.Payload) }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := c.SubscribeAsync("r/2", 0, func(mid v1compat.Mid, data []byte) { ev.add("ack %v %v", mid, data) }, nil); err != nil {
		t.Fatal(err)
	}
	ev.wait(t, 2)
	srv.Faults().Cut("again")
	ev.wait(t, 5)
	if ok, err := c.Publish("r/1", "hello", 1); !ok && err == nil { // queued if the filters are not there yet
		t.Log("queued")
	} else if err != nil {
		t.Fatal(err)
	}
	equal(t, "events", ev.wait(t, 6), []string{"online", "ack 2 [0]", "offline", "online", "ack 3 [0]", "hello"})
	equal(t, "packets", sent(t, srv, "again", 7), []string{"CONNECT", "SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0",
		"CONNECT", "SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0", "PUBLISH r/1 1 hello"})
}

// Disconnect while the client waits for the next attempt: at once, and the client
// can be used again (v1: it raised, and the client was lost).
func TestDisconnectWhileReconnecting(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "backoff")
	c.ConfigureAutoReconnectBackoffTime(5, 5, 20)
	ev := newEvents()
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	srv.Faults().Cut("backoff")
	ev.wait(t, 1)
	begin := time.Now()
	must(t, c.Disconnect())
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %v", d)
	}
	equal(t, "events", ev.all(), []string{"offline"})
	must(t, c.Connect())
}

// Blocking calls in callbacks work; v1 timed out.
func TestCallsInCallbacks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "inside")
	ev := newEvents()
	c.OnOnline = func() {
		ok, err := c.Subscribe("in", 1, func(cl *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
			ok, err := cl.Publish("out", m.Payload, 1)
			ev.add("published %v %v", ok, err)
			ok, err = cl.Unsubscribe("in")
			ev.add("unsubscribed %v %v", ok, err)
			ev.add("disconnected %v", cl.Disconnect())
		})
		ev.add("subscribed %v %v", ok, err)
	}
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())
	if _, err := srv.Publish(iotlocal.Message{Topic: "in", Payload: []byte("x"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", ev.wait(t, 5), []string{"subscribed true <nil>", "published true <nil>", "unsubscribed true <nil>", "disconnected <nil>", "offline"})
}

// A panic in any callback is no more than a log line; v1's dispatcher ended.
func TestPanics(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "panic")
	ev := newEvents()
	c.OnOnline = func() { panic("online") }
	c.OnOffline = func() { panic("offline") }
	c.OnMessage = func(m *v1compat.Message) { ev.add("%s", m.Payload); panic("message") }
	c.OnAsyncError = func(string, string, error) { panic("error") }
	begin := time.Now()
	must(t, c.Connect())
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("Connect waited %v for the hook that panicked", d)
	}
	if ok, err := c.Subscribe("p", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { panic("callback") }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, p := range []string{"1", "2"} {
		if _, err := c.PublishAsync("p", p, 1, func(v1compat.Mid) { panic("ack") }); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "messages", ev.wait(t, 2), []string{"1", "2"})
	must(t, c.Disconnect())
}
