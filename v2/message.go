package awsiot

import (
	"errors"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// MessageHandler handles a message. It may block and may call every method of the
// client: handlers run one at a time, in the order of arrival, on a goroutine of their
// own. A QoS 1 message is acknowledged when the handlers have returned.
type MessageHandler func(*Message)

// Message is a received PUBLISH. It and its payload belong to the handler for good; where
// several handlers match, all get the same one. When many messages arrive at once, one that is kept
// keeps a few of its neighbours in memory: at most 16, and the blocks of 4 KiB that hold their payloads.
type Message struct {
	Topic                   string
	Payload                 []byte
	QoS                     QoS
	Retain                  bool
	Duplicate               bool // the broker may have sent it before
	Handled                 bool // set for OnPublishReceived: a handler of a filter has had it
	PayloadFormat           *PayloadFormat
	MessageExpiry           *time.Duration // what is left of it
	ResponseTopic           string
	CorrelationData         []byte
	ContentType             string
	UserProperties          []UserProperty
	SubscriptionIdentifiers []uint32

	ack *ackState // of a QoS 1 message
}

// errAckTwice: the function that HoldAck returned was called again.
var errAckTwice = errors.New("acknowledged twice")

// ackState is where the acknowledgement of a QoS 1 message stands; guarded by Client.mu.
type ackState struct {
	c     *Client
	epoch uint64 // of the connection on which the message came
	id    uint16
	phase ackPhase
}

// ackPhase says who acknowledges a message.
type ackPhase uint8

const (
	ackByClient ackPhase = iota // when the handlers have returned
	ackHeld                     // HoldAck: the program does
	ackDone                     // acknowledged, or the handlers have returned
)

// HoldAck takes the acknowledgement of a QoS 1 message over from the client: call it inside
// the handler, once, and call ack when the message is safe. ok is false for QoS 0, at a
// second call, and after the handlers have returned. ack fails with ErrAckLost when the
// connection on which the message came is gone (the broker sends the message again), and with
// ErrProtocol when it was called before. Held acknowledgements leave in the order of the ack
// calls, and count against ReceiveMaximum.
func (m *Message) HoldAck() (ack func() error, ok bool) {
	a := m.ack
	if a == nil {
		return nil, false
	}
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if a.phase != ackByClient {
		return nil, false
	}
	a.phase = ackHeld
	return a.send, true
}

// send sends the acknowledgement that a handler took over.
func (a *ackState) send() error {
	c := a.c
	c.mu.Lock()
	defer c.unlock()
	if a.phase != ackHeld {
		return opError("acknowledge", "", protocolError(errAckTwice))
	}
	a.phase = ackDone
	if !a.alive() {
		return opError("acknowledge", "", ErrAckLost)
	}
	c.link.puback(a.id)
	return nil
}

// alive reports whether the connection of the message is still there. Client.mu is held.
func (a *ackState) alive() bool {
	l := a.c.link
	return l != nil && l.epoch == a.epoch && l.err == nil
}

// Payload sizes up to which a message and its payload share one allocation.
type (
	message0 struct {
		Message
		ackState
	}
	message64 struct {
		message0
		buf [64]byte
	}
	message256 struct {
		message0
		buf [256]byte
	}
	message1k struct {
		message0
		buf [1024]byte
	}
)

// In a burst, messages are cut from slabs and small payloads from blocks: one allocation for
// many. A message that is kept then keeps its neighbours, too: at most 16 messages, and the 4 KiB blocks
// that hold their payloads.
const (
	burstMessages = 8  // messages that one read must bring
	slabMessages  = 17 // as many as fit the size class of 3 KiB
	blockBytes    = 4 << 10
	blockPayload  = 1 << 10 // the largest payload that is cut from a block
)

// cut returns a message with a buffer of n bytes for its payload.
func (l *link) cut(n int) (*Message, []byte) {
	if len(l.slab) == 0 {
		l.slab = make([]Message, slabMessages)
	}
	m := &l.slab[0]
	l.slab = l.slab[1:]
	if n > len(l.block) {
		l.block = make([]byte, blockBytes)
	}
	buf := l.block[:n:n]
	l.block = l.block[n:]
	return m, buf
}

// newMessage copies a parsed PUBLISH out of the read buffer.
func (l *link) newMessage(p *wire.InPublish) *Message {
	var m *Message
	var ack *ackState
	var buf []byte
	if n := len(p.Payload); l.burst && n <= blockPayload {
		m, buf = l.cut(n)
		if p.QoS > 0 {
			if len(l.ackSlab) == 0 {
				l.ackSlab = make([]ackState, slabMessages)
			}
			ack, l.ackSlab = &l.ackSlab[0], l.ackSlab[1:]
		}
	} else {
		var one *message0
		switch {
		case n == 0:
			one = &message0{}
		case n <= 64:
			b := &message64{}
			one, buf = &b.message0, b.buf[:n:n]
		case n <= 256:
			b := &message256{}
			one, buf = &b.message0, b.buf[:n:n]
		case n <= 1024:
			b := &message1k{}
			one, buf = &b.message0, b.buf[:n:n]
		default:
			one, buf = &message0{}, make([]byte, n)
		}
		m, ack = &one.Message, &one.ackState
	}
	copy(buf, p.Payload)
	m.Topic, m.Payload = l.intern(p.Topic), buf
	m.QoS, m.Retain, m.Duplicate = QoS(p.QoS), p.Retain, p.Dup
	if p.QoS > 0 {
		*ack = ackState{c: l.c, epoch: l.epoch, id: p.ID}
		m.ack = ack
	}
	if w := p.Props; w != nil {
		if w.PayloadFormat != nil {
			m.PayloadFormat = new(PayloadFormat(*w.PayloadFormat))
		}
		m.MessageExpiry = seconds(w.MessageExpiry)
		m.ResponseTopic, m.CorrelationData, m.ContentType = w.ResponseTopic, w.CorrelationData, w.ContentType
		m.UserProperties, m.SubscriptionIdentifiers = fromWireProperties(w.User), w.SubscriptionIDs
	}
	return m
}

// intern returns topic as a string, without an allocation for topics seen lately: a
// device receives on few topics, many times.
func (l *link) intern(topic []byte) string {
	if string(topic) == l.topic {
		return l.topic
	}
	if s, ok := l.names[string(topic)]; ok {
		l.topic = s
		return s
	}
	s := string(topic)
	l.topic = s
	if l.names == nil || len(l.names) >= 1024 {
		l.names = make(map[string]string, 8)
	}
	l.names[s] = s
	return s
}

func seconds(s *uint32) *time.Duration {
	if s == nil {
		return nil
	}
	return new(time.Duration(*s) * time.Second)
}

func wireSeconds(d *time.Duration) *uint32 {
	if d == nil {
		return nil
	}
	return new(uint32(*d / time.Second))
}

func fromWireProperties(in []wire.UserProperty) []UserProperty {
	if len(in) == 0 {
		return nil
	}
	out := make([]UserProperty, len(in))
	for i, p := range in {
		out[i] = UserProperty(p)
	}
	return out
}

func toWireProperties(in []UserProperty) []wire.UserProperty {
	if len(in) == 0 {
		return nil
	}
	out := make([]wire.UserProperty, len(in))
	for i, p := range in {
		out[i] = wire.UserProperty(p)
	}
	return out
}
