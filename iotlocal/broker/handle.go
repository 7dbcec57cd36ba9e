package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// handle does what a received packet asks for. An error ends the connection.
func (c *conn) handle(p packet) error {
	if _, first := p.(*connectPacket); c.client == nil && !first {
		// Possible only when a fault rule dropped or replaced the CONNECT.
		return violation("%v before CONNECT was accepted", p.kind())
	}
	switch p := p.(type) {
	case *connectPacket:
		return c.handleConnect(p)
	case *publishPacket:
		return c.handlePublish(p)
	case *ackPacket:
		c.b.mu.Lock()
		known := c.sess.conn != c || c.sess.acked(p.id, c.clock())
		c.b.mu.Unlock()
		if !known {
			c.b.log.Debug("iotlocal: PUBACK for an unknown packet identifier", "client", c.clientID(), "id", p.id)
		}
		return nil
	case *subscribePacket:
		return c.handleSubscribe(p)
	case *unsubscribePacket:
		return c.handleUnsubscribe(p)
	case pingPacket:
		c.out.push(pingPacket{wire.PINGRESP})
		return nil
	case *disconnectPacket:
		return c.handleDisconnect(p)
	}
	return violation("%v is for QoS 2, which is not supported", p.kind())
}

func (c *conn) handlePublish(p *publishPacket) error {
	lim := c.b.opts.Limits
	m := p.msg
	if !c.publishes.take(lim.PublishesPerSecond, c.clock()) {
		c.b.mu.Lock()
		c.b.lose(c.clientID(), m.Topic, fmt.Sprintf("more than %d PUBLISH in a second", lim.PublishesPerSecond))
		c.b.mu.Unlock()
		return nil
	}
	switch {
	case p.qos > 1:
		return &protocolError{wire.QoSNotSupported, "PUBLISH with QoS 2"} // AWS: no acknowledgement
	case over(len(m.Payload), lim.Payload):
		return &protocolError{wire.PacketTooLarge, fmt.Sprintf("payload of %d bytes, at most %d are allowed", len(m.Payload), lim.Payload)}
	}
	if p.qos > 0 {
		n := c.unacked.Add(1)
		if c.version == wire.MQTT5 && n > int32(lim.ReceiveMaximum) {
			return &protocolError{wire.ReceiveMaximumExceeded, fmt.Sprintf("%d unacknowledged PUBLISH, at most %d are allowed", n, lim.ReceiveMaximum)}
		}
	}
	code, reason := c.checkTopic(m)
	if code == wire.ProtocolError {
		return violation("%s", reason)
	}
	why := reason
	if h := c.b.opts.Hooks.Publish; h != nil && !code.IsError() {
		c.client.Denial = "" // of an earlier message
		code = h(c.client, m)
		why = c.client.Denial
	}
	if code.IsError() {
		return c.refusePublish(p, code, reason, why)
	}
	service := c.b.service(m.Topic)
	if service != nil {
		m = m.own()
	}
	now := c.clock()
	c.b.mu.Lock()
	if c.sess.conn != c {
		c.b.mu.Unlock()
		return errEnded // taken over meanwhile
	}
	m.received = now
	c.b.unkept = nil
	matched, _ := c.b.route(m, c.sess, now)
	unkept := c.b.unkept
	c.b.mu.Unlock()
	if k := c.b.opts.Keeper; m.Retain && k != nil {
		if unkept == nil {
			c.settle() // it waits for the disk
			unkept = k.Sync()
		}
		if unkept != nil {
			return c.refusePublish(p, wire.ImplementationSpecificError, "the message cannot be kept", unkept.Error())
		}
	}
	if p.qos > 0 {
		code = wire.Success
		if matched == 0 && service == nil {
			code = wire.NoMatchingSubscribers
		}
		c.out.push(c.turn.ack(p.id, code))
	}
	if service != nil {
		c.settle() // it may wait for something
		service(c.client, m)
	}
	return nil
}

// prefixed is a service and the topics that it is for.
type prefixed struct {
	prefix  string
	service Service
}

// byPrefix puts the services in order, the longest prefix first.
func byPrefix(services map[string]Service) (all []prefixed) {
	for prefix, s := range services {
		all = append(all, prefixed{prefix, s})
	}
	slices.SortFunc(all, func(a, b prefixed) int { return len(b.prefix) - len(a.prefix) })
	return all
}

