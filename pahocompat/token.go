package mqtt

import (
	"errors"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// baseToken is the common part of the tokens: how an operation ended, or the token of the paho engine that knows.
type baseToken struct {
	inner paho.Token // under the paho engine, and never changed; else nil

	mu    sync.Mutex
	ended bool
	err   error
	done  chan struct{} // made by who waits
	moved bool          // the operation goes on under the paho engine: its end here counts no more
}

// closed is the channel of tokens that nobody has waited for before their end.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Wait waits for the end of the operation; it returns true.
func (b *baseToken) Wait() bool {
	<-b.Done()
	return true
}

// WaitTimeout waits for the end of the operation, for d at most, and reports whether it has come.
func (b *baseToken) WaitTimeout(d time.Duration) bool {
	done := b.Done()
	select {
	case <-done:
		return true
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Done returns a channel that is closed at the end of the operation.
func (b *baseToken) Done() <-chan struct{} {
	if b.inner != nil {
		return b.inner.Done()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		if b.ended {
			return closed
		}
		b.done = make(chan struct{})
	}
	return b.done
}

// Error returns why the operation has failed; nil: it has not, so far.
func (b *baseToken) Error() error {
	if b.inner != nil {
		return b.inner.Error()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// end ends the operation once; set, which may be nil, fills in the rest of the result.
func (b *baseToken) end(err error, set func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.moved {
		b.finish(err, set)
	}
}

// finish does end. mu is held.
func (b *baseToken) finish(err error, set func()) {
	if set != nil {
		set()
	}
	b.ended, b.err = true, err
	if b.done != nil {
		close(b.done)
	}
}

// failed returns b with its end.
func (b *baseToken) fail(err error) { b.end(err, nil) }

// move takes the operation out of the hands of the v2 engine; false: it has ended there.
func (b *baseToken) move() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved = true
	return !b.ended
}

// follow makes a token that has moved end as t does; set fills in the rest of the result.
func (b *baseToken) follow(t paho.Token, set func()) {
	t.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish(t.Error(), set)
}

// ConnectToken is the token of Connect.
type ConnectToken struct {
	baseToken
	returnCode     byte
	sessionPresent bool
}

// ReturnCode returns the return code of MQTT 3.1.1 nearest to the broker's answer: 0 accepted, 1 to 5 refused, 0xFE no answer.
func (c *ConnectToken) ReturnCode() byte {
	if t, ok := c.inner.(*paho.ConnectToken); ok {
		return t.ReturnCode()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.returnCode
}

// SessionPresent reports whether the broker goes on with an earlier session.
func (c *ConnectToken) SessionPresent() bool {
	if t, ok := c.inner.(*paho.ConnectToken); ok {
		return t.SessionPresent()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessionPresent
}

// PublishToken is the token of Publish.
type PublishToken struct {
	baseToken
	messageID uint16
	size      int // of a QoS 0 payload
	c         *client
}

// MessageID returns the packet identifier; 0 at QoS 0.
func (p *PublishToken) MessageID() uint16 {
	if t, ok := p.inner.(*paho.PublishToken); ok {
		return t.MessageID()
	}
	return p.messageID
}

// SubscribeToken is the token of Subscribe and SubscribeMultiple.
type SubscribeToken struct {
	baseToken
	subs   []string
	result map[string]byte
	key    uint16 // in the store; 0: not there
	c      *client
}

// Result returns what the broker has granted for each filter: the QoS, or 0x80 for a refusal.
func (s *SubscribeToken) Result() map[string]byte {
	if t, ok := s.inner.(*paho.SubscribeToken); ok {
		return t.Result()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// UnsubscribeToken is the token of Unsubscribe.
type UnsubscribeToken struct {
	baseToken
	key uint16 // in the store; 0: not there
	c   *client
}

// DisconnectToken is paho's token of a DISCONNECT, which no call returns.
type DisconnectToken struct{ baseToken }

// lostError has paho's text for an operation whose connection, or client, has ended before it.
type lostError struct {
	what  string
	cause error
}

// Error returns paho's text.
func (e *lostError) Error() string { return "connection lost before " + e.what + " completed" }

// Unwrap returns the error of awsiot.Client.
func (e *lostError) Unwrap() error { return e.cause }

// operationError gives an error of awsiot.Client paho's text, where paho has one.
func operationError(what string, err error) error {
	if errors.Is(err, awsiot.ErrStopped) || errors.Is(err, awsiot.ErrClosed) || errors.Is(err, awsiot.ErrOffline) {
		return &lostError{what, err}
	}
	return err
}
