//go:build interop

package interop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// object is a JSON object.
type object = map[string]any

// generation is one of the two generations of service clients.
type generation int

const (
	first  generation = 1 // subscribe to the answers, publish the request
	second generation = 2 // one call for both
)

// sdk is a set of service clients on one connection, told what to do by lines as testdata/npm/driver.js describes them.
type sdk interface {
	// ask does what a line says and returns the answer.
	ask(t *testing.T, line object) object
	close(t *testing.T)
}

// node is a program on SDKs for JavaScript in a process of its own, which answers each line with one.
type node struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	stderr strings.Builder
}

// startNode starts a program of testdata/npm with the npm packages.
func startNode(t *testing.T, program string, env []string, args ...string) *node {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "testdata/npm/install.sh").Output()
	if err != nil {
		t.Fatalf("install the npm packages: %v", err)
	}
	path, err := filepath.Abs(filepath.Join("testdata", "npm", program))
	if err != nil {
		t.Fatal(err)
	}
	s := &node{cmd: exec.Command(tool(t, "node"), append([]string{path}, args...)...), lines: make(chan string)}
	s.cmd.Env = append(env, "NODE_PATH="+filepath.Join(strings.TrimSpace(string(out)), "node_modules"))
	s.cmd.Stderr = &s.stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(s.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			s.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		for range s.lines {
		}
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("node said:\n%s", s.stderr.String())
		}
	})
	return s
}

// startNPM connects the AWS IoT Device SDK v2 for JavaScript: protocol is 5 or 311.
func startNPM(t *testing.T, srv *iotlocal.Server, thing iotlocal.Thing, protocol string, g generation) *node {
	t.Helper()
	s := startNode(t, "driver.js", os.Environ(), protocol, fmt.Sprint(int(g)), srv.Host(), fmt.Sprint(srv.TLSPort()),
		srv.CAFile(), thing.CertFile, thing.KeyFile, deviceID)
	if a := s.read(t); a["connected"] != true {
		t.Fatalf("%v", a)
	}
	return s
}

func (s *node) read(t *testing.T) object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case line, ok := <-s.lines:
		var a object
		if err := json.Unmarshal([]byte(line), &a); !ok || err != nil {
			t.Fatalf("node: %q %v", line, err)
		}
		return a
	case <-ctx.Done():
		t.Fatalf("node did not answer within %v", patience)
		return nil
	}
}

func (s *node) ask(t *testing.T, line object) object {
	t.Helper()
	b, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(b, '\n')); err != nil {
		t.Fatalf("node: %v", err)
	}
	return s.read(t)
}

func (s *node) close(t *testing.T) {
	t.Helper()
	if err := s.in.Close(); err != nil {
		t.Error(err)
	}
	for line := range s.lines {
		t.Errorf("node said %s at the end", line)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("node: %v", err)
	}
}

// deviceID is the thing and the client id of the programs.
const deviceID = "lamp"

// step is one line for an SDK with what the program around the server does before, and what must come of it.
type step struct {
	name string
	// before plays the cloud.
	before func(t *testing.T, srv *iotlocal.Server)
	// line of the driver; what it says about tokens is filled in by run.
	line object
	// want is the member of the answer that must be there, as "accepted", and what it must hold.
	want string
	has  object
}

