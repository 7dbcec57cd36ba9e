package awsauth_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

// TestMain keeps the settings of the machine away from all tests.
func TestMain(m *testing.M) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_REGION"} {
		os.Unsetenv(name)
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		os.Setenv(name, filepath.Join(os.TempDir(), "portage-no-such-file"))
	}
	testsize.Waits()
	goleak.VerifyTestMain(m)
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func options(srv *iotlocal.Server, auth awsiot.Auth) awsiot.ClientOptions {
	return awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.WSSPort(), CAPEM: srv.CAPEM(), ClientID: "ws", Auth: auth,
		MinReconnectDelay: time.Millisecond, MaxReconnectDelay: 10 * time.Millisecond}
}

// rotating returns other credentials whenever it is told to.
type rotating struct {
	now   atomic.Pointer[aws.Credentials]
	asked atomic.Int32
}

func (r *rotating) Retrieve(context.Context) (aws.Credentials, error) {
	r.asked.Add(1)
	return *r.now.Load(), nil
}

// Messages there and back, and a reconnection with credentials that have changed since: the old ones are no longer good.
func TestReconnectWithNewCredentials(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"OLD": {SecretAccessKey: "old-secret", SessionToken: "old/token+=="}}})
	p := &rotating{}
	p.now.Store(&aws.Credentials{AccessKeyID: "OLD", SecretAccessKey: "old-secret", SessionToken: "old/token+=="})
	o := options(srv, awsauth.Websocket("eu-west-1", p))
	events := make(chan string, 100)
	o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { events <- "success" }
	o.OnConnectionFailure = func(e *awsiot.ConnectionFailure) { events <- e.Err.Error() }
	c := awsiot.NewClient(o)
	defer c.Close()
	ctx := within(t)
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	wait := func(want string) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if strings.Contains(e, "old-secret") || strings.Contains(e, "old/token") || strings.Contains(e, "X-Amz-Signature=") {
					t.Errorf("a secret in %q", e)
				}
				if strings.Contains(e, want) {
					return
				}
			case <-ctx.Done():
				t.Fatalf("no %q", want)
			}
		}
	}
	wait("success")
	got := make(chan string, 1)
	if _, err := c.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a/b", QoS: awsiot.AtLeastOnce,
		Handler: func(m *awsiot.Message) { got <- string(m.Payload) }}}}); err != nil {
		t.Fatal(err)
	}
	echo := func(text string) {
		t.Helper()
		if _, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: "a/b", Payload: []byte(text), QoS: awsiot.AtLeastOnce}); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-got:
			if m != text {
				t.Errorf("%d bytes came back as %d", len(text), len(m))
			}
		case <-ctx.Done():
			t.Fatal("message lost")
		}
	}
	for _, size := range []int{0, 1, 125, 126, 60_000, 66_000, 120_000} { // every form of a frame's length
		echo(strings.Repeat("x", size))
	}

	if err := srv.SetCredentials(map[string]iotlocal.Credential{"NEW": {SecretAccessKey: "new-secret"}}); err != nil {
		t.Fatal(err)
	}
	srv.Faults().Cut("ws")
	wait(`403 Forbidden: {"message":"The security token included in the request is invalid. (access key id \"OLD\" is not known)"}`)
	p.now.Store(&aws.Credentials{AccessKeyID: "NEW", SecretAccessKey: "new-secret"})
	wait("success")
	echo("again")
	if n := p.asked.Load(); n < 3 {
		t.Errorf("the provider was asked %d times for three attempts and more", n)
	}
	opened, refused := 0, 0
	for _, e := range srv.Recorder().Packets() {
		switch e.Type {
		case iotlocal.TransportOpen:
			opened++
			if tr := e.Transport; !tr.Websocket || !tr.TLS || tr.ALPN != "http/1.1" || tr.SNI != "localhost" || tr.ClientCert != "" {
				t.Errorf("recorded %+v", tr)
			}
		case iotlocal.HandshakeFailed:
			refused++
		}
	}
	if opened != 2 || refused == 0 {
		t.Errorf("recorded: %d opened, %d refused", opened, refused)
	}
}

