package iotcommands

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/internal/service"
)

// The table of the service. Answers carry no token, and come beside the topic of the request.
var (
	updateCommandExecution = &service.Operation[UpdateCommandExecutionRequest, UpdateCommandExecutionResponse]{
		Name:  "iotcommands.UpdateCommandExecution",
		Topic: func(n service.Names) string { return TopicUpdate(DeviceType(n[0]), n[1], n[2]) },
		Answers: func(topic string) (accepted, rejected string) {
			base := strings.TrimSuffix(topic, "/json")
			return base + "/accepted/json", base + "/rejected/json"
		},
		Common:  (*UpdateCommandExecutionRequest).common,
		Encode:  func(w *jsonobj.Writer, r *UpdateCommandExecutionRequest) { r.encode(w) },
		Decode:  func(_ string, payload []byte, to *UpdateCommandExecutionResponse) error { return to.read(payload) },
		Refusal: refusal,
	}
	commandExecutionsJSONPayload    = event("CommandExecutionsJSONPayload", TopicJSON)
	commandExecutionsCBORPayload    = event("CommandExecutionsCBORPayload", TopicCBOR)
	commandExecutionsGenericPayload = event("CommandExecutionsGenericPayload", TopicGeneric)
)

func event(name string, filter func(DeviceType, string, string) string) *service.Event[CommandExecutionEvent] {
	return &service.Event[CommandExecutionEvent]{
		Name:   "iotcommands." + name,
		Topic:  func(n service.Names) string { return filter(DeviceType(n[0]), n[1], "+") },
		Decode: func(m *awsiot.Message, to *CommandExecutionEvent) error { return to.read(m) },
	}
}

// read takes a command out of its message; its ids are in the topic, the rest in the MQTT properties.
func (e *CommandExecutionEvent) read(m *awsiot.Message) error {
	levels := strings.Split(m.Topic, "/")
	if len(levels) < 7 {
		return fmt.Errorf("topic %q is none of a command", m.Topic)
	}
	*e = CommandExecutionEvent{DeviceType: DeviceType(levels[2]), DeviceID: levels[3], ExecutionID: levels[5], Payload: m.Payload, ContentType: m.ContentType}
	if m.MessageExpiry != nil {
		e.Timeout = *m.MessageExpiry
	}
	return nil
}

// The topics of the service, for code that subscribes by itself. Names are not checked; an executionID may be + in a filter.

// TopicUpdate returns the topic on which a device reports how a command fares.
func TopicUpdate(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/response/json"
}

// TopicUpdateAccepted returns the topic of the answers to TopicUpdate.
func TopicUpdateAccepted(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/response/accepted/json"
}

// TopicUpdateRejected returns the topic of the refusals of TopicUpdate.
func TopicUpdateRejected(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/response/rejected/json"
}

// TopicJSON returns the topic of a command whose payload is JSON.
func TopicJSON(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/request/json"
}

// TopicCBOR returns the topic of a command whose payload is CBOR.
func TopicCBOR(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/request/cbor"
}

// TopicGeneric returns the topic of a command whose payload is neither JSON nor CBOR.
func TopicGeneric(t DeviceType, deviceID, executionID string) string {
	return at(t, deviceID, executionID) + "/request"
}

func at(t DeviceType, deviceID, executionID string) string {
	return "$aws/commands/" + string(t) + "/" + deviceID + "/executions/" + executionID
}

// device checks the kind and the id of a device.
func device(t DeviceType, id string) (service.Names, error) {
	switch t {
	case Things:
		if err := topic.CheckThingName(id); err != nil {
			return service.Names{}, service.Missing("DeviceID", err)
		}
	case Clients:
		if err := topic.CheckAWSClientID(id); err != nil {
			return service.Names{}, service.Missing("DeviceID", err)
		}
		if id == "" || strings.ContainsAny(id, "/+#") {
			return service.Names{}, &awsiot.ValidationError{Field: "DeviceID", Problem: fmt.Sprintf("%q: a client id is needed, without /, + and #", id)}
		}
	default:
		return service.Names{}, &awsiot.ValidationError{Field: "DeviceType", Problem: fmt.Sprintf("%q is neither Things nor Clients", t)}
	}
	return service.Names{string(t), id}, nil
}

func (r CommandExecutionsSubscriptionRequest) names() (service.Names, error) {
	return device(r.DeviceType, r.DeviceID)
}

func (r *UpdateCommandExecutionRequest) common() (service.Common, error) {
	n, err := device(r.DeviceType, r.DeviceID)
	m := service.Common{Names: n, Document: r.Document, Timeout: r.Timeout}
	if err != nil {
		return m, err
	}
	// The ids that AWS makes are UUIDs; one has the same characters as a job's.
	if err := topic.CheckJobID(r.ExecutionID); err != nil || r.ExecutionID == topic.NextJob {
		return m, &awsiot.ValidationError{Field: "ExecutionID", Problem: fmt.Sprintf("%q: 1 to 64 of a-z A-Z 0-9 _ - are needed", r.ExecutionID)}
	}
	m.Names[2] = r.ExecutionID
	if r.StatusReason != nil || r.Result != nil {
		m.Mixed = "StatusReason or Result"
	}
	if err := m.Require("Status", string(r.Status)); err != nil || r.Status == "" {
		return m, err
	}
	switch r.Status {
	case StatusInProgress, StatusSucceeded, StatusFailed, StatusRejected, StatusTimedOut:
	default:
		return m, &awsiot.ValidationError{Field: "Status", Problem: fmt.Sprintf("%q: a device may report IN_PROGRESS, SUCCEEDED, FAILED, REJECTED and TIMED_OUT", r.Status)}
	}
	for name, v := range r.Result {
		if v.S == nil && v.B == nil && v.Bin == nil {
			return m, &awsiot.ValidationError{Field: "Result", Problem: fmt.Sprintf("%q has no value", name)}
		}
	}
	return m, nil
}

func (r *UpdateCommandExecutionRequest) encode(w *jsonobj.Writer) {
	w.String("status", string(r.Status))
	if s := r.StatusReason; s != nil {
		w.Object("statusReason", func(w *jsonobj.Writer) {
			w.String("reasonCode", s.ReasonCode)
			w.String("reasonDescription", s.ReasonDescription)
		})
	}
	if r.Result != nil {
		w.Object("result", func(w *jsonobj.Writer) {
			for _, name := range slices.Sorted(maps.Keys(r.Result)) {
				w.Object(name, r.Result[name].encode)
			}
		})
	}
}
