package v1compat

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"syscall"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// lifecycle is what the connection calls leave for the core's events; it is under the client's lock.
type lifecycle struct {
	call               *connectCall // the last one; nil before any
	ignore             uint64       // events of this attempt and former ones change nothing: another connect call has ended them
	ignoreUntilStopped bool         // those of later ones too: they are being ended
	online             bool         // OnOnline has run, OnOffline not yet

	leaving       int              // disconnect calls under way
	gone          chan struct{}    // who waits for these; nil: nobody
	stopped       chan struct{}    // closed when OnOffline has run and the core is stopped; nil: nobody waits
	stoppedFrom   uint64           // the attempt whose stop it is, or a later one
	disconnectAck []func(Mid, int) // of DisconnectAsync
}

// hooks are v1's hooks as they were at one time.
type hooks struct {
	online, offline func()
	message         func(*Message)
	asyncError      func(op, topic string, err error)
}

// hookFields reads the fields. The caller holds c.mu.
func (c *AWSIoTMQTTClient) hookFields() hooks {
	return hooks{c.OnOnline, c.OnOffline, c.OnMessage, c.OnAsyncError}
}

// hooks returns the hooks that count now: those of the last connect call, or the fields, where there was none, or need not
// be one.
func (c *AWSIoTMQTTClient) hooks() hooks {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrapped || c.life.call == nil {
		return c.hookFields()
	}
	return c.life.call.hooks
}

// observer translates the events of the core.
func (c *AWSIoTMQTTClient) observer() awsiot.Observer {
	return awsiot.Observer{
		OnConnectionSuccess: func(e *awsiot.ConnectionSuccess) {
			if call, ok := c.concerns(e.Attempt); ok {
				c.onlineNow(call)
			}
		},
		OnConnectionFailure: func(e *awsiot.ConnectionFailure) {
			if call, ok := c.concerns(e.Attempt); ok && call != nil {
				c.failed(call, e)
			}
		},
		OnDisconnection: func(e *awsiot.Disconnection) {
			if _, ok := c.concerns(e.Attempt); ok {
				c.offlineNow()
			}
		},
		OnStopped:         func(e *awsiot.Stopped) { c.stoppedNow(e.Attempt) },
		OnResubscribed:    c.resubscribed,
		OnUnsubscribed:    c.unsubscribed,
		OnPublishReceived: c.general,
	}
}

// concerns reports whether the events of an attempt still count, and for which call.
func (c *AWSIoTMQTTClient) concerns(attempt uint64) (*connectCall, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.life.call
	if call != nil && attempt <= call.base {
		call = nil // of a former one
	}
	return call, attempt > c.life.ignore && !c.life.ignoreUntilStopped
}

// onlineNow is v1's CONNACK event: OnOnline, then the ack of ConnectAsync.
func (c *AWSIoTMQTTClient) onlineNow(call *connectCall) {
	c.mu.Lock()
	c.life.online = true
	c.mu.Unlock()
	c.outcome(call, nil)
	c.resubscribe()
	if hook := c.hooks().online; hook != nil {
		c.guard("OnOnline", hook)
	}
	c.acknowledge(call, 0)
}

// acknowledge calls the ack of ConnectAsync, and ends Connect's wait for OnOnline.
func (c *AWSIoTMQTTClient) acknowledge(call *connectCall, code int) {
	if call == nil {
		return
	}
	c.mu.Lock()
	ack, told := call.ack, call.told
	call.told = true
	if c.life.call != call {
		ack = nil // another call has come meanwhile
	}
	c.mu.Unlock()
	if ack != nil {
		c.guard("connect ack", func() { ack(MidConnected, code) })
	}
	if !told {
		close(call.opened)
	}
}

// offlineNow is v1's disconnect event, once for each connection.
func (c *AWSIoTMQTTClient) offlineNow() {
	c.mu.Lock()
	was := c.life.online
	c.life.online = false
	c.mu.Unlock()
	if hook := c.hooks().offline; hook != nil && was {
		c.guard("OnOffline", hook)
	}
}

// failed is an attempt that did not connect. v1 told the ack of ConnectAsync about refusals, and gave up when the first
// attempt did not reach the server.
func (c *AWSIoTMQTTClient) failed(call *connectCall, f *awsiot.ConnectionFailure) {
	if f.Connack != nil {
		c.outcome(call, nil)
		c.acknowledge(call, connackV1(f.Connack.Code))
		return
	}
	first, sent := c.outcome(call, f.Err)
	if !first || call.wait == waitsInCore {
		return // reconnecting: the core goes on; or the call stops it
	}
	if err := c.stop(); err != nil {
		c.logger().Warn("stopping after a failed connect", "error", err)
	}
	if sent {
		c.asyncError("connect", "", connectError(f.Err))
	}
}

// outcome notes how an attempt ended, and reports whether it was the first one of the call, and whether nobody waits for
// its error any more.
func (c *AWSIoTMQTTClient) outcome(call *connectCall, err error) (first, unheard bool) {
	if call == nil {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	state := call.first
	call.first = outcomeKnown
	if state == outcomeKnown {
		return false, false
	}
	call.outcome <- err
	return true, state == outcomeSent && call.wait == waitsNot
}

// expectStopped returns a channel that is closed when the callbacks of the next stop have run.
func (c *AWSIoTMQTTClient) expectStopped() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.expectStopped(c.core.Stats().Attempts + 1)
}

// expectStopped is that of a stop behind an attempt.
func (l *lifecycle) expectStopped(attempt uint64) <-chan struct{} {
	if l.stopped == nil {
		l.stopped = make(chan struct{})
	}
	l.stoppedFrom = attempt
	return l.stopped
}

// stoppedNow follows every stop of the core, whoever asked for it.
func (c *AWSIoTMQTTClient) stoppedNow(attempt uint64) {
	c.mu.Lock()
	mine := attempt > c.life.ignore && !c.life.ignoreUntilStopped
	if call := c.life.call; mine && call != nil && attempt > call.base {
		call.ack = nil // Stop of the awsiot.Client is Disconnect
	}
	var done chan struct{}
	var acks []func(Mid, int)
	if attempt >= c.life.stoppedFrom {
		done, c.life.stopped = c.life.stopped, nil
	}
	acks, c.life.disconnectAck = c.life.disconnectAck, nil
	c.mu.Unlock()
	for _, ack := range acks {
		c.guard("disconnect ack", func() { ack(MidDisconnected, 0) })
	}
	if done != nil {
		close(done)
	}
	if mine && c.core.State() == awsiot.StateStopped {
		c.catchUp()
	}
}

// inOrder returns the records in the order of their first subscription.
func (c *AWSIoTMQTTClient) inOrder() []*record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.records), func(a, b *record) int { return cmp.Compare(a.order, b.order) })
}

// noConnack reports whether the server was reached and did not answer the
// CONNECT: it kept silent, or closed the connection, as AWS IoT Core does when
// the policy does not allow the client.
func noConnack(err error) bool {
	return errors.Is(err, awsiot.ErrConnackTimeout) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
