package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var certA, certB, certC, certD = strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64), strings.Repeat("d", 64)

// must ends the test over an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// house is a registry with something of everything.
func house(t *testing.T) *Registry {
	t.Helper()
	r := New(nil)
	fill(t, r)
	return r
}

// fill puts something of everything into a registry.
func fill(t *testing.T, r *Registry) {
	t.Helper()
	_, e1 := r.CreateType(Type{Name: "light", Searchable: []string{"room"}}, t0)
	_, e2 := r.CreateThing(Thing{Name: "lamp", Type: "light", Attributes: map[string]string{"room": "hall"}})
	_, e3 := r.CreateGroup(Group{Name: "house"}, t0)
	_, e4 := r.CreateGroup(Group{Name: "room", Parent: "house"}, t0)
	_, e5 := r.CreatePolicy("p", `{"v":1}`, t0)
	_, e6 := r.CreatePolicyVersion("p", `{"v":2}`, true, t0)
	must(t, e1, e2, e3, e4, e5, e6, r.AddCertificate(Certificate{ID: certA, PEM: "A", Status: Active}, t0), r.AddCertificate(Certificate{ID: certB, PEM: "B"}, t0),
		r.AttachPrincipal("lamp", certA), r.ChangeGroups("lamp", []string{"room"}, nil), r.AttachPolicy("p", certA, false), r.AttachPolicy("p", GroupTarget("house"), false),
		r.DeleteCertificate(certB, false))
}

// everything is what there is, as JSON.
func everything(t *testing.T, r *Registry) string {
	t.Helper()
	var text string
	r.look(func(s *state) {
		all := map[string]any{"things": maps.Collect(s.things.All()), "types": maps.Collect(s.types.All()), "groups": maps.Collect(s.groups.All()),
			"certificates": maps.Collect(s.certificates.All()), "deleted": maps.Collect(s.deleted.All()), "policies": maps.Collect(s.policies.All()),
			"attached": maps.Collect(s.attached.All())}
		b, err := json.MarshalIndent(all, "", " ")
		must(t, err)
		text = string(b)
	})
	return text
}

// kept keeps what a registry changes, as JSON by kind and key.
func kept(t *testing.T, r *Registry) map[string]map[string][]byte {
	all := map[string]map[string][]byte{}
	r.Journal().Keep(func(changes []tables.Change) error {
		for _, c := range changes {
			if all[c.Kind] == nil {
				all[c.Kind] = map[string][]byte{}
			}
			if delete(all[c.Kind], c.Key); c.Value != nil {
				text, err := json.Marshal(c.Value)
				must(t, err)
				all[c.Kind][c.Key] = text
			}
		}
		return nil
	})
	return all
}

// What was kept of every change makes the same registry.
func TestStateSurvivesJSON(t *testing.T) {
	r := New(nil)
	all := kept(t, r)
	fill(t, r)
	must(t, r.AddCertificate(Certificate{ID: certC, Foreign: true}, t0))
	_, err := r.CreateThing(Thing{Name: "gone"})
	must(t, err, r.DeleteThing("gone", 0))
	again := New(nil)
	version, foreign := again.Version(), again.ForeignVersion()
	restorers := again.Restorers(func(*Policy) error { return nil })
	for kind, values := range all {
		for key, text := range values {
			must(t, restorers[kind](key, text))
		}
	}
	if got, want := everything(t, again), everything(t, r); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if again.Version() == version || !again.Enforced() || again.ForeignVersion() == foreign || len(again.Foreign()) != 1 {
		t.Error("nobody hears of what was restored")
	}
	for kind, text := range map[string]string{KindThing: `{"name":"other"}`, KindType: `null`, KindPolicy: `{"name":"a","default":1}`, KindAttached: `{}`} {
		if err := restorers[kind]("a", []byte(text)); err == nil {
			t.Errorf("%s: %s is taken", kind, text)
		}
	}
}

// What the registry returns is not a part of it, nor is what it was given.
func TestCopies(t *testing.T) {
	r := house(t)
	before := everything(t, r)
	thing, _ := r.Thing("lamp")
	thing.Attributes["room"], thing.Principals[0], thing.Groups[0] = "x", "x", "x"
	p, _ := r.Policy("p")
	p.Versions[0].Document = "x"
	g, _ := r.Group("room")
	g.Name = "x"
	r.Attached(certA, false)[0] = "x"
	r.Permissions(certA, "lamp").Policies[0] = "x"
	if got := everything(t, r); got != before {
		t.Errorf("%s\nwant %s", got, before)
	}
}

