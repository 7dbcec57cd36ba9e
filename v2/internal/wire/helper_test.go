package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// unhex reads bytes written as hex with blanks between groups.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// split is Next for a buffer that must hold exactly one packet.
func split(t testing.TB, raw []byte) Frame {
	t.Helper()
	f, need, err := Next(raw, 0)
	if err != nil || need != 0 || len(f.Raw) != len(raw) {
		t.Fatalf("Next(%x) = frame of %d bytes, need %d, %v", raw, len(f.Raw), need, err)
	}
	return f
}

// pahoRead decodes with the other codec.
func pahoRead[P packets.Packet](t testing.TB, raw []byte) P {
	t.Helper()
	cp, err := packets.ReadPacket(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("paho does not read %x: %v", raw, err)
	}
	p, ok := cp.Content.(P)
	if !ok {
		t.Fatalf("paho reads %x as %T", raw, cp.Content)
	}
	return p
}

// pahoWrite encodes with the other codec.
func pahoWrite(t testing.TB, p packets.Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fromPahoUser(user []packets.User) []UserProperty {
	var out []UserProperty
	for _, u := range user {
		out = append(out, UserProperty{u.Key, u.Value})
	}
	return out
}

// normal gives what a codec cannot tell apart one form, so that reflect.DeepEqual can compare: paho drops empty
// correlation data and all subscription identifiers but the last.
func normal(p *Properties) Properties {
	if p == nil {
		return Properties{}
	}
	n := *p
	if len(n.CorrelationData) == 0 {
		n.CorrelationData = nil
	}
	if len(n.User) == 0 {
		n.User = nil
	}
	if k := len(n.SubscriptionIDs); k > 0 {
		n.SubscriptionIDs = []uint32{n.SubscriptionIDs[k-1]}
	} else {
		n.SubscriptionIDs = nil
	}
	return n
}

// pahoProps is normal for what paho decoded.
func pahoProps(q *packets.Properties) Properties {
	p := Properties{PayloadFormat: q.PayloadFormat, MessageExpiry: q.MessageExpiry, ResponseTopic: q.ResponseTopic,
		CorrelationData: q.CorrelationData, ContentType: q.ContentType, User: fromPahoUser(q.User)}
	if q.TopicAlias != nil {
		p.TopicAlias = *q.TopicAlias
	}
	if q.SubscriptionIdentifier != nil {
		p.SubscriptionIDs = []uint32{uint32(*q.SubscriptionIdentifier)}
	}
	return normal(&p)
}

func toPahoProps(p *Properties) *packets.Properties {
	q := &packets.Properties{PayloadFormat: p.PayloadFormat, MessageExpiry: p.MessageExpiry, ResponseTopic: p.ResponseTopic,
		CorrelationData: p.CorrelationData, ContentType: p.ContentType, User: toPahoUser(p.User)}
	if p.TopicAlias != 0 {
		q.TopicAlias = &p.TopicAlias
	}
	if len(p.SubscriptionIDs) > 0 {
		q.SubscriptionIdentifier = new(int(p.SubscriptionIDs[0]))
	}
	return q
}

// wantError asserts an *Error with code whose text names the packet and the problem.
func wantError(t testing.TB, err error, code byte, problem string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want *Error", err, err)
	}
	if e.Code != code || !strings.Contains(err.Error(), problem) || e.Packet == "" {
		t.Fatalf("error %q with code 0x%02X, want 0x%02X and %q", err, e.Code, code, problem)
	}
}

// boundAllocs asserts that fn allocates at most sixteen times the frame and 16 KiB.
func boundAllocs(t testing.TB, frame int, fn func()) {
	t.Helper()
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	fn()
	runtime.ReadMemStats(&b)
	if got, limit := b.TotalAlloc-a.TotalAlloc, uint64(16*frame+16<<10); got > limit {
		t.Fatalf("a frame of %d bytes cost %d bytes, limit %d", frame, got, limit)
	}
}

// sample is a legal packet from a server.
type sample struct {
	name string
	raw  []byte
	cuts func(n int) bool // lengths to which the body may be cut and still be legal; nil = none
}

