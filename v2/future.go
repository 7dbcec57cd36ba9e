package awsiot

import (
	"context"
	"sync"
	"time"
)

// Future is the result of an asynchronous call, there once and for all when Done is closed.
// An error that is known at the call (validation, queue full, closed) has completed it
// already when the call returns.
type Future[T any] struct {
	mu     sync.Mutex
	lane   *lane
	seq    uint64 // Client.seq at the call
	ended  bool
	queued bool
	val    T
	err    error
	done   chan struct{} // made when first asked for
	then   []func(T, error)
}

// closedChan is what Done returns for a future that has ended before it was asked.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// NewFuture returns a future for packages that build on the client, and the function that ends it. The first
// call of complete counts, from any goroutine; functions given to OnDone run as callbacks of c.
func NewFuture[T any](c *Client) (f *Future[T], complete func(T, error)) {
	f = &Future[T]{lane: c.events}
	return f, func(val T, err error) {
		f.mu.Lock()
		if f.ended {
			f.mu.Unlock()
			return
		}
		f.ended, f.val, f.err = true, val, err
		done, then := f.done, f.then
		f.then = nil
		f.mu.Unlock()
		if done != nil {
			close(done)
		}
		for _, fn := range then {
			if !f.lane.push(item{fn: func() { fn(val, err) }}) {
				fn(val, err)
			}
		}
	}
}

// Done returns a channel that is closed when the operation has ended.
func (f *Future[T]) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		if f.ended {
			return closedChan
		}
		f.done = make(chan struct{})
	}
	return f.done
}

// Wait waits for the end of the operation or of ctx, whose cause it then returns, with why the operation had to wait
// (not started, offline since when and why); the operation goes on.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	if ctx == nil {
		var zero T
		return zero, errNoContext
	}
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		var zero T
		c := f.lane.c
		c.mu.Lock()
		defer c.mu.Unlock()
		return zero, c.waitEnded(ctx, f.seq)
	}
}

// WaitTimeout waits for the end of the operation, for d at most, and reports whether it has come; the operation goes on.
func (f *Future[T]) WaitTimeout(d time.Duration) bool {
	done := f.Done()
	select {
	case <-done:
		return true
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Result returns the result without waiting: ErrPending until the operation has ended.
func (f *Future[T]) Result() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		var zero T
		return zero, ErrPending
	}
	return f.val, f.err
}

// Err returns the error of an operation that has ended, and nil while it is pending.
func (f *Future[T]) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Queued reports whether the call put the operation into the offline queue: there was no
// connection, or older operations were still being drained.
func (f *Future[T]) Queued() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queued
}

// OnDone runs fn with the result, as a callback of the client, also when the operation has
// ended already. Several functions run in the order of registration. After Close there is no
// callback goroutine any more: fn then runs before OnDone returns. nil does nothing. It returns f.
func (f *Future[T]) OnDone(fn func(T, error)) *Future[T] {
	if fn == nil {
		return f
	}
	f.mu.Lock()
	if !f.ended {
		f.then = append(f.then, fn)
		f.mu.Unlock()
		return f
	}
	val, err := f.val, f.err
	f.mu.Unlock()
	if !f.lane.push(item{fn: func() { fn(val, err) }}) {
		fn(val, err)
	}
	return f
}

// end ends the future, once, and returns what is still to do: close done, run then.
func (f *Future[T]) end(val T, err error) (done chan struct{}, then []func(T, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.val, f.err = true, val, err
	done, then = f.done, f.then
	f.then = nil
	return done, then
}

// complete ends a future that the caller has not got yet.
func (f *Future[T]) complete(val T, err error) { _, _ = f.end(val, err) }

// endFuture ends the future of an operation. Client.mu is held: callbacks keep their order in the
// event lane, and who waits is woken when it is released.
func endFuture[T any](c *Client, f *Future[T], val T, err error) {
	done, then := f.end(val, err)
	for _, fn := range then {
		c.batch = append(c.batch, item{fn: func() { fn(val, err) }})
	}
	if done != nil {
		c.signals = append(c.signals, signal{ch: done, close: true})
	}
}

// isQueued is Queued for a future that may be nil.
func (f *Future[T]) isQueued() bool { return f != nil && f.Queued() }

func (f *Future[T]) setQueued() {
	f.mu.Lock()
	f.queued = true
	f.mu.Unlock()
}
