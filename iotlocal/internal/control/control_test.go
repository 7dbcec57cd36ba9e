package control

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/internal/sigv4"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// echo answers with the fields that it got.
func echo(c *Call) (any, error) {
	return map[string]any{"operation": c.Operation, "values": c.values, "arn": c.ARN("thing/x")}, nil
}

// letters is a list of letters, read page by page.
func letters(c *Call) (any, error) {
	answer := map[string]any{}
	all := strings.Split("abcdefghij", "")
	down := !c.Bool("ascendingOrder", true)
	pager := ByToken
	if c.Operation == "ListPolicies" {
		pager = ByMarker
	}
	if down {
		slices.Reverse(all)
	}
	page, err := Page(c, pager, all, down, func(s string) string { return s }, answer)
	answer["page"] = strings.Join(page, "")
	return answer, err
}

func plane(t *testing.T, o Options) *Plane {
	t.Helper()
	if o.Signatures == nil {
		o.Signatures = func() (sigv4.Policy, bool) { return sigv4.Policy{}, false }
	}
	o.Now, o.Account = func() time.Time { return now }, "123456789012"
	row := func(name, method, path string) rest.Operation {
		return rest.Operation{Name: name, Method: method, Path: path, Do: func(c *rest.Call) (any, error) { return map[string]string{"operation": name}, nil }}
	}
	p, err := New(o, map[string]Handler{"CreateThing": echo, "UpdateThing": echo, "AttachThingPrincipal": echo, "ListThings": letters, "ListPolicies": letters,
		"ListJobExecutionsForThing": echo, "ListAuthorizers": echo, "ListAttachedPolicies": echo, "CreateJob": echo,
		"DeleteThing": func(c *Call) (any, error) { return nil, Refuse(VersionConflict, "no") },
		"DescribeThing": func(c *Call) (any, error) {
			return nil, Exists(false, "id", c.ARN("thing/"+c.Text("thingName")), "there is a %s", c.Text("thingName"))
		}},
		&Service{Name: Data, Table: rest.NewTable([]rest.Operation{row("GetThingShadow", "GET", "/things/{thingName}/shadow")})},
		&Service{Name: JobsData, Table: rest.NewTable([]rest.Operation{row("GetPendingJobExecutions", "GET", "/things/{thingName}/jobs")})})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is one to localhost with headers by name and value.
func request(method, target, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	return r
}

func serve(p *Plane, r *http.Request) (*http.Response, map[string]any) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	var body map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Result(), body
}

// scope is the header of a signature for a service, as far as it is read without credentials.
func scope(service string) string {
	return "AWS4-HMAC-SHA256 Credential=AKID/20260301/eu-west-1/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
}

