// Package inflight holds the packets that wait for an acknowledgement: a table
// from packet identifier to operation, and the order in which they were sent,
// which is the order in which they are sent again after a reconnect
// [MQTT5-4.6.0-1].
//
// It is on the path of every QoS 1 publish. Hence no map and no interface: a
// slot is found by the low bits of its identifier, and the order is a list of
// identifiers threaded through the slots. Nothing is allocated once the table
// has the size the connection needs.
package inflight

// MaxIDs is the number of packet identifiers: 1..65535, 0 is not one
// [MQTT5-2.2.1-3].
const MaxIDs = 65535

const (
	minSlots = 4     // a client that subscribes, or publishes now and then, never needs more
	maxSlots = 65536 // from here on every identifier has a slot of its own
	// keepSlots bounds what Reset keeps: above it a burst that is over would
	// hold its memory for the life of the client.
	keepSlots = 1024
)

// Table maps reserved packet identifiers to values of type T and keeps the
// send order of those that are linked. The zero value is an empty table whose
// first identifier is 1. It is not locked: the owner's mutex guards it.
//
// The number of slots doubles when two reserved identifiers share the same low
// bits, up to 65536. With acknowledgements in order that is the window rounded
// up to a power of two; an identifier that is never released makes the counter
// come round to its slot, so it costs slots until Reset.
type Table[T any] struct {
	slots      []slot[T] // length is zero or a power of two
	last       uint16    // identifier given out last
	head, tail uint16    // ends of the send order, 0 when it is empty
	reserved   int
	linked     int
}

type slot[T any] struct {
	val        T
	id         uint16
	prev, next uint16 // neighbours in send order, 0 at the ends
	used       bool
	linked     bool
}

// find returns the slot of a reserved identifier, else nil.
func (t *Table[T]) find(id uint16) *slot[T] {
	if len(t.slots) == 0 {
		return nil
	}
	s := &t.slots[int(id)&(len(t.slots)-1)]
	if !s.used || s.id != id {
		return nil
	}
	return s
}

// Reserve takes the next free identifier after the one reserved last, wrapping
// from 65535 to 1, and stores v under it. ok is false, and nothing changes,
// when all 65535 identifiers are reserved: the caller waits for a Release. The
// identifier is not in the send order until Link.
func (t *Table[T]) Reserve(v T) (id uint16, ok bool) {
	if t.reserved == MaxIDs {
		return 0, false
	}
	if len(t.slots) == 0 {
		t.slots = make([]slot[T], minSlots)
	}
	id = t.last
	for {
		id++
		if id == 0 {
			id = 1
		}
		s := &t.slots[int(id)&(len(t.slots)-1)]
		for s.used && s.id != id {
			// Another identifier sits here; one doubling may not part them.
			t.grow()
			s = &t.slots[int(id)&(len(t.slots)-1)]
		}
		if s.used {
			continue
		}
		*s = slot[T]{val: v, id: id, used: true}
		t.last = id
		t.reserved++
		return id, true
	}
}

// ReserveAt takes the identifier id, unless it is taken or 0, and stores v under it. Reserve goes on behind the highest one.
func (t *Table[T]) ReserveAt(id uint16, v T) bool {
	if id == 0 {
		return false
	}
	if len(t.slots) == 0 {
		t.slots = make([]slot[T], minSlots)
	}
	s := &t.slots[int(id)&(len(t.slots)-1)]
	for s.used && s.id != id {
		t.grow()
		s = &t.slots[int(id)&(len(t.slots)-1)]
	}
	if s.used {
		return false
	}
	*s = slot[T]{val: v, id: id, used: true}
	t.last = max(t.last, id)
	t.reserved++
	return true
}

// grow doubles the slots. Identifiers that differed in the old low bits differ
// in the new ones, so no slot is taken twice. It is never called at maxSlots,
// where two identifiers cannot meet.
func (t *Table[T]) grow() {
	bigger := make([]slot[T], 2*len(t.slots))
	for i := range t.slots {
		if s := &t.slots[i]; s.used {
			bigger[int(s.id)&(len(bigger)-1)] = *s
		}
	}
	t.slots = bigger
}

