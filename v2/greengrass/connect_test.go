package greengrass_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	standin "github.com/portage-iot/awsiot/iotlocal/greengrass"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// TestDiscoveryTriesEveryEndpoint is row 38 of the issues of other SDKs: a core announces addresses that do not work
// from here (another network, another core's certificate), and the client goes on to those that do.
func TestDiscoveryTriesEveryEndpoint(t *testing.T) {
	s := newStage(t)
	stranger := iotlocal.StartT(t, iotlocal.Options{}) // another authority
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	l.Close()
	at := func(host string, port int) standin.Connectivity {
		return standin.Connectivity{ID: fmt.Sprint(port), HostAddress: host, PortNumber: port}
	}
	bad := []standin.Connectivity{at("127.0.0.1", closed), at("localhost", stranger.TLSPort()), at("127.0.0.1", s.core.TCPPort())}
	good := at("localhost", s.core.TLSPort())
	ca := string(s.core.CAPEM())
	o := awsiot.ClientOptions{ClientID: "device", Auth: s.auth(), ConnectTimeout: 5 * time.Second, ConnackTimeout: 5 * time.Second,
		CAFile: s.service.CAFile()} // of the service: no core is verified with it

	for _, tt := range []struct {
		name   string
		groups []standin.Group
		want   string // the candidate
	}{
		{"the first", []standin.Group{{ID: "g", CAs: []string{ca}, Cores: []standin.Core{{ThingARN: "a", Connectivity: []standin.Connectivity{good}}}}}, "g/a"},
		{"the last of a core", []standin.Group{{ID: "g", CAs: []string{ca}, Cores: []standin.Core{{ThingARN: "a", Connectivity: append(bad, good)}}}}, "g/a"},
		{"another core", []standin.Group{{ID: "g", CAs: []string{ca}, Cores: []standin.Core{{ThingARN: "a", Connectivity: bad}, {ThingARN: "b", Connectivity: []standin.Connectivity{good}}}}}, "g/b"},
		{"another group", []standin.Group{{ID: "g", Cores: []standin.Core{{ThingARN: "a", Connectivity: []standin.Connectivity{good}}}, CAs: []string{}},
			{ID: "h", CAs: []string{ca}, Cores: []standin.Core{{ThingARN: "a", Connectivity: []standin.Connectivity{good}}}}}, "h/a"},
		{"another authority of the group", []standin.Group{{ID: "g", CAs: []string{string(stranger.CAPEM()), ca},
			Cores: []standin.Core{{ThingARN: "a", Connectivity: []standin.Connectivity{good}}}}}, "g/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.service.SetGroups("device", tt.groups...)
			found, err := s.discover(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			client, where, err := greengrass.Connect(t.Context(), found, o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { client.Close(); <-client.Done() }()
			if got := where.GroupID + "/" + where.CoreThingARN; got != tt.want || where.Port != s.core.TLSPort() {
				t.Errorf("connected to %v, want %s", where, tt.want)
			}
			if _, err := client.Publish(t.Context(), &awsiot.PublishPacket{Topic: "a", QoS: awsiot.AtLeastOnce}); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("none", func(t *testing.T) {
		s.service.SetGroups("device", standin.Group{ID: "g", CAs: []string{ca}, Cores: []standin.Core{{ThingARN: "a", Connectivity: bad}}})
		found, err := s.discover(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = greengrass.Connect(t.Context(), found, o)
		var failed *greengrass.ConnectError
		var connect *awsiot.ConnectError
		if !errors.As(err, &failed) || len(failed.Attempts) != 3 || !errors.As(err, &connect) {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{"no core could be reached", "connection refused", "unknown authority", fmt.Sprintf("127.0.0.1:%d of a in group g", closed)} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q lacks %q", err, want)
			}
		}
	})
	t.Run("no address", func(t *testing.T) {
		_, _, err := greengrass.Connect(t.Context(), &greengrass.DiscoverResponse{}, o)
		if err == nil || !strings.Contains(err.Error(), "names no address") {
			t.Errorf("%v", err)
		}
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.service.SetGroups("device", groups()...)
		found, err := s.discover(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = greengrass.Connect(ctx, found, o)
		var failed *greengrass.ConnectError
		if !errors.Is(err, context.Canceled) || !errors.As(err, &failed) || len(failed.Attempts) > 0 {
			t.Errorf("%v", err)
		}
	})
}

func TestDiscoveryParse(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"null metadata", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":1,"Metadata":null}]}]}]}`, ""},
		{"no metadata", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":65535}]}]}],"more":1}`, ""},
		{"no groups", `{"GGGroups":[]}`, ""},
		{"null groups", `{"GGGroups":null}`, "GGGroups is missing"},
		{"array", `[]`, "not a JSON object"},
		{"group id", `{"GGGroups":[{"CAs":[],"Cores":[]}]}`, "GGGroups[0].GGGroupId is missing"},
		{"cores", `{"GGGroups":[{"GGGroupId":"g","CAs":[]}]}`, "GGGroups[0].Cores is missing"},
		{"authorities", `{"GGGroups":[{"GGGroupId":"g","Cores":[]}]}`, "GGGroups[0].CAs is missing"},
		{"arn", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"Connectivity":[]}]}]}`, "GGGroups[0].Cores[0].thingArn is missing"},
		{"connectivity", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a"}]}]}`, "GGGroups[0].Cores[0].Connectivity is missing"},
		{"host", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","PortNumber":1}]}]}]}`, "Connectivity[0].HostAddress is missing"},
		{"empty host", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"","PortNumber":1}]}]}]}`, "Connectivity[0].HostAddress is empty"},
		{"port", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":0}]}]}]}`, "PortNumber 0 is not between"},
		{"port as text", `{"GGGroups":[{"GGGroupId":"g","CAs":[],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":"1"}]}]}]}`, "PortNumber is a JSON string, want int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := greengrass.ParseResponse([]byte(tt.doc))
			var format *greengrass.FormatError
			if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &format) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzParseResponse: every document is parsed or refused with a *FormatError, and what is parsed is usable.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"GGGroups":[{"GGGroupId":"g","CAs":["x"],"Cores":[{"thingArn":"a","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":1}]}]}]}`))
	f.Add([]byte(`{"GGGroups":[null]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := greengrass.ParseResponse(doc)
		if err != nil {
			var format *greengrass.FormatError
			if !errors.As(err, &format) {
				t.Fatalf("%T", err)
			}
			return
		}
		for c := range r.Candidates() {
			if c.HostAddress == "" || c.Port < 1 || c.Port > 65535 {
				t.Fatalf("candidate %+v", c)
			}
		}
	})
}

// TestDiscoveryCandidateOptions: a core is verified with the authorities of its group and with no others.
func TestDiscoveryCandidateOptions(t *testing.T) {
	base := awsiot.ClientOptions{Endpoint: "e", Port: 1, CAFile: "amazon.pem", CAPEM: []byte("amazon"), ClientID: "me"}
	c := greengrass.Candidate{ConnectivityInfo: greengrass.ConnectivityInfo{HostAddress: "h", Port: 2}, CAPEM: []byte("group")}
	if o := c.Options(base); o.Endpoint != "h" || o.Port != 2 || o.CAFile != "" || string(o.CAPEM) != "group" || o.ClientID != "me" {
		t.Errorf("options %+v", o)
	}
	c.CAPEM = nil
	if o := c.Options(base); o.CAPEM == nil || len(o.CAPEM) > 0 {
		t.Errorf("without authorities: CAPEM %q, which means those of the system", o.CAPEM)
	}
}
