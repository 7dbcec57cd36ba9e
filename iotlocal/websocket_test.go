package iotlocal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// The upgrade of the AWS IoT Device SDK v1.5.4 for Python, byte for byte as it was recorded; key, date and
// signature are those of the beginning of a bubble, computed outside this repository.
const (
	v1Host  = "abc123def456-ats.iot.us-east-1.amazonaws.com"
	v1Query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20000101%2Fus-east-1%2Fiotdata%2Faws4_request" +
		"&X-Amz-Date=20000101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=fc6ef9bc2271d73df1b11e56d367cc8e80ce933cc7ed3085e9e249df8f0c0807&X-Amz-Security-Token=tok/en%2B%3D%3D"
	v1Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f" +
		"YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8="
	v1Upgrade = "GET /mqtt?" + v1Query + " HTTP/1.1\r\nHost: " + v1Host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqttv3.1\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nsec-websocket-key: " + v1Key + "\r\n\r\n"
)

// The native SDK of v2 (aws-c-auth): it signs the Connection header too, and sends the token before the signature.
func nativeUpgrade(signature string) string {
	return "GET /mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20000101%2Fus-east-1%2Fiotdevicegateway%2Faws4_request" +
		"&X-Amz-Date=20000101T000000Z&X-Amz-SignedHeaders=connection%3Bhost&X-Amz-Security-Token=tok%2Fen%2B%3D%3D&X-Amz-Signature=" + signature +
		" HTTP/1.1\r\nHost: " + v1Host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
}

var v1Credentials = map[string]iotlocal.Credential{
	"AKIDEXAMPLE": {SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: "tok/en+=="},
}

