package iotlocal_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// apiClient asks the API of a server.
type apiClient struct {
	t      *testing.T
	url    string
	client *http.Client
	vars   map[string]string // for {name} in paths, bodies and what is wanted
}

func newAPI(t *testing.T, srv *iotlocal.Server) *apiClient {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &apiClient{t: t, url: srv.APIURL(), client: &http.Client{Transport: tr, Timeout: time.Minute}, vars: map[string]string{}}
}

// step is a request and what is wanted of its answer.
type step struct {
	name, method, path, body string
	header                   string // NAME: VALUE
	status                   int
	want                     string // parts of the body, apart by " | "; !PART must not be there
	save                     string // VARIABLE=MEMBER of the answer
}

func (c *apiClient) fill(s string) string {
	for k, v := range c.vars {
		s = strings.ReplaceAll(s, "{"+k+"}", v)
	}
	return s
}

// ask makes a request and returns the answer.
func (c *apiClient) ask(s step) (status int, kind, body string) {
	c.t.Helper()
	r, err := http.NewRequest(s.method, c.url+c.fill(s.path), strings.NewReader(c.fill(s.body)))
	if err != nil {
		c.t.Fatal(err)
	}
	if name, value, ok := strings.Cut(c.fill(s.header), ": "); ok {
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	a, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return a.StatusCode, a.Header.Get("X-Amzn-Errortype"), string(b)
}

// run makes the requests one after the other.
func (c *apiClient) run(steps []step) {
	c.t.Helper()
	for _, s := range steps {
		status, kind, body := c.ask(s)
		text := kind + " " + body
		if s.status == 0 {
			s.status = 200
		}
		if status != s.status {
			c.t.Errorf("%s: %d %s, want %d", s.name, status, text, s.status)
		}
		for part := range strings.SplitSeq(c.fill(s.want), " | ") {
			if without, ok := strings.CutPrefix(part, "!"); ok == strings.Contains(text, without) && part != "" {
				c.t.Errorf("%s: %s, want %s", s.name, text, part)
			}
		}
		for name, member := range pairs(s.save) {
			var all map[string]any
			if err := json.Unmarshal([]byte(body), &all); err != nil {
				c.t.Fatalf("%s: %v", s.name, err)
			}
			value, ok := all[member].(string)
			if !ok {
				c.t.Fatalf("%s: no %s in %s", s.name, member, body)
			}
			c.vars[name] = value
		}
	}
}

// pairs reads NAME=VALUE,NAME=VALUE.
func pairs(s string) map[string]string {
	all := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		if k, v, ok := strings.Cut(part, "="); ok {
			all[k] = v
		}
	}
	return all
}

const arnOf = "arn:aws:iot:us-east-1:000000000000:"

