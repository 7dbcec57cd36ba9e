// Package fault is the rule table with which a test makes the local broker
// misbehave: drop, delay, hold, duplicate, refuse, answer wrongly, or cut the
// connection at a chosen packet. It holds no connection itself; the broker asks
// it about every packet and acts.
//
//	f := srv.Faults()
//	f.Add(fault.Rule{Dir: wire.ServerToClient, Type: wire.PUBACK, Nth: 3, Action: fault.Drop})
//
// A Rule is data, not a script: what it matches, and one Action.
package fault

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Action is what happens to a packet that a rule matches.
type Action int

// The actions. "Received" means client to server, "sent" server to client.
const (
	// Pass does nothing but count: a probe.
	Pass Action = iota
	// Drop loses the packet: it was never received, or never sent.
	Drop
	// Delay waits Rule.Delay. A received packet delays what follows it on its
	// connection, as a slow link does; a packet to send is overtaken by later
	// ones, so that Delay on one packet reorders.
	Delay
	// Hold keeps the packet until Handle.Release. Overtaking as for Delay.
	Hold
	// Duplicate processes a received packet twice or sends a packet twice.
	Duplicate
	// Reject answers a received CONNECT, PUBLISH, SUBSCRIBE or UNSUBSCRIBE with
	// Rule.Code instead of doing what it asks. For a packet to send that
	// carries a code (CONNACK, PUBACK, SUBACK, UNSUBACK, DISCONNECT) it puts
	// Rule.Code in its place, legal or not. A 3.1.1 client gets what its
	// protocol has: a return code, 0x80 in SUBACK, a closed connection for
	// PUBLISH.
	Reject
	// Replace writes the bytes of Rule.Raw to the client instead of handling
	// the received packet, or instead of the packet to send.
	Replace
	// CutBefore closes the connection without DISCONNECT before the packet is
	// processed or sent.
	CutBefore
	// CutMiddle closes after half of the packet's bytes (Rule.Bytes, when
	// positive, says how many) were sent. For a received packet it is the same
	// as CutBefore: the client cannot tell.
	CutMiddle
	// CutAfter closes after the packet was processed or sent. Answers that were
	// ready by then are not sent.
	CutAfter
)

var actionNames = [...]string{"pass", "drop", "delay", "hold", "duplicate", "reject",
	"replace", "cut before", "cut middle", "cut after"}

// String returns the action in words, as "cut before".
func (a Action) String() string {
	if a >= 0 && int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("Action(%d)", int(a))
}

// Rule says which packets it concerns and what happens to them. The zero value
// of a matching field matches everything.
type Rule struct {
	// Dir is the direction; AnyDirection matches both.
	Dir wire.Direction
	// Type is the packet type; 0 matches every type.
	Type wire.PacketType
	// Topic is a topic filter (+ and # allowed) that the topic of a PUBLISH, or
	// one filter of a SUBSCRIBE or UNSUBSCRIBE literally, must match. Packets
	// without a topic do not match a rule that names one.
	Topic string
	// ClientID limits the rule to one client.
	ClientID string
	// Nth, from 1, acts on the nth matching packet only; 0 acts on each.
	Nth int
	// Times limits how often the rule acts; 0 means no limit. With Nth, the
	// rule acts on Times packets from the nth on (1 when Times is 0).
	Times int

	// Action is what to do; Delay, Code, Raw and Bytes are its parameters.
	Action Action
	Delay  time.Duration
	Code   wire.Code
	Raw    []byte
	Bytes  int
}

// Validate reports what is wrong with the rule, or nil.
func (r Rule) Validate() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("iotlocal: fault rule: "+format, a...)
	}
	switch {
	case r.Action < Pass || r.Action > CutAfter:
		return bad("unknown action %d", int(r.Action))
	case r.Dir > wire.ServerToClient:
		return bad("direction %v cannot be matched", r.Dir)
	case r.Type > wire.AUTH:
		return bad("packet type %v cannot be matched", r.Type)
	case r.Nth < 0 || r.Times < 0 || r.Bytes < 0:
		return bad("Nth, Times and Bytes must not be negative")
	case r.Action == Delay && r.Delay <= 0:
		return bad("Delay needs a positive Delay")
	case r.Action == Replace && len(r.Raw) == 0:
		return bad("Replace needs Raw bytes; use Drop for none")
	case r.Action == Reject && !rejectable(r.Type):
		return bad("a %v carries no reason code to reject with", r.Type)
	}
	return nil
}

