package wire

import (
	"fmt"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// TestPropertyTable tries every identifier in every packet, once and twice. Paho's table of what is legal is the second
// opinion; the exceptions are properties that only a client may send or only a client that asked may get.
func TestPropertyTable(t *testing.T) {
	values := [][]byte{{1}, {0, 1}, {0, 0, 0, 1}, {0, 1, 'x'}, {0, 1, 'x', 0, 1, 'y'}} // one of these has the right form
	stricter := map[[2]byte]bool{
		{TypeConnack, packets.PropAuthMethod}:               true,
		{TypeConnack, packets.PropAuthData}:                 true,
		{TypeDisconnect, packets.PropSessionExpiryInterval}: true,
	}
	frames := map[byte]func(block []byte) Frame{
		TypeConnack:    func(b []byte) Frame { return propFrame(TypeConnack, []byte{0, 0}, b) },
		TypePublish:    func(b []byte) Frame { return propFrame(TypePublish, []byte{0, 1, 'a'}, b) },
		TypePuback:     func(b []byte) Frame { return propFrame(TypePuback, []byte{0, 1, 0}, b) },
		TypeSuback:     func(b []byte) Frame { return propFrame(TypeSuback, []byte{0, 1}, b, 0) },
		TypeUnsuback:   func(b []byte) Frame { return propFrame(TypeUnsuback, []byte{0, 1}, b, 0) },
		TypeDisconnect: func(b []byte) Frame { return propFrame(TypeDisconnect, []byte{0}, b) },
	}
	for packet, frame := range frames {
		legal := 0
		for id := range 256 {
			name := fmt.Sprintf("%s, property 0x%02X", TypeName(packet), id)
			var good []byte
			for _, v := range values {
				block := append([]byte{byte(id)}, v...)
				if _, err := decodeAny(frame(block)); err == nil {
					good = block
				}
			}
			want := packets.ValidateID(packet, byte(id)) && !stricter[[2]byte{packet, byte(id)}]
			if (good != nil) != want {
				t.Errorf("%s: accepted %v, want %v", name, good != nil, want)
			}
			if good == nil {
				continue
			}
			legal++
			_, err := decodeAny(frame(append(good[:len(good):len(good)], good...)))
			if id == int(packets.PropUser) || id == int(packets.PropSubscriptionIdentifier) {
				if err != nil {
					t.Errorf("%s twice: %v", name, err)
				}
			} else if errCode(err) != CodeProtocolError {
				t.Errorf("%s twice: %v", name, err)
			}
		}
		if legal < 2 {
			t.Errorf("%s: %d legal properties", TypeName(packet), legal)
		}
	}
}

// propFrame builds a frame around a property block.
func propFrame(packet byte, prefix, block []byte, suffix ...byte) Frame {
	return Frame{Head: packet << 4, Body: append(append(appendVarint(prefix, len(block)), block...), suffix...)}
}
