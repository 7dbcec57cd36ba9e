package v1compat

import (
	"errors"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Subscribe is v1's subscribe: one filter, one SUBSCRIBE. cb gets the messages
// that match; it may be nil, for programs that use OnMessage. The same filter
// again replaces the callback and is sent again. The results are those of
// Publish, with *SubscribeTimeoutError, *SubackError, *SubscribeQueueFullError,
// *SubscribeQueueDisabledError and *SubscribeError.
//
// The filter is subscribed again at every connection, whether the server kept
// the session or not. It is so also after a timeout, as in v1; a filter that the
// server refused is forgotten (Quirks.KeepRejectedSubscription).
//
// Deprecated: use awsiot.Client.Subscribe.
func (c *AWSIoTMQTTClient) Subscribe(topic string, qos byte, cb MessageCallback) (bool, error) {
	if err := errors.Join(checkFilter(topic), checkQoS(qos)); err != nil {
		return false, err
	}
	c.mid()
	rec, version, undo := c.remember(topic, qos, cb, nil)
	f := c.core.SubscribeAsync(subscribePacket(topic, qos))
	r := &request{kind: kindSubscribe, topic: topic, qos: qos, record: rec, version: version}
	if err := f.Err(); err != nil && unsent(err) {
		undo()
		return false, subscribeError(err)
	}
	if f.Queued() {
		if err := c.followSubscribe(r, f); err != nil {
			return false, subscribeError(err)
		}
		if c.pushedOut() {
			return false, subscribeError(awsiot.ErrQueueFull)
		}
		return false, nil
	}
	if !await(f.Done(), c.operationTimeout()) {
		if err := c.followSubscribe(r, f); err != nil {
			return false, subscribeError(err)
		}
		return false, &SubscribeTimeoutError{Err: timedOut(f)}
	}
	err := f.Err()
	c.closeWhenDenied(err)
	c.settle(rec, version, err)
	if err != nil {
		return false, subscribeError(err)
	}
	return true, nil
}

// SubscribeAsync is v1's subscribeAsync; mind the order: ack before cb, either
// may be nil. ack gets the code of the SUBACK, the granted QoS or 0x80 and above
// for a refusal, which OnAsyncError is told too. ack is called again, with a new
// id, whenever the filter is subscribed again after a reconnect.
//
// Deprecated: use awsiot.Client.SubscribeAsync.
func (c *AWSIoTMQTTClient) SubscribeAsync(topic string, qos byte, ack func(mid Mid, data []byte), cb MessageCallback) (Mid, error) {
	if err := errors.Join(checkFilter(topic), checkQoS(qos)); err != nil {
		return 0, err
	}
	rec, version, undo := c.remember(topic, qos, cb, ack)
	mid, err := c.async(&request{kind: kindSubscribe, topic: topic, qos: qos, record: rec, version: version, mid: c.mid(), ackData: ack})
	if err != nil && mid == 0 {
		undo()
	}
	return mid, err
}

// Unsubscribe is v1's unsubscribe. It goes to the server also for a filter that
// was never subscribed. The results are those of Publish, with
// *UnsubscribeTimeoutError, *UnsubscribeQueueFullError,
// *UnsubscribeQueueDisabledError and *UnsubscribeError.
//
// Deprecated: use awsiot.Client.Unsubscribe.
func (c *AWSIoTMQTTClient) Unsubscribe(topic string) (bool, error) {
	if err := checkFilter(topic); err != nil {
		return false, err
	}
	c.mid()
	rec, version := c.known(topic)
	f := c.unsubscribe(topic)
	r := &request{kind: kindUnsubscribe, topic: topic, record: rec, version: version}
	if f.Queued() && f.Err() == nil {
		if err := c.followUnsubscribe(r, f); err != nil {
			return false, unsubscribeError(err)
		}
		if c.pushedOut() {
			return false, unsubscribeError(awsiot.ErrQueueFull)
		}
		return false, nil
	}
	if err := f.Err(); err != nil && unsent(err) {
		return false, unsubscribeError(err)
	}
	c.forget(rec, version)
	if !await(f.Done(), c.operationTimeout()) {
		if err := c.followUnsubscribe(r, f); err != nil {
			return false, unsubscribeError(err)
		}
		return false, &UnsubscribeTimeoutError{Err: timedOut(f)}
	}
	if err := f.Err(); err != nil {
		c.closeWhenDenied(err)
		return false, unsubscribeError(err)
	}
	return true, nil
}

// unsubscribe hands an UNSUBSCRIBE to the core. Its event is not one of the other side.
func (c *AWSIoTMQTTClient) unsubscribe(filter string) *awsiot.Future[*awsiot.UnsubackPacket] {
	c.mu.Lock()
	c.ended[filter]++
	c.mu.Unlock()
	f := c.core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{filter}, Lasting: true})
	if err := f.Err(); err != nil && (unsent(err) || errors.Is(err, awsiot.ErrClosed) || errors.Is(err, awsiot.ErrStopped)) {
		c.unsubscribedHere(filter) // there is no event
	}
	return f
}

