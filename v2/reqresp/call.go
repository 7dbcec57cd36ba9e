package reqresp

import (
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// phase is where a call stands.
type phase uint8

const (
	phaseTurn    phase = iota // an earlier call has the token, or, without one, the topic
	phaseBlocked              // no place is left among the filters
	phaseFilters              // its filters are not all subscribed
	phaseSent                 // published
	phaseDone
	numPhases
)

// String returns the phase's name.
func (p phase) String() string {
	if p < numPhases {
		return [...]string{"turn", "blocked", "filters", "sent", "done"}[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// moves is the table of the legal changes of a call's phase.
var moves = [numPhases][numPhases]bool{
	phaseTurn:    {phaseBlocked: true, phaseFilters: true, phaseDone: true},
	phaseBlocked: {phaseFilters: true, phaseDone: true},
	phaseFilters: {phaseSent: true, phaseDone: true},
	phaseSent:    {phaseFilters: true, phaseDone: true},
}

// call is a request from its start to its end. Client.mu guards it.
type call struct {
	r     *Request
	key   string // in Client.turns
	phase phase
	sent  bool // published at least once
	acked bool // the broker has taken the last publish
	times int  // how often it was published
	needs []*filter
	room  [2]*filter // for needs

	prev, next *call // in Client.first
	after      *call // the next one with the same key
	slot       int   // in the heap of timeouts, from 1; 0: none
	until      int64 // its deadline, in nanoseconds of timeouts.now

	// how it ends
	done     func(*Response, error)
	wake     chan struct{} // without done; has room for one
	response Response
	err      error
}

// move changes the phase of k, if there is such a change.
func (k *call) move(to phase) {
	if moves[k.phase][to] {
		k.phase = to
	}
}

// link puts k at the head of a list.
func (k *call) link(first **call) {
	if k.next = *first; k.next != nil {
		k.next.prev = k
	}
	*first = k
}

// unlink takes k out of a list.
func (k *call) unlink(first **call) {
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		*first = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	}
	k.prev, k.next = nil, nil
}

// queue puts a call behind k and those that wait behind it.
func (k *call) queue(last *call) {
	for k.after != nil {
		k = k.after
	}
	k.after = last
}

// turn gives k its turn: it needs filters now. mu is held.
func (c *Client) turn(k *call, w *work) {
	c.turns[k.key] = k
	if k.r.Token == "" {
		for i := range k.r.Replies {
			c.bare[k.r.Replies[i].Topic] = k
		}
	}
	if !c.acquire(k, len(c.blocked) > 0, w) {
		k.move(phaseBlocked)
		c.blocked = append(c.blocked, k)
	}
}

// proceed publishes k if its filters are subscribed. mu is held.
func (c *Client) proceed(k *call, w *work) {
	if k.phase != phaseFilters {
		return
	}
	for _, f := range k.needs {
		if f.phase != filterReady {
			return
		}
	}
	k.move(phaseSent)
	k.sent, k.acked = true, false
	k.times++
	w.publish = append(w.publish, k)
}

// end ends k, once, with its response or an error. mu is held.
func (c *Client) end(k *call, err error, hint string) {
	if k.phase == phaseDone {
		return
	}
	k.unlink(&c.first)
	c.deadline.remove(k)
	w := &c.todo
	switch {
	case c.turns[k.key] == k:
		delete(c.turns, k.key)
		if k.r.Token == "" {
			for i := range k.r.Replies {
				delete(c.bare, k.r.Replies[i].Topic)
			}
		}
		if k.after != nil {
			c.turn(k.after, w)
		}
	default: // it waits for its turn
		before := c.turns[k.key]
		for before.after != k {
			before = before.after
		}
		before.after = k.after
	}
	if k.phase == phaseBlocked {
		for i, b := range c.blocked {
			if b == k {
				c.blocked = append(c.blocked[:i:i], c.blocked[i+1:]...)
				break
			}
		}
	}
	k.move(phaseDone)
	for _, f := range k.needs {
		f.users--
		if f.users == 0 && f.phase == filterWaiting {
			c.drop(f, w)
		}
	}
	k.needs = nil
	c.admit(w)
	if err != nil {
		k.err = &Error{Operation: k.r.Operation, Topic: k.r.Topic, Token: k.r.Token, Hint: hint, Err: err}
	}
	if k.done != nil {
		w.tell = append(w.tell, k)
		return
	}
	k.wake <- struct{}{} // has room for one
}

// expire ends k, whose time is over, and says what it was waiting for. mu is held.
func (c *Client) expire(k *call) {
	hint := "the service did not answer; does the policy allow iot:Receive on topic/" + k.r.Replies[0].Topic + "?"
	switch {
	case k.phase == phaseTurn:
		hint = "an earlier request has not ended"
	case k.phase == phaseBlocked:
		hint = "Options.MaxRequestResponseSubscriptions are all in use"
	case k.phase == phaseFilters:
		hint = "not connected"
		for _, f := range k.needs {
			if f.last != nil {
				hint = f.last.Error()
			} else if f.phase != filterReady && c.c.State() == awsiot.StateConnected {
				hint = fmt.Sprintf("the subscription to %q was not acknowledged", f.name)
			}
		}
	case !k.acked:
		hint = "the request was not acknowledged by the broker"
	}
	c.end(k, ErrTimeout, hint)
}

// published gets the end of a publish of k, the last one or an earlier one.
func (c *Client) published(k *call, times int, err error) {
	c.mu.Lock()
	switch {
	case k.phase != phaseSent || k.times != times:
	case errors.Is(err, awsiot.ErrAckTimeout): // the answer may come all the same
	case err != nil:
		c.end(k, err, "")
	default:
		k.acked = true
	}
	c.unlock()
}
