package wire

import (
	"bytes"
	"testing"
)

// samePlain compares Plain.Next with Next and ParsePublish on one buffer.
func samePlain(t *testing.T, buf []byte, max int) {
	t.Helper()
	var p Plain
	ok := p.Next(buf, max, nil)
	f, need, err := Next(buf, max)
	var in InPublish
	plain := err == nil && need == 0 && len(f.Raw) > 0 && f.Type() == TypePublish && ParsePublish(f, &in) == nil && in.Props == nil && in.QoS < 2
	if ok && !plain {
		t.Fatalf("% x is taken for a plain PUBLISH", buf)
	}
	if !ok {
		// A length of no properties in more than one byte is legal, if wrong, and left to ParsePublish.
		if plain && len(f.Raw) == PublishSize(len(in.Topic), in.QoS, nil, len(in.Payload)) {
			t.Fatalf("% x is not taken for a plain PUBLISH", buf)
		}
		return
	}
	got := InPublish{Topic: p.Topic, ID: p.ID, QoS: p.QoS(), Retain: p.Retain(), Dup: p.Dup(), Payload: p.Payload}
	if p.Size != len(f.Raw) || !bytes.Equal(got.Topic, in.Topic) || !bytes.Equal(got.Payload, in.Payload) || got.ID != in.ID ||
		got.QoS != in.QoS || got.Retain != in.Retain || got.Dup != in.Dup {
		t.Fatalf("% x: got %+v, want %+v", buf, got, in)
	}
	var again Plain
	if !again.Next(buf, max, p.Topic) || again.Size != p.Size {
		t.Fatalf("% x: not a plain PUBLISH with its topic known", buf)
	}
}

func TestPlain(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	for name, packet := range map[string][]byte{
		"QoS 0":              AppendPublish(nil, "a/b", 0, false, false, 0, nil, []byte("hello")),
		"QoS 0 retained":     AppendPublish(nil, "a", 0, true, false, 0, nil, nil),
		"QoS 1":              AppendPublish(nil, "a/b", 1, false, false, 7, nil, long),
		"QoS 1 again":        AppendPublish(nil, "a/b", 1, true, true, 65535, nil, long),
		"QoS 2":              AppendPublish(nil, "a/b", 2, false, false, 7, nil, nil),
		"properties":         AppendPublish(nil, "a/b", 0, false, false, 0, &Properties{ContentType: "t"}, nil),
		"identifier 0":       AppendPublish(nil, "a/b", 1, false, false, 0, nil, nil),
		"wildcard":           AppendPublish(nil, "a/+", 0, false, false, 0, nil, nil),
		"not UTF-8":          AppendPublish(nil, "a\xff", 0, false, false, 0, nil, nil),
		"no topic":           AppendPublish(nil, "", 0, false, false, 0, nil, nil),
		"DUP at QoS 0":       {0x38, 4, 0, 1, 'a', 0},
		"PUBACK":             {0x40, 2, 0, 1},
		"long length":        {0x30, 0x84, 0x00, 0, 1, 'a', 0},
		"five length bytes":  {0x30, 0x80, 0x80, 0x80, 0x80, 0x01},
		"nothing":            {},
		"short topic":        {0x30, 3, 0, 9, 'a'},
		"no properties":      {0x30, 3, 0, 1, 'a'},
		"no identifier":      {0x32, 4, 0, 1, 'a', 0},
		"wide no properties": {0x30, 5, 0, 1, 'a', 0x80, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, max := range []int{0, len(packet) - 1, len(packet)} {
				samePlain(t, packet, max)
				samePlain(t, append(bytes.Clone(packet), 0x30), max)
			}
			for n := range packet {
				samePlain(t, packet[:n], 0)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(AppendPublish(nil, "a/b", 1, false, false, 7, nil, []byte("x")), 0)
	f.Add(AppendPublish(nil, "a", 0, false, false, 0, nil, nil), 4)
	f.Add([]byte{0x30, 0x84, 0x00, 0, 1, 'a', 0}, 0)
	f.Fuzz(func(t *testing.T, b []byte, max int) { samePlain(t, b, max) })
}

func BenchmarkPlain(b *testing.B) {
	packet := AppendPublish(nil, "sensors/device-0001/temperature", 0, false, false, 0, nil, make([]byte, 256))
	b.Run("Next", func(b *testing.B) {
		known := []byte("sensors/device-0001/temperature")
		var p Plain
		for b.Loop() {
			p.Next(packet, 0, known)
		}
	})
	b.Run("ParsePublish", func(b *testing.B) {
		var p InPublish
		for b.Loop() {
			f, _, _ := Next(packet, 0)
			_ = ParsePublish(f, &p)
		}
	})
}
