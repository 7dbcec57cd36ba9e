package awsiot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/backoff"
)

// session is one run of the loop that connects, serves and waits, from Start to Stop. The loop
// is a goroutine, and the same one reads the connection.
type session struct {
	// guarded by Client.mu
	ended  chan struct{}           // made by end
	retime chan struct{}           // has room for one: Update has changed the delays; nil unless the loop waits between attempts
	cancel context.CancelCauseFunc // interrupts dialling, the handshake and the delay; nil while connected
	cause  error                   // ErrStopped or ErrClosed once asked to end
	only   bool                    // an attempt has failed, and who waited for it stops the client
	was    bool                    // connected, at least once
}

// attempt is the outcome of one attempt to connect, for who waits for it.
type attempt struct {
	success   *ConnectionSuccess
	err       error
	delivered delivery // of the event of success, or of that of the end of the session
}

// Start begins to connect, and keeps the client connected until Stop. It returns what is wrong
// with the options or the files they name (all of it, *ValidationError), and ErrClosed; the
// network's troubles are events. Starting a started client does nothing; a Stop in progress is
// waited for.
func (c *Client) Start() error { return c.start(waiter{}) }

// start is Start; wait, if it has a channel, gets the outcome of the first attempt to end, or of
// the one that led to the connection there is.
func (c *Client) start(wait waiter) error {
	c.mu.Lock()
	running := c.sess != nil && c.sess.cause == nil
	closed := c.closed
	if running && !closed {
		c.await(wait)
	}
	c.mu.Unlock()
	switch {
	case closed:
		return opError("start", "", ErrClosed)
	case running:
		return nil
	}
	o := c.options()
	if err := o.problems.join(); err != nil {
		return err
	}
	if k := o.KeepAlive; o.aws && (k < topic.MinAWSKeepAlive || k > topic.MaxAWSKeepAlive) {
		c.log.Warn("KeepAlive is outside what AWS IoT Core takes; it will use its own", slog.Duration("keep_alive", k),
			slog.Duration("min", topic.MinAWSKeepAlive), slog.Duration("max", topic.MaxAWSKeepAlive))
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.ConnectTimeout)
	_, _, err := o.route(ctx, c.calls.uncounted())
	cancel()
	if err != nil {
		return err
	}
	for {
		c.mu.Lock()
		s := c.sess
		if s != nil && s.cause != nil {
			ended := s.end()
			c.mu.Unlock()
			<-ended
			continue
		}
		if s != nil || c.closed {
			closed := c.closed
			if !closed {
				c.await(wait)
			}
			c.mu.Unlock()
			if closed {
				return opError("start", "", ErrClosed)
			}
			return nil
		}
		s = &session{}
		c.sess = s
		c.mu.Unlock()
		return c.begin(s, wait)
	}
}

// end returns a channel that is closed when the client is stopped. Client.mu is held, and s is Client.sess.
func (s *session) end() <-chan struct{} {
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	return s.ended
}

// over tells those who wait that the client is stopped. s is not Client.sess any more, so nobody begins to wait.
func (s *session) over() {
	if s.ended != nil {
		close(s.ended)
	}
}

// begin opens the store and starts the session loop; wait as for start.
func (c *Client) begin(s *session, wait waiter) error {
	err := c.openStore()
	c.mu.Lock()
	if err == nil && s.cause != nil { // stopped meanwhile
		err = opError("start", "", s.cause)
	}
	if err != nil {
		c.sess = nil
		if s.cause != nil {
			c.failAll(s.cause)
		}
		c.tell(attempt{err: err})
		c.unlock()
		c.closeStore()
		s.over()
		return err
	}
	c.step(trigStart)
	c.started, c.offline, c.trouble = true, time.Now(), nil
	c.emitAttempting()
	c.await(wait)
	c.live.add()
	go c.run(s.interruptible(), s)
	c.unlock()
	return nil
}

// StartAndSend starts the client and waits until the first attempt has reached the broker: nil when the CONNECT is
// written, or the client is connected already. When the attempt fails before that, or ctx ends, it is as StartAndWait. What
// becomes of the CONNECT is an event, and a failure is followed by further attempts, as after Start.
func (c *Client) StartAndSend(ctx context.Context) error { return c.startAnd(ctx, true) }

// StartAndWait starts the client and waits for the first attempt: nil when it is connected. In
// every failure - wrong options, a failed attempt (*ConnectError), the end of ctx - the client is stopped when
// it returns the cause. For a client that is connected it returns nil at once.
//
// The callbacks of the events of what it returns (OnConnectionSuccess; after a failure, those up to OnStopped) have returned,
// too, of ClientOptions and of every Observer. It waits for them until ctx ends or ConnackTimeout has passed, which is logged and
// changes nothing; called in a callback it does not wait for others.
func (c *Client) StartAndWait(ctx context.Context) error { return c.startAnd(ctx, false) }

