package awsiot_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Acknowledgements that are held and given one after another are not many that are held: no warning, and the window stays open.
func TestHoldAndAckManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newStateLog(t)
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger, o.ReceiveMaximum = slog.New(log), 3 })
		w.client.Handle("#", func(m *awsiot.Message) {
			ack, ok := m.HoldAck()
			if !ok {
				t.Error("not held")
				return
			}
			if err := ack(); err != nil {
				t.Error(err)
			}
		})
		p := w.start()
		for i := range uint16(350) {
			p.send(publish("t", fmt.Sprint(i), i+1))
			if a := expect[*packets.Puback](p); a.PacketID != i+1 {
				t.Fatalf("PUBACK %d, want %d", a.PacketID, i+1)
			}
		}
		if l := log.matching("many acknowledgements are held"); len(l) > 0 {
			t.Errorf("log: %q", l)
		}
	})
}

// The rates of AWS IoT Core hold on every connection, not only on the first.
func TestRatesOnALaterConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS })
		p := w.start()
		for range 2 {
			p.cut()
			p, _ = w.accept(nil)
			began := time.Now()
			for range 301 {
				w.client.PublishFunc(packet("t", "x", 0), nil)
			}
			for range 301 {
				expect[*packets.Publish](p)
			}
			if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
				t.Errorf("301 publishes took %v; AWS IoT Core takes 100 per second", took)
			}
		}
	})
}
