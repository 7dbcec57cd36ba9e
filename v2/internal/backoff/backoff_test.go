package backoff

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// The figures of aws-c-mqtt's reconnect_failure_backoff test: min 500 ms, max
// 5000 ms, no jitter; then its sufficient_reset.
func TestNone(t *testing.T) {
	b := Backoff{Mode: None, Min: 500 * ms, Max: 5000 * ms}
	for round := range 2 {
		for i, want := range []time.Duration{500, 1000, 2000, 4000, 5000, 5000} {
			if b.Attempts() != i {
				t.Errorf("round %d: Attempts = %d, want %d", round, b.Attempts(), i)
			}
			if got := b.Next(); got != want*ms {
				t.Errorf("round %d: delay %d = %v, want %v", round, i, got, want*ms)
			}
		}
		b.Reset()
	}
}

// The figures of v1 with (2, 8, 10): 1 s first whatever the base, the base once a connection was stable.
func TestFirst(t *testing.T) {
	for _, tt := range []struct {
		name         string
		mode         Mode
		before, then []time.Duration
	}{
		{"none", None, []time.Duration{1, 2, 4, 8, 8}, []time.Duration{2, 4, 8, 8}},
		{"full, highest draws", Full, []time.Duration{1, 2, 4, 8, 8}, []time.Duration{2, 4, 8, 8}},
		{"decorrelated, highest draws", Decorrelated, []time.Duration{3, 8, 8}, []time.Duration{6, 8, 8}},
	} {
		b := Backoff{Mode: tt.mode, Min: 2, Max: 8, First: 1, Rand: func(n uint64) uint64 { return n - 1 }}
		for _, want := range tt.before {
			if got := b.Next(); got != want {
				t.Errorf("%s: before a Reset %v, want %v", tt.name, got, want)
			}
		}
		b.Reset()
		for _, want := range tt.then {
			if got := b.Next(); got != want {
				t.Errorf("%s: after it %v, want %v", tt.name, got, want)
			}
		}
	}
}

// Full draws from [0, Min*2^n], both ends included, or to Max when that is less: the cap keeps the jitter.
// Again is Next with other settings, in its place: it counts once, and Decorrelated grows from the delay before.
func TestAgain(t *testing.T) {
	most := func(n uint64) uint64 { return n - 1 }
	for _, tt := range []struct {
		mode Mode
		want []time.Duration
	}{
		{None, []time.Duration{10, 20, 200, 400}},
		{Full, []time.Duration{10, 20, 200, 400}},
		{Decorrelated, []time.Duration{30, 90, 100, 300}}, // 3*30 is below the new Min
	} {
		b := Backoff{Mode: tt.mode, Min: 10, Max: 1000, Rand: most}
		got := []time.Duration{b.Next(), b.Next()}
		b.Min = 100
		got = append(got, b.Again(), b.Next())
		if !slices.Equal(got, tt.want) || b.Attempts() != 3 {
			t.Errorf("%v: %v, %d attempts, want %v", tt.mode, got, b.Attempts(), tt.want)
		}
	}
	b := Backoff{Mode: None, Min: 10, Max: 1000}
	if d := b.Again(); d != 10 || b.Attempts() != 1 {
		t.Errorf("before the first: %v, %d attempts", d, b.Attempts())
	}
}

func TestFullArithmetic(t *testing.T) {
	var asked []uint64
	low := false
	b := Backoff{Mode: Full, Min: 10, Max: 75, Rand: func(n uint64) uint64 {
		asked = append(asked, n)
		if low {
			return 0
		}
		return n - 1
	}}
	var got []time.Duration
	for range 5 {
		got = append(got, b.Next())
	}
	if want := []uint64{11, 21, 41, 76, 76}; !slices.Equal(asked, want) {
		t.Errorf("drew below %v, want %v", asked, want)
	}
	if want := []time.Duration{10, 20, 40, 75, 75}; !slices.Equal(got, want) {
		t.Errorf("delays %v, want %v", got, want)
	}
	low = true
	if d := b.Next(); d != 0 {
		t.Errorf("lowest draw gives %v, want 0", d)
	}
}

// Decorrelated draws from [Min, 3*previous], or to Max when that is less.
func TestDecorrelatedArithmetic(t *testing.T) {
	var asked []uint64
	b := Backoff{Mode: Decorrelated, Min: 10, Max: 100, Rand: func(n uint64) uint64 { asked = append(asked, n); return n - 1 }}
	var got []time.Duration
	for range 5 {
		got = append(got, b.Next())
	}
	if want := []time.Duration{30, 90, 100, 100, 100}; !slices.Equal(got, want) {
		t.Errorf("delays %v, want %v", got, want)
	}
	if want := []uint64{21, 81, 91, 91, 91}; !slices.Equal(asked, want) {
		t.Errorf("drew below %v, want %v", asked, want)
	}
	b.Reset()
	if d := b.Next(); d != 30 {
		t.Errorf("after Reset %v, want 30", d)
	}
	b.Rand = func(uint64) uint64 { return 0 }
	if d := b.Next(); d != 10 {
		t.Errorf("lowest draw gives %v, want Min", d)
	}
}

