package examples_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/cognito"
	"github.com/portage-iot/awsiot/iotlocal/greengrass"
)

// The ports of v1's samples that need a service beside the endpoint.
var (
	basicDiscovery = program("v1-style/basicDiscovery")
	cognitoSTS     = program("v1-style/basicPubSub_CognitoSTS")
)

// group is the discovery response with one core at the given ports of localhost.
func (e *endpoint) group(ports ...int) greengrass.Group {
	core := greengrass.Core{ThingARN: "arn:core", Connectivity: []greengrass.Connectivity{}}
	for i, port := range ports {
		core.Connectivity = append(core.Connectivity, greengrass.Connectivity{ID: fmt.Sprint(i), HostAddress: "localhost", PortNumber: port})
	}
	return greengrass.Group{ID: "home", CAs: []string{string(e.CAPEM())}, Cores: []greengrass.Core{core}}
}

// discovering are the flags of the discovery sample.
func (e *endpoint) discovering(s *greengrass.Server, more ...string) []string {
	return append([]string{"-e", s.Host(), "--port", fmt.Sprint(s.Port()), "-r", s.CAFile(), "-c", e.thing.CertFile, "-k", e.thing.KeyFile, "-n", "thing"}, more...)
}

// closedPort is one where nobody listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestBasicDiscovery(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	service := greengrass.StartT(t, greengrass.Options{ClientCAPEM: e.CAPEM()})
	closed := closedPort(t)
	service.SetGroups("thing", e.group(closed, e.TLSPort()))
	service.Next(greengrass.Answer{Status: 429}) // the first try fails
	hello := func(i int) string { return fmt.Sprintf(`{"message":"Hello World!","sequence":%d}`, i) }
	p := basicDiscovery.start(t, nil, e.discovering(service, quickly(2)...)...)
	done(t, p)
	said := p.said()
	if len(said) == 0 || !strings.HasPrefix(said[0], "discovery failed, 9 tries left: Too many discovery requests") {
		t.Fatalf("output %q", said)
	}
	equal(t, "output", said[1:], []string{"discovered core arn:core of group home",
		fmt.Sprintf("trying localhost:%d", closed), fmt.Sprintf("cannot connect to localhost:%d", closed),
		fmt.Sprintf("trying localhost:%d", e.TLSPort()), fmt.Sprintf("connected to localhost:%d", e.TLSPort()),
		"received " + hello(0) + " from sdk/test/Python", "received " + hello(1) + " from sdk/test/Python"})
	equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.PUBLISH, iotlocal.DISCONNECT), []string{"CONNECT thing",
		"SUBSCRIBE sdk/test/Python 0", "PUBLISH sdk/test/Python 0 " + hello(0), "PUBLISH sdk/test/Python 0 " + hello(1), "DISCONNECT thing"})
	files, err := filepath.Glob(filepath.Join(p.cmd.Dir, "groupCA", "home_CA_????????-????-4???-????-????????????.crt"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if ca, err := os.ReadFile(files[0]); err != nil || string(ca) != string(e.CAPEM()) {
		t.Errorf("%s is not the authority of the group (%v)", files[0], err)
	}
}

func TestBasicDiscoveryPrints(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	service := greengrass.StartT(t, greengrass.Options{ClientCAPEM: e.CAPEM()})
	service.SetGroups("thing", e.group(8883))
	p := basicDiscovery.start(t, nil, e.discovering(service, "-p")...)
	done(t, p)
	out := strings.Join(p.said(), "\n")
	for _, want := range []string{`"GroupID": "home"`, `"CoreThingArn": "arn:core"`, `"Port": 8883`} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %s:\n%s", want, out)
		}
	}
	equal(t, "wire", e.wire(t, iotlocal.CONNECT), nil)
}

// TestBasicDiscoveryEnds: what ends the sample, with which status, after how many requests.
func TestBasicDiscoveryEnds(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	service := greengrass.StartT(t, greengrass.Options{ClientCAPEM: e.CAPEM()})
	device := e.discovering(service)
	for _, tt := range []struct {
		name     string
		answer   greengrass.Answer
		group    *greengrass.Group
		args     []string
		status   int
		requests int
		want     string
	}{
		{"invalid request", greengrass.Answer{Status: 400}, nil, device, 1, 1, "Invalid discovery request"},
		{"one try with -p", greengrass.Answer{Status: 500}, nil, append(device, "-p"), 1, 1, "Discovery failure: "},
		{"no address works", greengrass.Answer{}, new(e.group(closedPort(t))), device, 1, 1, "cannot connect to core arn:core"},
		{"no address", greengrass.Answer{}, new(e.group()), device, 1, 1, "core arn:core has no address"},
		{"malformed", greengrass.Answer{Body: "{}"}, nil, device, 1, 1, "no such key: 'GGGroups'"},
		{"missing file", greengrass.Answer{}, nil, append(device, "-k", "no-such.key"), 3, 0, "private key: no file at no-such.key"},
		{"no credentials", greengrass.Answer{}, nil, []string{"-e", "h", "-r", service.CAFile()}, 2, 0, "missing credentials"},
		{"mode", greengrass.Answer{}, nil, append(device, "-m", "shout"), 2, 0, "unknown mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service.SetGroups("thing")
			if tt.group != nil {
				service.SetGroups("thing", *tt.group)
			}
			before := len(service.Requests())
			if tt.requests > 0 {
				service.Next(tt.answer)
			}
			p := basicDiscovery.start(t, nil, tt.args...)
			if status := p.wait(t); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if n := len(service.Requests()) - before; n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if !strings.Contains(p.stderr.String(), tt.want) {
				t.Errorf("stderr, want %q:\n%s", tt.want, &p.stderr)
			}
		})
	}
}

