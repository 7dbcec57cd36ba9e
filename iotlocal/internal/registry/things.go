package registry

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The limits of things (AWS General Reference, "AWS IoT Core thing registry limits").
const (
	MaxAttributes       = 50 // of a thing with a type
	MaxUntypedAttribute = 3  // of one without
	MaxSearchable       = 3  // attributes of a type
)

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func noThing(name string) *Error { return refuse(NotFound, "Thing %s not found", name) }

// CreateThing makes a thing; an equal one may be there. Attributes without a value are left out.
func (r *Registry) CreateThing(t Thing) (out Thing, err error) {
	t = *t.clone()
	maps.DeleteFunc(t.Attributes, func(_, v string) bool { return v == "" })
	err = r.change(func(s *state) error {
		if old := s.things.Get(t.Name); old != nil {
			if old.Type != t.Type || old.BillingGroup != t.BillingGroup || !maps.Equal(old.Attributes, t.Attributes) {
				e := refuse(Exists, "Thing %s already exists in account with different properties", t.Name)
				e.ID, e.Resource = old.ID, "thing/"+t.Name
				return e
			}
			out = *old.clone()
			return nil
		}
		if err := s.checkType(t.Type, ""); err != nil {
			return err
		}
		if err := checkAttributes(&t); err != nil {
			return err
		}
		t.ID, t.Version, t.Principals, t.Groups = newID(), 1, nil, nil
		s.things.Put(t.Name, &t)
		out = *t.clone()
		return nil
	})
	return out, err
}

// checkType reports whether a thing that has the type old may get that one.
func (s *state) checkType(name, old string) error {
	if name == "" || name == old {
		return nil
	}
	switch t := s.types.Get(name); {
	case t == nil:
		return refuse(NotFound, "Thing type %s not found", name)
	case !t.DeprecatedAt.IsZero():
		return refuse(Invalid, "Can not create/update thing with deprecated thing type: %s", name)
	}
	return nil
}

func checkAttributes(t *Thing) error {
	most := MaxUntypedAttribute
	if t.Type != "" {
		most = MaxAttributes
	}
	if len(t.Attributes) > most {
		return refuse(Invalid, "%d attributes: a thing without a type has at most %d, one with a type %d", len(t.Attributes), MaxUntypedAttribute, MaxAttributes)
	}
	return nil
}

// ThingChange is what UpdateThing changes.
type ThingChange struct {
	Type       string // "": as it is
	RemoveType bool
	// Attributes, when they are not nil, take the place of the thing's, or with Merge are added to them, where an empty value
	// removes one.
	Attributes map[string]string
	Merge      bool
	Expected   int64 // version; 0: any
}

// UpdateThing changes a thing.
func (r *Registry) UpdateThing(name string, c ThingChange) error {
	return r.change(func(s *state) error {
		old := s.things.Get(name)
		switch {
		case old == nil:
			return noThing(name)
		case c.Expected != 0 && c.Expected != old.Version:
			return refuse(VersionConflict, "The version for resource %s does not match the expected version.", name)
		case c.RemoveType && c.Type != "":
			return refuse(Invalid, "removeThingType and thingTypeName exclude each other")
		}
		if err := s.checkType(c.Type, old.Type); err != nil {
			return err
		}
		t := old.clone()
		if t.Type = cmp.Or(c.Type, t.Type); c.RemoveType {
			t.Type = ""
		}
		if c.Attributes != nil {
			if !c.Merge || t.Attributes == nil {
				t.Attributes = map[string]string{}
			}
			maps.Copy(t.Attributes, c.Attributes)
			maps.DeleteFunc(t.Attributes, func(_, v string) bool { return v == "" })
		}
		if err := checkAttributes(t); err != nil {
			return err
		}
		t.Version++
		s.things.Put(name, t)
		return nil
	})
}

// DeleteThing forgets a thing, which may not be there, and takes it out of its groups. Principals must be detached before.
func (r *Registry) DeleteThing(name string, expected int64) error {
	var moves []Move
	err := r.change(func(s *state) error {
		t := s.things.Get(name)
		switch {
		case t == nil:
			return nil
		case expected != 0 && expected != t.Version:
			return refuse(VersionConflict, "The version for resource %s does not match the expected version.", name)
		case len(t.Principals) > 0:
			return refuse(Invalid, "Cannot delete. Thing %s is still attached to one or more principals", name)
		}
		moves = s.moves(name, func() { s.things.Delete(name) })
		return nil
	})
	if err == nil {
		r.tell(moves)
	}
	return err
}

// Thing returns a thing.
func (r *Registry) Thing(name string) (out Thing, ok bool) {
	r.look(func(s *state) {
		if t := s.things.Get(name); t != nil {
			out, ok = *t.clone(), true
		}
	})
	return out, ok
}

// Things returns every thing, sorted by name.
func (r *Registry) Things() (out []Thing) {
	r.look(func(s *state) {
		for t := range s.things.Sorted() {
			out = append(out, *t.clone())
		}
	})
	return out
}

