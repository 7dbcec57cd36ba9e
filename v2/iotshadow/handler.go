package iotshadow

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// statusDelta is what v1's delta callbacks got as responseStatus, before the name of the thing.
const statusDelta = "delta/"

// HandlerV1 stands for v1's deviceShadow in code that iotmigrate has rewritten: the classic shadow of one thing, whose answers
// go to v1's callbacks. It says what v1 said: QoS 0, a SUBSCRIBE for each topic of answers before the first request of a
// kind, or before each one and an UNSUBSCRIBE after it. Code that can be given another shape is better off with
// Client.GetShadow and its like, which return the answer.
//
// A callback gets the JSON text as it came, "accepted", "rejected", "timeout" or "delta/THING", and the token of the
// request, which is "" for a delta. It runs on a goroutine of its own, those of deltas one after another, and may wait for
// anything. All methods may be called from any goroutine and every callback.
//
// Unlike in v1 each request has its own callback, one that fails leaves nothing behind, and an answer or a delta that is not what
// the service documents is passed over.
type HandlerV1 struct {
	c          *awsiot.Client
	shadows    *Client
	thing      string
	persistent bool
	turn       chan struct{} // holds one: whoever has it may subscribe and unsubscribe

	mu      sync.Mutex
	version int64 // the newest one that is known, 0: none
	pending map[string]*requestV1
	count   map[*operationV1]int                      // requests without an answer
	held    map[*operationV1][2]*reqresp.Subscription // accepted and rejected
	stream  *reqresp.Subscription                     // of the deltas
	delta   callbackV1
	deltas  []string // that wait for the callback
	running bool     // a goroutine works on deltas
}

type callbackV1 = func(payload, responseStatus, token string)

// requestV1 is a request without an answer.
type requestV1 struct {
	op    *operationV1
	cb    callbackV1
	timer *time.Timer // nil until it is published
}

type subscribeV1[E any] func(*Client, context.Context, *ShadowSubscriptionRequest, awsiot.QoS, func(E)) (*reqresp.Subscription, error)

// operationV1 is one of v1's three requests, in the calls of the first generation.
type operationV1 struct {
	accepted subscribeV1[*Document]
	rejected subscribeV1[*RejectedError]
	publish  func(c *Client, ctx context.Context, thing, token string, document []byte) error
}

var (
	getV1 = &operationV1{(*Client).SubscribeToGetShadowAccepted, (*Client).SubscribeToGetShadowRejected,
		func(c *Client, ctx context.Context, thing, token string, _ []byte) error {
			return c.PublishGetShadow(ctx, &GetShadowRequest{ThingName: thing, ClientToken: token}, 0)
		}}
	updateV1 = &operationV1{(*Client).SubscribeToUpdateShadowAccepted, (*Client).SubscribeToUpdateShadowRejected,
		func(c *Client, ctx context.Context, thing, token string, document []byte) error {
			return c.PublishUpdateShadow(ctx, &UpdateShadowRequest{ThingName: thing, ClientToken: token, Document: document}, 0)
		}}
	deleteV1 = &operationV1{(*Client).SubscribeToDeleteShadowAccepted, (*Client).SubscribeToDeleteShadowRejected,
		func(c *Client, ctx context.Context, thing, token string, _ []byte) error {
			return c.PublishDeleteShadow(ctx, &DeleteShadowRequest{ThingName: thing, ClientToken: token}, 0)
		}}
)

// NewHandlerV1 is v1's createShadowHandlerWithName: thingName was its shadowName, persistent its isPersistentSubscribe. It does
// no I/O and cannot fail: a wrong name is an error of every request.
func NewHandlerV1(c *awsiot.Client, thingName string, persistent bool) *HandlerV1 {
	return &HandlerV1{c: c, shadows: NewClient(c, reqresp.Options{}), thing: thingName, persistent: persistent, turn: make(chan struct{}, 1),
		pending: map[string]*requestV1{}, count: map[*operationV1]int{}, held: map[*operationV1][2]*reqresp.Subscription{}}
}

