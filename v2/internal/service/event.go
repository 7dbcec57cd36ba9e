package service

import (
	"context"
	"fmt"
	"iter"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Event is one row of a service's table of events.
type Event[E any] struct {
	Name   string             // as "iotshadow.ShadowDeltaUpdated"
	Topic  func(Names) string // or filter
	Decode func(m *awsiot.Message, to *E) error
}

func (v *Event[E]) malformed(m *awsiot.Message, err error) error {
	return &reqresp.Error{Operation: v.Name, Topic: m.Topic, Payload: m.Payload, Err: fmt.Errorf("%w: %w", reqresp.ErrMalformed, err)}
}

func (v *Event[E]) fail(err error) error { return &reqresp.Error{Operation: v.Name, Err: err} }

// Stream returns a stream of the event as a handle.
func (v *Event[E]) Stream(c *Client, n Names, bad error, o reqresp.EventOptions[E]) (*reqresp.Stream, error) {
	if bad == nil && o.OnEvent == nil {
		bad = &awsiot.ValidationError{Field: "OnEvent", Problem: "is nil"}
	}
	if bad != nil {
		return nil, v.fail(bad)
	}
	return c.NewStream(reqresp.StreamOptions{Operation: v.Name, TopicFilter: v.Topic(n), OnStatus: o.OnStatus, OnMessage: func(m *awsiot.Message) {
		e := new(E)
		err := v.Decode(m, e)
		switch {
		case err == nil:
			o.OnEvent(e)
		case o.OnMalformed != nil:
			o.OnMalformed(v.malformed(m, err))
		default:
			c.Malformed(v.Name, m, err)
		}
	}})
}

// Subscribe is the first generation's subscription to the event.
func (v *Event[E]) Subscribe(ctx context.Context, c *Client, n Names, bad error, qos awsiot.QoS, h func(*E)) (*reqresp.Subscription, error) {
	if bad == nil && h == nil {
		bad = &awsiot.ValidationError{Field: "handler", Problem: "is nil"}
	}
	if bad != nil {
		return nil, v.fail(bad)
	}
	return c.Subscribe(ctx, v.Name, v.Topic(n), qos, func(m *awsiot.Message) {
		e := new(E)
		if err := v.Decode(m, e); err != nil {
			c.Malformed(v.Name, m, err)
			return
		}
		h(e)
	})
}

// All returns an iterator over the event, which subscribes when it is ranged over and ends with the loop. It yields an
// error for a message that is not what the service documents, and goes on; any other error is its last value: that of
// ctx, or why the stream was halted. A message is acknowledged when the loop asks for the next
// one; meanwhile no other handler runs, but requests may be made.
func (v *Event[E]) All(ctx context.Context, c *Client, n Names, bad error) iter.Seq2[*E, error] {
	type item struct {
		event *E
		err   error
	}
	return func(yield func(*E, error) bool) {
		if bad != nil {
			yield(nil, v.fail(bad))
			return
		}
		items, next, over := make(chan item), make(chan struct{}), make(chan struct{})
		halted := make(chan error, 1)
		defer close(over)
		s, err := c.NewStream(reqresp.StreamOptions{Operation: v.Name, TopicFilter: v.Topic(n), OnMessage: func(m *awsiot.Message) {
			it := item{event: new(E)}
			if err := v.Decode(m, it.event); err != nil {
				it = item{err: v.malformed(m, err)}
			}
			select {
			case items <- it:
			case <-over:
				return
			}
			select {
			case <-next: // the loop is done with it
			case <-over:
			}
		}, OnStatus: func(status reqresp.StreamStatus, err error) {
			if status == reqresp.StreamHalted {
				halted <- err // has room: it comes once
			}
		}})
		if err == nil {
			err = s.Open()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.Close()
		for {
			select {
			case it := <-items:
				if !yield(it.event, it.err) {
					return
				}
				next <- struct{}{}
			case err := <-halted:
				yield(nil, err)
				return
			case <-ctx.Done():
				yield(nil, &reqresp.Error{Operation: v.Name, Topic: v.Topic(n), Err: context.Cause(ctx)})
				return
			}
		}
	}
}
