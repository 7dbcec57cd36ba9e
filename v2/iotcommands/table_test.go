package iotcommands_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotcommands"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

const lamp = "$aws/commands/things/lamp/executions/"

// A report in all its fields: topics, filters, body, answer and refusal, as a call and as a future.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := func() string {
			id, err := w.server.Commands("lamp").Start(`{"op":"on"}`, iotlocal.CommandOptions{ExecutionID: "e-1"})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		r := &iotcommands.UpdateCommandExecutionRequest{DeviceType: iotcommands.Things, DeviceID: "lamp", ExecutionID: start(), Status: iotcommands.StatusSucceeded,
			StatusReason: &iotcommands.StatusReason{ReasonCode: "DONE", ReasonDescription: "all \"well\""},
			Result:       map[string]iotcommands.CommandResult{"text": {S: new("")}, "flag": {B: new(false)}, "bytes": {Bin: []byte{0, 255}}}}
		answer, err := w.commands.UpdateCommandExecution(t.Context(), r)
		if err != nil || answer.ExecutionID != "e-1" || len(answer.Raw) == 0 {
			t.Errorf("%+v, %v", answer, err)
		}
		body := `{"status":"SUCCEEDED","statusReason":{"reasonCode":"DONE","reasonDescription":"all \"well\""},"result":{"bytes":{"bin":"AP8="},"flag":{"b":false},"text":{"s":""}}}`
		equal(t, "wire", w.said(), "SUBSCRIBE "+lamp+"e-1/response/accepted/json 1\nSUBSCRIBE "+lamp+"e-1/response/rejected/json 1\nPUBLISH "+lamp+"e-1/response/json 1 "+body)
		_, err = w.commands.UpdateCommandExecutionAsync(r).Wait(t.Context())
		refused, ok := errors.AsType[*iotcommands.RejectedError](err)
		if !ok || refused.Code != iotcommands.CodeTerminalStateReached || refused.ExecutionID != "e-1" || refused.Message == "" {
			t.Errorf("refusal: %v", err)
		}
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Operation != "iotcommands.UpdateCommandExecution" || e.Topic != lamp+"e-1/response/json" || e.Token != "" {
			t.Errorf("%+v", e)
		}
		got, err := w.server.Commands("lamp").Describe("e-1")
		if err != nil || got.Status != iotlocal.CommandSucceeded {
			t.Errorf("%+v, %v", got, err)
		}
		// Reports about one execution are made one at a time: there is no token.
		if _, err := w.server.Commands("lamp").Start(`{}`, iotlocal.CommandOptions{ExecutionID: "e-2"}); err != nil {
			t.Fatal(err)
		}
		var all []*awsiot.Future[*iotcommands.UpdateCommandExecutionResponse]
		for _, s := range []iotcommands.CommandExecutionStatus{iotcommands.StatusInProgress, iotcommands.StatusInProgress, iotcommands.StatusFailed} {
			all = append(all, w.commands.UpdateCommandExecutionAsync(&iotcommands.UpdateCommandExecutionRequest{DeviceType: iotcommands.Things, DeviceID: "lamp", ExecutionID: "e-2", Status: s}))
		}
		for i, f := range all {
			if r, err := f.Wait(t.Context()); err != nil || r.ExecutionID != "e-2" {
				t.Errorf("%d: %v", i, err)
			}
		}
		// A raw document.
		_, err = w.commands.UpdateCommandExecution(t.Context(), &iotcommands.UpdateCommandExecutionRequest{DeviceType: iotcommands.Clients, DeviceID: "a b", ExecutionID: "none", Document: []byte(`{"status": "FAILED"}`)})
		if refused, ok := errors.AsType[*iotcommands.RejectedError](err); !ok || refused.Code != iotcommands.CodeResourceNotFound {
			t.Errorf("%v", err)
		}
		if said := w.said(); !strings.HasSuffix(said, `PUBLISH $aws/commands/clients/a b/executions/none/response/json 1 {"status": "FAILED"}`) {
			t.Error(said)
		}
	})
}

