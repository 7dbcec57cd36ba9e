package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestNext(t *testing.T) {
	big := AppendPublish(nil, "t", 0, false, false, 0, nil, make([]byte, 300))
	for _, c := range []struct {
		name string
		buf  []byte
		max  int
		raw  int // bytes of the packet
		body int
		need int
		code byte // of the error
	}{
		{name: "empty", need: 2},
		{name: "one byte", buf: []byte{0xD0}, need: 2},
		{name: "no body", buf: []byte{0xD0, 0}, raw: 2},
		{name: "followed by more", buf: []byte{0xD0, 0, 0x40, 2}, raw: 2},
		{name: "body missing", buf: []byte{0x40, 2}, need: 4},
		{name: "body cut", buf: []byte{0x40, 2, 0}, need: 4},
		{name: "whole", buf: []byte{0x40, 2, 0, 1}, raw: 4, body: 2},
		{name: "length cut after one", buf: []byte{0x30, 0x80}, need: 3},
		{name: "length cut after three", buf: []byte{0x30, 0xFF, 0xFF, 0xFF}, need: 5},
		{name: "two length bytes", buf: big, raw: len(big), body: len(big) - 3},
		{name: "two length bytes, cut", buf: big[:50], need: len(big)},
		{name: "longest length", buf: []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, need: MaxPacket},
		{name: "longer than needed", buf: []byte{0x40, 0x82, 0x80, 0x00, 0, 1}, raw: 6, body: 2},
		{name: "fifth length byte", buf: []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF}, code: CodeMalformed},
		{name: "fifth length byte, zero", buf: []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0}, code: CodeMalformed},
		{name: "as large as allowed", buf: big, max: len(big), raw: len(big), body: len(big) - 3},
		{name: "too large", buf: big, max: len(big) - 1, code: CodePacketTooLarge},
		{name: "too large, known from the length alone", buf: []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, max: 1 << 17, code: CodePacketTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, need, err := Next(c.buf, c.max)
			if c.code != 0 {
				wantError(t, err, c.code, "")
				if errors.Is(err, ErrTooLarge) != (c.code == CodePacketTooLarge) {
					t.Errorf("errors.Is(%v, ErrTooLarge) is wrong", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if need != c.need || len(f.Raw) != c.raw || len(f.Body) != c.body {
				t.Fatalf("raw %d, body %d, need %d; want %d, %d, %d", len(f.Raw), len(f.Body), need, c.raw, c.body, c.need)
			}
			if c.raw > 0 && (f.Head != c.buf[0] || !bytes.Equal(f.Raw, c.buf[:c.raw]) || cap(f.Raw) != c.raw || cap(f.Body) != c.body) {
				t.Fatalf("frame %+v of %x", f, c.buf)
			}
		})
	}
}

// TestNextStream cuts a stream of all packets at every place: the packets must come out whole and in order. aws-c-mqtt
// feeds its decoder fragments of every size.
func TestNextStream(t *testing.T) {
	var stream []byte
	all := samples(t)
	for _, s := range all {
		stream = append(stream, s.raw...)
	}
	for step := 1; step < 40; step++ {
		var have []byte
		in, got := stream, 0
		for len(in) > 0 {
			n := min(step, len(in))
			have, in = append(have, in[:n]...), in[n:]
			for {
				f, need, err := Next(have, 0)
				if err != nil {
					t.Fatal(err)
				}
				if need > 0 {
					if need <= len(have) {
						t.Fatalf("need %d with %d in the buffer", need, len(have))
					}
					break
				}
				if !bytes.Equal(f.Raw, all[got].raw) {
					t.Fatalf("step %d: packet %d is %x, want %x", step, got, f.Raw, all[got].raw)
				}
				got++
				have = have[len(f.Raw):]
			}
		}
		if got != len(all) || len(have) != 0 {
			t.Fatalf("step %d: %d packets of %d, %d bytes left", step, got, len(all), len(have))
		}
	}
}

// Cases of aws-c-mqtt's tests, group "codec": vli_size, vli_success_round_trip, vli_decode_failures (the rest of them in TestNext, and
// vli_encode_failures in TestEncodeRefused).
func TestVarint(t *testing.T) {
	for _, v := range []int{0, 1, 127, 128, 16383, 16384, 2097151, 2097152, MaxRemaining} { // table 1-1 of the specification
		b := appendVarint(nil, v)
		if len(b) != varintLen(v) {
			t.Errorf("%d: %d bytes, varintLen says %d", v, len(b), varintLen(v))
		}
		if got, n := readVarint(b); got != v || n != len(b) {
			t.Errorf("%d reads back as %d in %d bytes", v, got, n)
		}
		for i := range b {
			if _, n := readVarint(b[:i]); n != 0 {
				t.Errorf("%d cut to %d bytes: n = %d", v, i, n)
			}
		}
	}
}

func TestTypeName(t *testing.T) {
	if TypeName(TypePublish) != "PUBLISH" || TypeName(TypeAuth) != "AUTH" || TypeName(0x1F) != "AUTH" {
		t.Error(TypeName(TypePublish), TypeName(TypeAuth), TypeName(0x1F))
	}
	if f := (Frame{Head: 0x3B}); f.Type() != TypePublish {
		t.Error(f.Type())
	}
}
