package provisioning

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
)

// Thing is a thing of the registry, as registrations have made it.
type Thing struct {
	Name         string
	TypeName     string
	Groups       []string
	BillingGroup string
	Attributes   map[string]string
	// Certificates are the ids of those attached to the thing, in the order of
	// attaching.
	Certificates []string
}

// CertificateStatus is the status of a certificate.
type CertificateStatus uint8

// The statuses. A certificate that the service has not made has none.
const (
	PendingActivation CertificateStatus = iota + 1 // made, not registered yet
	Active                                         // may connect
	Inactive                                       // may not
	Claim                                          // of a provisioning claim: may connect until it expires
	Removed                                        // was not registered in time; it never comes back
	Revoked                                        // by the operator; the service itself revokes none
)

var certificateStatusNames = [...]string{"", "PENDING_ACTIVATION", "ACTIVE", "INACTIVE", "CLAIM", "REMOVED", "REVOKED"}

// String returns the name of the API, as "PENDING_ACTIVATION".
func (s CertificateStatus) String() string {
	if s > 0 && int(s) < len(certificateStatusNames) {
		return certificateStatusNames[s]
	}
	return fmt.Sprintf("CertificateStatus(%d)", uint8(s))
}

// MarshalText makes JSON carry the name.
func (s CertificateStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Certificate is a certificate that the service has made.
type Certificate struct {
	// ID is the SHA-256 of the certificate in hexadecimal.
	ID     string
	PEM    string
	Status CertificateStatus
	// Thing is the name of the thing it is attached to; "" for none.
	Thing string
	// Policies are the names of the policies attached to it, sorted.
	Policies  []string
	CreatedAt time.Time
	// ExpiresAt is when a certificate that waits is removed, or a claim ends.
	ExpiresAt time.Time
	// Template is the one that registered it, or that a claim is for.
	Template string
}

// certificate is one that the service has made; it is never changed in place. When it is registered the registry knows its status,
// its thing and its policies.
type certificate struct {
	Certificate
	pseudos map[string]string
	token   string
	said    CertificateStatus // by the operator, before it was registered; 0: nothing
}

// waits reports whether a certificate is not registered: it waits, or is a claim.
func (c *certificate) waits() bool { return c.Status == PendingActivation || c.Status == Claim }

// expired reports whether a certificate has waited too long.
func (c *certificate) expired(now time.Time) bool {
	return c.waits() && !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// Issue signs a certificate for a public key and a subject in DER, and returns it
// in DER.
type Issue func(public crypto.PublicKey, subject []byte) (der []byte, err error)

// Service holds the templates, certificates and things of an account. Make one
// with NewService. It is safe for concurrent use. It has no clock of its own and
// no timers: nothing is sent when something expires, so that a look at the time
// at every call is enough.
type Service struct {
	limits   Limits
	issue    Issue
	registry *registry.Registry // of the account; locked below mu
	findHook func(arn string) (Hook, error)
	latest   atomic.Int64 // of the times that the service was told: what has expired stays so

	mu      sync.RWMutex
	state   state // whose values are never changed in place
	refusal Code  // what the next left requests get
	left    int
}

// NewService returns a service without templates.
func NewService(l Limits, issue Issue) *Service {
	return &Service{limits: l.withDefaults(), issue: issue, registry: registry.New(nil), state: newState()}
}

// Use makes the service register devices with a registry that others use too. It is called before anything else.
func (s *Service) Use(r *registry.Registry) { s.registry = r }

// The statuses of the registry.
var (
	toStatus   = map[CertificateStatus]registry.Status{Active: registry.Active, Inactive: registry.Inactive, Revoked: registry.Revoked}
	fromStatus = map[registry.Status]CertificateStatus{registry.Active: Active, registry.Inactive: Inactive, registry.Revoked: Revoked}
)

// view is a certificate as it is now; ok is false when it was registered and has been deleted since. mu is held.
func (s *Service) view(c *certificate) (out Certificate, ok bool) {
	out = c.Certificate
	if c.waits() {
		if c.said != 0 {
			out.Status = c.said
		}
		return out, true
	}
	known, ok := s.registry.Certificate(c.ID)
	out.Status, out.ExpiresAt = fromStatus[known.Status], time.Time{}
	out.Policies = s.registry.Attached(c.ID, false)
	if !slices.Contains(s.registry.ThingsOf(c.ID), c.Thing) {
		out.Thing = ""
	}
	return out, ok
}

// HookRequest is what a pre-provisioning hook gets
// (pre-provisioning-hook.html).
type HookRequest struct {
	// ClaimCertificateID is the certificate of the connection; "" if it has none.
	ClaimCertificateID string
	// CertificateID and CertificatePEM are the device's new certificate.
	CertificateID, CertificatePEM string
	TemplateName                  string
	ClientID                      string
	// Parameters are those of the request. The hook may keep the map.
	Parameters map[string]string
}

// HookResponse is what a pre-provisioning hook decides.
type HookResponse struct {
	AllowProvisioning bool
	// ParameterOverrides are added to the parameters, or replace them.
	ParameterOverrides map[string]string
}

// Hook is a pre-provisioning hook. It is called for every RegisterThing that has
// a good ownership token. The device is refused with AccessDenied when the hook
// does not allow it, returns an error, panics, or has not returned when ctx ends.
type Hook func(ctx context.Context, r HookRequest) (HookResponse, error)

// at takes note of a time and returns the latest one.
func (s *Service) at(now time.Time) time.Time {
	for {
		latest := s.latest.Load()
		if !now.IsZero() && now.UnixNano() > latest {
			if !s.latest.CompareAndSwap(latest, now.UnixNano()) {
				continue
			}
			return now
		}
		return time.Unix(0, latest)
	}
}

// removeExpired forgets what has waited too long. Until a transaction does it, what reads takes it for removed.
func (s *state) removeExpired(now time.Time) {
	for id, c := range s.certificates.All() {
		if c.expired(now) {
			s.certificates.Delete(id)
			s.removed.Put(id, true)
		}
	}
}

// newCertificate signs a certificate. The service does not have it yet.
func (s *Service) newCertificate(public crypto.PublicKey, subject []byte, status CertificateStatus, now time.Time) (*certificate, error) {
	der, err := s.issue(public, subject)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	id := CertificateID(der)
	return &certificate{Certificate: Certificate{ID: id, Status: status, CreatedAt: now,
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}, pseudos: pseudos(parsed, id)}, nil
}

// CertificateID returns the id of a certificate in DER: its SHA-256 in
// hexadecimal.
func CertificateID(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// newToken returns an ownership token. AWS's are longer; clients must take any.
func newToken() string {
	var b [96]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Status returns the status of a certificate by its id; 0 for one that the
// account does not know.
func (s *Service) Status(id string, now time.Time) CertificateStatus {
	now = s.at(now)
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.state.certificates.Get(id)
	if c != nil && c.expired(now) {
		return Removed
	}
	if c != nil {
		if view, ok := s.view(c); ok {
			return view.Status
		}
	}
	if c, ok := s.registry.Certificate(id); ok {
		return fromStatus[c.Status]
	}
	if s.state.removed.Has(id) || s.registry.Deleted(id) {
		return Removed
	}
	return 0
}

// SetStatus makes a certificate Active, Inactive or Revoked, also one that waits or is a claim. It reports false for one that the
// account does not know, and for another status. The error is that it cannot be kept.
func (s *Service) SetStatus(id string, status CertificateStatus, now time.Time) (ok bool, err error) {
	to, ok := toStatus[status]
	if !ok {
		return false, nil
	}
	waits := false
	err = s.change(func(d *state) error {
		d.removeExpired(s.at(now))
		c := d.certificates.Get(id)
		if waits = c != nil && c.waits(); waits {
			changed := *c
			changed.said = status
			d.certificates.Put(id, &changed)
		}
		return nil
	})
	if waits || err != nil {
		return err == nil, err
	}
	return s.setRegistered(id, to, now)
}

// setRegistered changes the status of a certificate of the registry.
func (s *Service) setRegistered(id string, status registry.Status, now time.Time) (ok bool, err error) {
	err = s.registry.SetStatus(id, status, now)
	if _, refused := errors.AsType[*registry.Error](err); refused {
		return false, nil
	}
	return err == nil, err
}
