package jobscompat_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

func TestMain(m *testing.M) { os.Exit(facadetest.Main(m, v1compat.SetLogger)) }

const prefix = "$aws/things/Thing1/jobs/"

// started is a server and a client of Thing1 for it, which is not connected.
func started(t *testing.T, clientID string, qos byte) (*iotlocal.Server, *jobscompat.AWSIoTMQTTThingJobsClient) {
	t.Helper()
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := jobscompat.NewAWSIoTMQTTThingJobsClient(clientID, "Thing1", qos)
	reach(t, srv, c)
	return srv, c
}

// reach makes srv the endpoint of c, and closes c at the end of the test.
func reach(t *testing.T, srv *iotlocal.Server, c *jobscompat.AWSIoTMQTTThingJobsClient) {
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ConfigureConnectDisconnectTimeout(5)
	t.Cleanup(func() {
		c.Disconnect()
		core := c.GetMQTTConnection().V2()
		core.Close()
		<-core.Done()
	})
}

// wire is what clients have said to the server, beside CONNECT and DISCONNECT.
func wire(srv *iotlocal.Server) facadetest.Wire {
	return facadetest.Wire{Server: srv, Prefix: prefix, Requests: true}
}

// requests are all of v1's transcript jobs_requests and what it leaves out, with
// the bytes that v1 sent; TOKEN stands for the member clientToken.
var requests = []struct {
	name string
	send func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error)
	want string
}{
	{"query", func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsQuery(jobscompat.JobGetPendingTopic, "")
	}, `get {TOKEN}`},
	{"query one", func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsQuery(jobscompat.JobDescribeTopic, "$next")
	}, `$next/get {TOKEN}`},
	{"query start-next", func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsQuery(jobscompat.JobStartNextTopic, "")
	}, `start-next {TOKEN}`},
	{"query notify", func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsQuery(jobscompat.JobNotifyTopic, "")
	}, `notify {TOKEN}`},
	{"start", startNext(nil, nil), `start-next {TOKEN}`},
	{"start, details", startNext(map[string]string{"StartedBy": "me", "On": "2020 é"}, nil), `start-next {TOKEN, "statusDetails": {"On": "2020 \u00e9", "StartedBy": "me"}}`},
	{"start, no details and time", startNext(map[string]string{}, new(int64(5))), `start-next {TOKEN, "statusDetails": {}, "stepTimeoutInMinutes": 5}`},
	{"start, time off", startNext(nil, new(int64(-1))), `start-next {TOKEN, "stepTimeoutInMinutes": -1}`},
	{"time off", update("job1", jobscompat.JobExecutionInProgress, jobscompat.UpdateOptions{StepTimeoutInMinutes: new(int64(-1))}), `job1/update {"status": "IN_PROGRESS", TOKEN, "stepTimeoutInMinutes": -1}`},
	{"queued", update("job1", jobscompat.JobExecutionQueued, jobscompat.UpdateOptions{}), `job1/update {"status": "QUEUED", TOKEN}`},
	{"in progress", update("job1", jobscompat.JobExecutionInProgress, jobscompat.UpdateOptions{}), `job1/update {"status": "IN_PROGRESS", TOKEN}`},
	{"failed", update("job1", jobscompat.JobExecutionFailed, jobscompat.UpdateOptions{}), `job1/update {"status": "FAILED", TOKEN}`},
	{"canceled", update("job1", jobscompat.JobExecutionCanceled, jobscompat.UpdateOptions{}), `job1/update {"status": "CANCELED", TOKEN}`},
	{"rejected", update("job1", jobscompat.JobExecutionRejected, jobscompat.UpdateOptions{}), `job1/update {"status": "REJECTED", TOKEN}`},
	{"all", update("job1", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{StatusDetails: map[string]string{"step": "2"}, ExpectedVersion: 1, ExecutionNumber: 2,
		IncludeJobExecutionState: true, IncludeJobDocument: true, StepTimeoutInMinutes: new(int64(10))}),
		`job1/update {"status": "SUCCEEDED", "statusDetails": {"step": "2"}, "expectedVersion": "1", "executionNumber": "2", "includeJobExecutionState": true, "includeJobDocument": true, TOKEN, "stepTimeoutInMinutes": 10}`},
	{"nothing", update("job1", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{StatusDetails: map[string]string{}, ExpectedVersion: -1, ExecutionNumber: -1, StepTimeoutInMinutes: new(int64)}),
		`job1/update {"status": "SUCCEEDED", TOKEN, "stepTimeoutInMinutes": 0}`},
	{"big numbers", update("job1", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{ExpectedVersion: 1 << 62, ExecutionNumber: 1 << 61}),
		`job1/update {"status": "SUCCEEDED", "expectedVersion": "4611686018427387904", "executionNumber": "2305843009213693952", TOKEN}`},
	{"describe", describe("job1", 0, true), `job1/get {"includeJobDocument": true, TOKEN}`},
	{"describe without document", describe("$next", -2, false), `$next/get {"includeJobDocument": false, TOKEN}`},
	{"describe a number", describe("job1", 2, true), `job1/get {"includeJobDocument": true, "executionNumber": 2, TOKEN}`},
}