// An operation that cannot be kept leaves everything as it was, for those that read too, and is told.
func TestNothingIsDoneThatCannotBeKept(t *testing.T) {
	full := errors.New("no space left on device")
	for name, do := range map[string]func(r *Registry) error{
		"CreateThing": func(r *Registry) error { _, err := r.CreateThing(Thing{Name: "new"}); return err },
		"UpdateThing": func(r *Registry) error {
			return r.UpdateThing("lamp", ThingChange{Attributes: map[string]string{"a": "b"}})
		},
		"DeleteThing":         func(r *Registry) error { return r.DeleteThing("idle", 0) },
		"SetThing":            func(r *Registry) error { return r.SetThing("lamp", "x", nil) },
		"AttachPrincipal":     func(r *Registry) error { return r.AttachPrincipal("lamp", "AKID") },
		"DetachPrincipal":     func(r *Registry) error { return r.DetachPrincipal("lamp", certA) },
		"CreateType":          func(r *Registry) error { _, err := r.CreateType(Type{Name: "new"}, t0); return err },
		"DeprecateType":       func(r *Registry) error { return r.DeprecateType("light", false, t0) },
		"DeprecateType, undo": func(r *Registry) error { return r.DeprecateType("old", true, t0) },
		"DeleteType":          func(r *Registry) error { return r.DeleteType("old", t0.Add(time.Hour)) },
		"CreateGroup":         func(r *Registry) error { _, err := r.CreateGroup(Group{Name: "new"}, t0); return err },
		"UpdateGroup": func(r *Registry) error {
			_, err := r.UpdateGroup("room", GroupChange{Attributes: map[string]string{"a": "b"}})
			return err
		},
		"DeleteGroup":             func(r *Registry) error { return r.DeleteGroup("room", 0) },
		"ChangeGroups":            func(r *Registry) error { return r.ChangeGroups("lamp", []string{"house"}, []string{"room"}) },
		"AddCertificate":          func(r *Registry) error { return r.AddCertificate(Certificate{ID: certC, Foreign: true}, t0) },
		"Identity":                func(r *Registry) error { return r.Identity("new", Certificate{ID: certC}, t0) },
		"SetStatus":               func(r *Registry) error { return r.SetStatus(certA, Revoked, t0) },
		"DeleteCertificate":       func(r *Registry) error { return r.DeleteCertificate(certD, true) },
		"CreatePolicy":            func(r *Registry) error { _, err := r.CreatePolicy("new", "{}", t0); return err },
		"SetPolicy":               func(r *Registry) error { return r.SetPolicy("p", "{}", t0) },
		"CreatePolicyVersion":     func(r *Registry) error { _, err := r.CreatePolicyVersion("p", "{}", true, t0); return err },
		"SetDefaultPolicyVersion": func(r *Registry) error { return r.SetDefaultPolicyVersion("p", 1, t0) },
		"DeletePolicyVersion":     func(r *Registry) error { return r.DeletePolicyVersion("p", 1, t0) },
		"DeletePolicy":            func(r *Registry) error { return r.DeletePolicy("unused") },
		"DropPolicy":              func(r *Registry) error { return r.DropPolicy("p") },
		"AttachPolicy":            func(r *Registry) error { return r.AttachPolicy("unused", certA, false) },
		"DetachPolicy":            func(r *Registry) error { return r.DetachPolicy("p", certA) },
		"Register": func(r *Registry) error {
			return r.Register(Registration{Thing: &Thing{Name: "new"}, Groups: []string{"attic"}, Certificate: Certificate{ID: certC}, Policies: []string{"q"},
				Documents: map[string]string{"q": "{}"}}, t0, nil)
		},
	} {
		r := house(t)
		_, e1 := r.CreateThing(Thing{Name: "idle"})
		_, e2 := r.CreateType(Type{Name: "old"}, t0)
		_, e3 := r.CreatePolicy("unused", "{}", t0)
		must(t, e1, e2, e3, r.DeprecateType("old", false, t0), r.AddCertificate(Certificate{ID: certD, Foreign: true}, t0), r.AttachPolicy("p", certD, false))
		moves := 0
		r.OnMove(func([]Move) { moves++ })
		before, version, foreign := everything(t, r), r.Version(), r.ForeignVersion()
		r.Journal().Keep(func([]tables.Change) error { return full })
		err := do(r)
		if got := everything(t, r); !errors.Is(err, full) || got != before || r.Version() != version || r.ForeignVersion() != foreign || !r.Enforced() || moves > 0 {
			t.Errorf("%s: %v, %d moves, %s\nwant %s", name, err, moves, got, before)
		}
		r.Journal().Keep(nil)
		if err := do(r); err != nil || r.Version() == version || everything(t, r) == before {
			t.Errorf("%s, when it can be kept: %v", name, err)
		}
	}
}

