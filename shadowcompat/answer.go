package shadowcompat

import (
	"encoding/json"
	"runtime/debug"
	"strconv"

	"github.com/portage-iot/awsiot/internal/topic"
)

// receive gets every message of the topics that h holds.
func (h *ShadowHandler) receive(name string, payload []byte) {
	t, ok := topic.ParseShadow(name)
	if !ok {
		return
	}
	if t.Op == topic.ShadowDelta {
		h.receiveDelta(payload)
		return
	}
	m, ok := parse(payload)
	if !ok || m.token == "" {
		return // not ours, or not JSON
	}
	status := statusRejected
	if t.Role == topic.Accepted {
		status = statusAccepted
	}
	h.mu.Lock()
	req := h.pending[m.token]
	if req == nil || req.action != t.Op {
		h.mu.Unlock()
		return // a foreign request, or one that has timed out
	}
	if req.timer != nil {
		req.timer.Stop()
	}
	cb := h.end(m.token, req)
	if status == statusAccepted {
		h.advance(t.Op, m.version)
	}
	h.mu.Unlock()
	go h.answer(req.action, cb, string(payload), status, m.token)
}

// end takes a request out and returns its callback. The caller holds h.mu.
func (h *ShadowHandler) end(token string, req *request) ShadowCallback {
	delete(h.pending, token)
	state := h.actions[req.action]
	state.count--
	return state.callback
}

// answer runs on a goroutine that ends with the callback and the unsubscribing,
// which waits for the network at most for the operation timeout.
func (h *ShadowHandler) answer(a action, cb ShadowCallback, payload, status, token string) {
	guard(cb, payload, status, token)
	h.release(a)
}

// timedOut runs on the goroutine of the timer: v1 unsubscribed first.
func (h *ShadowHandler) timedOut(token string) {
	h.mu.Lock()
	req := h.pending[token]
	if req == nil {
		h.mu.Unlock()
		return
	}
	cb := h.end(token, req)
	h.mu.Unlock()
	h.release(req.action)
	guard(cb, timeoutPayload, statusTimeout, token)
}

// advance applies v1's version rule for an accepted answer. The caller holds h.mu.
func (h *ShadowHandler) advance(a action, version int64) {
	switch {
	case a == topic.ShadowDelete:
		h.version, h.shown = noVersion, noVersion // the next document begins anew
	case version > h.version:
		h.version = version
	case h.quirks.ShadowVersionReset:
		h.version, h.shown = noVersion, noVersion
	}
}

// receiveDelta queues a delta for the callback if it is newer than what is known.
func (h *ShadowHandler) receiveDelta(payload []byte) {
	m, ok := parse(payload)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	newer := m.version > h.version
	if h.quirks.ShadowDeltaSameVersion {
		newer = m.version >= h.version && m.version > h.shown
	}
	if m.version == noVersion || !newer || h.delta == nil {
		return
	}
	h.version, h.shown = m.version, m.version
	h.deltas = append(h.deltas, string(payload))
	if !h.running {
		h.running = true
		go h.runDeltas()
	}
}

// runDeltas runs the delta callback on what waits; it ends when nothing does.
func (h *ShadowHandler) runDeltas() {
	for {
		h.mu.Lock()
		if len(h.deltas) == 0 {
			h.deltas, h.running = nil, false
			h.mu.Unlock()
			return
		}
		payload := h.deltas[0]
		h.deltas = h.deltas[1:]
		cb := h.delta
		h.mu.Unlock()
		guard(cb, payload, "delta/"+h.name, "")
	}
}

// guard runs a callback of the user; a panic in it ends nothing else.
func guard(cb ShadowCallback, payload, status, token string) {
	if cb == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			logger().Error("panic in callback", "status", status, "token", token, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	cb(payload, status, token)
}

// answerMembers is what the handler reads of an answer or a delta.
type answerMembers struct {
	token   string
	version int64
}

func parse(payload []byte) (answerMembers, bool) {
	var m struct {
		ClientToken json.RawMessage `json:"clientToken"`
		Version     json.RawMessage `json:"version"`
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return answerMembers{}, false
	}
	a := answerMembers{version: noVersion}
	// A member of the wrong type is a member that is missing.
	if len(m.ClientToken) > 0 {
		_ = json.Unmarshal(m.ClientToken, &a.token)
	}
	if v, err := strconv.ParseInt(string(m.Version), 10, 64); err == nil {
		a.version = v
	}
	return a, true
}
