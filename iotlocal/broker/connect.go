package broker

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// connect reads the first packet and takes the client in, or refuses it.
func (c *conn) connect() error {
	// Look at the type before the length is believed: what is not MQTT should
	// not be waited for.
	first, err := c.in.start(1)
	if err != nil {
		return err
	}
	if t := wire.PacketType(first[0] >> 4); t != wire.CONNECT || first[0] == tlsRecord {
		err := violation("first packet is %v, not CONNECT", t) // [MQTT5-3.1.0-1]
		if start, _ := c.in.start(4); otherProtocol(start) != "" {
			err = violation("%s", otherProtocol(start))
		}
		c.recordBad(t, err)
		return err
	}
	header, body, err := readFrame(&c.in, c.b.opts.Limits.MaximumPacketSize)
	if err != nil {
		return err
	}
	c.begin()
	defer c.finish()
	name, level, err := connectVersion(body)
	if err != nil {
		c.recordBad(wire.CONNECT, err)
		return err
	}
	known := name == "MQTT" && (level == 4 || level == 5) || name == "MQIsdp" && level == 3
	c.version = wire.Version(level)
	if !known {
		// Answer in the form a client of the named level would read
		// [MQTT5-3.1.2-2]; an unknown protocol gets no answer at all.
		c.version = wire.MQTT311
		if level > 5 {
			c.version = wire.MQTT5
		}
	}
	c.codec = codecFor(c.version)
	if !known && name != "MQTT" && name != "MQIsdp" {
		err := malformed("protocol name %q", name)
		c.recordBad(wire.CONNECT, err)
		return err
	}
	_, c.writer.single = c.nc.(messageConn)
	c.out.open(func() { c.b.wg.Go(c.writer.run) })
	if !known {
		err := fmt.Errorf("protocol %s level %d", name, level)
		c.recordBad(wire.CONNECT, err)
		return c.refuse(wire.UnsupportedProtocolVersion, err.Error())
	}
	if err := checkConnect(c.version, header, body); err != nil {
		return c.badConnect(err)
	}
	p, err := c.codec.decode(header, body, &c.turn.scratch)
	if err != nil {
		return c.badConnect(err)
	}
	return c.receive(p)
}

func (c *conn) badConnect(err error) error {
	c.recordBad(wire.CONNECT, err)
	if c.version != wire.MQTT5 {
		c.abort("malformed CONNECT") // 3.1.1 has no return code for it [MQTT-3.1.4-1]
		return errEnded
	}
	_, code, text := c.judge(err)
	return c.refuse(code, text)
}

// refuse answers CONNECT with a CONNACK that carries code and ends the
// connection.
func (c *conn) refuse(code wire.Code, reason string) error {
	c.out.push(&connackPacket{code: code, reason: reason, connack: &record.Connack{}})
	return errRefused
}

// handleConnect is the CONNECT packet in detail.
func (c *conn) handleConnect(p *connectPacket) error {
	if c.client != nil {
		return violation("second CONNECT")
	}
	lim := c.b.opts.Limits
	switch {
	case p.authMethod != "":
		return c.refuse(wire.BadAuthenticationMethod, "enhanced authentication is not supported")
	case over(len(p.clientID), lim.ClientIDBytes):
		return c.refuse(wire.ClientIdentifierNotValid, fmt.Sprintf("client id over %d bytes", lim.ClientIDBytes))
	case p.clientID == "" && !p.cleanStart && p.version != wire.MQTT5:
		return c.refuse(wire.ClientIdentifierNotValid, "empty client id needs a clean session") // [MQTT-3.1.3-8]
	}
	if p.will != nil {
		if code, reason := c.checkWill(p.will); code.IsError() {
			return c.refuse(code, reason)
		}
	}
	ack := &connackPacket{connack: &record.Connack{
		ReceiveMaximum: new(lim.ReceiveMaximum), MaximumPacketSize: new(lim.MaximumPacketSize),
		TopicAliasMaximum: new(uint16(lim.TopicAliasMaximum)),
	}}
	id := p.clientID
	if id == "" {
		id = fmt.Sprintf("%s-%d", c.b.idPrefix, c.b.idSeq.Add(1))
		ack.connack.AssignedClientID = id
	}
	c.id.Store(id)
	c.client = &Client{ID: id, Version: p.version, Username: record.NormalUsername(p.username), Password: p.password,
		CleanStart: p.cleanStart, HasWill: p.will != nil, RemoteAddr: c.nc.RemoteAddr().String(), conn: c}
	c.client.Persistent = !p.cleanStart
	if p.version == wire.MQTT5 {
		c.client.Persistent = p.sessionExpiry != nil && *p.sessionExpiry > 0
	}
	if !c.b.connectInTime(id) {
		c.client = nil
		return c.refuse(wire.ConnectionRateExceeded, fmt.Sprintf("more than %d connections of client id %q in a second", lim.ConnectsPerSecond, id))
	}
	c.identify()
	if h := c.b.opts.Hooks.Connect; h != nil {
		if code := h(c.client); code.IsError() {
			denial := c.client.Denial
			c.client = nil
			c.out.push(&connackPacket{code: code, reason: "not permitted", why: denial, connack: &record.Connack{}})
			return errRefused
		}
	}
	if h := c.b.opts.Hooks.Will; h != nil && p.will != nil && h(c.client, p.will.msg).IsError() {
		c.b.log.Warn("iotlocal: will not permitted, forgotten", "client", id, "topic", p.will.msg.Topic, "reason", c.client.Denial)
		p.will = nil
	}
	c.window = lim.Outbound
	if p.receiveMaximum != nil && (c.window < 0 || int(*p.receiveMaximum) < c.window) {
		c.window = int(*p.receiveMaximum)
	}
	if c.window < 0 {
		c.window = 1<<16 - 1
	}
	if p.maximumPacketSize != nil {
		c.maxPacket = *p.maximumPacketSize
	}
	c.noProblemInfo = p.noProblemInfo
	expiry := c.sessionExpiry(p, ack)
	c.setKeepAlive(p.keepAlive, ack)
	if !c.b.attach(c, p, ack, expiry) {
		return c.refuse(wire.ServerShuttingDown, "")
	}
	if h := c.b.opts.Hooks.Connected; h != nil {
		h(c.client)
	}
	return nil
}