func TestAPIThings(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	c.run([]step{
		{name: "create", method: "POST", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"room":"hall"}}}`, want: `"thingArn":"` + arnOf + `thing/lamp" | "thingId":"`},
		{name: "again", method: "POST", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"room":"hall"}}}`, want: `"thingName":"lamp"`},
		{name: "differently", method: "POST", path: "/things/lamp", body: `{}`, status: 409, want: `ResourceAlreadyExistsException | "resourceArn":"` + arnOf + `thing/lamp"`},
		{name: "of no type", method: "POST", path: "/things/bulb", body: `{"thingTypeName":"none"}`, status: 404, want: "ResourceNotFoundException"},
		{name: "too many attributes", method: "POST", path: "/things/bulb", body: `{"attributePayload":{"attributes":{"a":"1","b":"2","c":"3","d":"4"}}}`, status: 400, want: "InvalidRequestException"},
		{name: "bad attribute", method: "POST", path: "/things/bulb", body: `{"attributePayload":{"attributes":{"a b":"1"}}}`, status: 400, want: "attribute name"},
		{name: "bad value", method: "POST", path: "/things/bulb", body: `{"attributePayload":{"attributes":{"a":"1 2"}}}`, status: 400, want: "value of attribute a"},
		{name: "value is no string", method: "POST", path: "/things/bulb", body: `{"attributePayload":{"attributes":{"a":1}}}`, status: 400, want: "SerializationException"},
		{name: "describe", method: "GET", path: "/things/lamp", want: `"attributes":{"room":"hall"} | "defaultClientId":"lamp" | "version":1`},
		{name: "describe nothing", method: "GET", path: "/things/none", status: 404, want: "ResourceNotFoundException"},
		{name: "type", method: "POST", path: "/thing-types/light", body: `{"thingTypeProperties":{"thingTypeDescription":"d","searchableAttributes":["room"]}}`, want: `"thingTypeArn":"` + arnOf + `thingtype/light"`},
		{name: "type again", method: "POST", path: "/thing-types/light", body: `{"thingTypeProperties":{"thingTypeDescription":"d","searchableAttributes":["room"]}}`, want: `"thingTypeName":"light"`},
		{name: "type differently", method: "POST", path: "/thing-types/light", status: 409, want: "ResourceAlreadyExistsException"},
		{name: "type with too much", method: "POST", path: "/thing-types/x", body: `{"thingTypeProperties":{"searchableAttributes":["a","b","c","d"]}}`, status: 400, want: "searchable"},
		{name: "describe type", method: "GET", path: "/thing-types/light", want: `"deprecated":false | "searchableAttributes":["room"] | "thingTypeDescription":"d" | "creationDate":`},
		{name: "update", method: "PATCH", path: "/things/lamp", body: `{"thingTypeName":"light","attributePayload":{"attributes":{"floor":"1"},"merge":true},"expectedVersion":1}`, want: "{}"},
		{name: "updated", method: "GET", path: "/things/lamp", want: `"attributes":{"floor":"1","room":"hall"} | "thingTypeName":"light" | "version":2`},
		{name: "old version", method: "PATCH", path: "/things/lamp", body: `{"expectedVersion":1}`, status: 409, want: "VersionConflictException"},
		{name: "replace attributes", method: "PATCH", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"floor":"2","room":""}}}`, want: "{}"},
		{name: "replaced", method: "GET", path: "/things/lamp", want: `"attributes":{"floor":"2"}`},
		{name: "type and no type", method: "PATCH", path: "/things/lamp", body: `{"thingTypeName":"light","removeThingType":true}`, status: 400, want: "InvalidRequestException"},
		{name: "second thing", method: "POST", path: "/things/bulb", body: `{"attributePayload":{"attributes":{"floor":"25"}}}`},
		{name: "list", method: "GET", path: "/things", want: `"thingName":"bulb" | "thingName":"lamp" | !nextToken`},
		{name: "list by type", method: "GET", path: "/things?thingTypeName=light", want: `"thingName":"lamp" | !bulb`},
		{name: "list by value", method: "GET", path: "/things?attributeName=floor&attributeValue=2", want: `"thingName":"lamp" | !bulb`},
		{name: "list by prefix", method: "GET", path: "/things?attributeName=floor&attributeValue=2&usePrefixAttributeValue=true", want: `"thingName":"lamp" | "thingName":"bulb"`},
		{name: "list by name of an attribute", method: "GET", path: "/things?attributeName=room", want: `"things":[]`},
		{name: "value without name", method: "GET", path: "/things?attributeValue=2", status: 400, want: "attributeValue needs an attributeName"},
		{name: "page", method: "GET", path: "/things?maxResults=1", want: `bulb | !lamp`, save: "next=nextToken"},
		{name: "next page", method: "GET", path: "/things?maxResults=1&nextToken={next}", want: `lamp | !bulb | !nextToken`},
		{name: "delete type that holds", method: "DELETE", path: "/thing-types/light", status: 400, want: "Deprecate thing type before deletion"},
		{name: "deprecate", method: "POST", path: "/thing-types/light/deprecate", want: "{}"},
		{name: "deprecate nothing", method: "POST", path: "/thing-types/none/deprecate", status: 404},
		{name: "deprecated", method: "GET", path: "/thing-types", want: `"deprecated":true,"deprecationDate":`},
		{name: "thing of a deprecated type", method: "POST", path: "/things/new", body: `{"thingTypeName":"light"}`, status: 400, want: "deprecated thing type"},
		{name: "delete at once", method: "DELETE", path: "/thing-types/light", status: 400, want: "wait for 5 minutes"},
		{name: "type not by name", method: "GET", path: "/thing-types?thingTypeName=other", want: `"thingTypes":[]`},
		{name: "undo", method: "POST", path: "/thing-types/light/deprecate", body: `{"undoDeprecate":true}`},
		{name: "undone", method: "GET", path: "/thing-types/light", want: `"deprecated":false`},
		{name: "deprecate again", method: "POST", path: "/thing-types/light/deprecate"},
	})
	srv.Clock().Advance(5 * time.Minute)
	c.run([]step{
		{name: "type in use", method: "DELETE", path: "/thing-types/light", status: 400, want: "Things are associated"},
		{name: "take the type away", method: "PATCH", path: "/things/lamp", body: `{"removeThingType":true}`},
		{name: "delete type", method: "DELETE", path: "/thing-types/light", want: "{}"},
		{name: "type is gone", method: "GET", path: "/thing-types/light", status: 404},
		{name: "delete old version", method: "DELETE", path: "/things/lamp?expectedVersion=1", status: 409, want: "VersionConflictException"},
		{name: "delete", method: "DELETE", path: "/things/lamp", want: "{}"},
		{name: "deleted", method: "GET", path: "/things/lamp", status: 404},
		{name: "delete what is not there", method: "DELETE", path: "/things/lamp", want: "{}"},
		{name: "update what is not there", method: "PATCH", path: "/things/lamp", status: 404},
	})
}

