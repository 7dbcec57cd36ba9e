package mqtt311

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// phase is how far an operation is.
type phase int

const (
	waiting  phase = iota // in the queue
	sent                  // its packet is written, or being written
	released              // at QoS 2: PUBREC has come, PUBCOMP has not
	ended
)

// operation is a call that waits for its answer.
type operation struct {
	name, topic string
	qos         awsiot.QoS                                      // 0: it has no packet identifier and ends when it is written
	packet      func(id uint16, dup bool) packets.ControlPacket // made anew each time it is sent
	answer      func(codes []byte) error                        // what a SUBACK says; nil: any acknowledgement is good
	failed      func()                                          // runs with Connection.mu held at an end with an error, but for Disconnect; may be nil
	then        func(error)                                     // runs as a callback at the end; may be nil
	timer       *time.Timer                                     // of OperationTimeout

	phase phase
	id    uint16
	again bool // it was sent on a former connection of this session
	alone int  // connections that ended with it alone under way
	err   error
	done  chan struct{} // closed at the end
}

// submit puts an operation at the end of the queue, or ends it with err.
func (c *Connection) submit(o *operation, limited bool, err error) {
	o.done = make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.o.MaxPending > 0 && c.state != open && len(c.queue) >= c.o.MaxPending {
		err = awsiot.ErrQueueFull
	}
	if err != nil {
		c.complete(o, err)
		return
	}
	if limited && c.o.OperationTimeout > 0 {
		o.timer = time.AfterFunc(c.o.OperationTimeout, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.complete(o, awsiot.ErrAckTimeout)
		})
	}
	c.queue = append(c.queue, o)
	if c.state == open {
		c.run.link.wake()
	}
}

// complete ends an operation once. mu is held.
func (c *Connection) complete(o *operation, err error) {
	if o.phase == ended {
		return
	}
	isIt := func(x *operation) bool { return x == o }
	c.queue = slices.DeleteFunc(c.queue, isIt) // also what is released can be there
	c.inflight = slices.DeleteFunc(c.inflight, isIt)
	if o.phase != waiting && c.suspects > 0 {
		c.suspects--
	}
	delete(c.ids, o.id)
	o.phase = ended
	if o.timer != nil {
		o.timer.Stop()
	}
	if err != nil && o.failed != nil && !errors.Is(err, awsiot.ErrStopped) {
		o.failed()
	}
	if err != nil {
		err = fmt.Errorf("mqtt311: %s %q: %w", o.name, o.topic, err)
	}
	o.err = err
	close(o.done)
	if then := o.then; then != nil {
		c.lane.do(func() { then(err) })
	}
	if c.state == open { // there may be room for the next one
		c.run.link.wake()
	}
}

// wait waits for the end of an operation. When ctx ends first, the operation goes on.
func (o *operation) wait(ctx context.Context) error {
	select {
	case <-o.done:
		return o.err
	default:
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return fmt.Errorf("mqtt311: %s %q goes on: %w", o.name, o.topic, context.Cause(ctx))
	}
}

// resume puts what was under way in front of the queue, in its order: in a session that the broker has kept with its
// identifiers and DUP [MQTT-4.4.0-1], else as new. mu is held.
func (c *Connection) resume(session bool) {
	var all []*operation
	for _, o := range slices.Concat(c.inflight, c.queue) { // in the queue is, too, what a former connection had and the last one had no room for
		if o.phase == released && !session { // the broker took it over with PUBREC, and nothing is left to release
			c.complete(o, nil)
			continue
		}
		if o.again = session && o.id != 0 && o.answer == nil; !o.again {
			delete(c.ids, o.id)
			o.id = 0
		}
		if o.phase != released {
			o.phase = waiting
		}
		all = append(all, o)
	}
	c.inflight, c.queue = nil, all
}

// next takes the next operation from the queue when there is room for it, and makes its packet. mu is held.
func (c *Connection) next() (*operation, packets.ControlPacket) {
	room := c.o.MaxInflight
	if c.suspects > 0 {
		room = 1
	}
	if len(c.queue) == 0 || len(c.inflight) >= room {
		return nil, nil
	}
	o := c.queue[0]
	c.queue = c.queue[1:]
	if o.qos > 0 && o.id == 0 {
		for c.lastID++; c.lastID == 0 || c.ids[c.lastID]; c.lastID++ { // there are fewer than MaxInflight
		}
		o.id = c.lastID
		c.ids[o.id] = true
	}
	c.inflight = append(c.inflight, o)
	if o.phase == released {
		p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
		p.MessageID = o.id
		return o, p
	}
	o.phase = sent
	return o, o.packet(o.id, o.again)
}

// sendAll sends operations until the connection is gone.
func (c *Connection) sendAll(l *link) error {
	for {
		c.mu.Lock()
		o, p := c.next()
		c.mu.Unlock()
		if o == nil {
			select {
			case <-l.work:
			case <-l.gone:
				return nil
			}
			continue
		}
		if err := l.write(p); err != nil {
			l.close()
			return err
		}
		if o.qos == 0 {
			c.mu.Lock()
			c.complete(o, nil)
			c.mu.Unlock()
		}
	}
}

// acknowledged ends the operation with an identifier, or takes it a step further. want is the phase it must be in.
func (c *Connection) acknowledged(id uint16, want phase, subscribe bool, codes []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.inflight, func(o *operation) bool { return o.qos > 0 && o.id == id })
	if i < 0 {
		return // of an operation whose time has ended
	}
	o := c.inflight[i]
	if o.phase != want || (o.answer != nil) != subscribe || want == sent && o.qos == awsiot.ExactlyOnce {
		return // not its acknowledgement
	}
	c.losses = 0
	var err error
	if o.answer != nil {
		err = o.answer(codes)
	}
	c.complete(o, err)
}

// receivedPubrec takes PUBREC: the broker has the message, what is left is to release its identifier.
func (c *Connection) receivedPubrec(id uint16) packets.ControlPacket {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses = 0
	for _, o := range c.inflight {
		if o.id == id && o.qos == awsiot.ExactlyOnce && o.answer == nil {
			o.phase = released
		}
	}
	p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	p.MessageID = id
	return p
}

// blame looks for the operation that the broker ends connections over. After two losses by the peer in a row, what was
// under way goes alone; what is alone under way at three losses is it. mu is held.
func (c *Connection) blame(err error) {
	peer := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	if !peer || len(c.inflight) == 0 {
		return
	}
	if c.losses++; c.losses > 1 {
		c.suspects = max(c.suspects, len(c.inflight))
	}
	if o := c.inflight[0]; len(c.inflight) == 1 && c.suspects > 0 {
		if o.alone++; o.alone >= 3 {
			c.losses = 0
			c.complete(o, fmt.Errorf("%w: %w", awsiot.ErrEndsConnection, err))
		}
	}
}
