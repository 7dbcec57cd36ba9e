package inflight

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is the obvious implementation: a map and a slice.
type model struct {
	val   map[uint16]int
	order []uint16
	last  uint16
}

func (m *model) reserve(v int) (uint16, bool) {
	if len(m.val) == MaxIDs {
		return 0, false
	}
	for {
		m.last++
		if _, used := m.val[m.last]; m.last != 0 && !used {
			m.val[m.last] = v
			return m.last, true
		}
	}
}

// check compares the whole table with the model.
func (m *model) check(t interface{ Fatalf(string, ...any) }, tab *Table[int]) {
	if tab.Len() != len(m.val) || tab.Linked() != len(m.order) {
		t.Fatalf("Len %d Linked %d, want %d %d", tab.Len(), tab.Linked(), len(m.val), len(m.order))
	}
	for id, v := range m.val {
		if got, ok := tab.Get(id); !ok || got != v {
			t.Fatalf("Get(%d) = %d, %v, want %d", id, got, ok, v)
		}
	}
	var order []uint16
	for id, v, ok := tab.First(); ok; id, v, ok = tab.Next(id) {
		if v != m.val[id] {
			t.Fatalf("value of %d in order = %d, want %d", id, v, m.val[id])
		}
		order = append(order, id)
	}
	if !slices.Equal(order, m.order) {
		t.Fatalf("order %v, want %v", order, m.order)
	}
	order = order[:0]
	for id, _, ok := tab.Last(); ok; id, _, ok = tab.Prev(id) {
		order = append(order, id)
	}
	slices.Reverse(order)
	if !slices.Equal(order, m.order) {
		t.Fatalf("order backwards %v, want %v", order, m.order)
	}
	used := 0
	for i := range tab.slots {
		if s := &tab.slots[i]; s.used {
			used++
			if int(s.id)&(len(tab.slots)-1) != i {
				t.Fatalf("id %d in slot %d of %d", s.id, i, len(tab.slots))
			}
		} else if *s != (slot[int]{}) {
			t.Fatalf("free slot %d holds %v", i, *s)
		}
	}
	if used != len(m.val) {
		t.Fatalf("%d slots used for %d ids", used, len(m.val))
	}
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// starts near the wrap-around as often as not
		last := rapid.SampledFrom([]uint16{0, 0, 65530, 65535, 1000}).Draw(t, "last")
		tab := Table[int]{last: last}
		m := &model{val: map[uint16]int{}, last: last}
		value := 0
		// ids that are in use, and now and then one that is not
		anyID := func() uint16 {
			ids := slices.Sorted(maps.Keys(m.val))
			if len(ids) == 0 || rapid.IntRange(0, 9).Draw(t, "foreign") == 0 {
				return rapid.Uint16().Draw(t, "id")
			}
			return rapid.SampledFrom(ids).Draw(t, "used id")
		}
		reserve := func(t *rapid.T) {
			value++
			id, ok := tab.Reserve(value)
			wantID, wantOK := m.reserve(value)
			if id != wantID || ok != wantOK {
				t.Fatalf("Reserve = %d, %v, want %d, %v", id, ok, wantID, wantOK)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"Reserve": reserve,
			"Publish": func(t *rapid.T) {
				reserve(t)
				tab.Link(m.last)
				m.order = append(m.order, m.last)
			},
			"Link": func(*rapid.T) {
				id := anyID()
				tab.Link(id)
				if _, ok := m.val[id]; ok && !slices.Contains(m.order, id) {
					m.order = append(m.order, id)
				}
			},
			"Unlink": func(*rapid.T) {
				id := anyID()
				tab.Unlink(id)
				m.order = slices.DeleteFunc(m.order, func(x uint16) bool { return x == id })
			},
			"Set": func(*rapid.T) {
				id := anyID()
				value++
				tab.Set(id, value)
				if _, ok := m.val[id]; ok {
					m.val[id] = value
				}
			},
			"ReserveAt": func(t *rapid.T) {
				id := rapid.Uint16().Draw(t, "wanted")
				_, used := m.val[id]
				if ok := tab.ReserveAt(id, 7); ok != (id != 0 && !used) {
					t.Fatalf("ReserveAt(%d) = %v, used %v", id, ok, used)
				}
				if id != 0 && !used {
					m.val[id], m.last = 7, max(m.last, id)
				}
			},
			"ReleaseIf": func(t *rapid.T) {
				odd := func(v int) bool { return v%2 == 1 }
				tab.ReleaseIf(odd)
				for id, v := range m.val {
					if odd(v) {
						delete(m.val, id)
						m.order = slices.DeleteFunc(m.order, func(o uint16) bool { return o == id })
					}
				}
			},
			"Release": func(*rapid.T) {
				id := anyID()
				tab.Release(id)
				delete(m.val, id)
				m.order = slices.DeleteFunc(m.order, func(x uint16) bool { return x == id })
			},
			"Get": func(t *rapid.T) {
				id := anyID()
				got, ok := tab.Get(id)
				if want, wantOK := m.val[id]; got != want || ok != wantOK {
					t.Fatalf("Get(%d) = %d, %v, want %d, %v", id, got, ok, want, wantOK)
				}
			},
			"Reset": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					tab.Reset()
					m.val, m.order = map[uint16]int{}, nil
				}
			},
			"": func(t *rapid.T) { m.check(t, &tab) },
		})
	})
}

