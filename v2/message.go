package awsiot

import (
	"errors"
	"log/slog"
	"sync/atomic"
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

	ack  *ackState // of a QoS 1 message
	from *origin   // nil in one that a program has made
}

// Client returns the client that received the message, for handlers that answer; nil for a Message that the program made.
func (m *Message) Client() *Client {
	if m.from == nil {
		return nil
	}
	return m.from.c
}

// errAckTwice: the function that HoldAck returned was called again.
var errAckTwice = errors.New("acknowledged twice")

// ackState is where the acknowledgement of a QoS 1 message stands; guarded by Client.mu.
type ackState struct {
	from  *origin
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
	c := a.from.c
	c.mu.Lock()
	defer c.unlock()
	if a.phase != ackByClient {
		return nil, false
	}
	a.phase = ackHeld
	if a.alive() {
		c.link.hold()
	}
	return a.send, true
}

// send sends the acknowledgement that a handler took over.
func (a *ackState) send() error {
	c := a.from.c
	c.mu.Lock()
	defer c.unlock()
	if a.phase != ackHeld {
		return opError("acknowledge", "", protocolError(errAckTwice))
	}
	a.phase = ackDone
	if !a.alive() {
		return opError("acknowledge", "", ErrAckLost)
	}
	c.link.held--
	c.link.puback(a.id)
	return nil
}

// origin is the connection on which a message came.
type origin struct {
	c     *Client
	epoch uint64
	again atomic.Bool // its session has been taken up by a later one: what is not acknowledged comes again
}

// PacketID returns the packet identifier of a QoS 1 message on its connection, 0 at QoS 0.
func (m *Message) PacketID() uint16 {
	if m.ack == nil {
		return 0
	}
	return m.ack.id
}

// again reports whether the broker sends m again [MQTT5-4.4.0-1]: delivering it too would be delivering it twice.
func (m *Message) again() bool { return m.ack != nil && m.ack.from.again.Load() }

// takeUp notes that a new connection goes on with the session, or that it begins one. mu is held.
func (c *Client) takeUp(sessionPresent bool) {
	former := c.origin
	c.origin = &origin{c: c, epoch: c.epoch}
	if former == nil || !sessionPresent {
		return
	}
	former.again.Store(true)
	if n := c.messages.dropAgain(); n > 0 {
		c.note(slog.LevelDebug, "messages of the former connection that no handler has had are left out: the broker sends them again", slog.Int("messages", n))
	}
}

// alive reports whether the connection of the message is still there. Client.mu is held.
func (a *ackState) alive() bool {
	l := a.from.c.link
	return l != nil && l.epoch == a.from.epoch && l.err == nil
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
	message512 struct {
		message0
		buf [512]byte
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

// cutter makes messages out of packets. It is its owner's own: the reader has one, and the message lane.
type cutter struct {
	from     *origin
	burst    bool // many messages come at once
	messages []Message
	payloads []byte
	acks     []ackState
	names    map[string]string
	interned int    // bytes in names
	topic    string // of the last message
}

// drop forgets what is left of the slabs.
func (k *cutter) drop() { k.messages, k.payloads, k.acks = nil, nil, nil }

// cut returns a message with a buffer of n bytes for its payload.
func (k *cutter) cut(n int) (*Message, []byte) {
	if len(k.messages) == 0 {
		k.messages = make([]Message, slabMessages)
	}
	m := &k.messages[0]
	k.messages = k.messages[1:]
	if n > len(k.payloads) {
		k.payloads = make([]byte, blockBytes)
	}
	buf := k.payloads[:n:n]
	k.payloads = k.payloads[n:]
	return m, buf
}

// message copies a parsed PUBLISH out of the read buffer.
func (k *cutter) message(p *wire.InPublish) *Message {
	m := k.plain(&wire.Plain{ID: p.ID, Topic: p.Topic, Payload: p.Payload}, p.QoS)
	m.Retain, m.Duplicate = p.Retain, p.Dup
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

// plain is message for what has no properties; Retain and Duplicate are left to the caller.
func (k *cutter) plain(p *wire.Plain, qos byte) *Message {
	var m *Message
	var ack *ackState
	var buf []byte
	if n := len(p.Payload); k.burst && n <= blockPayload {
		m, buf = k.cut(n)
		if qos > 0 {
			if len(k.acks) == 0 {
				k.acks = make([]ackState, slabMessages)
			}
			ack, k.acks = &k.acks[0], k.acks[1:]
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
		case n <= 512:
			b := &message512{}
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
	m.Topic, m.Payload = k.intern(p.Topic), buf
	m.QoS, m.from = QoS(qos), k.from
	if qos > 0 {
		*ack = ackState{from: k.from, id: p.ID}
		m.ack = ack
	}
	return m
}

// size is what a waiting message counts against Inbound.MaxBytes: about what it holds in memory, an entry of the queue with it.
func (m *Message) size() int {
	n := waitingSize(len(m.Topic), len(m.Payload))
	n += len(m.ResponseTopic) + len(m.ContentType) + len(m.CorrelationData) + 4*len(m.SubscriptionIdentifiers)
	for i := range m.UserProperties {
		p := &m.UserProperties[i]
		n += propertySize + len(p.Name) + len(p.Value)
	}
	return n
}

const (
	messageSize  = 256 // of a message without topic, payload and properties
	propertySize = 40  // of a user property without its texts, of which there is one copy with five bytes more
)

func waitingSize(topic, payload int) int { return topic + payload + messageSize }

// What intern keeps, also of an idle connection: no long topics, and 64 KiB of others. AWS IoT Core's have 256 bytes at most.
const (
	maxInterned    = 1 << 10
	maxInternedAll = 64 << 10
)

// intern returns topic as a string, without an allocation for topics seen lately: a
// device receives on few topics, many times.
func (k *cutter) intern(topic []byte) string {
	if string(topic) == k.topic {
		return k.topic
	}
	if s, ok := k.names[string(topic)]; ok {
		k.topic = s
		return s
	}
	s := string(topic)
	if len(s) > maxInterned {
		return s
	}
	k.topic = s
	if k.names == nil || len(k.names) >= 1024 || k.interned+len(s) > maxInternedAll {
		k.names, k.interned = make(map[string]string, 8), 0
	}
	k.names[s] = s
	k.interned += len(s)
	return s
}

func seconds(s *uint32) *time.Duration {
	if s == nil {
		return nil
	}
	return new(time.Duration(*s) * time.Second)
}

// wholeSeconds rounds d up to whole seconds, as MQTT has its intervals. Up, because a part of a second asks
// for more than none: 0 would mean that the session ends at once, or that the message is expired.
func wholeSeconds(d time.Duration) time.Duration {
	t := d.Truncate(time.Second)
	if t < d {
		t += time.Second
	}
	return t
}

// wireSeconds returns the interval as it goes on the wire.
func wireSeconds(d *time.Duration) *uint32 {
	if d == nil {
		return nil
	}
	return new(uint32(wholeSeconds(*d) / time.Second))
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
