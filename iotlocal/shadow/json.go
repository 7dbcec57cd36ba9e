package shadow

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// encode writes compact JSON with sorted members and nothing escaped that need
// not be.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil // only values of decode and plain structs come here: they encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decode reads one JSON object and nothing after it.
func decode(payload []byte) (object, *Error) {
	if !utf8.Valid(payload) {
		return nil, errEncoding
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, errJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errJSON
	}
	o, ok := v.(object)
	if !ok {
		return nil, errJSON
	}
	return o, nil
}

// token takes the client token out of a request: absent, or a string within the
// limit.
func token(req object, lim Limits) (string, *Error) {
	v, ok := req["clientToken"]
	if !ok || v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok || over(len(s), lim.ClientToken) {
		return "", errToken
	}
	return s, nil
}

// updateRequest checks the body of an update.
func updateRequest(req object) (c change, err *Error) {
	if v, ok := req["version"]; ok && v != nil {
		n, ok := v.(json.Number)
		i, bad := strconv.ParseInt(string(n), 10, 64)
		if !ok || bad != nil || i < 0 {
			return c, errVersion
		}
		c.version = &i
	}
	v, ok := req["state"]
	if !ok {
		return c, errNoState
	}
	if v == nil { // "Setting the state to null": it is cleared, the shadow stays
		c.clear = true
		return c, nil
	}
	state, ok := v.(object)
	if !ok {
		return c, errState
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if name != "desired" && name != "reported" {
			return c, refuse(400, nodeTemplate, name)
		}
	}
	if c.desired, c.hasDesired = state["desired"]; !isObjectOrNull(c.desired) {
		return c, errDesired
	}
	if c.reported, c.hasReported = state["reported"]; !isObjectOrNull(c.reported) {
		return c, errReported
	}
	return c, nil
}

func isObjectOrNull(v any) bool {
	if v == nil {
		return true
	}
	_, ok := v.(object)
	return ok
}

// sections fixes the order of members.
type sections struct {
	Desired  any `json:"desired,omitempty"`
	Reported any `json:"reported,omitempty"`
	Delta    any `json:"delta,omitempty"`
}

// order puts sections in order. A section that is null stays visible: it is
// what the request held.
func order(o object) any {
	s := sections{}
	for name, field := range map[string]*any{"desired": &s.Desired, "reported": &s.Reported, "delta": &s.Delta} {
		if v, ok := o[name]; ok {
			*field = json.RawMessage(encode(v))
		}
	}
	return s
}

// body is an answer or event of the service; the order of members is the one
// AWS shows.
type body struct {
	State     any    `json:"state,omitempty"`
	Metadata  any    `json:"metadata,omitempty"`
	Previous  *body  `json:"previous,omitempty"`
	Current   *body  `json:"current,omitempty"`
	Version   *int64 `json:"version,omitempty"`
	Timestamp int64  `json:"timestamp,omitempty"` // seconds
	Token     string `json:"clientToken,omitempty"`
}

func (s *snapshot) body() *body {
	if s.State == nil {
		return &body{State: json.RawMessage("null"), Metadata: order(s.Metadata), Version: &s.Version}
	}
	return &body{State: order(s.State), Metadata: order(s.Metadata), Version: &s.Version}
}

type errorBody struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Timestamp int64  `json:"timestamp"`
	Token     string `json:"clientToken,omitempty"`
}

func rejected(e *Error, token string, now time.Time) []byte {
	return encode(errorBody{e.Code, e.Message, now.Unix(), token})
}
