package v1compat

import (
	"context"
	"errors"
	"fmt"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// dialTimeout is the core's default for DNS, TCP and TLS together. v1 had none.
const dialTimeout = 10 * time.Second

// lifecycle is what the connection calls leave for the core's events; it is under
// the client's lock.
type lifecycle struct {
	hooks         hooks
	attached      *awsiot.Client   // whose events are observed
	connectAck    func(Mid, int)   // of ConnectAsync, called at every CONNACK
	first         *firstAttempt    // of ConnectAsync, until its outcome is known
	opened        chan struct{}    // closed when OnOnline has run
	stopped       chan struct{}    // closed when OnOffline has run and the core is stopped
	disconnectAck []func(Mid, int) // of DisconnectAsync
	online        bool             // OnOnline has run, OnOffline not yet
	unroute       []func()         // the routes of OnMessage on a client made by FromV2
}

// hooks is v1's hooks as they were at Connect.
type hooks struct {
	online, offline func()
	message         func(*Message)
	asyncError      func(op, topic string, err error)
}

// firstAttempt carries the outcome of ConnectAsync's first attempt to the call,
// as long as that waits for it.
type firstAttempt struct {
	result  chan error
	reached chan struct{} // closed when the CONNECT is on its way
	left    chan struct{} // closed when the call has returned
	whole   bool          // the call waits for the CONNACK too
}

// Connect is v1's connect. keepAliveSeconds is at most one value, 600 by default,
// 0 for no pings. It returns when the server has accepted the connection and
// OnOnline has run; it is never retried here, reconnecting begins with the first
// success.
//
// Errors: one *ConfigureError for each thing wrong with the configuration,
// joined; *ConnectError with v1's code when the server refuses; *ConnectTimeoutError
// when no CONNACK comes in the time of ConfigureConnectDisconnectTimeout or the
// server closes the connection instead; *ValueError with v1's text when a
// websocket handshake fails, wrapping *WssNoKeyInEnvironmentError or
// *WssHandShakeError; what dialling, TLS or reading a file returned, for
// errors.As with *net.OpError, *net.DNSError, the errors of crypto/x509, or
// errors.Is with fs.ErrNotExist.
//
// After Disconnect it may be called again: subscriptions and queued requests are
// still there.
//
// Deprecated: use awsiot.Client.StartAndWait.
func (c *AWSIoTMQTTClient) Connect(keepAliveSeconds ...int) error {
	core, err := c.open(nil, keepAliveSeconds...)
	if err != nil {
		return err
	}
	timeout := c.connectTimeout()
	opened := make(chan struct{})
	c.mu.Lock()
	c.life.opened = opened
	c.mu.Unlock()
	err = c.start(core, dialTimeout+timeout)
	c.release()
	if err != nil {
		return err
	}
	if !inCallback() { // which OnOnline would wait for
		await(opened, timeout)
	}
	return nil
}

// start starts the core and waits for its first attempt.
func (c *AWSIoTMQTTClient) start(core *awsiot.Client, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if c.wrapped && core.State() != awsiot.StateStopped {
		if _, err := core.AwaitConnected(ctx); err != nil {
			return connectError(err)
		}
		c.online(core) // unless its event does
		return nil
	}
	if c.settings.quirks.AcceptRefusedConnect && !inCallback() {
		return c.startAndGoOn(core, timeout)
	}
	stopped := c.expectStopped()
	err := core.StartAndWait(ctx)
	if err == nil {
		return nil
	}
	c.requeue(core)
	c.settleEvents(stopped, err)
	return connectError(err)
}

// startAndGoOn is start for Quirks.AcceptRefusedConnect: a refusal by the server is no error, and the core goes on
// trying, with the waits of any other reconnect.
func (c *AWSIoTMQTTClient) startAndGoOn(core *awsiot.Client, timeout time.Duration) error {
	first := &firstAttempt{result: make(chan error), reached: make(chan struct{}), left: make(chan struct{}), whole: true}
	defer close(first.left)
	c.mu.Lock()
	c.life.first = first
	c.mu.Unlock()
	stopped := c.expectStopped()
	if err := core.Start(); err != nil {
		c.requeue(core)
		return connectError(err)
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case err := <-first.result:
		if err != nil {
			c.settleEvents(stopped, err)
		}
		return err
	case <-t.C: // after the core's own limits: it is stuck in a socket factory, say
		err := &ConnectTimeoutError{Err: awsiot.ErrConnackTimeout}
		if stop := c.stop(core); stop != nil {
			c.logger().Warn("stopping after a failed connect", "error", stop)
		}
		return err
	}
}

// expectStopped returns a channel that is closed when the callbacks of the next
// stop have run.
func (c *AWSIoTMQTTClient) expectStopped() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.expectStopped()
}

