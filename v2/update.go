package awsiot

import (
	"reflect"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// config is the options of a client as they are at one time. It is not changed: Update makes another one.
type config struct {
	ClientOptions          // with the defaults
	asked         asked    // what given has in their place
	problems      problems // what Validate says of given
	aws           bool     // the broker is AWS IoT Core
	limits        bool     // its static limits hold
	rates         bool     // its rates hold
}

// newConfig takes ownership of given.
func newConfig(given ClientOptions) *config {
	g := &config{ClientOptions: given.withDefaults(), problems: given.problems()}
	g.asked.swap(&given)
	g.aws, g.limits = g.ClientOptions.aws(), g.ClientOptions.limits()
	g.rates = g.FlowControl.rates(topic.IsAWSEndpoint(g.Endpoint))
	return g
}

// asked are the fields that withDefaults changes, as they were given: so an idle client holds its options once.
type asked struct {
	keepAlive, sessionExpiry, minDelay, maxDelay, stable, connect, connack, ping, ack time.Duration
	endpoint                                                                          string
	port, inbound, batch                                                              int
	maximumPacketSize                                                                 uint32
	receiveMaximum, inboundAliases                                                    uint16
}

// swap exchanges the fields of a for those of o.
func (a *asked) swap(o *ClientOptions) {
	for _, d := range [...]struct{ a, o *time.Duration }{
		{&a.keepAlive, &o.KeepAlive}, {&a.sessionExpiry, &o.SessionExpiry}, {&a.minDelay, &o.MinReconnectDelay}, {&a.maxDelay, &o.MaxReconnectDelay},
		{&a.stable, &o.MinConnectedTimeToResetReconnectDelay}, {&a.connect, &o.ConnectTimeout}, {&a.connack, &o.ConnackTimeout},
		{&a.ping, &o.PingTimeout}, {&a.ack, &o.AckTimeout},
	} {
		*d.a, *d.o = *d.o, *d.a
	}
	for _, n := range [...]struct{ a, o *int }{{&a.port, &o.Port}, {&a.inbound, &o.Inbound.MaxBytes}, {&a.batch, &o.Resubscribe.BatchSize}} {
		*n.a, *n.o = *n.o, *n.a
	}
	a.endpoint, o.Endpoint = o.Endpoint, a.endpoint
	a.maximumPacketSize, o.MaximumPacketSize = o.MaximumPacketSize, a.maximumPacketSize
	a.receiveMaximum, o.ReceiveMaximum = o.ReceiveMaximum, a.receiveMaximum
	a.inboundAliases, o.TopicAliasing.InboundMaximum = o.TopicAliasing.InboundMaximum, a.inboundAliases
}

// given returns the options as NewClient and Update got them: 0 stands for the default.
func (g *config) given() ClientOptions {
	o, a := g.ClientOptions, g.asked
	a.swap(&o)
	return o
}

// options returns the options as they are now. What an attempt to connect reads is in link.opts while it lasts.
func (c *Client) options() *config { return c.current.Load() }

// updateClass says from when on a changed option counts.
type updateClass int

const (
	updateNow   updateClass = iota // at once
	updateNext                     // from the next attempt to connect on
	updateNever                    // not at all: Update refuses it
)

// String returns the class in words.
func (u updateClass) String() string {
	return enumName("updateClass", u, "at once", "at the next attempt", "never")
}

// updateClasses has every field of ClientOptions.
var updateClasses = map[string]updateClass{
	"OfflineQueue": updateNow, "MaxInflight": updateNow, "Inbound": updateNow,
	"RetryJitterMode": updateNow, "MinReconnectDelay": updateNow, "MaxReconnectDelay": updateNow, "InitialReconnectDelay": updateNow,
	"MinConnectedTimeToResetReconnectDelay": updateNow,
	"ConnectTimeout":                        updateNow, "ConnackTimeout": updateNow, "PingTimeout": updateNow, "AckTimeout": updateNow,

	"Endpoint": updateNext, "Port": updateNext, "Auth": updateNext, "CAFile": updateNext, "CAPEM": updateNext, "TLSConfig": updateNext,
	"HTTPProxy": updateNext, "Dialer": updateNext,
	"KeepAlive": updateNext, "SessionExpiry": updateNext, "Username": updateNext, "Password": updateNext, "DisableMetrics": updateNext,
	"Will": updateNext, "UserProperties": updateNext, "ReceiveMaximum": updateNext, "MaximumPacketSize": updateNext,
	"RequestResponseInformation": updateNext, "RequestProblemInformation": updateNext,
	"Resubscribe": updateNext, "TopicAliasing": updateNext, "FlowControl": updateNext,

	"ClientID": updateNever, "SessionBehavior": updateNever, "Store": updateNever,
	"SerialCallbacks": updateNever, "Trace": updateNever, "Logger": updateNever,
	"OnAttemptingConnect": updateNever, "OnConnectionSuccess": updateNever, "OnConnectionFailure": updateNever,
	"OnDisconnection": updateNever, "OnStopped": updateNever, "OnResubscribed": updateNever, "OnPublishReceived": updateNever,
}

// Update changes options of a client that may be running. change gets a copy of them, as they were given (a 0
// stands for the default), and sets fields; it may be called again when another Update has come in between. What it
// leaves behind is copied deeply, as by NewClient.
//
// At once, also for what is under way: OfflineQueue (nothing that is queued is dropped: lower limits hold for new calls,
// a new DrainRate for the interval that has begun), MaxInflight, Inbound, AckTimeout (for operations that wait
// already), ConnectTimeout and ConnackTimeout (for the attempt under way; a longer ConnectTimeout for what that
// has not begun), PingTimeout, and the delays between attempts, in the middle of one: it is drawn anew, and what has
// passed of it counts.
//
// From the next attempt to connect on, which Update does not cause: Endpoint, Port, Auth, CAFile, CAPEM, TLSConfig,
// Dialer, HTTPProxy, KeepAlive, SessionExpiry, Username, Password, DisableMetrics, Will, UserProperties, ReceiveMaximum,
// MaximumPacketSize, RequestResponseInformation, RequestProblemInformation, Resubscribe, TopicAliasing, FlowControl.
//
// Never: ClientID, SessionBehavior, Store, SerialCallbacks, Trace, Logger and the callbacks (see Observe). A
// change of these is a *ValidationError, and so is a result that Validate does not take; then nothing is changed.
// Problems that the options had before, which Start reports, do not count: a client that was made with incomplete
// options can be completed field by field. After Close: ErrClosed.
func (c *Client) Update(change func(*ClientOptions)) error {
	if change == nil {
		return invalid("change", "is nil")
	}
	for {
		old := c.options()
		given := old.given().clone()
		change(&given)
		next := newConfig(given.clone())
		if err := old.refuse(next); err != nil {
			return err
		}
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return opError("update", "", ErrClosed)
		}
		if c.current.CompareAndSwap(old, next) {
			c.apply(old, next)
			c.unlock()
			return nil
		}
		c.mu.Unlock() // another Update: change is to see what that has changed
	}
}

