package awsiot

import (
	"context"
	"errors"
	"log/slog"
	"slices"

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
	q := &c.options().OfflineQueue
	if c.closed {
		return false, ErrClosed
	}
	if c.refusing {
		return false, ErrStopped
	}
	if c.state == StateDisconnecting && !c.lasts(o, c.sess.cause) {
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
			c.releaseID(old)
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
				return false, c.waitEnded(ctx, o.seq)
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
	if o.ackable() && o.id == 0 && c.table.Len() >= 65535 { // every identifier is taken
		return false
	}
	return (o.kind != opPublish1 || c.inflight < c.publishWindow(l)) && c.allows(l, o)
}

// check refuses an operation that this broker has said it will not take. mu is held.
func (c *Client) check(l *link, o *operation) error {
	s := &l.settings
	if l.opts.limits && !o.resend {
		if err := o.checkLimits(); err != nil {
			return err
		}
	}
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
	if err := l.checkAlias(o); err != nil {
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
		if c.suspects > 0 && !c.mayProbe(l, o) {
			return
		}
		if o == nil {
			if !c.pacing {
				c.restoring = false
			}
			return
		}
		paced := o.paced && !o.suspected()
		if !c.fits(l, o) || paced && c.pacing {
			return
		}
		c.dequeue(o)
		err := c.check(l, o)
		if o.expires && !o.resend && l.waited(o) >= o.expiry {
			err = opError("publish", o.topic(), ErrExpired)
		}
		if err != nil {
			c.releaseID(o)
			if o.orphan() {
				c.note(slog.LevelError, "a publish of the store cannot be sent, and is removed", slog.Any("error", err))
			}
			c.complete(o, PublishResult{}, err)
			continue
		}
		if o.suspected() {
			l.probe.sent++
		}
		c.send(l, o)
		if interval := paceInterval(c.options().OfflineQueue.DrainRate); paced && interval > 0 {
			c.pacedAt = c.clock()
			c.pace(interval)
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
	case o.own:
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

// lasts reports whether o waits for the next Start when the client ends with cause, as the operations before it in the
// queue that do. What is in the store comes back from there. mu is held.
func (c *Client) lasts(o *operation, cause error) bool {
	if o.sub != nil && o.sub.unused { // which undoes a SUBSCRIBE that lasts
		return errors.Is(cause, ErrStopped) && slices.ContainsFunc(o.sub.filters, c.willSubscribe)
	}
	return o.lasting && o.rec == 0 && errors.Is(cause, ErrStopped) && (o.resend || c.options().OfflineQueue.Behavior.keeps(o.kind))
}

// failAll ends every operation with cause, those included that wait for room, but not those that last. What was sent is in
// the queue again by now. mu is held.
func (c *Client) failAll(cause error) {
	c.failures, c.failure = c.failures+1, cause
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	for _, o, ok := c.table.First(); ok; _, o, ok = c.table.First() {
		c.releaseID(o)
		c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), cause))
	}
	for o := c.queue.head; o != nil; {
		next := o.next
		if !c.lasts(o, cause) {
			c.dequeue(o)
			c.releaseID(o)
			c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), cause))
		}
		o = next
	}
	c.tellFailed(cause)
}
