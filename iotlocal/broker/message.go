package broker

import (
	"bytes"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Message is an application message on its way through the broker. It is
// read-only once published: sessions share it.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	// Properties are the MQTT 5 properties that travel with the message. The
	// topic alias is not one of them.
	PayloadFormat   *byte
	MessageExpiry   *uint32 // seconds, as the publisher gave it
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	UserProperties  []record.UserProperty

	received time.Time // when the broker took it: message expiry counts from here
	borrowed bool      // it lies in the reader's buffers: who keeps it needs own
}

// own returns the message for who keeps it: m, or a copy of what is borrowed.
func (m *Message) own() *Message {
	if !m.borrowed {
		return m
	}
	k := *m
	k.Payload, k.borrowed = bytes.Clone(m.Payload), false
	return &k
}

// expired reports whether the message must no longer be sent, and what is left
// of its expiry interval otherwise [MQTT5-3.3.2-5, 3.3.2-6].
func (m *Message) expired(now time.Time) (left *uint32, expired bool) {
	if m.MessageExpiry == nil {
		return nil, false
	}
	total := time.Duration(*m.MessageExpiry) * time.Second
	age := now.Sub(m.received)
	if age >= total {
		return new(uint32(0)), true
	}
	// Whole seconds waited are subtracted; a started second is not.
	return new(*m.MessageExpiry - uint32(age/time.Second)), false
}

// kept is about how many bytes of memory the message takes, properties and
// bookkeeping included. A user property of seven bytes on the wire takes 34.
func (m *Message) kept() int {
	const fixed, perProperty = 192, 32 // the struct; the heads of two strings
	n := fixed + len(m.Topic) + len(m.Payload) + len(m.ContentType) + len(m.ResponseTopic) + len(m.CorrelationData)
	for _, u := range m.UserProperties {
		n += perProperty + len(u.Name) + len(u.Value)
	}
	return n
}

// packet is any decoded control packet, in one form for both protocols.
type packet interface{ kind() wire.PacketType }

type (
	connectPacket struct {
		protocol          string
		version           wire.Version
		cleanStart        bool
		keepAlive         uint16 // seconds
		clientID          string
		username          string
		password          []byte
		hasUser, hasPass  bool
		will              *will
		sessionExpiry     *uint32
		receiveMaximum    *uint16
		maximumPacketSize *uint32
		topicAliasMaximum *uint16
		noProblemInfo     bool // request problem information 0 [MQTT5-3.1.2-29]
		authMethod        string
	}
	will struct {
		msg   *Message
		delay uint32 // seconds
	}
	connackPacket struct {
		sessionPresent bool
		code           wire.Code
		reason         string
		why            string          // as in ackPacket
		connack        *record.Connack // MQTT 5 properties, also what is recorded
	}
	publishPacket struct {
		msg    *Message
		qos    byte
		retain bool
		dup    bool
		id     uint16
		alias  *uint16
		expiry *uint32 // what is left of it, when sending

		out *outgoing // set for QoS 1 to a client: told when it is written
	}
	ackPacket struct { // PUBACK
		id     uint16
		code   wire.Code
		reason string
		why    string // the reason, also for who asked for none
	}
	subscribePacket struct {
		id      uint16
		filters []record.Filter
		subID   bool // a subscription identifier was given
	}
	unsubscribePacket struct {
		id      uint16
		filters []string
	}
	codesPacket struct { // SUBACK, UNSUBACK
		typ    wire.PacketType
		id     uint16
		codes  []wire.Code
		reason string
		why    string // as in ackPacket
	}
	pingPacket       struct{ typ wire.PacketType } // PINGREQ, PINGRESP
	disconnectPacket struct {
		code          wire.Code
		reason        string
		sessionExpiry *uint32
	}
	// otherPacket is one that is legal in form but that this server refuses:
	// QoS 2 acknowledgements, AUTH, packets only servers send.
	otherPacket struct{ typ wire.PacketType }
	// rawPacket is bytes a fault wants on the wire.
	rawPacket struct{ data []byte }

	// markPacket is no packet: its channel is closed when what was to be written before it has been written.
	markPacket struct{ passed chan struct{} }
)

