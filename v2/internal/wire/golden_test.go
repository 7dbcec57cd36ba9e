package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// The vectors in this file were written down from the specification, byte by byte.

func TestGoldenPublish(t *testing.T) {
	all := &Properties{PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(60)), TopicAlias: 5, ResponseTopic: "r",
		CorrelationData: []byte{1, 2}, ContentType: "c", SubscriptionIDs: []uint32{128}, User: []UserProperty{{"k", "v"}}}
	for _, c := range []struct {
		name, hex   string
		topic       string
		qos         byte
		retain, dup bool
		id          uint16
		props       *Properties
		payload     string
	}{
		{name: "qos 0", hex: "30 08 0003 612f62 00 6869", topic: "a/b", payload: "hi"},
		{name: "qos 0 retained", hex: "31 04 0001 61 00", topic: "a", retain: true},
		{name: "qos 1", hex: "32 0a 0003 612f62 000a 00 6869", topic: "a/b", qos: 1, id: 10, payload: "hi"},
		{name: "qos 1 dup retain", hex: "3b 07 0001 61 0100 00 78", topic: "a", qos: 1, id: 256, retain: true, dup: true, payload: "x"},
		{name: "qos 2", hex: "34 06 0001 61 ffff 00", topic: "a", qos: 2, id: 65535},
		{name: "alias for the topic", hex: "30 06 0000 03 23 0001", props: &Properties{TopicAlias: 1}},
		{name: "empty correlation data", hex: "30 07 0001 61 03 09 0000", topic: "a", props: &Properties{CorrelationData: []byte{}}},
		{name: "all properties", hex: "30 26 0001 61 21  01 01  02 0000003c  23 0005  08 0001 72  09 0002 0102  03 0001 63  0b 8001  26 0001 6b 0001 76  21",
			topic: "a", props: all, payload: "!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := unhex(t, c.hex)
			got := AppendPublish([]byte("x"), c.topic, c.qos, c.retain, c.dup, c.id, c.props, []byte(c.payload))
			if !bytes.Equal(got[1:], want) || got[0] != 'x' {
				t.Errorf("encoded\n %x, want\n %x", got[1:], want)
			}
			if n := PublishSize(len(c.topic), c.qos, c.props, len(c.payload)); n != len(want) {
				t.Errorf("PublishSize %d, want %d", n, len(want))
			}
			var p InPublish
			if err := ParsePublish(split(t, want), &p); err != nil {
				t.Fatal(err)
			}
			exp := InPublish{Topic: []byte(c.topic), ID: c.id, QoS: c.qos, Retain: c.retain, Dup: c.dup, Payload: []byte(c.payload), Props: c.props}
			if !reflect.DeepEqual(p, exp) {
				t.Errorf("decoded\n %+v, want\n %+v", p, exp)
			}
		})
	}
}

func TestPublishQoS0HasNeitherIDNorDup(t *testing.T) {
	if got, want := AppendPublish(nil, "a", 0, false, true, 99, nil, nil), unhex(t, "30 04 0001 61 00"); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestGoldenPuback(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      Ack
		ours      bool // AppendPuback writes this form
	}{
		{"short", "40 02 000a", Ack{ID: 10}, true},
		{"code", "40 03 0100 87", Ack{ID: 256, Code: 0x87}, true},
		{"code 0 spelled out", "40 03 0001 00", Ack{ID: 1}, false},
		{"no properties", "40 04 0001 10 00", Ack{ID: 1, Code: 0x10}, false},
		{"a code PUBACK does not have", "40 03 0001 92", Ack{ID: 1, Code: 0x92}, false},
		{"properties", "40 11 0001 80 0d  1f 0003 6e6f21  26 0001 6b 0001 76",
			Ack{ID: 1, Code: 0x80, Reason: "no!", User: []UserProperty{{"k", "v"}}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.hex)
			var a Ack
			if err := ParseAck(split(t, raw), &a); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, c.want) {
				t.Errorf("%+v, want %+v", a, c.want)
			}
			if c.ours {
				if got := AppendPuback(nil, a.ID, a.Code); !bytes.Equal(got, raw) {
					t.Errorf("encoded %x, want %x", got, raw)
				}
			}
		})
	}
}

