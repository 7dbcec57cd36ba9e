package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// root names the variable or field chain that holds a client while it is configured, within one function.
type root struct {
	fn   ast.Node     // outermost declaration
	base types.Object // x of x or x.f.g
	path string       // source text, such as "d.client"
}

// form tells what a constructor is the value of.
type form int

const (
	inline  form = iota // part of a larger expression: no name, nothing to configure
	assign              // x = New(...), d.f = New(...)
	define              // x := New(...)
	varDecl             // var x = New(...) in a function
	element             // &T{f: New(...)} assigned to a variable
)

// birth is one constructor with what its value goes to.
type birth struct {
	ctor *flow.Ctor
	form form
	root root
	stmt ast.Stmt          // the statement, nil for inline
	kv   *ast.KeyValueExpr // element: the field
	lhs  []edit.Piece      // what the finished client is assigned to
}

// region is the stretch of one statement list in which a client is made and configured: from the first constructor
// to the last Configure*. opts lives in it, and the client is born at its end.
type region struct {
	k      *class
	root   root
	births []*birth
	config []*flow.Use // Configure* calls, calls of helpers, early hooks
	hooks  []*flow.Use // hook assignments after the client is born
	opts   string
	list   ast.Node // the statement list
	first  int      // index of the first constructor
	last   int      // index of the last statement that configures
}

// findRegions classifies the constructors and gathers what configures their values.
func (k *class) findRegions() {
	for _, c := range k.c.Ctors {
		b := k.classify(c)
		var r *region
		for _, o := range k.regions {
			if b.form != inline && o.root == b.root {
				r = o
			}
		}
		if r == nil {
			r = &region{k: k, root: b.root}
			k.regions = append(k.regions, r)
		}
		r.births = append(r.births, b)
	}
	for _, u := range k.c.Uses {
		if u.Kind == flow.Call && configures[u.Sel.Sel.Name].write == nil || u.Kind == flow.FieldGet || u.Kind == flow.Compare || u.Kind == flow.Move {
			continue
		}
		if u.Kind == flow.Pass {
			if _, ok := k.helpers[u.To]; !ok {
				continue
			}
		}
		if _, ok := k.helpers[u.Node]; ok {
			continue
		}
		if rt, ok := k.p.rootOf(u.Cur, u.Expr); ok {
			for _, r := range k.regions {
				if r.root == rt && r.births[0].form != inline {
					r.config = append(r.config, u)
					k.owned[u] = r
				}
			}
		}
	}
}

// rootOf returns the root that e denotes at cur: an identifier or a chain of fields of one.
func (p *pkg) rootOf(cur inspector.Cursor, e ast.Expr) (root, bool) {
	x := ast.Unparen(e)
	text := types.ExprString(x)
	for {
		s, ok := x.(*ast.SelectorExpr)
		if !ok {
			break
		}
		x = ast.Unparen(s.X)
	}
	id, ok := x.(*ast.Ident)
	if !ok {
		return root{}, false
	}
	o := p.Info.ObjectOf(id)
	if o == nil {
		return root{}, false
	}
	return root{outermost(cur), o, text}, true
}

// classify finds out what a constructor is the value of.
func (k *class) classify(c *flow.Ctor) *birth {
	b := &birth{ctor: c}
	par, self := parentSkippingParens(c.Cur)
	switch p := par.Node().(type) {
	case *ast.AssignStmt:
		if len(p.Lhs) != 1 || len(p.Rhs) != 1 {
			return b
		}
		rt, ok := k.p.rootOf(par, p.Lhs[0])
		if id, isID := p.Lhs[0].(*ast.Ident); !ok || isID && id.Name == "_" {
			return b
		}
		b.form, b.root, b.stmt, b.lhs = assign, rt, p, []edit.Piece{edit.Src(p.Lhs[0])}
		if p.Tok == token.DEFINE {
			b.form = define
		}
	case *ast.ValueSpec:
		ds, ok := par.Parent().Parent().Node().(*ast.DeclStmt)
		if !ok || len(p.Names) != 1 || len(ds.Decl.(*ast.GenDecl).Specs) != 1 || ds.Decl.(*ast.GenDecl).Lparen.IsValid() {
			return b
		}
		rt, ok := k.p.rootOf(par, p.Names[0])
		if !ok || p.Names[0].Name == "_" {
			return b
		}
		b.form, b.root, b.stmt, b.lhs = varDecl, rt, ds, []edit.Piece{edit.Src(p.Names[0])}
	case *ast.KeyValueExpr:
		k.element(b, par, p, self)
	}
	return b
}