func (e *env) dialWS() net.Conn {
	e.t.Helper()
	nc, err := e.nw.Dial(context.Background(), "tcp", net.JoinHostPort(e.srv.Host(), strconv.Itoa(e.srv.WSPort())))
	if err != nil {
		e.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

func say(t *testing.T, nc net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
}

// frame is one masked frame.
func frame(op byte, body []byte) []byte {
	b := []byte{0x80 | op, 0x80 | 126, 0, 0, 1, 2, 3, 4}
	binary.BigEndian.PutUint16(b[2:], uint16(len(body)))
	if len(body) <= 125 {
		b = []byte{0x80 | op, 0x80 | byte(len(body)), 1, 2, 3, 4}
	}
	for i, c := range body {
		b = append(b, c^byte(i%4+1))
	}
	return b
}

// unframe reads one frame of the server.
func unframe(t *testing.T, r io.Reader) (op byte, body []byte) {
	t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		t.Fatal(err)
	}
	if h[0]&0xF0 != 0x80 || h[1] > 125 {
		t.Fatalf("frame %x: in parts, masked or long", h)
	}
	body = make([]byte, h[1])
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return h[0] & 15, body
}

func TestPythonV1Upgrade(t *testing.T) {
	bubble(t, iotlocal.Options{Credentials: v1Credentials}, func(e *env) {
		t := e.t
		nc := e.dialWS()
		defer nc.Close()
		say(t, nc, v1Upgrade)
		answer := make([]byte, 1024) // v1 reads once
		n, err := nc.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		// What v1 looks for, the last two in lower case only.
		for _, want := range []string{"101 switching protocols", "upgrade: websocket", "connection: upgrade"} {
			if !strings.Contains(strings.ToLower(string(answer[:n])), want) {
				t.Errorf("no %q in %q", want, answer[:n])
			}
		}
		for _, want := range []string{"\r\nsec-websocket-accept: WyiKX9CHbrfiGGdAJxgmx8LIyes=\r\n", "\r\nsec-websocket-protocol: mqttv3.1\r\n"} {
			if !strings.Contains(string(answer[:n]), want) {
				t.Errorf("no %q in %q", want, answer[:n])
			}
		}
		if strings.Contains(string(answer[:n]), "permessage-deflate") || !strings.HasSuffix(string(answer[:n]), "\r\n\r\n") {
			t.Errorf("answer %q", answer[:n])
		}
		var connect strings.Builder
		if err := connect3("wsclient").Write(&connect); err != nil {
			t.Fatal(err)
		}
		say(t, nc, string(frame(2, []byte(connect.String()))))
		if op, body := unframe(t, nc); op != 2 || string(body) != "\x20\x02\x00\x00" {
			t.Errorf("CONNACK %x %x", op, body)
		}
		say(t, nc, string(frame(9, []byte("are you there"))))
		if op, body := unframe(t, nc); op != 10 || string(body) != "are you there" {
			t.Errorf("pong %x %q", op, body)
		}
		say(t, nc, string(frame(2, []byte{0xE0, 0})))
		if n, err := nc.Read(answer); n != 0 || err != io.EOF {
			t.Errorf("after DISCONNECT: %d bytes, %v", n, err)
		}
		for _, p := range e.srv.Recorder().Packets() {
			if p.Type == iotlocal.TransportOpen && (!p.Transport.Websocket || p.Transport.TLS || !strings.Contains(p.String(), "TCP websocket")) {
				t.Errorf("recorded %v %+v", p, p.Transport)
			}
		}
	})
}

// What the v1 SDK and others send, edited; each answer to a bad one says what is wrong with it.
func TestUpgrade(t *testing.T) {
	native := nativeUpgrade("e5f5db8136d528c4e23ebf1a2ffc60fae563bda90cd7d30fde6632f6023e7f81")
	edit := func(old, new string) string {
		if !strings.Contains(v1Upgrade, old) {
			panic("no " + old)
		}
		return strings.Replace(v1Upgrade, old, new, 1)
	}
	permanent := func(o *iotlocal.Options) {
		// The signature does not cover the token: only the comparison of the tokens is left.
		o.Credentials = map[string]iotlocal.Credential{"AKIDEXAMPLE": {SecretAccessKey: v1Credentials["AKIDEXAMPLE"].SecretAccessKey}}
	}
	strict := func(region string) func(*iotlocal.Options) {
		return func(o *iotlocal.Options) { o.Region, o.RefuseOtherRegions = region, true }
	}
	for _, tt := range []struct {
		name    string
		request string
		ahead   time.Duration
		open    bool // no credentials listed
		options func(*iotlocal.Options)
		status  int
		want    string // in the body
	}{
		{name: "native SDK", request: native, status: 101},
		{name: "native SDK, token signed", request: nativeUpgrade("243056dc1c89965d9df240ecd3f7169438039b356b072e482fee2d013b78384c"), status: 101},
		{name: "native SDK, another Connection header", request: strings.Replace(native, "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1), status: 403, want: "does not match"},
		{name: "v1 within X-Amz-Expires", request: v1Upgrade, ahead: 23 * time.Hour, status: 101},
		{name: "v1 after X-Amz-Expires", request: v1Upgrade, ahead: 25 * time.Hour, status: 403, want: "Signature expired: 20000101T000000Z is now earlier than 20000101T010000Z (20000102T010000Z - 86400 s) Check the clock of the device: the server has 20000102T010000Z."},
		{name: "native within five minutes", request: native, ahead: 5 * time.Minute, status: 101},
		{name: "native after five minutes", request: native, ahead: 5*time.Minute + time.Second, status: 403, want: "Signature expired: 20000101T000000Z is now earlier than 20000101T000001Z (20000101T000501Z - 5 min.)"},
		{name: "from the future", request: native, ahead: -5*time.Minute - time.Second, status: 403, want: "Signature not yet current: 20000101T000000Z is still later than 19991231T235959Z"},
		{name: "expired where any signature will do", request: native, ahead: time.Hour, open: true, status: 403, want: "Signature expired"},
		{name: "any signature", request: edit("fc6ef9bc", "00000000"), open: true, status: 101},
		{name: "none", request: edit("?"+v1Query, ""), open: true, status: 101},
		{name: "wrong signature", request: edit("fc6ef9bc", "00000000"), status: 403, want: "The request signature we calculated does not match"},
		{name: "signature no hexadecimal", request: edit("fc6ef9bc", "zzzzzzzz"), status: 403, want: "does not match"},
		{name: "another host", request: edit("Host: abc", "Host: xbc"), status: 403, want: "does not match"},
		{name: "another region", request: edit("us-east-1%2F", "us-east-2%2F"), status: 403, want: "does not match"},
		{name: "one parameter more", request: edit("?", "?a=b&"), status: 403, want: "does not match"},
		{name: "unknown key", request: edit("AKIDEXAMPLE", "AKIDOTHER"), status: 403, want: `(access key id \"AKIDOTHER\" is not known)`},
		{name: "another token", request: edit("tok/en", "tok/em"), status: 403, want: "not the session token"},
		{name: "no token", request: edit("&X-Amz-Security-Token=tok/en%2B%3D%3D", ""), status: 403, want: "needs X-Amz-Security-Token"},
		{name: "two tokens", request: edit("&X-Amz-Security-Token=", "&X-Amz-Security-Token=x&X-Amz-Security-Token="), status: 403, want: "X-Amz-Security-Token appears more than once"},
		{name: "two tokens, the right one first", request: edit("tok/en%2B%3D%3D", "tok/en%2B%3D%3D&X-Amz-Security-Token=x"), status: 403, want: "X-Amz-Security-Token appears more than once"},
		{name: "two tokens where any signature will do", request: edit("&X-Amz-Security-Token=", "&X-Amz-Security-Token=x&X-Amz-Security-Token="), open: true, status: 403, want: "X-Amz-Security-Token appears more than once"},
		{name: "two expiries", request: edit("&X-Amz-Expires=", "&X-Amz-Expires=60&X-Amz-Expires="), status: 403, want: "X-Amz-Expires appears more than once"},
		{name: "a token beside permanent keys", request: v1Upgrade, options: permanent, status: 403, want: "not the session token"},
		{name: "an empty token beside permanent keys", request: edit("tok/en%2B%3D%3D", ""), options: permanent, status: 101},
		{name: "signature in upper case", request: edit("fc6ef9bc", "FC6EF9BC"), status: 403, want: "hexadecimal digits in lower case"},
		{name: "signature in upper case where any will do", request: edit("fc6ef9bc", "FC6EF9BC"), open: true, status: 403, want: "hexadecimal digits in lower case"},
		{name: "short signature where any will do", request: edit("fc6ef9bc", ""), open: true, status: 403, want: "must be 64 hexadecimal digits"},
		{name: "another region than the endpoint's", request: v1Upgrade, options: func(o *iotlocal.Options) { o.Region = "eu-west-1" }, status: 101},
		{name: "another region is refused", request: v1Upgrade, options: strict("eu-west-1"), status: 403, want: "Credential should be scoped to a valid region, not 'us-east-1'. (this endpoint stands for 'eu-west-1')"},
		{name: "another region is refused where any signature will do", request: v1Upgrade, options: strict("eu-west-1"), open: true, status: 403, want: "valid region"},
		{name: "the region of the endpoint", request: v1Upgrade, options: strict("us-east-1"), status: 101},
		{name: "a page of another host", request: edit("Host:", "Origin: https://evil.example\r\nHost:"), status: 403, want: "pages of https://evil.example may not open websockets here; Options.Origins"},
		{name: "a page of another host where no signature is needed", request: strings.Replace(edit("?"+v1Query, ""), "Host:", "Origin: https://evil.example\r\nHost:", 1), open: true, status: 403, want: "evil.example"},
		{name: "a page of the same host", request: edit("Host:", "Origin: https://"+v1Host+"\r\nHost:"), status: 101},
		{name: "a page of a host that is allowed", request: edit("Host:", "Origin: https://app.example\r\nHost:"), options: func(o *iotlocal.Options) { o.Origins = []string{"https://app.example"} }, status: 101},
		{name: "pages of all hosts are allowed", request: edit("Host:", "Origin: null\r\nHost:"), options: func(o *iotlocal.Options) { o.Origins = []string{"*"} }, status: 101},
		{name: "no signature at all", request: edit("?"+v1Query, ""), status: 403, want: "must include X-Amz-Algorithm"},
		{name: "no date", request: edit("&X-Amz-Date=20000101T000000Z", ""), status: 403, want: "must include X-Amz-Date"},
		{name: "two dates", request: edit("&X-Amz-Date=20000101T000000Z", "&X-Amz-Date=20000101T000000Z&X-Amz-Date=20000101T000000Z"), status: 403, want: "X-Amz-Date appears more than once"},
		{name: "bad date", request: edit("X-Amz-Date=20000101T000000Z", "X-Amz-Date=2000-01-01"), status: 403, want: "YYYYMMDDTHHMMSSZ"},
		{name: "dates differ", request: edit("AKIDEXAMPLE%2F20000101", "AKIDEXAMPLE%2F20000102"), status: 403, want: "Date in Credential scope"},
		{name: "bad algorithm", request: edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), status: 403, want: "Unsupported AWS 'algorithm'"},
		{name: "another service", request: edit("iotdata", "s3"), status: 403, want: "iotdevicegateway"},
		{name: "short scope", request: edit("%2Faws4_request", ""), status: 403, want: "KEYID/YYYYMMDD/REGION/SERVICE/aws4_request"},
		{name: "host not signed", request: edit("SignedHeaders=host", "SignedHeaders=upgrade"), status: 403, want: "must hold 'host'"},
		{name: "bad expiry", request: edit("86400", "999999999"), status: 403, want: "must be 1 to 604800 seconds"},
		{name: "bad escape", request: edit("?", "?%zz&"), status: 403, want: "query string is malformed"},
		{name: "path", request: edit("/mqtt", "/"), status: 404, want: `nothing at \"/\"; MQTT is served at /mqtt`},
		{name: "method", request: edit("GET", "POST"), status: 405, want: "method POST"},
		{name: "HTTP/1.0", request: edit("HTTP/1.1", "HTTP/1.0"), status: 505, want: "needs HTTP/1.1"},
		{name: "a browser", request: edit("Upgrade: websocket\r\n", ""), status: 426, want: "not a websocket upgrade"},
		{name: "version", request: edit("Version: 13", "Version: 8"), status: 426, want: `Sec-WebSocket-Version \"8\", want 13`},
		{name: "no key", request: edit("sec-websocket-key", "x-key"), status: 400, want: "0 Sec-WebSocket-Key headers"},
		{name: "short key", request: edit(v1Key, "AAAA"), status: 400, want: "base64 of 16 bytes or more"},
		{name: "bad key", request: edit(v1Key, "!"), status: 400, want: "base64 of 16 bytes or more"},
		{name: "subprotocol", request: edit("mqttv3.1", "graphql-ws"), status: 400, want: `\"graphql-ws\" does not offer mqtt`},
		{name: "several subprotocols", request: edit("mqttv3.1", "a, MQTT,b"), status: 101},
		{name: "a body", request: edit("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"), status: 400, want: "no body"},
		{name: "not HTTP", request: "\x16\x03\x01\x02\x00\r\n\r\n", status: 400, want: "this is a TLS handshake on a port without TLS"},
		{name: "MQTT", request: "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c\r\n\r\n", status: 400, want: "this is MQTT without a websocket: it belongs on another port"},
		{name: "other than HTTP", request: "hello\r\n\r\n", status: 400, want: "malformed HTTP"},
		{name: "a long head", request: edit("\r\n\r\n", "\r\n"+strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 70)), status: 431, want: "more than 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := iotlocal.Options{Credentials: v1Credentials}
			if tt.open {
				o.Credentials = nil
			}
			if tt.options != nil {
				tt.options(&o)
			}
			bubble(t, o, func(e *env) {
				t := e.t
				e.srv.Clock().Advance(tt.ahead)
				nc := e.dialWS()
				defer nc.Close()
				_, _ = io.WriteString(nc, tt.request) // of a long head not all is taken
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tt.status {
					t.Errorf("status %s, want %d", resp.Status, tt.status)
				}
				if tt.status == 101 {
					return
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || !strings.HasPrefix(string(body), `{"message":"`) || !strings.Contains(string(body), tt.want) {
					t.Errorf("body %s (%v), want %q", body, err, tt.want)
				}
				if strings.Contains(string(body), "wJalr") || strings.Contains(string(body), "tok/en+") {
					t.Errorf("a secret in %s", body)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := e.srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
					return len(ps) == 1 && ps[0].Type == iotlocal.HandshakeFailed && strings.Contains(ps[0].Reason, fmt.Sprint(tt.status))
				}); err != nil {
					t.Errorf("record %v: %v", e.srv.Recorder().Packets(), err)
				}
			})
		})
	}
}

