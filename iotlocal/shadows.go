package iotlocal

import (
	"fmt"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
)

// thingsPrefix is where the services for things have their topics.
const thingsPrefix = "$aws/things/"

// shadows glues the Device Shadow service to the broker.
type shadows struct {
	service *shadow.Service
	publish func(*broker.Message) int
	clock   *Clock

	// order keeps the messages of one request together and those of two in the
	// order of their versions. Publishing only puts messages into queues, so
	// nothing is waited for while it is held.
	order sync.Mutex
}

// handle takes what clients publish under thingsPrefix; topics that are not
// requests of the service pass by.
func (s *shadows) handle(_ *broker.Client, m *broker.Message) {
	t, ok := topic.ParseShadow(m.Topic)
	if !ok || t.Role != topic.Request || t.Op.IsEvent() {
		return
	}
	op := map[topic.ShadowOp]shadow.Op{topic.ShadowGet: shadow.Get, topic.ShadowUpdate: shadow.Update,
		topic.ShadowDelete: shadow.Delete}[t.Op]
	now := s.clock.Now()
	if err := t.Shadow.Validate(); err != nil {
		bad := &shadow.Error{Code: 400, Message: "Invalid thing or shadow name"}
		s.send(t.Shadow, []shadow.Event{s.service.Reject(op, m.Payload, now, bad)})
		return
	}
	s.do(op, t.Shadow, m.Payload, now)
}

// do runs one request and publishes what comes of it.
func (s *shadows) do(op shadow.Op, id topic.Shadow, payload []byte, now time.Time) ([]shadow.Event, error) {
	s.order.Lock()
	defer s.order.Unlock()
	events, err := s.service.Do(op, shadow.ID{Thing: id.Thing, Name: id.Name}, payload, now)
	s.send(id, events)
	if err != nil {
		return events, err
	}
	return events, nil
}

// send publishes at QoS 1: subscribers get it with the QoS they asked for.
func (s *shadows) send(id topic.Shadow, events []shadow.Event) {
	for _, e := range events {
		s.publish(&broker.Message{Topic: id.Prefix() + "/" + e.Suffix, Payload: e.Payload, QoS: 1})
	}
}

// ShadowError is a refusal of the Device Shadow service: code and text of AWS, see [shadow.Error].
type ShadowError = shadow.Error

// Shadow is a handle on one shadow for the program around the server, which
// plays the part of the cloud: devices get the same messages as if an
// application had made the request through the AWS API.
type Shadow struct {
	shadows *shadows
	id      topic.Shadow
	bad     error
}

// Shadow returns the handle of a thing's classic shadow (name "") or named
// shadow. It need not exist.
func (s *Server) Shadow(thing, name string) *Shadow {
	h := &Shadow{shadows: s.shadows, id: topic.Shadow{Thing: thing, Name: name}}
	if err := h.id.Validate(); err != nil {
		h.bad = fmt.Errorf("iotlocal: %w", err)
	}
	return h
}

// Shadows returns the names of a thing's named shadows, sorted.
func (s *Server) Shadows(thing string) []string { return s.shadows.service.Names(thing) }

// Get returns the document as a client would get it in get/accepted. The error
// is a *ShadowError with code 404 when there is none.
func (h *Shadow) Get() ([]byte, error) { return h.do(shadow.Get, nil) }

// Update sends an update document, {"state": {...}}, as the AWS API takes it:
// a string, []byte or json.RawMessage holds JSON, anything else is marshalled.
// It returns the new version. Subscribers of delta, accepted and documents get
// their messages.
func (h *Shadow) Update(document any) (version int64, err error) {
	payload, err := jsonText(document)
	if err != nil {
		return 0, fmt.Errorf("iotlocal: shadow update: %w", err)
	}
	if _, err := h.do(shadow.Update, payload); err != nil {
		return 0, err
	}
	return h.Version(), nil
}

// Delete removes the shadow, which takes a version number as an update does.
// The error is a *ShadowError with code 404 when there is none.
func (h *Shadow) Delete() error {
	_, err := h.do(shadow.Delete, nil)
	return err
}

// Version returns the number of the last update or deletion, 0 before the
// first. A shadow that is made again after a deletion goes on from there.
func (h *Shadow) Version() int64 {
	v, _ := h.shadows.service.Version(shadow.ID{Thing: h.id.Thing, Name: h.id.Name})
	return v
}

// do returns the payload of the answer.
func (h *Shadow) do(op shadow.Op, payload []byte) ([]byte, error) {
	if h.bad != nil {
		return nil, h.bad
	}
	events, err := h.shadows.do(op, h.id, payload, h.shadows.clock.Now())
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if e.Suffix == op.String()+"/accepted" {
			return e.Payload, nil
		}
	}
	return nil, fmt.Errorf("iotlocal: shadow %v: no answer", op)
}
