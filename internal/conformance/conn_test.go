package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"
)

// conn is an MQTT connection that does what it is told. What comes out of turn waits in its inbox.
type conn struct {
	p      *probe
	nc     net.Conn
	id     string
	v3     bool
	manual bool // QoS 1 is not acknowledged
	lastID uint16
	inbox  []message
	ended  error
}

// message is a received packet of either protocol.
type message struct {
	five  p5.Packet
	three p3.ControlPacket
}

// add takes a new transport into the probe.
func (p *probe) add(nc net.Conn, id string) *conn {
	c := &conn{p: p, nc: nc, id: id}
	p.conns = append(p.conns, c)
	return c
}

func (p *probe) open(id string) *conn {
	p.wait(p.pace)
	nc, err := p.dialTLS(p.mqtt)
	p.check(err)
	return p.add(nc, id)
}

// connect connects a new client with MQTT 5; change edits the CONNECT.
func (p *probe) connect(change ...func(*p5.Connect)) *conn {
	c, ack := p.tryConnect(change...)
	c.mustConnect(ack.ReasonCode)
	return c
}

func (c *conn) mustConnect(code byte) {
	switch code {
	case 0:
	case 0x87, 7:
		c.p.deny("iot:Connect on client/" + c.id)
	default:
		c.p.fail("CONNACK 0x%02X", code)
	}
}

func (p *probe) tryConnect(change ...func(*p5.Connect)) (*conn, *p5.Connack) {
	k := &p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: p.clientID(), CleanStart: true, KeepAlive: 60, Properties: &p5.Properties{}}
	for _, f := range change {
		f(k)
	}
	c := p.open(k.ClientID)
	c.send(k)
	ack := want[*p5.Connack](c, "CONNACK")
	return c, ack
}

// as connects under a client id, with the session of an earlier connection.
func as(id string) func(*p5.Connect) { return func(k *p5.Connect) { k.ClientID = id } }

func persistent(k *p5.Connect) {
	k.CleanStart, k.Properties.SessionExpiryInterval = false, new(uint32(3600))
}

// connect3 connects a new client with MQTT 3.1.1.
func (p *probe) connect3(change ...func(*p3.ConnectPacket)) *conn {
	c, ack := p.tryConnect3(change...)
	c.mustConnect(ack.ReturnCode)
	return c
}

func (p *probe) tryConnect3(change ...func(*p3.ConnectPacket)) (*conn, *p3.ConnackPacket) {
	k := p3.NewControlPacket(p3.Connect).(*p3.ConnectPacket)
	k.ProtocolName, k.ProtocolVersion, k.ClientIdentifier, k.CleanSession, k.Keepalive = "MQTT", 4, p.clientID(), true, 60
	for _, f := range change {
		f(k)
	}
	c := p.open(k.ClientIdentifier)
	c.v3 = true
	c.send3(k)
	return c, want3[*p3.ConnackPacket](c, "CONNACK")
}

func (c *conn) write(b []byte) {
	c.p.check(c.nc.SetWriteDeadline(time.Now().Add(c.p.patience)))
	if _, err := c.nc.Write(b); err != nil {
		c.p.fail("%s: write: %v", c.id, err)
	}
}

func (c *conn) send(k interface {
	WriteTo(io.Writer) (int64, error)
}) {
	var b bytes.Buffer
	_, err := k.WriteTo(&b)
	c.p.check(err)
	c.write(b.Bytes())
}

func (c *conn) send3(k p3.ControlPacket) {
	var b bytes.Buffer
	c.p.check(k.Write(&b))
	c.write(b.Bytes())
}

// read takes one packet from the wire.
func (c *conn) read() (m message, err error) {
	if c.ended != nil {
		return m, c.ended
	}
	c.p.check(c.nc.SetReadDeadline(time.Now().Add(c.p.patience)))
	if c.v3 {
		m.three, err = p3.ReadPacket(c.nc)
	} else {
		var k *p5.ControlPacket
		if k, err = p5.ReadPacket(c.nc); err == nil {
			m.five = k.Content
		}
	}
	if err != nil {
		c.ended = err
		return m, err
	}
	if pub, ok := m.five.(*p5.Publish); ok && pub.QoS == 1 && !c.manual {
		c.send(&p5.Puback{PacketID: pub.PacketID, Properties: &p5.Properties{}})
	}
	if pub, ok := m.three.(*p3.PublishPacket); ok && pub.Qos == 1 && !c.manual {
		ack := p3.NewControlPacket(p3.Puback).(*p3.PubackPacket)
		ack.MessageID = pub.MessageID
		c.send3(ack)
	}
	return m, nil
}

