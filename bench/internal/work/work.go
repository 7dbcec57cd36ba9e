// Package work runs the workloads over a driver and takes the readings. One
// process runs one workload once.
package work

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Options are what a run needs besides the workload.
type Options struct {
	Client   string // name of the driver
	Target   driver.Target
	Count    int           // messages, or losses of the connection; 0: as many as Duration takes
	Duration time.Duration // aimed length of the measured part
	Profiles measure.Profiles
}

// Run measures one workload.
func Run(ctx context.Context, o Options, s measure.Spec) (measure.Result, error) {
	r := measure.Result{Client: o.Client, Spec: s}
	if err := s.Validate(); err != nil {
		return r, err
	}
	var run func(context.Context, Options, *measure.Result) error
	switch s.Work {
	case measure.Pub:
		run = publish
	case measure.Recv:
		run = receive
	case measure.Echo:
		run = echo
	case measure.Shadow:
		run = shadow
	case measure.Idle:
		run = idle
	case measure.Reconnect:
		run = reconnect
	case measure.Resend:
		run = resend
	default:
		return r, fmt.Errorf("no workload %q", s.Work)
	}
	if err := run(ctx, o, &r); err != nil {
		return r, fmt.Errorf("%s, %s: %w", o.Client, s, err)
	}
	return r, nil
}

func connect(ctx context.Context, o Options, id string) (driver.Driver, error) {
	d, err := driver.New(o.Client, o.Target)
	if err != nil {
		return nil, err
	}
	return d, d.Connect(ctx, id)
}

// measured is the measured part: count messages by f, after a warm-up that
// finds count. lat says whether f is to fill in the time of each message.
func measured(o Options, r *measure.Result, lat bool, f func(count int, lat []time.Duration) error) error {
	count, err := o.Count, error(nil)
	if count == 0 {
		count, err = measure.Calibrate(o.Duration, func(n int) error { return f(n, nil) })
	} else {
		err = f(max(count/10, 1), nil)
	}
	if err != nil {
		return err
	}
	var times []time.Duration
	if lat {
		times = make([]time.Duration, count)
	}
	runtime.GC()
	stop, err := o.Profiles.Start()
	if err != nil {
		return err
	}
	from := measure.Now(true)
	err = f(count, times)
	to := measure.Now(false)
	if err2 := stop(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	r.FromUsage(from, to, count, times)
	return nil
}

func publish(ctx context.Context, o Options, r *measure.Result) error {
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	payload := make([]byte, r.Size)
	err = measured(o, r, r.Window == 1, func(n int, lat []time.Duration) error {
		err := d.Publish(ctx, driver.Load{Count: n, Window: r.Window, QoS: byte(r.QoS), Topic: "bench/0", Payload: payload, Lat: lat})
		if err != nil || r.QoS > 0 {
			return err
		}
		// the acknowledgement of this one says that the broker has read them all
		return d.Publish(ctx, driver.Load{Count: 1, Window: 1, QoS: 1, Topic: "bench/end"})
	})
	if err != nil {
		return err
	}
	return d.Close(ctx)
}

func echo(ctx context.Context, o Options, r *measure.Result) error {
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	back := make(chan struct{}, 1)
	if err := d.Subscribe(ctx, []string{"echo/a"}, 0, func(int, []byte) { back <- struct{}{} }); err != nil {
		return err
	}
	load := driver.Load{Count: 1, Window: 1, QoS: 0, Topic: "echo/a", Payload: make([]byte, r.Size)}
	err = measured(o, r, true, func(n int, lat []time.Duration) error {
		for i := range n {
			t := time.Now()
			if err := d.Publish(ctx, load); err != nil {
				return err
			}
			select {
			case <-back:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if lat != nil {
				lat[i] = time.Since(t)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.Close(ctx)
}
