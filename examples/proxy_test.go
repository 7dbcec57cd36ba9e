package examples_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// tunnels is what the proxies of these tests remember: the targets they were asked for.
type tunnels struct {
	mu      sync.Mutex
	targets []string
}

func (s *tunnels) add(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets = append(s.targets, target)
}

// dial opens the other end: a proxy resolves names, this one all of them to this machine.
func (s *tunnels) dial(target string) (net.Conn, error) {
	s.add(target)
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
}

func (s *tunnels) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets
}

// splice joins two connections until one ends.
func splice(a, b net.Conn) {
	var both sync.WaitGroup
	for _, pair := range [2][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			a.Close()
			b.Close()
		})
	}
	both.Wait()
}

// httpProxy is a proxy for HTTP CONNECT that wants the given Proxy-Authorization.
func httpProxy(t *testing.T, authorization string) (*tunnels, net.Addr) {
	seen := &tunnels{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this is a proxy", http.StatusMethodNotAllowed)
			return
		}
		if r.Header.Get("Proxy-Authorization") != authorization {
			http.Error(w, "who are you", http.StatusProxyAuthRequired)
			return
		}
		target, err := seen.dial(r.RequestURI)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			target.Close()
			return
		}
		if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			t.Error(err)
		}
		splice(client, target)
	}))
	t.Cleanup(s.Close)
	return seen, s.Listener.Addr()
}

// socksProxy is a SOCKS5 proxy (RFC 1928) that wants a user name and password (RFC 1929), "" for none.
func socksProxy(t *testing.T, user string) (*tunnels, net.Addr) {
	seen := &tunnels{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				target, err := socksHandshake(client, user)
				if err != nil {
					return // the client says what it makes of it
				}
				server, err := seen.dial(target)
				reply := byte(0)
				if err != nil {
					reply = 5 // connection refused
				}
				if _, err := client.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil || server == nil {
					return
				}
				splice(client, server)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return seen, l.Addr()
}

// socksHandshake reads the request of a client, whose target it returns.
func socksHandshake(c net.Conn, user string) (target string, err error) {
	read := func(n byte) []byte {
		b := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(c, b)
		}
		return b
	}
	write := func(b ...byte) {
		if err == nil {
			_, err = c.Write(b)
		}
	}
	methods := read(read(2)[1])
	method := byte(0)
	if user != "" {
		method = 2
	}
	if err == nil && !strings.Contains(string(methods), string(method)) {
		write(5, 0xFF)
		return "", fmt.Errorf("methods %v", methods)
	}
	write(5, method)
	if user != "" {
		name := read(read(2)[1])
		password := read(read(1)[0])
		if got := string(name) + ":" + string(password); got != user {
			write(1, 1)
			return "", fmt.Errorf("user %q", got)
		}
		write(1, 0)
	}
	head := read(4) // version, command, 0, address type
	switch head[3] {
	case 1:
		target = net.IP(read(4)).String()
	case 3:
		target = string(read(read(1)[0]))
	default:
		return "", fmt.Errorf("address type %d", head[3])
	}
	port := binary.BigEndian.Uint16(read(2))
	return net.JoinHostPort(target, fmt.Sprint(port)), err
}

func TestBasicPubSubProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		proxy func(t *testing.T) (*tunnels, net.Addr)
		flags []string
	}{
		{"SOCKS5", func(t *testing.T) (*tunnels, net.Addr) { return socksProxy(t, "") }, nil},
		{"SOCKS5 with a password", func(t *testing.T) (*tunnels, net.Addr) { return socksProxy(t, "joe:s3cret") }, []string{"--proxyUser", "joe:s3cret"}},
		{"HTTP", func(t *testing.T) (*tunnels, net.Addr) { return httpProxy(t, "") }, []string{"--proxyType", "http"}},
		{"HTTP with a password", func(t *testing.T) (*tunnels, net.Addr) { return httpProxy(t, "Basic am9lOnMzY3JldA==") }, // joe:s3cret
			[]string{"--proxyType", "http", "--proxyUser", "joe:s3cret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t)
			seen, addr := tt.proxy(t)
			host, port, err := net.SplitHostPort(addr.String())
			if err != nil {
				t.Fatal(err)
			}
			flags := append(e.flags(quickly(2)...), append(tt.flags, "--proxyHost", host, "--proxyPort", port)...)
			p := basicPubSubProxy.start(t, nil, flags...)
			done(t, p)
			equal(t, "output", p.said(), []string{`received {"message":"Hello World!","sequence":0} from sdk/test/Python`,
				`received {"message":"Hello World!","sequence":1} from sdk/test/Python`})
			// By name: the proxy resolves it, as a device behind one often cannot.
			equal(t, "tunnels", seen.all(), []string{fmt.Sprintf("%s:%d", e.Host(), e.TLSPort())})
			equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.DISCONNECT), []string{"CONNECT basicPubSubProxy", "DISCONNECT basicPubSubProxy"})
		})
	}
}