func TestDispatch(t *testing.T) {
	p := plane(t, Options{Local: true, Hosts: []string{"box.example"}})
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		want   string // part of the answer
		kind   string // X-Amzn-Errortype
	}{
		{"unsigned", request("POST", "/things/lamp", `{"thingTypeName":"bulb"}`), 200, `"values":{"thingName":"lamp","thingTypeName":"bulb"}`, ""},
		{"region by default", request("POST", "/things/lamp", ""), 200, "arn:aws:iot:us-east-1:123456789012:thing/x", ""},
		{"region of the signature", request("POST", "/things/lamp", "", "Authorization", scope("iot")), 200, "arn:aws:iot:eu-west-1:123456789012:thing/x", ""},
		{"as old models sign", request("POST", "/things/lamp", "", "Authorization", scope("execute-api")), 200, "CreateThing", ""},
		{"colliding path, unsigned", request("GET", "/things/lamp/jobs", ""), 200, "ListJobExecutionsForThing", ""},
		{"colliding path of iot", request("GET", "/things/lamp/jobs", "", "Authorization", scope("iot")), 200, "ListJobExecutionsForThing", ""},
		{"colliding path of jobs", request("GET", "/things/lamp/jobs", "", "Authorization", scope("iot-jobs-data")), 200, "GetPendingJobExecutions", ""},
		{"data, unsigned", request("GET", "/things/lamp/shadow", ""), 200, "GetThingShadow", ""},
		{"data", request("GET", "/things/lamp/shadow", "", "Authorization", scope("iotdata")), 200, "GetThingShadow", ""},
		{"of another service", request("GET", "/things/lamp/shadow", "", "Authorization", scope("iot")), 404, "no operation", "UnknownOperationException"},
		{"unknown service", request("POST", "/things/lamp", "", "Authorization", scope("s3")), 200, "CreateThing", ""},
		{"without handler", request("POST", "/indices/search", ""), 501, "SearchIndex is not available", "NotImplementedException"},
		{"listed without handler", request("GET", "/rules", ""), 501, "ListTopicRules is not available", "NotImplementedException"},
		{"unknown path", request("GET", "/nothing", ""), 404, "no operation at GET /nothing", "UnknownOperationException"},
		{"unknown method", request("PUT", "/things/lamp", ""), 405, "Method PUT is not allowed", "MethodNotAllowedException"},
		{"path trick", request("POST", "/things/%2e%2e%2fx", ""), 400, "at 'thingName' failed to satisfy constraint", "InvalidRequestException"},
		{"encoded path", request("POST", "/attached-policies/arn%3Aaws%3Aiot%3Ax%3A1%3Acert%2Fab", ""), 200, `"target":"arn:aws:iot:x:1:cert/ab"`, ""},
		{"slash at the end", request("GET", "/authorizers/?isAscendingOrder=True&pageSize=3", ""), 200, `"values":{"ascendingOrder":true,"pageSize":3}`, ""},
		{"no slash at the end", request("GET", "/authorizers?status=ACTIVE", ""), 200, `"values":{"status":"ACTIVE"}`, ""},
		{"refusal", request("DELETE", "/things/lamp", ""), 409, `"message":"no"`, "VersionConflictException"},
		{"exists", request("GET", "/things/lamp", ""), 409, `"resourceArn":"arn:aws:iot:us-east-1:123456789012:thing/lamp","resourceId":"id"`, "ResourceAlreadyExistsException"},
		{"header", request("PUT", "/things/lamp/principals", "", "X-Amzn-Principal", "arn:x"), 200, `"principal":"arn:x"`, ""},
		{"page of this host", request("POST", "/things/lamp", "", "Origin", "http://localhost:8080"), 200, "CreateThing", ""},
		{"page of another host", request("POST", "/things/lamp", "", "Origin", "https://evil.example"), 403, "cross-origin request", "AccessDeniedException"},
		{"page without origin", request("POST", "/things/lamp", "", "Origin", "null"), 403, "cross-origin request", "AccessDeniedException"},
		{"host that leads here", request("POST", "/things/lamp", "", "Host", "evil.example:8080"), 403, `this endpoint is not \"evil.example:8080\"`, "AccessDeniedException"},
		{"host of the certificate", request("POST", "/things/lamp", "", "Host", "Box.example:8080"), 200, "CreateThing", ""},
		{"IPv6", request("POST", "/things/lamp", "", "Host", "[::1]:8080"), 200, "CreateThing", ""},
		{"host of the network", request("POST", "/things/lamp", "", "Host", "10.0.0.1:8080"), 403, `this endpoint is not \"10.0.0.1:8080\"`, "AccessDeniedException"},
	} {
		a, body := serve(p, tt.r)
		text, _ := json.Marshal(body)
		if a.StatusCode != tt.status || !strings.Contains(string(text), tt.want) || a.Header.Get("X-Amzn-Errortype") != tt.kind || a.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: %d %s %s, want %d %s %q", tt.name, a.StatusCode, text, a.Header.Get("X-Amzn-Errortype"), tt.status, tt.want, tt.kind)
		}
	}
	if a, _ := serve(plane(t, Options{}), request("POST", "/things/lamp", "")); a.StatusCode != 403 {
		t.Errorf("others reach it: %d", a.StatusCode)
	}
}

