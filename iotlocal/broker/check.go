package broker

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// The codecs decode what is well formed; they do not notice much that is not:
// paho.mqtt.golang fills a truncated string with zeros, paho.golang accepts a
// property twice. Every packet of a client therefore passes the checks of this
// file first, which know the structure and nothing else. What is in order here
// is safe to hand to a codec.

// protocolError is a violation with the code for DISCONNECT or CONNACK.
type protocolError struct {
	code wire.Code
	text string
}

func (e *protocolError) Error() string {
	return fmt.Sprintf("iotlocal: %s: %v", e.text, e.code)
}

func malformed(format string, a ...any) error {
	return &protocolError{wire.MalformedPacket, fmt.Sprintf(format, a...)}
}

func violation(format string, a ...any) error {
	return &protocolError{wire.ProtocolError, fmt.Sprintf(format, a...)}
}

// cursor reads fields from a packet body; the first error sticks and makes
// every later read return zero.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n int, what string) []byte {
	if c.err != nil {
		return nil
	}
	if len(c.b) < n {
		c.err = malformed("%s needs %d bytes, %d left", what, n, len(c.b))
		return nil
	}
	f := c.b[:n:n]
	c.b = c.b[n:]
	return f
}

func (c *cursor) u8(what string) byte {
	if f := c.take(1, what); f != nil {
		return f[0]
	}
	return 0
}

func (c *cursor) u16(what string) uint16 {
	if f := c.take(2, what); f != nil {
		return uint16(f[0])<<8 | uint16(f[1])
	}
	return 0
}

func (c *cursor) binary(what string) []byte { return c.take(int(c.u16(what)), what) }

func (c *cursor) u32(what string) uint32 { return uint32(c.u16(what))<<16 | uint32(c.u16(what)) }

// text reads a UTF-8 string and checks it: no ill-formed sequence and no U+0000
// [MQTT5-1.5.4-1, 1.5.4-2].
func (c *cursor) text(what string) {
	s := c.binary(what)
	switch {
	case c.err != nil:
	case !utf8.Valid(s):
		c.err = malformed("%s is not valid UTF-8", what)
	case bytes.IndexByte(s, 0) >= 0:
		c.err = malformed("%s contains U+0000", what)
	}
}

// varint reads a variable byte integer of at most four bytes [MQTT5-1.5.5-1].
func (c *cursor) varint(what string) int {
	v, shift := 0, 0
	for range 4 {
		d := c.u8(what)
		v |= int(d&0x7F) << shift
		if d < 0x80 {
			return v
		}
		shift += 7
	}
	if c.err == nil {
		c.err = malformed("%s: variable byte integer over four bytes", what)
	}
	return 0
}

func (c *cursor) end(t wire.PacketType) error {
	if c.err == nil && len(c.b) > 0 {
		c.err = malformed("%v: %d bytes after the end", t, len(c.b))
	}
	return c.err
}

func (c *cursor) packetID(t wire.PacketType) {
	if id := c.u16("packet identifier"); c.err == nil && id == 0 {
		c.err = malformed("%v: packet identifier 0", t) // [MQTT5-2.2.1-3]
	}
}

// checkFrame verifies the structure of a packet that a client sent after
// CONNECT.
func checkFrame(v wire.Version, header byte, body []byte) error {
	t, flags := wire.PacketType(header>>4), header&0x0F
	want := byte(0)
	if t == wire.SUBSCRIBE || t == wire.UNSUBSCRIBE || t == wire.PUBREL {
		want = 2
	}
	if t != wire.PUBLISH && flags != want {
		return malformed("%v: reserved flags %04b", t, flags) // [MQTT5-2.1.3-1]
	}
	c := &cursor{b: body}
	switch t {
	case wire.PUBLISH:
		return c.publish(v, flags)
	case wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP:
		c.packetID(t)
		if v == wire.MQTT5 && len(c.b) > 0 {
			c.u8("reason code")
			if len(c.b) > 0 {
				c.properties(t)
			}
		}
		return c.end(t)
	case wire.SUBSCRIBE, wire.UNSUBSCRIBE:
		return c.filters(v, t)
	case wire.PINGREQ:
		return c.end(t)
	case wire.DISCONNECT:
		if v == wire.MQTT5 && len(c.b) > 0 {
			c.u8("reason code")
			if len(c.b) > 0 {
				c.properties(t)
			}
		}
		return c.end(t)
	case wire.AUTH:
		if v == wire.MQTT5 {
			return violation("AUTH without an authentication method") // [MQTT5-4.12.0-6]
		}
	case wire.CONNECT:
		return violation("second CONNECT") // [MQTT5-3.1.0-2]
	}
	return violation("a client does not send %v", t)
}

