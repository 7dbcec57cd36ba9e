package awsiot

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// session is one run of the loop that connects, serves and waits, from Start to Stop. The loop
// is a goroutine, and the same one reads the connection.
type session struct {
	ended chan struct{} // closed when the client is stopped

	// guarded by Client.mu
	cancel context.CancelCauseFunc // interrupts dialling, the handshake and the delay; nil while connected
	cause  error                   // ErrStopped or ErrClosed once asked to end
}

// attempt is the outcome of one attempt to connect, for who waits for it.
type attempt struct {
	success *ConnectionSuccess
	err     error
}

// Start begins to connect, and keeps the client connected until Stop. It returns what is wrong
// with the options or the files they name (all of it, *ValidationError), and ErrClosed; the
// network's troubles are events. Starting a started client does nothing; a Stop in progress is
// waited for.
func (c *Client) Start() error { return c.start(nil) }

// start is Start; wait, if it is not nil, gets the outcome of the first attempt to end, or of
// the one that led to the connection there is.
func (c *Client) start(wait chan<- attempt) error {
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
	case c.validity != nil:
		return c.validity
	}
	if k := c.opts.KeepAlive; c.aws && (k < topic.MinAWSKeepAlive || k > topic.MaxAWSKeepAlive) {
		c.log.Warn("KeepAlive is outside what AWS IoT Core takes; it will use its own", slog.Duration("keep_alive", k),
			slog.Duration("min", topic.MinAWSKeepAlive), slog.Duration("max", topic.MaxAWSKeepAlive))
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.ConnectTimeout)
	_, _, err := c.opts.route(ctx)
	cancel()
	if err != nil {
		return err
	}
	for {
		c.mu.Lock()
		s := c.sess
		if s != nil && s.cause != nil {
			c.mu.Unlock()
			<-s.ended
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
		s = &session{ended: make(chan struct{})}
		c.sess = s
		c.mu.Unlock()
		return c.begin(s, wait)
	}
}

// begin opens the store and starts the session loop; wait as for start.
func (c *Client) begin(s *session, wait chan<- attempt) error {
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
		close(s.ended)
		return err
	}
	c.step(trigStart)
	c.emitAttempting()
	c.await(wait)
	c.live.add()
	go c.run(s.interruptible(), s)
	c.unlock()
	return nil
}

// StartAndWait starts the client and waits for the first attempt: nil when it is connected. In
// every failure - wrong options, a failed attempt (*ConnectError), the end of ctx - the client is stopped when
// it returns the cause. For a client that is connected it returns nil at once.
func (c *Client) StartAndWait(ctx context.Context) error {
	wait := make(chan attempt, 1)
	defer c.forget(wait)
	err := c.start(wait)
	if err == nil {
		select {
		case a := <-wait:
			err = a.err
		case <-ctx.Done():
			err = opError("connect", "", context.Cause(ctx))
		}
	}
	if err != nil {
		_ = c.Stop(context.Background(), nil)
	}
	return err
}

// AwaitConnected waits until the client is connected, through as many attempts as that takes.
// It returns the cause when the client is stopped or closed, also if it was not started, and the error of ctx.
func (c *Client) AwaitConnected(ctx context.Context) (*ConnectionSuccess, error) {
	for {
		wait := make(chan attempt, 1)
		c.mu.Lock()
		switch {
		case c.state == StateConnected:
			defer c.mu.Unlock()
			return c.last, nil
		case c.closed:
			defer c.mu.Unlock()
			return nil, opError("connect", "", ErrClosed)
		case c.sess == nil || c.sess.cause != nil:
			defer c.mu.Unlock()
			return nil, opError("connect", "", ErrStopped)
		}
		c.waiters = append(c.waiters, wait)
		c.mu.Unlock()
		select {
		case a := <-wait:
			if a.success != nil {
				return a.success, nil
			}
			if errors.Is(a.err, ErrStopped) || errors.Is(a.err, ErrClosed) {
				return nil, a.err
			}
		case <-ctx.Done():
			c.forget(wait)
			return nil, opError("connect", "", context.Cause(ctx))
		}
	}
}

// await makes wait get the outcome of the next attempt, or at once that of the connection. mu is held.
func (c *Client) await(wait chan<- attempt) {
	switch {
	case wait == nil:
	case c.state == StateConnected:
		wait <- attempt{success: c.last} // has room for one
	default:
		c.waiters = append(c.waiters, wait)
	}
}

// forget removes a waiter that gave up.
func (c *Client) forget(wait chan<- attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.waiters {
		if w == wait {
			c.waiters = append(c.waiters[:i:i], c.waiters[i+1:]...)
			return
		}
	}
}

// tell gives the outcome of an attempt to those who wait for one. mu is held.
func (c *Client) tell(a attempt) {
	for _, w := range c.waiters {
		w <- a
	}
	c.waiters = nil
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
		c.backOff(ctx, reason)
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

// backOff waits before the next attempt, or until ctx ends.
func (c *Client) backOff(ctx context.Context, reason ReasonCode) {
	delay := c.retry.Next()
	if !reason.heals() {
		delay = c.opts.MaxReconnectDelay
	}
	c.log.Info("waiting before the next attempt to connect", slog.Duration("delay", delay))
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
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
	c.note(slog.LevelWarn, "connecting failed", slog.Any("error", err))
	c.emitFailure(&ConnectionFailure{Err: err, Connack: err.Connack})
	c.tell(attempt{err: err})
	return reason
}

// finish ends the session: every operation that is left fails, and the client is stopped.
func (c *Client) finish(s *session) {
	c.mu.Lock()
	c.failAll(s.cause)
	c.table.Reset()
	c.inflight, c.rejoin, c.restoring = 0, false, false
	c.step(trigGone)
	c.sess = nil
	c.emitStopped()
	c.tell(attempt{err: opError("connect", "", s.cause)})
	c.unlock()
	c.closeStore()
	close(s.ended)
}
