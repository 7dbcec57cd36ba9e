package v1compat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// errReplaced is the cause of a Connect that another one has taken the place of.
var errReplaced = errors.New("v1compat: another Connect of this client has taken its place")

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
// On a connected client it ends the connection without DISCONNECT and OnOffline and
// makes a new one, as in v1. A second connect call takes the place of one that is
// under way: what happens to that is not told any more, and a Connect that waits
// returns *ConnectTimeoutError at once. After Disconnect it may be called again:
// subscriptions and queued requests are still there.
//
// Deprecated: use awsiot.Client.StartAndWait.
func (c *AWSIoTMQTTClient) Connect(keepAliveSeconds ...int) error {
	call, err := c.open(nil, keepAliveSeconds...)
	if err != nil {
		return err
	}
	limit := c.core.Options().ConnectTimeout + c.connectTimeout()
	start := c.core.StartAndWait
	goOn := c.Quirks().AcceptRefusedConnect && !c.core.InCallback() // which the outcome would wait for
	if goOn {
		start, call.wait = c.core.StartAndSend, waitsAfter
	}
	err = c.start(call, limit, start)
	if err == nil && goOn {
		err = c.awaitOutcome(call, limit)
	}
	if err != nil {
		return err
	}
	if c.core.InCallback() { // which OnOnline would wait for
		return nil
	}
	return c.awaitOpened(call)
}

// awaitOpened waits until OnOnline has run.
func (c *AWSIoTMQTTClient) awaitOpened(call *connectCall) error {
	t := time.NewTimer(c.connectTimeout())
	defer t.Stop()
	select {
	case <-call.opened:
	case <-call.ctx.Done():
		return &ConnectTimeoutError{Err: errReplaced}
	case <-t.C: // the hook takes its time
	}
	return nil
}

// ConnectAsync is v1's connectAsync: it returns MidConnected without the wait for
// the CONNACK, when the CONNECT is written. ack gets MidConnected and v1's return
// code, 0 to 5, at every CONNACK from then on, after OnOnline, until a Disconnect or
// another connect call; a refused connection is tried again, as in v1. Errors are
// those of Connect before the CONNACK; a first attempt that fails without one ends
// the client and, if the call has returned, is told to OnAsyncError. ack may be nil.
//
// Deprecated: use awsiot.Client.Start and Observe.
func (c *AWSIoTMQTTClient) ConnectAsync(keepAliveSeconds int, ack func(mid Mid, data int)) (Mid, error) {
	call, err := c.open(ack, keepAliveSeconds)
	if err != nil {
		return 0, err
	}
	call.wait = waitsNot
	if err := c.start(call, c.core.Options().ConnectTimeout+c.connectTimeout(), c.core.StartAndSend); err != nil {
		return 0, err
	}
	return MidConnected, nil
}

// connectCall is one Connect or ConnectAsync, which its events belong to.
type connectCall struct {
	ctx     context.Context         // ends when another call takes its place
	replace context.CancelCauseFunc // makes that so
	opened  chan struct{}           // closed when OnOnline has run, or will not
	outcome chan error              // has room for one: how the first attempt ended, as the core says; nil for any CONNACK
	stopped <-chan struct{}         // closed when the callbacks of the next stop have run; nil until the core is started

	// under the client's lock
	base  uint64 // the last attempt before it; until that is known, no attempt is its own
	going bool   // it is starting the core
	wait  connectWait
	hooks hooks          // as they were at the call
	ack   func(Mid, int) // called at every CONNACK
	first outcomeState
	told  bool // opened is closed
}

// connectWait is where a call learns how its first attempt ends.
type connectWait int

const (
	waitsInCore connectWait = iota // starting the core returns that, and has stopped it after a failure
	waitsAfter                     // starting the core returns with the CONNECT written, and the call waits then
	waitsNot                       // the call has returned, and OnAsyncError is told
)

// outcomeState is where the first attempt of a call stands.
type outcomeState int

const (
	outcomeOpen outcomeState = iota // the call has not returned from starting the core
	outcomeSent                     // it has, with the CONNECT written
	outcomeKnown
)

