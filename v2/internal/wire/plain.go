package wire

import (
	"bytes"
	"encoding/binary"
)

// Plain is a complete PUBLISH from a server of QoS 0 or 1 and without properties. Topic and Payload alias the packet.
type Plain struct {
	Head    byte // the first byte: type and flags
	ID      uint16
	Size    int // of the packet
	Topic   []byte
	Payload []byte
}

// QoS returns 0 or 1.
func (p *Plain) QoS() byte { return p.Head >> 1 & 1 }

// Retain returns the retain flag.
func (p *Plain) Retain() bool { return p.Head&1 != 0 }

// Dup returns the duplicate flag.
func (p *Plain) Dup() bool { return p.Head&flagDup != 0 }

// Next splits the first packet off buf, if it is such a PUBLISH. It reports false for everything else, also for what is
// incomplete, malformed or longer than max: [Next] and [ParsePublish] say what that is. It is several times as fast as
// they are. A topic that equals known, which has been checked before, is not checked again.
func (p *Plain) Next(buf []byte, max int, known []byte) bool {
	if len(buf) < 2 {
		return false
	}
	head := buf[0]
	if head>>4 != TypePublish || head&4 != 0 || head&(flagDup|2) == flagDup { // QoS 2 or 3; DUP at QoS 0
		return false
	}
	length, at := int(buf[1]), 2
	if length >= 0x80 {
		n := 0
		if length, n = readVarint(buf[1:]); n <= 0 {
			return false
		}
		at = 1 + n
	}
	size := at + length
	if size > len(buf) || max > 0 && size > max || length < 3 {
		return false
	}
	b := buf[at:size:size]
	n := int(binary.BigEndian.Uint16(b))
	need := 2 + n + 1 // with the length of no properties
	if head&2 != 0 {
		need += 2
	}
	if n == 0 || need > len(b) || b[need-1] != 0 {
		return false
	}
	topic := b[2 : 2+n : 2+n]
	if !bytes.Equal(topic, known) && (!validUTF8(topic) || hasWildcard(topic)) {
		return false
	}
	id := uint16(0)
	if head&2 != 0 {
		if id = binary.BigEndian.Uint16(b[2+n:]); id == 0 {
			return false
		}
	}
	p.Head, p.ID, p.Size, p.Topic, p.Payload = head, id, size, topic, b[need:]
	return true
}
