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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.NoError(t, err)
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
	require.NoError(t, err)
	groups, err1 := info.GetAllGroups()
	cores, err2 := info.GetAllCores()
	cas, err3 := info.GetAllCas()
	byID, err4 := info.ToObjectAtGroupLevel()
	require.NoError(t, errors.Join(err1, err2, err3, err4))
	assert.Equal(t, "[{g1 CA1} {g1 CA2} {g2 CA3}]", fmt.Sprint(cas), "authorities")
	if assert.Len(t, groups, 2, "authorities") {
		if assert.Len(t, cores, 2, "authorities") {
			assert.Len(t, byID, 2, "authorities")
		}
	}
	core := byID["g1"].GetCoreConnectivityInfo("arn:1")
	require.NotNil(t, core, "core")
	require.Equal(t, "g1", core.GroupID, "core")
	require.Nil(t, byID["g1"].GetCoreConnectivityInfo("arn:9"), "core")
	at := core.GetConnectivityInfo("a")
	if assert.NotNil(t, at, "address") {
		assert.Equal(t, (discovery.ConnectivityInfo{ID: "a", Host: "h1", Port: 1, Metadata: "m"}), *at, "address")
		assert.Nil(t, core.GetConnectivityInfo("x"), "address")
	}
	assert.True(t, strings.HasPrefix(info.RawJSON(), `{"GGGroups":[`), "raw")
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
			require.Error(t, err)
			require.True(t, tt.is(err))
			require.True(t, strings.HasPrefix(err.Error(), tt.want))
			require.ErrorAs(t, err, &cause)
			assert.Equal(t, tt.timeout, as[v1compat.OperationTimeoutError](err), "%v has the wrong root", err)
			assert.NotEqual(t, tt.timeout, as[v1compat.OperationError](err), "%v has the wrong root", err)
			assert.Equal(t, errors.Is(err, context.DeadlineExceeded), tt.timeout, "%v: is it a timeout", err)
		})
	}
	s.Next(standin.Answer{Status: 503, Body: "busy"})
	var failure *discovery.DiscoveryFailure
	_, err := p.Discover("bot")
	if assert.ErrorAs(t, err, &failure) {
		assert.Equal(t, "busy", failure.Message)
	}
	s.Next(standin.Answer{Cut: -1})
	_, err = p.Discover("bot")
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "closed early")
	assert.False(t, as[v1compat.OperationError](err), "closed early")
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
		{"PEM text", func(p *discovery.DiscoveryInfoProvider) {
			p.ConfigureCredentials("ca", "cert", "-----BEGIN PRIVATE KEY-----\nSECRETTEXT\n-----END PRIVATE KEY-----\n")
		}, []string{"ConfigureCredentials: Invalid credentials. (PEM text is given"}},
		{"zero", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(0) }, []string{"ConfigureTimeout: Invalid timeout."}},
		{"not a number", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(math.NaN()) }, []string{"NaN is not a positive"}},
		{"made good", func(p *discovery.DiscoveryInfoProvider) { p.ConfigureTimeout(-1); p.ConfigureTimeout(1) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, p := newService(t)
			tt.do(p)
			_, err := p.Discover("bot")
			require.Equal(t, (tt.want != nil), as[*v1compat.ConfigureError](err))
			for _, want := range tt.want {
				assert.Contains(t, err.Error(), want)
				assert.NotContains(t, err.Error(), "SECRET")
			}
			assert.False(t, tt.name == "files" && !errors.Is(err, fs.ErrNotExist), "%v does not wrap fs.ErrNotExist", err)
		})
	}
	_, err := discovery.NewDiscoveryInfoProvider().Discover("bot")
	for _, want := range []string{"ConfigureEndpoint: Invalid host. (it was never called)", "ConfigureCredentials: Invalid credentials. (it was never called)"} {
		if assert.Error(t, err, "nothing configured") {
			assert.Contains(t, err.Error(), want, "nothing configured")
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
	_, err := p.Discover("bot")
	assert.True(t, as[*discovery.DiscoveryDataNotFoundError](err), "%v after %d calls", err, calls)
	assert.Equal(t, 1, calls, "%v after %d calls", err, calls)
	r := s.Requests()
	if assert.Len(t, r, 1, "requests") {
		assert.Equal(t, "localhost:8443", r[0].Host, "requests")
	}
}

func TestDiscoveryInfo(t *testing.T) {
	group := func(id, arn, conn, host string) string {
		return fmt.Sprintf(`{"GGGroupId":%q,"CAs":["ca of %s"],"Cores":[{"thingArn":%q,"Connectivity":[{"Id":%q,"HostAddress":%q,"PortNumber":1}]}]}`, id, host, arn, conn, host)
	}
	// the last of an id wins, in the place of the first
	d := discovery.NewDiscoveryInfo(`{"GGGroups":[` + group("g", "a", "i", "old") + "," + group("h", "a", "i", "h") + "," + group("g", "b", "i", "new") + `]}`)
	groups, err := d.GetAllGroups()
	if assert.NoError(t, err, "groups") {
		if assert.Len(t, groups, 2, "groups") {
			assert.Equal(t, "g", groups[0].GroupID, "groups")
			assert.Equal(t, "ca of new", groups[0].CaList[0], "groups")
			assert.Nil(t, groups[0].GetCoreConnectivityInfo("a"), "groups")
		}
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
				assert.Equal(t, (tt.key != ""), errors.As(err, &key), name)
				assert.False(t, key != nil && key.Key != tt.key, name)
				assert.False(t, tt.key == "" && !as[*v1compat.ValueError](err), name)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// FromV2 makes v1's lists of a response that v2 has fetched.
func TestFromV2(t *testing.T) {
	const document = `{"GGGroups":[{"GGGroupId":"g","Cores":[{"thingArn":"arn","Connectivity":[{"Id":"1","HostAddress":"h","PortNumber":8883}]}],"CAs":["pem"]}]}`
	r, err := greengrass.ParseResponse([]byte(document))
	require.NoError(t, err)
	info := discovery.FromV2(r)
	assert.Equal(t, document, info.RawJSON())
	cores, err := info.GetAllCores()
	require.NoError(t, err)
	if assert.Len(t, cores, 1) {
		assert.Equal(t, "g", cores[0].GroupID)
		assert.Equal(t, "h", cores[0].GetConnectivityInfo("1").Host)
	}
	assert.Nil(t, discovery.FromV2(nil))
}

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
		assert.NoError(t, b.ConfigTime(2, 3, 20))
		got = append(got, took(), took(), took())
		b.Reset()
		got = append(got, took())
		assert.Equal(t, "[1 2 4 8 16 32 32 1 1 2 3 2]", fmt.Sprint(got), "waits")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, b.BackOffContext(ctx), context.DeadlineExceeded)
		for _, bad := range [][3]float64{{-1, 1, 1}, {1, -1, 2}, {2, 5, 2}, {0, math.NaN(), 1}} {
			assert.True(t, as[*v1compat.ValueError](b.ConfigTime(bad[0], bad[1], bad[2])), bad)
		}
	})
}
