package awsiot

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"time"
)

// trial is an attempt to connect: the context of its dialling, whose deadline Update may move, and then the deadline of
// its handshake.
type trial struct {
	context.Context // ends with Stop, or with context.DeadlineExceeded as the cause
	cancel          context.CancelCauseFunc
	timer           *time.Timer       // of the dialling
	session         context.Context   // ends with Stop
	own             *x509.Certificate // of the client, that of TLS; nil: none

	mu       sync.Mutex
	began    time.Time // the dialling, then the handshake
	limit    time.Duration
	conn     net.Conn // of the handshake; nil before and after it
	detached func() bool
}

// beginTrial makes the trial of an attempt, and returns it with the options that the attempt reads.
func (c *Client) beginTrial(ctx context.Context) (*trial, *config) {
	t := &trial{session: ctx, began: time.Now()}
	t.Context, t.cancel = context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.options()
	t.limit = o.ConnectTimeout
	t.timer = time.AfterFunc(t.limit, func() { t.cancel(context.DeadlineExceeded) })
	c.trial = t
	c.limits.Store(o.limits)
	c.nameSelf(o)
	return t, o
}

// endTrial ends the trial, whatever came of it.
func (c *Client) endTrial(t *trial) {
	t.endDialling()
	c.mu.Lock()
	c.trial = nil
	c.mu.Unlock()
}

func (t *trial) endDialling() {
	t.timer.Stop()
	t.cancel(nil)
}

// Deadline is that of the dialling.
func (t *trial) Deadline() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.began.Add(t.limit), true
}

// Err returns context.DeadlineExceeded at the deadline, as other contexts do.
func (t *trial) Err() error {
	err := t.Context.Err()
	if err != nil && errors.Is(context.Cause(t.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// currentLimit is the time that the dialling, or the handshake, may take as a whole.
func (t *trial) currentLimit() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit
}

// retime gives the timeouts of Update to what is under way.
func (t *trial) retime(o *config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		t.limit = o.ConnackTimeout
		_ = t.conn.SetDeadline(t.began.Add(t.limit))
		return
	}
	t.limit = o.ConnectTimeout
	t.timer.Reset(time.Until(t.began.Add(t.limit)))
}

// shake begins the time of the handshake on conn; Stop interrupts it.
func (t *trial) shake(conn net.Conn, limit time.Duration) {
	t.endDialling()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began, t.limit, t.conn = time.Now(), limit, conn
	_ = conn.SetDeadline(t.began.Add(limit))
	t.detached = context.AfterFunc(t.session, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.conn = nil // Update must not give it time again
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
}

// shaken ends the time of the handshake, and reports whether it was interrupted.
func (t *trial) shaken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = nil
	return !t.detached()
}
