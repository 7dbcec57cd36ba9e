package awsiot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// websocketAuth connects by websocket, with a handshake that the program completes.
type websocketAuth struct {
	handshake func(context.Context, *http.Request) error
	plain     bool
}

// WebsocketHandshake connects by secure websocket, to port 443 by default. complete is called at
// every attempt with the upgrade request, GET https://ENDPOINT/mqtt, and may add query parameters
// and headers, such as a signature; its error fails the attempt, which does not wait for it any longer than its ctx.
// nil changes nothing.
func WebsocketHandshake(complete func(ctx context.Context, r *http.Request) error) Auth {
	return websocketAuth{handshake: complete}
}

// PlainWebsocket is WebsocketHandshake without TLS, to port 80 by default. For tests and local
// brokers; AWS IoT Core does not take it.
func PlainWebsocket(complete func(ctx context.Context, r *http.Request) error) Auth {
	return websocketAuth{handshake: complete, plain: true}
}

func (w websocketAuth) problem() string { return "" }

func (w websocketAuth) route(context.Context, *calls) (route, error) {
	r := route{plain: w.plain, websocket: w.handshake}
	if r.websocket == nil {
		r.websocket = func(context.Context, *http.Request) error { return nil }
	}
	return r, nil
}

// websocketPath is where AWS IoT Core, and most brokers, take MQTT.
const websocketPath = "/mqtt"

// maxRefusal is how much of the answer to a refused upgrade goes into the error.
const maxRefusal = 1 << 10

// maxUpgradeHeader bounds the header of the answer to an upgrade.
const maxUpgradeHeader = 64 << 10

// upgrade puts MQTT over websocket on conn, which it closes when that fails [MQTT5-6].
func (o *ClientOptions) upgrade(ctx context.Context, c *calls, conn net.Conn, r route) (net.Conn, error) {
	scheme := "https"
	if r.plain {
		scheme = "http"
	}
	host := o.Endpoint
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Port != 443 && !r.plain || o.Port != 80 && r.plain {
		host = fmt.Sprintf("%s:%d", host, o.Port)
	}
	bare, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+websocketPath, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	req, err := heed(ctx, c, "the function that completes the upgrade request", func(ctx context.Context) (*http.Request, error) {
		ctx, cancel := early(ctx)
		defer cancel()
		req := bare.Clone(ctx)
		if err := r.websocket(ctx, req); err != nil {
			return nil, fmt.Errorf("completing the upgrade request: %w", requestSecrets(req).clean(err))
		}
		return req, nil
	}, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	hidden := requestSecrets(req)
	one := &oneRequest{}
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	one.transport = &http.Transport{DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: maxUpgradeHeader}
	client := &http.Client{Transport: one}
	ws, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: req.Header, Host: req.Host, Subprotocols: []string{"mqtt"}})
	if err != nil {
		conn.Close()
		return nil, refusedUpgrade(hidden, one.location, resp, err)
	}
	one.upgraded.Store(true)
	if ws.Subprotocol() != "mqtt" {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("%w: the server does not speak the subprotocol mqtt", ErrProtocol)
	}
	nc := websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
	ws.SetReadLimit(-1) // the packets have a limit of their own
	return &websocketConn{Conn: nc, under: conn, hidden: hidden}, nil
}

// oneRequest is a RoundTripper for the upgrade. A redirect is a refusal, as for every client of MQTT: the signature
// is for one host, and the target may be anybody's. So it takes the Location away, before net/http follows or quotes it.
type oneRequest struct {
	transport http.RoundTripper
	location  string // the host of the redirect's target
	upgraded  atomic.Bool
}

func (o *oneRequest) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Location") != "" {
		if u, err := req.URL.Parse(resp.Header.Get("Location")); err == nil {
			o.location = u.Host
		}
		resp.Header.Del("Location")
	}
	if ext := resp.Header.Get("Sec-Websocket-Extensions"); ext != "" { // the library does not name it
		resp.Body.Close()
		return nil, fmt.Errorf("%w: the server turns on a websocket extension that was not asked for: %q", ErrProtocol, ext)
	}
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &upgradedBody{rw, &o.upgraded}
	}
	return resp, nil
}

// upgradedBody is what follows a 101. It has nothing to read until the websocket is accepted: the library reads a body
// for seconds when it refuses what the answer says, and here none would come.
type upgradedBody struct {
	io.ReadWriteCloser
	upgraded *atomic.Bool
}

func (b *upgradedBody) Read(p []byte) (int, error) {
	if !b.upgraded.Load() {
		return 0, io.EOF
	}
	return b.ReadWriteCloser.Read(p)
}

// refusedUpgrade says what the server answered instead of 101, or what is wrong with its 101.
func refusedUpgrade(s secrets, location string, resp *http.Response, err error) error {
	switch {
	case resp == nil:
		return fmt.Errorf("upgrade failed: %w", s.clean(err))
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return fmt.Errorf("upgrade failed: %w: %w", ErrProtocol, s.clean(err))
	}
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	}
	return &UpgradeError{Status: resp.StatusCode, Body: s.redactCut(strings.TrimSpace(string(body))), Location: s.redact(location)}
}

// websocketConn is the byte stream of a websocket. The library bounds its own writes, of closing frames and pongs, by five
// seconds; deadlines are set on the connection beneath, so that they end these, too.
type websocketConn struct {
	net.Conn
	under  net.Conn
	hidden secrets
	ending atomic.Bool // reading has failed, or is to: there will be no closing handshake
}

func (w *websocketConn) SetDeadline(t time.Time) error {
	w.ending.Store(!t.IsZero() && t.Before(time.Now()))
	return w.under.SetDeadline(t)
}

func (w *websocketConn) SetReadDeadline(t time.Time) error  { return w.under.SetReadDeadline(t) }
func (w *websocketConn) SetWriteDeadline(t time.Time) error { return w.under.SetWriteDeadline(t) }

// Read names what is wrong with a frame.
func (w *websocketConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	w.ending.Store(true)
	var ne net.Error
	var ce websocket.CloseError
	switch {
	case errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled):
		return n, err
	case errors.As(err, &ce):
		text := fmt.Sprintf("the websocket was closed with status %d", ce.Code)
		if ce.Reason != "" {
			text += ": " + w.hidden.redact(ce.Reason)
		}
		return n, fmt.Errorf("%s: %w", text, io.ErrUnexpectedEOF)
	}
	return n, fmt.Errorf("%w: websocket: %w", ErrProtocol, w.hidden.clean(err))
}

// Close ends the websocket with its closing handshake, for which the server has closeTimeout.
func (w *websocketConn) Close() error {
	end := time.Unix(1, 0)
	if !w.ending.Load() {
		end = time.Now().Add(closeTimeout)
	}
	_ = w.under.SetDeadline(end)
	return w.Conn.Close()
}

// UpgradeError is an HTTP answer other than 101 to the websocket upgrade: 403 and 401 for
// credentials or a policy, for instance. A redirect is one, too: it is not followed. What the
// request carried in its query and in headers, such as a signature, is taken out of the fields.
type UpgradeError struct {
	Status   int    // of HTTP
	Body     string // the first kilobyte
	Location string // host, and port if any, that a redirect points to
}

// Error returns the status, the target of a redirect, and the body.
func (e *UpgradeError) Error() string {
	s := fmt.Sprintf("upgrade refused: %d %s", e.Status, http.StatusText(e.Status))
	if e.Location != "" {
		s += ", a redirect to " + e.Location + " that is not followed; set Endpoint to the broker itself"
	}
	if e.Body != "" {
		s += ": " + e.Body
	}
	return s
}