// StartAndRetry starts the client and waits until it is connected, through as many attempts as that takes: Start, then
// AwaitConnected. When ctx ends first the client goes on trying.
func (c *Client) StartAndRetry(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	if err := c.Start(); err != nil {
		return err
	}
	_, err := c.AwaitConnected(ctx)
	return err
}

// StartRetryAsync is StartAndRetry without the wait: the future ends when the client is connected, or stopped.
func (c *Client) StartRetryAsync() *Future[*ConnectionSuccess] {
	f, end := NewFuture[*ConnectionSuccess](c)
	go func() { // ends with the connection, or with Stop
		if err := c.Start(); err != nil {
			end(nil, err)
			return
		}
		end(c.AwaitConnected(context.Background()))
	}()
	return f
}

// StartAsync is StartAndWait without the wait: the future ends with the first attempt, and the client is stopped when that
// fails.
func (c *Client) StartAsync() *Future[*ConnectionSuccess] {
	f, end := NewFuture[*ConnectionSuccess](c)
	go func() { // ends with the attempt, or with Stop
		err := c.StartAndWait(context.Background())
		c.mu.Lock()
		last := c.last
		c.mu.Unlock()
		if err != nil {
			last = nil
		}
		end(last, err)
	}()
	return f
}

// startAnd starts the client and waits for the outcome of the first attempt, or, with sent, for its CONNECT.
func (c *Client) startAnd(ctx context.Context, sent bool) error {
	if ctx == nil {
		return errNoContext
	}
	wait := make(chan attempt, 1)
	defer c.forget(wait)
	err := c.start(waiter{wait, sent, true})
	var delivered delivery
	if err == nil {
		select {
		case a := <-wait:
			err, delivered = a.err, a.delivered
		case <-ctx.Done():
			c.mu.Lock()
			err = opError("connect", "", c.waitEnded(ctx, 0))
			c.mu.Unlock()
		}
	}
	if err != nil {
		_ = c.stop(context.Background(), nil, ErrStopped, false)
		delivered = c.lastDelivery()
	}
	c.awaitDelivery(ctx, "StartAndWait", delivered)
	return err
}

// lastDelivery is the delivery of the last session that has ended.
func (c *Client) lastDelivery() delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delivered
}

// AwaitConnected waits until the client is connected, through as many attempts as that takes.
// It returns the cause when the client is stopped or closed, also if it was not started, and the error of ctx. It waits for
// callbacks as StartAndWait does.
func (c *Client) AwaitConnected(ctx context.Context) (*ConnectionSuccess, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	for {
		wait := make(chan attempt, 1)
		c.mu.Lock()
		switch {
		case c.state == StateConnected:
			last, delivered := c.last, c.link.delivered
			c.mu.Unlock()
			c.awaitDelivery(ctx, "AwaitConnected", delivered)
			return last, nil
		case c.closed:
			defer c.mu.Unlock()
			return nil, opError("connect", "", ErrClosed)
		case c.sess == nil || c.sess.cause != nil:
			defer c.mu.Unlock()
			return nil, opError("connect", "", ErrStopped)
		}
		c.waiters = append(c.waiters, waiter{ch: wait})
		c.mu.Unlock()
		select {
		case a := <-wait:
			ended := errors.Is(a.err, ErrStopped) || errors.Is(a.err, ErrClosed)
			if ended || a.success != nil {
				c.awaitDelivery(ctx, "AwaitConnected", a.delivered)
				return a.success, a.err
			}
		case <-ctx.Done():
			c.forget(wait)
			c.mu.Lock()
			defer c.mu.Unlock()
			return nil, opError("connect", "", c.waitEnded(ctx, 0))
		}
	}
}

// waiter is who waits for the outcome of an attempt.
type waiter struct {
	ch   chan<- attempt // has room for one
	sent bool           // a CONNECT that was written is enough
	only bool           // who waits stops the client when the attempt fails
}

// await makes wait get the outcome of the next attempt, or at once that of the connection. mu is held.
func (c *Client) await(wait waiter) {
	switch {
	case wait.ch == nil:
	case c.state == StateConnected:
		wait.ch <- attempt{success: c.last, delivered: c.link.delivered}
	default:
		c.waiters = append(c.waiters, wait)
	}
}

// forget removes a waiter that gave up.
func (c *Client) forget(wait chan<- attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.waiters {
		if w.ch == wait {
			c.waiters = append(c.waiters[:i:i], c.waiters[i+1:]...)
			return
		}
	}
}

// tell gives the outcome of an attempt to those who wait for one. mu is held.
func (c *Client) tell(a attempt) {
	for _, w := range c.waiters {
		w.ch <- a
	}
	c.waiters = nil
}