// Get is v1's shadowGet: it asks for the shadow, and returns the token of the request when that is sent. cb, which may be nil,
// gets the answer, or "timeout" and "REQUEST TIME OUT" when none has come within timeout from then on. ctx bounds the
// sending. While the client is not connected the error is awsiot.ErrOffline, at once.
func (h *HandlerV1) Get(ctx context.Context, cb func(payload, responseStatus, token string), timeout time.Duration) (token string, err error) {
	return h.request(ctx, getV1, nil, cb, timeout)
}

// Delete is v1's shadowDelete; see Get.
func (h *HandlerV1) Delete(ctx context.Context, cb func(payload, responseStatus, token string), timeout time.Duration) (token string, err error) {
	return h.request(ctx, deleteV1, nil, cb, timeout)
}

// Update is v1's shadowUpdate; see Get. payload is a JSON object, to which the token is added in place of any other; a text
// that is none is an *awsiot.ValidationError.
func (h *HandlerV1) Update(ctx context.Context, payload string, cb func(payload, responseStatus, token string), timeout time.Duration) (token string, err error) {
	if err := jsonobj.Check([]byte(payload)); err != nil {
		return "", &awsiot.ValidationError{Field: "payload", Problem: err.Error()}
	}
	return h.request(ctx, updateV1, []byte(payload), cb, timeout)
}

// RegisterDelta is v1's shadowRegisterDeltaCallback: cb, which may be nil, gets every delta with a version newer than what this
// handler has seen, in a delta or in an accepted answer. It replaces a former callback.
func (h *HandlerV1) RegisterDelta(ctx context.Context, cb func(payload, responseStatus, token string)) error {
	if cb == nil {
		cb = func(string, string, string) {} // v1 subscribed all the same
	}
	done, err := h.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	h.mu.Lock()
	former, before := h.delta, h.stream
	h.delta = cb
	h.mu.Unlock()
	s, err := h.shadows.SubscribeToShadowDeltaUpdatedEvents(ctx, &ShadowDeltaUpdatedSubscriptionRequest{ThingName: h.thing}, 0, h.receiveDelta)
	h.mu.Lock()
	if err != nil {
		h.delta = former
	} else {
		h.stream = s
	}
	h.mu.Unlock()
	if err == nil && before != nil {
		_ = before.Close() // it never fails
	}
	return err
}

// UnregisterDelta is v1's shadowUnregisterDeltaCallback. Without a callback it is an error.
func (h *HandlerV1) UnregisterDelta(ctx context.Context) error {
	done, err := h.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	h.mu.Lock()
	s := h.stream
	h.stream, h.delta, h.deltas = nil, nil, nil
	h.mu.Unlock()
	if s == nil {
		return &awsiot.ValidationError{Field: "delta", Problem: "no callback is registered"}
	}
	return s.Close()
}

