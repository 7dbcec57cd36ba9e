package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/record"
)

// The kinds of what a broker keeps.
const (
	KeptRetained = "retained" // by topic
	KeptSession  = "session"  // by client id; those that outlive their connection
	KeptQueued   = "queued"   // a QoS 1 message on its way to such a session, by NUMBER/CLIENTID
)

// Keeper is where a broker keeps what has to survive it.
type Keeper interface {
	// Write puts a value, JSON that Restore takes, or with nil deletes it. It is called with the broker locked, and must not call it.
	Write(kind, key string, value []byte) error
	// Sync returns when what was written is safe. It is called before a retained message is acknowledged, without the lock.
	Sync() error
}

// savedMessage is a message as it is kept.
type savedMessage struct {
	Topic           string                `json:"topic"`
	Payload         []byte                `json:"payload,omitempty"`
	QoS             byte                  `json:"qos,omitempty"`
	Retain          bool                  `json:"retain,omitempty"` // of a queued one: the flag that the session gets
	PayloadFormat   *byte                 `json:"payloadFormat,omitempty"`
	MessageExpiry   *uint32               `json:"messageExpiry,omitempty"`
	ContentType     string                `json:"contentType,omitempty"`
	ResponseTopic   string                `json:"responseTopic,omitempty"`
	CorrelationData []byte                `json:"correlationData,omitempty"`
	UserProperties  []record.UserProperty `json:"userProperties,omitempty"`
	Received        time.Time             `json:"received"`
}

func (m *Message) saved(retain bool) savedMessage {
	return savedMessage{m.Topic, m.Payload, m.QoS, retain, m.PayloadFormat, m.MessageExpiry, m.ContentType, m.ResponseTopic, m.CorrelationData, m.UserProperties, m.received}
}

func (v savedMessage) message() (*Message, error) {
	if err := topic.ValidateTopic(v.Topic); err != nil {
		return nil, err
	}
	if v.QoS > 1 {
		return nil, fmt.Errorf("QoS %d", v.QoS)
	}
	return &Message{v.Topic, v.Payload, v.QoS, v.Retain, v.PayloadFormat, v.MessageExpiry, v.ContentType, v.ResponseTopic, v.CorrelationData, v.UserProperties, v.Received, false}, nil
}

// savedSession is a session as it is kept, without its queue.
type savedSession struct {
	Expiry time.Duration `json:"expiry"`
	// ExpiresAt is zero while it is connected: then its time begins anew when the broker does.
	ExpiresAt     time.Time       `json:"expiresAt,omitzero"`
	Subscriptions []record.Filter `json:"subscriptions,omitempty"`
}

// keep has a value kept; nil: deleted. b.mu is held. What cannot be kept is there all the same, and logged.
func (b *Broker) keep(kind, key string, value any) {
	if b.opts.Keeper == nil {
		return
	}
	var text []byte
	var err error
	if value != nil {
		text, err = json.Marshal(value)
	}
	if err == nil {
		err = b.opts.Keeper.Write(kind, key, text)
	}
	if err != nil {
		b.unkept = err
		if len(b.losses) < maxLosses {
			b.losses = append(b.losses, loss{"", key, fmt.Sprintf("the %s message or session is not kept over a restart: %v", kind, err)})
			signal(b.sweep)
		}
	}
}

// keepRetained notes what is retained for a topic. b.mu is held.
func (b *Broker) keepRetained(name string) {
	if m := b.retained[name]; m != nil {
		b.keep(KeptRetained, name, m.saved(true))
	} else {
		b.keep(KeptRetained, name, nil)
	}
}

// keepSession notes a session, or that it does not outlive its connection any more. b.mu is held.
func (b *Broker) keepSession(s *session) {
	if b.opts.Keeper == nil {
		return
	}
	if s.expiry == 0 || b.sessions[s.id] != s {
		if s.keeper == nil {
			return
		}
		for _, all := range [][]*outgoing{s.inflight, s.queue} {
			for _, o := range all {
				s.unkeep(o)
			}
		}
		s.keeper = nil
		b.keep(KeptSession, s.id, nil)
		return
	}
	s.keeper = b
	v := savedSession{Expiry: s.expiry}
	if s.conn == nil {
		v.ExpiresAt = s.expiresAt
	}
	for _, sub := range s.subs {
		v.Subscriptions = append(v.Subscriptions, sub.filter)
	}
	b.keep(KeptSession, s.id, v)
}

// keepQueued notes a message of a session that is kept. b.mu is held.
func (s *session) keepQueued(o *outgoing) {
	if b := s.keeper; b != nil {
		b.numbers++
		o.number = b.numbers
		b.keep(KeptQueued, queuedKey(o.number, s.id), o.msg.saved(o.retain))
	}
}

// unkeep forgets a message. b.mu is held.
func (s *session) unkeep(o *outgoing) {
	if b := s.keeper; b != nil && o.number != 0 {
		b.keep(KeptQueued, queuedKey(o.number, s.id), nil)
		o.number = 0
	}
}

func queuedKey(number uint64, id string) string { return fmt.Sprintf("%020d/%s", number, id) }

// Restore puts in what was kept, before the broker listens: sessions before what is queued for them, and that by rising keys; then
// call Wake. The error says what is wrong with it.
func (b *Broker) Restore(kind, key string, value []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch kind {
	case KeptSession:
		return b.restoreSession(key, value)
	case KeptRetained, KeptQueued:
	default:
		return fmt.Errorf("there is no kind %q", kind)
	}
	var v savedMessage
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	m, err := v.message()
	if err != nil {
		return err
	}
	if kind == KeptRetained {
		if m.Topic != key || len(m.Payload) == 0 || !m.Retain {
			return fmt.Errorf("it is no retained message of the topic: topic %q, %d bytes", m.Topic, len(m.Payload))
		}
		b.retained[key] = m
		return nil
	}
	digits, id, _ := strings.Cut(key, "/")
	number, err := strconv.ParseUint(digits, 10, 64)
	s := b.sessions[id]
	if err != nil || number == 0 || s == nil {
		return errors.New("it is of no session")
	}
	b.numbers = max(b.numbers, number)
	retain := m.Retain
	m.Retain = false
	s.queue = append(s.queue, &outgoing{msg: m, retain: retain, number: number})
	s.bytes += m.kept()
	return nil
}

func (b *Broker) restoreSession(id string, value []byte) error {
	var v savedSession
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if id == "" || v.Expiry <= 0 {
		return fmt.Errorf("a session of %q that lives for %v", id, v.Expiry)
	}
	s := newSession(id)
	s.keeper, s.expiry, s.expiresAt = b, v.Expiry, v.ExpiresAt
	if s.expiresAt.IsZero() {
		s.expiresAt = b.opts.Now().Add(s.expiry)
	}
	for _, f := range v.Subscriptions {
		err := topic.ValidateFilter(f.Filter)
		if err == nil && f.QoS > 1 {
			err = fmt.Errorf("QoS %d", f.QoS)
		}
		if err != nil {
			return fmt.Errorf("subscription %q: %w", f.Filter, err)
		}
	}
	b.sessions[id] = s
	for _, f := range v.Subscriptions {
		sub := &subscription{sess: s, filter: f}
		sub.group, sub.levels, _ = topic.SplitShare(f.Filter)
		if s.subs[f.Filter] == nil {
			s.subs[f.Filter] = sub
			b.subs.add(sub)
		}
	}
	return nil
}
