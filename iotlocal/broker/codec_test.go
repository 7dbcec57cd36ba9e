package broker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadFrame(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		body int
		code wire.Code // of a protocolError
		err  error
	}{
		{name: "empty body", in: []byte{0xC0, 0}},
		{name: "two length bytes", in: append([]byte{0x30, 0x80, 1}, make([]byte, 128)...), body: 128},
		{name: "at the limit", in: append([]byte{0x30, 0xE5, 7}, make([]byte, 997)...), body: 997},
		{name: "over the limit", in: []byte{0x30, 0xE6, 7}, code: wire.PacketTooLarge},
		{name: "256 MiB in five bytes", in: []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, code: wire.PacketTooLarge},
		{name: "five length bytes", in: []byte{0x30, 0x80, 0x80, 0x80, 0x80, 1}, code: wire.MalformedPacket},
		{name: "nothing", err: io.EOF},
		{name: "cut in the length", in: []byte{0x30, 0x80}, err: io.ErrUnexpectedEOF},
		{name: "cut in the body", in: []byte{0x30, 3, 0, 1}, err: io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header, body, err := readFrame(bufio.NewReader(bytes.NewReader(tt.in)), 1000)
			if tt.code != 0 {
				if pe, ok := errors.AsType[*protocolError](err); !ok || pe.code != tt.code {
					t.Fatalf("error %v, want %v", err, tt.code)
				}
				return
			}
			if !errors.Is(err, tt.err) || len(body) != tt.body || err == nil && header != tt.in[0] {
				t.Fatalf("0x%02X %d bytes, %v", header, len(body), err)
			}
		})
	}
}

// The length field must not be believed before it is compared with the limit.
func TestLengthFieldCostsNothing(t *testing.T) {
	in := []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0}
	var before, after uint64
	before = totalAlloc()
	for range 100 {
		if _, _, err := readFrame(bufio.NewReaderSize(bytes.NewReader(in), 16), 149504); err == nil {
			t.Fatal("accepted")
		}
	}
	after = totalAlloc()
	if per := (after - before) / 100; per > 64<<10 {
		t.Errorf("%d bytes allocated for a six-byte packet", per)
	}
}

// seeds are packets of every type, whole and spoilt.
var seeds = [][]byte{
	{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 0},
	{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'c'},
	{0x30, 5, 0, 1, 'a', 0, 'x'}, {0x32, 7, 0, 1, 'a', 0, 1, 0, 'x'}, {0x32, 10, 0, 1, 'a', 0, 1, 3, 0x23, 0, 1, 'x'},
	{0x40, 2, 0, 1}, {0x40, 3, 0, 1, 0x10}, {0x40, 4, 0, 1, 0, 0}, {0x50, 2, 0, 1}, {0x62, 2, 0, 1}, {0x70, 2, 0, 1},
	{0x82, 7, 0, 1, 0, 0, 1, 'a', 1}, {0x82, 6, 0, 1, 0, 1, 'a', 1}, {0x82, 9, 0, 1, 2, 0x0B, 1, 0, 1, 'a', 1},
	{0xA2, 6, 0, 1, 0, 0, 1, 'a'}, {0xA2, 5, 0, 1, 0, 1, 'a'}, {0xA2, 4, 0, 1, 0, 0},
	{0xC0, 0}, {0xD0, 0}, {0xE0, 0}, {0xE0, 1, 4}, {0xE0, 7, 0, 5, 0x11, 0, 0, 0, 1}, {0xF0, 0}, {0xF0, 2, 0x18, 0},
	{0x30, 13, 0, 1, 'a', 9, 0x26, 0, 1, 'k', 0, 3, 'v', 'v', 'v', 0}, {0x30, 0}, {0x36, 5, 0, 1, 'a', 0, 1},
}

// FuzzFrame: what passes the checks must be safe for the codec, decode to the
// type it claims, and, for a PUBLISH, come out of the encoder as it went in. No
// input may panic.
func FuzzFrame(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, true)
		f.Add(s, false)
		for i := range s {
			f.Add(s[:i], true)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, five bool) {
		header, body, err := readFrame(bufio.NewReader(bytes.NewReader(in)), 1<<16)
		if err != nil {
			return
		}
		v := wire.MQTT311
		if five {
			v = wire.MQTT5
		}
		connect := wire.PacketType(header>>4) == wire.CONNECT
		if connect {
			err = checkConnect(v, header, body)
		} else {
			err = checkFrame(v, header, body)
		}
		if err != nil {
			if pe, ok := errors.AsType[*protocolError](err); !ok || !pe.code.IsError() {
				t.Fatalf("error without a code: %v", err)
			}
			return
		}
		c := codecFor(v)
		p, err := c.decode(header, body, new(scratch))
		if err != nil {
			t.Fatalf("checked, but the codec says %v", err)
		}
		if p.kind() != wire.PacketType(header>>4) {
			t.Fatalf("%v from header 0x%02X", p.kind(), header)
		}
		pub, ok := p.(*publishPacket)
		if !ok || pub.alias != nil {
			return
		}
		var b bytes.Buffer
		if ok, err := c.encode(&b, pub); !ok || err != nil {
			t.Fatalf("encode: %v %v", ok, err)
		}
		if five && b.Len() > 1+varintSize(len(body))+len(body) {
			t.Fatalf("%d bytes from %d", b.Len(), len(body))
		}
		h2, body2, err := readFrame(bufio.NewReader(&b), 1<<20)
		if err != nil || h2 != header {
			t.Fatalf("0x%02X, %v; was 0x%02X", h2, err, header)
		}
		p2, err := c.decode(h2, body2, new(scratch))
		if err != nil || !reflect.DeepEqual(normal(pub), normal(p2.(*publishPacket))) {
			t.Fatalf("%+v came back as %+v, %v", pub.msg, p2, err)
		}
		if five && publishSize(pub.msg, pub.qos) != 1+varintSize(len(body2))+len(body2) {
			t.Fatalf("size %d, is %d", publishSize(pub.msg, pub.qos), 1+varintSize(len(body2))+len(body2))
		}
	})
}

// normal levels what the wire does not distinguish: empty and absent.
func normal(p *publishPacket) Message {
	m := *p.msg
	if len(m.CorrelationData) == 0 {
		m.CorrelationData = nil
	}
	if len(m.Payload) == 0 {
		m.Payload = nil
	}
	return m
}

// Every truncation of every packet is refused or is itself a packet; none gets
// past the checks into a codec that would make something up.
func TestTruncations(t *testing.T) {
	for _, s := range seeds {
		body := s[2:]
		for n := range body {
			for _, v := range []wire.Version{wire.MQTT311, wire.MQTT5} {
				if wire.PacketType(s[0]>>4) == wire.CONNECT {
					if v != wire.Version(body[6]) {
						continue // read as the other version it may well be whole
					}
					if err := checkConnect(v, s[0], body[:n]); err == nil {
						t.Errorf("% X cut to %d bytes accepted as CONNECT of %v", s, n, v)
					}
					continue
				}
				if checkFrame(v, s[0], body[:n]) == nil {
					if _, err := codecFor(v).decode(s[0], body[:n], new(scratch)); err != nil {
						t.Errorf("% X cut to %d bytes: %v", s, n, err)
					}
				}
			}
		}
	}
}
