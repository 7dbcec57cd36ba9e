package mqtt311

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// PublishPacket is a message to send. The payload must not change until the publish has ended.
type PublishPacket struct {
	Topic   string
	Payload []byte
	QoS     awsiot.QoS // 0, 1 or 2; AWS IoT Core has no QoS 2
	Retain  bool
}

// Message is a message that came. It belongs to its handlers.
type Message struct {
	Topic             string
	Payload           []byte
	QoS               awsiot.QoS
	Retain, Duplicate bool
}

// Handler gets messages, one at a time, in order. A message at QoS 1 or 2 is acknowledged when its handlers have returned.
type Handler func(*Message)

// subscription is a filter that was asked for.
type subscription struct {
	filter  string
	qos     awsiot.QoS
	handler Handler
	route   *router.Route[*subscription]
}

// Publish sends a message and waits: at QoS 0 until it is written, else until the broker has acknowledged it. When ctx
// ends first, the publish goes on. Without a connection it waits for one, also before Connect. Errors: *awsiot.ValidationError,
// awsiot.ErrQueueFull (MaxPending), awsiot.ErrAckTimeout (OperationTimeout), awsiot.ErrStopped.
func (c *Connection) Publish(ctx context.Context, p *PublishPacket) error {
	if ctx == nil {
		return errNoContext
	}
	return c.publish(p, nil).wait(ctx)
}

// PublishAsync is Publish without waiting. done, which may be nil, runs as a callback when the publish has ended.
func (c *Connection) PublishAsync(p *PublishPacket, done func(error)) { c.publish(p, done) }

func (c *Connection) publish(p *PublishPacket, done func(error)) *operation {
	if p == nil {
		p = &PublishPacket{} // which has no topic
	}
	m := *p
	o := &operation{name: "publish", topic: m.Topic, qos: m.QoS, then: done, packet: func(id uint16, dup bool) packets.ControlPacket {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload, p.Qos, p.Retain, p.Dup, p.MessageID = m.Topic, m.Payload, byte(m.QoS), m.Retain, dup, id
		return p
	}}
	c.submit(o, m.QoS > awsiot.AtMostOnce, c.o.checkPublish(p))
	return o
}

// Subscribe asks for the messages of a filter and waits for the answer; it returns the QoS that the broker grants. h, which may
// be nil, gets the messages from the call on, in place of the handler of a former Subscribe with that filter. A refusal is
// an *awsiot.ReasonError with code 0x80, the only one of MQTT 3.1.1. It ends the handler's use, and so does every other failure
// but awsiot.ErrStopped.
func (c *Connection) Subscribe(ctx context.Context, filter string, qos awsiot.QoS, h Handler) (awsiot.QoS, error) {
	if ctx == nil {
		return 0, errNoContext
	}
	if err := c.o.checkFilter(filter, qos); err != nil {
		return 0, fmt.Errorf("mqtt311: subscribe %q: %w", filter, err)
	}
	s := &subscription{filter: filter, qos: qos, handler: h}
	c.mu.Lock()
	c.remove(filter)
	s.route = c.routes.Add(filter, s)
	c.subs[filter] = s
	c.mu.Unlock()
	var granted awsiot.QoS
	o := subscribe([]*subscription{s}, func(_ int, q awsiot.QoS, err error) error {
		granted = q
		return err
	})
	o.failed = func() {
		if c.subs[filter] == s {
			c.remove(filter)
		}
	}
	c.submit(o, false, nil)
	if err := o.wait(ctx); err != nil {
		return 0, err
	}
	return granted, nil
}

