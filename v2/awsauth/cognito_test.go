package awsauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/cognito"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

const pool = "eu-west-1:11111111-2222-4333-8444-555555555555"

// newPools starts the stand-in with a pool that takes guests.
func newPools(t *testing.T, o cognito.Options) *cognito.Server {
	t.Helper()
	s := cognito.StartT(t, o)
	s.AddPool(pool, true)
	return s
}

func operations(s *cognito.Server) string {
	var ops []string
	for _, r := range s.Requests() {
		ops = append(ops, r.Operation)
	}
	return strings.Join(ops, " ")
}

// forget ends the credentials in the provider's cache, as time would.
func forget(t *testing.T, p aws.CredentialsProvider) {
	t.Helper()
	cache, ok := p.(*aws.CredentialsCache)
	if !ok {
		t.Fatalf("%T is not the SDK's cache", p)
	}
	cache.Invalidate()
}

// TestCognitoConnects: the credentials of a guest open a websocket, and a connection after their end gets new ones.
func TestCognitoConnects(t *testing.T) {
	broker := iotlocal.StartT(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"none": {SecretAccessKey: "none"}}})
	var issued atomic.Int64
	s := newPools(t, cognito.Options{Issued: func(c cognito.Credentials) {
		issued.Add(1)
		if err := broker.SetCredentials(map[string]iotlocal.Credential{c.AccessKeyID: {SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}}); err != nil {
			t.Error(err)
		}
	}})
	p := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: s.URL()})
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: broker.Host(), Port: broker.WSSPort(), CAFile: broker.CAFile(), ClientID: "guest",
		Auth: awsauth.Websocket("eu-west-1", p)})
	defer func() { client.Close(); <-client.Done() }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for range 2 {
		if err := client.StartAndWait(ctx); err != nil {
			t.Fatal(err)
		}
		if err := client.Stop(ctx, nil); err != nil {
			t.Fatal(err)
		}
		forget(t, p)
	}
	if n := issued.Load(); n != 2 {
		t.Errorf("%d sets of credentials for two connections", n)
	}
	if got := operations(s); got != "GetId GetCredentialsForIdentity GetCredentialsForIdentity" {
		t.Errorf("operations %s", got)
	}
}

func TestCognitoCached(t *testing.T) {
	s := newPools(t, cognito.Options{})
	t.Setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", s.URL())
	p := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool})
	if got := operations(s); got != "" {
		t.Errorf("asked before the first attempt: %s", got)
	}
	var all sync.WaitGroup
	seen := make([]aws.Credentials, 5)
	for i := range seen {
		all.Go(func() {
			var err error
			if seen[i], err = p.Retrieve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range seen {
		if c != seen[0] || !c.HasKeys() || c.SessionToken == "" || c.Source != "Cognito" || !c.CanExpire || time.Until(c.Expires) < 55*time.Minute {
			t.Errorf("credentials of %s until %v", c.Source, c.Expires)
		}
	}
	if got := operations(s); got != "GetId GetCredentialsForIdentity" {
		t.Errorf("operations %s", got)
	}
	if r := s.Requests()[0]; r.Signed || r.Input["IdentityPoolId"] != pool || r.Input["Logins"] != nil {
		t.Errorf("request %+v", r)
	}
}

// The identity is kept; one that was deleted is asked for anew.
func TestCognitoIdentity(t *testing.T) {
	s := newPools(t, cognito.Options{Life: 30 * time.Second}) // shorter than the window: good for half of it
	p := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: s.URL()})
	retrieve := func() error {
		c, err := p.Retrieve(t.Context())
		if left := time.Until(c.Expires); err == nil && (left < 10*time.Second || left > 15*time.Second) {
			t.Errorf("good for %v", left)
		}
		forget(t, p)
		return err
	}
	if err := errors.Join(retrieve(), retrieve()); err != nil {
		t.Fatal(err)
	}
	id, _ := s.Requests()[1].Input["IdentityId"].(string)
	s.DeleteIdentities()
	var gone *types.ResourceNotFoundException
	if err := retrieve(); !errors.As(err, &gone) || !strings.Contains(err.Error(), "GetCredentialsForIdentity of "+id) {
		t.Errorf("deleted: %v", err)
	}
	if err := retrieve(); err != nil {
		t.Error(err)
	}
	if got := operations(s); got != "GetId GetCredentialsForIdentity GetCredentialsForIdentity GetCredentialsForIdentity GetId GetCredentialsForIdentity" {
		t.Errorf("operations %s", got)
	}
	// an identity the program knows: the pool is not asked
	id, _ = s.Requests()[5].Input["IdentityId"].(string)
	n := len(s.Requests())
	if _, err := awsauth.Cognito(awsauth.CognitoOptions{IdentityID: id, Endpoint: s.URL()}).Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	if reqs := s.Requests()[n:]; len(reqs) != 1 || reqs[0].Operation != "GetCredentialsForIdentity" {
		t.Errorf("requests %+v", reqs)
	}
}

