package awsiot

import (
	"context"
	"iter"
)

// Messages returns an iterator that subscribes when it is ranged over, yields the messages of
// p's filters, and unsubscribes when the loop ends. The handlers in p must be nil. It
// yields one error, and ends, when subscribing fails, when ctx ends (its cause) and when the client is closed
// (ErrClosed). A QoS 1 message is acknowledged when the loop asks for the next one. While the
// loop works on a message no other handler runs: it takes its turn in the message lane.
func (c *Client) Messages(ctx context.Context, p *SubscribePacket) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		q := *p
		q.Subscriptions = append([]Subscription(nil), p.Subscriptions...)
		messages := make(chan *Message)
		next := make(chan struct{})
		over := make(chan struct{})
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
				}
			}
		}
		f, o := c.subscribe(ctx, &q)
		defer c.UnsubscribeAsync(&UnsubscribePacket{TopicFilters: filterNames(p.Subscriptions)})
		subscribed := f.Done()
		for {
			select {
			case <-subscribed:
				if _, err := f.Result(); err != nil {
					yield(nil, err)
					return
				}
				subscribed = nil
			case m := <-messages:
				if !yield(m, nil) {
					return
				}
				next <- struct{}{}
			case <-ctx.Done():
				if o != nil {
					_ = c.abandonSubscribe(o, context.Cause(ctx))
				}
				yield(nil, opError("messages", "", context.Cause(ctx)))
				return
			case <-c.closing:
				yield(nil, opError("messages", "", ErrClosed))
				return
			}
		}
	}
}