// flows are every operation and every event of the three services, in an order in which each has something to do.
func flows(t *testing.T) []step {
	thing := func(more ...any) object { return with(object{"thingName": deviceID}, more...) }
	named := func(more ...any) object {
		return with(object{"thingName": deviceID, "shadowName": "config"}, more...)
	}
	job := func(id string, more ...any) object { return with(thing("jobId", id), more...) }
	call := func(op string, request object) object { return object{"call": op, "request": request} }
	open := func(event string, request object) object { return object{"open": event, "request": request} }
	next := func(event string) object { return object{"next": event} }
	desired := object{"desired": object{"on": true, "level": 7}}
	both := object{"desired": object{"on": false}, "reported": object{"on": true, "list": []any{1, "two", nil}}}
	both["reported"].(object)["list"] = []any{1, "two", object{"three": 3.5}}
	return []step{
		{name: "no shadow", line: call("getShadow", thing()), want: "rejected", has: object{"code": 404.0}},
		{name: "delta stream", line: open("ShadowDeltaUpdated", thing()), want: "opened"},
		{name: "update stream", line: open("ShadowUpdated", thing()), want: "opened"},
		{name: "update", line: call("updateShadow", thing("state", desired)), want: "accepted", has: object{"version": 1.0}},
		{name: "delta", line: next("ShadowDeltaUpdated"), want: "event", has: object{"version": 1.0, "state": object{"on": true, "level": 7.0}}},
		{name: "updated", line: next("ShadowUpdated"), want: "event"},
		{name: "wrong version", line: call("updateShadow", thing("state", both, "version", 9)), want: "rejected", has: object{"code": 409.0}},
		{name: "right version", line: call("updateShadow", thing("state", both, "version", 1)), want: "accepted", has: object{"version": 2.0}},
		{name: "get", line: call("getShadow", thing()), want: "accepted", has: object{"version": 2.0}},
		{name: "delete", line: call("deleteShadow", thing()), want: "accepted"},
		{name: "delete again", line: call("deleteShadow", thing()), want: "rejected", has: object{"code": 404.0}},
		{name: "no named shadow", line: call("getNamedShadow", named()), want: "rejected", has: object{"code": 404.0}},
		{name: "named delta stream", line: open("NamedShadowDeltaUpdated", named()), want: "opened"},
		{name: "named update stream", line: open("NamedShadowUpdated", named()), want: "opened"},
		{name: "named update", line: call("updateNamedShadow", named("state", desired)), want: "accepted"},
		{name: "named delta", line: next("NamedShadowDeltaUpdated"), want: "event"},
		{name: "named updated", line: next("NamedShadowUpdated"), want: "event"},
		{name: "named get", line: call("getNamedShadow", named()), want: "accepted"},
		{name: "named delete", line: call("deleteNamedShadow", named()), want: "accepted"},

		{name: "jobs stream", line: open("JobExecutionsChanged", thing()), want: "opened"},
		{name: "next job stream", line: open("NextJobExecutionChanged", thing()), want: "opened"},
		{name: "nothing to start", line: call("startNextPendingJobExecution", thing()), want: "accepted"},
		{name: "job came", before: createJob("reboot"), line: next("JobExecutionsChanged"), want: "event"},
		{name: "next job", line: next("NextJobExecutionChanged"), want: "event"},
		{name: "pending", line: call("getPendingJobExecutions", thing()), want: "accepted"},
		{name: "describe next", line: call("describeJobExecution", job("$next", "includeJobDocument", true)), want: "accepted"},
		{name: "start", line: call("startNextPendingJobExecution", thing("stepTimeoutInMinutes", 5, "statusDetails", object{"step": "1"})), want: "accepted"},
		{name: "wrong job version", line: call("updateJobExecution", job("reboot", "status", "SUCCEEDED", "expectedVersion", 9)), want: "rejected", has: object{"code": "VersionMismatch"}},
		{name: "progress", line: call("updateJobExecution", job("reboot", "status", "IN_PROGRESS", "expectedVersion", 2, "statusDetails", object{"step": "2"},
			"includeJobExecutionState", true, "includeJobDocument", true)), want: "accepted"},
		{name: "done", line: call("updateJobExecution", job("reboot", "status", "SUCCEEDED")), want: "accepted"},
		{name: "job went", line: next("JobExecutionsChanged"), want: "event"},
		{name: "no next job", line: next("NextJobExecutionChanged"), want: "event"},
		{name: "describe what is over", line: call("describeJobExecution", job("reboot", "executionNumber", 1)), want: "rejected", has: object{"code": "TerminalStateReached"}},
		{name: "describe nothing", line: call("describeJobExecution", job("none")), want: "rejected", has: object{"code": "ResourceNotFound"}},

		{name: "bad CSR", line: call("createCertificateFromCsr", object{"certificateSigningRequest": "x"}), want: "rejected", has: object{"statusCode": 400.0}},
		{name: "CSR", line: call("createCertificateFromCsr", object{"certificateSigningRequest": newCSR(t)}), want: "accepted"},
		{name: "keys", line: call("createKeysAndCertificate", object{}), want: "accepted"},
		{name: "bad token", line: call("registerThing", object{"templateName": "fleet", "certificateOwnershipToken": "x", "parameters": object{}}),
			want: "rejected", has: object{"errorCode": "InvalidCertificateOwnershipToken"}},
		{name: "register", line: call("registerThing", object{"templateName": "fleet", "certificateOwnershipToken": lastToken, "parameters": object{"SerialNumber": "bulb-7"}}),
			want: "accepted", has: object{"thingName": "bulb-7"}},
	}
}

// lastToken stands for the ownership token of the answer before it.
const lastToken = "LAST TOKEN"

