package nullbroker

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

const (
	connect5   = "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01l"
	connect311 = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01l"
	connack5   = "\x20\x03\x00\x00\x00"
	connack311 = "\x20\x02\x00\x00"
)

// dial starts a broker and connects to it.
func dial(t *testing.T) net.Conn {
	t.Helper()
	return dialTo(t, start(t))
}

func start(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var b Broker
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error("Close:", err)
		}
		if err := <-served; err != nil {
			t.Error("Serve:", err)
		}
	})
	return l.Addr().String()
}

func dialTo(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, b string) {
	t.Helper()
	if _, err := io.WriteString(c, b); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, c net.Conn, b string) {
	t.Helper()
	got := make([]byte, len(b))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != b {
		t.Fatalf("read % x, %v; want % x", got[:n], err, b)
	}
}

// shadowPublish is a PUBLISH at QoS 0 of MQTT 5.
func shadowPublish(topic, payload string) string {
	return string(frame.AppendPublish(nil, true, 0, topic, 0, []byte(payload)))
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ name, connect, connack, in, out string }{
		{"ping", connect5, connack5, "\xc0\x00", "\xd0\x00"},
		{"QoS 1 publish", connect5, connack5, "\x32\x06\x00\x01a\x12\x34\x00", "\x40\x02\x12\x34"},
		{"QoS 1 publish 3.1.1", connect311, connack311, "\x32\x05\x00\x01a\x12\x34", "\x40\x02\x12\x34"},
		{"QoS 0 publish, then ping", connect5, connack5, "\x30\x04\x00\x01a\x00\xc0\x00", "\xd0\x00"},
		{"subscribe two filters", connect5, connack5, "\x82\x0b\x00\x07\x00\x00\x01a\x01\x00\x01b\x02", "\x90\x05\x00\x07\x00\x01\x01"},
		{"subscribe with a property", connect5, connack5, "\x82\x09\x00\x07\x02\x0b\x05\x00\x01a\x00", "\x90\x04\x00\x07\x00\x00"},
		{"subscribe 3.1.1", connect311, connack311, "\x82\x06\x00\x07\x00\x01a\x01", "\x90\x03\x00\x07\x01"},
		{"unsubscribe", connect5, connack5, "\xa2\x06\x00\x08\x00\x00\x01a", "\xb0\x04\x00\x08\x00\x00"},
		{"unsubscribe 3.1.1", connect311, connack311, "\xa2\x05\x00\x08\x00\x01a", "\xb0\x02\x00\x08"},
		{"echo", connect5, connack5, "\x30\x0b\x00\x06echo/x\x00hi", "\x30\x0b\x00\x06echo/x\x00hi"},
		{"shadow update", connect5, connack5, shadowPublish("$aws/things/x/shadow/update", `{"state":{"reported":{}},"clientToken":"t"}`), shadowPublish("$aws/things/x/shadow/update/accepted",
			`{"state":{"reported":{}},"metadata":{"reported":{"n":{"timestamp":1700000000},"unit":{"timestamp":1700000000}}},"version":1,"timestamp":1700000000,"clientToken":"t"}`)},
		{"echo at QoS 1 with properties", connect5, connack5, "\x32\x0f\x00\x06echo/x\x00\x09\x02\x01\x01hi", "\x40\x02\x00\x09\x30\x0b\x00\x06echo/x\x00hi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := dial(t)
			send(t, k, c.connect)
			want(t, k, c.connack)
			send(t, k, c.in)
			want(t, k, c.out)
		})
	}
}

