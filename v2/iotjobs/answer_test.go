package iotjobs_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v2/iotjobs"
)

// A raw document goes out as v1 sent it, with a token; AnswerV1 gives what v1's callback read.
func TestDocumentAndAnswerV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.server.Jobs("lamp").Create("one", `{}`, iotlocal.JobOptions{}); err != nil {
			t.Fatal(err)
		}
		// v1 sent numbers as texts.
		r, err := w.jobs.UpdateJobExecution(t.Context(), &iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one",
			Document: []byte(`{"status": "SUCCEEDED", "expectedVersion": "1", "executionNumber": "1"}`)})
		equal(t, "wire", w.said(), "SUBSCRIBE "+jobsOf+"one/update/+ 1\nPUBLISH "+jobsOf+`one/update 1 {"status": "SUCCEEDED", "expectedVersion": "1", "executionNumber": "1","clientToken":"TOKEN"}`)
		payload, status, token := iotjobs.AnswerV1(r, err)
		if err != nil || status != "accepted" || payload != string(r.Raw) || token != r.ClientToken || token == "" {
			t.Errorf("accepted: %s %s %s, %v", payload, status, token, err)
		}
		d, err := w.jobs.DescribeJobExecution(t.Context(), &iotjobs.DescribeJobExecutionRequest{ThingName: "lamp", JobID: "none", ClientToken: "mine"})
		refused, _ := errors.AsType[*iotjobs.RejectedError](err)
		payload, status, token = iotjobs.AnswerV1(d, err)
		if status != "rejected" || payload != string(refused.Raw) || token != "mine" {
			t.Errorf("rejected: %s %s %s", payload, status, token)
		}
		_, err = w.jobs.UpdateJobExecution(t.Context(), &iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one", Status: iotjobs.StatusInProgress})
		if refused, ok := errors.AsType[*iotjobs.RejectedError](err); !ok || refused.Code != iotjobs.CodeInvalidStateTransition || refused.ExecutionState == nil || refused.ExecutionState.Status != iotjobs.StatusSucceeded {
			t.Errorf("state: %v", err)
		}
		if _, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop}); err != nil {
			t.Fatal(err)
		}
		p, err := w.jobs.GetPendingJobExecutions(t.Context(), &iotjobs.GetPendingJobExecutionsRequest{ThingName: "lamp", ClientToken: "late", Timeout: time.Second})
		if payload, status, token = iotjobs.AnswerV1(p, err); status != "timeout" || token != "late" || !strings.Contains(payload, "no answer in time") {
			t.Errorf("timeout: %s %s %s", payload, status, token)
		}
	})
}
