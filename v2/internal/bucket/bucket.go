// Package bucket is a token bucket with exact integer arithmetic: no rounding
// error builds up, however long it runs and however odd the rate.
package bucket

import (
	"math"
	"math/bits"
	"time"
)

// Bucket holds up to capacity tokens and gains rate tokens a second, evenly: at
// 100 a second, one every 10 ms. Time is monotonic, in whatever origin the caller
// likes (as time.Since of a fixed moment); a now before an earlier one counts as
// that earlier one. A Bucket is not locked: what it limits owns it. The zero
// value never holds a token.
type Bucket struct {
	rate, capacity uint64
	tokens         uint64
	frac           uint64        // part of the next token, in units of 1/second; below second
	last           time.Duration // when tokens and frac were right
}

// second is one second in the unit of time.Duration. A rate of r tokens a second
// gives r units of 1/second of a token in a nanosecond, so all sums are integers.
const second = uint64(time.Second)

// New returns an empty bucket whose time begins at 0; call Reset if the caller's
// clock is elsewhere. With a rate or a capacity of 0 it never holds a token.
func New(rate, capacity uint64) Bucket { return Bucket{rate: rate, capacity: capacity} }

// Reset empties the bucket at now, which may also be before earlier times.
func (b *Bucket) Reset(now time.Duration) { b.tokens, b.frac, b.last = 0, 0, now }

// Take removes n tokens and reports whether they were there; if not, it removes
// none. n above the capacity therefore never succeeds.
func (b *Bucket) Take(now time.Duration, n uint64) bool {
	b.advance(now)
	if n > b.tokens {
		return false
	}
	b.tokens -= n
	return true
}

// Wait returns how long after now Take(n) will first succeed, to the nanosecond,
// if nothing is taken meanwhile; 0 means that it succeeds now. For n above the
// capacity it is the time until the bucket is full. What never comes, or comes
// after the end of time.Duration, is as far off as now leaves room for, so that
// now plus the result does not overflow.
func (b *Bucket) Wait(now time.Duration, n uint64) time.Duration {
	b.advance(now)
	n = min(n, b.capacity)
	if n <= b.tokens {
		return 0
	}
	now = max(now, b.last)
	room := uint64(math.MaxInt64) - uint64(max(now, 0))
	// ceil((missing tokens - frac) / rate), in 128 bits. frac is below one token
	// and at least one is missing, so the difference is above zero.
	hi, lo := bits.Mul64(n-b.tokens, second)
	lo, borrow := bits.Sub64(lo, b.frac, 0)
	hi -= borrow
	if hi >= b.rate { // the quotient would not fit, or rate is 0
		return time.Duration(room)
	}
	d, rem := bits.Div64(hi, lo, b.rate)
	if rem > 0 && d < math.MaxUint64 {
		d++
	}
	return time.Duration(min(d, room))
}

// advance credits the time since last.
func (b *Bucket) advance(now time.Duration) {
	if now <= b.last {
		return
	}
	// Unsigned subtraction is right also where the signed one overflows.
	elapsed := uint64(now) - uint64(b.last)
	b.last = now
	hi, lo := bits.Mul64(elapsed, b.rate)
	lo, carry := bits.Add64(lo, b.frac, 0)
	hi += carry
	if hi >= second { // 2^64 tokens or more
		b.fill()
		return
	}
	gained, frac := bits.Div64(hi, lo, second)
	if gained >= b.capacity-b.tokens {
		b.fill()
		return
	}
	b.tokens, b.frac = b.tokens+gained, frac
}

// fill makes the bucket full: what a full bucket gains is lost, parts of a token
// included.
func (b *Bucket) fill() { b.tokens, b.frac = b.capacity, 0 }
