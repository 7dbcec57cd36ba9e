package broker

import (
	"time"

	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// receive records a packet from the client, applies the fault rules and
// handles it.
func (c *conn) receive(p packet) error {
	topic, filters := topicsOf(p)
	id := c.clientID()
	if con, ok := p.(*connectPacket); ok && c.client == nil {
		id = con.clientID
		c.id.Store(id)
	}
	h := c.b.opts.Faults.Match(fault.Packet{Dir: wire.ClientToServer, Type: p.kind(), ClientID: id, Topic: topic, Filters: filters})
	if h == nil {
		c.note(p, "")
		return c.handle(p)
	}
	switch r := h.Rule(); r.Action {
	case fault.Drop:
		c.note(p, "dropped")
		return nil
	case fault.Delay:
		c.note(p, "delayed")
		c.settle()
		select {
		case <-time.After(r.Delay):
		case <-c.written:
			return errEnded
		}
	case fault.Hold:
		c.note(p, "held")
		c.settle()
		select {
		case <-h.Released():
		case <-c.written:
			return errEnded
		}
	case fault.Duplicate:
		c.note(p, "duplicated")
		if err := c.handle(p); err != nil {
			return err
		}
	case fault.Reject:
		c.note(p, "rejected")
		return c.reject(p, r.Code)
	case fault.Replace:
		c.note(p, "replaced")
		c.out.push(rawPacket{r.Raw})
		return nil
	case fault.CutBefore, fault.CutMiddle:
		c.note(p, "cut before")
		c.answer()
		c.cut()
		return errEnded
	case fault.CutAfter:
		c.note(p, "cut after")
		c.answer()
		c.out.mute()
		err := c.handle(p)
		c.cut()
		return cmpErr(err, errEnded)
	default:
		c.note(p, "")
	}
	return c.handle(p)
}

func (c *conn) note(p packet, what string) {
	if c.b.rec == nil {
		return
	}
	r := recorded(p, wire.ClientToServer, c.now())
	r.Conn, r.ClientID, r.Fault = c.number, c.clientID(), what
	c.b.rec.Add(r)
}

// answer writes the answers to what came before, and waits until they are written: for a moment only, since a client may not
// read, or a fault slow it down.
func (c *conn) answer() {
	m := markPacket{make(chan struct{})}
	if !c.out.push(m) {
		return
	}
	c.settle()
	select {
	case <-m.passed:
	case <-c.written:
	case <-time.After(linger):
	}
}

// cut ends the connection from the reader without a word.
func (c *conn) cut() {
	c.b.mu.Lock()
	c.b.detach(c, Kicked)
	c.b.unlock()
	c.abort("cut by a fault")
}

// reject answers a request with a code instead of doing it.
func (c *conn) reject(p packet, code wire.Code) error {
	switch p := p.(type) {
	case *connectPacket:
		if c.client != nil {
			return violation("second CONNECT")
		}
		return c.refuse(code, "fault")
	case *publishPacket:
		if p.qos == 0 || c.version != wire.MQTT5 {
			return &protocolError{code, "fault"}
		}
		c.unacked.Add(1)
		c.out.push(&ackPacket{id: p.id, code: code})
	case *subscribePacket:
		c.rejectFilters(wire.SUBACK, p.id, len(p.filters), code)
	case *unsubscribePacket:
		c.rejectFilters(wire.UNSUBACK, p.id, len(p.filters), code)
	default:
		return c.handle(p) // an answer, which cannot be refused
	}
	return nil
}

func (c *conn) rejectFilters(t wire.PacketType, id uint16, n int, code wire.Code) {
	codes := make([]wire.Code, n)
	for i := range codes {
		codes[i] = code
	}
	c.out.push(&codesPacket{typ: t, id: id, codes: codes})
}
