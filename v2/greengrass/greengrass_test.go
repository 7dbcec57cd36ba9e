package greengrass_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	standin "github.com/portage-iot/awsiot/iotlocal/greengrass"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// stage is a core (iotlocal) with a device, and the discovery service.
type stage struct {
	core    *iotlocal.Server
	service *standin.Server
	device  iotlocal.Thing
}

func newStage(t *testing.T) *stage {
	t.Helper()
	core := iotlocal.StartT(t, iotlocal.Options{})
	device, err := core.NewThing("device")
	if err != nil {
		t.Fatal(err)
	}
	return &stage{core, standin.StartT(t, standin.Options{ClientCAPEM: core.CAPEM()}), device}
}

func (s *stage) auth() awsiot.Auth { return awsiot.MTLSFromPath(s.device.CertFile, s.device.KeyFile) }

func (s *stage) options() greengrass.Options {
	return greengrass.Options{Endpoint: s.service.Host(), Port: s.service.Port(), Auth: s.auth(), CAFile: s.service.CAFile(), Timeout: 20 * time.Second}
}

func (s *stage) discover(t *testing.T, change func(*greengrass.Options)) (*greengrass.DiscoverResponse, error) {
	t.Helper()
	o := s.options()
	if change != nil {
		change(&o)
	}
	return greengrass.NewClient(o).Discover(t.Context(), "device")
}

// two groups, four addresses.
func groups() []standin.Group {
	at := func(id, host string, port int, meta string) standin.Connectivity {
		return standin.Connectivity{ID: id, HostAddress: host, PortNumber: port, Metadata: meta}
	}
	return []standin.Group{
		{ID: "g1", CAs: []string{"CA1", "CA2"}, Cores: []standin.Core{
			{ThingARN: "arn:1", Connectivity: []standin.Connectivity{at("a", "10.0.0.1", 8883, "wifi"), at("b", "fe80::1", 443, "")}},
			{ThingARN: "arn:2", Connectivity: []standin.Connectivity{at("c", "core.local", 8883, "")}}}},
		{ID: "g2", CAs: []string{"CA3"}, Cores: []standin.Core{
			{ThingARN: "arn:3", Connectivity: []standin.Connectivity{at("d", "10.0.0.2", 8883, "")}}}},
	}
}

func TestDiscovery(t *testing.T) {
	s := newStage(t)
	s.service.SetGroups("device", groups()...)
	found, err := s.discover(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c := range found.Candidates() {
		got = append(got, fmt.Sprintf("%v %s %s %s", c, c.ID, c.Metadata, strings.ReplaceAll(string(c.CAPEM), "\n", "+")))
	}
	want := []string{"10.0.0.1:8883 of arn:1 in group g1 a wifi CA1+CA2", "fe80::1:443 of arn:1 in group g1 b  CA1+CA2",
		"core.local:8883 of arn:2 in group g1 c  CA1+CA2", "10.0.0.2:8883 of arn:3 in group g2 d  CA3"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("candidates:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.HasPrefix(string(found.Raw), `{"GGGroups":[`) {
		t.Errorf("raw document %q", found.Raw)
	}
	reqs := s.service.Requests()
	if len(reqs) != 1 {
		t.Fatalf("%d requests, want 1", len(reqs))
	}
	r := reqs[0]
	if r.Method != "GET" || r.Path != "/greengrass/discover/thing/device" || r.Host != fmt.Sprintf("localhost:%d", s.service.Port()) ||
		len(r.Header) > 0 || r.ALPN != "" || r.ClientCert != "device" {
		t.Errorf("request %+v", r)
	}
}

// The answers that are not 200, in the words of the service.
func TestDiscoveryStatus(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct {
		status int
		body   string
		is     error
		want   string
	}{
		{400, `{"message":"m400"}`, greengrass.ErrInvalidRequest, "status 400, invalid discovery request: m400"},
		{401, `{"Message":"m401"}`, greengrass.ErrUnauthorized, "status 401, discovery request not authorized: m401"},
		{403, `{"message":"m403"}`, nil, "status 403: m403"},
		{404, "", greengrass.ErrNotFound, "status 404, no discovery data found"},
		{429, "slow down", greengrass.ErrThrottled, "status 429, too many discovery requests: slow down"},
		{500, strings.Repeat("é", 400), nil, "status 500: " + strings.Repeat("é", 250) + "..."},
		{301, "<html>", nil, "status 301: <html>"},
		{204, "", nil, "status 204"},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			s.service.Next(standin.Answer{Status: tt.status, Body: tt.body})
			_, err := s.discover(t, nil)
			var status *greengrass.StatusError
			var outer *greengrass.Error
			if !errors.As(err, &status) || status.Code != tt.status || status.Body != tt.body && tt.status != 204 || !errors.As(err, &outer) || outer.Thing != "device" {
				t.Fatalf("%#v", err)
			}
			if want := fmt.Sprintf("greengrass: discover %q at localhost:%d: %s", "device", s.service.Port(), tt.want); err.Error() != want {
				t.Errorf("error %q\nwant  %q", err, want)
			}
			for _, kind := range []error{greengrass.ErrInvalidRequest, greengrass.ErrUnauthorized, greengrass.ErrNotFound, greengrass.ErrThrottled} {
				if errors.Is(err, kind) != (kind == tt.is) {
					t.Errorf("errors.Is %v: %v", kind, kind != tt.is)
				}
			}
		})
	}
}

