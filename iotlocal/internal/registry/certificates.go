package registry

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

func noCertificate(id string) *Error {
	return refuse(NotFound, "Certificate %s not found", id)
}

// AddCertificate takes a certificate into the account. One that is there is an error, one that was deleted comes back.
func (r *Registry) AddCertificate(c Certificate, now time.Time) error {
	return r.change(func(s *state) error {
		if s.certificates.Has(c.ID) {
			e := refuse(Exists, "The certificate is already provisioned or registered")
			e.ID, e.Resource, e.Same = c.ID, "cert/"+c.ID, true
			return e
		}
		s.add(c, now)
		return nil
	})
}

func (s *state) add(c Certificate, now time.Time) *Certificate {
	c.CreatedAt, c.ModifiedAt, c.Version = now, now, 1
	s.certificates.Put(c.ID, &c)
	s.deleted.Delete(c.ID)
	s.foreign = s.foreign || c.Foreign
	return &c
}

// Identity takes the certificate of a thing into the account and attaches it; the thing is made when it is not there. The error is
// that it cannot be kept.
func (r *Registry) Identity(thing string, c Certificate, now time.Time) error {
	return r.change(func(s *state) error {
		if !s.certificates.Has(c.ID) {
			s.add(c, now)
		}
		if t := s.things.Get(thing); t != nil && slices.Contains(t.Principals, c.ID) && t.Version > 0 {
			return nil
		}
		t := s.thing(thing)
		t.Version = max(t.Version, 1)
		if !slices.Contains(t.Principals, c.ID) {
			t.Principals = append(t.Principals, c.ID)
		}
		return nil
	})
}

// SetStatus changes the status of a certificate.
func (r *Registry) SetStatus(id string, status Status, now time.Time) error {
	return r.change(func(s *state) error {
		c := s.certificates.Get(id)
		if c == nil {
			return noCertificate(id)
		}
		s.setStatus(c, status, now)
		return nil
	})
}

func (s *state) setStatus(c *Certificate, status Status, now time.Time) {
	if c.Status == status {
		return
	}
	c = c.clone()
	c.Status, c.ModifiedAt = status, now
	c.Version++
	s.certificates.Put(c.ID, c)
}

// DeleteCertificate forgets a certificate that is not active and attached to no thing, and to no policy unless force is set. Who
// has it is not let in any more.
func (r *Registry) DeleteCertificate(id string, force bool) error {
	return r.change(func(s *state) error {
		c := s.certificates.Get(id)
		switch {
		case c == nil:
			return noCertificate(id)
		case c.Status == Active:
			return refuse(WrongState, "Certificate must be deactivated (not ACTIVE) before deletion. (id=%s)", id)
		case len(s.thingsOf(id)) > 0:
			return refuse(InUse, "Things must be detached before deletion (arn=cert/%s)", id)
		case len(s.attached.Get(id)) > 0 && !force:
			return refuse(InUse, "Certificate policies must be detached before deletion (arn=cert/%s)", id)
		}
		s.foreign = s.foreign || c.Foreign
		s.attached.Delete(id)
		s.certificates.Delete(id)
		s.deleted.Put(id, true)
		return nil
	})
}

// Certificate returns a certificate.
func (r *Registry) Certificate(id string) (out Certificate, ok bool) {
	r.look(func(s *state) {
		if c := s.certificates.Get(id); c != nil {
			out, ok = *c, true
		}
	})
	return out, ok
}

// Foreign returns the certificates that another CA than the server's has signed.
func (r *Registry) Foreign() (out []Certificate) {
	r.look(func(s *state) {
		for _, c := range s.certificates.All() {
			if c.Foreign {
				out = append(out, *c)
			}
		}
	})
	return out
}

// Deleted reports whether a certificate was deleted.
func (r *Registry) Deleted(id string) (ok bool) {
	r.look(func(s *state) { ok = s.deleted.Has(id) })
	return ok
}