// open is the common beginning of the connect calls: it checks the configuration, takes the hooks, takes the place of a
// call that is under way and ends the connection. The caller has the turn afterwards, which start gives back.
func (c *AWSIoTMQTTClient) open(ack func(Mid, int), keepAliveSeconds ...int) (*connectCall, error) {
	keepAlive, err := c.problem(keepAliveSeconds)
	if err != nil {
		return nil, err
	}
	call := &connectCall{opened: make(chan struct{}), outcome: make(chan error, 1), ack: ack, base: math.MaxUint64, going: true}
	call.ctx, call.replace = context.WithCancelCause(context.Background())
	c.mu.Lock()
	former := c.life.call
	c.life.call = call
	call.hooks = c.hookFields()
	if former != nil && former.going {
		c.life.ignoreUntilStopped = true // whatever that still tells
	}
	c.mu.Unlock()
	if former != nil {
		former.replace(errReplaced)
	}
	select {
	case c.turn <- struct{}{}:
	case <-call.ctx.Done(): // by a third call
		return nil, &ConnectTimeoutError{Err: errReplaced}
	}
	if call.ctx.Err() != nil {
		<-c.turn
		return nil, &ConnectTimeoutError{Err: errReplaced}
	}
	c.awaitLeft()
	c.mu.Lock()
	if c.core.State() != awsiot.StateStopped {
		c.life.online, c.life.ignoreUntilStopped = false, true // v1 called no OnOffline between two Connects
	}
	ended := c.life.ignoreUntilStopped
	c.mu.Unlock()
	if ended {
		c.core.Abort() // v1 closed the socket without DISCONNECT: the server publishes the will
		c.mu.Lock()
		c.life.ignore, c.life.ignoreUntilStopped = c.core.Stats().Attempts, false
		c.mu.Unlock()
	}
	c.catchUp()
	c.mu.Lock()
	call.base = c.core.Stats().Attempts
	c.setProblem("Connect", nil)
	c.mu.Unlock()
	if c.wrapped && len(keepAliveSeconds) == 0 {
		keepAlive = c.core.Options().KeepAlive
	} else {
		c.update("Connect", func(o *awsiot.ClientOptions) { o.KeepAlive = keepAlive })
	}
	c.warnKeepAlive(keepAlive)
	if _, err := c.problem(keepAliveSeconds); err != nil { // what catching up has found
		c.settled(call)
		return nil, err
	}
	return call, nil
}

// problem returns everything that is wrong with the configuration, joined, or the keep-alive.
func (c *AWSIoTMQTTClient) problem(keepAliveSeconds []int) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, e := range c.problems {
		errs = append(errs, e)
	}
	errs = append(errs, c.settings.check(c.wrapped || slices.ContainsFunc(c.problems, func(e *ConfigureError) bool { return e.Call == "ConfigureEndpoint" }))...)
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
	return d, errors.Join(errs...)
}

// start starts the core with one of its two calls, and gives the turn back.
func (c *AWSIoTMQTTClient) start(call *connectCall, limit time.Duration, begin func(context.Context) error) error {
	defer c.settled(call)
	ctx, cancel := context.WithTimeout(call.ctx, limit)
	defer cancel()
	call.stopped = c.expectStopped()
	err := begin(ctx)
	sent := err == nil
	if sent {
		err = c.sent(call)
	}
	if call.ctx.Err() != nil {
		return &ConnectTimeoutError{Err: errReplaced} // who has taken its place waits for the turn
	}
	if err == nil {
		return nil
	}
	if !isValidation(err) && !errors.Is(err, awsiot.ErrClosed) && !c.core.InCallback() { // else nothing was started, or its events wait for us
		await(call.stopped, c.connectTimeout())
	}
	err = connectError(err)
	if sent && call.wait == waitsNot { // with the CONNECT the call has done its work, however soon that failed
		c.asyncError("connect", "", err)
		return nil
	}
	return err
}

// settled gives the turn back.
func (c *AWSIoTMQTTClient) settled(call *connectCall) {
	c.mu.Lock()
	call.going = false
	c.mu.Unlock()
	<-c.turn
}

// sent notes that the core was started, and returns the error of a first attempt that has failed since.
func (c *AWSIoTMQTTClient) sent(call *connectCall) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.first == outcomeOpen {
		call.first = outcomeSent
		return nil
	}
	select {
	case err := <-call.outcome:
		return err
	default:
		return nil
	}
}

