package v1compat

import (
	"errors"
	"slices"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// request is an operation that no call waits for any more: an asynchronous one,
// a queued one, or one whose wait timed out. It is kept until it has ended, with
// all that is needed to send it again: v1 sent what was queued or unacknowledged
// at Disconnect after the next Connect, while the core ends it with ErrStopped.
type request struct {
	kind    kind
	topic   string
	pub     *awsiot.PublishPacket // owned, payload included
	qos     byte
	mid     Mid
	record  *record // of a subscribe or unsubscribe, nil if unknown
	version int     // of the record at the call
	queued  bool    // MidQueued or false was the answer
	own     bool    // made by resubscribe, not by a call

	ackMid  func(Mid)
	ackData func(Mid, []byte)

	// under the client's lock
	try        int // which submission counts: answers to former ones are ignored
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

// inTransit stands for the future of a request that is being submitted again.
type inTransit struct{}

func (inTransit) Done() <-chan struct{} { return nil }
func (inTransit) Err() error            { return nil }
func (inTransit) Queued() bool          { return true }

// requestList is the requests in the order of their submission: a list, since
// most leave from its front.
type requestList struct{ first, last *request }

// add puts r at the end; one of resubscribe goes ahead of those of calls.
func (l *requestList) add(r *request) {
	var at *request
	if r.own {
		for at = l.first; at != nil && at.own; at = at.next {
		}
	}
	r.prev, r.next, r.listed = l.last, at, true
	if at != nil {
		r.prev, at.prev = at.prev, r
	} else {
		l.last = r
	}
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
func (c *AWSIoTMQTTClient) submit(core *awsiot.Client, r *request) error {
	switch r.kind {
	case kindPublish:
		return c.followPublish(r, core.PublishAsync(r.pub))
	case kindSubscribe:
		return c.followSubscribe(r, core.SubscribeAsync(subscribePacket(r.topic, r.qos)))
	}
	return c.followUnsubscribe(r, core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{r.topic}}))
}

func (c *AWSIoTMQTTClient) followPublish(r *request, f *awsiot.Future[awsiot.PublishResult]) error {
	try, err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(_ awsiot.PublishResult, err error) { c.finish(r, try, nil, err) })
	}
	return err
}

func (c *AWSIoTMQTTClient) followSubscribe(r *request, f *awsiot.Future[*awsiot.SubackPacket]) error {
	try, err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(s *awsiot.SubackPacket, err error) { c.finish(r, try, s, err) })
	}
	return err
}

func (c *AWSIoTMQTTClient) followUnsubscribe(r *request, f *awsiot.Future[*awsiot.UnsubackPacket]) error {
	try, err := c.follow(r, f)
	if err == nil {
		f.OnDone(func(_ *awsiot.UnsubackPacket, err error) { c.finish(r, try, nil, err) })
	}
	return err
}

// follow lists r with its future, unless the core has not taken it. It returns
// the number of the submission.
func (c *AWSIoTMQTTClient) follow(r *request, f pending) (int, error) {
	err := f.Err()
	if err != nil && !unsent(err) && !(c.wrapped && errors.Is(err, awsiot.ErrClosed)) {
		err = nil // it ended by itself, quickly: that is finish's business
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.try++
	r.pending = f
	r.queued = r.queued || f.Queued()
	if err != nil {
		c.requests.remove(r)
	} else if !r.listed {
		c.requests.add(r)
	}
	return r.try, err
}

// finish is the end of a request; it runs as a callback of the core.
func (c *AWSIoTMQTTClient) finish(r *request, try int, s *awsiot.SubackPacket, err error) {
	c.mu.Lock()
	if r.try != try || !r.listed || parked(err) && !c.wrapped {
		c.mu.Unlock() // superseded, or requeue sends it again
		return
	}
	c.requests.remove(r)
	if errors.Is(err, awsiot.ErrDropped) && !r.own {
		c.drops++
	}
	strict := c.settings.quirks.QueuedPublishAckLost
	c.mu.Unlock()

	if r.kind == kindSubscribe {
		c.subscribed(r, s, err)
		return
	}
	if r.kind == kindUnsubscribe && r.queued && err == nil {
		c.forget(r.record, r.version) // v1 dropped the record when the UNSUBSCRIBE was sent
	}
	switch {
	case errors.Is(err, awsiot.ErrDropped): // DropOldest: v1 told the call that pushed it out
	case err != nil:
		c.asyncError(r.kind.String(), r.topic, r.kind.failure(err))
	case r.ackMid == nil, r.kind == kindPublish && r.qos == 0, strict && r.kind == kindPublish && r.queued:
	default:
		c.guard(r.kind.String()+" ack", func() { r.ackMid(r.mid) })
	}
}

// requeue sends again, in their order, the requests that ended because a core
// was stopped or closed. On a stopped core they wait in its queue. On a client
// made by FromV2 the rule of awsiot holds: Stop ends operations.
func (c *AWSIoTMQTTClient) requeue(core *awsiot.Client) {
	if c.wrapped {
		return
	}
	c.mu.Lock()
	var ended []*request
	for r := c.requests.first; r != nil; r = r.next {
		if err := r.pending.Err(); err != nil && parked(err) {
			ended = append(ended, r)
		}
	}
	ended = slices.DeleteFunc(ended, func(r *request) bool {
		if r.kind != kindSubscribe || r.pending.Queued() {
			return false
		}
		c.requests.remove(r) // it was on the wire: the core subscribes again by itself
		r.record.active = true
		return true
	})
	for _, r := range ended {
		r.pending = inTransit{} // nobody else sends it again
	}
	c.mu.Unlock()
	for _, r := range ended {
		if err := c.submit(core, r); err != nil && !errors.Is(err, awsiot.ErrDropped) {
			c.asyncError(r.kind.String(), r.topic, r.kind.failure(err))
		}
	}
}

// pushedOut reports whether a queued request of this client has been dropped for
// a newer one, once for each. The news of it may have come as a callback already.
func (c *AWSIoTMQTTClient) pushedOut() bool {
	c.mu.Lock()
	if c.settings.drop != DropOldest || c.settings.queueSize <= 0 || c.settings.quirks.DropOldestQuietly {
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
	if err := c.submit(c.current(), r); err != nil {
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

// ownPublish returns a packet that stays valid after the call.
func ownPublish(topic string, payload []byte, qos byte) *awsiot.PublishPacket {
	return &awsiot.PublishPacket{Topic: topic, Payload: slices.Clone(payload), QoS: awsiot.QoS(qos)}
}
