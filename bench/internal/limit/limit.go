// Package limit measures what the machine itself can do: PUBLISH packets that
// were encoded beforehand, written to the null broker by raw code, and
// acknowledgements counted, with no client library at all. It decodes no
// topic, calls no handler and copies no payload, so that no client can reach
// 100 % of it at QoS 0 or when receiving.
package limit

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Mode is the way the raw code works.
type Mode string

// The modes.
const (
	Batch    Mode = "batch"    // as many packets per write as the window and 64 KiB allow
	Syscall  Mode = "syscall"  // one write per packet
	PingPong Mode = "pingpong" // one packet out, one acknowledgement in
	Receive  Mode = "recv"     // packets counted in the read buffer, QoS 1 answers written together
	Dial     Mode = "redial"   // a new connection per message; see Redial
	WaitDial Mode = "waitdial" // the same after a wait of Delay
	Again    Mode = "resend"   // unacknowledged packets on a second connection; see Resend
)

const (
	perWrite = 64 << 10
	perRead  = 256 << 10
	topic    = "bench/0"
)

// Conn is a raw MQTT 5 connection to the null broker.
type Conn struct {
	c    net.Conn
	buf  []byte
	mode Mode
	spec measure.Spec
	pkt  []byte // one PUBLISH
	all  []byte // as many of them as fit into one write
}

// Open connects over c, which it owns from then on.
func Open(c net.Conn, mode Mode, spec measure.Spec) (*Conn, error) {
	if (mode == Receive) != (spec.Work == measure.Recv) || mode == PingPong && spec.QoS == 0 {
		return nil, fmt.Errorf("limit: mode %s does not fit workload %s", mode, spec)
	}
	k := &Conn{c: c, buf: make([]byte, perRead), mode: mode, spec: spec}
	if _, err := c.Write([]byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01l")); err != nil {
		return nil, err
	}
	if err := k.expect(5, frame.Connack); err != nil {
		return nil, err
	}
	// The identifier is always 1: the null broker does not look at it.
	k.pkt = frame.AppendPublish(nil, true, byte(spec.QoS), topic, 1, make([]byte, spec.Size))
	per := 1
	if mode == Batch {
		per = max(1, perWrite/len(k.pkt))
	}
	for range per {
		k.all = append(k.all, k.pkt...)
	}
	return k, nil
}

// expect reads n bytes and wants their packet type.
func (k *Conn) expect(n int, typ byte) error {
	if _, err := io.ReadFull(k.c, k.buf[:n]); err != nil {
		return err
	}
	if k.buf[0]>>4 != typ {
		return fmt.Errorf("limit: packet type %d instead of %d", k.buf[0]>>4, typ)
	}
	return nil
}

// Run sends or receives n messages and returns when the broker has answered
// the last one. lat, if not nil, gets the time of each: with PingPong until the
// acknowledgement, with Syscall at QoS 0 of the write.
func (k *Conn) Run(n int, lat []time.Duration) error {
	switch k.mode {
	case Receive:
		return k.receive(n)
	case PingPong:
		return k.pingPong(n, lat)
	case Batch, Syscall:
		if k.spec.QoS == 0 {
			return k.pumpUnacknowledged(n, lat)
		}
		return k.pump(n)
	}
	return fmt.Errorf("limit: no mode %q", k.mode)
}

func (k *Conn) pingPong(n int, lat []time.Duration) error {
	for i := range n {
		t := time.Now()
		if _, err := k.c.Write(k.pkt); err != nil {
			return err
		}
		if _, err := io.ReadFull(k.c, k.buf[:4]); err != nil {
			return err
		}
		if lat != nil {
			lat[i] = time.Since(t)
		}
	}
	return nil
}

// pump keeps window packets in flight: this goroutine writes, another counts
// the acknowledgements, four bytes each.
func (k *Conn) pump(n int) error {
	var acked atomic.Int64
	wake := make(chan struct{}, 1)
	failed := make(chan error, 1)
	go func() {
		var err error
		for got := 0; got < 4*n && err == nil; {
			var m int
			m, err = k.c.Read(k.buf)
			got += m
			acked.Store(int64(got / 4))
			select {
			case wake <- struct{}{}:
			default:
			}
		}
		failed <- err
	}()
	per := len(k.all) / len(k.pkt)
	for sent := 0; sent < n; {
		free := k.spec.Window - (sent - int(acked.Load()))
		if free <= 0 {
			select {
			case <-wake:
				continue
			case err := <-failed:
				return errors.Join(err, io.ErrUnexpectedEOF)
			}
		}
		m := min(per, n-sent, free)
		if _, err := k.c.Write(k.all[:m*len(k.pkt)]); err != nil {
			return errors.Join(err, k.c.Close(), <-failed)
		}
		sent += m
	}
	return <-failed
}

// pumpUnacknowledged ends with a ping, whose answer says that the broker has
// read everything.
func (k *Conn) pumpUnacknowledged(n int, lat []time.Duration) error {
	per := len(k.all) / len(k.pkt)
	for sent := 0; sent < n; {
		m := min(per, n-sent)
		var t time.Time
		if lat != nil {
			t = time.Now()
		}
		if _, err := k.c.Write(k.all[:m*len(k.pkt)]); err != nil {
			return err
		}
		if lat != nil {
			lat[sent] = time.Since(t)
		}
		sent += m
	}
	if _, err := k.c.Write([]byte{frame.Pingreq << 4, 0}); err != nil {
		return err
	}
	return k.expect(2, frame.Pingresp)
}

func (k *Conn) receive(n int) error {
	s := k.spec
	order := fmt.Appendf(nil, "%d %d %d %d %d", n, s.QoS, s.Size, s.Topics, s.Window)
	if _, err := k.c.Write(frame.AppendPublish(nil, true, 0, "ctl/blast", 0, order)); err != nil {
		return err
	}
	var out []byte
	for have := 0; n > 0; {
		m, err := k.c.Read(k.buf[have:])
		if err != nil {
			return err
		}
		have += m
		p := k.buf[:have]
		for {
			header, total, err := frame.Next(p, len(k.buf))
			if err != nil {
				return err
			}
			if total == 0 || total > len(p) {
				break
			}
			if p[0]>>4 == frame.Publish {
				n--
				if s.QoS > 0 {
					id := header + 2 + (int(p[header])<<8 | int(p[header+1]))
					out = append(out, frame.Puback<<4, 2, p[id], p[id+1])
				}
			}
			p = p[total:]
		}
		have = copy(k.buf, p)
		if len(out) > 0 {
			if _, err := k.c.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	return nil
}

// Close ends the connection.
func (k *Conn) Close() error { return k.c.Close() }
