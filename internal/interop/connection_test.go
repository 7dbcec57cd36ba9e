//go:build interop

package interop

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// TestSessionResume: what was sent while the client was away waits for it, in order.
func TestSessionResume(t *testing.T) {
	b := startBroker(t)
	sender := client(t, b.plain("sender"))
	session := func() (awsiot.ClientOptions, <-chan *awsiot.ConnectionSuccess) {
		o := b.mutual("sleeper")
		o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
		connected := make(chan *awsiot.ConnectionSuccess, 10)
		o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
		return o, connected
	}
	o, connected := session()
	c := client(t, o)
	if s := next(t, connected); s.Settings.RejoinedSession || s.Settings.SessionExpiry != time.Hour {
		t.Errorf("first connection: rejoined %v, expiry %v", s.Settings.RejoinedSession, s.Settings.SessionExpiry)
	}
	messages := subscribe(t, c, "sleep/#")
	publish(t, sender, "sleep/1", "awake")
	want(t, messages, "sleep/1", "awake")
	if err := c.Stop(bounded(t), nil); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		publish(t, sender, "sleep/1", fmt.Sprint(i))
	}
	// Another process: a new client, with a route but without a SUBSCRIBE.
	o, connected = session()
	again := awsiot.NewClient(o)
	t.Cleanup(func() { _ = again.Close() })
	h, waiting := inbox()
	again.Handle("sleep/#", h)
	if err := again.StartAndWait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if s := next(t, connected); !s.Settings.RejoinedSession || !s.Connack.SessionPresent {
		t.Error("the session was not there")
	}
	for i := range 50 {
		want(t, waiting, "sleep/1", fmt.Sprint(i))
	}
	// A connection that drops: the session goes on without a new SUBSCRIBE. What is not acknowledged would come again.
	b.waitFor(t, 51, "Received PUBACK from sleeper")
	again.Abort()
	if err := again.StartAndWait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, sender, "sleep/2", "after")
	want(t, waiting, "sleep/2", "after")
	if n := b.count("Received SUBSCRIBE from sleeper"); n != 1 {
		t.Errorf("%d SUBSCRIBE, want 1", n)
	}
}

// TestBrokerRestart: the client comes back by itself, subscribes anew and sends what waited.
func TestBrokerRestart(t *testing.T) {
	b := startBroker(t)
	o := b.mutual("survivor")
	resubscribed := make(chan *awsiot.Resubscribed, 1)
	lost := make(chan *awsiot.Disconnection, 1)
	o.OnResubscribed = func(r *awsiot.Resubscribed) { resubscribed <- r }
	o.OnDisconnection = func(d *awsiot.Disconnection) { lost <- d }
	c := client(t, o)
	messages := subscribe(t, c, "restart")
	b.kill()
	if d := next(t, lost); d.Err == nil {
		t.Error("a lost connection without a reason")
	}
	queued := c.PublishAsync(&awsiot.PublishPacket{Topic: "restart", Payload: []byte("waited"), QoS: awsiot.AtLeastOnce})
	b.restart(t)
	if r := next(t, resubscribed); r.Err != nil || len(r.Subscriptions) != 1 || r.Subscriptions[0].TopicFilter != "restart" {
		t.Errorf("resubscribed %+v", r)
	}
	if _, err := queued.Wait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	want(t, messages, "restart", "waited")
}

// TestTakeover: a second client with the same id ends the connection of the first, and the first does not fight at
// once. mosquitto 2.0.11 closes without the DISCONNECT that may say why [MQTT5-3.1.4-3]; a broker that sends one says 0x8E.
func TestTakeover(t *testing.T) {
	b := startBroker(t)
	o := b.plain("twin")
	o.MinReconnectDelay, o.MaxReconnectDelay, o.RetryJitterMode = time.Hour, time.Hour, awsiot.JitterNone // else they fight
	ended := make(chan *awsiot.Disconnection, 1)
	o.OnDisconnection = func(d *awsiot.Disconnection) { ended <- d }
	first := client(t, o)
	o.OnDisconnection = nil
	second := client(t, o)
	d := next(t, ended)
	code, coded := awsiot.ReasonOf(d.Err)
	switch {
	case d.Packet == nil && (coded || !errors.Is(d.Err, io.ErrUnexpectedEOF)):
		t.Errorf("closed without a DISCONNECT: %v, want an unexpected end", d.Err)
	case d.Packet != nil && code != awsiot.ReasonSessionTakenOver:
		t.Errorf("the first ended with %v (packet %+v), want %v", d.Err, d.Packet, awsiot.ReasonSessionTakenOver)
	}
	if first.State() != awsiot.StateBackoff || second.State() != awsiot.StateConnected {
		t.Errorf("states %v and %v", first.State(), second.State())
	}
	publish(t, second, "x", "still there")
}

// TestServerKeepAlive: the broker's keep alive holds, not the client's.
func TestServerKeepAlive(t *testing.T) {
	b := startBroker(t, "max_keepalive 10")
	o := b.plain("pinger")
	o.KeepAlive = 20 * time.Minute
	connected := make(chan *awsiot.ConnectionSuccess, 1)
	o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
	c := client(t, o)
	if s := next(t, connected).Settings; s.ServerKeepAlive != 10*time.Second {
		t.Errorf("keep alive in force %v, want the broker's 10 s", s.ServerKeepAlive)
	}
	b.waitFor(t, 1, "Received PINGREQ from pinger")
	publish(t, c, "x", "still there")
}

