package awsiot

import (
	"context"
	"log/slog"
)

// trigger is what moves a client from one state to another.
type trigger int

const (
	trigStart    trigger = iota // Start was called
	trigAccepted                // CONNACK with a code below 0x80
	trigFailed                  // the attempt failed, or the connection was lost
	trigRetry                   // the delay before the next attempt is over
	trigStop                    // Stop or Close was called
	trigGone                    // the connection is gone and every operation has ended
	numTriggers
)

// String returns the trigger's name.
func (t trigger) String() string {
	return enumName("trigger", t, "start", "accepted", "failed", "retry", "stop", "gone")
}

// illegal marks a trigger that cannot happen in a state.
const illegal ConnectionState = -1

// transitions is the state machine: the only way in which a client changes its state.
var transitions = [...][numTriggers]ConnectionState{
	//                    start             accepted        failed        retry            stop                gone
	StateStopped:       {StateConnecting, illegal, illegal, illegal, illegal, illegal},
	StateConnecting:    {illegal, StateConnected, StateBackoff, illegal, StateDisconnecting, illegal},
	StateConnected:     {illegal, illegal, StateBackoff, illegal, StateDisconnecting, illegal},
	StateDisconnecting: {illegal, illegal, illegal, illegal, illegal, StateStopped},
	StateBackoff:       {illegal, illegal, illegal, StateConnecting, StateDisconnecting, illegal},
}

// step takes the transition of t, and reports whether there is one. mu is held.
func (c *Client) step(t trigger) bool {
	from, to := c.state, transitions[c.state][t]
	if to == illegal {
		return false
	}
	c.state = to
	c.note(slog.LevelDebug, "state", slog.String("from", from.String()), slog.String("to", to.String()), slog.String("trigger", t.String()))
	return true
}

// note logs through the event lane, in order with the events and without a lock held. mu is held.
func (c *Client) note(level slog.Level, msg string, attrs ...slog.Attr) {
	if c.log.Enabled(context.Background(), level) {
		c.batch = append(c.batch, item{fn: func() { c.log.LogAttrs(context.Background(), level, msg, attrs...) }})
	}
}

// flood is one kind of record that a broker can cause any number of times.
type flood struct {
	waiting int // records in the event lane
	more    int // that were left out, since so many wait
}

// maxFlood is how many records of one kind wait for a slow Logger or a callback ahead of them; of further ones only the
// number is told, with the next that is logged.
const maxFlood = 64

// noteOften is note for what a broker can cause any number of times. mu is held.
func (c *Client) noteOften(f *flood, level slog.Level, msg string, attrs ...slog.Attr) {
	if f.waiting >= maxFlood {
		f.more++
		return
	}
	if !c.log.Enabled(context.Background(), level) {
		return
	}
	f.waiting++
	c.batch = append(c.batch, item{fn: func() {
		c.mu.Lock()
		more := f.more
		f.waiting, f.more = f.waiting-1, 0
		c.mu.Unlock()
		if more > 0 {
			attrs = append(attrs, slog.Int("and_more", more))
		}
		c.log.LogAttrs(context.Background(), level, msg, attrs...)
	}})
}