// Link puts a reserved identifier at the end of the send order. It does nothing
// when id is not reserved or is linked already.
func (t *Table[T]) Link(id uint16) {
	s := t.find(id)
	if s == nil || s.linked {
		return
	}
	s.linked, s.prev, s.next = true, t.tail, 0
	if p := t.find(t.tail); p != nil {
		p.next = id
	} else {
		t.head = id
	}
	t.tail = id
	t.linked++
}

// Unlink takes id out of the send order and leaves it reserved. It does nothing
// when id is not linked.
func (t *Table[T]) Unlink(id uint16) {
	if s := t.find(id); s != nil && s.linked {
		t.unlink(s)
	}
}

func (t *Table[T]) unlink(s *slot[T]) {
	if p := t.find(s.prev); p != nil {
		p.next = s.next
	} else {
		t.head = s.next
	}
	if n := t.find(s.next); n != nil {
		n.prev = s.prev
	} else {
		t.tail = s.prev
	}
	s.linked, s.prev, s.next = false, 0, 0
	t.linked--
}

// Get returns the value of a reserved identifier; ok is false when id is free.
func (t *Table[T]) Get(id uint16) (v T, ok bool) {
	if s := t.find(id); s != nil {
		return s.val, true
	}
	return v, false
}

// Set replaces the value of a reserved identifier and keeps its place in the
// send order. It does nothing when id is free.
func (t *Table[T]) Set(id uint16, v T) {
	if s := t.find(id); s != nil {
		s.val = v
	}
}

// Release frees id and takes it out of the send order if it is there. It does
// nothing when id is free.
func (t *Table[T]) Release(id uint16) {
	s := t.find(id)
	if s == nil {
		return
	}
	if s.linked {
		t.unlink(s)
	}
	*s = slot[T]{} // drops the reference to the value
	t.reserved--
}

// First returns the oldest entry of the send order; ok is false when the order
// is empty.
func (t *Table[T]) First() (id uint16, v T, ok bool) { return t.entry(t.head) }

// Last returns the newest entry of the send order; ok is false when the order
// is empty.
func (t *Table[T]) Last() (id uint16, v T, ok bool) { return t.entry(t.tail) }

// Next returns the entry that was linked after id; ok is false when id is the
// last one or is not linked. To release while walking, take the next entry
// first.
func (t *Table[T]) Next(id uint16) (next uint16, v T, ok bool) {
	if s := t.find(id); s != nil {
		return t.entry(s.next)
	}
	return 0, v, false
}

// Prev returns the entry that was linked before id; ok is false when id is the
// first one or is not linked.
func (t *Table[T]) Prev(id uint16) (prev uint16, v T, ok bool) {
	if s := t.find(id); s != nil {
		return t.entry(s.prev)
	}
	return 0, v, false
}

func (t *Table[T]) entry(id uint16) (uint16, T, bool) {
	if s := t.find(id); s != nil {
		return id, s.val, true
	}
	var zero T
	return 0, zero, false
}

// Len returns the number of reserved identifiers.
func (t *Table[T]) Len() int { return t.reserved }

// Linked returns the number of entries in the send order.
func (t *Table[T]) Linked() int { return t.linked }

// ReleaseIf frees the identifiers whose values fn asks for, as Release does.
func (t *Table[T]) ReleaseIf(fn func(T) bool) {
	for i := range t.slots {
		if s := &t.slots[i]; s.used && fn(s.val) {
			t.Release(s.id)
		}
	}
}

// Reset frees every identifier. The counter goes on where it was, so that a
// late acknowledgement of the former session does not meet a new packet of the
// same identifier at once. A table grown above 1024 slots gives its memory back.
func (t *Table[T]) Reset() {
	if len(t.slots) > keepSlots {
		t.slots = nil
	} else {
		clear(t.slots)
	}
	t.head, t.tail, t.reserved, t.linked = 0, 0, 0, 0
}
