package work

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// settle is the time idle clients get to come to rest before they are weighed.
const settle = 500 * time.Millisecond

// idle connects Clients clients (1,000 if 0), each with one subscription, and
// weighs them. Rate is connects with subscription per second, one after the
// other, and the CPU time is that of one connect with subscription.
func idle(ctx context.Context, o Options, r *measure.Result) error {
	n := cmp.Or(r.Clients, 1000)
	runtime.GC()
	runtime.GC()
	rss, gos := measure.ResidentKiB(os.Getpid()), runtime.NumGoroutine()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	from := measure.Now(true)
	clients := make([]driver.Driver, n)
	lat := make([]time.Duration, n)
	for i := range clients {
		t := time.Now()
		d, err := connect(ctx, o, "bench"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		if err := d.Subscribe(ctx, []string{"bench/0"}, 1, func(int, []byte) {}); err != nil {
			return err
		}
		clients[i], lat[i] = d, time.Since(t)
	}
	to := measure.Now(false)
	r.FromUsage(from, to, n, lat)
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.RSS = float64(measure.ResidentKiB(os.Getpid())-rss) / float64(n)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m1)
	r.Heap = (float64(m1.HeapAlloc) - float64(m0.HeapAlloc)) / 1024 / float64(n)
	r.Gos = float64(runtime.NumGoroutine()-gos) / float64(n)
	for _, d := range clients {
		if err := d.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}