// TestBasicDiscoveryInterrupted: Ctrl-C ends it between two tries.
func TestBasicDiscoveryInterrupted(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := basicDiscovery.start(t, nil, e.discovering(greengrass.StartT(t, greengrass.Options{}))...)
	p.waitFor(t, "7 tries left: No discovery data found") // the fourth try is 4 s away
	p.interrupt(t)
	done(t, p)
	equal(t, "wire", e.wire(t, iotlocal.CONNECT), nil)
}

// awsProxy is a proxy that brings every CONNECT to one address: the samples name the endpoint as AWS does.
func awsProxy(t *testing.T, to string) (*tunnels, string) {
	t.Helper()
	seen := &tunnels{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.add(r.Method + " " + r.RequestURI)
		out, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		in, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			out.Close()
			return
		}
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		splice(in, out)
	}))
	t.Cleanup(s.Close)
	return seen, s.URL
}

func TestCognitoSTS(t *testing.T) {
	t.Parallel()
	const host, pool = "a1b2.iot.eu-west-1.amazonaws.com", "eu-west-1:11111111-2222-4333-8444-555555555555"
	server := iotlocal.StartT(t, iotlocal.Options{SANs: []string{host}, Credentials: map[string]iotlocal.Credential{"NOBODY": {SecretAccessKey: "none"}}})
	e := &endpoint{Server: server}
	var once sync.Mutex
	issued := 0
	pools := cognito.StartT(t, cognito.Options{Issued: func(c cognito.Credentials) {
		once.Lock()
		defer once.Unlock()
		issued++
		if err := server.SetCredentials(map[string]iotlocal.Credential{c.AccessKeyID: {SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}}); err != nil {
			t.Error(err)
		}
	}})
	pools.AddPool(pool, true)
	seen, proxy := awsProxy(t, fmt.Sprintf("localhost:%d", server.WSSPort()))
	env := []string{"AWS_ENDPOINT_URL_COGNITO_IDENTITY=" + pools.URL(), "HTTPS_PROXY=" + proxy, "NO_PROXY=", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none", "AWS_PROFILE="}

	p := cognitoSTS.start(t, env, append(quickly(2), "-e", host, "-r", server.CAFile(), "-C", pool, "-t", "a")...)
	done(t, p)
	equal(t, "output", p.said(), []string{"credentials of pool " + pool, "received New Message 0 from a", "received New Message 1 from a"})
	equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.PUBLISH, iotlocal.DISCONNECT), []string{"CONNECT basicPubSub_CognitoSTS",
		"SUBSCRIBE a 1", "PUBLISH a 1 New Message 0", "PUBLISH a 1 New Message 1", "DISCONNECT basicPubSub_CognitoSTS"})
	equal(t, "tunnels", seen.all(), []string{"CONNECT " + host + ":443"})
	if issued != 1 {
		t.Errorf("%d sets of credentials, want 1", issued)
	}

	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no pool", []string{"-e", host, "-r", server.CAFile()}, 2, "missing -C/--CognitoIdentityPoolID"},
		{"no region", []string{"-e", "localhost", "-r", server.CAFile(), "-C", pool}, 2, `endpoint "localhost" does not tell its region`},
		{"no websocket flag", []string{"-e", host, "-r", server.CAFile(), "-C", pool, "-w"}, 2, "not defined: -w"},
		{"unknown pool", []string{"-e", host, "-r", server.CAFile(), "-C", "eu-west-1:other"}, 1, "IdentityPool 'eu-west-1:other' not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := cognitoSTS.start(t, env, tt.args...)
			if status := p.wait(t); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if !strings.Contains(p.stderr.String(), tt.want) {
				t.Errorf("stderr, want %q:\n%s", tt.want, &p.stderr)
			}
		})
	}
}