// What a change costs does not grow with what there is.
func TestCostOfAChange(t *testing.T) {
	cost := func(things int) (allocations float64, changes int) {
		r := New(nil)
		_, err := r.CreateGroup(Group{Name: "all"}, t0)
		must(t, err)
		for i := range things {
			name := fmt.Sprint("thing-", i)
			_, err := r.CreateThing(Thing{Name: name})
			must(t, err, r.ChangeGroups(name, []string{"all"}, nil))
		}
		r.Journal().Keep(func(all []tables.Change) error { changes += len(all); return nil })
		_, err = r.CreateThing(Thing{Name: "last"})
		must(t, err)
		version := int64(0)
		return testing.AllocsPerRun(100, func() {
			version++
			must(t, r.UpdateThing("last", ThingChange{Attributes: map[string]string{"v": fmt.Sprint(version)}}), r.ChangeGroups("last", []string{"all"}, nil), r.ChangeGroups("last", nil, []string{"all"}))
		}), changes
	}
	few, one := cost(10)
	many, other := cost(5000)
	if many > few+5 || one != other {
		t.Errorf("with 10 things %v allocations and %d changes, with 5,000 %v and %d", few, one, many, other)
	}
}

func TestPermissions(t *testing.T) {
	r := house(t)
	must(t, r.SetPolicy("all", `{}`, t0), r.AttachPolicy("all", AnyPrincipal, false), r.DeletePolicyVersion("p", 1, t0))
	must(t, r.DetachPolicy("p", certA))
	for _, tt := range []struct {
		principal, client, policies string
		thing                       bool
	}{
		{certA, "lamp", "all p", true}, {certA, "other", "all", false}, {"AKID", "lamp", "all", false}, {certB, "lamp", "all", false},
	} {
		got := r.Permissions(tt.principal, tt.client)
		if strings.Join(got.Policies, " ") != tt.policies || (got.Thing != nil) != tt.thing {
			t.Errorf("%s as %s: %+v", tt.principal, tt.client, got)
		}
	}
	if text, ok := r.Document("p"); text != `{"v":2}` || !ok {
		t.Errorf("%s %v", text, ok)
	}
	if r.DropPolicy("p") != nil || r.DropPolicy("p") == nil || len(r.Targets("p")) != 0 {
		t.Error("not dropped once")
	}
}

// A certificate gets a policy when the account has it; one that was deleted stays known as that, whether it had policies or not.
func TestPolicyOfDeletedCertificate(t *testing.T) {
	r := house(t) // certB is deleted, and had none
	if !r.Deleted(certB) || r.Deleted(certA) {
		t.Errorf("deleted: %v %v", r.Deleted(certB), r.Deleted(certA))
	}
	e, ok := errors.AsType[*Error](r.AttachPolicy("p", certB, false))
	if !ok || e.Kind != NotFound || len(r.Attached(certB, false)) != 0 {
		t.Errorf("%v, %v", e, r.Attached(certB, false))
	}
	must(t, r.AttachPolicy("p", certB, true))
	if r.DetachPolicy("p", certB) != nil || r.DetachPolicy("p", certB) == nil {
		t.Error("not detached once")
	}
}

// Who watches groups hears of a thing once for every group that it comes into or leaves, those above included.
func TestMoves(t *testing.T) {
	r := house(t)
	var heard []string
	r.OnMove(func(all []Move) {
		for _, m := range all {
			_, _ = r.Thing(m.Thing) // the lock is free
			heard = append(heard, fmt.Sprintf("%s %s %v", m.Thing, m.Group, m.Joined))
		}
	})
	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(heard, want) {
			t.Errorf("%s: %v, want %v", what, heard, want)
		}
		heard = nil
	}
	must(t, r.ChangeGroups("lamp", []string{"house"}, nil))
	expect("into a group above its own")
	must(t, r.ChangeGroups("lamp", nil, []string{"room"}))
	expect("out of the one below", "lamp room false")
	must(t, r.ChangeGroups("lamp", nil, []string{"house"}))
	expect("out of the last one", "lamp house false")
	must(t, r.ChangeGroups("lamp", []string{"room"}, nil))
	expect("into one below", "lamp house true", "lamp room true")
	must(t, r.DeleteGroup("room", 0))
	expect("deleted group", "lamp house false", "lamp room false")
	must(t, r.Register(Registration{Thing: &Thing{Name: "new"}, Groups: []string{"house", "made"}, Certificate: Certificate{ID: certB}}, t0, nil))
	expect("registration", "new house true", "new made true")
	must(t, r.DetachPrincipal("new", certB), r.DeleteThing("new", 0))
	expect("deleted thing", "new house false", "new made false")
	if err := r.ChangeGroups("lamp", []string{"none"}, nil); err == nil {
		t.Error("a group that is not there")
	}
	expect("what failed")
}

