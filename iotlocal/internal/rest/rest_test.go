package rest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

var table = rest.NewTable([]rest.Operation{
	{Name: "GetThing", Method: "GET", Path: "/things/{name}", Do: func(c *rest.Call) (any, error) {
		n, err := c.Int("n", 7, 1, 10)
		if err != nil {
			return nil, err
		}
		b, err := c.Bool("b", true)
		return map[string]any{"name": c.Path("name"), "n": n, "b": b, "q": c.Query("q")}, err
	}},
	{Name: "Publish", Method: "POST", Path: "/topics/{topic+}", Do: func(c *rest.Call) (any, error) {
		var v struct{ X int }
		if err := c.JSON(&v); err != nil {
			return nil, err
		}
		return rest.Raw(fmt.Sprintf("%s %d %s", c.Path("topic"), v.X, c.Principal)), nil
	}},
	{Name: "Literal", Method: "GET", Path: "/things/{name}/jobs/$next", Do: func(*rest.Call) (any, error) { return nil, nil }},
	{Name: "Job", Method: "GET", Path: "/things/{name}/jobs/{job}", Do: func(c *rest.Call) (any, error) { return nil, rest.NotFound("no %s", c.Path("job")) }},
	{Name: "Fault", Method: "GET", Path: "/fault", Do: func(*rest.Call) (any, error) { return nil, errors.New("oops") }},
	{Name: "NoJSON", Method: "GET", Path: "/nojson", Do: func(*rest.Call) (any, error) { return func() {}, nil }},
})

func TestServe(t *testing.T) {
	authorize := func(c *rest.Call) error {
		if c.Query("who") == "nobody" {
			return rest.Forbidden("%s", c.Operation)
		}
		c.Principal = "me"
		return nil
	}
	missing := func(r *http.Request) string {
		if r.URL.Path == "/later" {
			return "DoLater"
		}
		return ""
	}
	for _, tt := range []struct {
		method, url, body string
		status            int
		want, kind        string
	}{
		{"GET", "/things/a%2Fb?q=x", "", 200, `{"b":true,"n":7,"name":"a/b","q":"x"}`, ""},
		{"GET", "/things/a?n=3&b=false", "", 200, `{"b":false,"n":3,"name":"a","q":""}`, ""},
		{"GET", "/things/a?n=11", "", 400, `n \"11\" is not a number from 1 to 10`, "InvalidRequestException"},
		{"GET", "/things/a?b=maybe", "", 400, `neither true nor false`, "InvalidRequestException"},
		{"GET", "/things/a?q=%zz", "", 400, `query is malformed`, "InvalidRequestException"},
		{"GET", "/things/", "", 404, "no operation", "UnknownOperationException"},
		{"POST", "/things/a", "", 405, "Method POST", "MethodNotAllowedException"},
		{"POST", "/topics/a/b%20c", `{"x":5}`, 200, "a/b c 5 me", ""},
		{"POST", "/topics/a", "", 200, "a 0 me", ""},
		{"POST", "/topics/a", "[", 400, "the body is not the JSON of Publish", "InvalidRequestException"},
		{"POST", "/topics/a?who=nobody", "", 403, "Publish", "ForbiddenException"},
		{"POST", "/topics/a", strings.Repeat("x", rest.MaxBody+1), 413, "maximum size", "RequestEntityTooLargeException"},
		{"GET", "/things/a/jobs/$next", "", 200, "", ""},
		{"GET", "/things/a/jobs/%24next", "", 200, "", ""},
		{"GET", "/things/a?n=10", "", 200, `"n":10`, ""},
		{"GET", "/things/a/jobs/j", "", 404, "no j", "ResourceNotFoundException"},
		{"GET", "/fault", "", 500, "oops", "InternalFailureException"},
		{"GET", "/nojson", "", 500, "unsupported type", "InternalFailureException"},
		{"GET", "/later", "", 501, "DoLater is not available", "NotImplementedException"},
	} {
		w := httptest.NewRecorder()
		table.Serve(w, httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body)), authorize, missing)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Header().Get("X-Amzn-Errortype") != tt.kind || len(w.Header().Get("X-Amzn-Requestid")) != 36 {
			t.Errorf("%s %s: %d %v %s", tt.method, tt.url, w.Code, w.Header(), w.Body)
		}
	}
	if got := table.Operations(); !slices.Equal(got, []string{"Fault", "GetThing", "Job", "Literal", "NoJSON", "Publish"}) {
		t.Error(got)
	}
}

// A body that does not end as it should is no body.
func TestBrokenBody(t *testing.T) {
	w := httptest.NewRecorder()
	table.Serve(w, httptest.NewRequest("POST", "/topics/a", iotest.ErrReader(io.ErrUnexpectedEOF)), nil, nil)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "the body is malformed: unexpected EOF") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPage(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e"}
	key := func(s string) string { return s }
	var got []string
	token := ""
	for i := 0; i == 0 || token != ""; i++ {
		page, next, err := rest.Page(all, token, 2, key)
		if err != nil {
			t.Fatal(err)
		}
		got, token = append(got, strings.Join(page, "")), next
	}
	if !slices.Equal(got, []string{"ab", "cd", "e"}) {
		t.Error(got)
	}
	_, next, _ := rest.Page(all, "", 2, key)
	if page, _, _ := rest.Page([]string{"a", "bb", "c"}, next, 9, key); !slices.Equal(page, []string{"bb", "c"}) { // b has gone meanwhile
		t.Error(page)
	}
	if _, _, err := rest.Page(all, "zz", 2, key); err == nil {
		t.Error("a token that is none")
	}
	if page, next, err := rest.Page([]string(nil), "", 2, key); len(page) != 0 || next != "" || err != nil {
		t.Error(page, next, err)
	}
}
