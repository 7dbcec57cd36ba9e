package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

func FuzzNext(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.raw, 0)
		f.Add(append(bytes.Clone(s.raw), s.raw...), len(s.raw))
	}
	f.Add([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0}, 1<<17)
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 0}, 0)
	f.Fuzz(func(t *testing.T, buf []byte, max int) {
		fr, need, err := Next(buf, max)
		switch {
		case err != nil:
			var e *Error
			if !errors.As(err, &e) || need != 0 || fr.Raw != nil {
				t.Fatalf("%v with need %d, raw %x", err, need, fr.Raw)
			}
		case need > 0:
			if need <= len(buf) || max > 0 && need > max && need > 5 {
				t.Fatalf("need %d with %d in the buffer and maximum %d", need, len(buf), max)
			}
		default:
			if !bytes.Equal(fr.Raw, buf[:len(fr.Raw)]) || max > 0 && len(fr.Raw) > max || len(fr.Raw) < 2 ||
				!bytes.HasSuffix(fr.Raw, fr.Body) || fr.Head != buf[0] {
				t.Fatalf("frame %+v of %x", fr, buf)
			}
		}
		// With fewer bytes it must ask for more, for no more than there are, or already say the same.
		for i := range min(len(buf), 8) {
			fr2, need2, err2 := Next(buf[:i], max)
			switch {
			case need2 > i && need == 0 && err == nil && need2 <= len(fr.Raw):
			case need2 > i && need > 0 && need2 <= need:
			case need2 > i && err != nil && need2 <= 5:
			case need2 == 0 && (err == nil) == (err2 == nil) && len(fr2.Raw) == len(fr.Raw):
			default:
				t.Fatalf("%x: %d, %v; its first %d bytes: %d, %v", buf, need, err, i, need2, err2)
			}
		}
	})
}

func FuzzParsePublish(f *testing.F) {
	for _, s := range samples(f) {
		fr := split(f, s.raw)
		f.Add(fr.Head, fr.Body)
	}
	f.Add(byte(0x32), []byte{0, 1, 'a', 0, 1, 2, 1, 1, 'x'})
	f.Fuzz(func(t *testing.T, head byte, body []byte) {
		var p InPublish
		var err error
		boundAllocs(t, len(body), func() { err = ParsePublish(Frame{Head: head, Body: body}, &p) })
		if err != nil {
			wantError(t, err, errCode(err), "")
			return
		}
		// Paho, which accepts more, must read the same.
		raw := append(appendVarint([]byte{head}, len(body)), body...)
		q := pahoRead[*packets.Publish](t, raw)
		if q.Topic != string(p.Topic) || q.QoS != p.QoS || q.PacketID != p.ID || q.Retain != p.Retain || q.Duplicate != p.Dup ||
			!bytes.Equal(q.Payload, p.Payload) || !reflect.DeepEqual(pahoProps(q.Properties), normal(p.Props)) {
			t.Fatalf("%x: %+v %+v, paho %+v", raw, p, p.Props, q)
		}
		// What was parsed encodes to a packet that parses to the same.
		again := AppendPublish(nil, string(p.Topic), p.QoS, p.Retain, p.Dup, p.ID, p.Props, p.Payload)
		if n := PublishSize(len(p.Topic), p.QoS, p.Props, len(p.Payload)); n != len(again) {
			t.Fatalf("PublishSize %d, encoded %d", n, len(again))
		}
		var r InPublish
		if err := ParsePublish(split(t, again), &r); err != nil {
			t.Fatalf("%x: %v", again, err)
		}
		if r.Props == nil && p.Props != nil && p.Props.size() == 0 { // only empty strings, which are not encoded
			r.Props = p.Props
		}
		if !reflect.DeepEqual(p, r) {
			t.Fatalf("%+v, again %+v", p, r)
		}
	})
}