// next returns the first packet that match takes.
func (c *conn) next(what string, match func(message) bool) message {
	for i, m := range c.inbox {
		if match(m) {
			c.inbox = append(c.inbox[:i:i], c.inbox[i+1:]...)
			return m
		}
	}
	for {
		m, err := c.read()
		switch {
		case err == nil:
		case c.v3 && c.p.srv == nil && (what == "SUBACK" || what == "PUBACK"): // 3.1.1 has no other way to say it
			c.p.deny("what has ended the connection in the place of " + what + ", on topics of this fact")
		default:
			c.p.fail("%s: no %s: %v%s", c.id, what, err, c.lastWords())
		}
		if match(m) {
			return m
		}
		c.inbox = append(c.inbox, m)
	}
}

// lastWords are the reason of a DISCONNECT, if there was one.
func (c *conn) lastWords() string {
	for _, m := range c.inbox {
		if d, ok := m.five.(*p5.Disconnect); ok {
			return fmt.Sprintf(", after DISCONNECT 0x%02X %q", d.ReasonCode, d.Properties.ReasonString)
		}
	}
	return ""
}

func want[T p5.Packet](c *conn, what string) T {
	m := c.next(what, func(m message) bool { _, ok := m.five.(T); return ok })
	return m.five.(T)
}

func want3[T p3.ControlPacket](c *conn, what string) T {
	m := c.next(what, func(m message) bool { _, ok := m.three.(T); return ok })
	return m.three.(T)
}

// message returns the next PUBLISH on a topic.
func (c *conn) message(topic string) *p5.Publish {
	m := c.next("message on "+topic, func(m message) bool {
		pub, ok := m.five.(*p5.Publish)
		return ok && pub.Topic == topic
	})
	return m.five.(*p5.Publish)
}

// ping waits for the answer to a PINGREQ.
func (c *conn) ping() {
	c.write([]byte{0xC0, 0})
	if c.v3 {
		want3[*p3.PingrespPacket](c, "PINGRESP")
		return
	}
	want[*p5.Pingresp](c, "PINGRESP")
}

func (p *probe) wait(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// quiet waits until what was asked for must have come.
func (p *probe) quiet() {
	p.wait(p.settle)
	for range 2 { // the first round sees the work done, the second what it sent
		for _, c := range p.conns {
			if c.ended == nil {
				c.ping()
			}
		}
	}
}

// none notes messages that wait in the inbox and whose topics begin with prefix.
func (c *conn) none(prefix string) {
	c.p.quiet()
	for _, m := range c.inbox {
		if pub, ok := m.five.(*p5.Publish); ok && strings.HasPrefix(pub.Topic, prefix) {
			c.p.differ("%s: a message on %s: %s", c.id, pub.Topic, pub.Payload)
		}
	}
}

// closed asks for the end of the connection; what comes before it is in the inbox.
func (c *conn) closed() {
	for {
		m, err := c.read()
		if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
			c.p.fail("%s: the connection goes on", c.id)
		}
		if err != nil {
			return
		}
		c.inbox = append(c.inbox, m)
	}
}

// disconnected asks for a DISCONNECT with that code, and the end.
func (c *conn) disconnected(code byte) {
	d := want[*p5.Disconnect](c, fmt.Sprintf("DISCONNECT 0x%02X", code))
	if d.ReasonCode != code {
		c.p.differ("%s: DISCONNECT 0x%02X %q, want 0x%02X", c.id, d.ReasonCode, d.Properties.ReasonString, code)
	}
	c.closed()
}

