package iotlocal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// What nobody means well with is refused by a clear error, soon, and the server goes on.
func TestHostileRequests(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: t.TempDir()})
	account(t, srv)
	c := newAPI(t, srv)
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	text := func(s string) string { return fmt.Sprintf("%q", s) }
	sql := func(s string) string { return `{"sql":` + text("SELECT "+s+" FROM 'a'") + `,"actions":[]}` }
	c.vars["lamp"] = strings.Repeat("0", 64)
	before := c.view()
	for _, s := range []step{
		{name: "JSON bomb", method: "POST", path: "/things/new", body: `{"attributePayload":` + nested(300_000) + `}`, status: 400, want: "nested deeper"},
		{name: "JSON bomb in a text", method: "POST", path: "/policies/new", body: `{"policyDocument":` + text(nested(200_000)) + `}`, status: 400, want: "Malformed"},
		{name: "JSON bomb in a job", method: "PUT", path: "/jobs/new", body: `{"targets":["` + arnOf + `thing/lamp"],"document":` + text(`{"a":`+nested(12_000)+`}`) + `}`, status: 400},
		{name: "JSON bomb in a template", method: "POST", path: "/provisioning-templates", body: `{"templateName":"new","provisioningRoleArn":"arn:aws:iam::1:role/xxxxx","templateBody":` + text(`{"Resources":`+nested(5000)+`}`) + `}`, status: 400},
		{name: "parentheses in SQL", method: "POST", path: "/rules/new", body: sql(strings.Repeat("(", 400_000) + "1" + strings.Repeat(")", 400_000)), status: 400, want: "SqlParse"},
		{name: "NOT in SQL", method: "POST", path: "/rules/new", body: sql(strings.Repeat("NOT ", 200_000) + "true"), status: 400, want: "SqlParse"},
		{name: "minus in SQL", method: "POST", path: "/rules/new", body: sql(strings.Repeat("- ", 400_000) + "1"), status: 400, want: "SqlParse"},
		{name: "calls in SQL", method: "POST", path: "/rules/new", body: sql(strings.Repeat("abs(", 200_000) + "1" + strings.Repeat(")", 200_000)), status: 400, want: "SqlParse"},
		{name: "CASE in SQL", method: "POST", path: "/rules/new", body: sql(strings.Repeat("CASE 1 WHEN ", 60_000) + "1"), status: 400, want: "SqlParse"},
		{name: "sum in SQL", method: "POST", path: "/rules/new", body: sql("1" + strings.Repeat("+1", 400_000)), status: 400, want: "SqlParse"},
		{name: "template in a topic", method: "POST", path: "/rules/new", body: `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"roleArn":"r","topic":` + text("${"+strings.Repeat("(", 300_000)+"}") + `}}]}`, status: 400},
		{name: "body of 2 MiB", method: "POST", path: "/things/new", body: `{"thingTypeName":"` + strings.Repeat("a", 2<<20) + `"}`, status: 413},
		{name: "no UTF-8 in the body", method: "POST", path: "/things/new", body: "{\"thingTypeName\":\"\xff\"}", status: 400, want: "UTF-8"},
		{name: "no UTF-8 in the path", method: "POST", path: "/things/%ff%fe", status: 400, want: "UTF-8"},
		{name: "no UTF-8 in the query", method: "GET", path: "/things?attributeName=%ff", status: 400, want: "UTF-8"},
		{name: "no UTF-8 in a header", method: "PUT", path: "/things/lamp/principals", header: "X-Amzn-Principal: \xff\xfe", status: 400, want: "UTF-8"},
		{name: "NUL in the path", method: "POST", path: "/things/a%00b", status: 400},
		{name: "up the path", method: "POST", path: "/things/..%2f..%2fetc", status: 400},
		{name: "up the path, plainly", method: "POST", path: "/things/../things/new", status: 404},
		{name: "empty name", method: "POST", path: "/things//principals", status: 404},
		{name: "token of another operation", method: "GET", path: "/things?nextToken=" + strings.Repeat("ab", 50_00), status: 400, want: "the token"},
		{name: "page of none", method: "GET", path: "/things?maxResults=0", status: 400},
		{name: "number without end", method: "PATCH", path: "/things/lamp", body: `{"expectedVersion":` + strings.Repeat("9", 100_000) + `}`, status: 400},
		{name: "float without end", method: "PATCH", path: "/things/lamp", body: `{"expectedVersion":1e999999}`, status: 400},
		{name: "many attributes", method: "PATCH", path: "/things/lamp", body: `{"attributePayload":{"attributes":{` + many(20_000, func(i int) string { return fmt.Sprintf(`"a%d":"b"`, i) }) + `}}}`, status: 400},
		{name: "many targets", method: "PUT", path: "/jobs/new", body: `{"targets":[` + many(20_000, func(int) string { return `"` + arnOf + `thing/none"` }) + `],"document":"{}"}`, status: 404},
		{name: "page of another host", method: "POST", path: "/things/new", header: "Origin: https://evil.example", status: 403, want: "cross-origin"},
		{name: "sandboxed page", method: "POST", path: "/things/new", header: "Origin: null", status: 403, want: "cross-origin"},
		{name: "page of this host on another port", method: "POST", path: "/things/new", header: "Origin: http://localhost:1", status: 403, want: "cross-origin"},
		{name: "name rebound to this machine", method: "POST", path: "/things/new", header: "Host: evil.example", status: 403, want: "this endpoint is not"},
		{name: "operator in a group's name", method: "POST", path: "/thing-groups/a%2f..%2fb", status: 400},
		{name: "CSR of nothing", method: "POST", path: "/certificates", body: `{"certificateSigningRequest":"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----"}`, status: 400},
		{name: "certificate of nothing", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}`, status: 400},
		{name: "a list for the body", method: "POST", path: "/things/new", body: `[]`, status: 400},
		{name: "two bodies", method: "POST", path: "/things/new", body: `{}{}`, status: 400},
	} {
		status, kind, body := c.ask(s)
		if status != s.status || !strings.Contains(kind+" "+body, s.want) || len(body) > 2000 {
			t.Errorf("%s: %d %s %.300s (%d bytes), want %d %q", s.name, status, kind, body, len(body), s.status, s.want)
		}
	}
	if got := c.view(); got != before {
		t.Errorf("something has changed%s", differ(got, before))
	}
	for name, config := range map[string]string{
		"JSON bomb":      nested(1_000_000),
		"no UTF-8":       "[{\"operation\": \"CreateThingType\", \"thingTypeName\": \"a\", \"thingTypeProperties\": {\"thingTypeDescription\": \"\xff\"}}]",
		"no list":        `{"operation": "CreateThing"}`,
		"no end":         `[{"operation": "CreateThing", "thingName": "a"}`,
		"more behind it": `[] []`,
		"a byte order":   "\ufeff[]",
		"path of a file": `[{"operation": "NewThing", "thingName": "../../etc/passwd"}]`,
		"a long name":    `[{"operation": "NewThing", "thingName": "` + strings.Repeat("a", 5000) + `"}]`,
		"name of the CA": `[{"operation": "NewThing", "thingName": "ca"}]`,
		"no operation":   `[null]`,
		"two names":      `[{"operation": ["CreateThing"]}]`,
		"NUL":            "[\x00]",
	} {
		if err := srv.Configure([]byte(config)); err == nil || len(err.Error()) > 2000 {
			t.Errorf("configuration with %s: %.300v", name, err)
		}
	}
	if status, _, _ := c.ask(step{method: "GET", path: "/things/lamp"}); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}

// many joins texts.
func many(n int, f func(int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = f(i)
	}
	return strings.Join(all, ",")
}
