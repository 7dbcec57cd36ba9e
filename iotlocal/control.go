package iotlocal

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
)

// AccountID is the account of the ARNs that the API answers with. In those that it is given it takes any.
const AccountID = "000000000000"

// apiDoor serves AWS's REST APIs on a port of their own.
type apiDoor struct {
	server *http.Server
	port   int
	ended  sync.WaitGroup
}

// newPlane returns what serves Options.APIPort; nil: there is none.
func (s *Server) newPlane(o Options, addr string) (*control.Plane, error) {
	if o.APIPort == Off {
		return nil, nil
	}
	local := loopback(addr)
	if !local && len(o.Credentials) == 0 {
		if o.APIPort == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("iotlocal: APIPort %d: other machines reach %s: set Credentials, which requests are signed with, or listen on 127.0.0.1", o.APIPort, addr)
	}
	api, data := &controlAPI{s: s}, newDataPlane(s)
	plane, err := control.New(control.Options{Region: o.Region, Account: AccountID, Signatures: s.sockets.secrets, Local: local,
		Hosts: append(lower(o.SANs), strings.ToLower(s.host)), Origins: s.sockets.origins, Now: s.clock.Now, Changed: s.state.Sync}, api.handlers(),
		&control.Service{Name: control.Data, Table: data.table, Identify: data.identify},
		&control.Service{Name: control.JobsData, Table: data.table, Identify: data.identify})
	if err != nil {
		return nil, fmt.Errorf("iotlocal: %w", err)
	}
	return plane, nil
}

// begin serves a listener.
func (d *apiDoor) begin(l net.Listener) error {
	d.ended.Go(func() { _ = d.server.Serve(l) })
	return nil
}

// loopback reports whether only this machine reaches an address.
func loopback(addr string) bool {
	return addr == "localhost" || net.ParseIP(addr).IsLoopback()
}

func lower(all []string) (out []string) {
	for _, s := range all {
		out = append(out, strings.ToLower(s))
	}
	return out
}

// shut ends the door, if there is one.
func (d *apiDoor) shut() error {
	if d == nil {
		return nil
	}
	err := shutHTTP(d.server)
	d.ended.Wait()
	return err
}

// APIPort returns the port of AWS's REST APIs, or -1.
func (s *Server) APIPort() int {
	if s.api == nil {
		return Off
	}
	return s.api.port
}

// APIURL returns the URL for --endpoint-url of the aws CLI, and the endpoint of SDKs; "" when the server does not serve the APIs. It
// is the one of three: the control API (iot: things, types, groups, certificates, policies, provisioning templates, authorizers,
// topic rules, jobs), the data plane (iot-data: publish, shadows, retained messages) and that of jobs (iot-jobs-data). A request
// says which one it means by the service that its signature is for; an unsigned one is one of the first that has its path.
func (s *Server) APIURL() string {
	if s.api == nil {
		return ""
	}
	return "http://" + net.JoinHostPort(s.host, strconv.Itoa(s.api.port))
}

// controlAPI is the handlers of the control API.
type controlAPI struct {
	s       *Server
	earlier map[string]*earlierVersions // of a resource, by its name in ARNs, while a configuration is done; nil: none is
}

// handlers are those of every operation that is served, by its name.
func (a *controlAPI) handlers() map[string]control.Handler {
	all := map[string]control.Handler{"DescribeEndpoint": a.describeEndpoint}
	for _, part := range []map[string]control.Handler{
		a.thingHandlers(),
		a.groupHandlers(),
		a.certificateHandlers(),
		a.policyHandlers(),
		a.authorizerHandlers(),
		a.ruleHandlers(),
		a.templateHandlers(),
		a.jobHandlers(),
	} {
		maps.Copy(all, part)
	}
	return all
}
