package v1compat

import (
	"errors"
	"fmt"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Publish is v1's publish. payload may be a string, []byte, a number (sent as the
// text Python prints), nil or "" (both empty); qos is 0 or 1. The message is
// never retained.
//
// (true, nil): written for QoS 0, acknowledged for QoS 1. (false, nil): put into
// the offline queue, since the client is not connected, or is connected and
// still subscribes again or drains the queue. Errors: *ValueError and *TypeError
// for the arguments, also while offline; *PublishTimeoutError when no PUBACK came
// in time, the message remaining in flight; *PublishQueueFullError and
// *PublishQueueDisabledError from the offline queue; *PublishError when the
// server refused the message, ended connections over it (awsiot.ErrEndsConnection) or the client was stopped.
//
// Deprecated: use awsiot.Client.Publish.
func (c *AWSIoTMQTTClient) Publish(topic string, payload any, qos byte) (bool, error) {
	body, err := publishArguments(topic, payload, qos)
	if err != nil {
		return false, err
	}
	c.mid() // v1 numbered blocking calls too
	limit := c.limits.begin(c.operationTimeout())
	res, err := c.send(limit, &awsiot.PublishPacket{Topic: topic, Payload: body, QoS: awsiot.QoS(qos), Lasting: true})
	c.limits.end(limit)
	if res.Pending == nil {
		if err != nil {
			c.closeWhenDenied(err)
		}
		return err == nil, publishError(err)
	}
	// It goes on without the call: queued, or in flight, also over Disconnect and Connect, as v1 kept it.
	r := &request{kind: kindPublish, topic: topic, qos: qos}
	if lost := c.followPublish(r, res.Pending); lost != nil {
		return false, publishError(lost)
	}
	switch {
	case err != nil:
		return false, &PublishTimeoutError{Err: fmt.Errorf("%w: %w", awsiot.ErrAckTimeout, err)}
	case c.pushedOut():
		return false, publishError(awsiot.ErrQueueFull)
	}
	return false, nil
}

// send is awsiot.Client.Publish with OfflineQueue.ReturnQueued, which a client made by FromV2 may not have.
func (c *AWSIoTMQTTClient) send(limit *limit, p *awsiot.PublishPacket) (awsiot.PublishResult, error) {
	if !c.wrapped {
		return c.core.Publish(limit, p)
	}
	f := c.core.PublishAsync(p)
	if f.Queued() && f.Err() == nil {
		return awsiot.PublishResult{Queued: true, Pending: f}, nil
	}
	select {
	case <-f.Done():
		return f.Result()
	case <-limit.Done():
		return awsiot.PublishResult{Pending: f}, awsiot.ErrUnknownOutcome
	}
}

// PublishAsync is v1's publishAsync: Publish without the wait. It returns the id
// that ack, which may be nil, gets when the PUBACK is there, after whatever time
// and reconnects; never for QoS 0, as in v1. It returns MidQueued for a message
// in the offline queue; its ack is called too, with the id that the call took
// (v1 lost it: Quirks.QueuedPublishAckLost). A message that the server refuses, or
// over which it ends connections again and again, has no ack: OnAsyncError is told.
//
// Deprecated: use awsiot.Client.PublishAsync.
func (c *AWSIoTMQTTClient) PublishAsync(topic string, payload any, qos byte, ack func(mid Mid)) (Mid, error) {
	body, err := publishArguments(topic, payload, qos)
	if err != nil {
		return 0, err
	}
	return c.async(&request{kind: kindPublish, topic: topic, qos: qos, pub: ownPublish(topic, body, qos), mid: c.mid(), ackMid: ack})
}

// publishArguments checks what v1 checked, but also while offline: there v1
// queued anything, and an invalid request later stopped the queue for good.
func publishArguments(topic string, payload any, qos byte) ([]byte, error) {
	if err := checkTopic(topic); err != nil {
		return nil, err
	}
	if err := checkQoS(qos); err != nil {
		return nil, err
	}
	return encodePayload(payload)
}

// await waits for done, d at most, and reports whether it was in time.
func await(done <-chan struct{}, d time.Duration) bool {
	select {
	case <-done:
		return true
	default:
	}
	// Not pooled: a timer of another synctest bubble would break a user's tests.
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// refusal returns the SUBACK code of an error, if it is one, or what stands for it: a SUBSCRIBE over which the server
// ends connections is not made again.
func refusal(err error) (awsiot.ReasonCode, bool) {
	var re *awsiot.ReasonError
	if errors.As(err, &re) {
		return re.Code, true
	}
	return awsiot.ReasonUnspecifiedError, errors.Is(err, awsiot.ErrEndsConnection)
}
