//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// keys are the credentials that requests of AWS's tools are signed with.
var keys = map[string]iotlocal.Credential{"AKIDEXAMPLE": {SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}}

const region = "eu-central-1"

// awsEnv is an environment in which AWS's tools find the credentials, and nothing else of a user's.
func awsEnv(secret string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "AWS_") })
	return append(env, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region,
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true")
}

// cli is Debian's aws CLI against a server.
type cli struct {
	t    *testing.T
	path string
	url  string
	env  []string
}

func newCLI(t *testing.T, srv *iotlocal.Server) *cli {
	t.Helper()
	path := "/usr/bin/aws" // Debian's, of which there may be another in PATH
	if _, err := os.Stat(path); err != nil {
		path = tool(t, "aws")
	}
	return &cli{t, path, srv.APIURL(), awsEnv(keys["AKIDEXAMPLE"].SecretAccessKey)}
}

func (c *cli) run(args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, append([]string{"--endpoint-url", c.url, "--output", "json"}, args...)...)
	cmd.Env = c.env
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	err = cmd.Run()
	return out.String(), bad.String(), err
}

// do runs a command, which must succeed, and returns its answer.
func (c *cli) do(args ...string) object {
	c.t.Helper()
	out, bad, err := c.run(args...)
	if err != nil {
		c.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, bad)
	}
	answer := object{}
	if strings.TrimSpace(out) != "" {
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			c.t.Fatalf("aws %s: %v in %s", strings.Join(args, " "), err, out)
		}
	}
	return answer
}

// fails runs a command, which must end with an error that has the text.
func (c *cli) fails(want string, args ...string) {
	c.t.Helper()
	if out, bad, err := c.run(args...); err == nil || !strings.Contains(bad, want) {
		c.t.Errorf("aws %s: %v, want %q\n%s%s", strings.Join(args, " "), err, want, out, bad)
	}
}

// at returns what stands in an answer, by the names of members.
func at(o object, path ...string) any {
	for i, name := range path {
		if i == len(path)-1 {
			return o[name]
		}
		o, _ = o[name].(object)
	}
	return nil
}

// awsServer is a server whose API wants signatures.
func awsServer(t *testing.T) *iotlocal.Server {
	t.Helper()
	return iotlocal.StartT(t, iotlocal.Options{Credentials: keys, StateDir: t.TempDir()})
}

