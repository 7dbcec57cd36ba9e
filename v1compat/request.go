package v1compat

import (
	"errors"
	"fmt"
	"slices"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// request is an operation that no call waits for any more: an asynchronous one,
// a queued one, or one whose wait timed out. The core keeps it until it has ended,
// over Disconnect and Connect too.
type request struct {
	kind    kind
	topic   string
	pub     *awsiot.PublishPacket // of an asynchronous publish
	qos     byte
	mid     Mid
	record  *record // of a subscribe or unsubscribe, nil if unknown
	version int     // of the record at the call
	queued  bool    // MidQueued or false was the answer
	own     bool    // made by resubscribe, not by a call

	ackMid  func(Mid)
	ackData func(Mid, []byte)

	// under the client's lock
	pending    pending
	prev, next *request
	listed     bool
}

type kind int

const (
	kindPublish kind = iota
	kindSubscribe
	kindUnsubscribe
)

// String returns the name of the operation, as OnAsyncError gets it.
func (k kind) String() string {
	switch k {
	case kindPublish:
		return "publish"
	case kindSubscribe:
		return "subscribe"
	}
	return "unsubscribe"
}

// failure gives an error of the core the v1 type of the operation.
func (k kind) failure(err error) error {
	switch k {
	case kindPublish:
		return publishError(err)
	case kindSubscribe:
		return subscribeError(err)
	}
	return unsubscribeError(err)
}

// pending is what the futures of the core have in common.
type pending interface {
	Done() <-chan struct{}
	Err() error
	Queued() bool
}

// requestList is the requests in the order of their submission: a list, since
// most leave from its front.
type requestList struct{ first, last *request }

// add puts r at the end.
func (l *requestList) add(r *request) {
	r.prev, r.next, r.listed = l.last, nil, true
	l.last = r
	if r.prev != nil {
		r.prev.next = r
	} else {
		l.first = r
	}
}

func (l *requestList) remove(r *request) {
	if !r.listed {
		return
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		l.last = r.prev
	}
	r.prev, r.next, r.listed = nil, nil, false
}

// submit hands r to the core and follows it to its end. An error known at once
// is returned, and r is then forgotten.
func (c *AWSIoTMQTTClient) submit(r *request) error {
	switch r.kind {
	case kindPublish:
		return c.followPublish(r, c.core.PublishAsync(r.pub))
	case kindSubscribe:
		return c.followSubscribe(r, c.core.SubscribeAsync(subscribePacket(r.topic, r.qos)))
	}
	return c.followUnsubscribe(r, c.unsubscribe(r.topic))
}

func (c *AWSIoTMQTTClient) followPublish(r *request, f *awsiot.Future[awsiot.PublishResult]) error {
	err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(_ awsiot.PublishResult, err error) { c.finish(r, nil, err) })
	}
	return err
}

func (c *AWSIoTMQTTClient) followSubscribe(r *request, f *awsiot.Future[*awsiot.SubackPacket]) error {
	err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(s *awsiot.SubackPacket, err error) { c.finish(r, s, err) })
	}
	return err
}

func (c *AWSIoTMQTTClient) followUnsubscribe(r *request, f *awsiot.Future[*awsiot.UnsubackPacket]) error {
	err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(_ *awsiot.UnsubackPacket, err error) { c.finish(r, nil, err) })
	}
	return err
}

// follow lists r with its future, unless the core has not taken it.
func (c *AWSIoTMQTTClient) follow(r *request, f pending) error {
	if err := f.Err(); err != nil && (unsent(err) || errors.Is(err, awsiot.ErrClosed)) {
		return err
	} // else it ended by itself, quickly: that is finish's business
	c.mu.Lock()
	defer c.mu.Unlock()
	r.pending, r.queued = f, f.Queued()
	c.requests.add(r)
	return nil
}

// finish is the end of a request; it runs as a callback of the core.
func (c *AWSIoTMQTTClient) finish(r *request, s *awsiot.SubackPacket, err error) {
	pushedOut := errors.Is(err, awsiot.ErrDropped)
	c.mu.Lock()
	if !r.listed && !pushedOut {
		c.mu.Unlock()
		return
	}
	if r.listed && pushedOut && !r.own {
		c.drops++
	}
	c.requests.remove(r)
	strict := c.settings.quirks.QueuedPublishAckLost
	c.mu.Unlock()
	c.closeWhenDenied(err)

	if errors.Is(err, awsiot.ErrClosed) && !c.wrapped {
		return // whoever closed the awsiot.Client of this one has ended it with all it had
	}
	if pushedOut && c.wrapped { // by whichever side; v1 told the call that pushed it out, which is told too
		c.asyncError(r.kind.String(), r.topic, r.kind.failure(fmt.Errorf("%w: %w", awsiot.ErrQueueFull, err)))
	}
	if r.kind == kindSubscribe {
		c.subscribedNow(r, s, err)
		return
	}
	if r.kind == kindUnsubscribe && r.queued && err == nil {
		c.forget(r.record, r.version) // v1 dropped the record when the UNSUBSCRIBE was sent
	}
	switch {
	case pushedOut: // DropOldest: v1 told the call that pushed it out
	case err != nil:
		c.asyncError(r.kind.String(), r.topic, r.kind.failure(err))
	case r.ackMid == nil, r.kind == kindPublish && r.qos == 0, strict && r.kind == kindPublish && r.queued:
	default:
		c.guard(r.kind.String()+" ack", func() { r.ackMid(r.mid) })
	}
}

// pushedOut reports whether a queued request of this client has been dropped for
// a newer one, once for each. The news of it may have come as a callback already.
func (c *AWSIoTMQTTClient) pushedOut() bool {
	q := c.core.Options().OfflineQueue
	c.mu.Lock()
	if q.WhenFull != awsiot.DropOldest || q.MaxOperations <= 0 || c.settings.quirks.DropOldestQuietly {
		c.mu.Unlock()
		return false
	}
	var gone []*request
	for r := c.requests.first; r != nil; r = r.next {
		if errors.Is(r.pending.Err(), awsiot.ErrDropped) {
			gone = append(gone, r)
		}
	}
	for _, r := range gone {
		c.requests.remove(r)
		if !r.own {
			c.drops++
		}
	}
	dropped := c.drops > 0
	c.drops = max(c.drops-1, 0)
	c.mu.Unlock()
	for _, r := range gone {
		if r.kind == kindSubscribe {
			c.dropped(r)
		}
	}
	return dropped
}

// async submits a request of an asynchronous call, or of a blocking one that has
// not waited for it, and returns what the call returns.
func (c *AWSIoTMQTTClient) async(r *request) (Mid, error) {
	if err := c.submit(r); err != nil {
		return 0, r.kind.failure(err)
	}
	c.mu.Lock()
	queued := r.pending.Queued()
	c.mu.Unlock()
	if !queued {
		return r.mid, nil
	}
	if c.pushedOut() {
		return MidQueued, r.kind.failure(awsiot.ErrQueueFull)
	}
	return MidQueued, nil
}

// ownPublish returns the packet of an asynchronous publish.
func ownPublish(topic string, payload []byte, qos byte) *awsiot.PublishPacket {
	return &awsiot.PublishPacket{Topic: topic, Payload: slices.Clone(payload), QoS: awsiot.QoS(qos), Lasting: true}
}
