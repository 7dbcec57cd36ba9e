package registry

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The limits of groups (AWS General Reference, "AWS IoT Core thing group limits").
const (
	MaxGroupDepth      = 7
	MaxGroupAttributes = 50
	MaxGroupsOfThing   = 10
)

const groupPrefix = "thinggroup/"

// GroupTarget is a group as the target of a policy.
func GroupTarget(name string) string { return groupPrefix + name }

// CutGroup returns the group that a target is.
func CutGroup(target string) (name string, ok bool) { return strings.CutPrefix(target, groupPrefix) }

func noGroup(name string) *Error { return refuse(NotFound, "Thing group %s not found", name) }

// CreateGroup makes a group; an equal one may be there.
func (r *Registry) CreateGroup(g Group, now time.Time) (out Group, err error) {
	g = *g.clone()
	err = r.change(func(s *state) error {
		if old := s.groups.Get(g.Name); old != nil {
			if old.Parent != g.Parent || old.Description != g.Description || !maps.Equal(old.Attributes, g.Attributes) {
				e := refuse(Exists, "Thing Group %s already exists in current account with different properties", g.Name)
				e.ID, e.Resource = old.ID, GroupTarget(g.Name)
				return e
			}
			out = *old.clone()
			return nil
		}
		switch {
		case g.Parent != "" && !s.groups.Has(g.Parent):
			return noGroup(g.Parent)
		case g.Parent != "" && len(s.above(g.Parent)) >= MaxGroupDepth:
			return refuse(Limit, "groups are nested at most %d levels deep", MaxGroupDepth)
		case len(g.Attributes) > MaxGroupAttributes:
			return refuse(Invalid, "%d attributes, at most %d are allowed", len(g.Attributes), MaxGroupAttributes)
		}
		g.ID, g.Version, g.CreatedAt = newID(), 1, now
		s.groups.Put(g.Name, &g)
		out = *g.clone()
		return nil
	})
	return out, err
}

// GroupChange is what UpdateGroup changes.
type GroupChange struct {
	Description *string           // nil: as it is
	Attributes  map[string]string // as those of ThingChange
	Merge       bool
	Expected    int64
}

// UpdateGroup changes a group and returns its new version.
func (r *Registry) UpdateGroup(name string, c GroupChange) (version int64, err error) {
	err = r.change(func(s *state) error {
		g := s.groups.Get(name)
		if g == nil {
			return noGroup(name)
		}
		g = g.clone()
		if c.Expected != 0 && c.Expected != g.Version {
			return refuse(VersionConflict, "The version for resource %s does not match the expected version.", name)
		}
		if c.Attributes != nil {
			all := map[string]string{}
			if c.Merge {
				maps.Copy(all, g.Attributes)
			}
			maps.Copy(all, c.Attributes)
			maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
			if len(all) > MaxGroupAttributes {
				return refuse(Invalid, "%d attributes, at most %d are allowed", len(all), MaxGroupAttributes)
			}
			g.Attributes = all
		}
		if c.Description != nil {
			g.Description = *c.Description
		}
		g.Version++
		version = g.Version
		s.groups.Put(name, g)
		return nil
	})
	return version, err
}

// DeleteGroup forgets a group, which may not be there, with its policies. It must have no groups below.
func (r *Registry) DeleteGroup(name string, expected int64) error {
	var moves []Move
	err := r.change(func(s *state) error {
		g := s.groups.Get(name)
		if g == nil {
			return nil
		}
		if expected != 0 && expected != g.Version {
			return refuse(VersionConflict, "The version for resource %s does not match the expected version.", name)
		}
		for _, other := range s.groups.All() {
			if other.Parent == name {
				return refuse(Invalid, "Cannot delete thing group : %s when there are still child groups attached to it.", name)
			}
		}
		for _, thing := range s.members(func(group string) bool { return group == name }) {
			moves = append(moves, s.moves(thing, func() {
				t := s.thing(thing)
				t.Groups = slices.DeleteFunc(t.Groups, func(g string) bool { return g == name })
			})...)
		}
		s.groups.Delete(name)
		s.attached.Delete(GroupTarget(name))
		return nil
	})
	if err == nil {
		r.tell(moves)
	}
	return err
}

