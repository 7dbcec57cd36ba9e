package broker

import (
	"slices"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// willProperties stands for the property set of a will, which has no packet
// type of its own.
const willProperties wire.PacketType = 64

type propKind byte

const (
	propByte propKind = iota
	propU16
	propU32
	propVarint
	propText
	propBinary
	propPair
)

// propRule is one row of the property table [MQTT5-2.2.2.2] as far as clients
// send it.
type propRule struct {
	name string
	kind propKind
	in   []wire.PacketType
	bool bool // only 0 and 1 are legal
	non0 bool // 0 is a protocol error
}

var (
	pub     = []wire.PacketType{wire.PUBLISH, willProperties}
	con     = []wire.PacketType{wire.CONNECT}
	clients = []wire.PacketType{wire.CONNECT, willProperties, wire.PUBLISH, wire.PUBACK, wire.PUBREC, wire.PUBREL,
		wire.PUBCOMP, wire.SUBSCRIBE, wire.UNSUBSCRIBE, wire.DISCONNECT}
)

var propRules = map[byte]propRule{
	0x01: {"payload format indicator", propByte, pub, true, false},
	0x02: {"message expiry interval", propU32, pub, false, false},
	0x03: {"content type", propText, pub, false, false},
	0x08: {"response topic", propText, pub, false, false},
	0x09: {"correlation data", propBinary, pub, false, false},
	0x0B: {"subscription identifier", propVarint, []wire.PacketType{wire.SUBSCRIBE}, false, true},
	0x11: {"session expiry interval", propU32, []wire.PacketType{wire.CONNECT, wire.DISCONNECT}, false, false},
	0x15: {"authentication method", propText, con, false, false},
	0x16: {"authentication data", propBinary, con, false, false},
	0x17: {"request problem information", propByte, con, true, false},
	0x18: {"will delay interval", propU32, []wire.PacketType{willProperties}, false, false},
	0x19: {"request response information", propByte, con, true, false},
	0x1F: {"reason string", propText, []wire.PacketType{wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP, wire.DISCONNECT}, false, false},
	0x21: {"receive maximum", propU16, con, false, true},
	0x22: {"topic alias maximum", propU16, con, false, false},
	0x23: {"topic alias", propU16, []wire.PacketType{wire.PUBLISH}, false, false},
	0x26: {"user property", propPair, clients, false, false},
	0x27: {"maximum packet size", propU32, con, false, true},
}

// properties walks one property section: known, allowed in t, complete, and
// none twice but the user property [MQTT5-2.2.2.2].
func (c *cursor) properties(t wire.PacketType) {
	n := c.varint("property length")
	section := c.take(n, "properties")
	if c.err != nil {
		return
	}
	p := &cursor{b: section}
	var seen [0x30]bool
	for p.err == nil && len(p.b) > 0 {
		id := p.u8("property identifier")
		rule, known := propRules[id]
		switch {
		case !known:
			p.err = malformed("property 0x%02X is unknown or not for clients", id)
		case !slices.Contains(rule.in, t):
			p.err = violation("property %s is not allowed here", rule.name)
		case seen[id] && id != 0x26:
			p.err = violation("property %s appears twice", rule.name)
		default:
			seen[id] = true
			p.value(rule)
		}
	}
	c.err = p.err
}

func (c *cursor) value(r propRule) {
	v := uint32(1)
	switch r.kind {
	case propByte:
		v = uint32(c.u8(r.name))
	case propU16:
		v = uint32(c.u16(r.name))
	case propU32:
		v = c.u32(r.name)
	case propVarint:
		v = uint32(c.varint(r.name))
	case propText:
		c.text(r.name)
	case propBinary:
		c.binary(r.name)
	case propPair:
		c.text(r.name)
		c.text(r.name)
	}
	if c.err == nil && (r.non0 && v == 0 || r.bool && v > 1) {
		c.err = violation("property %s has value %d", r.name, v)
	}
}
