package registry

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The limits of policies (AWS General Reference, "AWS IoT Core" limits of policies).
const (
	MaxPolicyVersions = 5
	MaxPolicies       = 10 // attached to one target
)

// AnyPrincipal is everybody.
const AnyPrincipal = "*"

func noPolicy(name string) *Error { return refuse(NotFound, "Policy %s not found", name) }

// CreatePolicy makes a policy.
func (r *Registry) CreatePolicy(name, document string, now time.Time) (out Policy, err error) {
	err = r.change(func(s *state) error {
		if old := s.policies.Get(name); old != nil && !old.Brought {
			e := refuse(Exists, "Policy cannot be created - name already exists (name=%s)", name)
			e.ID, e.Resource, e.Same = name, "policy/"+name, SameJSON(old.DefaultDocument(), document)
			return e
		}
		p := newPolicy(name, document, now)
		s.policies.Put(name, p)
		out = *p.clone()
		return nil
	})
	return out, err
}

func newPolicy(name, document string, now time.Time) *Policy {
	return &Policy{Name: name, Default: 1, Last: 1, CreatedAt: now, ModifiedAt: now, Versions: []PolicyVersion{{1, document, now}}}
}

// SetPolicy makes a policy of one version, in the place of one of that name if there is one. The error is that it
// cannot be kept.
func (r *Registry) SetPolicy(name, document string, now time.Time) error {
	return r.change(func(s *state) error { s.policies.Put(name, newPolicy(name, document, now)); return nil })
}

// CreatePolicyVersion adds a version, which becomes the default one or not.
func (r *Registry) CreatePolicyVersion(name, document string, asDefault bool, now time.Time) (out PolicyVersion, err error) {
	err = r.change(func(s *state) error {
		p := s.policies.Get(name)
		switch {
		case p == nil:
			return noPolicy(name)
		case len(p.Versions) >= MaxPolicyVersions:
			return refuse(VersionsLimit, "The policy %s already has the maximum number of versions (%d)", name, MaxPolicyVersions)
		}
		p = s.policy(p)
		p.Last++
		out = PolicyVersion{p.Last, document, now}
		p.Versions = append(p.Versions, out)
		p.ModifiedAt = now
		if asDefault {
			p.Default = p.Last
		}
		return nil
	})
	return out, err
}

// SetDefaultPolicyVersion says which version holds.
func (r *Registry) SetDefaultPolicyVersion(name string, number int, now time.Time) error {
	return r.change(func(s *state) error {
		p := s.policies.Get(name)
		switch {
		case p == nil:
			return noPolicy(name)
		case p.find(number) == nil:
			return refuse(NotFound, "Policy version %d of %s not found", number, name)
		}
		p = s.policy(p)
		p.Default, p.ModifiedAt = number, now
		return nil
	})
}

// DeletePolicyVersion forgets a version, which may not be the default one.
func (r *Registry) DeletePolicyVersion(name string, number int, now time.Time) error {
	return r.change(func(s *state) error {
		p := s.policies.Get(name)
		switch {
		case p == nil:
			return noPolicy(name)
		case p.find(number) == nil:
			return refuse(NotFound, "Policy version %d of %s not found", number, name)
		case p.Default == number:
			return refuse(InUse, "Cannot delete the default version of a policy")
		}
		p = s.policy(p)
		p.Versions = slices.DeleteFunc(p.Versions, func(v PolicyVersion) bool { return v.Number == number })
		p.ModifiedAt = now
		return nil
	})
}

// DeletePolicy forgets a policy that is attached nowhere and has one version.
func (r *Registry) DeletePolicy(name string) error {
	return r.change(func(s *state) error {
		p := s.policies.Get(name)
		switch {
		case p == nil:
			return noPolicy(name)
		case len(s.targets(name)) > 0:
			return refuse(InUse, "The policy cannot be deleted as the policy is attached to one or more principals (name=%s)", name)
		case len(p.Versions) > 1:
			return refuse(InUse, "Cannot delete the policy because it has one or more policy versions attached to it (name=%s)", name)
		}
		s.policies.Delete(name)
		return nil
	})
}

// policy returns a policy to be changed.
func (s *state) policy(p *Policy) *Policy {
	p = p.clone()
	s.policies.Put(p.Name, p)
	return p
}

// DropPolicy forgets a policy and where it was attached. The error is that it is not there, or cannot be kept.
func (r *Registry) DropPolicy(name string) error {
	return r.change(func(s *state) error {
		if !s.policies.Has(name) {
			return noPolicy(name)
		}
		s.policies.Delete(name)
		for _, target := range s.targets(name) {
			s.detach(name, target)
		}
		return nil
	})
}

