package tables

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
)

// Table holds values by key. It has no lock: that of its store guards it. A draft of it (Draft) is written by one transaction.
type Table[V any] struct {
	kind  string
	saved func(V) any
	all   map[string]V
	edits map[string]*V // of a draft: what has been put, nil for what has been deleted; nil: it is no draft
}

// New returns an empty table, whose changes have that kind. saved returns what is kept of a value, or nil when it is not kept, as
// one with a function in it; a nil saved keeps it as it is.
func New[V any](kind string, saved func(V) any) *Table[V] {
	if saved == nil {
		saved = func(v V) any { return v }
	}
	return &Table[V]{kind: kind, saved: saved, all: map[string]V{}}
}

// Draft returns a copy for a transaction. It costs nothing.
func (t *Table[V]) Draft() *Table[V] {
	return &Table[V]{kind: t.kind, saved: t.saved, all: t.all, edits: map[string]*V{}}
}

// Get returns a value; the zero value when it is not there.
func (t *Table[V]) Get(key string) (v V) {
	if e, ok := t.edits[key]; ok {
		if e != nil {
			v = *e
		}
		return v
	}
	return t.all[key]
}

// Has reports whether a value is there.
func (t *Table[V]) Has(key string) bool {
	if e, ok := t.edits[key]; ok {
		return e != nil
	}
	_, ok := t.all[key]
	return ok
}

// All returns the values by key, in no order. What the loop puts may be in it or not.
func (t *Table[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for k, v := range t.all {
			if _, edited := t.edits[k]; !edited && !yield(k, v) {
				return
			}
		}
		for k, e := range t.edits {
			if e != nil && !yield(k, *e) {
				return
			}
		}
	}
}

// Keys returns the keys, sorted.
func (t *Table[V]) Keys() []string {
	keys := make([]string, 0, len(t.all))
	for k := range t.All() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Sorted returns the values by rising keys.
func (t *Table[V]) Sorted() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range t.Keys() {
			if !yield(t.Get(k)) {
				return
			}
		}
	}
}

// Len returns how many values there are in a table that is no draft.
func (t *Table[V]) Len() int { return len(t.all) }

// Put sets a value: of a draft, or of a table that nobody else uses yet.
func (t *Table[V]) Put(key string, v V) {
	if t.edits == nil {
		t.all[key] = v
		return
	}
	t.edits[key] = &v
}

// Delete deletes a value of a draft, which need not be there.
func (t *Table[V]) Delete(key string) {
	if t.Has(key) {
		t.edits[key] = nil
	}
}

// Changed reports whether something of a draft is another one than in its table.
func (t *Table[V]) Changed() bool { return len(t.edits) > 0 }

// Read puts in what was kept of a value, when it is kept as it is; check, unless it is nil, says what is wrong with it.
func (t *Table[V]) Read(key string, text []byte, check func(V) error) error {
	var v V
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	if check != nil {
		if err := check(v); err != nil {
			return err
		}
	}
	t.Put(key, v)
	return nil
}

func (t *Table[V]) changes(into []Change) []Change {
	for _, k := range slices.Sorted(maps.Keys(t.edits)) {
		if e := t.edits[k]; e != nil {
			if v := t.saved(*e); v != nil {
				into = append(into, Change{t.kind, k, v})
				continue
			}
		}
		if old, had := t.all[k]; had && t.saved(old) != nil {
			into = append(into, Change{Kind: t.kind, Key: k})
		}
	}
	return into
}

func (t *Table[V]) install() {
	for k, e := range t.edits {
		if e == nil {
			delete(t.all, k)
			continue
		}
		t.all[k] = *e
	}
}
