package awsiot

import (
	"context"
	"errors"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Stop ends the connection with a DISCONNECT, p or a normal one when p is nil, and ends every
// pending operation with ErrStopped, but those that are Lasting. It returns when the connection is gone, and the callbacks of
// OnDisconnection and OnStopped have returned: it waits for these until ctx ends or ConnackTimeout has passed, which is logged
// and changes nothing, and not at all in a callback. A
// stopped client can be started again, with its routes and subscriptions. A wrong p is a
// *ValidationError, and the client goes on. When ctx ends first the connection is dropped, and
// ctx's cause returned. Stopping a stopped client only ends the operations that wait in its queue.
func (c *Client) Stop(ctx context.Context, p *DisconnectPacket) error {
	if ctx == nil {
		return errNoContext
	}
	err := c.stop(ctx, p, ErrStopped, false)
	c.awaitDelivery(ctx, "Stop", c.lastDelivery())
	return err
}

// Abort drops the connection without a DISCONNECT, so that the broker publishes the will, and stops the client. It waits for
// callbacks as Stop does.
func (c *Client) Abort() {
	_ = c.stop(context.Background(), nil, ErrStopped, true)
	c.awaitDelivery(context.Background(), "Abort", c.lastDelivery())
}

// Drain refuses new operations with ErrStopped, waits until the pending ones have ended, and stops
// the client. When ctx ends first it stops the client all the same, and returns ctx's cause. It waits for callbacks as Stop
// does.
func (c *Client) Drain(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	c.mu.Lock()
	c.refusing = true
	var idle chan struct{}
	if c.sess != nil && c.stats.IncompleteOperationCount > 0 {
		if c.draining == nil {
			c.draining = make(chan struct{})
		}
		idle = c.draining
	}
	c.mu.Unlock()
	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			c.mu.Lock()
			err = opError("drain", "", c.waitEnded(ctx, 0))
			c.mu.Unlock()
		}
	}
	err = errors.Join(err, c.stop(context.WithoutCancel(ctx), nil, ErrStopped, false))
	c.mu.Lock()
	c.refusing = false
	c.mu.Unlock()
	c.awaitDelivery(ctx, "Drain", c.lastDelivery())
	return err
}

// DrainFor is Drain for d at most: what has not ended by then ends with ErrStopped, the DISCONNECT is sent all the same, and the
// error is that of context.DeadlineExceeded.
func (c *Client) DrainFor(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return c.Drain(ctx)
}

// Close stops the client for good: operations that are pending, and later calls, end with
// ErrClosed. Messages that wait for a handler are discarded (those of QoS 1 come again in
// another session). No callback begins after Close has returned. It is safe in a callback, and does not wait for that one. Always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if c.closing != nil {
			close(c.closing)
		}
	}
	c.mu.Unlock()
	_ = c.stop(context.Background(), nil, ErrClosed, false)
	c.messages.close()
	if c.events != c.messages {
		c.events.close()
	}
	c.live.close()
	return nil
}

// untilClose returns a channel that Close closes.
func (c *Client) untilClose() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		if c.closed {
			return closedChan
		}
		c.closing = make(chan struct{})
	}
	return c.closing
}

func (c *Client) stop(ctx context.Context, p *DisconnectPacket, cause error, abrupt bool) error {
	w := &wire.Disconnect{}
	c.mu.Lock()
	if p != nil {
		o := c.options()
		if c.link != nil {
			o = c.link.opts
		}
		if err := p.validate(o.SessionExpiry); err != nil { // what CONNECT said counts, not CONNACK [MQTT5-3.14.2-2]
			c.mu.Unlock()
			return err
		}
		w = &wire.Disconnect{Code: byte(p.Code), SessionExpiry: wireSeconds(p.SessionExpiry), Reason: p.Reason, User: toWireProperties(p.UserProperties)}
	}
	s := c.sess
	if s == nil {
		c.failAll(cause)
		c.unlock()
		return nil
	}
	if s.cause == nil {
		s.cause = cause
		c.step(trigStop)
		if l := c.link; l != nil {
			c.emitDisconnection(&Disconnection{Attempt: c.stats.Attempts, Err: opError("connection", "", cause), Client: c})
			if abrupt {
				l.fail(cause)
			} else {
				l.hangUp(w, cause)
			}
		}
		if s.cancel != nil {
			s.cancel(opError("connect", "", cause))
		}
	} else if abrupt && c.link != nil {
		c.link.drop()
	}
	ended := s.end()
	c.unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	if l := c.link; l != nil {
		l.drop()
	}
	c.unlock()
	select {
	case <-ended:
	case <-time.After(closeTimeout): // a Dialer or a handshake that does not heed its context
	}
	return opError("stop", "", context.Cause(ctx))
}

// drop ends a connection that is already being ended, without waiting for its last writes. mu is held.
func (l *link) drop() {
	l.closing = false
	_ = l.conn.SetDeadline(time.Unix(1, 0))
}
