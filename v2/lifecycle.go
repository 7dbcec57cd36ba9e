package awsiot

import "slices"

// AttemptingConnect is the event of an attempt that begins. It has no data. Exactly one
// ConnectionSuccess or ConnectionFailure follows it.
type AttemptingConnect struct{}

// ConnectionSuccess is the event of an accepted connection. Exactly one Disconnection follows it.
type ConnectionSuccess struct {
	Connack  *ConnackPacket
	Settings NegotiatedSettings
}

// ConnectionFailure is the event of a failed attempt. Err is a *ConnectError; Connack is nil
// when the broker did not answer.
type ConnectionFailure struct {
	Err     error
	Connack *ConnackPacket
}

// Disconnection is the event of a connection that has ended. Packet is the broker's
// DISCONNECT, if it sent one; Err says why: ErrStopped or ErrClosed when the program asked
// for it, a *ReasonError for a DISCONNECT of 0x80 and above, else the network's error.
type Disconnection struct {
	Err    error
	Packet *DisconnectPacket
}

// Stopped is the event of a client that has stopped: the connection is gone and every operation has ended.
type Stopped struct{}

// Resubscribed is the event of one automatic SUBSCRIBE that has ended; see Resubscribe. Err
// joins one *ReasonError per refused filter, whose routes are removed.
type Resubscribed struct {
	Subscriptions []Subscription
	Suback        *SubackPacket
	Err           error
}

// Observer is a set of event callbacks for Observe; nil ones are skipped.
type Observer struct {
	OnAttemptingConnect func(*AttemptingConnect)
	OnConnectionSuccess func(*ConnectionSuccess)
	OnConnectionFailure func(*ConnectionFailure)
	OnDisconnection     func(*Disconnection)
	OnStopped           func(*Stopped)
	OnResubscribed      func(*Resubscribed)
}

// Observe adds o after the callbacks of ClientOptions and the observers before it, until
// remove is called. Any number, at any time, also before Start and inside callbacks.
func (c *Client) Observe(o Observer) (remove func()) {
	p := &o
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observers = append(slices.Clip(c.observers), p) // a new array: notify iterates without the lock
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.observers = slices.DeleteFunc(slices.Clone(c.observers), func(q *Observer) bool { return q == p })
	}
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
	emit(c, func(o *Observer) func(*AttemptingConnect) { return o.OnAttemptingConnect }, &AttemptingConnect{})
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
	emit(c, func(o *Observer) func(*Stopped) { return o.OnStopped }, &Stopped{})
}

func (c *Client) emitResubscribed(e *Resubscribed) {
	emit(c, func(o *Observer) func(*Resubscribed) { return o.OnResubscribed }, e)
}
