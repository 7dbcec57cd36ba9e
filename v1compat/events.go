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

// observer translates the events of one core. An event of a former core that
// comes late is ignored.
func (c *AWSIoTMQTTClient) observer(core *awsiot.Client) awsiot.Observer {
	current := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.core == core
	}
	return awsiot.Observer{
		OnConnectionSuccess: func(*awsiot.ConnectionSuccess) {
			if current() {
				c.firstOutcome(nil)
				c.online(core)
			}
		},
		OnConnectionFailure: func(f *awsiot.ConnectionFailure) {
			if current() {
				c.failed(core, f)
			}
		},
		OnDisconnection: func(*awsiot.Disconnection) {
			if current() {
				c.offline()
			}
		},
		OnStopped: func(*awsiot.Stopped) {
			if current() {
				c.stopped(core)
			}
		},
		OnResubscribed: func(r *awsiot.Resubscribed) {
			if current() {
				c.resubscribed(r)
			}
		},
	}
}

// attach observes a client that FromV2 was given, once, when it is first used.
func (c *AWSIoTMQTTClient) attach(core *awsiot.Client) {
	c.mu.Lock()
	known := c.life.attached == core
	c.life.attached = core
	c.mu.Unlock()
	if !known {
		core.Observe(c.observer(core))
	}
}

// online is v1's CONNACK event: OnOnline, then the ack of ConnectAsync.
func (c *AWSIoTMQTTClient) online(core *awsiot.Client) {
	c.mu.Lock()
	if c.life.online { // Connect on a running client of FromV2 saw it first
		c.mu.Unlock()
		c.openedNow()
		return
	}
	c.life.online = true
	hook, ack := c.life.hooks.online, c.life.connectAck
	c.mu.Unlock()
	c.resubscribe(core, true)
	if hook != nil {
		c.guard("OnOnline", hook)
	}
	if ack != nil {
		c.guard("connect ack", func() { ack(MidConnected, 0) })
	}
	c.openedNow()
}

// offline is v1's disconnect event, once for each connection.
func (c *AWSIoTMQTTClient) offline() {
	c.mu.Lock()
	hook := c.life.hooks.offline
	if !c.life.online {
		hook = nil
	}
	c.life.online = false
	c.mu.Unlock()
	if hook != nil {
		c.guard("OnOffline", hook)
	}
}

// failed is an attempt that did not connect. v1 told the ack of ConnectAsync
// about refusals, and gave up when the first attempt did not reach the server.
func (c *AWSIoTMQTTClient) failed(core *awsiot.Client, f *awsiot.ConnectionFailure) {
	c.mu.Lock()
	ack, first := c.life.connectAck, c.life.first
	c.mu.Unlock()
	if f.Connack != nil {
		c.firstOutcome(nil)
		c.openedNow() // a Connect that goes on has no OnOnline to wait for
		if ack != nil {
			c.guard("connect ack", func() { ack(MidConnected, connackV1(f.Connack.Code)) })
		}
		return
	}
	if first == nil {
		return // reconnecting: the core goes on
	}
	if err := c.stop(core); err != nil {
		c.logger().Warn("stopping after a failed connect", "error", err)
	}
	c.firstOutcome(connectError(f.Err))
}

// connectSent is the core's trace of a CONNECT that was written.
func (c *AWSIoTMQTTClient) connectSent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.life.first
	if first == nil || first.whole {
		return
	}
	select {
	case <-first.reached: // by a former attempt
	default:
		close(first.reached)
	}
}

// firstOutcome tells ConnectAsync how its first attempt went, or OnAsyncError
// when the call no longer waits.
func (c *AWSIoTMQTTClient) firstOutcome(err error) {
	c.mu.Lock()
	first := c.life.first
	c.life.first = nil
	c.mu.Unlock()
	if first == nil {
		return
	}
	select {
	case <-first.reached: // the call returns, or has returned, without it
		<-first.left
	case first.result <- err:
		return
	case <-first.left:
	}
	if err != nil {
		c.asyncError("connect", "", err)
	}
}

// stopped follows every stop of the core, whoever asked for it.
func (c *AWSIoTMQTTClient) stopped(core *awsiot.Client) {
	if core.State() == awsiot.StateStopped { // else a Connect has done it already
		c.requeue(core)
	}
	c.mu.Lock()
	done, acks := c.life.stopped, c.life.disconnectAck
	c.life.stopped, c.life.disconnectAck = nil, nil
	c.mu.Unlock()
	for _, ack := range acks {
		c.guard("disconnect ack", func() { ack(MidDisconnected, 0) })
	}
	if done != nil {
		close(done)
	}
}

// routeGeneral gives OnMessage of a client made by FromV2 its messages: the
// options of that client are not ours, so two routes stand for all topics.
func (c *AWSIoTMQTTClient) routeGeneral(core *awsiot.Client) {
	c.mu.Lock()
	former := c.life.unroute
	c.life.unroute = nil
	wanted := c.life.hooks.message != nil
	c.mu.Unlock()
	for _, f := range former {
		f()
	}
	if !wanted {
		return
	}
	routes := []func(){core.Handle("#", c.general), core.Handle("$aws/#", c.general)}
	c.mu.Lock()
	c.life.unroute = append(c.life.unroute, routes...)
	c.mu.Unlock()
}

// inOrder returns the records in the order of their first subscription.
func (c *AWSIoTMQTTClient) inOrder() []*record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sorted()
}

func (c *AWSIoTMQTTClient) sorted() []*record {
	return slices.SortedFunc(maps.Values(c.records), func(a, b *record) int { return cmp.Compare(a.order, b.order) })
}

// noConnack reports whether the server was reached and did not answer the
// CONNECT: it kept silent, or closed the connection, as AWS IoT Core does when
// the policy does not allow the client.
func noConnack(err error) bool {
	return errors.Is(err, awsiot.ErrConnackTimeout) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
