package wire

import (
	"encoding/binary"
)

// Property identifiers (MQTT 5, 2.2.2.2).
const (
	propPayloadFormat      = 0x01
	propMessageExpiry      = 0x02
	propContentType        = 0x03
	propResponseTopic      = 0x08
	propCorrelationData    = 0x09
	propSubscriptionID     = 0x0B
	propSessionExpiry      = 0x11
	propAssignedClientID   = 0x12
	propServerKeepAlive    = 0x13
	propWillDelay          = 0x18
	propResponseInfo       = 0x1A
	propServerReference    = 0x1C
	propReasonString       = 0x1F
	propReceiveMaximum     = 0x21
	propTopicAliasMaximum  = 0x22
	propTopicAlias         = 0x23
	propMaximumQoS         = 0x24
	propRetainAvailable    = 0x25
	propUser               = 0x26
	propMaximumPacketSize  = 0x27
	propWildcardAvailable  = 0x28
	propSubIDsAvailable    = 0x29
	propSharedSubAvailable = 0x2A
)

type propKind uint8

const (
	kindNone    propKind = iota // no such property
	kindFlag                    // one byte, 0 or 1
	kindUint16                  //
	kindUint32                  //
	kindVarint                  // variable byte integer
	kindString                  // UTF-8
	kindBinary                  //
	kindPair                    // two UTF-8 strings
	kindNonZero propKind = 0x80 // or-ed: a number that must not be 0
)

const (
	inConnack    = 1 << TypeConnack
	inPublish    = 1 << TypePublish
	inPuback     = 1 << TypePuback
	inSuback     = 1 << TypeSuback
	inUnsuback   = 1 << TypeUnsuback
	inDisconnect = 1 << TypeDisconnect
	inAny        = inConnack | inPublish | inPuback | inSuback | inUnsuback | inDisconnect
)

// propTable says for every property how it is encoded, which packets from a server may hold it and where it may be
// repeated. CONNACK has no authentication method and data: this client never asks for them [MQTT5-4.12.0-6].
// DISCONNECT has no session expiry: only a client may send it there [MQTT5-3.14.2-2].
var propTable = [...]struct {
	name   string
	kind   propKind
	in     uint16 // packets that may hold it
	repeat uint16 // packets that may hold it more than once
}{
	propPayloadFormat:      {"payload format indicator", kindFlag, inPublish, 0},
	propMessageExpiry:      {"message expiry interval", kindUint32, inPublish, 0},
	propContentType:        {"content type", kindString, inPublish, 0},
	propResponseTopic:      {"response topic", kindString, inPublish, 0},
	propCorrelationData:    {"correlation data", kindBinary, inPublish, 0},
	propSubscriptionID:     {"subscription identifier", kindVarint | kindNonZero, inPublish, inPublish},
	propSessionExpiry:      {"session expiry interval", kindUint32, inConnack, 0},
	propAssignedClientID:   {"assigned client identifier", kindString, inConnack, 0},
	propServerKeepAlive:    {"server keep alive", kindUint16, inConnack, 0},
	propResponseInfo:       {"response information", kindString, inConnack, 0},
	propServerReference:    {"server reference", kindString, inConnack | inDisconnect, 0},
	propReasonString:       {"reason string", kindString, inAny &^ inPublish, 0},
	propReceiveMaximum:     {"receive maximum", kindUint16 | kindNonZero, inConnack, 0},
	propTopicAliasMaximum:  {"topic alias maximum", kindUint16, inConnack, 0},
	propTopicAlias:         {"topic alias", kindUint16 | kindNonZero, inPublish, 0},
	propMaximumQoS:         {"maximum QoS", kindFlag, inConnack, 0},
	propRetainAvailable:    {"retain available", kindFlag, inConnack, 0},
	propUser:               {"user property", kindPair, inAny, inAny},
	propMaximumPacketSize:  {"maximum packet size", kindUint32 | kindNonZero, inConnack, 0},
	propWildcardAvailable:  {"wildcard subscription available", kindFlag, inConnack, 0},
	propSubIDsAvailable:    {"subscription identifier available", kindFlag, inConnack, 0},
	propSharedSubAvailable: {"shared subscription available", kindFlag, inConnack, 0},
}

// span is a part of a property block: block[from:to].
type span struct{ from, to int }