// subscribe is a SUBSCRIBE; each hears what the broker says of every subscription, with mu held.
func subscribe(subs []*subscription, each func(i int, granted awsiot.QoS, refused error) error) *operation {
	return &operation{name: "subscribe", topic: subs[0].filter, qos: awsiot.AtLeastOnce, packet: func(id uint16, _ bool) packets.ControlPacket {
		p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
		p.MessageID = id
		for _, s := range subs {
			p.Topics, p.Qoss = append(p.Topics, s.filter), append(p.Qoss, byte(s.qos))
		}
		return p
	}, answer: func(codes []byte) error {
		var errs []error
		for i, s := range subs {
			switch {
			case i >= len(codes):
				errs = append(errs, each(i, 0, errNoCode))
			case codes[i] > byte(awsiot.ExactlyOnce): // 0x80 is the only one that MQTT 3.1.1 has
				errs = append(errs, each(i, 0, &awsiot.ReasonError{Op: "subscribe", Topic: s.filter, Code: awsiot.ReasonUnspecifiedError}))
			default:
				errs = append(errs, each(i, awsiot.QoS(codes[i]), nil))
			}
		}
		return errors.Join(errs...)
	}}
}

var errNoCode = errors.New("the SUBACK has no code for it")

// remove forgets a filter. mu is held.
func (c *Connection) remove(filter string) {
	if s := c.subs[filter]; s != nil {
		delete(c.subs, filter)
		c.routes.Remove(s.route)
	}
}

// Unsubscribe ends a subscription, and the use of its handler at once, and waits for the answer.
func (c *Connection) Unsubscribe(ctx context.Context, filter string) error {
	if ctx == nil {
		return errNoContext
	}
	if err := c.o.checkFilter(filter, 0); err != nil {
		return fmt.Errorf("mqtt311: unsubscribe %q: %w", filter, err)
	}
	c.mu.Lock()
	c.remove(filter)
	c.mu.Unlock()
	o := &operation{name: "unsubscribe", topic: filter, qos: awsiot.AtLeastOnce, answer: func([]byte) error { return nil }, packet: func(id uint16, _ bool) packets.ControlPacket {
		p := packets.NewControlPacket(packets.Unsubscribe).(*packets.UnsubscribePacket)
		p.MessageID, p.Topics = id, []string{filter}
		return p
	}}
	c.submit(o, true, nil)
	return o.wait(ctx)
}

// Resubscribed is the answer for one filter of ResubscribeExistingTopics.
type Resubscribed struct {
	TopicFilter string
	QoS         awsiot.QoS // granted
	Err         error      // an *awsiot.ReasonError when it was refused; its handler is forgotten
}

