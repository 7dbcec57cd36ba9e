package rewrite

import (
	"go/ast"
	"go/types"
	"maps"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// side tells which client a class has when its rewrite is done.
type side int

const (
	whole   side = iota // the new one
	through             // the old one, and calls that have a rule go through it to the new one
	forward             // the new one already: the class is what an earlier run has bridged
)

// plan fills the unit of a class: with the edits of all of it; else, where bridges may be written, with those of what
// has a rule; else with reasons only.
func (k *Class) plan() {
	k.describe()
	names := k.Pkg.names()
	t := k.settled(whole)
	switch {
	case len(t.Unit.Reasons) == 0:
		k.take(t)
		k.bridged(t)
	case !k.Pkg.Bridges && !(k.Pkg.given && k.Flow.Given()):
		k.Unit.Reasons, k.Unit.Notes = t.Unit.Reasons, t.Unit.Notes
	default:
		k.Pkg.named = names
		k.Unit.Reasons = t.Unit.Reasons
		for _, u := range k.uses {
			for _, r := range t.Bridged[u] {
				k.Unit.AddReason(r)
			}
		}
		if k.Family.Firm != nil && k.Family.Firm(t) {
			break
		}
		if b := k.settled(through); len(b.Unit.Reasons) == 0 && len(b.Unit.Edits) > 0 {
			k.take(b)
			k.passed(b)
		}
	}
	k.Unit.SortReasons()
}

// settled plans one side until no use is refused any more; each round keeps those that were refused before on the old
// shape. Where no bridges may be written, what is refused holds the class back.
func (k *Class) settled(s side) *Class {
	kept, plain, names := map[*flow.Use][]unit.Reason{}, map[types.Object]bool{}, k.Pkg.names()
	stay := map[*Branch][]unit.Reason{}
	for {
		t := k.trial(s, kept, plain, stay)
		if s == whole {
			t.rewriteAll()
		} else {
			t.rewriteSome()
		}
		if len(t.refused)+len(t.staying) == 0 {
			return t
		}
		if !k.Pkg.Bridges && s == whole {
			for _, u := range k.uses {
				for _, r := range t.refused[u] {
					t.Unit.AddReason(r)
				}
			}
			return t
		}
		stuck := false
		for b, why := range t.staying {
			stay[b] = sorted(append(stay[b], why...))
		}
		for u, why := range t.refused {
			if b := t.separable(k.branchOf(u)); b != nil && !k.bridgeable(u) {
				stay[b] = sorted(append(stay[b], why...))
				continue
			}
			if u.Kind != flow.Pass && !k.bridgeable(u) {
				for _, r := range why {
					t.Unit.AddReason(r)
				}
				stuck = true
			}
			if u.Kind == flow.Pass { // no call of a member: the parameter it goes to is rewritten as any other
				plain[u.To] = true
			} else {
				kept[u] = why
			}
		}
		if stuck {
			return t
		}
		k.Pkg.named = names
		names = k.Pkg.names()
		k.together(kept)
		if len(stay) > 0 {
			t.withAlike(stay)
		}
	}
}

// trial is k with nothing planned.
func (k *Class) trial(s side, kept map[*flow.Use][]unit.Reason, plain map[types.Object]bool, stay map[*Branch][]unit.Reason) *Class {
	f := *k.Flow
	f.Uses = slices.DeleteFunc(slices.Clone(k.uses), func(u *flow.Use) bool { return kept[u] != nil })
	k.without(&f, stay)
	return &Class{Family: k.Family, group: k.group, Pkg: k.Pkg, Flow: &f, Bridged: maps.Clone(kept), plain: plain, side: s, uses: k.uses, elsewhere: k.elsewhere,
		Apart: maps.Clone(stay), staying: map[*Branch][]unit.Reason{},
		Helpers: map[types.Object]string{}, Owned: map[*flow.Use]*Region{}, refused: map[*flow.Use][]unit.Reason{},
		Unit: &unit.Unit{Pos: k.Unit.Pos, Name: k.Unit.Name, Package: k.Unit.Package, Family: k.Unit.Family, Shared: k.Unit.Shared, Edits: map[string]*unit.FileEdits{}}}
}

// take makes the edits of t those of k.
func (k *Class) take(t *Class) {
	k.Unit.Edits, k.Unit.Changed, k.Unit.Notes, k.Unit.Bridges = t.Unit.Edits, t.Unit.Changed, t.Unit.Notes, t.Unit.Bridges
}

// bridged says of every site what becomes of it where the client is the new one.
func (k *Class) bridged(t *Class) {
	for u, i := range k.siteOf() {
		if b := t.branchOf(u); t.Bridged[u] != nil || b != nil && t.Apart[b] != nil {
			k.Unit.Sites[i].Outcome = unit.Bridged
		}
	}
}

// passed says the same where it stays the old one.
func (k *Class) passed(t *Class) {
	done := map[int]bool{}
	for u, i := range k.siteOf() {
		done[i] = t.Bridged[u] == nil && k.row(u.Sel.Sel.Name).Request
	}
	for i := range k.Unit.Sites {
		if !done[i] {
			k.Unit.Sites[i].Outcome = unit.Left
		}
	}
}

// siteOf is the index of the site of every use that has one.
func (k *Class) siteOf() map[*flow.Use]int {
	out := map[*flow.Use]int{}
	for _, u := range k.uses {
		if u.Sel == nil {
			continue
		}
		at := k.Pkg.Pos(u.Sel.Sel.Pos())
		if i := slices.IndexFunc(k.Unit.Sites, func(s unit.Site) bool { return s.Pos == at }); i >= 0 {
			out[u] = i
		}
	}
	return out
}

// together adds to kept the uses that mean something else once another one is kept, with its reason.
func (k *Class) together(kept map[*flow.Use][]unit.Reason) {
	groups := map[string][]unit.Reason{}
	for _, u := range k.uses {
		if g := k.bundle(u); g != "" && kept[u] != nil && groups[g] == nil {
			groups[g] = kept[u]
		}
	}
	for _, u := range k.uses {
		if why := groups[k.bundle(u)]; why != nil && kept[u] == nil {
			kept[u] = why
		}
	}
}

// bundle is the name of the uses that stay on one side together with u; "" for none.
func (k *Class) bundle(u *flow.Use) string {
	if u.Sel == nil {
		return ""
	}
	name := u.Sel.Sel.Name
	if u.Kind != flow.Call {
		return name // a hook is assigned on one side only
	}
	if g := k.row(name).Group; g != nil {
		return g(k, u)
	}
	return ""
}

// about runs write with everything it blocks counted against u.
func (k *Class) about(u *flow.Use, write func()) {
	k.subject = u
	write()
	k.subject = nil
	if k.refused[u] == nil {
		k.crossed(u)
	}
}

// refuse records that u has no rule.
func (k *Class) refuse(u *flow.Use, r unit.Reason) {
	if !slices.ContainsFunc(k.refused[u], func(o unit.Reason) bool { return o.Pos == r.Pos && o.Text == r.Text }) {
		k.refused[u] = append(k.refused[u], r)
	}
}

// Refuse records that u has no rule, from outside of its writer.
func (k *Class) Refuse(u *flow.Use, rule, anchor, text string) {
	k.refuse(u, unit.Reason{Pos: k.Pkg.Pos(u.Expr.Pos()), Rule: rule, Anchor: anchor, Text: text})
}

// names is a copy of the names that were given out.
func (p *Package) names() map[ast.Node][]newName {
	out := map[ast.Node][]newName{}
	for n, list := range p.named {
		out[n] = slices.Clone(list)
	}
	return out
}
