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
	if o != nil && f.Queued() && c.opts.OfflineQueue.ReturnQueued {
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
	if err == nil && c.aws {
		err = checkAWSFilters("TopicFilters", p.TopicFilters)
	}
	if err != nil {
		f.complete(nil, err)
		return f, nil
	}
	s := &subscribeOp{filters: slices.Clone(p.TopicFilters), user: toWireProperties(p.UserProperties), removed: f}
	o := &operation{kind: opUnsubscribe, sub: s, size: s.size()}
	c.mu.Lock()
	offline, err := c.place(ctx, o)
	if err != nil {
		c.unlock()
		f.complete(nil, wrapOp("unsubscribe", s.topic(), err))
		return f, nil
	}
	if offline {
		f.setQueued()
	}
	for _, filter := range s.filters {
		if r := c.subs[filter]; r != nil {
			c.drop(r)
		}
	}
	c.unlock()
	return f, o
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
