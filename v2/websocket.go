package awsiot

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// websocketAuth connects by websocket, with a handshake that the program completes.
type websocketAuth struct {
	handshake func(context.Context, *http.Request) error
	plain     bool
}

// WebsocketHandshake connects by secure websocket, to port 443 by default. complete is called at
// every attempt with the upgrade request, GET https://ENDPOINT/mqtt, and may add query parameters
// and headers, such as a signature; it may block until its ctx ends, and its error fails the attempt.
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

func (w websocketAuth) route(context.Context) (route, error) {
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

// upgrade puts MQTT over websocket on conn, which it closes when that fails [MQTT5-6].
func (o *ClientOptions) upgrade(ctx context.Context, conn net.Conn, r route) (net.Conn, error) {
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+websocketPath, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := r.websocket(ctx, req); err != nil {
		conn.Close()
		return nil, fmt.Errorf("completing the upgrade request: %w", requestSecrets(req).clean(err))
	}
	one := &oneRequest{}
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	one.transport = &http.Transport{DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true}
	client := &http.Client{Transport: one}
	ws, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: req.Header, Host: req.Host, Subprotocols: []string{"mqtt"}})
	if err != nil {
		conn.Close()
		return nil, refusedUpgrade(req, one.location, resp, err)
	}
	if ws.Subprotocol() != "mqtt" {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("%w: the server does not speak the subprotocol mqtt", ErrProtocol)
	}
	ws.SetReadLimit(-1) // the packets have a limit of their own
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

// oneRequest is a RoundTripper for the upgrade. A redirect is a refusal, as for every client of MQTT: the signature
// is for one host, and the target may be anybody's. So it takes the Location away, before net/http follows or quotes it.
type oneRequest struct {
	transport http.RoundTripper
	location  string // the host of the redirect's target
}

func (o *oneRequest) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.transport.RoundTrip(req)
	if err == nil && resp.Header.Get("Location") != "" {
		if u, err := req.URL.Parse(resp.Header.Get("Location")); err == nil {
			o.location = u.Host
		}
		resp.Header.Del("Location")
	}
	return resp, err
}

// refusedUpgrade says what the server answered to req instead of 101.
func refusedUpgrade(req *http.Request, location string, resp *http.Response, err error) error {
	s := requestSecrets(req)
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade failed: %w", s.clean(err))
	}
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	}
	return &UpgradeError{Status: resp.StatusCode, Body: s.redactCut(strings.TrimSpace(string(body))), Location: s.redact(location)}
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
