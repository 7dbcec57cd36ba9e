package awsiot

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/router"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// subscription is a filter that the client has subscribed to: there is one per filter.
type subscription struct {
	Subscription
	identifier *uint32
	route      *router.Route[MessageHandler]
	seq        uint64     // grows with every registration: the order of subscribing again
	op         *operation // the SUBSCRIBE that is pending for it
	sent       bool       // a SUBSCRIBE for it was sent
	missing    bool       // the broker has not acknowledged it in this session
}

// subscribeOp is what a subscribe or unsubscribe operation adds to operation.
type subscribeOp struct {
	subs       []Subscription // of a subscribe
	filters    []string       // of an unsubscribe
	identifier *uint32
	user       []wire.UserProperty
	auto       bool // made by resubscribe
	records    []*subscription
	settled    []bool // of the filters: a later call has decided, see overtaken; nil: none
	suback     *SubackPacket
	unsuback   *UnsubackPacket
	subscribed *Future[*SubackPacket]   // of a subscribe; nil with auto
	removed    *Future[*UnsubackPacket] // of an unsubscribe
}

// names returns the filters, in the order of the packet.
func (s *subscribeOp) names() []string {
	if s.filters != nil {
		return s.filters
	}
	return filterNames(s.subs)
}

// topic returns the filters, for errors.
func (s *subscribeOp) topic() string {
	fs := s.names()
	if len(fs) > 3 {
		return fmt.Sprintf("%s, and %d more", strings.Join(fs[:2], ", "), len(fs)-2)
	}
	return strings.Join(fs, ", ")
}

// packets returns the packet, without the filters that are settled.
func (s *subscribeOp) packets(id uint16) (*wire.Subscribe, *wire.Unsubscribe) {
	if s.filters != nil {
		p := &wire.Unsubscribe{ID: id, User: s.user, Filters: make([]string, 0, len(s.filters))}
		for i, f := range s.filters {
			if !s.isSettled(i) {
				p.Filters = append(p.Filters, f)
			}
		}
		return nil, p
	}
	p := &wire.Subscribe{ID: id, SubscriptionID: s.identifier, User: s.user, Subs: make([]wire.SubOption, 0, len(s.subs))}
	for i, sub := range s.subs {
		if !s.isSettled(i) {
			p.Subs = append(p.Subs, wire.SubOption{Filter: sub.TopicFilter, QoS: byte(sub.QoS), NoLocal: sub.NoLocal,
				RetainAsPublished: sub.RetainAsPublished, RetainHandling: byte(sub.RetainHandling)})
		}
	}
	return p, nil
}

// encode appends the packet; the records are subscribed from here on, as far as is known.
func (s *subscribeOp) encode(dst []byte, id uint16) ([]byte, error) {
	for _, r := range s.records {
		r.sent = true
	}
	sub, unsub := s.packets(id)
	if unsub != nil {
		return wire.AppendUnsubscribe(dst, unsub)
	}
	return wire.AppendSubscribe(dst, sub)
}

func (s *subscribeOp) size() int {
	sub, unsub := s.packets(1)
	if unsub != nil {
		return wire.UnsubscribeSize(unsub)
	}
	return wire.SubscribeSize(sub)
}

// check refuses what this broker has said it does not have.
func (s *subscribeOp) check(n *NegotiatedSettings) error {
	if s.identifier != nil && !n.SubscriptionIdentifiersAvailable {
		return invalid("SubscriptionIdentifier", "the broker has no subscription identifiers")
	}
	for _, sub := range s.subs {
		if _, _, shared := topic.SplitShare(sub.TopicFilter); shared && !n.SharedSubscriptionsAvailable {
			return invalid("TopicFilter", "%q: the broker has no shared subscriptions", sub.TopicFilter)
		}
		if strings.ContainsAny(sub.TopicFilter, "+#") && !n.WildcardSubscriptionsAvailable {
			return invalid("TopicFilter", "%q: the broker has no wildcard subscriptions", sub.TopicFilter)
		}
	}
	return nil
}

