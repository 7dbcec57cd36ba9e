package iotlocal_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

const role = "arn:aws:iam::000000000000:role/local"

func TestAPITemplates(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	c.vars["body"], c.vars["role"] = quoted(iotlocal.DefaultTemplate), role
	c.vars["create"] = `{"templateName":"fleet","templateBody":"{body}","provisioningRoleArn":"{role}","enabled":true,"description":"d"}`
	c.run([]step{
		{name: "create", method: "POST", path: "/provisioning-templates", body: c.vars["create"], want: `"defaultVersionId":1 | "templateArn":"` + arnOf + `provisioningtemplate/fleet"`},
		{name: "again", method: "POST", path: "/provisioning-templates", body: c.vars["create"], status: 409, want: "ResourceAlreadyExistsException"},
		{name: "bad body", method: "POST", path: "/provisioning-templates", body: `{"templateName":"x","templateBody":"{}","provisioningRoleArn":"{role}"}`, status: 400, want: "InvalidRequestException"},
		{name: "without a role", method: "POST", path: "/provisioning-templates", body: `{"templateName":"x","templateBody":"{body}"}`, status: 400, want: "provisioningRoleArn"},
		{name: "JITP", method: "POST", path: "/provisioning-templates", body: `{"templateName":"x","templateBody":"{body}","provisioningRoleArn":"{role}","type":"JITP"}`, status: 400, want: "JITP"},
		{name: "bad hook", method: "POST", path: "/provisioning-templates", body: `{"templateName":"x","templateBody":"{body}","provisioningRoleArn":"{role}","preProvisioningHook":{"targetArn":"a b"}}`, status: 400, want: "targetArn"},
		{name: "odd payload version", method: "POST", path: "/provisioning-templates", body: `{"templateName":"x","templateBody":"{body}","provisioningRoleArn":"{role}","preProvisioningHook":{"targetArn":"f","payloadVersion":"1"}}`, status: 400, want: "payloadVersion"},
		{name: "describe", method: "GET", path: "/provisioning-templates/fleet", want: `"enabled":true | "description":"d" | "provisioningRoleArn":"{role}" | "type":"FLEET_PROVISIONING" | SerialNumber | !preProvisioningHook`},
		{name: "describe nothing", method: "GET", path: "/provisioning-templates/none", status: 404},
		{name: "list", method: "GET", path: "/provisioning-templates", want: `"templateName":"fleet"`},
		{name: "version 2", method: "POST", path: "/provisioning-templates/fleet/versions?setAsDefault=true", body: `{"templateBody":"{body}"}`, want: `"isDefaultVersion":true | "versionId":2`},
		{name: "bad version", method: "POST", path: "/provisioning-templates/fleet/versions", body: `{"templateBody":"[]"}`, status: 400},
		{name: "version of nothing", method: "POST", path: "/provisioning-templates/none/versions", body: `{"templateBody":"{body}"}`, status: 404},
		{name: "describe version", method: "GET", path: "/provisioning-templates/fleet/versions/1", want: `"isDefaultVersion":false | "versionId":1`},
		{name: "describe no version", method: "GET", path: "/provisioning-templates/fleet/versions/9", status: 404},
		{name: "versions", method: "GET", path: "/provisioning-templates/fleet/versions?maxResults=1", want: `"versionId":1 | !"versionId":2`, save: "next=nextToken"},
		{name: "more versions", method: "GET", path: "/provisioning-templates/fleet/versions?nextToken={next}", want: `"versionId":2 | !"versionId":1`},
		{name: "delete with versions", method: "DELETE", path: "/provisioning-templates/fleet", status: 409, want: "DeleteConflictException"},
		{name: "delete default version", method: "DELETE", path: "/provisioning-templates/fleet/versions/2", status: 409},
		{name: "default", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"defaultVersionId":1,"description":"e"}`, want: "{}"},
		{name: "default that is not there", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"defaultVersionId":9}`, status: 404},
		{name: "delete version", method: "DELETE", path: "/provisioning-templates/fleet/versions/2", want: "{}"},
		{name: "delete version again", method: "DELETE", path: "/provisioning-templates/fleet/versions/2", status: 404},
		{name: "hook", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"preProvisioningHook":{"targetArn":"arn:aws:lambda:us-east-1:1:function:gate"}}`, want: "{}"},
		{name: "hook and none", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"preProvisioningHook":{"targetArn":"gate"},"removePreProvisioningHook":true}`, status: 400},
		{name: "with a hook", method: "GET", path: "/provisioning-templates/fleet", want: `function:gate | "description":"e"`},
		{name: "claim of nothing", method: "POST", path: "/provisioning-templates/none/provisioning-claim", status: 404},
	})
	for range 4 {
		c.run([]step{{name: "more versions", method: "POST", path: "/provisioning-templates/fleet/versions", body: `{"templateBody":"{body}"}`}})
	}
	c.run([]step{
		{name: "too many versions", method: "POST", path: "/provisioning-templates/fleet/versions", body: `{"templateBody":"{body}"}`, status: 409, want: "VersionsLimitExceededException"},
		{name: "claim", method: "POST", path: "/provisioning-templates/fleet/provisioning-claim", want: `BEGIN PUBLIC KEY | "expiration":`, save: "claim=certificatePem"},
	})
	provision := func(serial string) string {
		t.Helper()
		claim, err := srv.Templates().Claim("fleet", iotlocal.ClaimOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d, code := connectTLS(t, srv, serial, claim)
		if code != 0 {
			t.Fatalf("%x", code)
		}
		_, made := d.provision(createKeys, "")
		_, a := d.provision(provisionIt, registration(made.Token, serial))
		return a.ThingName + a.ErrorCode
	}
	if got := provision("s1"); got != "AccessDenied" { // the hook is not there
		t.Error(got)
	}
	if err := srv.Templates().Register("gate", func(_ context.Context, r iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		return iotlocal.HookResponse{AllowProvisioning: r.Parameters["SerialNumber"] != "stolen"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := provision("s1"); got != "s1" {
		t.Error(got)
	}
	if got := provision("stolen"); got != "AccessDenied" {
		t.Error(got)
	}
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(b), `"parameters":{"SerialNumber":"`) || !strings.Contains(string(b), `"templateArn":"arn:aws:iot:`) {
			t.Errorf("%s", b)
		}
		fmt.Fprintf(w, `{"allowProvisioning":%v,"parameterOverrides":{"SerialNumber":"renamed"}}`, !strings.Contains(string(b), `"stolen"`))
	}))
	defer gate.Close()
	c.run([]step{{name: "URL", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"preProvisioningHook":{"targetArn":"` + gate.URL + `"}}`}})
	if got := provision("s2"); got != "renamed" {
		t.Error(got)
	}
	if got := provision("stolen"); got != "AccessDenied" {
		t.Error(got)
	}
	c.run([]step{{name: "no hook", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"removePreProvisioningHook":true}`}})
	if got := provision("stolen"); got != "stolen" {
		t.Error(got)
	}
	c.run([]step{{name: "disable", method: "PATCH", path: "/provisioning-templates/fleet", body: `{"enabled":false}`}})
	if got := provision("s3"); got != "ResourceNotFound" {
		t.Error(got)
	}
	for v := 3; v <= 6; v++ {
		c.run([]step{{name: "delete version", method: "DELETE", path: fmt.Sprintf("/provisioning-templates/fleet/versions/%d", v)}})
	}
	c.run([]step{
		{name: "delete", method: "DELETE", path: "/provisioning-templates/fleet", want: "{}"},
		{name: "delete again", method: "DELETE", path: "/provisioning-templates/fleet", status: 404},
	})
}

