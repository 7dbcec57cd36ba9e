package awsiot

import (
	"slices"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// startKeepAlive arms the keep-alive of l. mu is held.
func (c *Client) startKeepAlive(l *link) {
	if interval := l.settings.ServerKeepAlive; interval > 0 {
		l.timer = time.AfterFunc(interval, func() { c.keepAlive(l) })
	}
}

// keepAlive sends a PINGREQ when nothing was sent, or nothing was received, for the interval,
// and ends the connection when the PINGRESP is late.
func (c *Client) keepAlive(l *link) {
	c.mu.Lock()
	defer c.unlock()
	if c.link != l || l.err != nil {
		return
	}
	interval := l.settings.ServerKeepAlive
	now := c.clock()
	wait := l.pingTimeout()
	if l.pinging {
		deadline := l.pingAt + wait
		if l.pingDue { // it waits for a packet to be written: as long as that gets on, the connection lives
			deadline = max(deadline, l.lastWrite+wait)
		}
		if now < deadline {
			l.timer.Reset(deadline - now)
			return
		}
		l.dead = true
		l.hangUp(&wire.Disconnect{Code: byte(ReasonKeepAliveTimeout)}, opError("connection", "", ErrPingTimeout))
		return
	}
	if due := min(l.lastWrite, l.lastRead) + interval; now < due {
		l.timer.Reset(due - now)
		return
	}
	if len(l.out) == 0 { // idle: give the buffers of the last burst back
		l.out, l.spare, l.spareP, l.spareT, c.batch = nil, nil, nil, nil, nil
		c.free, c.freeCount = nil, 0
		c.events.shrink()
		c.messages.shrink()
		l.batchStart = now
	}
	l.pinging, l.pingDue, l.pingAt = true, true, now
	l.timer.Reset(wait)
}

// pingTimeout is how long a PINGREQ may take to be written, and then to be answered.
func (l *link) pingTimeout() time.Duration {
	return min(l.c.opts.PingTimeout, l.settings.ServerKeepAlive/2)
}

// pinged notes that the PINGREQ was written: from here on its answer may take PingTimeout.
func (l *link) pinged() {
	c := l.c
	if c.tracing {
		c.tracePackets("packet sent", wire.Pingreq)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.pingDue = false
	if l.pinging && l.err == nil { // else it has been answered already
		l.pingAt = c.clock()
		l.timer.Reset(l.pingTimeout())
	}
}

// armAckTimer makes sure that the oldest unacknowledged operation is looked at in time: one
// timer, and none while nothing is unacknowledged. mu is held.
func (c *Client) armAckTimer() {
	if c.opts.AckTimeout == 0 || c.ackArmed {
		return
	}
	c.ackArmed = true
	if c.ackTimer == nil {
		c.ackTimer = time.AfterFunc(c.opts.AckTimeout, c.expire)
	} else {
		c.ackTimer.Reset(c.opts.AckTimeout)
	}
}

// expire ends the operations whose acknowledgement is late. They are in the order of sending,
// so only the first ones are looked at.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.unlock()
	c.ackArmed = false
	now := c.clock()
	for id, o, ok := c.table.First(); ok; id, o, ok = c.table.First() {
		wait := o.sent + c.opts.AckTimeout - now
		if l := c.link; wait <= 0 && l != nil && o.end > l.written {
			wait = c.opts.AckTimeout // not written yet: wrote will set the time
		}
		if wait > 0 {
			c.ackArmed = true
			c.ackTimer.Reset(wait)
			return
		}
		c.table.Unlink(id)
		if o.kind == opPublish1 {
			c.table.Set(id, expiredPublish)
		} else {
			c.table.Set(id, expiredSubscribe)
		}
		if c.expired = append(c.expired, id); len(c.expired) > 2*c.table.Len() { // most were acknowledged late
			c.expired = slices.DeleteFunc(c.expired, func(id uint16) bool { return !c.hasExpired(id) })
		}
		c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), ErrAckTimeout))
	}
}

// forgetExpired frees the identifiers of operations that timed out: the connection is gone. mu is held.
func (c *Client) forgetExpired() {
	for _, id := range c.expired {
		if c.hasExpired(id) {
			c.table.Release(id)
		}
	}
	c.expired = nil
}

// hasExpired reports whether id is reserved for an operation that timed out. mu is held.
func (c *Client) hasExpired(id uint16) bool {
	o, ok := c.table.Get(id)
	return ok && (o == expiredPublish || o == expiredSubscribe)
}

// restamp sets the time of sending of the operations whose bytes lie behind offset, after a
// write that took long. mu is held.
func (c *Client) restamp(offset uint64, now time.Duration) {
	for id, o, ok := c.table.Last(); ok && o.end > offset; id, o, ok = c.table.Prev(id) {
		o.sent = now
	}
}

// pace holds the queue back for an interval of DrainRate. mu is held.
func (c *Client) pace(interval time.Duration) {
	c.pacing = true
	var t *time.Timer
	t = time.AfterFunc(interval, func() {
		c.mu.Lock()
		defer c.unlock()
		if c.drainTimer != t || c.link == nil {
			return
		}
		c.pacing = false
		c.pump(c.link)
	})
	c.drainTimer = t
}
