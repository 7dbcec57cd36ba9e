package broker

import (
	"strings"
	"time"
)

// Publish routes a message from the program around the server, as if from a
// client that is nobody. It returns how many sessions it was queued for.
func (b *Broker) Publish(m *Message) int {
	now := b.opts.Now()
	b.mu.Lock()
	defer b.unlock()
	m.received = now
	_, reached := b.route(m, nil, now)
	return reached
}

// sendTo puts a message to one connection past its subscriptions.
func (b *Broker) sendTo(c *conn, m *Message) {
	now := b.opts.Now()
	b.mu.Lock()
	defer b.unlock()
	m.received = now
	if c.sess != nil && c.sess.conn == c {
		c.sess.deliver(b, m, min(m.QoS, 1), false, now)
	}
}

// granted returns the best QoS of a connection's own subscriptions to a topic;
// shared ones do not count, they belong to a group.
func (b *Broker) granted(c *conn, topic string) (qos byte, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs.match(topic, func(s *subscription) {
		if s.sess == c.sess {
			qos, ok = max(qos, s.filter.QoS), true
		}
	}, func(*group) {})
	return qos, ok
}

// BasicIngest is the topic space of rules: what is published there goes to the
// rule and to no subscriber (AWS developer guide, "Reducing messaging costs with
// Basic Ingest").
const BasicIngest = "$aws/rules/"

type pick struct {
	sess    *session
	qos     byte
	retain  bool // some matching subscription wants the flag as published
	noLocal bool // all matching subscriptions are no-local
}

// route delivers a message to every session with a matching subscription, once
// each, and stores it when retained. It returns how many sessions have a
// subscription and how many of them the message was queued for. b.mu is held;
// nothing blocks.
func (b *Broker) route(m *Message, from *session, now time.Time) (matched, reached int) {
	if h := b.opts.Hooks.Routed; h != nil {
		id := ""
		if from != nil {
			id = from.id
		}
		h(id, m)
	}
	if m.Retain {
		m = m.own()
		if len(m.Payload) == 0 {
			delete(b.retained, m.Topic) // [MQTT5-3.3.1-6]
		} else {
			b.retained[m.Topic] = m
		}
		b.keepRetained(m.Topic)
	}
	if strings.HasPrefix(m.Topic, BasicIngest) {
		return 1, 1 // the rule
	}
	b.routing++
	b.picks = b.picks[:0]
	b.subs.match(m.Topic, func(s *subscription) {
		if s.sess.mark != b.routing {
			s.sess.mark, s.sess.pick = b.routing, len(b.picks)
			b.picks = append(b.picks, pick{sess: s.sess, noLocal: true})
		}
		p := &b.picks[s.sess.pick]
		if s.filter.NoLocal && s.sess == from {
			return // [MQTT5-3.8.3-3]
		}
		p.noLocal = false
		p.qos = max(p.qos, s.filter.QoS)
		p.retain = p.retain || s.filter.RetainAsPublished
	}, func(g *group) {
		if s := g.choose(now); s != nil {
			b.picks = append(b.picks, pick{sess: s.sess, qos: s.filter.QoS, retain: s.filter.RetainAsPublished})
		}
	})
	for i := range b.picks {
		p := &b.picks[i]
		if p.noLocal {
			continue
		}
		matched++
		m = m.own()
		if p.sess.deliver(b, m, min(p.qos, m.QoS), p.retain && m.Retain, now) {
			reached++
		}
	}
	return matched, reached
}

// choose picks the next member in turn, connected ones first.
func (g *group) choose(now time.Time) *subscription {
	var stored *subscription
	for range g.members {
		s := g.members[g.next%len(g.members)]
		g.next = (g.next + 1) % len(g.members)
		if s.sess.conn != nil {
			return s
		}
		if stored == nil && s.sess.lives(now) && s.filter.QoS > 0 {
			stored = s
		}
	}
	return stored
}

// loss is a dropped message that is to be logged.
type loss struct{ client, topic, why string }

// maxLosses bounds the losses that wait to be logged; the rest is only counted.
const maxLosses = 100

// lose notes that a message was dropped. b.mu is held, so the logger, which may
// do I/O, is left to the janitor.
func (b *Broker) lose(client, topic, why string) {
	b.lost++
	if len(b.losses) < maxLosses {
		b.losses = append(b.losses, loss{client, topic, why})
		signal(b.sweep)
	}
}

// Lost returns how many messages were dropped because a session's queue or a
// slow client's outbox had no room.
func (b *Broker) Lost() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// logLosses logs what was lost since the last call.
func (b *Broker) logLosses() {
	b.mu.Lock()
	losses := b.losses
	b.losses = nil
	b.mu.Unlock()
	for _, l := range losses {
		b.log.Warn("iotlocal: message dropped", "client", l.client, "topic", l.topic, "reason", l.why)
	}
}