func TestFields(t *testing.T) {
	p := plane(t, Options{Local: true})
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"null is absent", "POST", "/things/a", `{"thingTypeName":null}`, 200, `"values":{"thingName":"a"}`},
		{"unknown member", "POST", "/things/a", `{"x":1}`, 200, `"values":{"thingName":"a"}`},
		{"object", "POST", "/things/a", `{"attributePayload":{"attributes":{"b":"c"}}}`, 200, `"attributePayload":{"attributes":{"b":"c"}}`},
		{"whole, boolean", "PATCH", "/things/a", `{"expectedVersion":3,"removeThingType":true}`, 200, `"expectedVersion":3,"removeThingType":true`},
		{"list", "PUT", "/jobs/j", `{"targets":["a","b"]}`, 200, `"targets":["a","b"]`},
		{"long name", "POST", "/things/" + strings.Repeat("a", 129), "", 400, "length less than or equal to 128"},
		{"name", "POST", "/things/a%20b", "", 400, `Value 'a b' at 'thingName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+`},
		{"name that is no UTF-8", "POST", "/things/a%ff", "", 400, "Member must be valid UTF-8"},
		{"member", "POST", "/things/a", `{"thingTypeName":"a/b"}`, 400, "at 'thingTypeName' failed"},
		{"empty member", "POST", "/things/a", `{"thingTypeName":""}`, 400, "length greater than or equal to 1"},
		{"string for a number", "PATCH", "/things/a", `{"expectedVersion":"3"}`, 400, "expectedVersion must be a whole number"},
		{"fraction", "PATCH", "/things/a", `{"expectedVersion":1.5}`, 400, "expectedVersion must be a whole number"},
		{"negative", "PATCH", "/things/a", `{"expectedVersion":-1}`, 400, "Value '-1' at 'expectedVersion'"},
		{"number for a string", "POST", "/things/a", `{"thingTypeName":1}`, 400, "thingTypeName must be a string"},
		{"string for a boolean", "PATCH", "/things/a", `{"removeThingType":"true"}`, 400, "removeThingType must be true or false"},
		{"list for an object", "POST", "/things/a", `{"attributePayload":[]}`, 400, "attributePayload must be an object"},
		{"string for a list", "PUT", "/jobs/j", `{"targets":"a"}`, 400, "targets must be a list of strings"},
		{"required", "PUT", "/jobs/j", `{}`, 400, "Value at 'targets' failed to satisfy constraint: Member must not be null"},
		{"enum", "PUT", "/jobs/j", `{"targets":["a"],"targetSelection":"X"}`, 400, "enum value set: [CONTINUOUS, SNAPSHOT]"},
		{"control character", "PUT", "/jobs/j", `{"targets":["a"],"description":"\u0007"}`, 400, "no control characters"},
		{"query number", "GET", "/things?maxResults=x", "", 400, `maxResults: \"x\" is not a whole number`},
		{"query bounds", "GET", "/things?maxResults=251", "", 400, "Member must be from 1 to 250"},
		{"query boolean", "GET", "/policies?isAscendingOrder=maybe", "", 400, `ascendingOrder: \"maybe\" is neither true nor false`},
		{"query", "GET", "/things?a=%zz", "", 400, "the query is malformed"},
		{"header required", "PUT", "/things/a/principals", "", 400, "Value at 'principal'"},
		{"no JSON", "POST", "/things/a", `{`, 400, "the body is not a JSON object"},
		{"no object", "POST", "/things/a", `[]`, 400, "the body is not a JSON object"},
		{"no UTF-8", "POST", "/things/a", "{\"a\":\"\xff\"}", 400, "the body is not UTF-8"},
		{"bomb", "POST", "/things/a", strings.Repeat(`{"a":`, 100_000), 400, "nested deeper than 64 levels"},
		{"braces in a string", "POST", "/things/a", `{"x":"` + strings.Repeat(`[{\"`, 100) + `"}`, 200, `"thingName":"a"`},
		{"oversize", "POST", "/things/a", strings.Repeat(" ", rest.MaxBody+1), 413, "exceeds the maximum size"},
	} {
		a, body := serve(p, request(tt.method, tt.target, tt.body))
		text, _ := json.Marshal(body)
		if a.StatusCode != tt.status || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, a.StatusCode, text, tt.status, tt.want)
		}
	}
}