// SetThing makes a thing, or changes type and attributes of one, of whatever type. The error is that it cannot be kept.
func (r *Registry) SetThing(name, typeName string, attributes map[string]string) error {
	return r.change(func(s *state) error {
		t := s.thing(name)
		t.Type, t.Attributes = typeName, maps.Clone(attributes)
		t.Version++
		return nil
	})
}

// thing returns a thing to be changed, which it makes when it is not there.
func (s *state) thing(name string) *Thing {
	t := &Thing{Name: name, ID: newID()}
	if old := s.things.Get(name); old != nil {
		t = old.clone()
	}
	s.things.Put(name, t)
	return t
}

// AttachPrincipal attaches a principal to a thing. A certificate must be there.
func (r *Registry) AttachPrincipal(thing, principal string) error {
	return r.change(func(s *state) error {
		t := s.things.Get(thing)
		switch {
		case t == nil:
			return noThing(thing)
		case IsCertificateID(principal) && !s.certificates.Has(principal):
			return noCertificate(principal)
		case !slices.Contains(t.Principals, principal):
			t = s.thing(thing)
			t.Principals = append(t.Principals, principal)
		}
		return nil
	})
}

// DetachPrincipal takes a principal from a thing; it need not have been attached.
func (r *Registry) DetachPrincipal(thing, principal string) error {
	return r.change(func(s *state) error {
		t := s.things.Get(thing)
		switch {
		case t == nil:
			return noThing(thing)
		case !slices.Contains(t.Principals, principal):
			return nil
		}
		t = s.thing(thing)
		t.Principals = slices.DeleteFunc(t.Principals, func(p string) bool { return p == principal })
		return nil
	})
}

// ThingsOf returns the names of the things that a principal is attached to, sorted.
func (r *Registry) ThingsOf(principal string) (out []string) {
	r.look(func(s *state) { out = s.thingsOf(principal) })
	return out
}

func (s *state) thingsOf(principal string) (out []string) {
	for name, t := range s.things.All() {
		if slices.Contains(t.Principals, principal) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// CreateType makes a type; an equal one may be there.
func (r *Registry) CreateType(t Type, now time.Time) (out Type, err error) {
	t.Searchable = slices.Clone(t.Searchable)
	err = r.change(func(s *state) error {
		if old := s.types.Get(t.Name); old != nil {
			if old.Description != t.Description || !slices.Equal(old.Searchable, t.Searchable) {
				e := refuse(Exists, "ThingType %s already exists in account with different properties", t.Name)
				e.ID, e.Resource = old.ID, "thingtype/"+t.Name
				return e
			}
			out = *old.clone()
			return nil
		}
		if len(t.Searchable) > MaxSearchable {
			return refuse(Invalid, "%d searchable attributes, at most %d are allowed", len(t.Searchable), MaxSearchable)
		}
		t.ID, t.CreatedAt, t.DeprecatedAt = newID(), now, time.Time{}
		s.types.Put(t.Name, &t)
		out = *t.clone()
		return nil
	})
	return out, err
}

// DeprecateType deprecates a type, or takes that back.
func (r *Registry) DeprecateType(name string, undo bool, now time.Time) error {
	return r.change(func(s *state) error {
		t := s.types.Get(name)
		switch {
		case t == nil:
			return refuse(NotFound, "Thing type %s not found", name)
		case undo != t.DeprecatedAt.IsZero():
			t = t.clone()
			if t.DeprecatedAt = now; undo {
				t.DeprecatedAt = time.Time{}
			}
			s.types.Put(name, t)
		}
		return nil
	})
}

// TypeRest is how long a type must be deprecated before it can be deleted (API reference, DeleteThingType).
const TypeRest = 5 * time.Minute

// DeleteType forgets a type that was deprecated long enough, and that no thing has.
func (r *Registry) DeleteType(name string, now time.Time) error {
	return r.change(func(s *state) error {
		t := s.types.Get(name)
		switch {
		case t == nil:
			return refuse(NotFound, "Thing type %s not found", name)
		case t.DeprecatedAt.IsZero():
			return refuse(Invalid, "Can not delete thing type. Deprecate thing type before deletion: %s", name)
		case now.Sub(t.DeprecatedAt) < TypeRest:
			return refuse(Invalid, "Can not delete thing type. Please wait for %d minutes after deprecation and then retry: %s", TypeRest/time.Minute, name)
		}
		for _, thing := range s.things.All() {
			if thing.Type == name {
				return refuse(Invalid, "Can not delete thing type: %s. Things are associated with it.", name)
			}
		}
		s.types.Delete(name)
		return nil
	})
}

// Types returns every type, sorted by name.
func (r *Registry) Types() (out []Type) {
	r.look(func(s *state) {
		for t := range s.types.Sorted() {
			out = append(out, *t.clone())
		}
	})
	return out
}

// Type returns a type.
func (r *Registry) Type(name string) (out Type, ok bool) {
	r.look(func(s *state) {
		if t := s.types.Get(name); t != nil {
			out, ok = *t.clone(), true
		}
	})
	return out, ok
}
