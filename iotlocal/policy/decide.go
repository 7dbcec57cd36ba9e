package policy

import (
	"slices"
	"strings"
)

// Named is a document under the name that decisions tell.
type Named struct {
	Name     string
	Document *Document
}

// Set decides by several documents together. Make one with NewSet; it is
// read-only, and safe for concurrent use.
type Set struct {
	policies []Named
	byAction map[string]*index // of the actions of MQTT
	timed    bool
}

// entry is a resource of a statement.
type entry struct {
	policy    string
	statement *statement
	resource  resource
}

// index finds the statements for a resource without looking at the others. Every
// pattern stands under the text that all it matches begins with, so that a request
// looks once for each length of such texts.
type index struct {
	lengths  []int // that occur, in no order
	byPrefix map[string][]entry
}

// NewSet returns the set of some documents.
func NewSet(policies []Named) *Set {
	s := &Set{policies: policies, byAction: map[string]*index{}}
	for _, a := range []string{Connect, Publish, Subscribe, Receive, RetainPublish} {
		s.byAction[strings.ToLower(a)] = s.index(strings.ToLower(a))
	}
	for _, p := range policies {
		for _, st := range p.Document.statements {
			s.timed = s.timed || st.timed()
		}
	}
	return s
}

// Timed reports whether the decisions of the set depend on the time.
func (s *Set) Timed() bool { return s.timed }

// index collects the statements that an action, in lower case, is concerned by.
func (s *Set) index(action string) *index {
	x := &index{byPrefix: map[string][]entry{}}
	lengths := map[int]bool{}
	for _, p := range s.policies {
		for _, st := range p.Document.statements {
			if !st.concerns(action) {
				continue
			}
			for _, res := range st.resources {
				prefix := ""
				if len(res.head) == arnSegments {
					prefix, _ = res.last.prefix()
				}
				if !lengths[len(prefix)] {
					lengths[len(prefix)] = true
					x.lengths = append(x.lengths, len(prefix))
				}
				x.byPrefix[prefix] = append(x.byPrefix[prefix], entry{p.Name, st, res})
			}
		}
	}
	return x
}

// timed reports whether the statement depends on the time.
func (st *statement) timed() bool {
	for _, c := range st.conditions {
		if c.key.timed || slices.ContainsFunc(c.values, func(o operand) bool { return o.text.timed() }) {
			return true
		}
	}
	return slices.ContainsFunc(st.resources, func(r resource) bool { return r.last.timed() || slices.ContainsFunc(r.head, pattern.timed) })
}

func (st *statement) concerns(action string) bool {
	for _, a := range st.actions {
		if a.matches(nil, action) {
			return true
		}
	}
	return false
}

// Decide answers a request. Its cost depends on how many statements begin alike
// with the resource, not on how many there are.
func (s *Set) Decide(r *Request) Decision {
	action := strings.ToLower(r.Action)
	x := s.byAction[action]
	if x == nil {
		x = s.index(action)
	}
	var allowed Decision
	for _, n := range x.lengths {
		if n > len(r.Resource) {
			continue
		}
		for _, e := range x.byPrefix[r.Resource[:n]] {
			if e.statement.effect == Allow && allowed.Allowed() || !e.applies(r) {
				continue
			}
			d := Decision{e.statement.effect, e.policy, e.statement.index, e.statement.sid}
			if d.Effect == ExplicitDeny {
				return d
			}
			allowed = d
		}
	}
	return allowed
}

func (e entry) applies(r *Request) bool {
	if !e.resource.matches(r) {
		return false
	}
	for _, c := range e.statement.conditions {
		if !c.holds(r) {
			return false
		}
	}
	return true
}