func TestPages(t *testing.T) {
	p := plane(t, Options{Local: true})
	for _, tt := range []struct{ first, token, next, want string }{
		{"/things?maxResults=4", "nextToken", "nextToken", "abcd efgh ij"},
		{"/policies?pageSize=5", "marker", "nextMarker", "abcde fghij"},
		{"/policies?pageSize=4&isAscendingOrder=false", "marker", "nextMarker", "jihg fedc ba"},
		{"/things", "nextToken", "nextToken", "abcdefghij"},
	} {
		var pages []string
		for target := tt.first; target != ""; {
			a, body := serve(p, request("GET", target, ""))
			if a.StatusCode != 200 {
				t.Fatalf("%s: %v", target, body)
			}
			pages = append(pages, body["page"].(string))
			target = ""
			if next, ok := body[tt.next].(string); ok {
				target = tt.first + "&" + tt.token + "=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(next)
			}
		}
		if got := strings.Join(pages, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.first, got, tt.want)
		}
	}
	_, body := serve(p, request("GET", "/things?maxResults=1", ""))
	ofThings := body["nextToken"].(string)
	for name, target := range map[string]string{"made up": "/things?nextToken=61626364656667686970717273", "no hexadecimal": "/things?nextToken=!", "short": "/things?nextToken=61", "of another operation": "/policies?marker=" + ofThings} {
		if a, body := serve(p, request("GET", target, "")); a.StatusCode != 400 || a.Header.Get("X-Amzn-Errortype") != "InvalidRequestException" {
			t.Errorf("%s: %d %v", name, a.StatusCode, body)
		}
	}
}

// sign signs a request as the page "Create a signed AWS API request" says, here without its own helpers: host, x-amz-date and
// content-type.
func sign(r *http.Request, body, secret, service string) {
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	stamp := now.Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("Content-Type", "application/json")
	canonical := strings.Join([]string{r.Method, strings.ReplaceAll(r.URL.EscapedPath(), "%", "%25"), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"),
		"content-type:application/json", "host:" + r.Host, "x-amz-date:" + stamp, "", "content-type;host;x-amz-date", hash(body)}, "\n")
	scope := stamp[:8] + "/eu-west-1/" + service + "/aws4_request"
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKID/%s, SignedHeaders=content-type;host;x-amz-date, Signature=%x",
		scope, mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hash(canonical)}, "\n"))))
}

func TestSignatures(t *testing.T) {
	p := plane(t, Options{Signatures: func() (sigv4.Policy, bool) {
		return sigv4.Policy{Secrets: map[string]sigv4.Secret{"AKID": {Key: "secret"}}}, true
	}})
	const body = `{"thingTypeName":"bulb"}`
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
		kind   string
	}{
		"good":             {func(*http.Request) {}, 200, ""},
		"old service name": {func(r *http.Request) { sign(r, body, "secret", "execute-api") }, 200, ""},
		"other host":       {func(r *http.Request) { r.Host = "broker.example"; sign(r, body, "secret", "iot") }, 200, ""},
		"unsigned":         {func(r *http.Request) { clear(r.Header) }, 403, "MissingAuthenticationTokenException"},
		"other secret":     {func(r *http.Request) { sign(r, body, "guess", "iot") }, 403, "InvalidSignatureException"},
		"other service":    {func(r *http.Request) { sign(r, body, "secret", "s3") }, 403, "InvalidSignatureException"},
		"other body":       {func(r *http.Request) { sign(r, body+" ", "secret", "iot") }, 403, "InvalidSignatureException"},
		"other method":     {func(r *http.Request) { r.Method = "PATCH" }, 403, "InvalidSignatureException"},
		"other path":       {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/things/b", "" }, 403, "InvalidSignatureException"},
		"other query":      {func(r *http.Request) { r.URL.RawQuery = "x=2" }, 403, "InvalidSignatureException"},
		"other header":     {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 403, "InvalidSignatureException"},
		"cross-origin":     {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "AccessDeniedException"},
	} {
		r := request("POST", "/things/a%3Ab?x=a%20b", body)
		sign(r, body, "secret", "iot")
		tt.change(r)
		if a, body := serve(p, r); a.StatusCode != tt.status || a.Header.Get("X-Amzn-Errortype") != tt.kind {
			t.Errorf("%s: %d %s %v, want %d %s", name, a.StatusCode, a.Header.Get("X-Amzn-Errortype"), body, tt.status, tt.kind)
		}
	}
}

