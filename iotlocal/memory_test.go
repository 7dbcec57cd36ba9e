package iotlocal_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// heavy is a message without payload and with 100 user properties of one letter each: 700 bytes on the
// wire, about 3.6 kB in memory.
func heavy(topic string, qos byte, id uint16) *p5.Publish {
	p := pub5(topic, "", qos, id)
	for range 100 {
		p.Properties.User = append(p.Properties.User, p5.User{Key: "k", Value: "v"})
	}
	return p
}

// Limits of bytes count what is kept, not payloads: these have none.
func TestPropertiesCountAgainstPendingBytes(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{PendingBytes: 36_000}}, func(e *env) {
		c, _ := e.connect5("c")
		c.sub(1, "t")
		p, _ := e.connect5("p")
		const sent = 800
		for range sent {
			p.send(heavy("t", 0, 0))
		}
		if code := p.pub("t", "last", 1); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		synctest.Wait()
		if got := sent - e.srv.Lost(); got > 150 { // ten, and what lies in the buffers of the network
			t.Errorf("%d of %d messages were kept for a client that does not read", got, sent)
		}
		got := 0
		for want[*p5.Publish](c).QoS == 0 {
			got++
		}
		if got == 0 || got+e.srv.Lost() != sent {
			t.Errorf("%d of %d messages arrived, %d were counted as lost", got, sent, e.srv.Lost())
		}
		c.ack(1)
		// Nothing waits any more, so that nothing counts.
		lost := e.srv.Lost()
		for range 9 {
			p.send(heavy("t", 0, 0))
			want[*p5.Publish](c)
		}
		if e.srv.Lost() != lost {
			t.Errorf("%d lost although the client reads", e.srv.Lost()-lost)
		}
		c.drop()
		p.bye()
	})
}

func TestPropertiesCountAgainstQueuedBytes(t *testing.T) {
	bubble(t, iotlocal.Options{Limits: iotlocal.Limits{QueuedBytes: 36_000}}, func(e *env) {
		p, _ := e.connect5("p")
		for round := range 2 { // what was acknowledged does not count in the second
			c, _ := e.connect5("c", persistent)
			c.sub(1, "t")
			c.drop()
			before := e.srv.Lost()
			for i := range 30 {
				p.send(heavy("t", 1, uint16(i+1)))
				want[*p5.Puback](p)
			}
			s, _ := e.srv.Session("c")
			if s.Queued != 10 || e.srv.Lost()-before != 20 {
				t.Errorf("round %d: %d queued, %d lost, want 10 and 20", round, s.Queued, e.srv.Lost()-before)
			}
			c, _ = e.connect5("c", persistent)
			for range s.Queued {
				c.ack(want[*p5.Publish](c).PacketID)
			}
			synctest.Wait()
			c.drop()
		}
		p.bye()
	})
	// 64 MiB is the default: 5,000 messages of 16 KiB do not fit.
	bubble(t, iotlocal.Options{RecorderCap: -1}, func(e *env) {
		c, _ := e.connect5("c", persistent)
		c.sub(1, "t")
		c.drop()
		for range 5000 {
			if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: make([]byte, 16<<10), QoS: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if s, _ := e.srv.Session("c"); s.Queued < 4000 || s.Queued > 4096 {
			t.Errorf("%d of 5000 messages of 16 KiB are kept", s.Queued)
		}
	})
}

// RecorderBytes counts what was in the packets, in whatever part of them.
func TestRecorderBytesCountsWireBytes(t *testing.T) {
	will := func(c *p5.Connect) {
		c.WillFlag, c.WillTopic, c.WillMessage, c.WillProperties = true, "w", make([]byte, 600), &p5.Properties{}
	}
	for _, tt := range []struct {
		name string
		do   func(e *env)
	}{
		{"properties", func(e *env) {
			r, _ := e.connect5("c")
			r.send(heavy("t", 0, 0))
			r.bye()
		}},
		{"topic", func(e *env) {
			r, _ := e.connect5("c")
			for range 3 {
				r.send(pub5(fmt.Sprintf("%0250d", 1), "", 0, 0))
			}
			r.bye()
		}},
		{"filters", func(e *env) {
			r, _ := e.connect5("c")
			for range 3 {
				r.sub(0, fmt.Sprintf("%0250d", 1))
			}
			r.bye()
		}},
		{"will", func(e *env) {
			r, _ := e.connect5("c", will)
			r.bye()
		}},
		{"response topic and correlation data", func(e *env) {
			r, _ := e.connect5("c")
			m := pub5("t", "", 0, 0)
			m.Properties.ResponseTopic, m.Properties.CorrelationData, m.Properties.ContentType = fmt.Sprintf("%0200d", 1), make([]byte, 200), fmt.Sprintf("%0200d", 1)
			r.send(m)
			r.bye()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{RecorderBytes: 500}, func(e *env) {
				tt.do(e)
				if e.srv.Recorder().Dropped() == 0 {
					t.Errorf("nothing of %v was dropped", e.srv.Recorder().Packets())
				}
			})
		})
	}
}