// Policy returns a policy.
func (r *Registry) Policy(name string) (out Policy, ok bool) {
	r.look(func(s *state) {
		if p := s.policies.Get(name); p != nil {
			out, ok = *p.clone(), true
		}
	})
	return out, ok
}

// Policies returns every policy, sorted by name.
func (r *Registry) Policies() (out []Policy) {
	r.look(func(s *state) {
		for p := range s.policies.Sorted() {
			out = append(out, *p.clone())
		}
	})
	return out
}

// AttachPolicy attaches a policy to a target. A group must be there, and a certificate unless unknown allows for one that the account
// does not have: a claim, or one that the CA has signed elsewhere.
func (r *Registry) AttachPolicy(name, target string, unknown bool) error {
	return r.change(func(s *state) error {
		group, isGroup := CutGroup(target)
		attached := s.attached.Get(target)
		switch {
		case !s.policies.Has(name):
			return noPolicy(name)
		case isGroup && !s.groups.Has(group):
			return noGroup(group)
		case !unknown && IsCertificateID(target) && !s.certificates.Has(target):
			return noCertificate(target)
		case slices.Contains(attached, name):
			return nil
		case len(attached) >= MaxPolicies && target != AnyPrincipal:
			return refuse(Limit, "The maximum number of policies per target (%d) is reached", MaxPolicies)
		}
		s.attach(name, target)
		return nil
	})
}

func (s *state) attach(name, target string) {
	if all := s.attached.Get(target); !slices.Contains(all, name) {
		all = append(slices.Clone(all), name)
		slices.Sort(all)
		s.attached.Put(target, all)
	}
}

func (s *state) detach(name, target string) {
	all := slices.DeleteFunc(slices.Clone(s.attached.Get(target)), func(n string) bool { return n == name })
	if len(all) == 0 {
		s.attached.Delete(target)
		return
	}
	s.attached.Put(target, all)
}

// DetachPolicy takes a policy from a target. The error is that it is not attached, of kind NotFound, or that it cannot be kept.
func (r *Registry) DetachPolicy(name, target string) error {
	return r.change(func(s *state) error {
		if !slices.Contains(s.attached.Get(target), name) {
			return refuse(NotFound, "Policy %s is not attached to %s", name, target)
		}
		s.detach(name, target)
		return nil
	})
}

// Attached returns the names of the policies that are attached to a target, sorted; with above those of the groups above a group,
// too.
func (r *Registry) Attached(target string, above bool) (out []string) {
	r.look(func(s *state) {
		out = slices.Clone(s.attached.Get(target))
		if group, ok := CutGroup(target); ok && above {
			for _, g := range s.above(group) {
				out = append(out, s.attached.Get(GroupTarget(g))...)
			}
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Targets returns where a policy is attached, sorted.
func (r *Registry) Targets(policy string) (out []string) {
	r.look(func(s *state) { out = s.targets(policy) })
	return out
}

func (s *state) targets(policy string) (out []string) {
	for target, names := range s.attached.All() {
		if slices.Contains(names, policy) {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return out
}

// Permission is what decides about a connection.
type Permission struct {
	Policies []string // names, sorted: they need not be there
	Thing    *Thing   // the one whose name is the client id, when the principal is attached to it; nil: there is none
}

// Permissions returns what decides about a connection of a principal with that client id: the policies that are attached to it and
// to everybody, and those of the groups, and of the groups above them, of the thing that it connects as.
func (r *Registry) Permissions(principal, clientID string) (out Permission) {
	r.look(func(s *state) {
		all := slices.Concat(s.attached.Get(principal), s.attached.Get(AnyPrincipal))
		if t := s.things.Get(clientID); t != nil && slices.Contains(t.Principals, principal) {
			out.Thing = t.clone()
			for g := range s.groupsOf(clientID) {
				all = append(all, s.attached.Get(GroupTarget(g))...)
			}
		}
		slices.Sort(all)
		out.Policies = slices.Compact(all)
	})
	return out
}

// Document returns the document of the default version of a policy.
func (r *Registry) Document(name string) (text string, ok bool) {
	r.look(func(s *state) {
		if p := s.policies.Get(name); p != nil {
			text, ok = p.DefaultDocument(), true
		}
	})
	return text, ok
}

// IsCertificateID reports whether a principal is the id of a certificate.
func IsCertificateID(principal string) bool {
	return len(principal) == 64 && strings.Trim(principal, "0123456789abcdef") == ""
}

// SameJSON reports whether two texts are the same JSON, however it is written; texts that are none are the same when they are equal.
func SameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}
