package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// chaos injects faults, one after the other, until it is told to stop.
type chaos struct {
	broker      *broker.Broker
	rules       *fault.Set
	ledger      *ledger
	rand        *rand.Rand
	clients     []string // ids
	subscribers []string
	pause       time.Duration
	injected    map[string]int
	live        []liveRule
	sessions    time.Time // when to lose them next
	err         error
}

// liveRule is a rule that is taken out some time later, spent or not.
type liveRule struct {
	handle *fault.Handle
	until  time.Time
}

// halfOpen is the kind of a link that takes everything and delivers nothing.
const halfOpen = "half-open link"

// Rules that match the next few packets of one client.
var ruleKinds = map[string]fault.Rule{
	"PUBACK dropped":           {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.Drop, Times: 5},
	"PUBACK delayed":           {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.Delay, Delay: 100 * time.Millisecond, Times: 5},
	"PUBACK doubled":           {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.Duplicate, Times: 5},
	"PUBACK refused":           {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.Reject, Code: 0x97, Times: 2},
	"PUBLISH dropped":          {Dir: wire.ClientToServer, Type: wire.PUBLISH, Action: fault.Drop, Times: 2},
	"PUBLISH delayed":          {Dir: wire.ClientToServer, Type: wire.PUBLISH, Action: fault.Delay, Delay: 50 * time.Millisecond, Times: 2},
	"PUBLISH doubled":          {Dir: wire.ClientToServer, Type: wire.PUBLISH, Action: fault.Duplicate, Times: 5},
	"cut before a PUBLISH":     {Dir: wire.ClientToServer, Type: wire.PUBLISH, Action: fault.CutBefore, Times: 1},
	"cut after a PUBLISH":      {Dir: wire.ClientToServer, Type: wire.PUBLISH, Action: fault.CutAfter, Times: 1},
	"cut inside a PUBACK":      {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.CutMiddle, Times: 1},
	"delivery dropped":         {Dir: wire.ServerToClient, Type: wire.PUBLISH, Action: fault.Drop, Times: 3},
	"delivery doubled":         {Dir: wire.ServerToClient, Type: wire.PUBLISH, Action: fault.Duplicate, Times: 3},
	"delivery overtaken":       {Dir: wire.ServerToClient, Type: wire.PUBLISH, Action: fault.Delay, Delay: 30 * time.Millisecond, Times: 1},
	"cut inside a delivery":    {Dir: wire.ServerToClient, Type: wire.PUBLISH, Action: fault.CutMiddle, Times: 1},
	halfOpen:                   {Action: fault.Drop},
	"garbage in place of ACKs": {Dir: wire.ServerToClient, Type: wire.PUBACK, Action: fault.Replace, Raw: []byte{0x40, 1, 0}, Times: 1},
	"CONNECT refused":          {Dir: wire.ClientToServer, Type: wire.CONNECT, Action: fault.Reject, Code: 0x89, Times: 2},
}

// run injects faults until ctx ends, and then takes every one back.
func (c *chaos) run(ctx context.Context) {
	c.sessions = time.Now().Add(time.Second)
	kinds := append(slices.Sorted(maps.Keys(ruleKinds)), "cut", "kicked", "connection refused", "silence", "all cut")
	for c.err == nil {
		select {
		case <-ctx.Done():
			for _, l := range c.live {
				c.account(l.handle)
			}
			c.rules.Clear()
			c.broker.RefuseConnections(0)
			c.broker.SilenceConnections(0)
			return
		case <-time.After(time.Duration(c.rand.Int64N(int64(2 * c.pause)))):
		}
		c.expire()
		if time.Now().After(c.sessions) {
			c.loseSessions(ctx)
			c.sessions = time.Now().Add(4 * time.Second)
			continue
		}
		c.inject(kinds[c.rand.IntN(len(kinds))])
	}
}

// inject makes one fault happen, or arms it.
func (c *chaos) inject(kind string) {
	id := c.clients[c.rand.IntN(len(c.clients))]
	switch kind {
	case "cut":
		c.injected[kind] += c.broker.Cut(id)
	case "all cut":
		if c.rand.IntN(4) == 0 {
			c.injected["cut"] += c.broker.Cut("")
		}
	case "kicked":
		codes := []wire.Code{0x8B, 0x8E, 0x96, 0x98}
		if c.broker.Disconnect(id, codes[c.rand.IntN(len(codes))], "soak") {
			c.injected[kind]++
		}
	case "connection refused":
		c.broker.RefuseConnections(1 + c.rand.IntN(2))
		c.injected[kind] += c.broker.Cut(id)
	case "silence":
		c.broker.SilenceConnections(1)
		c.injected[kind] += c.broker.Cut(id)
	default:
		r := ruleKinds[kind]
		r.ClientID = id
		h, err := c.rules.Add(r)
		if err != nil {
			c.err = fmt.Errorf("rule %q: %w", kind, err)
			return
		}
		c.live = append(c.live, liveRule{h, time.Now().Add(time.Duration(50+c.rand.IntN(1000)) * time.Millisecond)})
	}
}

// expire takes out the rules whose time is over.
func (c *chaos) expire() {
	now := time.Now()
	c.live = slices.DeleteFunc(c.live, func(l liveRule) bool {
		if now.After(l.until) {
			c.account(l.handle)
			l.handle.Remove()
			return true
		}
		return false
	})
}

// account counts what a rule has done; a half-open link is one fault, however much went into it.
func (c *chaos) account(h *fault.Handle) {
	kind, n := kindOf(h.Rule()), h.Hits()
	if h.Rule().Times == 0 {
		n = min(n, 1)
	}
	c.injected[kind] += n
}

// kindOf is the kind that a rule was made of.
func kindOf(r fault.Rule) string {
	for kind, k := range ruleKinds {
		if k.Dir == r.Dir && k.Type == r.Type && k.Action == r.Action {
			return kind
		}
	}
	return "unknown"
}

// loseSessions forgets every session, and waits until the subscriptions are there again: what
// comes meanwhile, or was in a session, is the broker's loss and not the client's.
func (c *chaos) loseSessions(ctx context.Context) {
	c.ledger.losingSessions(true)
	c.broker.LoseSessions()
	c.injected["sessions lost"]++
	c.ledger.lost()
	deadline := time.Now().Add(settleTime)
	for i := 0; i < len(c.subscribers); {
		if s, ok := c.broker.Session(c.subscribers[i]); ok && len(s.Subscriptions) > 0 {
			i++
			continue
		}
		if time.Now().After(deadline) {
			c.err = fmt.Errorf("%s has not subscribed again %v after its session was lost", c.subscribers[i], settleTime)
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
			c.expire()
		case <-ctx.Done():
			return // settle waits for them
		}
	}
	c.ledger.losingSessions(false)
}

// table lists how often each kind was there.
func table(kinds map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		if n := kinds[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, n))
		}
	}
	return strings.Join(parts, ", ")
}

// total is how many faults there were.
func (c *chaos) total() (n int) {
	for _, k := range c.injected {
		n += k
	}
	return n
}
