package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	standin "github.com/portage-iot/awsiot/iotlocal/greengrass"
	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v1compat/discovery"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

func newService(t *testing.T) (*standin.Server, *discovery.DiscoveryInfoProvider) {
	t.Helper()
	core := iotlocal.StartT(t, iotlocal.Options{})
	device, err := core.NewThing("device")
	if err != nil {
		t.Fatal(err)
	}
	s := standin.StartT(t, standin.Options{ClientCAPEM: core.CAPEM()})
	p := discovery.NewDiscoveryInfoProvider()
	p.ConfigureEndpoint(s.Host(), s.Port())
	p.ConfigureCredentials(s.CAFile(), device.CertFile, device.KeyFile)
	p.ConfigureTimeout(20)
	return s, p
}

func TestDiscover(t *testing.T) {
	s, p := newService(t)
	s.SetGroups("bot", standin.Group{ID: "g1", CAs: []string{"CA1", "CA2"}, Cores: []standin.Core{
		{ThingARN: "arn:1", Connectivity: []standin.Connectivity{{ID: "a", HostAddress: "h1", PortNumber: 1, Metadata: "m"}, {ID: "b", HostAddress: "h2", PortNumber: 2}}}}},
		standin.Group{ID: "g2", CAs: []string{"CA3"}, Cores: []standin.Core{{ThingARN: "arn:2", Connectivity: []standin.Connectivity{}}}})
	info, err := p.Discover("bot")
	if err != nil {
		t.Fatal(err)
	}
	groups, err1 := info.GetAllGroups()
	cores, err2 := info.GetAllCores()
	cas, err3 := info.GetAllCas()
	byID, err4 := info.ToObjectAtGroupLevel()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(cas); got != "[{g1 CA1} {g1 CA2} {g2 CA3}]" || len(groups) != 2 || len(cores) != 2 || len(byID) != 2 {
		t.Errorf("authorities %s, %d groups, %d cores, %d by id", got, len(groups), len(cores), len(byID))
	}
	core := byID["g1"].GetCoreConnectivityInfo("arn:1")
	if core == nil || core.GroupID != "g1" || byID["g1"].GetCoreConnectivityInfo("arn:9") != nil {
		t.Fatalf("core %+v", core)
	}
	if at := core.GetConnectivityInfo("a"); at == nil || *at != (discovery.ConnectivityInfo{ID: "a", Host: "h1", Port: 1, Metadata: "m"}) || core.GetConnectivityInfo("x") != nil {
		t.Errorf("address %+v", at)
	}
	if !strings.HasPrefix(info.RawJSON(), `{"GGGroups":[`) {
		t.Errorf("raw %q", info.RawJSON())
	}
}

// One pointer type per exception of v1, under v1's roots.
func TestExceptions(t *testing.T) {
	s, p := newService(t)
	for _, tt := range []struct {
		name    string
		answer  standin.Answer
		thing   string
		is      func(error) bool
		timeout bool
		want    string
	}{
		{name: "400", answer: standin.Answer{Status: 400}, is: as[*discovery.DiscoveryInvalidRequestError], want: "Invalid discovery request: "},
		{name: "401", answer: standin.Answer{Status: 401}, is: as[*discovery.DiscoveryUnauthorizedError], want: "Discovery request not authorized: "},
		{name: "404", is: as[*discovery.DiscoveryDataNotFoundError], want: "No discovery data found: "},
		{name: "429", answer: standin.Answer{Status: 429}, is: as[*discovery.DiscoveryThrottlingError], want: "Too many discovery requests: "},
		{name: "500", answer: standin.Answer{Status: 500, Body: `{"message":"m500"}`}, is: as[*discovery.DiscoveryFailure], want: "Discovery failure: "},
		{name: "silent", answer: standin.Answer{Silent: true}, is: as[*discovery.DiscoveryTimeoutError], timeout: true, want: "Discovery request timed out: "},
		{name: "drip", answer: standin.Answer{Drip: 10 * time.Millisecond, Body: "{}"}, is: as[*discovery.DiscoveryTimeoutError], timeout: true, want: "Discovery request timed out: "},
		{name: "thing name", thing: "a b", is: as[*discovery.DiscoveryInvalidRequestError], want: "Invalid discovery request: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.ConfigureTimeout(20)
			if tt.timeout {
				p.ConfigureTimeout(0.15)
			}
			thing := "bot"
			if tt.thing != "" {
				thing = tt.thing
			} else {
				s.Next(tt.answer)
			}
			_, err := p.Discover(thing)
			var cause *greengrass.Error
			if err == nil || !tt.is(err) || !strings.HasPrefix(err.Error(), tt.want) || !errors.As(err, &cause) {
				t.Fatalf("%T %v", err, err)
			}
			if as[v1compat.OperationTimeoutError](err) != tt.timeout || as[v1compat.OperationError](err) == tt.timeout {
				t.Errorf("%v has the wrong root", err)
			}
			if tt.timeout != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: is it a timeout", err)
			}
		})
	}
	s.Next(standin.Answer{Status: 503, Body: "busy"})
	var failure *discovery.DiscoveryFailure
	if _, err := p.Discover("bot"); !errors.As(err, &failure) || failure.Message != "busy" {
		t.Errorf("%v", err)
	}
	s.Next(standin.Answer{Cut: -1})
	if _, err := p.Discover("bot"); !errors.Is(err, io.ErrUnexpectedEOF) || as[v1compat.OperationError](err) {
		t.Errorf("closed early: %v", err)
	}
}