// Subscribe subscribes and waits for the SUBACK. The handlers are in place before the SUBSCRIBE
// is sent. Subscribing to a filter again replaces its options and its handler in place. Codes of
// 0x80 and above are returned in the SubackPacket and as one *ReasonError per refused filter,
// joined; a refused filter loses its route. When ctx ends first, see Publish. Without a connection it follows OfflineQueue.
func (c *Client) Subscribe(ctx context.Context, p *SubscribePacket) (*SubackPacket, error) {
	f, o := c.subscribe(ctx, p)
	if o != nil && f.Queued() && c.opts.OfflineQueue.ReturnQueued {
		return &SubackPacket{Queued: true}, nil
	}
	return await(ctx, c, f, o)
}

// SubscribeAsync is Subscribe without the wait.
func (c *Client) SubscribeAsync(p *SubscribePacket) *Future[*SubackPacket] {
	f, _ := c.subscribe(context.Background(), p)
	return f
}

// await waits for the future of a subscribe or unsubscribe.
func await[T any](ctx context.Context, c *Client, f *Future[T], o *operation) (T, error) {
	select {
	case <-f.Done():
	case <-ctx.Done():
		if o != nil {
			if err := c.abandonSubscribe(o, context.Cause(ctx)); err != nil {
				var zero T
				return zero, err
			}
			<-f.Done()
		}
	}
	return f.Result()
}

// abandonSubscribe ends the wait for o: a queued one ends with cause, and nil is returned.
func (c *Client) abandonSubscribe(o *operation, cause error) error {
	c.mu.Lock()
	defer c.unlock()
	switch {
	case o.phase == phaseDone:
		return nil
	case o.phase == phaseQueued && !o.written:
		c.dequeue(o)
		c.complete(o, PublishResult{}, opError(o.kind.String(), o.topic(), cause))
		return nil
	}
	return opError(o.kind.String(), o.topic(), fmt.Errorf("%w: %w", ErrUnknownOutcome, cause))
}

// subscribe takes on a subscribe; the operation is nil when it has ended already.
func (c *Client) subscribe(ctx context.Context, p *SubscribePacket) (*Future[*SubackPacket], *operation) {
	f := &Future[*SubackPacket]{lane: c.events}
	err := p.validate()
	if err == nil && c.aws {
		err = checkAWSFilters("Subscriptions", filterNames(p.Subscriptions))
	}
	if err != nil {
		f.complete(nil, err)
		return f, nil
	}
	s := &subscribeOp{subs: slices.Clone(p.Subscriptions), identifier: clonePtr(p.SubscriptionIdentifier),
		user: toWireProperties(p.UserProperties), subscribed: f}
	o := &operation{kind: opSubscribe, sub: s, size: s.size()}
	c.mu.Lock()
	offline, err := c.place(ctx, o)
	if err != nil {
		c.unlock()
		f.complete(nil, wrapOp("subscribe", s.topic(), err))
		return f, nil
	}
	if offline {
		f.setQueued()
	}
	for _, sub := range s.subs {
		s.records = append(s.records, c.record(sub, o))
	}
	c.unlock()
	return f, o
}

func filterNames(subs []Subscription) []string {
	fs := make([]string, len(subs))
	for i, s := range subs {
		fs[i] = s.TopicFilter
	}
	return fs
}

// record makes or replaces the subscription of a filter. mu is held, so nothing is sent or received meanwhile.
func (c *Client) record(sub Subscription, o *operation) *subscription {
	r := c.subs[sub.TopicFilter]
	if r == nil {
		if c.subs == nil {
			c.subs = make(map[string]*subscription)
		}
		c.seq++ // the filters of one SUBSCRIBE have an order, too
		r = &subscription{seq: c.seq, route: c.router.Add(sub.TopicFilter, sub.Handler)}
		c.subs[sub.TopicFilter] = r
		if c.aws && len(c.subs) == topic.MaxAWSSubscriptions+1 {
			c.note(slog.LevelWarn, "more subscriptions than AWS IoT Core allows on a connection by default", slog.Int("limit", topic.MaxAWSSubscriptions))
		}
	} else {
		c.router.Replace(r.route, sub.Handler)
	}
	r.Subscription, r.identifier, r.op, r.missing = sub, o.sub.identifier, o, true
	if o.phase == phaseSent {
		r.sent = true
	}
	return r
}

