package awsiot_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// upgraded answers the upgrade request on conn with 101 and these further headers, and returns the reader of what follows.
func upgraded(conn net.Conn, headers string) *bufio.Reader {
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return r
	}
	h := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, 4.2.2
	accept := base64.StdEncoding.EncodeToString(h[:])
	if strings.Contains(headers, "Sec-WebSocket-Accept") {
		accept = ""
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: %s\r\n%s\r\n", accept, headers)
	return r
}

// What a server does wrong with the websocket ends the attempt within its timeouts, also where the server reads nothing
// more, and the error says what it was.
func TestWebsocketFrames(t *testing.T) {
	const connack, connect = 2 * time.Second, time.Second
	for _, tt := range []struct {
		name, headers string
		frame         []byte // in answer to CONNECT; nil: silence
		most          time.Duration
		want          string
	}{
		{"compression", "Sec-WebSocket-Extensions: permessage-deflate\r\n", nil, connect, `extension that was not asked for: "permessage-deflate"`},
		{"an unknown extension", "Sec-WebSocket-Extensions: x-foo; a=b\r\n", nil, connect, `extension that was not asked for: "x-foo; a=b"`},
		{"a wrong accept key", "Sec-WebSocket-Accept: x\r\n", nil, connect, "Sec-WebSocket-Accept"},
		{"reserved bits", "", []byte{0xF2, 0x00}, connack, "protocol error: websocket: failed to get reader: received header with unexpected rsv bits set"},
		{"an unknown opcode", "", []byte{0x83, 0x00}, connack, "protocol error: websocket: failed to get reader: received unknown opcode opcode(3)"},
		{"a negative length", "", []byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, connack, "received negative payload length"},
		{"text", "", []byte("\x81\x03abc"), connack, "protocol error: websocket: unexpected frame type read (expected MessageBinary): MessageText"},
		{"a continuation of nothing", "", []byte("\x80\x03abc"), connack, "received continuation frame without text or binary frame"},
		{"a long control frame", "", []byte{0x89, 126, 1, 0}, connack, "received control frame payload with invalid length: 256"},
		{"a fragmented control frame", "", []byte{0x09, 0}, connack, "received fragmented control frame"},
		{"a close frame with half a status", "", []byte{0x88, 1, 3}, connack, "received invalid close payload"},
		{"closed with a status", "", append([]byte{0x88, 8, 3, 240}, "policy"...), connack, "the websocket was closed with status 1008: policy"},
		{"a pong, then silence", "", []byte{0x8a, 0}, connack, "no CONNACK in time: waited 2s"},
		{"a ping whose answer it does not read", "", []byte{0x89, 0}, connack, "no CONNACK in time: waited 2s"},
		{"silence", "", nil, connack, "no CONNACK in time: waited 2s"},
		{"not MQTT 5", "", []byte{0x82, 4, 0x20, 2, 0, 0}, connack, "an answer of MQTT 3.1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				go func() {
					r := upgraded(far, tt.headers)
					if _, err := r.ReadByte(); err == nil && tt.frame != nil {
						_, _ = r.Discard(r.Buffered())
						_, _ = far.Write(tt.frame)
					}
				}()
				c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainWebsocket(nil),
					ConnackTimeout: connack, ConnectTimeout: connect,
					Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
				began := time.Now()
				err := c.StartAndWait(context.Background())
				if took := time.Since(began); err == nil || !strings.Contains(err.Error(), tt.want) || took > tt.most {
					t.Errorf("%v after %v, want %q within %v", err, took, tt.want, tt.most)
				}
				began = time.Now()
				if _ = c.Close(); time.Since(began) > 0 {
					t.Errorf("Close took %v", time.Since(began))
				}
				<-c.Done()
			})
		})
	}
}

// A server that says nothing more, and does not close, does not hold Stop up for longer than a broker over TCP does.
func TestWebsocketStopWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			r := upgraded(far, "")
			_, _ = r.ReadByte()
			_, _ = r.Discard(r.Buffered())
			_, _ = far.Write([]byte{0x82, 5, 0x20, 3, 0, 0, 0}) // CONNACK
			for {
				if _, err := r.ReadByte(); err != nil {
					return
				}
			}
		}()
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainWebsocket(nil),
			Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		if err := c.StartAndWait(context.Background()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Stop(context.Background(), nil); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("Stop: %v after %v", err, time.Since(began))
		}
		_ = c.Close()
		<-c.Done()
	})
}
