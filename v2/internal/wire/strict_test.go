package wire

import (
	"strings"
	"testing"
)

// TestRefused: what a server must not send, and the code for the DISCONNECT that answers it. Cases of aws-c-mqtt's tests, group "codec":
// first_byte_reserved_header_check_disconnect, and the same for every other packet that has reserved bits.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		code      byte
		problem   string // part of the text
	}{
		// PUBLISH
		{"publish qos 3", "36 06 0001 61 0001 00", CodeMalformed, "QoS 3"},
		{"publish dup at qos 0", "38 04 0001 61 00", CodeMalformed, "duplicate flag"},
		{"publish id 0", "32 06 0001 61 0000 00", CodeProtocolError, "packet identifier 0"},
		{"publish without topic", "30 03 0000 00", CodeProtocolError, "neither a topic name nor a topic alias"},
		{"publish topic with +", "30 06 0003 612f2b 00", CodeMalformed, "wildcard"},
		{"publish topic with #", "30 04 0001 23 00", CodeMalformed, "wildcard"},
		{"publish topic with NUL", "30 05 0002 6100 00", CodeMalformed, "UTF-8"},
		{"publish topic cut rune", "30 05 0002 61c3 00", CodeMalformed, "UTF-8"},
		{"publish topic surrogate", "30 06 0003 eda080 00", CodeMalformed, "UTF-8"},
		{"publish topic overlong", "30 05 0002 c0af 00", CodeMalformed, "UTF-8"},
		{"publish property twice", "30 08 0001 61 04 01 01 01 01", CodeProtocolError, "payload format indicator (property 0x01) is there more than once"},
		{"publish response topic twice", "30 0c 0001 61 08 08 0001 72 08 0001 72", CodeProtocolError, "response topic (property 0x08) is there more than once"},
		{"publish reason string", "30 08 0001 61 04 1f 0001 72", CodeMalformed, "reason string (property 0x1F) is not allowed"},
		{"publish unknown property", "30 06 0001 61 02 7f 00", CodeMalformed, "property 0x7F is not allowed"},
		{"publish property 0", "30 05 0001 61 01 00", CodeMalformed, "property 0x00 is not allowed"},
		{"publish authentication method", "30 08 0001 61 04 15 0001 72", CodeMalformed, "property 0x15 is not allowed"},
		{"publish payload format 2", "30 06 0001 61 02 01 02", CodeProtocolError, "must be 0 or 1"},
		{"publish topic alias 0", "30 07 0001 61 03 23 0000", CodeTopicAliasInvalid, "topic alias (property 0x23) must not be 0"},
		{"publish subscription identifier 0", "30 06 0001 61 02 0b 00", CodeProtocolError, "must not be 0"},
		{"publish subscription identifier of five bytes", "30 0a 0001 61 06 0b ffffffff7f", CodeMalformed, "more than four bytes"},
		{"publish subscription identifier cut", "30 06 0001 61 02 0b 80", CodeMalformed, "cut off"},
		{"publish content type bad UTF-8", "30 08 0001 61 04 03 0001 ff", CodeMalformed, "UTF-8"},
		{"publish user property name NUL", "30 0a 0001 61 06 26 0001 00 0000", CodeMalformed, "UTF-8"},
		{"publish user property value bad", "30 0a 0001 61 06 26 0000 0001 ff", CodeMalformed, "UTF-8"},
		{"publish user property without value", "30 09 0001 61 05 26 0002 6b6b", CodeMalformed, "cut off"},
		{"publish response topic wildcard", "30 08 0001 61 04 08 0001 23", CodeMalformed, "response topic"},
		{"publish response topic empty", "30 07 0001 61 03 08 0000", CodeMalformed, "response topic"},
		{"publish property beyond the block", "30 09 0001 61 03 03 0002 7474", CodeMalformed, "cut off"},
		{"publish properties beyond the packet", "30 05 0001 61 05 01", CodeMalformed, "property length 5, but only 1 bytes follow"},
		{"publish property length of five bytes", "30 09 0001 61 8080808000 78", CodeMalformed, "property length has more than four bytes"},
		{"publish no property length", "30 03 0001 61", CodeMalformed, "ends before the property length"},
		{"publish topic beyond the packet", "30 04 0010 6162", CodeMalformed, "topic name of 16 bytes, but only 2 follow"},
		{"publish empty", "30 00", CodeMalformed, "ends before the topic name"},
		// PUBACK
		{"puback flags", "42 02 0001", CodeMalformed, "reserved bits 0x2"},
		{"puback id 0", "40 02 0000", CodeProtocolError, "packet identifier 0"},
		{"puback one byte", "40 01 01", CodeMalformed, "ends before the packet identifier"},
		{"puback trailing", "40 05 0001 00 00 00", CodeMalformed, "1 bytes after the end"},
		{"puback properties cut", "40 05 0001 00 03 1f", CodeMalformed, "property length 3"},
		{"puback two reason strings", "40 0c 0001 00 08 1f 0001 61 1f 0001 61", CodeProtocolError, "more than once"},
		{"puback server reference", "40 08 0001 00 04 1c 0001 61", CodeMalformed, "not allowed"},
		// CONNACK
		{"connack flags", "21 03 00 00 00", CodeMalformed, "reserved bits 0x1"},
		{"connack acknowledge flags", "20 03 02 00 00", CodeMalformed, "acknowledge flags 0x02"},
		{"connack of MQTT 3.1.1", "20 02 00 01", CodeMalformed, "MQTT 3.1.1"},
		{"connack one byte", "20 01 00", CodeMalformed, "ends before the reason code"},
		{"connack session of a refused client", "20 03 01 87 00", CodeProtocolError, "session present"},
		{"connack trailing", "20 04 00 00 00 00", CodeMalformed, "1 bytes after the end"},
		{"connack property block cut", "20 05 00 00 64 21 00", CodeMalformed, "property length 100"},
		{"connack receive maximum 0", "20 06 00 00 03 21 0000", CodeProtocolError, "receive maximum (property 0x21) must not be 0"},
		{"connack maximum packet size 0", "20 08 00 00 05 27 00000000", CodeProtocolError, "maximum packet size (property 0x27) must not be 0"},
		{"connack maximum qos 2", "20 05 00 00 02 24 02", CodeProtocolError, "maximum QoS (property 0x24) must be 0 or 1"},
		{"connack retain available 2", "20 05 00 00 02 25 02", CodeProtocolError, "must be 0 or 1"},
		{"connack receive maximum twice", "20 09 00 00 06 21 0001 21 0001", CodeProtocolError, "more than once"},
		{"connack integer cut", "20 06 00 00 03 27 0000", CodeMalformed, "cut off"},
		{"connack authentication method", "20 07 00 00 04 15 0001 61", CodeMalformed, "not allowed"},
		{"connack topic alias", "20 06 00 00 03 23 0001", CodeMalformed, "topic alias (property 0x23) is not allowed"},
		{"connack will delay", "20 08 00 00 05 18 00000000", CodeMalformed, "not allowed"},
		{"connack client id bad UTF-8", "20 07 00 00 04 12 0001 80", CodeMalformed, "UTF-8"},
		// SUBACK, UNSUBACK
		{"suback flags", "92 04 0001 00 00", CodeMalformed, "reserved bits 0x2"},
		{"suback id 0", "90 04 0000 00 00", CodeProtocolError, "packet identifier 0"},
		{"suback without codes", "90 03 0001 00", CodeProtocolError, "no reason code"},
		{"suback empty", "90 00", CodeMalformed, "ends before the packet identifier"},
		{"suback id only", "90 02 0001", CodeMalformed, "ends before the property length"},
		{"suback properties cut", "90 05 0001 05 00 00", CodeMalformed, "property length 5"},
		{"suback subscription identifier", "90 06 0001 02 0b 01 00", CodeMalformed, "not allowed"},
		{"unsuback without codes", "b0 03 0001 00", CodeProtocolError, "no reason code"},
		{"unsuback id 0", "b0 04 0000 00 00", CodeProtocolError, "packet identifier 0"},
		// DISCONNECT, PINGRESP
		{"disconnect flags", "e1 00", CodeMalformed, "reserved bits 0x1"},
		{"disconnect trailing", "e0 03 00 00 00", CodeMalformed, "1 bytes after the end"},
		{"disconnect session expiry", "e0 07 00 05 11 00000001", CodeMalformed, "session expiry interval (property 0x11) is not allowed"},
		{"pingresp with body", "d0 01 00", CodeMalformed, "1 bytes after the end"},
		{"pingresp flags", "d4 00", CodeMalformed, "reserved bits 0x4"},
		// what a server must not send
		{"type 0", "00 00", CodeMalformed, "reserved"},
		{"connect", "10 0d 0004 4d515454 05 00 0000 00 0000", CodeProtocolError, "CONNECT: a server must not send it"},
		{"subscribe", "82 07 000a 00 0001 23 00", CodeProtocolError, "SUBSCRIBE: a server must not send it"},
		{"unsubscribe", "a2 06 000b 00 0001 23", CodeProtocolError, "UNSUBSCRIBE: a server must not send it"},
		{"pingreq", "c0 00", CodeProtocolError, "PINGREQ: a server must not send it"},
		{"pubrec", "50 02 0001", CodeProtocolError, "PUBREC: belongs to QoS 2"},
		{"pubrel", "62 02 0001", CodeProtocolError, "PUBREL: belongs to QoS 2"},
		{"pubcomp", "70 02 0001", CodeProtocolError, "PUBCOMP: belongs to QoS 2"},
		{"auth", "f0 00", CodeProtocolError, "AUTH: no authentication method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := split(t, unhex(t, c.hex))
			v, err := decodeAny(f)
			wantError(t, err, c.code, c.problem)
			if v != nil && f.Type() != TypePublish && f.Type() != TypePuback {
				t.Errorf("a value beside the error: %#v", v)
			}
		})
	}
}

