package awsiot

import (
	"context"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// queue is the list of operations that wait, in the order in which they are to be sent.
type queue struct {
	head, tail *operation
	n, bytes   int // of all operations in it
}

// insert puts o before at; at nil: at the end.
func (q *queue) insert(o, at *operation) {
	o.phase = phaseQueued
	o.next = at
	if at != nil {
		o.prev, at.prev = at.prev, o
	} else {
		o.prev, q.tail = q.tail, o
	}
	if o.prev != nil {
		o.prev.next = o
	} else {
		q.head = o
	}
	q.n++
	q.bytes += o.size
}

func (q *queue) remove(o *operation) {
	if o.prev != nil {
		o.prev.next = o.next
	} else {
		q.head = o.next
	}
	if o.next != nil {
		o.next.prev = o.prev
	} else {
		q.tail = o.prev
	}
	o.prev, o.next = nil, nil
	o.phase = phaseNew
	q.n--
	q.bytes -= o.size
}

// keeps reports whether an operation may wait for a connection.
func (b OfflineQueueBehavior) keeps(k opKind) bool {
	switch b {
	case KeepAll:
		return true
	case FailQoS0:
		return k != opPublish0
	case FailNonQoS1:
		return k == opPublish1
	}
	return false
}

// dequeue takes o out of the queue, and tells those who wait for room. mu is held.
func (c *Client) dequeue(o *operation) {
	c.queue.remove(o)
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// online reports that operations go to the wire in the order of the calls, with nothing from
// before the connection ahead of them, and are not refused by Drain. mu is held.
func (c *Client) online() bool { return c.state == StateConnected && !c.restoring && !c.refusing }

// enqueue puts a new operation at the end of the queue, if the policy and the limits allow.
// It may release and take mu again to wait for room (Block), until ctx ends; the caller must then look at
// everything anew, so it is told. mu is held.
func (c *Client) enqueue(ctx context.Context, o *operation) (again bool, err error) {
	q := &c.opts.OfflineQueue
	if c.closed {
		return false, ErrClosed
	}
	if c.refusing {
		return false, ErrStopped
	}
	if c.state == StateDisconnecting {
		return false, c.sess.cause
	}
	if c.state != StateConnected && !q.Behavior.keeps(o.kind) || !c.online() && q.MaxOperations < 0 {
		return false, ErrOffline
	}
	if q.MaxBytes > 0 && o.size > q.MaxBytes {
		return false, ErrQueueFull // it will never fit
	}
	for q.MaxOperations > 0 && c.queue.n >= q.MaxOperations || q.MaxBytes > 0 && c.queue.bytes+o.size > q.MaxBytes {
		switch q.WhenFull {
		case RejectNew:
			return false, ErrQueueFull
		case DropOldest:
			old := c.queue.head
			for old != nil && (old.resend || old.sub != nil && old.sub.auto) {
				old = old.next
			}
			if old == nil {
				return false, ErrQueueFull
			}
			c.dequeue(old)
			c.complete(old, PublishResult{}, opError(old.kind.String(), old.topic(), ErrDropped))
		case Block:
			if c.room == nil {
				c.room = make(chan struct{})
			}
			room, failures := c.room, c.failures
			c.unlock()
			select {
			case <-room:
				c.mu.Lock()
				if c.failures != failures { // stopped meanwhile: it ends with those that had room
					return false, c.failure
				}
				return true, nil
			case <-ctx.Done():
				c.mu.Lock()
				return false, context.Cause(ctx)
			}
		}
	}
	o.paced = !c.online()
	c.accept(o)
	c.queue.insert(o, nil)
	return false, nil
}

// place takes on an operation whose packet is in its buffer or its sub: on the wire if it can
// go at once, else into the queue. offline reports that it waits for a connection or behind
// what did. mu is held; see enqueue for ctx.
func (c *Client) place(ctx context.Context, o *operation) (offline bool, err error) {
	c.seq++
	o.seq = c.seq
	for {
		if l := c.link; c.online() && c.queue.n == 0 && c.fits(l, o) {
			if err := c.check(l, o); err != nil {
				return false, err
			}
			c.accept(o)
			c.send(l, o)
			return false, nil
		}
		offline = !c.online()
		again, err := c.enqueue(ctx, o)
		if err != nil || !again {
			return offline, err
		}
	}
}

// fits reports whether o may be sent on l now. mu is held.
func (c *Client) fits(l *link, o *operation) bool {
	if l.err != nil || len(l.out) >= maxOut {
		return false
	}
	if o.ackable() && !o.resend && c.table.Len() >= 65535 { // every identifier is taken
		return false
	}
	return (o.kind != opPublish1 || c.inflight < c.publishWindow(l)) && c.allows(l, o)
}

// check refuses an operation that this broker has said it will not take. mu is held.
func (c *Client) check(l *link, o *operation) error {
	s := &l.settings
	if o.size > int(s.MaximumPacketSizeToServer) {
		field := "Payload"
		switch o.kind {
		case opSubscribe:
			field = "Subscriptions"
		case opUnsubscribe:
			field = "TopicFilters"
		}
		return invalid(field, "the packet has %d bytes; the broker takes at most %d", o.size, s.MaximumPacketSizeToServer)
	}
	if o.sub != nil {
		return o.sub.check(s)
	}
	if len(o.buf) == 0 {
		return nil
	}
	if o.kind == opPublish1 && s.MaximumQoS == 0 {
		return invalid("QoS", "the broker takes QoS 0 only")
	}
	if err := l.checkAlias(o); err != nil && !o.resend { // a resend goes without
		return err
	}
	if o.buf[0]&1 != 0 && !s.RetainAvailable {
		return invalid("Retain", "the broker does not keep retained messages")
	}
	return nil
}

// pump sends what waits, in order, as far as the window, the out buffer and DrainRate allow. mu is held.
func (c *Client) pump(l *link) {
	for {
		o := c.queue.head
		if o == nil {
			if !c.pacing {
				c.restoring = false
			}
			return
		}
		if !c.fits(l, o) || o.paced && c.pacing {
			return
		}
		c.dequeue(o)
		err := c.check(l, o)
		if o.expires && !o.resend && l.waited(o) >= o.expiry {
			err = opError("publish", o.topic(), ErrExpired)
		}
		if err != nil {
			if o.resend {
				c.table.Release(o.id) // it kept its identifier
			}
			c.complete(o, PublishResult{}, err)
			continue
		}
		paced := o.paced
		c.send(l, o)
		if rate := c.opts.OfflineQueue.DrainRate; paced && rate > 0 {
			c.pace(time.Duration(float64(time.Second) / rate))
		}
	}
}

// send encodes an accepted operation into the out buffer. mu is held.
func (c *Client) send(l *link, o *operation) {
	l.begin(o)
	start := len(l.out)
	switch {
	case o.kind == opPublish0:
		l.append(o)
	case o.resend:
		wire.SetDup(o.buf)
		l.append(o)
	default:
		id, _ := c.table.Reserve(o) // fits has seen to it that there is one
		o.id = id
		if o.sub == nil {
			wire.SetPublishID(o.buf, id)
			l.append(o)
		} else if out, err := o.sub.encode(l.out, id); err == nil {
			l.out = out
		} else {
			c.table.Release(id)
			c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), err))
			return
		}
	}
	l.end += uint64(len(l.out) - start)
	if o.ackable() {
		c.sentAckable(l, o)
		return
	}
	l.awaitWrite(o)
}

