package greengrass

import (
	"context"
	"math"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// BackOffV1 is v1's ProgressiveBackOffCore, which its discovery sample used between its tries: Wait waits 1 s, then 2, 4
// and so on up to the maximum, 32 s. Make it with NewBackOffV1. All methods are safe for concurrent use. New code has a
// loop with a timer, or Connect.
type BackOffV1 struct {
	mu            sync.Mutex
	next          time.Duration
	base, maximum time.Duration
}

// NewBackOffV1 is v1's constructor: base 1 s, maximum 32 s.
func NewBackOffV1() *BackOffV1 {
	return &BackOffV1{next: time.Second, base: time.Second, maximum: 32 * time.Second}
}

// Configure is v1's configTime, in seconds: as in v1 the next wait is then 1 s, whatever the base, and minimum, the time
// after which a connection counted as stable, must be more than base. The error is an *awsiot.ValidationError.
func (b *BackOffV1) Configure(base, maximum, minimum float64) error {
	const most = float64(math.MaxInt64 / int64(time.Second))
	for i, s := range []float64{base, maximum, minimum} {
		if !(s >= 0 && s <= most) { // NaN too
			return &awsiot.ValidationError{Field: []string{"base", "maximum", "minimum"}[i], Problem: "is not a time of 0 s or more"}
		}
	}
	if base >= minimum {
		return &awsiot.ValidationError{Field: "minimum", Problem: "is not more than base"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = time.Second
	b.base, b.maximum = time.Duration(base*float64(time.Second)), time.Duration(maximum*float64(time.Second))
	return nil
}

// Wait is v1's backOff, which had no way to end it: it waits, and the next wait is twice as long, up to the maximum. It
// returns the cause when ctx ends first.
func (b *BackOffV1) Wait(ctx context.Context) error {
	b.mu.Lock()
	wait := b.next
	b.next = min(b.maximum, 2*b.next)
	b.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reset is what v1's stable connection timer did: the next wait is the base.
func (b *BackOffV1) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = b.base
}
