package mqtt

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// deaf is a websocket to a server that reads nothing, as core gets it.
func deaf(t *testing.T) net.Conn {
	t.Helper()
	end := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 1.3
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
		<-end
	}))
	conn, err := paho.NewWebsocket("ws"+strings.TrimPrefix(srv.URL, "http"), nil, time.Minute, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn = timed(conn, 0)
	t.Cleanup(func() { conn.Close(); close(end); srv.Close() })
	return conn
}

// The deadline of a websocket may be set while somebody writes, whatever the moment, and ends the write.
func TestDeadlineWhileSomebodyWrites(t *testing.T) {
	for range 20 {
		conn := deaf(t)
		var wrote sync.WaitGroup
		wrote.Go(func() {
			for {
				if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
					if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
						t.Errorf("%v, want the deadline", err)
					}
					return
				}
			}
		})
		if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		wrote.Wait() // or the test hangs
	}
}
