package provisioning

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

// Client is who makes a request.
type Client struct {
	ID string
	// CertificateID of its connection; "" if it has none.
	CertificateID string
}

// Answer is the answer to a request, for the requester alone.
type Answer struct {
	Topic   string
	Payload []byte
}

// The answers, with the order of members of the guide.
type (
	certificateAnswer struct {
		ID         string `json:"certificateId"`
		PEM        string `json:"certificatePem"`
		PrivateKey string `json:"privateKey,omitempty"`
		Token      string `json:"certificateOwnershipToken"`
	}
	thingAnswer struct {
		Configuration map[string]string `json:"deviceConfiguration"`
		ThingName     string            `json:"thingName,omitempty"`
	}
	errorAnswer struct {
		Status  int    `json:"statusCode"`
		Code    Code   `json:"errorCode"`
		Message string `json:"errorMessage"`
	}
)

// Do handles a request of a device and returns the answer. It may take long: keys
// are made, and a hook is called with ctx.
func (s *Service) Do(ctx context.Context, t Topic, c Client, body []byte, now time.Time) Answer {
	var answer any
	err := s.begin()
	if err == nil {
		switch t.Op {
		case CreateKeys:
			answer, err = s.createKeys(now)
		case CreateFromCSR:
			answer, err = s.createFromCSR(t.format, body, now)
		default:
			answer, err = s.register(ctx, t, c, body, now)
		}
	}
	if err != nil {
		return t.Refused(err)
	}
	return t.encode(true, answer)
}

// Refused returns the answer that refuses a request.
func (t Topic) Refused(err *Error) Answer {
	return t.encode(false, errorAnswer{err.Code.Status(), err.Code, err.Message})
}

func (t Topic) encode(accepted bool, answer any) Answer {
	b, bad := t.format.Encode(answer)
	if bad != nil {
		b = nil // strings and numbers in a struct: they encode
	}
	return Answer{Topic: t.answer(accepted), Payload: b}
}

// begin takes the next refusal that a test has asked for.
func (s *Service) begin() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return nil
	}
	s.left--
	return refuse(s.refusal, "%v was asked for by the test", s.refusal)
}

// createKeys makes a key and a certificate for it. The body of the request is
// not looked at.
func (s *Service) createKeys(now time.Time) (any, *Error) {
	if err := s.busy(now); err != nil {
		return nil, err
	}
	public, private, err := newKey()
	if err != nil {
		return nil, refuse(InternalFailure, "%v", err)
	}
	c, refusal := s.create(public, keysSubject(), now)
	if refusal != nil {
		return nil, refusal
	}
	return certificateAnswer{c.ID, c.PEM, private, c.token}, nil
}

func (s *Service) createFromCSR(f payload.Format, body []byte, now time.Time) (any, *Error) {
	o, bad := f.Decode(body)
	if bad != nil {
		return nil, refuse(InvalidPayload, "%v", bad)
	}
	text, _, bad := o.Text("certificateSigningRequest")
	if bad != nil {
		return nil, refuse(InvalidPayload, "%v", bad)
	}
	csr, err := parseCSR(text, s.limits)
	if err != nil {
		return nil, err
	}
	c, err := s.create(csr.PublicKey, csr.RawSubject, now)
	if err != nil {
		return nil, err
	}
	return certificateAnswer{ID: c.ID, PEM: c.PEM, Token: c.token}, nil
}

// busy refuses when too many certificates wait, before there is work with one more.
func (s *Service) busy(now time.Time) *Error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.room(&s.state, now)
}

// room refuses when too many certificates wait.
func (s *Service) room(in *state, now time.Time) *Error {
	pending := 0
	for _, c := range in.certificates.All() {
		if c.Status == PendingActivation && !c.expired(s.at(now)) {
			pending++
		}
	}
	if over(pending+1, s.limits.Pending) {
		return refuse(RequestThrottled, "%d certificates wait to be registered", s.limits.Pending)
	}
	return nil
}

