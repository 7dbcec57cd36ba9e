package awsiot

import (
	"context"
	"errors"
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

// errOneConnection: the HTTP client asked for a second connection, for a redirect.
var errOneConnection = errors.New("the server redirects the websocket upgrade; set Endpoint to its target")

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
		return nil, fmt.Errorf("completing the upgrade request: %w", err)
	}
	given := make(chan net.Conn, 1)
	given <- conn
	dial := func(context.Context, string, string) (net.Conn, error) {
		select {
		case c := <-given:
			return c, nil
		default:
			return nil, errOneConnection
		}
	}
	client := &http.Client{
		Transport:     &http.Transport{DialContext: dial, DialTLSContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errOneConnection },
	}
	ws, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: req.Header, Host: req.Host, Subprotocols: []string{"mqtt"}})
	if err != nil {
		conn.Close()
		return nil, refusedUpgrade(resp, err)
	}
	if ws.Subprotocol() != "mqtt" {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("%w: the server does not speak the subprotocol mqtt", ErrProtocol)
	}
	ws.SetReadLimit(-1) // the packets have a limit of their own
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

// refusedUpgrade says what the server answered instead of 101.
func refusedUpgrade(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return redactQuery(err)
	}
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	}
	return &UpgradeError{Status: resp.StatusCode, Body: strings.TrimSpace(string(body))}
}

// UpgradeError is an HTTP answer other than 101 to the websocket upgrade: 403 and 401 for
// credentials or a policy, for instance.
type UpgradeError struct {
	Status int    // of HTTP
	Body   string // the first kilobyte
}

// Error returns the status and the body.
func (e *UpgradeError) Error() string {
	s := fmt.Sprintf("upgrade refused: %d %s", e.Status, http.StatusText(e.Status))
	if e.Body != "" {
		s += ": " + e.Body
	}
	return s
}

// redactQuery removes the query of the upgrade request from an error of net/http: it may hold a signature and a token.
func redactQuery(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), websocketPath+"?") {
			continue
		}
		return fmt.Errorf("upgrade failed: %w", e)
	}
	return errors.New("upgrade failed")
}
