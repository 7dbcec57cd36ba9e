package awsiot

import (
	"errors"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// opKind is what an operation does.
type opKind uint8

const (
	opPublish0 opKind = iota
	opPublish1
	opSubscribe
	opUnsubscribe
)

func (k opKind) String() string {
	return enumName("opKind", k, "publish", "publish", "subscribe", "unsubscribe")
}

// opPhase is where an operation stands.
type opPhase uint8

const (
	phaseNew    opPhase = iota
	phaseQueued         // in Client.queue
	phaseSent           // encoded into link.out, or written: in Client.table, or in link.pend at QoS 0
	phaseDone
)

// operation is a publish, subscribe or unsubscribe from its acceptance to its end. Publish
// operations come from a pool, with their buffer and channel.
type operation struct {
	kind     opKind
	phase    opPhase
	resend   bool // a QoS 1 publish that was written on an earlier connection: it keeps its id, and DUP is set
	lasting  bool // see PublishPacket.Lasting
	expires  bool // PublishPacket.MessageExpiry: the time in the queue counts
	tried    bool // a QoS 1 publish that was sent, at least in part, on an earlier connection
	written  bool // it was sent whole on an earlier connection: the broker may know it
	unacked  bool // it counts in OperationStatistics as unacknowledged
	paced    bool // it waited for a connection: DrainRate holds for it
	own      bool // PublishPacket.PacketID: the identifier is the program's, from before it and beyond its end
	id       uint16
	seq      uint64        // order of the calls
	end      uint64        // link.end behind its last byte
	sent     time.Duration // Client.clock() when it was sent
	accepted time.Duration // with Trace or an expiry: when it was accepted
	alias    uint16        // PublishPacket.TopicAlias
	size     int           // of the encoded packet
	name     string        // publish: the topic; "" also where it came from the store
	buf      []byte        // publish: the encoded packet, for the queue and for sending again
	sub      *subscribeOp  // subscribe and unsubscribe

	expiry time.Duration // with expires
	rec    uint64        // its record in the store; 0: none
	spent  time.Duration // of AckTimeout, on earlier connections

	suspicion

	prev, next *operation // in the queue
	pool       *sync.Pool // of a blocking publish: where it goes at its end; else it goes to Client.free

	// how a publish ends: one of these, or nobody waits
	done func(PublishResult, error)
	fut  *Future[PublishResult]
	wait bool
	here bool          // with wait: who waits ends it itself, and needs no signal
	ch   chan struct{} // with wait; has room for one
	res  PublishResult
	err  error
}

// These stand in the table for operations that have timed out: the id stays reserved, and the
// place in the window taken, until the acknowledgement or the end of the connection.
var (
	expiredPublish   = &operation{kind: opPublish1, phase: phaseDone}
	expiredSubscribe = &operation{kind: opSubscribe, phase: phaseDone}
)

// maxPooled is the largest packet buffer that goes back to the pool with its operation.
const maxPooled = 8 << 10

// maxFree is how many operations a client keeps for the next ones.
const maxFree = 4096

// take returns an operation for a publish that nobody waits for in the call. mu is held.
func (c *Client) take() *operation {
	o := c.free
	if o == nil {
		return &operation{}
	}
	c.free, o.next = o.next, nil
	c.freeCount--
	return o
}

// takeWaiting returns an operation for a blocking publish; mu is not held. The pool is the client's
// own: a channel that was made in one testing/synctest bubble must not turn up in another.
func (c *Client) takeWaiting() *operation {
	o, ok := c.operations.Get().(*operation)
	if !ok {
		o = &operation{pool: &c.operations, ch: make(chan struct{}, 1)}
	}
	o.wait = true
	return o
}

// recycle takes o back. Nobody may hold it any more. mu is held.
func (c *Client) recycle(o *operation) {
	if o.pool != nil {
		o.release()
	} else if c.freeCount < maxFree {
		o.reset()
		o.next = c.free
		c.free = o
		c.freeCount++
	}
}

// release gives the operation of a blocking publish back; mu need not be held.
func (o *operation) release() {
	pool := o.pool
	o.reset()
	pool.Put(o)
}

// reset empties o, but for what is worth keeping.
func (o *operation) reset() {
	buf, ch, pool := o.buf, o.ch, o.pool
	if cap(buf) > maxPooled {
		buf = nil
	}
	*o = operation{buf: buf[:0], ch: ch, pool: pool}
}

// topic returns what the operation is about, for errors.
func (o *operation) topic() string {
	if o.sub != nil {
		return o.sub.topic()
	}
	if o.name != "" {
		return o.name
	}
	var p wire.InPublish
	if f, _, err := wire.Next(o.buf, 0); err == nil && f.Raw != nil {
		if o.kind == opPublish1 && o.id == 0 {
			wire.SetPublishID(o.buf, 1) // a queued packet has no id yet, and none is malformed
		}
		if wire.ParsePublish(f, &p) == nil {
			return string(p.Topic)
		}
	}
	return ""
}

// orphan reports that nobody hears of the end of o: it comes from the store.
func (o *operation) orphan() bool {
	return o.sub == nil && o.done == nil && o.fut == nil && !o.wait && o.name == ""
}

// ackable reports that the operation waits for an acknowledgement once sent.
func (o *operation) ackable() bool { return o.kind != opPublish0 }

// complete ends an operation: exactly once, and without running a callback here. mu is held;
// o must be out of the queue, the table and link.pend.
func (c *Client) complete(o *operation, res PublishResult, err error) {
	if o.phase == phaseDone {
		return
	}
	c.stats.IncompleteOperationCount--
	c.stats.IncompleteOperationSize -= uint64(o.size)
	c.dropUnacked(o)
	o.phase = phaseDone
	if o.suspected() {
		c.dropSuspect()
	}
	if c.trace != nil {
		c.traceDone(o, res.Code, err)
	}
	if o.rec != 0 && !errors.Is(err, ErrStopped) && !errors.Is(err, ErrClosed) {
		c.forgotten = append(c.forgotten, o.rec)
	}
	switch {
	case o.sub != nil:
		c.endSubscribe(o, err)
	case o.done != nil:
		c.batch = append(c.batch, report(o.done, res, err))
		c.recycle(o)
	case o.fut != nil:
		fut := o.fut
		c.recycle(o)
		endFuture(c, fut, res, err)
	case o.wait:
		o.res, o.err = res, err
		if !o.here {
			c.signals = append(c.signals, signal{ch: o.ch})
		}
	default:
		c.recycle(o)
	}
}

// accept counts an operation that the client has taken on. mu is held.
func (c *Client) accept(o *operation) {
	c.stats.IncompleteOperationCount++
	c.stats.IncompleteOperationSize += uint64(o.size)
	if c.trace != nil || o.expires {
		o.accepted = c.clock()
	}
}

// sent counts an operation that is on the wire and waits for its acknowledgement, and arms
// the timeout. mu is held.
func (c *Client) sentAckable(l *link, o *operation) {
	if !o.unacked {
		o.unacked = true
		c.stats.UnackedOperationCount++
		c.stats.UnackedOperationSize += uint64(o.size)
	}
	c.track(l, o)
}

// dropUnacked ends the count of o as unacknowledged. mu is held.
func (c *Client) dropUnacked(o *operation) {
	if o.unacked {
		o.unacked = false
		c.stats.UnackedOperationCount--
		c.stats.UnackedOperationSize -= uint64(o.size)
	}
}

// track enters a sent operation into the order of sending. mu is held.
func (c *Client) track(l *link, o *operation) {
	o.phase, o.end, o.sent = phaseSent, l.end, l.batchStart
	c.table.Link(o.id)
	if o.kind == opPublish1 {
		c.inflight++
	}
	c.armAckTimer(o.spent)
}

// publishWindow is how many QoS 1 publishes may be unacknowledged on l.
func (c *Client) publishWindow(l *link) int {
	n := int(l.settings.ReceiveMaximumFromServer)
	if m := c.options().MaxInflight; m > 0 {
		n = min(n, m)
	}
	return n
}

// puback handles a PUBACK. mu is held.
func (c *Client) puback(a *ackEntry) error {
	o, ok := c.table.Get(a.id)
	if !ok {
		c.noteLateAck("PUBACK", a.id)
		return nil
	}
	if o == expiredPublish {
		c.table.Release(a.id)
		c.inflight--
		return nil
	}
	if o.kind != opPublish1 {
		return &wire.Error{Code: wire.CodeProtocolError, Packet: "PUBACK", Problem: "carries the identifier of a " + o.kind.String()}
	}
	if o.phase != phaseSent { // of an earlier connection, and not sent again yet
		c.noteLateAck("PUBACK", a.id)
		return nil
	}
	c.releaseID(o)
	c.inflight--
	res := PublishResult{Code: ReasonCode(a.code)}
	if a.full != nil {
		res.Reason, res.UserProperties = a.full.Reason, fromWireProperties(a.full.User)
	}
	var err error
	switch {
	case res.Code.IsError():
		re := &ReasonError{Op: "publish", Topic: o.topic(), Code: res.Code, Reason: res.Reason, UserProperties: res.UserProperties}
		err = withHint(re, re.hint())
	case res.Code != ReasonSuccess && res.Code != ReasonNoMatchingSubscribers:
		err = opError("publish", o.topic(), protocolError(&wire.Error{Code: wire.CodeProtocolError, Packet: "PUBACK", Problem: "illegal code " + res.Code.String()}))
	}
	c.complete(o, res, err)
	return nil
}