// unsubscribedHere reports whether the event of an UNSUBSCRIBE of this client was to come, once for each.
func (c *AWSIoTMQTTClient) unsubscribedHere(filter string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.ended[filter]
	if n > 1 {
		c.ended[filter] = n - 1
	} else {
		delete(c.ended, filter)
	}
	return n > 0
}

// unsubscribed is the core's event of an UNSUBSCRIBE: one of the other side removes the callbacks here.
func (c *AWSIoTMQTTClient) unsubscribed(e *awsiot.Unsubscribed) {
	for _, filter := range e.TopicFilters {
		if !c.unsubscribedHere(filter) {
			rec, version := c.known(filter)
			c.forget(rec, version)
		}
	}
}

// UnsubscribeAsync is v1's unsubscribeAsync; ack may be nil.
//
// Deprecated: use awsiot.Client.UnsubscribeAsync.
func (c *AWSIoTMQTTClient) UnsubscribeAsync(topic string, ack func(mid Mid)) (Mid, error) {
	if err := checkFilter(topic); err != nil {
		return 0, err
	}
	rec, version := c.known(topic)
	mid, err := c.async(&request{kind: kindUnsubscribe, topic: topic, record: rec, version: version, mid: c.mid(), ackMid: ack})
	if err == nil && mid != MidQueued {
		c.forget(rec, version)
	}
	return mid, err
}

// subscribePacket has no handler: the record's route is a Handle of its own, so
// that it is there before the SUBACK and stays whatever the server answers.
func subscribePacket(filter string, qos byte) *awsiot.SubscribePacket {
	return &awsiot.SubscribePacket{Lasting: true, Subscriptions: []awsiot.Subscription{{TopicFilter: filter, QoS: awsiot.QoS(qos)}}}
}

// unsent reports whether an operation was refused before it existed: by
// validation or by the offline queue.
func unsent(err error) bool {
	return isValidation(err) || errors.Is(err, awsiot.ErrQueueFull) || errors.Is(err, awsiot.ErrOffline)
}

// remember records a filter, or changes its record in place: the position among
// the callbacks is that of the first call. undo takes the change back.
func (c *AWSIoTMQTTClient) remember(filter string, qos byte, cb MessageCallback, ack func(Mid, []byte)) (rec *record, version int, undo func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec = c.records[filter]
	if rec == nil {
		c.order++
		rec = &record{client: c, filter: filter, order: c.order, qos: qos, message: cb, ack: ack}
		rec.unroute = c.core.Handle(filter, rec.receive)
		c.records[filter] = rec
		return rec, 0, func() { c.forget(rec, 0) }
	}
	former := *rec
	rec.qos, rec.message, rec.ack = qos, cb, ack
	rec.version++
	version = rec.version
	return rec, version, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if rec.version == version {
			rec.qos, rec.message, rec.ack = former.qos, former.message, former.ack
		}
	}
}

