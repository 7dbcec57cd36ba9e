package iotlocal

import (
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
)

// Clock is the server's clock: that of the machine, or of the synctest bubble,
// plus what Advance has added. Sessions, retained and queued messages and
// delayed wills expire by it, shadows are stamped with it, and signatures of
// websocket upgrades are held against it; the timers of jobs and commands, the
// ownership tokens and claims of provisioning run by it. Keep-alive and other
// limits of a live connection keep to real time: both ends must agree on them.
type Clock struct {
	broker *broker.Broker
	jobs   *jobService
	custom *authorizers
	ahead  atomic.Int64 // nanoseconds
}

// Clock returns the handle of the server's clock.
func (s *Server) Clock() *Clock { return s.clock }

// Now returns the server's time.
func (k *Clock) Now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

// Advance moves the clock by d, which may be negative; what is then due has been
// done when it returns: sessions have ended, wills have been sent, executions of
// jobs have timed out.
func (k *Clock) Advance(d time.Duration) {
	k.ahead.Add(int64(d))
	k.broker.Wake()
	k.jobs.advanced()
	k.custom.advanced()
}
