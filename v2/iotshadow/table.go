package iotshadow

import (
	"encoding/json"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/internal/service"
)

// The table of the service: each operation and event once, for the classic shadow and for named ones. Topics, filters and
// bodies are those of AWS's SDKs; an update has two filters, since update/+ would bring the events too.
var (
	getShadow         = operation[GetShadowRequest]("GetShadow", topic.ShadowGet, (*GetShadowRequest).common, nil)
	updateShadow      = operation[UpdateShadowRequest]("UpdateShadow", topic.ShadowUpdate, (*UpdateShadowRequest).common, (*UpdateShadowRequest).encode)
	deleteShadow      = operation[DeleteShadowRequest]("DeleteShadow", topic.ShadowDelete, (*DeleteShadowRequest).common, nil)
	getNamedShadow    = operation[GetNamedShadowRequest]("GetNamedShadow", topic.ShadowGet, (*GetNamedShadowRequest).common, nil)
	updateNamedShadow = operation[UpdateNamedShadowRequest]("UpdateNamedShadow", topic.ShadowUpdate, (*UpdateNamedShadowRequest).common, (*UpdateNamedShadowRequest).encode)
	deleteNamedShadow = operation[DeleteNamedShadowRequest]("DeleteNamedShadow", topic.ShadowDelete, (*DeleteNamedShadowRequest).common, nil)

	shadowDeltaUpdated      = event("ShadowDeltaUpdated", topic.ShadowDelta, (*ShadowDeltaUpdatedEvent).read)
	shadowUpdated           = event("ShadowUpdated", topic.ShadowDocuments, (*ShadowUpdatedEvent).read)
	namedShadowDeltaUpdated = event("NamedShadowDeltaUpdated", topic.ShadowDelta, (*ShadowDeltaUpdatedEvent).read)
	namedShadowUpdated      = event("NamedShadowUpdated", topic.ShadowDocuments, (*ShadowUpdatedEvent).read)
)

// shadowOf returns the shadow that a row's names stand for: thing and shadow, "" for the classic one.
func shadowOf(n service.Names) topic.Shadow { return topic.Shadow{Thing: n[0], Name: n[1]} }

func operation[Req any](name string, op topic.ShadowOp, common func(*Req) (service.Common, error), encode func(*Req, *jsonobj.Writer)) *service.Operation[Req, Document] {
	return &service.Operation[Req, Document]{
		Name:       "iotshadow." + name,
		Topic:      func(n service.Names) string { return shadowOf(n).Request(op) },
		Answers:    service.Suffixed,
		Wildcard:   op != topic.ShadowUpdate,
		Token:      true,
		Repeatable: op == topic.ShadowGet,
		Common:     common,
		Encode: func(w *jsonobj.Writer, r *Req) {
			if encode != nil {
				encode(r, w)
			}
		},
		Decode:  func(_ string, payload []byte, to *Document) error { return to.read(payload) },
		Refusal: refusal,
	}
}

func event[E any](name string, op topic.ShadowOp, read func(*E, []byte) error) *service.Event[E] {
	return &service.Event[E]{
		Name:   "iotshadow." + name,
		Topic:  func(n service.Names) string { return shadowOf(n).Request(op) },
		Decode: func(m *awsiot.Message, to *E) error { return read(to, m.Payload) },
	}
}

// classic checks the name of a thing.
func classic(thing string) (service.Names, error) {
	if err := topic.CheckThingName(thing); err != nil {
		return service.Names{}, service.Missing("ThingName", err)
	}
	return service.Names{thing}, nil
}

// named checks the names of a thing and a shadow.
func named(thing, shadow string) (service.Names, error) {
	n, err := classic(thing)
	if err != nil {
		return n, err
	}
	if err := topic.CheckShadowName(shadow); err != nil {
		return n, service.Missing("ShadowName", err)
	}
	n[1] = shadow
	return n, nil
}

func (r ShadowSubscriptionRequest) names() (service.Names, error) { return classic(r.ThingName) }

func (r NamedShadowSubscriptionRequest) names() (service.Names, error) {
	return named(r.ThingName, r.ShadowName)
}

func (r *GetShadowRequest) common() (service.Common, error) {
	n, err := classic(r.ThingName)
	return service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}, err
}

func (r *DeleteShadowRequest) common() (service.Common, error) {
	n, err := classic(r.ThingName)
	return service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}, err
}

func (r *GetNamedShadowRequest) common() (service.Common, error) {
	n, err := named(r.ThingName, r.ShadowName)
	return service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}, err
}

func (r *DeleteNamedShadowRequest) common() (service.Common, error) {
	n, err := named(r.ThingName, r.ShadowName)
	return service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}, err
}

func (r *UpdateShadowRequest) common() (service.Common, error) {
	n, err := classic(r.ThingName)
	return r.change().common(n, err)
}

func (r *UpdateShadowRequest) encode(w *jsonobj.Writer) { r.change().encode(w) }

func (r *UpdateShadowRequest) change() change {
	return change{r.State, r.Version, service.Common{Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}}
}

func (r *UpdateNamedShadowRequest) common() (service.Common, error) {
	n, err := named(r.ThingName, r.ShadowName)
	return r.change().common(n, err)
}

func (r *UpdateNamedShadowRequest) encode(w *jsonobj.Writer) { r.change().encode(w) }

func (r *UpdateNamedShadowRequest) change() change {
	return change{r.State, r.Version, service.Common{Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}}
}

// change is what both updates have.
type change struct {
	state   *ShadowState
	version *int64
	m       service.Common
}

func (c change) common(n service.Names, err error) (service.Common, error) {
	c.m.Names = n
	switch {
	case err != nil:
	case c.m.Document == nil && c.state == nil:
		err = &awsiot.ValidationError{Field: "State", Problem: "is nil, and there is no Document"}
	case c.state != nil:
		c.m.Mixed = "State"
	case c.version != nil:
		c.m.Mixed = "Version"
	}
	return c.m, err
}

func (c change) encode(w *jsonobj.Writer) {
	w.Object("state", func(w *jsonobj.Writer) {
		section(w, "desired", c.state.Desired)
		section(w, "reported", c.state.Reported)
	})
	w.Int("version", c.version)
}

// section writes a section, but for what encoding/json makes null of without being asked to: a nil map must not clear one.
func section(w *jsonobj.Writer, name string, v any) {
	switch v := v.(type) {
	case nil:
		return
	case json.RawMessage, null:
		w.Any(name, v)
		return
	}
	if err := w.Value(name, v); err != nil {
		w.Fail(err)
	}
}
