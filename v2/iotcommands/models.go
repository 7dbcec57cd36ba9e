package iotcommands

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// DeviceType says what the id of a device is.
type DeviceType string

// The kinds of devices.
const (
	Things  DeviceType = "things"  // a thing of the registry, by its name
	Clients DeviceType = "clients" // any client, by its client id
)

// CommandExecutionStatus is the status of the execution of a command, as a device reports it.
type CommandExecutionStatus string

// The statuses.
const (
	StatusInProgress CommandExecutionStatus = "IN_PROGRESS"
	StatusSucceeded  CommandExecutionStatus = "SUCCEEDED"
	StatusFailed     CommandExecutionStatus = "FAILED"
	StatusRejected   CommandExecutionStatus = "REJECTED"
	StatusTimedOut   CommandExecutionStatus = "TIMED_OUT"
)

// StatusReason says more about a status.
type StatusReason struct {
	ReasonCode        string // of A-Z, 0-9 and _
	ReasonDescription string
}

// CommandResult is one value of the result of a command: the first one that is set.
type CommandResult struct {
	S   *string
	B   *bool
	Bin []byte
}

// UpdateCommandExecutionRequest reports how a command fares. DeviceType, DeviceID and ExecutionID come with the event;
// Status is required, unless Document is the body.
type UpdateCommandExecutionRequest struct {
	DeviceType   DeviceType
	DeviceID     string
	ExecutionID  string
	Status       CommandExecutionStatus
	StatusReason *StatusReason
	Result       map[string]CommandResult
	Document     []byte        // the whole body as JSON, in place of the fields above it
	Timeout      time.Duration // 0: reqresp.Options.OperationTimeout
}

// CommandExecutionsSubscriptionRequest names a device, to hear of its commands.
type CommandExecutionsSubscriptionRequest struct {
	DeviceType DeviceType
	DeviceID   string
}

// UpdateCommandExecutionResponse is the answer to an update.
type UpdateCommandExecutionResponse struct {
	ExecutionID string
	Raw         json.RawMessage
}

func (r *UpdateCommandExecutionResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if string(name) == "executionId" {
			return v.String(&r.ExecutionID)
		}
		return nil
	})
}

// CommandExecutionEvent is a command to a device.
type CommandExecutionEvent struct {
	DeviceType  DeviceType
	DeviceID    string
	ExecutionID string
	Payload     []byte
	ContentType string        // of the payload; "" when it was not given
	Timeout     time.Duration // what is left of it; 0 when it was not given
}

// The codes of refusals that the service documents. Others may come.
const (
	CodeInvalidJSON            = "InvalidJson"
	CodeInvalidRequest         = "InvalidRequest"
	CodeInvalidStateTransition = "InvalidStateTransition"
	CodeResourceNotFound       = "ResourceNotFound"
	CodeTerminalStateReached   = "TerminalStateReached"
	CodeDataConflict           = "DataConflict" // another update came at the same time: wait for each answer, and try again
	CodeInternalError          = "InternalError"
	CodeRequestThrottled       = "RequestThrottled"
)

// RejectedError is a refusal by the service. A call returns it within a *reqresp.Error.
type RejectedError struct {
	Code        string
	Message     string
	ExecutionID string
	Raw         json.RawMessage
}

// Error returns a text such as `rejected (TerminalStateReached): ...`.
func (e *RejectedError) Error() string { return fmt.Sprintf("rejected (%s): %s", e.Code, e.Message) }

// refusal decodes a rejected answer.
func refusal(payload []byte) error {
	e := &RejectedError{Raw: payload}
	err := jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "error":
			return v.String(&e.Code)
		case "errorMessage":
			return v.String(&e.Message)
		case "executionId":
			return v.String(&e.ExecutionID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w (%w: %w)", e, reqresp.ErrMalformed, err)
	}
	return e
}

// encode writes one value of a result.
func (c CommandResult) encode(w *jsonobj.Writer) {
	switch {
	case c.S != nil:
		w.Any("s", *c.S)
	case c.B != nil:
		w.Bool("b", c.B)
	case c.Bin != nil:
		w.Any("bin", base64.StdEncoding.EncodeToString(c.Bin))
	}
}
