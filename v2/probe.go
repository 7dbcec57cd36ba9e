package awsiot

import (
	"log/slog"
)

// probe is how far a connection is with the suspects: they go first, one under way, then twice as many with each
// window that was acknowledged, and until the last of them has ended nothing else goes out but PINGREQ, PUBACK and
// DISCONNECT. A hundred innocent ones take seven round trips.
type probe struct {
	window int  // how many suspects may be sent, 1 at first
	sent   int  // of this window
	asking bool // a PINGREQ is under way whose answer is waited for
	asked  bool // it was answered, and nothing was sent since but this window
	due    bool // something has changed: the writer is to look at the queue
}

// mayProbe reports, while there are suspects, whether o, the head of the queue, may be sent now. mu is held.
func (c *Client) mayProbe(l *link, o *operation) bool {
	p := &l.probe
	if p.sent > 0 && c.table.Linked() == 0 { // the window has ended
		if !c.anyExpired() {
			p.window *= 2
			c.convicted = false
		}
		p.sent, p.asked = 0, false
	}
	if o == nil || !o.suspected() || p.sent >= p.window {
		return false
	}
	if p.sent == 0 && !p.asked && (p.window == 1 || c.suspects == 1) && (c.lost.kind != lossBlamed || c.convicted) {
		c.ask(l)
		return false
	}
	return true
}

// Before a suspect is sent alone a PINGREQ must be answered, unless the last connection ended with a clear word: a
// close counts against an operation only if the connection was good just before. The same once an operation was
// convicted and nothing acknowledged since: a broker that blames every connection, for the will perhaps, would
// otherwise make one innocent operation end after the other.

// ask sends a PINGREQ, unless one is under way. Not answered in PingTimeout it ends the connection, as any. mu is held.
func (c *Client) ask(l *link) {
	if l.probe.asking {
		return
	}
	l.probe.asking = true
	if l.pinging {
		return
	}
	l.pinging, l.pingDue, l.pingAt = true, true, c.clock()
	c.armKeepAlive(l, l.pingTimeout()) // there may be no keep-alive
}

// pingAnswered notes a PINGRESP. mu is held.
func (l *link) pingAnswered() {
	l.pinging = false
	if p := &l.probe; p.asking {
		p.asking, p.asked, p.due = false, true, true
	}
}

// dropSuspect notes that a suspect has ended. mu is held.
func (c *Client) dropSuspect() {
	c.suspects--
	if l := c.link; l != nil {
		l.probe.due = true
	}
}

// beginProbe puts the suspects at the head of the queue of a new connection; mostly they are there already, but a lost
// session has put the queue into the order of the calls. mu is held.
func (c *Client) beginProbe(l *link) {
	l.probe.window = 1
	if c.suspects == 0 {
		c.convicted = false
		return
	}
	at := c.queue.head
	for o := at; o != nil; {
		next := o.next
		if o.suspected() {
			if o == at {
				at = next
			} else {
				c.queue.remove(o)
				c.queue.insert(o, at)
			}
		}
		o = next
	}
	c.note(slog.LevelWarn, "the broker ended connections over what was sent: this is sent first, one by one, and everything else waits",
		slog.Int("operations", c.suspects), slog.Any("error", c.lost.err))
}