// awaitWrite enters a QoS 0 publish, whose packet is the last in the out buffer, among those that end when they are
// written. mu is held.
func (l *link) awaitWrite(o *operation) {
	o.phase, o.end = phaseSent, l.end
	l.last0 = lastSent{o.kind, o.topic(), l.end, l.batchStart}
	l.pend = append(l.pend, o)
}

// begin prepares l for the packet of o. mu is held.
func (l *link) begin(o *operation) {
	if len(l.out) == 0 {
		l.batchStart = l.c.clock()
	}
	l.spend(l.batchStart, o)
}

// suspend takes back what l leaves behind: QoS 1 publishes that were written wait, with their
// id, for a connection that may know the session; what was not written waits for a new id; the
// rest follows the queue policy. mu is held.
func (c *Client) suspend(l *link) {
	c.stats.IncompleteOperationCount -= l.loose.n
	c.stats.IncompleteOperationSize -= l.loose.bytes
	l.finish(l.told, l.pend)
	l.pend, l.told, l.loose = nil, nil, looseCount{}

	var written, unwritten, subs []*operation
	for id, o, ok := c.table.First(); ok; id, o, ok = c.table.First() {
		o.phase = phaseNew
		o.written = o.written || o.end <= l.written
		switch {
		case o.kind == opPublish1 && (o.resend || o.end <= l.written):
			c.table.Unlink(id)
			o.resend, o.tried = true, true
			written = append(written, o)
			continue
		case o.end > l.written: // nobody has seen it: the order of the calls holds
			o.tried = o.kind == opPublish1
			unwritten = append(unwritten, o)
		default:
			subs = append(subs, o)
		}
		c.table.Release(id)
		o.id, o.resend = 0, false
	}
	c.forgetExpired()
	c.inflight = 0
	front := c.queue.head
	for _, o := range written {
		c.queue.insert(o, front)
	}
	for _, list := range [][]*operation{subs, unwritten} {
		for _, o := range list {
			c.queue.insert(o, front)
		}
	}
	for _, o := range subs {
		c.overtaken(o)
	}
	if c.sess.cause == nil { // else finish ends them all
		c.applyPolicy(func(o *operation) bool { return o.resend || c.opts.OfflineQueue.Behavior.keeps(o.kind) })
	}
	if c.drainTimer != nil {
		c.drainTimer.Stop()
	}
	c.pacing, c.restoring = false, false
}

