//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// awsSDK is the AWS SDK for JavaScript v3; testdata/npm/aws.js says what it understands.
type awsSDK struct {
	*node
	t *testing.T
}

func startAWSSDK(t *testing.T, srv *iotlocal.Server) *awsSDK {
	t.Helper()
	s := &awsSDK{startNode(t, "aws.js", awsEnv(keys["AKIDEXAMPLE"].SecretAccessKey), srv.APIURL()), t}
	t.Cleanup(func() { s.close(t) })
	return s
}

// do runs a command, which must succeed.
func (s *awsSDK) do(client, command string, input object) object {
	s.t.Helper()
	out := s.ask(s.t, object{"client": client, "command": command, "input": input})
	if out["error"] != nil {
		s.t.Fatalf("%s: %v", command, out["error"])
	}
	answer, _ := out["answer"].(object)
	return answer
}

// fails runs a command, which must end with the error of that name and status.
func (s *awsSDK) fails(name string, status int, client, command string, input object) {
	s.t.Helper()
	out := s.ask(s.t, object{"client": client, "command": command, "input": input})
	if at(out, "error", "name") != name || at(out, "error", "status") != float64(status) {
		s.t.Errorf("%s: %v, want %s with status %d", command, out, name, status)
	}
}

// TestAWSSDK is TestAWSCLI with the AWS SDK for JavaScript.
func TestAWSSDK(t *testing.T) {
	srv := awsServer(t)
	aws := startAWSSDK(t, srv)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")

	arn := at(aws.do("iot", "CreateThing", object{"thingName": "Bot"}), "thingArn")
	made := aws.do("iot", "CreateKeysAndCertificate", object{"setAsActive": true})
	for file, text := range map[string]any{cert: made["certificatePem"], key: at(made, "keyPair", "PrivateKey")} {
		if err := os.WriteFile(file, []byte(text.(string)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aws.do("iot", "CreatePolicy", object{"policyName": "device", "policyDocument": devicePolicy})
	aws.do("iot", "CreatePolicy", object{"policyName": "operator", "policyDocument": operatorPolicy})
	aws.do("iot", "AttachPolicy", object{"policyName": "operator", "target": "AKIDEXAMPLE"})
	aws.do("iot", "AttachPolicy", object{"policyName": "device", "target": made["certificateArn"]})
	aws.do("iot", "AttachThingPrincipal", object{"thingName": "Bot", "principal": made["certificateArn"]})
	aws.do("iot", "CreateThingGroup", object{"thingGroupName": "bots"})
	group := at(aws.do("iot", "DescribeThingGroup", object{"thingGroupName": "bots"}), "thingGroupArn")
	aws.do("iot", "CreateJob", object{"jobId": "fw-1", "targets": []any{group}, "targetSelection": "CONTINUOUS", "document": `{"firmware":"2.0"}`,
		"jobExecutionsRetryConfig": object{"criteriaList": []any{object{"failureType": "FAILED", "numberOfRetries": 2}}}})

	// The job comes to the device when it becomes a member of the group.
	device := startDevice(t, srv, cert, key)
	device.waitFor(t, 1, "jobs that wait: 0")
	aws.do("iot", "AddThingToThingGroup", object{"thingGroupName": "bots", "thingName": "Bot"})
	device.waitFor(t, 1, "fw-1: firmware 2.0")
	until(t, any("SUCCEEDED"), func() any {
		return at(aws.do("iot", "DescribeJobExecution", object{"thingName": "Bot", "jobId": "fw-1"}), "execution", "status")
	})
	if job := aws.do("iot", "DescribeJob", object{"jobId": "fw-1"}); at(job, "job", "status") != "IN_PROGRESS" || at(job, "job", "targetSelection") != "CONTINUOUS" {
		t.Errorf("%v", job)
	}
	if execution := aws.do("iot", "DescribeJobExecution", object{"thingName": "Bot", "jobId": "fw-1"}); at(execution, "execution", "thingArn") != arn {
		t.Errorf("%v", execution)
	}
	aws.do("iot", "CancelJob", object{"jobId": "fw-1", "reasonCode": "DONE"})
	aws.do("iot", "DeleteJob", object{"jobId": "fw-1"})
	aws.fails("ResourceNotFoundException", 404, "iot", "DescribeJob", object{"jobId": "fw-1"})

	aws.do("data", "UpdateThingShadow", object{"thingName": "Bot", "payload": `{"state":{"reported":{"on":true}}}`})
	if shadow := aws.do("data", "GetThingShadow", object{"thingName": "Bot"}); !strings.Contains(fmt.Sprint(shadow["payload"]), `"reported":{"on":true}`) {
		t.Errorf("%v", shadow)
	}

	aws.fails("ResourceNotFoundException", 404, "iot", "DescribeThing", object{"thingName": "nobody"})
	aws.fails("ResourceAlreadyExistsException", 409, "iot", "CreateThing", object{"thingName": "Bot", "attributePayload": object{"attributes": object{"a": "b"}}})
	aws.fails("InvalidRequestException", 400, "iot", "CreateJob", object{"jobId": "x", "targets": []any{arn}, "document": "{}", "abortConfig": object{"criteriaList": []any{}}})
	aws.fails("NotImplementedException", 501, "iot", "ListBillingGroups", object{})

	for i := range 4 {
		aws.do("iot", "CreateThing", object{"thingName": fmt.Sprintf("page-%d", i)})
	}
	out := aws.ask(t, object{"client": "iot", "pages": "ListThings", "input": object{}, "size": 2})
	pages, _ := out["pages"].([]any)
	if len(pages) != 3 {
		t.Errorf("5 things in pages of two: %d pages, %v", len(pages), out["error"])
	}
}
