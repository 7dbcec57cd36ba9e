package rewrite

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// planInline replaces a constructor that has no variable of its own: what it is part of gets the finished client.
func (k *Class) planInline(r *Region) {
	for _, b := range r.Births {
		c := b.Ctor.Call
		stmt, inList := StmtOf(b.Ctor.Cur)
		name := "opts"
		if inList {
			name = k.Fresh(Outermost(b.Ctor.Cur), c.Pos(), "opts")
		}
		extra := k.defaults(r, b, name)
		text := k.Family.Complete(k, r, c)
		if extra == nil && text == nil && k.Type(c).Birth == nil {
			k.inPlace(b)
			continue
		}
		pieces := slices.Concat([]edit.Piece{edit.Text(name + " := ")}, k.from(b), extra)
		if text != nil {
			r.Opts = name
			pieces = append(append(pieces, edit.Text("\n")), k.Family.Complete(k, r, c)...)
		}
		if !inList || !k.pureCall(c) { // a function of its own keeps the order in which everything is computed
			head := []edit.Piece{edit.Text("func() *" + k.to(c, k.Type(c)) + " {\n")}
			pieces = append(append(pieces, edit.Text("\nreturn ")), k.born(b, name)...)
			k.Edit(edit.Replace(c, slices.Concat(head, pieces, []edit.Piece{edit.Text("\n}()")})...))
			continue
		}
		k.Edit(edit.Edit{Pos: stmt.Pos(), End: stmt.Pos(), Pieces: append(pieces, edit.Text("\n"))})
		k.Edit(edit.Replace(c, k.born(b, name)...))
	}
}

// pureCall reports whether the arguments of a constructor, and those of its options, compute nothing.
func (k *Class) pureCall(c *ast.CallExpr) bool {
	n := k.Type(c).Arguments
	for i, a := range c.Args {
		if option, ok := ast.Unparen(a).(*ast.CallExpr); ok && i >= n {
			if !slices.ContainsFunc(option.Args, func(e ast.Expr) bool { return !k.Pkg.Pure(e) }) {
				continue
			}
		}
		if !k.Pkg.Pure(a) {
			return false
		}
	}
	return true
}

// findHelpers finds the parameters through which a function only configures: they become pointers to the options.
func (k *Class) findHelpers() {
	cand := map[types.Object][]*flow.Use{}
	for _, m := range k.Flow.Members {
		v, ok := m.(*types.Var)
		if ok && !k.plain[v] && !k.Flow.Bound[m] && k.Pkg.Constant(v) && k.group.of(v.Type()) != nil && k.Pkg.isParam(v) {
			cand[v] = nil
		}
	}
	for _, u := range k.Flow.Uses {
		if _, ok := cand[u.Node]; ok {
			cand[u.Node] = append(cand[u.Node], u)
		}
	}
	for changed := true; changed; {
		changed = false
		for v, us := range cand {
			if !k.onlyConfigures(v, us, cand) || k.typedWithOther(v, cand) {
				delete(cand, v)
				changed = true
			}
		}
	}
	for v := range cand {
		name := v.Name()
		if d := k.Pkg.DeclOf(v); d != nil && len(k.Pkg.Uses[v]) > 0 {
			if n := k.Fresh(d, d.Body.Pos(), "opts"); n == "opts" {
				name = n
				for id, o := range k.Pkg.Info.Defs {
					if o == v {
						k.Edit(edit.Replace(id, edit.Text(name)))
					}
				}
			}
		}
		k.Helpers[v] = name
	}
}

// typedWithOther reports whether the type of v is also that of a member that is no candidate, as in a, b T.
func (k *Class) typedWithOther(v types.Object, cand map[types.Object][]*flow.Use) bool {
	for _, m := range k.Flow.Mentions {
		if m.Owner != v {
			continue
		}
		for _, o := range k.Flow.Mentions {
			if _, ok := cand[o.Owner]; o.Expr == m.Expr && !ok {
				return true
			}
		}
	}
	return false
}

func (k *Class) onlyConfigures(v types.Object, us []*flow.Use, cand map[types.Object][]*flow.Use) bool {
	if len(us) == 0 || len(us) != len(k.Pkg.Uses[v]) {
		return false
	}
	for _, u := range us {
		switch u.Kind {
		case flow.Call:
			if k.role(u) != Configure {
				return false
			}
		case flow.FieldSet:
		case flow.Pass:
			if _, ok := cand[u.To]; !ok {
				return false
			}
		default:
			return false
		}
		if d, ok := Innermost(u.Cur).(*ast.FuncDecl); !ok || d != k.Pkg.DeclOf(v) {
			return false
		}
	}
	return true
}

// isParam reports whether v is a parameter of a declared function.
func (p *Package) isParam(v *types.Var) bool {
	for f := range p.Decls {
		for q := range f.Signature().Params().Variables() {
			if q == v {
				return true
			}
		}
	}
	return false
}