// element recognises x := &T{f: New(...)} and the same without &.
func (k *class) element(b *birth, par inspector.Cursor, kv *ast.KeyValueExpr, self ast.Node) {
	key, ok := kv.Key.(*ast.Ident)
	lit := par.Parent()
	if v, isVar := k.p.Info.Uses[key].(*types.Var); !ok || kv.Value != self || !isVar || !v.IsField() {
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
	rt, ok := k.p.rootOf(up, as.Lhs[0])
	if !ok || rt.path == "_" {
		return
	}
	rt.path += "." + key.Name
	b.form, b.root, b.stmt, b.kv = element, rt, as, kv
	b.lhs = []edit.Piece{edit.Src(as.Lhs[0]), edit.Text("." + key.Name)}
}

// place is one level of statement lists around a node.
type place struct {
	list ast.Node
	idx  int
}

// placesOf returns the statement lists around cur up to its innermost function, outermost first.
func placesOf(cur inspector.Cursor) []place {
	var out []place
	for c := range cur.Enclosing() {
		k, i := c.ParentEdge()
		if k == edge.BlockStmt_List || k == edge.CaseClause_Body || k == edge.CommClause_Body {
			out = append(out, place{c.Parent().Node(), i})
		}
		if k == edge.FuncDecl_Body || k == edge.FuncLit_Body {
			break
		}
	}
	slices.Reverse(out)
	return out
}

// span computes list, first and last so that they cover the constructors and config; ok is false when the parts
// stand in different functions.
func (r *region) span() bool {
	var all [][]place
	fn := innermost(r.births[0].ctor.Cur)
	for _, b := range r.births {
		all = append(all, placesOf(b.ctor.Cur))
		if innermost(b.ctor.Cur) != fn {
			return false
		}
	}
	for _, u := range r.config {
		all = append(all, placesOf(u.Cur))
		if innermost(u.Cur) != fn {
			r.k.block(u.Expr.Pos(), "configure", "configure-elsewhere", "configured in a function literal, not where the client is made")
			return false
		}
	}
	depth := 0
	for {
		if depth >= len(all[0]) {
			return false
		}
		same, list := true, all[0][depth].list
		for _, p := range all {
			if depth >= len(p) || p[depth].list != list {
				return false
			}
			same = same && p[depth] == all[0][depth]
		}
		// A single statement holds everything: go on inside it, unless it is the constructor's own statement.
		if !same || depth == len(all[0])-1 && len(all[0]) == minLen(all) {
			r.list, r.first, r.last = list, all[0][depth].idx, all[0][depth].idx
			for _, p := range all {
				r.first, r.last = min(r.first, p[depth].idx), max(r.last, p[depth].idx)
			}
			return true
		}
		depth++
	}
}

func minLen(all [][]place) int {
	n := len(all[0])
	for _, p := range all {
		n = min(n, len(p))
	}
	return n
}

// occurrences returns every place in the function that reads or writes the root, the constructor's own left-hand
// sides and the configuring uses left out.
func (r *region) occurrences() []inspector.Cursor {
	skip := map[ast.Node]bool{}
	for _, u := range r.config {
		skip[u.Expr] = true
	}
	for _, b := range r.births {
		if as, ok := b.stmt.(*ast.AssignStmt); ok && b.form != element {
			skip[as.Lhs[0]] = true
		}
	}
	var out []inspector.Cursor
	for _, c := range r.k.p.uses[r.root.base] {
		if outermost(c) != r.root.fn {
			continue
		}
		// Grow from the base to the longest chain that is still a prefix of the root's path.
		for {
			s, ok := c.Parent().Node().(*ast.SelectorExpr)
			if !ok || s.X != c.Node() || !strings.HasPrefix(r.root.path+".", types.ExprString(s)+".") {
				break
			}
			c = c.Parent()
		}
		e := c.Node().(ast.Expr)
		if types.ExprString(e) == r.root.path && !skip[e] {
			out = append(out, c)
		}
	}
	return out
}