func TestAPIAuthorizers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	var asked atomic.Int32
	if err := srv.Authorizers().Register("mine", func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
		asked.Add(1)
		answer, err := yes(r)
		answer.IsAuthenticated = r.ProtocolData.MQTT == nil || string(r.ProtocolData.MQTT.Password) != "wrong"
		answer.RefreshAfterInSeconds = 300
		if r.Token == "odd" {
			answer.PrincipalID = "no/principal"
		}
		return answer, err
	}); err != nil {
		t.Fatal(err)
	}
	c.vars["key"], c.vars["signature"] = quoted(publicPEM(&signer().PublicKey)), signed("t")
	c.vars["odd"] = signed("odd")
	c.run([]step{
		{name: "no default", method: "GET", path: "/default-authorizer", status: 404},
		{name: "clear nothing", method: "DELETE", path: "/default-authorizer", status: 404},
		{name: "create", method: "POST", path: "/authorizer/a", body: `{"authorizerFunctionArn":"arn:aws:lambda:us-east-1:1:function:mine","signingDisabled":true,"status":"ACTIVE"}`, want: `"authorizerArn":"` + arnOf + `authorizer/a"`},
		{name: "again", method: "POST", path: "/authorizer/a", body: `{"authorizerFunctionArn":"mine","signingDisabled":true}`, status: 409, want: "ResourceAlreadyExistsException"},
		{name: "without function", method: "POST", path: "/authorizer/b", body: `{"signingDisabled":true}`, status: 400, want: "authorizerFunctionArn"},
		{name: "without key", method: "POST", path: "/authorizer/b", body: `{"authorizerFunctionArn":"mine"}`, status: 400, want: "TokenKeyName"},
		{name: "bad key", method: "POST", path: "/authorizer/b", body: `{"authorizerFunctionArn":"mine","tokenKeyName":"tok","tokenSigningPublicKeys":{"k":"x"}}`, status: 400, want: "not PEM"},
		{name: "bad function", method: "POST", path: "/authorizer/b", body: `{"authorizerFunctionArn":"a b","signingDisabled":true}`, status: 400, want: "neither the name nor the ARN"},
		{name: "signed", method: "POST", path: "/authorizer/b", body: `{"authorizerFunctionArn":"mine","tokenKeyName":"tok","tokenSigningPublicKeys":{"k":"{key}"},"enableCachingForHttp":true}`},
		{name: "describe", method: "GET", path: "/authorizer/a", want: `"authorizerFunctionArn":"arn:aws:lambda:us-east-1:1:function:mine" | "status":"ACTIVE" | "signingDisabled":true | !tokenKeyName`},
		{name: "describe signed", method: "GET", path: "/authorizer/b", want: `"status":"INACTIVE" | "tokenKeyName":"tok" | "enableCachingForHttp":true | BEGIN PUBLIC KEY`},
		{name: "describe nothing", method: "GET", path: "/authorizer/none", status: 404},
		{name: "list", method: "GET", path: "/authorizers/", want: `"authorizerName":"a" | "authorizerName":"b"`},
		{name: "list active", method: "GET", path: "/authorizers/?status=ACTIVE", want: `"authorizerName":"a" | !"authorizerName":"b"`},
		{name: "list downwards", method: "GET", path: "/authorizers/?isAscendingOrder=false&pageSize=1", want: `"authorizerName":"b" | !"authorizerName":"a"`, save: "next=nextMarker"},
		{name: "list on", method: "GET", path: "/authorizers/?isAscendingOrder=false&marker={next}", want: `"authorizerName":"a" | !"authorizerName":"b"`},
		{name: "test", method: "POST", path: "/authorizer/a/test", body: `{"mqttContext":{"username":"u","password":"c2VzYW1l","clientId":"lamp"}}`, want: `"isAuthenticated":true | "principalId":"them" | "disconnectAfterInSeconds":86400 | "refreshAfterInSeconds":300 | iot:*`},
		{name: "test that refuses", method: "POST", path: "/authorizer/a/test", body: `{"mqttContext":{"password":"d3Jvbmc="}}`, want: `"isAuthenticated":false`},
		{name: "test with a bad context", method: "POST", path: "/authorizer/a/test", body: `{"mqttContext":{"password":"!"}}`, status: 400, want: "SerializationException"},
		{name: "test signed", method: "POST", path: "/authorizer/b/test", body: `{"token":"t","tokenSignature":"{signature}"}`, want: `"isAuthenticated":true`},
		{name: "test with a bad signature", method: "POST", path: "/authorizer/b/test", body: `{"token":"x","tokenSignature":"{signature}"}`, status: 400, want: "signature of the token"},
		{name: "test with a bad answer", method: "POST", path: "/authorizer/b/test", body: `{"token":"odd","tokenSignature":"{odd}"}`, status: 400, want: "InvalidResponseException"},
		{name: "test nothing", method: "POST", path: "/authorizer/none/test", status: 404},
		{name: "default", method: "POST", path: "/default-authorizer", body: `{"authorizerName":"a"}`, want: `"authorizerName":"a"`},
		{name: "default nothing", method: "POST", path: "/default-authorizer", body: `{"authorizerName":"none"}`, status: 404},
		{name: "describe default", method: "GET", path: "/default-authorizer", want: `"authorizerName":"a"`},
		{name: "delete default", method: "DELETE", path: "/authorizer/a", status: 409, want: "DeleteConflictException"},
	})
	before := asked.Load()
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0 || asked.Load() != before+1 {
		t.Errorf("%x, asked %d times", code, asked.Load()-before)
	}
	c.run([]step{
		{name: "of a function that is not there", method: "PUT", path: "/authorizer/a", body: `{"authorizerFunctionArn":"other"}`},
		{name: "test of it", method: "POST", path: "/authorizer/a/test", status: 400, want: `InvalidResponseException | no function \"other\" is registered`},
	})
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0x87 {
		t.Errorf("%x", code)
	}
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"isAuthenticated":true,"principalId":"web","policyDocuments":[%s]}`, everything)
	}))
	defer peer.Close()
	c.run([]step{
		{name: "of a URL", method: "PUT", path: "/authorizer/a", body: `{"authorizerFunctionArn":"` + peer.URL + `"}`},
		{name: "test of it", method: "POST", path: "/authorizer/a/test", want: `"principalId":"web"`},
		{name: "keeps the rest", method: "GET", path: "/authorizer/a", want: peer.URL + ` | "signingDisabled":true | "status":"ACTIVE"`},
		{name: "update nothing", method: "PUT", path: "/authorizer/none", status: 404},
		{name: "update badly", method: "PUT", path: "/authorizer/a", body: `{"authorizerFunctionArn":"a b"}`, status: 400},
		{name: "clear", method: "DELETE", path: "/default-authorizer", want: "{}"},
		{name: "delete active", method: "DELETE", path: "/authorizer/a", status: 409, want: "INACTIVE before"},
		{name: "turn off", method: "PUT", path: "/authorizer/a", body: `{"status":"INACTIVE"}`},
		{name: "delete", method: "DELETE", path: "/authorizer/a", want: "{}"},
		{name: "delete again", method: "DELETE", path: "/authorizer/a", status: 404},
	})
	if err := srv.Authorizers().Register("a b", yes); err == nil {
		t.Error("a bad name of a function")
	}
}

func TestAPIRules(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	heard := make(chan string, 10)
	if err := srv.Rules().Register("hear", func(e iotlocal.RuleEvent) error { heard <- e.Rule + " " + string(e.Payload); return nil }); err != nil {
		t.Fatal(err)
	}
	posted := make(chan string, 10)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posted <- r.Header.Get("X-Mine") + " " + string(b)
	}))
	defer peer.Close()
	rule := func(sql, actions, more string) string {
		return `{"sql":"` + quoted(sql) + `","actions":[` + actions + `]` + more + `}`
	}
	const lambda = `{"lambda":{"functionArn":"arn:aws:lambda:us-east-1:1:function:hear"}}`
	c.run([]step{
		{name: "create", method: "POST", path: "/rules/r", body: rule("SELECT t FROM 'a/+'", lambda, `,"description":"d","errorAction":{"republish":{"topic":"err","roleArn":"`+role+`"}}`)},
		{name: "again", method: "POST", path: "/rules/r", body: rule("SELECT t FROM 'a/+'", lambda, ""), status: 409, want: "ResourceAlreadyExistsException"},
		{name: "bad SQL", method: "POST", path: "/rules/x", body: rule("SELECT", lambda, ""), status: 400, want: "SqlParseException"},
		{name: "bad name", method: "POST", path: "/rules/x-y", body: rule("SELECT * FROM 'a'", lambda, ""), status: 400, want: "at 'ruleName'"},
		{name: "other action", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"sqs":{"queueUrl":"q"}}`, ""), status: 501, want: "sqs"},
		{name: "two actions in one", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"lambda":{"functionArn":"f"},"http":{"url":"http://x"}}`, ""), status: 400, want: "http, lambda"},
		{name: "odd QoS", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"republish":{"topic":"t","qos":2}}`, ""), status: 400, want: "QoS"},
		{name: "no function", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"lambda":{}}`, ""), status: 400, want: "functionArn"},
		{name: "no URL", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"http":{"url":"x"}}`, ""), status: 400, want: "URL"},
		{name: "topic is no string", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"republish":{"topic":1}}`, ""), status: 400},
		{name: "what is not done", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", `{"republish":{"topic":"t","headers":{"responseTopic":"r"}}}`, ""), status: 400, want: "responseTopic"},
		{name: "odd version", method: "POST", path: "/rules/x", body: rule("SELECT * FROM 'a'", lambda, `,"awsIotSqlVersion":"1"`), status: 400, want: "awsIotSqlVersion"},
		{name: "without payload", method: "POST", path: "/rules/x", status: 400, want: "topicRulePayload"},
		{name: "http", method: "POST", path: "/rules/web", body: rule("SELECT * FROM 'web'", `{"http":{"url":"`+peer.URL+`","headers":[{"key":"X-Mine","value":"v"}]}}`, "")},
		{name: "republish", method: "POST", path: "/rules/again", body: rule("SELECT * FROM 'b'", `{"republish":{"topic":"a/${topic()}","qos":1,"roleArn":"`+role+`","headers":{"contentType":"x/y"}}}`, "")},
		{name: "get", method: "GET", path: "/rules/r", want: `"sql":"SELECT t FROM 'a/+'" | "description":"d" | function:hear | "errorAction":{"republish": | "ruleArn":"` + arnOf + `rule/r" | "createdAt":`},
		{name: "get republish", method: "GET", path: "/rules/again", want: `"qos":1 | "contentType":"x/y"`},
		{name: "get http", method: "GET", path: "/rules/web", want: `"key":"X-Mine" | ` + peer.URL},
		{name: "get nothing", method: "GET", path: "/rules/none", status: 401, want: "UnauthorizedException"},
		{name: "list", method: "GET", path: "/rules", want: `"ruleName":"again" | "ruleName":"r" | "topicPattern":"a/+"`},
		{name: "list by topic", method: "GET", path: "/rules?topic=" + url.QueryEscape("a/+"), want: `"ruleName":"r" | !"ruleName":"again"`},
		{name: "page", method: "GET", path: "/rules?maxResults=1", want: `"ruleName":"again" | !"ruleName":"r"`, save: "next=nextToken"},
		{name: "next page", method: "GET", path: "/rules?nextToken={next}", want: `"ruleName":"r" | "ruleName":"web"`},
	})
	publish(t, srv, "a/x", `{"t":1,"u":2}`)
	if got := <-heard; got != `r {"t":1}` {
		t.Error(got)
	}
	publish(t, srv, "b", `{"t":3}`)
	if got := <-heard; got != `r {"t":3}` {
		t.Error(got)
	}
	publish(t, srv, "web", `{"w":1}`)
	if got := <-posted; got != `v {"w":1}` {
		t.Error(got)
	}
	c.run([]step{
		{name: "disable", method: "POST", path: "/rules/r/disable", want: "{}"},
		{name: "disabled", method: "GET", path: "/rules?ruleDisabled=true", want: `"ruleName":"r" | !"ruleName":"web"`},
		{name: "disable nothing", method: "POST", path: "/rules/none/disable", status: 401},
		{name: "replace", method: "PATCH", path: "/rules/again", body: rule("SELECT u FROM 'b'", lambda, "")},
		{name: "replace badly", method: "PATCH", path: "/rules/again", body: rule("x", lambda, ""), status: 400, want: "SqlParseException"},
		{name: "replace nothing", method: "PATCH", path: "/rules/none", body: rule("SELECT u FROM 'b'", lambda, ""), status: 401},
	})
	publish(t, srv, "a/x", `{"t":4}`) // to nobody
	publish(t, srv, "b", `{"u":5}`)
	if got := <-heard; got != `again {"u":5}` {
		t.Error(got)
	}
	c.run([]step{
		{name: "enable", method: "POST", path: "/rules/r/enable", want: "{}"},
		{name: "delete", method: "DELETE", path: "/rules/again", want: "{}"},
		{name: "delete again", method: "DELETE", path: "/rules/again", want: "{}"},
		{name: "deleted", method: "GET", path: "/rules/again", status: 401},
	})
	publish(t, srv, "b", `{"u":6}`) // to nobody
	publish(t, srv, "a/x", `{"t":7}`)
	if got := <-heard; got != `r {"t":7}` {
		t.Error(got)
	}
}

func TestAPIRegisterThing(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	csr, key := newCSR(t)
	template := func(certificate string) string {
		return quoted(`{"Parameters":{"Name":{"Type":"String"},"CSR":{"Type":"String","Default":"x"}},"Resources":{` +
			`"it":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Name"},"ThingGroups":["g"],"AttributePayload":{"a":"b"}},"OverrideSettings":{"AttributePayload":"FAIL"}}` + certificate + `}}`)
	}
	c.vars["plain"], c.vars["csr"] = template(""), quoted(csr)
	c.vars["full"] = template(`,"cert":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateSigningRequest":{"Ref":"CSR"},"Status":"ACTIVE"}},"pol":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"device"}}`)
	c.vars["known"] = template(`,"cert":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"CSR"}}}`)
	c.vars["both"] = template(`,"cert":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":"a","CertificateSigningRequest":"b"}}`)
	c.run([]step{
		{name: "without certificate", method: "POST", path: "/things", body: `{"templateBody":"{plain}","parameters":{"Name":"one"}}`, want: `"resourceArns":{"it":"` + arnOf + `thing/one"} | !certificatePem`},
		{name: "made", method: "GET", path: "/things/one", want: `"attributes":{"a":"b"}`},
		{name: "in its group", method: "GET", path: "/thing-groups/g/things", want: `"one"`},
		{name: "without parameter", method: "POST", path: "/things", body: `{"templateBody":"{plain}"}`, status: 400, want: "ResourceRegistrationFailureException"},
		{name: "no template", method: "POST", path: "/things", body: `{"templateBody":"x"}`, status: 400, want: "InvalidRequestException"},
		{name: "two certificates", method: "POST", path: "/things", body: `{"templateBody":"{both}","parameters":{"Name":"one"}}`, status: 400, want: "want one of"},
		{name: "bad CSR", method: "POST", path: "/things", body: `{"templateBody":"{full}","parameters":{"Name":"two"}}`, status: 400, want: "ResourceRegistrationFailureException"},
		{name: "nothing was made", method: "GET", path: "/things/two", status: 404},
		{name: "with a CSR", method: "POST", path: "/things", body: `{"templateBody":"{full}","parameters":{"Name":"two","CSR":"{csr}"}}`, want: `"it":"` + arnOf + `thing/two" | "pol":"` + arnOf + `policy/device" | "cert":"` + arnOf + `cert/`, save: "pem=certificatePem"},
		{name: "certificate that is none", method: "POST", path: "/things", body: `{"templateBody":"{known}","parameters":{"Name":"three"}}`, status: 400, want: "there is no certificate"},
		{name: "other attributes", method: "PATCH", path: "/things/one", body: `{"attributePayload":{"attributes":{"a":"c"}}}`},
		{name: "conflict", method: "POST", path: "/things", body: `{"templateBody":"{plain}","parameters":{"Name":"one"}}`, status: 400, want: "ResourceRegistrationFailureException"},
	})
	two := identity("two", c.vars["pem"], key)
	c.vars["id"] = two.CertificateID()
	c.run([]step{
		{name: "attached", method: "GET", path: "/things/two/principals", want: `cert/{id}`},
		{name: "certificate of the account", method: "POST", path: "/things", body: `{"templateBody":"{known}","parameters":{"Name":"three","CSR":"{id}"}}`, want: `cert/{id}`},
	})
	if _, code := connectTLS(t, srv, "two", two); code != 0 {
		t.Errorf("%x", code)
	}
}