// A registration does all or nothing, and as the template's overrides say.
func TestRegister(t *testing.T) {
	attributes := map[string]string{"floor": "1"}
	for name, tt := range map[string]struct {
		overrides Overrides
		want      string // attributes, type, groups
	}{
		"do nothing":         {Overrides{}, "map[room:hall] light [room]"},
		"replace attributes": {Overrides{Attributes: Replace}, "map[floor:1] light [room]"},
		"merge attributes":   {Overrides{Attributes: Merge}, "map[floor:1 room:hall] light [room]"},
		"replace type":       {Overrides{Type: Replace}, "map[room:hall] bulb [room]"},
		"replace groups":     {Overrides{Groups: Replace}, "map[room:hall] light [attic]"},
		"merge groups":       {Overrides{Groups: Merge}, "map[room:hall] light [attic room]"},
		"fail attributes":    {Overrides{Attributes: Fail, Type: Replace}, "conflict"},
		"fail type":          {Overrides{Type: Fail, Attributes: Replace}, "conflict"},
		"fail groups":        {Overrides{Groups: Fail, Attributes: Replace}, "conflict"},
		"fail billing group": {Overrides{BillingGroup: Fail, Attributes: Replace}, "conflict"},
		"fail status":        {Overrides{Status: Fail, Attributes: Replace}, "conflict"},
	} {
		r := house(t)
		before := everything(t, r)
		err := r.Register(Registration{Thing: &Thing{Name: "lamp", Type: "bulb", BillingGroup: "b", Attributes: attributes}, Groups: []string{"attic"},
			Certificate: Certificate{ID: certA, Status: Revoked}, Policies: []string{"q"}, Documents: map[string]string{"q": "{}"}, Overrides: tt.overrides}, t0, nil)
		thing, _ := r.Thing("lamp")
		got := fmt.Sprintf("%v %s %v", thing.Attributes, thing.Type, r.GroupsOf("lamp"))
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == Conflict {
			got = "conflict"
			if everything(t, r) != before {
				t.Errorf("%s: half of it was done", name)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, tt.want)
		}
	}
	r := New(nil)
	must(t, r.Register(Registration{Certificate: Certificate{ID: certA, Status: Active}, Policies: []string{"q"}, Documents: map[string]string{"q": "{}"}}, t0, nil))
	if r.Enforced() {
		t.Error("a policy that a template brings along makes others necessary")
	}
	if _, err := r.CreatePolicy("q", "{}", t0); err != nil || !r.Enforced() {
		t.Errorf("%v: a policy of a template's name", err)
	}
}

// Ten policies and no more are attached to a target; everybody has no such limit.
func TestPoliciesOfATarget(t *testing.T) {
	r := house(t)
	for i := range MaxPolicies + 1 {
		name := fmt.Sprint("more", i)
		_, err := r.CreatePolicy(name, "{}", t0)
		must(t, err, r.AttachPolicy(name, AnyPrincipal, false))
		err = r.AttachPolicy(name, certA, false) // which has one
		if refused, ok := errors.AsType[*Error](err); (i >= MaxPolicies-1) != (ok && refused.Kind == Limit) || !ok && err != nil {
			t.Errorf("policy %d: %v", i+2, err)
		}
	}
	if n := len(r.Attached(certA, false)); n != MaxPolicies {
		t.Errorf("%d are attached", n)
	}
}

func TestKinds(t *testing.T) {
	for k := NotFound; k <= Conflict; k++ {
		if strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("%d has no name", k)
		}
	}
	if Kind(99).String() != "Kind(99)" || Status(99).String() != "Status?" {
		t.Error(Kind(99), Status(99))
	}
}
