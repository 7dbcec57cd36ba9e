package wire

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// TestAgainstPaho decodes with paho what is encoded here, for the packets that paho encodes and for the parts of them
// that it does not. Cases of aws-c-mqtt's tests, group "codec" (round trips of connect, subscribe, unsubscribe, publish, puback, disconnect)
// and "storage" ({publish,subscribe,unsubscribe}_operation_new_set_{no_optional,all}: every field arrives, or is not there).
func TestAgainstPaho(t *testing.T) {
	user := []UserProperty{{"b", "1"}, {"a", "2"}, {"b", "3"}}
	t.Run("connect", func(t *testing.T) {
		c := &Connect{ClientID: "clíent", CleanStart: true, KeepAlive: 1200, Username: new("u?SDK=Go"), Password: []byte{0, 255},
			Will: &Will{Topic: "w/t", Payload: []byte{1, 0}, QoS: 1, Retain: true, Delay: new(uint32(7)), Props: Properties{
				PayloadFormat: new(byte(0)), MessageExpiry: new(uint32(9)), ResponseTopic: "r/t", CorrelationData: []byte{0},
				ContentType: "ct", User: user}},
			SessionExpiry: new(uint32(3600)), ReceiveMaximum: new(uint16(20)), MaximumPacketSize: new(uint32(1 << 20)), TopicAliasMaximum: new(uint16(8)),
			RequestResponseInformation: new(true), RequestProblemInformation: new(false), User: user}
		raw, err := AppendConnect(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		p := pahoRead[*packets.Connect](t, raw)
		if p.ProtocolName != "MQTT" || p.ProtocolVersion != 5 || p.ClientID != c.ClientID || !p.CleanStart || p.KeepAlive != 1200 ||
			!p.UsernameFlag || p.Username != *c.Username || !p.PasswordFlag || !bytes.Equal(p.Password, c.Password) {
			t.Errorf("%+v", p)
		}
		if !p.WillFlag || p.WillTopic != "w/t" || !bytes.Equal(p.WillMessage, c.Will.Payload) || p.WillQOS != 1 || !p.WillRetain ||
			*p.WillProperties.WillDelayInterval != 7 || !reflect.DeepEqual(pahoProps(p.WillProperties), normal(&c.Will.Props)) {
			t.Errorf("will %+v, properties %+v", p, p.WillProperties)
		}
		q := p.Properties
		if *q.SessionExpiryInterval != 3600 || *q.ReceiveMaximum != 20 || *q.MaximumPacketSize != 1<<20 || *q.TopicAliasMaximum != 8 ||
			*q.RequestResponseInfo != 1 || *q.RequestProblemInfo != 0 || !reflect.DeepEqual(fromPahoUser(q.User), user) {
			t.Errorf("properties %+v", q)
		}
	})
	t.Run("will behind long properties", func(t *testing.T) { // the will's block is put behind a length of two bytes
		c := &Connect{ClientID: "c", User: []UserProperty{{"k", string(bytes.Repeat([]byte("v"), 300))}},
			Will: &Will{Topic: "w", Props: Properties{ContentType: string(bytes.Repeat([]byte("t"), 200))}}}
		raw, err := AppendConnect(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		p := pahoRead[*packets.Connect](t, raw)
		if p.ClientID != "c" || p.WillTopic != "w" || p.WillProperties.ContentType != c.Will.Props.ContentType || p.UsernameFlag || p.PasswordFlag {
			t.Errorf("%+v", p)
		}
	})
	t.Run("subscribe", func(t *testing.T) {
		s := &Subscribe{ID: 513, SubscriptionID: new(uint32(MaxRemaining)), User: user}
		for i, f := range []string{"z", "a/+", "#", "$share/g/x"} {
			s.Subs = append(s.Subs, SubOption{Filter: f, QoS: byte(i % 3), NoLocal: i == 1, RetainAsPublished: i == 2, RetainHandling: byte(i % 3)})
		}
		raw, err := AppendSubscribe(nil, s)
		if err != nil || len(raw) != SubscribeSize(s) {
			t.Fatalf("%d bytes, SubscribeSize %d, %v", len(raw), SubscribeSize(s), err)
		}
		p := pahoRead[*packets.Subscribe](t, raw)
		if p.PacketID != 513 || *p.Properties.SubscriptionIdentifier != MaxRemaining || !reflect.DeepEqual(fromPahoUser(p.Properties.User), user) {
			t.Errorf("%+v", p)
		}
		var subs []SubOption
		for _, o := range p.Subscriptions {
			subs = append(subs, SubOption{o.Topic, o.QoS, o.NoLocal, o.RetainAsPublished, o.RetainHandling})
		}
		if !reflect.DeepEqual(subs, s.Subs) { // order and options
			t.Errorf("%+v, want %+v", subs, s.Subs)
		}
	})
	t.Run("unsubscribe", func(t *testing.T) {
		u := &Unsubscribe{ID: 77, Filters: []string{"z", "a/+", "#"}, User: user}
		raw, err := AppendUnsubscribe(nil, u)
		if err != nil || len(raw) != UnsubscribeSize(u) {
			t.Fatalf("%d bytes, UnsubscribeSize %d, %v", len(raw), UnsubscribeSize(u), err)
		}
		p := pahoRead[*packets.Unsubscribe](t, raw)
		if p.PacketID != 77 || !reflect.DeepEqual(p.Topics, u.Filters) || !reflect.DeepEqual(fromPahoUser(p.Properties.User), user) {
			t.Errorf("%+v", p)
		}
	})
	t.Run("disconnect", func(t *testing.T) {
		d := &Disconnect{Code: 0x82, SessionExpiry: new(uint32(5)), Reason: "why", User: user}
		raw, err := AppendDisconnect(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		p := pahoRead[*packets.Disconnect](t, raw)
		if p.ReasonCode != 0x82 || *p.Properties.SessionExpiryInterval != 5 || p.Properties.ReasonString != "why" || !reflect.DeepEqual(fromPahoUser(p.Properties.User), user) {
			t.Errorf("%+v", p)
		}
	})
	t.Run("puback", func(t *testing.T) {
		for _, code := range []byte{0, 0x10, 0x97} {
			p := pahoRead[*packets.Puback](t, AppendPuback(nil, 4660, code))
			if p.PacketID != 4660 || p.ReasonCode != code {
				t.Errorf("%+v", p)
			}
		}
	})
	t.Run("pingreq", func(t *testing.T) { pahoRead[*packets.Pingreq](t, Pingreq) })
}

// Cases of aws-c-mqtt's tests, group "codec" (round trip of connack) and "storage" (connack_storage_new_set_all).
func TestDecodeFullConnack(t *testing.T) {
	user := []packets.User{{Key: "k", Value: "v"}, {Key: "k", Value: "w"}}
	got, err := Decode(split(t, pahoWrite(t, fullConnack(user))))
	if err != nil {
		t.Fatal(err)
	}
	want := &Connack{SessionPresent: true, SessionExpiry: new(uint32(3600)), ReceiveMaximum: new(uint16(100)), MaximumQoS: new(byte(1)),
		RetainAvailable: new(true), MaximumPacketSize: new(uint32(131072)), AssignedClientID: "$GEN/1", TopicAliasMaximum: new(uint16(8)),
		Reason: "welcome", User: []UserProperty{{"k", "v"}, {"k", "w"}}, WildcardSubscriptionsAvailable: new(true), SubscriptionIDsAvailable: new(false),
		SharedSubscriptionsAvailable: new(true), ServerKeepAlive: new(uint16(1200)), ResponseInformation: "resp/", ServerReference: "here"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// TestOwnMemory overwrites the frame after decoding: what Decode, ParseAck and the properties of a PUBLISH return must
// not change. Cases of aws-c-mqtt's tests, group "storage": {connack,suback,unsuback,puback,publish,disconnect}_storage_new_set_*, where a
// packet outlives the buffer that it was read from. (new_failure_packet_id has no equivalent: a PublishPacket has no
// identifier that a program could set.)
func TestOwnMemory(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			want, err := decodeAny(split(t, s.raw))
			if err != nil {
				t.Fatal(err)
			}
			scratch := bytes.Clone(s.raw)
			got, err := decodeAny(split(t, scratch))
			if err != nil {
				t.Fatal(err)
			}
			for i := range scratch {
				scratch[i] = 0xAA
			}
			if p, ok := got.(InPublish); ok { // these two alias the frame, as documented
				w := want.(InPublish)
				p.Topic, p.Payload = w.Topic, w.Payload
				got = p
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// TestParseResets: a struct that is used again keeps nothing of the packet before.
func TestParseResets(t *testing.T) {
	p := InPublish{Topic: []byte("old"), ID: 9, QoS: 1, Retain: true, Dup: true, Payload: []byte("old"), Props: &Properties{}}
	if err := ParsePublish(split(t, AppendPublish(nil, "a", 0, false, false, 0, nil, nil)), &p); err != nil {
		t.Fatal(err)
	}
	if p.ID != 0 || p.QoS != 0 || p.Retain || p.Dup || p.Props != nil || len(p.Payload) != 0 {
		t.Errorf("%+v", p)
	}
	a := Ack{ID: 9, Code: 9, Reason: "old", User: []UserProperty{{}}}
	if err := ParseAck(split(t, AppendPuback(nil, 1, 0)), &a); err != nil || !reflect.DeepEqual(a, Ack{ID: 1}) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestPatchPublish(t *testing.T) {
	for _, payload := range []int{0, 200, 20000} {
		for _, qos := range []byte{1, 2} {
			body := bytes.Repeat([]byte{7}, payload)
			props := &Properties{ContentType: "x"}
			raw := AppendPublish(nil, "a/b", qos, true, false, 7, props, body)
			SetDup(raw)
			SetPublishID(raw, 4660)
			if want := AppendPublish(nil, "a/b", qos, true, true, 4660, props, body); !bytes.Equal(raw, want) {
				t.Errorf("%x, want %x", raw, want)
			}
			ClearDup(raw)
			if want := AppendPublish(nil, "a/b", qos, true, false, 4660, props, body); !bytes.Equal(raw, want) {
				t.Errorf("%x, want %x", raw, want)
			}
		}
	}
	for _, c := range []struct{ name, hex string }{
		{"qos 0", "30 08 0003 612f62 00 6869"}, {"puback", "40 02 000a"}, {"empty", ""}, {"head", "32"}, {"length cut", "32 80"},
		{"topic cut", "32 04 0003 61"}, {"id cut", "32 06 0003 612f62 00"}, {"no topic", "32 00"}, {"five length bytes", "32 8080808080 00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.hex)
			SetDup(raw)
			ClearDup(raw)
			SetPublishID(raw, 0xFFFF)
			if !bytes.Equal(raw, unhex(t, c.hex)) {
				t.Errorf("%s became %x", c.hex, raw)
			}
		})
	}
}

// TestHostileUserProperties: 200,000 user properties of five bytes must not cost paho's kilobyte each.
func TestHostileUserProperties(t *testing.T) {
	block := bytes.Repeat([]byte{propUser, 0, 0, 0, 0}, 200_000)
	withProps := func(prefix []byte, suffix ...byte) []byte {
		return append(append(appendVarint(prefix, len(block)), block...), suffix...)
	}
	for _, f := range []Frame{
		{Head: TypeConnack << 4, Body: withProps([]byte{0, 0})},
		{Head: TypeSuback << 4, Body: withProps([]byte{0, 1}, 0)},
		{Head: TypeUnsuback << 4, Body: withProps([]byte{0, 1}, 0)},
		{Head: TypeDisconnect << 4, Body: withProps([]byte{0})},
		{Head: TypePuback << 4, Body: withProps([]byte{0, 1, 0})},
		{Head: TypePublish << 4, Body: withProps([]byte{0, 1, 'a'})},
	} {
		t.Run(TypeName(f.Type()), func(t *testing.T) {
			boundAllocs(t, len(f.Body), func() {
				if _, err := decodeAny(f); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
