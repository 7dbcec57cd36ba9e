package v1compat_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

// awsHost is an endpoint name as AWS gives them out: it tells the region.
const awsHost = "abc123def456-ats.iot.us-east-1.amazonaws.com"

// websocketServer starts an endpoint that takes the given credentials and answers to awsHost.
func websocketServer(t *testing.T, keys map[string]iotlocal.Credential) *iotlocal.Server {
	t.Helper()
	return iotlocal.StartT(t, iotlocal.Options{SANs: []string{awsHost}, Credentials: keys})
}

// websocketClient makes a client of awsHost that is connected to srv in truth. The look-up for credentials finds nothing.
func websocketClient(t *testing.T, srv *iotlocal.Server) *v1compat.AWSIoTMQTTClient {
	t.Helper()
	noCredentials(t)
	c := plain(t, srv, "ws", v1compat.WithWebsocket(true))
	c.ConfigureEndpoint(awsHost, 443)
	c.ConfigureCredentials(srv.CAFile(), "", "")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.02, 1)
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		return net.Dial("tcp", net.JoinHostPort("127.0.0.1", itoa(srv.WSSPort())))
	})
	return c
}

// noCredentials hides those of the machine and returns the home directory in which the client now looks.
func noCredentials(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	return home
}

func writeCredentialsFile(t *testing.T, home, section, id, secret, token string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".aws"), 0o700))
	text := "[" + section + "]\naws_access_key_id=" + id + "\naws_secret_access_key=" + secret + "\n"
	if token != "" {
		text += "aws_session_token=" + token + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte(text), 0o600))
}

var wsKeys = map[string]iotlocal.Credential{
	"USER": {SecretAccessKey: "user/secret"},
	"ROLE": {SecretAccessKey: "role+secret", SessionToken: "to/ken+=="},
}