func startNext(details map[string]string, minutes *int64) func(*jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
	return func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: details, StepTimeoutInMinutes: minutes})
	}
}

func update(jobID string, status jobscompat.JobExecutionStatus, o jobscompat.UpdateOptions) func(*jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
	return func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) { return c.SendJobsUpdate(jobID, status, o) }
}

func describe(jobID string, number int64, document bool) func(*jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
	return func(c *jobscompat.AWSIoTMQTTThingJobsClient) (bool, error) {
		return c.SendJobsDescribe(jobID, number, document)
	}
}

// Every request, byte for byte, with each kind of client token; v1's transcript
// jobs_client_token_variants.
func TestRequests(t *testing.T) {
	none := strings.NewReplacer(", TOKEN", "", "TOKEN, ", "", "TOKEN", "")
	for _, tt := range []struct {
		name, clientID string
		omit           bool
		qos            byte
		token          *strings.Replacer
	}{
		{"token", "jobsclient", false, 1, strings.NewReplacer("TOKEN", `"clientToken": "jobsclient"`)},
		{"escaped token", `ü "1"`, false, 0, strings.NewReplacer("TOKEN", `"clientToken": "\u00fc \"1\""`)},
		{"empty token", "", false, 0, strings.NewReplacer("TOKEN", `"clientToken": ""`)},
		{"none", "jobsclient", true, 1, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := iotlocal.StartT(t, iotlocal.Options{})
			c := jobscompat.NewAWSIoTMQTTThingJobsClientWith(v1compat.NewAWSIoTMQTTClient("jobs"), tt.clientID, "Thing1", tt.qos)
			c.OmitClientToken = tt.omit
			reach(t, srv, c)
			require.NoError(t, c.Connect())
			var want []string
			for _, r := range requests {
				acked, err := r.send(c)
				assert.True(t, acked, "%s: %v, %v; want true", r.name, acked, err)
				assert.NoError(t, err, "%s: %v, %v; want true", r.name, acked, err)
				topic, payload, _ := strings.Cut(tt.token.Replace(r.want), " ")
				want = append(want, fmt.Sprintf("PUBLISH %s %d %s", topic, tt.qos, payload))
			}
			assert.Equal(t, want, wire(srv).Sent(t, len(want)), "packets")
		})
	}
}

