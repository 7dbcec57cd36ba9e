package few

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is put and deleted, it is as a Go map.
func TestAgainstMap(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("key", rapid.IntRange(0, 8).Draw(t, "key")) })
	rapid.Check(t, func(t *rapid.T) {
		var m Map[int]
		want := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"Put": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.Int().Draw(t, "v")
				m.Put(k, v)
				want[k] = v
			},
			"Delete": func(t *rapid.T) {
				k := key.Draw(t, "k")
				m.Delete(k)
				delete(want, k)
			},
			"": func(t *rapid.T) {
				if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != len(want) {
					t.Fatalf("%v, Len %d, want %v", got, m.Len(), want)
				}
				if k := key.Draw(t, "k"); m.Get(k) != want[k] {
					t.Fatalf("Get(%q) = %v, want %v", k, m.Get(k), want[k])
				}
			},
		})
	})
}

func TestDeleteInALoop(t *testing.T) {
	for n := range 2 * most {
		var m Map[int]
		for i := range n {
			m.Put(fmt.Sprint(i), i)
		}
		seen := map[string]int{}
		for k, v := range m.All() {
			seen[k] = v
			m.Delete(k)
		}
		if len(seen) != n || m.Len() != 0 {
			t.Errorf("%d entries: saw %v, %d left", n, seen, m.Len())
		}
	}
}

func TestBreak(t *testing.T) {
	for n := 1; n < 2*most; n++ {
		var m Map[int]
		for i := range n {
			m.Put(fmt.Sprint(i), i)
		}
		for range m.All() {
			break
		}
	}
}

// One entry costs its own size, and looking nothing.
func TestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		var m Map[int]
		m.Put("a", 1)
		if m.Get("a") != 1 || m.Get("b") != 0 {
			t.Error("Get")
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
