package wire

import (
	"encoding/binary"
	"slices"
)

const flagDup = 0x08

// InPublish is a received PUBLISH. Topic and Payload alias the frame; Props owns its memory.
type InPublish struct {
	Topic       []byte // empty when Props.TopicAlias stands for it
	ID          uint16 // 0 at QoS 0
	QoS         byte   // 0 to 2
	Retain, Dup bool
	Payload     []byte
	Props       *Properties // nil when there are none
}

// PublishSize returns the size in bytes of the packet that AppendPublish encodes. p nil means no properties.
func PublishSize(topicLen int, qos byte, p *Properties, payloadLen int) int {
	_, n := publishSizes(topicLen, qos, p, payloadLen)
	return 1 + varintLen(n) + n
}

// publishSizes returns the length of the property block and the remaining length.
func publishSizes(topicLen int, qos byte, p *Properties, payloadLen int) (props, remaining int) {
	remaining = 2 + topicLen + payloadLen
	if qos > 0 {
		remaining += 2
	}
	if p == nil {
		return 0, remaining + 1
	}
	props = p.size()
	return props, remaining + varintLen(props) + props
}

// CheckPublish returns an *Error for what AppendPublish cannot encode or a client must not send: a topic name with
// wildcards, an empty one without topic alias, strings that are too long or not MQTT strings, QoS 3, a packet above
// the protocol's maximum size. It does not know the limits the server announced.
func CheckPublish(topic string, qos byte, p *Properties, payloadLen int) error {
	if qos > 2 {
		return malformed(TypePublish, "QoS %d", qos)
	}
	if topic != "" || p == nil || p.TopicAlias == 0 { // 3.3.2.1
		if err := checkTopicName(TypePublish, "topic name", topic); err != nil {
			return err
		}
	}
	if p != nil {
		if err := p.check(TypePublish); err != nil {
			return err
		}
	}
	if n := PublishSize(len(topic), qos, p, payloadLen); n > MaxPacket {
		return tooLarge(TypePublish, n)
	}
	return nil
}

// AppendPublish encodes a PUBLISH at the end of dst and allocates only to make dst larger. For QoS 0, id and dup are
// ignored. The arguments are not checked: they must pass [CheckPublish].
func AppendPublish(dst []byte, topic string, qos byte, retain, dup bool, id uint16, p *Properties, payload []byte) []byte {
	props, remaining := publishSizes(len(topic), qos, p, len(payload))
	head := TypePublish<<4 | qos<<1
	if retain {
		head |= 1
	}
	if dup && qos > 0 { // [MQTT5-3.3.1-2]
		head |= flagDup
	}
	dst = slices.Grow(dst, 5+remaining)
	dst = appendVarint(append(dst, head), remaining)
	dst = appendField(dst, topic)
	if qos > 0 {
		dst = append(dst, byte(id>>8), byte(id))
	}
	if props == 0 {
		dst = append(dst, 0)
	} else {
		dst = p.append(appendVarint(dst, props))
	}
	return append(dst, payload...)
}

// ParsePublish decodes a PUBLISH from a server. It does not allocate when the packet has no properties. Errors are
// *Error: bad flags, QoS 3, packet identifier 0, a topic name that has wildcards or is no MQTT string or is empty
// without a topic alias, properties that are cut off, repeated or out of place. QoS 2 parses; whether it is welcome is
// the caller's question, as is whether a topic alias is known.
func ParsePublish(f Frame, p *InPublish) error {
	*p = InPublish{}
	if f.Type() != TypePublish {
		return protocolError(f.Type(), "expected a PUBLISH")
	}
	p.QoS, p.Retain, p.Dup = f.Head>>1&3, f.Head&1 != 0, f.Head&flagDup != 0
	switch {
	case p.QoS == 3: // [MQTT5-3.3.1-4]
		return malformed(TypePublish, "QoS 3")
	case p.Dup && p.QoS == 0: // [MQTT5-3.3.1-2]
		return malformed(TypePublish, "the duplicate flag is set at QoS 0")
	}
	b := f.Body
	if len(b) < 2 {
		return malformed(TypePublish, "it ends before the topic name")
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < n {
		return malformed(TypePublish, "topic name of %d bytes, but only %d follow", n, len(b))
	}
	p.Topic, b = b[:n:n], b[n:]
	if !validUTF8(p.Topic) {
		return malformed(TypePublish, "the topic name is not valid UTF-8 without U+0000")
	}
	if hasWildcard(p.Topic) { // [MQTT5-3.3.2-2]
		return malformed(TypePublish, "the topic name has a wildcard")
	}
	if p.QoS > 0 {
		if len(b) < 2 {
			return malformed(TypePublish, "it ends before the packet identifier")
		}
		if p.ID, b = binary.BigEndian.Uint16(b), b[2:]; p.ID == 0 { // [MQTT5-2.2.1-4]
			return protocolError(TypePublish, "packet identifier 0")
		}
	}
	if len(b) > 0 && b[0] == 0 { // no properties, the usual case
		p.Payload = b[1:]
	} else {
		block, rest, err := splitProps(TypePublish, b)
		if err != nil {
			return err
		}
		p.Payload = rest
		if len(block) > 0 {
			if p.Props, err = parsePublishProps(block); err != nil {
				return err
			}
		}
	}
	if n == 0 && (p.Props == nil || p.Props.TopicAlias == 0) { // 3.3.2.1
		return protocolError(TypePublish, "neither a topic name nor a topic alias")
	}
	return nil
}

// SetDup sets the duplicate flag of an encoded PUBLISH of QoS > 0, for a retransmission [MQTT5-3.3.1-1].
func SetDup(packet []byte) {
	if idOffset(packet) > 0 {
		packet[0] |= flagDup
	}
}

// ClearDup clears the duplicate flag of an encoded PUBLISH: in a new session a message is sent for the first time.
func ClearDup(packet []byte) {
	if idOffset(packet) > 0 {
		packet[0] &^= flagDup
	}
}

// SetPublishID rewrites the packet identifier of an encoded PUBLISH of QoS > 0 in place. It leaves other packets alone.
func SetPublishID(packet []byte, id uint16) {
	if i := idOffset(packet); i > 0 {
		binary.BigEndian.PutUint16(packet[i:], id)
	}
}

// idOffset finds the packet identifier of an encoded PUBLISH of QoS > 0; 0 when packet is none.
func idOffset(packet []byte) int {
	if len(packet) < 2 || packet[0]>>4 != TypePublish || packet[0]&0x06 == 0 {
		return 0
	}
	_, n := readVarint(packet[1:])
	if n <= 0 || len(packet) < 1+n+2 {
		return 0
	}
	i := 1 + n + 2 + int(binary.BigEndian.Uint16(packet[1+n:]))
	if len(packet) < i+2 {
		return 0
	}
	return i
}
