package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serving is the program at work on a state directory.
type serving struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	client *http.Client
}

func startProgram(t *testing.T, exe, state string, more ...string) *serving {
	t.Helper()
	args := append([]string{"serve", "-state", state, "-snippet", "none", "-q", "-tcp-port", "-1", "-ws-port", "-1", "-wss-port", "-1"}, more...)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := readTo(t, out, "\nready\n")
	port := regexp.MustCompile(`api-port +(\d+)`).FindStringSubmatch(said)
	if port == nil {
		t.Fatalf("no API in\n%s", said)
	}
	return &serving{t, cmd, "http://localhost:" + port[1], &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}}
}

func (p *serving) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// ask makes a request; the error is that the program did not answer.
func (p *serving) ask(method, path, body string) (status int, answer string, err error) {
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := p.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, string(b), err
}

// The program is killed again and again while it is asked for changes: what it has answered is there afterwards.
func TestKilled(t *testing.T) {
	exe := built(t)
	state := t.TempDir()
	things, version, asked := 0, int64(0), int64(0) // answered; and the updates that were sent
	for round := range 5 {
		p := startProgram(t, exe, state)
		for i := range things {
			if status, answer, err := p.ask("GET", fmt.Sprintf("/things/t%d", i), ""); err != nil || status != http.StatusOK {
				t.Fatalf("round %d: thing %d of %d: %d %s %v", round, i, things, status, answer, err)
			}
		}
		if version > 0 {
			_, answer, err := p.ask("GET", "/things/t0/shadow", "")
			var shadow struct {
				Version int64
				State   struct{ Reported struct{ N int64 } }
			}
			if bad := json.Unmarshal([]byte(answer), &shadow); err != nil || bad != nil || shadow.Version < version || shadow.Version > asked || shadow.State.Reported.N != shadow.Version {
				t.Fatalf("round %d: the shadow is %s, it was at %d, and %d updates were sent: %v %v", round, answer, version, asked, err, bad)
			}
			version, asked = shadow.Version, shadow.Version
		}
		end := time.AfterFunc(time.Hour, func() { _ = p.cmd.Process.Kill() })
		killAfter := things + 3 + rand.IntN(20)
		for {
			if things == killAfter { // in the middle of what comes next
				end.Reset(time.Duration(rand.IntN(3000)) * time.Microsecond)
			}
			status, answer, err := p.ask("POST", fmt.Sprintf("/things/t%d", things), "{}")
			if err != nil {
				break
			}
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			things++
			asked++
			status, answer, err = p.ask("POST", "/things/t0/shadow", fmt.Sprintf(`{"state":{"reported":{"n":%d}}}`, asked))
			if err != nil {
				break
			}
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			version = asked
		}
		end.Stop()
		p.kill()
	}
	if things < 15 {
		t.Errorf("only %d things", things)
	}
}

// untilReady ends the program when it is ready.
type untilReady struct {
	said bytes.Buffer
	end  func()
}

// Write takes note of what the program says.
func (w *untilReady) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\nready\n")) {
		w.end()
	}
	return w.said.Write(b)
}