func (*connectPacket) kind() wire.PacketType     { return wire.CONNECT }
func (*connackPacket) kind() wire.PacketType     { return wire.CONNACK }
func (*publishPacket) kind() wire.PacketType     { return wire.PUBLISH }
func (*ackPacket) kind() wire.PacketType         { return wire.PUBACK }
func (*subscribePacket) kind() wire.PacketType   { return wire.SUBSCRIBE }
func (*unsubscribePacket) kind() wire.PacketType { return wire.UNSUBSCRIBE }
func (p *codesPacket) kind() wire.PacketType     { return p.typ }
func (p pingPacket) kind() wire.PacketType       { return p.typ }
func (*disconnectPacket) kind() wire.PacketType  { return wire.DISCONNECT }
func (p otherPacket) kind() wire.PacketType      { return p.typ }
func (rawPacket) kind() wire.PacketType          { return 0 }
func (markPacket) kind() wire.PacketType         { return 0 }

// topicsOf returns what a fault rule's Topic compares with.
func topicsOf(p packet) (topic string, filters []string) {
	switch p := p.(type) {
	case *publishPacket:
		return p.msg.Topic, nil
	case *subscribePacket:
		for _, f := range p.filters {
			filters = append(filters, f.Filter)
		}
	case *unsubscribePacket:
		filters = p.filters
	}
	return "", filters
}

// recorded puts a packet into the form the Recorder keeps.
func recorded(p packet, dir wire.Direction, now time.Time) record.Packet {
	r := record.Packet{Dir: dir, Type: p.kind(), Time: now}
	switch p := p.(type) {
	case *connectPacket:
		r.Connect = recordedConnect(p)
		r.ClientID = p.clientID
	case *connackPacket:
		ack := *p.connack
		ack.SessionPresent = p.sessionPresent
		r.Code, r.Reason, r.Connack, r.Refusal = p.code, p.reason, &ack, p.why
	case *publishPacket:
		r.Topic, r.QoS, r.Retain, r.Dup, r.PacketID = p.msg.Topic, p.qos, p.retain, p.dup, p.id
		r.Payload = p.msg.Payload
		r.Properties = recordedProperties(p.msg, p.expiry, p.alias)
	case *ackPacket:
		r.PacketID, r.Code, r.Reason, r.Refusal = p.id, p.code, p.reason, p.why
	case *subscribePacket:
		r.PacketID, r.Filters = p.id, p.filters
	case *unsubscribePacket:
		r.PacketID = p.id
		for _, f := range p.filters {
			r.Filters = append(r.Filters, record.Filter{Filter: f})
		}
	case *codesPacket:
		r.PacketID, r.Granted, r.Reason, r.Refusal = p.id, p.codes, p.reason, p.why
	case *disconnectPacket:
		r.Code, r.Reason, r.SessionExpiry = p.code, p.reason, p.sessionExpiry
	}
	if r.Reason == r.Refusal {
		r.Refusal = ""
	}
	return r
}

func recordedConnect(p *connectPacket) *record.Connect {
	c := &record.Connect{
		Protocol: p.protocol, Level: byte(p.version), CleanStart: p.cleanStart, KeepAlive: p.keepAlive,
		Username: record.NormalUsername(p.username), HasPassword: p.hasPass, SessionExpiry: p.sessionExpiry,
		ReceiveMaximum: p.receiveMaximum, MaximumPacketSize: p.maximumPacketSize,
		TopicAliasMaximum: p.topicAliasMaximum,
	}
	if w := p.will; w != nil {
		c.Will = &record.Will{Topic: w.msg.Topic, Payload: w.msg.Payload, QoS: w.msg.QoS, Retain: w.msg.Retain,
			Delay: w.delay, Properties: recordedProperties(w.msg, w.msg.MessageExpiry, nil)}
	}
	return c
}

// Recorded returns the properties as the record has them; nil: there are none.
func (m *Message) Recorded() *record.Properties { return recordedProperties(m, m.MessageExpiry, nil) }

// recordedProperties returns nil when the message has none, which is the usual
// case and costs nothing.
func recordedProperties(m *Message, expiry *uint32, alias *uint16) *record.Properties {
	if m.PayloadFormat == nil && expiry == nil && m.ContentType == "" && m.ResponseTopic == "" &&
		m.CorrelationData == nil && alias == nil && len(m.UserProperties) == 0 {
		return nil
	}
	return &record.Properties{
		PayloadFormat: m.PayloadFormat, MessageExpiry: expiry, ContentType: m.ContentType,
		ResponseTopic: m.ResponseTopic, CorrelationData: m.CorrelationData, TopicAlias: alias,
		UserProperties: m.UserProperties,
	}
}
