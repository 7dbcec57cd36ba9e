package awsiot_test

// What Update changes from the next attempt to connect on.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// anAttempt is what a test sees of one.
type anAttempt struct {
	addr    string // what was dialled
	through string // by which Dialer
	tls     string // "": none; else what ClientHello has in plain text
	connect *packets.Connect
	sent    []string // after the CONNACK
	err     error    // why it failed
}

// updatesNext has a row for every field: a change, and what must be seen at the attempt after it, and not before.
var updatesNext = []struct {
	field  string
	change func(*awsiot.ClientOptions)
	seen   func(anAttempt) bool
}{
	{"Endpoint", func(o *awsiot.ClientOptions) { o.Endpoint = "elsewhere" }, func(a anAttempt) bool { return a.addr == "elsewhere:1883" }},
	{"Port", func(o *awsiot.ClientOptions) { o.Port = 1884 }, func(a anAttempt) bool { return a.addr == "broker:1884" }},
	{"Auth", func(o *awsiot.ClientOptions) { o.Auth = awsiot.TLS() }, func(a anAttempt) bool { return a.tls != "" && a.addr == "broker:443" }},
	{"CAFile", func(o *awsiot.ClientOptions) {
		o.Auth, o.CAFile = awsiot.TLS(), filepath.Join("testdata", "missing.pem")
	},
		func(a anAttempt) bool { return a.err != nil && strings.Contains(a.err.Error(), "missing.pem") }},
	{"CAPEM", func(o *awsiot.ClientOptions) { o.Auth, o.CAPEM = awsiot.TLS(), []byte("none") },
		func(a anAttempt) bool { return a.err != nil && strings.Contains(a.err.Error(), "CAPEM") }},
	{"TLSConfig", func(o *awsiot.ClientOptions) {
		o.Auth, o.TLSConfig = awsiot.TLS(), &tls.Config{ServerName: "certificate.example"}
	},
		func(a anAttempt) bool { return strings.Contains(a.tls, "certificate.example") }},
	{"HTTPProxy", func(o *awsiot.ClientOptions) {
		o.HTTPProxy = http.ProxyURL(&url.URL{Scheme: "socks5", Host: "proxy:1080"})
	},
		func(a anAttempt) bool { return a.addr == "proxy:1080" }},
	{"Dialer", func(o *awsiot.ClientOptions) {
		dial := o.Dialer
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dial(ctx, "other", addr)
		}
	}, func(a anAttempt) bool { return a.through == "other" }},
	{"KeepAlive", func(o *awsiot.ClientOptions) { o.KeepAlive = 77 * time.Second }, func(a anAttempt) bool { return a.packet().KeepAlive == 77 }},
	{"SessionExpiry", func(o *awsiot.ClientOptions) { o.SessionExpiry = time.Hour },
		func(a anAttempt) bool { return value(a.packet().Properties.SessionExpiryInterval) == 3600 }},
	{"Username", func(o *awsiot.ClientOptions) { o.Username = "me" }, func(a anAttempt) bool { return a.packet().Username == "me" }},
	{"Password", func(o *awsiot.ClientOptions) { o.Password = []byte("secret") }, func(a anAttempt) bool { return string(a.packet().Password) == "secret" }},
	{"DisableMetrics", func(o *awsiot.ClientOptions) { o.DisableMetrics = false },
		func(a anAttempt) bool { return strings.Contains(a.packet().Username, "SDK=") }},
	{"Will", func(o *awsiot.ClientOptions) { o.Will = &awsiot.Will{Topic: "will", Payload: []byte("gone")} },
		func(a anAttempt) bool {
			return a.packet().WillTopic == "will" && string(a.packet().WillMessage) == "gone"
		}},
	{"UserProperties", func(o *awsiot.ClientOptions) { o.UserProperties = []awsiot.UserProperty{{Name: "a", Value: "b"}} },
		func(a anAttempt) bool { return len(a.packet().Properties.User) == 1 }},
	{"ReceiveMaximum", func(o *awsiot.ClientOptions) { o.ReceiveMaximum = 7 },
		func(a anAttempt) bool { return value(a.packet().Properties.ReceiveMaximum) == 7 }},
	{"MaximumPacketSize", func(o *awsiot.ClientOptions) { o.MaximumPacketSize = 7777 },
		func(a anAttempt) bool { return value(a.packet().Properties.MaximumPacketSize) == 7777 }},
	{"RequestResponseInformation", func(o *awsiot.ClientOptions) { o.RequestResponseInformation = new(true) },
		func(a anAttempt) bool { return value(a.packet().Properties.RequestResponseInfo) == 1 }},
	{"RequestProblemInformation", func(o *awsiot.ClientOptions) { o.RequestProblemInformation = new(false) },
		func(a anAttempt) bool { return a.packet().Properties.RequestProblemInfo != nil }},
	{"Resubscribe", func(o *awsiot.ClientOptions) { o.Resubscribe.BatchSize = 1 },
		func(a anAttempt) bool { return slices.Equal(a.sent, []string{"sub[f1]", "sub[f2]", "x"}) }},
	{"TopicAliasing", func(o *awsiot.ClientOptions) {
		o.TopicAliasing = awsiot.TopicAliasing{Inbound: awsiot.AliasEnabled, InboundMaximum: 5}
	},
		func(a anAttempt) bool { return value(a.packet().Properties.TopicAliasMaximum) == 5 }},
	{"FlowControl", func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS }, nil}, // TestUpdateFlowControl
}

