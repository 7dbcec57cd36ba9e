package awsiot_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// stuck is a function of the program that does not return before release is closed, whatever its context does.
type stuck struct {
	release      chan struct{}
	running      atomic.Int32
	most, called atomic.Int32
}

func (s *stuck) wait() {
	s.called.Add(1)
	s.most.Store(max(s.most.Load(), s.running.Add(1)))
	<-s.release
	s.running.Add(-1)
}

// stuckOptions are the functions that an attempt calls, each of which ignores its context.
var stuckOptions = []struct {
	name   string
	set    func(*awsiot.ClientOptions, *stuck, net.Conn)
	want   string // in the error
	starts bool   // Start calls it
}{
	{"HTTPProxy", func(o *awsiot.ClientOptions, s *stuck, _ net.Conn) {
		o.HTTPProxy = func(*http.Request) (*url.URL, error) { s.wait(); return nil, nil }
	}, "HTTPProxy has not returned: not done within ConnectTimeout 3s", false},
	{"Dialer", func(o *awsiot.ClientOptions, s *stuck, conn net.Conn) {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { s.wait(); return conn, nil }
	}, "Dialer has not returned: not done within ConnectTimeout 3s", false},
	{"MTLSFromFunc", func(o *awsiot.ClientOptions, s *stuck, _ net.Conn) {
		o.Auth = awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) { s.wait(); return tls.Certificate{}, nil })
	}, "Auth: the source of the client certificate has not returned", true},
	{"WebsocketHandshake", func(o *awsiot.ClientOptions, s *stuck, _ net.Conn) {
		o.Auth = awsiot.PlainWebsocket(func(_ context.Context, r *http.Request) error { s.wait(); r.URL.RawQuery = "late"; return nil })
	}, "the function that completes the upgrade request has not returned: not done within ConnectTimeout 3s", false},
	{"TLSConfig", func(o *awsiot.ClientOptions, s *stuck, _ net.Conn) {
		o.Auth = awsiot.TLS()
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { s.wait(); return nil }}
	}, "TLS with broker:443: not done within ConnectTimeout 3s", false},
}

// A function that ignores its context carries no attempt past ConnectTimeout and keeps neither Start, Stop, Close nor Done
// from ending. It keeps one goroutine, whatever the number of attempts.
func TestStuckFunction(t *testing.T) {
	_, cert := selfMade(t, "broker", time.Now(), time.Now().Add(time.Hour))
	for _, tt := range stuckOptions {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				if tt.name == "TLSConfig" {
					go func() { _ = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake() }()
				}
				s := &stuck{release: make(chan struct{})}
				o := awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), ConnectTimeout: 3 * time.Second,
					RetryJitterMode: awsiot.JitterNone, Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
				tt.set(&o, s, near)
				c := awsiot.NewClient(o)
				began := time.Now()
				err := c.StartAndWait(context.Background())
				if took := time.Since(began); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v after %v, want %q", err, took, tt.want)
				}
				began = time.Now()
				err = c.Start()
				if took := time.Since(began); tt.starts != (err != nil) || took > 3*time.Second {
					t.Errorf("Start: %v after %v", err, took)
				}
				if tt.starts && !strings.Contains(err.Error(), "waiting for the source of the client certificate, which an earlier attempt called") {
					t.Errorf("Start: %v", err)
				}
				pass(time.Minute) // more attempts
				if n := s.most.Load(); n != 1 || s.called.Load() != 1 {
					t.Errorf("%d at once, %d calls; want one that has not returned", n, s.called.Load())
				}
				began = time.Now()
				if err := c.Stop(context.Background(), nil); err != nil || time.Since(began) != 0 {
					t.Errorf("Stop: %v after %v", err, time.Since(began))
				}
				began = time.Now()
				_ = c.Close()
				if time.Since(began) != 0 {
					t.Errorf("Close took %v", time.Since(began))
				}
				<-c.Done()
				if took := time.Since(began); took > 100*time.Millisecond {
					t.Errorf("Done took %v", took)
				}
				close(s.release)
				synctest.Wait()
				if tt.name == "Dialer" {
					if _, err := near.Write([]byte("x")); err == nil {
						t.Error("the connection that came too late is still open")
					}
				}
			})
		})
	}
}

// Once the function has returned, attempts go on with it, and what it returned too late plays no part.
func TestStuckFunctionReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		late, _ := net.Pipe()
		w := newWorld(t, nil)
		dial := w.net.Dial
		_ = w.client.Close()
		w.client = awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), DisableMetrics: true,
			ConnectTimeout: 3 * time.Second, RetryJitterMode: awsiot.JitterNone,
			Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if calls.Add(1) == 1 {
					<-time.After(5 * time.Second)
					return late, nil
				}
				return dial(ctx, network, addr)
			}})
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		w.accept(nil)
		if s := w.client.State(); s != awsiot.StateConnected || calls.Load() != 2 {
			t.Errorf("%v after %d calls", s, calls.Load())
		}
		if _, err := late.Write([]byte("x")); err == nil {
			t.Error("the late connection is open")
		}
	})
}

// A panic, or runtime.Goexit, in such a function fails the attempt, is logged and counted, and the next attempt comes.
func TestFunctionPanics(t *testing.T) {
	for _, how := range []string{"panic", "Goexit"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				calls := 0
				var proxy func(*http.Request) (*url.URL, error) = func(*http.Request) (*url.URL, error) {
					switch calls++; {
					case calls > 1:
						return nil, nil
					case how == "panic":
						panic("boom")
					}
					runtime.Goexit()
					return nil, nil
				}
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.HTTPProxy, o.Logger = proxy, slog.New(slog.NewTextHandler(&logged, nil))
				})
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
				w.accept(nil)
				want := map[string]string{"panic": "HTTPProxy: panic: boom", "Goexit": "HTTPProxy called runtime.Goexit"}[how]
				if all := strings.Join(w.events.take(), "\n"); !strings.Contains(all, want) {
					t.Errorf("events %s, want %q", all, want)
				}
				if n := w.client.Stats().CallbackPanics; (n == 1) != (how == "panic") {
					t.Errorf("%d panics are counted", n)
				}
				if has := strings.Contains(logged.String(), "panic in a callback"); has != (how == "panic") || has && !strings.Contains(logged.String(), "calls_test.go:") {
					t.Errorf("log: %s", logged.String())
				}
			})
		})
	}
}
