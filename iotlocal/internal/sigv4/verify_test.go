package sigv4

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Vectors of AWS's Signature Version 4 test suite (aws-sig-v4-test-suite): get-vanilla,
// get-vanilla-query-order-key-case, get-vanilla-utf8-query.
func TestVectors(t *testing.T) {
	for query, want := range map[string]string{
		"":                            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		"Param2=value2&Param1=value1": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
		"\u1234=bar":                  "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
	} {
		r := &http.Request{Method: "GET", Host: "example.amazonaws.com", URL: &url.URL{Path: "/", RawQuery: query},
			Header: http.Header{"X-Amz-Date": {"20150830T123600Z"}}}
		s := &signature{date: "20150830", region: "us-east-1", service: "service", time: "20150830T123600Z",
			headers: []string{"host", "x-amz-date"}, value: want}
		if !s.made(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", false) {
			t.Errorf("%q: not the signature of the suite", query)
		}
		if s.made(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEz", false) {
			t.Errorf("%q: another secret made it", query)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		in   string
		path bool
		want string
	}{
		{"azAZ09-._~", false, "azAZ09-._~"},
		{"a b+c/d=", false, "a%20b%2Bc%2Fd%3D"},
		{"/m q/tt", true, "/m%20q/tt"},
		{"é*", false, "%C3%A9%2A"},
	} {
		if got := encode(tt.in, tt.path); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Whatever the query is, the answer is a refusal with a text or, for a known secret, a signature that was made with it.
func FuzzVerify(f *testing.F) {
	const good = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20150830%2Fr%2Fiotdata%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Signature=" +
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	if err := Verify(&http.Request{URL: &url.URL{Path: "/mqtt", RawQuery: good}}, Policy{}, now); err != nil {
		f.Fatalf("the seed is not well formed: %v", err)
	}
	for _, q := range []string{good, good + "&X-Amz-Expires=1", good + "&X-Amz-Security-Token=t", good + "&X-Amz-Security-Token=t&X-Amz-Security-Token=u", strings.ToUpper(good), "", "%", strings.ReplaceAll(good, "host", "a;host"), strings.ReplaceAll(good, "2015", "-015")} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{Method: "GET", Host: "h", URL: &url.URL{Path: "/mqtt", RawQuery: query}, Header: http.Header{}}
		form := Verify(r, Policy{}, now)
		if form != nil && form.Error() == "" {
			t.Error("refused without a reason")
		}
		if err := Verify(r, Policy{Secrets: map[string]Secret{"A": {Key: "nobody signed with this"}}}, now); err == nil {
			t.Errorf("accepted %q", query)
		}
		if form == nil && !Signed(r) {
			t.Errorf("%q is a signature but not signed", query)
		}
	})
}
