package iotshadow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// What a request says of its sections: absent, null and zero differ, and numbers keep their digits.
func TestSections(t *testing.T) {
	type lamp struct {
		On    bool    `json:"on"`
		Level *int    `json:"level"`
		Gain  float64 `json:"gain,omitempty"`
	}
	for _, tt := range []struct {
		name  string
		state iotshadow.ShadowState
		want  string
	}{
		{"nothing", iotshadow.ShadowState{}, `{}`},
		{"a map", iotshadow.ShadowState{Desired: map[string]any{"a": 1, "b": nil}}, `{"desired":{"a":1,"b":null}}`},
		{"a struct", iotshadow.ShadowState{Reported: lamp{}}, `{"reported":{"on":false,"level":null}}`},
		{"a pointer", iotshadow.ShadowState{Reported: &lamp{Level: new(0)}}, `{"reported":{"on":false,"level":0}}`},
		{"null clears", iotshadow.ShadowState{Desired: iotshadow.Null, Reported: map[string]int{}}, `{"desired":null,"reported":{}}`},
		{"raw", iotshadow.ShadowState{Desired: json.RawMessage(`{"n": 12345678901234567890.10}`), Reported: json.RawMessage(`null`)}, `{"desired":{"n": 12345678901234567890.10},"reported":null}`},
		{"a nil map does not clear", iotshadow.ShadowState{Desired: map[string]any(nil), Reported: (*lamp)(nil)}, `{}`},
		{"a nil raw message", iotshadow.ShadowState{Desired: json.RawMessage(nil)}, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, reqresp.Options{})
				if err := w.shadows.PublishUpdateShadow(t.Context(), &iotshadow.UpdateShadowRequest{ThingName: "lamp", State: &tt.state}, 0); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "wire", w.said(), "PUBLISH "+classic+"/update 0 {\"state\":"+tt.want+"}")
			})
		})
	}
}

func TestDecode(t *testing.T) {
	m, err := iotshadow.Decode[map[string]any](json.RawMessage(`{"n":12345678901234567890.10,"i":0,"null":null}`))
	if err != nil || fmt.Sprint(m["n"]) != "12345678901234567890.10" || fmt.Sprint(m["i"]) != "0" || m["null"] != nil {
		t.Errorf("%v, %v", m, err)
	}
	type lamp struct{ On *bool }
	for _, tt := range []struct{ in, want string }{{"", "<nil>"}, {"null", "<nil>"}, {"{}", "<nil>"}, {`{"on":false}`, "false"}} {
		l, err := iotshadow.Decode[lamp](json.RawMessage(tt.in))
		got := "<nil>"
		if l.On != nil {
			got = fmt.Sprint(*l.On)
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %s, %v", tt.in, got, err)
		}
	}
	if _, err := iotshadow.Decode[lamp](json.RawMessage(`{"on":5}`)); err == nil {
		t.Error("a number for a bool")
	}
}

