package mqtt

import (
	"context"
	"errors"
	"io"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// succeeded is core's event of a connection.
func (c *client) succeeded(e *awsiot.ConnectionSuccess) {
	c.mu.Lock()
	if !c.step(statusConnected) { // Disconnect was called, or somebody started core
		c.mu.Unlock()
		return
	}
	c.decided.Store(true)
	c.replay = nil
	r := c.run
	c.run = nil
	c.mu.Unlock()
	if c.left.Load() == 0 {
		c.liftWindow()
	}
	DEBUG.Println(CLI, "client is connected/reconnected")
	if fn := c.options.OnConnect; fn != nil {
		go fn(c) // the program's, as under paho: it may block and call anything
	}
	if c.options.OnConnectionNotification != nil {
		go c.notify(paho.ConnectionNotificationConnected{})
	}
	r.tell(outcome{success: e})
}

// liftWindow ends the limit of MaxResumePubInFlight: what was to be sent again is acknowledged.
func (c *client) liftWindow() {
	if c.options.MaxResumePubInFlight > 0 {
		_ = c.core.Update(func(co *awsiot.ClientOptions) { co.MaxInflight = 0 }) // ErrClosed: nothing to limit
	}
}

// attemptFailed is core's event of a failed attempt.
func (c *client) attemptFailed(e *awsiot.ConnectionFailure) {
	out := outcome{err: e.Err}
	if e.Connack != nil {
		out.code = e.Connack.Code
	}
	if ce, ok := errors.AsType[*awsiot.ConnectError](e.Err); ok && ce.Err != nil {
		out.err = ce.Err
	}
	c.mu.Lock()
	r := c.run
	c.mu.Unlock()
	r.tell(out)
}

// errPing has paho's text.
type errPing struct{ cause error }

// Error returns paho's text.
func (e *errPing) Error() string { return "pingresp not received, disconnecting" }

// Unwrap returns the error of awsiot.Client.
func (e *errPing) Unwrap() error { return e.cause }

// disconnected is core's event of the end of a connection.
func (c *client) disconnected(e *awsiot.Disconnection) {
	err := e.Err
	if errors.Is(err, awsiot.ErrPingTimeout) {
		err = &errPing{err}
		CRITICAL.Println(PNG, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) { // the broker gave no reason: paho's value, which programs compare
		err = io.EOF
	}
	asked := errors.Is(e.Err, awsiot.ErrStopped) || errors.Is(e.Err, awsiot.ErrClosed)
	again := c.options.AutoReconnect && !asked
	c.mu.Lock()
	if c.status.load() != statusConnected { // Disconnect has said all there is to say
		c.mu.Unlock()
		return
	}
	var r *run
	if again {
		c.step(statusReconnecting)
		r = newRun()
		c.run = r
	} else {
		c.step(statusDisconnecting)
	}
	c.mu.Unlock()
	if again {
		go c.reconnect(r) // ends with a connection or Disconnect
		c.tellLost(err)
		return
	}
	go func() { // core's Stop waits for this event
		c.finish()
		if !asked {
			c.tellLost(err)
		}
	}()
}

// tellLost calls the handlers of a loss, each on a goroutine of its own as under paho.
func (c *client) tellLost(err error) {
	if fn := c.options.OnConnectionLost; fn != nil {
		go fn(c, err)
	}
	if c.options.OnConnectionNotification != nil {
		go c.notify(paho.ConnectionNotificationLost{Reason: err})
	}
}

// Disconnect implements Client: it lets what is under way end, for quiesce milliseconds at most, then sends DISCONNECT.
func (c *client) Disconnect(quiesce uint) {
	if p := c.paho.Load(); p != nil {
		p.c.Disconnect(quiesce)
		return
	}
	limit := time.Duration(min(uint64(quiesce), uint64(hold/time.Millisecond))) * time.Millisecond
	c.mu.Lock()
	was := c.status.load()
	if was == statusDisconnected {
		c.mu.Unlock()
		WARN.Println(CLI, "status is already disconnected")
		return
	}
	if c.ending == nil {
		c.ending = make(chan struct{})
	}
	ending := c.ending
	if c.step(statusDisconnecting) {
		if c.run != nil {
			close(c.run.stop)
		}
		go c.disconnect(was, limit, c.run) // ends within limit and the time of a DISCONNECT
	}
	c.mu.Unlock()
	t := time.NewTimer(max(limit, leastQuiesce))
	defer t.Stop()
	select {
	case <-ending:
	case <-t.C:
	}
}

// disconnect is the goroutine of Disconnect.
func (c *client) disconnect(was status, limit time.Duration, r *run) {
	DEBUG.Println(CLI, "disconnecting")
	if was == statusConnected {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		_ = c.core.Drain(ctx) // what has not ended by then ends with an error of its own
		cancel()
	}
	_ = c.core.Stop(context.Background(), nil)
	if r != nil {
		<-r.ended
	}
	c.finish()
	DEBUG.Println(CLI, "disconnected")
}
