package awsiot

import (
	"net"
	"sync/atomic"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Transition reports whether the table has the transition that a "state" log record names.
func Transition(from, to, trig string) bool {
	for f := range transitions {
		for t := range trigger(numTriggers) {
			if ConnectionState(f).String() == from && t.String() == trig {
				return transitions[f][t] != illegal && transitions[f][t].String() == to
			}
		}
	}
	return false
}

// GrantIDs moves the packet identifier counter of c on by n.
func GrantIDs(c *Client, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		id, _ := c.table.Reserve(nil)
		c.table.Release(id)
	}
}

// ConnectOf returns the CONNECT that a client with these options sends first.
func ConnectOf(o ClientOptions) ([]byte, error) {
	c := NewClient(o)
	return wire.AppendConnect(nil, c.connectPacket(&link{c: c, opts: c.options()}))
}

// WriteInline makes f the way in which a blocking publish of c writes by itself on this connection, from now on. Without
// a connection it does nothing.
func WriteInline(c *Client, f func(conn net.Conn, p []byte) (int, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.link
	if l == nil {
		return
	}
	l.alone = aloneEnough
	l.tryWrite = func(p []byte) (int, error) { return f(l.conn, p) }
}

// WritesInline counts the writes of blocking publishes by themselves on this connection, from now on.
func WritesInline(c *Client) *atomic.Int64 {
	n := new(atomic.Int64)
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.link
	try := tryWriter(l.conn)
	l.tryWrite = func(p []byte) (int, error) { n.Add(1); return try(p) }
	return n
}

// Waiters returns how many calls wait for the outcome of an attempt.
func Waiters(c *Client) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiters)
}

// WaitingBlocks returns how many blocks of received messages wait for their handlers.
func WaitingBlocks(c *Client) int {
	c.messages.mu.Lock()
	defer c.messages.mu.Unlock()
	if c.messages.burst == nil {
		return 0
	}
	return c.messages.burst.waiting
}

// Leads returns how many publishes of this connection have read their own answer, and whether the next one may.
func Leads(c *Client) (turns uint, aside bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.link; l != nil && l.lead != nil {
		return l.lead.turn, l.lead.aside
	}
	return 0, false
}

// UpdateClass returns the class of a field of ClientOptions in Update: "at once", "at the next attempt" or "never".
func UpdateClass(field string) (class string, ok bool) {
	u, ok := updateClasses[field]
	return u.String(), ok
}

// UpdateFields returns how many fields have a class.
func UpdateFields() int { return len(updateClasses) }

// GivenOptions returns the options of c as Update would give them to its function, but not copied.
func GivenOptions(c *Client) *ClientOptions { return new(c.options().given()) }

// Suspects returns how many operations are sent one by one, because the broker ended connections over one of them.
func Suspects(c *Client) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspects
}

// Waiting returns what the lanes hold: what the QoS 0 messages that wait count against Inbound.MaxBytes, the items of the
// message lane, and those of the event lane.
func Waiting(c *Client) (bytes0, messages, events int) {
	c.messages.mu.Lock()
	bytes0, messages = c.messages.bytes0(), len(c.messages.q)-c.messages.head
	c.messages.mu.Unlock()
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	return bytes0, messages, len(c.events.q) - c.events.head
}

// StopAckTimer stops the timer of AckTimeout, as if it were late.
func StopAckTimer(c *Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ackTimer.Stop()
}