func errCode(err error) byte {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func FuzzParseAck(f *testing.F) {
	for _, s := range samples(f) {
		fr := split(f, s.raw)
		f.Add(fr.Head, fr.Body)
	}
	f.Fuzz(func(t *testing.T, head byte, body []byte) {
		var a Ack
		var err error
		boundAllocs(t, len(body), func() { err = ParseAck(Frame{Head: head, Body: body}, &a) })
		if err != nil {
			wantError(t, err, errCode(err), "")
			return
		}
		raw := append(appendVarint([]byte{head}, len(body)), body...)
		q := pahoRead[*packets.Puback](t, raw)
		b := Ack{q.PacketID, q.ReasonCode, q.Properties.ReasonString, fromPahoUser(q.Properties.User)}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%x: %+v, paho %+v", raw, a, b)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		fr := split(f, s.raw)
		f.Add(fr.Head, fr.Body)
	}
	f.Add(TypeSuback<<4, bytes.Repeat([]byte{propUser, 0, 0, 0, 0}, 50))
	f.Fuzz(func(t *testing.T, head byte, body []byte) {
		fr := Frame{Head: head, Body: body}
		var got any
		var err error
		boundAllocs(t, len(body), func() { got, err = Decode(fr) })
		if err != nil {
			if wantError(t, err, errCode(err), ""); got != nil {
				t.Fatalf("%#v beside %v", got, err)
			}
			return
		}
		// What paho reads of the whole packet, user properties included, must be the same.
		if len(body) == 0 { // paho refuses the shortest DISCONNECT
			return
		}
		raw := append(appendVarint([]byte{head}, len(body)), body...)
		var q *packets.Properties
		var user []UserProperty
		var reason string
		var same bool
		switch v := got.(type) {
		case *Connack:
			p := pahoRead[*packets.Connack](t, raw)
			q, user, reason = p.Properties, v.User, v.Reason
			same = p.ReasonCode == v.Code && p.SessionPresent == v.SessionPresent && q.AssignedClientID == v.AssignedClientID &&
				q.ServerReference == v.ServerReference && q.ResponseInfo == v.ResponseInformation &&
				reflect.DeepEqual(q.ReceiveMaximum, v.ReceiveMaximum) && reflect.DeepEqual(q.MaximumPacketSize, v.MaximumPacketSize) &&
				reflect.DeepEqual(q.ServerKeepAlive, v.ServerKeepAlive) && reflect.DeepEqual(q.SessionExpiryInterval, v.SessionExpiry) &&
				reflect.DeepEqual(q.TopicAliasMaximum, v.TopicAliasMaximum) && reflect.DeepEqual(q.MaximumQOS, v.MaximumQoS) &&
				reflect.DeepEqual(q.RetainAvailable, flagByte(v.RetainAvailable))
		case *Suback:
			p := pahoRead[*packets.Suback](t, raw)
			q, user, reason = p.Properties, v.User, v.Reason
			same = p.PacketID == v.ID && v.ID != 0 && bytes.Equal(p.Reasons, v.Codes) && len(v.Codes) > 0
		case *Unsuback:
			p := pahoRead[*packets.Unsuback](t, raw)
			q, user, reason = p.Properties, v.User, v.Reason
			same = p.PacketID == v.ID && v.ID != 0 && bytes.Equal(p.Reasons, v.Codes) && len(v.Codes) > 0
		case *Disconnect:
			p := pahoRead[*packets.Disconnect](t, raw)
			q, user, reason = p.Properties, v.User, v.Reason
			same = p.ReasonCode == v.Code && q.ServerReference == v.ServerReference && v.SessionExpiry == nil
		default:
			t.Fatalf("%x: %T", raw, got)
		}
		if !same || reason != q.ReasonString || !reflect.DeepEqual(user, fromPahoUser(q.User)) {
			t.Fatalf("%x: %+v, paho's properties %+v", raw, got, q)
		}
	})
}

// FuzzProperties walks a property block: no panic, spans inside the block, and a block that passes is one that paho
// reads without an error.
func FuzzProperties(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.raw[0]>>4, s.raw[min(5, len(s.raw)):])
	}
	f.Add(TypePublish, []byte{propPayloadFormat, 1, propUser, 0, 1, 'k', 0, 1, 'v', propSubscriptionID, 0x80, 1})
	f.Add(TypeConnack, []byte{propReceiveMaximum, 0, 1, propMaximumPacketSize, 0, 1, 0, 0, propServerKeepAlive, 0, 9})
	f.Fuzz(func(t *testing.T, packet byte, block []byte) {
		it := propIter{block: block, packet: packet & 15}
		end := 0
		for it.next() {
			if it.whole.from != end || it.whole.to <= end || it.whole.to > len(block) {
				t.Fatalf("property 0x%02X at %v after %d", it.id, it.whole, end)
			}
			end = it.whole.to
			if k := propTable[it.id].kind; k == kindString || k == kindBinary || k == kindPair {
				_ = it.bytes(it.a)
			} else if k&kindNonZero != 0 && it.num == 0 {
				t.Fatalf("0 for %s", propTable[it.id].name)
			}
		}
		if it.err != nil {
			wantError(t, it.err, errCode(it.err), TypeName(packet))
			if it.next() {
				t.Fatal("goes on behind an error")
			}
			return
		}
		if end != len(block) {
			t.Fatalf("ended at %d of %d", end, len(block))
		}
		var q packets.Properties
		if err := q.Unpack(bytes.NewBuffer(append(appendVarint(nil, len(block)), block...)), packet&15); err != nil {
			t.Fatalf("%x passes, paho: %v", block, err)
		}
	})
}

