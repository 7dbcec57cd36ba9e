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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var payload string
	if err := e.Recorder().Wait(ctx, func(all []iotlocal.Packet) bool {
		n := 0
		for _, p := range all {
			if p.Dir == iotlocal.ClientToServer && p.Type == iotlocal.PUBLISH && p.Topic == jobsOfBot+topic {
				n++
				payload = string(p.Payload)
			}
		}
		return n >= nth
	}); err != nil {
		t.Fatalf("%s was not asked for the %d. time: %v", topic, nth, err)
	}
	return payload
}

// answers publishes what the Jobs service says.
func (e *endpoint) answers(t *testing.T, topic, payload string) {
	t.Helper()
	if n, err := e.Publish(iotlocal.Message{Topic: jobsOfBot + topic, Payload: []byte(payload)}); n != 1 || err != nil {
		t.Fatalf("%s has %d subscribers, %v", topic, n, err)
	}
}

// TestJobsSample: the test plays the Jobs service, with two jobs of which the second one ends in each of the ways there are.
func TestJobsSample(t *testing.T) {
	const first = `{"execution":{"jobId":"one","versionNumber":2,"executionNumber":1,"jobDocument":{"do":"this"}}}`
	start := []string{`started one: version 2, execution 1, document {"do":"this"}`, "updated", "next is two"}
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, e *endpoint)
		want []string
	}{
		{"all succeed", func(t *testing.T, e *endpoint) {
			e.answers(t, "start-next/accepted", `{"execution":{"jobId":"two","versionNumber":7,"executionNumber":3,"jobDocument":{}}}`)
			if got, want := e.asked(t, "two/update", 1), `{"status": "SUCCEEDED", "statusDetails": {"HandledBy": "ClientToken: jobsSample"}, "expectedVersion": "7", "executionNumber": "3", "clientToken": "jobsSample"}`; got != want {
				t.Errorf("update\n%s\nwant\n%s", got, want)
			}
			e.answers(t, "notify-next", `{"execution":{}}`) // ahead of the answer: the sample waits for that
			e.answers(t, "two/update/accepted", `{}`)
		}, []string{"started two: version 7, execution 3, document {}", "no job is next", "updated", `{"jobsStarted":2,"jobsSucceeded":2,"jobsRejected":0}`}},
		{"the update is rejected", func(t *testing.T, e *endpoint) {
			e.answers(t, "start-next/accepted", `{"execution":{"jobId":"two","versionNumber":7,"executionNumber":3,"jobDocument":{}}}`)
			e.asked(t, "two/update", 1)
			e.answers(t, "two/update/rejected", `{"code":"VersionMismatch"}`)
		}, []string{"started two: version 7, execution 3, document {}", `update rejected: {"code":"VersionMismatch"}`, `{"jobsStarted":2,"jobsSucceeded":1,"jobsRejected":1}`}},
		{"the start is rejected", func(t *testing.T, e *endpoint) {
			e.answers(t, "start-next/rejected", `{"code":"InternalError"}`)
		}, []string{`start-next rejected: {"code":"InternalError"}`, `{"jobsStarted":1,"jobsSucceeded":1,"jobsRejected":1}`}},
		{"nothing is pending", func(t *testing.T, e *endpoint) {
			e.answers(t, "start-next/accepted", `{}`)
		}, []string{"no job is pending", `{"jobsStarted":1,"jobsSucceeded":1,"jobsRejected":0}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t)
			p := jobsSample.start(t, nil, e.flags("-n", "Bot")...)
			if got := e.asked(t, "start-next", 1); !strings.HasPrefix(got, `{"clientToken": "jobsSample", "statusDetails": {"StartedBy": "ClientToken: jobsSample on 20`) {
				t.Errorf("start-next %s", got)
			}
			e.answers(t, "start-next/accepted", first)
			e.asked(t, "one/update", 1)
			e.answers(t, "one/update/accepted", `{}`)
			e.answers(t, "notify-next", `{"execution":{"jobId":"two"}}`)
			e.asked(t, "start-next", 2)
			tt.end(t, e)
			done(t, p)
			equal(t, "output", p.said(), append(start[:len(start):len(start)], tt.want...))
			equal(t, "wire", e.wire(iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.DISCONNECT), []string{"CONNECT jobsSample",
				"SUBSCRIBE " + jobsOfBot + "notify-next 1", "SUBSCRIBE " + jobsOfBot + "start-next/accepted 1", "SUBSCRIBE " + jobsOfBot + "start-next/rejected 1",
				"SUBSCRIBE " + jobsOfBot + "+/update/accepted 1", "SUBSCRIBE " + jobsOfBot + "+/update/rejected 1", "DISCONNECT jobsSample"})
		})
	}
	t.Run("Ctrl-C", func(t *testing.T) {
		e := newEndpoint(t)
		p := jobsSample.start(t, nil, e.flags("-n", "Bot")...)
		e.asked(t, "start-next", 1)
		p.interrupt(t)
		done(t, p)
		equal(t, "output", p.said(), []string{`{"jobsStarted":0,"jobsSucceeded":0,"jobsRejected":0}`})
	})
}
