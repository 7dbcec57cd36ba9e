package shadowcompat

import (
	"crypto/rand"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v1compat"
)

// ShadowCallback is the type of v1's shadow callbacks. payload is the JSON text
// as it was received; responseStatus is "accepted", "rejected", "timeout" (with
// the payload "REQUEST TIME OUT") or "delta/THING"; token is the token of the
// request, empty for a delta (v1: None).
//
// Callbacks of answers and timeouts run each on a goroutine of its own, so that
// one may wait for another, as in v1. Callbacks of deltas run one after another
// in the order of the deltas.
//
// Deprecated: use iotshadow's responses and streams.
type ShadowCallback func(payload, responseStatus, token string)

const (
	statusAccepted = "accepted"
	statusRejected = "rejected"
	statusTimeout  = "timeout"
	timeoutPayload = "REQUEST TIME OUT"

	// subscribeSleep is what v1 slept after subscribing; see
	// v1compat.Quirks.ShadowSubscribeSleep.
	subscribeSleep = 2 * time.Second
)

// noVersion is v1's lastVersionInSync when nothing is known: any delta is newer.
const noVersion = -1

type action = topic.ShadowOp

// ShadowHandler is v1's deviceShadow: requests to and deltas from the classic
// shadow of one thing. Its methods may be called concurrently, also from its
// callbacks (v1 stopped for good when its timeout callback did that).
//
// Deprecated: use iotshadow.Client.
type ShadowHandler struct {
	hub        *hub
	name       string
	persistent bool
	quirks     v1compat.Quirks
	bad        error // what is wrong with the name

	mu      sync.Mutex
	version int64 // newest one known: v1's lastVersionInSync
	shown   int64 // newest one that the delta callback got
	pending map[string]*request
	actions map[action]*actionState
	delta   ShadowCallback
	deltas  []string // payloads that wait for the delta callback
	running bool     // a goroutine works on deltas
}

// actionState is what v1 kept for get, update and delete each.
type actionState struct {
	callback   ShadowCallback // of the last request: one per action, as in v1
	count      int            // requests without an answer
	subscribed bool           // accepted and rejected are held
}

// request is one request without an answer.
type request struct {
	action action
	timer  *time.Timer // nil until the request has been published
}

// ShadowGet is v1's shadowGet: it asks for the document. It returns the token of
// the request, when the request has been sent; the answer goes to cb, which may
// be nil. timeoutSeconds counts from then on.
//
// The callback is one for all gets of this handler: a later request replaces the
// callback of a former one that still waits, as in v1. Errors are those of
// v1compat's Subscribe and Publish, among them
// *v1compat.SubscribeQueueDisabledError while offline; a request that returns one
// leaves nothing behind.
//
// Deprecated: use iotshadow.Client.GetShadow.
func (h *ShadowHandler) ShadowGet(cb ShadowCallback, timeoutSeconds float64) (token string, err error) {
	return h.request(topic.ShadowGet, "{}", cb, timeoutSeconds)
}

// ShadowDelete is v1's shadowDelete; see ShadowGet.
//
// Deprecated: use iotshadow.Client.DeleteShadow.
func (h *ShadowHandler) ShadowDelete(cb ShadowCallback, timeoutSeconds float64) (token string, err error) {
	return h.request(topic.ShadowDelete, "{}", cb, timeoutSeconds)
}

// ShadowUpdate is v1's shadowUpdate; see ShadowGet. jsonPayload is a JSON object;
// its members keep their order, its clientToken is set to the token. Errors
// beside those of ShadowGet: *v1compat.ValueError for text that is not JSON,
// *v1compat.TypeError for JSON that is not an object.
//
// Deprecated: use iotshadow.Client.UpdateShadow.
func (h *ShadowHandler) ShadowUpdate(jsonPayload string, cb ShadowCallback, timeoutSeconds float64) (token string, err error) {
	return h.request(topic.ShadowUpdate, jsonPayload, cb, timeoutSeconds)
}

// ShadowRegisterDeltaCallback is v1's shadowRegisterDeltaCallback: cb gets every
// delta with a version newer than what this handler has seen, in a delta or in an
// accepted answer. It replaces a former callback.
//
// Deprecated: use iotshadow.Client.ShadowDeltaUpdated.
func (h *ShadowHandler) ShadowRegisterDeltaCallback(cb ShadowCallback) error {
	if h.bad != nil {
		return h.bad
	}
	if cb == nil {
		cb = func(string, string, string) {} // v1 subscribed all the same
	}
	h.mu.Lock()
	former := h.delta
	h.delta = cb
	h.mu.Unlock()
	defer h.hub.take()()
	if err := h.hub.subscribe(h.shadow().Delta(), h); err != nil {
		h.mu.Lock()
		h.delta = former
		h.mu.Unlock()
		return err
	}
	h.sleep()
	return nil
}

