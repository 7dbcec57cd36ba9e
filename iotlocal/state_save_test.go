package iotlocal_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
)

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

// account puts something of everything into a server, by Configure.
func account(t *testing.T, srv *iotlocal.Server) {
	t.Helper()
	if err := srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		t.Fatal(err)
	}
	const authorizer = `"authorizerFunctionArn": "http://localhost/", "signingDisabled": true`
	err := srv.Configure([]byte(`[
		{"operation": "CreateThingType", "thingTypeName": "light"}, {"operation": "CreateThingType", "thingTypeName": "old"},
		{"operation": "DeprecateThingType", "thingTypeName": "old"},
		{"operation": "NewThing", "thingName": "lamp"}, {"operation": "CreateThing", "thingName": "idle"},
		{"operation": "CreateThingGroup", "thingGroupName": "hall"}, {"operation": "CreateThingGroup", "thingGroupName": "attic"},
		{"operation": "AddThingToThingGroup", "thingGroupName": "hall", "thingName": "lamp"},
		{"operation": "CreatePolicy", "policyName": "p", "policyDocument": ` + allowAll + `},
		{"operation": "CreatePolicyVersion", "policyName": "p", "policyDocument": ` + allowAll + `},
		{"operation": "CreatePolicy", "policyName": "unused", "policyDocument": ` + allowAll + `},
		{"operation": "AttachPolicy", "policyName": "p", "target": "${iotlocal:certificate/lamp}"},
		{"operation": "CreateProvisioningTemplateVersion", "templateName": "fleet", "templateBody": ` + iotlocal.DefaultTemplate + `},
		{"operation": "CreateAuthorizer", "authorizerName": "on", "status": "ACTIVE", ` + authorizer + `},
		{"operation": "CreateAuthorizer", "authorizerName": "off", "status": "INACTIVE", ` + authorizer + `},
		{"operation": "SetDefaultAuthorizer", "authorizerName": "on"},
		{"operation": "CreateTopicRule", "ruleName": "r", "topicRulePayload": {"sql": "SELECT * FROM 'a'", "actions": []}},
		{"operation": "CreateJob", "jobId": "j", "targets": ["${iotlocal:thing/lamp}"], "document": {}}]`))
	if err != nil {
		t.Fatal(err)
	}
}

// view is what the API shows of everything.
func (c *apiClient) view() string {
	c.t.Helper()
	var b strings.Builder
	for _, get := range []string{"/things", "/things/lamp", "/things/new", "/thing-types", "/thing-groups", "/thing-groups/hall", "/things/lamp/thing-groups", "/things/lamp/principals",
		"/certificates", "/certificates/{lamp}", "/policies", "/policies/p", "/policies/p/version", "/policies/unused/version", "/provisioning-templates", "/provisioning-templates/fleet",
		"/provisioning-templates/fleet/versions", "/authorizers/", "/authorizer/on", "/authorizer/off", "/default-authorizer", "/rules", "/rules/r", "/jobs", "/jobs/j", "/things/lamp/jobs"} {
		_, _, body := c.ask(step{method: "GET", path: get})
		body, _, _ = strings.Cut(body, `,"traceId"`)
		fmt.Fprintln(&b, get, body)
	}
	_, _, body := c.ask(step{method: "GET", path: "/principal-policies", header: "X-Amzn-Iot-Principal: " + arnOf + "cert/{lamp}"})
	body, _, _ = strings.Cut(body, `,"traceId"`)
	b.WriteString(body)
	return b.String()
}

// differ returns the lines of a view that differ.
func differ(got, want string) string {
	var b strings.Builder
	wanted := strings.Split(want, "\n")
	for i, line := range strings.Split(got, "\n") {
		if line != wanted[i] {
			fmt.Fprintf(&b, "\nthere is %s\nwant     %s", line, wanted[i])
		}
	}
	return b.String()
}

