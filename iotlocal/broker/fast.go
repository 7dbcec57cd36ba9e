package broker

import (
	"bytes"
	"encoding/binary"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// PUBLISH and PUBACK are nearly all that a server at work reads and writes. This file
// reads them without making anything that must be collected, from what checkFrame has
// found in order, and writes them; the codecs do the rest.

// scratch is what a reader decodes into: good until the next packet.
type scratch struct {
	pub   publishPacket
	msg   Message
	ack   ackPacket
	topic string // the last one: clients publish to few
}

// publish decodes a PUBLISH. The payload is a part of body.
func (s *scratch) publish(v wire.Version, header byte, body []byte) *publishPacket {
	c := &cursor{b: body}
	if t := c.binary("topic name"); string(t) != s.topic {
		s.topic = string(t)
	}
	s.msg = Message{Topic: s.topic, QoS: header >> 1 & 3, Retain: header&1 != 0, borrowed: true}
	s.pub = publishPacket{msg: &s.msg, qos: s.msg.QoS, retain: s.msg.Retain, dup: header&8 != 0}
	if s.pub.qos > 0 {
		s.pub.id = c.u16("packet identifier")
	}
	if v == wire.MQTT5 {
		s.properties(&cursor{b: c.take(c.varint("property length"), "properties")})
	}
	s.msg.Payload = c.b[:len(c.b):len(c.b)]
	return &s.pub
}

// properties decodes those of a PUBLISH.
func (s *scratch) properties(c *cursor) {
	m := &s.msg
	for len(c.b) > 0 && c.err == nil {
		switch id := c.u8("property"); id {
		case propPayloadFormat:
			m.PayloadFormat = new(c.u8("property"))
		case propMessageExpiry:
			m.MessageExpiry = new(c.u32("property"))
			s.pub.expiry = m.MessageExpiry
		case propContentType:
			m.ContentType = string(c.binary("property"))
		case propResponseTopic:
			m.ResponseTopic = string(c.binary("property"))
		case propCorrelationData:
			m.CorrelationData = bytes.Clone(c.binary("property"))
		case propTopicAlias:
			s.pub.alias = new(c.u16("property"))
		case propUserProperty:
			name := string(c.binary("property"))
			m.UserProperties = append(m.UserProperties, record.UserProperty{Name: name, Value: string(c.binary("property"))})
		}
	}
}

// acked decodes a PUBACK without properties; nil for another.
func (s *scratch) acked(body []byte) *ackPacket {
	if len(body) > 3 {
		return nil
	}
	s.ack = ackPacket{id: binary.BigEndian.Uint16(body)}
	if len(body) == 3 {
		s.ack.code = wire.Code(body[2])
	}
	return &s.ack
}

// The properties of a PUBLISH [MQTT5-3.3.2.3], and that of a PUBACK.
const (
	propReasonString    = 0x1F
	propPayloadFormat   = 0x01
	propMessageExpiry   = 0x02
	propContentType     = 0x03
	propResponseTopic   = 0x08
	propCorrelationData = 0x09
	propTopicAlias      = 0x23
	propUserProperty    = 0x26
)

// appendPublish appends a PUBLISH.
func appendPublish(b []byte, v wire.Version, p *publishPacket) []byte {
	m := p.msg
	n, props := 2+len(m.Topic)+len(m.Payload), 0
	if p.qos > 0 {
		n += 2
	}
	if v == wire.MQTT5 {
		props = m.propertySize(p.expiry)
		n += varintSize(props) + props
	}
	head := byte(wire.PUBLISH)<<4 | p.qos<<1
	if p.dup {
		head |= 8
	}
	if p.retain {
		head |= 1
	}
	b = appendText(appendVarint(append(b, head), n), m.Topic)
	if p.qos > 0 {
		b = binary.BigEndian.AppendUint16(b, p.id)
	}
	if v == wire.MQTT5 {
		b = appendVarint(b, props)
		if props > 0 {
			b = m.appendProperties(b, p.expiry)
		}
	}
	return append(b, m.Payload...)
}

// appendAck appends a PUBACK of MQTT 5. Code and properties may be left out for success
// [MQTT5-3.4.2.1], as AWS does.
func appendAck(b []byte, p *ackPacket) []byte {
	if p.code == wire.Success && p.reason == "" {
		return binary.BigEndian.AppendUint16(append(b, byte(wire.PUBACK)<<4, 2), p.id)
	}
	props := 0
	if p.reason != "" {
		props = 3 + len(p.reason)
	}
	b = appendVarint(append(b, byte(wire.PUBACK)<<4), 3+varintSize(props)+props)
	b = appendVarint(append(binary.BigEndian.AppendUint16(b, p.id), byte(p.code)), props)
	if props > 0 {
		b = appendText(append(b, propReasonString), p.reason)
	}
	return b
}

// propertySize is how many bytes the properties of a message take; expiry is what is
// left of it.
func (m *Message) propertySize(expiry *uint32) (n int) {
	if m.PayloadFormat != nil {
		n += 2
	}
	if expiry != nil {
		n += 5
	}
	for _, s := range [...]int{len(m.ContentType), len(m.ResponseTopic), len(m.CorrelationData)} {
		if s > 0 {
			n += 3 + s
		}
	}
	for _, u := range m.UserProperties {
		n += 5 + len(u.Name) + len(u.Value)
	}
	return n
}

func (m *Message) appendProperties(b []byte, expiry *uint32) []byte {
	if m.PayloadFormat != nil {
		b = append(b, propPayloadFormat, *m.PayloadFormat)
	}
	if expiry != nil {
		b = binary.BigEndian.AppendUint32(append(b, propMessageExpiry), *expiry)
	}
	if m.ContentType != "" {
		b = appendText(append(b, propContentType), m.ContentType)
	}
	if m.ResponseTopic != "" {
		b = appendText(append(b, propResponseTopic), m.ResponseTopic)
	}
	if len(m.CorrelationData) > 0 {
		b = appendText(append(b, propCorrelationData), m.CorrelationData)
	}
	for _, u := range m.UserProperties {
		b = appendText(appendText(append(b, propUserProperty), u.Name), u.Value)
	}
	return b
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendVarint(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
