package iotshadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Null clears a section of a shadow in an update, as ShadowState{Desired: Null}; within a section a nil clears a key.
var Null json.Marshaler = null{}

type null struct{}

func (null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// ShadowState is what an update asks for. A section is whatever encoding/json makes an object of: a struct, a map,
// a json.RawMessage. nil, also a nil map or pointer, leaves the section as it is; Null clears it.
type ShadowState struct {
	Desired  any
	Reported any
}

// GetShadowRequest asks for the classic shadow of a thing.
type GetShadowRequest struct {
	ThingName   string
	ClientToken string        // at most 64 bytes; "": a new one
	Document    []byte        // the whole body as JSON, to which the token is added, in place of any other
	Timeout     time.Duration // 0: reqresp.Options.OperationTimeout
}

// UpdateShadowRequest changes the classic shadow of a thing. State is required, unless Document is the body.
type UpdateShadowRequest struct {
	ThingName   string
	State       *ShadowState
	Version     *int64 // the version that the change is made for: another one is a conflict, 409
	ClientToken string
	Document    []byte
	Timeout     time.Duration
}

// DeleteShadowRequest deletes the classic shadow of a thing.
type DeleteShadowRequest struct {
	ThingName   string
	ClientToken string
	Document    []byte
	Timeout     time.Duration
}

// GetNamedShadowRequest asks for a named shadow of a thing.
type GetNamedShadowRequest struct {
	ThingName   string
	ShadowName  string
	ClientToken string
	Document    []byte
	Timeout     time.Duration
}

// UpdateNamedShadowRequest changes a named shadow of a thing; see UpdateShadowRequest.
type UpdateNamedShadowRequest struct {
	ThingName   string
	ShadowName  string
	State       *ShadowState
	Version     *int64
	ClientToken string
	Document    []byte
	Timeout     time.Duration
}

// DeleteNamedShadowRequest deletes a named shadow of a thing.
type DeleteNamedShadowRequest struct {
	ThingName   string
	ShadowName  string
	ClientToken string
	Document    []byte
	Timeout     time.Duration
}

// ShadowSubscriptionRequest names the classic shadow of a thing, to subscribe to something of it.
type ShadowSubscriptionRequest struct{ ThingName string }

// NamedShadowSubscriptionRequest names a named shadow of a thing, to subscribe to something of it.
type NamedShadowSubscriptionRequest struct{ ThingName, ShadowName string }

// The names that AWS's SDKs have for the two, by what is subscribed to.
type (
	// GetShadowSubscriptionRequest names the shadow of the answers to GetShadow.
	GetShadowSubscriptionRequest = ShadowSubscriptionRequest
	// UpdateShadowSubscriptionRequest names the shadow of the answers to UpdateShadow.
	UpdateShadowSubscriptionRequest = ShadowSubscriptionRequest
	// DeleteShadowSubscriptionRequest names the shadow of the answers to DeleteShadow.
	DeleteShadowSubscriptionRequest = ShadowSubscriptionRequest
	// ShadowDeltaUpdatedSubscriptionRequest names the shadow of the event ShadowDeltaUpdated.
	ShadowDeltaUpdatedSubscriptionRequest = ShadowSubscriptionRequest
	// ShadowUpdatedSubscriptionRequest names the shadow of the event ShadowUpdated.
	ShadowUpdatedSubscriptionRequest = ShadowSubscriptionRequest
	// GetNamedShadowSubscriptionRequest names the shadow of the answers to GetNamedShadow.
	GetNamedShadowSubscriptionRequest = NamedShadowSubscriptionRequest
	// UpdateNamedShadowSubscriptionRequest names the shadow of the answers to UpdateNamedShadow.
	UpdateNamedShadowSubscriptionRequest = NamedShadowSubscriptionRequest
	// DeleteNamedShadowSubscriptionRequest names the shadow of the answers to DeleteNamedShadow.
	DeleteNamedShadowSubscriptionRequest = NamedShadowSubscriptionRequest
	// NamedShadowDeltaUpdatedSubscriptionRequest names the shadow of the event NamedShadowDeltaUpdated.
	NamedShadowDeltaUpdatedSubscriptionRequest = NamedShadowSubscriptionRequest
	// NamedShadowUpdatedSubscriptionRequest names the shadow of the event NamedShadowUpdated.
	NamedShadowUpdatedSubscriptionRequest = NamedShadowSubscriptionRequest
)

// Sections are the parts of a shadow document, or of its metadata, as they came: nil where the section is absent. Decode reads
// them. Delta is what differs between the others; only an answer to a get has it.
type Sections struct {
	Desired, Reported, Delta json.RawMessage
}

func (s *Sections) read(v jsonobj.Value) error {
	return v.Object(func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "desired":
			s.Desired = v.Raw()
		case "reported":
			s.Reported = v.Raw()
		case "delta":
			s.Delta = v.Raw()
		}
		return nil
	})
}

