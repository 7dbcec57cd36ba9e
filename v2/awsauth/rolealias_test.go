package awsauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

// credentialProvider is a stand-in of the AWS IoT credential provider: it answers what it is told.
type credentialProvider struct {
	*httptest.Server
	device iotlocal.Thing

	mu       sync.Mutex
	status   int
	body     string
	silent   bool
	requests []string
}

func newCredentialProvider(t *testing.T) *credentialProvider {
	t.Helper()
	core := iotlocal.StartT(t, iotlocal.Options{})
	device, err := core.NewThing("device")
	if err != nil {
		t.Fatal(err)
	}
	p := &credentialProvider{device: device}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, fmt.Sprintf("%s %s thing=%s cert=%s", r.Method, r.URL.EscapedPath(), r.Header.Get("x-amzn-iot-thingname"), r.TLS.PeerCertificates[0].Subject.CommonName))
		status, body, silent := p.status, p.body, p.silent
		p.mu.Unlock()
		if silent {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(core.CAPEM())
	p.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *credentialProvider) answer(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

func (p *credentialProvider) options() awsauth.RoleAliasOptions {
	return awsauth.RoleAliasOptions{Endpoint: "127.0.0.1", Port: p.Listener.Addr().(*net.TCPAddr).Port, RoleAlias: "role@1", ThingName: "device",
		Auth:  awsiot.MTLSFromPath(p.device.CertFile, p.device.KeyFile),
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})}
}

func TestRoleAlias(t *testing.T) {
	p := newCredentialProvider(t)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	p.answer(200, fmt.Sprintf(`{"credentials":{"accessKeyId":"ID","secretAccessKey":"hidden","sessionToken":"tok","expiration":%q}}`, end.Format(time.RFC3339)))
	provider := awsauth.RoleAlias(p.options())
	for range 2 {
		c, err := provider.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.AccessKeyID != "ID" || c.SecretAccessKey != "hidden" || c.SessionToken != "tok" || c.Source != "RoleAlias" || !c.CanExpire || !c.Expires.Equal(end.Add(-time.Minute)) {
			t.Errorf("credentials of %s until %v", c.Source, c.Expires)
		}
	}
	forget(t, provider)
	if _, err := provider.Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if want := "GET /role-aliases/role@1/credentials thing=device cert=device"; len(p.requests) != 2 || p.requests[0] != want {
		t.Errorf("requests %q, want two of %q", p.requests, want)
	}
}

func TestRoleAliasErrors(t *testing.T) {
	t.Parallel()
	p := newCredentialProvider(t)
	for _, tt := range []struct {
		name   string
		status int
		body   string
		change func(*awsauth.RoleAliasOptions)
		code   int
		want   string
	}{
		{name: "denied", status: 403, body: `{"message":"Access Denied"}`, code: 403, want: `role alias "role@1": status 403: Access Denied`},
		{name: "no message", status: 500, body: `<html>`, code: 500, want: "refused without a message"},
		{name: "not JSON", status: 200, body: `hidden`, code: 200, want: "not the expected JSON object"},
		{name: "no credentials", status: 200, body: `{}`, code: 200, want: "holds no credentials"},
		{name: "no end", status: 200, body: `{"credentials":{"accessKeyId":"ID","secretAccessKey":"hidden"}}`, code: 200, want: "does not tell when"},
		{name: "no key", status: 200, body: `{"credentials":{"accessKeyId":"ID","expiration":"2099-01-01T00:00:00Z"}}`, code: 200, want: "no secret access key"},
		{name: "ended", status: 200, body: `{"credentials":{"accessKeyId":"ID","secretAccessKey":"hidden","expiration":"2001-01-01T00:00:00Z"}}`, code: 200, want: "expired at 2001"},
		{name: "large", status: 200, body: strings.Repeat(" ", 70<<10), code: 200, want: "larger than"},
		{name: "redirect", status: 302, code: 302, want: "status 302"},
		{name: "alias", change: func(o *awsauth.RoleAliasOptions) { o.RoleAlias = "../x" }, want: "not the name of a role alias"},
		{name: "thing", change: func(o *awsauth.RoleAliasOptions) { o.ThingName = "a\r\nb" }, want: "thing name"},
		{name: "endpoint", change: func(o *awsauth.RoleAliasOptions) { o.Endpoint = "" }, want: "Endpoint: is required"},
		{name: "auth", change: func(o *awsauth.RoleAliasOptions) { o.Auth = nil }, want: "Auth: is required"},
		{name: "name in the certificate", change: func(o *awsauth.RoleAliasOptions) { o.Endpoint = "localhost" }, want: "not localhost"},
		{name: "nobody there", change: func(o *awsauth.RoleAliasOptions) { o.Port = 1 }, want: "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.answer(tt.status, tt.body)
			o := p.options()
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := awsauth.RoleAlias(o).Retrieve(t.Context())
			var failed *awsauth.RoleAliasError
			if !errors.As(err, &failed) || failed.Status != tt.code || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("error %v, want %q with status %d", err, tt.want, tt.code)
			}
		})
	}
	p.mu.Lock()
	p.silent = true
	p.mu.Unlock()
	o := p.options()
	o.Timeout = 3 * time.Second
	if _, err := awsauth.RoleAlias(o).Retrieve(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 3s") {
		t.Errorf("silent: %v", err)
	}
}
