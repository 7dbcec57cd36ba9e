package v1compat_test

// As much of MQTT 5 as the scripted peer needs: the packets of a client read, those of a server written.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// wirePacket is a packet of the client, with its strings taken apart by reader.
type wirePacket struct {
	kind  byte // the packet type, 1 to 15
	flags byte
	body  []byte
}

// readWire reads one packet.
func readWire(r io.Reader) (wirePacket, error) {
	var head [1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return wirePacket{}, err
	}
	n, shift := 0, 0
	for {
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return wirePacket{}, err
		}
		n |= int(b[0]&0x7F) << shift
		if b[0] < 0x80 {
			break
		}
		if shift += 7; shift > 21 {
			return wirePacket{}, errors.New("malformed length")
		}
	}
	p := wirePacket{kind: head[0] >> 4, flags: head[0] & 15, body: make([]byte, n)}
	_, err := io.ReadFull(r, p.body)
	return p, err
}

// wireReader takes a body apart. It panics on a body that is too short: the client under test wrote nonsense.
type wireReader struct{ b []byte }

func (r *wireReader) take(n int) []byte {
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *wireReader) byte() byte     { return r.take(1)[0] }
func (r *wireReader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *wireReader) string() string { return string(r.take(int(r.uint16()))) }

// skipProperties passes over the properties.
func (r *wireReader) skipProperties() {
	n, size := binary.Uvarint(r.b)
	r.take(size)
	r.take(int(n))
}

var wireNames = [16]string{1: "CONNECT", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE", 12: "PINGREQ", 14: "DISCONNECT"}

// frame puts a header before a body.
func frame(head byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{head}, uint64(len(body))), body...)
}

// encodeWire is a packet of the server in MQTT 5, without properties.
func encodeWire(p *trPacket, id uint16, body []byte) ([]byte, error) {
	ids := binary.BigEndian.AppendUint16(nil, id)
	switch p.Type {
	case "CONNACK":
		present := byte(0)
		if p.SessionPresent {
			present = 1
		}
		return frame(0x20, []byte{present, connackCode[p.ReturnCode], 0}), nil
	case "PUBACK":
		return frame(0x40, ids), nil
	case "SUBACK":
		out := append(ids, 0)
		for _, g := range p.Granted {
			out = append(out, byte(g))
		}
		return frame(0x90, out), nil
	case "UNSUBACK":
		return frame(0xB0, append(ids, 0, 0)), nil
	case "PINGRESP":
		return frame(0xD0, nil), nil
	case "PUBLISH":
		head := byte(0x30 | p.QoS<<1)
		if p.Retain {
			head |= 1
		}
		if p.Dup {
			head |= 8
		}
		out := binary.BigEndian.AppendUint16(nil, uint16(len(p.Topic)))
		out = append(out, p.Topic...)
		if p.QoS > 0 {
			out = append(out, ids...)
		}
		return frame(head, append(append(out, 0), body...)), nil
	}
	return nil, fmt.Errorf("the peer cannot send %s", p.Type)
}
