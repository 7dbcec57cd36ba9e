package awsiot

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// dialFunc is the signature of net.Dialer.DialContext.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// ProxyError is a proxy that does not let the connection through.
type ProxyError struct {
	Proxy  string // scheme://host:port, without credentials
	Status int    // HTTP status of its answer; 0: none
	Err    error  // the cause, when there was no proper answer
}

// Error names the proxy and what it said.
func (e *ProxyError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err)
	}
	s := fmt.Sprintf("proxy %s: %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
	if e.Status == http.StatusProxyAuthRequired {
		s += "; hint: put user name and password into the URL of the proxy"
	}
	return s
}

// Unwrap returns Err.
func (e *ProxyError) Unwrap() error { return e.Err }

// throughProxy dials addr, through the proxy that HTTPProxy names for it.
func (o *ClientOptions) throughProxy(ctx context.Context, c *calls, dial dialFunc, addr string) (net.Conn, error) {
	if o.HTTPProxy == nil {
		return dial(ctx, "tcp", addr)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodConnect, "https://"+addr, nil)
	if err != nil {
		return nil, err
	}
	u, err := heed(ctx, c, "HTTPProxy", func(context.Context) (*url.URL, error) { return o.HTTPProxy(req) }, nil)
	var late *unreturned
	if errors.As(err, &late) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("HTTPProxy: %w", cleanProxy(err))
	}
	if u == nil {
		return dial(ctx, "tcp", addr)
	}
	if strings.Contains(u.Host, "@") {
		return nil, &ProxyError{Proxy: u.Scheme + "://", Err: errors.New("an @ in the host: user name and password go into User of the URL")}
	}
	name := u.Scheme + "://" + u.Host
	conn, err := dialProxy(ctx, dial, u, addr)
	var pe *ProxyError
	if err != nil && !errors.As(err, &pe) {
		err = &ProxyError{Proxy: name, Err: err}
	}
	return conn, err
}

func dialProxy(ctx context.Context, dial dialFunc, u *url.URL, addr string) (net.Conn, error) {
	web := u.Scheme == "http" || u.Scheme == "https"
	switch {
	case !web && u.Scheme != "socks5" && u.Scheme != "socks5h":
		return nil, fmt.Errorf("scheme %q is not http, https or socks5: a proxy is a URL, as http://HOST:PORT", u.Scheme)
	case u.Hostname() == "": // it would be this machine
		return nil, errors.New("the URL of the proxy has no host")
	case web:
		return dialConnect(ctx, dial, u, addr)
	}
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", hostPort(u, "1080"), auth, forward(dial))
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
}

// forward is a dialFunc as package proxy wants it.
type forward dialFunc

func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

func hostPort(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialConnect opens a tunnel by HTTP CONNECT (RFC 9110, 9.3.6).
func dialConnect(ctx context.Context, dial dialFunc, u *url.URL, addr string) (net.Conn, error) {
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	conn, err := dial(ctx, "tcp", hostPort(u, port))
	if err != nil {
		return nil, err
	}
	ok := false
	defer func() {
		if !ok {
			conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if u.Scheme == "https" {
		tc := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = tc
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", addr, addr)
	if u.User != nil {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", basicAuth(u.User))
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, err
	}
	// The answer is read a byte at a time: what follows it belongs to the broker.
	r := bufio.NewReaderSize(&oneByte{r: conn, left: 64 << 10}, 16)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fmt.Errorf("closed the connection instead of answering CONNECT: %w", io.ErrUnexpectedEOF)
		}
		if password, ok := u.User.Password(); ok {
			err = secrets{pieces: []string{password, basicAuth(u.User)}}.clean(err) // a proxy that sends back what it got
		}
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &ProxyError{Proxy: u.Scheme + "://" + u.Host, Status: resp.StatusCode}
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	ok = true
	return conn, nil
}

// basicAuth returns user name and password for the Basic scheme (RFC 7617).
func basicAuth(u *url.Userinfo) string {
	password, _ := u.Password()
	return base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
}

// oneByte reads one byte at a time, and not more than left of them.
type oneByte struct {
	r    io.Reader
	left int
}

func (o *oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if o.left--; o.left < 0 {
		return 0, errors.New("the answer to CONNECT does not end")
	}
	return o.r.Read(p[:1])
}