// Commands of all three formats, as a handle and as an iterator.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		device := &iotcommands.CommandExecutionsSubscriptionRequest{DeviceType: iotcommands.Things, DeviceID: "lamp"}
		var heard []string
		options := func(format string) iotcommands.StreamOptions[iotcommands.CommandExecutionEvent] {
			return iotcommands.StreamOptions[iotcommands.CommandExecutionEvent]{OnEvent: func(e *iotcommands.CommandExecutionEvent) {
				heard = append(heard, fmt.Sprint(format, " ", *e))
			}}
		}
		a, err1 := w.commands.CreateCommandExecutionsJSONPayloadStream(device, options("json"))
		b, err2 := w.commands.CreateCommandExecutionsCBORPayloadStream(device, options("cbor"))
		c, err3 := w.commands.CreateCommandExecutionsGenericPayloadStream(device, options("generic"))
		if err := errors.Join(err1, err2, err3, a.Open(), b.Open(), c.Open()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "wire", w.said(), "SUBSCRIBE "+lamp+"+/request/json 1\nSUBSCRIBE "+lamp+"+/request/cbor 1\nSUBSCRIBE "+lamp+"+/request 1")
		looped := make(chan string, 3)
		for _, events := range []func() string{
			func() string {
				for e, err := range w.commands.CommandExecutionsJSONPayload(t.Context(), device) {
					return fmt.Sprint("json ", e.ExecutionID, err)
				}
				return ""
			},
			func() string {
				for e, err := range w.commands.CommandExecutionsCBORPayload(t.Context(), device) {
					return fmt.Sprint("cbor ", e.ExecutionID, err)
				}
				return ""
			},
			func() string {
				for e, err := range w.commands.CommandExecutionsGenericPayload(t.Context(), device) {
					return fmt.Sprint("generic ", e.ExecutionID, err)
				}
				return ""
			},
		} {
			go func() { looped <- events() }()
		}
		synctest.Wait()
		for id, contentType := range map[string]string{"1": "", "2": "application/cbor", "3": "text/plain"} {
			if _, err := w.server.Commands("lamp").Start("x", iotlocal.CommandOptions{ExecutionID: id, ContentType: contentType, Timeout: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		slices.Sort(heard)
		equal(t, "events", strings.Join(heard, "\n"), "cbor {things lamp 2 [120] application/cbor 1m0s}\ngeneric {things lamp 3 [120] text/plain 1m0s}\njson {things lamp 1 [120] application/json 1m0s}")
		all := []string{<-looped, <-looped, <-looped}
		slices.Sort(all)
		equal(t, "iterators", strings.Join(all, "\n"), "cbor 2<nil>\ngeneric 3<nil>\njson 1<nil>")
	})
}

func TestWrongRequests(t *testing.T) {
	c := iotcommands.NewClient(awsiot.NewClient(awsiot.ClientOptions{}), reqresp.Options{})
	defer c.Close()
	good := func() iotcommands.UpdateCommandExecutionRequest {
		return iotcommands.UpdateCommandExecutionRequest{DeviceType: iotcommands.Clients, DeviceID: "d", ExecutionID: "e", Status: iotcommands.StatusFailed}
	}
	for _, tt := range []struct {
		field  string
		change func(*iotcommands.UpdateCommandExecutionRequest)
	}{
		{"DeviceType", func(r *iotcommands.UpdateCommandExecutionRequest) { r.DeviceType = "" }},
		{"DeviceID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.DeviceID = "" }},
		{"DeviceID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.DeviceID = "a/b" }},
		{"DeviceID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.DeviceID = strings.Repeat("x", 129) }},
		{"DeviceID", func(r *iotcommands.UpdateCommandExecutionRequest) {
			r.DeviceType, r.DeviceID = iotcommands.Things, "a b"
		}},
		{"ExecutionID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.ExecutionID = "" }},
		{"ExecutionID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.ExecutionID = "$next" }},
		{"ExecutionID", func(r *iotcommands.UpdateCommandExecutionRequest) { r.ExecutionID = "+" }},
		{"Status", func(r *iotcommands.UpdateCommandExecutionRequest) { r.Status = "" }},
		{"Status", func(r *iotcommands.UpdateCommandExecutionRequest) { r.Status = "CREATED" }},
		{"Result", func(r *iotcommands.UpdateCommandExecutionRequest) {
			r.Result = map[string]iotcommands.CommandResult{"a": {}}
		}},
		{"Status", func(r *iotcommands.UpdateCommandExecutionRequest) { r.Document = []byte(`{}`) }},
		{"StatusReason or Result", func(r *iotcommands.UpdateCommandExecutionRequest) {
			r.Status, r.StatusReason, r.Document = "", &iotcommands.StatusReason{}, []byte(`{}`)
		}},
	} {
		r := good()
		tt.change(&r)
		_, err := c.UpdateCommandExecution(t.Context(), &r)
		if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != tt.field {
			t.Errorf("%+v: %v, want a wrong %s", r, err, tt.field)
		}
	}
	for _, err := range c.CommandExecutionsJSONPayload(t.Context(), &iotcommands.CommandExecutionsSubscriptionRequest{}) {
		if err == nil {
			t.Error("commands of nobody")
		}
	}
}

func TestTopics(t *testing.T) {
	for got, want := range map[string]string{
		iotcommands.TopicUpdate(iotcommands.Things, "lamp", "e"):         "e/response/json",
		iotcommands.TopicUpdateAccepted(iotcommands.Things, "lamp", "e"): "e/response/accepted/json",
		iotcommands.TopicUpdateRejected(iotcommands.Things, "lamp", "e"): "e/response/rejected/json",
		iotcommands.TopicJSON(iotcommands.Things, "lamp", "+"):           "+/request/json",
		iotcommands.TopicCBOR(iotcommands.Things, "lamp", "+"):           "+/request/cbor",
		iotcommands.TopicGeneric(iotcommands.Things, "lamp", "+"):        "+/request",
	} {
		equal(t, "topic", got, lamp+want)
	}
}
