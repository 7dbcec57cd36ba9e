package iotlocal_test

import (
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

func TestAPIJobs(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	const (
		lamp  = `"` + arnOf + `thing/lamp"`
		lamps = `"` + arnOf + `thinggroup/lamps"`
	)
	c.run([]step{
		{name: "thing", method: "POST", path: "/things/lamp"},
		{name: "another", method: "POST", path: "/things/bulb"},
		{name: "group", method: "POST", path: "/thing-groups/lamps"},
		{name: "group below", method: "POST", path: "/thing-groups/hall", body: `{"parentGroupName":"lamps"}`},

		{name: "create", method: "PUT", path: "/jobs/one", body: `{"targets":[` + lamp + `],"document":"{\"a\": 1}","description":"d","timeoutConfig":{"inProgressTimeoutInMinutes":5},"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"FAILED","numberOfRetries":2}]},"jobExecutionsRolloutConfig":{"maximumPerMinute":50}}`,
			want: `"jobArn":"` + arnOf + `job/one" | "jobId":"one" | "description":"d"`},
		{name: "create again", method: "PUT", path: "/jobs/one", body: `{"targets":[` + lamp + `],"document":"{}"}`, status: 409, want: "ResourceAlreadyExistsException"},
		{name: "describe", method: "GET", path: "/jobs/one", want: `"job":{ | "status":"IN_PROGRESS" | "targetSelection":"SNAPSHOT" | "targets":[` + lamp + `] | "numberOfQueuedThings":1 | "inProgressTimeoutInMinutes":5 | "criteriaList":[{"failureType":"FAILED","numberOfRetries":2}] | "maximumPerMinute":50 | "createdAt": | !completedAt | !comment`},
		{name: "describe nothing", method: "GET", path: "/jobs/none", status: 404, want: "ResourceNotFoundException"},
		{name: "document", method: "GET", path: "/jobs/one/job-document", want: `{"document":"{\"a\":1}"}`},
		{name: "update", method: "PATCH", path: "/jobs/one", body: `{"description":"e","timeoutConfig":{"inProgressTimeoutInMinutes":6}}`},
		{name: "updated", method: "GET", path: "/jobs/one", want: `"description":"e" | "inProgressTimeoutInMinutes":6 | "numberOfRetries":2`},

		{name: "no document", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `]}`, status: 400, want: "InvalidRequestException | document is missing"},
		{name: "document is no object", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"[]"}`, status: 400, want: "job document"},
		{name: "document of S3", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"documentSource":"https://s3.amazonaws.com/b/k"}`, status: 400, want: "documentSource is not available | give document"},
		{name: "abort", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"{}","abortConfig":{"criteriaList":[]}}`, status: 400, want: "abortConfig is not available"},
		{name: "schedule", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"{}","schedulingConfig":{}}`, status: 400, want: "schedulingConfig is not available"},
		{name: "timeout", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"{}","timeoutConfig":{"inProgressTimeoutInMinutes":0}}`, status: 400, want: "from 1 to 10080"},
		{name: "retry", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"{}","jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"REJECTED","numberOfRetries":2}]}}`, status: 400, want: "REJECTED"},
		{name: "retries", method: "PUT", path: "/jobs/x", body: `{"targets":[` + lamp + `],"document":"{}","jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"ALL","numberOfRetries":11}]}}`, status: 400, want: "more than 10"},
		{name: "no target", method: "PUT", path: "/jobs/x", body: `{"targets":[],"document":"{}"}`, status: 400, want: "0 targets"},
		{name: "target is no ARN", method: "PUT", path: "/jobs/x", body: `{"targets":["lamp"],"document":"{}"}`, status: 400, want: "not the ARN"},
		{name: "target is a policy", method: "PUT", path: "/jobs/x", body: `{"targets":["` + arnOf + `policy/p"],"document":"{}"}`, status: 400, want: "not the ARN"},
		{name: "target is not there", method: "PUT", path: "/jobs/x", body: `{"targets":["` + arnOf + `thing/none"],"document":"{}"}`, status: 404, want: "Thing none does not exist"},
		{name: "group is not there", method: "PUT", path: "/jobs/x", body: `{"targets":["` + arnOf + `thinggroup/none"],"document":"{}"}`, status: 404, want: "Thing Group none does not exist"},
		{name: "id", method: "PUT", path: "/jobs/a%20b", body: `{"targets":[` + lamp + `],"document":"{}"}`, status: 400, want: "jobId"},

		{name: "continuous", method: "PUT", path: "/jobs/two", body: `{"targets":[` + lamps + `],"document":"{}","targetSelection":"CONTINUOUS"}`},
		{name: "nobody has it", method: "GET", path: "/jobs/two/things", want: `{"executionSummaries":[]}`},
		{name: "add to a group below", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"hall","thingName":"bulb"}`},
		{name: "it has it", method: "GET", path: "/jobs/two/things", want: `"thingArn":"` + arnOf + `thing/bulb" | "status":"QUEUED"`},
		{name: "remove from the group", method: "PUT", path: "/thing-groups/removeThingFromThingGroup", body: `{"thingGroupName":"hall","thingName":"bulb"}`},
		{name: "removed", method: "GET", path: "/jobs/two/things", want: `"status":"REMOVED"`},
		{name: "associate", method: "POST", path: "/jobs/two/targets", body: `{"targets":[` + lamp + `],"comment":"more"}`, want: `"jobId":"two"`},
		{name: "associate a snapshot", method: "POST", path: "/jobs/one/targets", body: `{"targets":[` + lamp + `]}`, status: 400, want: "not continuous"},
		{name: "associated", method: "GET", path: "/jobs/two", want: `"comment":"more" | "numberOfQueuedThings":1 | "numberOfRemovedThings":1 | "targetSelection":"CONTINUOUS"`},

		{name: "list", method: "GET", path: "/jobs", want: `"jobId":"one" | "jobId":"two" | "isConcurrent":false`},
		{name: "list continuous", method: "GET", path: "/jobs?targetSelection=CONTINUOUS", want: `"jobId":"two" | !"one"`},
		{name: "list of a group", method: "GET", path: "/jobs?thingGroupName=lamps", want: `"jobId":"two" | !"one"`},
		{name: "list completed", method: "GET", path: "/jobs?status=COMPLETED", want: `"jobs":[]`},
		{name: "list by a name space", method: "GET", path: "/jobs?namespaceId=x", status: 400, want: "namespaceId"},
		{name: "page", method: "GET", path: "/jobs?maxResults=1", want: `"jobId":"two" | !"one"`, save: "next=nextToken"},
		{name: "next page", method: "GET", path: "/jobs?maxResults=1&nextToken={next}", want: `"jobId":"one" | !"two" | !nextToken`},
		{name: "of a thing", method: "GET", path: "/things/lamp/jobs", want: `"jobId":"one" | "jobId":"two" | "executionNumber":1`},
		{name: "of a thing, one job", method: "GET", path: "/things/lamp/jobs?jobId=two", want: `"jobId":"two" | !"one"`},
		{name: "of a thing by status", method: "GET", path: "/things/lamp/jobs?status=FAILED", want: `{"executionSummaries":[]}`},
		{name: "of a thing by pages", method: "GET", path: "/things/lamp/jobs?maxResults=1", want: `"jobId":"one" | !"two"`, save: "next=nextToken"},
		{name: "of a thing, next page", method: "GET", path: "/things/lamp/jobs?maxResults=1&nextToken={next}", want: `"jobId":"two" | !"one"`},
		{name: "of nothing", method: "GET", path: "/things/none/jobs", status: 404, want: "ResourceNotFoundException"},

		{name: "the device begins", method: "PUT", path: "/things/lamp/jobs/$next", body: `{"statusDetails":{"step":"1"}}`, want: `"status":"IN_PROGRESS" | "jobId":"one"`},
		{name: "execution", method: "GET", path: "/things/lamp/jobs/one", header: "Authorization: " + signedFor("iot"), want: `"thingArn":"` + arnOf + `thing/lamp" | "status":"IN_PROGRESS" | "statusDetails":{"detailsMap":{"step":"1"}} | "versionNumber":2 | "startedAt": | "forceCanceled":false | "approximateSecondsBeforeTimedOut":`},
		{name: "execution of nothing", method: "GET", path: "/things/lamp/jobs/none", header: "Authorization: " + signedFor("iot"), status: 404},
		{name: "cancel an execution in progress", method: "PUT", path: "/things/lamp/jobs/one/cancel", status: 409, want: "InvalidStateTransitionException"},
		{name: "with an old version", method: "PUT", path: "/things/lamp/jobs/one/cancel?force=true", body: `{"expectedVersion":1}`, status: 409, want: "VersionConflictException"},
		{name: "by force", method: "PUT", path: "/things/lamp/jobs/one/cancel?force=true", body: `{"expectedVersion":2,"statusDetails":{"why":"x"}}`},
		{name: "cancelled", method: "GET", path: "/things/lamp/jobs/one", header: "Authorization: " + signedFor("iot"), want: `"status":"CANCELED" | "detailsMap":{"why":"x"}`},
		{name: "and completed", method: "GET", path: "/jobs/one", want: `"status":"COMPLETED" | "completedAt": | "numberOfCanceledThings":1`},
		{name: "update what has ended", method: "PATCH", path: "/jobs/one", body: `{"description":"f"}`, status: 400, want: "COMPLETED"},
		{name: "cancel what has ended", method: "PUT", path: "/jobs/one/cancel", status: 400, want: "COMPLETED"},
		{name: "delete another execution", method: "DELETE", path: "/things/lamp/jobs/one/executionNumber/7", status: 404},
		{name: "delete the execution", method: "DELETE", path: "/things/lamp/jobs/one/executionNumber/1"},
		{name: "deleted", method: "GET", path: "/jobs/one/things", want: `{"executionSummaries":[]}`},
		{name: "delete what is queued", method: "DELETE", path: "/things/lamp/jobs/two/executionNumber/1", status: 409, want: "InvalidStateTransitionException"},
		{name: "delete a job in progress", method: "DELETE", path: "/jobs/two", status: 409, want: "InvalidStateTransitionException"},
		{name: "cancel", method: "PUT", path: "/jobs/two/cancel", body: `{"reasonCode":"OLD","comment":"c"}`, want: `"jobId":"two"`},
		{name: "cancelled job", method: "GET", path: "/jobs/two", want: `"status":"CANCELED" | "reasonCode":"OLD" | "comment":"c" | "forceCanceled":false`},
		{name: "delete", method: "DELETE", path: "/jobs/two"},
		{name: "deleted job", method: "GET", path: "/jobs/two", status: 404},
		{name: "delete by force", method: "PUT", path: "/jobs/three", body: `{"targets":[` + lamp + `],"document":"{}"}`},
		{name: "delete by force", method: "DELETE", path: "/jobs/three?force=true"},
	})
	// A job of the program around the server is one of the API's too.
	if err := srv.Jobs("lamp").Create("mine", `{}`, iotlocal.JobOptions{}); err != nil {
		t.Fatal(err)
	}
	c.run([]step{{name: "the program's", method: "GET", path: "/jobs/mine", want: `"targets":[` + lamp + `] | "numberOfQueuedThings":1`}})
}

// signedFor is a signature for a service, which is not looked at further as long as there are no credentials.
func signedFor(service string) string {
	return "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=00"
}

// A thing that has left a group before the jobs hear that it has joined gets none of the group's.
func TestLeftBeforeJoinedIsTold(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	c.run([]step{
		{name: "thing", method: "POST", path: "/things/lamp"},
		{name: "group", method: "POST", path: "/thing-groups/lamps"},
		{name: "job", method: "PUT", path: "/jobs/j", body: `{"targets":["` + arnOf + `thinggroup/lamps"],"document":"{}","targetSelection":"CONTINUOUS"}`},
	})
	srv.TellJoined("lamp", "lamps")
	c.run([]step{{name: "nobody has it", method: "GET", path: "/jobs/j/things", want: `{"executionSummaries":[]}`}})
}