func as[T error](err error) bool {
	var e T
	return errors.As(err, &e)
}

func TestConfigure(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*discovery.DiscoveryInfoProvider)
		want []string // parts of the error; none: it is not one of configuring
	}{
		{"endpoint", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureEndpoint("") }, []string{"ConfigureEndpoint: Invalid host. (it is empty)"}},
		{"port", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureEndpoint("h", 0) }, []string{"ConfigureEndpoint: Invalid port number. (0 is not in 1..65535)"}},
		{"two ports", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureEndpoint("h", 1, 2) }, []string{"at most one optional argument"}},
		{"no key", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureCredentials("", "c", "") }, []string{"ConfigureCredentials: Invalid credentials."}},
		{"files", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureCredentials("none-ca", "none-cert", "none-key") },
			[]string{"root CA: open none-ca", "certificate: open none-cert", "private key: open none-key"}},
		{"zero", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(0) }, []string{"ConfigureTimeout: Invalid timeout."}},
		{"not a number", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(math.NaN()) }, []string{"NaN is not a positive"}},
		{"made good", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(-1); p.ConfigureTimeout(1) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, p := newService(t)
			tt.do(p)
			_, err := p.Discover("bot")
			if as[*v1compat.ConfigureError](err) != (tt.want != nil) {
				t.Fatalf("%v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if tt.name == "files" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not wrap fs.ErrNotExist", err)
			}
		})
	}
	_, err := discovery.NewDiscoveryInfoProvider().Discover("bot")
	for _, want := range []string{"ConfigureEndpoint: Invalid host. (it was never called)", "ConfigureCredentials: Invalid credentials. (it was never called)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing configured: %v, want %q", err, want)
		}
	}
}

func TestSocketFactory(t *testing.T) {
	s, p := newService(t)
	p.ConfigureEndpoint(s.Host()) // 8443, where nobody listens
	calls := 0
	p.ConfigureSocketFactory(func() (net.Conn, error) {
		calls++
		return net.Dial("tcp", fmt.Sprintf("localhost:%d", s.Port()))
	})
	if _, err := p.Discover("bot"); !as[*discovery.DiscoveryDataNotFoundError](err) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if r := s.Requests(); len(r) != 1 || r[0].Host != "localhost:8443" {
		t.Errorf("requests %+v", r)
	}
}

func TestDiscoveryInfo(t *testing.T) {
	group := func(id, arn, conn, host string) string {
		return fmt.Sprintf(`{"GGGroupId":%q,"CAs":["ca of %s"],"Cores":[{"thingArn":%q,"Connectivity":[{"Id":%q,"HostAddress":%q,"PortNumber":1}]}]}`, id, host, arn, conn, host)
	}
	// the last of an id wins, in the place of the first
	d := discovery.NewDiscoveryInfo(`{"GGGroups":[` + group("g", "a", "i", "old") + "," + group("h", "a", "i", "h") + "," + group("g", "b", "i", "new") + `]}`)
	groups, err := d.GetAllGroups()
	if err != nil || len(groups) != 2 || groups[0].GroupID != "g" || groups[0].CaList[0] != "ca of new" || groups[0].GetCoreConnectivityInfo("a") != nil {
		t.Errorf("groups %+v, %v", groups, err)
	}
	for _, tt := range []struct {
		name, raw, key string // key "": a ValueError
	}{
		{"empty object", "{}", "GGGroups"},
		{"a core without an ARN", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"Connectivity":[]}]}]}`, "thingArn"},
		{"not JSON", "<html>", ""},
		{"a bad port", strings.Replace(`{"GGGroups":[`+group("g", "a", "i", "h")+`]}`, `"PortNumber":1`, `"PortNumber":"x"`, 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := discovery.NewDiscoveryInfo(tt.raw)
			for name, err := range map[string]error{"GetAllGroups": second(d.GetAllGroups()), "GetAllCores": second(d.GetAllCores()),
				"GetAllCas": second(d.GetAllCas()), "ToObjectAtGroupLevel": second(d.ToObjectAtGroupLevel())} {
				var key *v1compat.KeyError
				if errors.As(err, &key) != (tt.key != "") || key != nil && key.Key != tt.key || tt.key == "" && !as[*v1compat.ValueError](err) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestProgressiveBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := discovery.NewProgressiveBackOffCore()
		took := func() float64 { start := time.Now(); b.BackOff(); return time.Since(start).Seconds() }
		var got []float64
		for range 7 {
			got = append(got, took())
		}
		b.Reset()
		got = append(got, took())
		if err := b.ConfigTime(2, 3, 20); err != nil {
			t.Error(err)
		}
		got = append(got, took(), took(), took())
		b.Reset()
		got = append(got, took())
		if s := fmt.Sprint(got); s != "[1 2 4 8 16 32 32 1 1 2 3 2]" {
			t.Errorf("waits %s", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.BackOffContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		for _, bad := range [][3]float64{{-1, 1, 1}, {1, -1, 2}, {2, 5, 2}, {0, math.NaN(), 1}} {
			if err := b.ConfigTime(bad[0], bad[1], bad[2]); !as[*v1compat.ValueError](err) {
				t.Errorf("%v: %v", bad, err)
			}
		}
	})
}
