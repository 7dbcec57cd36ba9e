package commands

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// Execution is one run of a command on a device, as an operator sees it.
type Execution struct {
	Target    Target
	ID        string
	CommandID string
	// Payload and ContentType are what the device got.
	Payload     []byte
	ContentType string
	Timeout     time.Duration
	Status      Status
	// StatusReason is the device's, or NoResponse; nil if there is none.
	StatusReason *StatusReason
	Result       map[string]Result
	// CreatedAt, StartedAt and CompletedAt are by the server's clock; zero when it
	// has not come to that. A TIMED_OUT of the service completes nothing.
	CreatedAt, StartedAt, LastUpdatedAt, CompletedAt time.Time
}

// Options configure an execution. The zero value is JSON that the device has ten
// seconds for.
type Options struct {
	// CommandID names the command, 1 to 64 of a-z A-Z 0-9 _ -. "" is "command".
	CommandID string
	// ExecutionID is the id of the execution, of the same characters; "" is a new
	// UUID.
	ExecutionID string
	// ContentType of the payload, as application/cbor. "" is application/json.
	ContentType string
	// Timeout is after how long without an end the execution is TIMED_OUT. 0 is
	// DefaultTimeout, at most MaxTimeout; AWS takes whole seconds, any duration
	// will do here.
	Timeout time.Duration
}

// Message is what the service sends to subscribers.
type Message struct {
	Topic       string
	Payload     []byte
	ContentType string         // "" for answers
	Expiry      *time.Duration // of a command: what is left of its timeout
}

type execution struct {
	Execution
	state    state
	order    int64
	deadline time.Time
}

// Service holds the executions of an account. Make one with NewService. It is
// safe for concurrent use. It has no clock of its own and no timers: nothing is
// sent at a timeout, so that a look at the time at every call is enough.
type Service struct {
	limits Limits

	mu         sync.Mutex
	executions map[Target]map[string]*execution
	order      int64
	refusal    map[Target]refusal
}

type refusal struct {
	code Code
	left int
}

// NewService returns a service without executions.
func NewService(l Limits) *Service {
	return &Service{limits: l.withDefaults(), executions: map[Target]map[string]*execution{}, refusal: map[Target]refusal{}}
}

