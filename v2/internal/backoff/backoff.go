// Package backoff computes how long to wait before the next connection
// attempt: exponential growth with one of three kinds of jitter. The arithmetic
// is that of aws-c-mqtt's MQTT 5 client, with two exceptions. The decorrelated
// mode is the real recurrence (the C client never stores the previous delay, so
// there it equals full jitter). And the cap is applied before the draw: after it,
// as there, nearly every delay of a long outage is exactly the cap, and a fleet
// comes back in one storm.
package backoff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Mode is the kind of randomness in the delay.
type Mode int

const (
	// Full draws uniformly from the closed interval [0, min(Min*2^n, Max)], n being the
	// number of delays since the last Reset. The delay can be zero.
	Full Mode = iota
	// None takes Min*2^n.
	None
	// Decorrelated draws uniformly from [Min, min(3*previous delay, Max)]; the first
	// delay counts Min as the previous one.
	Decorrelated
)

// String returns the name of the constant.
func (m Mode) String() string {
	switch m {
	case Full:
		return "Full"
	case None:
		return "None"
	case Decorrelated:
		return "Decorrelated"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Backoff is the state of one sequence of delays. It is not locked: the loop
// that reconnects owns it. Min and Max may be changed between calls; a negative
// one counts as zero. Every delay is at most Max, also when Max is below Min.
type Backoff struct {
	Mode     Mode
	Min, Max time.Duration
	// First, unless it is zero, stands for Min until the first Reset.
	First time.Duration
	// Rand returns a number drawn uniformly from [0, n); n is at least 1. Nil
	// is math/rand/v2: delays need no secrecy, only to differ between devices.
	Rand func(n uint64) uint64

	n      int           // delays given out since the last Reset
	prev   time.Duration // the last delay, for Decorrelated
	before time.Duration // the one before it, for Again
	proven bool          // there was a Reset
}

// Next returns the next delay and counts it.
func (b *Backoff) Next() time.Duration {
	lo, hi := max(b.Min, 0), max(b.Max, 0)
	if b.First > 0 && !b.proven {
		lo = b.First
	}
	var d time.Duration
	switch b.Mode {
	case None:
		d = double(lo, b.n)
	case Decorrelated:
		prev := b.prev
		if b.n == 0 {
			prev = lo
		}
		d = b.between(lo, min(triple(prev), hi))
	default:
		d = b.between(0, min(double(lo, b.n), hi))
	}
	d = min(d, hi)
	b.before, b.prev = b.prev, d
	if b.n < math.MaxInt {
		b.n++
	}
	return d
}

// Again draws the last delay anew, after a change of Mode, Min, Max or First while it was being waited out, and does
// not count it twice.
func (b *Backoff) Again() time.Duration {
	if b.n > 0 {
		b.n--
		b.prev = b.before
	}
	return b.Next()
}

// Reset begins the sequence anew. The owner calls it once a connection has
// lasted MinConnectedTimeToResetReconnectDelay.
func (b *Backoff) Reset() { b.n, b.prev, b.proven = 0, 0, true }

// Attempts returns the number of delays given out since the last Reset.
func (b *Backoff) Attempts() int { return b.n }

// between draws from the closed interval [lo, hi]; hi below lo (Max was lowered
// or Min raised in between) gives lo.
func (b *Backoff) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	draw := b.Rand
	if draw == nil {
		draw = rand.Uint64N
	}
	return lo + time.Duration(draw(uint64(hi-lo)+1))
}

// double returns d*2^n, saturating at the largest duration.
func double(d time.Duration, n int) time.Duration {
	if d > math.MaxInt64>>n { // a shift by 63 or more leaves 0
		return math.MaxInt64
	}
	return d << n // d is 0 when n is 63 or more
}

// triple returns 3*d, saturating.
func triple(d time.Duration) time.Duration {
	if d > math.MaxInt64/3 {
		return math.MaxInt64
	}
	return 3 * d
}