func TestOddSettings(t *testing.T) {
	for _, c := range []struct {
		name     string
		min, max time.Duration
		want     time.Duration // the largest delay possible, of mode None the 70th
	}{
		{"zero", 0, 0, 0},
		{"min 0", 0, time.Second, 0},
		{"max below min", time.Second, 10 * ms, 10 * ms},
		{"negative min", -time.Second, time.Second, 0},
		{"negative max", time.Second, -1, 0},
		{"no cap to speak of", time.Second, math.MaxInt64, math.MaxInt64},
		{"min alone saturates", math.MaxInt64, math.MaxInt64, math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, mode := range []Mode{Full, None, Decorrelated} {
				b := Backoff{Mode: mode, Min: c.min, Max: c.max}
				var d time.Duration
				for range 70 {
					if d = b.Next(); d < 0 || d > c.want {
						t.Fatalf("%v: %v, want within [0, %v]", mode, d, c.want)
					}
				}
				if mode == None && d != c.want {
					t.Errorf("70th delay %v, want %v", d, c.want)
				}
			}
		})
	}
}

func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) time.Duration {
			if rapid.Bool().Draw(t, name+" huge") {
				return time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, name))
			}
			return time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, name))
		}
		seed := rapid.Uint64().Draw(t, "seed")
		b := Backoff{Mode: rapid.SampledFrom([]Mode{Full, None, Decorrelated}).Draw(t, "mode"), Min: draw("min"), Max: draw("max"),
			Rand: rand.New(rand.NewPCG(seed, 1)).Uint64N}
		prev, base := b.Min, b.Min
		for i := range 80 {
			d := b.Next()
			floor, ceil := time.Duration(0), base
			switch b.Mode {
			case None:
				floor = base
			case Decorrelated:
				floor = b.Min
				if ceil = 3 * prev; prev > math.MaxInt64/3 {
					ceil = math.MaxInt64
				}
				ceil = max(ceil, floor)
			}
			if d < min(floor, b.Max) || d > min(ceil, b.Max) {
				t.Fatalf("%v delay %d = %v, want [%v, %v] capped at %v", b.Mode, i, d, floor, ceil, b.Max)
			}
			prev = d
			if base > math.MaxInt64/2 {
				base = math.MaxInt64
			} else {
				base *= 2
			}
		}
	})
}

// The draws are uniform: a chi-squared test over ten classes with a fixed seed.
func TestDistribution(t *testing.T) {
	for _, c := range []struct {
		mode     Mode
		lo, span int64 // of the first delay
	}{{Full, 0, 1001}, {Decorrelated, 1000, 2001}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			b := Backoff{Mode: c.mode, Min: 1000, Max: time.Hour, Rand: rand.New(rand.NewPCG(1, 2)).Uint64N}
			const n, classes = 100_000, 10
			var count [classes]float64
			var lowest, highest = int64(math.MaxInt64), int64(-1)
			for range n {
				d := int64(b.Next())
				b.Reset()
				lowest, highest = min(lowest, d), max(highest, d)
				count[(d-c.lo)*classes/c.span]++
			}
			if lowest != c.lo || highest != c.lo+c.span-1 {
				t.Errorf("seen [%d, %d], want both ends of [%d, %d]", lowest, highest, c.lo, c.lo+c.span-1)
			}
			chi := 0.0
			for _, got := range count {
				chi += (got - n/classes) * (got - n/classes) / (n / classes)
			}
			if chi > 27.9 { // 9 degrees of freedom, p = 0.001
				t.Errorf("not uniform: chi squared %.1f, classes %v", chi, count)
			}
		})
	}
}

// Without Rand two devices do not draw the same sequence.
func TestDefaultRandDiffers(t *testing.T) {
	a, b := Backoff{Min: time.Hour, Max: time.Hour}, Backoff{Min: time.Hour, Max: time.Hour}
	same := 0
	for range 10 {
		if a.Next() == b.Next() && a.prev != time.Hour {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 10 delays equal to the nanosecond", same)
	}
}

func TestModeString(t *testing.T) {
	for m, want := range map[Mode]string{Full: "Full", None: "None", Decorrelated: "Decorrelated", 7: "Mode(7)"} {
		if m.String() != want {
			t.Errorf("%d: %q, want %q", int(m), m, want)
		}
	}
}
