package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// run is one way to a connection: from Connect, or from the loss of a connection, to the next one or to the end. Its goroutine
// makes the attempts; core is told to make one by a delay of nothing, and makes none by itself.
type run struct {
	stop    chan struct{} // closed by Disconnect
	ended   chan struct{} // closed when its goroutine has ended
	outcome chan outcome  // has room for one: of the attempt under way
}

// outcome is how an attempt has ended.
type outcome struct {
	success *awsiot.ConnectionSuccess
	err     error
	code    awsiot.ReasonCode // of CONNACK; 0: there was none
}

func newRun() *run {
	return &run{stop: make(chan struct{}), ended: make(chan struct{}), outcome: make(chan outcome, 1)}
}

// stopped reports whether Disconnect was called.
func (r *run) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// tell gives the outcome of an attempt to who has asked for one.
func (r *run) tell(out outcome) {
	if r == nil {
		return
	}
	select {
	case r.outcome <- out:
	default: // nobody has
	}
}

// sleep waits for d; false: Disconnect was called meanwhile.
func (r *run) sleep(d time.Duration) bool {
	if d <= 0 {
		return !r.stopped()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.stop:
		return false
	}
}

// The errors of Connect have paho's texts.
var (
	errBusy    = errors.New("status is already connected or reconnecting")
	errStatus  = errors.New("status can only transition to connecting from disconnected")
	errAborted = errors.New("disconnect called whist connection attempt in progress")
)

// Connect implements Client.
func (c *client) Connect() Token {
	if p := c.paho.Load(); p != nil {
		return &ConnectToken{baseToken: baseToken{inner: p.c.Connect()}}
	}
	DEBUG.Println(CLI, "Connect()")
	t := &ConnectToken{}
	c.mu.Lock()
	switch s := c.status.load(); {
	case s == statusConnected, s == statusReconnecting:
		c.mu.Unlock()
		if c.options.AutoReconnect {
			WARN.Println(CLI, "Connect() called but not disconnected")
			t.end(nil, nil)
		} else {
			ERROR.Println(CLI, errBusy)
			t.fail(errBusy)
		}
		return t
	case !c.step(statusConnecting):
		c.mu.Unlock()
		ERROR.Println(CLI, errStatus)
		t.fail(errStatus)
		return t
	}
	r := newRun()
	c.run, c.lost, c.retry = r, backoff{}, backoff{}
	c.mu.Unlock()
	err := c.prepare()
	if c.auto && !c.decided.Load() && isStoreOfQoS2(err) {
		go func() { // ends with the attempt that the paho engine makes
			defer close(r.ended)
			c.fallBack(r, t, outcome{err: err})
		}()
		return t
	}
	if err != nil {
		ERROR.Println(CLI, err)
		c.abandon(r)
		t.fail(err)
		close(r.ended)
		return t
	}
	go c.connect(r, t) // ends with a connection, a failure or Disconnect
	return t
}

// prepare finds what is wrong with the options, opens the store and takes over what it holds.
func (c *client) prepare() error {
	problem := c.problem
	if problem == nil && len(c.options.Servers) == 0 {
		problem = errNoServers
	}
	if problem == nil {
		problem = c.core.Options().Validate()
	}
	if problem != nil {
		return problem
	}
	return c.store.open(c)
}

// abandon ends a run that has come to nothing, unless Disconnect does.
func (c *client) abandon(r *run) {
	c.mu.Lock()
	gone := c.status.load() == statusConnecting && c.run == r
	if gone {
		c.step(statusDisconnecting)
	}
	c.mu.Unlock()
	if gone {
		c.finish()
	}
}

// finish ends core and the store, and the status with them. The caller has made that statusDisconnecting.
func (c *client) finish() {
	_ = c.core.Stop(context.Background(), nil)
	c.store.close()
	c.mu.Lock()
	c.step(statusDisconnected)
	if c.ending != nil {
		close(c.ending)
		c.ending = nil
	}
	c.mu.Unlock()
}

// connect is the goroutine of Connect.
func (c *client) connect(r *run, t *ConnectToken) {
	defer close(r.ended)
	var out outcome
	for attempt := 0; ; attempt++ {
		out = c.attempt(r, false, attempt)
		if out.err == nil {
			t.end(nil, func() { t.sessionPresent = out.success.Connack.SessionPresent })
			return
		}
		if c.auto && speaksOnly311(out) && !r.stopped() && c.fallBack(r, t, out) {
			return
		}
		if !c.options.ConnectRetry || !r.sleep(c.options.ConnectRetryInterval) {
			break
		}
	}
	ERROR.Println(CLI, "Failed to connect to a broker")
	rc, err := returned(out)
	if r.stopped() {
		err = errAborted
	}
	c.abandon(r)
	t.end(err, func() { t.returnCode = rc })
}

