package sigv4

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const suiteKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// signedByHeader is a request of AWS's Signature Version 4 test suite.
func signedByHeader(method, path, query, headers, signature string) *http.Request {
	return &http.Request{Method: method, Host: "example.amazonaws.com", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{
		"X-Amz-Date": {"20150830T123600Z"}, "Content-Type": {"application/x-www-form-urlencoded"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + headers + ", Signature=" + signature}}}
}

// Vectors of the suite: get-vanilla, get-vanilla-query-order-key-case, post-vanilla, post-x-www-form-urlencoded.
func TestHeaderVectors(t *testing.T) {
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	policy := Policy{Secrets: map[string]Secret{"AKIDEXAMPLE": {Key: suiteKey}}}
	const plain = "host;x-amz-date"
	for name, tt := range map[string]struct {
		r    *http.Request
		body string
	}{
		"get":   {signedByHeader("GET", "/", "", plain, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), ""},
		"query": {signedByHeader("GET", "/", "Param2=value2&Param1=value1", plain, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"), ""},
		"post":  {signedByHeader("POST", "/", "", plain, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"), ""},
		"body":  {signedByHeader("POST", "/", "", "content-type;"+plain, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"), "Param1=value1"},
	} {
		scope, err := VerifyHeader(tt.r, []byte(tt.body), policy, now)
		if err != nil || scope != (Scope{"AKIDEXAMPLE", "us-east-1", "service"}) || !SignedByHeader(tt.r) {
			t.Errorf("%s: %+v %v", name, scope, err)
		}
		if _, err := VerifyHeader(tt.r, []byte(tt.body+"x"), policy, now); err == nil {
			t.Errorf("%s: another body is taken", name)
		}
		tt.r.Method = "PUT"
		if _, err := VerifyHeader(tt.r, []byte(tt.body), policy, now); err == nil {
			t.Errorf("%s: another method is taken", name)
		}
		if _, err := VerifyHeader(tt.r, []byte(tt.body), Policy{}, now); err != nil { // only the form counts
			t.Errorf("%s: without secrets %v", name, err)
		}
	}
}

func TestHeaderRefusals(t *testing.T) {
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	policy := Policy{Secrets: map[string]Secret{"AKIDEXAMPLE": {Key: suiteKey}, "TEMP": {Key: suiteKey, Token: "t"}}, Region: "us-east-1"}
	for want, change := range map[string]func(r *http.Request){
		"0 Authorization headers":                   func(r *http.Request) { r.Header.Del("Authorization") },
		"2 Authorization headers":                   func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
		"Unsupported AWS 'algorithm'":               func(r *http.Request) { r.Header.Set("Authorization", "Basic eA==") },
		"requires 'SignedHeaders'":                  func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a") },
		"must be KEYID/":                            func(r *http.Request) { edit(r, "/aws4_request", "/aws3_request") },
		"form YYYYMMDDTHHMMSSZ":                     func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") },
		"does not match YYYYMMDD":                   func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150831T000000Z") },
		"Signature expired":                         func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T120000Z") },
		"must hold 'host'":                          func(r *http.Request) { edit(r, "host;x-amz-date", "x-amz-date") },
		"hexadecimal digits":                        func(r *http.Request) { edit(r, "Signature=5", "Signature=g") },
		"valid region":                              func(r *http.Request) { edit(r, "us-east-1", "eu-west-1") },
		"is not known":                              func(r *http.Request) { edit(r, "AKIDEXAMPLE", "NOBODY") },
		"or not with this session token":            func(r *http.Request) { edit(r, "AKIDEXAMPLE", "TEMP") },
		"is not one of the signed headers":          func(r *http.Request) { edit(r, "AKIDEXAMPLE", "TEMP"); r.Header.Set("X-Amz-Security-Token", "t") },
		"does not match what was computed":          func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "00") },
		"does not match the signature you provided": func(r *http.Request) { r.URL.Path = "/other" },
	} {
		r := signedByHeader("GET", "/", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
		change(r)
		if _, err := VerifyHeader(r, nil, policy, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func edit(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}