// v1's transcript jobs_illegal_combinations: errors of the call, sent or not, and
// nothing else. In v1 the next message ended all callbacks.
func TestWithoutTopic(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	got := make(chan string, 1)
	cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got <- m.Topic }
	calls := []struct {
		name    string
		call    func() (bool, error)
		message string
		detail  string
	}{
		{"subscribe", func() (bool, error) {
			_, err := c.CreateJobSubscription(cb, jobscompat.JobNotifyTopic, jobscompat.JobAcceptedReplyType, "")
			return false, err
		}, "No topic specified, or incorrect topic type.", "JobNotifyTopic goes with JobRequestType"},
		{"subscribeAsync", func() (bool, error) {
			_, err := c.CreateJobSubscriptionAsync(nil, cb, jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "")
			return false, err
		}, "No topic specified, or incorrect topic type.", "JobUpdateTopic needs a job id"},
		{"query", func() (bool, error) { return c.SendJobsQuery(jobscompat.JobDescribeTopic, "") }, "Invalid topic.", "JobDescribeTopic needs a job id"},
		{"query all", func() (bool, error) { return c.SendJobsQuery(jobscompat.JobWildcardTopic, "") }, "Publish topic cannot contain wildcards.", "wildcard"},
		{"describe", func() (bool, error) { return c.SendJobsDescribe("", 0, true) }, "Invalid topic.", "JobDescribeTopic needs a job id"},
		{"describe every", func() (bool, error) { return c.SendJobsDescribe("+", 0, true) }, "Publish topic cannot contain wildcards.", "wildcard"},
		{"update", func() (bool, error) {
			return c.SendJobsUpdate("", jobscompat.JobExecutionUnknownStatus, jobscompat.UpdateOptions{}) // the topic first
		}, "Invalid topic.", "JobUpdateTopic needs a job id"},
		{"update a/b", func() (bool, error) {
			return c.SendJobsUpdate("a/b", jobscompat.JobExecutionFailed, jobscompat.UpdateOptions{})
		}, "Invalid topic.", `"a/b" cannot be a job id`},
		{"not set", func() (bool, error) {
			return c.SendJobsUpdate("j", jobscompat.JobExecutionStatusNotSet, jobscompat.UpdateOptions{})
		}, "Invalid job execution status.", "JobExecutionStatusNotSet is not one that can be sent"},
		{"unknown", func() (bool, error) {
			return c.SendJobsUpdate("j", jobscompat.JobExecutionUnknownStatus, jobscompat.UpdateOptions{})
		}, "Invalid job execution status.", "JobExecutionUnknownStatus is not one that can be sent"},
		{"no status at all", func() (bool, error) { return c.SendJobsUpdate("j", 12, jobscompat.UpdateOptions{}) }, "Invalid job execution status.", "JobExecutionStatus(12)"},
		{"details", func() (bool, error) {
			return c.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: map[string]string{"a": "\xff"}})
		}, "Invalid JSON text.", "is not UTF-8"},
	}
	check := func(when string) {
		t.Helper()
		for _, tt := range calls {
			acked, err := tt.call()
			var ve *v1compat.ValueError
			assert.False(t, acked)
			if assert.ErrorAs(t, err, &ve) {
				assert.Equal(t, tt.message, ve.Message)
				assert.Contains(t, err.Error(), tt.detail)
			}
		}
	}
	check("offline")
	require.NoError(t, c.Connect())
	check("online")
	sub, err := c.CreateJobSubscription(cb, jobscompat.JobWildcardTopic, jobscompat.JobAcceptedReplyType, "job1")
	require.NoError(t, err)
	facadetest.Acked(t)(c.SendJobsQuery(jobscompat.JobNotifyTopic, ""))
	assert.Equal(t, prefix+"notify", facadetest.Next(t, got), "message of")
	facadetest.Acked(t)(sub.Unsubscribe())
	require.NoError(t, c.Disconnect())
	assert.Equal(t, []string{"SUBSCRIBE # 1", `PUBLISH notify 1 {"clientToken": "jobs"}`, "UNSUBSCRIBE #"}, wire(srv).Sent(t, 3), "packets")
}

// What is wrong with the constructor's arguments is an error of the requests.
func TestBadConstructor(t *testing.T) {
	for _, tt := range []struct {
		name, thing string
		qos         byte
		message     string
		detail      string
	}{
		{"no thing", "", 0, "Invalid topic.", "the thing name is empty"},
		{"a thing with levels", "a/b", 0, "Invalid topic.", `"a/b" cannot be a thing name`},
		{"QoS 2", "Thing1", 2, "Invalid QoS level.", "QoS 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := jobscompat.NewAWSIoTMQTTThingJobsClient("jobs", tt.thing, tt.qos)
			var ve *v1compat.ValueError
			_, err := c.SendJobsQuery(jobscompat.JobGetPendingTopic, "")
			if assert.ErrorAs(t, err, &ve, "request") {
				assert.Equal(t, tt.message, ve.Message, "request")
				assert.Contains(t, err.Error(), tt.detail, "request")
			}
			_, err = c.CreateJobSubscription(nil, jobscompat.JobWildcardTopic, jobscompat.JobRequestType, "")
			if assert.ErrorAs(t, err, &ve, "subscription") {
				assert.Contains(t, err.Error(), tt.detail, "subscription")
			}
		})
	}
	c := jobscompat.NewAWSIoTMQTTThingJobsClientWith(nil, "jobs", "Thing1", 0)
	err := c.Connect()
	if assert.Error(t, err, "without a client") {
		assert.Contains(t, err.Error(), "the client is nil", "without a client")
	}
}
