package v1compat_test

// Websockets in the recordings: the upgrade at the scripted peer, the credentials that the recorded program found, and
// the rules. The peer ends the websocket itself, with the standard library, and checks the signature by hand.

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// trUpgrade is what the recorder has of a websocket upgrade.
type trUpgrade struct {
	RequestLine string   `json:"request_line"`
	Headers     []string `json:"headers"`
	KeyLen      int      `json:"key_decoded_len"`
	Status      int      `json:"status"`
	AcceptName  string   `json:"accept_header_name"`
}

// text is what of an upgrade request is compared: the order of parameters and headers means nothing to a server.
func (u *trUpgrade) text() string {
	method, rest, _ := strings.Cut(u.RequestLine, " ")
	target, version, _ := strings.Cut(rest, " ")
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return err.Error()
	}
	var parameters, headers []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parameters = append(parameters, k+"="+strings.Join(values[k], ","))
	}
	for _, h := range u.Headers {
		name, value, _ := strings.Cut(h, ": ")
		headers = append(headers, http.CanonicalHeaderKey(name)+": "+value)
	}
	slices.Sort(headers)
	return fmt.Sprintf("UPGRADE %s %s %s %q %q key of %d bytes", method, path, version, parameters, headers, u.KeyLen)
}

// websocket reports whether the recorded program used websockets. Constructors are not always recorded, so what was
// sent, or meant for that, tells.
func (tr *transcript) websocket() bool {
	return tr.packet(func(p *trPacket) bool { return strings.HasPrefix(p.Type, "WS_") }) != nil ||
		slices.ContainsFunc(tr.Calls, func(c *trCall) bool {
			use, _ := c.Kwargs["useWebsocket"].(bool)
			return use || c.Method == "configureIAMCredentials"
		})
}

// connOfUpgrades gives upgrades the number of their connection, which the recorder left out, and notes the credentials
// of each connect call before anything is changed: they are what the program found, not what the client made of it.
func (tr *transcript) connOfUpgrades() {
	n := 0
	for _, p := range tr.Packets {
		if p.Type == "TRANSPORT_OPEN" {
			n = p.Conn
		} else if strings.HasPrefix(p.Type, "WS_") && p.Conn == 0 {
			p.Conn = n
		}
	}
	tr.signed = map[*trCall]trUpgrade{}
	for _, c := range tr.Calls {
		up := tr.packet(func(p *trPacket) bool { return p.Type == "WS_UPGRADE_REQUEST" && c.within(p.Seq) })
		if up != nil && strings.HasPrefix(c.Method, "connect") {
			tr.signed[c] = up.trUpgrade
		}
	}
}

var awsVariables = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

var sectionName = regexp.MustCompile(`\[(\w+)\]`)

// trFound is the credentials that a recorded program would have found outside of its calls.
type trFound struct {
	home     string
	connects int
	file     bool
}

// environment prepares, before a connect call, the environment and the home directory of the recorded program: "case N"
// of the notes says where the Nth connect found its credentials, and its upgrade request which they were.
func (d *trDriver) environment(c *trCall) {
	if c.Method != "connect" && c.Method != "connectAsync" || !d.w.rec.websocket() {
		return
	}
	f := &d.w.found
	set := func(id, secret, token string) {
		for i, v := range []string{id, secret, token} {
			d.w.t.Setenv(awsVariables[i], v)
		}
	}
	write := func(section, id, secret, token string) {
		f.file = true
		text := fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", section, id, secret, token)
		err := errors.Join(os.MkdirAll(filepath.Join(f.home, ".aws"), 0o700),
			os.WriteFile(filepath.Join(f.home, ".aws", "credentials"), []byte(text), 0o600))
		if err != nil {
			d.w.diff("%v", err)
		}
	}
	if f.connects++; f.connects == 1 {
		f.home = d.w.t.TempDir()
		d.w.t.Setenv("HOME", f.home)
		d.w.t.Setenv("USERPROFILE", f.home)
		set("", "", "")
	}
	note := ""
	for _, n := range d.w.rec.Notes {
		text, _ := n.(string)
		if rest, ok := strings.CutPrefix(text, fmt.Sprintf("case %d: ", f.connects)); ok {
			note = rest
		}
	}
	if up, ok := d.w.rec.signed[c]; ok && d.w.configuredSecret(up.keyID()) == "" {
		id, token := up.keyID(), up.query().Get("X-Amz-Security-Token")
		if section := sectionName.FindStringSubmatch(note); section != nil {
			write(section[1], id, d.w.secret(id), token)
		} else {
			set(id, d.w.secret(id), token)
		}
	}
	if strings.Contains(note, "beats the file") && !f.file {
		write("default", "BEATEN", "beaten", "")
	}
	if strings.Contains(note, "beats the environment") && os.Getenv(awsVariables[0]) == "" {
		set("BEATEN", "beaten", "")
	}
}

