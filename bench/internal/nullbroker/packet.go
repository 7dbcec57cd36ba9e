package nullbroker

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// packet answers one control packet; v is what follows the fixed header. It
// returns false when the connection has to end.
func (k *conn) packet(h byte, v []byte) bool {
	typ := h >> 4
	if !k.open && typ != frame.Connect {
		return false // [MQTT5-3.1.0-1]
	}
	switch typ {
	case frame.Connect:
		return k.connect(v)
	case frame.Publish:
		return k.publish(h, v)
	case frame.Puback:
		select { // never blocks: one of an earlier blast may come late
		case <-k.sem:
		default:
		}
	case frame.Subscribe, frame.Unsubscribe:
		return k.suback(typ, v)
	case frame.Pingreq:
		k.out = append(k.out, frame.Pingresp<<4, 0)
	default: // DISCONNECT and what a QoS 0/1 client never sends
		return false
	}
	return true
}

// connect looks at the protocol name "MQTT", the version, the clean start flag
// and the client identifier, and at nothing else.
func (k *conn) connect(v []byte) bool {
	if k.open || len(v) < 12 || !bytes.Equal(v[:6], []byte("\x00\x04MQTT")) {
		return false // a second CONNECT: [MQTT5-3.1.0-2]
	}
	k.open, k.v5 = true, v[6] == 5
	clean, rest := v[7]&2 != 0, v[10:]
	if k.v5 {
		var ok bool
		if rest, ok = afterProperties(rest); !ok || len(rest) < 2 {
			return false
		}
	}
	n := int(binary.BigEndian.Uint16(rest))
	if len(rest) < 2+n {
		return false
	}
	k.client = string(rest[2 : 2+n])
	if !k.v5 {
		k.out = append(k.out, frame.Connack<<4, 2, 0, 0)
		return true
	}
	present := byte(0)
	if k.resume(clean) {
		present = 1
	}
	// no properties: receive maximum 65,535, no topic aliases
	k.out = append(k.out, frame.Connack<<4, 3, present, 0, 0)
	return true
}

func (k *conn) publish(h byte, v []byte) bool {
	if len(v) < 2 {
		return false
	}
	tl := int(binary.BigEndian.Uint16(v))
	qos := h >> 1 & 3
	if qos > 1 || len(v) < 2+tl+2*int(qos) {
		return false
	}
	topic, rest := v[2:2+tl], v[2+tl:]
	if qos == 1 {
		if k.held != nil {
			return k.withhold(h, binary.BigEndian.Uint16(rest))
		}
		k.out = append(k.out, frame.Puback<<4, 2, rest[0], rest[1])
		rest = rest[2:]
	}
	// the two prefixes are looked for by hand: this runs once per message
	if tl > 4 && topic[3] == '/' && string(topic[:4]) == "ctl/" || tl > 5 && topic[0] == '$' && bytes.HasSuffix(topic, shadowUpdate) || tl > 5 && topic[4] == '/' && string(topic[:5]) == "echo/" {
		if k.v5 {
			var ok bool
			if rest, ok = afterProperties(rest); !ok {
				return false
			}
		}
		return k.control(string(topic), rest)
	}
	return true
}

// afterProperties skips a property block.
func afterProperties(v []byte) ([]byte, bool) {
	n, used := binary.Uvarint(v) // the same encoding as a variable byte integer
	if used <= 0 || n > uint64(len(v)-used) {
		return nil, false
	}
	return v[used+int(n):], true
}

func (k *conn) control(topic string, payload []byte) bool {
	switch {
	case topic == "ctl/drop":
		return false
	case topic == "ctl/hold":
		return k.startHold(string(payload))
	case topic == "ctl/blast":
		o, err := parseBlast(string(payload))
		if err != nil {
			return false
		}
		k.startBlast(o)
	case topic[0] == '$':
		return k.updateShadow(topic, payload)
	case strings.HasPrefix(topic, "echo/"):
		k.out = frame.AppendPublish(k.out, k.v5, 0, topic, 0, payload)
	}
	return true
}

// suback answers SUBSCRIBE and UNSUBSCRIBE: every filter is granted with the
// QoS it asks for.
func (k *conn) suback(typ byte, v []byte) bool {
	if len(v) < 2 {
		return false
	}
	id, rest := v[:2], v[2:]
	if k.v5 {
		var ok bool
		if rest, ok = afterProperties(rest); !ok {
			return false
		}
	}
	var codes []byte
	for len(rest) > 0 {
		if len(rest) < 2 {
			return false
		}
		n := 2 + int(binary.BigEndian.Uint16(rest))
		if typ == frame.Subscribe {
			n++
		}
		if len(rest) < n {
			return false
		}
		code := byte(0)
		if typ == frame.Subscribe {
			code = min(rest[n-1]&3, 1)
		}
		codes = append(codes, code)
		rest = rest[n:]
	}
	if len(codes) == 0 { // [MQTT5-3.8.3-2]
		return false
	}
	answer := byte(frame.Suback)
	if typ == frame.Unsubscribe {
		answer = frame.Unsuback
		if !k.v5 {
			codes = nil // MQTT 3.1.1 has none
		}
	}
	body := 2 + len(codes)
	if k.v5 {
		body++
	}
	k.out = append(k.out, answer<<4)
	k.out = frame.AppendLength(k.out, body)
	k.out = append(k.out, id...)
	if k.v5 {
		k.out = append(k.out, 0)
	}
	k.out = append(k.out, codes...)
	return true
}
