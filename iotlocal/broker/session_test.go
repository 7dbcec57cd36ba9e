package broker

import "testing"

// Every packet identifier comes back with the message that had it, and one that is held is left out.
func TestIdentifiers(t *testing.T) {
	s := newSession("a")
	held := &outgoing{msg: &Message{}, id: s.nextID()}
	for round := range 2 {
		for want := uint16(2); want != 0; want++ {
			o := &outgoing{msg: &Message{}, id: s.nextID()}
			if o.id != want {
				t.Fatalf("round %d: %d, want %d", round, o.id, want)
			}
			s.release(o)
		}
	}
	s.release(held)
	if id := s.nextID(); id != 1 {
		t.Errorf("%d, want the one that was held", id)
	}
}