// TestWebsocket: the flag -w, with the credentials of the environment and an endpoint that names its region, which
// only the proxy can resolve.
func TestWebsocket(t *testing.T) {
	t.Parallel()
	const name = "account.iot.eu-west-1.amazonaws.com"
	s := iotlocal.StartT(t, iotlocal.Options{SANs: []string{name},
		Credentials: map[string]iotlocal.Credential{"AKIDEXAMPLE": {SecretAccessKey: "secret", SessionToken: "token"}}})
	seen, addr := socksProxy(t, "")
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		secret string
		status int
		want   []string // of standard output
		reason string   // on stderr
	}{
		{"secret", 0, []string{`received {"message":"Hello World!","sequence":0} from sdk/test/Python`}, ""},
		{"wrong", 1, nil, "403"},
		{"", 1, nil, "AWS_SECRET_ACCESS_KEY"},
	} {
		t.Run(tt.secret, func(t *testing.T) {
			env := []string{"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + tt.secret, "AWS_SESSION_TOKEN=token", "HOME=" + t.TempDir()}
			p := basicPubSubProxy.start(t, env, append(quickly(1), "-e", name, "-r", s.CAFile(), "-w", "-p", fmt.Sprint(s.WSSPort()),
				"--proxyHost", host, "--proxyPort", port)...)
			if status := p.wait(t); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			equal(t, "output", p.said(), tt.want)
			if !strings.Contains(p.stderr.String(), tt.reason) {
				t.Errorf("stderr does not say %q", tt.reason)
			}
			if tunnel := fmt.Sprintf("%s:%d", name, s.WSSPort()); tt.secret != "" && !slices.Contains(seen.all(), tunnel) {
				t.Errorf("tunnels %v, want %s", seen.all(), tunnel)
			}
		})
	}
	t.Run("no region", func(t *testing.T) {
		for _, e := range []*example{basicPubSub, basicShadowUpdater} {
			p := e.start(t, []string{"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret"},
				"-e", s.Host(), "-r", s.CAFile(), "-w", "-p", fmt.Sprint(s.WSSPort()))
			if status := p.wait(t); status != 1 || !strings.Contains(p.stderr.String(), "Invalid endpoint pattern for wss: localhost") {
				t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
			}
		}
	})
}

// TestBasicPubSubProxyRefused: a proxy that does not let the sample through is named, with what it said.
func TestBasicPubSubProxyRefused(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	for _, tt := range []struct {
		name  string
		proxy func(t *testing.T) (*tunnels, net.Addr)
		kind  string
		want  string
	}{
		{"SOCKS5", func(t *testing.T) (*tunnels, net.Addr) { return socksProxy(t, "joe:s3cret") }, "socks5", "no acceptable authentication methods"},
		{"HTTP", func(t *testing.T) (*tunnels, net.Addr) { return httpProxy(t, "Basic x") }, "http", "407 Proxy Authentication Required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen, addr := tt.proxy(t)
			host, port, err := net.SplitHostPort(addr.String())
			if err != nil {
				t.Fatal(err)
			}
			p := basicPubSubProxy.start(t, nil, e.flags("--proxyType", tt.kind, "--proxyHost", host, "--proxyPort", port)...)
			if status := p.wait(t); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			for _, want := range []string{"basicPubSubProxy: error: connect: ", "proxy " + tt.kind + "://" + addr.String(), tt.want} {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
				}
			}
			equal(t, "tunnels", seen.all(), nil)
		})
	}
}
