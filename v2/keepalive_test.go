package awsiot_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// uplink is the reading end of a slow link.
type uplink struct {
	conn net.Conn
	rate int // bytes per second
}

func (u uplink) Read(b []byte) (int, error) {
	n, err := u.conn.Read(b[:min(len(b), u.rate/10)])
	<-time.After(time.Duration(n) * time.Second / time.Duration(u.rate))
	return n, err
}

// slowWorld is a client with one connection without a buffer, whose broker reads at a rate, and answers at once; it
// returns the number of PINGREQs that arrived.
func slowWorld(t *testing.T, rate int) (*world, *atomic.Int32) {
	ended := make(chan bool)
	t.Cleanup(func() { <-ended })
	w, p := newPipeWorld(t, func(o *awsiot.ClientOptions) { o.KeepAlive = 20 * time.Second })
	pings := &atomic.Int32{}
	go func() {
		defer close(ended)
		defer p.conn.Close()
		r := bufio.NewReader(uplink{p.conn, rate})
		for {
			cp, err := packets.ReadPacket(r)
			if err != nil {
				return
			}
			if _, ok := cp.Content.(*packets.Pingreq); ok {
				pings.Add(1)
			}
			p.answer(cp.Content)
		}
	}()
	return w, pings
}

// A slow link that carries more than the keep-alive interval's worth of packets is not taken for a dead one: the
// PINGREQ goes between two packets, and its answer is due from then on.
func TestPingOnSlowLink(t *testing.T) {
	for _, qos := range []awsiot.QoS{0, 1} {
		for _, size := range []int{1000, 30_000, 300_000} {
			synctest.Test(t, func(t *testing.T) {
				w, pings := slowWorld(t, 5000)
				const total = 600_000 // 120 s
				var done atomic.Int32
				for range total / size {
					w.client.PublishFunc(packet("t", strings.Repeat("x", size), qos), func(_ awsiot.PublishResult, err error) {
						if err != nil {
							t.Errorf("QoS %d, %d bytes: %v", qos, size, err)
						}
						done.Add(1)
					})
				}
				pass(130 * time.Second)
				if e := w.events.take(); len(e) != 2 {
					t.Errorf("QoS %d, %d bytes: events %v", qos, size, e)
				}
				if int(done.Load()) != total/size || qos == 0 && pings.Load() == 0 { // PUBACKs show that the broker lives
					t.Errorf("QoS %d, %d bytes: %d of %d done, %d PINGREQs", qos, size, done.Load(), total/size, pings.Load())
				}
			})
		}
	}
}

// A link that has stopped is noticed in the middle of a write, too: KeepAlive, half of it, and 2 s for a DISCONNECT.
func TestPingOnStuckLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Int64
		begin := time.Now()
		w, p := newPipeWorld(t, func(o *awsiot.ClientOptions) {
			o.KeepAlive = 20 * time.Second
			o.OnDisconnection = func(d *awsiot.Disconnection) {
				if !errors.Is(d.Err, awsiot.ErrPingTimeout) {
					t.Errorf("it ended with %v", d.Err)
				}
				lost.Store(int64(time.Since(begin)))
			}
		})
		defer p.conn.Close()
		for range 300 {
			w.client.PublishFunc(packet("t", strings.Repeat("x", 1000), 1), nil)
		}
		pass(time.Minute)
		if d := time.Duration(lost.Load()); d != 32*time.Second {
			t.Errorf("noticed after %v, want 32 s", d)
		}
	})
}

// lateConn returns from a write a millisecond after the bytes have gone.
type lateConn struct{ net.Conn }

func (c lateConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	<-time.After(time.Millisecond)
	return n, err
}

// The answer to a PINGREQ may be there before its write has returned.
func TestPingAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			dial := o.Dialer
			o.KeepAlive = 20 * time.Second
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				return lateConn{conn}, err
			}
		})
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p := w.raw()
		expect[*packets.Connect](p)
		pass(time.Millisecond)
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		for range 5 {
			expect[*packets.Pingreq](p)
			p.send(&packets.Pingresp{})
		}
		pass(15 * time.Second)
		if e := w.events.take(); len(e) != 2 {
			t.Errorf("events %v", e)
		}
	})
}