// drop ends the transport without DISCONNECT, once the server has read what was sent, and returns when iotlocal has noticed.
func (c *conn) drop() {
	c.ping()
	c.nc.Close()
	c.ended = io.EOF
	if c.p.srv == nil {
		return
	}
	for end := time.Now().Add(c.p.patience); time.Now().Before(end); c.p.wait(time.Millisecond) {
		if s, ok := c.p.srv.Session(c.id); !ok || !s.Connected {
			return
		}
	}
	c.p.fail("%s: the loss of the connection is not noticed", c.id)
}

// bye disconnects in good order.
func (c *conn) bye() {
	if c.v3 {
		c.write([]byte{0xE0, 0})
	} else {
		c.send(&p5.Disconnect{Properties: &p5.Properties{}})
	}
	c.closed()
}

func (c *conn) nextID() uint16 { c.lastID++; return c.lastID }

// codes subscribes and returns the codes.
func (c *conn) codes(qos byte, filters ...string) []byte {
	s := &p5.Subscribe{PacketID: c.nextID(), Properties: &p5.Properties{}}
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, p5.SubOptions{Topic: f, QoS: qos})
	}
	c.send(s)
	return want[*p5.Suback](c, "SUBACK").Reasons
}

// sub subscribes; what is refused is not permitted.
func (c *conn) sub(qos byte, filters ...string) {
	if c.v3 {
		for _, code := range c.codes3(qos, filters...) {
			if code > 1 {
				c.p.deny("iot:Subscribe on one of topicfilter/" + strings.Join(filters, ", topicfilter/"))
			}
		}
		return
	}
	for i, code := range c.codes(qos, filters...) {
		switch {
		case code == 0x87:
			c.p.deny("iot:Subscribe on topicfilter/" + filters[i])
		case code > 1:
			c.p.fail("SUBACK 0x%02X for %s", code, filters[i])
		}
	}
}

func (c *conn) codes3(qos byte, filters ...string) []byte {
	s := p3.NewControlPacket(p3.Subscribe).(*p3.SubscribePacket)
	s.MessageID = c.nextID()
	for _, f := range filters {
		s.Topics, s.Qoss = append(s.Topics, f), append(s.Qoss, qos)
	}
	c.send3(s)
	return want3[*p3.SubackPacket](c, "SUBACK").ReturnCodes
}

// packet makes a PUBLISH of MQTT 5.
func (c *conn) packet(topic, payload string, qos byte, change ...func(*p5.Publish)) *p5.Publish {
	k := &p5.Publish{Topic: topic, Payload: []byte(payload), QoS: qos, Properties: &p5.Properties{}}
	if qos > 0 {
		k.PacketID = c.nextID()
	}
	for _, f := range change {
		f(k)
	}
	return k
}

func retain(k *p5.Publish) { k.Retain = true }

// tryPub publishes with QoS 1 and returns the PUBACK.
func (c *conn) tryPub(topic, payload string, change ...func(*p5.Publish)) *p5.Puback {
	k := c.packet(topic, payload, 1, change...)
	c.send(k)
	m := c.next("PUBACK of "+topic, func(m message) bool {
		a, ok := m.five.(*p5.Puback)
		return ok && a.PacketID == k.PacketID
	})
	return m.five.(*p5.Puback)
}

// pub publishes with QoS 1; what is refused is not permitted.
func (c *conn) pub(topic, payload string, change ...func(*p5.Publish)) {
	if c.v3 {
		c.pub3(topic, payload)
		return
	}
	switch a := c.tryPub(topic, payload, change...); {
	case a.ReasonCode == 0x87:
		c.p.deny("iot:Publish (of a retained message iot:RetainPublish too) on topic/" + topic)
	case a.ReasonCode >= 0x80:
		c.p.fail("PUBACK 0x%02X for %s", a.ReasonCode, topic)
	}
}

func (c *conn) packet3(topic, payload string, qos byte) *p3.PublishPacket {
	k := p3.NewControlPacket(p3.Publish).(*p3.PublishPacket)
	k.TopicName, k.Payload, k.Qos = topic, []byte(payload), qos
	if qos > 0 {
		k.MessageID = c.nextID()
	}
	return k
}

func (c *conn) pub3(topic, payload string) {
	c.send3(c.packet3(topic, payload, 1))
	want3[*p3.PubackPacket](c, "PUBACK")
}
