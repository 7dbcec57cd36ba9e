package awsiot

import (
	"fmt"
	"slices"
	"time"
	"weak"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// afterFunc is time.AfterFunc for a timer of c. It does not keep c, since a timer that was stopped stays with the runtime for a
// while: who has something for it to do holds c by other means. So f must not hold c, or a link, either.
func (c *Client) afterFunc(d time.Duration, f func(*Client)) *time.Timer {
	w := weak.Make(c)
	return time.AfterFunc(d, func() {
		if c := w.Value(); c != nil {
			f(c)
		}
	})
}

// armKeepAlive makes keepAlive look at l after d. mu is held.
func (c *Client) armKeepAlive(l *link, d time.Duration) {
	if l.timer != nil {
		l.timer.Reset(d)
		return
	}
	epoch := l.epoch
	l.timer = c.afterFunc(d, func(c *Client) { c.keepAlive(epoch) })
}

// startKeepAlive arms the keep-alive of l. mu is held.
func (c *Client) startKeepAlive(l *link) {
	if interval := l.settings.ServerKeepAlive; interval > 0 {
		c.armKeepAlive(l, interval)
	}
}

// keepAlive sends a PINGREQ when nothing was sent, or nothing was received, for the interval,
// and ends the connection when the PINGRESP is late.
func (c *Client) keepAlive(epoch uint64) {
	c.mu.Lock()
	defer c.unlock()
	l := c.link
	if l == nil || l.epoch != epoch || l.err != nil {
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
	if interval == 0 { // the ping was not for the keep-alive, and is answered
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
	if l.settings.ServerKeepAlive == 0 { // none, and the ping is one of probe
		return l.c.options().PingTimeout
	}
	return min(l.c.options().PingTimeout, l.settings.ServerKeepAlive/2)
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

// armAckTimer makes sure that an operation that was just sent, and has spent so much of AckTimeout on earlier
// connections, is looked at in time: one timer, and none while nothing is unacknowledged. mu is held.
func (c *Client) armAckTimer(spent time.Duration) {
	if c.ackArmed && spent == 0 {
		return
	}
	timeout := c.options().AckTimeout
	if timeout == 0 {
		return
	}
	c.carried = c.carried || spent > 0
	c.armAckTimerIn(max(0, timeout-spent))
}

func (c *Client) armAckTimerIn(wait time.Duration) {
	due := c.clock() + wait
	if c.ackArmed && due >= c.ackDue {
		return
	}
	c.ackArmed, c.ackDue = true, due
	if c.ackTimer == nil {
		c.ackTimer = c.afterFunc(wait, (*Client).expire)
	} else {
		c.ackTimer.Reset(wait)
	}
}

// expire ends the operations whose acknowledgement is late. They are in the order of sending, so only the first ones
// are looked at, but where earlier connections count.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.unlock()
	c.ackArmed = false
	timeout := c.options().AckTimeout
	if timeout == 0 { // Update has just switched it off
		return
	}
	now := c.clock()
	carried := false
	for id, o, ok := c.table.First(); ok; {
		next, following, more := c.table.Next(id)
		if o.lasting {
			id, o, ok = next, following, more
			continue
		}
		wait := o.sent + timeout - o.spent - now
		if l := c.link; wait <= 0 && l != nil && o.end > l.written {
			wait = max(timeout-o.spent, time.Millisecond) // not written yet: wrote will set the time
		}
		if carried = carried || o.spent > 0; wait <= 0 {
			c.expireOne(id, o)
		} else if c.armAckTimerIn(wait); !c.carried {
			return
		}
		id, o, ok = next, following, more
	}
	c.carried = carried
}

// expireOne ends an operation whose acknowledgement is late: the identifier stays reserved. mu is held.
func (c *Client) expireOne(id uint16, o *operation) {
	c.table.Unlink(id)
	if o.own { // the broker may still acknowledge it: nobody else is to have it until then
		o.own = false
		c.reserved--
	}
	if o.kind == opPublish1 {
		c.table.Set(id, expiredPublish)
	} else {
		c.table.Set(id, expiredSubscribe)
	}
	if c.expired = append(c.expired, id); len(c.expired) > 2*c.table.Len() { // most were acknowledged late
		c.expired = slices.DeleteFunc(c.expired, func(id uint16) bool { return !c.hasExpired(id) })
	}
	err := ErrAckTimeout
	if o.spent > 0 {
		err = fmt.Errorf("%w: the last connection ended: %w", ErrAckTimeout, c.lost.err)
	}
	c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), err))
}

// anyExpired reports whether an operation that timed out on this connection is not acknowledged. mu is held.
func (c *Client) anyExpired() bool { return slices.ContainsFunc(c.expired, c.hasExpired) }

// stopAckTimer is for when nothing is unacknowledged any more. mu is held.
func (c *Client) stopAckTimer() {
	if c.ackTimer != nil {
		c.ackTimer.Stop()
	}
	c.ackArmed = false
}

// rearmAckTimer makes a changed AckTimeout count for the operations that wait. mu is held.
func (c *Client) rearmAckTimer() {
	c.stopAckTimer()
	if _, _, waiting := c.table.First(); waiting {
		c.armAckTimer(0)
		if c.ackArmed {
			c.carried = true   // look at them all
			c.armAckTimerIn(0) // expire sees whose time is up, and for how long to wait
		}
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
	t = c.afterFunc(interval, func(c *Client) {
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