// TestWrongDecoder: each decoder refuses the packets of the others.
func TestWrongDecoder(t *testing.T) {
	for _, s := range samples(t) {
		f := split(t, s.raw)
		if f.Type() != TypePublish {
			wantError(t, ParsePublish(f, &InPublish{}), CodeProtocolError, TypeName(f.Type())+": expected a PUBLISH")
		}
		if f.Type() != TypePuback {
			wantError(t, ParseAck(f, &Ack{}), CodeProtocolError, TypeName(f.Type())+": expected a PUBACK")
		}
		if f.Type() == TypePublish || f.Type() == TypePuback {
			v, err := Decode(f)
			wantError(t, err, CodeProtocolError, "not expected now")
			if v != nil {
				t.Errorf("%s: %#v", s.name, v)
			}
		}
	}
}

// TestTruncated cuts the body of every packet at every place, with a length field that fits and with one that does not.
func TestTruncated(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			for i := range s.raw {
				if _, need, err := Next(s.raw[:i], 0); err != nil || need <= i || need > len(s.raw) {
					t.Fatalf("first %d bytes: need %d, %v", i, need, err)
				}
			}
			f := split(t, s.raw)
			if _, err := decodeAny(f); err != nil {
				t.Fatalf("the whole packet: %v", err)
			}
			for i := range f.Body {
				legal := s.cuts != nil && s.cuts(i)
				_, err := decodeAny(Frame{Head: f.Head, Body: f.Body[:i:i]})
				if (err == nil) != legal {
					t.Errorf("body of %d bytes cut to %d: %v", len(f.Body), i, err)
				} else if err != nil && !strings.HasPrefix(err.Error(), "mqtt: "+TypeName(f.Type())+": ") {
					t.Errorf("text %q", err)
				}
			}
		})
	}
}