// query is that of the request, of which dates and signature are names.
func (u *trUpgrade) query() url.Values {
	_, q, _ := strings.Cut(strings.TrimSuffix(u.RequestLine, " HTTP/1.1"), "?")
	v, _ := url.ParseQuery(q) // text tells
	return v
}

func (u *trUpgrade) keyID() string {
	id, _, _ := strings.Cut(u.query().Get("X-Amz-Credential"), "/")
	return id
}

// configuredSecret is what a configureIAMCredentials call gave for id, or "".
func (w *trWorld) configuredSecret(id string) string {
	for _, c := range w.rec.Calls {
		if c.Method == "configureIAMCredentials" && c.Args0() == id {
			s, _ := c.Args[1].(string)
			return s
		}
	}
	return ""
}

// secret is the secret of an access key; the recorder has none of those that were found.
func (w *trWorld) secret(id string) string {
	if s := w.configuredSecret(id); s != "" {
		return s
	}
	return "secret of " + id
}

// tlsConfig is the listener's side of connection n: websocket listeners demand no client certificate, and answer to
// every name.
func (w *trWorld) tlsConfig(n int) *tls.Config {
	open := w.rec.packet(func(p *trPacket) bool { return p.Type == "TRANSPORT_OPEN" && p.Conn == n })
	if !w.rec.websocket() || open == nil || open.ClientCert {
		return w.certs.server()
	}
	return w.certs.websocket(w.t)
}

// websocket is the listener's side of a websocket.
func (c *trCerts) websocket(t testing.TB) *tls.Config {
	return &tls.Config{NextProtos: []string{"http/1.1"}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		ca, err := tls.LoadX509KeyPair(c.path("<certs>/ca.pem"), c.path("<certs>/ca.key"))
		if err != nil {
			return nil, err
		}
		parent, err := x509.ParseCertificate(ca.Certificate[0])
		if err != nil {
			return nil, err
		}
		cert, key := c.issue(t, hello.ServerName, parent, ca.PrivateKey.(*ecdsa.PrivateKey))
		return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, nil
	}}
}

// acceptWebsocket is the peer's side of an upgrade, answered as in the recording. It returns nil when that refused.
func (w *trWorld) acceptWebsocket(n int, conn net.Conn) net.Conn {
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		if !errors.Is(err, io.EOF) { // else the client had nothing to ask
			w.diff("connection %d: %v", n, err)
		}
		return nil
	}
	w.checkSignature(n, req)
	key := req.Header.Get("Sec-WebSocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		w.diff("connection %d: Sec-WebSocket-Key %q: %v", n, key, err)
	}
	req.Header.Set("Sec-WebSocket-Key", "<key>")
	headers := []string{"Host: " + req.Host}
	for name, values := range req.Header {
		headers = append(headers, name+": "+strings.Join(values, ", "))
	}
	p := &trPacket{Dir: "c2s", Conn: n, Type: "WS_UPGRADE_REQUEST", trUpgrade: trUpgrade{Headers: headers, KeyLen: len(raw),
		RequestLine: normalized(req.Method + " " + req.RequestURI + " " + req.Proto)}}
	w.mu.Lock()
	rec := w.counterpart(p)
	w.sent = append(w.sent, trSeen{fmt.Sprintf("%d %s %s", n, p, p.MidRef), time.Now(), rec})
	answer := w.rec.packet(func(q *trPacket) bool { return q.Type == "WS_UPGRADE_RESPONSE" && q.Conn == n })
	if rec != nil {
		w.matched[rec] = true
	}
	w.mu.Unlock()
	if rec != nil {
		w.mark(rec.Seq)
	}
	if answer == nil {
		answer = &trPacket{trUpgrade: trUpgrade{Status: http.StatusSwitchingProtocols, AcceptName: "Sec-WebSocket-Accept"}}
	}
	if answer.Status != http.StatusSwitchingProtocols {
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", answer.Status, http.StatusText(answer.Status))
		return nil
	}
	return switchProtocols(conn, r, key, answer.AcceptName)
}

