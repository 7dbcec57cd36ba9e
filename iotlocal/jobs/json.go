package jobs

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// encode writes compact JSON with nothing escaped that need not be.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil // only the structs below and checked documents come here: they encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// members is a request taken apart. A member that is null counts as absent.
type members map[string]json.RawMessage

// decode reads one JSON object and nothing after it.
func decode(payload []byte) (members, *Error) {
	if !utf8.Valid(payload) {
		return nil, refuse(InvalidJSON, "The payload is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	var m members
	if err := dec.Decode(&m); err != nil {
		return nil, refuse(InvalidJSON, "The payload is not a JSON object: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, refuse(InvalidJSON, "The payload holds something after the JSON object")
	}
	if m == nil { // null
		return nil, refuse(InvalidJSON, "The payload is not a JSON object")
	}
	for k, v := range m {
		if string(v) == "null" {
			delete(m, k)
		}
	}
	return m, nil
}

// text reads a string member; nil when absent.
func (m members) text(name string) (*string, *Error) {
	raw, ok := m[name]
	if !ok {
		return nil, nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, refuse(InvalidRequest, "%s must be a string", name)
	}
	return &s, nil
}

// number reads a whole number that is not negative; nil when absent.
func (m members) number(name string) (*int64, *Error) {
	n, err := m.whole(name)
	if err == nil && n != nil && *n < 0 {
		return nil, refuse(InvalidRequest, "%s must be a whole number of at least 0", name)
	}
	return n, err
}

// whole reads a whole number, or one in a string, which is how the v1 SDK sends
// versions; nil when absent.
func (m members) whole(name string) (*int64, *Error) {
	raw, ok := m[name]
	if !ok {
		return nil, nil
	}
	digits := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		digits = s
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strings.HasPrefix(digits, "+") {
		return nil, refuse(InvalidRequest, "%s must be a whole number", name)
	}
	return &n, nil
}

// flag reads a boolean member.
func (m members) flag(name string, absent bool) (bool, *Error) {
	raw, ok := m[name]
	if !ok {
		return absent, nil
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		return false, refuse(InvalidRequest, "%s must be true or false", name)
	}
	return b, nil
}

// request is a request of a device, checked.
type request struct {
	token           *string
	status          Status
	details         map[string]string // nil: not specified
	expectedVersion *int64
	executionNumber int64 // 0: the latest
	step            time.Duration
	includeState    bool
	includeDocument bool
}

// parse checks the body of a request; what it returns has the token also when
// it returns an error, if the token is good. Members an operation has no use for
// are not looked at. An empty body is good for all but update: the SDKs send
// one when there is nothing to say.
func parse(op Op, payload []byte, lim Limits) (r request, err *Error) {
	if len(payload) == 0 && op != Update {
		payload = []byte("{}")
	}
	m, err := decode(payload)
	if err != nil {
		return r, err
	}
	token, err := m.text("clientToken")
	if err == nil && token != nil && over(len(*token), lim.ClientToken) {
		err = refuse(InvalidRequest, "clientToken is longer than %d bytes", lim.ClientToken)
	}
	if err != nil {
		return r, err
	}
	r.token = token
	switch op {
	case Describe:
		if err = r.execution(m); err == nil {
			r.includeDocument, err = m.flag("includeJobDocument", true)
		}
	case StartNext:
		err = r.progress(op, m, lim)
	case Update:
		err = r.update(m, lim)
	}
	return r, err
}

func (r *request) execution(m members) *Error {
	n, err := m.number("executionNumber")
	if n != nil {
		r.executionNumber = *n
	}
	return err
}

// progress reads what start-next and update share.
func (r *request) progress(op Op, m members, lim Limits) (err *Error) {
	if r.details, err = m.details(lim); err != nil {
		return err
	}
	n, err := m.whole("stepTimeoutInMinutes")
	if err != nil || n == nil {
		return err
	}
	most := int64(MaxTimeout / time.Minute)
	switch {
	case *n >= 1 && *n <= most:
		r.step = time.Duration(*n) * time.Minute
	case *n == -1 && op == Update: // UpdateJobExecution of the API: cancels the timer
		r.step = noStep
	case op == Update:
		return refuse(InvalidRequest, "stepTimeoutInMinutes must be between 1 and %d, or -1 to cancel the timer", most)
	default:
		return refuse(InvalidRequest, "stepTimeoutInMinutes must be between 1 and %d", most)
	}
	return nil
}

func (r *request) update(m members, lim Limits) (err *Error) {
	status, err := m.text("status")
	if err != nil {
		return err
	}
	if status == nil {
		return refuse(InvalidRequest, "status is missing")
	}
	if r.status.UnmarshalText([]byte(*status)) != nil || !may(device, InProgress, r.status) {
		return refuse(InvalidRequest, "status must be IN_PROGRESS, FAILED, SUCCEEDED or REJECTED")
	}
	if err := r.execution(m); err != nil {
		return err
	}
	if r.expectedVersion, err = m.number("expectedVersion"); err != nil {
		return err
	}
	if r.includeState, err = m.flag("includeJobExecutionState", false); err != nil {
		return err
	}
	if r.includeDocument, err = m.flag("includeJobDocument", false); err != nil {
		return err
	}
	return r.progress(Update, m, lim)
}

// details reads statusDetails; an empty object is not nil.
func (m members) details(lim Limits) (map[string]string, *Error) {
	raw, ok := m["statusDetails"]
	if !ok {
		return nil, nil
	}
	var details map[string]*string // a null value is told from ""
	if json.Unmarshal(raw, &details) != nil {
		return nil, refuse(InvalidRequest, "statusDetails must be an object whose values are strings")
	}
	out := make(map[string]string, len(details))
	for k, v := range details {
		if v == nil {
			return nil, refuse(InvalidRequest, "statusDetails: the value of %q is null", k)
		}
		out[k] = *v
	}
	return out, checkDetails(out, lim)
}

// checkDetails applies the patterns of the API reference: names of
// a-z A-Z 0-9 : _ -, values without control characters and the like.
func checkDetails(details map[string]string, lim Limits) *Error {
	for k, v := range details {
		good := k != "" && !strings.ContainsFunc(k, func(c rune) bool {
			return !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune(":_-", c))
		})
		if !good || over(len(k), lim.DetailKey) {
			return refuse(InvalidRequest, "statusDetails: the name %q is not 1 to %d of a-z A-Z 0-9 : _ -", k, lim.DetailKey)
		}
		if v == "" || over(utf8.RuneCountInString(v), lim.DetailValue) {
			return refuse(InvalidRequest, "statusDetails: the value of %q is not 1 to %d characters long", k, lim.DetailValue)
		}
		if !utf8.ValidString(v) || strings.ContainsFunc(v, func(c rune) bool { return unicode.Is(unicode.C, c) }) {
			return refuse(InvalidRequest, "statusDetails: the value of %q has a control character", k)
		}
	}
	return nil
}

// checkDocument compacts a job document, which must be an object: the SDKs
// read nothing else.
func checkDocument(document []byte, lim Limits) (json.RawMessage, *Error) {
	if _, err := decode(document); err != nil {
		return nil, refuse(InvalidRequest, "the job document is not a JSON object in UTF-8: %s", err.Message)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, document); err != nil {
		return nil, refuse(InvalidRequest, "the job document: %v", err)
	}
	if over(b.Len(), lim.Document) {
		return nil, refuse(InvalidRequest, "the job document has %d bytes, the limit is %d", b.Len(), lim.Document)
	}
	return b.Bytes(), nil
}

// summary is JobExecutionSummary.
type summary struct {
	JobID           string `json:"jobId"`
	QueuedAt        int64  `json:"queuedAt"`
	LastUpdatedAt   int64  `json:"lastUpdatedAt"`
	StartedAt       int64  `json:"startedAt,omitempty"`
	ExecutionNumber int64  `json:"executionNumber"`
	VersionNumber   int64  `json:"versionNumber"`
}

// data is JobExecution.
type data struct {
	JobID           string            `json:"jobId"`
	ThingName       string            `json:"thingName"`
	Status          Status            `json:"status"`
	StatusDetails   map[string]string `json:"statusDetails,omitempty"`
	QueuedAt        int64             `json:"queuedAt"`
	StartedAt       int64             `json:"startedAt,omitempty"`
	LastUpdatedAt   int64             `json:"lastUpdatedAt"`
	VersionNumber   int64             `json:"versionNumber"`
	ExecutionNumber int64             `json:"executionNumber"`
	SecondsLeft     *int64            `json:"approximateSecondsBeforeTimedOut,omitempty"`
	JobDocument     json.RawMessage   `json:"jobDocument,omitempty"`
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (e *execution) summary() summary {
	return summary{e.job.id, seconds(e.queued), seconds(e.updated), seconds(e.started), e.number, e.version}
}

func (e *execution) data(thing string, document bool, now time.Time) *data {
	d := &data{JobID: e.job.id, ThingName: thing, Status: e.status, StatusDetails: e.details, QueuedAt: seconds(e.queued),
		StartedAt: seconds(e.started), LastUpdatedAt: seconds(e.updated), VersionNumber: e.version, ExecutionNumber: e.number}
	if at, any := e.timesOut(); any {
		d.SecondsLeft = new(max(0, int64(math.Ceil(at.Sub(now).Seconds()))))
	}
	if document {
		d.JobDocument = e.job.document
	}
	return d
}

// The answers and events, with the order of members of the guide's examples.
type (
	head struct {
		Token     *string `json:"clientToken,omitempty"`
		Timestamp int64   `json:"timestamp"`
	}
	pendingAnswer struct {
		head
		InProgress []summary `json:"inProgressJobs"`
		Queued     []summary `json:"queuedJobs"`
	}
	executionAnswer struct { // start-next, describe, notify-next
		head
		Execution *data `json:"execution,omitempty"`
	}
	updateAnswer struct {
		head
		State       *State          `json:"executionState,omitempty"`
		JobDocument json.RawMessage `json:"jobDocument,omitempty"`
	}
	listEvent struct {
		head
		Jobs struct {
			InProgress []summary `json:"IN_PROGRESS,omitempty"`
			Queued     []summary `json:"QUEUED,omitempty"`
		} `json:"jobs"`
	}
	errorAnswer struct {
		Code      Code    `json:"code"`
		Message   string  `json:"message"`
		Token     *string `json:"clientToken,omitempty"`
		Timestamp int64   `json:"timestamp"`
		State     *State  `json:"executionState,omitempty"`
	}
)

func rejected(err *Error, token *string, now time.Time) []byte {
	return encode(errorAnswer{err.Code, err.Message, token, now.Unix(), err.State})
}
