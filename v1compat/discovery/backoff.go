package discovery

import (
	"context"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/v1compat"
)

// ProgressiveBackOffCore is v1's class of that name, which its discovery sample used between its tries: BackOff waits
// 1 s, then 2, 4 and so on up to the maximum. All methods are safe for concurrent use.
//
// Deprecated: a loop with greengrass.Client.Discover and a timer; the MQTT client of package awsiot backs off by itself.
type ProgressiveBackOffCore struct {
	mu      sync.Mutex
	current time.Duration
	base    time.Duration
	most    time.Duration
}

// NewProgressiveBackOffCore is v1's constructor: base 1 s, maximum 32 s.
//
// Deprecated: see ProgressiveBackOffCore.
func NewProgressiveBackOffCore() *ProgressiveBackOffCore {
	return &ProgressiveBackOffCore{current: time.Second, base: time.Second, most: 32 * time.Second}
}

// ConfigTime is v1's configTime, in seconds. As in v1 the next wait is then 1 s, whatever the base, and minimum, the
// time after which a connection counts as stable, must be more than base. The error is a *v1compat.ValueError.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) ConfigTime(base, maximum, minimum float64) error {
	for _, s := range []float64{base, maximum, minimum} {
		if !(s >= 0 && s <= maxSeconds) {
			return &v1compat.ValueError{Message: "Negative time configuration detected."}
		}
	}
	if base >= minimum {
		return &v1compat.ValueError{Message: "Min connect time should be bigger than base reconnect time."}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = time.Second
	b.base, b.most = time.Duration(base*float64(time.Second)), time.Duration(maximum*float64(time.Second))
	return nil
}

// BackOff is v1's backOff: it waits, and the next wait is twice as long, up to the maximum.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) BackOff() { _ = b.BackOffContext(context.Background()) }

// BackOffContext is v1's backOff, which had no way to end it: it returns the cause when ctx ends first.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) BackOffContext(ctx context.Context) error {
	b.mu.Lock()
	wait := b.current
	b.current = min(b.most, 2*b.current)
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
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = b.base
}
