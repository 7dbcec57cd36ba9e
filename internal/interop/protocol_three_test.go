//go:build interop

package interop

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

// TestMQTT311 takes the connection for MQTT 3.1.1 through every QoS both ways over mutual TLS, a restart of the broker with
// messages under way, and a session that is gone behind it.
func TestMQTT311(t *testing.T) {
	b := startBroker(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	heard := map[string]int{}
	arrived := make(chan struct{}, 1000)
	handler := func(m *mqtt311.Message) {
		mu.Lock()
		defer mu.Unlock()
		heard[fmt.Sprintf("%s %d", m.Payload, m.QoS)]++
		arrived <- struct{}{}
	}
	resumed := make(chan mqtt311.Connected, 10)
	o := b.mutual("pump")
	c := mqtt311.NewConnection(mqtt311.Options{Endpoint: o.Endpoint, Port: o.Port, Auth: o.Auth, CAFile: o.CAFile, ClientID: "pump", MinReconnectDelay: 50 * time.Millisecond,
		OnResumed: func(r mqtt311.Connected) { resumed <- r }})
	if said, err := c.Connect(ctx); err != nil || said.SessionPresent {
		t.Fatal(said, err)
	}
	if granted, err := c.Subscribe(ctx, "pump/+", awsiot.ExactlyOnce, handler); err != nil || granted != awsiot.ExactlyOnce {
		t.Fatal(granted, err)
	}
	for qos := range awsiot.QoS(3) {
		if err := c.Publish(ctx, &mqtt311.PublishPacket{Topic: "pump/state", Payload: []byte("first"), QoS: qos}); err != nil {
			t.Fatal(err)
		}
	}
	wait := func(n int) {
		t.Helper()
		for range n {
			select {
			case <-arrived:
			case <-ctx.Done():
				t.Fatalf("heard %v", heard)
			}
		}
	}
	wait(3)

	b.kill()
	errs := make(chan error, 300)
	for i := range 100 {
		for qos := range awsiot.QoS(3) {
			c.PublishAsync(&mqtt311.PublishPacket{Topic: "pump/state", Payload: fmt.Appendf(nil, "%03d", i), QoS: qos}, func(err error) { errs <- err })
		}
	}
	b.restart(t)
	if r := <-resumed; r.SessionPresent {
		t.Error("the session outlived a broker that keeps nothing")
	}
	all, err := c.ResubscribeExistingTopics(ctx)
	if err != nil || !slices.Equal(all, []mqtt311.Resubscribed{{TopicFilter: "pump/+", QoS: awsiot.ExactlyOnce}}) {
		t.Fatal(all, err)
	}
	for range 300 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := c.Publish(ctx, &mqtt311.PublishPacket{Topic: "pump/state", Payload: []byte("last"), QoS: awsiot.ExactlyOnce}); err != nil {
		t.Fatal(err)
	}
	wait(1)
	if err := c.Disconnect(ctx); err != nil {
		t.Error(err)
	}
	b.waitFor(t, 1, "Received DISCONNECT from pump")
}
