// Package wsock is the server side of websockets (RFC 6455) as far as MQTT needs it: the upgrade, taken
// byte for byte from a connection, and the binary frames after it as a net.Conn.
//
// It is not a websocket library of the usual kind because those refuse what AWS IoT Core accepts: the
// Sec-WebSocket-Key of the AWS IoT Device SDK v1 for Python has 128 bytes instead of 16, and that SDK
// wants the answer's header names in lower case, within the first kilobyte.
package wsock

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

const (
	// Path is where MQTT is served, as AWS IoT Core does.
	Path = "/mqtt"
	// maxHead bounds the request line and headers: a signature with a session token is about 2 KiB.
	maxHead = 64 << 10
	// keyGUID is a constant of RFC 6455, section 1.3.
	keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	// minKey is the size of Sec-WebSocket-Key in RFC 6455; there is no upper bound, see the package comment.
	minKey = 16
)

// Refused is an upgrade that was answered with another status than 101.
type Refused struct {
	Status  int // of HTTP
	Message string
	header  http.Header
}

// Error returns status and message.
func (r *Refused) Error() string {
	return fmt.Sprintf("upgrade refused: %d %s: %s", r.Status, http.StatusText(r.Status), r.Message)
}

// Upgrade reads a request from nc, asks authorize, which may be nil, and answers it. The caller sets the
// deadline before and closes nc on an error; a *Refused has been sent to the peer.
func Upgrade(nc net.Conn, authorize func(*http.Request) error) (*Conn, error) {
	// What follows the head belongs to the frames: the limit ends with it.
	head := &io.LimitedReader{R: nc, N: maxHead}
	br := bufio.NewReader(head)
	first, err := br.Peek(1)
	var r *http.Request
	if err == nil {
		r, err = http.ReadRequest(br)
	}
	var refused *Refused
	switch {
	case err != nil && len(first) > 0 && first[0] == 0x16:
		refused = refuse(http.StatusBadRequest, "this is a TLS handshake on a port without TLS, or TLS within TLS")
	case err != nil && len(first) > 0 && first[0] == 0x10:
		refused = refuse(http.StatusBadRequest, "this is MQTT without a websocket: it belongs on another port")
	case err != nil && head.N <= 0:
		refused = refuse(http.StatusRequestHeaderFieldsTooLarge, "the head of the request has more than %d bytes", maxHead)
	case err != nil && isIO(err):
		return nil, err
	case err != nil:
		refused = refuse(http.StatusBadRequest, "%v", err)
	default:
		c, err := Accept(nc, br, r, authorize)
		head.N = 1<<63 - 1
		return c, err
	}
	return nil, errors.Join(refused, refused.write(nc))
}

// Accept is Upgrade for a request that was read from br, which reads from nc, before.
func Accept(nc net.Conn, br *bufio.Reader, r *http.Request, authorize func(*http.Request) error) (*Conn, error) {
	refused := check(r)
	if refused == nil && authorize != nil {
		if err := authorize(r); err != nil {
			refused = refuse(http.StatusForbidden, "%v", err)
		}
	}
	if refused != nil {
		return nil, errors.Join(refused, refused.write(nc))
	}
	protocol, _ := subprotocol(r)
	answer := "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: " +
		accept(r.Header.Get("Sec-Websocket-Key")) + "\r\nsec-websocket-protocol: " + protocol + "\r\n\r\n"
	if _, err := io.WriteString(nc, answer); err != nil { // in one write: v1 reads once
		return nil, err
	}
	return &Conn{Conn: nc, in: br}, nil
}

// isIO reports whether the connection failed, as opposed to what was sent on it.
func isIO(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || network
}

func refuse(status int, format string, args ...any) *Refused {
	return &Refused{Status: status, Message: fmt.Sprintf(format, args...)}
}

// check returns what is wrong with an upgrade request (RFC 6455, section 4.2.1).
func check(r *http.Request) *Refused {
	switch {
	case r.URL.Path != Path:
		return refuse(http.StatusNotFound, "nothing at %q; MQTT is served at %s", r.URL.Path, Path)
	case r.Method != http.MethodGet:
		ref := refuse(http.StatusMethodNotAllowed, "method %s; an upgrade is a GET", r.Method)
		ref.header = http.Header{"Allow": {"GET"}}
		return ref
	case !r.ProtoAtLeast(1, 1):
		return refuse(http.StatusHTTPVersionNotSupported, "%s; an upgrade needs HTTP/1.1", r.Proto)
	case !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket"):
		ref := refuse(http.StatusUpgradeRequired, "not a websocket upgrade: it needs the headers Connection: Upgrade and Upgrade: websocket")
		ref.header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		return ref
	case r.Header.Get("Sec-Websocket-Version") != "13":
		ref := refuse(http.StatusUpgradeRequired, "Sec-WebSocket-Version %q, want 13", r.Header.Get("Sec-Websocket-Version"))
		ref.header = http.Header{"Sec-WebSocket-Version": {"13"}}
		return ref
	case r.ContentLength != 0:
		return refuse(http.StatusBadRequest, "an upgrade has no body")
	}
	key := r.Header.Values("Sec-Websocket-Key")
	if len(key) != 1 {
		return refuse(http.StatusBadRequest, "%d Sec-WebSocket-Key headers, want 1", len(key))
	}
	if b, err := base64.StdEncoding.DecodeString(key[0]); err != nil || len(b) < minKey {
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not the base64 of %d bytes or more", minKey)
	}
	if _, ok := subprotocol(r); !ok {
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Protocol %q does not offer mqtt [MQTT5-6.0.0-3]; mqttv3.1 is taken too",
			strings.Join(r.Header.Values("Sec-Websocket-Protocol"), ", "))
	}
	return nil
}

// subprotocol chooses mqtt, or mqttv3.1, which v1 asks for.
func subprotocol(r *http.Request) (string, bool) {
	for _, p := range []string{"mqtt", "mqttv3.1"} {
		if hasToken(r.Header, "Sec-Websocket-Protocol", p) {
			return p, true
		}
	}
	return "", false
}

// hasToken reports whether a comma-separated header holds the token, in any case.
func hasToken(h http.Header, name, token string) bool {
	return slices.ContainsFunc(h.Values(name), func(v string) bool {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
		return false
	})
}

// accept answers a key (RFC 6455, section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// write sends the refusal with a body in AWS's form.
func (r *Refused) write(w io.Writer) error {
	body, err := json.Marshal(map[string]string{"message": r.Message})
	if err != nil {
		return err
	}
	resp := &http.Response{StatusCode: r.Status, ProtoMajor: 1, ProtoMinor: 1, Close: true, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(string(body)))}
	for k, v := range r.header {
		resp.Header[k] = v
	}
	return resp.Write(w)
}