func TestMaximumPacketSize(t *testing.T) {
	b := startBroker(t, "max_packet_size 2000")
	o := b.plain("small")
	o.MaximumPacketSize = 1000
	connected := make(chan *awsiot.ConnectionSuccess, 1)
	o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
	c := client(t, o)
	if s := next(t, connected).Settings; s.MaximumPacketSizeToServer != 2000 {
		t.Errorf("maximum packet size to the server %d, want its 2000", s.MaximumPacketSizeToServer)
	}
	_, err := c.Publish(bounded(t), &awsiot.PublishPacket{Topic: "size", Payload: make([]byte, 2000), QoS: awsiot.AtLeastOnce})
	if code, ok := awsiot.ReasonOf(err); err == nil || ok && code != awsiot.ReasonPacketTooLarge || !strings.Contains(err.Error(), "2000") {
		t.Errorf("publish of more than the broker takes: %v", err)
	}
	// What is too large for the client the broker keeps from it.
	messages := subscribe(t, c, "size")
	sender := client(t, b.plain("sender"))
	publish(t, sender, "size", strings.Repeat("x", 1500))
	publish(t, sender, "size", "small")
	want(t, messages, "size", "small")
}

// refusedByPeer is how a client learns that its certificate is not taken. With TLS 1.3 that is after its own half of the
// handshake, so the reset of the connection may overtake the alert.
const refusedByPeer = `tls: |connection reset|broken pipe`

// TestConnectErrors: each way in which a connection cannot be made is an error of StartAndWait, soon, and says why.
func TestConnectErrors(t *testing.T) {
	b := startBroker(t)
	closed := startBroker(t, "allow_anonymous false")
	var unknownCA x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	tests := []struct {
		name   string
		change func(*awsiot.ClientOptions)
		is     error
		as     any
		text   string // regular expression
		code   awsiot.ReasonCode
	}{
		{name: "wrong CA", change: func(o *awsiot.ClientOptions) { o.CAFile = b.file("stranger-ca.pem") }, as: &unknownCA},
		{name: "no client certificate", change: func(o *awsiot.ClientOptions) { o.Auth = awsiot.TLS() }, text: refusedByPeer},
		{name: "a stranger's client certificate", change: func(o *awsiot.ClientOptions) {
			o.Auth = awsiot.MTLSFromPath(b.file("stranger.pem"), b.file("stranger.key"))
		}, text: refusedByPeer},
		{name: "certificate and key do not match", change: func(o *awsiot.ClientOptions) {
			o.Auth = awsiot.MTLSFromPath(b.file("client.pem"), b.file("stranger.key"))
		}, text: "private key"},
		{name: "certificate missing", change: func(o *awsiot.ClientOptions) {
			o.Auth = awsiot.MTLSFromPath(b.file("none.pem"), b.file("client.key"))
		}, is: syscall.ENOENT},
		{name: "CA missing", change: func(o *awsiot.ClientOptions) { o.CAFile = b.file("none.pem") }, is: syscall.ENOENT},
		{name: "wrong host name", change: func(o *awsiot.ClientOptions) {
			o.Endpoint = "elsewhere.example"
			o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", b.tlsPort))
			}
		}, as: &wrongName},
		{name: "TLS to the plain port", change: func(o *awsiot.ClientOptions) { o.Port = b.tcpPort }, text: "awsiot: connect"},
		{name: "no TLS to the TLS port", change: func(o *awsiot.ClientOptions) { o.Auth = awsiot.PlainTCP() }, text: "awsiot: connect"},
		{name: "port closed", change: func(o *awsiot.ClientOptions) { o.Port = freePort(t) }, is: syscall.ECONNREFUSED},
		{name: "unknown host", change: func(o *awsiot.ClientOptions) { o.Endpoint = "nowhere.invalid" }, text: "nowhere.invalid"},
		{name: "refused", change: func(o *awsiot.ClientOptions) {
			o.Port, o.CAFile = closed.tlsPort, closed.file("ca.pem")
			o.Auth = awsiot.MTLSFromPath(closed.file("client.pem"), closed.file("client.key"))
		},
			code: awsiot.ReasonNotAuthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := b.mutual("unlucky")
			tt.change(&o)
			c := awsiot.NewClient(o)
			start := time.Now()
			err := c.StartAndWait(bounded(t))
			if err == nil {
				t.Fatal("connected")
			}
			if took := time.Since(start); took > patience/2 {
				t.Errorf("took %v", took)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%v is no %T", err, tt.as)
			}
			if found, bad := regexp.MatchString(tt.text, err.Error()); bad != nil || !found {
				t.Errorf("no %q in %v (%v)", tt.text, err, bad)
			}
			if tt.code != 0 {
				if code, ok := awsiot.ReasonOf(err); !ok || code != tt.code {
					t.Errorf("%v, want the code %v", err, tt.code)
				}
			}
			if c.State() != awsiot.StateStopped {
				t.Errorf("state %v after a failure", c.State())
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-c.Done():
			case <-time.After(patience):
				t.Error("goroutines stay")
			}
		})
	}
}
