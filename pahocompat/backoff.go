package mqtt

import "time"

const (
	// firstWait is the first delay between attempts to reconnect.
	firstWait = time.Second
	// lossTime is how long a connection lives that counts for nothing: a loss so soon after another waits longer.
	lossTime = 3 * time.Second
)

// backoff is paho's: the delays double up to a maximum, and begin anew when twice the time that an attempt may take has passed
// without one beyond the last delay.
type backoff struct {
	begun bool
	last  time.Time
	delay time.Duration
}

// next returns the delay at the time now. process is how long an attempt may take; the first of a series waits only with eager
// false.
func (b *backoff) next(now time.Time, most, process time.Duration, eager bool) time.Duration {
	first := min(firstWait, most)
	anew := !b.begun || now.Sub(b.last) > 2*process+b.delay
	b.begun, b.last = true, now
	switch {
	case anew && eager:
		b.delay = 0
	case anew, b.delay == 0:
		b.delay = first
	default:
		b.delay = min(2*b.delay, most)
	}
	return b.delay
}
