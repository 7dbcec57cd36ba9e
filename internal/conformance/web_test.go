package conformance

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// http makes a request of the HTTPS data plane with the device's certificate, and returns status and body.
func (p *probe) http(method, path, body string, header ...string) (int, string) {
	return p.httpOver(p.alpn, "x-amzn-http-ca", method, path, body, header...)
}

func (p *probe) httpOver(addr, alpn, method, path, body string, header ...string) (int, string) {
	tr := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return p.dialTLS(addr, alpn) }}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequest(method, "https://"+p.host+path, strings.NewReader(body))
	p.check(err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Transport: tr, Timeout: p.patience}).Do(r)
	p.check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	p.check(err)
	if answer.StatusCode == http.StatusForbidden && p.srv == nil {
		p.deny(method + " " + path + " over HTTPS")
	}
	return answer.StatusCode, string(text)
}

// upgrade sends an upgrade as it stands and returns the answer up to the empty line, and the connection after it.
func (p *probe) upgrade(request string) (answer string, ws *socket) {
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: p.patience}, "tcp", p.alpn, &tls.Config{RootCAs: p.roots, ServerName: p.host, NextProtos: []string{"http/1.1"}})
	p.check(err)
	p.check(nc.SetDeadline(time.Now().Add(p.patience)))
	p.undo = append(p.undo, func() { nc.Close() })
	if _, err := io.WriteString(nc, request); err != nil {
		p.fail("upgrade: %v", err)
	}
	in := bufio.NewReader(nc)
	for {
		line, err := in.ReadString('\n')
		p.check(err)
		answer += line
		if line == "\r\n" {
			return answer, &socket{Conn: nc, in: in}
		}
	}
}

// plainUpgrade is an upgrade as most clients send it.
func (p *probe) plainUpgrade(query, protocol string, header ...string) string {
	return "GET /mqtt" + query + " HTTP/1.1\r\nHost: " + p.host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + protocol + "\r\n" + strings.Join(header, "") + "\r\n"
}

// socket makes a stream of binary messages, each Write one, and counts how many have come.
type socket struct {
	net.Conn
	in     *bufio.Reader
	rest   []byte
	frames int
}

func (s *socket) Write(b []byte) (int, error) {
	head := []byte{0x82, 0x80 | 126, 0, 0, 0, 0, 0, 0} // masked with zeros
	binary.BigEndian.PutUint16(head[2:], uint16(len(b)))
	if _, err := s.Conn.Write(append(head, b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (s *socket) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		var head [2]byte
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			return 0, err
		}
		n := int(head[1] & 0x7F)
		if n == 126 {
			var long [2]byte
			if _, err := io.ReadFull(s.in, long[:]); err != nil {
				return 0, err
			}
			n = int(binary.BigEndian.Uint16(long[:]))
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(s.in, body); err != nil {
			return 0, err
		}
		if op := head[0] & 15; op != 2 && op != 0 {
			return 0, io.EOF
		}
		s.frames++
		s.rest = body
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// credentials that signed upgrades of the probes use, and iotlocal is told of.
const (
	keyID, secretKey, sessionToken = "AKIDCONFORMANCE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "tok/en+=="
	signRegion                     = "us-east-1"
)

// signed is an upgrade with Signature Version 4 in the query, as one of AWS's SDKs sends it.
type signed struct {
	service     string
	headers     string // that are signed, as host, or connection;host
	canonical   string // those headers, each a line
	expires     string // "": none
	tokenSigned bool
	tokenBefore bool // before the signature
	wrongSecret bool
}

// query returns it with the question mark.
func (s signed) query() string {
	now := time.Now().UTC()
	date, stamp := now.Format("20060102"), now.Format("20060102T150405Z")
	scope := date + "/" + signRegion + "/" + s.service + "/aws4_request"
	parts := []string{"X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=" + url.QueryEscape(keyID+"/"+scope), "X-Amz-Date=" + stamp}
	if s.expires != "" {
		parts = append(parts, "X-Amz-Expires="+s.expires)
	}
	token := "X-Amz-Security-Token=" + url.QueryEscape(sessionToken)
	inside := parts
	if s.tokenSigned {
		inside = append(inside[:len(inside):len(inside)], token)
	}
	headers := "X-Amz-SignedHeaders=" + url.QueryEscape(s.headers)
	inside = append(inside[:len(inside):len(inside)], headers)
	sum := sha256.Sum256(nil)
	request := "GET\n/mqtt\n" + strings.Join(inside, "&") + "\n" + s.canonical + "\n" + s.headers + "\n" + hex.EncodeToString(sum[:])
	hash := sha256.Sum256([]byte(request))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(hash[:])
	secret := secretKey
	if s.wrongSecret {
		secret = "another"
	}
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, signRegion, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	signature := "X-Amz-Signature=" + hex.EncodeToString(mac(key, text))
	parts = append(parts, headers)
	if s.tokenBefore {
		parts = append(parts, token, signature)
	} else {
		parts = append(parts, signature, token)
	}
	return "?" + strings.Join(parts, "&")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// switched notes an answer that is no 101.
func (p *probe) switched(answer string) {
	if !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		p.fail("the upgrade is answered %q", answer[:min(len(answer), 80)])
	}
}

// short is the beginning of a text, for messages.
func short(s string) string { return fmt.Sprintf("%.80q", s) }
