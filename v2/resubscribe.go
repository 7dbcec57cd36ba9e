package awsiot

import (
	"cmp"
	"slices"
)

// resubscribe puts SUBSCRIBE packets for the subscriptions that this connection does not have
// into the queue: at its head, or, with ResubscribeAlways, behind the publishes that
// were in flight, as the v1 SDK did. mu is held.
func (c *Client) resubscribe(l *link) {
	r := l.opts.Resubscribe
	var records []*subscription
	for _, s := range c.subs.All() {
		s.missing = s.missing || !l.connack.SessionPresent
		if !l.connack.SessionPresent {
			s.lost()
		} else if !s.missing && s.op == nil {
			s.tell(AttachmentEstablished, nil)
		}
		again := s.missing && (r.When != ResubscribeNever || len(s.users) > 0) || r.When == ResubscribeAlways
		if s.op == nil && again {
			records = append(records, s)
		}
	}
	slices.SortFunc(records, func(a, b *subscription) int {
		if a.suspected() != b.suspected() {
			if a.suspected() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.seq, b.seq)
	})
	first, at := c.resubscribeAt()
	for len(records) > 0 {
		o := c.batchSubscribe(l, records)
		if o.suspected() {
			c.queue.insert(o, first)
		} else {
			c.queue.insert(o, at)
		}
		records = records[len(o.sub.records):]
	}
}

// resubscribeAt returns ahead of which operations the client subscribes again by itself: with what is suspected, and
// with the rest. mu is held.
func (c *Client) resubscribeAt() (suspects, rest *operation) {
	suspects, rest = c.queue.head, c.queue.head
	for rest != nil && rest.suspected() {
		rest = rest.next
	}
	if c.options().Resubscribe.When == ResubscribeAlways {
		suspects = rest
		for rest != nil && rest.tried {
			rest = rest.next
		}
	}
	return suspects, rest
}

// batchSubscribe makes the SUBSCRIBE for the first of records, and for as many of those behind it as go with that. mu is held.
func (c *Client) batchSubscribe(l *link, records []*subscription) *operation {
	r := records[0]
	s := &subscribeOp{auto: true, identifier: r.identifier}
	limit := c.options().Resubscribe.BatchSize
	if r.batch > 0 {
		limit = min(limit, r.batch)
	}
	n := 0
	for n < len(records) && n < limit && r.goesWith(records[n]) {
		s.subs = append(s.subs, records[n].wanted())
		if n > 0 && s.size() > int(l.settings.MaximumPacketSizeToServer) {
			s.subs = s.subs[:n]
			break
		}
		n++
	}
	s.records = records[:n:n]
	o := &operation{kind: opSubscribe, sub: s, size: s.size(), suspicion: r.suspicion}
	if n > 1 {
		o.row = 0 // it was counted for another packet
	}
	for i, r := range s.records {
		r.op, r.asked = o, s.subs[i].QoS
	}
	if c.accept(o); o.suspected() {
		c.suspects++
	}
	return o
}

// goesWith reports whether the client may subscribe again to both in one packet.
func (r *subscription) goesWith(q *subscription) bool {
	return sameIdentifier(r.identifier, q.identifier) && r.suspected() == q.suspected() && r.batch == q.batch
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
		now := c.subs.Get(name)
		over := false
		switch {
		case s.filters != nil:
			over = now != nil && (now.op == nil || len(now.users) > 0) // subscribed anew, and acknowledged, or to be sent first
		case now == nil:
			over = !c.willUnsubscribe(name, o) // unsubscribed, and acknowledged
		default:
			over = now.op == nil // subscribed with other options, or unsubscribed and subscribed
		}
		if over {
			s.settle(i)
		}
	}
	c.endSettled(o)
}

// settle marks filter i as decided by a later call.
func (s *subscribeOp) settle(i int) {
	if s.settled == nil {
		s.settled = make([]bool, len(s.names()))
	}
	s.settled[i] = true
}

// endSettled ends o, which is in the queue, if no filter is left to send. mu is held.
func (c *Client) endSettled(o *operation) {
	s := o.sub
	if s.settled == nil || s.unsettled() > 0 {
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
