package provisioning

import (
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
)

// Registered is what RegisterThing has made: names and ids by the names of the resources in the template; "" when there is none.
type Registered struct {
	CertificatePEM string
	// Resources are what stands in the ARNs of the resources behind the account, by their names in the template.
	Resources map[string]string
}

// RegisterThing registers one thing with a template of its own, whose certificate is one of the account, or is made from a
// certificate signing request. The error is an *Error, a *registry.Error, or says what is wrong with the template.
func (s *Service) RegisterThing(body []byte, params map[string]string, now time.Time) (out Registered, err error) {
	t, err := parseFor(forOne, body, s.limits)
	if err != nil {
		return out, err
	}
	f, refused := t.filler(params, nil)
	if refused != nil {
		return out, refused
	}
	var c registry.Certificate
	if t.cert != nil {
		if c, err = s.certificateOf(t, f); err != nil {
			return out, err
		}
	}
	p, refused := t.plan(f, c.ID)
	if refused != nil {
		return out, refused
	}
	if err := s.registry.Register(p.registration(c), now, nil); err != nil {
		return out, err
	}
	out = Registered{CertificatePEM: c.PEM, Resources: map[string]string{}}
	if t.cert != nil {
		out.Resources[t.cert.name] = "cert/" + c.ID
	}
	if t.thing != nil {
		out.Resources[t.thing.name] = "thing/" + p.thing.Name
	}
	for _, r := range t.policies {
		one := &plan{documents: map[string]string{}}
		f.policy(r, one)
		for _, name := range slices.Concat(one.policies, slices.Collect(maps.Keys(one.documents))) {
			out.Resources[r.name] = "policy/" + name
		}
	}
	return out, nil
}

// certificateOf returns the certificate of a template for one thing.
func (s *Service) certificateOf(t *template, f *filler) (c registry.Certificate, err error) {
	csr := f.text("certificate", "CertificateSigningRequest", t.cert.properties["CertificateSigningRequest"])
	id := f.text("certificate", "CertificateId", t.cert.properties["CertificateId"])
	switch {
	case f.err != nil:
		return c, f.err
	case csr != "":
		made, err := s.FromCSR(csr)
		return registry.Certificate{ID: made.ID, PEM: made.PEM}, err
	}
	c, ok := s.registry.Certificate(id)
	if !ok {
		return c, refuse(InvalidParameters, "certificate: CertificateId: there is no certificate %q", id)
	}
	return c, nil
}
