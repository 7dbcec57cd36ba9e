//go:build unix

package broker

import (
	"bytes"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// heldConn is a transport whose next write waits.
type heldConn struct {
	syscall.RawConn
	mu      sync.Mutex
	entered chan struct{} // nil: no write waits
	release chan struct{}
}

func (h *heldConn) Write(f func(uintptr) bool) error {
	h.mu.Lock()
	entered := h.entered
	h.entered = nil
	h.mu.Unlock()
	if entered != nil {
		close(entered)
		<-h.release
	}
	return h.RawConn.Write(f)
}

// A rule holds for whatever is published after it was added, also to a client to whom
// somebody is writing at that moment.
func TestRuleWhileSomebodyWrites(t *testing.T) {
	rules := fault.NewSet(topic.Match)
	held := &heldConn{release: make(chan struct{})}
	var publish func(topic string)
	dial := startTCP(t, Options{Faults: rules, Hooks: Hooks{Connected: func(c *Client) {
		if d := c.conn.direct; d != nil && c.ID == "sub" {
			held.RawConn, d.rc = d.rc, held
		}
		b := c.conn.b
		publish = func(topic string) { b.Publish(&Message{Topic: topic}) }
	}}}, func(nc net.Conn) net.Conn { return nc })
	sub := dial().open("sub")
	sub.say([]byte{0x82, 6, 0, 1, 0, 1, '#', 0})
	sub.read(5)
	entered := make(chan struct{})
	held.mu.Lock()
	held.entered = entered
	held.mu.Unlock()
	var writes sync.WaitGroup
	writes.Go(func() { publish("a") })
	<-entered
	h, err := rules.Add(fault.Rule{Dir: wire.ServerToClient, Type: wire.PUBLISH, Topic: "b", Action: fault.Drop})
	if err != nil {
		t.Fatal(err)
	}
	publish("b")
	publish("c")
	close(held.release)
	writes.Wait()
	for _, want := range []string{"a", "c"} {
		if got := sub.read(5); !bytes.Equal(got, publish3(want, 0, 0, nil)) {
			t.Fatalf("% x, want the message %q", got, want)
		}
	}
	if h.Hits() != 1 {
		t.Errorf("the rule has acted %d times", h.Hits())
	}
}
