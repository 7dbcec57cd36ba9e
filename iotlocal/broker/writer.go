package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// writer is the state of a connection's writer goroutine.
type writer struct {
	c      *conn
	w      *bufio.Writer
	buf    bytes.Buffer // one packet, encoded
	parked []parked     // delayed and held packets, in order
}

// parked is a packet that a fault keeps back.
type parked struct {
	p       packet
	due     time.Time       // delayed
	release <-chan struct{} // held
}

// writeLoop is the writer goroutine. It ends when the connection does.
func (c *conn) writeLoop() {
	defer close(c.written)
	w := &writer{c: c}
	w.w = bufio.NewWriterSize(pacedWriter{c}, 4096)
	var batch []packet
	for {
		var finish bool
		batch, finish = c.out.swap(batch[:0:cap(batch)])
		if err := w.sendAll(batch); err != nil {
			c.abort("")
			return
		}
		clear(batch) // let the messages go
		if finish {
			w.finish()
			return
		}
		if !w.wait() {
			return
		}
	}
}

// sendAll sends a batch and what became due among the parked, and flushes.
func (w *writer) sendAll(batch []packet) error {
	for _, p := range batch {
		if err := w.send(p); err != nil {
			return err
		}
	}
	for i := 0; i < len(w.parked); i++ {
		if k := w.parked[i]; k.ready() {
			w.parked = slices.Delete(w.parked, i, i+1)
			i--
			if err := w.write(k.p, "released"); err != nil {
				return err
			}
		}
	}
	return w.w.Flush()
}

func (k parked) ready() bool {
	if k.release == nil {
		return !time.Now().Before(k.due)
	}
	select {
	case <-k.release:
		return true
	default:
		return false
	}
}

// wait sleeps until there is something to write; false when the connection has
// ended.
func (w *writer) wait() bool {
	var timer <-chan time.Time
	next := time.Duration(-1)
	for _, k := range w.parked {
		if d := max(time.Until(k.due), 0); k.release == nil && (next < 0 || d < next) {
			next = d
		}
	}
	if next >= 0 {
		t := time.NewTimer(next)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-w.c.out.wake:
	case <-timer:
	case <-w.c.done:
		return false
	}
	return true
}

// finish closes the stream so that the peer reads what was written last.
func (w *writer) finish() {
	c := w.c
	c.event(wire.ServerClosed, "")
	c.finishing.Store(true)
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
		c.nc.SetReadDeadline(time.Now().Add(linger)) // the reader drains until then
		return
	}
	c.abort("")
}

// send applies the fault rules to a packet and writes it.
func (w *writer) send(p packet) error {
	c := w.c
	if raw, ok := p.(rawPacket); ok {
		return w.writeRaw(raw, "injected")
	}
	topic, _ := topicsOf(p)
	h := c.b.opts.Faults.Match(fault.Packet{Dir: wire.ServerToClient, Type: p.kind(), ClientID: c.clientID(), Topic: topic})
	if h == nil {
		return w.write(p, "")
	}
	switch r := h.Rule(); r.Action {
	case fault.Drop:
		w.note(p, "dropped")
		return nil
	case fault.Delay:
		w.note(p, "delayed")
		return w.park(parked{p: p, due: time.Now().Add(r.Delay)})
	case fault.Hold:
		w.note(p, "held")
		h.WakeOnRelease(w.c.out.wake)
		return w.park(parked{p: p, release: h.Released()})
	case fault.Duplicate:
		if err := w.write(p, ""); err != nil {
			return err
		}
		return w.write(p, "duplicated")
	case fault.Reject:
		return w.write(withCode(p, r.Code), "")
	case fault.Replace:
		w.note(p, "replaced")
		return w.writeRaw(rawPacket{r.Raw}, "replacement")
	case fault.CutBefore:
		w.note(p, "cut before")
		return w.cut()
	case fault.CutMiddle:
		return w.cutMiddle(p, r.Bytes)
	case fault.CutAfter:
		if err := w.write(p, "cut after"); err != nil {
			return err
		}
		return w.cut()
	}
	return w.write(p, "")
}