// Start creates an execution and returns the command for the device. Errors:
// InvalidRequest for a bad name, payload, timeout or content type, AlreadyExists
// for an execution id that the target has.
func (s *Service) Start(t Target, body []byte, o Options, now time.Time) (Execution, Message, *Error) {
	e, err := s.newExecution(t, body, o, now)
	if err != nil {
		return Execution{}, Message{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.executions[t][e.ID] != nil {
		return Execution{}, Message{}, refuse(AlreadyExists, "%v has an execution %s already", t, e.ID)
	}
	if s.executions[t] == nil {
		s.executions[t] = map[string]*execution{}
	}
	s.order++
	e.order = s.order
	s.executions[t][e.ID] = e
	return e.public(), Message{Topic: t.request(e.ID, e.ContentType), Payload: e.Payload, ContentType: e.ContentType, Expiry: new(e.Timeout)}, nil
}

// newExecution checks what an operator asks for.
func (s *Service) newExecution(t Target, body []byte, o Options, now time.Time) (*execution, *Error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	e := &execution{Execution: Execution{Target: t, ID: o.ExecutionID, CommandID: o.CommandID, Payload: slices.Clone(body),
		ContentType: o.ContentType, Timeout: o.Timeout, Status: Created, CreatedAt: now, LastUpdatedAt: now}}
	if e.CommandID == "" {
		e.CommandID = "command"
	}
	if e.ID == "" {
		e.ID = newID()
	}
	if e.ContentType == "" {
		e.ContentType = "application/json"
	}
	if e.Timeout == 0 {
		e.Timeout = DefaultTimeout
	}
	// Ids of executions and commands have the characters of job ids; $next is none.
	for _, name := range []string{e.CommandID, e.ID} {
		if err := topic.CheckJobID(name); err != nil || name == topic.NextJob {
			return nil, refuse(InvalidRequest, "the id %q is not 1 to %d of a-z A-Z 0-9 _ -", name, topic.MaxJobIDBytes)
		}
	}
	if over(len(body), s.limits.Payload) {
		return nil, refuse(InvalidRequest, "the payload has %d bytes, the limit is %d", len(body), s.limits.Payload)
	}
	if e.Timeout < 0 || e.Timeout > MaxTimeout {
		return nil, refuse(InvalidRequest, "Timeout %v is not between 0 and %v", e.Timeout, MaxTimeout)
	}
	if err := topic.ValidString(e.ContentType); err != nil {
		return nil, refuse(InvalidRequest, "ContentType: %v", err)
	}
	e.deadline = now.Add(e.Timeout)
	return e, nil
}

// newID returns a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Update handles an update of a device and returns the answer.
func (s *Service) Update(r Response, body []byte, now time.Time) Message {
	u, err := parseUpdate(r.format, body, s.limits)
	s.mu.Lock()
	if err == nil {
		err = s.update(r, u, now)
	}
	s.mu.Unlock()
	a := answer{ExecutionID: r.ExecutionID, Token: u.token}
	if err != nil {
		a.Error, a.Message = err.Code, err.Message
	}
	b, bad := r.format.Encode(a)
	if bad != nil {
		b = nil // strings in a struct: they encode
	}
	return Message{Topic: r.topic(err == nil), Payload: b}
}

// answer is the answer to an update; the order of members is the guide's.
type answer struct {
	Token       *string `json:"clientToken,omitempty"`
	ExecutionID string  `json:"executionId"`
	Error       Code    `json:"error,omitempty"`
	Message     string  `json:"errorMessage,omitempty"`
}

// update applies an update; mu is held. A repeated end that says the same is an
// error like any other: the guide asks devices to look at the answers.
func (s *Service) update(r Response, u update, now time.Time) *Error {
	if err := r.check(); err != nil {
		return err
	}
	if err := s.refused(r.Target); err != nil {
		return err
	}
	e := s.executions[r.Target][r.ExecutionID]
	if e == nil {
		return refuse(ResourceNotFound, "No command execution %s for %v", r.ExecutionID, r.Target)
	}
	e.expire(now)
	to := reported[u.status]
	if err := e.state.move(to); err != nil {
		return err
	}
	e.move(to, now)
	e.StatusReason = u.reason
	if u.result != nil {
		e.Result = u.result
	}
	return nil
}

// move enters a state.
func (e *execution) move(to state, now time.Time) {
	e.state, e.Status, e.LastUpdatedAt = to, to.status(), now
	if to == inProgress && e.StartedAt.IsZero() {
		e.StartedAt = now
	}
	if to.terminal() {
		e.CompletedAt = now
	}
}

// expire ends the wait for a device whose time is up: the timer runs from the
// creation to an end, through IN_PROGRESS.
func (e *execution) expire(now time.Time) {
	if (e.state == created || e.state == inProgress) && !now.Before(e.deadline) {
		e.move(noResponse, e.deadline)
		e.StatusReason = &StatusReason{Code: NoResponse}
	}
}

func (e *execution) public() Execution {
	out := e.Execution
	out.Payload, out.Result = slices.Clone(e.Payload), maps.Clone(e.Result)
	if e.StatusReason != nil {
		out.StatusReason = new(*e.StatusReason)
	}
	return out
}

// Get returns an execution. The error is ResourceNotFound.
func (s *Service) Get(t Target, id string, now time.Time) (Execution, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.executions[t][id]
	if e == nil {
		return Execution{}, refuse(ResourceNotFound, "No command execution %s for %v", id, t)
	}
	e.expire(now)
	return e.public(), nil
}

// List returns the executions of a target in the order of their creation.
func (s *Service) List(t Target, now time.Time) []Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.SortedFunc(maps.Values(s.executions[t]), func(a, b *execution) int { return int(a.order - b.order) })
	out := make([]Execution, len(all))
	for i, e := range all {
		e.expire(now)
		out[i] = e.public()
	}
	return out
}

// Delete forgets an execution that has ended (DeleteCommandExecution takes those
// only). Errors: ResourceNotFound, InvalidRequest for one that has not ended.
func (s *Service) Delete(t Target, id string, now time.Time) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.executions[t][id]
	if e == nil {
		return refuse(ResourceNotFound, "No command execution %s for %v", id, t)
	}
	e.expire(now)
	if !e.state.terminal() {
		return refuse(InvalidRequest, "the execution %s is %v: it has not ended", id, e.Status)
	}
	delete(s.executions[t], id)
	if len(s.executions[t]) == 0 {
		delete(s.executions, t)
	}
	return nil
}

// Refuse makes the next n updates of a target fail with DataConflict,
// InternalError or RequestThrottled, which do not come about otherwise, for tests
// of what devices do then. n of 0 takes back what is left. Errors: InvalidRequest
// for another code or a negative n.
func (s *Service) Refuse(t Target, code Code, n int) *Error {
	if !slices.Contains([]Code{DataConflict, InternalError, RequestThrottled}, code) {
		return refuse(InvalidRequest, "code %q cannot be asked for: only %v, %v and %v can", code, DataConflict, InternalError, RequestThrottled)
	}
	if n < 0 {
		return refuse(InvalidRequest, "%d updates cannot be refused", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		delete(s.refusal, t)
	} else {
		s.refusal[t] = refusal{code, n}
	}
	return nil
}

// refused takes the next refusal that a test has asked for; mu is held.
func (s *Service) refused(t Target) *Error {
	r, ok := s.refusal[t]
	if !ok {
		return nil
	}
	if r.left--; r.left > 0 {
		s.refusal[t] = r
	} else {
		delete(s.refusal, t)
	}
	if r.code == DataConflict {
		return refuse(DataConflict, "The command execution was modified concurrently")
	}
	return refuse(r.code, "%v was asked for by the test", r.code)
}