// Cases of aws-c-mqtt's tests, group "codec": encode_connect_{no_will,no_username,no_password,will_property_order}, and the first byte of
// what only a client sends: first_byte_reserved_header_check_{subscribe,unsubscribe} (0x82, 0xA2).
func TestGoldenEncode(t *testing.T) {
	connect := func(c Connect) func([]byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) { return AppendConnect(b, &c) }
	}
	for _, c := range []struct {
		name, hex string
		encode    func([]byte) ([]byte, error)
	}{
		{"connect minimal", "10 0d 0004 4d515454 05 00 0000 00 0000", connect(Connect{})},
		{"connect empty password, no user name", "10 10 0004 4d515454 05 42 0000 00 0001 63 0000",
			connect(Connect{ClientID: "c", CleanStart: true, Password: []byte{}})},
		{"connect empty user name", "10 0f 0004 4d515454 05 80 0000 00 0000 0000", connect(Connect{Username: new("")})},
		{"connect will with properties",
			"10 2b 0004 4d515454 05 ee 003c  05 11 00000078  0001 63  0b 18 00000005 01 01 03 0001 74  0001 77 0001 78 0001 75 0001 70",
			connect(Connect{ClientID: "c", CleanStart: true, KeepAlive: 60, Username: new("u"), Password: []byte("p"), SessionExpiry: new(uint32(120)),
				Will: &Will{Topic: "w", Payload: []byte("x"), QoS: 1, Retain: true, Delay: new(uint32(5)),
					Props: Properties{PayloadFormat: new(byte(1)), ContentType: "t"}}})},
		{"connect will without properties", "10 14 0004 4d515454 05 04 0000 00 0000 00 0001 77 0001 78",
			connect(Connect{Will: &Will{Topic: "w", Payload: []byte("x")}})},
		{"connect properties",
			"10 28 0004 4d515454 05 02 04b0  1b 21 0064 22 0019 27 00020000 17 00 19 01 11 ffffffff 26 0001 6b 0001 76  0000",
			connect(Connect{CleanStart: true, KeepAlive: 1200, SessionExpiry: new(uint32(0xFFFFFFFF)), ReceiveMaximum: new(uint16(100)),
				MaximumPacketSize: new(uint32(131072)), TopicAliasMaximum: new(uint16(25)), RequestResponseInformation: new(true),
				RequestProblemInformation: new(false), User: []UserProperty{{"k", "v"}}})},
		{"subscribe", "82 0f 000a 02 0b 05 0003 612f62 2d 0001 23 00", func(b []byte) ([]byte, error) {
			return AppendSubscribe(b, &Subscribe{ID: 10, SubscriptionID: new(uint32(5)), Subs: []SubOption{
				{Filter: "a/b", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}, {Filter: "#"}}})
		}},
		{"unsubscribe", "a2 12 000b 07 26 0001 6b 0001 76 0003 612f62 0001 23", func(b []byte) ([]byte, error) {
			return AppendUnsubscribe(b, &Unsubscribe{ID: 11, Filters: []string{"a/b", "#"}, User: []UserProperty{{"k", "v"}}})
		}},
		{"disconnect", "e0 02 00 00", func(b []byte) ([]byte, error) { return AppendDisconnect(b, &Disconnect{}) }},
		{"disconnect properties", "e0 0c 04 0a 11 0000000a 1f 0002 6279", func(b []byte) ([]byte, error) {
			return AppendDisconnect(b, &Disconnect{Code: 4, SessionExpiry: new(uint32(10)), Reason: "by"})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := unhex(t, c.hex)
			got, err := c.encode([]byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[1:], want) || got[0] != 'x' {
				t.Errorf("encoded\n %x, want\n %x", got[1:], want)
			}
		})
	}
	if !bytes.Equal(Pingreq, []byte{0xC0, 0}) {
		t.Errorf("PINGREQ %x", Pingreq)
	}
}

func TestGoldenDecode(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      any
	}{
		{"connack", "20 03 00 00 00", &Connack{}},
		{"connack session", "20 03 01 00 00", &Connack{SessionPresent: true}},
		{"connack refused", "20 08 00 87 05 1f 0002 6e6f", &Connack{Code: 0x87, Reason: "no"}},
		{"connack properties", "20 27 01 00 24 11 00000e10 21 0064 24 01 25 01 27 00020000 22 0008 28 01 29 00 2a 01 13 04b0 26 0001 6b 0001 76",
			&Connack{SessionPresent: true, SessionExpiry: new(uint32(3600)), ReceiveMaximum: new(uint16(100)), MaximumQoS: new(byte(1)),
				RetainAvailable: new(true), MaximumPacketSize: new(uint32(131072)), TopicAliasMaximum: new(uint16(8)),
				WildcardSubscriptionsAvailable: new(true), SubscriptionIDsAvailable: new(false), SharedSubscriptionsAvailable: new(true),
				ServerKeepAlive: new(uint16(1200)), User: []UserProperty{{"k", "v"}}}},
		{"connack strings", "20 15 00 9d 12 12 0001 63 1c 0002 7372 26 0000 0000 1a 0001 72", // user property in the middle
			&Connack{Code: 0x9D, AssignedClientID: "c", ServerReference: "sr", ResponseInformation: "r", User: []UserProperty{{"", ""}}}},
		{"connack server keep alive off", "20 06 00 00 03 13 0000", &Connack{ServerKeepAlive: new(uint16(0))}},
		{"suback", "90 06 0003 00 01 00 80", &Suback{ID: 3, Codes: []byte{1, 0, 0x80}}},
		{"suback properties", "90 10 0003 0c 1f 0002 6f6b 26 0001 6b 0001 76 01", &Suback{ID: 3, Codes: []byte{1}, Reason: "ok", User: []UserProperty{{"k", "v"}}}},
		{"unsuback", "b0 05 0004 00 00 11", &Unsuback{ID: 4, Codes: []byte{0, 0x11}}},
		{"disconnect empty", "e0 00", &Disconnect{}},
		{"disconnect code", "e0 01 8e", &Disconnect{Code: 0x8E}},
		{"disconnect no properties", "e0 02 8b 00", &Disconnect{Code: 0x8B}},
		{"disconnect properties", "e0 0b 9c 09 1f 0001 72 1c 0002 7372", &Disconnect{Code: 0x9C, Reason: "r", ServerReference: "sr"}},
		{"pingresp", "d0 00", Pingresp{}},
		{"property length longer than needed", "20 04 00 00 80 00", &Connack{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode(split(t, unhex(t, c.hex)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