// switchProtocols is the answer to an upgrade request with key, and the websocket [RFC 6455, 4.2.2].
func switchProtocols(conn net.Conn, r *bufio.Reader, key, acceptName string) net.Conn {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n%s: %s\r\n\r\n",
		acceptName, base64.StdEncoding.EncodeToString(sum[:]))
	return &trSocket{Conn: conn, r: r}
}

var changing = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`X-Amz-Date=\d{8}T\d{6}Z`), "X-Amz-Date=<date>"},
	{regexp.MustCompile(`%2F\d{8}%2F`), "%2F<yyyymmdd>%2F"},
	{regexp.MustCompile(`X-Amz-Signature=[0-9a-f]{64}`), "X-Amz-Signature=<signature>"},
}

// normalized puts the recorder's names in the place of what is new in every request.
func normalized(line string) string {
	for _, c := range changing {
		line = c.form.ReplaceAllString(line, c.name)
	}
	return line
}

// checkSignature computes the signature of an upgrade request as AWS describes it, over everything but itself and the
// session token (https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html).
func (w *trWorld) checkSignature(n int, r *http.Request) {
	q := r.URL.Query()
	got, date := q.Get("X-Amz-Signature"), q.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	if d := time.Since(at); err != nil || d < -time.Minute || d > time.Minute {
		w.diff("connection %d: signed at %q, and it is %s", n, date, time.Now().UTC())
	}
	scope := strings.Split(q.Get("X-Amz-Credential"), "/")
	if len(scope) != 5 {
		w.diff("connection %d: X-Amz-Credential %q", n, q.Get("X-Amz-Credential"))
		return
	}
	q.Del("X-Amz-Signature")
	q.Del("X-Amz-Security-Token")
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	canonical := "GET\n/mqtt\n" + strings.ReplaceAll(q.Encode(), "+", "%20") + "\nhost:" + r.Host + "\n\nhost\n" + hash("")
	key := []byte("AWS4" + w.secret(scope[0]))
	for _, part := range append(scope[1:], "AWS4-HMAC-SHA256\n"+date+"\n"+strings.Join(scope[1:], "/")+"\n"+hash(canonical)) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	if want := hex.EncodeToString(key); got != want {
		w.diff("connection %d: signature %s, want %s for %q", n, got, want, canonical)
	}
}

// trSocket is the peer's end of a websocket: it reads what the client's binary frames carry.
type trSocket struct {
	net.Conn
	r    *bufio.Reader
	rest []byte
}

// Read returns payload of binary messages [RFC 6455, 5.2].
func (s *trSocket) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return 0, err
		}
		n := uint64(head[1] & 0x7F)
		if n >= 126 {
			ext, size := make([]byte, 8), 2
			if n == 127 {
				size = 8
			}
			if _, err := io.ReadFull(s.r, ext[8-size:]); err != nil {
				return 0, err
			}
			n = binary.BigEndian.Uint64(ext)
		}
		if head[0]&0x70 != 0 || head[1]&0x80 == 0 || n > 1<<20 {
			return 0, errors.New("a frame that is not masked, has reserved bits or is far too long")
		}
		data := make([]byte, 4+n)
		if _, err := io.ReadFull(s.r, data); err != nil {
			return 0, err
		}
		for i := range data[4:] {
			data[4+i] ^= data[i%4]
		}
		switch head[0] & 15 {
		case 0, 2:
			s.rest = data[4:]
		case 8:
			_ = s.frame(8, data[4:]) // the client may be gone
			return 0, io.EOF
		case 9:
			if err := s.frame(10, data[4:]); err != nil {
				return 0, err
			}
		default:
			return 0, errors.New("frame with opcode " + strconv.Itoa(int(head[0]&15)))
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write sends one binary message.
func (s *trSocket) Write(b []byte) (int, error) { return len(b), s.frame(2, b) }

func (s *trSocket) frame(opcode byte, b []byte) error {
	head := []byte{0x80 | opcode, byte(len(b))}
	if len(b) >= 126 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | opcode, 126}, uint16(len(b)))
	}
	_, err := s.Conn.Write(append(head, b...))
	return err
}
