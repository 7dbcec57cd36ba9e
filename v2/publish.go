package awsiot

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Publish sends a message and waits: at QoS 0 until its bytes were written, at QoS 1 until the
// PUBACK. A PUBACK with a code of 0x80 and above is returned together with a *ReasonError. When
// ctx ends first, a message that was still queued is taken back and ctx's cause returned (with
// OfflineQueue.ReturnQueued it stays); one that was sent ends with ErrUnknownOutcome, and PublishResult.Pending will
// know the outcome. Without a connection it follows OfflineQueue. No allocation on a connection.
func (c *Client) Publish(ctx context.Context, p *PublishPacket) (PublishResult, error) {
	if err := c.validate(p); err != nil {
		return PublishResult{}, err
	}
	if ctx == nil {
		return PublishResult{}, errNoContext
	}
	if ctx.Err() != nil {
		return PublishResult{}, opError("publish", p.Topic, context.Cause(ctx))
	}
	o := c.takeWaiting()
	rec, err := c.keep(p)
	if err != nil {
		o.release()
		return PublishResult{}, wrapOp("publish", p.Topic, err)
	}
	o.rec = rec
	c.mu.Lock()
	offline, err := c.publish(ctx, o, p)
	switch {
	case err != nil:
		c.unlock()
		c.discard(rec)
		o.release()
		return PublishResult{}, wrapOp("publish", p.Topic, err)
	case offline && c.options().OfflineQueue.ReturnQueued:
		f := c.handOver(o, true)
		c.unlock()
		return PublishResult{Queued: true, Pending: f}, nil
	}
	var ended, leads bool
	l := c.link
	if l != nil {
		ended, leads = c.writeInline(l, o)
	}
	c.unlock()
	if leads {
		ended = l.readOwn(o)
	}
	if !ended {
		select {
		case <-o.ch:
		case <-ctx.Done():
			if f, err := c.abandon(o, ctx); err != nil {
				return PublishResult{Queued: f.isQueued(), Pending: f}, wrapOp("publish", p.Topic, err)
			}
		}
	}
	res, err := o.res, o.err
	o.release()
	return res, err
}

// PublishFunc starts a publish. done, which may be nil, runs as a callback when it has ended,
// with what Publish would return. It blocks only with OfflineQueue.WhenFull Block. No allocation on a connection.
func (c *Client) PublishFunc(p *PublishPacket, done func(PublishResult, error)) {
	if err := c.validate(p); err != nil {
		c.refuse(done, err)
		return
	}
	rec, err := c.keep(p)
	if err != nil {
		c.refuse(done, wrapOp("publish", p.Topic, err))
		return
	}
	c.mu.Lock()
	if p.QoS == AtMostOnce && rec == 0 && c.publishLoose(p, done) {
		c.unlock()
		return
	}
	o := c.take()
	o.done, o.rec = done, rec
	_, err = c.publish(context.Background(), o, p)
	c.unlock()
	if err != nil {
		c.discard(rec)
		c.refuse(done, wrapOp("publish", p.Topic, err))
	}
}

// PublishAsync starts a publish and returns its future. One allocation on a connection.
func (c *Client) PublishAsync(p *PublishPacket) *Future[PublishResult] {
	f := &Future[PublishResult]{lane: c.events}
	if err := c.validate(p); err != nil {
		f.complete(PublishResult{}, err)
		return f
	}
	rec, err := c.keep(p)
	if err != nil {
		f.complete(PublishResult{}, wrapOp("publish", p.Topic, err))
		return f
	}
	c.mu.Lock()
	o := c.take()
	o.fut, o.rec = f, rec
	offline, err := c.publish(context.Background(), o, p)
	if f.seq = c.seq; err == nil && offline {
		f.setQueued()
	}
	c.unlock()
	if err != nil {
		c.discard(rec)
		f.complete(PublishResult{}, wrapOp("publish", p.Topic, err))
	}
	return f
}

// validate checks what can be checked without a connection.
func (c *Client) validate(p *PublishPacket) *ValidationError {
	if p == nil {
		return missing("PublishPacket")
	}
	err := p.validate()
	if err != nil {
		return err
	}
	if p.Topic != "" && p.Topic[0] == '$' { // empty with an alias
		c.hears(p.Topic)
	}
	if !c.limits.Load() {
		return nil
	}
	return checkAWSPublish(p)
}

// refuse reports a publish that was not taken on, as the callback that was asked for.
func (c *Client) refuse(done func(PublishResult, error), err error) {
	if done != nil && !c.events.push(item{fn: func() { done(PublishResult{}, err) }}) {
		done(PublishResult{}, err)
	}
}

// wrapOp is opError for causes that do not name the operation themselves.
func wrapOp(op, topic string, err error) error {
	var ve *ValidationError
	var we *waitError // what it wraps names other operations
	if errors.As(err, &ve) && !errors.As(err, &we) {
		return err
	}
	return opError(op, topic, err)
}

