package broker

import (
	"bytes"
	"fmt"
	"io"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// codec turns packets into bytes and back for one protocol version. decode is
// called with what checkFrame has found in order.
type codec interface {
	// What it returns may be in s, or refer to body: it is good until the next call.
	decode(header byte, body []byte, s *scratch) (packet, error)
	// encode appends to b and reports false when the protocol has no such
	// packet: a 3.1.1 client is never sent a DISCONNECT.
	encode(b *bytes.Buffer, p packet) (bool, error)
}

func codecFor(v wire.Version) codec {
	if v == wire.MQTT5 {
		return codec5{}
	}
	return codec3{version: v}
}

// stream is what packets are read from.
type stream interface {
	io.Reader
	io.ByteReader
}

// readFrame reads one packet whose total size is at most limit bytes. The
// length field is believed only within the limit: nothing is allocated before.
func readFrame(r stream, limit uint32) (header byte, body []byte, err error) {
	header, err = r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	length, shift, n := 0, 0, 0
	for {
		d, err := r.ReadByte()
		if err != nil {
			return 0, nil, unexpected(err)
		}
		n++
		length |= int(d&0x7F) << shift
		shift += 7
		if d < 0x80 {
			break
		}
		if n == 4 {
			return 0, nil, malformed("remaining length over four bytes") // [MQTT5-1.5.5-1]
		}
	}
	if 1+n+length > int(limit) {
		return header, nil, &protocolError{wire.PacketTooLarge,
			fmt.Sprintf("%v of %d bytes, at most %d are allowed", wire.PacketType(header>>4), 1+n+length, limit)}
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, unexpected(err)
	}
	return header, body, nil
}

// unexpected marks an end of the stream inside a packet.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
