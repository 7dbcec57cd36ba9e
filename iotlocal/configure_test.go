package iotlocal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

const houseConfig = `[
	{"operation": "NewThing", "thingName": "lamp"},
	{"operation": "CreateThingGroup", "thingGroupName": "lamps"},
	{"operation": "AddThingToThingGroup", "thingGroupName": "lamps", "thingName": "lamp"},
	{"operation": "CreatePolicy", "policyName": "device", "policyDocument": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"}]}},
	{"operation": "AttachPolicy", "policyName": "device", "target": "${iotlocal:certificate/lamp}"},
	{"operation": "CreateJob", "jobId": "j", "targets": ["${iotlocal:thinggroup/lamps}"], "document": {"v": 1}}
]`

func TestConfigure(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	for range 2 { // again as after a restart with a state
		if err := srv.Configure([]byte(houseConfig)); err != nil {
			t.Fatal(err)
		}
	}
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	if names := srv.Policy().Attached(lamp.CertificateID()); fmt.Sprint(names) != "[device]" {
		t.Errorf("attached: %v", names)
	}
	for client, want := range map[string]bool{"lamp": true, "other": false} {
		if d := srv.Policy().Test(lamp.CertificateID(), iotlocal.PolicyRequest{Action: "iot:Connect", Resource: "client/" + client, ClientID: client}); d.Allowed() != want {
			t.Errorf("connect as %s: %v", client, d)
		}
	}
	if all := srv.Jobs("lamp").List(); len(all) != 1 || string(all[0].Document) != `{"v":1}` {
		t.Errorf("jobs: %+v", all)
	}
}

// A version that the text adds is there once, however often the text is done, and is the default one again where the text says so.
func TestConfigureVersions(t *testing.T) {
	policy := func(operation, action, more string) string {
		return `{"operation": "` + operation + `", "policyName": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [` +
			`{"Effect": "Allow", "Action": "iot:` + action + `", "Resource": "*"}]}` + more + "},\n"
	}
	template := func(operation, kind, more string) string {
		body := strings.Replace(iotlocal.DefaultTemplate, `{"SerialNumber"`, `{"Kind": {"Type": "String", "Default": "`+kind+`"}, "SerialNumber"`, 1)
		return `{"operation": "` + operation + `", "templateName": "fleet", "templateBody": ` + body + more + "}"
	}
	const asDefault = `, "setAsDefault": true`
	text := "[" + policy("CreatePolicy", "*", "") + policy("CreatePolicyVersion", "Connect", asDefault) + policy("CreatePolicyVersion", "Publish", "") +
		policy("CreatePolicyVersion", "Receive", asDefault) + template("CreateProvisioningTemplate", "a", `, "provisioningRoleArn": "arn:aws:iam::1:role/xxxxx"`) +
		",\n" + template("CreateProvisioningTemplateVersion", "b", asDefault) + ",\n" + template("CreateProvisioningTemplateVersion", "c", "") + "]"
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	for i := range 7 { // more often than there may be versions
		if i == 3 {
			text = strings.ReplaceAll(text, `": {`, "\":\t{") // the same, written in another way
		}
		if err := srv.Configure([]byte(text)); err != nil {
			t.Fatalf("run %d: %v", i+1, err)
		}
		c.run([]step{
			{name: "policy", method: "GET", path: "/policies/p", want: `iot:Receive | "defaultVersionId":"4"`},
			{name: "no fifth", method: "GET", path: "/policies/p/version/5", status: 404},
			{name: "template", method: "GET", path: "/provisioning-templates/fleet", want: `"defaultVersionId":2`},
			{name: "no fourth", method: "GET", path: "/provisioning-templates/fleet/versions/4", status: 404},
			{name: "another default", method: "PATCH", path: "/policies/p/version/1", want: "{}"},
		})
	}
	// What is new is added, once.
	more := "[" + policy("CreatePolicyVersion", "Subscribe", "") + strings.TrimSuffix(policy("CreatePolicyVersion", "Publish", ""), ",\n") + "]"
	c.run([]step{{name: "room", method: "DELETE", path: "/policies/p/version/2", want: "{}"}})
	for range 2 {
		if err := srv.Configure([]byte(more)); err != nil {
			t.Fatal(err)
		}
	}
	c.run([]step{
		{name: "added", method: "GET", path: "/policies/p/version/5", want: "iot:Subscribe"},
		{name: "no more", method: "GET", path: "/policies/p/version/6", status: 404},
	})
}

func TestConfigureRefuses(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	for _, tt := range []struct {
		name, text string
		line       int
		operation  string
		err        string
	}{
		{"no JSON", "[\n{", 2, "", "ends too early"},
		{"another operation", "[\n\n{\"operation\": \"Create\"}]", 3, "Create", "not an operation"},
		{"one that reads", `[{"operation": "ListThings"}]`, 1, "ListThings", "not an operation that changes"},
		{"a member", "[{\"operation\": \"CreateThing\", \"thingName\": \"a\"},\n{\"operation\": \"CreateThing\", \"name\": \"b\", \"thingName\": \"b\"}]", 2, "CreateThing", "has no name"},
		{"a policy", `[{"operation": "CreatePolicy", "policyName": "p", "policyDocument": {"Version": "2012-10-17"}}]`, 1, "CreatePolicy", "MalformedPolicyException"},
		{"a thing without a certificate", `[{"operation": "AttachPolicy", "policyName": "p", "target": "${iotlocal:certificate/nobody}"}]`, 1, "AttachPolicy", "no NewThing has made"},
		{"NewThing", `[{"operation": "NewThing", "thingName": "a", "x": 1}]`, 1, "NewThing", "and no other"},
		{"a name for NewThing", `[{"operation": "NewThing", "thingName": "a b"}]`, 1, "NewThing", "name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := srv.Configure([]byte(tt.text))
			e, ok := errors.AsType[*iotlocal.ConfigError](err)
			if !ok || e.Line != tt.line || e.Operation != tt.operation || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), fmt.Sprintf("line %d", tt.line)) {
				t.Errorf("%v, want line %d, %s, %q", err, tt.line, tt.operation, tt.err)
			}
		})
	}
}
