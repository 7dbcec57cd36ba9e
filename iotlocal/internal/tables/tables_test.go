package tables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// store is a store with two tables; negative numbers are not kept.
type store struct {
	mu      sync.RWMutex
	numbers *Table[int]
	words   *Table[string]
}

func newStore() *store {
	return &store{numbers: New("number", func(n int) any {
		if n < 0 {
			return nil
		}
		return n
	}), words: New[string]("word", nil)}
}

func (s *store) do(j *Journal, then func(), f func(numbers *Table[int], words *Table[string]) error) error {
	return j.Do(func(tx *Tx) error {
		n, w := s.numbers.Draft(), s.words.Draft()
		tx.Join(&s.mu, then, n, w)
		return f(n, w)
	})
}

func TestTransactions(t *testing.T) {
	var j Journal
	var kept []string
	var fails error
	j.Keep(func(all []Change) error {
		kept = nil
		for _, c := range all {
			kept = append(kept, fmt.Sprint(c.Kind, " ", c.Key, " ", c.Value))
		}
		return fails
	})
	s := newStore()
	no := errors.New("no")
	all := func() map[string]int { return maps.Collect(s.numbers.All()) }
	for _, tt := range []struct {
		name  string
		f     func(n *Table[int], w *Table[string]) error
		fails error
		kept  []string
		want  map[string]int
	}{
		{"put", func(n *Table[int], w *Table[string]) error {
			n.Put("b", 2)
			n.Put("a", 1)
			w.Put("x", "y")
			return nil
		}, nil, []string{"number a 1", "number b 2", "word x y"}, map[string]int{"a": 1, "b": 2}},
		{"a draft sees itself", func(n *Table[int], _ *Table[string]) error {
			n.Delete("a")
			n.Delete("never there")
			n.Put("c", 3)
			if got := maps.Collect(n.All()); !maps.Equal(got, map[string]int{"b": 2, "c": 3}) || n.Has("a") || n.Get("a") != 0 || n.Get("c") != 3 || !n.Has("b") || !n.Changed() {
				t.Errorf("the draft has %v", got)
			}
			if !slices.Equal(n.Keys(), []string{"b", "c"}) || !slices.Equal(slices.Collect(n.Sorted()), []int{2, 3}) {
				t.Errorf("sorted: %v", n.Keys())
			}
			if got := all(); !maps.Equal(got, map[string]int{"a": 1, "b": 2}) {
				t.Errorf("others see %v", got)
			}
			return nil
		}, nil, []string{"number a <nil>", "number c 3"}, map[string]int{"b": 2, "c": 3}},
		{"an error", func(n *Table[int], _ *Table[string]) error { n.Put("b", 9); return no }, nil, nil, map[string]int{"b": 2, "c": 3}},
		{"what cannot be kept", func(n *Table[int], w *Table[string]) error { n.Put("b", 9); n.Delete("c"); w.Delete("x"); return nil }, no,
			[]string{"number b 9", "number c <nil>", "word x <nil>"}, map[string]int{"b": 2, "c": 3}},
		{"what is not kept", func(n *Table[int], _ *Table[string]) error { n.Put("b", -1); n.Put("d", -2); return nil }, nil,
			[]string{"number b <nil>"}, map[string]int{"b": -1, "c": 3, "d": -2}},
		{"what was not kept", func(n *Table[int], _ *Table[string]) error { n.Delete("b"); n.Put("d", 4); return nil }, nil,
			[]string{"number d 4"}, map[string]int{"c": 3, "d": 4}},
		{"nothing", func(*Table[int], *Table[string]) error { return nil }, nil, nil, map[string]int{"c": 3, "d": 4}},
	} {
		kept, fails = nil, tt.fails
		installed := false
		err := s.do(&j, func() { installed = true }, tt.f)
		if got := all(); !slices.Equal(kept, tt.kept) || !maps.Equal(got, tt.want) || installed != (err == nil) {
			t.Errorf("%s: %v, kept %q, the table is %v", tt.name, err, kept, got)
		}
	}
	if s.words.Get("x") != "y" || s.words.Len() != 1 {
		t.Errorf("the word is %q", s.words.Get("x"))
	}
}

// Who reads does not wait while a change is being kept, and does not see it before it is.
func TestReadersDoNotWait(t *testing.T) {
	var j Journal
	s := newStore()
	keeping, kept := make(chan struct{}), make(chan struct{})
	j.Keep(func([]Change) error { close(keeping); <-kept; return nil })
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.do(&j, nil, func(n *Table[int], _ *Table[string]) error { n.Put("a", 1); return nil }); err != nil {
			t.Error(err)
		}
	})
	<-keeping
	s.mu.RLock()
	if s.numbers.Has("a") {
		t.Error("seen before it is kept")
	}
	s.mu.RUnlock()
	close(kept)
	done.Wait()
	if !s.numbers.Has("a") {
		t.Error("not there")
	}
}

func TestRead(t *testing.T) {
	s := newStore()
	no := errors.New("no")
	if err := s.numbers.Read("a", []byte("x"), nil); err == nil {
		t.Error("no JSON")
	}
	if err := s.numbers.Read("a", []byte("1"), func(int) error { return no }); !errors.Is(err, no) || s.numbers.Has("a") {
		t.Errorf("%v", err)
	}
	if err := s.numbers.Read("a", []byte("1"), nil); err != nil || s.numbers.Get("a") != 1 {
		t.Errorf("%v", err)
	}
}
