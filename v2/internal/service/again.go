package service

import (
	"context"
	"time"
)

// The delays between tries of a request that may succeed later, doubled from the first one.
const (
	FirstDelay = time.Second
	maxDelay   = time.Minute
)

// NextDelay returns the delay behind d.
func NextDelay(d time.Duration) time.Duration { return min(maxDelay, 2*d) }

// Again does something until it succeeds, fails for good, or ctx ends, whose cause it then returns. passing reports whether an error
// may pass; note hears of what is tried again.
func Again[T any](ctx context.Context, passing func(error) bool, note func(delay time.Duration, err error), do func() (T, error)) (T, error) {
	for delay := FirstDelay; ; delay = NextDelay(delay) {
		v, err := do()
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return v, context.Cause(ctx)
		case !passing(err):
			return v, err
		}
		note(delay, err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}
