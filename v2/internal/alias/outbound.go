// Package alias keeps the topic aliases of one MQTT 5 connection
// ([MQTT5-3.3.2.3.4]): Outbound decides how a PUBLISH to the broker names its
// topic, Inbound restores the topic of a PUBLISH from the broker. Aliases mean
// nothing on another connection, so the owner makes new tables for each. The
// types are not locked: the side of the connection that writes, or reads, owns
// them.
package alias

// Outbound chooses the alias of each PUBLISH sent. It describes what the broker
// knows, so every packet it was asked about has to be sent, in that order: ask
// only once nothing else can refuse the packet.
//
// A nil Outbound is disabled: it sends every topic in full.
type Outbound struct {
	max    uint16 // highest alias allowed, 0: none
	manual bool

	// slots[a] is what alias a stands for. It grows as aliases come into use, so
	// that an allowance of 65535 costs an idle connection nothing. With LRU,
	// slots[0] is the sentinel of the ring in order of last use: its next is the
	// alias used last, its prev the one to give up first.
	slots  []slot
	byName map[string]uint16 // LRU only
}

type slot struct {
	topic      string
	prev, next uint16
}

// NewLRU returns a table that aliases every topic and, when all aliases are
// taken, gives up the one not used for longest. max is the smaller of the user's
// limit and the Topic Alias Maximum of the CONNACK; with 0 there is never an
// alias.
func NewLRU(max uint16) *Outbound { return &Outbound{max: max} }

// NewManual returns a table that uses the aliases the caller names. max is the
// Topic Alias Maximum of the CONNACK. With 0 the broker takes no aliases at all:
// what the caller names is ignored and the topic sent in full, so that a program
// works against any broker.
func NewManual(max uint16) *Outbound { return &Outbound{max: max, manual: true} }

// Resolve returns how to send a PUBLISH to topic: with which alias (0: none) and
// whether with the topic name too. want is the alias of the packet, 0 for none;
// LRU ignores it. ok is false if a manual alias is above the maximum: nothing has
// changed then and only that PUBLISH must fail, since a broker ends the
// connection over such a packet.
//
// The table keeps topic, which therefore must not share memory that changes.
func (o *Outbound) Resolve(topic string, want uint16) (alias uint16, sendTopic, ok bool) {
	switch {
	case o == nil || o.max == 0:
		return 0, true, true
	case !o.manual:
		alias, sendTopic = o.lru(topic)
		return alias, sendTopic, true
	case want == 0:
		return 0, true, true
	case want > o.max:
		return 0, false, false
	}
	for int(want) >= len(o.slots) {
		o.slots = append(o.slots, slot{})
	}
	if s := &o.slots[want]; s.topic != topic {
		s.topic = topic // first use, or the caller rebinds it
		return want, true, true
	}
	return want, false, true
}

func (o *Outbound) lru(topic string) (alias uint16, sendTopic bool) {
	if o.slots == nil {
		o.slots = make([]slot, 1, 8)
		o.byName = make(map[string]uint16)
	}
	// A device mostly publishes to the topic it used last; this saves the hash.
	if a := o.slots[0].next; a != 0 && o.slots[a].topic == topic {
		return a, false
	}
	if a, hit := o.byName[topic]; hit {
		o.unlink(a)
		o.pushFront(a)
		return a, false
	}
	var a uint16
	if len(o.slots) <= int(o.max) {
		a = uint16(len(o.slots))
		o.slots = append(o.slots, slot{})
	} else {
		a = o.slots[0].prev
		o.unlink(a)
		delete(o.byName, o.slots[a].topic)
	}
	o.slots[a].topic = topic
	o.byName[topic] = a
	o.pushFront(a)
	return a, true
}

func (o *Outbound) unlink(a uint16) {
	s := o.slots[a]
	o.slots[s.prev].next = s.next
	o.slots[s.next].prev = s.prev
}

func (o *Outbound) pushFront(a uint16) {
	first := o.slots[0].next
	o.slots[a].prev, o.slots[a].next = 0, first
	o.slots[first].prev = a
	o.slots[0].next = a
}