func (l *lifecycle) expectStopped() <-chan struct{} {
	if l.stopped == nil {
		l.stopped = make(chan struct{})
	}
	return l.stopped
}

// settleEvents waits until the callbacks of a connect that failed with err are
// over, so that a next one does not take their news for its own.
func (c *AWSIoTMQTTClient) settleEvents(stopped <-chan struct{}, err error) {
	if !isValidation(err) && !errors.Is(err, awsiot.ErrClosed) && !inCallback() { // else nothing was started, or they wait for us
		await(stopped, c.connectTimeout())
	}
}

// openedNow ends Connect's wait for OnOnline.
func (c *AWSIoTMQTTClient) openedNow() {
	c.mu.Lock()
	opened := c.life.opened
	c.life.opened = nil
	c.mu.Unlock()
	if opened != nil {
		close(opened)
	}
}

// ConnectAsync is v1's connectAsync: it returns MidConnected without the wait for
// the CONNACK, but not before the server is reached. ack gets MidConnected and
// v1's return code, 0 to 5, at every CONNACK from then on, after OnOnline; a
// refused connection is tried again, as in v1. Errors are those of Connect before
// the CONNACK; a first attempt that fails without one ends the client and, if
// the call has returned, is told to OnAsyncError. ack may be nil.
//
// Deprecated: use awsiot.Client.Start and Observe.
func (c *AWSIoTMQTTClient) ConnectAsync(keepAliveSeconds int, ack func(mid Mid, data int)) (Mid, error) {
	core, err := c.open(ack, keepAliveSeconds)
	if err != nil {
		return 0, err
	}
	defer c.release()
	if c.wrapped && core.State() != awsiot.StateStopped {
		if core.State() == awsiot.StateConnected {
			c.online(core) // unless its event does
		}
		return MidConnected, nil
	}
	first := &firstAttempt{result: make(chan error), reached: make(chan struct{}), left: make(chan struct{})}
	defer close(first.left)
	c.mu.Lock()
	c.life.first = first
	c.mu.Unlock()
	stopped := c.expectStopped()
	if err := core.Start(); err != nil {
		c.requeue(core)
		return 0, connectError(err)
	}
	if inCallback() {
		return MidConnected, nil // the outcome comes after it
	}
	t := time.NewTimer(dialTimeout + c.connectTimeout())
	defer t.Stop()
	select {
	case <-first.reached: // v1 blocked for TCP and TLS, not for the CONNACK
	case err := <-first.result:
		if err != nil {
			c.settleEvents(stopped, err)
			return 0, err
		}
	case <-t.C:
	}
	return MidConnected, nil
}

// open is the common beginning of the connect calls: it checks the
// configuration, takes the hooks, ends a former connection and returns the core
// to start. release must follow.
func (c *AWSIoTMQTTClient) open(ack func(Mid, int), keepAliveSeconds ...int) (*awsiot.Client, error) {
	c.waiting.Wait()
	c.mu.Lock()
	if c.busy {
		c.mu.Unlock()
		return nil, &ConnectError{Code: codeProtocol, Err: errors.New("v1compat: another Connect of this client is under way")}
	}
	if err := c.problem(keepAliveSeconds); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	c.busy = true
	former, keepAlive := c.core, c.settings.keepAlive
	again := former != nil && !c.wrapped && former.State() != awsiot.StateStopped
	if again {
		c.life.online = false // v1 called no OnOffline between two Connects
	}
	c.mu.Unlock()
	c.warnKeepAlive(keepAlive)
	if again {
		former.Abort() // v1 closed the socket without DISCONNECT: the server publishes the will
		c.requeue(former)
	}
	c.mu.Lock()
	c.life.first = nil
	c.life.hooks = hooks{c.OnOnline, c.OnOffline, c.OnMessage, c.OnAsyncError}
	c.life.connectAck = ack
	c.mu.Unlock()
	core := c.current()
	if c.wrapped {
		c.routeGeneral(core)
	}
	return core, nil
}

