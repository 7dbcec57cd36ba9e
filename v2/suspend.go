package awsiot

import (
	"fmt"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// suspend takes back what l leaves behind. Suspects come first, in the order in which they were sent; then QoS 1
// publishes that were written, with their id, for a connection that may know the session; then SUBSCRIBE and
// UNSUBSCRIBE; then what was not written, which waits for a new id. What the broker ends connections for, and what it
// has not acknowledged in AckTimeout, ends. The rest follows the queue policy. mu is held.
func (c *Client) suspend(l *link) {
	c.stats.IncompleteOperationCount -= l.loose.n
	c.stats.IncompleteOperationSize -= l.loose.bytes
	l.finish(l.told, l.pend)
	l.pend, l.told, l.loose = nil, nil, looseCount{}

	e := c.lossOf(l)
	if c.sess.cause == nil {
		c.lost, c.lostSeq = e, c.seq
	}
	ops := c.takeBack(l, &e)
	c.drawIn(ops)
	c.forgetExpired()
	c.inflight, c.carried = 0, false
	front := c.queue.head
	for _, belongs := range [...]func(*operation) bool{
		(*operation).isSuspect,
		func(o *operation) bool { return o.resend },
		func(o *operation) bool { return o.end <= l.written },
		func(*operation) bool { return true }, // nobody has seen it: the order of the calls holds
	} {
		for _, o := range ops {
			if o.phase == phaseNew && belongs(o) {
				c.queue.insert(o, front)
			}
		}
	}
	for _, o := range ops {
		if o.sub != nil && (o.end <= l.written || o.sub.filters != nil) { // resubscribe goes ahead of an UNSUBSCRIBE, written or not
			c.overtaken(o)
		}
	}
	c.tellUsers(AttachmentPending)
	c.endSuspended(ops, &e)
	if c.sess.cause == nil { // else finish ends them all
		c.applyPolicy(func(o *operation) bool { return o.resend || c.options().OfflineQueue.Behavior.keeps(o.kind) })
	}
	if c.drainTimer != nil {
		c.drainTimer.Stop()
	}
	c.pacing, c.restoring = false, false
}

// takeBack returns what was sent on l and not acknowledged, in the order of sending, and says of each how it goes on
// after the loss. mu is held.
func (c *Client) takeBack(l *link, e *loss) (ops []*operation) {
	before := uint64(0) // where the packet of o begins, at the earliest
	for id, o, ok := c.table.First(); ok; id, o, ok = c.table.First() {
		ops = append(ops, o)
		o.phase = phaseNew
		whole := o.end <= l.written
		if whole {
			o.written = true
			o.spent += max(0, e.at-o.sent)
		}
		if whole || max(before, o.end-min(o.end, uint64(o.size))) < l.written {
			c.suspect(o, e, whole)
		}
		before = o.end
		if o.kind == opPublish1 {
			o.tried = true
			if o.resend = o.resend || whole; o.resend {
				c.table.Unlink(id)
				continue
			}
		}
		if o.own {
			c.table.Unlink(id)
		} else {
			c.releaseID(o)
		}
	}
	return ops
}

// endSuspended ends what the loss was the last straw for. mu is held; ops are in the queue, or have ended.
func (c *Client) endSuspended(ops []*operation, e *loss) {
	timeout := c.options().AckTimeout
	for _, o := range ops {
		convicted := o.standing == standingConvicted
		late := timeout > 0 && o.spent >= timeout && !o.lasting
		if o.phase != phaseQueued || c.sess.cause != nil || !convicted && !late {
			continue
		}
		c.dequeue(o)
		c.releaseID(o)
		if convicted {
			c.convict(o, e)
		} else {
			c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), fmt.Errorf("%w: %w", ErrAckTimeout, e.err)))
		}
	}
}

// applyPolicy fails the queued operations that keep does not want, and automatic subscribes. mu is held.
func (c *Client) applyPolicy(keep func(*operation) bool) {
	for o := c.queue.head; o != nil; {
		next := o.next
		auto := o.sub != nil && o.sub.auto
		if auto || !keep(o) {
			c.dequeue(o)
			c.releaseID(o)
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
				if !o.own {
					c.releaseID(o)
				}
				wire.ClearDup(o.buf)
				o.resend = false
			}
		}
		c.resetIDs()
		c.queue.sortHead()
		if c.options().OfflineQueue.Behavior == FailAll {
			c.applyPolicy(func(*operation) bool { return false })
		}
	}
	c.resubscribe(l)
	c.tidy(l)
	c.beginProbe(l)
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
