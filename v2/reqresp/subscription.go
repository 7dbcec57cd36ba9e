package reqresp

import (
	"context"
	"sync"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Subscription is a subscription of the first generation of AWS's service clients: to one topic of answers or events, which the
// program relates to its requests itself. It counts against no budget.
type Subscription struct {
	c      *Client
	filter string
	once   sync.Once
	gone   chan struct{}         // closed by Close
	uses   [2]*awsiot.Attachment // one has the handler, the other tells at once how the subscription fares
}

// Subscribe subscribes to filter and waits until that is established, the broker refuses, or ctx or
// Options.OperationTimeout ends. h runs as a handler of messages. operation is for errors.
func (c *Client) Subscribe(ctx context.Context, operation, filter string, qos awsiot.QoS, h awsiot.MessageHandler) (*Subscription, error) {
	fail := func(err error, hint string) (*Subscription, error) {
		return nil, &Error{Operation: operation, Topic: filter, Err: err, Hint: hint}
	}
	switch {
	case c.bad != nil:
		return fail(c.bad, "")
	case h == nil:
		return fail(invalid("handler", "is nil"), "")
	}
	if d := c.o.OperationTimeout; d > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d, ErrTimeout)
		defer cancel()
		ctx = limited
	}
	s := &Subscription{c: c, filter: filter, gone: make(chan struct{})}
	ended := make(chan error, 1)
	var err error
	if s.uses[0], err = c.c.Attach(awsiot.AttachOptions{TopicFilter: filter, QoS: qos, Handler: h}); err != nil {
		_ = s.Close()
		return fail(err, "")
	}
	s.uses[1], err = c.c.Attach(awsiot.AttachOptions{TopicFilter: filter, QoS: qos, Direct: true, OnStatus: func(st awsiot.AttachmentStatus, err error) {
		if st == awsiot.AttachmentEstablished || err != nil {
			select {
			case ended <- err:
			default: // only the first counts
			}
		}
	}})
	if err != nil {
		_ = s.Close()
		return fail(err, "")
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.subs[s] = true
	}
	c.mu.Unlock()
	if closed {
		_ = s.Close()
	}
	select {
	case err = <-ended:
	case <-s.gone:
		err = ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = s.Close()
		return fail(err, hintOf(filter, nil, err))
	}
	return s, nil
}

// Topic returns the topic or filter that is subscribed.
func (s *Subscription) Topic() string { return s.filter }

// Close ends the subscription, and unsubscribes if nobody else on the awsiot.Client uses the filter. It may be called again.
func (s *Subscription) Close() error {
	s.once.Do(func() {
		close(s.gone)
		s.c.mu.Lock()
		delete(s.c.subs, s)
		s.c.mu.Unlock()
		for _, a := range s.uses {
			if a != nil {
				a.Detach()
			}
		}
	})
	return nil
}
