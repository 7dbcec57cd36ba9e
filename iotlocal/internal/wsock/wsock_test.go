package wsock

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a connection that has sent all it will, and takes what it gets.
type script struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { return s.out.Write(p) }

const request = "GET /mqtt HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// The example of RFC 6455, section 1.3, frames in the same segment as the request, and the cause of an authorizer's refusal.
func TestUpgrade(t *testing.T) {
	s := &script{in: strings.NewReader(request + "\x82\x85\x01\x02\x03\x04igohn")}
	c, err := Upgrade(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"; !strings.Contains(s.out.String(), want) {
		t.Errorf("answer %q, want %q", s.out.String(), want)
	}
	got, err := io.ReadAll(c)
	if string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	boom := errors.New("no \"entry\"")
	s = &script{in: strings.NewReader(request)}
	_, err = Upgrade(s, func(*http.Request) error { return boom })
	refused, ok := errors.AsType[*Refused](err)
	if !ok || refused.Status != 403 || !strings.Contains(err.Error(), `403 Forbidden: no "entry"`) {
		t.Errorf("refusal %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(&s.out), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 403 || string(body) != `{"message":"no \"entry\""}` || err != nil {
		t.Errorf("%s %s %v", resp.Status, body, err)
	}
	for _, n := range []int{0, 3, 100} { // a request that is cut off; who sent nothing gets no answer
		s := &script{in: strings.NewReader(request[:n])}
		if _, err := Upgrade(s, nil); err == nil || (s.out.Len() == 0) != (n == 0) {
			t.Errorf("a request of %d bytes: %v, answered %q", n, err, s.out.String())
		}
	}
}

// A deadline in the middle of a frame's head loses nothing; one in a control frame ends the stream.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		c := &Conn{Conn: server, in: bufio.NewReader(server)}
		step := func(send, want string, timeout bool) {
			t.Helper()
			if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() { _, err := io.WriteString(client, send); sent <- err }()
			b := make([]byte, 10)
			n, err := c.Read(b)
			var ne net.Error
			if string(b[:n]) != want || (errors.As(err, &ne) && ne.Timeout()) != timeout {
				t.Errorf("after %x: %q, %v", send, b[:n], err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		step("\x82", "", true)
		step("\x81\x00\x00", "", true)
		step("\x00\x00h", "h", false)
		step("\x89\x82\x00\x00\x00\x00a", "", false)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after half a ping: %v", err)
		}
	})
}

// The lengths of written frames, and none after the close frame.
func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		n    int
		head string
	}{{0, "\x82\x00"}, {125, "\x82\x7d"}, {126, "\x82\x7e\x00\x7e"}, {65535, "\x82\x7e\xff\xff"}, {65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"}} {
		s := &script{}
		c := &Conn{Conn: s}
		body := strings.Repeat("x", tt.n)
		if n, err := c.Write([]byte(body)); n != tt.n || err != nil || s.out.String() != tt.head+body {
			t.Errorf("%d bytes: %d, %v, head %x", tt.n, n, err, s.out.Bytes()[:min(10, s.out.Len())])
		}
		s.out.Reset()
		if err := errors.Join(c.CloseWrite(), c.CloseWrite()); err != nil || s.out.String() != "\x88\x02\x03\xe8" {
			t.Errorf("close: %x, %v", s.out.Bytes(), err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
	}
}

// Whatever the client sends, Read ends, returns no more than was sent, and keeps its error.
func FuzzConn(f *testing.F) {
	for _, s := range []string{"", "\x82\x81\x00\x00\x00\x00h", "\x02\x81\x01\x02\x03\x04h\x80\x80\x01\x01\x01\x01", "\x89\x80\x00\x00\x00\x00", "\x88\x82\x00\x00\x00\x00\x03\xe8",
		"\x82\xfe\x00\x01\x00\x00\x00\x00x", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x", "\x82\x01", "\xf2\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := &script{in: bytes.NewReader(in)}
		c := &Conn{Conn: s, in: bufio.NewReaderSize(s, 16)}
		total, b := 0, make([]byte, 7)
		var err error
		for err == nil {
			var n int
			n, err = c.Read(b)
			total += n
		}
		if total > len(in) {
			t.Errorf("%d bytes of %d", total, len(in))
		}
		if n, again := c.Read(b); n != 0 || again == nil {
			t.Errorf("after %v: %d, %v", err, n, again)
		}
		_, violation := errors.AsType[*FrameError](err)
		if violation && !bytes.Contains(s.out.Bytes(), []byte{0x88, 2, 3}) {
			t.Errorf("%v, but no close frame in %x", err, s.out.Bytes())
		}
	})
}

// Whatever the request is, it is answered once, with 101 and a connection or with a refusal.
func FuzzUpgrade(f *testing.F) {
	for _, s := range []string{request, strings.Replace(request, "mqtt\r", "x\r", 1), "GET / HTTP/1.1\r\n\r\n", "\r\n\r\n", "GET /mqtt HTTP/1.0\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := &script{in: strings.NewReader(in)}
		c, err := Upgrade(s, nil)
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if s.out.Len() == 0 {
			if _, answered := errors.AsType[*Refused](err); answered || err == nil {
				t.Errorf("no answer: %v", err)
			}
			return
		}
		resp, rerr := http.ReadResponse(bufio.NewReader(bytes.NewReader(s.out.Bytes())), nil)
		if rerr != nil || (resp.StatusCode == 101) != (err == nil) {
			t.Errorf("answer %q to %q: %v, %v", s.out.String(), in, rerr, err)
		}
	})
}
