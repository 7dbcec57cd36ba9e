package awsiot_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"weak"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A client that was closed is garbage at once: no timer of it, such as that of AckTimeout or of DrainRate, is left running.
func TestClosedClientsAreGarbage(t *testing.T) {
	const clients = 3600
	refs := make([]weak.Pointer[awsiot.Client], clients)
	for i := range refs {
		refs[i] = publishAndClose(t, i)
	}
	left := clients
	for range 10 { // what a goroutine that has just ended still held goes with a later collection
		runtime.GC()
		left = 0
		for _, r := range refs {
			if r.Value() != nil {
				left++
			}
		}
		if left == 0 {
			return
		}
	}
	by := map[[3]int]int{}
	for i, r := range refs {
		if r.Value() != nil {
			by[[3]int{i % 2, i % 3, i % 5}]++
		}
	}
	t.Log(by)
	t.Errorf("%d of %d clients are still reachable after Close", left, clients)
}

// publishAndClose makes a client that connects over a pipe, drains a queue, publishes at QoS 1 with or without an answer, and
// ends in one of several ways.
func publishAndClose(t *testing.T, i int) weak.Pointer[awsiot.Client] {
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer far.Close()
		p := &peer{t: t, conn: far}
		if p.next() == nil {
			return
		}
		p.reply(&packets.Connack{Properties: &packets.Properties{}})
		for v := p.next(); v != nil; v = p.next() {
			if i%2 == 0 {
				p.answer(v)
			}
		}
	}()
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), FlowControl: awsiot.FlowControl(i % 5),
		OfflineQueue: awsiot.OfflineQueue{Behavior: awsiot.KeepAll, DrainRate: float64(i % 3)},
		Dialer:       func(context.Context, string, string) (net.Conn, error) { return near, nil }})
	c.PublishFunc(packet("t", "queued", 0), nil)
	c.PublishFunc(packet("t", "queued", 0), nil)
	if err := c.StartAndWait(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.PublishFunc(packet("t", "x", 1), nil)
	c.SubscribeAsync(filters(nil, "f"))
	if i%3 == 0 {
		_ = c.Stop(t.Context(), nil)
	}
	_ = c.Close()
	<-c.Done()
	<-served
	return weak.Make(c)
}