// publish takes on a publish. On a connection with nothing waiting the packet is encoded
// straight into the out buffer, and a QoS 1 packet copied from there. mu is held.
func (c *Client) publish(ctx context.Context, o *operation, p *PublishPacket) (offline bool, err error) {
	o.kind = opPublish0
	if p.QoS == AtLeastOnce {
		o.kind = opPublish1
	}
	o.name, o.lasting = p.Topic, p.Lasting
	props := p.properties()
	o.size = wire.PublishSize(len(p.Topic), byte(p.QoS), props, len(p.Payload))
	if p.TopicAlias != nil {
		o.alias = *p.TopicAlias
	}
	if p.MessageExpiry != nil {
		o.expires, o.expiry = true, wholeSeconds(*p.MessageExpiry)
	}
	if p.PacketID != 0 {
		if err := c.useID(o, p); err != nil {
			return false, err
		}
	}
	l := c.link
	if !c.online() || c.queue.n > 0 || o.resend || !c.fits(l, o) || l.aliases != nil || p.QoS > l.settings.MaximumQoS || p.Retain && !l.settings.RetainAvailable ||
		o.size > int(l.settings.MaximumPacketSizeToServer) {
		o.buf = wire.AppendPublish(o.buf[:0], p.Topic, byte(p.QoS), p.Retain, false, o.id, props, p.Payload)
		if offline, err = c.place(ctx, o); err != nil {
			c.releaseID(o)
		}
		return offline, err
	}
	if o.kind == opPublish1 && !o.own {
		id, _ := c.table.Reserve(o) // fits has seen to it that there is one
		o.id = id
	}
	c.seq++
	o.seq = c.seq
	l.begin(o)
	start := len(l.out)
	l.out = wire.AppendPublish(l.out, p.Topic, byte(p.QoS), p.Retain, false, o.id, props, p.Payload)
	l.end += uint64(len(l.out) - start)
	c.accept(o)
	if o.kind == opPublish1 {
		o.buf = append(o.buf[:0], l.out[start:]...)
		c.sentAckable(l, o)
		return false, nil
	}
	l.awaitWrite(o)
	return false, nil
}

// publishLoose sends a QoS 0 message without an operation for it, if it can go at once. mu is held.
func (c *Client) publishLoose(p *PublishPacket, done func(PublishResult, error)) bool {
	l := c.link
	if !c.online() || c.queue.n > 0 || l.err != nil || len(l.out) >= maxOut || l.aliases != nil || l.quota != nil || c.trace != nil || p.Retain && !l.settings.RetainAvailable {
		return false
	}
	props := p.properties()
	size := wire.PublishSize(len(p.Topic), 0, props, len(p.Payload))
	if size > int(l.settings.MaximumPacketSizeToServer) {
		return false
	}
	if len(l.out) == 0 {
		l.batchStart = c.clock()
	}
	l.out = wire.AppendPublish(l.out, p.Topic, 0, p.Retain, false, 0, props, p.Payload)
	l.end += uint64(size)
	l.last0 = lastSent{opPublish0, p.Topic, l.end, l.batchStart}
	if done != nil {
		l.told = append(l.told, told{done, p.Topic, l.end})
	}
	l.loose.n++
	l.loose.bytes += uint64(size)
	c.stats.IncompleteOperationCount++
	c.stats.IncompleteOperationSize += uint64(size)
	return true
}

// properties returns the packet's properties for the codec; nil: none.
func (p *PublishPacket) properties() *wire.Properties {
	if p.plain() {
		return nil
	}
	w := &wire.Properties{MessageExpiry: wireSeconds(p.MessageExpiry), ResponseTopic: p.ResponseTopic,
		CorrelationData: p.CorrelationData, ContentType: p.ContentType, User: toWireProperties(p.UserProperties)}
	if p.PayloadFormat != nil {
		w.PayloadFormat = new(byte(*p.PayloadFormat))
	}
	return w
}

// abandon ends the wait of a blocking publish whose ctx has ended. A nil error: it has completed
// meanwhile, and its result is in o. Otherwise o no longer belongs to the caller, and the future, unless it is
// nil, gets its end.
func (c *Client) abandon(o *operation, ctx context.Context) (*Future[PublishResult], error) {
	c.mu.Lock()
	defer c.unlock()
	cause := c.waitEnded(ctx, o.seq)
	switch {
	case o.phase == phaseDone:
		<-o.ch
		return nil, nil
	case o.phase != phaseQueued || o.written:
		return c.handOver(o, false), fmt.Errorf("%w: %w", ErrUnknownOutcome, cause)
	case c.options().OfflineQueue.ReturnQueued:
		return c.handOver(o, true), cause
	}
	o.wait = false
	c.dequeue(o)
	c.releaseID(o)
	c.complete(o, PublishResult{}, nil) // releases it
	return nil, cause
}

// handOver makes the end of a blocking publish go to a future instead of the call. mu is held.
func (c *Client) handOver(o *operation, queued bool) *Future[PublishResult] {
	o.wait, o.fut = false, &Future[PublishResult]{lane: c.events, queued: queued, seq: o.seq}
	return o.fut
}
