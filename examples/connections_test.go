package examples_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	p12 "software.sslmate.com/src/go-pkcs12"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/cognito"
	"github.com/portage-iot/awsiot/v1compat"
)

var connect = program("v2-style/connect")

// connection is a peer for one way to connect, and what both generations say to it.
type connection struct {
	*iotlocal.Server
	thing iotlocal.Thing
	env   []string
	flags []string
	v1    func() *v1compat.AWSIoTMQTTClient // nil: v1 did not have it
	check func()                            // nil: nothing but the round trip
}

const accessKey = "AKIDEXAMPLE"

// connections are the rows of the guide's table of connection types (AWS IoT Device SDK v2, migration guide), each with a peer that
// takes nothing else: the certificate, the signature or the token is verified.
var connections = map[string]func(t *testing.T) *connection{
	"X.509 files": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{})
		c.flags = []string{"-auth", "mtls", "-p", fmt.Sprint(c.TLSPort()), "-c", c.thing.CertFile, "-k", c.thing.KeyFile}
		c.v1 = func() *v1compat.AWSIoTMQTTClient {
			client := v1compat.NewAWSIoTMQTTClient("v1")
			client.ConfigureEndpoint(c.Host(), c.TLSPort())
			client.ConfigureCredentials(c.CAFile(), c.thing.KeyFile, c.thing.CertFile)
			return client
		}
		return c
	},
	"PKCS #12": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{})
		pair, err := c.thing.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		data, err := p12.Modern.Encode(pair.PrivateKey, pair.Leaf, nil, "sesame")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "pump.p12")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c.flags = []string{"-auth", "pkcs12", "-p", fmt.Sprint(c.TLSPort()), "-p12", file, "-password", "sesame"}
		return c
	},
	"SigV4 websocket": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{accessKey: {SecretAccessKey: "secret", SessionToken: "session"}}})
		c.env = []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=session", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none"}
		c.flags = []string{"-auth", "websocket", "-p", fmt.Sprint(c.WSSPort()), "-region", "eu-west-1"}
		c.v1 = func() *v1compat.AWSIoTMQTTClient {
			client := v1compat.NewAWSIoTMQTTClient("v1", v1compat.WithWebsocket(true))
			client.ConfigureEndpoint(awsName, c.WSSPort()) // v1 took the region from the name
			client.ConfigureCredentials(c.CAFile(), "", "")
			client.ConfigureIAMCredentials(accessKey, "secret", "session")
			client.ConfigureSocketFactory(func() (net.Conn, error) {
				return net.Dial("tcp", fmt.Sprintf("localhost:%d", c.WSSPort()))
			})
			return client
		}
		return c
	},
	"Cognito": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"NOBODY": {SecretAccessKey: "none"}}})
		pools := cognito.StartT(t, cognito.Options{Issued: func(k cognito.Credentials) {
			if err := c.SetCredentials(map[string]iotlocal.Credential{k.AccessKeyID: {SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}}); err != nil {
				t.Error(err)
			}
		}})
		const pool = "eu-west-1:11111111-2222-4333-8444-555555555555"
		pools.AddPool(pool, true)
		c.env = []string{"AWS_ENDPOINT_URL_COGNITO_IDENTITY=" + pools.URL(), "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none"}
		c.flags = []string{"-auth", "cognito", "-p", fmt.Sprint(c.WSSPort()), "-region", "eu-west-1", "-pool", pool}
		return c // v1's way is its sample: TestCognitoSTS
	},
	"X.509 role alias": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"ROLE": {SecretAccessKey: "hidden", SessionToken: "tok"}}})
		provider := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/role-aliases/mine/credentials" || r.TLS.PeerCertificates[0].Subject.CommonName != "pump" {
				http.Error(w, "who are you", http.StatusForbidden)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"credentials": map[string]string{"accessKeyId": "ROLE", "secretAccessKey": "hidden", "sessionToken": "tok",
				"expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
		}))
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(c.CAPEM())
		provider.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
		provider.Config.ErrorLog = log.New(io.Discard, "", 0)
		provider.StartTLS()
		t.Cleanup(provider.Close)
		both := filepath.Join(t.TempDir(), "both.pem")
		if err := os.WriteFile(both, slices.Concat(c.CAPEM(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw})), 0o600); err != nil {
			t.Fatal(err)
		}
		c.flags = []string{"-auth", "role-alias", "-p", fmt.Sprint(c.WSSPort()), "-region", "eu-west-1", "-r", both, "-c", c.thing.CertFile, "-k", c.thing.KeyFile,
			"-role-endpoint", provider.Listener.Addr().String(), "-role-alias", "mine"}
		return c
	},
	"custom authorizer": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{})
		c.flags = append(c.authorizer(t), "-p", fmt.Sprint(c.TLSPort()))
		return c
	},
	"custom authorizer over a websocket": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"NOBODY": {SecretAccessKey: "none"}}})
		c.flags = append(c.authorizer(t), "-p", fmt.Sprint(c.WSSPort()), "-over-websocket")
		return c
	},
	"HTTP proxy": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{})
		seen, addr := httpProxy(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("me:sesame")))
		c.flags = []string{"-auth", "mtls", "-p", fmt.Sprint(c.TLSPort()), "-c", c.thing.CertFile, "-k", c.thing.KeyFile, "-proxy", "http://me:sesame@" + addr.String()}
		c.check = func() {
			if want := []string{fmt.Sprintf("localhost:%d", c.TLSPort())}; !slices.Equal(seen.all(), want) {
				t.Errorf("tunnels %v, want %v", seen.all(), want)
			}
		}
		return c // v1's way is its sample: TestProxySample
	},
	"SOCKS proxy": func(t *testing.T) *connection {
		c := newConnection(t, iotlocal.Options{})
		seen, addr := socksProxy(t, "me:sesame")
		c.flags = []string{"-auth", "mtls", "-p", fmt.Sprint(c.TLSPort()), "-c", c.thing.CertFile, "-k", c.thing.KeyFile, "-proxy", "socks5://me:sesame@" + addr.String()}
		c.check = func() {
			if len(seen.all()) != 1 {
				t.Errorf("tunnels %v", seen.all())
			}
		}
		return c
	},
}