func (a anAttempt) packet() *packets.Connect {
	if a.connect == nil {
		return &packets.Connect{Properties: &packets.Properties{}}
	}
	return a.connect
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func TestUpdateAtTheNextAttempt(t *testing.T) {
	var covered []string
	for _, tt := range updatesNext {
		covered = append(covered, tt.field)
		if tt.seen == nil {
			continue
		}
		t.Run(tt.field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := make(chan anAttempt, 1)
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Resubscribe.When = awsiot.ResubscribeAlways
					o.Dialer = func(_ context.Context, network, addr string) (net.Conn, error) {
						near, far := net.Pipe()
						go func() { attempts <- watch(t, far, network, addr) }()
						return near, nil
					}
					o.OnConnectionFailure = func(f *awsiot.ConnectionFailure) {
						if strings.Contains(f.Err.Error(), "PEM") || strings.Contains(f.Err.Error(), "missing") {
							attempts <- anAttempt{err: f.Err} // without dialling
						}
					}
				})
				w.client.SubscribeAsync(filters(nil, "f1", "f2"))
				synctest.Wait()
				next := func() anAttempt {
					if err := w.client.PublishAsync(packet("t", "x", 1)).Err(); err != nil {
						t.Fatal(err)
					}
					return <-attempts
				}
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
				if a := next(); tt.seen(a) {
					t.Errorf("seen before the change: %+v", a)
				}
				// the peer has ended the connection; the next attempt is a second away
				update(w, func(o *awsiot.ClientOptions) { o.MinReconnectDelay = time.Second })
				a := next()
				if a.connect == nil || tt.seen(a) {
					t.Errorf("seen without the change: %+v", a)
				}
				update(w, tt.change)
				if a := next(); !tt.seen(a) {
					t.Errorf("not seen: %+v %+v", a, a.connect)
				}
			})
		})
	}
	for _, f := range optionFields(t, "at the next attempt") {
		if !slices.Contains(covered, f) {
			t.Errorf("no row for %s", f)
		}
	}
}

// watch is the broker of one attempt: it answers until it has got the message "x", or as far as it can, and hangs up.
func watch(t *testing.T, conn net.Conn, network, addr string) (a anAttempt) {
	defer conn.Close()
	a = anAttempt{addr: addr, through: network}
	first := make([]byte, 1)
	if n, _ := conn.Read(first); n == 0 || first[0] != 0x10 { // no CONNECT
		rest := make([]byte, 4096)
		n, _ := conn.Read(rest)
		a.tls = fmt.Sprintf("%s%s", first, rest[:n])
		return a
	}
	p := &peer{t: t, conn: &unread{Conn: conn, first: first}}
	a.connect, _ = p.next().(*packets.Connect)
	p.reply(&packets.Connack{Properties: &packets.Properties{}})
	for v := p.next(); v != nil; v = p.next() {
		a.sent = append(a.sent, strings.TrimRight(strings.Split(describe(v), "#")[0], "+"))
		p.answer(v)
		if _, ok := v.(*packets.Publish); ok {
			break
		}
	}
	return a
}