// awaitOutcome waits for the end of the first attempt, for Quirks.AcceptRefusedConnect: a refusal by the server is no
// error, and the core goes on trying, with the waits of any other reconnect.
func (c *AWSIoTMQTTClient) awaitOutcome(call *connectCall, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case err := <-call.outcome:
		if err == nil {
			return nil
		}
		await(call.stopped, c.connectTimeout()) // whoever has heard of the failure stops the core
		return connectError(err)
	case <-call.ctx.Done():
		return &ConnectTimeoutError{Err: errReplaced}
	case <-call.opened:
		return nil
	case <-t.C:
	}
	err := &ConnectTimeoutError{Err: awsiot.ErrConnackTimeout}
	if stop := c.stop(); stop != nil {
		c.logger().Warn("stopping after a failed connect", "error", stop)
	}
	return err
}

// Disconnect is v1's disconnect: it sends DISCONNECT and returns when the
// connection is closed and OnOffline has run. It works while the client is
// reconnecting, which v1 did not. Requests that are queued or unacknowledged stay
// and are sent after the next Connect. Errors: *DisconnectTimeoutError;
// *DisconnectError with code 4 when the client is not connected and not trying.
//
// Deprecated: use awsiot.Client.Stop.
func (c *AWSIoTMQTTClient) Disconnect() error {
	stopped, err := c.leave(nil)
	if err != nil {
		return err
	}
	err = c.stop()
	c.left()
	if err != nil {
		return err
	}
	if !c.core.InCallback() {
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
	_, err := c.leave(ack)
	if err != nil {
		return 0, err
	}
	go func() { // it ends with the core's Stop, and the next Connect waits for it
		defer c.left()
		if err := c.stop(); err != nil {
			c.asyncError("disconnect", "", err)
		}
	}()
	return MidDisconnected, nil
}

// leave is the common beginning of the disconnect calls; left must follow. The channel is that of expectStopped.
func (c *AWSIoTMQTTClient) leave(ack func(Mid, int)) (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.core.State() == awsiot.StateStopped {
		return nil, &DisconnectError{Code: codeNoConnection, Err: errors.New("v1compat: the client is not connected")}
	}
	if ack != nil {
		c.life.disconnectAck = append(c.life.disconnectAck, ack)
	}
	if c.life.call != nil {
		c.life.call.ack = nil
	}
	c.life.leaving++
	return c.life.expectStopped(c.core.Stats().Attempts), nil
}

// left ends leave.
func (c *AWSIoTMQTTClient) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.leaving--; c.life.leaving == 0 && c.life.gone != nil {
		close(c.life.gone)
		c.life.gone = nil
	}
}

// awaitLeft waits for the disconnect calls that are under way, and for their news, so that a connect call does not meet
// them. Inside a callback the news come later.
func (c *AWSIoTMQTTClient) awaitLeft() {
	c.mu.Lock()
	var gone chan struct{}
	if c.life.leaving > 0 {
		if c.life.gone == nil {
			c.life.gone = make(chan struct{})
		}
		gone = c.life.gone
	}
	stopped := c.life.stopped
	c.mu.Unlock()
	limit := c.connectTimeout()
	if gone != nil {
		await(gone, limit)
		if stopped != nil && !c.core.InCallback() {
			await(stopped, limit)
		}
	}
}

// stop stops the core.
func (c *AWSIoTMQTTClient) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.connectTimeout())
	defer cancel()
	err := c.core.Stop(ctx, nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &DisconnectTimeoutError{Err: err}
	}
	return &DisconnectError{Code: codeNoConnection, Err: err}
}

// connectError gives an error of starting the core its v1 type.
func connectError(err error) error {
	var ce *awsiot.ConnectError
	if refused := handshakeError(err); refused != nil {
		return refused
	}
	switch {
	case errors.As(err, &ce) && ce.Connack != nil && ce.Connack.Code >= 0x80:
		return &ConnectError{Code: connackV1(ce.Connack.Code), Err: err}
	case errors.Is(err, awsiot.ErrStopped):
		return &ConnectError{Code: codeConnLost, Err: fmt.Errorf("v1compat: disconnected meanwhile: %w", err)}
	case errors.Is(err, awsiot.ErrClosed):
		return &ConnectError{Code: codeConnLost, Err: err}
	case noConnack(err):
		return &ConnectTimeoutError{Err: err}
	case isValidation(err):
		return &ConfigureError{Call: "Connect", Err: valueError(err)}
	}
	return err
}