// Who says nothing is let go; Close does not wait for it. Bad options are refused.
func TestUpgradeNeverSent(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		nc := e.dialWS()
		defer nc.Close()
		nc.SetDeadline(time.Time{})
		began := time.Now()
		say(t, nc, "GET /mqtt HTTP/1.1\r\n")
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d, %v", n, err)
		}
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("closed after %v", d)
		}
		e.dialWS() // stays pending: Close ends it
	})
	for name, o := range map[string]iotlocal.Options{
		"port":      {WSPort: 65536},
		"port -2":   {WSSPort: -2},
		"no secret": {Credentials: map[string]iotlocal.Credential{"AKID": {}}},
		"no id":     {Credentials: map[string]iotlocal.Credential{"": {SecretAccessKey: "s"}}},
		"no region": {RefuseOtherRegions: true},
		"origin":    {Origins: []string{"app.example"}},
		"path":      {Origins: []string{"https://app.example/"}},
	} {
		if s, err := iotlocal.Start(o); err == nil {
			t.Errorf("%s: started", name)
			s.Close()
		}
	}
	s := iotlocal.StartT(t, iotlocal.Options{WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	if s.WSPort() != iotlocal.Off || s.WSSPort() != iotlocal.Off {
		t.Errorf("ports %d and %d", s.WSPort(), s.WSSPort())
	}
	if err := s.SetCredentials(map[string]iotlocal.Credential{"AKID": {}}); err == nil || !strings.Contains(err.Error(), `access key id "AKID"`) {
		t.Errorf("SetCredentials: %v", err)
	}
}

// Violations of RFC 6455 end the connection with the status code that it names, and are recorded as its end.
func TestBadFrames(t *testing.T) {
	var connect strings.Builder
	if err := connect3("bad").Write(&connect); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		bytes string
		code  uint16
	}{
		{"not masked", "\x82\x02\xC0\x00", 1002},
		{"text", string(frame(1, []byte{0xC0, 0})), 1003},
		{"reserved bit", "\xC2\x80\x00\x00\x00\x00", 1002},
		{"reserved opcode", "\x83\x80\x00\x00\x00\x00", 1002},
		{"continued from nothing", "\x80\x80\x00\x00\x00\x00", 1002},
		{"long ping", string(frame(9, make([]byte, 126))), 1002},
		{"ping in parts", "\x09\x80\x00\x00\x00\x00", 1002},
		{"endless length", "\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\x00", 1002},
		{"close", string(frame(8, []byte{3, 0xE9})), 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				t := e.t
				nc := e.dialWS()
				defer nc.Close()
				say(t, nc, v1Upgrade)
				in := bufio.NewReader(nc)
				if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
					t.Fatal(resp, err)
				}
				say(t, nc, string(frame(2, []byte(connect.String()))))
				if op, _ := unframe(t, in); op != 2 {
					t.Fatalf("opcode %d instead of CONNACK", op)
				}
				say(t, nc, tt.bytes)
				op, body := unframe(t, in)
				if op != 8 || len(body) != 2 || binary.BigEndian.Uint16(body) != tt.code {
					t.Errorf("frame %d %x, want close %d", op, body, tt.code)
				}
				if _, err := in.ReadByte(); err == nil {
					t.Error("the connection goes on")
				}
			})
		})
	}
}

