// Package jobs is the AWS IoT Jobs service without MQTT: executions with their
// states, versions and timers, the requests and answers of devices as JSON, the
// notifications, and what an operator does to jobs. The server glues it to
// topics.
//
// It follows the AWS IoT developer guide (jobs-mqtt-api.html, jobs-api.html,
// jobs-mqtt-https-api.html, jobs-comm-notifications.html, iot-jobs-lifecycle.html,
// jobs-configurations-details.html) and the API reference of iot-jobs-data. Where
// they are silent the choice is stated at the code. Members stand in the order of
// the guide's examples; times are seconds since the epoch.
//
// A job has one target here, a thing, so that a job and its executions on that
// thing are one object; rollout, abort and schedule configurations do not exist.
package jobs

import (
	"fmt"
	"time"
)

// Limits are the quotas of the service. A zero field is the one of AWS, a
// negative one no limit.
type Limits struct {
	// Document is how long a job document may be as compact JSON, in bytes. 32,768.
	Document int
	// DetailKey and DetailValue are how long a name and a value of statusDetails
	// may be, in characters. 128 and 1,024.
	DetailKey, DetailValue int
	// ClientToken is how long a client token may be, in bytes. 64.
	ClientToken int
	// Listed is how many executions one notification lists. 15.
	Listed int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Document, 32 << 10}, {&l.DetailKey, 128}, {&l.DetailValue, 1024}, {&l.ClientToken, 64}, {&l.Listed, 15}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

// MaxTimeout is the longest step timer and in-progress timer: 7 days.
const MaxTimeout = 10080 * time.Minute

// MaxRetries is how often an execution may be tried again, for both kinds of
// failure together.
const MaxRetries = 10

// Code is an error code of the service.
type Code string

// The error codes (jobs-api.html, ErrorResponse).
const (
	// InvalidTopic: the topic is in the namespace of jobs and is no operation.
	InvalidTopic Code = "InvalidTopic"
	// InvalidJSON: the request is not JSON in UTF-8.
	InvalidJSON Code = "InvalidJson"
	// InvalidRequest: the request, or a name in its topic, is not valid.
	InvalidRequest Code = "InvalidRequest"
	// InvalidStateTransition: the state of the execution does not allow it.
	InvalidStateTransition Code = "InvalidStateTransition"
	// ResourceNotFound: there is no such execution.
	ResourceNotFound Code = "ResourceNotFound"
	// VersionMismatch: the expected version is not that of the execution.
	VersionMismatch Code = "VersionMismatch"
	// InternalError and RequestThrottled come only when a test asks for them: see
	// Service.Refuse.
	InternalError    Code = "InternalError"
	RequestThrottled Code = "RequestThrottled"
	// TerminalStateReached: an execution that has ended was to be described.
	TerminalStateReached Code = "TerminalStateReached"
	// AlreadyExists is only an operator's: there is such a job (the API's
	// ResourceAlreadyExistsException).
	AlreadyExists Code = "ResourceAlreadyExists"
)

// String returns the code as it stands in answers.
func (c Code) String() string { return string(c) }

// Error is a refusal of the service.
type Error struct {
	Code    Code
	Message string
	// State is that of the execution, when Code is InvalidStateTransition or
	// VersionMismatch.
	State *State
}

// State is the state of an execution (JobExecutionState).
type State struct {
	Status        Status            `json:"status"`
	StatusDetails map[string]string `json:"statusDetails,omitempty"`
	VersionNumber int64             `json:"versionNumber"`
}

// Error returns the code and the text.
func (e *Error) Error() string { return fmt.Sprintf("iotlocal: jobs: %v: %s", e.Code, e.Message) }

func refuse(code Code, format string, a ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, a...)}
}