func (c *cursor) publish(v wire.Version, flags byte) error {
	qos := flags >> 1 & 3
	if qos == 3 {
		return malformed("PUBLISH: QoS 3") // [MQTT5-3.3.1-4]
	}
	if qos == 0 && flags&8 != 0 {
		return malformed("PUBLISH: DUP with QoS 0") // [MQTT5-3.3.1-2]
	}
	c.text("topic name")
	if qos > 0 {
		c.packetID(wire.PUBLISH)
	}
	if v == wire.MQTT5 {
		c.properties(wire.PUBLISH)
	}
	return c.err // the rest is payload
}

func (c *cursor) filters(v wire.Version, t wire.PacketType) error {
	c.packetID(t)
	if v == wire.MQTT5 {
		c.properties(t)
	}
	if c.err == nil && len(c.b) == 0 {
		return violation("%v without a topic filter", t) // [MQTT5-3.8.3-2]
	}
	for c.err == nil && len(c.b) > 0 {
		c.text("topic filter")
		if t == wire.UNSUBSCRIBE {
			continue
		}
		o := c.u8("subscription options")
		switch {
		case c.err != nil:
		case o&3 == 3:
			return violation("SUBSCRIBE: QoS 3")
		case v != wire.MQTT5 && o&0xFC != 0, o&0xC0 != 0:
			return malformed("SUBSCRIBE: reserved option bits %08b", o) // [MQTT5-3.8.3-5]
		case o&0x30 == 0x30:
			return violation("SUBSCRIBE: retain handling 3")
		}
	}
	return c.end(t)
}

// connectVersion reads protocol name and level, which decide the codec.
func connectVersion(body []byte) (name string, level byte, err error) {
	c := &cursor{b: body}
	name = string(c.binary("protocol name"))
	level = c.u8("protocol level")
	return name, level, c.err
}

// checkConnect verifies the structure of a CONNECT of version v.
func checkConnect(v wire.Version, header byte, body []byte) error {
	if header&0x0F != 0 {
		return malformed("CONNECT: reserved flags %04b", header&0x0F)
	}
	c := &cursor{b: body}
	c.text("protocol name")
	c.u8("protocol level")
	f := c.u8("connect flags")
	willFlag, willQoS, willRetain := f&4 != 0, f>>3&3, f&0x20 != 0
	user, pass := f&0x80 != 0, f&0x40 != 0
	switch {
	case c.err != nil:
	case f&1 != 0:
		return malformed("CONNECT: reserved connect flag is set") // [MQTT5-3.1.2-3]
	case willQoS == 3, !willFlag && (willQoS != 0 || willRetain):
		return malformed("CONNECT: will QoS or will retain do not fit the will flag") // [MQTT5-3.1.2-11..13]
	case v != wire.MQTT5 && pass && !user:
		return malformed("CONNECT: password without user name") // [MQTT-3.1.2-22]
	}
	c.u16("keep alive")
	if v == wire.MQTT5 {
		c.properties(wire.CONNECT)
	}
	c.text("client identifier")
	if willFlag {
		if v == wire.MQTT5 {
			c.properties(willProperties)
		}
		c.text("will topic")
		c.binary("will payload")
	}
	if user {
		c.text("user name")
	}
	if pass {
		c.binary("password")
	}
	return c.end(wire.CONNECT)
}
