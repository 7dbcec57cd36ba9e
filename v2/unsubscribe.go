package awsiot

import (
	"context"
	"slices"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Unsubscribe unsubscribes and waits for the UNSUBACK. The subscriptions and their handlers are
// gone as soon as the call is accepted; routes made by Handle stay. Codes of 0x80 and above are
// returned in the packet and as one *ReasonError per filter, joined. When ctx ends first, see
// Publish. Without a connection it follows OfflineQueue.
func (c *Client) Unsubscribe(ctx context.Context, p *UnsubscribePacket) (*UnsubackPacket, error) {
	f, o := c.unsubscribe(ctx, p)
	if o != nil && f.Queued() && c.options().OfflineQueue.ReturnQueued {
		return &UnsubackPacket{Queued: true}, nil
	}
	return await(ctx, c, f, o)
}

// UnsubscribeAsync is Unsubscribe without the wait.
func (c *Client) UnsubscribeAsync(p *UnsubscribePacket) *Future[*UnsubackPacket] {
	f, _ := c.unsubscribe(context.Background(), p)
	return f
}

// unsubscribe takes on an unsubscribe; the operation is nil when it has ended already.
func (c *Client) unsubscribe(ctx context.Context, p *UnsubscribePacket) (*Future[*UnsubackPacket], *operation) {
	f := &Future[*UnsubackPacket]{lane: c.events}
	err := p.validate()
	if err == nil && ctx == nil {
		err = errNoContext
	}
	if err == nil && c.limits.Load() {
		err = checkAWSFilters("TopicFilters", p.TopicFilters)
	}
	if err != nil {
		f.complete(nil, err)
		return f, nil
	}
	s := &subscribeOp{filters: slices.Clone(p.TopicFilters), user: toWireProperties(p.UserProperties), removed: f}
	o := &operation{kind: opUnsubscribe, sub: s, size: s.size(), lasting: p.Lasting}
	c.mu.Lock()
	if c.shared(s) {
		c.unlock()
		return f, nil
	}
	offline, err := c.place(ctx, o)
	if err != nil {
		c.unlock()
		f.complete(nil, wrapOp("unsubscribe", s.topic(), err))
		return f, nil
	}
	if f.seq = o.seq; offline {
		f.setQueued()
	}
	for _, filter := range s.filters {
		if r := c.subs.Get(filter); r != nil {
			c.drop(r)
		}
	}
	c.emitUnsubscribed(&Unsubscribed{TopicFilters: s.filters})
	c.unlock()
	return f, o
}

// shared takes out of an UNSUBSCRIBE the filters that Attachments use: only the program's own part of those ends. It
// reports that none is left, in which case the call has succeeded. mu is held.
func (c *Client) shared(s *subscribeOp) bool {
	for i, filter := range s.filters {
		if r := c.subs.Get(filter); r != nil && len(r.users) > 0 {
			s.settle(i)
		}
	}
	if s.settled == nil || s.unsettled() > 0 || c.closed {
		return false
	}
	codes := make([]ReasonCode, len(s.filters))
	for i, filter := range s.filters {
		codes[i] = s.presumed(i)
		c.drop(c.subs.Get(filter))
	}
	endFuture(c, s.removed, &UnsubackPacket{Codes: codes}, nil)
	return true
}

// unsuback handles an UNSUBACK. mu is held.
func (c *Client) unsuback(p *wire.Unsuback) error {
	o, err := c.acknowledged("UNSUBACK", p.ID, opUnsubscribe, len(p.Codes))
	if o == nil {
		return err
	}
	ack := &UnsubackPacket{Reason: p.Reason, UserProperties: fromWireProperties(p.User)}
	ack.Codes, err = o.verdict(p.Codes, ack.Reason, ack.UserProperties)
	o.sub.unsuback = ack
	c.complete(o, PublishResult{}, err)
	return nil
}