// ResubscribeExistingTopics subscribes again to every filter of Subscribe, for OnResumed without a session: eight per
// SUBSCRIBE, as many as AWS IoT Core takes. Answers are in the order of the filters. The error is that of the first packet
// that could not be sent or was not answered.
func (c *Connection) ResubscribeExistingTopics(ctx context.Context) ([]Resubscribed, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	c.mu.Lock()
	var subs []*subscription
	for _, f := range slices.Sorted(maps.Keys(c.subs)) {
		subs = append(subs, c.subs[f])
	}
	c.mu.Unlock()
	out := make([]Resubscribed, len(subs))
	var all []*operation
	for first := 0; first < len(subs); first += topic.MaxAWSFiltersPerSubscribe {
		batch := subs[first:min(len(subs), first+topic.MaxAWSFiltersPerSubscribe)]
		o := subscribe(batch, func(i int, granted awsiot.QoS, refused error) error {
			s := batch[i]
			out[first+i] = Resubscribed{TopicFilter: s.filter, QoS: granted, Err: refused}
			if refused != nil && c.subs[s.filter] == s {
				c.remove(s.filter)
			}
			return nil
		})
		c.submit(o, false, nil)
		all = append(all, o)
	}
	for _, o := range all {
		if err := o.wait(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// OnMessage sets what gets every message after the handlers of its subscriptions, in place of Options.OnMessage. Set it
// before Connect to miss none of a session that the broker has kept.
func (c *Connection) OnMessage(h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onAny = h
}

// receive takes a packet of the broker's. An error ends the connection.
func (c *Connection) receive(l *link, p packets.ControlPacket) error {
	switch p := p.(type) {
	case *packets.PublishPacket:
		return c.deliver(l, p)
	case *packets.PubackPacket:
		c.acknowledged(p.MessageID, sent, false, nil)
	case *packets.PubcompPacket:
		c.acknowledged(p.MessageID, released, false, nil)
	case *packets.SubackPacket:
		c.acknowledged(p.MessageID, sent, true, p.ReturnCodes)
	case *packets.UnsubackPacket:
		c.acknowledged(p.MessageID, sent, true, nil)
	case *packets.PubrecPacket:
		return l.write(c.receivedPubrec(p.MessageID))
	case *packets.PubrelPacket:
		c.mu.Lock()
		delete(c.received, p.MessageID)
		c.mu.Unlock()
		answer := packets.NewControlPacket(packets.Pubcomp).(*packets.PubcompPacket)
		answer.MessageID = p.MessageID
		return l.write(answer)
	case *packets.PingrespPacket:
		l.pinged()
	default:
		return fmt.Errorf("mqtt311: %s from the broker", named(p))
	}
	return nil
}

// messageSize is what a message that waits takes beside its topic and payload, roughly.
const messageSize = 400

// deliver puts a message into the lane.
func (c *Connection) deliver(l *link, p *packets.PublishPacket) error {
	if err := topic.ValidateTopic(p.TopicName); err != nil {
		return fmt.Errorf("mqtt311: a message with a wrong topic: %w", err)
	}
	if p.Qos > byte(awsiot.ExactlyOnce) {
		return errors.New("mqtt311: a message at QoS 3")
	}
	size := messageSize + len(p.TopicName) + len(p.Payload)
	c.mu.Lock()
	waits := &c.inbound
	if p.Qos > 0 {
		waits = &c.unacked
	}
	full := *waits+size > c.o.MaxInboundBytes
	if full && p.Qos > 0 && *waits > 0 { // dropped it would be lost, and the reader must not wait for handlers that may wait for it
		c.mu.Unlock()
		return errors.New("mqtt311: more messages at QoS 1 and 2 than MaxInboundBytes wait for their handlers")
	}
	if full && p.Qos == 0 {
		c.counts.InboundDropped++
		n := c.counts.InboundDropped
		c.mu.Unlock()
		if n&(n-1) == 0 { // the 1st, 2nd, 4th, 8th: a broker must not fill the log
			c.o.Logger.Warn("mqtt311: messages at QoS 0 are dropped: the handlers do not keep up", "topic", p.TopicName, "dropped", n)
		}
		return nil
	}
	*waits += size
	known := p.Qos == byte(awsiot.ExactlyOnce) && c.received[p.MessageID] // sent again: the handlers have it
	if p.Qos == byte(awsiot.ExactlyOnce) {
		c.received[p.MessageID] = true
	}
	c.mu.Unlock()
	c.lane.do(func() {
		if !known {
			c.handle(&Message{Topic: p.TopicName, Payload: p.Payload, QoS: awsiot.QoS(p.Qos), Retain: p.Retain, Duplicate: p.Dup})
		}
		c.mu.Lock()
		*waits -= size
		c.mu.Unlock()
		l.acknowledge(p)
	})
	return nil
}

// handle calls the handlers of a message.
func (c *Connection) handle(m *Message) {
	for _, r := range c.routes.Match(m.Topic, nil) {
		if h := r.Value().handler; h != nil {
			c.lane.guard(func() { h(m) })
		}
	}
	c.mu.Lock()
	h := c.onAny
	c.mu.Unlock()
	if h != nil {
		c.lane.guard(func() { h(m) })
	}
}

// acknowledge answers a message that was handled, if its connection is still there.
func (l *link) acknowledge(p *packets.PublishPacket) {
	switch awsiot.QoS(p.Qos) {
	case awsiot.AtLeastOnce:
		a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		a.MessageID = p.MessageID
		_ = l.write(a)
	case awsiot.ExactlyOnce:
		a := packets.NewControlPacket(packets.Pubrec).(*packets.PubrecPacket)
		a.MessageID = p.MessageID
		_ = l.write(a)
	}
}

// Stats are counts of the moment and, the last two, of the connection's life.
type Stats struct {
	Pending, Waiting              int // operations that have not ended; those of them that have not been sent
	Interruptions, InboundDropped uint64
}

// Stats returns the counts.
func (c *Connection) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.counts
	s.Pending, s.Waiting = len(c.inflight)+len(c.queue), len(c.queue)
	return s
}
