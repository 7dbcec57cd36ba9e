package broker

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// slowDisk is a Keeper whose Sync takes until it is released.
type slowDisk struct{ release chan struct{} }

func (d slowDisk) Write(string, string, []byte) error { return nil }
func (d slowDisk) Sync() error                        { <-d.release; return nil }

// What came together with a retained message is answered and delivered before the disk
// has taken that, and so is what is retained to others.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	disk := slowDisk{make(chan struct{})}
	release := sync.OnceFunc(func() { close(disk.release) })
	dial := startTCP(t, Options{Keeper: disk}, func(nc net.Conn) net.Conn { return nc })
	t.Cleanup(release) // before the broker is closed
	sub, pub := dial().open("sub"), dial().open("pub")
	sub.say([]byte{0x82, 6, 0, 1, 0, 1, '#', 0})
	sub.read(5)
	retained := publish3("b", 1, 2, nil)
	retained[0] |= 1
	pub.say(append(publish3("a", 1, 1, nil), retained...))
	for _, want := range []string{"a", "b"} {
		if got := sub.read(5); !bytes.Equal(got, publish3(want, 0, 0, nil)) {
			t.Fatalf("% x, want the message %q", got, want)
		}
	}
	if got := pub.read(4); !bytes.Equal(got, []byte{0x40, 2, 0, 1}) {
		t.Fatalf("answer % x", got)
	}
	release()
	if got := pub.read(4); !bytes.Equal(got, []byte{0x40, 2, 0, 2}) {
		t.Fatalf("answer % x", got)
	}
}

// What came together with a request for a service is answered, and so is the request,
// before the service has done its work.
func TestNobodyWaitsForAService(t *testing.T) {
	done := make(chan struct{})
	release := sync.OnceFunc(func() { close(done) })
	dial := startTCP(t, Options{Services: map[string]Service{"s/": func(*Client, *Message) { <-done }}}, func(nc net.Conn) net.Conn { return nc })
	t.Cleanup(release) // before the broker is closed
	c := dial().open("c")
	c.say(append(publish3("a", 1, 1, nil), publish3("s/b", 1, 2, nil)...))
	for i := range byte(2) {
		if got := c.read(4); !bytes.Equal(got, []byte{0x40, 2, 0, i + 1}) {
			t.Fatalf("answer % x", got)
		}
	}
}

// What came before a packet that a fault cuts at is answered, also when both came together.
func TestAnswersBeforeACut(t *testing.T) {
	for _, action := range []fault.Action{fault.CutBefore, fault.CutMiddle, fault.CutAfter} {
		for range 50 {
			rules := fault.NewSet(topic.Match)
			if _, err := rules.Add(fault.Rule{Dir: wire.ClientToServer, Type: wire.PUBLISH, Topic: "cut", Action: action}); err != nil {
				t.Fatal(err)
			}
			c := startTCP(t, Options{Faults: rules}, func(nc net.Conn) net.Conn { return nc })().open("c")
			c.say(append(publish3("a", 1, 1, nil), publish3("cut", 1, 2, nil)...))
			if got := c.read(4); !bytes.Equal(got, []byte{0x40, 2, 0, 1}) {
				t.Fatalf("%v: answer % x", action, got)
			}
			if rest, _ := io.ReadAll(c); len(rest) > 0 {
				t.Fatalf("%v: % x after it", action, rest)
			}
		}
	}
}