// FuzzPublish encodes what CheckPublish lets pass and compares with paho in both directions.
func FuzzPublish(f *testing.F) {
	f.Add("a/b", byte(1), byte(0xFF), uint16(7), byte(1), uint32(60), uint16(3), "r/t", "text/plain", []byte{1}, "k", "v", []byte("payload"))
	f.Add("a", byte(0), byte(0), uint16(0), byte(0), uint32(0), uint16(0), "", "", []byte(nil), "", "", []byte(nil))
	f.Add("", byte(2), byte(0x20), uint16(65535), byte(0), uint32(0), uint16(1), "", "", []byte{}, "", "", bytes.Repeat([]byte{0}, 200))
	f.Fuzz(func(t *testing.T, topic string, qos, has byte, id uint16, format byte, expiry uint32, alias uint16,
		response, content string, correlation []byte, name, value string, payload []byte) {
		p := &Properties{TopicAlias: alias, ResponseTopic: response, ContentType: content}
		if has&1 != 0 {
			p.PayloadFormat = &format
		}
		if has&2 != 0 {
			p.MessageExpiry = &expiry
		}
		if has&4 != 0 {
			p.CorrelationData = correlation
		}
		for range has >> 3 & 3 {
			p.User = append(p.User, UserProperty{name, value})
		}
		retain, dup := has&0x40 != 0, has&0x80 != 0
		if has&0x20 == 0 {
			p = nil
		}
		if CheckPublish(topic, qos, p, len(payload)) != nil {
			return
		}
		if qos == 0 {
			id, dup = 0, false
		} else if id == 0 {
			id = 1
		}
		raw := AppendPublish(nil, topic, qos, retain, dup, id, p, payload)
		if n := PublishSize(len(topic), qos, p, len(payload)); n != len(raw) {
			t.Fatalf("PublishSize %d, encoded %d", n, len(raw))
		}
		q := pahoRead[*packets.Publish](t, raw)
		if q.Topic != topic || q.QoS != qos || q.PacketID != id || q.Retain != retain || q.Duplicate != dup ||
			!bytes.Equal(q.Payload, payload) || !reflect.DeepEqual(pahoProps(q.Properties), normal(p)) {
			t.Fatalf("paho reads %x as %+v %+v", raw, q, q.Properties)
		}
		w := packets.Publish{Topic: topic, QoS: qos, PacketID: id, Retain: retain, Duplicate: dup, Payload: payload, Properties: &packets.Properties{}}
		if p != nil {
			w.Properties = toPahoProps(p)
		}
		theirs := pahoWrite(t, &w)
		var in InPublish
		if err := ParsePublish(split(t, theirs), &in); err != nil {
			t.Fatalf("paho's %x: %v", theirs, err)
		}
		if string(in.Topic) != topic || in.QoS != qos || in.ID != id || in.Retain != retain || in.Dup != dup ||
			!bytes.Equal(in.Payload, payload) || !reflect.DeepEqual(normal(in.Props), normal(p)) {
			t.Fatalf("paho's %x reads as %+v %+v", theirs, in, in.Props)
		}
	})
}
