package control

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/internal/sigv4"
	"github.com/portage-iot/awsiot/iotlocal/internal/wsock"
)

// Handler does an operation.
type Handler func(*Call) (any, error)

// The services, by their names in credential scopes.
const (
	IoT      = "iot"
	Data     = "iotdata"
	JobsData = "iot-jobs-data"
)

// scopes are what clients sign for, too: models of the services before the present ones (botocore to 1.40 signs iot for
// execute-api), and the gateway of devices.
var scopes = map[string]string{IoT: IoT, "execute-api": IoT, Data: Data, "iotdevicegateway": Data, JobsData: JobsData}

// Service is one API.
type Service struct {
	Name  string // in credential scopes
	Table *rest.Table
	// Identify, unless it is nil, decides in place of the plane who may do what, signatures included.
	Identify func(*rest.Call) error
	others   *rest.Table
}

// Options configure a plane.
type Options struct {
	Region  string // of ARNs; "": that of the signature, or us-east-1
	Account string // of ARNs: twelve digits
	// Signatures returns what signatures are compared with, and whether there must be one.
	Signatures func() (p sigv4.Policy, required bool)
	Local      bool // only this machine reaches the plane: without credentials, everybody is let in, else nobody
	Hosts      []string
	Origins    []string // pages that may ask, beside those of the endpoint itself; "*": all
	Now        func() time.Time
	// Changed, unless it is nil, is called after every operation that may have changed something; its error is the answer.
	Changed func() error
}

// DefaultRegion is the one of ARNs when nothing else says one.
const DefaultRegion = "us-east-1"

// Plane serves the APIs.
type Plane struct {
	o        Options
	services []*Service
}

// New returns a plane of the control API with those handlers, by the names of Operations, and of more services. The error is a
// handler for an operation that is not in the table.
func New(o Options, handlers map[string]Handler, more ...*Service) (*Plane, error) {
	p := &Plane{o: o}
	known, err := parse(Operations)
	if err != nil {
		return nil, err
	}
	others, err := parse(Others)
	if err != nil {
		return nil, err
	}
	served, missing := []rest.Operation{}, []rest.Operation{}
	for _, op := range known {
		row := rest.Operation{Name: op.name, Method: op.method, Path: op.path}
		handler := handlers[op.name]
		if handler == nil {
			missing = append(missing, row)
			continue
		}
		row.Do = p.with(&op, handler)
		served = append(served, row)
		if short, ok := strings.CutSuffix(op.path, "/"); ok { // SDKs differ on that
			row.Path = short
			served = append(served, row)
		}
	}
	for name := range handlers {
		if !slices.ContainsFunc(known, func(o operation) bool { return o.name == name }) {
			return nil, fmt.Errorf("control: there is no operation %s", name)
		}
	}
	for _, op := range others {
		missing = append(missing, rest.Operation{Name: op.name, Method: op.method, Path: op.path})
	}
	p.services = append([]*Service{{Name: IoT, Table: rest.NewTable(served), others: rest.NewTable(missing)}}, more...)
	return p, nil
}

// with reads the fields of an operation for its handler.
func (p *Plane) with(o *operation, h Handler) func(*rest.Call) (any, error) {
	return func(c *rest.Call) (any, error) {
		values, err := o.read(c)
		if err != nil {
			return nil, err
		}
		call := &Call{Call: c, Region: p.o.Region, Account: p.o.Account, values: values}
		if scope, ok := sigv4.ScopeOf(c.Request); ok && call.Region == "" {
			call.Region = scope.Region
		}
		if call.Region == "" {
			call.Region = DefaultRegion
		}
		answer, err := h(call)
		if err == nil && o.method != http.MethodGet && p.o.Changed != nil {
			err = p.o.Changed()
		}
		return answer, err
	}
}

// ServeHTTP answers a request.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.local(r); err != nil {
		rest.WriteError(w, err)
		return
	}
	s, err := p.service(r)
	if err != nil {
		rest.WriteError(w, err)
		return
	}
	identify := s.Identify
	if identify == nil {
		identify = p.identify
	}
	s.Table.Serve(w, r, identify, s.missing)
}

// local refuses what a page in a browser could send, and everybody when there is nothing to tell people apart by.
func (p *Plane) local(r *http.Request) error {
	forbidden := func(format string, args ...any) error {
		return rest.Refuse(http.StatusForbidden, "AccessDeniedException", format, args...)
	}
	if !slices.Contains(p.o.Origins, "*") {
		if err := wsock.CheckOrigin(r, p.o.Origins); err != nil {
			return forbidden("cross-origin request: pages of %.100q get nothing here; Options.Origins lists those that do", r.Header.Get("Origin"))
		}
	}
	if _, required := p.o.Signatures(); required {
		return nil
	}
	if !p.o.Local {
		return forbidden("other machines reach this endpoint: it serves its API only with credentials set (Options.Credentials)")
	}
	// A page whose host name has been made to lead here is of the same origin; its name gives it away.
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	ip := net.ParseIP(host)
	if ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(p.o.Hosts, host) {
		return nil
	}
	return forbidden("this endpoint is not %q: name it by localhost or a name of its certificate (Options.SANs), or set credentials (Options.Credentials)", r.Host)
}

// service returns the one that a request is for.
func (p *Plane) service(r *http.Request) (*Service, error) {
	if scope, ok := sigv4.ScopeOf(r); ok {
		name := scopes[scope.Service]
		for _, s := range p.services {
			if s.Name == name {
				return s, nil
			}
		}
		if _, required := p.o.Signatures(); required {
			return nil, rest.Refuse(http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to correct service: '%s', '%s' or '%s', not '%s'.", IoT, Data, JobsData, scope.Service)
		}
	}
	for _, s := range p.services {
		if s.Table.Has(r) || s.missing(r) != "" {
			return s, nil
		}
	}
	return p.services[0], nil
}

// missing names the operation of the API that a request is for and that has no handler.
func (s *Service) missing(r *http.Request) string {
	if s.others == nil {
		return ""
	}
	return s.others.Name(r)
}

// identify verifies the signature of a request.
func (p *Plane) identify(c *rest.Call) error {
	policy, required := p.o.Signatures()
	if !required {
		return nil
	}
	if !sigv4.SignedByHeader(c.Request) {
		return rest.Refuse(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	if _, err := sigv4.VerifyHeader(c.Request, c.Body, policy, p.o.Now()); err != nil {
		return rest.Refuse(http.StatusForbidden, "InvalidSignatureException", "%s", err.Error())
	}
	return nil
}