// drop removes a subscription and its route. mu is held.
func (c *Client) drop(r *subscription) {
	if c.subs[r.TopicFilter] == r {
		delete(c.subs, r.TopicFilter)
		c.router.Remove(r.route)
	}
}

// endSubscribe ends a subscribe or unsubscribe: with its packet, or with err, or with both. mu is held.
func (c *Client) endSubscribe(o *operation, err error) {
	s := o.sub
	for i, r := range s.records {
		if r.op != o {
			continue // a later SUBSCRIBE has taken the filter over
		}
		r.op = nil
		refused := s.suback != nil && s.suback.Codes[i].IsError()
		r.missing = r.missing && s.suback == nil
		if refused || s.suback == nil && !r.sent {
			c.drop(r)
		}
	}
	switch {
	case s.removed != nil:
		endFuture(c, s.removed, s.unsuback, err)
	case s.auto:
		if err != nil {
			c.note(slog.LevelWarn, "resubscribing failed", slog.Any("error", err))
		}
		c.emitResubscribed(&Resubscribed{Subscriptions: s.subs, Suback: s.suback, Err: err})
	default:
		endFuture(c, s.subscribed, s.suback, err)
	}
}

// acknowledged takes the operation of a SUBACK or UNSUBACK out of the table. mu is held.
func (c *Client) acknowledged(packet string, id uint16, kind opKind, codes int) (*operation, error) {
	o, ok := c.table.Get(id)
	if !ok {
		c.noteLateAck(packet, id)
		return nil, nil
	}
	if o == expiredSubscribe {
		c.table.Release(id)
		return nil, nil
	}
	if o.kind != kind {
		return nil, &wire.Error{Code: wire.CodeProtocolError, Packet: packet, Problem: "carries the identifier of a " + o.kind.String()}
	}
	c.table.Release(id)
	if want := o.sub.unsettled(); codes != want {
		err := &wire.Error{Code: wire.CodeProtocolError, Packet: packet, Problem: fmt.Sprintf("has %d codes for %d filters", codes, want)}
		c.complete(o, PublishResult{}, opError(kind.String(), o.topic(), protocolError(err)))
		return nil, err
	}
	return o, nil
}

// suback handles a SUBACK. mu is held.
func (c *Client) suback(p *wire.Suback) error {
	o, err := c.acknowledged("SUBACK", p.ID, opSubscribe, len(p.Codes))
	if o == nil {
		return err
	}
	ack := &SubackPacket{Reason: p.Reason, UserProperties: fromWireProperties(p.User)}
	ack.Codes, err = o.verdict(p.Codes, ack.Reason, ack.UserProperties)
	o.sub.suback = ack
	c.complete(o, PublishResult{}, err)
	return nil
}

// verdict returns the codes of a SUBACK or UNSUBACK, one per filter of the call, and a *ReasonError for every filter that it refuses.
func (o *operation) verdict(bytes []byte, reason string, user []UserProperty) (codes []ReasonCode, err error) {
	var errs []error
	for i, name := range o.sub.names() {
		if o.sub.isSettled(i) {
			codes = append(codes, o.sub.presumed(i))
			continue
		}
		code := ReasonCode(bytes[0])
		bytes = bytes[1:]
		codes = append(codes, code)
		if code.IsError() {
			errs = append(errs, &ReasonError{Op: o.kind.String(), Topic: name, Code: code, Reason: reason, UserProperties: user})
		}
	}
	return codes, refusals(errs)
}

// noteLateAck logs an acknowledgement that nothing waits for: a doubled one, or one for a
// connection that is gone. mu is held.
func (c *Client) noteLateAck(packet string, id uint16) {
	c.note(slog.LevelDebug, "acknowledgement that nothing waits for", slog.String("packet", packet), slog.Int("packet_id", int(id)))
}
