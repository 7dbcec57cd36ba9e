//go:build !race

// The race detector adds allocations of its own.

package wire

import "testing"

func TestAllocations(t *testing.T) {
	payload, buf := make([]byte, 256), make([]byte, 0, 4096)
	props := &Properties{PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(60)), ContentType: "text/plain", ResponseTopic: "r",
		User: []UserProperty{{"name", "value"}}}
	topic := "sdk/test/go/device-0001/telemetry/temperature" // longer than the 32 bytes a conversion gets on the stack
	publish := AppendPublish(nil, topic, 1, false, false, 7, nil, payload)
	withProps := AppendPublish(nil, topic, 1, false, false, 7, props, payload)
	puback, puback3 := AppendPuback(nil, 7, 0), AppendPuback(nil, 7, 0x87)
	var in InPublish
	var ack Ack
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		max  float64
		do   func()
	}{
		{"AppendPublish", 0, func() { buf = AppendPublish(buf[:0], topic, 1, false, false, 7, nil, payload) }},
		{"AppendPublish with properties", 0, func() { buf = AppendPublish(buf[:0], topic, 1, false, false, 7, props, payload) }},
		{"AppendPublish into nil", 1, func() { AppendPublish(nil, topic, 1, false, false, 7, nil, payload) }},
		{"CheckPublish", 0, func() { fail(CheckPublish(topic, 1, props, len(payload))) }},
		{"PublishSize", 0, func() { PublishSize(len(topic), 1, props, len(payload)) }},
		{"SetDup, SetPublishID", 0, func() { SetDup(publish); SetPublishID(publish, 8) }},
		{"Next", 0, func() {
			if f, _, err := Next(publish, 1<<20); err != nil || len(f.Raw) != len(publish) {
				t.Fatal(err)
			}
		}},
		{"ParsePublish", 0, func() { f, _, _ := Next(publish, 0); fail(ParsePublish(f, &in)) }},
		// the struct, its strings, two pointers and the user properties
		{"ParsePublish with properties", 5, func() { f, _, _ := Next(withProps, 0); fail(ParsePublish(f, &in)) }},
		{"AppendPuback", 0, func() { buf = AppendPuback(buf[:0], 7, 0x80) }},
		{"ParseAck", 0, func() { f, _, _ := Next(puback, 0); fail(ParseAck(f, &ack)) }},
		{"ParseAck with code", 0, func() { f, _, _ := Next(puback3, 0); fail(ParseAck(f, &ack)) }},
		{"Decode PINGRESP", 0, func() { _, err := Decode(Frame{Head: TypePingresp << 4}); fail(err) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, c.do); n > c.max {
				t.Errorf("%v allocations, at most %v are expected", n, c.max)
			}
		})
	}
}