// devicePolicy is what the device program needs, and no more.
const devicePolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
	{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/*"},
	{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/*"}]}`

// operatorPolicy is what requests to the data plane need that are signed with the access key: once there is a policy, all do.
const operatorPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:*","iotjobsdata:*"],"Resource":"*"}]}`

// startDevice starts the device program of the examples as the thing Bot.
func startDevice(t *testing.T, srv *iotlocal.Server, cert, key string) *process {
	t.Helper()
	program := filepath.Join(t.TempDir(), "jobs")
	run(t, tool(t, "go"), "build", "-o", program, "../../examples/v2-style/jobs")
	return start(t, program, "-e", srv.Host(), "-p", fmt.Sprint(srv.TLSPort()), "-r", srv.CAFile(), "-c", cert, "-k", key, "-thing", "Bot", "-id", "Bot")
}

// until asks until the answer is the one that is wanted.
func until(t *testing.T, want any, ask func() any) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := ask()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// TestAWSCLI sets a device up as an operator does in the cloud, has it do a job, and looks at what became of it.
func TestAWSCLI(t *testing.T) {
	srv := awsServer(t)
	aws := newCLI(t, srv)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")

	aws.do("iot", "create-thing", "--thing-name", "Bot", "--attribute-payload", `{"attributes":{"model":"x"}}`)
	made := aws.do("iot", "create-keys-and-certificate", "--set-as-active", "--certificate-pem-outfile", cert, "--private-key-outfile", key)
	principal := at(made, "certificateArn").(string)
	aws.do("iot", "create-policy", "--policy-name", "device", "--policy-document", devicePolicy)
	aws.do("iot", "create-policy", "--policy-name", "operator", "--policy-document", operatorPolicy)
	aws.do("iot", "attach-policy", "--policy-name", "operator", "--target", "AKIDEXAMPLE")

	// Without the policy it is not let in.
	refused := startDevice(t, srv, cert, key)
	if err := refused.wait(t); err == nil {
		t.Error("a device without a policy was let in")
	}
	aws.do("iot", "attach-policy", "--policy-name", "device", "--target", principal)
	aws.do("iot", "attach-thing-principal", "--thing-name", "Bot", "--principal", principal)
	arn := at(aws.do("iot", "describe-thing", "--thing-name", "Bot"), "thingArn").(string)
	aws.do("iot", "create-job", "--job-id", "fw-1", "--targets", arn, "--document", `{"firmware":"1.0"}`, "--timeout-config", "inProgressTimeoutInMinutes=5")
	if got := at(aws.do("iot-jobs-data", "get-pending-job-executions", "--thing-name", "Bot"), "queuedJobs"); fmt.Sprint(got) == "[]" || got == nil {
		t.Error("the job is not pending")
	}

	device := startDevice(t, srv, cert, key)
	device.waitFor(t, 1, "fw-1: firmware 1.0")
	until(t, any("SUCCEEDED"), func() any {
		return at(aws.do("iot", "describe-job-execution", "--thing-name", "Bot", "--job-id", "fw-1"), "execution", "status")
	})
	execution := aws.do("iot", "describe-job-execution", "--thing-name", "Bot", "--job-id", "fw-1")
	if got := at(execution, "execution", "statusDetails", "detailsMap", "installed"); got != "1.0" {
		t.Errorf("status details: %v", execution)
	}
	if job := aws.do("iot", "describe-job", "--job-id", "fw-1"); at(job, "job", "status") != "COMPLETED" || at(job, "job", "jobProcessDetails", "numberOfSucceededThings") != 1.0 {
		t.Errorf("the job: %v", job)
	}
	for _, list := range [][]string{{"list-job-executions-for-job", "--job-id", "fw-1"}, {"list-job-executions-for-thing", "--thing-name", "Bot"}} {
		if all, _ := at(aws.do(append([]string{"iot"}, list...)...), "executionSummaries").([]any); len(all) != 1 {
			t.Errorf("%v: %v", list, all)
		}
	}

	out := filepath.Join(dir, "shadow.json")
	payload := func(text string) string { // the versions of the CLI read it alike only from a file
		file := filepath.Join(dir, "payload")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "fileb://" + file
	}
	aws.do("iot-data", "update-thing-shadow", "--thing-name", "Bot", "--payload", payload(`{"state":{"desired":{"color":"red"}}}`), out)
	aws.do("iot-data", "get-thing-shadow", "--thing-name", "Bot", out)
	if text, err := os.ReadFile(out); err != nil || !strings.Contains(string(text), `"desired":{"color":"red"}`) {
		t.Errorf("the shadow: %s, %v", text, err)
	}
	aws.do("iot-data", "publish", "--topic", "kept", "--qos", "1", "--retain", "--payload", payload("hello"))
	if all, _ := at(aws.do("iot-data", "list-retained-messages"), "retainedTopics").([]any); len(all) != 1 {
		t.Errorf("retained: %v", all)
	}

	t.Run("errors", func(t *testing.T) {
		aws := newCLI(t, srv)
		aws.fails("(ResourceNotFoundException)", "iot", "describe-thing", "--thing-name", "nobody")
		aws.fails("(ResourceNotFoundException)", "iot", "describe-job-execution", "--thing-name", "Bot", "--job-id", "none")
		aws.fails("(ResourceNotFoundException)", "iot-data", "get-thing-shadow", "--thing-name", "nobody", out)
		aws.fails("(ResourceAlreadyExistsException)", "iot", "create-job", "--job-id", "fw-1", "--targets", arn, "--document", "{}")
		aws.fails("(MalformedPolicyException)", "iot", "create-policy", "--policy-name", "bad", "--policy-document", "{}")
		aws.fails("(InvalidRequestException)", "iot", "create-job", "--job-id", "s3", "--targets", arn, "--document-source", "https://s3.amazonaws.com/b/k")
		aws.fails("(NotImplementedException)", "iot", "search-index", "--query-string", "*")
		aws.fails("(DeleteConflictException)", "iot", "delete-policy", "--policy-name", "device")
		aws.env = awsEnv("wrong")
		aws.fails("(InvalidSignatureException)", "iot", "list-things")
	})
	t.Run("pages", func(t *testing.T) {
		aws := newCLI(t, srv)
		for i := range 5 {
			if _, err := srv.NewThing(fmt.Sprintf("page-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		all, _ := at(aws.do("iot", "list-things", "--page-size", "2"), "things").([]any)
		if len(all) != 6 {
			t.Errorf("%d things by pages of two, want 6", len(all))
		}
		first := aws.do("iot", "list-things", "--max-items", "4")
		if some, _ := at(first, "things").([]any); len(some) != 4 {
			t.Fatalf("%v", first)
		}
		rest := aws.do("iot", "list-things", "--starting-token", at(first, "NextToken").(string))
		if some, _ := at(rest, "things").([]any); len(some) != 2 {
			t.Errorf("%v", rest)
		}
	})
	t.Run("closing down", func(t *testing.T) {
		aws := newCLI(t, srv)
		aws.do("iot", "delete-job", "--job-id", "fw-1")
		aws.do("iot", "update-certificate", "--certificate-id", at(made, "certificateId").(string), "--new-status", "REVOKED")
		until(t, any(false), func() any { return slices.Contains(srv.Clients(), "Bot") }) // and does not come back
	})
}
