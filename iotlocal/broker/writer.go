package broker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// writer is the state of what writes to a connection.
type writer struct {
	c       *conn
	*output           // during send
	single  bool      // every packet is a message of the transport of its own
	direct  bool      // no goroutine of the writer: it must not wait
	at      time.Time // for the record; zero: to be asked for
	parked  []parked  // delayed and held packets, in order
	batch   []packet  // being sent
	sent    int       // of batch
	left    []byte    // encoded, and not taken by the transport at once
	weight  int       // by size, of what is encoded
}

// output is what a writer needs while it has something to write. Those of all
// connections share them: most have nothing to write.
type output struct {
	buf bytes.Buffer // packets, encoded
}

var outputs = sync.Pool{New: func() any { return new(output) }}

const (
	// fullOutput is how many bytes are collected before they are written.
	fullOutput = 64 << 10
	// maxOutput is the largest buffer that is kept, in bytes.
	maxOutput = 256 << 10
	// maxDirect is how often a goroutine that is not the writer's writes what has come
	// meanwhile.
	maxDirect = 4
)

// errFull says that the transport takes no more without waiting.
var errFull = errors.New("iotlocal: connection takes no more")

func (w *writer) takeOutput() { w.output = outputs.Get().(*output) }

func (w *writer) giveOutput() {
	o := w.output
	w.output = nil
	if o.buf.Cap() <= maxOutput {
		o.buf.Reset()
		outputs.Put(o)
	}
}

// flush sees to it that what waits is written: with here, on this goroutine as far as
// the transport takes it at once, the rest by the goroutine of the writer. Faults and
// transports that keep the caller waiting are for that.
func (c *conn) flush(here bool) {
	w := &c.writer
	if !c.out.claim(here && c.direct != nil && !c.faulty()) {
		return
	}
	for range maxDirect {
		w.take()
		if c.faulty() { // asked after take: what came after a rule was added falls under it
			break
		}
		w.direct = true
		err := w.sendAll()
		w.direct = false
		if err != nil {
			if err != errFull {
				w.batch, w.sent = w.batch[:0], 0
				c.abort("") // the goroutine has to end the writer
			}
			break
		}
		if c.out.rest(c.done) {
			return
		}
	}
	c.out.run()
}

// faulty reports whether there are faults that a writer has to see to.
func (c *conn) faulty() bool { return c.b.opts.Faults.Active() || c.b.gate.pace() != 0 }

// take gets a new batch, and whether to end the connection after it.
func (w *writer) take() (finish bool) {
	w.batch, finish = w.c.out.swap(w.batch[:0])
	w.sent = 0
	return finish
}

// parked is a packet that a fault keeps back.
type parked struct {
	p       packet
	due     time.Time       // delayed
	release <-chan struct{} // held
}

// writerRest is how long the goroutine of a writer stays with nothing to write. A
// connection that is at work must not pay for a new goroutine with every packet.
const writerRest = time.Second

// run is the writer goroutine: it writes what a direct writer has left, then what
// there is, and what is kept back when its time has come. Where it is not needed for
// every packet it ends as soon as there is nothing to do, else when there has been
// nothing for a while.
func (w *writer) run() {
	c := w.c
	var look atomic.Bool // whether anything was written since the last look
	var tick *time.Timer
	if c.direct == nil {
		tick = time.AfterFunc(writerRest, func() {
			look.Store(true)
			signal(c.out.wake)
		})
		defer tick.Stop()
	}
	err := w.sendAll()
	for worked := true; err == nil; {
		finish := w.take()
		worked = worked || len(w.batch) > 0 || len(w.parked) > 0
		if err = w.sendAll(); err != nil {
			break
		}
		if finish {
			w.finish()
			w.end()
			return
		}
		if c.direct != nil && len(w.parked) == 0 && c.out.rest(c.done) {
			return
		}
		if look.CompareAndSwap(true, false) {
			if !worked && c.out.rest(c.done) {
				return
			}
			worked = false
			tick.Reset(writerRest)
		}
		if !w.wait() {
			w.end()
			return
		}
	}
	c.abort("")
	w.end()
}

// end says that nothing will be written any more.
func (w *writer) end() {
	w.c.out.ended()
	close(w.c.written)
}

