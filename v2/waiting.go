package awsiot

import (
	"context"
	"fmt"
	"time"
)

// waitError is the end of a wait by its context, with why there was something to wait for.
type waitError struct {
	cause error // of the context
	why   string
	last  error // of the connection, or of an attempt; nil: none
}

func (e *waitError) Error() string {
	s := e.cause.Error() + ": " + e.why
	if e.last != nil {
		s += ": " + e.last.Error()
	}
	return s
}

// Unwrap returns the cause, and the last error of the connection, which ReasonOf looks into.
func (e *waitError) Unwrap() []error {
	if e.last == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.last}
}

// waitEnded returns the cause of ctx, with why an operation had to wait, if the client is at fault and not the broker.
// seq is when the operation began (Client.seq). mu is held.
func (c *Client) waitEnded(ctx context.Context, seq uint64) error {
	cause := context.Cause(ctx)
	switch {
	case c.sess == nil && !c.started:
		return &waitError{cause, "the client is not started: Start was not called", nil}
	case c.sess == nil:
		return &waitError{cause, "the client is not started: it was stopped, and Start not called again", nil}
	case !c.offline.IsZero():
		why := fmt.Sprintf("offline since %s (%v)", c.offline.Format(time.RFC3339), time.Since(c.offline)/time.Millisecond*time.Millisecond)
		if c.trouble != nil {
			why += ", last error"
		}
		return &waitError{cause, why, c.trouble}
	case c.suspects > 0:
		return &waitError{cause, fmt.Sprintf("waits while %d operations are sent one by one, since the broker ended a connection over one of them", c.suspects), c.lost.err}
	case c.lost.err != nil && seq <= c.lostSeq:
		return &waitError{cause, "the last connection ended", c.lost.err}
	}
	return cause
}
