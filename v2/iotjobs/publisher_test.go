package iotjobs_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotjobs"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// What a ClientV1 puts on the wire: v1's topics, QoS and token, numbers as numbers.
func TestClientV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := &iotjobs.ClientV1{Client: w.client, ThingName: "lamp", ClientToken: "device", QoS: awsiot.AtLeastOnce}
		const jobs = "PUBLISH $aws/things/lamp/jobs/"
		for _, tt := range []struct {
			want string
			call func() (awsiot.PublishResult, error)
		}{
			{jobs + `get 1 {"clientToken":"device"}`, func() (awsiot.PublishResult, error) {
				return c.PublishGetPendingJobExecutions(t.Context(), &iotjobs.GetPendingJobExecutionsRequest{})
			}},
			{jobs + `get 1 {"clientToken":"device"}`, func() (awsiot.PublishResult, error) {
				return c.PublishGetPendingJobExecutions(t.Context(), nil)
			}},
			{jobs + `start-next 1 {"statusDetails":{"a":"b"},"stepTimeoutInMinutes":5,"clientToken":"device"}`, func() (awsiot.PublishResult, error) {
				return c.PublishStartNextPendingJobExecution(t.Context(), &iotjobs.StartNextPendingJobExecutionRequest{StatusDetails: map[string]string{"a": "b"}, StepTimeoutInMinutes: new(int64(5))})
			}},
			{jobs + `$next/get 1 {"executionNumber":3,"includeJobDocument":false,"clientToken":"device"}`, func() (awsiot.PublishResult, error) {
				return c.PublishDescribeJobExecution(t.Context(), &iotjobs.DescribeJobExecutionRequest{JobID: iotjobs.Next, ExecutionNumber: iotjobs.Positive(3), IncludeJobDocument: new(false)})
			}},
			{jobs + `j/update 1 {"status":"FAILED","expectedVersion":2,"clientToken":"other"}`, func() (awsiot.PublishResult, error) {
				return c.PublishUpdateJobExecution(t.Context(), &iotjobs.UpdateJobExecutionRequest{JobID: "j", Status: iotjobs.StatusFailed,
					ExpectedVersion: iotjobs.Positive(2), ExecutionNumber: iotjobs.Positive(0), ClientToken: "other"})
			}},
			{`PUBLISH $aws/things/bulb/jobs/get 1 {"clientToken":"device"}`, func() (awsiot.PublishResult, error) {
				return c.PublishGetPendingJobExecutions(t.Context(), &iotjobs.GetPendingJobExecutionsRequest{ThingName: "bulb"})
			}},
			{`PUBLISH $aws/things/lamp/jobs/get 0 {"clientToken":""}`, func() (awsiot.PublishResult, error) {
				return (&iotjobs.ClientV1{Client: w.client, ThingName: "lamp"}).PublishGetPendingJobExecutions(t.Context(), nil)
			}},
		} {
			res, err := tt.call()
			if err != nil || res.Queued {
				t.Errorf("%s: %+v %v", tt.want, res, err)
			}
			equal(t, "sent", w.said(), tt.want)
		}
	})
}

// What is wrong is the error of the call; offline the offline queue decides.
func TestClientV1Errors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := &iotjobs.ClientV1{Client: w.client, ThingName: "a/b"}
		_, err := c.PublishGetPendingJobExecutions(t.Context(), nil)
		if _, ok := errors.AsType[*reqresp.Error](err); !ok {
			t.Errorf("a wrong thing: %v", err)
		}
		c.ThingName = "lamp"
		if _, err := c.PublishDescribeJobExecution(t.Context(), nil); err == nil {
			t.Error("no job")
		}
		if _, err := c.PublishUpdateJobExecution(t.Context(), &iotjobs.UpdateJobExecutionRequest{JobID: "j"}); err == nil {
			t.Error("no status")
		}
		equal(t, "sent", w.said(), "")
		offline := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "localhost", Auth: awsiot.PlainTCP(), ClientID: "offline",
			OfflineQueue: awsiot.OfflineQueue{Behavior: awsiot.KeepAll, ReturnQueued: true}})
		defer offline.Close()
		c.Client = offline
		res, err := c.PublishGetPendingJobExecutions(t.Context(), nil)
		equal(t, "offline", fmt.Sprint(res.Queued, err), "true <nil>")
		_ = offline.Update(func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations = -1 })
		if _, err := c.PublishGetPendingJobExecutions(t.Context(), nil); !errors.Is(err, awsiot.ErrOffline) {
			t.Errorf("offline without a queue: %v", err)
		}
	})
}
