package facadetest

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pairs runs every call beside every other one, itself included: for the race detector, and to see that none hangs. What
// they return is of no matter.
func Pairs(t *testing.T, calls map[string]func()) {
	t.Helper()
	names := slices.Sorted(maps.Keys(calls))
	for i, a := range names {
		for _, b := range names[i:] {
			var both sync.WaitGroup
			both.Go(calls[a])
			both.Go(calls[b])
			done := make(chan struct{})
			go func() { both.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(Patience):
				require.FailNow(t, "a call hangs", "%s beside %s", a, b)
			}
		}
	}
}
