package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Branch is a flow class of values that are made of a client and are of one class with it, followed by themselves: the
// calls that make them are its constructors.
type Branch struct {
	*flow.Class
	Type *Type
}

// branches are those of a package, by what they are made of.
type branches struct {
	all    []*Branch
	made   map[*ast.CallExpr]*Branch // by the calls that make their values
	at     map[ast.Expr]*Branch      // by uses of their values, and mentions of the type
	member map[types.Object]*Branch
	border map[token.Pos]*Branch
}

// branches returns those of the types that can have some.
func (p *Package) branches(g group) *branches {
	const memo = "branches"
	if b, ok := p.Memo[memo].(*branches); ok {
		return b
	}
	out := &branches{made: map[*ast.CallExpr]*Branch{}, at: map[ast.Expr]*Branch{}, member: map[types.Object]*Branch{}, border: map[token.Pos]*Branch{}}
	p.Memo[memo] = out
	for _, f := range g {
		for i := range f.Types {
			t := &f.Types[i]
			if t.About == nil {
				continue
			}
			is := func(x types.Type) bool { return paths.IsPointer(x, t.Package, t.Name) }
			target := flow.Target{Is: is, Linked: p.Linked, Ctor: func(fn *types.Func) bool {
				r := fn.Signature().Results()
				return g.row(fn.Name()).Links && r.Len() == 1 && is(r.At(0).Type())
			}}
			for _, c := range flow.Analyze(&p.Package, p.Ins, target) {
				out.add(&Branch{c, t})
			}
		}
	}
	return out
}

func (o *branches) add(b *Branch) {
	o.all = append(o.all, b)
	for _, c := range b.Ctors {
		o.made[c.Call] = b
	}
	for _, u := range b.Uses {
		o.at[u.Expr] = b
	}
	for _, m := range b.Mentions {
		o.at[m.Expr] = b
	}
	for _, m := range b.Members {
		o.member[m] = b
	}
	for _, x := range b.Borders {
		o.border[x.Pos] = b
	}
}

// Branch is the branch that e is about: the call that makes its values, a use of one, or a mention of its type. Nil: there is
// none.
func (k *Class) Branch(e ast.Expr) *Branch {
	all := k.Pkg.branches(k.group)
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && all.made[c] != nil {
		return all.made[c]
	}
	return all.at[e]
}

// branchOf is the branch of a use, also of the one that makes it.
func (k *Class) branchOf(u *flow.Use) *Branch {
	if b := k.Branch(u.Expr); b != nil || u.Call == nil {
		return b
	}
	return k.Pkg.branches(k.group).made[u.Call]
}

// separable is b, if its values can stay on the old API by themselves: each is made where its client can be given the old
// shape. Nil otherwise.
func (k *Class) separable(b *Branch) *Branch {
	if b == nil || !k.Pkg.Bridges || k.side != whole || len(b.Ctors) == 0 {
		return nil
	}
	for _, c := range b.Ctors {
		s, ok := ast.Unparen(c.Call.Fun).(*ast.SelectorExpr)
		if !ok || !slices.ContainsFunc(k.uses, func(u *flow.Use) bool { return u.Call == c.Call }) || !k.hasWhole(s.X) {
			return nil
		}
	}
	return b
}

// withAlike adds to the branches that stay those that are, or may be, about the same: two APIs would take each other's
// subscriptions away.
func (k *Class) withAlike(stay map[*Branch][]unit.Reason) {
	for more := true; more; {
		more = false
		for _, b := range k.Pkg.branches(k.group).all {
			if stay[b] != nil || k.separable(b) == nil {
				continue
			}
			for _, o := range k.Pkg.branches(k.group).all {
				if stay[o] != nil && b.Type == o.Type && k.alike(b, o) {
					r := stay[o][0]
					r.Text = "another one that may be about the same stays: " + r.Text
					stay[b], more = []unit.Reason{r}, true
					break
				}
			}
		}
	}
}

// alike reports whether values of two branches can be about the same.
func (k *Class) alike(b, o *Branch) bool {
	for _, x := range b.Ctors {
		for _, y := range o.Ctors {
			if s, t := b.Type.About(k, x.Call), o.Type.About(k, y.Call); s == "" || t == "" || s == t {
				return true
			}
		}
	}
	return false
}

// without takes what is about the branches that stay out of c.
func (k *Class) without(c *flow.Class, stay map[*Branch][]unit.Reason) {
	if len(stay) == 0 {
		return
	}
	all := k.Pkg.branches(k.group)
	gone := func(b *Branch) bool { return b != nil && stay[b] != nil }
	c.Uses = slices.DeleteFunc(c.Uses, func(u *flow.Use) bool { return gone(k.branchOf(u)) })
	c.Mentions = slices.DeleteFunc(slices.Clone(c.Mentions), func(m flow.Mention) bool { return gone(all.at[m.Expr]) })
	c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(m types.Object) bool { return gone(all.member[m]) })
	c.Borders = slices.DeleteFunc(slices.Clone(c.Borders), func(b flow.Border) bool { return gone(all.border[b.Pos]) })
}

// stays records that a border keeps its branch on the old API; false: it holds the whole class back.
func (k *Class) stays(b flow.Border, r unit.Reason) bool {
	branch := k.separable(k.Pkg.branches(k.group).border[b.Pos])
	if branch == nil {
		return false
	}
	k.staying[branch] = append(k.staying[branch], r)
	return true
}

// separate writes the clients of the values that stay in their old shape where those are made, and reports each use of them.
func (k *Class) separate() {
	for _, u := range k.uses {
		b := k.branchOf(u)
		why := k.Apart[b]
		if b == nil || why == nil || u.Sel == nil {
			continue
		}
		s := ast.Unparen(b.Ctors[0].Call.Fun).(*ast.SelectorExpr)
		form := k.Type(s.X).Whole.Form
		bridge := k.bridgeOf(u, why)
		bridge.Form = form
		bridge.Next = "write the value with v2's API, all of its uses together; what is made on the client besides has moved"
		k.Unit.Bridges = append(k.Unit.Bridges, bridge)
		if k.Pkg.branches(k.group).made[u.Call] == b {
			k.whole(u.Sel.X)
		}
	}
}

// sorted makes reasons that were found in any order the same every time.
func sorted(why []unit.Reason) []unit.Reason {
	slices.SortFunc(why, func(a, b unit.Reason) int { return unit.ComparePos(a.Pos, b.Pos) })
	return slices.CompactFunc(why, func(a, b unit.Reason) bool { return a.Pos == b.Pos && a.Text == b.Text })
}