// Document is the answer to a get, an update or a delete. State and Metadata are those of the whole shadow after a get, those that
// the request named after an update, and empty after a delete.
type Document struct {
	State       Sections
	Metadata    Sections // when each key was changed, in seconds since 1970
	Version     int64
	Timestamp   time.Time // when the answer was made
	ClientToken string
	Raw         json.RawMessage // all of it, members that this package does not know included
}

func (d *Document) read(payload []byte) error {
	d.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "state":
			return d.State.read(v)
		case "metadata":
			return d.Metadata.read(v)
		case "version":
			return v.Int(&d.Version)
		case "timestamp":
			return v.Time(&d.Timestamp)
		case "clientToken":
			return v.String(&d.ClientToken)
		}
		return nil
	})
}

// The names that AWS's SDKs have for the answers.
type (
	// GetShadowResponse is the answer to GetShadow, and to its twin for named shadows.
	GetShadowResponse = Document
	// UpdateShadowResponse is the answer to UpdateShadow, and to its twin for named shadows.
	UpdateShadowResponse = Document
	// DeleteShadowResponse is the answer to DeleteShadow, and to its twin for named shadows.
	DeleteShadowResponse = Document
)

// ShadowDeltaUpdatedEvent says that desired differs from reported.
type ShadowDeltaUpdatedEvent struct {
	State       json.RawMessage // every key that differs, with its desired value
	Metadata    json.RawMessage
	Version     int64
	Timestamp   time.Time
	ClientToken string // of the update that caused it
	Raw         json.RawMessage
}

func (e *ShadowDeltaUpdatedEvent) read(payload []byte) error {
	e.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "state":
			e.State = v.Raw()
		case "metadata":
			e.Metadata = v.Raw()
		case "version":
			return v.Int(&e.Version)
		case "timestamp":
			return v.Time(&e.Timestamp)
		case "clientToken":
			return v.String(&e.ClientToken)
		}
		return nil
	})
}

// ShadowUpdatedSnapshot is a shadow before or after an update.
type ShadowUpdatedSnapshot struct {
	State    Sections
	Metadata Sections
	Version  int64
}

func (s *ShadowUpdatedSnapshot) read(v jsonobj.Value) error {
	return v.Object(func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "state":
			return s.State.read(v)
		case "metadata":
			return s.Metadata.read(v)
		case "version":
			return v.Int(&s.Version)
		}
		return nil
	})
}

// ShadowUpdatedEvent has the shadow before and after an update. Previous.Version is 0 for a new shadow.
type ShadowUpdatedEvent struct {
	Previous, Current ShadowUpdatedSnapshot
	Timestamp         time.Time
	ClientToken       string
	Raw               json.RawMessage
}

func (e *ShadowUpdatedEvent) read(payload []byte) error {
	e.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "previous":
			return e.Previous.read(v)
		case "current":
			return e.Current.read(v)
		case "timestamp":
			return v.Time(&e.Timestamp)
		case "clientToken":
			return v.String(&e.ClientToken)
		}
		return nil
	})
}

// RejectedError is a refusal by the service. A call returns it within a *reqresp.Error.
type RejectedError struct {
	// Code is like that of HTTP: 400 malformed, 401, 403, 404 no such shadow, 409 version conflict, 413 too large, 415
	// not UTF-8, 429 too many requests on their way, 500.
	Code        int
	Message     string
	Timestamp   time.Time // zero when it was not given
	ClientToken string
	Raw         json.RawMessage
}

// Error returns a text such as `rejected (404): No shadow exists with name: 'lamp'`.
func (e *RejectedError) Error() string { return fmt.Sprintf("rejected (%d): %s", e.Code, e.Message) }

// The codes that programs look at.
const (
	CodeNotFound        = 404
	CodeVersionConflict = 409
	CodeTooManyRequests = 429
)

// refusal decodes a rejected answer.
func refusal(payload []byte) error {
	e := &RejectedError{Raw: payload}
	var code int64
	err := jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "code":
			return v.Int(&code)
		case "message":
			return v.String(&e.Message)
		case "timestamp":
			return v.Time(&e.Timestamp)
		case "clientToken":
			return v.String(&e.ClientToken)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w (%w: %w)", e, reqresp.ErrMalformed, err)
	}
	e.Code = int(code)
	return e
}

// Decode makes a T of a section: a struct, or a map, whose numbers are then json.Number, with all their digits. A section
// that is absent or null gives the zero T.
func Decode[T any](section json.RawMessage) (T, error) {
	var to T
	if len(section) == 0 {
		return to, nil
	}
	d := json.NewDecoder(bytes.NewReader(section))
	d.UseNumber()
	if err := d.Decode(&to); err != nil {
		var zero T
		return zero, fmt.Errorf("iotshadow: decode: %w", err)
	}
	return to, nil
}