// What the program is told when it does not work, always without the secrets.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		region string
		p      aws.CredentialsProvider
		ahead  time.Duration // of the server's clock
		status int           // of the UpgradeError; 0: none
		want   string
	}{
		{"wrong secret", "eu-west-1", awsauth.Static("AKID", "s3cret-wrong", "t0ken"), 0, 403, "The request signature we calculated does not match"},
		{"wrong token", "eu-west-1", awsauth.Static("AKID", "s3cret", "t0ken-wrong"), 0, 403, "not the session token of access key id"},
		{"no token", "eu-west-1", awsauth.Static("AKID", "s3cret", ""), 0, 403, "needs X-Amz-Security-Token"},
		{"the device's clock is slow", "eu-west-1", awsauth.Static("AKID", "s3cret", "t0ken"), 6 * time.Minute, 403, "Signature expired: "},
		{"the device's clock is fast", "eu-west-1", awsauth.Static("AKID", "s3cret", "t0ken"), -6 * time.Minute, 403, "Check the clock of the device: the server has "},
		{"no region", "", awsauth.Static("AKID", "s3cret", "t0ken"), 0, 0, `the endpoint name "localhost" does not tell its region`},
		{"no provider", "eu-west-1", nil, 0, 0, "needs a credentials provider"},
		{"no credentials anywhere", "eu-west-1", awsauth.V1Chain(), 0, 0, "no AWS credentials: environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set; file: "},
		{"no credentials in the chain", "eu-west-1", awsauth.DefaultChain(), 0, 0, "completing the upgrade request: awsauth: retrieving credentials: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			for k, v := range map[string]string{"HOME": home, "USERPROFILE": home, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
				"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
				"AWS_SHARED_CREDENTIALS_FILE": home + "/none", "AWS_CONFIG_FILE": home + "/none", "AWS_EC2_METADATA_DISABLED": "true"} {
				t.Setenv(k, v)
			}
			srv := iotlocal.StartT(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"AKID": {SecretAccessKey: "s3cret", SessionToken: "t0ken"}}})
			srv.Clock().Advance(tt.ahead)
			c := awsiot.NewClient(options(srv, awsauth.Websocket(tt.region, tt.p)))
			defer c.Close()
			err := c.StartAndWait(within(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			ue, ok := errors.AsType[*awsiot.UpgradeError](err)
			if ok != (tt.status != 0) || ok && (ue.Status != tt.status || !strings.Contains(ue.Body, `{"message":"`)) {
				t.Errorf("upgrade error %+v", ue)
			}
			switch tt.name {
			case "no region":
				if re, ok := errors.AsType[*awsauth.RegionError](err); !ok || re.Host != "localhost" {
					t.Errorf("%#v", re)
				}
			case "no credentials anywhere":
				if _, ok := errors.AsType[*awsauth.NoCredentialsError](err); !ok {
					t.Errorf("%T is no NoCredentialsError", err)
				}
			}
		})
	}
}

// A clock that is off by less than five minutes does no harm, nor does a server that knows no credentials.
func TestAccepted(t *testing.T) {
	listed := map[string]iotlocal.Credential{"AKID": {SecretAccessKey: "s3cret", SessionToken: "t/o+k=="}}
	for _, tt := range []struct {
		name  string
		creds map[string]iotlocal.Credential
		ahead time.Duration
		auth  awsiot.Auth
	}{
		{"slow", listed, 4 * time.Minute, awsauth.Websocket("eu-west-1", awsauth.Static("AKID", "s3cret", "t/o+k=="))},
		{"fast", listed, -4 * time.Minute, awsauth.Websocket("eu-west-1", awsauth.Static("AKID", "s3cret", "t/o+k=="))},
		{"any signature", nil, 0, awsauth.Websocket("eu-west-1", awsauth.Static("any", "any", "any"))},
		{"none", nil, 0, awsiot.WebsocketHandshake(nil)},
		{"another query", nil, 0, awsiot.WebsocketHandshake(func(_ context.Context, r *http.Request) error { r.URL.RawQuery = "a=b"; return nil })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := iotlocal.StartT(t, iotlocal.Options{Credentials: tt.creds})
			srv.Clock().Advance(tt.ahead)
			c := awsiot.NewClient(options(srv, tt.auth))
			defer c.Close()
			if err := c.StartAndWait(within(t)); err != nil {
				t.Error(err)
			}
			if err := c.Stop(within(t), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// The port without TLS, which AWS does not have.
func TestPlainPort(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	o := options(srv, awsiot.PlainWebsocket(nil))
	o.Port, o.CAPEM = srv.WSPort(), nil
	c := awsiot.NewClient(o)
	defer c.Close()
	if err := c.StartAndWait(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, e := range srv.Recorder().Packets() {
		if e.Type == iotlocal.TransportOpen && (!e.Transport.Websocket || e.Transport.TLS) {
			t.Errorf("recorded %+v", e.Transport)
		}
	}
}

// A secret that is corrected under the same access key id is used by the next attempt, and so is a wrong one: nothing
// of an earlier attempt's is kept.
func TestSecretChangesUnderTheSameID(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"ID": {SecretAccessKey: "right-secret"}}})
	p := &rotating{}
	c := awsiot.NewClient(options(srv, awsauth.Websocket("eu-west-1", p)))
	defer c.Close()
	ctx := within(t)
	for i, tt := range []struct {
		secret string
		status int // of the refusal; 0: connected
	}{{"wrong-secret", http.StatusForbidden}, {"right-secret", 0}, {"wrong-secret", http.StatusForbidden}, {"right-secret", 0}} {
		p.now.Store(&aws.Credentials{AccessKeyID: "ID", SecretAccessKey: tt.secret})
		err := c.StartAndWait(ctx)
		status := 0
		if ue, ok := errors.AsType[*awsiot.UpgradeError](err); ok {
			status = ue.Status
		}
		if status != tt.status || (err == nil) != (tt.status == 0) {
			t.Errorf("attempt %d with %s: %v, want status %d", i+1, tt.secret, err, tt.status)
		}
		if err := c.Stop(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
}