// sendAll sends the rest of the batch and what became due among the parked, and
// writes it.
func (w *writer) sendAll() error {
	w.takeOutput()
	defer w.giveOutput()
	w.at = time.Time{}
	if len(w.left) > 0 {
		w.buf.Write(w.left)
		w.left = nil
	}
	for w.sent < len(w.batch) {
		p := w.batch[w.sent]
		w.batch[w.sent] = nil // let the message go
		w.sent++
		w.weight += size(p)
		if err := w.send(p); err != nil {
			return err
		}
	}
	for i := 0; i < len(w.parked); i++ {
		if k := w.parked[i]; k.ready() {
			w.parked = slices.Delete(w.parked, i, i+1)
			i--
			w.weight += size(k.p)
			if err := w.write(k.p, "released"); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// flush writes what is encoded.
func (w *writer) flush() (err error) {
	b := w.buf.Bytes()
	switch {
	case len(b) == 0:
	case w.direct:
		var n int
		if n, err = w.c.direct.write(b); err == nil && n < len(b) {
			w.left, err = bytes.Clone(b[n:]), errFull
		}
	default:
		w.at = time.Time{} // that may take a while
		_, err = pacedWriter{w.c}.Write(b)
	}
	w.buf.Reset()
	w.c.out.bytes.Add(-int64(w.weight))
	w.weight = 0
	return err
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
	c.event(wire.ServerClosed, c.lastWords.Load().(string))
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
	switch p := p.(type) {
	case rawPacket:
		return w.writeRaw(p, "injected")
	case markPacket:
		err := w.flush()
		switch err {
		case nil:
			close(p.passed)
		case errFull: // when the rest is written
			w.sent--
			w.batch[w.sent] = p
		}
		return err
	}
	if w.direct { // there are no rules
		return w.write(p, "")
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
		w.c.out.bytes.Add(int64(size(k.p))) // sendAll takes it off, and it is kept on
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
	w.at = time.Time{}
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
	before := w.buf.Len()
	ok, err := w.c.codec.encode(&w.buf, p)
	if err != nil || !ok {
		return err
	}
	if w.c.maxPacket > 0 && w.buf.Len()-before > int(w.c.maxPacket) {
		w.buf.Truncate(before)
		w.note(p, "larger than the client's maximum packet size, not sent")
		return nil
	}
	if pub, ok := p.(*publishPacket); ok && pub.out != nil {
		pub.out.sent.Store(true) // before it is recorded: who sees the record may rely on it
	}
	w.note(p, what)
	if _, ok := p.(*ackPacket); ok {
		w.c.unacked.Add(-1)
	}
	return w.buffered()
}

// buffered writes what is encoded, when it is enough or packets must not share a
// message of the transport.
func (w *writer) buffered() error {
	if w.single || w.buf.Len() >= fullOutput {
		return w.flush()
	}
	return nil
}

func (w *writer) writeRaw(p rawPacket, what string) error {
	c := w.c
	c.b.rec.Add(record.Packet{Dir: wire.ServerToClient, Type: wire.PacketType(p.data[0] >> 4), Conn: c.number,
		ClientID: c.clientID(), Payload: p.data, Fault: what})
	w.buf.Write(p.data)
	return w.buffered()
}

// note records a packet.
func (w *writer) note(p packet, what string) {
	if w.c.b.rec == nil {
		return
	}
	if _, ok := p.(*disconnectPacket); ok && w.c.version != wire.MQTT5 {
		return // it does not exist there
	}
	if w.at.IsZero() {
		w.at = time.Now()
	}
	r := recorded(p, wire.ServerToClient, w.at)
	if w.c.version != wire.MQTT5 {
		asWritten3(&r)
	}
	r.Conn, r.ClientID, r.Fault = w.c.number, w.c.clientID(), what
	w.c.b.rec.Add(r)
}

// cut closes the connection after what was written before.
func (w *writer) cut() error {
	if err := w.flush(); err != nil {
		return err
	}
	w.c.b.mu.Lock()
	w.c.b.detach(w.c, Kicked)
	w.c.b.unlock()
	w.c.abort("cut by a fault")
	return errEnded
}

func (w *writer) cutMiddle(p packet, n int) error {
	before := w.buf.Len()
	ok, err := w.c.codec.encode(&w.buf, p)
	if err != nil || !ok {
		return err
	}
	whole := w.buf.Len() - before
	if n <= 0 {
		n = whole / 2
	}
	n = min(n, whole)
	if pub, ok := p.(*publishPacket); ok && pub.out != nil {
		pub.out.sent.Store(true)
	}
	w.note(p, fmt.Sprintf("cut after %d bytes", n))
	w.buf.Truncate(before + n)
	return w.cut()
}

// messageConn is a transport that keeps the borders between writes, as a
// websocket does: one Write, or the parts up to the last, is one message.
type messageConn interface {
	WritePart(p []byte, last bool) (int, error)
}

// pacedWriter is the transport with the slow-loris fault in it.
type pacedWriter struct{ c *conn }

// part writes a piece of what Write was given.
func (p pacedWriter) part(b []byte, last bool) (int, error) {
	if m, ok := p.c.nc.(messageConn); ok {
		return m.WritePart(b, last)
	}
	return p.c.nc.Write(b)
}

func (p pacedWriter) Write(b []byte) (int, error) {
	c := p.c
	for i := range b {
		pause := c.b.gate.pace()
		if pause == 0 {
			n, err := p.part(b[i:], true)
			return i + n, err
		}
		if _, err := p.part(b[i:i+1], i == len(b)-1); err != nil {
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
