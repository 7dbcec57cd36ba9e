package broker

import (
	"bytes"
	"cmp"
	"fmt"

	paho "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// codec3 is MQTT 3.1.1, and 3.1 which differs in CONNECT only, on
// paho.mqtt.golang/packets.
type codec3 struct{ version wire.Version }

func (c codec3) decode(header byte, body []byte, s *scratch) (packet, error) {
	switch wire.PacketType(header >> 4) {
	case wire.PUBLISH:
		return s.publish(c.version, header, body), nil
	case wire.PUBACK:
		return s.acked(body), nil // checkFrame: there is nothing but the identifier
	}
	fh := paho.FixedHeader{MessageType: header >> 4, Dup: header&8 != 0, Qos: header >> 1 & 3,
		Retain: header&1 != 0, RemainingLength: len(body)}
	cp, err := paho.NewControlPacketWithHeader(fh)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if err := cp.Unpack(bytes.NewBuffer(body)); err != nil {
		return nil, malformed("%v: %v", wire.PacketType(fh.MessageType), err)
	}
	switch p := cp.(type) {
	case *paho.ConnectPacket:
		return connect3(p), nil
	case *paho.SubscribePacket:
		s := &subscribePacket{id: p.MessageID}
		for i, t := range p.Topics {
			s.filters = append(s.filters, record.Filter{Filter: t, QoS: p.Qoss[i]})
		}
		return s, nil
	case *paho.UnsubscribePacket:
		return &unsubscribePacket{id: p.MessageID, filters: p.Topics}, nil
	case *paho.PingreqPacket:
		return pingPacket{wire.PINGREQ}, nil
	case *paho.DisconnectPacket:
		return &disconnectPacket{}, nil
	}
	return otherPacket{wire.PacketType(fh.MessageType)}, nil
}

func connect3(p *paho.ConnectPacket) *connectPacket {
	c := &connectPacket{
		protocol: p.ProtocolName, version: wire.Version(p.ProtocolVersion), cleanStart: p.CleanSession,
		keepAlive: p.Keepalive, clientID: p.ClientIdentifier, username: p.Username, password: p.Password,
		hasUser: p.UsernameFlag, hasPass: p.PasswordFlag,
	}
	if p.WillFlag {
		c.will = &will{msg: &Message{Topic: p.WillTopic, Payload: p.WillMessage, QoS: p.WillQos, Retain: p.WillRetain}}
	}
	return c
}

func (c codec3) encode(b *bytes.Buffer, p packet) (bool, error) {
	switch p := p.(type) {
	case rawPacket:
		b.Write(p.data)
		return true, nil
	case *connackPacket:
		out := paho.NewControlPacket(paho.Connack).(*paho.ConnackPacket)
		out.ReturnCode = p.code.ConnackV3()
		// MQTT 3.1 has no session present flag: the byte is reserved.
		out.SessionPresent = p.sessionPresent && c.version == wire.MQTT311
		return true, out.Write(b)
	case *publishPacket:
		b.Write(appendPublish(b.AvailableBuffer(), c.version, p))
		return true, nil
	case *ackPacket:
		b.Write([]byte{byte(wire.PUBACK) << 4, 2, byte(p.id >> 8), byte(p.id)})
		return true, nil
	case *codesPacket:
		if p.typ == wire.UNSUBACK {
			out := paho.NewControlPacket(paho.Unsuback).(*paho.UnsubackPacket)
			out.MessageID = p.id
			return true, out.Write(b)
		}
		out := paho.NewControlPacket(paho.Suback).(*paho.SubackPacket)
		out.MessageID = p.id
		for _, code := range p.codes {
			if code.IsError() {
				code = 0x80 // the one failure 3.1.1 knows [MQTT-3.9.3-2]
			}
			out.ReturnCodes = append(out.ReturnCodes, byte(code))
		}
		return true, out.Write(b)
	case pingPacket:
		return true, paho.NewControlPacket(paho.Pingresp).Write(b)
	case *disconnectPacket:
		return false, nil // [MQTT-3.14]: client to server only
	}
	return false, fmt.Errorf("iotlocal: a server does not send %v", p.kind())
}

// asWritten3 takes out of a record what 3.1.1 has no place for, so that the
// record shows what the client was told.
func asWritten3(r *record.Packet) {
	r.Refusal = cmp.Or(r.Refusal, r.Reason)
	r.Reason, r.Properties = "", nil
	switch r.Type {
	case wire.CONNACK:
		r.Code = wire.Code(r.Code.ConnackV3())
		r.Connack = &record.Connack{SessionPresent: r.Connack.SessionPresent}
	case wire.PUBACK:
		r.Code = wire.Success
	case wire.UNSUBACK:
		r.Granted = nil
	case wire.SUBACK:
		codes := make([]wire.Code, len(r.Granted))
		for i, c := range r.Granted {
			if codes[i] = c; c.IsError() {
				codes[i] = wire.UnspecifiedError
			}
		}
		r.Granted = codes
	}
}
