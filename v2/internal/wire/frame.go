package wire

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Control packet types, the high half of a packet's first byte (MQTT 5, 2.1.2).
const (
	TypeConnect byte = iota + 1
	TypeConnack
	TypePublish
	TypePuback
	TypePubrec
	TypePubrel
	TypePubcomp
	TypeSubscribe
	TypeSuback
	TypeUnsubscribe
	TypeUnsuback
	TypePingreq
	TypePingresp
	TypeDisconnect
	TypeAuth
)

// Limits of the protocol, in bytes and, for subscription identifiers, as a number.
const (
	MaxRemaining = 268_435_455      // the largest variable byte integer (MQTT 5, 1.5.5)
	MaxPacket    = MaxRemaining + 5 // the largest control packet with its fixed header
	MaxString    = 65_535           // a string or binary field (MQTT 5, 1.5.4)
)

var typeNames = [16]string{
	"packet type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// TypeName returns the specification's name of a control packet type, like "PUBLISH".
func TypeName(t byte) string { return typeNames[t&15] }

// Frame is one control packet in the buffer it was received in. Its slices alias that buffer.
type Frame struct {
	Head byte   // first byte: type and flags
	Body []byte // variable header and payload
	Raw  []byte // the whole packet
}

// Type returns the control packet type, 1 to 15 (0 is reserved and malformed).
func (f Frame) Type() byte { return f.Head >> 4 }

// Next splits the first packet off buf, without copying: it ends at len(f.Raw).
// With need > 0 the packet is incomplete: at least need bytes must be in the buffer before another call can say more;
// the number is exact as soon as the length field is there.
//
// The maximum packet size in bytes (0 or less: the protocol's [MaxPacket]) is compared with the length field, before a
// single byte of the body is waited for, so that six bytes from a peer cannot make the caller buffer 256 MiB: the error
// is then one for errors.Is(err, ErrTooLarge). A length field of more than four bytes is malformed (MQTT 5, 1.5.5). One
// that is longer than it must be breaks [MQTT5-1.5.5-1], but has only one meaning and is accepted, as elsewhere.
func Next(buf []byte, max int) (f Frame, need int, err error) {
	if len(buf) < 2 {
		return Frame{}, 2, nil
	}
	length, n := int(buf[1]), 1
	if length >= 0x80 { // most packets have one length byte
		if length, n = readVarint(buf[1:]); n <= 0 {
			if n == 0 {
				return Frame{}, len(buf) + 1, nil
			}
			return Frame{}, 0, malformed(buf[0]>>4, "the length field has more than four bytes")
		}
	}
	total := 1 + n + length
	if max > 0 && total > max {
		return Frame{}, 0, &Error{Code: CodePacketTooLarge, Packet: TypeName(buf[0] >> 4),
			Problem: fmt.Sprintf("%d bytes, the maximum packet size is %d", total, max)}
	}
	if len(buf) < total {
		return Frame{}, total, nil
	}
	// Capacity ends with the packet: an append to a part of it cannot overwrite the next packet.
	return Frame{Head: buf[0], Body: buf[1+n : total : total], Raw: buf[:total:total]}, 0, nil
}

// readVarint reads a variable byte integer and the number of bytes it takes: 0 when b ends before it does, -1 when a
// fifth byte would follow.
func readVarint(b []byte) (v, n int) {
	for i := range 4 {
		if i >= len(b) {
			return 0, 0
		}
		v |= int(b[i]&0x7F) << (7 * i)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, -1
}

func varintLen(v int) int {
	switch {
	case v < 1<<7:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<21:
		return 3
	}
	return 4
}

func appendVarint(dst []byte, v int) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// validUTF8 is the rule of MQTT for every string: valid UTF-8 (which leaves surrogates out) [MQTT5-1.5.4-1] without
// U+0000 [MQTT5-1.5.4-2]. The characters the specification only advises against pass: a message of somebody else's must
// not cost this client its connection.
func validUTF8(b []byte) bool { return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) }

// hasWildcard reports a character no topic name may hold [MQTT5-3.3.2-2].
func hasWildcard(b []byte) bool { return bytes.IndexByte(b, '#') >= 0 || bytes.IndexByte(b, '+') >= 0 }
