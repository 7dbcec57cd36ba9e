// Package frame is the little of MQTT that the two ends of a measurement need:
// where a control packet ends, and how a PUBLISH without properties is
// written. It is deliberately not the codec of the product: what measures must
// not share its faults or its speed with what is measured.
package frame

import "errors"

// Packet types, in the upper four bits of the first byte [MQTT5-2.1.2].
const (
	Connect     = 1
	Connack     = 2
	Publish     = 3
	Puback      = 4
	Subscribe   = 8
	Suback      = 9
	Unsubscribe = 10
	Unsuback    = 11
	Pingreq     = 12
	Pingresp    = 13
	Disconnect  = 14
)

// ErrLength is a remaining length of more than four bytes [MQTT5-1.5.5-1], or
// one beyond the limit given to Next.
var ErrLength = errors.New("frame: remaining length too large")

// Next finds the first control packet in b. It returns the size of its fixed
// header and of the whole packet, in bytes. total is 0 while the length field
// is incomplete; total may be larger than len(b), then more must be read.
// A packet larger than limit bytes is refused with ErrLength before anybody
// makes room for it.
func Next(b []byte, limit int) (header, total int, err error) {
	length := 0
	for i := 1; i < len(b); i++ {
		if i > 4 {
			return 0, 0, ErrLength
		}
		length |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] < 0x80 {
			if total = i + 1 + length; total > limit {
				return 0, 0, ErrLength
			}
			return i + 1, total, nil
		}
	}
	if len(b) > 4 { // four bytes, each with its continuation bit
		return 0, 0, ErrLength
	}
	return 0, 0, nil
}

// AppendLength appends n as a variable byte integer [MQTT5-1.5.5].
func AppendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// AppendPublish appends a PUBLISH. id is used at QoS 1 only; v5 adds the empty
// property block that MQTT 3.1.1 does not have.
func AppendPublish(b []byte, v5 bool, qos byte, topic string, id uint16, payload []byte) []byte {
	n := 2 + len(topic) + len(payload)
	if qos > 0 {
		n += 2
	}
	if v5 {
		n++
	}
	b = append(b, Publish<<4|qos<<1)
	b = AppendLength(b, n)
	b = append(b, byte(len(topic)>>8), byte(len(topic)))
	b = append(b, topic...)
	if qos > 0 {
		b = append(b, byte(id>>8), byte(id))
	}
	if v5 {
		b = append(b, 0)
	}
	return append(b, payload...)
}