// What is wrong with a request is said before anything is sent.
func TestWrongRequests(t *testing.T) {
	client := awsiot.NewClient(awsiot.ClientOptions{})
	c := iotshadow.NewClient(client, reqresp.Options{})
	defer c.Close()
	long := strings.Repeat("x", 129)
	some := &iotshadow.ShadowState{}
	for _, tt := range []struct {
		name, field string
		r           *iotshadow.UpdateNamedShadowRequest
	}{
		{"nil", "request", nil},
		{"no thing", "ThingName", &iotshadow.UpdateNamedShadowRequest{ShadowName: "s", State: some}},
		{"thing too long", "ThingName", &iotshadow.UpdateNamedShadowRequest{ThingName: long, ShadowName: "s", State: some}},
		{"wrong thing", "ThingName", &iotshadow.UpdateNamedShadowRequest{ThingName: "a/b", ShadowName: "s", State: some}},
		{"no shadow", "ShadowName", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", State: some}},
		{"shadow too long", "ShadowName", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: long[:65], State: some}},
		{"wrong shadow", "ShadowName", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "a b", State: some}},
		{"no state", "State", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s"}},
		{"state and document", "State", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", State: some, Document: []byte(`{}`)}},
		{"version and document", "Version", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", Version: new(int64(1)), Document: []byte(`{}`)}},
		{"document", "Document", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", Document: []byte(`[]`)}},
		{"document, no JSON", "Document", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", Document: []byte(`{"a`)}},
		{"token", "ClientToken", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", State: some, ClientToken: long[:65]}},
		{"no JSON", "request", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", State: &iotshadow.ShadowState{Desired: make(chan int)}}},
		{"too large", "request", &iotshadow.UpdateNamedShadowRequest{ThingName: "t", ShadowName: "s", State: &iotshadow.ShadowState{Desired: map[string]string{"a": strings.Repeat("x", 128<<10)}}}},
	} {
		_, err := c.UpdateNamedShadow(t.Context(), tt.r)
		_, async := c.UpdateNamedShadowAsync(tt.r).Result()
		first := c.PublishUpdateNamedShadow(t.Context(), tt.r, 1)
		for _, err := range []error{err, async, first} {
			v, ok := errors.AsType[*awsiot.ValidationError](err)
			e, named := errors.AsType[*reqresp.Error](err)
			if !ok || v.Field != tt.field || !named || e.Operation != "iotshadow.UpdateNamedShadow" {
				t.Errorf("%s: %v, want a wrong %s", tt.name, err, tt.field)
			}
		}
	}
	nobody := &iotshadow.ShadowSubscriptionRequest{}
	for _, err := range c.ShadowDeltaUpdated(t.Context(), nobody) {
		if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != "ThingName" {
			t.Error(err)
		}
	}
	if _, err := c.CreateShadowDeltaUpdatedStream(nobody, iotshadow.StreamOptions[iotshadow.ShadowDeltaUpdatedEvent]{OnEvent: func(*iotshadow.ShadowDeltaUpdatedEvent) {}}); err == nil {
		t.Error("a stream of nobody")
	}
	lamp := &iotshadow.ShadowSubscriptionRequest{ThingName: "lamp"}
	_, err1 := c.CreateShadowDeltaUpdatedStream(lamp, iotshadow.StreamOptions[iotshadow.ShadowDeltaUpdatedEvent]{})
	_, err2 := c.SubscribeToGetShadowAccepted(t.Context(), lamp, 1, nil)
	_, err3 := c.SubscribeToGetShadowRejected(t.Context(), lamp, 1, nil)
	_, err4 := c.SubscribeToShadowUpdatedEvents(t.Context(), lamp, 1, nil)
	for i, err := range []error{err1, err2, err3, err4} {
		if _, ok := errors.AsType[*awsiot.ValidationError](err); !ok {
			t.Errorf("nil handler %d: %v", i, err)
		}
	}
}

// The longest names, the largest documents, and members that nobody knows.
func TestExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		thing, shadow := strings.Repeat("t", 128), strings.Repeat("s", 64)
		big := strings.Repeat("x", 7<<10)
		d, err := w.shadows.UpdateNamedShadow(t.Context(), &iotshadow.UpdateNamedShadowRequest{ThingName: thing, ShadowName: shadow, ClientToken: strings.Repeat("c", 64),
			State: &iotshadow.ShadowState{Desired: map[string]string{"a": big}}})
		if err != nil || !strings.Contains(string(d.State.Desired), big) {
			t.Errorf("%v", err)
		}
		got, err := w.shadows.GetNamedShadow(t.Context(), &iotshadow.GetNamedShadowRequest{ThingName: thing, ShadowName: shadow})
		if err != nil || len(got.Raw) < 14<<10 || len(got.State.Delta) < 7<<10 { // desired and delta: more than the 8 KiB that may be stored
			t.Errorf("%d bytes, %v", len(got.Raw), err)
		}
		_, err = w.shadows.UpdateShadow(t.Context(), &iotshadow.UpdateShadowRequest{ThingName: "t", State: &iotshadow.ShadowState{Desired: map[string]string{"a": big + big}}})
		if r, ok := errors.AsType[*iotshadow.RejectedError](err); !ok || r.Code != 413 {
			t.Errorf("too large: %v", err)
		}
	})
}

// answering lets the test give the answers to shadow requests of "t": %s stands for the token.
func (w *world) answering(t *testing.T, suffix, payload string) {
	t.Helper()
	if _, err := w.client.Subscribe(t.Context(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "$aws/things/t/shadow/get", Handler: func(m *awsiot.Message) {
		token := strings.Split(string(m.Payload), `"`)[3]
		w.client.PublishFunc(&awsiot.PublishPacket{Topic: "$aws/things/t/shadow/get/" + suffix, Payload: []byte(strings.ReplaceAll(payload, "%s", token))}, nil)
	}}}}); err != nil {
		t.Fatal(err)
	}
	// The endpoint's own answer is lost.
	if _, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBLISH, Topic: "$aws/things/t/shadow/get/rejected", Action: iotlocal.Drop, Times: 1}); err != nil {
		t.Fatal(err)
	}
}