func TestAPIGroups(t *testing.T) {
	c := newAPI(t, iotlocal.StartT(t, iotlocal.Options{}))
	steps := []step{
		{name: "create", method: "POST", path: "/thing-groups/house", body: `{"thingGroupProperties":{"thingGroupDescription":"d","attributePayload":{"attributes":{"city":"Rome"}}}}`, want: `"thingGroupArn":"` + arnOf + `thinggroup/house"`},
		{name: "differently", method: "POST", path: "/thing-groups/house", status: 409, want: "ResourceAlreadyExistsException"},
		{name: "below", method: "POST", path: "/thing-groups/floor", body: `{"parentGroupName":"house"}`},
		{name: "below again", method: "POST", path: "/thing-groups/floor", body: `{"parentGroupName":"house"}`},
		{name: "room", method: "POST", path: "/thing-groups/room", body: `{"parentGroupName":"floor"}`},
		{name: "below nothing", method: "POST", path: "/thing-groups/x", body: `{"parentGroupName":"none"}`, status: 404},
		{name: "describe", method: "GET", path: "/thing-groups/room", want: `"parentGroupName":"floor" | "rootToParentThingGroups":[{"groupName":"house","groupArn":"` + arnOf + `thinggroup/house"},{"groupName":"floor" | "version":1`},
		{name: "describe the root", method: "GET", path: "/thing-groups/house", want: `"thingGroupDescription":"d" | "attributes":{"city":"Rome"} | !parentGroupName`},
		{name: "describe nothing", method: "GET", path: "/thing-groups/none", status: 404},
		{name: "update", method: "PATCH", path: "/thing-groups/house", body: `{"thingGroupProperties":{"attributePayload":{"attributes":{"zip":"1"},"merge":true}},"expectedVersion":1}`, want: `{"version":2}`},
		{name: "old version", method: "PATCH", path: "/thing-groups/house", body: `{"thingGroupProperties":{},"expectedVersion":1}`, status: 409, want: "VersionConflictException"},
		{name: "without properties", method: "PATCH", path: "/thing-groups/house", body: `{}`, status: 400, want: "thingGroupProperties"},
		{name: "updated", method: "GET", path: "/thing-groups/house", want: `"attributes":{"city":"Rome","zip":"1"} | "thingGroupDescription":"d"`},
		{name: "list", method: "GET", path: "/thing-groups", want: `"groupName":"floor" | "groupName":"house" | "groupName":"room"`},
		{name: "list roots", method: "GET", path: "/thing-groups?recursive=false", want: `"groupName":"house" | !"room" | !"floor"`},
		{name: "list children", method: "GET", path: "/thing-groups?parentGroup=house&recursive=false", want: `"groupName":"floor" | !"room" | !"house"`},
		{name: "list all below", method: "GET", path: "/thing-groups?parentGroup=house", want: `"groupName":"floor" | "groupName":"room" | !"house"`},
		{name: "list by prefix", method: "GET", path: "/thing-groups?namePrefixFilter=ro", want: `"groupName":"room" | !"floor"`},
		{name: "list of nothing", method: "GET", path: "/thing-groups?parentGroup=none", status: 404},
		{name: "thing", method: "POST", path: "/things/lamp"},
		{name: "add", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"room","thingName":"lamp"}`, want: "{}"},
		{name: "add by ARN", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupArn":"` + arnOf + `thinggroup/house","thingArn":"` + arnOf + `thing/lamp"}`, want: "{}"},
		{name: "add with a wrong ARN", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupArn":"` + arnOf + `thing/house","thingName":"lamp"}`, status: 400},
		{name: "add with two names", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupArn":"` + arnOf + `thinggroup/house","thingGroupName":"room","thingName":"lamp"}`, status: 400},
		{name: "add nothing", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"room"}`, status: 400},
		{name: "add to nothing", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"none","thingName":"lamp"}`, status: 404},
		{name: "add what is not there", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"room","thingName":"none"}`, status: 404},
		{name: "groups of the thing", method: "GET", path: "/things/lamp/thing-groups", want: `"groupName":"house" | "groupName":"room" | !"floor"`},
		{name: "groups of nothing", method: "GET", path: "/things/none/thing-groups", status: 404},
		{name: "things", method: "GET", path: "/thing-groups/floor/things", want: `"things":[]`},
		{name: "things below", method: "GET", path: "/thing-groups/floor/things?recursive=true", want: `"things":["lamp"]`},
		{name: "things of nothing", method: "GET", path: "/thing-groups/none/things", status: 404},
		{name: "change", method: "PUT", path: "/thing-groups/updateThingGroupsForThing", body: `{"thingName":"lamp","thingGroupsToAdd":["floor"],"thingGroupsToRemove":["room"]}`},
		{name: "change of nothing", method: "PUT", path: "/thing-groups/updateThingGroupsForThing", body: `{}`, status: 400},
		{name: "changed", method: "GET", path: "/things/lamp/thing-groups", want: `"groupName":"floor" | !"room"`},
		{name: "remove", method: "PUT", path: "/thing-groups/removeThingFromThingGroup", body: `{"thingGroupName":"floor","thingName":"lamp"}`},
		{name: "removed", method: "GET", path: "/thing-groups/floor/things", want: `"things":[]`},
		{name: "delete with groups below", method: "DELETE", path: "/thing-groups/floor", status: 400, want: "child groups"},
		{name: "delete old version", method: "DELETE", path: "/thing-groups/room?expectedVersion=7", status: 409},
		{name: "delete", method: "DELETE", path: "/thing-groups/room", want: "{}"},
		{name: "delete again", method: "DELETE", path: "/thing-groups/room", want: "{}"},
	}
	parent := "house"
	for i := range 6 {
		name := fmt.Sprintf("level%d", i)
		steps = append(steps, step{name: name, method: "POST", path: "/thing-groups/" + name, body: `{"parentGroupName":"` + parent + `"}`})
		parent = name
	}
	steps = append(steps, step{name: "too deep", method: "POST", path: "/thing-groups/deep", body: `{"parentGroupName":"` + parent + `"}`, status: 410, want: "LimitExceededException"})
	for i := range 9 {
		name := fmt.Sprintf("wide%d", i)
		steps = append(steps, step{name: name, method: "POST", path: "/thing-groups/" + name},
			step{name: "add to " + name, method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"` + name + `","thingName":"lamp"}`})
	}
	steps = append(steps, step{name: "too many", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"floor","thingName":"lamp"}`, status: 410, want: "LimitExceededException"})
	c.run(steps)
}

func TestAPIPolicies(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, srv)
	doc := func(action string) string {
		return `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:` + action + `\",\"Resource\":\"*\"}]}"}`
	}
	c.vars["cert"], c.vars["certid"] = arnOf+"cert/"+thing.CertificateID(), thing.CertificateID()
	c.vars["escaped"] = strings.ReplaceAll(c.vars["cert"], "/", "%2F")
	c.run([]step{
		{name: "create", method: "POST", path: "/policies/p", body: doc("Connect"), want: `"policyArn":"` + arnOf + `policy/p" | "policyVersionId":"1"`},
		{name: "again", method: "POST", path: "/policies/p", body: doc("Connect"), status: 409, want: "ResourceAlreadyExistsException"},
		{name: "no JSON", method: "POST", path: "/policies/q", body: `{"policyDocument":"x"}`, status: 400, want: "MalformedPolicyException"},
		{name: "bad name", method: "POST", path: "/policies/q%20", body: doc("Connect"), status: 400, want: "at 'policyName'"},
		{name: "too long", method: "POST", path: "/policies/q", body: strings.Replace(doc("Connect"), `\"*\"`, `\"`+strings.Repeat("x", 2048)+`\"`, 1), status: 400, want: "MalformedPolicyException"},
		{name: "get", method: "GET", path: "/policies/p", want: `iot:Connect | "defaultVersionId":"1"`},
		{name: "get nothing", method: "GET", path: "/policies/none", status: 404, want: "ResourceNotFoundException"},
		{name: "version 2", method: "POST", path: "/policies/p/version", body: doc("Publish"), want: `"isDefaultVersion":false | "policyVersionId":"2"`},
		{name: "version 3", method: "POST", path: "/policies/p/version?setAsDefault=true", body: doc("*"), want: `"isDefaultVersion":true`},
		{name: "version of nothing", method: "POST", path: "/policies/none/version", body: doc("*"), status: 404},
		{name: "malformed version", method: "POST", path: "/policies/p/version", body: `{"policyDocument":"{}"}`, status: 400, want: "MalformedPolicyException"},
		{name: "default", method: "GET", path: "/policies/p", want: `iot:* | "defaultVersionId":"3"`},
		{name: "get version", method: "GET", path: "/policies/p/version/2", want: `iot:Publish | "isDefaultVersion":false`},
		{name: "get no version", method: "GET", path: "/policies/p/version/7", status: 404},
		{name: "get odd version", method: "GET", path: "/policies/p/version/x", status: 400},
		{name: "versions", method: "GET", path: "/policies/p/version", want: `"isDefaultVersion":true,"versionId":"3"},{`},
		{name: "version 4", method: "POST", path: "/policies/p/version", body: doc("*")},
		{name: "version 5", method: "POST", path: "/policies/p/version", body: doc("*")},
		{name: "version 6", method: "POST", path: "/policies/p/version", body: doc("*"), status: 409, want: "VersionsLimitExceededException"},
		{name: "delete default version", method: "DELETE", path: "/policies/p/version/3", status: 409, want: "DeleteConflictException"},
		{name: "delete version", method: "DELETE", path: "/policies/p/version/4", want: "{}"},
		{name: "delete version again", method: "DELETE", path: "/policies/p/version/4", status: 404},
		{name: "version 6 has room", method: "POST", path: "/policies/p/version", body: doc("*"), want: `"policyVersionId":"6"`},
		{name: "default again", method: "PATCH", path: "/policies/p/version/1", want: "{}"},
		{name: "default to nothing", method: "PATCH", path: "/policies/p/version/9", status: 404},
		{name: "attach", method: "PUT", path: "/target-policies/p", body: `{"target":"{cert}"}`, want: "{}"},
		{name: "attach again", method: "PUT", path: "/target-policies/p", body: `{"target":"{cert}"}`, want: "{}"},
		{name: "attach nothing", method: "PUT", path: "/target-policies/none", body: `{"target":"{cert}"}`, status: 404},
		{name: "attach to nothing", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `cert/` + strings.Repeat("0", 64) + `"}`, status: 404},
		{name: "attach to a thing", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `thing/lamp"}`, status: 400, want: "Invalid principal"},
		{name: "attach to no group", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `thinggroup/none"}`, status: 404},
		{name: "group", method: "POST", path: "/thing-groups/house"},
		{name: "group below", method: "POST", path: "/thing-groups/room", body: `{"parentGroupName":"house"}`},
		{name: "attach to a group", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `thinggroup/house"}`},
		{name: "attach to an identity", method: "PUT", path: "/target-policies/p", body: `{"target":"us-east-1:11111111-2222-3333-4444-555555555555"}`},
		{name: "attached", method: "POST", path: "/attached-policies/{escaped}", want: `"policies":[{"policyName":"p","policyArn":"` + arnOf + `policy/p"}]`},
		{name: "attached to the group below", method: "POST", path: "/attached-policies/" + strings.ReplaceAll(arnOf+"thinggroup/room", "/", "%2F"), want: `"policies":[]`},
		{name: "attached above", method: "POST", path: "/attached-policies/" + strings.ReplaceAll(arnOf+"thinggroup/room", "/", "%2F") + "?recursive=true", want: `"policyName":"p"`},
		{name: "targets", method: "POST", path: "/policy-targets/p", want: `{cert} | ` + arnOf + `thinggroup/house | us-east-1:11111111`},
		{name: "first target", method: "POST", path: "/policy-targets/p?pageSize=1", save: "next=nextMarker"},
		{name: "next target", method: "POST", path: "/policy-targets/p?marker={next}", want: `!nextMarker | thinggroup/house`},
		{name: "targets of nothing", method: "POST", path: "/policy-targets/none", status: 404},
		{name: "list", method: "GET", path: "/policies", want: `"policyName":"p"`},
		{name: "delete attached", method: "DELETE", path: "/policies/p", status: 409, want: "DeleteConflictException"},
		{name: "detach", method: "POST", path: "/target-policies/p", body: `{"target":"{cert}"}`, want: "{}"},
		{name: "detach again", method: "POST", path: "/target-policies/p", body: `{"target":"{cert}"}`, want: "{}"},
		{name: "detach from the group", method: "POST", path: "/target-policies/p", body: `{"target":"` + arnOf + `thinggroup/house"}`},
		{name: "old attach", method: "PUT", path: "/principal-policies/p", header: "x-amzn-iot-principal: {cert}"},
		{name: "old list", method: "GET", path: "/principal-policies", header: "x-amzn-iot-principal: {cert}", want: `"policyName":"p"`},
		{name: "old principals", method: "GET", path: "/policy-principals", header: "x-amzn-iot-policy: p", want: `"principals":["{cert}","us-east-1:`},
		{name: "effective", method: "POST", path: "/effective-policies", body: `{"principal":"{cert}"}`, want: `"policyName":"p" | iot:Connect`},
		{name: "test", method: "POST", path: "/test-authorization?clientId=lamp", body: `{"principal":"{cert}","authInfos":[{"actionType":"CONNECT","resources":["` + arnOf + `client/lamp"]},{"actionType":"PUBLISH","resources":["` + arnOf + `topic/a"]}]}`,
			want: `"authDecision":"ALLOWED" | "authDecision":"IMPLICIT_DENY"`},
		{name: "test without", method: "POST", path: "/test-authorization?clientId=lamp", body: `{"principal":"{cert}","policyNamesToSkip":["p"],"authInfos":[{"actionType":"CONNECT","resources":["` + arnOf + `client/lamp"]}]}`, want: `"authDecision":"IMPLICIT_DENY"`},
		{name: "test with", method: "POST", path: "/test-authorization", body: `{"policyNamesToAdd":["p"],"authInfos":[{"actionType":"CONNECT","resources":["` + arnOf + `client/lamp"]}]}`, want: `"authDecision":"ALLOWED"`},
		{name: "test with nothing", method: "POST", path: "/test-authorization", body: `{"policyNamesToAdd":["none"],"authInfos":[{"actionType":"CONNECT","resources":["` + arnOf + `client/lamp"]}]}`, status: 404},
		{name: "test of no action", method: "POST", path: "/test-authorization", body: `{"authInfos":[{"actionType":"FLY","resources":["` + arnOf + `client/lamp"]}]}`, status: 400},
		{name: "test of no resource", method: "POST", path: "/test-authorization", body: `{"authInfos":[{"actionType":"CONNECT","resources":["client/lamp"]}]}`, status: 400},
		{name: "test of nothing", method: "POST", path: "/test-authorization", body: `{"authInfos":[]}`, status: 400},
		{name: "old detach", method: "DELETE", path: "/principal-policies/p", header: "x-amzn-iot-principal: {cert}"},
		{name: "detach from the identity", method: "POST", path: "/target-policies/p", body: `{"target":"us-east-1:11111111-2222-3333-4444-555555555555"}`},
		{name: "delete with versions", method: "DELETE", path: "/policies/p", status: 409, want: "DeleteConflictException"},
		{name: "delete 2", method: "DELETE", path: "/policies/p/version/2"},
		{name: "delete 3", method: "DELETE", path: "/policies/p/version/3"},
		{name: "delete 5", method: "DELETE", path: "/policies/p/version/5"},
		{name: "delete 6", method: "DELETE", path: "/policies/p/version/6"},
		{name: "delete", method: "DELETE", path: "/policies/p", want: "{}"},
		{name: "delete again", method: "DELETE", path: "/policies/p", status: 404},
	})
}