// park keeps a packet back. CONNACK is the exception: nothing may overtake it,
// so the writer waits.
func (w *writer) park(k parked) error {
	if k.p.kind() != wire.CONNACK {
		w.parked = append(w.parked, k)
		return nil
	}
	var timer <-chan time.Time
	if k.release == nil {
		timer = time.After(time.Until(k.due))
	}
	select {
	case <-timer:
	case <-k.release:
	case <-w.c.done:
		return errEnded
	}
	return w.write(k.p, "released")
}

// withCode returns the packet with another reason code, if it has one.
func withCode(p packet, code wire.Code) packet {
	switch p := p.(type) {
	case *connackPacket:
		return &connackPacket{code: code, reason: "fault", connack: p.connack}
	case *ackPacket:
		return &ackPacket{id: p.id, code: code}
	case *codesPacket:
		out := &codesPacket{typ: p.typ, id: p.id}
		for range p.codes {
			out.codes = append(out.codes, code)
		}
		return out
	case *disconnectPacket:
		return &disconnectPacket{code: code, reason: p.reason}
	}
	return p
}

// write encodes, records and buffers one packet.
func (w *writer) write(p packet, what string) error {
	ok, err := w.encode(p)
	if err != nil || !ok {
		return err
	}
	if w.c.maxPacket > 0 && w.buf.Len() > int(w.c.maxPacket) {
		w.note(p, "larger than the client's maximum packet size, not sent")
		return nil
	}
	w.note(p, what)
	if pub, ok := p.(*publishPacket); ok && pub.out != nil {
		pub.out.sent.Store(true)
	}
	if _, ok := p.(*ackPacket); ok {
		w.c.unacked.Add(-1)
	}
	_, err = w.w.Write(w.buf.Bytes())
	return err
}

func (w *writer) encode(p packet) (bool, error) {
	w.buf.Reset()
	return w.c.codec.encode(&w.buf, p)
}

func (w *writer) writeRaw(p rawPacket, what string) error {
	c := w.c
	c.b.rec.Add(record.Packet{Dir: wire.ServerToClient, Type: wire.PacketType(p.data[0] >> 4), Conn: c.number,
		ClientID: c.clientID(), Payload: p.data, Fault: what})
	_, err := w.w.Write(p.data)
	return err
}

// note records a packet.
func (w *writer) note(p packet, what string) {
	if w.c.b.rec == nil {
		return
	}
	if _, ok := p.(*disconnectPacket); ok && w.c.version != wire.MQTT5 {
		return // it does not exist there
	}
	r := recorded(p, wire.ServerToClient, time.Now())
	if w.c.version != wire.MQTT5 {
		asWritten3(&r)
	}
	r.Conn, r.ClientID, r.Fault = w.c.number, w.c.clientID(), what
	w.c.b.rec.Add(r)
}

// cut closes the connection after what was written before.
func (w *writer) cut() error {
	if err := w.w.Flush(); err != nil {
		return err
	}
	w.c.b.mu.Lock()
	w.c.b.detach(w.c, Kicked)
	w.c.b.mu.Unlock()
	w.c.abort("cut by a fault")
	return errEnded
}

func (w *writer) cutMiddle(p packet, n int) error {
	ok, err := w.encode(p)
	if err != nil || !ok {
		return err
	}
	if n <= 0 {
		n = w.buf.Len() / 2
	}
	w.note(p, fmt.Sprintf("cut after %d bytes", min(n, w.buf.Len())))
	if pub, ok := p.(*publishPacket); ok && pub.out != nil {
		pub.out.sent.Store(true)
	}
	if _, err := w.w.Write(w.buf.Bytes()[:min(n, w.buf.Len())]); err != nil {
		return err
	}
	return w.cut()
}

// pacedWriter is the transport with the slow-loris fault in it.
type pacedWriter struct{ c *conn }

func (p pacedWriter) Write(b []byte) (int, error) {
	c := p.c
	for i := range b {
		pause := c.b.gate.pace()
		if pause == 0 {
			n, err := c.nc.Write(b[i:])
			return i + n, err
		}
		if _, err := c.nc.Write(b[i : i+1]); err != nil {
			return i, err
		}
		select {
		case <-time.After(pause):
		case <-c.done:
			return i + 1, errEnded
		}
	}
	return len(b), nil
}
