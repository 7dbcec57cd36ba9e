package driver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gate bounds the publishes in flight of one producer whose completions come
// from callbacks. A channel as semaphore would do too, but its lock is taken
// twice per message by two goroutines, which at millions of messages a second
// measures the channel. The limit program counts its window in the same way.
type gate struct {
	window int64
	issued int64 // producer only
	seen   int64 // producer only: what done was when last looked at

	done   atomic.Int64
	wanted atomic.Int64 // 0, or the value of done that the producer sleeps for
	wake   chan struct{}
	err    atomic.Pointer[error]
}

func newGate(window int) *gate {
	return &gate{window: int64(window), wake: make(chan struct{}, 1)}
}

// acquire waits until fewer than window publishes are unfinished.
func (g *gate) acquire(ctx context.Context) error {
	if g.issued-g.seen >= g.window {
		if err := g.until(ctx, g.issued-g.window+1); err != nil {
			return err
		}
	}
	g.issued++
	return nil
}

// drain waits for all of them.
func (g *gate) drain(ctx context.Context) error { return g.until(ctx, g.issued) }

func (g *gate) until(ctx context.Context, n int64) error {
	for {
		if g.seen = g.done.Load(); g.seen >= n {
			if p := g.err.Load(); p != nil {
				return *p
			}
			return nil
		}
		g.wanted.Store(n)
		if g.done.Load() >= n && g.wanted.CompareAndSwap(n, 0) {
			continue // no callback has seen it, so none will wake us
		}
		select {
		case <-g.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release is called once per finished publish, from any goroutine.
func (g *gate) release(err error) {
	if err != nil {
		first := err // a copy, or err itself would be allocated at every call
		g.err.CompareAndSwap(nil, &first)
	}
	d := g.done.Add(1)
	if n := g.wanted.Load(); n != 0 && d >= n && g.wanted.CompareAndSwap(n, 0) {
		g.wake <- struct{}{} // never blocks: one per wanted, and the producer takes it
	}
}

// blocking drives a call that returns when its message is finished: one
// goroutine per place in the window. At QoS 0, where the call returns as soon
// as the bytes are written, one goroutine is the fastest a library can be
// used, so more are not started unless many is set.
func blocking(l Load, many bool, publish func() error) error {
	window := min(l.Window, l.Count)
	if l.QoS == 0 && !many {
		window = 1
	}
	if window <= 1 {
		for i := range l.Count {
			var t time.Time
			if l.Lat != nil {
				t = time.Now()
			}
			if err := publish(); err != nil {
				return err
			}
			if l.Lat != nil {
				l.Lat[i] = time.Since(t)
			}
		}
		return nil
	}
	var left atomic.Int64
	left.Store(int64(l.Count))
	var first error
	var once sync.Once
	var wg sync.WaitGroup
	for range window {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := publish(); err != nil {
					once.Do(func() { first = err; left.Store(0) })
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
