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
	Subscription               // of the program's own Subscribe; else the filter alone
	own          bool          // the program has subscribed to it
	users        []*Attachment // the others
	asked        QoS           // of the last SUBSCRIBE
	identifier   *uint32
	route        *router.Route[MessageHandler] // nil without own
	seq          uint64                        // grows with every registration: the order of subscribing again
	op           *operation                    // the SUBSCRIBE that is pending for it
	sent         bool                          // a SUBSCRIBE for it was sent
	left         bool                          // the broker may know it, though not by this: an UNSUBSCRIBE was due, and was not sent
	missing      bool                          // the broker has not acknowledged it in this session

	suspicion     // with which the client subscribes again
	batch     int // the most filters of a SUBSCRIBE that the client makes for it; 0: Resubscribe.BatchSize
}

// subscribeOp is what a subscribe or unsubscribe operation adds to operation.
type subscribeOp struct {
	subs       []Subscription // of a subscribe
	filters    []string       // of an unsubscribe
	identifier *uint32
	user       []wire.UserProperty
	auto       bool // made by the client itself: by resubscribe, or for an Attachment
	quiet      bool // with auto: its end is no event
	unused     bool // of an unsubscribe: the last user of the filters has gone, and nobody waits for it
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
	if o != nil && f.Queued() && c.options().OfflineQueue.ReturnQueued {
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
	if o == nil { // it has ended
		return f.Result()
	}
	select {
	case <-f.Done():
	case <-ctx.Done():
		if err := c.abandonSubscribe(o, ctx); err != nil {
			var zero T
			return zero, err
		}
		<-f.Done()
	}
	return f.Result()
}

// abandonSubscribe ends the wait for o with ctx: a queued one ends with its cause, and nil is returned.
func (c *Client) abandonSubscribe(o *operation, ctx context.Context) error {
	c.mu.Lock()
	defer c.unlock()
	cause := c.waitEnded(ctx, o.seq)
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
	if err == nil && ctx == nil {
		err = errNoContext
	}
	if err == nil && c.limits.Load() {
		err = checkAWSFilters("Subscriptions", filterNames(p.Subscriptions))
	}
	if err != nil {
		f.complete(nil, err)
		return f, nil
	}
	s := &subscribeOp{subs: slices.Clone(p.Subscriptions), identifier: clonePtr(p.SubscriptionIdentifier),
		user: toWireProperties(p.UserProperties), subscribed: f}
	o := &operation{kind: opSubscribe, sub: s, size: s.size(), lasting: p.Lasting}
	c.mu.Lock()
	for i, sub := range s.subs {
		if r := c.subs.Get(sub.TopicFilter); r != nil && len(r.users) > 0 { // they have a say too
			s.subs[i].QoS, s.subs[i].NoLocal = max(sub.QoS, r.wanted().QoS), false
		}
	}
	offline, err := c.place(ctx, o)
	if err != nil {
		c.unlock()
		f.complete(nil, wrapOp("subscribe", s.topic(), err))
		return f, nil
	}
	if f.seq = o.seq; offline {
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
	r := c.subscriptionOf(sub.TopicFilter)
	if r.own {
		c.router.Replace(r.route, sub.Handler)
	} else {
		r.own, r.route = true, c.router.Add(sub.TopicFilter, sub.Handler)
	}
	r.Subscription, r.identifier, r.op, r.missing, r.asked = sub, o.sub.identifier, o, true, sub.QoS
	r.suspicion, r.batch = suspicion{}, 0 // of another packet
	if o.phase == phaseSent {
		r.sent = true
	}
	return r
}

// subscriptionOf returns the record of a filter, a new one if need be. mu is held.
func (c *Client) subscriptionOf(filter string) *subscription {
	r := c.subs.Get(filter)
	if r == nil {
		c.seq++ // the filters of one SUBSCRIBE have an order, too
		r = &subscription{Subscription: Subscription{TopicFilter: filter}, seq: c.seq, missing: true, left: c.unused[filter]}
		delete(c.unused, filter)
		c.subs.Put(filter, r)
		if c.limits.Load() && c.subs.Len() == topic.MaxAWSSubscriptions+1 {
			c.note(slog.LevelWarn, "more subscriptions than AWS IoT Core allows on a connection by default", slog.Int("limit", topic.MaxAWSSubscriptions))
		}
	}
	return r
}

// drop removes the program's own use of a filter and its route, and the subscription unless others use it. mu is held.
func (c *Client) drop(r *subscription) {
	if c.subs.Get(r.TopicFilter) != r {
		return
	}
	c.router.Remove(r.route)
	r.own, r.route = false, nil
	r.Subscription, r.identifier = Subscription{TopicFilter: r.TopicFilter}, nil
	if !r.used() {
		c.subs.Delete(r.TopicFilter)
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
		var code *ReasonCode
		if s.suback != nil {
			code = &s.suback.Codes[i]
			r.suspicion = suspicion{} // but no larger batch again: that may have been the reason
		}
		r.missing = r.missing && (code == nil || code.IsError())
		if code != nil && code.IsError() || code == nil && !r.sent || o.standing == standingConvicted {
			c.drop(r)
		}
		c.answered(r, o, code, err)
	}
	switch {
	case s.unused:
		for _, filter := range s.filters {
			if s.unsuback == nil && c.subs.Get(filter) == nil {
				c.leaveBehind(filter)
			}
		}
	case s.removed != nil:
		endFuture(c, s.removed, s.unsuback, err)
	case s.auto:
		if s.quiet {
			break
		}
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
	c.noteOften(&c.floods.lateAcks, slog.LevelDebug, "acknowledgement that nothing waits for", slog.String("packet", packet), slog.Int("packet_id", int(id)))
}