// Every place where v1 looked for credentials, by what connects and what does not.
func TestWebsocketConnect(t *testing.T) {
	env := func(id, secret, token string) func(*testing.T, *v1compat.AWSIoTMQTTClient, string) {
		return func(t *testing.T, _ *v1compat.AWSIoTMQTTClient, _ string) {
			t.Setenv("AWS_ACCESS_KEY_ID", id)
			t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
			t.Setenv("AWS_SESSION_TOKEN", token)
		}
	}
	file := func(section, id, secret, token string) func(*testing.T, *v1compat.AWSIoTMQTTClient, string) {
		return func(t *testing.T, _ *v1compat.AWSIoTMQTTClient, home string) {
			writeCredentialsFile(t, home, section, id, secret, token)
		}
	}
	iam := func(id, secret, token string) func(*testing.T, *v1compat.AWSIoTMQTTClient, string) {
		return func(_ *testing.T, c *v1compat.AWSIoTMQTTClient, _ string) {
			c.ConfigureIAMCredentials(id, secret, token)
		}
	}
	const handshake, noKey = "Websocket Handshake Error", "No Access Key/KeyID Error"
	for _, tt := range []struct {
		name  string
		steps []func(*testing.T, *v1compat.AWSIoTMQTTClient, string)
		value string   // v1's text of the ValueError; "": it connects
		wants []string // in the error
	}{
		{name: "configured", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("USER", "user/secret", "")}},
		{name: "session token", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("ROLE", "role+secret", "to/ken+==")}},
		{name: "environment", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){env("ROLE", "role+secret", "to/ken+==")}},
		{name: "file default", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){file("default", "ROLE", "role+secret", "to/ken+==")}},
		{name: "file DEFAULT", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){file("DEFAULT", "USER", "user/secret", "")}},
		{name: "configured before environment", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("USER", "user/secret", ""), env("NO", "no", "")}},
		{name: "environment before file", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){env("USER", "user/secret", ""), file("default", "NO", "no", "")}},
		{name: "half a pair is none", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("NO", "", ""), env("USER", "user/secret", "")}},
		{name: "the last call counts", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("NO", "no", "x"), iam("USER", "user/secret", "")}},

		{name: "nothing anywhere", value: noKey, wants: []string{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set", "does not exist"}},
		{name: "no secret", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("USER", "", "")}, value: noKey, wants: []string{"ConfigureIAMCredentials was given no secret access key"}},
		{name: "no id", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("", "user/secret", "")}, value: noKey, wants: []string{"ConfigureIAMCredentials was given no access key id"}},
		{name: "another profile", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){file("other", "USER", "user/secret", "")}, value: noKey, wants: []string{"in [default] or [DEFAULT]"}},
		{name: "unknown id", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("NO", "user/secret", "")}, value: handshake, wants: []string{"403 Forbidden", "NO"}},
		{name: "wrong secret", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("USER", "wrong", "")}, value: handshake, wants: []string{"403 Forbidden"}},
		{name: "wrong token", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("ROLE", "role+secret", "None")}, value: handshake, wants: []string{"403 Forbidden"}},
		{name: "no token", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("ROLE", "role+secret", "")}, value: handshake, wants: []string{"403 Forbidden"}},
		{name: "an id that cannot be signed with", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("US/ER", "user/secret", "")}, value: handshake, wants: []string{"a slash"}},
		{name: "custom domain", steps: []func(*testing.T, *v1compat.AWSIoTMQTTClient, string){iam("USER", "user/secret", ""),
			func(_ *testing.T, c *v1compat.AWSIoTMQTTClient, _ string) { c.ConfigureEndpoint("localhost", 443) }},
			value: "Invalid endpoint pattern for wss: localhost", wants: []string{"does not tell its region"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := websocketServer(t, wsKeys)
			c := websocketClient(t, srv)
			for _, step := range tt.steps {
				step(t, c, os.Getenv("HOME"))
			}
			err := c.Connect()
			if tt.value == "" {
				require.NoError(t, err)
				assert.Equal(t, []string{"hello ws"}, []string{roundTrip(t, c)}, "round trip")
				return
			}
			var ve *v1compat.ValueError
			require.ErrorAs(t, err, &ve)
			require.Equal(t, tt.value, ve.Message)
			var refused *v1compat.WssHandShakeError
			var none *v1compat.WssNoKeyInEnvironmentError
			assert.Equal(t, (tt.value == handshake), errors.As(err, &refused), "%v is or wraps the wrong exceptions of v1", err)
			assert.Equal(t, (tt.value == noKey), errors.As(err, &none), "%v is or wraps the wrong exceptions of v1", err)
			for _, want := range tt.wants {
				assert.Contains(t, err.Error(), want, "%q is not in %v", want, err)
			}
			for _, k := range wsKeys {
				assert.NotContains(t, err.Error(), k.SecretAccessKey, "a secret in")
				assert.NotContains(t, err.Error(), "X-Amz-Signature", "a secret in")
			}
			_, again := c.ConnectAsync(600, nil)
			if assert.ErrorAs(t, again, &ve, "ConnectAsync: %v, want ValueError %q", again, tt.value) {
				assert.Equal(t, tt.value, ve.Message, "ConnectAsync: %v, want ValueError %q", again, tt.value)
			}
		})
	}
}

// roundTrip publishes to itself and returns what came back.
func roundTrip(t *testing.T, c *v1compat.AWSIoTMQTTClient) string {
	t.Helper()
	got := facadetest.NewEvents()
	facadetest.Acked(t)(c.Subscribe("w/s", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got.Add("%s", m.Payload) }))
	facadetest.Acked(t)(c.Publish("w/s", "hello ws", 1))
	return got.Wait(t, 1)[0]
}

