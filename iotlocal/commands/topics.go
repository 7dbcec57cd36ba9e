package commands

import (
	"fmt"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

// Prefix is where the topics of commands are.
const Prefix = "$aws/commands/"

// DeviceType says what a target is named by.
type DeviceType uint8

// The kinds of target.
const (
	Things  DeviceType = iota // by thing name
	Clients                   // by client id
)

// String returns the level of topics, "things" or "clients".
func (d DeviceType) String() string {
	switch d {
	case Things:
		return "things"
	case Clients:
		return "clients"
	}
	return fmt.Sprintf("DeviceType(%d)", uint8(d))
}

// Target is a device that commands are sent to.
type Target struct {
	Type DeviceType
	ID   string // thing name or client id
}

// String returns the levels of topics that name the target, as "things/lamp".
func (t Target) String() string { return t.Type.String() + "/" + t.ID }

func (t Target) check() *Error {
	if t.Type > Clients {
		return refuse(InvalidRequest, "%v is no type of device", t.Type)
	}
	err := topic.CheckThingName(t.ID)
	if t.Type == Clients {
		err = topic.CheckAWSClientID(t.ID)
		if err == nil && (t.ID == "" || strings.ContainsAny(t.ID, "/+#")) {
			err = fmt.Errorf("client id %q cannot be a level of a topic", t.ID)
		}
	}
	if err != nil {
		return refuse(InvalidRequest, "Invalid target: %v", err)
	}
	return nil
}

// request returns the topic that a command is sent to: it names the format when
// the payload is JSON or CBOR, else the content type alone does.
func (t Target) request(id, contentType string) string {
	s := Prefix + t.String() + "/executions/" + id + "/request"
	for _, f := range []payload.Format{payload.JSON, payload.CBOR} {
		if contentType == "application/"+f.String() {
			return s + "/" + f.String()
		}
	}
	return s
}

// Response is a topic that a device has sent an update to, taken apart.
type Response struct {
	Target
	ExecutionID string
	format      payload.Format
}

// ParseResponse takes `$aws/commands/TYPE/ID/executions/EXECUTION/response/FORMAT`
// apart; ok is false for any other topic, those of answers included.
func ParseResponse(s string) (r Response, ok bool) {
	rest, ok := strings.CutPrefix(s, Prefix)
	level := strings.Split(rest, "/")
	if !ok || len(level) != 6 || level[1] == "" || level[2] != "executions" || level[3] == "" || level[4] != "response" {
		return Response{}, false
	}
	switch level[0] {
	case Things.String():
	case Clients.String():
		r.Type = Clients
	default:
		return Response{}, false
	}
	r.ID, r.ExecutionID = level[1], level[3]
	r.format, ok = payload.Parse(level[5])
	return r, ok
}

// topic returns where an answer to the update goes: accepted and rejected stand
// before the format.
func (r Response) topic(accepted bool) string {
	verdict := "rejected"
	if accepted {
		verdict = "accepted"
	}
	return Prefix + r.Target.String() + "/executions/" + r.ExecutionID + "/response/" + verdict + "/" + r.format.String()
}
