package pahodropin

import (
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// A value of a token type can be told from outside by a type assertion, and each of the two packages makes its own: what names a
// token type moves together with all that makes clients, or nothing of both does.

// tokenAnchor is the section of MIGRATION.md about token types.
const tokenAnchor = "token-types"

// isToken reports whether o is a token type of From.
func (m *Move) isToken(o types.Object) bool {
	_, ok := o.(*types.TypeName)
	return ok && m.has(o, m.Tokens)
}

// tokens are the token types that the package names.
func (m *Move) tokens(in rewrite.Input) (out []types.Object) {
	for _, o := range in.Info.Uses {
		if m.isToken(o) && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// uses reports whether the file of u has a site of one of the rules.
func uses(u *unit.Unit, rules ...string) bool {
	return slices.ContainsFunc(u.Sites, func(s unit.Site) bool { return slices.Contains(rules, s.Rule) })
}

// together makes u move with all others that make clients or tell tokens apart.
func (m *Move) together(u *unit.Unit) {
	if uses(u, ruleToken, ruleConstructor) {
		u.Shared = append(u.Shared, m.Name+" tokens")
	}
}

// hold leaves u where it names a token type that others see as paho's, or that they make.
func (m *Move) hold(in rewrite.Input, u *unit.Unit, exposed types.Object, foreign *types.Package) {
	if !uses(u, ruleToken) {
		return
	}
	at := u.Sites[slices.IndexFunc(u.Sites, func(s unit.Site) bool { return s.Rule == ruleToken })]
	if exposed != nil {
		u.Refuse(unit.Reason{Pos: in.Fset.Position(exposed.Pos()), Rule: ruleToken, Anchor: tokenAnchor,
			Text: "other packages can see a token type of paho.mqtt.golang through " + exposed.Name() + ", and that of pahocompat is another type; -whole moves it with its users in the module"})
	}
	if foreign != nil {
		u.Refuse(unit.Reason{Pos: at.Pos, Rule: ruleToken, Anchor: tokenAnchor,
			Text: "*" + at.What + " is named here, and tokens may come from " + foreign.Path() + ", which is not part of this run and stays on paho.mqtt.golang"})
	}
}

// exposed is an object of the package that other packages can reach and whose type names a token type; nil: there is none, or
// they move along.
func (m *Move) exposed(in rewrite.Input) types.Object {
	if in.Linked != nil || in.Types.Name() == "main" || len(m.tokens(in)) == 0 {
		return nil
	}
	var found types.Object
	for o := range flow.Reachable(&in.Package) {
		if m.names(o.Type(), 0) && (found == nil || o.Pos() < found.Pos()) {
			found = o
		}
	}
	return found
}

// maxDepth is how deep names looks into a type that has no name.
const maxDepth = 8

// names reports whether t is made with a token type. What a named type is made of is reached by itself.
func (m *Move) names(t types.Type, depth int) bool {
	if depth > maxDepth {
		return false
	}
	part := func(t types.Type) bool { return m.names(t, depth+1) }
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		return m.isToken(t.Obj()) || slices.ContainsFunc(slices.Collect(t.TypeArgs().Types()), part)
	case *types.Pointer:
		return part(t.Elem())
	case *types.Slice:
		return part(t.Elem())
	case *types.Array:
		return part(t.Elem())
	case *types.Chan:
		return part(t.Elem())
	case *types.Map:
		return part(t.Key()) || part(t.Elem())
	case *types.Signature:
		for v := range t.Params().Variables() {
			if part(v.Type()) {
				return true
			}
		}
		for v := range t.Results().Variables() {
			if part(v.Type()) {
				return true
			}
		}
	}
	return false
}

// foreign is a package that in imports, directly or not, that works with From and that does not move; nil: there is none. Only
// with such can a token of From come into a package of which all neighbours have moved.
func (m *Move) foreign(in rewrite.Input, all []rewrite.Input) *types.Package {
	if len(m.tokens(in)) == 0 {
		return nil
	}
	seen := map[*types.Package]bool{in.Types: true}
	var visit func(*types.Package) *types.Package
	visit = func(p *types.Package) *types.Package {
		for _, i := range p.Imports() {
			if seen[i] || i.Path() == m.From || i.Path() == m.To {
				continue
			}
			seen[i] = true
			moves := slices.ContainsFunc(all, func(o rewrite.Input) bool { return o.Types.Path() == i.Path() })
			if !moves && slices.ContainsFunc(i.Imports(), func(d *types.Package) bool { return d.Path() == m.From }) {
				return i
			}
			if found := visit(i); found != nil {
				return found
			}
		}
		return nil
	}
	return visit(in.Types)
}
