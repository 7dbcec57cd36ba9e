package work

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// shadow updates the shadow of one thing from Window goroutines, each of which waits for the answer before its next
// update.
func shadow(ctx context.Context, o Options, r *measure.Result) error {
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	s, ok := d.(driver.Shadower)
	if !ok {
		return fmt.Errorf("%s updates no shadows", o.Client)
	}
	err = measured(o, r, false, func(n int, _ []time.Duration) error {
		var next atomic.Int64
		var wg sync.WaitGroup
		errs := make(chan error, r.Window)
		for range r.Window {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					if err := s.Update(ctx, "bench", map[string]any{"n": i, "unit": "C"}); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	})
	if err != nil {
		return err
	}
	return d.Close(ctx)
}
