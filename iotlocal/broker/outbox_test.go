package broker

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// lateConn gives a CONNECT, after something else has happened.
type lateConn struct {
	net.Conn
	once   sync.Once
	before func()
}

func (c *lateConn) Read(p []byte) (n int, err error) {
	c.once.Do(func() {
		c.before()
		n = copy(p, "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c")
	})
	if n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

// A connection that is ended after its CONNECT was read and before its writer may run ends all the same.
func TestEndBeforeTheWriter(t *testing.T) {
	for name, end := range map[string]func(*Broker){
		"cut":           func(b *Broker) { b.Cut("") },
		"lost sessions": (*Broker).LoseSessions,
		"closed broker": func(b *Broker) {
			go b.Close()
			time.Sleep(time.Second) // of the bubble: Close waits for the connection
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{})
				server, client := net.Pipe()
				defer client.Close()
				b.ServeConn(&lateConn{Conn: server, before: func() { end(b) }}, nil)
				time.Sleep(time.Minute) // of the bubble
				b.mu.Lock()
				n := len(b.conns)
				b.mu.Unlock()
				if n != 0 {
					t.Fatalf("%d connections", n)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The goroutine of the writer ends only when there is nothing to do for it.
func TestWriterRests(t *testing.T) {
	over := make(chan struct{})
	close(over)
	for _, tt := range []struct {
		name   string
		change func(*outbox)
		done   chan struct{}
		want   bool
	}{
		{"nothing to do", func(*outbox) {}, nil, true},
		{"a packet waits", func(o *outbox) { o.push(rawPacket{}) }, nil, false},
		{"it is to end the connection", func(o *outbox) { o.last(nil, true) }, nil, false},
		{"the connection has ended", func(*outbox) {}, over, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutbox()
			runs := 0
			o.open(func() { runs++ })
			o.push(rawPacket{})
			o.claim(false)
			o.swap(nil)
			tt.change(o)
			if got := o.rest(tt.done); got != tt.want {
				t.Errorf("rests: %v, want %v", got, tt.want)
			}
			want := 1 // the goroutine that is there is told
			if tt.want {
				want = 2 // another one
			}
			o.push(rawPacket{})
			if o.claim(false); !o.muted && runs != want {
				t.Errorf("started %d times, want %d", runs, want)
			}
		})
	}
}

// Of a connection that ends before its CONNACK was written, as by another with its client id, that goes out first; of one that
// gets none, nothing does.
func TestNothingBeforeConnack(t *testing.T) {
	ack, pub, bye := &connackPacket{}, rawPacket{}, disconnect(wire.SessionTakenOver, "")
	for _, tt := range []struct {
		name    string
		waiting []packet
		keep    bool
		want    []packet
	}{
		{"CONNACK waits", []packet{ack, pub}, false, []packet{ack, bye}},
		{"all is kept", []packet{ack, pub}, true, []packet{ack, pub, bye}},
		{"a refusal waits", []packet{&connackPacket{code: wire.NotAuthorized}}, true, []packet{ack}},
		{"there is none", []packet{pub}, true, []packet{pub}},
		{"nothing waits", nil, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutbox()
			o.open(func() {})
			for _, p := range tt.waiting {
				o.push(p)
			}
			o.last(bye, tt.keep)
			got, finish := o.swap(nil)
			if !finish || len(got) != len(tt.want) {
				t.Fatalf("%d packets, finish %v, want %d", len(got), finish, len(tt.want))
			}
			for i := range got {
				if fmt.Sprintf("%T", got[i]) != fmt.Sprintf("%T", tt.want[i]) {
					t.Errorf("packet %d is %T, want %T", i+1, got[i], tt.want[i])
				}
			}
		})
	}
}
