package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// Form tells what a constructor is the value of.
type Form int

// The forms.
const (
	Inline  Form = iota // part of a larger expression: no name, nothing to configure
	Assign              // x = New(...), d.f = New(...)
	Define              // x := New(...)
	VarDecl             // var x = New(...) in a function
	Element             // &T{f: New(...)} assigned to a variable
)

// Birth is one constructor with what its value goes to.
type Birth struct {
	Ctor *flow.Ctor
	Form Form
	Root Root
	Stmt ast.Stmt          // the statement, nil for Inline
	Kv   *ast.KeyValueExpr // Element: the field
	Lhs  []edit.Piece      // what the finished client is assigned to
}

// Region is the stretch of one statement list in which a client is made and configured: from the first constructor
// to the last Configure*. Opts lives in it, and the client is born at its end.
type Region struct {
	K      *Class
	Root   Root
	Births []*Birth
	Config []*flow.Use // Configure* calls, calls of helpers, early hooks
	Opts   string
	List   ast.Node // the statement list
	First  int      // index of the first constructor
	Last   int      // index of the last statement that configures
}

// findRegions classifies the constructors and gathers what configures their values. A function that configures counts
// as one Configure call where it is called in a region; one that is called elsewhere too is no such function.
func (k *Class) findRegions() {
	k.findConfigurers()
	for again := true; again; {
		k.Regions, k.Owned = nil, map[*flow.Use]*Region{}
		for _, c := range k.Flow.Ctors {
			k.addBirth(k.classify(c))
		}
		for _, u := range k.Flow.Uses {
			if k.mayConfigure(u) {
				if rt, ok := k.rootOf(u); ok {
					k.own(u, rt)
				}
			}
		}
		for _, c := range k.configurers {
			for _, u := range c.calls {
				k.own(u.Use, u.root)
			}
		}
		var settled []*Region
		for _, r := range k.Regions {
			all := slices.Clone(r.Config)
			if r.Births[0].Form == Inline || r.settle() || len(r.Births) == 1 {
				settled = append(settled, r)
				continue
			}
			settled = append(settled, r.split(all)...)
		}
		k.Regions = settled
		again = k.dropConfigurers()
	}
}

// addBirth puts a constructor into the region of its variable.
func (k *Class) addBirth(b *Birth) {
	var r *Region
	for _, o := range k.Regions {
		if b.Form != Inline && o.Root == b.Root {
			r = o
		}
	}
	if r == nil {
		r = &Region{K: k, Root: b.Root}
		k.Regions = append(k.Regions, r)
	}
	r.Births = append(r.Births, b)
}

// mayConfigure reports whether u configures what it is a use of, and not the parameter of a function that does.
func (k *Class) mayConfigure(u *flow.Use) bool {
	if k.inside(u) != nil {
		return false
	}
	if _, ok := k.Helpers[u.Node]; ok {
		return false
	}
	return k.configuring(u)
}

// configuring reports whether u sets options: itself, or by passing the client to a function that does only that.
func (k *Class) configuring(u *flow.Use) bool {
	switch u.Kind {
	case flow.Call:
		return k.role(u) == Configure
	case flow.Pass:
		_, ok := k.Helpers[u.To]
		return ok
	}
	return u.Kind == flow.FieldSet
}

// own makes u part of the region of a variable.
func (k *Class) own(u *flow.Use, rt Root) {
	for _, r := range k.Regions {
		if r.Root == rt && r.Births[0].Form != Inline {
			r.Config = append(r.Config, u)
			k.Owned[u] = r
		}
	}
}

// split makes a region of every constructor of one whose clients are used before all of them are made: each is
// configured in its own branch, or one after the other.
func (r *Region) split(config []*flow.Use) []*Region {
	var out []*Region
	for _, b := range r.Births {
		out = append(out, &Region{K: r.K, Root: r.Root, Births: []*Birth{b}})
	}
	for _, u := range config {
		delete(r.K.Owned, u)
		var mine *Region
		for _, o := range out { // in source order: the last constructor that is certain to come before
			c, around := o.Births[0].Ctor, PlacesOf(u.Cur)
			in := PlacesOf(c.Cur)
			if c.Call.Pos() < u.Expr.Pos() && slices.ContainsFunc(around, func(p Place) bool { return p.List == in[len(in)-1].List }) {
				mine = o
			}
		}
		if mine != nil {
			mine.Config = append(mine.Config, u)
			r.K.Owned[u] = mine
		}
	}
	for _, o := range out {
		o.settle()
	}
	return out
}

// settle leaves in Config what stands before the client is complete. A call behind that, or one that the client cannot
// wait for without being missed, is taken out from the end: it becomes an Update of the client. It reports whether the
// client can be made where that leaves it.
func (r *Region) settle() bool {
	r.splitHooks()
	for !(r.span(nothing) && r.check(nothing)) {
		if len(r.Config) == 0 {
			return false
		}
		i := 0
		for j, u := range r.Config {
			if u.Expr.Pos() > r.Config[i].Expr.Pos() {
				i = j
			}
		}
		delete(r.K.Owned, r.Config[i])
		r.Config = slices.Delete(r.Config, i, i+1)
	}
	return true
}

// blocker records a reason, as Class.Block does.
type blocker func(pos token.Pos, rule, anchor, text string)

// nothing is the blocker of a trial.
func nothing(token.Pos, string, string, string) {}

