package topic

import (
	"fmt"
	"strings"
)

const thingsPrefix = "$aws/things/"

// Role says which part of a request a service topic carries.
type Role uint8

// The roles of service topics.
const (
	Request  Role = iota // the device asks
	Accepted             // the service answers
	Rejected             // the service refuses
	Event                // the service reports, without a request
)

// String returns the name of the constant.
func (r Role) String() string {
	switch r {
	case Request:
		return "Request"
	case Accepted:
		return "Accepted"
	case Rejected:
		return "Rejected"
	case Event:
		return "Event"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// suffix is what the role adds to the topic of the request.
func (r Role) suffix() string {
	switch r {
	case Accepted:
		return "/accepted"
	case Rejected:
		return "/rejected"
	}
	return ""
}

// cutRole takes /accepted or /rejected off the end of a topic.
func cutRole(s string) (string, Role) {
	for _, r := range [...]Role{Accepted, Rejected} {
		if rest, ok := strings.CutSuffix(s, r.suffix()); ok {
			return rest, r
		}
	}
	return s, Request
}

// ShadowOp is an operation or an event of the Device Shadow service.
type ShadowOp uint8

// The operations, then the events.
const (
	ShadowGet ShadowOp = iota
	ShadowUpdate
	ShadowDelete
	ShadowDelta     // event: desired differs from reported
	ShadowDocuments // event: the documents before and after an update
)

var shadowOps = [...]string{"get", "update", "delete", "update/delta", "update/documents"}

// String returns the topic levels of the operation, as "get" or "update/delta".
func (op ShadowOp) String() string {
	if int(op) < len(shadowOps) {
		return shadowOps[op]
	}
	return fmt.Sprintf("ShadowOp(%d)", uint8(op))
}

// IsEvent reports whether op is an event: it has one topic, of role Event, and
// cannot be requested.
func (op ShadowOp) IsEvent() bool { return op == ShadowDelta || op == ShadowDocuments }

// Shadow names a shadow: the classic one of a thing, or a named one (AWS IoT
// developer guide, "Device Shadow MQTT topics"). Its methods build topics from
// whatever the fields hold; Validate first.
type Shadow struct {
	Thing string
	Name  string // empty: the classic shadow
}

// Validate checks the names; an empty Name is the classic shadow.
func (s Shadow) Validate() error {
	if err := CheckThingName(s.Thing); err != nil {
		return err
	}
	if s.Name == "" {
		return nil
	}
	return CheckShadowName(s.Name)
}

// Prefix returns `$aws/things/THING/shadow` or `.../shadow/name/NAME`.
func (s Shadow) Prefix() string {
	if s.Name == "" {
		return thingsPrefix + s.Thing + "/shadow"
	}
	return thingsPrefix + s.Thing + "/shadow/name/" + s.Name
}

// Request returns the topic that op is requested on.
func (s Shadow) Request(op ShadowOp) string { return s.Prefix() + "/" + op.String() }

// Accepted returns the topic of op's successful answers.
func (s Shadow) Accepted(op ShadowOp) string { return s.Request(op) + "/accepted" }

// Rejected returns the topic of op's refusals.
func (s Shadow) Rejected(op ShadowOp) string { return s.Request(op) + "/rejected" }

// Delta returns the topic of delta events.
func (s Shadow) Delta() string { return s.Request(ShadowDelta) }

// Documents returns the topic of document events.
func (s Shadow) Documents() string { return s.Request(ShadowDocuments) }

// ResponseFilters returns the filters AWS's v2 SDKs subscribe to for the answers
// of op: `get/+`, `delete/+`, but accepted and rejected one by one for update,
// where the wildcard would catch delta and documents too.
func (s Shadow) ResponseFilters(op ShadowOp) []string {
	if op == ShadowUpdate {
		return []string{s.Accepted(op), s.Rejected(op)}
	}
	return []string{s.Request(op) + "/+"}
}

// ShadowTopic is a topic of the Device Shadow service taken apart.
type ShadowTopic struct {
	Shadow
	Op   ShadowOp
	Role Role // Event for the events, else Request, Accepted or Rejected
}

// String returns the topic.
func (t ShadowTopic) String() string { return t.Request(t.Op) + t.Role.suffix() }

// ParseShadow takes a topic of the Device Shadow service apart; ok is false for
// any other topic. Names are taken as they are (not empty): a service answers a
// wrong one, it does not ignore it.
func ParseShadow(topic string) (t ShadowTopic, ok bool) {
	thing, rest, ok := cutThing(topic, "shadow/")
	if !ok {
		return ShadowTopic{}, false
	}
	t.Thing = thing
	if named, ok := strings.CutPrefix(rest, "name/"); ok {
		if t.Name, rest, ok = strings.Cut(named, "/"); !ok || t.Name == "" {
			return ShadowTopic{}, false
		}
	}
	rest, t.Role = cutRole(rest)
	for op, name := range shadowOps {
		if name != rest {
			continue
		}
		t.Op = ShadowOp(op)
		if t.Op.IsEvent() {
			if t.Role != Request {
				return ShadowTopic{}, false // update/delta/accepted does not exist
			}
			t.Role = Event
		}
		return t, true
	}
	return ShadowTopic{}, false
}

// cutThing splits `$aws/things/THING/SERVICE/rest`; service ends with a slash.
func cutThing(topic, service string) (thing, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(topic, thingsPrefix); !ok {
		return "", "", false
	}
	if thing, rest, ok = strings.Cut(rest, "/"); !ok || thing == "" {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(rest, service)
	return thing, rest, ok
}