// A control operation that cannot be kept is an error 500, and nothing is as if it had been done; once the disk has room again it is done.
func TestOperationThatCannotBeKept(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: t.TempDir()})
	account(t, srv)
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, srv)
	c.vars["lamp"] = lamp.CertificateID()
	cert := arnOf + "cert/" + lamp.CertificateID()
	document := fmt.Sprintf("%q", allowAll)
	body := fmt.Sprintf("%q", iotlocal.DefaultTemplate)
	const rule = `{"sql":"SELECT * FROM 'b'","actions":[]}`
	const authorizer = `{"authorizerFunctionArn":"http://localhost/x","signingDisabled":true}`
	steps := []step{
		{name: "CreateThing", method: "POST", path: "/things/new"},
		{name: "UpdateThing", method: "PATCH", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"a":"b"}}}`},
		{name: "CreateThingType", method: "POST", path: "/thing-types/new"},
		{name: "DeprecateThingType", method: "POST", path: "/thing-types/light/deprecate"},
		{name: "DeprecateThingType, undo", method: "POST", path: "/thing-types/old/deprecate", body: `{"undoDeprecate":true}`},
		{name: "CreateThingGroup", method: "POST", path: "/thing-groups/new"},
		{name: "UpdateThingGroup", method: "PATCH", path: "/thing-groups/hall", body: `{"thingGroupProperties":{"attributePayload":{"attributes":{"a":"b"}}}}`},
		{name: "AddThingToThingGroup", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"attic","thingName":"lamp"}`},
		{name: "RemoveThingFromThingGroup", method: "PUT", path: "/thing-groups/removeThingFromThingGroup", body: `{"thingGroupName":"hall","thingName":"lamp"}`},
		{name: "DeleteThingGroup", method: "DELETE", path: "/thing-groups/hall"},
		{name: "CreateKeysAndCertificate", method: "POST", path: "/keys-and-certificate?setAsActive=true"},
		{name: "UpdateCertificate", method: "PUT", path: "/certificates/{lamp}?newStatus=REVOKED"},
		{name: "AttachThingPrincipal", method: "PUT", path: "/things/idle/principals", header: "X-Amzn-Principal: " + cert},
		{name: "DetachThingPrincipal", method: "DELETE", path: "/things/lamp/principals", header: "X-Amzn-Principal: " + cert},
		{name: "DeleteThing", method: "DELETE", path: "/things/new"},
		{name: "CreatePolicy", method: "POST", path: "/policies/new", body: `{"policyDocument":` + document + `}`},
		{name: "CreatePolicyVersion", method: "POST", path: "/policies/unused/version?setAsDefault=true", body: `{"policyDocument":` + document + `}`},
		{name: "SetDefaultPolicyVersion", method: "PATCH", path: "/policies/p/version/2"},
		{name: "AttachPolicy", method: "PUT", path: "/target-policies/unused", body: `{"target":"` + cert + `"}`},
		{name: "DetachPolicy", method: "POST", path: "/target-policies/p", body: `{"target":"` + cert + `"}`},
		{name: "DeletePolicyVersion", method: "DELETE", path: "/policies/p/version/1"},
		{name: "CreateProvisioningTemplate", method: "POST", path: "/provisioning-templates", body: `{"templateName":"new","provisioningRoleArn":"arn:aws:iam::1:role/xxxxx","templateBody":` + body + `}`},
		{name: "UpdateProvisioningTemplate", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"description":"new"}`},
		{name: "CreateProvisioningTemplateVersion", method: "POST", path: "/provisioning-templates/fleet/versions", body: `{"templateBody":` + body + `}`},
		{name: "DeleteProvisioningTemplateVersion", method: "DELETE", path: "/provisioning-templates/fleet/versions/2"},
		{name: "DeleteProvisioningTemplateVersion", method: "DELETE", path: "/provisioning-templates/fleet/versions/3"},
		{name: "CreateProvisioningClaim", method: "POST", path: "/provisioning-templates/fleet/provisioning-claim"},
		{name: "DeleteProvisioningTemplate", method: "DELETE", path: "/provisioning-templates/fleet"},
		{name: "RegisterThing", method: "POST", path: "/things", body: `{"templateBody":"{\"Resources\":{\"t\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":\"registered\"}}}}"}`},
		{name: "CreateAuthorizer", method: "POST", path: "/authorizer/new", body: authorizer},
		{name: "UpdateAuthorizer", method: "PUT", path: "/authorizer/on", body: `{"authorizerFunctionArn":"http://localhost/y"}`},
		{name: "SetDefaultAuthorizer", method: "POST", path: "/default-authorizer", body: `{"authorizerName":"off"}`},
		{name: "ClearDefaultAuthorizer", method: "DELETE", path: "/default-authorizer"},
		{name: "DeleteAuthorizer", method: "DELETE", path: "/authorizer/off"},
		{name: "CreateTopicRule", method: "POST", path: "/rules/new", body: rule},
		{name: "ReplaceTopicRule", method: "PATCH", path: "/rules/r", body: rule},
		{name: "DisableTopicRule", method: "POST", path: "/rules/r/disable"},
		{name: "DeleteTopicRule", method: "DELETE", path: "/rules/r"},
		{name: "CreateJob", method: "PUT", path: "/jobs/new", body: `{"targets":["` + arnOf + `thing/lamp"],"document":"{}"}`},
		{name: "CancelJob", method: "PUT", path: "/jobs/j/cancel"},
	}
	for _, s := range steps {
		before := c.view()
		mend := srv.FailState(errors.New("no space left on device"))
		status, _, answer := c.ask(s)
		if got := c.view(); status != http.StatusInternalServerError || !strings.Contains(answer, "no space left") || got != before {
			t.Errorf("%s: %d %s%s", s.name, status, answer, differ(got, before))
		}
		mend()
		if status, _, answer := c.ask(s); status != http.StatusOK {
			t.Errorf("%s, once it can be kept: %d %s", s.name, status, answer)
		}
	}
}

// The handles of the program around the server do nothing that cannot be kept, either.
func TestHandlesThatCannotKeep(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: t.TempDir()})
	account(t, srv)
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, srv)
	c.vars["lamp"] = lamp.CertificateID()
	failed := func(ok bool) error {
		if ok {
			return nil
		}
		return errors.New("false")
	}
	for name, do := range map[string]func() error{
		"NewThing":             func() error { _, err := srv.NewThing("new"); return err },
		"SetCertificateStatus": func() error { return srv.SetCertificateStatus(lamp.CertificateID(), iotlocal.CertificateRevoked) },
		"Policy.Put":           func() error { return srv.Policy().Put("p", strings.Replace(allowAll, "Allow", "Deny", 1)) },
		"Policy.Attach":        func() error { return srv.Policy().Attach("unused", lamp.CertificateID()) },
		"Policy.Detach":        func() error { return failed(srv.Policy().Detach("p", lamp.CertificateID())) },
		"Policy.Delete":        func() error { return failed(srv.Policy().Delete("p")) },
		"Policy.SetThing":      func() error { return srv.Policy().SetThing(iotlocal.PolicyThing{Name: "lamp", TypeName: "x"}) },
		"Templates.Create": func() error {
			return srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{})
		},
		"Templates.Delete": func() error { return failed(srv.Templates().Delete("fleet")) },
		"Templates.Claim":  func() error { _, err := srv.Templates().Claim("fleet", iotlocal.ClaimOptions{}); return err },
		"Authorizers.Put": func() error {
			return srv.Authorizers().Put(iotlocal.Authorizer{Name: "on", URL: "http://localhost/z", SigningDisabled: true})
		},
		"Authorizers.Delete":  func() error { return failed(srv.Authorizers().Delete("on")) },
		"Authorizers.Default": func() error { return srv.Authorizers().SetDefault("") },
		"Rules.Put":           func() error { return srv.Rules().Put(iotlocal.TopicRule{Name: "r", SQL: "SELECT * FROM 'z'"}) },
		"Rules.Delete":        func() error { return failed(srv.Rules().Delete("r")) },
	} {
		before := c.view()
		mend := srv.FailState(errors.New("no space left on device"))
		err := do()
		if got := c.view(); err == nil || got != before {
			t.Errorf("%s: %v%s", name, err, differ(got, before))
		}
		mend()
	}
}

// Connections, publishes and the decisions of policies wait for no control operation that waits for the disk.
func TestDiskHoldsUpNoDevice(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		nw := &memnet.Network{}
		srv, err := iotlocal.Start(iotlocal.Options{StateDir: dir, Listen: func(_, addr string) (net.Listener, error) { return nw.Listen(addr) }})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		if err := errors.Join(srv.Policy().Put("all", allowAll), srv.Policy().Attach("all", iotlocal.AnyPrincipal)); err != nil {
			t.Fatal(err)
		}
		e := &env{t, nw, srv}
		open, _ := e.connect5("open")
		open.sub(0, "a/#")
		other, _ := e.connect5("other")
		release := sync.OnceFunc(srv.HoldState())
		defer release()
		done := make(chan error, 1)
		go func() { done <- srv.Policy().Put("other", allowAll) }()
		synctest.Wait() // it waits for the disk
		if names := srv.Policy().Names(); len(names) != 1 {
			t.Errorf("seen before it is kept: %v", names)
		}
		other.pub("a/1", "x", 1) // and its PUBACK
		want[*p5.Publish](open)
		late, _ := e.connect5("late", persistent)
		late.sub(0, "b/#")
		late.pub("a/2", "y", 2)
		want[*p5.Publish](open)
		late.drop()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("the operation did not wait: %v", err)
		default:
		}
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if names := srv.Policy().Names(); len(names) != 2 {
			t.Errorf("not there: %v", names)
		}
	})
}

// What one more thing costs does not grow with those that are there: bytes in the state file, with a group that all are in.
func TestCostOfTheLastThing(t *testing.T) {
	dir := t.TempDir()
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: dir})
	if err := srv.Configure([]byte(`[{"operation": "CreateThingGroup", "thingGroupName": "all"}]`)); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "state"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	add := func(from, to int) (bytes int64) {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, `,{"operation": "CreateThing", "thingName": "thing-%04d"}, {"operation": "AddThingToThingGroup", "thingName": "thing-%04d", "thingGroupName": "all"}`, i, i)
		}
		before := size()
		if err := srv.Configure([]byte("[" + b.String()[1:] + "]")); err != nil {
			t.Fatal(err)
		}
		return size() - before
	}
	first := add(0, 1)
	add(1, 4999)
	if last := add(4999, 5000); last != first {
		t.Errorf("the first thing takes %d bytes, the 5,000th %d", first, last)
	}
}

// What a change is made of is kept together: a server that is killed has all of it or nothing.
func TestStateIsOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: dir})
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for cut := 1; cut < len(lines); cut++ {
		killed := t.TempDir()
		err := errors.Join(os.CopyFS(filepath.Join(killed, "certs"), os.DirFS(filepath.Join(dir, "certs"))),
			os.WriteFile(filepath.Join(killed, "state"), []byte(strings.Join(lines[:cut], "")), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		again := iotlocal.StartT(t, iotlocal.Options{StateDir: killed})
		_, thing := again.Templates().Thing("lamp")
		if _, certificate := again.CertificateStatus(lamp.CertificateID()); thing != certificate {
			t.Errorf("after %d lines: thing %v, its certificate %v", cut, thing, certificate)
		}
	}
}

// Configure waits for the disk once, at its end, whole or up to an error; that it cannot keep something is an error.
func TestConfigureSavesOnce(t *testing.T) {
	dir := t.TempDir()
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: dir})
	syncs := srv.CountSyncs()
	err := srv.Configure([]byte(`[{"operation": "NewThing", "thingName": "lamp"},
		{"operation": "CreateThing", "thingName": "a"}, {"operation": "CreateThing", "thingName": "b"}]`))
	if err != nil || syncs() != 1 {
		t.Errorf("%v, %d times", err, syncs())
	}
	err = srv.Configure([]byte(`[{"operation": "CreateThing", "thingName": "c"}, {"operation": "CreateThing", "thingName": " "}]`))
	if e, ok := errors.AsType[*iotlocal.ConfigError](err); !ok || e.Operation != "CreateThing" || syncs() != 2 {
		t.Errorf("%v, %d times", err, syncs())
	}
	if err := srv.BreakState(); err != nil {
		t.Fatal(err)
	}
	err = srv.Configure([]byte("[\n{\"operation\": \"CreateThing\", \"thingName\": \"d\"}]"))
	if e, ok := errors.AsType[*iotlocal.ConfigError](err); !ok || e.Line != 2 {
		t.Errorf("what cannot be kept: %v", err)
	}
	_ = srv.Close() // the state has ended before
	again := iotlocal.StartT(t, iotlocal.Options{StateDir: dir})
	for name, want := range map[string]bool{"lamp": true, "a": true, "b": true, "c": true, "d": false} {
		if _, ok := again.Templates().Thing(name); ok != want {
			t.Errorf("%s is there: %v, want %v", name, ok, want)
		}
	}
}
