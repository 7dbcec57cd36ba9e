package provisioning

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
)

// maxTemplateName is how long the name of a template may be (API reference,
// CreateProvisioningTemplate).
const maxTemplateName = 36

// CheckTemplateName checks the name of a template: 1 to 36 of a-z A-Z 0-9 _ -.
func CheckTemplateName(name string) error {
	wrong := strings.ContainsFunc(name, func(c rune) bool {
		return !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	})
	if name == "" || len(name) > maxTemplateName || wrong {
		return fmt.Errorf("template name %q is not 1 to %d of a-z A-Z 0-9 _ -", name, maxTemplateName)
	}
	return nil
}

// Template is a provisioning template, as an operator sees it.
type Template struct {
	Name string
	Body json.RawMessage
	// Disabled: registrations are refused as if it were not there.
	Disabled bool
	// HasHook: it has a pre-provisioning hook.
	HasHook bool
}

// TemplateOptions configure a template. The zero value is enabled and has no
// hook.
type TemplateOptions struct {
	Hook     Hook
	Disabled bool
}

// PutTemplate makes a template, or replaces the one of its name: a new default
// version, for which the oldest makes room. The error says what is wrong with the
// name or the body.
func (s *Service) PutTemplate(name string, body []byte, o TemplateOptions) error {
	now := time.Now()
	made, err := s.prepare(TemplateInfo{Name: name, Versions: []TemplateVersion{{1, string(body), now}}, Default: 1, Last: 1, CreatedAt: now, ModifiedAt: now})
	if err != nil {
		return err
	}
	return s.change(func(d *state) error {
		if old := d.templates.Get(name); old != nil {
			d.add(old, made.parsed[1], string(body), true, now)
			made = d.templates.Get(name)
			for len(made.Versions) > MaxTemplateVersions {
				delete(made.parsed, made.Versions[0].Number)
				made.Versions = made.Versions[1:]
			}
		}
		made.hook, made.HookARN, made.Disabled = o.Hook, "", o.Disabled
		d.templates.Put(name, made)
		return nil
	})
}

// DeleteTemplate forgets a template and reports whether it was there. What was
// registered with it stays. The error is that it cannot be kept.
func (s *Service) DeleteTemplate(name string) (ok bool, err error) {
	err = s.change(func(d *state) error {
		ok = d.templates.Has(name)
		d.templates.Delete(name)
		return nil
	})
	return ok && err == nil, err
}

// Templates returns the templates, sorted by name.
func (s *Service) Templates() []Template {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Template
	for t := range s.state.templates.Sorted() {
		out = append(out, Template{Name: t.Name, Body: slices.Clone(t.parsed[t.Default].body), Disabled: t.Disabled, HasHook: t.hook != nil || t.HookARN != ""})
	}
	return out
}

// NewClaim makes a claim certificate for a template: good for life, or without
// end when life is 0, and for registrations with that template only. The key is
// PEM. The error is ResourceNotFound when there is no such template.
func (s *Service) NewClaim(name string, life time.Duration, now time.Time) (c Certificate, keyPEM string, err error) {
	if _, known := s.TemplateInfo(name); !known {
		return Certificate{}, "", refuse(ResourceNotFound, "There is no provisioning template %s", name)
	}
	public, private, err := newKey()
	if err != nil {
		return Certificate{}, "", err
	}
	made, err := s.newCertificate(public, keysSubject(), Claim, now)
	if err != nil {
		return Certificate{}, "", err
	}
	made.Template = name
	if life > 0 {
		made.ExpiresAt = now.Add(life)
	}
	err = s.change(func(d *state) error {
		d.removeExpired(s.at(now))
		d.certificates.Put(made.ID, made)
		return nil
	})
	if err != nil {
		return Certificate{}, "", err
	}
	return made.Certificate, private, nil
}

// Certificates returns the certificates that the service has made and not
// removed, in the order of making.
func (s *Service) Certificates(now time.Time) []Certificate {
	now = s.at(now)
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Certificate
	for _, c := range s.state.certificates.All() {
		if public, ok := s.view(c); ok && !c.expired(now) {
			out = append(out, public)
		}
	}
	slices.SortFunc(out, func(a, b Certificate) int {
		if d := a.CreatedAt.Compare(b.CreatedAt); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Certificate returns one certificate that provisioning has made, claims too.
func (s *Service) Certificate(id string) (Certificate, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.state.certificates.Get(id)
	if c == nil || c.expired(s.at(time.Time{})) {
		return Certificate{}, false
	}
	return s.view(c)
}

// Claims reports whether a certificate is that of a claim.
func (s *Service) Claims(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.state.certificates.Get(id)
	return c != nil && c.Status == Claim && !c.expired(s.at(time.Time{}))
}

// SetActive turns a certificate on or off. It reports false for a certificate
// that is not there, waits to be registered, or is a claim. The error is that it
// cannot be kept.
func (s *Service) SetActive(id string, active bool, now time.Time) (ok bool, err error) {
	s.mu.RLock()
	c := s.state.certificates.Get(id)
	s.mu.RUnlock()
	if c == nil || c.waits() {
		return false, nil
	}
	status := registry.Inactive
	if active {
		status = registry.Active
	}
	return s.setRegistered(id, status, now)
}

// Thing returns a thing of the registry, however it has come there.
func (s *Service) Thing(name string) (Thing, bool) {
	t, ok := s.registry.Thing(name)
	if !ok {
		return Thing{}, false
	}
	out := Thing{Name: t.Name, TypeName: t.Type, BillingGroup: t.BillingGroup, Attributes: t.Attributes, Groups: s.registry.GroupsOf(name)}
	for _, p := range t.Principals {
		if registry.IsCertificateID(p) {
			out.Certificates = append(out.Certificates, p)
		}
	}
	return out, true
}

// PolicyDocument returns the document of a policy that a template brought; ok is
// false for a policy that is known by name only.
func (s *Service) PolicyDocument(name string) (document string, ok bool) {
	p, ok := s.registry.Policy(name)
	if !ok || !p.Brought {
		return "", false
	}
	return p.DefaultDocument(), true
}

// Refuse makes the next n requests of all devices fail with RequestThrottled or
// InternalFailure, for tests of what devices do then; n of 0 takes back what is
// left. The error says that it cannot be asked for.
func (s *Service) Refuse(code Code, n int) error {
	if code != RequestThrottled && code != InternalFailure {
		return fmt.Errorf("code %q cannot be asked for: only %v and %v can", code, RequestThrottled, InternalFailure)
	}
	if n < 0 {
		return fmt.Errorf("%d requests cannot be refused", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal, s.left = code, n
	return nil
}