// reconnect is the goroutine of a lost connection.
func (c *client) reconnect(r *run) {
	defer close(r.ended)
	if !r.sleep(c.lost.next(time.Now(), c.options.MaxReconnectInterval, lossTime, true)) {
		return
	}
	for attempt := 0; !r.stopped(); attempt++ {
		if fn := c.options.OnReconnecting; fn != nil {
			fn(c, &c.options)
		}
		out := c.attempt(r, true, attempt)
		if out.err == nil {
			return
		}
		wait := c.retry.next(time.Now(), c.options.MaxReconnectInterval, c.options.ConnectTimeout, false)
		DEBUG.Println(CLI, "Reconnect failed, sleeping for", wait, "error:", out.err)
		if !r.sleep(wait) {
			return
		}
	}
}

// attempt tries every broker once, in order.
func (c *client) attempt(r *run, again bool, number int) (out outcome) {
	o := &c.options
	c.notify(paho.ConnectionNotificationConnecting{IsReconnect: again, Attempt: number})
	out.err = errNoServers
	for _, broker := range o.Servers {
		if r.stopped() {
			out.err = errAborted
			break
		}
		p := c.planFor(broker)
		c.notify(paho.ConnectionNotificationBroker{Broker: broker})
		if out = c.try(r, p); out.err == nil {
			return out
		}
		ERROR.Println(CLI, out.err.Error())
		if out.code == 0 {
			WARN.Println(CLI, "failed to connect to broker, trying next")
			c.notify(paho.ConnectionNotificationBrokerFailed{Broker: broker, Reason: out.err})
		}
	}
	_, err := returned(out)
	c.notify(paho.ConnectionNotificationFailed{Reason: err})
	return out
}

// try makes core try one broker.
func (c *client) try(r *run, p *plan) outcome {
	select {
	case <-r.outcome: // of an attempt that somebody else has caused
	default:
	}
	c.mu.Lock()
	if r.stopped() {
		c.mu.Unlock()
		return outcome{err: errAborted}
	}
	c.plan = p
	c.left.Store(c.open.Load())
	c.mu.Unlock()
	waits := c.core.State() != awsiot.StateStopped
	var err error
	if c.tried || waits || p.broker != c.options.Servers[0] || c.options.CredentialsProvider != nil {
		err = c.core.Update(func(co *awsiot.ClientOptions) {
			c.fill(co, p)
			if waits {
				co.MinReconnectDelay, co.MaxReconnectDelay = time.Nanosecond, time.Nanosecond // now
			}
		})
	} // else NewClient has set everything
	c.tried = true
	if err == nil {
		err = c.core.Start() // unless it waits
	}
	if err != nil {
		return outcome{err: err}
	}
	select {
	case out := <-r.outcome:
		return out
	case <-r.stop:
		return outcome{err: errAborted}
	}
}

// pace makes core wait for this package before its next attempt.
func (c *client) pace() {
	if o := c.core.Options(); o.MinReconnectDelay != hold {
		_ = c.core.Update(func(co *awsiot.ClientOptions) { co.MinReconnectDelay, co.MaxReconnectDelay = hold, hold }) // ErrClosed: there is none
	}
}

func (c *client) notify(n paho.ConnectionNotification) {
	if fn := c.options.OnConnectionNotification; fn != nil {
		fn(c, n)
	}
}

// returned returns what paho would say of a failed attempt: the return code, and the error with its text.
func returned(out outcome) (byte, error) {
	if out.code != 0 {
		rc := returnCode(out.code)
		return rc, packets.ConnErrors[rc] // the value itself: programs compare it
	}
	return packets.ErrNetworkError, fmt.Errorf("%w : %w", packets.ConnErrors[packets.ErrNetworkError], out.err)
}

// returnCode returns the return code of MQTT 3.1.1 [MQTT311-3.2.2.3] nearest to a reason code.
func returnCode(code awsiot.ReasonCode) byte {
	switch code {
	case awsiot.ReasonUnsupportedProtocolVersion:
		return packets.ErrRefusedBadProtocolVersion
	case awsiot.ReasonClientIdentifierNotValid:
		return packets.ErrRefusedIDRejected
	case awsiot.ReasonBadUsernameOrPassword, awsiot.ReasonBadAuthenticationMethod:
		return packets.ErrRefusedBadUsernameOrPassword
	case awsiot.ReasonUnspecifiedError, awsiot.ReasonImplementationSpecificError, awsiot.ReasonServerUnavailable, awsiot.ReasonServerBusy,
		awsiot.ReasonQuotaExceeded, awsiot.ReasonConnectionRateExceeded, awsiot.ReasonUseAnotherServer, awsiot.ReasonServerMoved:
		return packets.ErrRefusedServerUnavailable
	}
	return packets.ErrRefusedNotAuthorised
}

// speaksOnly311 reports whether the broker's answer to an MQTT 5 CONNECT is that of one that does not know MQTT 5: a refusal of the
// version, in either protocol's form, or no answer but the end of the connection.
func speaksOnly311(out outcome) bool {
	if out.code != 0 {
		return out.code == awsiot.ReasonUnsupportedProtocolVersion
	}
	return errors.Is(out.err, awsiot.ErrProtocol) || closedUnanswered(out)
}

// closedUnanswered reports whether the broker has closed the connection instead of answering CONNECT, which may have other
// reasons than the version.
func closedUnanswered(out outcome) bool {
	return out.code == 0 && errors.Is(out.err, io.ErrUnexpectedEOF)
}
