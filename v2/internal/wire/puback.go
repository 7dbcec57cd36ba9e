package wire

import (
	"encoding/binary"
)

// Ack is a PUBACK.
type Ack struct {
	ID     uint16
	Code   byte // below 0x80 is success; any byte is passed on
	Reason string
	User   []UserProperty
}

// ParseAck decodes a PUBACK: two bytes (code 0), three, or with properties (MQTT 5, 3.4.2). It does not allocate when
// there are no properties. Reason codes a PUBACK must not have are no error here: the caller judges.
func ParseAck(f Frame, a *Ack) error {
	*a = Ack{}
	b := f.Body
	switch {
	case f.Type() != TypePuback:
		return protocolError(f.Type(), "expected a PUBACK")
	case f.Head&0x0F != 0: // [MQTT5-2.1.3-1]
		return malformed(TypePuback, "reserved bits 0x%X in the first byte", f.Head&0x0F)
	case len(b) < 2:
		return malformed(TypePuback, "it ends before the packet identifier")
	}
	if a.ID = binary.BigEndian.Uint16(b); a.ID == 0 {
		return protocolError(TypePuback, "packet identifier 0")
	}
	if len(b) > 2 {
		a.Code = b[2]
	}
	if len(b) <= 3 || len(b) == 4 && b[3] == 0 {
		return nil
	}
	block, rest, err := splitProps(TypePuback, b[3:])
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return malformed(TypePuback, "%d bytes after the end", len(rest))
	}
	users := 0
	check := propIter{block: block, packet: TypePuback}
	for check.next() {
		if check.id == propUser {
			users++
		}
	}
	if check.err != nil {
		return check.err
	}
	text := string(block)
	if users > 0 {
		a.User = make([]UserProperty, 0, users)
	}
	for it := (propIter{block: block, packet: TypePuback}); it.next(); {
		switch it.id {
		case propReasonString:
			a.Reason = text[it.a.from:it.a.to]
		case propUser:
			a.User = append(a.User, UserProperty{text[it.a.from:it.a.to], text[it.b.from:it.b.to]})
		}
	}
	return nil
}

// AppendPuback encodes a PUBACK at the end of dst, in the short form when the code is 0.
func AppendPuback(dst []byte, id uint16, code byte) []byte {
	if code == 0 {
		return append(dst, TypePuback<<4, 2, byte(id>>8), byte(id))
	}
	return append(dst, TypePuback<<4, 3, byte(id>>8), byte(id), code)
}
