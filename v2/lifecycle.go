package awsiot

import (
	"errors"
	"slices"
)

// AttemptingConnect is the event of an attempt that begins. Exactly one
// ConnectionSuccess or ConnectionFailure with the same Attempt follows it.
type AttemptingConnect struct {
	Attempt uint64 // 1 for the client's first one; it grows over every Stop and Start, see OperationStatistics.Attempts
}

// ConnectionSuccess is the event of an accepted connection. Exactly one Disconnection follows it.
type ConnectionSuccess struct {
	Attempt  uint64 // that of the AttemptingConnect before it
	Connack  *ConnackPacket
	Settings NegotiatedSettings
	Client   *Client // whose connection it is
}

// ConnectionFailure is the event of a failed attempt. Err is a *ConnectError; Connack is nil
// when the broker did not answer.
type ConnectionFailure struct {
	Attempt uint64 // that of the AttemptingConnect before it
	Err     error
	Connack *ConnackPacket
}

// Disconnection is the event of a connection that has ended. Packet is the broker's
// DISCONNECT, if it sent one; Err says why: ErrStopped or ErrClosed when the program asked
// for it, a *ReasonError for a DISCONNECT of 0x80 and above, else the network's error.
type Disconnection struct {
	Attempt uint64 // that of the ConnectionSuccess before it
	Err     error
	Packet  *DisconnectPacket
	Client  *Client // whose connection it was
}

// Requested reports whether the program asked for the end of the connection, by Stop, Drain, Abort or Close.
func (d *Disconnection) Requested() bool {
	return errors.Is(d.Err, ErrStopped) || errors.Is(d.Err, ErrClosed)
}

// Stopped is the event of a client that has stopped: the connection is gone and every operation has ended.
type Stopped struct {
	Attempt uint64 // the last one before it
}

// Resubscribed is the event of one automatic SUBSCRIBE that has ended; see Resubscribe. Err
// joins one *ReasonError per refused filter, whose routes are removed. A filter over which the broker ends connections
// is refused, too: Err is then the broker's reason, and ErrEndsConnection.
type Resubscribed struct {
	Subscriptions []Subscription
	Suback        *SubackPacket
	Err           error
}

// Unsubscribed is the event of an Unsubscribe that was accepted: the program's subscriptions to the filters, and
// their handlers, are gone.
type Unsubscribed struct{ TopicFilters []string }

// Observer is a set of event callbacks for Observe; nil ones are skipped.
type Observer struct {
	OnAttemptingConnect func(*AttemptingConnect)
	OnConnectionSuccess func(*ConnectionSuccess)
	OnConnectionFailure func(*ConnectionFailure)
	OnDisconnection     func(*Disconnection)
	OnStopped           func(*Stopped)
	OnResubscribed      func(*Resubscribed)
	OnUnsubscribed      func(*Unsubscribed)
	// OnPublishReceived gets every message, as that of ClientOptions, after it and after all handlers; like these it
	// is not an event but runs among the messages.
	OnPublishReceived MessageHandler
}

// Observe adds o after the callbacks of ClientOptions and the observers before it, until
// remove is called. Any number, at any time, also before Start and inside callbacks.
func (c *Client) Observe(o Observer) (remove func()) {
	p := &o
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setObservers(append(slices.Clip(c.observers), p)) // a new array: notify iterates without the lock
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.setObservers(slices.DeleteFunc(slices.Clone(c.observers), func(q *Observer) bool { return q == p }))
	}
}

// setObservers makes list the observers. mu is held.
func (c *Client) setObservers(list []*Observer) {
	c.observers = list
	var hear []MessageHandler
	for _, o := range list {
		if o.OnPublishReceived != nil {
			hear = append(hear, o.OnPublishReceived)
		}
	}
	c.hearers.Store(&hear)
}

// emit puts an event into the event lane. pick takes the callback out of an observer. mu is held.
func emit[E any](c *Client, pick func(*Observer) func(*E), e *E) {
	c.batch = append(c.batch, item{fn: func() {
		c.mu.Lock()
		observers := c.observers
		c.mu.Unlock()
		for _, o := range observers {
			if fn := pick(o); fn != nil {
				c.events.guard(func() { fn(e) })
			}
		}
	}})
}

func (c *Client) emitAttempting() {
	c.stats.Attempts++
	emit(c, func(o *Observer) func(*AttemptingConnect) { return o.OnAttemptingConnect }, &AttemptingConnect{c.stats.Attempts})
}

func (c *Client) emitSuccess(e *ConnectionSuccess) {
	emit(c, func(o *Observer) func(*ConnectionSuccess) { return o.OnConnectionSuccess }, e)
}

func (c *Client) emitFailure(e *ConnectionFailure) {
	emit(c, func(o *Observer) func(*ConnectionFailure) { return o.OnConnectionFailure }, e)
}

func (c *Client) emitDisconnection(e *Disconnection) {
	emit(c, func(o *Observer) func(*Disconnection) { return o.OnDisconnection }, e)
}

func (c *Client) emitStopped() {
	emit(c, func(o *Observer) func(*Stopped) { return o.OnStopped }, &Stopped{c.stats.Attempts})
}

func (c *Client) emitUnsubscribed(e *Unsubscribed) {
	emit(c, func(o *Observer) func(*Unsubscribed) { return o.OnUnsubscribed }, e)
}

func (c *Client) emitResubscribed(e *Resubscribed) {
	emit(c, func(o *Observer) func(*Resubscribed) { return o.OnResubscribed }, e)
}
