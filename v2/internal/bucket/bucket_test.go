package bucket

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sec = time.Second

// check asserts what the bucket says it holds, by Take on copies.
func check(t *testing.T, b Bucket, now time.Duration, tokens uint64) {
	t.Helper()
	if c := b; !c.Take(now, tokens) {
		t.Errorf("at %v: Take(%d) refused", now, tokens)
	}
	if c := b; c.Take(now, tokens+1) {
		t.Errorf("at %v: Take(%d) allowed", now, tokens+1)
	}
}

func checkWait(t *testing.T, b *Bucket, now time.Duration, n uint64, want time.Duration) {
	t.Helper()
	if got := b.Wait(now, n); got != want {
		t.Errorf("at %v: Wait(%d) = %v, want %v", now, n, got, want)
	}
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_init_invalid, where such a bucket is an
// error. Here it is one that never gives.
func TestNever(t *testing.T) {
	for name, b := range map[string]Bucket{"zero value": {}, "no rate": New(0, 1), "no capacity": New(1000, 0)} {
		now := 1000 * time.Hour
		check(t, b, now, 0)
		if name == "no capacity" {
			checkWait(t, &b, now, 1, 0) // full: the documented answer for n above the capacity
		} else if name == "no rate" {
			checkWait(t, &b, now, 1, math.MaxInt64-now)
		}
	}
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_regeneration_integral.
func TestIntegral(t *testing.T) {
	b := New(5, 10)
	check(t, b, 0, 0)
	checkWait(t, &b, 0, 0, 0)
	checkWait(t, &b, 0, 10, 2*sec)

	now := sec
	check(t, b, now, 5)
	checkWait(t, &b, now, 10, sec)
	checkWait(t, &b, now, 1, 0)
	checkWait(t, &b, now, 5, 0)
	if !b.Take(now, 5) || b.Take(now, 1) {
		t.Error("one second gives not exactly 5 tokens")
	}
	checkWait(t, &b, now, 10, 2*sec)

	now += 3 * sec
	check(t, b, now, 10)
	if !b.Take(now, 10) || b.Take(now, 1) {
		t.Error("a full bucket holds not exactly 10 tokens")
	}
	checkWait(t, &b, now, 10, 2*sec)
	checkWait(t, &b, now, 11, 2*sec) // until full: more is never there
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_regeneration_fractional, whose bucket starts
// with two tokens.
func TestFractional(t *testing.T) {
	b := Bucket{rate: 3, capacity: 20, tokens: 2}
	third := sec / 3
	waits := map[uint64]time.Duration{3: third + 1, 5: sec, 6: sec + third + 1, 7: sec + 2*third + 1, 8: 2 * sec}
	for _, now := range []time.Duration{0, 1, 1, 2, third, third + 1} {
		for n, want := range waits {
			checkWait(t, &b, now, n, want-now)
		}
		check(t, b, now, map[bool]uint64{false: 2, true: 3}[now > third])
	}
	now := third + 1 + 2*sec + sec/2
	check(t, b, now, 10)
	checkWait(t, &b, now, 11, 3*sec-now)
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_fractional_iteration and
// large_fractional_iteration: asking often changes nothing.
func TestIteration(t *testing.T) {
	tests := []struct {
		name           string
		capacity, n    uint64
		interval, wait time.Duration
	}{
		{"small", 100, 21, 9973, 3 * sec},
		{"large", 100000, 7007, 43*sec + sec/13, 1001 * sec},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := New(7, tt.capacity)
			now := time.Duration(47)
			b.Reset(now)
			for want := tt.wait; want >= tt.interval; want -= tt.interval {
				if got := b.Wait(now, tt.n); got != want {
					t.Fatalf("at %v: Wait = %v, want %v", now, got, want)
				}
				now += tt.interval
			}
		})
	}
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_real_iteration, on a clock that is exact:
// waiting as told, n tokens take n/rate seconds, rounded up once.
func TestPaced(t *testing.T) {
	const rate = 111111
	b := New(rate, 100)
	var now time.Duration
	for range 3 * rate {
		now += b.Wait(now, 1)
		if !b.Take(now, 1) {
			t.Fatalf("at %v: refused after waiting as long as told", now)
		}
	}
	if now != 3*sec {
		t.Errorf("%d tokens took %v, want 3s", 3*rate, now)
	}
}

// Cases of aws-c-mqtt's tests: rate_limiter_token_bucket_reset.
func TestReset(t *testing.T) {
	b := New(3, 20)
	now := 2*sec + 1
	check(t, b, now, 6)
	b.Reset(now)
	check(t, b, now, 0)
	checkWait(t, &b, now, 1, sec/3+1)
	b.Reset(1) // a clock that begins again
	checkWait(t, &b, 1, 3, sec)
	check(t, b, 1+sec, 3)
}

// The two buckets of AWS IoT Core.
func TestAWSLimits(t *testing.T) {
	publishes, bytes := New(100, 100), New(512<<10, 512<<10)
	checkWait(t, &publishes, 0, 1, 10*time.Millisecond)
	checkWait(t, &bytes, 0, 4352, 8300782) // 8300781.25 ns
	check(t, publishes, time.Hour, 100)
	check(t, bytes, time.Hour, 512<<10)
}

func TestBackwards(t *testing.T) {
	b := New(10, 10)
	check(t, b, sec/2, 5)
	b.Take(sec, 4)
	check(t, b, 0, 6)
	checkWait(t, &b, 0, 7, sec/10) // after the latest time seen
	check(t, b, sec+sec/10, 7)
}

func TestExtremes(t *testing.T) {
	b := New(math.MaxUint64, math.MaxUint64)
	checkWait(t, &b, 0, math.MaxUint64, sec)
	checkWait(t, &b, 0, 1, 1)
	check(t, b, 1, math.MaxUint64/uint64(sec))
	b.Take(math.MaxInt64, 0)
	if !b.Take(math.MaxInt64, math.MaxUint64) {
		t.Error("not full after 292 years")
	}
	checkWait(t, &b, math.MaxInt64, 1, 0) // no time is left to wait in

	slow := New(1, math.MaxUint64)
	slow.Reset(math.MinInt64)
	checkWait(t, &slow, math.MinInt64, math.MaxUint64, math.MaxInt64)
	check(t, slow, math.MaxInt64, math.MaxUint64/uint64(sec))
}

// model is the same bucket in big rationals, only the sum of what happened.
type model struct {
	rate, capacity uint64
	level          *big.Rat
	last           time.Duration
}

func (m *model) advance(now time.Duration) {
	if now > m.last {
		gain := new(big.Rat).SetFrac(new(big.Int).Mul(
			new(big.Int).Sub(big.NewInt(int64(now)), big.NewInt(int64(m.last))),
			new(big.Int).SetUint64(m.rate)), big.NewInt(int64(time.Second)))
		m.level.Add(m.level, gain)
		m.last = now
	}
	if full := new(big.Rat).SetInt(new(big.Int).SetUint64(m.capacity)); m.level.Cmp(full) > 0 {
		m.level.Set(full)
	}
}

func (m *model) take(now time.Duration, n uint64) bool {
	m.advance(now)
	r := new(big.Rat).SetInt(new(big.Int).SetUint64(n))
	if m.level.Cmp(r) < 0 {
		return false
	}
	m.level.Sub(m.level, r)
	return true
}

// Days of random use in steps from nanoseconds to hours never differ from exact
// rationals, and Wait is exact to the nanosecond.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.OneOf(rapid.Uint64Range(1, 200), rapid.Uint64Range(1, 1<<20), rapid.Uint64()).Draw(t, "rate")
		capacity := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Uint64()).Draw(t, "capacity")
		now := time.Duration(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "origin"))
		b := New(rate, capacity)
		b.Reset(now)
		m := &model{rate, capacity, new(big.Rat), now}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.OneOf(rapid.Int64Range(-10, 10), rapid.Int64Range(0, int64(sec)), rapid.Int64Range(0, int64(6*time.Hour))).Draw(t, "elapsed"))
			n := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Uint64()).Draw(t, "n")
			if w := b.Wait(now, n); w > 0 && n <= capacity {
				at := max(now, m.last)
				before, after := b, b
				if before.Take(at+w-1, n) {
					t.Fatalf("Wait(%d) = %v is too long", n, w)
				}
				if w < math.MaxInt64-max(at, 0) && !after.Take(at+w, n) {
					t.Fatalf("Wait(%d) = %v is too short", n, w)
				}
			} else if c := b; n <= capacity && !c.Take(now, n) {
				t.Fatalf("Wait(%d) = %v, Take refused", n, w)
			}
			if got, want := b.Take(now, n), m.take(now, n); got != want {
				t.Fatalf("at %v: Take(%d) = %v, exact is %v", now, n, got, want)
			}
		}
	})
}