func TestCognitoLogins(t *testing.T) {
	s := newPools(t, cognito.Options{Life: 30 * time.Second})
	closed := "eu-west-1:99999999-2222-4333-8444-555555555555"
	s.AddPool(closed, false)
	s.AddLogin("idp", "token-1", "alice")
	s.AddLogin("idp", "token-2", "alice")
	logins := map[string]string{"idp": "token-1"}
	p := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: closed, Endpoint: s.URL(), Logins: logins, CustomRoleARN: "arn:role"})
	logins["idp"] = "changed by the caller"
	if _, err := p.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if in := s.Requests()[1].Input; in["CustomRoleArn"] != "arn:role" || in["Logins"].(map[string]any)["idp"] != "token-1" {
		t.Errorf("input %v", in)
	}
	n := 0
	p = awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: closed, Endpoint: s.URL(), LoginsFunc: func(ctx context.Context) (map[string]string, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("LoginsFunc has no deadline")
		}
		n++
		return map[string]string{"idp": []string{"", "token-1", "token-2"}[n]}, nil
	}})
	for range 2 {
		if _, err := p.Retrieve(t.Context()); err != nil {
			t.Error(err)
		}
		forget(t, p)
	}
	if n != 2 {
		t.Errorf("LoginsFunc was asked %d times", n)
	}
	broken := errors.New("no token today")
	_, err := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: closed, Endpoint: s.URL(),
		LoginsFunc: func(context.Context) (map[string]string, error) { return nil, broken }}).Retrieve(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "awsauth: Cognito: logins") {
		t.Errorf("%v", err)
	}
	_, err = awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: closed, Endpoint: s.URL(), Logins: map[string]string{"idp": "secret-token"}}).Retrieve(t.Context())
	var refused *types.NotAuthorizedException
	if !errors.As(err, &refused) || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("%v", err)
	}
}

