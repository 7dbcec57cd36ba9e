package iotlocal

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/commands"
)

// commandService glues the commands feature to the broker and to the clock.
// Sending only puts messages into queues, so nothing is waited for. Answers go to
// every subscriber, not to the requester alone as those of jobs: the developer
// guide watches them with the MQTT test client.
type commandService struct {
	service *commands.Service
	clock   *Clock
	publish func(*broker.Message) int
}

// handle takes what clients publish under commands.Prefix; topics that are no
// updates of devices pass by.
func (s *commandService) handle(_ *broker.Client, m *broker.Message) {
	if r, ok := commands.ParseResponse(m.Topic); ok {
		s.send(s.service.Update(r, m.Payload, s.clock.Now()))
	}
}

// send publishes at QoS 1: subscribers get it with the QoS they asked for. What
// is left of a command's timeout travels as its message expiry, in whole seconds
// with a started one counted: devices read it there.
func (s *commandService) send(m commands.Message) {
	out := &broker.Message{Topic: m.Topic, Payload: m.Payload, QoS: 1, ContentType: m.ContentType}
	if m.Expiry != nil {
		out.MessageExpiry = new(uint32((*m.Expiry + time.Second - 1) / time.Second))
	}
	s.publish(out)
}

// The parts of the commands feature that users name, from package commands.
type (
	// CommandOptions configure the execution of a command: see [commands.Options].
	CommandOptions = commands.Options
	// CommandExecution is one run of a command on a device: see [commands.Execution].
	CommandExecution = commands.Execution
	// CommandStatus is the status of an execution: see [commands.Status].
	CommandStatus = commands.Status
	// CommandStatusReason says more about a status: see [commands.StatusReason].
	CommandStatusReason = commands.StatusReason
	// CommandResult is one value of the result of an execution: see [commands.Result].
	CommandResult = commands.Result
	// CommandError is a refusal of the commands feature: code and text: see [commands.Error].
	CommandError = commands.Error
	// CommandErrorCode is an error code of the commands feature: see [commands.Code].
	CommandErrorCode = commands.Code
)

// The statuses of executions of commands.
const (
	CommandCreated    = commands.Created
	CommandInProgress = commands.InProgress
	CommandSucceeded  = commands.Succeeded
	CommandFailed     = commands.Failed
	CommandRejected   = commands.Rejected
	CommandTimedOut   = commands.TimedOut
)

// The error codes of the commands feature; package commands says when each
// comes.
const (
	CommandInvalidJSON            = commands.InvalidJSON
	CommandInvalidRequest         = commands.InvalidRequest
	CommandInvalidStateTransition = commands.InvalidStateTransition
	CommandTerminalStateReached   = commands.TerminalStateReached
	CommandResourceNotFound       = commands.ResourceNotFound
	CommandDataConflict           = commands.DataConflict
	CommandInternalError          = commands.InternalError
	CommandRequestThrottled       = commands.RequestThrottled
	CommandAlreadyExists          = commands.AlreadyExists
)

// Commands is a handle on the commands of one device for the program around the
// server, which plays the operator: the device gets a command as if the AWS API
// had been called. Its errors are *CommandError, unless they say otherwise.
type Commands struct {
	commands *commandService
	target   commands.Target
}

// Commands returns the handle of the commands to a thing, whose topics are
// $aws/commands/things/THING/...
func (s *Server) Commands(thing string) *Commands {
	return &Commands{s.commands, commands.Target{Type: commands.Things, ID: thing}}
}

// ClientCommands returns the handle of the commands to a client that is no thing
// of the registry, whose topics are $aws/commands/clients/CLIENTID/...
func (s *Server) ClientCommands(clientID string) *Commands {
	return &Commands{s.commands, commands.Target{Type: commands.Clients, ID: clientID}}
}

// Start creates an execution, sends the command to the device and returns the
// execution's id. A payload that is a string, []byte or json.RawMessage goes out
// as it is, anything else as JSON, whose error is no *CommandError. A device that
// is not connected gets it later if its session is kept, until the timeout. Codes:
// InvalidRequest for a bad name, payload or option, ResourceAlreadyExists for an
// execution id the device has.
func (h *Commands) Start(payload any, o CommandOptions) (executionID string, err error) {
	var body []byte
	switch p := payload.(type) {
	case string:
		body = []byte(p)
	case []byte:
		body = p
	case json.RawMessage:
		body = p
	default:
		if body, err = json.Marshal(p); err != nil {
			return "", fmt.Errorf("iotlocal: command payload: %w", err)
		}
	}
	e, m, refusal := h.commands.service.Start(h.target, body, o, h.commands.clock.Now())
	if refusal != nil {
		return "", refusal
	}
	h.commands.send(m)
	return e.ID, nil
}

// Describe returns an execution. Code: ResourceNotFound.
func (h *Commands) Describe(executionID string) (CommandExecution, error) {
	e, err := h.commands.service.Get(h.target, executionID, h.commands.clock.Now())
	if err != nil {
		return CommandExecution{}, err
	}
	return e, nil
}

// List returns the executions of the device in the order of their creation.
func (h *Commands) List() []CommandExecution {
	return h.commands.service.List(h.target, h.commands.clock.Now())
}

// Delete forgets an execution that has ended. Codes: ResourceNotFound,
// InvalidRequest for one that has not ended.
func (h *Commands) Delete(executionID string) error {
	if err := h.commands.service.Delete(h.target, executionID, h.commands.clock.Now()); err != nil {
		return err
	}
	return nil
}

// Refuse makes the service answer the next n updates of the device with
// CommandDataConflict, CommandInternalError or CommandRequestThrottled; 0 takes
// back what is left. Code: InvalidRequest for another code or a negative n.
func (h *Commands) Refuse(code CommandErrorCode, n int) error {
	if err := h.commands.service.Refuse(h.target, code, n); err != nil {
		return err
	}
	return nil
}