// Options returns the options as they are now, with the defaults in place of what is zero. It costs no allocation:
// what fields point to, and the elements of slices, are the client's own and must not be changed.
func (c *Client) Options() ClientOptions { return c.options().ClientOptions }

// refuse returns what is wrong with the step from old to next: *ValidationErrors, joined; nil: nothing.
func (old *config) refuse(next *config) error {
	var ps problems
	was, is := old.given(), next.given()
	a, b := reflect.ValueOf(&was).Elem(), reflect.ValueOf(&is).Elem()
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		if updateClasses[name] == updateNever && !same(a.Field(i), b.Field(i)) {
			ps.add(name, "cannot be changed on a client")
		}
	}
	for _, p := range next.problems {
		if !slices.ContainsFunc(old.problems, func(q *ValidationError) bool { return q.Field == p.Field && q.Problem == p.Problem }) {
			ps = append(ps, p)
		}
	}
	return ps.join()
}

// same reports whether an option that cannot change has its old value. Functions are the same when they are one
// value, also of closures; a Trace is compared by its functions, since it was copied; everything else as by ==.
func same(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.Func:
		return *funcWord(a) == *funcWord(b)
	case a.Type() == reflect.TypeFor[*Trace]():
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		for i := range a.Elem().NumField() {
			if !same(a.Elem().Field(i), b.Elem().Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// funcWord returns the word that a variable of a function type consists of.
func funcWord(f reflect.Value) *uintptr {
	return reflect.NewAt(reflect.TypeFor[uintptr](), f.Addr().UnsafePointer()).Interface().(*uintptr)
}

// apply makes next count for what is under way. mu is held.
func (c *Client) apply(old, next *config) {
	if c.link == nil && c.trial == nil {
		c.limits.Store(next.limits) // else the connection's limits hold while it lasts
	}
	if c.tuneRetry(next) && c.sess != nil && c.sess.retime != nil {
		select {
		case c.sess.retime <- struct{}{}:
		default: // it has not looked at the last change yet
		}
	}
	if c.trial != nil {
		c.trial.retime(next)
	}
	if next.AckTimeout != old.AckTimeout {
		c.rearmAckTimer()
	}
	if c.room != nil { // who waits for room looks again
		close(c.room)
		c.room = nil
	}
	l := c.link
	if l == nil {
		return
	}
	if next.PingTimeout != old.PingTimeout && l.timer != nil && l.err == nil {
		l.timer.Reset(0)
	}
	if rate := next.OfflineQueue.DrainRate; rate != old.OfflineQueue.DrainRate && c.pacing {
		c.drainTimer.Stop()
		c.pacing = false
		if left := c.pacedAt + paceInterval(rate) - c.clock(); left > 0 {
			c.pace(left)
		}
	}
	c.pump(l)
}

// paceInterval is the time between two operations at a DrainRate.
func paceInterval(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// tuneRetry sets how the delays between attempts are drawn, and reports whether that is a change. mu is held, or
// nobody else has c yet.
func (c *Client) tuneRetry(o *config) bool {
	b, was := &c.retry, c.retry
	b.Mode, b.Min, b.Max, b.First = jitterModes[o.RetryJitterMode], o.MinReconnectDelay, o.MaxReconnectDelay, o.InitialReconnectDelay
	return was.Mode != b.Mode || was.Min != b.Min || was.Max != b.Max || was.First != b.First
}
