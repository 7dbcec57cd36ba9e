package awsiot

import (
	"cmp"
	"slices"
)

// resubscribe puts SUBSCRIBE packets for the subscriptions that this connection does not have
// into the queue: at its head, or, with ResubscribeAlways, behind the publishes that
// were in flight, as the v1 SDK did. mu is held.
func (c *Client) resubscribe(l *link) {
	r := c.opts.Resubscribe
	if r.When == ResubscribeNever {
		return
	}
	var records []*subscription
	for _, s := range c.subs {
		s.missing = s.missing || !l.connack.SessionPresent
		if s.op == nil && (s.missing || r.When == ResubscribeAlways) {
			records = append(records, s)
		}
	}
	slices.SortFunc(records, func(a, b *subscription) int { return cmp.Compare(a.seq, b.seq) })
	at := c.queue.head
	for r.When == ResubscribeAlways && at != nil && at.tried {
		at = at.next
	}
	for len(records) > 0 {
		s := &subscribeOp{auto: true, identifier: records[0].identifier}
		n := 0
		for n < len(records) && n < r.BatchSize && sameIdentifier(records[n].identifier, s.identifier) {
			s.subs = append(s.subs, records[n].Subscription)
			if n > 0 && s.size() > int(l.settings.MaximumPacketSizeToServer) {
				s.subs = s.subs[:n]
				break
			}
			n++
		}
		s.records = records[:n:n]
		o := &operation{kind: opSubscribe, sub: s, size: s.size()}
		for _, rec := range s.records {
			rec.op = o
		}
		c.accept(o)
		c.queue.insert(o, at)
		records = records[n:]
	}
}

func sameIdentifier(a, b *uint32) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// A SUBSCRIBE or UNSUBSCRIBE that was written, and whose acknowledgement the end of the connection took, is sent again
// on the next one. A later call about the same filter may have been acknowledged meanwhile; sent behind that, the
// older packet would undo it. So it goes without that filter, and ends at once when none is left.

// overtaken settles the filters of o, which was taken back from a connection, about which a later call has decided; o ends
// if that are all of them. Every operation that is pending is in the queue. mu is held.
func (c *Client) overtaken(o *operation) {
	s := o.sub
	if s.auto { // applyPolicy ends it
		return
	}
	for i, name := range s.names() {
		now := c.subs[name]
		over := false
		switch {
		case s.filters != nil:
			over = now != nil && now.op == nil // subscribed anew, and acknowledged
		case now == nil:
			over = !c.willUnsubscribe(name, o) // unsubscribed, and acknowledged
		default:
			over = now.op == nil // subscribed with other options, or unsubscribed and subscribed
		}
		if over {
			if s.settled == nil {
				s.settled = make([]bool, len(s.names()))
			}
			s.settled[i] = true
		}
	}
	if s.unsettled() > 0 {
		return
	}
	codes, _ := o.verdict(nil, "", nil)
	if s.filters != nil {
		s.unsuback = &UnsubackPacket{Codes: codes}
	} else {
		s.suback = &SubackPacket{Codes: codes}
	}
	c.dequeue(o)
	c.complete(o, PublishResult{}, nil)
}

// willUnsubscribe reports whether an UNSUBSCRIBE for the filter waits behind o. mu is held.
func (c *Client) willUnsubscribe(filter string, o *operation) bool {
	for o = o.next; o != nil; o = o.next {
		if o.sub != nil && slices.Contains(o.sub.filters, filter) {
			return true
		}
	}
	return false
}

// isSettled reports whether a later call has decided about filter i.
func (s *subscribeOp) isSettled(i int) bool { return s.settled != nil && s.settled[i] }

// unsettled counts the filters that go into the packet.
func (s *subscribeOp) unsettled() int {
	n := len(s.names())
	for _, b := range s.settled {
		if b {
			n--
		}
	}
	return n
}

// presumed is the code of filter i, which was settled: brokers take packets in their order, so it had its effect.
func (s *subscribeOp) presumed(i int) ReasonCode {
	if s.filters != nil {
		return ReasonSuccess
	}
	return ReasonCode(s.subs[i].QoS)
}
