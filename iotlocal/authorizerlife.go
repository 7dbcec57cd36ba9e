package iotlocal

import (
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// start begins to see to the connections that authorizers let in.
func (a *authorizers) start() { a.wg.Go(a.timers) }

// close ends that, once.
func (a *authorizers) close() {
	a.cancel()
	a.wg.Wait()
}

// gone forgets a connection.
func (a *authorizers) gone(c *broker.Client, _ broker.Cause) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, c)
}

// wake makes the timers look for the next time again.
func (a *authorizers) wake() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// timers asks authorizers again, and ends connections, when their time has come.
func (a *authorizers) timers() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next, any := a.due(); any {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-a.changed:
		case <-a.ctx.Done():
			return
		}
	}
}

// due does what is due by the clock and returns the time until the next thing is.
func (a *authorizers) due() (next time.Duration, any bool) {
	a.order.Lock()
	defer a.order.Unlock()
	for {
		var done bool
		if next, any, done = a.round(); done {
			return next, any
		}
	}
}

// round is due, once; done is false when authorizers were asked, whose answers have new times.
func (a *authorizers) round() (next time.Duration, any, done bool) {
	now := a.clock.Now()
	type work struct {
		c *broker.Client
		d *authorized
	}
	var over, again []work
	a.mu.Lock()
	for c, d := range a.live {
		d.mu.Lock()
		refresh := d.refresh
		d.mu.Unlock()
		at := d.disconnect
		switch {
		case !d.disconnect.After(now):
			over = append(over, work{c, d})
			continue
		case !refresh.IsZero() && !refresh.After(now):
			again = append(again, work{c, d})
			continue
		case !refresh.IsZero() && refresh.Before(at):
			at = refresh
		}
		if left := at.Sub(now); !any || left < next {
			next, any = left, true
		}
	}
	a.mu.Unlock()
	for _, w := range over {
		a.gone(w.c, broker.Kicked)
		w.c.EndAs(broker.AuthorizerExpired, wire.MaximumConnectTime, "disconnectAfterInSeconds of the custom authorizer is over")
	}
	for _, w := range again {
		if _, err := w.d.ask(a.ctx, now); err != nil {
			a.gone(w.c, broker.Kicked)
			w.c.EndAs(broker.NotPermitted, wire.NotAuthorized, err.Error())
		}
	}
	return next, any, len(again) == 0
}

// advanced does what is due after a jump of the clock.
func (a *authorizers) advanced() {
	a.due()
	a.wake()
}