// A day in uneven steps, taking all there is: exactly rate*86400 tokens.
func TestNoDrift(t *testing.T) {
	for _, rate := range []uint64{1, 3, 7, 100, 524288, 999_999_937} {
		b := New(rate, math.MaxUint64)
		var taken uint64
		now := time.Duration(0)
		for step := time.Duration(1); now < 24*time.Hour; step = (step*31 + 7) % (11 * sec) {
			now = min(now+step+1, 24*time.Hour)
			for n := uint64(1) << 34; n > 0; n >>= 1 {
				if b.Take(now, n) {
					taken += n
				}
			}
		}
		if want := rate * 86400; taken != want {
			t.Errorf("rate %d: %d tokens in a day, want %d", rate, taken, want)
		}
	}
}

func TestAllocs(t *testing.T) {
	b := New(100, 100)
	var now time.Duration
	if n := testing.AllocsPerRun(100, func() { now += 3e6; b.Wait(now, 1); b.Take(now, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a full bucket gains is lost, also the part of a token it had before.
func TestFullLosesFraction(t *testing.T) {
	b := New(3, 2)
	check(t, b, sec/2, 1)
	b.Take(sec/2, 0) // one token and a half
	if !b.Take(sec, 2) {
		t.Fatal("not full")
	}
	checkWait(t, &b, sec, 1, sec/3+1)
}

// The sums need more than 64 bits.
func TestCarry(t *testing.T) {
	b := New(math.MaxUint64, math.MaxUint64)
	b.Take(1, 0)
	check(t, b, 2, 36893488147) // 2*(2^64-1)/1e9

	const rate, n = 2_000_000_000_001, uint64(1) << 55 // n*1e9 ends in 64 zero bits
	b = New(rate, math.MaxUint64)
	b.Take(1, 0) // 2000 tokens and a billionth
	units := new(big.Int).Mul(new(big.Int).SetUint64(n), big.NewInt(int64(sec)))
	units.Sub(units, big.NewInt(1))
	units.Add(units, big.NewInt(rate-1))
	checkWait(t, &b, 1, 2000+n, time.Duration(units.Div(units, big.NewInt(rate)).Int64()))
}
