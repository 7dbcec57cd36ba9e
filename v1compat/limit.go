package v1compat

import (
	"context"
	"fmt"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// limit is a context that ends after a time. Calls that are made often get one
// from a pool, which costs no allocation.
type limit struct {
	timer *time.Timer
	over  chan struct{}
}

// Deadline reports none: nobody asks a call for more than Done.
func (l *limit) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done returns a channel that is closed when the time is over.
func (l *limit) Done() <-chan struct{} { return l.over }

// Err returns context.DeadlineExceeded once the time is over.
func (l *limit) Err() error {
	select {
	case <-l.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value has none.
func (l *limit) Value(any) any { return nil }

// limits are those of one client: a timer that was made in one testing/synctest
// bubble must not turn up in another.
type limits struct{ pool sync.Pool }

// begin returns a limit that ends after d.
func (p *limits) begin(d time.Duration) *limit {
	if l, ok := p.pool.Get().(*limit); ok {
		l.timer.Reset(d)
		return l
	}
	l := &limit{over: make(chan struct{})}
	l.timer = time.AfterFunc(d, func() { close(l.over) })
	return l
}

// end gives l back, unless its time is over.
func (p *limits) end(l *limit) {
	if l.timer.Stop() {
		p.pool.Put(l)
	}
}

// over is a limit whose time is over.
var over = func() *limit { l := &limit{over: make(chan struct{})}; close(l.over); return l }()

// timedOut is the cause of the timeout error of a request that goes on: awsiot.ErrAckTimeout, and what the core says of why
// there is no answer.
func timedOut[T any](f *awsiot.Future[T]) error {
	if _, err := f.Wait(over); err != nil { // else it has just come
		return fmt.Errorf("%w: %w", awsiot.ErrAckTimeout, err)
	}
	return awsiot.ErrAckTimeout
}
