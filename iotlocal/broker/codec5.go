package broker

import (
	"bytes"
	"fmt"

	paho "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// codec5 is MQTT 5 on paho.golang/packets.
type codec5 struct{}

func (codec5) decode(header byte, body []byte, s *scratch) (packet, error) {
	t := wire.PacketType(header >> 4)
	switch t {
	case wire.PUBLISH:
		return s.publish(wire.MQTT5, header, body), nil
	case wire.PUBACK:
		if p := s.acked(body); p != nil {
			return p, nil
		}
	}
	cp := paho.NewControlPacket(byte(t))
	if cp == nil {
		return nil, malformed("packet type %d", byte(t))
	}
	// The codec cannot read a DISCONNECT without a reason code [MQTT5-3.14.2.1].
	if !(t == wire.DISCONNECT && len(body) == 0) {
		if err := cp.Content.Unpack(bytes.NewBuffer(body)); err != nil {
			return nil, malformed("%v: %v", t, err)
		}
	}
	switch p := cp.Content.(type) {
	case *paho.Connect:
		return connect5(p), nil
	case *paho.Puback:
		return &ackPacket{id: p.PacketID, code: wire.Code(p.ReasonCode), reason: p.Properties.ReasonString}, nil
	case *paho.Subscribe:
		s := &subscribePacket{id: p.PacketID, subID: p.Properties.SubscriptionIdentifier != nil}
		for _, o := range p.Subscriptions {
			s.filters = append(s.filters, record.Filter{Filter: o.Topic, QoS: o.QoS, NoLocal: o.NoLocal,
				RetainAsPublished: o.RetainAsPublished, RetainHandling: o.RetainHandling})
		}
		return s, nil
	case *paho.Unsubscribe:
		return &unsubscribePacket{id: p.PacketID, filters: p.Topics}, nil
	case *paho.Pingreq:
		return pingPacket{wire.PINGREQ}, nil
	case *paho.Disconnect:
		return &disconnectPacket{code: wire.Code(p.ReasonCode), reason: p.Properties.ReasonString,
			sessionExpiry: p.Properties.SessionExpiryInterval}, nil
	}
	return otherPacket{t}, nil
}

func connect5(p *paho.Connect) *connectPacket {
	pr := p.Properties
	c := &connectPacket{
		protocol: p.ProtocolName, version: wire.Version(p.ProtocolVersion), cleanStart: p.CleanStart,
		keepAlive: p.KeepAlive, clientID: p.ClientID, username: p.Username, password: p.Password,
		hasUser: p.UsernameFlag, hasPass: p.PasswordFlag, sessionExpiry: pr.SessionExpiryInterval,
		receiveMaximum: pr.ReceiveMaximum, maximumPacketSize: pr.MaximumPacketSize,
		topicAliasMaximum: pr.TopicAliasMaximum, authMethod: pr.AuthMethod,
		noProblemInfo: pr.RequestProblemInfo != nil && *pr.RequestProblemInfo == 0,
	}
	if p.WillFlag {
		m := message5(p.WillTopic, p.WillMessage, p.WillProperties)
		m.QoS, m.Retain = p.WillQOS, p.WillRetain
		c.will = &will{msg: m}
		if d := p.WillProperties.WillDelayInterval; d != nil {
			c.will.delay = *d
		}
	}
	return c
}

func message5(topic string, payload []byte, pr *paho.Properties) *Message {
	m := &Message{Topic: topic, Payload: payload, PayloadFormat: pr.PayloadFormat, MessageExpiry: pr.MessageExpiry,
		ContentType: pr.ContentType, ResponseTopic: pr.ResponseTopic, CorrelationData: pr.CorrelationData}
	for _, u := range pr.User {
		m.UserProperties = append(m.UserProperties, record.UserProperty{Name: u.Key, Value: u.Value})
	}
	return m
}

func (codec5) encode(b *bytes.Buffer, p packet) (bool, error) {
	var content paho.Packet
	switch p := p.(type) {
	case rawPacket:
		b.Write(p.data)
		return true, nil
	case *connackPacket:
		content = connack5(p)
	case *publishPacket:
		b.Write(appendPublish(b.AvailableBuffer(), wire.MQTT5, p))
		return true, nil
	case *ackPacket:
		b.Write(appendAck(b.AvailableBuffer(), p))
		return true, nil
	case *codesPacket:
		if p.typ == wire.SUBACK {
			content = &paho.Suback{PacketID: p.id, Reasons: codeBytes(p.codes), Properties: reason5(p.reason)}
		} else {
			content = &paho.Unsuback{PacketID: p.id, Reasons: codeBytes(p.codes), Properties: reason5(p.reason)}
		}
	case pingPacket:
		content = &paho.Pingresp{}
	case *disconnectPacket:
		content = &paho.Disconnect{ReasonCode: byte(p.code), Properties: reason5(p.reason)}
	default:
		return false, fmt.Errorf("iotlocal: a server does not send %v", p.kind())
	}
	_, err := content.WriteTo(b)
	return true, err
}

func connack5(p *connackPacket) *paho.Connack {
	pr := &paho.Properties{ReasonString: p.reason}
	if c := p.connack; !p.code.IsError() && c != nil {
		zero, one := byte(0), byte(1)
		pr.AssignedClientID, pr.ServerKeepAlive, pr.SessionExpiryInterval = c.AssignedClientID, c.ServerKeepAlive, c.SessionExpiry
		pr.ReceiveMaximum, pr.MaximumPacketSize, pr.TopicAliasMaximum = c.ReceiveMaximum, c.MaximumPacketSize, c.TopicAliasMaximum
		pr.MaximumQOS, pr.RetainAvailable, pr.WildcardSubAvailable, pr.SharedSubAvailable = &one, &one, &one, &one
		pr.SubIDAvailable = &zero
	}
	return &paho.Connack{SessionPresent: p.sessionPresent, ReasonCode: byte(p.code), Properties: pr}
}

func reason5(s string) *paho.Properties { return &paho.Properties{ReasonString: s} }

func codeBytes(cs []wire.Code) []byte {
	b := make([]byte, len(cs))
	for i, c := range cs {
		b[i] = byte(c)
	}
	return b
}