// TestEncodeRefused: what a client must not send, and what could not be encoded without cutting it. Cases of aws-c-mqtt's tests, group
// "codec": vli_encode_failures.
func TestEncodeRefused(t *testing.T) {
	long, bad := strings.Repeat("x", MaxString+1), "a\xff"
	connect := func(c Connect) func() error {
		return func() error { return sameDst(AppendConnect([]byte("x"), &c)) }
	}
	will := func(w Will) func() error { return connect(Connect{Will: &w}) }
	subscribe := func(s Subscribe) func() error {
		return func() error { return sameDst(AppendSubscribe([]byte("x"), &s)) }
	}
	unsubscribe := func(u Unsubscribe) func() error {
		return func() error { return sameDst(AppendUnsubscribe([]byte("x"), &u)) }
	}
	disconnect := func(d Disconnect) func() error {
		return func() error { return sameDst(AppendDisconnect([]byte("x"), &d)) }
	}
	publish := func(topic string, qos byte, p *Properties) func() error {
		return func() error { return CheckPublish(topic, qos, p, 10) }
	}
	sub := func(o SubOption) func() error { return subscribe(Subscribe{ID: 1, Subs: []SubOption{o}}) }
	for _, c := range []struct {
		name    string
		do      func() error
		code    byte
		problem string
	}{
		{"connect long client id", connect(Connect{ClientID: long}), CodeMalformed, "client identifier of 65536 bytes"},
		{"connect bad user name", connect(Connect{Username: &bad}), CodeMalformed, "user name is not valid UTF-8"},
		{"connect long password", connect(Connect{Password: []byte(long)}), CodeMalformed, "password of 65536 bytes"},
		{"connect receive maximum 0", connect(Connect{ReceiveMaximum: new(uint16(0))}), CodeProtocolError, "receive maximum must not be 0"},
		{"connect maximum packet size 0", connect(Connect{MaximumPacketSize: new(uint32(0))}), CodeProtocolError, "maximum packet size must not be 0"},
		{"connect user property", connect(Connect{User: []UserProperty{{"", "a\x00"}}}), CodeMalformed, "user property value is not valid UTF-8"},
		{"will without topic", will(Will{}), CodeMalformed, "will topic is empty"},
		{"will wildcard", will(Will{Topic: "a/#"}), CodeMalformed, "will topic is empty or has a wildcard"},
		{"will qos 3", will(Will{Topic: "a", QoS: 3}), CodeMalformed, "will QoS 3"},
		{"will long payload", will(Will{Topic: "a", Payload: []byte(long)}), CodeMalformed, "will payload of 65536 bytes"},
		{"will topic alias", will(Will{Topic: "a", Props: Properties{TopicAlias: 1}}), CodeProtocolError, "no topic alias"},
		{"will content type", will(Will{Topic: "a", Props: Properties{ContentType: long}}), CodeMalformed, "content type of 65536"},
		{"subscribe id 0", subscribe(Subscribe{Subs: []SubOption{{Filter: "a"}}}), CodeProtocolError, "packet identifier 0"},
		{"subscribe nothing", subscribe(Subscribe{ID: 1}), CodeProtocolError, "no topic filter"},
		{"subscribe subscription id 0", subscribe(Subscribe{ID: 1, Subs: []SubOption{{Filter: "a"}}, SubscriptionID: new(uint32(0))}), CodeProtocolError, "subscription identifier 0"},
		{"subscribe subscription id too large", subscribe(Subscribe{ID: 1, Subs: []SubOption{{Filter: "a"}}, SubscriptionID: new(uint32(MaxRemaining + 1))}), CodeProtocolError, "subscription identifier 268435456"},
		{"subscribe empty filter", sub(SubOption{}), CodeMalformed, "topic filter 0 is empty"},
		{"subscribe long filter", sub(SubOption{Filter: long}), CodeMalformed, "topic filter of 65536 bytes"},
		{"subscribe qos 3", sub(SubOption{Filter: "a", QoS: 3}), CodeProtocolError, "QoS 3"},
		{"subscribe retain handling 3", sub(SubOption{Filter: "a", RetainHandling: 3}), CodeProtocolError, "retain handling 3"},
		{"subscribe shared no local", sub(SubOption{Filter: "$share/g/a", NoLocal: true}), CodeProtocolError, "no local"},
		{"unsubscribe id 0", unsubscribe(Unsubscribe{Filters: []string{"a"}}), CodeProtocolError, "packet identifier 0"},
		{"unsubscribe nothing", unsubscribe(Unsubscribe{ID: 1}), CodeProtocolError, "no topic filter"},
		{"unsubscribe empty filter", unsubscribe(Unsubscribe{ID: 1, Filters: []string{"a", ""}}), CodeMalformed, "topic filter 1 is empty"},
		{"unsubscribe bad filter", unsubscribe(Unsubscribe{ID: 1, Filters: []string{bad}}), CodeMalformed, "UTF-8"},
		{"unsubscribe user property", unsubscribe(Unsubscribe{ID: 1, Filters: []string{"a"}, User: []UserProperty{{bad, ""}}}), CodeMalformed, "user property name"},
		{"disconnect server reference", disconnect(Disconnect{ServerReference: "s"}), CodeProtocolError, "server reference"},
		{"disconnect reason", disconnect(Disconnect{Reason: bad}), CodeMalformed, "reason string"},
		{"disconnect user property", disconnect(Disconnect{User: []UserProperty{{long, ""}}}), CodeMalformed, "user property name of 65536"},
		{"publish qos 3", publish("a", 3, nil), CodeMalformed, "QoS 3"},
		{"publish no topic", publish("", 0, nil), CodeMalformed, "topic name is empty"},
		{"publish wildcard beside an alias", publish("+", 0, &Properties{TopicAlias: 1}), CodeMalformed, "wildcard"},
		{"publish long topic", publish(long, 0, nil), CodeMalformed, "topic name of 65536 bytes"},
		{"publish bad topic", publish(bad, 0, nil), CodeMalformed, "UTF-8"},
		{"publish payload format", publish("a", 0, &Properties{PayloadFormat: new(byte(2))}), CodeProtocolError, "payload format indicator 2"},
		{"publish response topic", publish("a", 0, &Properties{ResponseTopic: "r/+"}), CodeMalformed, "response topic"},
		{"publish correlation data", publish("a", 0, &Properties{CorrelationData: []byte(long)}), CodeMalformed, "correlation data of 65536 bytes"},
		{"publish content type", publish("a", 0, &Properties{ContentType: bad}), CodeMalformed, "content type"},
		{"publish subscription identifier", publish("a", 0, &Properties{SubscriptionIDs: []uint32{1}}), CodeProtocolError, "subscription identifiers"},
		{"publish user property", publish("a", 0, &Properties{User: []UserProperty{{"k", bad}}}), CodeMalformed, "user property value"},
		{"publish above the protocol", func() error { return CheckPublish("a", 0, nil, MaxRemaining-3) }, CodePacketTooLarge, "268435461 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.do(), c.code, c.problem) })
	}
	for name, err := range map[string]error{
		"largest publish": CheckPublish("a", 0, nil, MaxRemaining-4),
		"alias alone":     CheckPublish("", 1, &Properties{TopicAlias: 1}, 0),
		"longest topic":   CheckPublish(long[1:], 1, nil, 0),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sameDst passes the error on if dst came back as it was.
func sameDst(dst []byte, err error) error {
	if err != nil && string(dst) != "x" {
		return nil
	}
	return err
}

func TestSubscribeAbove256MiB(t *testing.T) {
	u := Unsubscribe{ID: 1, Filters: make([]string, 4200)}
	for i := range u.Filters {
		u.Filters[i] = strings.Repeat("x", 10)
	}
	if got, err := AppendUnsubscribe(nil, &u); err != nil || len(got) != UnsubscribeSize(&u) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err := appendPacket(nil, TypeUnsubscribe, 2, [][]byte{make([]byte, MaxRemaining), {0}})
	wantError(t, err, CodePacketTooLarge, "the largest MQTT packet")
}