// with adds members to an object: name, value, ...
func with(o object, more ...any) object {
	for i := 0; i+1 < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

func createJob(id string) func(*testing.T, *iotlocal.Server) {
	return func(t *testing.T, srv *iotlocal.Server) {
		t.Helper()
		if err := srv.Jobs(deviceID).Create(id, object{"op": id}, iotlocal.JobOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func newCSR(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "device"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// endpoint is a local endpoint with a template, and the device's identity.
func endpoint(t *testing.T) (*iotlocal.Server, iotlocal.Thing) {
	t.Helper()
	srv := iotlocal.StartT(t, iotlocal.Options{TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	if err := srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		t.Fatal(err)
	}
	thing, err := srv.NewThing(deviceID)
	if err != nil {
		t.Fatal(err)
	}
	return srv, thing
}

// perform runs the steps and returns the answers. After each the program publishes a message of its own, whose
// acknowledgement comes after all that the step has brought about: the record is cut there.
func perform(t *testing.T, s sdk, srv *iotlocal.Server, g generation, steps []step) (answers []object) {
	t.Helper()
	token := ""
	for i, st := range steps {
		if st.before != nil {
			st.before(t, srv)
		}
		line := clone(st.line)
		if request, ok := line["request"].(object); ok {
			if request["certificateOwnershipToken"] == lastToken {
				request["certificateOwnershipToken"] = token
			}
			// The second generation makes tokens of its own; the first sends those it is given.
			if _, isCall := line["call"]; isCall && g == first && request["thingName"] != nil {
				request["clientToken"] = fmt.Sprintf("token-%d", i)
			}
		}
		a := s.ask(t, line)
		got, ok := a[st.want]
		if !ok {
			t.Fatalf("%s: %v, want %s", st.name, a, st.want)
		}
		body, _ := got.(object)
		for name, want := range st.has {
			if fmt.Sprint(body[name]) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", st.name, name, body[name], want)
			}
		}
		if text, ok := body["certificateOwnershipToken"].(string); ok {
			token = text
		}
		answers = append(answers, a)
		if a := s.ask(t, object{"fence": i}); a["fenced"] != true {
			t.Fatalf("fence: %v", a)
		}
	}
	return answers
}

// clone copies a line, so that a second run finds it as it was.
func clone(line object) object {
	b, _ := json.Marshal(line)
	var out object
	_ = json.Unmarshal(b, &out)
	return out
}

// TestNPMFlows: the clients of the AWS SDK for JavaScript, of both generations and over both protocols, do against the
// local endpoint all that they can do, and a certificate that they provision connects.
func TestNPMFlows(t *testing.T) {
	steps := flows(t)
	for _, protocol := range []string{"5", "311"} {
		for _, g := range []generation{first, second} {
			t.Run(fmt.Sprintf("MQTT %s, generation %d", protocol, g), func(t *testing.T) {
				srv, thing := endpoint(t)
				s := startNPM(t, srv, thing, protocol, g)
				answers := perform(t, s, srv, g, steps)
				s.close(t)
				keys := answers[len(answers)-3]["accepted"].(object)
				made := iotlocal.Thing{CertFile: filepath.Join(t.TempDir(), "c.pem"), KeyFile: filepath.Join(t.TempDir(), "k.pem")}
				for file, text := range map[string]any{made.CertFile: keys["certificatePem"], made.KeyFile: keys["privateKey"]} {
					if err := os.WriteFile(file, []byte(text.(string)), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				again := startNPM(t, srv, made, protocol, g)
				if a := again.ask(t, object{"call": "getShadow", "request": object{"thingName": "bulb-7", "clientToken": "x"}}); a["rejected"] == nil {
					t.Errorf("with the new certificate: %v", a)
				}
				again.close(t)
			})
		}
	}
}

// TestNPMSameOverBothProtocols: what a generation of the SDK for JavaScript says does not depend on the protocol, and the
// comparison of records finds what differs.
func TestNPMSameOverBothProtocols(t *testing.T) {
	steps := flows(t)
	for _, g := range []generation{first, second} {
		t.Run(fmt.Sprintf("generation %d", g), func(t *testing.T) {
			var both [][]said
			for _, protocol := range []string{"5", "311"} {
				srv, thing := endpoint(t)
				s := startNPM(t, srv, thing, protocol, g)
				perform(t, s, srv, g, steps)
				s.close(t)
				both = append(both, sayings(t, srv, len(steps)))
			}
			compare(t, steps, both[0], both[1])
		})
	}
}