// The tables are sound: every line can be read, every operation is found under its own path, and every field of a path is one of it.
func TestTables(t *testing.T) {
	seen := map[string]string{}
	for _, rows := range []string{Operations, Others} {
		all, err := parse(rows)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			if other := seen[o.name]; other != "" {
				t.Errorf("%s is there twice", o.name)
			}
			seen[o.name] = o.method + " " + o.path
			path := o.path
			for _, f := range o.fields {
				path = strings.ReplaceAll(path, "{"+f.name+"}", "x")
			}
			if strings.Contains(path, "{") && len(o.fields) > 0 {
				t.Errorf("%s: %s has a part that is no field", o.name, o.path)
			}
		}
	}
	if len(seen) < 230 {
		t.Errorf("%d operations", len(seen))
	}
	handlers := map[string]Handler{}
	known, _ := parse(Operations)
	for _, o := range known {
		handlers[o.name] = echo
	}
	p, err := New(Options{}, handlers)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range known {
		path := o.path
		for strings.Contains(path, "{") {
			from, to := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:from] + "x" + path[to+1:]
		}
		if got := p.services[0].Table.Name(request(o.method, path, "")); got != o.name {
			t.Errorf("%s %s is %s, want %s", o.method, path, got, o.name)
		}
	}
	for name, rows := range map[string]string{"short": "A GET", "no path": "A GET x", "no type": "A GET /x a:nothing", "no colon": "A GET /x a"} {
		if _, err := parse(rows); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := New(Options{}, map[string]Handler{"Nothing": echo}); err == nil {
		t.Error("handler of no operation: taken")
	}
}

func TestResource(t *testing.T) {
	for arn, want := range map[string]string{"arn:aws:iot:x:1:cert/ab": "cert/ab", "arn:aws-cn:iot:::thinggroup/a:b": "thinggroup/a:b", "arn:aws:s3:x:1:cert/ab": "", "cert/ab": "", "arn:aws:iot:x:1:": "", "": ""} {
		if got, ok := Resource(arn); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", arn, got, ok)
		}
	}
}

// Whatever is asked is answered, in AWS's shape.
func FuzzPlane(f *testing.F) {
	f.Add("POST", "/things/a", `{"thingTypeName":"b"}`, scope("iot"))
	f.Add("GET", "/things?maxResults=1&nextToken=YQ==", "", "")
	f.Add("PUT", "/jobs/j", `{"targets":[1]}`, scope("iotdata"))
	f.Add("PATCH", "/attached-policies/a%2Fb", "[[[[", "AWS4-HMAC-SHA256 Credential=")
	f.Fuzz(func(t *testing.T, method, target, body, authorization string) {
		r, err := http.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Authorization", authorization)
		a, answer := serve(plane(t, Options{Local: true}), r)
		if a.StatusCode >= 400 && (answer["message"] == nil || a.Header.Get("X-Amzn-Errortype") == "") || a.StatusCode >= 500 && a.StatusCode != 501 {
			t.Errorf("%d %v", a.StatusCode, answer)
		}
	})
}
