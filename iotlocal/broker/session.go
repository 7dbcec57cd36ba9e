package broker

import (
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// outgoing is a QoS 1 message on its way to one client, from the moment it is
// queued to its PUBACK.
type outgoing struct {
	msg    *Message
	retain bool
	id     uint16      // 0 until first sent; kept over reconnects
	number uint64      // of the Keeper; 0: it has it not
	sent   atomic.Bool // its bytes were handed to a connection: the next time is a DUP
	first  publishPacket
}

// packet returns the PUBLISH; expiry is what is left of it.
func (o *outgoing) packet(expiry *uint32) *publishPacket {
	p := &o.first
	if p.out != nil { // it may be with a writer still
		p = new(publishPacket)
	}
	*p = publishPacket{msg: o.msg, qos: 1, retain: o.retain, dup: o.sent.Load(), id: o.id, expiry: expiry, out: o}
	return p
}

// session is what the server knows of a client identifier [MQTT5-4.1]. All
// fields are under Broker.mu.
type session struct {
	id   string
	subs map[string]*subscription // by the filter as the client sent it
	conn *conn                    // nil while offline

	keeper *Broker // that keeps the session over a restart; nil: none does

	bytes    int         // kept by the messages of queue and inflight
	queue    []*outgoing // waits to be sent, in order
	inflight []*outgoing // sent and not acknowledged, in the order of sending
	ids      map[uint16]struct{}
	lastID   uint16

	replay   int // of queue, what waited when the client came back and is not sent yet
	replayed perSecond

	expiry    time.Duration // how long it lives without a connection; 0 ends with it
	expiresAt time.Time     // while offline
	mark      uint64        // last routing that reached it
	pick      int           // its place in that routing
}

func newSession(id string) *session {
	return &session{id: id, subs: map[string]*subscription{}}
}

// lives reports whether the session is still there at now.
func (s *session) lives(now time.Time) bool { return s.conn != nil || now.Before(s.expiresAt) }

// nextID returns a packet identifier that is not in use. There are at most
// Limits.Outbound of them, so that the search is short.
func (s *session) nextID() uint16 {
	for {
		s.lastID++
		if s.lastID == 0 {
			s.lastID = 1 // [MQTT5-2.2.1-3]
		}
		if _, used := s.ids[s.lastID]; !used {
			if s.ids == nil {
				s.ids = map[uint16]struct{}{}
			}
			s.ids[s.lastID] = struct{}{}
			return s.lastID
		}
	}
}

// deliver hands a message to the session with the QoS that was granted. It
// reports false when the message was dropped.
func (s *session) deliver(b *Broker, m *Message, qos byte, retain bool, now time.Time) bool {
	if qos == 0 {
		return s.deliverQoS0(b, m, retain, now)
	}
	if !s.lives(now) {
		return false
	}
	if over(len(s.queue)+1, b.opts.Limits.Queued) || over(s.bytes+m.kept(), b.opts.Limits.QueuedBytes) {
		b.lose(s.id, m.Topic, "session queue is full")
		return false
	}
	s.bytes += m.kept()
	o := &outgoing{msg: m, retain: retain}
	s.queue = append(s.queue, o)
	s.keepQueued(o)
	s.pump(now)
	return true
}

func (s *session) deliverQoS0(b *Broker, m *Message, retain bool, now time.Time) bool {
	c := s.conn
	left, expired := m.expired(now)
	if c == nil || expired || c.tooLarge(m, 0) || !c.mayReceive(m) {
		return false
	}
	if over(c.out.pending()+m.kept(), b.opts.Limits.PendingBytes) {
		b.lose(s.id, m.Topic, "client reads too slowly for QoS 0")
		return false
	}
	b.touch(c)
	return c.out.push(&publishPacket{msg: m, retain: retain, expiry: left})
}

// pump sends queued messages while the client's receive maximum allows
// [MQTT5-4.9.0-2].
func (s *session) pump(now time.Time) {
	c := s.conn
	if c == nil || !c.accepted {
		return
	}
	for len(s.queue) > 0 && len(s.inflight) < c.window {
		if s.replay > 0 {
			if !s.replayed.take(c.b.opts.Limits.OfflineReplay, now) {
				signal(c.b.sweep) // the janitor goes on
				return
			}
			s.replay--
		}
		o := s.queue[0]
		s.queue[0] = nil // let the message go once acknowledged
		s.queue = s.queue[1:]
		left, expired := o.msg.expired(now)
		// Expiry and size do not concern what was sent before: its identifier
		// must not come back for another message while the client may hold it.
		if !o.sent.Load() && (expired || c.tooLarge(o.msg, 1) || !c.mayReceive(o.msg)) {
			s.release(o)
			continue
		}
		if o.id == 0 {
			o.id = s.nextID()
		}
		s.inflight = append(s.inflight, o)
		c.b.touch(c)
		c.out.push(o.packet(left))
	}
}

// release lets a message go that was acknowledged or will not be sent.
func (s *session) release(o *outgoing) {
	s.bytes -= o.msg.kept()
	s.unkeep(o)
	if o.id != 0 {
		delete(s.ids, o.id)
		o.id = 0
	}
}

// acked takes a PUBACK; it reports false for an identifier that is not in
// flight, which is ignored.
func (s *session) acked(id uint16, now time.Time) bool {
	for i, o := range s.inflight {
		if o.id != id {
			continue
		}
		s.release(o)
		if i == 0 {
			s.inflight[0] = nil
			s.inflight = s.inflight[1:]
		} else {
			s.inflight = append(s.inflight[:i], s.inflight[i+1:]...)
		}
		s.pump(now)
		return true
	}
	return false
}

// resume puts what was in flight back to the head of the queue, in the order
// of its first sending [MQTT5-4.4.0-1, 4.6.0-1], so that it is sent again one
// window at a time.
func (s *session) resume() {
	if len(s.inflight) == 0 {
		return
	}
	s.queue = append(s.inflight, s.queue...)
	s.inflight = nil
}

// mayReceive asks the hook, and records what is not sent for it. b.mu is held.
func (c *conn) mayReceive(m *Message) bool {
	h := c.b.opts.Hooks.Receive
	if h == nil {
		return true
	}
	denial := h(c.client, m)
	if denial == "" {
		return true
	}
	c.b.rec.Add(record.Packet{Dir: wire.Event, Type: wire.PUBLISH, Conn: c.number, ClientID: c.clientID(), Topic: m.Topic, QoS: m.QoS,
		Retain: m.Retain, Payload: m.Payload, Refusal: denial, Fault: "not sent"})
	return false
}

// tooLarge reports whether a PUBLISH with this message exceeds the maximum
// packet size the client announced; such a message is not sent [MQTT5-3.1.2-24].
func (c *conn) tooLarge(m *Message, qos byte) bool {
	if c.version != wire.MQTT5 || c.maxPacket == 0 {
		return false
	}
	return uint32(publishSize(m, qos)) > c.maxPacket
}

// publishSize returns the bytes of a PUBLISH in MQTT 5.
func publishSize(m *Message, qos byte) int {
	props := m.propertySize(m.MessageExpiry)
	n := 2 + len(m.Topic) + varintSize(props) + props + len(m.Payload)
	if qos > 0 {
		n += 2
	}
	return 1 + varintSize(n) + n
}

func varintSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}
