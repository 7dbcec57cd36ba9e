package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateKeepsTheWindow(t *testing.T) {
	const n, window = 20000, 7
	g := newGate(window)
	var inFlight, most atomic.Int64
	work := make(chan struct{}, n)
	for range 2 {
		go func() {
			for range work {
				inFlight.Add(-1)
				g.release(nil)
			}
		}()
	}
	for range n {
		if err := g.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k := inFlight.Add(1); k > most.Load() {
			most.Store(k)
		}
		work <- struct{}{}
	}
	if err := g.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(work)
	if g.done.Load() != n {
		t.Fatalf("%d done of %d after drain", g.done.Load(), n)
	}
	if most.Load() > window {
		t.Fatalf("%d in flight, window %d", most.Load(), window)
	}
	if most.Load() < 2 {
		t.Fatal("the window was never used")
	}
}

func TestGateBlocksUntilReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		var passed atomic.Int64
		go func() {
			for range 4 {
				if err := g.acquire(t.Context()); err != nil {
					t.Error(err)
				}
				passed.Add(1)
			}
		}()
		for released, want := range []int64{2, 3, 4} {
			synctest.Wait()
			if passed.Load() != want {
				t.Fatalf("%d passed after %d releases, want %d", passed.Load(), released, want)
			}
			g.release(nil)
		}
		g.release(nil)
		synctest.Wait()
		if err := g.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestGateAllocatesNothing guards the measurement of the library's allocations.
func TestGateAllocatesNothing(t *testing.T) {
	g := newGate(3)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if err := g.acquire(ctx); err != nil {
			t.Fatal(err)
		}
		g.release(nil)
	}); n != 0 {
		t.Fatalf("%v allocations per message", n)
	}
}

func TestGateErrors(t *testing.T) {
	boom := errors.New("boom")
	g := newGate(1)
	if err := g.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.release(boom)
	if err := g.acquire(t.Context()); !errors.Is(err, boom) {
		t.Fatalf("acquire after a failed publish: %v, want %v", err, boom)
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, boom)
		defer cancel()
		if err := g.acquire(ctx); err != nil {
			t.Fatal(err)
		}
		if err := g.acquire(ctx); !errors.Is(err, boom) {
			t.Fatalf("acquire beyond the context: %v, want %v", err, boom)
		}
	})
}

func TestBlocking(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name       string
		load       Load
		many       bool
		goroutines int64
	}{
		{"QoS 1", Load{Count: 100, Window: 10, QoS: 1}, false, 10},
		{"one at a time", Load{Count: 20, Window: 1, QoS: 1}, true, 1},
		{"QoS 0 is one goroutine", Load{Count: 100, Window: 10}, false, 1},
		{"QoS 0 from many", Load{Count: 100, Window: 10}, true, 10},
		{"fewer messages than places", Load{Count: 3, Window: 10, QoS: 1}, true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls, now, most atomic.Int64
				if c.load.Window == 1 {
					c.load.Lat = make([]time.Duration, c.load.Count)
				}
				err := blocking(c.load, c.many, func() error {
					calls.Add(1)
					if k := now.Add(1); k > most.Load() {
						most.Store(k)
					}
					<-time.After(time.Millisecond) // virtual: all that can run does
					now.Add(-1)
					return nil
				})
				if err != nil || calls.Load() != int64(c.load.Count) || most.Load() != c.goroutines {
					t.Fatalf("%v, %d calls, %d at once; want %d calls, %d at once", err, calls.Load(), most.Load(), c.load.Count, c.goroutines)
				}
				for i, d := range c.load.Lat {
					if d != time.Millisecond {
						t.Fatalf("message %d took %v, want 1ms", i, d)
					}
				}
				if err := blocking(c.load, c.many, func() error { return boom }); !errors.Is(err, boom) {
					t.Fatalf("error %v, want %v", err, boom)
				}
			})
		})
	}
}