// Credentials that the service no longer takes do not end the client: it goes on trying, and uses what
// ConfigureIAMCredentials is given meanwhile. The call is legal on a connected client and makes no new core.
func TestWebsocketNewCredentials(t *testing.T) {
	srv := websocketServer(t, map[string]iotlocal.Credential{"OLD": {SecretAccessKey: "old"}})
	c := websocketClient(t, srv)
	c.ConfigureIAMCredentials("OLD", "old", "")
	seen := facadetest.NewEvents()
	c.OnOnline = func() { seen.Add("online") }
	c.OnOffline = func() { seen.Add("offline") }
	require.NoError(t, c.Connect())
	core := c.V2()
	failures := facadetest.NewEvents()
	core.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) { failures.Add("%v", f.Err) }})

	require.NoError(t, srv.SetCredentials(map[string]iotlocal.Credential{"NEW": {SecretAccessKey: "new", SessionToken: "tok"}}))
	srv.Faults().Cut("ws")
	for _, f := range failures.Wait(t, 3) { // the network thread of v1 died with the first
		assert.Contains(t, f, "403 Forbidden", "failure")
	}
	c.ConfigureIAMCredentials("NEW", "new", "tok")
	assert.Equal(t, []string{"online", "offline", "online"}, seen.Wait(t, 3), "hooks")
	assert.Equal(t, []string{"hello ws"}, []string{roundTrip(t, c)}, "round trip")

	c.ConfigureIAMCredentials("NEW", "new", "tok") // also while connected
	require.NoError(t, c.Disconnect())
	require.NoError(t, c.Connect()) // and it is no error of the next Connect
	assert.Same(t, core, c.V2(), "the core was made anew")
}

// The chain is looked through at every handshake.
func TestWebsocketChainEachTime(t *testing.T) {
	srv := websocketServer(t, map[string]iotlocal.Credential{"FIRST": {SecretAccessKey: "1"}})
	c := websocketClient(t, srv)
	seen := facadetest.NewEvents()
	c.OnOnline = func() { seen.Add("online") }
	home := os.Getenv("HOME")
	writeCredentialsFile(t, home, "default", "FIRST", "1", "")
	require.NoError(t, c.Connect())
	require.NoError(t, srv.SetCredentials(map[string]iotlocal.Credential{"SECOND": {SecretAccessKey: "2"}}))
	writeCredentialsFile(t, home, "default", "SECOND", "2", "")
	srv.Faults().Cut("ws")
	seen.Wait(t, 2)
}

// What goes over the wire: TLS with the server's name and without a client certificate or MQTT's ALPN name.
func TestWebsocketTransport(t *testing.T) {
	srv := websocketServer(t, wsKeys)
	c := websocketClient(t, srv)
	c.ConfigureCredentials(srv.CAFile(), "no such key", "no such certificate", "no such cipher")
	c.ConfigureIAMCredentials("USER", "user/secret", "")
	require.NoError(t, c.Connect())
	i := slices.IndexFunc(srv.Recorder().Packets(), func(p iotlocal.Packet) bool { return p.Type == iotlocal.TransportOpen })
	tr := srv.Recorder().Packets()[i].Transport
	assert.True(t, tr.TLS, "transport")
	assert.True(t, tr.Websocket, "transport")
	assert.Equal(t, awsHost, tr.SNI, "transport")
	assert.Equal(t, "http/1.1", tr.ALPN, "transport")
	assert.Empty(t, tr.ClientCert, "transport")
}

// The server is verified by the CA file, and by the system's CAs without one.
func TestWebsocketServerVerified(t *testing.T) {
	srv, other := websocketServer(t, wsKeys), websocketServer(t, wsKeys)
	c := websocketClient(t, srv)
	c.ConfigureIAMCredentials("USER", "user/secret", "")
	c.ConfigureCredentials(other.CAFile(), "", "")
	err := c.Connect()
	if assert.Error(t, err, "another CA") {
		assert.Contains(t, err.Error(), "x509", "another CA")
	}
	d := v1compat.NewAWSIoTMQTTClient("ws", v1compat.WithWebsocket(true))
	t.Cleanup(func() {
		core := d.V2() // asked for again, it would be made anew
		core.Close()
		<-core.Done()
	})
	d.ConfigureEndpoint(awsHost, 443)
	d.ConfigureIAMCredentials("USER", "user/secret", "")
	d.ConfigureSocketFactory(func() (net.Conn, error) {
		return net.Dial("tcp", net.JoinHostPort("127.0.0.1", itoa(srv.WSSPort())))
	})
	err = d.Connect()
	if assert.Error(t, err, "no CA file") {
		assert.Contains(t, err.Error(), "x509", "no CA file")
	}
	for _, p := range srv.Recorder().Packets() {
		assert.NotEqual(t, iotlocal.CONNECT, p.Type, "a CONNECT was sent")
	}
}

