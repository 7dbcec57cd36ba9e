package frame

import (
	"bytes"
	"errors"
	"testing"
)

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name          string
		in            []byte
		limit         int
		header, total int
		err           error
	}{
		{"nothing", nil, 100, 0, 0, nil},
		{"type only", []byte{0x30}, 100, 0, 0, nil},
		{"no body", []byte{0xc0, 0}, 100, 2, 2, nil},
		{"one length byte", []byte{0x40, 2, 0, 1}, 100, 2, 4, nil},
		{"body still missing", []byte{0x40, 2, 0}, 100, 2, 4, nil},
		{"length half read", []byte{0x30, 0x80}, 100, 0, 0, nil},
		{"two length bytes", []byte{0x30, 0x80, 1}, 200, 3, 131, nil},
		{"at the limit", []byte{0x30, 98}, 100, 2, 100, nil},
		{"above the limit", []byte{0x30, 99}, 100, 0, 0, ErrLength},
		{"largest", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}, 1 << 30, 5, 5 + 268435455, nil},
		{"five length bytes", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, 1 << 30, 0, 0, ErrLength},
		{"fourth byte continues", []byte{0x30, 0xff, 0xff, 0xff, 0xff}, 1 << 30, 0, 0, ErrLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, n, err := Next(c.in, c.limit)
			if h != c.header || n != c.total || !errors.Is(err, c.err) {
				t.Fatalf("Next = %d, %d, %v; want %d, %d, %v", h, n, err, c.header, c.total, c.err)
			}
		})
	}
}

func TestAppendPublish(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"v5 QoS 1", AppendPublish(nil, true, 1, "a/b", 258, []byte("xy")), []byte{0x32, 10, 0, 3, 'a', '/', 'b', 1, 2, 0, 'x', 'y'}},
		{"v5 QoS 0", AppendPublish(nil, true, 0, "a", 9, nil), []byte{0x30, 4, 0, 1, 'a', 0}},
		{"3.1.1 QoS 0", AppendPublish(nil, false, 0, "a", 9, []byte{7}), []byte{0x30, 4, 0, 1, 'a', 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !bytes.Equal(c.got, c.want) {
				t.Fatalf("% x, want % x", c.got, c.want)
			}
		})
	}
	big := AppendPublish(nil, true, 1, "t", 1, make([]byte, 20000))
	if h, n, err := Next(big, 1<<20); err != nil || h != 4 || n != len(big) {
		t.Fatalf("Next of a large PUBLISH = %d, %d, %v; want 4, %d", h, n, err, len(big))
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 1, 0}, 1000)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 0xff}, 1<<20)
	f.Add([]byte{0xc0, 0}, 1)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		h, n, err := Next(b, limit)
		if err != nil && (h != 0 || n != 0) {
			t.Fatalf("values beside an error: %d, %d, %v", h, n, err)
		}
		if n != 0 && (n > limit || h < 2 || h > 5 || n < h) {
			t.Fatalf("Next(% x, %d) = %d, %d", b, limit, h, n)
		}
		if n == 0 && err == nil && len(b) > 4 {
			t.Fatalf("Next(% x) is undecided with a complete length field", b)
		}
	})
}