// Answers as they may come, and what v1's callback makes of them.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, suffix, payload string
		want                  string // what the call returns
		v1                    string // payload, status and token for v1, with TOKEN; "" as payload: the one that came
	}{
		{"unknown members", "accepted", `{"state":{"desired":{"a":1},"more":2},"version":12345678901234,"timestamp":1700000000.25,"clientToken":"%s","new":{"x":[1]}}`,
			`12345678901234 {"a":1} 2023-11-14T22:13:20.25Z`, "accepted TOKEN"},
		{"nothing but the token", "accepted", `{"clientToken":"%s"}`, `0  0001-01-01T00:00:00Z`, "accepted TOKEN"},
		{"nulls", "accepted", `{"state":null,"metadata":null,"version":null,"timestamp":null,"clientToken":"%s"}`, `0  0001-01-01T00:00:00Z`, "accepted TOKEN"},
		{"null section", "accepted", `{"state":{"desired":null},"version":1,"clientToken":"%s"}`, `1 null 0001-01-01T00:00:00Z`, "accepted TOKEN"},
		{"wrong type", "accepted", `{"version":"1","clientToken":"%s"}`, `iotshadow.GetShadow "$aws/things/t/shadow/get": malformed answer: member "version" is a string, not a number`, "accepted TOKEN"},
		{"wrong type of a section", "accepted", `{"state":[],"clientToken":"%s"}`, `iotshadow.GetShadow "$aws/things/t/shadow/get": malformed answer: member "state" is an array, not an object`, "accepted TOKEN"},
		{"rejected", "rejected", `{"code":499,"message":"new","clientToken":"%s","reason":1}`, `iotshadow.GetShadow "$aws/things/t/shadow/get": rejected (499): new`, "rejected TOKEN"},
		{"rejected, wrong type", "rejected", `{"code":"x","message":"m","clientToken":"%s"}`,
			`iotshadow.GetShadow "$aws/things/t/shadow/get": rejected (0):  (malformed answer: member "code" is a string, not a number)`, "rejected TOKEN"},
		{"not JSON", "accepted", `{"clientToken":"%s"`, `iotshadow.GetShadow "$aws/things/t/shadow/get": no answer in time (the service did not answer; does the policy allow iot:Receive on topic/$aws/things/t/shadow/get/accepted?)`, "REQUEST TIME OUT timeout TOKEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, reqresp.Options{OperationTimeout: time.Minute})
				w.answering(t, tt.suffix, tt.payload)
				d, err := w.shadows.GetShadow(t.Context(), &iotshadow.GetShadowRequest{ThingName: "t", ClientToken: "TOKEN", Timeout: 3 * time.Second})
				got := fmt.Sprint(err)
				if err == nil {
					got = fmt.Sprintf("%d %s %s", d.Version, d.State.Desired, d.Timestamp.Format(time.RFC3339Nano))
				}
				equal(t, "result", got, tt.want)
				payload, status, token := iotshadow.AnswerV1(d, err)
				came := strings.ReplaceAll(tt.payload, "%s", "TOKEN")
				if status != "timeout" && payload != came {
					t.Errorf("v1's payload %s, want %s", payload, came)
				}
				if want := status + " " + token; status == "timeout" {
					equal(t, "v1", payload+" "+want, tt.v1)
				} else {
					equal(t, "v1", want, tt.v1)
				}
			})
		})
	}
	if p, s, token := iotshadow.AnswerV1(nil, context.Canceled); p != "REQUEST TIME OUT" || s != iotshadow.StatusTimeout || token != "" {
		t.Error(p, s, token)
	}
}

// A raw document goes out as it is, but for the token, which takes the place of the one that is there as in v1.
func TestDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		for _, tt := range []struct{ document, want string }{
			{"{\"state\": {\"desired\": {\"n\": 1.10}}}", "{\"state\": {\"desired\": {\"n\": 1.10}},\"clientToken\":\"TOKEN\"}"},
			{`{"clientToken": "theirs", "state":{}}`, `{"clientToken": "TOKEN", "state":{}}`},
		} {
			d, err := w.shadows.UpdateShadow(t.Context(), &iotshadow.UpdateShadowRequest{ThingName: "lamp", Document: []byte(tt.document)})
			if err != nil {
				t.Fatal(err)
			}
			if said := w.said(); !strings.HasSuffix(said, "PUBLISH "+classic+"/update 1 "+tt.want) {
				t.Errorf("wire %s, want %s", said, tt.want)
			}
			if payload, status, token := iotshadow.AnswerV1(d, nil); status != "accepted" || token != d.ClientToken || payload != string(d.Raw) {
				t.Error(payload, status, token)
			}
		}
		if err := w.shadows.PublishGetShadow(t.Context(), &iotshadow.GetShadowRequest{ThingName: "lamp", Document: []byte(` { } `)}, 1); err != nil {
			t.Error(err)
		}
		equal(t, "first generation, no token", w.said(), "PUBLISH "+classic+"/get 1  { } ")
	})
}

func TestTopics(t *testing.T) {
	for _, tt := range []struct {
		f    func(thing, shadow string) string
		want string
	}{
		{iotshadow.TopicGet, "get"}, {iotshadow.TopicGetAccepted, "get/accepted"}, {iotshadow.TopicGetRejected, "get/rejected"},
		{iotshadow.TopicUpdate, "update"}, {iotshadow.TopicUpdateAccepted, "update/accepted"}, {iotshadow.TopicUpdateRejected, "update/rejected"},
		{iotshadow.TopicDelete, "delete"}, {iotshadow.TopicDeleteAccepted, "delete/accepted"}, {iotshadow.TopicDeleteRejected, "delete/rejected"},
		{iotshadow.TopicDelta, "update/delta"}, {iotshadow.TopicDocuments, "update/documents"},
	} {
		equal(t, "classic", tt.f("lamp", ""), classic+"/"+tt.want)
		equal(t, "named", tt.f("lamp", "night"), named+"/"+tt.want)
	}
}