// unread is a connection with a byte that has been read put back.
type unread struct {
	net.Conn
	first []byte
}

func (u *unread) Read(b []byte) (int, error) {
	if n := copy(b, u.first); n > 0 {
		u.first = u.first[n:]
		return n, nil
	}
	return u.Conn.Read(b)
}

// The connection that there is does not change, and none is made or ended for an Update.
func TestUpdateLeavesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.KeepAlive, o.MaximumPacketSize = time.Minute, 1000 })
		p := w.start()
		w.events.take()
		update(w, func(o *awsiot.ClientOptions) {
			o.Endpoint, o.KeepAlive, o.MaximumPacketSize, o.ReceiveMaximum = "elsewhere", 10*time.Second, 10, 1
			o.TopicAliasing.Inbound, o.SessionExpiry = awsiot.AliasEnabled, time.Hour
		})
		p.silent(59 * time.Second)
		expect[*packets.Pingreq](p)
		p.send(&packets.Pingresp{}, publish("t", "1", 1), publish("t", strings.Repeat("2", 500), 2))
		synctest.Wait()
		if err := w.client.Stop(t.Context(), &awsiot.DisconnectPacket{SessionExpiry: new(time.Minute)}); err == nil {
			t.Error("DISCONNECT may set a session expiry although CONNECT had none")
		}
		equal(t, "events", w.events.take(), nil)
	})
}

// An attempt reads the options once: what it dials and what it says in CONNECT belong together.
func TestUpdateWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialling, goOn := make(chan struct{}), make(chan struct{})
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			dial := o.Dialer
			o.Username, o.KeepAlive = "old", time.Minute
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialling <- struct{}{}
				<-goOn
				return dial(ctx, network, addr)
			}
		})
		_ = w.client.Start()
		<-dialling
		update(w, func(o *awsiot.ClientOptions) { o.Username, o.KeepAlive = "new", time.Hour })
		goOn <- struct{}{}
		p, c := w.accept(nil)
		if s, err := w.client.AwaitConnected(t.Context()); err != nil || c.Username != "old" || s.Settings.ServerKeepAlive != time.Minute {
			t.Errorf("%+v %+v %v", c, s, err)
		}
		p.cut()
		<-dialling
		goOn <- struct{}{}
		if _, c := w.accept(nil); c.Username != "new" || c.KeepAlive != 3600 {
			t.Errorf("%+v", c)
		}
	})
}

// Limits of AWS IoT Core come with an endpoint of AWS, or FlowControl, when the client connects to it.
func TestUpdateFlowControl(t *testing.T) {
	for name, change := range map[string]func(*awsiot.ClientOptions){
		"FlowControl": func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS },
		"Endpoint":    func(o *awsiot.ClientOptions) { o.Endpoint = "x-ats.iot.eu-west-1.amazonaws.com" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					dial := o.Dialer
					o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
						return dial(ctx, network, "broker:1883")
					}
				})
				taken := func(when string, want bool) {
					t.Helper()
					err := w.client.PublishAsync(packet("1/2/3/4/5/6/7/8/9", "deep", 1)).Err()
					var ve *awsiot.ValidationError
					if (err == nil) != want || err != nil && !errors.As(err, &ve) {
						t.Errorf("%s: %v", when, err)
					}
				}
				p := w.start()
				taken("before", true)
				update(w, change)
				taken("on the connection", true)
				p.cut()
				synctest.Wait()
				taken("on the way to the next one", false)
				w.accept(nil)
				taken("on the next connection", false)
				_ = w.client.Stop(t.Context(), nil)
				update(w, func(o *awsiot.ClientOptions) { o.Endpoint, o.FlowControl = "broker", awsiot.FlowControlAuto })
				taken("stopped, back at once", true)
				_ = w.client.Start()
				p = w.raw()
				update(w, change)
				taken("while it connects", true)
				p.cut()
				w.raw()
				synctest.Wait()
				taken("at the attempt after it", false)
			})
		})
	}
}
