package awsiot_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// wsBroker is an HTTPS server whose /mqtt answers CONNECT and every QoS 1 publish over a websocket.
func wsBroker(t *testing.T, accept *websocket.AcceptOptions, check func(*http.Request) (int, string)) (*httptest.Server, awsiot.ClientOptions) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if check != nil {
			if status, body := check(r); status != 0 {
				http.Error(w, body, status)
				return
			}
		}
		ws, err := websocket.Accept(w, r, accept)
		if err != nil {
			return
		}
		conn := websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
		defer conn.Close()
		for {
			cp, err := packets.ReadPacket(conn)
			if err != nil {
				return
			}
			switch p := cp.Content.(type) {
			case *packets.Connect:
				_, err = (&packets.Connack{Properties: &packets.Properties{}}).WriteTo(conn)
			case *packets.Publish:
				// an acknowledgement in frames of one byte
				for _, b := range []byte{0x40, 2, byte(p.PacketID >> 8), byte(p.PacketID)} {
					_, err = conn.Write([]byte{b})
				}
			}
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	o := awsiot.ClientOptions{Endpoint: host, Port: portNumber(t, port), ClientID: "ws",
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
	return s, o
}

func portNumber(t *testing.T, s string) int {
	t.Helper()
	n, err := net.LookupPort("tcp", s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Cases of aws-c-mqtt's tests, group "connect": websocket_connect_*, as far as a client without SigV4 can show them.
func TestWebsocket(t *testing.T) {
	var seen http.Header
	var query url.Values
	_, o := wsBroker(t, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}}, func(r *http.Request) (int, string) {
		seen, query = r.Header, r.URL.Query()
		if r.URL.Path != "/mqtt" || r.Method != http.MethodGet {
			return http.StatusNotFound, "path " + r.URL.Path
		}
		return 0, ""
	})
	attempts := 0
	o.Auth = awsiot.WebsocketHandshake(func(_ context.Context, r *http.Request) error {
		attempts++
		q := r.URL.Query()
		q.Set("X-Amz-Signature", "s1gnature")
		r.URL.RawQuery = q.Encode()
		r.Header.Set("X-Extra", "1")
		return nil
	})
	c := awsiot.NewClient(o)
	defer c.Close()
	ctx := within(time.Minute)
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	if seen.Get("Sec-Websocket-Protocol") != "mqtt" || seen.Get("X-Extra") != "1" || query.Get("X-Amz-Signature") != "s1gnature" {
		t.Errorf("upgrade: %v %v", seen, query)
	}
	for _, size := range []int{0, 10, 100_000} {
		if r, err := c.Publish(ctx, packet("t", strings.Repeat("x", size), awsiot.AtLeastOnce)); err != nil || r.Code != 0 {
			t.Errorf("%d bytes: %v, %v", size, r, err)
		}
	}
	if err := c.Stop(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := c.StartAndWait(ctx); err != nil || attempts != 2 {
		t.Errorf("again: %v, completed %d times", err, attempts)
	}
}

func TestWebsocketRefused(t *testing.T) {
	accept := &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}}
	forbidden := func(*http.Request) (int, string) { return http.StatusForbidden, "signature expired" }
	moved := func(*http.Request) (int, string) { return http.StatusFound, "" }
	boom := errors.New("no credentials")
	for _, tt := range []struct {
		name     string
		accept   *websocket.AcceptOptions
		check    func(*http.Request) (int, string)
		complete func(context.Context, *http.Request) error
		want     string
		is       func(error) bool
	}{
		{"403", accept, forbidden, nil, "403 Forbidden: signature expired", func(err error) bool {
			var ue *awsiot.UpgradeError
			return errors.As(err, &ue) && ue.Status == 403
		}},
		{"a redirect without a target", accept, moved, nil, "302 Found", func(error) bool { return true }},
		{"another subprotocol", &websocket.AcceptOptions{}, nil, nil, "does not speak the subprotocol mqtt", func(err error) bool { return errors.Is(err, awsiot.ErrProtocol) }},
		{"completing fails", accept, nil, func(context.Context, *http.Request) error { return boom }, "completing the upgrade request: no credentials", func(err error) bool { return errors.Is(err, boom) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, o := wsBroker(t, tt.accept, tt.check)
			o.Auth = awsiot.WebsocketHandshake(func(ctx context.Context, r *http.Request) error {
				r.URL.RawQuery = "X-Amz-Signature=s1gnature"
				if tt.complete != nil {
					return tt.complete(ctx, r)
				}
				return nil
			})
			c := awsiot.NewClient(o)
			defer c.Close()
			err := c.StartAndWait(within(time.Minute))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !tt.is(err) || strings.Contains(err.Error(), "s1gnature") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A proxy without a host is not this machine.
func TestHTTPProxyWithoutHost(t *testing.T) {
	for _, raw := range []string{"http:", "http://:8080", "https://", "socks5:", "socks5h://:1080"} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(),
			HTTPProxy: func(*http.Request) (*url.URL, error) { return u, nil },
			Dialer: func(_ context.Context, _, addr string) (net.Conn, error) {
				t.Errorf("%s: dials %s", raw, addr)
				return nil, io.EOF
			}})
		err = c.StartAndWait(t.Context())
		if pe, ok := errors.AsType[*awsiot.ProxyError](err); !ok || !strings.Contains(pe.Error(), "has no host") {
			t.Errorf("%s: %v", raw, err)
		}
		_ = c.Close()
	}
}

// Proxies that refuse, close, speak garbage; NO_PROXY; credentials. Cases of aws-c-mqtt's tests, group "settings":
// client_options_set_invalid_proxy, which here is what HTTPProxy returns, and so an error of the attempt.
func TestHTTPProxy(t *testing.T) {
	_, o := wsBroker(t, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}}, nil)
	o.Auth = awsiot.WebsocketHandshake(nil)
	tunnel := func(c net.Conn, req *http.Request) {
		broker, err := net.Dial("tcp", req.Host)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		go func() { _, _ = io.Copy(broker, c); broker.Close() }()
		_, _ = io.Copy(c, broker)
	}
	say := func(text string) func(net.Conn, *http.Request) {
		return func(c net.Conn, _ *http.Request) { _, _ = io.WriteString(c, text) }
	}
	for _, tt := range []struct {
		name   string
		answer func(net.Conn, *http.Request)
		user   *url.Userinfo
		want   string // "": works
	}{
		{"tunnel", tunnel, nil, ""},
		{"tunnel with credentials", func(c net.Conn, r *http.Request) {
			if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzM2NyZXQ=" {
				say("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")(c, r)
				return
			}
			tunnel(c, r)
		}, url.UserPassword("user", "s3cret"), ""},
		{"407", say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), url.UserPassword("user", "s3cret"), "407 Proxy Authentication Required; hint: put user name and password"},
		{"403", say("HTTP/1.1 403 Forbidden\r\n\r\n"), nil, "403 Forbidden"},
		{"502", say("HTTP/1.1 502 Bad Gateway\r\n\r\n"), nil, "502 Bad Gateway"},
		{"closes", func(net.Conn, *http.Request) {}, nil, "closed the connection instead of answering CONNECT"},
		{"garbage", say("SSH-2.0-OpenSSH\r\n\r\n"), nil, "malformed HTTP"},
		{"endless", func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 20_000))
		}, nil, "malformed MIME header"}, // cut off after 64 KiB
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					req, err := http.ReadRequest(bufio.NewReaderSize(c, 16))
					if err == nil && req.Method == http.MethodConnect {
						tt.answer(c, req)
					}
					c.Close()
				}
			}()
			o := o
			o.HTTPProxy = http.ProxyURL(&url.URL{Scheme: "http", Host: ln.Addr().String(), User: tt.user})
			c := awsiot.NewClient(o)
			defer c.Close()
			err = c.StartAndWait(within(time.Minute))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var pe *awsiot.ProxyError
			if !errors.As(err, &pe) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("none for this host", func(t *testing.T) {
		o := o
		o.HTTPProxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() != o.Endpoint {
				t.Errorf("asked for %v", r.URL)
			}
			return nil, nil
		}
		c := awsiot.NewClient(o)
		defer c.Close()
		if err := c.StartAndWait(within(time.Minute)); err != nil {
			t.Error(err)
		}
	})
	t.Run("unknown scheme", func(t *testing.T) {
		o := o
		o.HTTPProxy = http.ProxyURL(&url.URL{Scheme: "gopher", Host: "x"})
		c := awsiot.NewClient(o)
		defer c.Close()
		if err := c.StartAndWait(within(time.Minute)); err == nil || !strings.Contains(err.Error(), `scheme "gopher" is not http, https or socks5: a proxy is a URL, as http://HOST:PORT`) {
			t.Errorf("got %v", err)
		}
	})
}

// A proxy that says nothing is named when the time is over: it is not the endpoint that does not answer.
func TestSilentProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.HTTPProxy = http.ProxyURL(&url.URL{Scheme: scheme, Host: "broker:1883", User: url.UserPassword("me", "s3cret")})
				o.ConnectTimeout = 3 * time.Second
			})
			go func() {
				conn, err := w.ln.Accept()
				if err == nil {
					defer conn.Close()
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
			err := w.client.StartAndWait(context.Background())
			want := "through proxy " + scheme + "://broker:1883: not done within ConnectTimeout 3s"
			if err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %q in it", err, want)
			}
		})
	}
}

// Dial gives the transport without MQTT on it.
func TestDial(t *testing.T) {
	s, o := wsBroker(t, nil, nil)
	o.Auth = awsiot.TLS()
	conn, err := o.Dial(within(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if tc, ok := conn.(*tls.Conn); !ok || !tc.ConnectionState().PeerCertificates[0].Equal(s.Certificate()) {
		t.Errorf("got %T", conn)
	}
	if _, err := (awsiot.ClientOptions{}).Dial(context.Background()); err == nil {
		t.Error("options without an endpoint dialled")
	}
}