// take waits for the turn; the result gives it back.
func (h *HandlerV1) take(ctx context.Context) (done func(), err error) {
	if h.c == nil || h.c.State() != awsiot.StateConnected {
		return nil, awsiot.ErrOffline
	}
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// request is v1's procedure: the topics of the answers subscribed, the request published, the timer started.
func (h *HandlerV1) request(ctx context.Context, op *operationV1, document []byte, cb callbackV1, timeout time.Duration) (string, error) {
	if timeout < 0 {
		return "", &awsiot.ValidationError{Field: "timeout", Problem: "is negative"}
	}
	token := rand.Text()
	r := &requestV1{op: op, cb: cb}
	h.mu.Lock()
	h.pending[token] = r
	h.count[op]++
	h.mu.Unlock()
	err := h.subscribe(ctx, op)
	if err == nil {
		err = op.publish(h.shadows, ctx, h.thing, token, document)
	}
	h.mu.Lock()
	waits := h.pending[token] == r // else the answer was quicker
	switch {
	case !waits:
		err = nil
	case err != nil:
		h.end(token, r)
	default:
		r.timer = time.AfterFunc(timeout, func() { h.timedOut(token) })
	}
	h.mu.Unlock()
	if err != nil {
		h.release(op)
		return "", err
	}
	return token, nil
}

// subscribe subscribes to the answers of op, unless that is done.
func (h *HandlerV1) subscribe(ctx context.Context, op *operationV1) error {
	done, err := h.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	h.mu.Lock()
	_, held := h.held[op]
	h.mu.Unlock()
	if held {
		return nil
	}
	about := &ShadowSubscriptionRequest{ThingName: h.thing}
	accepted, err := op.accepted(h.shadows, ctx, about, 0, func(d *Document) { h.answered(op, d.ClientToken, d.Raw, StatusAccepted, d.Version) })
	if err != nil {
		return err
	}
	rejected, err := op.rejected(h.shadows, ctx, about, 0, func(e *RejectedError) { h.answered(op, e.ClientToken, e.Raw, StatusRejected, 0) })
	if err != nil {
		_ = accepted.Close() // it never fails
		return err
	}
	h.mu.Lock()
	h.held[op] = [2]*reqresp.Subscription{accepted, rejected}
	h.mu.Unlock()
	return nil
}

// release gives the subscriptions of a handler that is not persistent up once no request needs them.
func (h *HandlerV1) release(op *operationV1) {
	if h.persistent {
		return
	}
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	h.mu.Lock()
	held, ok := h.held[op]
	idle := ok && h.count[op] == 0
	if idle {
		delete(h.held, op)
	}
	h.mu.Unlock()
	if idle {
		for _, s := range held {
			_ = s.Close() // it never fails
		}
	}
}

// end takes a request out. h.mu is held.
func (h *HandlerV1) end(token string, r *requestV1) {
	delete(h.pending, token)
	h.count[r.op]--
	if r.timer != nil {
		r.timer.Stop()
	}
}

// answered gets every answer on the topics of op; what is none to a request of this handler is passed over.
func (h *HandlerV1) answered(op *operationV1, token string, payload []byte, status string, version int64) {
	h.mu.Lock()
	r := h.pending[token]
	if r == nil || r.op != op {
		h.mu.Unlock()
		return
	}
	h.end(token, r)
	switch {
	case status != StatusAccepted:
	case op == deleteV1:
		h.version = 0 // the next document begins anew
	default:
		h.version = max(h.version, version)
	}
	h.mu.Unlock()
	go func() { // ends with the callback
		h.guard(r.cb, string(payload), status, token)
		h.release(op)
	}()
}

// timedOut runs on the goroutine of the timer. v1 unsubscribed first.
func (h *HandlerV1) timedOut(token string) {
	h.mu.Lock()
	r := h.pending[token]
	if r != nil {
		h.end(token, r)
	}
	h.mu.Unlock()
	if r != nil {
		h.release(r.op)
		h.guard(r.cb, timeoutPayload, StatusTimeout, token)
	}
}

// receiveDelta queues a delta for the callback, if it is newer than what is known.
func (h *HandlerV1) receiveDelta(e *ShadowDeltaUpdatedEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Version <= h.version || h.delta == nil {
		return
	}
	h.version = e.Version
	h.deltas = append(h.deltas, string(e.Raw))
	if !h.running {
		h.running = true
		go h.runDeltas()
	}
}

// runDeltas runs the callback on what waits; it ends when nothing does.
func (h *HandlerV1) runDeltas() {
	for {
		h.mu.Lock()
		if len(h.deltas) == 0 {
			h.deltas, h.running = nil, false
			h.mu.Unlock()
			return
		}
		payload, cb := h.deltas[0], h.delta
		h.deltas = h.deltas[1:]
		h.mu.Unlock()
		h.guard(cb, payload, statusDelta+h.thing, "")
	}
}

// guard runs a callback of the program; a panic in it ends nothing else.
func (h *HandlerV1) guard(cb callbackV1, payload, status, token string) {
	if cb == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Default().Error("shadow: panic in a callback", slog.String("thing", h.thing), slog.String("status", status),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
	}()
	cb(payload, status, token)
}