// samples has every kind of packet a server sends, with and without properties.
func samples(t testing.TB) []sample {
	user := []packets.User{{Key: "k", Value: "v"}, {Key: "k", Value: ""}, {Key: "ключ", Value: "価"}}
	at := func(n ...int) func(int) bool { return func(i int) bool { return slices.Contains(n, i) } }
	from := func(n int) func(int) bool { return func(i int) bool { return i >= n } }
	full := &Properties{PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(60)), TopicAlias: 5, ResponseTopic: "r/t",
		CorrelationData: []byte{0, 1, 2}, ContentType: "text/plain", User: []UserProperty{{"k", "v"}, {"k", "w"}},
		SubscriptionIDs: []uint32{1, 128, MaxRemaining}}
	return []sample{
		{"publish qos 0", AppendPublish(nil, "a/b", 0, false, false, 0, nil, []byte("payload")), from(6)},
		{"publish qos 1", AppendPublish(nil, "a/b", 1, true, true, 7, nil, []byte("payload")), from(8)},
		{"publish qos 2 empty", AppendPublish(nil, "a", 2, false, false, 65535, nil, nil), nil},
		{"publish properties", AppendPublish(nil, "a/b", 1, false, false, 7, full, nil), nil},
		{"publish alias only", AppendPublish(nil, "", 0, false, false, 0, &Properties{TopicAlias: 1}, nil), nil},
		{"puback short", AppendPuback(nil, 10, 0), nil},
		{"puback code", AppendPuback(nil, 10, 0x87), at(2)},
		{"puback properties", pahoWrite(t, &packets.Puback{PacketID: 9, ReasonCode: 0x97,
			Properties: &packets.Properties{ReasonString: "no", User: user}}), at(2, 3)},
		{"connack", pahoWrite(t, &packets.Connack{Properties: &packets.Properties{}}), nil},
		{"connack properties", pahoWrite(t, fullConnack(user)), nil},
		{"suback", pahoWrite(t, &packets.Suback{PacketID: 3, Reasons: []byte{1, 0, 0x80}, Properties: &packets.Properties{}}), from(4)},
		{"suback properties", pahoWrite(t, &packets.Suback{PacketID: 3, Reasons: []byte{1},
			Properties: &packets.Properties{ReasonString: "ok", User: user}}), nil},
		{"unsuback", pahoWrite(t, &packets.Unsuback{PacketID: 4, Reasons: []byte{0x11}, Properties: &packets.Properties{}}), nil},
		{"unsuback properties", pahoWrite(t, &packets.Unsuback{PacketID: 4, Reasons: []byte{0},
			Properties: &packets.Properties{ReasonString: "ok", User: user}}), nil},
		{"disconnect empty", []byte{0xE0, 0}, nil},
		{"disconnect code", []byte{0xE0, 1, 0x8E}, at(0)},
		{"disconnect properties", pahoWrite(t, &packets.Disconnect{ReasonCode: 0x9C,
			Properties: &packets.Properties{ReasonString: "moved", ServerReference: "other:8883", User: user}}), at(0, 1)},
		{"pingresp", []byte{0xD0, 0}, nil},
	}
}

func fullConnack(user []packets.User) *packets.Connack {
	return &packets.Connack{SessionPresent: true, Properties: &packets.Properties{
		SessionExpiryInterval: new(uint32(3600)), ReceiveMaximum: new(uint16(100)), MaximumQOS: new(byte(1)),
		RetainAvailable: new(byte(1)), MaximumPacketSize: new(uint32(131072)), AssignedClientID: "$GEN/1",
		TopicAliasMaximum: new(uint16(8)), ReasonString: "welcome", User: user, WildcardSubAvailable: new(byte(1)),
		SubIDAvailable: new(byte(0)), SharedSubAvailable: new(byte(1)), ServerKeepAlive: new(uint16(1200)),
		ResponseInfo: "resp/", ServerReference: "here"}}
}

// decodeAny decodes whatever a server may send; the result can be compared with reflect.DeepEqual.
func decodeAny(f Frame) (any, error) {
	switch f.Type() {
	case TypePublish:
		var p InPublish
		err := ParsePublish(f, &p)
		return p, err
	case TypePuback:
		var a Ack
		err := ParseAck(f, &a)
		return a, err
	}
	return Decode(f)
}
