package cognito_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/cognito"
)

// call makes a request as AWS's SDKs do, and returns the status and the document.
func call(t *testing.T, s *cognito.Server, target, body string) (int, map[string]any, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		doc = map[string]any{"text": string(text)}
	}
	return resp.StatusCode, doc, nil
}

const (
	getID          = "AWSCognitoIdentityService.GetId"
	getCredentials = "AWSCognitoIdentityService.GetCredentialsForIdentity"
)

func TestService(t *testing.T) {
	var issued []cognito.Credentials
	s := cognito.StartT(t, cognito.Options{Life: time.Minute, Issued: func(c cognito.Credentials) { issued = append(issued, c) }})
	s.AddPool("eu-west-1:open", true)
	s.AddPool("eu-west-1:closed", false)
	s.AddLogin("idp", "t1", "alice")
	s.AddLogin("idp", "t2", "alice")
	id := func(body string) string {
		t.Helper()
		status, doc, err := call(t, s, getID, body)
		if err != nil || status != 200 {
			t.Fatalf("%d %v %v", status, doc, err)
		}
		return doc["IdentityId"].(string)
	}
	guest := id(`{"IdentityPoolId":"eu-west-1:open"}`)
	if other := id(`{"IdentityPoolId":"eu-west-1:open"}`); other == guest || !strings.HasPrefix(guest, "eu-west-1:") {
		t.Errorf("guests %s and %s", guest, other)
	}
	alice := id(`{"IdentityPoolId":"eu-west-1:closed","Logins":{"idp":"t1"}}`)
	if again := id(`{"IdentityPoolId":"eu-west-1:closed","Logins":{"idp":"t2"}}`); again != alice {
		t.Errorf("alice is %s and %s", alice, again)
	}
	began := time.Now()
	status, doc, err := call(t, s, getCredentials, fmt.Sprintf(`{"IdentityId":%q}`, guest))
	if err != nil || status != 200 || doc["IdentityId"] != guest || len(issued) != 1 {
		t.Fatalf("%d %v %v, issued %d", status, doc, err, len(issued))
	}
	c := doc["Credentials"].(map[string]any)
	end := time.UnixMilli(int64(c["Expiration"].(float64) * 1000))
	if c["AccessKeyId"] != issued[0].AccessKeyID || c["SecretKey"] != issued[0].SecretAccessKey || c["SessionToken"] != issued[0].SessionToken ||
		time.Until(end) > time.Minute || end.Sub(began) < time.Minute-time.Second {
		t.Errorf("credentials until %v", end)
	}

	for _, tt := range []struct{ name, target, body, want string }{
		{"unknown operation", "AWSCognitoIdentityService.Delete", `{}`, "UnknownOperationException"},
		{"another service", "Other.GetId", `{}`, "UnknownOperationException"},
		{"not JSON", getID, `[`, "SerializationException"},
		{"form of the pool", getID, `{"IdentityPoolId":"x"}`, "ValidationException"},
		{"unknown pool", getID, `{"IdentityPoolId":"eu-west-1:x"}`, "ResourceNotFoundException"},
		{"no guests", getID, `{"IdentityPoolId":"eu-west-1:closed"}`, "NotAuthorizedException"},
		{"bad token", getID, `{"IdentityPoolId":"eu-west-1:closed","Logins":{"idp":"x"}}`, "NotAuthorizedException"},
		{"unknown identity", getCredentials, `{"IdentityId":"eu-west-1:x"}`, "ResourceNotFoundException"},
		{"a guest for alice", getCredentials, fmt.Sprintf(`{"IdentityId":%q}`, alice), "NotAuthorizedException"},
		{"alice for a guest", getCredentials, fmt.Sprintf(`{"IdentityId":%q,"Logins":{"idp":"t1"}}`, guest), "NotAuthorizedException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, doc, err := call(t, s, tt.target, tt.body)
			if err != nil || status != 400 || doc["__type"] != tt.want {
				t.Errorf("%d %v %v, want %s", status, doc, err, tt.want)
			}
		})
	}
	if len(issued) != 1 {
		t.Errorf("%d sets were issued", len(issued))
	}
}

func TestAnswers(t *testing.T) {
	s := cognito.StartT(t, cognito.Options{})
	s.AddPool("eu-west-1:open", true)
	body := `{"IdentityPoolId":"eu-west-1:open"}`
	s.Next(cognito.Answer{Status: 429, Type: "TooManyRequestsException", Message: "slow"}, cognito.Answer{Body: "<html>"}, cognito.Answer{Close: true}, cognito.Answer{})
	if status, doc, err := call(t, s, getID, body); err != nil || status != 429 || doc["__type"] != "TooManyRequestsException" || doc["message"] != "slow" {
		t.Errorf("%d %v %v", status, doc, err)
	}
	if status, doc, err := call(t, s, getID, body); err != nil || status != 200 || doc["text"] != "<html>" {
		t.Errorf("%d %v %v", status, doc, err)
	}
	if status, doc, err := call(t, s, getID, body); err == nil {
		t.Errorf("%d %v, want an error", status, doc)
	}
	if status, doc, err := call(t, s, getID, body); err != nil || status != 200 || doc["IdentityId"] == nil {
		t.Errorf("%d %v %v", status, doc, err)
	}
	reqs := s.Requests()
	if len(reqs) != 4 || reqs[0].Operation != "GetId" || reqs[0].Input["IdentityPoolId"] != "eu-west-1:open" || reqs[0].Signed {
		t.Errorf("requests %+v", reqs)
	}
}

// Close ends a request that is being kept waiting, and can be called twice.
func TestClose(t *testing.T) {
	s, err := cognito.Start(cognito.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Next(cognito.Answer{Silent: true})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: %s\r\nContent-Length: 2\r\n\r\n{}", getID); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes, want the end of the connection", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := cognito.Start(cognito.Options{Port: -2}); err == nil {
		t.Error("port -2 was taken")
	}
}
