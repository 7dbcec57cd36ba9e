// Command limit measures the raw limit of the machine (see internal/limit) and
// prints one line of JSON (measure.Result).
//
//	limit -mode batch -addr 127.0.0.1:PORT [-ca FILE] -qos 1 -size 256 -window 100
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/limit"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// shortest is the least a limit is run for: below it the connection's buffers
// and the processor's clock have not settled, and it reads low.
const shortest = 200 * time.Millisecond

func main() {
	var t driver.Target
	var s measure.Spec
	mode := flag.String("mode", "batch", "batch, syscall, pingpong, recv, redial, waitdial or resend")
	flag.StringVar(&t.Addr, "addr", "", "address of the null broker")
	flag.StringVar(&t.CA, "ca", "", "certificate to trust: use TLS")
	flag.IntVar(&s.QoS, "qos", 1, "quality of service, 0 or 1")
	flag.IntVar(&s.Size, "size", 256, "payload, bytes")
	flag.IntVar(&s.Window, "window", 100, "publishes in flight")
	flag.IntVar(&s.Topics, "topics", 1, "recv: topics")
	flag.DurationVar(&s.Delay, "delay", 0, "redial, waitdial, resend: what a client is told to wait, and waitdial waits; 0 means 1ms")
	dur := flag.Duration("dur", 300*time.Millisecond, "aimed length of the measured part; at least 200ms")
	timeout := flag.Duration("timeout", 25*time.Second, "give up after")
	flag.Parse()
	s.TLS = t.CA != ""
	s.Work = measure.Pub
	switch limit.Mode(*mode) {
	case limit.Receive:
		s.Work = measure.Recv
	case limit.PingPong:
		s.Window = 1
	case limit.Dial, limit.WaitDial:
		s.Work, s.Delay = measure.Reconnect, cmp.Or(s.Delay, time.Millisecond)
	case limit.Again:
		s.Work, s.Delay = measure.Resend, cmp.Or(s.Delay, time.Millisecond)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, *timeout, errors.New("not finished in time"))
	defer cancel()
	r, err := run(ctx, t, limit.Mode(*mode), s, max(*dur, shortest))
	if err == nil {
		err = r.Write(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, t driver.Target, mode limit.Mode, s measure.Spec, d time.Duration) (measure.Result, error) {
	r := measure.Result{Client: "limit-" + string(mode), Spec: s}
	if err := s.Validate(); err != nil {
		return r, err
	}
	if mode == limit.Dial || mode == limit.WaitDial || mode == limit.Again {
		return lose(ctx, t, mode, r, d)
	}
	nc, err := t.Dial(ctx)
	if err != nil {
		return r, err
	}
	// the raw code knows no context: ending it ends the connection
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	c, err := limit.Open(nc, mode, s)
	if err != nil {
		return r, errors.Join(err, nc.Close())
	}
	defer c.Close()
	count, err := measure.Calibrate(d, func(n int) error { return c.Run(n, nil) })
	if err != nil {
		return r, errors.Join(err, context.Cause(ctx))
	}
	for {
		var lat []time.Duration
		if mode == limit.PingPong || mode == limit.Syscall && s.QoS == 0 && s.Window == 1 {
			lat = make([]time.Duration, count)
		}
		start := time.Now()
		from := measure.Now(true)
		if err := c.Run(count, lat); err != nil {
			return r, errors.Join(err, context.Cause(ctx))
		}
		r.FromUsage(from, measure.Now(false), count, lat)
		took := time.Since(start)
		if took >= shortest {
			return r, nil
		}
		count = int(float64(count) * 1.2 * float64(d) / float64(max(took, time.Millisecond)))
	}
}

// lose measures the modes that make their own connections.
func lose(ctx context.Context, t driver.Target, mode limit.Mode, r measure.Result, d time.Duration) (measure.Result, error) {
	f, per := limit.Redial, 1
	switch mode {
	case limit.WaitDial:
		f = limit.WaitRedial
	case limit.Again:
		f, per = limit.Resend, r.Window
	}
	dial := func() (net.Conn, error) {
		c, err := t.Dial(ctx)
		if err != nil {
			return nil, err
		}
		// the raw code knows no context: its end is the connection's
		if at, ok := ctx.Deadline(); ok {
			err = c.SetDeadline(at)
		}
		return c, err
	}
	const fewest = 5
	start := time.Now()
	if err := f(dial, r.Spec, make([]time.Duration, fewest)); err != nil {
		return r, err
	}
	each := max(time.Since(start)/fewest, time.Microsecond)
	lat := make([]time.Duration, max(fewest, min(int(d/each), 5000)))
	from := measure.Now(true)
	if err := f(dial, r.Spec, lat); err != nil {
		return r, errors.Join(err, context.Cause(ctx))
	}
	r.FromUsage(from, measure.Now(false), len(lat)*per, lat)
	if mode == limit.Again {
		r.Rate = float64(r.Window) / (r.P50 / 1e6)
	}
	return r, nil
}
