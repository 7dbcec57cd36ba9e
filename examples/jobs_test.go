package examples_test

import (
	"context"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

var jobsSample = program("v1-style/jobsSample")

const jobsOfBot = "$aws/things/Bot/jobs/"

// asked waits for the nth PUBLISH of clients to a topic of the jobs of Bot, and returns its payload.
func (e *endpoint) asked(t *testing.T, topic string, nth int) string {
	t.Helper()
	return e.seen(t, iotlocal.ClientToServer, topic, nth)
}

// answered waits for the nth message of the service on a topic of the jobs of Bot.
func (e *endpoint) answered(t *testing.T, topic string, nth int) {
	t.Helper()
	e.seen(t, iotlocal.ServerToClient, topic, nth)
}

func (e *endpoint) seen(t *testing.T, dir iotlocal.Direction, topic string, nth int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var payload string
	if err := e.Recorder().Wait(ctx, func(all []iotlocal.Packet) bool {
		n := 0
		for _, p := range all {
			if p.Dir == dir && p.Type == iotlocal.PUBLISH && p.Topic == jobsOfBot+topic {
				n++
				payload = string(p.Payload)
			}
		}
		return n >= nth
	}); err != nil {
		t.Fatalf("%v PUBLISH %d of %s was not seen: %v", dir, nth, topic, err)
	}
	return payload
}

// TestJobsSample: two jobs wait, of which the second one ends in each of the ways there are.
func TestJobsSample(t *testing.T) {
	t.Parallel()
	first := []string{`started one: version 2, execution 1, document {"do":"this"}`, "updated", "next is two"}
	second := `started two: version 2, execution 3, document {}`
	internal := `{"code":"InternalError"`
	for _, tt := range []struct {
		name string
		hold string // requests about the second job are held, and refused once it has
		want []string
	}{
		{"all succeed", "", []string{second, "updated", "no job is next", `{"jobsStarted":2,"jobsSucceeded":2,"jobsRejected":0}`}},
		{"the update is rejected", "two/update", []string{second, "update rejected: " + internal, `{"jobsStarted":2,"jobsSucceeded":1,"jobsRejected":1}`}},
		{"the start is rejected", "start-next", []string{"start-next rejected: " + internal, `{"jobsStarted":1,"jobsSucceeded":1,"jobsRejected":1}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			jobs := e.Jobs("Bot")
			if err := jobs.Create("one", `{"do":"this"}`, iotlocal.JobOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := jobs.Create("two", `{}`, iotlocal.JobOptions{ExecutionNumber: 3}); err != nil {
				t.Fatal(err)
			}
			var held *iotlocal.RuleHandle
			if tt.hold != "" {
				nth := 1
				if tt.hold == "start-next" {
					nth = 2
				}
				var err error
				if held, err = e.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: jobsOfBot + tt.hold, Nth: nth, Action: iotlocal.Hold}); err != nil {
					t.Fatal(err)
				}
			}
			p := jobsSample.start(t, nil, e.flags("-n", "Bot")...)
			if got := e.asked(t, "start-next", 1); !strings.HasPrefix(got, `{"clientToken": "jobsSample", "statusDetails": {"StartedBy": "ClientToken: jobsSample on 20`) {
				t.Errorf("start-next %s", got)
			}
			if held != nil {
				answers := map[string]string{"two/update": "start-next/accepted", "start-next": "notify-next"}
				e.answered(t, answers[tt.hold], map[string]int{"two/update": 2, "start-next": 1}[tt.hold])
				if err := jobs.Refuse(iotlocal.JobInternalError, 1); err != nil {
					t.Fatal(err)
				}
				held.Release()
			} else if got, want := e.asked(t, "two/update", 1), `{"status": "SUCCEEDED", "statusDetails": {"HandledBy": "ClientToken: jobsSample"}, "expectedVersion": "2", "executionNumber": "3", "clientToken": "jobsSample"}`; got != want {
				t.Errorf("update\n%s\nwant\n%s", got, want)
			}
			done(t, p)
			said := p.said()
			for i, line := range said { // of a refusal its code
				if head, _, ok := strings.Cut(line, ","); ok && strings.Contains(line, "rejected: ") {
					said[i] = head
				}
			}
			equal(t, "output", said, append(first[:len(first):len(first)], tt.want...))
			equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.DISCONNECT), []string{"CONNECT jobsSample",
				"SUBSCRIBE " + jobsOfBot + "notify-next 1", "SUBSCRIBE " + jobsOfBot + "start-next/accepted 1", "SUBSCRIBE " + jobsOfBot + "start-next/rejected 1",
				"SUBSCRIBE " + jobsOfBot + "+/update/accepted 1", "SUBSCRIBE " + jobsOfBot + "+/update/rejected 1", "DISCONNECT jobsSample"})
			if one, err := jobs.Describe("one"); err != nil || one.Status != iotlocal.JobSucceeded || one.StatusDetails["HandledBy"] != "ClientToken: jobsSample" {
				t.Errorf("job one %+v, %v", one, err)
			}
		})
	}
	t.Run("nothing is pending", func(t *testing.T) {
		e := newEndpoint(t)
		p := jobsSample.start(t, nil, e.flags("-n", "Bot")...)
		done(t, p)
		equal(t, "output", p.said(), []string{"no job is pending", `{"jobsStarted":0,"jobsSucceeded":0,"jobsRejected":0}`})
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		e := newEndpoint(t)
		if _, err := e.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: jobsOfBot + "start-next", Action: iotlocal.Hold}); err != nil {
			t.Fatal(err)
		}
		p := jobsSample.start(t, nil, e.flags("-n", "Bot")...)
		e.asked(t, "start-next", 1)
		p.interrupt(t)
		done(t, p)
		equal(t, "output", p.said(), []string{`{"jobsStarted":0,"jobsSucceeded":0,"jobsRejected":0}`})
	})
}
