package mqtt

import (
	"testing"
	"time"
)

// TestSteps walks the table: every status is reached from the first one, every step goes to one that has a line, and others are
// refused.
func TestSteps(t *testing.T) {
	reached := map[status]bool{statusDisconnected: true}
	for range steps {
		for from := range reached {
			for _, to := range steps[from] {
				reached[to] = true
			}
		}
	}
	for s := statusDisconnected; s <= statusDisconnecting; s++ {
		if !reached[s] || len(steps[s]) == 0 {
			t.Errorf("%v is not reached, or a dead end", s)
		}
		allowed := map[status]bool{}
		for _, to := range steps[s] {
			allowed[to] = true
		}
		for to := statusDisconnected; to <= statusDisconnecting; to++ {
			var b statusBox
			b.v.Store(int32(s))
			if got := b.step(to); got != allowed[to] || (b.load() == to) != (allowed[to] || s == to) {
				t.Errorf("%v to %v: %v, then %v", s, to, got, b.load())
			}
		}
	}
	if got := status(9).String(); got != "status(9)" {
		t.Error(got)
	}
}

func TestBackoff(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name  string
		eager bool
		most  time.Duration
		at    []time.Duration // of the calls
		want  []time.Duration
	}{
		{"attempts in a row", false, 10 * s, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 25 * s}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}},
		{"losses far apart", true, 10 * s, []time.Duration{0, 60 * s, 120 * s}, []time.Duration{0, 0, 0}},
		{"losses in a row", true, 10 * s, []time.Duration{0, 5 * s, 10 * s, 15 * s}, []time.Duration{0, s, 2 * s, 4 * s}},
		{"a series that ends", true, 10 * s, []time.Duration{0, 5 * s, 60 * s}, []time.Duration{0, s, 0}},
		{"a maximum below the first", false, s / 2, []time.Duration{0, s, 2 * s}, []time.Duration{s / 2, s / 2, s / 2}},
		{"no delay at all", false, 0, []time.Duration{0, s}, []time.Duration{0, 0}},
	} {
		var b backoff
		began := time.Unix(1000, 0)
		for i, at := range tt.at {
			if got := b.next(began.Add(at), tt.most, 3*s, tt.eager); got != tt.want[i] {
				t.Errorf("%s: delay %d is %v, want %v", tt.name, i, got, tt.want[i])
			}
		}
	}
}
