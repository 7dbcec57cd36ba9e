package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/portage-iot/awsiot/internal/topic"
)

// FuzzRequest feeds any request to a thing with a queued, a started and an ended
// execution and checks what must hold: no panic, valid JSON out, a refusal with
// one of the codes changes nothing, an accepted update is of a status a device
// may report and raises one version by one, and notifications go out exactly
// when the list or its head is another.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `[`, `{"clientToken":"x"}`, `{"status":"IN_PROGRESS","expectedVersion":"2","executionNumber":1}`,
		`{"status":"SUCCEEDED","statusDetails":{"a":"b","c":null}}`, `{"status":"FAILED","includeJobExecutionState":true,"includeJobDocument":false}`,
		`{"stepTimeoutInMinutes":10080,"statusDetails":{}}`, `{"executionNumber":9223372036854775808}`, "{\"clientToken\":\"\xff\"}", `{"status":"CANCELED"} x`} {
		for op := GetPending; op <= Unknown; op++ {
			for _, job := range []string{"p", "q", "done", topic.NextJob, "a b"} {
				f.Add(uint8(op), job, s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, jobID, payload string) {
		s := NewService(Limits{})
		run(t, s, create("p", `{}`, Options{}), ask(StartNext, "", ``, "accepted"), create("q", `{"x":1}`, Options{Retry: Retry{Failed: 1}}),
			create("done", `{}`, Options{}), ask(Update, "done", `{"status":"SUCCEEDED"}`))
		before, pending := s.List(lamp), s.Pending(lamp)
		a, events := s.Do(Op(op%5), lamp, jobID, []byte(payload), t0)
		after := s.List(lamp)
		if !json.Valid(a.Payload) {
			t.Fatalf("no JSON: %s", a.Payload)
		}
		for _, e := range events {
			if !json.Valid(e.Payload) || e.Thing != lamp {
				t.Fatalf("%v %s", e.Op, e.Payload)
			}
		}
		if !a.Accepted {
			var e errorAnswer
			known := []Code{InvalidTopic, InvalidJSON, InvalidRequest, InvalidStateTransition, ResourceNotFound, VersionMismatch, TerminalStateReached}
			if json.Unmarshal(a.Payload, &e) != nil || !slices.Contains(known, e.Code) || e.Message == "" {
				t.Fatalf("%s", a.Payload)
			}
			if (e.State != nil) != (e.Code == InvalidStateTransition || e.Code == VersionMismatch) {
				t.Fatalf("%s", a.Payload)
			}
			if fmt.Sprint(before) != fmt.Sprint(after) || len(events) > 0 {
				t.Fatalf("%s changed %v to %v, %v", a.Payload, before, after, show(events))
			}
			return
		}
		var raised int64
		for i, e := range before {
			raised += after[i].VersionNumber - e.VersionNumber
			if e.Status.Terminal() && after[i].Status != e.Status {
				t.Fatalf("%v became %v", e.Status, after[i].Status)
			}
			if !slices.Contains([]Status{InProgress, Succeeded, Failed, Rejected, e.Status}, after[i].Status) {
				t.Fatalf("a device made %v of %v", after[i].Status, e.Status)
			}
		}
		if updates := int64(0); Op(op%5) == Update {
			updates = 1
			if raised != updates {
				t.Fatalf("versions rose by %d", raised)
			}
		} else if raised != 0 {
			t.Fatalf("%v raised versions by %d", Op(op%5), raised) // p is in progress: start-next changes none
		}
		want := 0
		now := s.Pending(lamp)
		id := func(e Execution) string { return fmt.Sprint(e.JobID, e.ExecutionNumber) }
		set := func(es []Execution) (out []string) {
			for _, e := range es {
				out = append(out, id(e))
			}
			slices.Sort(out)
			return out
		}
		if !slices.Equal(set(pending), set(now)) {
			want++
		}
		if len(now) == 0 || id(now[0]) != id(pending[0]) {
			want++
		}
		if len(events) != want {
			t.Fatalf("%d notifications %v, want %d", len(events), show(events), want)
		}
	})
}