// Without WithWebsocket the credentials mean nothing, as in v1.
func TestIAMWithoutWebsocket(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "iam")
	c.ConfigureIAMCredentials("A", "B", "C")
	require.NoError(t, c.Connect())
}

// Shadow and jobs clients hand their options and credentials on.
func TestWebsocketOtherFacades(t *testing.T) {
	type facade interface {
		ConfigureEndpoint(string, int)
		ConfigureCredentials(ca, key, certificate string)
		ConfigureIAMCredentials(id, secret, token string)
		ConfigureSocketFactory(func() (net.Conn, error))
		GetMQTTConnection() *v1compat.AWSIoTMQTTClient
		Connect(...int) error
		Disconnect() error
	}
	for _, tt := range []struct {
		name string
		make func() facade
		use  func(facade) (string, error) // a request of the service that answers
		want string
	}{
		{"shadow", func() facade {
			return shadowcompat.NewAWSIoTMQTTShadowClient("ws", v1compat.WithWebsocket(true))
		}, func(f facade) (string, error) {
			answer := make(chan string, 1)
			_, err := f.(*shadowcompat.AWSIoTMQTTShadowClient).CreateShadowHandlerWithName("thing", false).
				ShadowUpdate(`{"state":{"desired":{"a":1}}}`, func(_, status, _ string) { answer <- status }, 5)
			if err != nil {
				return "", err
			}
			return <-answer, nil
		}, "accepted"},
		{"jobs", func() facade {
			return jobscompat.NewAWSIoTMQTTThingJobsClient("ws", "thing", 1, v1compat.WithWebsocket(true))
		}, func(f facade) (string, error) {
			ok, err := f.(*jobscompat.AWSIoTMQTTThingJobsClient).SendJobsQuery(jobscompat.JobGetPendingTopic, "")
			return fmt.Sprint(ok), err
		}, "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := websocketServer(t, wsKeys)
			noCredentials(t)
			f := tt.make()
			f.ConfigureEndpoint(awsHost, 443)
			f.ConfigureCredentials(srv.CAFile(), "", "")
			f.ConfigureIAMCredentials("ROLE", "role+secret", "to/ken+==")
			f.ConfigureSocketFactory(func() (net.Conn, error) {
				return net.Dial("tcp", net.JoinHostPort("127.0.0.1", itoa(srv.WSSPort())))
			})
			t.Cleanup(func() {
				f.Disconnect() // an error says that it is not connected
				core := f.GetMQTTConnection().V2()
				core.Close()
				<-core.Done()
			})
			require.NoError(t, f.Connect())
			got, err := tt.use(f)
			assert.Equal(t, tt.want, got)
			assert.NoError(t, err)
		})
	}
}

// The errors say what v1's exceptions said, and descend to those of v2.
func TestWebsocketErrors(t *testing.T) {
	srv := websocketServer(t, wsKeys)
	c := websocketClient(t, srv)
	var none *awsauth.NoCredentialsError
	var root v1compat.OperationError
	err := c.Connect()
	if assert.ErrorAs(t, err, &none, "no credentials") {
		if assert.ErrorAs(t, err, &root, "no credentials") {
			assert.True(t, strings.HasPrefix(root.Error(), "No AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY detected in $ENV."), "no credentials")
		}
	}
	c.ConfigureIAMCredentials("USER", "wrong", "")
	var refused *awsiot.UpgradeError
	err = c.Connect()
	if assert.ErrorAs(t, err, &refused, "refused") {
		assert.Equal(t, 403, refused.Status, "refused")
		if assert.ErrorAs(t, err, &root, "refused") {
			assert.True(t, strings.HasPrefix(root.Error(), "Error in WSS handshake."), "refused")
		}
	}
	var timeout v1compat.OperationTimeoutError
	assert.NotErrorAs(t, err, &timeout, "%v is a timeout", err)
}
