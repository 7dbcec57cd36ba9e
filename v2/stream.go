package awsiot

import (
	"context"
	"iter"
)

// Messages returns an iterator that subscribes when it is ranged over, yields the messages of
// p's filters, and unsubscribes when the loop ends. The handlers in p must be nil. It
// yields one error, and ends, when subscribing fails, when ctx ends (its cause) and when the client is closed
// (ErrClosed). A QoS 1 message is acknowledged when the loop asks for the next one. While the
// loop works on a message no other handler runs: it takes its turn in the message lane, and its body is a callback, in which
// every call is legal, as in others.
func (c *Client) Messages(ctx context.Context, p *SubscribePacket) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		if err := p.validate(); err != nil {
			yield(nil, err)
			return
		}
		if ctx == nil {
			yield(nil, errNoContext)
			return
		}
		q := *p
		q.Subscriptions = append([]Subscription(nil), p.Subscriptions...)
		messages := make(chan *Message)
		next := make(chan struct{})
		over := make(chan struct{})
		ended, loop := c.messages.ending(), goid(make([]byte, 64))
		defer close(over)
		for i := range q.Subscriptions {
			if q.Subscriptions[i].Handler != nil {
				yield(nil, invalid("Subscriptions", "Messages yields the messages; the handlers must be nil"))
				return
			}
			q.Subscriptions[i].Handler = func(m *Message) {
				select {
				case messages <- m:
				case <-over:
					return
				}
				select {
				case <-next: // the loop is done with it
				case <-over:
				case <-ended: // Close, perhaps by the loop itself, waits for this handler
					_, _ = m.HoldAck() // the loop is not done with it
				}
			}
		}
		f, o := c.subscribe(ctx, &q)
		defer c.UnsubscribeAsync(&UnsubscribePacket{TopicFilters: filterNames(p.Subscriptions)})
		subscribed, closing := f.Done(), c.untilClose()
		for {
			select {
			case <-subscribed:
				if _, err := f.Result(); err != nil {
					yield(nil, err)
					return
				}
				subscribed = nil
			case m := <-messages:
				if !c.messages.lend(loop, func() bool { return yield(m, nil) }) {
					return
				}
				select {
				case next <- struct{}{}:
				case <-ended:
				}
			case <-ctx.Done():
				if o != nil {
					_ = c.abandonSubscribe(o, ctx)
				}
				yield(nil, opError("messages", "", context.Cause(ctx)))
				return
			case <-closing:
				yield(nil, opError("messages", "", ErrClosed))
				return
			}
		}
	}
}
