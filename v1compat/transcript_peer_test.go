package v1compat_test

// The scripted peer: the broker side of a recording, in MQTT 5. It answers a packet as the broker answered its
// counterpart, after the same time or never.

import (
	"bufio"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
)

// trConn is the peer's end of a connection.
type trConn struct {
	n   int
	raw net.Conn
	out net.Conn
	ids map[string]uint16 // of the client's packets, by the recording's reference
}

// peeked is a connection whose first byte has been looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// serveConn is the peer on one connection: TLS if the client begins with a handshake, as the recorded listener spoke
// TLS and the plain one did not.
func (w *trWorld) serveConn(n int, raw net.Conn) {
	defer raw.Close()
	p := peeked{raw, bufio.NewReader(raw)}
	first, err := p.r.Peek(1)
	if err != nil {
		return
	}
	var conn net.Conn = p
	if first[0] == 0x16 {
		s := tls.Server(p, w.tlsConfig(n))
		if err := s.Handshake(); err != nil {
			return // the client's call says why
		}
		w.checkTLS(n, s.ConnectionState())
		if conn = s; w.rec.websocket() {
			if conn = w.acceptWebsocket(n, s); conn == nil {
				return
			}
		}
	} else if w.failing(n) {
		return // plain text on a TLS port
	}
	c := &trConn{n: n, raw: raw, out: conn, ids: map[string]uint16{}}
	w.mu.Lock()
	w.conns[n] = c
	w.opened = append(w.opened, fmt.Sprintf("connection %d", n))
	w.mu.Unlock()
	for {
		wp, err := readWire(conn)
		if err != nil {
			return
		}
		w.received(c, wp)
		if wireNames[wp.kind] == "DISCONNECT" {
			return
		}
	}
}

func (w *trWorld) failing(n int) bool {
	for _, d := range w.dials {
		if d.conn == n && d.fails {
			return true
		}
	}
	return false
}

// received notes a packet of the client, finds its counterpart and answers as that was answered.
func (w *trWorld) received(c *trConn, wp wirePacket) {
	p, id := w.describe(c, wp)
	w.mu.Lock()
	if w.over && p.Type != "DISCONNECT" {
		w.mu.Unlock()
		return
	}
	rec := w.counterpart(p)
	if rec != nil {
		w.matched[rec] = true
		if id != 0 && rec.MidRef != "" {
			c.ids[rec.MidRef] = id
		}
	}
	entry := trSeen{fmt.Sprintf("%d %s %s", c.n, p, p.MidRef), time.Now(), rec}
	switch {
	case p.ack():
		w.acks = append(w.acks, entry)
	case p.Type == "PINGREQ":
		w.pings[c.n]++
	default:
		w.sent = append(w.sent, entry)
	}
	answer, known := w.answer(rec)
	w.mu.Unlock()
	if rec != nil {
		w.mark(rec.Seq)
	}
	if !known {
		answer = w.ordinary(c, p)
		if rec != nil && rec.Type != "PINGREQ" {
			answer = nil // the recording has no answer
		}
	}
	if answer == nil {
		return
	}
	send := func() {
		if err := w.send(c, answer, id); err != nil && !errors.Is(err, net.ErrClosed) {
			return // a client that went away has no use for it
		}
	}
	if rec != nil && known && answer.T-rec.T > 0.1 {
		time.AfterFunc(seconds(answer.T-rec.T), send)
		return
	}
	send()
}

// counterpart is the first packet of the recording that the client's packet p can be. The caller holds w.mu.
func (w *trWorld) counterpart(p *trPacket) *trPacket {
	for _, q := range w.rec.Packets {
		if q.Dir == "c2s" && q.Conn == p.Conn && q.Type == p.Type && !w.matched[q] && (q.String() == p.String() || p.Type == "CONNECT") {
			return q
		}
	}
	return nil
}

// answer is how the recording answered rec: known with nil is "not at all". The caller holds w.mu.
func (w *trWorld) answer(rec *trPacket) (*trPacket, bool) {
	if rec == nil {
		return nil, false
	}
	want := map[string]string{"CONNECT": "CONNACK", "PINGREQ": "PINGRESP", "PUBLISH": "PUBACK", "SUBSCRIBE": "SUBACK", "UNSUBSCRIBE": "UNSUBACK"}[rec.Type]
	if rec.Proxy == "blackholed" {
		return nil, true
	}
	for _, q := range w.rec.Packets {
		if q.Dir != "s2c" || q.Conn != rec.Conn || q.Type != want || q.Seq < rec.Seq || q.MidRef != rec.MidRef || w.matched[q] {
			continue
		}
		w.matched[q] = true
		switch q.Proxy {
		case "dropped", "held", "delayed", "blackholed":
			return nil, true
		case "released", "late":
			return nil, true // the script sends it
		}
		return q, true
	}
	return nil, false
}

// ordinary is what a broker answers to a packet that the recording does not have.
func (w *trWorld) ordinary(c *trConn, p *trPacket) *trPacket {
	a := &trPacket{Dir: "s2c", Conn: c.n}
	switch p.Type {
	case "CONNECT":
		a.Type = "CONNACK"
	case "PINGREQ":
		a.Type = "PINGRESP"
	case "PUBLISH":
		if p.QoS == 0 {
			return nil
		}
		a.Type = "PUBACK"
	case "SUBSCRIBE":
		a.Type, a.Granted = "SUBACK", []int{p.QoS}
	case "UNSUBSCRIBE":
		a.Type = "UNSUBACK"
	default:
		return nil
	}
	return a
}

