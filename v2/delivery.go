package awsiot

import (
	"context"
	"log/slog"
	"time"
)

// delivery is closed when the callbacks of an event, of ClientOptions and of every Observer, have returned. Nil is that of
// nothing.
type delivery chan struct{}

// newDelivery returns the delivery of the event before it. The connection, or the client, keeps it until it has ended. mu is
// held.
func (c *Client) newDelivery() delivery {
	d := make(delivery)
	c.batch = append(c.batch, item{fn: func() { // holds no link: the lane may stand still over many connections
		close(d)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.link != nil && c.link.delivered == d {
			c.link.delivered = nil
		}
		if c.delivered == d {
			c.delivered = nil
		}
	}})
	return d
}

// awaitDelivery waits, for the sake of who called what, until the callbacks of what that reports have returned: but not
// after the end of ctx, not for longer than ConnackTimeout, and not at all in a callback, which they would have to wait for.
// A callback may wait for the caller in turn, so it is no error when they are late: it is logged.
func (c *Client) awaitDelivery(ctx context.Context, what string, d delivery) {
	select {
	case <-d:
		return
	default:
	}
	if d == nil || ctx.Err() != nil || c.InCallback() {
		return
	}
	limit := c.options().ConnackTimeout
	timer := time.NewTimer(limit)
	defer timer.Stop()
	began := c.clock()
	select {
	case <-d:
		return
	case <-c.untilClose(): // Close waits for what has to be waited for
		return
	case <-ctx.Done():
	case <-timer.C:
	}
	c.log.LogAttrs(ctx, slog.LevelWarn, "callbacks have not returned; the call goes on without them: one of them, or a message handler with SerialCallbacks, may wait for the caller",
		slog.String("call", what), slog.Duration("waited", c.clock()-began), slog.Duration("limit", limit))
}
