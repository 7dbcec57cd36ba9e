package wire

import "testing"

const benchTopic = "sdk/test/go/device-0001"

func BenchmarkAppendPublish(b *testing.B) {
	payload, buf := make([]byte, 256), make([]byte, 0, 1024)
	b.SetBytes(int64(PublishSize(len(benchTopic), 1, nil, len(payload))))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPublish(buf[:0], benchTopic, 1, false, false, 7, nil, payload)
	}
}

func BenchmarkParsePublish(b *testing.B) {
	raw := AppendPublish(nil, benchTopic, 1, false, false, 7, nil, make([]byte, 256))
	var p InPublish
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := Next(raw, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		if err := ParsePublish(f, &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePublishProperties(b *testing.B) {
	raw := AppendPublish(nil, benchTopic, 1, false, false, 7, &Properties{PayloadFormat: new(byte(1)), ContentType: "application/json",
		ResponseTopic: "r/t", CorrelationData: []byte("0123456789"), User: []UserProperty{{"k", "v"}}}, make([]byte, 256))
	var p InPublish
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParsePublish(Frame{Head: raw[0], Body: raw[3:], Raw: raw}, &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAck(b *testing.B) {
	raw := AppendPuback(nil, 7, 0)
	var a Ack
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := Next(raw, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		if err := ParseAck(f, &a); err != nil {
			b.Fatal(err)
		}
	}
}