func TestEndsTheConnection(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"publish before CONNECT", "\x30\x04\x00\x01a\x00"},
		{"other protocol", "\x10\x07\x00\x04HTTP\x05"},
		{"short CONNECT", "\x10\x02\x00\x04"},
		{"five length bytes", connect5 + "\x30\xff\xff\xff\xff\x01"},
		{"packet beyond the bound", connect5 + "\x30\xff\xff\xff\x7f"},
		{"topic beyond the packet", connect5 + "\x30\x03\x00\x09a"},
		{"QoS 2", connect5 + "\x34\x06\x00\x01a\x00\x01\x00"},
		{"QoS 1 without identifier", connect5 + "\x32\x03\x00\x01a"},
		{"subscribe without filters", connect5 + "\x82\x03\x00\x01\x00"},
		{"subscribe cut short", connect5 + "\x82\x06\x00\x01\x00\x00\x05a"},
		{"properties beyond the packet", connect5 + "\x30\x0a\x00\x06echo/x\x40\x00"},
		{"bad blast", connect5 + "\x30\x0f\x00\x09ctl/blast\x00abc"},
		{"drop", connect5 + "\x30\x0b\x00\x08ctl/drop\x00"},
		{"DISCONNECT", connect5 + "\xe0\x00"},
		{"second CONNECT", connect5 + connect5},
		{"client identifier beyond the packet", "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02l"},
		{"bad hold", connect5 + "\x30\x0c\x00\x08ctl/hold\x000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := dial(t)
			send(t, k, c.in)
			if _, err := io.Copy(io.Discard, k); err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					t.Fatal("the connection is still open")
				}
			}
		})
	}
}

// TestPieces sends packets byte by byte and one that is larger than the first
// and the full buffer.
func TestPieces(t *testing.T) {
	k := dial(t)
	for _, b := range []byte(connect5 + "\x32\x06\x00\x01a\x00\x01\x00") {
		send(t, k, string(b))
	}
	want(t, k, connack5+"\x40\x02\x00\x01")
	big := frame.AppendPublish(nil, true, 1, "a", 2, make([]byte, 300<<10))
	send(t, k, string(big)+"\xc0\x00")
	want(t, k, "\x40\x02\x00\x02\xd0\x00")
}

func TestBlast(t *testing.T) {
	for _, c := range []struct {
		name string
		o    blast
	}{
		{"QoS 0", blast{count: 5000, qos: 0, size: 100, topics: 3, window: 1}},
		{"QoS 1", blast{count: 100, qos: 1, size: 8, topics: 1, window: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := dial(t)
			send(t, k, connect5)
			want(t, k, connack5)
			send(t, k, string(frame.AppendPublish(nil, true, 0, "ctl/blast", 0, []byte(c.o.String()))))
			unacked := 0
			var ids []byte
			for i := range c.o.count {
				topic := "bench/" + string(rune('0'+i%c.o.topics))
				payload := make([]byte, c.o.size)
				binary.BigEndian.PutUint64(payload, uint64(i))
				want(t, k, string(frame.AppendPublish(nil, true, byte(c.o.qos), topic, uint16(i+1), payload)))
				if c.o.qos == 0 {
					continue
				}
				ids = append(ids, 0x40, 2, byte((i+1)>>8), byte(i+1))
				if unacked++; unacked == c.o.window || i == c.o.count-1 {
					if i < c.o.count-1 {
						// the window is full: only a ping is answered
						send(t, k, "\xc0\x00")
						want(t, k, "\xd0\x00")
					}
					send(t, k, string(ids))
					ids, unacked = nil, 0
				}
			}
			send(t, k, "\xc0\x00")
			want(t, k, "\xd0\x00")
		})
	}
}