// create signs a certificate that waits to be registered, and makes its token.
func (s *Service) create(public crypto.PublicKey, subject []byte, now time.Time) (*certificate, *Error) {
	if err := s.busy(now); err != nil {
		return nil, err
	}
	c, err := s.newCertificate(public, subject, PendingActivation, now)
	if err != nil {
		return nil, refuse(InternalFailure, "%v", err)
	}
	c.token, c.ExpiresAt = newToken(), now.Add(s.limits.TokenLife)
	err = s.change(func(d *state) error {
		if err := s.room(d, now); err != nil {
			return err
		}
		d.removeExpired(s.at(now))
		d.certificates.Put(c.ID, c)
		return nil
	})
	return c, unkept(err)
}

// unkept is an error of a transaction as the service answers it.
func unkept(err error) *Error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused
	}
	return refuse(InternalFailure, "the change cannot be kept: %v", err)
}

// registration is a RegisterThing request, checked.
type registration struct {
	token  string
	params map[string]string
}

func parseRegistration(f payload.Format, body []byte, lim Limits) (r registration, err *Error) {
	o, bad := f.Decode(body)
	if bad != nil {
		return r, refuse(InvalidPayload, "%v", bad)
	}
	if r.token, _, bad = o.Text("certificateOwnershipToken"); bad != nil {
		return r, refuse(InvalidPayload, "%v", bad)
	}
	if r.token == "" {
		return r, refuse(InvalidToken, "Certificate ownership token cannot be empty.")
	}
	params, bad := o.Object("parameters")
	if bad != nil {
		return r, refuse(InvalidPayload, "%v", bad)
	}
	if over(len(params), lim.Parameters) {
		return r, refuse(InvalidParameters, "%d parameters, the limit is %d", len(params), lim.Parameters)
	}
	r.params = make(map[string]string, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value, ok := params[name].(string)
		switch {
		case !ok:
			return r, refuse(InvalidPayload, "parameters: the value of %.64q must be a string", name)
		case over(len(name), lim.ParameterName), over(len(value), lim.ParameterValue):
			return r, refuse(InvalidParameters, "parameter %.64q is longer than %d bytes, or its value than %d", name, lim.ParameterName, lim.ParameterValue)
		}
		r.params[name] = value
	}
	return r, nil
}

// register provisions a thing. An ownership token is good until it expires, for
// more than one registration: a device whose answer was lost asks again.
func (s *Service) register(ctx context.Context, t Topic, by Client, body []byte, now time.Time) (any, *Error) {
	r, err := parseRegistration(t.format, body, s.limits)
	if err != nil {
		return nil, err
	}
	tmpl, c, err := s.look(t.Template, r.token, by, now)
	if err != nil {
		return nil, err
	}
	params := maps.Clone(r.params)
	hook, bad := s.hookOf(tmpl)
	if bad != nil {
		return nil, refuse(AccessDenied, "The pre-provisioning hook failed: %v", bad)
	}
	if hook != nil {
		overrides, err := s.ask(ctx, hook, HookRequest{ClaimCertificateID: by.CertificateID, CertificateID: c.ID, CertificatePEM: c.PEM,
			TemplateName: t.Template, ClientID: by.ID, Parameters: r.params})
		if err != nil {
			return nil, err
		}
		maps.Copy(params, overrides)
	}
	p, err := tmpl.parsed[tmpl.Default].fill(params, c.pseudos, c.ID)
	if err != nil {
		return nil, err
	}
	if err := s.apply(p, c, t.Template, now); err != nil {
		return nil, err
	}
	a := thingAnswer{Configuration: p.config}
	if p.thing != nil {
		a.ThingName = p.thing.Name
	}
	return a, nil
}