// Certificates returns every certificate, in the order of making.
func (r *Registry) Certificates() (out []Certificate) {
	r.look(func(s *state) {
		for _, c := range s.certificates.All() {
			out = append(out, *c)
		}
	})
	slices.SortFunc(out, func(a, b Certificate) int {
		if d := a.CreatedAt.Compare(b.CreatedAt); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Override is what a provisioning template says of a resource that is there already and differs.
type Override uint8

// The overrides.
const (
	DoNothing Override = iota // what is there stays
	Replace
	Merge
	Fail
)

// Overrides are those of a template.
type Overrides struct{ Attributes, Type, BillingGroup, Groups, Status Override }

// Registration is what a provisioning template makes of a device.
type Registration struct {
	Thing       *Thing // nil: none
	Groups      []string
	Certificate Certificate       // one without an ID is none
	Policies    []string          // names, which need not be there
	Documents   map[string]string // of policies that it brings along, by name
	Overrides   Overrides
}

// Register does all of a registration or nothing of it. Groups that are not there are made. with, unless it is nil, adds to the
// transaction what belongs to it, and may change the registration.
func (r *Registry) Register(g Registration, now time.Time, with func(*tables.Tx, *Registration) error) error {
	var moves []Move
	err := r.journal.Do(func(tx *tables.Tx) (err error) {
		if with != nil {
			if err := with(tx, &g); err != nil {
				return err
			}
		}
		return r.within(tx, func(s *state) (err error) { moves, err = s.register(&g, now); return err })
	})
	if err == nil {
		r.tell(moves)
	}
	return err
}

func (s *state) register(g *Registration, now time.Time) (moves []Move, err error) {
	c := s.certificates.Get(g.Certificate.ID)
	status := g.Certificate.Status
	if c != nil && c.Status != status {
		switch g.Overrides.Status {
		case Fail:
			return nil, refuse(Conflict, "The certificate is %v already", c.Status)
		case DoNothing:
			status = c.Status
		}
	}
	if g.Thing != nil {
		if err := s.conflicts(g); err != nil {
			return nil, err
		}
		moves = s.merge(g, now)
	}
	if c == nil && g.Certificate.ID != "" {
		c = s.add(g.Certificate, now)
	}
	if c != nil {
		s.setStatus(c, status, now)
	}
	for name, document := range g.Documents {
		if old := s.policies.Get(name); old == nil || old.Brought {
			p := newPolicy(name, document, now)
			p.Brought = true
			s.policies.Put(name, p)
		}
	}
	for _, name := range g.Policies {
		if c != nil {
			s.attach(name, c.ID)
		}
	}
	return moves, nil
}

// conflicts returns an error for what differs and must not.
func (s *state) conflicts(g *Registration) error {
	old, t := s.things.Get(g.Thing.Name), g.Thing
	if old == nil {
		return nil
	}
	for _, p := range []struct {
		name     string
		differs  bool
		override Override
	}{
		{"AttributePayload", len(t.Attributes) > 0 && !maps.Equal(old.Attributes, t.Attributes), g.Overrides.Attributes},
		{"ThingTypeName", t.Type != "" && old.Type != t.Type, g.Overrides.Type},
		{"BillingGroup", t.BillingGroup != "" && old.BillingGroup != t.BillingGroup, g.Overrides.BillingGroup},
		{"ThingGroups", len(g.Groups) > 0 && !slices.Equal(old.Groups, slices.Sorted(slices.Values(g.Groups))), g.Overrides.Groups},
	} {
		if p.differs && p.override == Fail {
			return refuse(Conflict, "The thing %s is there already, with another %s", t.Name, p.name)
		}
	}
	return nil
}

// merge makes the thing of a registration, or changes the one of its name as the overrides say.
func (s *state) merge(g *Registration, now time.Time) (moves []Move) {
	t := g.Thing
	made := !s.things.Has(t.Name)
	old := s.thing(t.Name)
	if made {
		old.Type, old.BillingGroup, old.Attributes = t.Type, t.BillingGroup, maps.Clone(t.Attributes)
	} else {
		switch g.Overrides.Attributes {
		case Replace:
			old.Attributes = maps.Clone(t.Attributes)
		case Merge:
			if old.Attributes == nil {
				old.Attributes = map[string]string{}
			}
			maps.Copy(old.Attributes, t.Attributes)
		}
		if g.Overrides.Type == Replace {
			old.Type = t.Type
		}
		if g.Overrides.BillingGroup == Replace {
			old.BillingGroup = t.BillingGroup
		}
	}
	old.Version++
	if g.Certificate.ID != "" && !slices.Contains(old.Principals, g.Certificate.ID) {
		old.Principals = append(old.Principals, g.Certificate.ID)
	}
	own := old.Groups
	if !made && g.Overrides.Groups == Replace {
		own = nil
	}
	if made || g.Overrides.Groups == Replace || g.Overrides.Groups == Merge {
		for _, name := range g.Groups {
			own = append(own, name)
			if !s.groups.Has(name) {
				s.groups.Put(name, &Group{Name: name, ID: newID(), Version: 1, CreatedAt: now})
			}
		}
	}
	slices.Sort(own)
	own = slices.Compact(own)
	return s.moves(t.Name, func() { s.thing(t.Name).Groups = own })
}
