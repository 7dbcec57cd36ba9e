package brokerload

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// Topic is what is published to.
const Topic = "devices/bench/telemetry"

// Load is what Run does.
type Load struct {
	Size     int  // of a payload, in bytes
	Window   int  // publishes in flight; end to end: messages that have not arrived
	EndToEnd bool // to a subscriber that acknowledges, and counted there
}

// readBuffer is the size of the buffers of clients with a load, in bytes.
const readBuffer = 64 << 10

// Run publishes until d is over, after a quarter of that to warm up. It returns the
// messages per second that were acknowledged, or with EndToEnd have arrived, and how
// many there were with those to warm up.
func (l Load) Run(addr string, d time.Duration) (perSecond float64, all int64, err error) {
	pub, err := Dial(addr, "bench", readBuffer)
	if err != nil {
		return 0, 0, err
	}
	defer pub.Close()
	// What has been acknowledged, and what has arrived; without a subscriber the same.
	acked := &meter{room: make(chan struct{}, 1)}
	arrived := acked
	var readers sync.WaitGroup
	failed := make(chan error, 2)
	reader := func(c *Client, m *meter) {
		readers.Go(func() {
			if err := c.drain(m); !errors.Is(err, net.ErrClosed) {
				failed <- err
			}
		})
	}
	closing := []*Client{pub}
	if l.EndToEnd {
		sub, err := Dial(addr, "bench-sub", readBuffer)
		if err != nil {
			return 0, 0, err
		}
		defer sub.Close()
		if err := sub.Subscribe(Topic); err != nil {
			return 0, 0, err
		}
		closing = append(closing, sub)
		arrived = &meter{room: acked.room}
		reader(sub, arrived)
	}
	reader(pub, acked)
	f := flight{load: l, acked: acked, arrived: arrived, failed: failed}
	err = f.publish(pub, d/4) // to warm up
	before, start := arrived.n.Load(), time.Now()
	if err == nil {
		err = f.publish(pub, d)
	}
	took := time.Since(start)
	for _, c := range closing {
		c.Close()
	}
	readers.Wait()
	all = arrived.n.Load()
	return float64(all-before) / took.Seconds(), all, err
}

// meter counts what has come, and wakes who waits for it.
type meter struct {
	n    atomic.Int64
	room chan struct{} // capacity 1
}

// flight is a load under way.
type flight struct {
	load           Load
	sent           int64
	acked, arrived *meter
	failed         <-chan error
}

// publish keeps the window full for d and waits for what is left of it.
func (f *flight) publish(c *Client, d time.Duration) error {
	payload := make([]byte, f.load.Size)
	var buf []byte
	for end := time.Now().Add(d); ; {
		free := f.load.Window - int(f.sent-min(f.acked.n.Load(), f.arrived.n.Load()))
		over := !time.Now().Before(end)
		switch {
		case over && free == f.load.Window:
			return nil
		case over || free == 0:
			select {
			case <-f.acked.room:
			case err := <-f.failed:
				return fmt.Errorf("brokerload: the connection ended: %w", err)
			case <-time.After(30 * time.Second):
				return fmt.Errorf("brokerload: nothing came for 30 s, %d on the way", f.load.Window-free)
			}
			continue
		}
		buf = buf[:0]
		for range free {
			f.sent++
			id := uint16(f.sent%int64(f.load.Window)) + 1
			buf = frame.AppendPublish(buf, true, 1, Topic, id, payload)
		}
		if _, err := c.nc.Write(buf); err != nil {
			return err
		}
	}
}

// drain counts acknowledgements and messages, and acknowledges these, a read
// buffer at a time.
func (c *Client) drain(count *meter) error {
	var out []byte
	for n := int64(0); ; {
		typ, body, err := c.next()
		if err != nil {
			return err
		}
		switch typ {
		case frame.Puback:
			if len(body) > 2 && body[2] >= 0x80 {
				return fmt.Errorf("PUBACK with code 0x%02X", body[2])
			}
			n++
		case frame.Publish:
			at := 2 + int(body[0])<<8 + int(body[1])
			out = append(out, frame.Puback<<4, 2, body[at], body[at+1])
			n++
		default:
			return fmt.Errorf("packet type %d: % x", typ, body)
		}
		if c.in.Buffered() > 0 && len(out) < 200 {
			continue
		}
		if len(out) > 0 {
			if _, err := c.nc.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		count.n.Add(n)
		n = 0
		select {
		case count.room <- struct{}{}:
		default:
		}
	}
}

// Idle connects n clients, each with a subscription of its own, and returns what
// closes them.
func Idle(addr string, n int) (closeAll func(), err error) {
	var clients []*Client
	closeAll = func() {
		for c := range slices.Values(clients) {
			c.Close()
		}
	}
	for i := range n {
		c, err := Dial(addr, fmt.Sprintf("idle-%d", i), 64)
		if err == nil {
			clients = append(clients, c)
			err = c.Subscribe(fmt.Sprintf("devices/idle-%d/commands", i))
		}
		if err != nil {
			closeAll()
			return nil, err
		}
	}
	return closeAll, nil
}