// tellSent tells those for whom that is enough that the CONNECT was written.
func (c *Client) tellSent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters = slices.DeleteFunc(c.waiters, func(w waiter) bool {
		if w.sent {
			w.ch <- attempt{}
		}
		return w.sent
	})
}

// run is the session loop: attempts until one succeeds. With the connection a new goroutine takes over, for dialling
// and shaking hands need a large stack, and an idle client is not to keep it.
func (c *Client) run(ctx context.Context, s *session) {
	for again := true; again; {
		l, err := c.connect(ctx)
		if err == nil {
			err = c.establish(s, l)
		}
		if err == nil {
			go c.runConnected(s, l)
			return
		}
		again = c.retryAfter(ctx, s, c.attemptFailed(s, err))
	}
	c.live.done()
}

// runConnected is the session loop from a connection to the next one.
func (c *Client) runConnected(s *session, l *link) {
	reason := c.serve(l)
	c.mu.Lock()
	ctx := s.interruptible()
	c.mu.Unlock()
	if c.retryAfter(ctx, s, reason) {
		c.run(ctx, s)
	} else {
		c.live.done()
	}
}

// interruptible returns a context that ends when the client is stopped. Client.mu is held.
func (s *session) interruptible() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	if s.cause != nil {
		cancel(opError("connect", "", s.cause))
	}
	s.cancel = cancel
	return ctx
}

// retryAfter waits before the next attempt; false: there is none, the session has ended.
func (c *Client) retryAfter(ctx context.Context, s *session, reason ReasonCode) bool {
	if ctx.Err() == nil {
		c.backOff(ctx, s, reason)
	}
	c.mu.Lock()
	again := s.cause == nil && c.step(trigRetry)
	if again {
		c.emitAttempting()
	}
	c.unlock()
	if !again {
		c.finish(s)
	}
	return again
}

// longWait is from which delay on the log warns of a wait.
const longWait = 30 * time.Second

// backOff waits before the next attempt, or until ctx ends.
func (c *Client) backOff(ctx context.Context, s *session, reason ReasonCode) {
	began := c.clock()
	timer := time.NewTimer(c.delay(s, reason, (*backoff.Backoff).Next))
	defer timer.Stop()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.retime = nil
	}()
	for {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-s.retime:
			timer.Reset(c.delay(s, reason, (*backoff.Backoff).Again) - (c.clock() - began))
		}
	}
}

// delay returns how long to wait before the next attempt, counted from the end of the last one.
func (c *Client) delay(s *session, reason ReasonCode, draw func(*backoff.Backoff) time.Duration) time.Duration {
	c.mu.Lock()
	s.retime = make(chan struct{}, 1) // what changed before counts now
	delay, why := draw(&c.retry), "the attempts before have failed"
	if !reason.heals() {
		delay, why = c.options().MaxReconnectDelay, "the broker's reason does not heal by itself"
	}
	trouble := c.trouble
	over := c.sess == nil || c.sess.only
	c.mu.Unlock()
	if over { // no attempt follows
		return delay
	}
	level, attrs := slog.LevelInfo, []slog.Attr{slog.Duration("delay", delay), slog.Any("error", trouble)}
	if delay >= longWait {
		level, attrs = slog.LevelWarn, append(attrs, slog.String("why", why))
	}
	c.log.LogAttrs(context.Background(), level, "waiting before the next attempt to connect", attrs...)
	return delay
}

// attemptFailed reports a failed attempt.
func (c *Client) attemptFailed(s *session, err *ConnectError) (reason ReasonCode) {
	c.mu.Lock()
	defer c.unlock()
	if err.Connack != nil {
		reason = err.Connack.Code
	}
	if s.cause == nil {
		c.step(trigFailed)
	}
	c.trouble = err
	c.note(slog.LevelWarn, "connecting failed", slog.Any("error", err))
	c.emitFailure(&ConnectionFailure{Attempt: c.stats.Attempts, Err: err, Connack: err.Connack})
	s.only = s.only || slices.ContainsFunc(c.waiters, func(w waiter) bool { return w.only })
	c.tell(attempt{err: err})
	return reason
}

// finish ends the session: every operation that is left fails, and the client is stopped.
func (c *Client) finish(s *session) {
	c.mu.Lock()
	c.failAll(s.cause)
	if c.queue.n == 0 {
		c.resetIDs() // else it has the identifiers of publishes that last
	}
	c.inflight, c.rejoin, c.restoring = 0, false, false
	c.step(trigGone)
	c.stopAckTimer() // a client that is closed and forgotten has no use for it
	c.sess, c.offline, c.trouble = nil, time.Time{}, nil
	c.emitStopped()
	c.delivered = c.newDelivery()
	c.tell(attempt{err: opError("connect", "", s.cause), delivered: c.delivered})
	c.unlock()
	c.closeStore()
	s.over()
}
