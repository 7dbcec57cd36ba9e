package wire

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// TestPahoTrustsItsInput holds the package comment's list of what paho.golang/packets does. Where it fails after an
// upgrade, paho was repaired and the defence here may become simpler.
func TestPahoTrustsItsInput(t *testing.T) {
	accepted := func(raw ...byte) bool {
		_, err := packets.ReadPacket(bytes.NewReader(raw))
		return err == nil
	}
	will := packets.Connect{WillFlag: true, WillProperties: &packets.Properties{ContentType: "x"}, Properties: &packets.Properties{}}
	perUser := func(n int) uint64 { // bytes for each of n user properties of five bytes
		block := bytes.NewBuffer(append(appendVarint(nil, 5*n), bytes.Repeat([]byte{propUser, 0, 0, 0, 0}, n)...))
		var p packets.Properties
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		err := p.Unpack(block, packets.SUBACK)
		runtime.ReadMemStats(&b)
		if err != nil {
			t.Fatal(err)
		}
		return (b.TotalAlloc - a.TotalAlloc) / uint64(n)
	}
	for name, holds := range map[string]bool{
		"takes a property block that is cut off":       accepted(0x20, 6, 0, 0, 100, propReceiveMaximum, 0, 1),
		"takes a property twice":                       accepted(0x20, 9, 0, 0, 6, propReceiveMaximum, 0, 1, propReceiveMaximum, 0, 2),
		"takes a length field of six bytes":            accepted(0xD0, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
		"takes a subscription identifier cut off":      accepted(0x30, 6, 0, 1, 'a', 2, propSubscriptionID, 0x80),
		"takes reserved bits":                          accepted(0x9F, 4, 0, 1, 0, 0),
		"takes bytes after the end":                    accepted(0x20, 4, 0, 0, 0, 0xAA),
		"takes a SUBACK without codes":                 accepted(0x90, 3, 0, 1, 0),
		"takes packet identifier 0":                    accepted(0x90, 4, 0, 0, 0, 0),
		"takes strings that are not UTF-8":             accepted(0x20, 7, 0, 0, 4, propReasonString, 0, 1, 0xFF),
		"refuses the two-byte DISCONNECT":              !accepted(0xE0, 0),
		"leaves the properties of a will out":          !bytes.Contains(pahoWrite(t, &will), []byte("x")),
		"spends over a kilobyte on each user property": perUser(1000) > 1024,
	} {
		if !holds {
			t.Errorf("no longer: paho %s", name)
		}
	}
}