// What goes wrong has a name.
func TestCognitoErrors(t *testing.T) {
	t.Parallel()
	s := newPools(t, cognito.Options{})
	s.AddPool("eu-west-1:closed", false)
	is := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	for _, tt := range []struct {
		name    string
		o       awsauth.CognitoOptions
		answers []cognito.Answer
		check   func(error) bool
		want    string
	}{
		{name: "nothing", want: "configuration: neither IdentityPoolID nor IdentityID is set"},
		{name: "form", o: awsauth.CognitoOptions{IdentityPoolID: "my pool"}, want: `configuration of my pool: "my pool" is not of the form REGION:UUID`},
		{name: "region", o: awsauth.CognitoOptions{IdentityPoolID: pool, Region: "evil.example/"}, check: is(new(*awsauth.RegionError)), want: "is not the name of a region"},
		{name: "unknown pool", o: awsauth.CognitoOptions{IdentityPoolID: "eu-west-1:other"}, check: is(new(*types.ResourceNotFoundException)), want: "GetId of eu-west-1:other: "},
		{name: "no guests", o: awsauth.CognitoOptions{IdentityPoolID: "eu-west-1:closed"}, check: is(new(*types.NotAuthorizedException)), want: "Unauthenticated access is not supported"},
		{name: "no identity", o: awsauth.CognitoOptions{IdentityPoolID: pool}, answers: []cognito.Answer{{Body: "{}"}}, want: "GetId of " + pool + ": the answer holds no identity"},
		{name: "no credentials", o: awsauth.CognitoOptions{IdentityPoolID: pool}, answers: []cognito.Answer{{}, {Body: "{}"}}, want: "the answer holds no credentials"},
		{name: "no secret", o: awsauth.CognitoOptions{IdentityPoolID: pool}, answers: []cognito.Answer{{}, {Body: `{"Credentials":{"AccessKeyId":"A"}}`}}, check: is(new(*awsauth.CredentialsError)), want: "no secret access key"},
		{name: "expired", o: awsauth.CognitoOptions{IdentityPoolID: pool}, answers: []cognito.Answer{{}, {Body: `{"Credentials":{"AccessKeyId":"A","SecretKey":"hidden","Expiration":1}}`}}, want: "expired at 1970"},
		{name: "not JSON", o: awsauth.CognitoOptions{IdentityPoolID: pool}, answers: []cognito.Answer{{Body: "<html>"}}, want: "GetId"},
		{name: "silent", o: awsauth.CognitoOptions{IdentityPoolID: pool, Timeout: 100 * time.Millisecond}, answers: []cognito.Answer{{Silent: true}},
			check: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, want: "no answer within 100ms"},
		{name: "nobody there", o: awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: "http://127.0.0.1:1"}, want: "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "nobody there" { // tried again, with delays
				t.Parallel()
			}
			if tt.o.Endpoint == "" {
				tt.o.Endpoint = s.URL()
			}
			s.Next(tt.answers...)
			_, err := awsauth.Cognito(tt.o).Retrieve(t.Context())
			var outer *awsauth.CognitoError
			if !errors.As(err, &outer) || !strings.Contains(err.Error(), tt.want) || tt.check != nil && !tt.check(err) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestCognitoTriesAgain: what heals is tried again by the SDK.
func TestCognitoTriesAgain(t *testing.T) {
	t.Parallel()
	s := newPools(t, cognito.Options{})
	s.Next(cognito.Answer{Close: true}, cognito.Answer{Status: 500, Type: "InternalErrorException"})
	if _, err := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: s.URL()}).Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
}

// A caller whose context ends is not held by a service that is silent.
func TestCognitoCancelled(t *testing.T) {
	t.Parallel()
	s := newPools(t, cognito.Options{})
	s.Next(cognito.Answer{Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: s.URL(), Timeout: 5 * time.Second})
	ended := make(chan error, 1)
	go func() {
		_, err := p.Retrieve(ctx)
		ended <- err
	}()
	for operations(s) == "" { // until the service has the request
		<-time.After(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of the context, and not of Timeout", err)
	}
	// Somebody who waits longer shares the same request, which Timeout ends.
	if _, err := p.Retrieve(t.Context()); !errors.Is(err, context.DeadlineExceeded) || operations(s) != "GetId" {
		t.Errorf("%v after %s", err, operations(s))
	}
}

func TestCognitoProxy(t *testing.T) {
	s := newPools(t, cognito.Options{})
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Host != "cognito.invalid" {
			t.Errorf("the proxy was asked for %v", r.URL)
		}
		r.URL.Host = strings.TrimPrefix(s.URL(), "http://")
		r.RequestURI = ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Endpoint: "http://cognito.invalid", HTTPProxy: http.ProxyURL(u)}).Retrieve(t.Context())
	if err != nil || asked.Load() != 2 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}