// propIter walks a property block and checks everything that does not need the rest of the packet: bounds, identifier,
// repetition, UTF-8, ranges. It allocates only an error.
type propIter struct {
	block  []byte
	packet byte
	pos    int
	seen   uint64 // bit per identifier

	id    byte   // the property next found
	whole span   // with its identifier
	num   uint32 // kindFlag, kindUint16, kindUint32, kindVarint
	a, b  span   // kindString, kindBinary: a; kindPair: a is the name, b the value
	err   error
}

// next moves to the next property. It returns false at the end and at the first error (it.err).
func (it *propIter) next() bool {
	if it.err != nil || it.pos >= len(it.block) {
		return false
	}
	it.whole.from = it.pos
	id := it.block[it.pos]
	it.pos++
	if int(id) >= len(propTable) || propTable[id].in&(1<<it.packet) == 0 {
		return it.fail(CodeMalformed, id, "is not allowed in this packet")
	}
	p := &propTable[id]
	if bit := uint64(1) << id; it.seen&bit == 0 {
		it.seen |= bit
	} else if p.repeat&(1<<it.packet) == 0 {
		return it.fail(CodeProtocolError, id, "is there more than once")
	}
	it.id = id
	rest := it.block[it.pos:]
	n, ok := 0, true
	switch p.kind &^ kindNonZero {
	case kindFlag:
		if n = 1; len(rest) >= n {
			if it.num = uint32(rest[0]); it.num > 1 {
				return it.fail(CodeProtocolError, id, "must be 0 or 1")
			}
		}
	case kindUint16:
		if n = 2; len(rest) >= n {
			it.num = uint32(binary.BigEndian.Uint16(rest))
		}
	case kindUint32:
		if n = 4; len(rest) >= n {
			it.num = binary.BigEndian.Uint32(rest)
		}
	case kindVarint:
		var v int
		if v, n = readVarint(rest); n < 0 {
			return it.fail(CodeMalformed, id, "has more than four bytes")
		}
		it.num, ok = uint32(v), n > 0
	case kindString, kindBinary:
		it.a, n, ok = it.field(it.pos)
	case kindPair:
		var m int
		if it.a, n, ok = it.field(it.pos); ok {
			it.b, m, ok = it.field(it.pos + n)
			n += m
		}
	}
	if !ok || n > len(rest) {
		return it.fail(CodeMalformed, id, "is cut off")
	}
	it.pos += n
	it.whole.to = it.pos
	switch p.kind {
	case kindString:
		ok = validUTF8(it.bytes(it.a))
	case kindPair:
		ok = validUTF8(it.bytes(it.a)) && validUTF8(it.bytes(it.b))
	}
	if !ok {
		return it.fail(CodeMalformed, id, "is not valid UTF-8 without U+0000")
	}
	if p.kind&kindNonZero != 0 && it.num == 0 {
		if id == propTopicAlias {
			return it.fail(CodeTopicAliasInvalid, id, "must not be 0")
		}
		return it.fail(CodeProtocolError, id, "must not be 0")
	}
	return true
}

// field finds a two-byte length and what it counts; n is the size of both.
func (it *propIter) field(pos int) (s span, n int, ok bool) {
	if len(it.block)-pos < 2 {
		return span{}, 0, false
	}
	size := int(binary.BigEndian.Uint16(it.block[pos:]))
	if len(it.block)-pos-2 < size {
		return span{}, 0, false
	}
	return span{pos + 2, pos + 2 + size}, 2 + size, true
}

func (it *propIter) bytes(s span) []byte { return it.block[s.from:s.to] }

func (it *propIter) fail(code, id byte, problem string) bool {
	e := malformed(it.packet, "property 0x%02X %s", id, problem)
	if int(id) < len(propTable) && propTable[id].name != "" {
		e = malformed(it.packet, "%s (property 0x%02X) %s", propTable[id].name, id, problem)
	}
	e.Code = code
	it.err = e
	return false
}

// splitProps cuts the property block, which starts with its length, from what follows it.
func splitProps(packet byte, b []byte) (block, rest []byte, err error) {
	size, n := readVarint(b)
	switch {
	case n < 0:
		return nil, nil, malformed(packet, "the property length has more than four bytes")
	case n == 0:
		return nil, nil, malformed(packet, "it ends before the property length")
	case len(b)-n < size:
		return nil, nil, malformed(packet, "property length %d, but only %d bytes follow", size, len(b)-n)
	}
	return b[n : n+size], b[n+size:], nil
}
