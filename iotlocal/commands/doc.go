// Package commands is the commands feature of AWS IoT Device Management without
// MQTT: executions of commands on devices with their statuses and timeout, and
// the updates that devices send, in JSON and CBOR. The server glues it to topics.
//
// It follows the AWS IoT developer guide (iot-remote-command-concepts.html,
// iot-remote-command-execution-start-monitor.html, commands-troubleshooting.html)
// and the API reference (StatusReason, CommandExecutionResult,
// StartCommandExecution). Where they are silent the choice is stated at the code.
//
// A command that is created once and started on many devices is a resource of
// the control plane; here an execution carries its own payload.
package commands

import (
	"fmt"
	"time"
)

// Limits are the quotas of the feature. A zero field is the one of AWS, a
// negative one no limit.
type Limits struct {
	// Payload of a command in bytes. 32,768.
	Payload int
	// ReasonCode and ReasonDescription of a status, in characters. 64 and 1,024.
	ReasonCode, ReasonDescription int
	// ClientToken is how long a client token may be, in bytes. 64.
	ClientToken int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Payload, 32 << 10}, {&l.ReasonCode, 64}, {&l.ReasonDescription, 1024}, {&l.ClientToken, 64}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

// The timeout of an execution.
const (
	DefaultTimeout = 10 * time.Second
	MaxTimeout     = 12 * time.Hour
)

// NoResponse is the reason code of an execution that the service has given up
// waiting for.
const NoResponse = "$NO_RESPONSE_FROM_DEVICE"

// Code is an error code of the feature.
type Code string

// The error codes (commands-troubleshooting.html; the enumeration of the AWS
// SDKs has InvalidJson, InvalidRequest and RequestThrottled too).
const (
	// InvalidJSON: the update is not one JSON object in UTF-8; here also one that
	// is not CBOR on a topic of CBOR.
	InvalidJSON Code = "InvalidJson"
	// InvalidRequest: a member of the update is not valid.
	InvalidRequest Code = "InvalidRequest"
	// InvalidStateTransition: the status cannot follow the present one.
	InvalidStateTransition Code = "InvalidStateTransition"
	// TerminalStateReached: the execution has ended already.
	TerminalStateReached Code = "TerminalStateReached"
	// ResourceNotFound: there is no such execution.
	ResourceNotFound Code = "ResourceNotFound"
	// DataConflict, InternalError and RequestThrottled come only when a test asks
	// for them: see Service.Refuse. A device should try again after them.
	DataConflict     Code = "DataConflict"
	InternalError    Code = "InternalError"
	RequestThrottled Code = "RequestThrottled"
	// AlreadyExists is only an operator's: there is an execution of that id.
	AlreadyExists Code = "ResourceAlreadyExists"
)

// String returns the code as it stands in answers.
func (c Code) String() string { return string(c) }

// Error is a refusal.
type Error struct {
	Code    Code
	Message string
}

// Error returns the code and the text.
func (e *Error) Error() string { return fmt.Sprintf("iotlocal: commands: %v: %s", e.Code, e.Message) }

func refuse(code Code, format string, a ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, a...)}
}