// ShadowUnregisterDeltaCallback is v1's shadowUnregisterDeltaCallback. Without a
// registered callback it returns *v1compat.KeyError, as v1 raised KeyError.
//
// Deprecated: stop the iterator of iotshadow.Client.ShadowDeltaUpdated.
func (h *ShadowHandler) ShadowUnregisterDeltaCallback() error {
	if h.bad != nil {
		return h.bad
	}
	h.mu.Lock()
	known := h.delta != nil
	h.delta, h.deltas = nil, nil
	h.mu.Unlock()
	if !known {
		return &v1compat.KeyError{Key: "delta"}
	}
	defer h.hub.take()()
	return h.hub.unsubscribe(h.shadow().Delta(), h)
}

func (h *ShadowHandler) shadow() topic.Shadow { return topic.Shadow{Thing: h.name} }

func (h *ShadowHandler) sleep() {
	if h.quirks.ShadowSubscribeSleep {
		time.Sleep(subscribeSleep)
	}
}

// request is v1's request procedure: callback and token noted, accepted and
// rejected subscribed in this order, the request published, the timer started.
func (h *ShadowHandler) request(a action, payload string, cb ShadowCallback, timeoutSeconds float64) (string, error) {
	timeout, err := h.timeout(timeoutSeconds)
	if err != nil {
		return "", err
	}
	token := newToken()
	body, err := withToken(payload, token)
	if err != nil {
		return "", err
	}
	req := &request{action: a}
	h.mu.Lock()
	state := h.actions[a]
	if state == nil {
		state = &actionState{}
		h.actions[a] = state
	}
	former := state.callback
	state.callback = cb
	state.count++
	h.pending[token] = req
	h.mu.Unlock()

	if err := h.subscribe(a, state); err != nil {
		h.abandon(token, state, former)
		return "", err
	}
	if _, err := h.hub.mqtt.Publish(h.shadow().Request(a), body, 0); err != nil {
		h.abandon(token, state, former)
		h.release(a)
		return "", err
	}
	h.mu.Lock()
	if h.pending[token] == req { // else the answer was quicker
		req.timer = time.AfterFunc(timeout, func() { h.timedOut(token) })
	}
	h.mu.Unlock()
	return token, nil
}

func (h *ShadowHandler) timeout(seconds float64) (time.Duration, error) {
	if h.bad != nil {
		return 0, h.bad
	}
	if !(seconds >= 0 && seconds <= float64(math.MaxInt64/int64(time.Second))) {
		return 0, &v1compat.ValueError{Message: "Invalid timeout.", Err: fmt.Errorf("%g s", seconds)}
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// subscribe subscribes to the answers of a, before every request unless the
// handler is persistent and has done so.
func (h *ShadowHandler) subscribe(a action, state *actionState) error {
	defer h.hub.take()()
	h.mu.Lock()
	done := h.persistent && state.subscribed
	h.mu.Unlock()
	if done {
		return nil
	}
	s := h.shadow()
	if err := h.hub.subscribe(s.Accepted(a), h); err != nil {
		return err
	}
	if err := h.hub.subscribe(s.Rejected(a), h); err != nil {
		return err
	}
	h.mu.Lock()
	state.subscribed = true
	h.mu.Unlock()
	h.sleep()
	return nil
}

// release ends the subscriptions of a handler that is not persistent once the
// last request of the action is answered, also with nothing.
func (h *ShadowHandler) release(a action) {
	if h.persistent {
		return
	}
	defer h.hub.take()()
	h.mu.Lock()
	state := h.actions[a]
	idle := state.count == 0 && state.subscribed
	if idle {
		state.subscribed = false
	}
	h.mu.Unlock()
	if !idle {
		return // a request has come meanwhile and uses them
	}
	s := h.shadow()
	for _, t := range [...]string{s.Accepted(a), s.Rejected(a)} {
		if err := h.hub.unsubscribe(t, h); err != nil {
			logger().Warn("unsubscribe failed", "topic", t, "error", err)
		}
	}
}

// abandon takes back a request that could not be sent.
func (h *ShadowHandler) abandon(token string, state *actionState, former ShadowCallback) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, waiting := h.pending[token]; !waiting {
		return // its answer came although sending it failed
	}
	delete(h.pending, token)
	state.count--
	if state.count > 0 {
		state.callback = former
	}
}

// newToken returns a random UUID, version 4 [RFC9562-5.4].
func newToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func badName(name string) error {
	if name == "" {
		return fmt.Errorf("the thing name is empty")
	}
	return fmt.Errorf("%q cannot be a thing name", name)
}