// identify fills in what the transport knows of the client.
func (c *conn) identify() {
	if tc, ok := c.nc.(*tls.Conn); ok {
		st := tc.ConnectionState()
		c.client.Secure, c.client.Certificates, c.client.SNI, c.client.ALPN = true, st.PeerCertificates, st.ServerName, st.NegotiatedProtocol
	}
	if known, ok := c.nc.(interface{ Transport() record.Transport }); ok {
		t := known.Transport()
		c.client.Secure, c.client.SNI, c.client.ALPN = t.TLS, t.SNI, t.ALPN
	}
	if known, ok := c.nc.(interface{ Request() *http.Request }); ok {
		c.client.Request = known.Request()
	}
	if known, ok := c.nc.(interface{ Principal() string }); ok {
		c.client.Principal = known.Principal()
	}
}

// checkWill refuses what could not be published later.
func (c *conn) checkWill(w *will) (wire.Code, string) {
	if w.msg.QoS > 1 {
		return wire.QoSNotSupported, "will with QoS 2"
	}
	if over(len(w.msg.Payload), c.b.opts.Limits.Payload) {
		return wire.PacketTooLarge, "will payload too large"
	}
	return c.checkTopic(w.msg)
}

// sessionExpiry decides how long the session outlives its connection.
func (c *conn) sessionExpiry(p *connectPacket, ack *connackPacket) time.Duration {
	lim := c.b.opts.Limits
	if p.version != wire.MQTT5 {
		if p.cleanStart {
			return 0
		}
		return lim.PersistentSession
	}
	if p.sessionExpiry == nil {
		return 0
	}
	d := time.Duration(*p.sessionExpiry) * time.Second
	if lim.SessionExpiry > 0 && d > lim.SessionExpiry {
		d = lim.SessionExpiry
		ack.connack.SessionExpiry = new(uint32(d / time.Second)) // [MQTT5-3.2.2.3.2]
	}
	return d
}

// setKeepAlive starts the read timeout of one and a half times the keep alive
// [MQTT5-3.1.2-22], which the server may have changed.
func (c *conn) setKeepAlive(seconds uint16, ack *connackPacket) {
	lim := c.b.opts.Limits
	d := time.Duration(seconds) * time.Second
	if lim.MaxKeepAlive > 0 && (d == 0 || d > lim.MaxKeepAlive) {
		d = lim.MaxKeepAlive
	}
	d = max(d, lim.MinKeepAlive)
	switch {
	case c.version != wire.MQTT5 && seconds == 0:
		d = 0 // it cannot be told that the server wants one
	case d != time.Duration(seconds)*time.Second && c.version == wire.MQTT5:
		ack.connack.ServerKeepAlive = new(uint16(d / time.Second))
	case c.version != wire.MQTT5:
		d = max(d, time.Duration(seconds)*time.Second)
	}
	c.keepAlive.Store(int64(d + d/2))
	if d == 0 {
		c.nc.SetReadDeadline(time.Time{}) // ends the time limit of CONNECT
	}
}

// attach gives the connection its session, takes it from an older connection,
// and puts CONNACK and what the session owes into the outbox. It reports false
// when the broker closes.
func (b *Broker) attach(c *conn, p *connectPacket, ack *connackPacket, expiry time.Duration) bool {
	now := c.clock()
	id := c.client.ID
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	var old *conn
	if s := b.sessions[id]; s != nil {
		if old = s.conn; old != nil {
			b.detach(old, DuplicateClientID)
		}
	}
	s := b.sessions[id] // detach may have dropped it
	if s != nil && (p.cleanStart || !s.lives(now) && old == nil) {
		b.dropSession(s, now)
		s = nil
	}
	delete(b.wills, id) // back within its delay [MQTT5-3.1.3-9]
	ack.sessionPresent = s != nil
	if s == nil {
		s = newSession(id)
		b.sessions[id] = s
	}
	s.expiry, s.conn = expiry, c
	c.sess, c.will = s, p.will
	b.keepSession(s)
	c.out.push(ack)
	b.touch(c)
	c.accepted = true
	s.replay, s.replayed = len(s.queue), perSecond{}
	s.pump(now)
	b.mu.Unlock()
	if old != nil {
		old.end(wire.SessionTakenOver, "", false)
	}
	return true
}

// checkTopic applies MQTT's rules and AWS's limits to the topic of a PUBLISH
// or will.
func (c *conn) checkTopic(m *Message) (wire.Code, string) {
	if m.Topic != c.turn.inOrder || m.Topic == "" {
		if err := topic.ValidateTopic(m.Topic); err != nil {
			return wire.TopicNameInvalid, err.Error()
		}
		if reason := c.overTopicLimits(m.Topic); reason != "" {
			return wire.TopicNameInvalid, reason
		}
		c.turn.inOrder = m.Topic
	}
	if m.Retain && len(m.Topic) > 0 && m.Topic[0] == '$' {
		return wire.NotAuthorized, "retained message on a reserved topic"
	}
	if m.ResponseTopic != "" {
		if err := topic.ValidateTopic(m.ResponseTopic); err != nil {
			return wire.ProtocolError, "response topic: " + err.Error() // [MQTT5-3.3.2-14]
		}
	}
	return wire.Success, ""
}