func rejectable(t wire.PacketType) bool {
	switch t {
	case wire.CONNECT, wire.CONNACK, wire.PUBLISH, wire.PUBACK, wire.SUBSCRIBE, wire.SUBACK,
		wire.UNSUBSCRIBE, wire.UNSUBACK, wire.DISCONNECT:
		return true
	}
	return false
}

// Packet is what the broker tells about the packet in question.
type Packet struct {
	Dir      wire.Direction
	Type     wire.PacketType
	ClientID string
	Topic    string   // of a PUBLISH
	Filters  []string // of a SUBSCRIBE or UNSUBSCRIBE
}

// Handle controls one rule that was added.
type Handle struct {
	set      *Set
	rule     Rule
	seen     int // matching packets, under set.mu
	hits     int // packets acted upon, under set.mu
	released chan struct{}
	wakers   []chan<- struct{} // told of the release, under set.mu
	changed  chan struct{}     // closed and renewed at every hit, under set.mu
}

// Rule returns the rule as it was added.
func (h *Handle) Rule() Rule { return h.rule }

// Hits returns how many packets the rule has acted upon.
func (h *Handle) Hits() int {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	return h.hits
}

// Acted returns a channel that is closed at the next packet the rule acts upon.
func (h *Handle) Acted() <-chan struct{} {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	return h.changed
}

// Remove takes the rule out. What it holds is released.
func (h *Handle) Remove() {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	h.set.removeLocked(h)
}

// Release lets the packets go that a Hold rule keeps, in order, and those that
// would come to be held later. Calling it again does nothing.
func (h *Handle) Release() {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	h.releaseLocked()
}

func (h *Handle) releaseLocked() {
	select {
	case <-h.released:
	default:
		close(h.released)
	}
	for _, w := range h.wakers {
		select {
		case w <- struct{}{}:
		default: // its receiver is awake already
		}
	}
	h.wakers = nil
}

// WakeOnRelease sends to w, without blocking, when the rule is released; at once
// if it was.
func (h *Handle) WakeOnRelease(w chan<- struct{}) {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	h.wakers = append(h.wakers, w)
	select {
	case <-h.released:
		h.releaseLocked()
	default:
	}
}

// Released returns a channel that is closed by Release or Remove.
func (h *Handle) Released() <-chan struct{} { return h.released }

// Set is the rule table of a server. The zero value is empty and ready.
type Set struct {
	match  func(filter, topic string) bool
	active atomic.Int32 // number of rules: the fast path asks nothing else

	mu    sync.Mutex
	rules []*Handle
}

// NewSet returns an empty table that compares topics with match.
func NewSet(match func(filter, topic string) bool) *Set { return &Set{match: match} }

// Add puts a rule at the end of the table and returns its handle, or the error
// of Validate. The first rule that acts on a packet wins.
func (s *Set) Add(r Rule) (*Handle, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	r.Raw = append([]byte(nil), r.Raw...)
	h := &Handle{set: s, rule: r, released: make(chan struct{}), changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, h)
	s.active.Store(int32(len(s.rules)))
	return h, nil
}

// Clear removes every rule and releases what they hold.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.rules) > 0 {
		s.removeLocked(s.rules[0])
	}
}

func (s *Set) removeLocked(h *Handle) {
	for i, r := range s.rules {
		if r == h {
			s.rules = append(s.rules[:i:i], s.rules[i+1:]...)
			break
		}
	}
	s.active.Store(int32(len(s.rules)))
	h.releaseLocked()
}

// Active reports whether there are rules. It costs next to nothing.
func (s *Set) Active() bool { return s != nil && s.active.Load() > 0 }

// Match returns the rule that acts on the packet, or nil.
func (s *Set) Match(p Packet) *Handle {
	if !s.Active() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.rules {
		if !s.concerns(h.rule, p) {
			continue
		}
		h.seen++
		if !h.due() {
			continue
		}
		h.hits++
		close(h.changed)
		h.changed = make(chan struct{})
		return h
	}
	return nil
}

// due applies Nth and Times to a packet that matches otherwise.
func (h *Handle) due() bool {
	r := h.rule
	if r.Nth > 0 {
		return h.seen >= r.Nth && h.hits < max(r.Times, 1)
	}
	return r.Times == 0 || h.hits < r.Times
}

func (s *Set) concerns(r Rule, p Packet) bool {
	if r.Dir != wire.AnyDirection && r.Dir != p.Dir ||
		r.Type != 0 && r.Type != p.Type ||
		r.ClientID != "" && r.ClientID != p.ClientID {
		return false
	}
	if r.Topic == "" {
		return true
	}
	if p.Topic != "" {
		return s.match(r.Topic, p.Topic)
	}
	for _, f := range p.Filters {
		if f == r.Topic {
			return true
		}
	}
	return false
}
