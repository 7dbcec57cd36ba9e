package broker

import (
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// maxTurn is how many packets a reader handles before it writes the answers.
const maxTurn = 1024

// turn is what a reader needs while it handles the packets that have come together.
// What they are answered, and what is delivered for them, is written when all of them
// have been handled: a packet must not cost a system call, nor wake a goroutine.
type turn struct {
	scratch
	inOrder   string      // a topic that has been checked
	at, clock time.Time   // the time, and the broker's; zero: to be asked for
	told      []*conn     // scratch of settle
	acks      []ackPacket // to be used
}

var turns = sync.Pool{New: func() any { return new(turn) }}

// begin starts a turn.
func (c *conn) begin() {
	c.turn = turns.Get().(*turn)
	c.turn.topic, c.turn.inOrder = c.topic, ""
}

// settle writes what there is to write by now: at the end of a turn, and before the
// reader waits for something else than packets.
func (c *conn) settle() {
	t := c.turn
	t.at, t.clock = time.Time{}, time.Time{}
	c.flush(true)
	t.told = c.b.tell(t.told)
}

// finish ends a turn.
func (c *conn) finish() {
	c.settle()
	c.topic = c.turn.topic
	turns.Put(c.turn)
	c.turn = nil
}

// ack returns a PUBACK. They are made many at once.
func (t *turn) ack(id uint16, code wire.Code) *ackPacket {
	const many = 32
	if len(t.acks) == 0 {
		t.acks = make([]ackPacket, many)
	}
	a := &t.acks[0]
	t.acks = t.acks[1:]
	a.id, a.code = id, code
	return a
}

// now is the time for the record: that of the turn.
func (c *conn) now() time.Time {
	if c.turn.at.IsZero() {
		c.turn.at = time.Now()
	}
	return c.turn.at
}

// clock is the broker's time: that of the turn.
func (c *conn) clock() time.Time {
	if c.turn.clock.IsZero() {
		c.turn.clock = c.b.opts.Now()
	}
	return c.turn.clock
}

// touch notes that a connection has something to write. b.mu is held: whoever holds
// it tells, by unlock, or at the end of a turn.
func (b *Broker) touch(c *conn) {
	if !c.touched {
		c.touched = true
		b.touched = append(b.touched, c)
	}
}

// unlock unlocks b.mu and tells the connections that have something to write.
func (b *Broker) unlock() {
	touched := b.touched
	b.touched = nil
	for _, c := range touched {
		c.touched = false
	}
	b.mu.Unlock()
	flushAll(touched)
}

// flushAll flushes some connections: few here, more by goroutines of their own, which
// other processors may run.
func flushAll(conns []*conn) {
	const few = 16
	for i, c := range conns {
		c.flush(i < few)
	}
}

// tell tells the connections that have something to write. It takes and returns a
// slice to be used again.
func (b *Broker) tell(empty []*conn) []*conn {
	b.mu.Lock()
	touched := b.touched
	b.touched = empty[:0]
	for _, c := range touched {
		c.touched = false
	}
	b.mu.Unlock()
	flushAll(touched)
	clear(touched) // let them go
	return touched
}