// service finds the service for a topic; the longest prefix wins.
func (b *Broker) service(topic string) Service {
	for _, s := range b.services {
		if strings.HasPrefix(topic, s.prefix) {
			return s.service
		}
	}
	return nil
}

// refusePublish answers a PUBLISH that is not accepted: with a PUBACK where
// that can carry the code, else by ending the connection, which is all that
// QoS 0 and 3.1.1 know. The client is told the reason, the record why.
func (c *conn) refusePublish(p *publishPacket, code wire.Code, reason, why string) error {
	if p.qos == 0 || c.version != wire.MQTT5 || !code.LegalIn(wire.PUBACK) {
		if why != reason {
			c.lastWords.Store(why)
		}
		return &protocolError{code, cmpText(reason, fmt.Sprintf("PUBLISH %q refused", p.msg.Topic))}
	}
	c.out.push(&ackPacket{id: p.id, code: code, reason: c.problem(reason), why: why})
	return nil
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// problem returns the reason string, or nothing for a client that asked for
// none [MQTT5-3.1.2-29].
func (c *conn) problem(reason string) string {
	if c.noProblemInfo {
		return ""
	}
	return reason
}

func (c *conn) overTopicLimits(s string) string {
	counted, lim := topic.AWSCounted(s), c.b.opts.Limits
	switch {
	case over(len(counted), lim.TopicBytes):
		return fmt.Sprintf("%d bytes, at most %d are allowed", len(counted), lim.TopicBytes)
	case topic.AWSReserved(s):
	case over(strings.Count(counted, "/"), lim.Slashes):
		return fmt.Sprintf("%d slashes, at most %d are allowed", strings.Count(counted, "/"), lim.Slashes)
	}
	return ""
}

func (c *conn) handleSubscribe(p *subscribePacket) error {
	granted, err := c.subscribeAll(p)
	if h := c.b.opts.Hooks.Subscribed; h != nil && len(granted) > 0 {
		h(c.client, granted)
	}
	return err
}

// subscribeAll answers a SUBSCRIBE, and returns the filters that were granted.
func (c *conn) subscribeAll(p *subscribePacket) (granted []string, err error) {
	if p.subID {
		return nil, &protocolError{wire.SubscriptionIDsNotSupported, "subscription identifiers are not supported"}
	}
	if lim := c.b.opts.Limits.FiltersPerSubscribe; over(len(p.filters), lim) {
		return nil, &protocolError{wire.QuotaExceeded, fmt.Sprintf("%d filters in one SUBSCRIBE, at most %d are allowed", len(p.filters), lim)}
	}
	codes := make([]wire.Code, len(p.filters))
	reason, denial := "", ""
	for i, f := range p.filters {
		code, why := c.checkFilter(f)
		switch {
		case code == wire.ProtocolError:
			return nil, violation("%s", why)
		case code == wire.NotAuthorized && c.version != wire.MQTT5: // the developer guide, mqtt.html
			c.lastWords.Store(c.client.Denial)
			return nil, &protocolError{code, fmt.Sprintf("SUBSCRIBE %q refused", f.Filter)}
		case code.IsError():
			denial = cmpText(denial, c.client.Denial)
		}
		codes[i], reason = code, cmpText(reason, why)
	}
	now := c.clock()
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.sess.conn != c {
		return nil, errEnded
	}
	type hold struct {
		sub *subscription
		m   *Message
	}
	var retained []hold
	for i, f := range p.filters {
		if codes[i].IsError() {
			continue
		}
		sub, isNew := c.b.subscribe(c.sess, f)
		if sub == nil {
			codes[i], reason = wire.QuotaExceeded, cmpText(reason, fmt.Sprintf("more than %d subscriptions", c.b.opts.Limits.Subscriptions))
			continue
		}
		codes[i] = wire.Code(sub.filter.QoS)
		granted = append(granted, f.Filter)
		if f.RetainHandling == 0 || f.RetainHandling == 1 && isNew {
			for _, m := range c.b.retainedFor(sub, now) {
				retained = append(retained, hold{sub, m})
			}
		}
	}
	c.b.keepSession(c.sess)
	c.out.push(&codesPacket{typ: wire.SUBACK, id: p.id, codes: codes, reason: c.problem(reason), why: cmpText(denial, reason)})
	for _, h := range retained {
		c.sess.deliver(c.b, h.m, min(h.sub.filter.QoS, h.m.QoS), true, now)
	}
	return granted, nil
}

// checkFilter judges one filter without regard to what is subscribed already.
func (c *conn) checkFilter(f record.Filter) (wire.Code, string) {
	if err := topic.ValidateFilter(f.Filter); err != nil {
		return wire.TopicFilterInvalid, err.Error()
	}
	if reason := c.overTopicLimits(f.Filter); reason != "" {
		return wire.TopicFilterInvalid, reason
	}
	if _, _, shared := topic.SplitShare(f.Filter); shared && f.NoLocal {
		return wire.ProtocolError, "no local on a shared subscription" // [MQTT5-3.8.3-4]
	}
	c.client.Denial = "" // of an earlier filter
	if h := c.b.opts.Hooks.Subscribe; h != nil {
		if code := h(c.client, f.Filter); code.IsError() {
			return code, "not permitted"
		}
	}
	return wire.Success, ""
}

// subscribe adds or replaces a subscription; nil when the session has too many.
// b.mu is held.
func (b *Broker) subscribe(s *session, f record.Filter) (sub *subscription, isNew bool) {
	f.QoS = min(f.QoS, 1)
	if old := s.subs[f.Filter]; old != nil {
		old.filter = f // [MQTT5-3.8.4-3]
		return old, false
	}
	if over(len(s.subs)+1, b.opts.Limits.Subscriptions) {
		return nil, false
	}
	sub = &subscription{sess: s, filter: f}
	sub.group, sub.levels, _ = topic.SplitShare(f.Filter)
	s.subs[f.Filter] = sub
	b.subs.add(sub)
	return sub, true
}

// retainedFor returns the retained messages a new subscription gets; a shared
// one gets none [MQTT5-4.8.2]. b.mu is held.
func (b *Broker) retainedFor(s *subscription, now time.Time) (out []*Message) {
	if s.group != "" {
		return nil
	}
	wild := strings.ContainsAny(s.levels, "+#")
	if !wild || !b.opts.Standard.RetainedToWildcards {
		m := b.retained[s.levels]
		if m == nil || wild {
			return nil
		}
		if _, expired := m.expired(now); expired {
			delete(b.retained, s.levels)
			b.keepRetained(s.levels)
			return nil
		}
		return []*Message{m}
	}
	match := topic.MatchAWS
	if b.opts.Standard.HashMatchesParent {
		match = topic.Match
	}
	for t, m := range b.retained {
		if _, expired := m.expired(now); expired {
			delete(b.retained, t)
			b.keepRetained(t)
		} else if match(s.levels, t) {
			out = append(out, m)
		}
	}
	return out
}

func (c *conn) handleUnsubscribe(p *unsubscribePacket) error {
	gone, err := c.unsubscribeAll(p)
	if h := c.b.opts.Hooks.Unsubscribed; h != nil && len(gone) > 0 {
		h(c.client, gone)
	}
	return err
}

// unsubscribeAll answers an UNSUBSCRIBE, and returns the filters that were there.
func (c *conn) unsubscribeAll(p *unsubscribePacket) (gone []string, err error) {
	if lim := c.b.opts.Limits.FiltersPerSubscribe; over(len(p.filters), lim) {
		return nil, &protocolError{wire.QuotaExceeded, fmt.Sprintf("%d filters in one UNSUBSCRIBE, at most %d are allowed", len(p.filters), lim)}
	}
	codes := make([]wire.Code, len(p.filters))
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.sess.conn != c {
		return nil, errEnded
	}
	for i, f := range p.filters {
		sub := c.sess.subs[f]
		if sub == nil {
			codes[i] = wire.NoSubscriptionExisted
			continue
		}
		delete(c.sess.subs, f)
		c.b.subs.remove(sub)
		gone = append(gone, f)
	}
	c.b.keepSession(c.sess)
	c.out.push(&codesPacket{typ: wire.UNSUBACK, id: p.id, codes: codes})
	return gone, nil
}

func (c *conn) handleDisconnect(p *disconnectPacket) error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.sess.conn != c {
		return errEnded
	}
	if p.sessionExpiry != nil {
		if c.sess.expiry == 0 && *p.sessionExpiry != 0 {
			return violation("DISCONNECT sets a session expiry after CONNECT had none") // [MQTT5-3.14.2.2.2]
		}
		c.sess.expiry = time.Duration(*p.sessionExpiry) * time.Second
		if lim := c.b.opts.Limits.SessionExpiry; lim > 0 {
			c.sess.expiry = min(c.sess.expiry, lim)
		}
	}
	c.disconnectCode = p.code
	c.b.detach(c, ClientDisconnected)
	return errEnded
}