// A program that is told to end while it applies its configuration ends: between two operations, and while it waits for the file.
func TestConfigEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "house.json")
	if err := os.WriteFile(file, []byte(`[{"operation": "NewThing", "thingName": "lamp"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer hold.Close()
	for name, config := range map[string]string{"operations": file, "a pipe": fmt.Sprintf("/dev/fd/%d", pipe.Fd())} {
		if runtime.GOOS == "windows" && config != file {
			continue
		}
		state := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, bad bytes.Buffer
		exit := run(ctx, []string{"serve", "-state", state, "-config", config, "-q", "-snippet", "none"}, &out, &bad)
		if exit != exitOK || strings.Contains(out.String(), "ready") || bad.Len() > 0 {
			t.Errorf("%s: exit %d: %s%s", name, exit, out.String(), bad.String())
		}
		if _, err := os.Stat(filepath.Join(state, "certs", "lamp.pem")); err == nil {
			t.Errorf("%s: it went on", name)
		}
	}
}

// What is there already stays; when it is another one than the configuration says, one line says so.
func TestConfigDiffers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "house.json")
	serve := func(policy, sql, document string) string {
		t.Helper()
		text := `[{"operation": "CreatePolicy", "policyName": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "` + policy + `", "Action": "iot:*", "Resource": "*"}]}},
			{"operation": "CreateThing", "thingName": "lamp"},
			{"operation": "CreateAuthorizer", "authorizerName": "a", "authorizerFunctionArn": "http://localhost/` + policy + `", "signingDisabled": true},
			{"operation": "CreateProvisioningTemplate", "templateName": "t", "provisioningRoleArn": "arn:aws:iam::1:role/xxxxx", "enabled": ` + fmt.Sprint(policy == "Allow") + `,
				"templateBody": {"Resources": {"c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}}}}},
			{"operation": "CreateJob", "jobId": "j", "targets": ["${iotlocal:thing/lamp}"], "document": ` + document + `},
			{"operation": "CreateTopicRule", "ruleName": "r", "topicRulePayload": {"sql": "` + sql + `", "actions": [{"republish": {"topic": "x", "roleArn": "r"}}]}}]`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var bad bytes.Buffer
		if exit := run(ctx, []string{"serve", "-state", filepath.Join(dir, "state"), "-config", file, "-q", "-snippet", "none"}, &untilReady{end: cancel}, &bad); exit != exitOK {
			t.Fatalf("exit %d: %s", exit, bad.String())
		}
		return bad.String()
	}
	for range 2 {
		if said := serve("Allow", "SELECT * FROM 'a'", `{"v":1}`); said != "" {
			t.Errorf("nothing differs: %s", said)
		}
	}
	said := serve("Deny", "SELECT * FROM 'b'", `{"v":2}`)
	for _, resource := range []string{"policy/p", "authorizer/a", "provisioningtemplate/t", "job/j", "rule/r"} {
		if n := strings.Count(said, "resource=arn:aws:iot:us-east-1:000000000000:"+resource+"\n"); n != 1 {
			t.Errorf("%s is named %d times in\n%s", resource, n, said)
		}
	}
	if strings.Count(said, "level=WARN") != 5 || strings.Count(said, "differs from what the configuration says: change it by another operation, or delete it before") != 5 ||
		!strings.Contains(said, "line=1 operation=CreatePolicy") {
		t.Errorf("%s", said)
	}
}

// A configuration is applied at every start, and names file and line when it is wrong.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "house.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serve := func() (int, string, string) {
		var bad bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := untilReady{end: cancel}
		exit := run(ctx, []string{"serve", "-state", filepath.Join(dir, "state"), "-config", file, "-q", "-snippet", "none"}, &out, &bad)
		return exit, out.said.String(), bad.String()
	}
	write("[\n{\"operation\": \"NewThing\", \"thingName\": \"lamp\"},\n{\"operation\": \"CreateThingGroup\", \"thingGroupName\": \"lamps\"}\n]")
	for range 2 {
		exit, out, bad := serve()
		if exit != exitOK || !strings.Contains(out, "ready") {
			t.Fatalf("exit %d: %s%s", exit, out, bad)
		}
		for _, want := range []string{"thing      lamp\n", "cert       " + filepath.Join(dir, "state", "certs", "lamp.pem") + "\n", "key        " + filepath.Join(dir, "state", "certs", "lamp.key") + "\n"} {
			if strings.Count(out, want) != 1 {
				t.Errorf("%q is not there once in\n%s", want, out)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "certs", "lamp.pem")); err != nil {
		t.Error(err)
	}
	write("[\n{\"operation\": \"NewThing\", \"thingName\": \"lamp\"},\n{\"operation\": \"CreateThing\"}\n]")
	if exit, _, bad := serve(); exit != exitError || !strings.Contains(bad, file+":3: CreateThing: ") || !strings.Contains(bad, "thingName is missing") {
		t.Errorf("exit %d: %s", exit, bad)
	}
}
