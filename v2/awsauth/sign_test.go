package awsauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The credentials of AWS's documentation, at the time of its examples.
const (
	exampleKeyID  = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func upgrade(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// byHand computes the signature as AWS describes it, step by step and without the SDK
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func byHand(host, region, query string) string {
	hash := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	canonical := "GET\n/mqtt\n" + query + "\nhost:" + host + "\n\nhost\n" + hash("")
	toSign := "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/" + region + "/iotdevicegateway/aws4_request\n" + hash(canonical)
	key := mac(mac(mac(mac([]byte("AWS4"+exampleSecret), "20150830"), region), "iotdevicegateway"), "aws4_request")
	return hex.EncodeToString(mac(key, toSign))
}

func TestSignature(t *testing.T) {
	const aws1 = "a1b2-ats.iot.eu-west-1.amazonaws.com"
	for _, tt := range []struct {
		name, url, region, token string
		host, wantRegion, golden string
	}{
		{name: "region of the endpoint", url: "https://" + aws1 + "/mqtt", host: aws1, wantRegion: "eu-west-1", golden: "37b813f1b9cbb6ef95ee70956e08717be9d70f6ea30723c7b0a3ba918ef4d453"},
		{name: "region given", url: "https://iot.example.com/mqtt", region: "us-east-1", host: "iot.example.com", wantRegion: "us-east-1", golden: "8a5b2c8a640145d2fdd677c3c47cfd512c9a64e34ae54714047db00352d03375"},
		{name: "a port is part of the host", url: "https://localhost:8443/mqtt", region: "us-east-1", host: "localhost:8443", wantRegion: "us-east-1", golden: "91eb4b0cb866a89091938a5b903b0369fc35d1951547ae08b8c97e16bc7a6060"},
		{name: "session token", url: "https://" + aws1 + "/mqtt", token: "tok/en+==", host: aws1, wantRegion: "eu-west-1", golden: "37b813f1b9cbb6ef95ee70956e08717be9d70f6ea30723c7b0a3ba918ef4d453"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &signer{region: tt.region, provider: Static(exampleKeyID, exampleSecret, tt.token),
				now: func() time.Time { return exampleTime.In(time.FixedZone("elsewhere", 3600)) }}
			r := upgrade(t, tt.url)
			r.Header.Set("X-Extra", "not signed")
			if err := s.complete(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			query := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2F" + tt.wantRegion +
				"%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host"
			if by := byHand(tt.host, tt.wantRegion, query); by != tt.golden {
				t.Errorf("by hand %s", by)
			}
			want := query + "&X-Amz-Signature=" + tt.golden
			if tt.token != "" {
				want += "&X-Amz-Security-Token=tok%2Fen%2B%3D%3D" // after the signature, and no part of it
			}
			if r.URL.RawQuery != want {
				t.Errorf("query\n%s, want\n%s", r.URL.RawQuery, want)
			}
			if r.URL.Path != "/mqtt" || r.Header.Get("X-Extra") != "not signed" || len(r.Header) != 1 {
				t.Errorf("the rest of the request was changed: %v %v", r.URL, r.Header)
			}
		})
	}
}

func TestRegionOf(t *testing.T) {
	for host, want := range map[string]string{
		"a1b2-ats.iot.eu-west-1.amazonaws.com":                 "eu-west-1",
		"A1B2-ATS.IOT.EU-WEST-1.AMAZONAWS.COM":                 "eu-west-1",
		"a1b2-ats.iot.eu-west-1.amazonaws.com.":                "eu-west-1",
		"a1b2.iot.us-east-1.amazonaws.com":                     "us-east-1",
		"a1b2.ats.iot.cn-north-1.amazonaws.com.cn":             "cn-north-1",
		"data.iot-fips.us-gov-west-1.amazonaws.com":            "us-gov-west-1",
		"vpce-1-2.data.iot.ap-southeast-2.vpce.amazonaws.com":  "ap-southeast-2",
		"a1b2-ats.iot.eu-west-1.api.aws":                       "eu-west-1",
		"localhost":                                            "",
		"":                                                     "",
		"127.0.0.1":                                            "",
		"iot.example.com":                                      "",
		"iot.eu-west-1.amazonaws.com":                          "", // the service's own interface, not an endpoint of MQTT
		"a1b2-ats.iot.eu-west-1.amazonaws.com.evil.example":    "",
		"a1b2-ats.iot.nowhere.amazonaws.com":                   "",
		"a1b2-ats.iot.eu-west-1":                               "",
		"a1b2.credentials.iot-eu-west-1.eu-west-1.example.com": "",
	} {
		s := &signer{}
		got, err := s.regionOf(host)
		var re *RegionError
		switch {
		case got != want:
			t.Errorf("%q: region %q, want %q", host, got, want)
		case want == "" && (!errors.As(err, &re) || re.Host != host || !strings.Contains(err.Error(), `"`+host+`"`)):
			t.Errorf("%q: error %v", host, err)
		case want != "" && err != nil:
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, region := range []string{"eu west 1", "eu/west", "EU-WEST-1", "-", "eu-west-1 "} {
		var re *RegionError
		if _, err := (&signer{region: region}).regionOf("a1b2-ats.iot.eu-west-1.amazonaws.com"); !errors.As(err, &re) || re.Region != region {
			t.Errorf("region %q: %v", region, err)
		}
	}
}

// provider is one that a test writes.
type provider func(context.Context) (aws.Credentials, error)

func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) { return p(ctx) }

func TestUnusableCredentials(t *testing.T) {
	boom := errors.New("token service is away")
	give := func(c aws.Credentials) aws.CredentialsProvider {
		return provider(func(context.Context) (aws.Credentials, error) { return c, nil })
	}
	for _, tt := range []struct {
		name string
		p    aws.CredentialsProvider
		want string
	}{
		{"no provider", nil, "needs a credentials provider"},
		{"provider fails", provider(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, boom }), "retrieving credentials: token service is away"},
		{"nothing", Static("", "", ""), "credentials of Static: neither an access key id nor a secret"},
		{"no key id", Static("", "s3cret", ""), "credentials of Static: no access key id"},
		{"no secret", Static("AKID", "", "t0ken"), "credentials of Static: no secret access key"},
		{"a path as key id", Static("AKID/x", "s3cret", ""), "has a space or a slash"},
		{"expired", give(aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s3cret", SessionToken: "t0ken", CanExpire: true, Expires: exampleTime}), "credentials: expired at 2015-08-30T12:36:00Z"},
		{"not yet expired", give(aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s3cret", CanExpire: true, Expires: exampleTime.Add(1)}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &signer{region: "eu-west-1", provider: tt.p, now: func() time.Time { return exampleTime }}
			r := upgrade(t, "https://localhost/mqtt")
			err := s.complete(t.Context(), r)
			if tt.want == "" {
				if err != nil || !strings.Contains(r.URL.RawQuery, "X-Amz-Signature=") {
					t.Errorf("%v, query %q", err, r.URL.RawQuery)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if r.URL.RawQuery != "" {
				t.Errorf("signed all the same: %q", r.URL.RawQuery)
			}
		})
	}
}