func TestAPIEndpoint(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{Region: "eu-west-1"})
	c := newAPI(t, srv)
	address := fmt.Sprintf(`{"endpointAddress":"localhost:%d"}`, srv.TLSPort())
	c.run([]step{
		{name: "by default", method: "GET", path: "/endpoint", want: address},
		{name: "data", method: "GET", path: "/endpoint?endpointType=iot:Data", want: address},
		{name: "data of Amazon Trust Services", method: "GET", path: "/endpoint?endpointType=iot:Data-ATS", want: address},
		{name: "jobs", method: "GET", path: "/endpoint?endpointType=iot:Jobs", want: address},
		{name: "role alias", method: "GET", path: "/endpoint?endpointType=iot:CredentialProvider", status: 501, want: "iot:CredentialProvider"},
		{name: "unknown", method: "GET", path: "/endpoint?endpointType=x", status: 400, want: "InvalidRequestException"},
		{name: "region of the options", method: "POST", path: "/things/a", want: "arn:aws:iot:eu-west-1:" + iotlocal.AccountID + ":thing/a"},
	})
	none := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off})
	newAPI(t, none).run([]step{{name: "no TLS port", method: "GET", path: "/endpoint", status: 400, want: "no TLS port"}})
	off := iotlocal.StartT(t, iotlocal.Options{APIPort: iotlocal.Off})
	if off.APIPort() != iotlocal.Off || off.APIURL() != "" {
		t.Errorf("%d %q", off.APIPort(), off.APIURL())
	}
	open := iotlocal.StartT(t, iotlocal.Options{ListenAddr: "0.0.0.0"})
	if open.APIPort() != iotlocal.Off {
		t.Error("an API for everybody")
	}
	if srv, err := iotlocal.Start(iotlocal.Options{ListenAddr: "0.0.0.0", APIPort: srv.APIPort()}); err == nil || !strings.Contains(err.Error(), "set Credentials") {
		t.Errorf("%v", err)
		if err == nil {
			_ = srv.Close()
		}
	}
	credentials := map[string]iotlocal.Credential{"AKID": {SecretAccessKey: "s"}}
	signed := iotlocal.StartT(t, iotlocal.Options{ListenAddr: "0.0.0.0", Credentials: credentials})
	newAPI(t, signed).run([]step{{name: "unsigned", method: "GET", path: "/things", status: 403, want: "MissingAuthenticationTokenException"}})
	if err := signed.SetCredentials(nil); err != nil {
		t.Fatal(err)
	}
	newAPI(t, signed).run([]step{{name: "credentials taken away", method: "GET", path: "/things", status: 403, want: "AccessDeniedException"}})
}
