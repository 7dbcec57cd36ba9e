package awsiot

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// calls is where an attempt to connect calls functions of the program: HTTPProxy, Dialer, that of MTLSFromFunc, the one
// that completes the upgrade, and those that crypto/tls calls. Such a function may not heed its context. Then the attempt
// ends without it: the function keeps one goroutine, nothing waits for that, what it returns is closed, and the client calls
// none of them before it has returned.
type calls struct {
	gate *gate
	live *tracker                 // counts the goroutines; nil: not counted
	log  func(what string, p any) // is told of a panic
}

// gate lets one function run at a time, also one that was given up.
type gate struct {
	mu   sync.Mutex
	busy chan struct{} // closed when the function that runs has returned; nil: none runs
	name string        // of that
}

// enter waits until no other function runs; the error is that of the end of ctx.
func (g *gate) enter(ctx context.Context, name string) error {
	for {
		g.mu.Lock()
		busy, other := g.busy, g.name
		if busy == nil {
			g.busy, g.name = make(chan struct{}), name
		}
		g.mu.Unlock()
		if busy == nil {
			return nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return &unreturned{other, true, context.Cause(ctx)}
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.busy)
	g.busy = nil
}

// callGrace is how long Done waits for a function that has been given up: one that heeds its context returns in it, so
// that its goroutine does not outlive Done.
const callGrace = 100 * time.Millisecond

func newCalls(live *tracker, log func(what string, p any)) *calls {
	return &calls{gate: &gate{}, live: live, log: log}
}

// uncounted is c for a caller that Done does not wait for.
func (c *calls) uncounted() *calls { return &calls{gate: c.gate, log: c.log} }

// unreturned is the error of an attempt that could not wait for a function of the program.
type unreturned struct {
	what    string
	earlier bool  // it was called by an earlier attempt
	cause   error // why ctx ended
}

func (u *unreturned) Error() string { return u.text() + ": " + u.cause.Error() }
func (u *unreturned) Unwrap() error { return u.cause }

func (u *unreturned) text() string {
	if u.earlier {
		return "waiting for " + u.what + ", which an earlier attempt called and which has not returned"
	}
	return u.what + " has not returned"
}

// early returns a context for a function whose error is worth having: it ends a little before ctx does.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	if d, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, d.Add(-min(callGrace, time.Until(d)/10)))
	}
	return ctx, func() {}
}

// heed calls fn, and returns when ctx ends even if fn does not. late gets what fn returns too late; nil: nothing to do.
func heed[T any](ctx context.Context, c *calls, what string, fn func(context.Context) (T, error), late func(T)) (v T, err error) {
	if err := c.gate.enter(ctx, what); err != nil {
		return v, err
	}
	type result struct {
		v   T
		err error
	}
	made := make(chan result)
	counted := func() {}
	if c.live != nil {
		c.live.add()
		counted = sync.OnceFunc(c.live.done)
	}
	go func() {
		defer counted()
		r := result{err: fmt.Errorf("%s called runtime.Goexit", what)}
		defer func() {
			if p := recover(); p != nil {
				c.log(what, p)
				r = result{err: fmt.Errorf("%s: panic: %v", what, p)}
			}
			c.gate.leave()
			select {
			case made <- r:
			case <-ctx.Done():
				if r.err == nil && late != nil {
					late(r.v)
				}
			}
		}()
		v, err := fn(ctx)
		r = result{v, err}
	}()
	select {
	case r := <-made:
		return r.v, r.err
	case <-ctx.Done():
		time.AfterFunc(callGrace, counted)
		return v, &unreturned{what, false, context.Cause(ctx)}
	}
}
