// Package few has a map for what mostly has few entries: a client has thousands of companions in one process, each with a
// handful of filters, and a Go map costs 250 bytes and more for the first of them.
package few

import "iter"

// most is how many entries are kept in a list. To look through them costs no more than one access to a map.
const most = 4

// Map is a map from strings. The zero value is empty and ready. It is not locked.
type Map[V any] struct {
	list []entry[V]   // in the order of Put, while there is no m
	m    map[string]V // nil until there were more than most
}

type entry[V any] struct {
	key string
	val V
}

// Get returns what key stands for, or V's zero value.
func (m *Map[V]) Get(key string) (v V) {
	if m.m != nil {
		return m.m[key]
	}
	for i := range m.list {
		if e := &m.list[i]; e.key == key {
			return e.val
		}
	}
	return v
}

// Put makes key stand for v.
func (m *Map[V]) Put(key string, v V) {
	if m.m != nil {
		m.m[key] = v
		return
	}
	for i := range m.list {
		if e := &m.list[i]; e.key == key {
			e.val = v
			return
		}
	}
	if len(m.list) < most {
		m.list = append(m.list, entry[V]{key, v})
		return
	}
	m.m = make(map[string]V, most+1)
	for _, e := range m.list {
		m.m[e.key] = e.val
	}
	m.list, m.m[key] = nil, v
}

// Delete removes key.
func (m *Map[V]) Delete(key string) {
	if m.m != nil {
		if delete(m.m, key); len(m.m) == 0 {
			m.m = nil
		}
		return
	}
	for i := range m.list {
		if m.list[i].key == key {
			rest := make([]entry[V], 0, len(m.list)-1) // All may be running over the old one
			m.list = append(append(rest, m.list[:i]...), m.list[i+1:]...)
			return
		}
	}
}

// Len returns the number of entries.
func (m *Map[V]) Len() int { return len(m.list) + len(m.m) }

// All returns the entries, in no order to rely on. The one that the loop is at may be deleted in it.
func (m *Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, e := range m.list {
			if !yield(e.key, e.val) {
				return
			}
		}
		for k, v := range m.m {
			if !yield(k, v) {
				return
			}
		}
	}
}
