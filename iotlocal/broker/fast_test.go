package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	paho "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// randomPublish is a PUBLISH with some of everything.
func randomPublish(r *rand.Rand) *publishPacket {
	text := func(most int) string { return fmt.Sprintf("%0*d", 1+r.IntN(most), 7) }
	m := &Message{Topic: text(200), Payload: []byte(text([]int{3, 300, 20_000}[r.IntN(3)])), QoS: byte(r.IntN(2)), Retain: r.IntN(2) == 0}
	p := &publishPacket{msg: m, qos: m.QoS, retain: m.Retain}
	if p.qos > 0 {
		p.id, p.dup = uint16(1+r.IntN(65535)), r.IntN(2) == 0
	}
	some := func(set func()) {
		if r.IntN(3) == 0 {
			set()
		}
	}
	some(func() { m.PayloadFormat = new(byte(1)) })
	some(func() { m.MessageExpiry = new(r.Uint32()); p.expiry = m.MessageExpiry })
	some(func() { m.ContentType = text(50) })
	some(func() { m.ResponseTopic = text(50) })
	some(func() { m.CorrelationData = []byte(text(50)) })
	some(func() {
		for range r.IntN(9) {
			m.UserProperties = append(m.UserProperties, record.UserProperty{Name: text(20), Value: text(20)})
		}
	})
	return p
}

// asPaho is the PUBLISH for the codec that is not ours.
func asPaho(p *publishPacket) *paho.Publish {
	m := p.msg
	out := &paho.Publish{Topic: m.Topic, Payload: m.Payload, QoS: p.qos, Retain: p.retain, Duplicate: p.dup, PacketID: p.id,
		Properties: &paho.Properties{PayloadFormat: m.PayloadFormat, MessageExpiry: p.expiry, ContentType: m.ContentType,
			ResponseTopic: m.ResponseTopic, CorrelationData: m.CorrelationData}}
	for _, u := range m.UserProperties {
		out.Properties.User = append(out.Properties.User, paho.User{Key: u.Name, Value: u.Value})
	}
	return out
}

// PUBLISH and PUBACK, which this package reads and writes itself, are on the wire what
// another codec makes of them.
func TestFastPacketsAreTheOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s scratch
	for range 2000 {
		p := randomPublish(r)
		var want bytes.Buffer
		if _, err := asPaho(p).WriteTo(&want); err != nil {
			t.Fatal(err)
		}
		got := appendPublish(nil, wire.MQTT5, p)
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%+v:\n% x, want\n% x", p.msg, got, want.Bytes())
		}
		header, body, err := readFrame(bytes.NewReader(got), 1<<20)
		if err == nil {
			err = checkFrame(wire.MQTT5, header, body)
		}
		if err != nil {
			t.Fatal(err)
		}
		back := *s.publish(wire.MQTT5, header, body)
		if !back.msg.borrowed {
			t.Fatal("who keeps the message is not told that it must be copied")
		}
		msg := *back.msg.own()
		if clear(body); !reflect.DeepEqual(msg, *p.msg) {
			t.Fatalf("%+v came back as %+v", *p.msg, msg)
		}
		back.msg = p.msg
		if !reflect.DeepEqual(&back, p) {
			t.Fatalf("%+v came back as %+v", p, &back)
		}
	}
	for _, p := range []ackPacket{{id: 1}, {id: 0x1234, code: 0x10}, {id: 65535, code: 0x87, reason: "no"}, {id: 2, reason: "so"}, {id: 3, code: 0x97, reason: fmt.Sprintf("%0300d", 1)}} {
		var want bytes.Buffer
		if _, err := (&paho.Puback{PacketID: p.id, ReasonCode: byte(p.code), Properties: reason5(p.reason)}).WriteTo(&want); err != nil {
			t.Fatal(err)
		}
		if p.code == 0 && p.reason == "" {
			want.Reset()
			want.Write([]byte{0x40, 2, 0, 1}) // the other writes what may be left out
		}
		if got := appendAck(nil, &p); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%+v: % x, want % x", p, got, want.Bytes())
		}
	}
}

// What a client publishes again and again is read without making anything.
func TestReadingMakesNoGarbage(t *testing.T) {
	for _, v := range []wire.Version{wire.MQTT311, wire.MQTT5} {
		var s scratch
		b := appendPublish(nil, v, &publishPacket{msg: &Message{Topic: "devices/1/telemetry", Payload: make([]byte, 100)}, qos: 1, id: 7})
		in := input{}
		if n := testing.AllocsPerRun(100, func() {
			in.rest = b
			header, body, ok := in.frame(1000)
			if !ok || checkFrame(v, header, body) != nil || s.publish(v, header, body).id != 7 {
				t.Fatal("not read")
			}
		}); n > 0 {
			t.Errorf("%v: %v allocations", v, n)
		}
	}
}