func (c *AWSIoTMQTTClient) release() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
}

// problem returns everything that is wrong with the configuration, joined, and
// applies the keep-alive. The caller holds c.mu.
func (c *AWSIoTMQTTClient) problem(keepAliveSeconds []int) error {
	var errs []error
	for _, e := range c.problems {
		errs = append(errs, e)
	}
	for _, e := range c.late {
		errs = append(errs, e)
	}
	c.late = nil
	if !c.wrapped {
		errs = append(errs, c.settings.check()...)
	}
	k := 600
	switch len(keepAliveSeconds) {
	case 0:
	case 1:
		k = keepAliveSeconds[0]
	default:
		errs = append(errs, &ConfigureError{Call: "Connect", Err: ErrTooManyArguments})
	}
	d, err := keepAlive(k)
	if err != nil {
		errs = append(errs, &ConfigureError{Call: "Connect", Err: err})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if d != c.settings.keepAlive {
		c.settings.keepAlive, c.renew = d, true
	}
	return nil
}

func (c *AWSIoTMQTTClient) connectTimeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings.connectTimeout
}

// Disconnect is v1's disconnect: it sends DISCONNECT and returns when the
// connection is closed and OnOffline has run. It works while the client is
// reconnecting, which v1 did not. Requests that are queued or unacknowledged stay
// and are sent after the next Connect. Errors: *DisconnectTimeoutError;
// *DisconnectError with code 4 when the client is not connected and not trying.
//
// Deprecated: use awsiot.Client.Stop.
func (c *AWSIoTMQTTClient) Disconnect() error {
	core, stopped, err := c.leave(nil)
	if err != nil {
		return err
	}
	if err := c.stop(core); err != nil {
		return err
	}
	if !inCallback() {
		await(stopped, c.connectTimeout())
	}
	return nil
}

// DisconnectAsync is v1's disconnectAsync: Disconnect without the wait. It
// returns MidDisconnected; ack, which may be nil, gets that and 0 after
// OnOffline.
//
// Deprecated: use awsiot.Client.Stop and Observe.
func (c *AWSIoTMQTTClient) DisconnectAsync(ack func(mid Mid, data int)) (Mid, error) {
	core, _, err := c.leave(ack)
	if err != nil {
		return 0, err
	}
	c.waiting.Go(func() { // joined by the next Connect
		if err := c.stop(core); err != nil {
			c.asyncError("disconnect", "", err)
		}
	})
	return MidDisconnected, nil
}

// leave is the common beginning of the disconnect calls. The channel is that of
// expectStopped.
func (c *AWSIoTMQTTClient) leave(ack func(Mid, int)) (*awsiot.Client, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.core == nil || c.core.State() == awsiot.StateStopped {
		return nil, nil, &DisconnectError{Code: codeNoConnection, Err: errors.New("v1compat: the client is not connected")}
	}
	if ack != nil {
		c.life.disconnectAck = append(c.life.disconnectAck, ack)
	}
	c.life.connectAck = nil
	return c.core, c.life.expectStopped(), nil
}

// stop stops the core and puts back what it held.
func (c *AWSIoTMQTTClient) stop(core *awsiot.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.connectTimeout())
	defer cancel()
	err := core.Stop(ctx, nil)
	c.requeue(core)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &DisconnectTimeoutError{Err: err}
	}
	return &DisconnectError{Code: codeNoConnection, Err: err}
}

// connectError gives an error of StartAndWait its v1 type.
func connectError(err error) error {
	var ce *awsiot.ConnectError
	if refused := handshakeError(err); refused != nil {
		return refused
	}
	switch {
	case errors.As(err, &ce) && ce.Connack != nil && ce.Connack.Code >= 0x80:
		return &ConnectError{Code: connackV1(ce.Connack.Code), Err: err}
	case parked(err):
		return &ConnectError{Code: codeConnLost, Err: fmt.Errorf("v1compat: disconnected meanwhile: %w", err)}
	case noConnack(err):
		return &ConnectTimeoutError{Err: err}
	}
	return err
}