// Cases of aws-c-mqtt's tests, group "operation queue": bind_packet_id_empty_table,
// multiple_with_existing, multiple_with_wrap_around.
func TestReserveOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		last uint16
		used []uint16
		want []uint16
	}{
		{"empty table", 0, nil, []uint16{1, 2, 3}},
		{"skips ids in use", 0, []uint16{1, 3, 4}, []uint16{2, 5, 6}},
		{"wraps to 1", 65533, nil, []uint16{65534, 65535, 1, 2}},
		{"wraps over ids in use", 65533, []uint16{65535, 1, 2, 5}, []uint16{65534, 3, 4, 6}},
		{"same low bits", 14, []uint16{1, 2}, []uint16{15, 16, 17, 18}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tab Table[string]
			for _, id := range c.used {
				tab.last = id - 1
				if got, ok := tab.Reserve("old"); got != id || !ok {
					t.Fatalf("Reserve = %d, %v, want %d", got, ok, id)
				}
			}
			tab.last = c.last
			for i, want := range c.want {
				v := fmt.Sprint("new", i)
				if got, ok := tab.Reserve(v); got != want || !ok {
					t.Fatalf("Reserve %d = %d, %v, want %d", i, got, ok, want)
				}
				if got, ok := tab.Get(want); got != v || !ok {
					t.Fatalf("Get(%d) = %q, %v", want, got, ok)
				}
			}
			for _, id := range c.used {
				if v, ok := tab.Get(id); v != "old" || !ok {
					t.Errorf("id %d was overwritten: %q", id, v)
				}
			}
		})
	}
}

// Cases of aws-c-mqtt's tests: bind_packet_id_full_table.
func TestFullTable(t *testing.T) {
	var tab Table[int]
	for i := 1; i <= MaxIDs; i++ {
		id, ok := tab.Reserve(i)
		if !ok || int(id) != i {
			t.Fatalf("Reserve = %d, %v, want %d", id, ok, i)
		}
		tab.Link(id)
	}
	if id, ok := tab.Reserve(0); ok || id != 0 || tab.Len() != MaxIDs {
		t.Fatalf("Reserve on a full table = %d, %v, Len %d", id, ok, tab.Len())
	}
	tab.Release(30000)
	if id, ok := tab.Reserve(7); !ok || id != 30000 {
		t.Fatalf("Reserve with one free id = %d, %v", id, ok)
	}
	n := 0
	for id, v, ok := tab.First(); ok; id, v, ok = tab.Next(id) {
		if int(id) != v {
			t.Fatalf("id %d holds %d", id, v)
		}
		n++
	}
	if n != MaxIDs-1 { // 30000 was reserved again, not linked
		t.Fatalf("%d linked, want %d", n, MaxIDs-1)
	}
	tab.Reset()
	if id, ok := tab.Reserve(1); !ok || id != 30001 {
		t.Fatalf("after Reset: %d, %v; the counter must go on", id, ok)
	}
	if len(tab.slots) > keepSlots {
		t.Fatalf("Reset kept %d slots", len(tab.slots))
	}
}

// Cases of aws-c-mqtt's tests: bind_packet_id_not_valid, an operation that takes no identifier: here whoever needs none does not ask for
// one, and 0 is never given out.
func TestZeroIDIsNeverReserved(t *testing.T) {
	var tab Table[int]
	if _, ok := tab.Get(0); ok {
		t.Error("Get(0) on an empty table")
	}
	tab.Link(0)
	tab.Release(0)
	tab.Reserve(1)
	if _, ok := tab.Get(0); ok {
		t.Error("Get(0)")
	}
	if _, _, ok := tab.Next(0); ok {
		t.Error("Next(0)")
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	var tab Table[*int]
	v := new(int)
	for range 100 {
		id, _ := tab.Reserve(v)
		tab.Link(id)
	}
	step := func() {
		id, _ := tab.Reserve(v)
		tab.Link(id)
		first, _, _ := tab.First()
		tab.Release(first)
	}
	for range 300 {
		step()
	}
	if n := testing.AllocsPerRun(70000, step); n != 0 { // more than once round
		t.Fatalf("%v allocations per publish", n)
	}
	if len(tab.slots) != 128 {
		t.Fatalf("%d slots for a window of 100, want 128", len(tab.slots))
	}
}

func BenchmarkReserveLinkRelease(b *testing.B) {
	for _, window := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(window), func(b *testing.B) {
			var tab Table[*int]
			v := new(int)
			for range window {
				id, _ := tab.Reserve(v)
				tab.Link(id)
			}
			b.ReportAllocs()
			for b.Loop() {
				id, _ := tab.Reserve(v)
				tab.Link(id)
				first, _, _ := tab.First()
				tab.Release(first)
			}
		})
	}
}