// known returns the record of a filter, or nil.
func (c *AWSIoTMQTTClient) known(filter string) (*record, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec := c.records[filter]
	if rec == nil {
		return nil, 0
	}
	return rec, rec.version
}

// forget drops a record, unless it has been subscribed again since version.
func (c *AWSIoTMQTTClient) forget(rec *record, version int) {
	if rec == nil {
		return
	}
	c.mu.Lock()
	if c.records[rec.filter] != rec || rec.version != version {
		c.mu.Unlock()
		return
	}
	delete(c.records, rec.filter)
	unroute := rec.unroute
	c.mu.Unlock()
	unroute()
}

// settle notes the outcome of a SUBSCRIBE in its record.
func (c *AWSIoTMQTTClient) settle(rec *record, version int, err error) {
	if rec == nil {
		return
	}
	_, refused := refusal(err)
	c.mu.Lock()
	keep := c.settings.quirks.KeepRejectedSubscription
	rec.again, rec.refused = refused && keep, refused
	c.mu.Unlock()
	if refused && !keep {
		c.forget(rec, version)
	}
}

// subscribed is the end of a SUBSCRIBE that no call waits for.
func (c *AWSIoTMQTTClient) subscribedNow(r *request, s *awsiot.SubackPacket, err error) {
	if errors.Is(err, awsiot.ErrDropped) {
		c.dropped(r)
		return
	}
	c.settle(r.record, r.version, err)
	var data []byte
	if code, ok := refusal(err); ok {
		data = []byte{byte(code)}
	} else if err == nil && s != nil {
		for _, code := range s.Codes {
			data = append(data, byte(code))
		}
	}
	if r.ackData != nil && data != nil {
		c.guard("subscribe ack", func() { r.ackData(r.mid, data) })
	}
	if err != nil {
		c.asyncError("subscribe", r.topic, subscribeError(err))
	}
}

// dropped is the end of a SUBSCRIBE that a newer request has pushed out of the
// queue.
func (c *AWSIoTMQTTClient) dropped(r *request) {
	if !r.own {
		c.forget(r.record, r.version)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.record.again = true
}

// resubscribed is the core's report of one SUBSCRIBE it made after a reconnect.
func (c *AWSIoTMQTTClient) resubscribed(ev *awsiot.Resubscribed) {
	if ev.Suback == nil {
		return // no answer: the connection is gone, the next one begins anew
	}
	for i, s := range ev.Subscriptions {
		if i >= len(ev.Suback.Codes) {
			return
		}
		code := ev.Suback.Codes[i]
		c.mu.Lock()
		rec := c.records[s.TopicFilter]
		if rec == nil {
			c.mu.Unlock()
			continue // subscribed on the awsiot.Client, not here
		}
		ack, version := rec.ack, rec.version
		c.mu.Unlock()
		if ack != nil {
			mid := c.mid()
			c.guard("subscribe ack", func() { ack(mid, []byte{byte(code)}) })
		}
		if code >= 0x80 {
			err := error(&awsiot.ReasonError{Op: "subscribe", Topic: s.TopicFilter, Code: code, Reason: ev.Suback.Reason})
			c.closeWhenDenied(err)
			c.settle(rec, version, err)
			c.asyncError("subscribe", s.TopicFilter, subscribeError(err))
		}
	}
}

// resubscribe subscribes, at a CONNACK and before OnOnline, what the core does not: filters that are kept although they
// were refused, and what DropOldest has pushed out of the queue.
func (c *AWSIoTMQTTClient) resubscribe() {
	for _, r := range c.inOrder() {
		c.mu.Lock()
		if !r.again {
			c.mu.Unlock()
			continue
		}
		r.again = false
		c.lastMid = c.lastMid.next()
		req := &request{kind: kindSubscribe, topic: r.filter, qos: r.qos, record: r, version: r.version, mid: c.lastMid, ackData: r.ack, own: true}
		c.mu.Unlock()
		if err := c.submit(req); err != nil {
			c.asyncError("subscribe", r.filter, subscribeError(err))
		}
	}
}
