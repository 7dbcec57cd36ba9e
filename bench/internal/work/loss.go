package work

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Bounds of how often a connection is lost in one run.
const (
	fewestLosses = 5
	mostLosses   = 200
)

// reconnect lets the null broker drop the connection and times how long it
// takes until a QoS 1 publish is acknowledged again, less the chosen Delay. The
// clock starts when the order to drop has been written: the loss comes after that.
func reconnect(ctx context.Context, o Options, r *measure.Result) error {
	o.Target.Reconnect = r.Delay
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	drop := driver.Load{Count: 1, Window: 1, QoS: 0, Topic: "ctl/drop"}
	load := driver.Load{Count: 1, Window: 1, QoS: 1, Topic: "bench/0", Payload: make([]byte, r.Size)}
	err = losses(o, r, 1, func() (time.Duration, error) {
		if err := d.Publish(ctx, drop); err != nil {
			return 0, err
		}
		t := time.Now()
		if err := d.Publish(ctx, load); err != nil {
			return 0, err
		}
		return time.Since(t) - r.Delay, nil
	})
	if err != nil {
		return err
	}
	return d.Close(ctx)
}

// resend publishes Window messages that the null broker does not acknowledge
// before it has had them on two connections. The broker times, from CONNECT to
// the last of them, and checks that each came again once, with DUP.
func resend(ctx context.Context, o Options, r *measure.Result) error {
	o.Target.Reconnect = r.Delay
	d, err := connect(ctx, o, "bench")
	if err != nil {
		return err
	}
	reports := make(chan string, 1)
	if err := d.Subscribe(ctx, []string{"bench/held"}, 0, func(_ int, p []byte) { reports <- string(p) }); err != nil {
		return err
	}
	hold := driver.Load{Count: 1, Window: 1, QoS: 1, Topic: "ctl/hold", Payload: strconv.AppendInt(nil, int64(r.Window), 10)}
	load := driver.Load{Count: r.Window, Window: r.Window, QoS: 1, Topic: "bench/0", Payload: make([]byte, r.Size)}
	err = losses(o, r, r.Window, func() (time.Duration, error) {
		if err := d.Publish(ctx, hold); err != nil {
			return 0, err
		}
		if err := d.Publish(ctx, load); err != nil {
			return 0, err
		}
		select {
		case s := <-reports:
			ns, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("the null broker says %q", s)
			}
			return time.Duration(ns), nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
	if err != nil {
		return err
	}
	r.Rate = float64(r.Window) / (r.P50 / 1e6)
	return d.Close(ctx)
}

// losses calls f once to warm up, then as often as the duration allows. Each
// stands for per messages.
func losses(o Options, r *measure.Result, per int, f func() (time.Duration, error)) error {
	if _, err := f(); err != nil {
		return err
	}
	stop, err := o.Profiles.Start()
	if err != nil {
		return err
	}
	lat := make([]time.Duration, 0, mostLosses)
	from, end := measure.Now(true), time.Now().Add(o.Duration)
	for len(lat) < fewestLosses || len(lat) < mostLosses && o.Count == 0 && time.Now().Before(end) || len(lat) < o.Count {
		d, err := f()
		if err != nil {
			return errors.Join(fmt.Errorf("loss %d: %w", len(lat)+1, err), stop())
		}
		lat = append(lat, d)
	}
	r.FromUsage(from, measure.Now(false), len(lat)*per, slices.Clip(lat))
	return stop()
}
