package wire

import (
	"strings"
	"testing"
)

func TestTextRoundTrip(t *testing.T) {
	for typ := PacketType(1); typ < 40; typ++ {
		b, err := typ.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back PacketType
		if err := back.UnmarshalText(b); (err == nil) != !strings.HasPrefix(string(b), "TYPE_") || err == nil && back != typ {
			t.Errorf("%d: %s came back as %d, %v", byte(typ), b, byte(back), err)
		}
	}
	for d := AnyDirection; d <= Event; d++ {
		b, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Direction
		if err := back.UnmarshalText(b); err != nil || back != d {
			t.Errorf("%v came back as %v, %v", d, back, err)
		}
	}
	var d Direction
	if err := d.UnmarshalText([]byte("up")); err == nil {
		t.Error("direction up")
	}
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		code Code
		text string
		v3   byte
	}{
		{Success, "success (0x00)", 0}, {5, "reason code 0x05", 5}, {NotAuthorized, "not authorized (0x87)", 7},
		{UnsupportedProtocolVersion, "unsupported protocol version (0x84)", 1}, {ClientIdentifierNotValid, "client identifier not valid (0x85)", 2},
		{ServerBusy, "server busy (0x89)", 3}, {BadUserNameOrPassword, "bad user name or password (0x86)", 4}, {0xFE, "reason code 0xFE", 3},
	} {
		if tt.code.String() != tt.text || tt.code.ConnackV3() != tt.v3 {
			t.Errorf("%v %d, want %s %d", tt.code, tt.code.ConnackV3(), tt.text, tt.v3)
		}
	}
	if !NoMatchingSubscribers.LegalIn(PUBACK) || GrantedQoS1.LegalIn(PUBACK) || !GrantedQoS1.LegalIn(SUBACK) ||
		!NoSubscriptionExisted.LegalIn(UNSUBACK) || PacketTooLarge.LegalIn(PUBACK) || Success.LegalIn(PINGRESP) {
		t.Error("LegalIn")
	}
	for v, s := range map[Version]string{MQTT31: "MQTT 3.1", MQTT311: "MQTT 3.1.1", MQTT5: "MQTT 5", 9: "MQTT level 9"} {
		if v.String() != s {
			t.Errorf("%v, want %s", v, s)
		}
	}
}
