package provisioning

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

// The kinds of what is kept.
const (
	kindTemplate    = "template"
	kindCertificate = "provisioned" // one that provisioning has made
	kindRemoved     = "removed"     // the id of one that never comes back
)

// state is what a restart must not lose, or a draft of it.
type state struct {
	templates    *tables.Table[*versioned]
	certificates *tables.Table[*certificate]
	removed      *tables.Table[bool] // ids of certificates that never come back
}

// newState returns an empty state. A template with a hook that is a function is not kept: no file can hold it.
func newState() state {
	return state{tables.New(kindTemplate, func(t *versioned) any {
		if t.hook != nil {
			return nil
		}
		return &t.TemplateInfo
	}), tables.New(kindCertificate, func(c *certificate) any { return c.saved() }), tables.New[bool](kindRemoved, nil)}
}

// change runs a transaction of the registry's journal. An error of it, or that it cannot be kept, leaves everything as it was.
func (s *Service) change(f func(*state) error) error {
	return s.registry.Journal().Do(func(tx *tables.Tx) error { return s.within(tx, f) })
}

func (s *Service) within(tx *tables.Tx, f func(*state) error) error {
	d := state{s.state.templates.Draft(), s.state.certificates.Draft(), s.state.removed.Draft()}
	tx.Join(&s.mu, nil, d.templates, d.certificates, d.removed)
	return f(&d)
}

// savedCertificate is a certificate as it is kept.
type savedCertificate struct {
	PEM       string    `json:"pem"`
	Status    string    `json:"status"`
	Said      string    `json:"said,omitempty"` // by the operator, before it was registered
	Token     string    `json:"token,omitempty"`
	Thing     string    `json:"thing,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Template  string    `json:"template,omitempty"`
}

func (c *certificate) saved() savedCertificate {
	v := savedCertificate{PEM: c.PEM, Status: c.Status.String(), Token: c.token, Thing: c.Thing, CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, Template: c.Template}
	if c.said != 0 {
		v.Said = c.said.String()
	}
	return v
}

// Restorers put in what was kept, by kind; nobody uses the service yet.
func (s *Service) Restorers() map[string]func(key string, text []byte) error {
	return map[string]func(key string, text []byte) error{kindTemplate: s.restoreTemplate, kindCertificate: s.restoreCertificate, kindRemoved: s.restoreRemoved}
}

func (s *Service) restoreTemplate(name string, text []byte) error {
	var v TemplateInfo
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	if v.Name != name {
		return fmt.Errorf("it is the template %q", v.Name)
	}
	t, err := s.prepare(v)
	if err != nil {
		return err
	}
	s.state.templates.Put(name, t)
	return nil
}

func (s *Service) restoreCertificate(id string, text []byte) error {
	var v savedCertificate
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(v.PEM))
	if block == nil {
		return errors.New("it is not PEM")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	status := CertificateStatus(slices.Index(certificateStatusNames[:], v.Status))
	said := CertificateStatus(slices.Index(certificateStatusNames[:], v.Said))
	switch {
	case CertificateID(block.Bytes) != id:
		return errors.New("it has another id")
	case v.Status == "" || int(status) >= len(certificateStatusNames) || int(said) >= len(certificateStatusNames):
		return fmt.Errorf("it has the status %q, and %q", v.Status, v.Said)
	}
	s.state.certificates.Put(id, &certificate{Certificate: Certificate{ID: id, PEM: v.PEM, Status: status, Thing: v.Thing, CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt, Template: v.Template},
		pseudos: pseudos(parsed, id), token: v.Token, said: said})
	return nil
}

func (s *Service) restoreRemoved(id string, _ []byte) error {
	if text, err := hex.DecodeString(id); err != nil || len(text) != sha256.Size {
		return fmt.Errorf("%q is not the id of a certificate", id)
	}
	s.state.removed.Put(id, true)
	return nil
}