// connackCode is the MQTT 5 form of a CONNACK return code of 3.1.1.
var connackCode = map[int]byte{1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

// sendRecorded sends a packet of the script.
func (w *trWorld) sendRecorded(c *trConn, p *trPacket) error {
	w.mu.Lock()
	id := c.ids[p.MidRef]
	w.mu.Unlock()
	if p.Type == "PUBLISH" && p.QoS > 0 {
		fmt.Sscanf(p.MidRef, "s%d", &id)
	} else if p.Type == "PUBACK" && id == 0 {
		return fmt.Errorf("the client has not sent %s", p.MidRef)
	}
	return w.send(c, p, id)
}

// send writes p in the form of MQTT 5.
func (w *trWorld) send(c *trConn, p *trPacket, id uint16) error {
	var body []byte
	if p.Type == "PUBLISH" {
		var err error
		if body, err = w.body(p.Payload); err != nil {
			return err
		}
	}
	b, err := encodeWire(p, id, body)
	if err != nil {
		return err
	}
	_, err = c.out.Write(b)
	return err
}

// tokenName is the recorder's name for a token that was random.
var tokenName = regexp.MustCompile(`<token(:\d+)?>`)

// body is a recorded payload as bytes, with this run's tokens.
func (w *trWorld) body(payload any) ([]byte, error) {
	switch v := payload.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(tokenName.ReplaceAllStringFunc(v, func(name string) string {
			w.mu.Lock()
			defer w.mu.Unlock()
			for token, n := range w.tokens {
				if n == name {
					return token
				}
			}
			return name
		})), nil
	case map[string]any:
		s, _ := v["hex"].(string)
		return hex.DecodeString(s)
	}
	return nil, fmt.Errorf("payload %T", payload)
}

// text is a payload of this run as the recorder would have written it.
func (w *trWorld) text(b []byte) any {
	s := string(b)
	if strings.ToValidUTF8(s, "") != s {
		return map[string]any{"hex": hex.EncodeToString(b)}
	}
	return w.named(s)
}

// named puts the recording's names in the place of this run's tokens. The names are given in order of appearance, by
// the payload of the request.
func (w *trWorld) named(s string) string {
	var v struct {
		ClientToken string `json:"clientToken"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if json.Unmarshal([]byte(s), &v) == nil && uuidText.MatchString(v.ClientToken) && w.tokens[v.ClientToken] == "" {
		w.tokens[v.ClientToken] = w.nextToken()
	}
	for token, name := range w.tokens {
		s = strings.ReplaceAll(s, token, name)
	}
	return s
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// nextToken is the recorder's name of the next token: numbered unless it is the only one.
func (w *trWorld) nextToken() string {
	for _, p := range w.rec.Packets {
		if s, _ := p.Payload.(string); strings.Contains(s, "<token>") {
			return "<token>"
		}
	}
	return fmt.Sprintf("<token:%d>", len(w.tokens)+1)
}

// describe gives a packet of the client the recording's form.
func (w *trWorld) describe(c *trConn, wp wirePacket) (*trPacket, uint16) {
	p := &trPacket{Dir: "c2s", Conn: c.n, Type: wireNames[wp.kind]}
	r := &wireReader{wp.body}
	fresh := func(id uint16) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if p.Dup && w.refs[id] != "" {
			p.MidRef = w.refs[id]
			return
		}
		w.count++
		p.MidRef = fmt.Sprintf("c%d", w.count)
		w.refs[id] = p.MidRef
	}
	switch p.Type {
	case "CONNECT":
		w.describeConnect(p, r)
	case "PUBLISH":
		p.Topic, p.QoS, p.Retain, p.Dup = r.string(), int(wp.flags>>1&3), wp.flags&1 != 0, wp.flags&8 != 0
		var id uint16
		if p.QoS > 0 {
			id = r.uint16()
			fresh(id)
		}
		r.skipProperties()
		p.Payload = w.text(r.b)
		return p, id
	case "SUBSCRIBE", "UNSUBSCRIBE":
		id := r.uint16()
		fresh(id)
		r.skipProperties()
		for len(r.b) > 0 {
			p.Topic = r.string()
			if p.Type == "UNSUBSCRIBE" {
				p.Filters = append(p.Filters, p.Topic)
				continue
			}
			p.QoS = int(r.byte() & 3)
			p.Filters = append(p.Filters, map[string]any{"filter": p.Topic, "qos": p.QoS})
		}
		return p, id
	case "PUBACK":
		p.MidRef = fmt.Sprintf("s%d", r.uint16())
	}
	return p, 0
}

// describeConnect reads a CONNECT, which must be one of MQTT 5.
func (w *trWorld) describeConnect(p *trPacket, r *wireReader) {
	if name, level := r.string(), r.byte(); name != "MQTT" || level != 5 {
		w.diff("CONNECT with protocol %s %d, not MQTT 5", name, level)
		return
	}
	flags := r.byte()
	p.Clean, p.KeepAlive = flags&2 != 0, int(r.uint16())
	r.skipProperties()
	p.ClientID = r.string()
	if flags&4 != 0 {
		r.skipProperties()
		p.Will = map[string]any{"topic": r.string(), "payload": r.string(), "qos": int(flags >> 3 & 3), "retain": flags&32 != 0}
	}
	if flags&128 != 0 {
		p.Username = new(r.string())
	}
	if flags&64 != 0 {
		p.Password = new(r.string())
	}
}