// applyPolicy fails the queued operations that keep does not want, and automatic subscribes. mu is held.
func (c *Client) applyPolicy(keep func(*operation) bool) {
	for o := c.queue.head; o != nil; {
		next := o.next
		auto := o.sub != nil && o.sub.auto
		if auto || !keep(o) {
			c.dequeue(o)
			c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), ErrOffline))
		}
		o = next
	}
}

// resume puts the queue in order for a new connection. mu is held.
func (c *Client) resume(l *link) {
	for o := c.queue.head; o != nil; o = o.next {
		c.dropUnacked(o) // until now it might still be acknowledged, as far as the statistics go
	}
	if !l.connack.SessionPresent {
		for o := c.queue.head; o != nil; o = o.next {
			if o.resend { // the broker has forgotten it: a new message, with a new id
				c.table.Release(o.id)
				wire.ClearDup(o.buf)
				o.resend, o.id = false, 0
			}
		}
		c.table.Reset()
		c.queue.sortHead()
		if c.opts.OfflineQueue.Behavior == FailAll {
			c.applyPolicy(func(*operation) bool { return false })
		}
	}
	c.resubscribe(l)
	c.restoring = c.queue.n > 0
}

// sortHead puts operations that were taken back from a connection into the order of their
// calls; they are all ahead of, and older than, the others.
func (q *queue) sortHead() {
	for o := q.head; o != nil && o.next != nil; {
		next := o.next
		if next.seq < o.seq {
			at := o
			for at.prev != nil && at.prev.seq > next.seq {
				at = at.prev
			}
			q.remove(next)
			q.insert(next, at)
		} else {
			o = next
		}
	}
}

// failAll ends every operation with cause, those included that wait for room. mu is held.
func (c *Client) failAll(cause error) {
	c.failures, c.failure = c.failures+1, cause
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	for id, o, ok := c.table.First(); ok; id, o, ok = c.table.First() {
		c.table.Release(id)
		c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), cause))
	}
	for o := c.queue.head; o != nil; o = c.queue.head {
		c.dequeue(o)
		c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), cause))
	}
}
