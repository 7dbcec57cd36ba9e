package record

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

func TestNormalUsername(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"me":                          "me",
		"?SDK=Python&Version=1.5.4":   "",
		"me?SDK=PortageGo&Version=1":  "me",
		"me?a=b&SDK=x&Metadata=(a;b)": "me?a=b",
		"me?x-amz-customauthorizer-name=A&x-amz-customauthorizer-signature=S": "me?x-amz-customauthorizer-name=A&x-amz-customauthorizer-signature=S",
		"what?": "what?",
	} {
		if got := NormalUsername(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSnapshotsAreStable(t *testing.T) {
	r := New(3, 0)
	r.Add(Packet{Topic: "1"})
	r.Add(Packet{Topic: "2"})
	snap := r.Packets()
	for range 10 {
		r.Add(Packet{Topic: "more"})
	}
	if len(snap) != 2 || snap[0].Topic != "1" || snap[1].Topic != "2" {
		t.Errorf("snapshot changed: %v", snap)
	}
	if n := len(Select(r.Packets(), func(p Packet) bool { return p.Seq > 11 })); n != 1 {
		t.Errorf("selected %d", n)
	}
	var none *Recorder
	none.Add(Packet{}) // a server without a recorder
}

// References last as long as the packets that bear them: a server that sees many clients, or many
// identifiers, does not grow for ever.
func TestReferencesShrink(t *testing.T) {
	r := New(10, 0)
	operation := func(client string, id uint16) {
		r.Add(Packet{ClientID: client, Dir: wire.ClientToServer, Type: wire.PUBLISH, PacketID: id})
		r.Add(Packet{ClientID: client, Dir: wire.ServerToClient, Type: wire.PUBACK, PacketID: id})
	}
	for i := range 5000 {
		operation(fmt.Sprint("client-", i), 1)
	}
	if len(r.refs) != 5 {
		t.Errorf("%d clients are remembered, 5 are in the record", len(r.refs))
	}
	for id := range uint16(5000) {
		operation("one", id+1)
	}
	if c := r.refs["one"]; len(r.refs) != 1 || len(c.client) != 5 || len(c.server) != 0 || c.kept != 10 {
		t.Errorf("%d clients, %d and %d identifiers, %d packets", len(r.refs), len(c.client), len(c.server), c.kept)
	}
	// The numbers go on, and pairs stay pairs.
	operation("one", 7)
	ps := r.Packets()
	if a, b := ps[8], ps[9]; a.Ref != "c5001" || b.Ref != "c5001" {
		t.Errorf("%v, %v", a, b)
	}
	// An identifier in use again belongs to the new operation, whatever is dropped of the old one.
	operation("one", 7)
	for range 6 {
		r.Add(Packet{ClientID: "one", Dir: wire.Event, Type: wire.TransportOpen})
	}
	if r.refs["one"].client[7].number != 5002 {
		t.Errorf("%+v", r.refs["one"].client[7])
	}
	for range 4 {
		r.Add(Packet{ClientID: "one", Dir: wire.Event, Type: wire.TransportOpen})
	}
	if len(r.refs) != 0 || r.bytes != 0 {
		t.Errorf("%d clients, %d bytes", len(r.refs), r.bytes)
	}
}

// WaitClosed waits for the connections that began, and not for those whose beginning is not recorded.
func TestWaitClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(100, 0)
		add := func(kind wire.PacketType, conn int) { r.Add(Packet{Dir: wire.Event, Type: kind, Conn: conn}) }
		add(wire.ClientClosed, 1)
		add(wire.TransportOpen, 2)
		add(wire.TransportOpen, 3)
		done := make(chan error, 1)
		go func() { done <- r.WaitClosed(t.Context()) }()
		for _, kind := range []wire.PacketType{wire.ServerClosed, wire.ClientClosed} {
			synctest.Wait()
			if len(done) > 0 {
				t.Fatal("there is a connection yet")
			}
			add(kind, map[wire.PacketType]int{wire.ServerClosed: 3, wire.ClientClosed: 2}[kind])
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