// look finds the template and the certificate of a registration.
func (s *Service) look(name, token string, by Client, now time.Time) (*versioned, *certificate, *Error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if claim := s.state.certificates.Get(by.CertificateID); claim != nil && claim.Status == Claim && claim.Template != name {
		return nil, nil, refuse(AccessDenied, "The claim is not for the template %s", name)
	}
	t := s.state.templates.Get(name)
	if t == nil || t.Disabled {
		return nil, nil, refuse(ResourceNotFound, "There is no enabled provisioning template %s", name)
	}
	for _, c := range s.state.certificates.All() {
		if c.token == token && s.at(now).Before(c.ExpiresAt) {
			return t, c, nil
		}
	}
	return nil, nil, refuse(InvalidToken, "Certificate ownership token is invalid or has expired.")
}

// ask calls the hook, without a lock. A hook that ignores the end of ctx holds up
// its own device, and is refused when it comes back.
func (s *Service) ask(ctx context.Context, hook Hook, r HookRequest) (overrides map[string]string, err *Error) {
	if s.limits.HookTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.limits.HookTime)
		defer cancel()
	}
	res, bad := protect(ctx, hook, r)
	switch {
	case bad != nil:
		return nil, refuse(AccessDenied, "The pre-provisioning hook failed: %v", bad)
	case ctx.Err() != nil:
		return nil, refuse(AccessDenied, "The pre-provisioning hook took longer than %v", s.limits.HookTime)
	case !res.AllowProvisioning:
		return nil, refuse(AccessDenied, "The pre-provisioning hook does not allow the device to be provisioned")
	}
	return res.ParameterOverrides, nil
}

// protect turns a panic of the hook into an error, as Lambda does.
func protect(ctx context.Context, hook Hook, r HookRequest) (res HookResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return hook(ctx, r)
}

// overrides are the settings of templates for the registry. Without one what is there stays: the guide does not name a default.
var overrides = map[string]registry.Override{doNothing: registry.DoNothing, replace: registry.Replace, merge: registry.Merge, fail: registry.Fail}

// apply makes what the plan says, all of it or nothing.
func (s *Service) apply(p *plan, c *certificate, templateName string, now time.Time) *Error {
	err := s.registry.Register(p.registration(registry.Certificate{ID: c.ID, PEM: c.PEM}), now, func(tx *tables.Tx, g *registry.Registration) error {
		return s.within(tx, func(d *state) error {
			old := d.certificates.Get(c.ID)
			if old == nil || !s.at(now).Before(old.ExpiresAt) { // it has expired while the hook ran
				return refuse(InvalidToken, "Certificate ownership token is invalid or has expired.")
			}
			if old.Status == PendingActivation && old.said != 0 { // the operator was faster
				g.Certificate.Status = toStatus[old.said]
			}
			changed := *old
			if p.thing != nil {
				changed.Thing = p.thing.Name
			}
			changed.Status, changed.Template = Active, templateName
			d.certificates.Put(c.ID, &changed)
			return nil
		})
	})
	if refused, ok := errors.AsType[*registry.Error](err); ok {
		return refuse(ResourceConflict, "%s", refused.Message)
	}
	return unkept(err)
}

// registration is what a plan is for the registry.
func (p *plan) registration(c registry.Certificate) registry.Registration {
	if p.active {
		c.Status = registry.Active
	}
	g := registry.Registration{Certificate: c, Policies: p.policies, Documents: p.documents, Overrides: registry.Overrides{
		Attributes: overrides[p.overThing["AttributePayload"]], Type: overrides[p.overThing["ThingTypeName"]],
		BillingGroup: overrides[p.overThing["BillingGroup"]], Groups: overrides[p.overThing["ThingGroups"]], Status: overrides[p.overStatus]}}
	if p.overStatus == "" {
		g.Overrides.Status = registry.Replace
	}
	if p.thing != nil {
		g.Thing = &registry.Thing{Name: p.thing.Name, Type: p.thing.TypeName, BillingGroup: p.thing.BillingGroup, Attributes: p.thing.Attributes}
		g.Groups = p.thing.Groups
	}
	return g
}