// classify finds out what a constructor is the value of.
func (k *Class) classify(c *flow.Ctor) *Birth {
	b := &Birth{Ctor: c}
	if slices.ContainsFunc(k.Flow.Borders, func(o flow.Border) bool { return o.Expr == c.Call && k.leaves(o) }) {
		return b // what it goes to is of another type
	}
	par, self := ParentSkippingParens(c.Cur)
	switch p := par.Node().(type) {
	case *ast.AssignStmt:
		if _, inList := StmtOf(par); len(p.Lhs) != 1 || len(p.Rhs) != 1 || !inList {
			return b
		}
		rt, ok := k.Pkg.RootOf(par, p.Lhs[0])
		if id, isID := p.Lhs[0].(*ast.Ident); !ok || isID && id.Name == "_" {
			return b
		}
		b.Form, b.Root, b.Stmt, b.Lhs = Assign, rt, p, []edit.Piece{edit.Src(p.Lhs[0])}
		if p.Tok == token.DEFINE {
			b.Form = Define
		}
	case *ast.ValueSpec:
		ds, ok := par.Parent().Parent().Node().(*ast.DeclStmt)
		if !ok || len(p.Names) != 1 || len(ds.Decl.(*ast.GenDecl).Specs) != 1 || ds.Decl.(*ast.GenDecl).Lparen.IsValid() {
			return b
		}
		rt, ok := k.Pkg.RootOf(par, p.Names[0])
		if !ok || p.Names[0].Name == "_" {
			return b
		}
		b.Form, b.Root, b.Stmt, b.Lhs = VarDecl, rt, ds, []edit.Piece{edit.Src(p.Names[0])}
	case *ast.KeyValueExpr:
		k.element(b, par, p, self)
	}
	return b
}

// element recognises x := &T{f: New(...)} and the same without &.
func (k *Class) element(b *Birth, par inspector.Cursor, kv *ast.KeyValueExpr, self ast.Node) {
	key, ok := kv.Key.(*ast.Ident)
	lit := par.Parent()
	if v, isVar := k.Pkg.Info.Uses[key].(*types.Var); !ok || kv.Value != self || !isVar || !v.IsField() {
		return
	}
	up := lit.Parent()
	if u, ok := up.Node().(*ast.UnaryExpr); ok && u.Op == token.AND {
		up = up.Parent()
	}
	as, ok := up.Node().(*ast.AssignStmt)
	if !ok || len(as.Lhs) != 1 || len(as.Rhs) != 1 {
		return
	}
	rt, ok := k.Pkg.RootOf(up, as.Lhs[0])
	if !ok || rt.path == "_" {
		return
	}
	if !k.pureCall(b.Ctor.Call) && k.computesBefore(lit.Node().(*ast.CompositeLit), kv) {
		return // what it computes would come first
	}
	rt.path += "." + key.Name
	b.Form, b.Root, b.Stmt, b.Kv = Element, rt, as, kv
	b.Lhs = []edit.Piece{edit.Src(as.Lhs[0]), edit.Text("." + k.fieldName(k.Pkg.Info.Uses[key].(*types.Var)))}
}

// computesBefore reports whether an element of a literal before e may have an effect.
func (k *Class) computesBefore(lit *ast.CompositeLit, e ast.Expr) bool {
	return slices.ContainsFunc(lit.Elts[:slices.Index(lit.Elts, e)], func(o ast.Expr) bool { return !k.Pkg.Pure(o) })
}

// Place is one level of statement lists around a node.
type Place struct {
	List ast.Node
	Idx  int
}

// PlacesOf returns the statement lists around cur up to its innermost function, outermost first.
func PlacesOf(cur inspector.Cursor) []Place {
	var out []Place
	for c := range cur.Enclosing() {
		k, i := c.ParentEdge()
		if k == edge.BlockStmt_List || k == edge.CaseClause_Body || k == edge.CommClause_Body {
			out = append(out, Place{c.Parent().Node(), i})
		}
		if k == edge.FuncDecl_Body || k == edge.FuncLit_Body {
			break
		}
	}
	slices.Reverse(out)
	return out
}

// span computes list, first and last so that they cover the constructors and config; ok is false when the parts
// stand in different functions, or in lists that no statement has in common.
func (r *Region) span(block blocker) bool {
	var all [][]Place
	fn := Innermost(r.Births[0].Ctor.Cur)
	for _, b := range r.Births {
		all = append(all, PlacesOf(b.Ctor.Cur))
		if Innermost(b.Ctor.Cur) != fn {
			return false
		}
	}
	for _, u := range r.Config {
		all = append(all, PlacesOf(u.Cur))
		if Innermost(u.Cur) != fn {
			block(u.Expr.Pos(), "configure", "configure-elsewhere", "configured in a function literal, not where the client is made")
			return false
		}
	}
	depth := 0
	for {
		if depth >= len(all[0]) {
			return false
		}
		same, list := true, all[0][depth].List
		for _, p := range all {
			if depth >= len(p) || p[depth].List != list {
				return depth > 0 // branches of the one statement that is the region already
			}
			same = same && p[depth] == all[0][depth]
		}
		r.List, r.First, r.Last = list, all[0][depth].Idx, all[0][depth].Idx
		// A single statement holds everything: go on inside it, unless it is the constructor's own statement.
		if !same || depth == len(all[0])-1 && len(all[0]) == minLen(all) {
			for _, p := range all {
				r.First, r.Last = min(r.First, p[depth].Idx), max(r.Last, p[depth].Idx)
			}
			return true
		}
		depth++
	}
}

func minLen(all [][]Place) int {
	n := len(all[0])
	for _, p := range all {
		n = min(n, len(p))
	}
	return n
}