// What the server ends, it ends in the manner of websockets: DISCONNECT, a close frame, then the stream.
func TestServerEndsWebsocket(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		nc := e.dialWS()
		defer nc.Close()
		say(t, nc, v1Upgrade)
		in := bufio.NewReader(nc)
		if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		var connect bytes.Buffer
		if _, err := connect5("ended").WriteTo(&connect); err != nil {
			t.Fatal(err)
		}
		// In two messages, the first of them in two frames with a pong between: packets need not fit frames.
		head := frame(2, connect.Bytes()[:5])
		head[0] &^= 0x80
		rest := frame(0, connect.Bytes()[5:7])
		say(t, nc, string(slices.Concat(head, frame(10, nil), rest, frame(2, connect.Bytes()[7:]))))
		if op, body := unframe(t, in); op != 2 || body[0] != 0x20 {
			t.Fatalf("frame %d %x, want CONNACK", op, body)
		}
		if !e.srv.Faults().Disconnect("ended", 0x98, "administrative action") {
			t.Fatal("not connected")
		}
		if op, body := unframe(t, in); op != 2 || body[0] != 0xE0 || body[2] != 0x98 {
			t.Errorf("frame %d %x, want DISCONNECT 0x98", op, body)
		}
		if op, body := unframe(t, in); op != 8 || string(body) != "\x03\xE8" {
			t.Errorf("frame %d %x, want close 1000", op, body)
		}
		say(t, nc, string(frame(8, []byte{3, 0xE8})))
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("then %v", err)
		}
	})
}
