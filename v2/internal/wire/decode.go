package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/eclipse/paho.golang/packets"
)

// Decode decodes what a server may send beside PUBLISH and PUBACK: a *Connack, *Suback, *Unsuback, *Disconnect or
// Pingresp, which own their memory. Everything else is an *Error, also PUBLISH and PUBACK, for which ParsePublish and
// ParseAck are there: where Decode is called for them (before the CONNACK) they are a protocol error.
func Decode(f Frame) (any, error) {
	t := f.Type()
	switch t {
	case TypeConnack, TypeSuback, TypeUnsuback, TypePingresp, TypeDisconnect:
	case 0:
		return nil, malformed(t, "reserved")
	case TypePublish, TypePuback:
		return nil, protocolError(t, "not expected now")
	case TypePubrec, TypePubrel, TypePubcomp:
		return nil, protocolError(t, "belongs to QoS 2, which this client does not use")
	case TypeAuth: // [MQTT5-4.12.0-6]
		return nil, protocolError(t, "no authentication method was given in CONNECT")
	default:
		return nil, protocolError(t, "a server must not send it")
	}
	if f.Head&0x0F != 0 { // [MQTT5-2.1.3-1]
		return nil, malformed(t, "reserved bits 0x%X in the first byte", f.Head&0x0F)
	}
	switch t {
	case TypeConnack:
		return decodeConnack(f.Body)
	case TypeSuback:
		return decodeSuback(f.Body)
	case TypeUnsuback:
		return decodeUnsuback(f.Body)
	case TypeDisconnect:
		return decodeDisconnect(f.Body)
	}
	if len(f.Body) > 0 {
		return nil, malformed(t, "%d bytes after the end", len(f.Body))
	}
	return Pingresp{}, nil
}

// unpack decodes a body whose property block begins at props. It checks the block before paho sees it, because paho
// takes a block that is cut off, lets the last of repeated properties win and ends a cut integer with zeros. User
// properties are decoded here and cut out: paho would spend more than a kilobyte on each, however short.
// It returns the user properties and the number of bytes after the block.
func unpack(t byte, body []byte, props int, into packets.Packet) (user []UserProperty, after int, err error) {
	block, rest, err := splitProps(t, body[props:])
	if err != nil {
		return nil, 0, err
	}
	users, cut := 0, 0
	check := propIter{block: block, packet: t}
	for check.next() {
		if check.id == propUser {
			users++
			cut += check.whole.to - check.whole.from
		}
	}
	if check.err != nil {
		return nil, 0, check.err
	}
	if users > 0 {
		user = make([]UserProperty, 0, users)
		short := appendVarint(append(make([]byte, 0, len(body)), body[:props]...), len(block)-cut)
		text := string(block)
		for it := (propIter{block: block, packet: t}); it.next(); {
			if it.id == propUser {
				user = append(user, UserProperty{text[it.a.from:it.a.to], text[it.b.from:it.b.to]})
			} else {
				short = append(short, it.bytes(it.whole)...)
			}
		}
		body = append(short, rest...)
	}
	if err := into.Unpack(bytes.NewBuffer(body)); err != nil {
		return nil, 0, malformed(t, "%v", err)
	}
	return user, len(rest), nil
}

// The decoders return any and not their own type, so that their nil is one that == nil sees.

func decodeConnack(b []byte) (any, error) {
	if len(b) < 2 {
		return nil, malformed(TypeConnack, "it ends before the reason code")
	}
	if b[0] > 1 { // [MQTT5-3.2.2-1]
		return nil, malformed(TypeConnack, "reserved bits in the acknowledge flags 0x%02X", b[0])
	}
	if len(b) == 2 { // what a server of MQTT 3.1.1 answers to a version it does not know
		return nil, malformed(TypeConnack, "no properties (return code %d): an answer of MQTT 3.1.1, not of MQTT 5", b[1])
	}
	var p packets.Connack
	p.Properties = &packets.Properties{}
	user, after, err := unpack(TypeConnack, b, 2, &p)
	if err != nil {
		return nil, err
	}
	if after > 0 {
		return nil, malformed(TypeConnack, "%d bytes after the end", after)
	}
	if p.SessionPresent && p.ReasonCode != 0 { // [MQTT5-3.2.2-6]
		return nil, protocolError(TypeConnack, "session present with reason code 0x%02X", p.ReasonCode)
	}
	q := p.Properties
	return &Connack{
		SessionPresent: p.SessionPresent, Code: p.ReasonCode,
		SessionExpiry: q.SessionExpiryInterval, ReceiveMaximum: q.ReceiveMaximum, MaximumQoS: q.MaximumQOS,
		RetainAvailable: flagBool(q.RetainAvailable), MaximumPacketSize: q.MaximumPacketSize,
		AssignedClientID: q.AssignedClientID, TopicAliasMaximum: q.TopicAliasMaximum, Reason: q.ReasonString, User: user,
		WildcardSubscriptionsAvailable: flagBool(q.WildcardSubAvailable), SubscriptionIDsAvailable: flagBool(q.SubIDAvailable),
		SharedSubscriptionsAvailable: flagBool(q.SharedSubAvailable), ServerKeepAlive: q.ServerKeepAlive,
		ResponseInformation: q.ResponseInfo, ServerReference: q.ServerReference,
	}, nil
}

func flagBool(b *byte) *bool {
	if b == nil {
		return nil
	}
	return new(*b != 0)
}

func decodeSuback(b []byte) (any, error) {
	p := packets.Suback{Properties: &packets.Properties{}}
	user, err := unpackCodes(TypeSuback, b, &p)
	if err != nil {
		return nil, err
	}
	// Paho's reasons alias the frame.
	return &Suback{p.PacketID, bytes.Clone(p.Reasons), p.Properties.ReasonString, user}, nil
}

func decodeUnsuback(b []byte) (any, error) {
	p := packets.Unsuback{Properties: &packets.Properties{}}
	user, err := unpackCodes(TypeUnsuback, b, &p)
	if err != nil {
		return nil, err
	}
	return &Unsuback{p.PacketID, bytes.Clone(p.Reasons), p.Properties.ReasonString, user}, nil
}

// unpackCodes is unpack for SUBACK and UNSUBACK, which are built alike.
func unpackCodes(t byte, b []byte, into packets.Packet) ([]UserProperty, error) {
	if len(b) < 2 {
		return nil, malformed(t, "it ends before the packet identifier")
	}
	if binary.BigEndian.Uint16(b) == 0 {
		return nil, protocolError(t, "packet identifier 0")
	}
	user, codes, err := unpack(t, b, 2, into)
	if err == nil && codes == 0 { // [MQTT5-3.8.4-6], [MQTT5-3.11.3-1]: one for each filter
		err = protocolError(t, "no reason code")
	}
	return user, err
}

func decodeDisconnect(b []byte) (any, error) {
	switch len(b) {
	case 0: // code 0; paho takes it for an error (MQTT 5, 3.14.2.1)
		return &Disconnect{}, nil
	case 1:
		return &Disconnect{Code: b[0]}, nil
	}
	p := packets.Disconnect{Properties: &packets.Properties{}}
	user, after, err := unpack(TypeDisconnect, b, 1, &p)
	if err != nil {
		return nil, err
	}
	if after > 0 {
		return nil, malformed(TypeDisconnect, "%d bytes after the end", after)
	}
	return &Disconnect{Code: p.ReasonCode, Reason: p.Properties.ReasonString,
		ServerReference: p.Properties.ServerReference, User: user}, nil
}