// Group returns a group.
func (r *Registry) Group(name string) (out Group, ok bool) {
	r.look(func(s *state) {
		if g := s.groups.Get(name); g != nil {
			out, ok = *g.clone(), true
		}
	})
	return out, ok
}

// Groups returns every group, sorted by name.
func (r *Registry) Groups() (out []Group) {
	r.look(func(s *state) {
		for g := range s.groups.Sorted() {
			out = append(out, *g.clone())
		}
	})
	return out
}

// Parents returns the groups above one, the root first.
func (r *Registry) Parents(name string) (out []Group) {
	r.look(func(s *state) {
		for _, n := range s.above(name)[min(1, len(s.above(name))):] {
			out = append([]Group{*s.groups.Get(n).clone()}, out...)
		}
	})
	return out
}

// above returns a group and those above it, upwards; none when there is no such group.
func (s *state) above(name string) (out []string) {
	for g := s.groups.Get(name); g != nil; g = s.groups.Get(g.Parent) {
		out = append(out, g.Name)
	}
	return out
}

// groupsOf returns the groups of a thing and those above them.
func (s *state) groupsOf(thing string) map[string]struct{} {
	out := map[string]struct{}{}
	if t := s.things.Get(thing); t != nil {
		for _, g := range t.Groups {
			for _, name := range s.above(g) {
				out[name] = struct{}{}
			}
		}
	}
	return out
}

// members returns the names of the things in groups, sorted.
func (s *state) members(in func(group string) bool) (out []string) {
	for name, t := range s.things.All() {
		if slices.ContainsFunc(t.Groups, in) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// moves returns what a change of memberships does to a thing.
func (s *state) moves(thing string, change func()) (out []Move) {
	before := s.groupsOf(thing)
	change()
	after := s.groupsOf(thing)
	for _, g := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[g]; !ok {
			out = append(out, Move{thing, g, false})
		}
	}
	for _, g := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[g]; !ok {
			out = append(out, Move{thing, g, true})
		}
	}
	return out
}

// ChangeGroups puts a thing into groups and takes it out of others.
func (r *Registry) ChangeGroups(thing string, add, remove []string) error {
	var moves []Move
	err := r.change(func(s *state) error {
		t := s.things.Get(thing)
		if t == nil {
			return noThing(thing)
		}
		for _, name := range slices.Concat(add, remove) {
			if !s.groups.Has(name) {
				return noGroup(name)
			}
		}
		own := slices.Concat(t.Groups, add)
		own = slices.DeleteFunc(own, func(g string) bool { return slices.Contains(remove, g) })
		slices.Sort(own)
		if own = slices.Compact(own); len(own) > MaxGroupsOfThing {
			return refuse(Limit, "a thing can be in at most %d groups", MaxGroupsOfThing)
		}
		if !slices.Equal(own, t.Groups) {
			moves = s.moves(thing, func() { s.thing(thing).Groups = own })
		}
		return nil
	})
	if err == nil {
		r.tell(moves)
	}
	return err
}

// GroupsOf returns the names of the groups that a thing is in, without those above them, sorted.
func (r *Registry) GroupsOf(thing string) []string {
	t, _ := r.Thing(thing)
	return t.Groups
}

// InGroup reports whether a thing is in a group, or in one below it.
func (r *Registry) InGroup(thing, group string) (ok bool) {
	r.look(func(s *state) { _, ok = s.groupsOf(thing)[group] })
	return ok
}

// ThingsInGroup returns the names of the things in a group, and with below in the groups below it, sorted. ok is false when there
// is no such group.
func (r *Registry) ThingsInGroup(name string, below bool) (out []string, ok bool) {
	r.look(func(s *state) {
		if ok = s.groups.Has(name); ok {
			out = s.members(func(g string) bool { return g == name || below && slices.Contains(s.above(g), name) })
		}
	})
	return out, ok
}