// TestHold loses a session's acknowledgements with its connection and sends
// again on the next: in full, with a fault, or after a clean start.
func TestHold(t *testing.T) {
	const (
		keep  = "\x10\x0e\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01l" // connect5 without clean start
		hold2 = "\x32\x0e\x00\x08ctl/hold\x00\x09\x002"
		one   = "\x32\x06\x00\x01a\x00\x01\x00"
		two   = "\x32\x06\x00\x01a\x00\x02\x00"
		one2  = "\x3a\x06\x00\x01a\x00\x01\x00"
		two2  = "\x3a\x06\x00\x01a\x00\x02\x00"
		ack1  = "\x40\x02\x00\x01"
		ack2  = "\x40\x02\x00\x02"
	)
	for _, c := range []struct{ name, connect, connack, in, acks, report string }{
		{"all again", keep, "\x20\x03\x01\x00\x00", one2 + two2, ack1 + ack2, ""},
		{"one twice", keep, "\x20\x03\x01\x00\x00", one2 + one2, ack1 + ack1, "error: identifier 1 came twice"},
		{"without DUP", keep, "\x20\x03\x01\x00\x00", one + two2, ack1 + ack2, "error: identifier 1 came again without DUP"},
		{"clean start", connect5, connack5, one + two, ack1 + ack2, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := start(t)
			k := dialTo(t, addr)
			send(t, k, keep)
			want(t, k, connack5)
			send(t, k, hold2)
			want(t, k, "\x40\x02\x00\x09")
			send(t, k, one+"\xc0\x00")
			want(t, k, "\xd0\x00") // and no PUBACK
			send(t, k, two)
			if b, err := io.ReadAll(k); len(b) > 0 || err != nil {
				t.Fatalf("after the last: % x, %v", b, err)
			}
			k = dialTo(t, addr)
			send(t, k, c.connect)
			want(t, k, c.connack)
			send(t, k, c.in)
			want(t, k, c.acks)
			send(t, k, "\xe0\x00")
			rest, err := io.ReadAll(k)
			if err != nil {
				t.Fatal(err)
			}
			if c.report == "none" {
				if len(rest) > 0 {
					t.Fatalf("% x after a clean start", rest)
				}
				return
			}
			head := "\x00\x0abench/held\x00"
			if len(rest) < 2 || !bytes.HasPrefix(rest[2:], []byte(head)) {
				t.Fatalf("no report: % x", rest)
			}
			report := string(rest[2+len(head):])
			if c.report != "" && !strings.HasPrefix(report, c.report) {
				t.Fatalf("report %q, want %q", report, c.report)
			}
			if ns, err := strconv.ParseInt(report, 10, 64); c.report == "" && (err != nil || ns <= 0 || ns > int64(time.Minute)) {
				t.Fatalf("report %q: want nanoseconds", report)
			}
		})
	}
}

func TestParseBlast(t *testing.T) {
	o := blast{count: 10, qos: 1, size: 256, topics: 2, window: 100}
	if got, err := parseBlast(o.String()); err != nil || got != o {
		t.Fatalf("parseBlast(%q) = %+v, %v", o, got, err)
	}
	for _, s := range []string{"", "1 2 3", "1 0 1 1 x", "-1 0 1 1 1", "1 2 1 1 1", "1 1 1 0 1", "1 1 1 1 0", "1 1 99999999999 1 1"} {
		if got, err := parseBlast(s); err == nil {
			t.Errorf("parseBlast(%q) = %+v, no error", s, got)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	cfg, pem, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the PEM")
	}
	server, client := net.Pipe()
	failed := make(chan error, 1)
	go func() { failed <- tls.Server(server, cfg).Handshake() }()
	c := tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if v := c.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Fatalf("version %x", v)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(connect5 + "\x82\x06\x00\x07\x00\x01a\x01"))
	f.Add([]byte(connect311 + "\x32\x05\x00\x01a\x12\x34\xe0\x00"))
	f.Add([]byte(connect5 + "\x30\x0b\x00\x06echo/x\x00hi"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("ctl/blast")) {
			return // would start to send
		}
		k := &conn{broker: &Broker{}}
		used, need, ok := k.parse(b)
		if used > len(b) || need > maxPacket || ok && used < len(b) && need != 0 && need <= len(b)-used {
			t.Fatalf("parse(% x) = %d, %d, %v", b, used, need, ok)
		}
	})
}
