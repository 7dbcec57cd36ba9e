package v1compat

import (
	"context"
	"net"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Quirks switches single behaviours between v1's and this package's. The zero
// value is the default: it keeps what callers of v1 depend on and fixes what was
// broken. A field set to true brings back what v1 did, or, where the field says
// so, leaves it. WithStrictV1 sets the first kind.
//
// What v1 did and no field brings back: a panic in a callback ended all
// callbacks (here it is logged); a slow callback stopped the network; a
// blocking call in a callback always timed out (here it works); an invalid topic
// or filter was queued and later ended the queue (here it is an error of the
// call); a failed Disconnect made the client useless; OnOffline came twice after
// a ping timeout; unacknowledged messages were sent again after 20 s on a live
// connection, which MQTT 5 forbids [MQTT5-4.4.0-1]; QoS 2 was accepted. The whole
// list is the table of differences in MIGRATION.md.
//
// Deprecated: package awsiot has no quirks of v1.
type Quirks struct {
	// AcceptRefusedConnect: Connect returns nil although the server refused the
	// connection, and the client goes on trying, as v1 did. By default Connect
	// returns *ConnectError and does not retry.
	AcceptRefusedConnect bool
	// KeepRejectedSubscription: a filter that the server refused stays recorded
	// and is subscribed again after every reconnect, as in v1. By default it is
	// forgotten: a service that closes the connection for it would do so for ever.
	KeepRejectedSubscription bool
	// QueuedPublishAckLost: the ack callback of a PublishAsync that was queued
	// offline is never called, as in v1. By default it is called at the PUBACK.
	QueuedPublishAckLost bool
	// CloseWhenDenied: the connection is dropped, OnOffline called and the
	// connection made again when the policy denies a publish, a subscribe or an
	// unsubscribe (reason code 0x87), as AWS IoT Core does to clients of MQTT 3.1.1
	// such as v1. The call returns its error all the same, and a denied message is
	// not sent again: v1 did that and lost the next connection by it. By default
	// the connection stays.
	CloseWhenDenied bool
	// ShadowSubscribeSleep: shadow requests wait 2 s after they have subscribed,
	// as v1 did although the SUBACK had come. By default they do not. Read by
	// package shadowcompat.
	ShadowSubscribeSleep bool
	// ShadowVersionReset: an accepted answer whose version is missing or not newer
	// resets the version that a shadow handler knows, so that old deltas are
	// delivered again, as in v1. By default only an accepted delete resets it.
	// Read by package shadowcompat.
	ShadowVersionReset bool

	// DropOldestQuietly: a request that took the place of the oldest one in a full
	// queue is not an error. By default it returns the queue-full error although
	// it was queued, as in v1. WithStrictV1 leaves it false.
	DropOldestQuietly bool
	// ShadowDeltaSameVersion: a delta is delivered also when the version it
	// carries is already known from an accepted answer. By default such a delta is
	// dropped, as in v1. WithStrictV1 leaves it false. Read by package
	// shadowcompat.
	ShadowDeltaSameVersion bool
}

// strictV1 returns the quirks that WithStrictV1 sets.
func strictV1() Quirks {
	return Quirks{
		AcceptRefusedConnect:     true,
		KeepRejectedSubscription: true,
		QueuedPublishAckLost:     true,
		CloseWhenDenied:          true,
		ShadowSubscribeSleep:     true,
		ShadowVersionReset:       true,
	}
}

// setQuirks replaces the quirks of a client made by FromV2.
func (c *AWSIoTMQTTClient) setQuirks(q Quirks) {
	c.mu.Lock()
	former := c.settings.quirks.CloseWhenDenied
	c.settings.quirks = q
	c.mu.Unlock()
	if former != q.CloseWhenDenied {
		c.update("FromV2", c.wrapDialer)
	}
}

// putDialer writes the socket factory.
func (c *AWSIoTMQTTClient) putDialer(o *awsiot.ClientOptions) {
	o.Dialer = nil
	if c.settings.socket != nil {
		o.Dialer = dialWith(c.settings.socket)
	}
	c.wrapDialer(o)
}

// wrapDialer adds to the dialer what CloseWhenDenied needs. The caller holds c.mu.
func (c *AWSIoTMQTTClient) wrapDialer(o *awsiot.ClientOptions) {
	if c.settings.quirks.CloseWhenDenied {
		o.Dialer = c.deniableDialer(o.Dialer)
	}
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// deniableDialer keeps the connection that dial makes, for closeWhenDenied; nil is the core's own.
func (c *AWSIoTMQTTClient) deniableDialer(dial dialer) dialer {
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext // as the core does
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.deniable = conn
		return conn, err
	}
}

// closeWhenDenied is told how every operation has ended.
func (c *AWSIoTMQTTClient) closeWhenDenied(err error) {
	if code, ok := refusal(err); !ok || code != awsiot.ReasonNotAuthorized {
		return
	}
	c.mu.Lock()
	conn := c.deniable
	if !c.settings.quirks.CloseWhenDenied {
		conn = nil
	}
	c.deniable = nil
	c.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // the core sees it as a connection that the server has dropped
	}
}

// minKeepAlive is the shortest keep-alive that AWS IoT Core keeps to [AWS IoT Core
// endpoints and quotas, keep-alive interval].
const minKeepAlive = 30 * time.Second

// warnKeepAlive logs a keep-alive that the service does not keep to. The value goes
// on the wire all the same, as in v1. The caller does not hold c.mu.
func (c *AWSIoTMQTTClient) warnKeepAlive(d time.Duration) {
	if d > 0 && d < minKeepAlive {
		c.logger().Warn("keep-alive below the minimum of AWS IoT Core", "keep_alive", d, "minimum", minKeepAlive)
	}
}
