package migrate

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls f for every element, on all processors, and returns the results in order. Of several errors it returns that of
// the first element that has one, so that a run says the same each time.
func each[T, R any](in []T, f func(T) (R, error)) ([]R, error) {
	out, errs := make([]R, len(in)), make([]error, len(in))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(in), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(in)); i = next.Add(1) - 1 {
				out[i], errs[i] = f(in[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