// What a server can do wrong, and what the program is told.
func TestDiscoveryFaults(t *testing.T) {
	t.Parallel()
	quick := func(o *greengrass.Options) { o.Timeout = 3 * time.Second } // a handshake fits in on a busy machine, too
	for _, tt := range []struct {
		name   string
		answer standin.Answer
		change func(*greengrass.Options)
		is     error
		want   string // "": it works
	}{
		{name: "no length", answer: standin.Answer{NoLength: true}},
		{name: "lower case", answer: standin.Answer{LowerCase: true}},
		{name: "silent", answer: standin.Answer{Silent: true}, change: quick, is: context.DeadlineExceeded, want: "no answer within Timeout 3s"},
		{name: "drip", answer: standin.Answer{Drip: 10 * time.Millisecond}, change: quick, is: context.DeadlineExceeded, want: "no answer within Timeout 3s"},
		{name: "closed at once", answer: standin.Answer{Cut: -1}, is: io.ErrUnexpectedEOF, want: "closed the connection before it had answered"},
		{name: "closed in the headers", answer: standin.Answer{Cut: 20}, is: io.ErrUnexpectedEOF, want: "closed the connection before it had answered"},
		{name: "closed in the body", answer: standin.Answer{Cut: 120}, is: io.ErrUnexpectedEOF, want: "reading the answer"},
		{name: "too large", change: func(o *greengrass.Options) { o.MaxResponseBytes = 100 }, is: greengrass.ErrTooLarge, want: "MaxResponseBytes"},
		{name: "too large without a length", answer: standin.Answer{NoLength: true}, change: func(o *greengrass.Options) { o.MaxResponseBytes = 100 }, is: greengrass.ErrTooLarge, want: "MaxResponseBytes"},
		{name: "not JSON", answer: standin.Answer{Body: "<html>"}, want: "the answer is malformed: not a JSON object"},
		{name: "empty", answer: standin.Answer{Status: 200}, want: "the answer is malformed: not a JSON object"},
		{name: "no groups", answer: standin.Answer{Body: "{}"}, want: "GGGroups is missing"},
		{name: "thing name", want: `thing name`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.service.SetGroups("device", groups()...)
			thing := "device"
			if tt.name == "thing name" {
				thing = "a/../b"
			} else {
				s.service.Next(tt.answer)
			}
			o := s.options()
			if tt.change != nil {
				tt.change(&o)
			}
			found, err := greengrass.NewClient(o).Discover(t.Context(), thing)
			if tt.want == "" {
				if err != nil || len(found.Groups) != 2 {
					t.Errorf("%v, %v", found, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %q and %v", err, tt.want, tt.is)
			}
		})
	}
}

// The way to the service: names, authorities, ports, proxies, and what is wrong with the options.
func TestDiscoveryTransport(t *testing.T) {
	s := newStage(t)
	s.service.SetGroups("device", groups()...)
	other := standin.StartT(t, standin.Options{ClientCAPEM: s.core.CAPEM(), SANs: []string{"elsewhere.example"}})
	for _, tt := range []struct {
		name   string
		change func(*greengrass.Options)
		want   string
	}{
		{"CAPEM", func(o *greengrass.Options) { o.CAFile, o.CAPEM = "", s.service.CAPEM() }, ""},
		{"another name in the certificate", func(o *greengrass.Options) { o.Port, o.CAFile = other.Port(), other.CAFile() }, "certificate is valid for elsewhere.example, not localhost"},
		{"another authority", func(o *greengrass.Options) { o.CAFile = s.core.CAFile() }, "certificate signed by unknown authority"},
		{"no certificate", func(o *greengrass.Options) { o.Auth = awsiot.TLS() }, "certificate required"},
		{"nobody there", func(o *greengrass.Options) { o.Port = 1 }, "connection refused"},
		{"no endpoint", func(o *greengrass.Options) { o.Endpoint = "" }, "neither Endpoint nor Region is set"},
		{"no auth", func(o *greengrass.Options) { o.Auth = nil }, "awsiot: Auth: is required"},
		{"a URL", func(o *greengrass.Options) { o.Endpoint = "https://localhost" }, "is not a host name"},
		{"no file", func(o *greengrass.Options) { o.CAFile = "none.pem" }, "none.pem"},
		{"negative limit", func(o *greengrass.Options) { o.MaxResponseBytes = -1 }, "MaxResponseBytes: negative"},
		{"port", func(o *greengrass.Options) { o.Port = 70000 }, "Port: 70000 is outside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.discover(t, tt.change)
			if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := s.discover(t, func(o *greengrass.Options) { o.CAFile = "none.pem" }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("%d requests were sent to a server with the wrong name", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := greengrass.NewClient(s.options()).Discover(ctx, "device"); !errors.Is(err, enough) {
		t.Errorf("ended context: %v", err)
	}
}

// TestDiscoveryDefaults: port 8443 and the region's name without an ALPN name, port 443 with x-amzn-http-ca.
func TestDiscoveryDefaults(t *testing.T) {
	s := newStage(t)
	s.service.SetGroups("device", groups()...)
	named := standin.StartT(t, standin.Options{SANs: []string{"greengrass-ats.iot.eu-west-1.amazonaws.com", "greengrass.ats.iot.cn-north-1.amazonaws.com.cn", "gg.example"}})
	named.SetGroups("device", groups()...)
	for _, tt := range []struct {
		name, region, endpoint string
		port                   int
		addr, alpn             string
	}{
		{"region", "eu-west-1", "", 0, "greengrass-ats.iot.eu-west-1.amazonaws.com:8443", ""},
		{"China", "cn-north-1", "", 443, "greengrass.ats.iot.cn-north-1.amazonaws.com.cn:443", "x-amzn-http-ca"},
		{"endpoint before region", "eu-west-1", "gg.example", 443, "gg.example:443", "x-amzn-http-ca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var dialled string
			before := len(named.Requests())
			_, err := greengrass.NewClient(greengrass.Options{Region: tt.region, Endpoint: tt.endpoint, Port: tt.port, Auth: s.auth(), CAPEM: named.CAPEM(),
				Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
					dialled = addr
					return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("localhost:%d", named.Port()))
				}}).Discover(t.Context(), "device")
			if err != nil {
				t.Fatal(err)
			}
			r := named.Requests()[before]
			if dialled != tt.addr || r.Host != tt.addr || r.ALPN != tt.alpn {
				t.Errorf("dialled %s, Host %s, ALPN %q, want %s, %q", dialled, r.Host, r.ALPN, tt.addr, tt.alpn)
			}
		})
	}
}

func TestDiscoveryProxy(t *testing.T) {
	s := newStage(t)
	s.service.SetGroups("device", groups()...)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI)
		mu.Unlock()
		out, err := net.Dial("tcp", r.RequestURI)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer out.Close()
		in, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer in.Close()
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(out, in); out.Close() })
		both.Go(func() { _, _ = io.Copy(in, out); in.Close() })
		both.Wait()
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.discover(t, func(o *greengrass.Options) { o.HTTPProxy = http.ProxyURL(u) }); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := fmt.Sprintf("CONNECT localhost:%d", s.service.Port()); len(asked) != 1 || asked[0] != want {
		t.Errorf("the proxy was asked %q, want %q", asked, want)
	}
}

// NewClient copies what the caller could change.
func TestDiscoveryOptionsCopied(t *testing.T) {
	s := newStage(t)
	s.service.SetGroups("device", groups()...)
	o := s.options()
	o.CAFile, o.CAPEM = "", s.service.CAPEM()
	c := greengrass.NewClient(o)
	clear(o.CAPEM)
	if _, err := c.Discover(t.Context(), "device"); err != nil {
		t.Error(err)
	}
}
