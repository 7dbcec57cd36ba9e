package work

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// patience is how long receiving may stand still before the run is given up.
const patience = 3 * time.Second

// receive lets the null broker send and counts in the handlers. Every message
// carries a sequence number: one that is missing, doubled or out of order
// within its topic makes the run worthless, whatever its speed.
func receive(ctx context.Context, o Options, r *measure.Result) error {
	if r.Size < 8 {
		return fmt.Errorf("size %d: a received message has a sequence number of 8 bytes", r.Size)
	}
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	var got, want, disorder atomic.Int64
	done := make(chan struct{}, 1)
	next := make([]uint64, r.Topics)
	filters := make([]string, r.Topics)
	for i := range filters {
		filters[i] = "bench/" + strconv.Itoa(i)
	}
	err = d.Subscribe(ctx, filters, byte(r.QoS), func(i int, p []byte) {
		if len(p) < 8 || binary.BigEndian.Uint64(p) != next[i] {
			disorder.Add(1)
		}
		next[i] += uint64(len(next))
		if got.Add(1) == want.Load() {
			done <- struct{}{}
		}
	})
	if err != nil {
		return err
	}
	err = measured(o, r, false, func(n int, _ []time.Duration) error {
		for i := range next {
			next[i] = uint64(i)
		}
		got.Store(0)
		want.Store(int64(n))
		order := fmt.Appendf(nil, "%d %d %d %d %d", n, r.QoS, r.Size, r.Topics, r.Window)
		if err := d.Publish(ctx, driver.Load{Count: 1, Window: 1, QoS: 1, Topic: "ctl/blast", Payload: order}); err != nil {
			return err
		}
		if err := wait(ctx, done, &got); err != nil {
			return fmt.Errorf("received %d of %d%s: %w", got.Load(), n, dropped(d), err)
		}
		if k := disorder.Load(); k > 0 {
			return fmt.Errorf("%d of %d messages out of order%s", k, n, dropped(d))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.Close(ctx)
}

// wait returns when done says so, or with an error when got stands still.
func wait(ctx context.Context, done <-chan struct{}, got *atomic.Int64) error {
	t := time.NewTicker(patience)
	defer t.Stop()
	last := int64(-1)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
			n := got.Load()
			if n == last {
				return fmt.Errorf("nothing for %v", patience)
			}
			last = n
		}
	}
}

func dropped(d driver.Driver) string {
	if x, ok := d.(driver.Dropper); ok && x.Dropped() > 0 {
		return fmt.Sprintf(" (the client dropped %d)", x.Dropped())
	}
	return ""
}