// awsName is a name as AWS gives them; it is one of the certificate.
const awsName = "a1b2.iot.eu-west-1.amazonaws.com"

func newConnection(t *testing.T, o iotlocal.Options) *connection {
	t.Helper()
	o.SANs = []string{awsName}
	o.TCPPort = iotlocal.Off
	s := iotlocal.StartT(t, o)
	thing, err := s.NewThing("pump")
	if err != nil {
		t.Fatal(err)
	}
	return &connection{Server: s, thing: thing}
}

// authorizer puts up a custom authorizer, and returns the flags that it lets in.
func (c *connection) authorizer(t *testing.T) []string {
	t.Helper()
	var mu sync.Mutex
	asked := 0
	if err := c.Authorizers().Put(iotlocal.Authorizer{Name: "mine", SigningDisabled: true, TokenKeyName: "tok", Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return iotlocal.AuthorizerAnswer{IsAuthenticated: r.Token == "t" && string(r.ProtocolData.MQTT.Password) == "sesame", PrincipalID: "bob",
			PolicyDocuments: []json.RawMessage{json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`)}}, nil
	}}); err != nil {
		t.Fatal(err)
	}
	c.check = func() {
		mu.Lock()
		defer mu.Unlock()
		if asked != 1 {
			t.Errorf("the authorizer was asked %d times", asked)
		}
	}
	return []string{"-auth", "custom-authorizer", "-authorizer", "mine", "-user", "bob", "-password", "sesame", "-token-key", "tok", "-token", "t", "-signature", "unused"}
}

func TestConnectionTypes(t *testing.T) {
	t.Parallel()
	for name, peer := range connections {
		t.Run(name, func(t *testing.T) {
			c := peer(t)
			args := c.flags
			if !slices.Contains(args, "-r") {
				args = append(args, "-r", c.CAFile())
			}
			p := connect.start(t, c.env, append(args, "-e", c.Host())...)
			if status := p.wait(t); status != 0 {
				t.Fatalf("status %d: %s", status, &p.stderr)
			}
			auth := c.flags[slices.Index(c.flags, "-auth")+1]
			equal(t, "output", p.said(), []string{"connected by " + auth, "received by " + auth})
			if c.check != nil {
				c.check()
			}
			if c.v1 == nil {
				return
			}
			client := c.v1()
			if err := client.Connect(); err != nil {
				t.Fatal(err)
			}
			heard := make(chan string, 1)
			if _, err := client.Subscribe("v1", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { heard <- string(m.Payload) }); err != nil {
				t.Fatal(err)
			}
			if ok, err := client.Publish("v1", "hello", 1); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if got := <-heard; got != "hello" {
				t.Error(got)
			}
			if err := client.Disconnect(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is wrong with the flags, or with what they name, is told.
func TestConnectRefused(t *testing.T) {
	t.Parallel()
	c := newConnection(t, iotlocal.Options{})
	for want, args := range map[string][]string{
		"needs the path of a":   {}, // -auth is mtls
		`-auth "x" is none of`:  {"-auth", "x"},
		`argument "x"`:          {"x"},
		"no such file":          {"-auth", "mtls", "-c", "none.pem", "-k", "none.key"},
		"Auth: PKCS #12":        {"-auth", "pkcs12"},
		"belong together":       {"-auth", "custom-authorizer", "-token", "t"},
		"-proxy: ":              {"-auth", "mtls", "-proxy", "http://a b"},
		"flag provided but not": {"-nonsense"},
	} {
		p := connect.start(t, []string{"AWS_EC2_METADATA_DISABLED=true"}, append(args, "-e", c.Host(), "-p", fmt.Sprint(c.TLSPort()), "-r", c.CAFile())...)
		status := 1
		if len(args) == 1 { // wrong use
			status = 2
		}
		if got := p.wait(t); got != status || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: status %d, %s; want %s", args, got, &p.stderr, want)
		}
	}
	p := connect.start(t, nil, "-auth", "mtls")
	if got := p.wait(t); got != 2 || !strings.Contains(p.stderr.String(), "-e is missing, the host name of the endpoint") {
		t.Errorf("no endpoint: status %d, %s", got, &p.stderr)
	}
}
