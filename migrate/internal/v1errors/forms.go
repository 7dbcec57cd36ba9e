package v1errors

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// checkAt recognises the form of the check that the type expression at cur, which names the type, is part of.
func checkAt(p *rewrite.Package, cur inspector.Cursor, name string) *check {
	c := &check{names: []string{name}}
	up := cur
	if _, ok := up.Parent().Node().(*ast.StarExpr); ok {
		up = up.Parent()
	}
	switch par := up.Parent(); n := par.Node().(type) {
	case *ast.ValueSpec:
		if _, local := par.Parent().Parent().Node().(*ast.DeclStmt); local && n.Type == up.Node() && len(n.Names) == 1 && len(n.Values) == 0 {
			c.variable(p, par, n, cur.Node())
		}
	case *ast.IndexExpr:
		if call, ok := par.Parent().Node().(*ast.CallExpr); ok && n.Index == up.Node() && isFuncOf(p.Info, call, "errors", "AsType") {
			c.tested = []ast.Expr{call.Args[0]}
			c.pair(p, par.Parent(), cur.Node(), nil)
		}
	case *ast.CallExpr: // new(*T)
		as, ok := par.Parent().Node().(*ast.CallExpr)
		if ok && isFuncOf(p.Info, as, "errors", "As") && len(as.Args) == 2 && as.Args[1] == n {
			c.tested = []ast.Expr{as.Args[0]}
			c.write = func(k *rewrite.Class, r map[string]row) ([]edit.Edit, bool) {
				switch r := r[name]; {
				case r.is != "":
					return []edit.Edit{edit.Replace(as, is(k, as.Pos(), as.Args[0], r)...)}, true
				case r.and == "":
					return []edit.Edit{retype(k, cur.Node(), r)}, true
				}
				return nil, false
			}
		}
	case *ast.TypeAssertExpr:
		if n.Type == up.Node() {
			c.tested, c.direct = []ast.Expr{n.X}, true
			c.pair(p, par, cur.Node(), n)
		}
	case *ast.CaseClause:
		if sw, ok := par.Parent().Parent().Node().(*ast.TypeSwitchStmt); ok {
			c.typeSwitch(p, sw)
		}
	}
	return c
}

// isFuncOf reports whether c calls a function of a package.
func isFuncOf(info *types.Info, c *ast.CallExpr, pkg, name string) bool {
	f := flow.StaticCallee(info, c)
	return f != nil && f.Pkg() != nil && f.Pkg().Path() == pkg && f.Name() == name
}

// is writes errors.Is(x, awsiot.ErrX).
func is(k *rewrite.Class, pos token.Pos, x ast.Expr, r row) []edit.Piece {
	return []edit.Piece{edit.Text(k.Q(pos, "errors") + ".Is("), edit.Src(x), edit.Text(", " + k.Q(pos, r.home()) + "." + r.is + ")")}
}

// retype writes the new type in the place of the old one, behind its star.
func retype(k *rewrite.Class, typ ast.Node, r row) edit.Edit {
	return edit.Replace(typ, edit.Text(k.Q(typ.Pos(), r.home())+"."+r.as))
}

// uses are what a program does with the variable that a check fills.
type uses struct {
	v      *types.Var
	fields []*ast.SelectorExpr
	values []ast.Expr // handed to a function as it is
	other  bool
}

// usesOf sorts the uses of v, those that skip names left out.
func usesOf(p *rewrite.Package, v *types.Var, skip map[ast.Node]bool) uses {
	out := uses{v: v}
	for _, c := range p.Uses[v] {
		if skip[c.Node()] {
			continue
		}
		par, self := rewrite.ParentSkippingParens(c)
		switch n := par.Node().(type) {
		case *ast.SelectorExpr:
			if f, ok := p.Info.Uses[n.Sel].(*types.Var); ok && f.IsField() {
				out.fields = append(out.fields, n)
			} else {
				out.values = append(out.values, c.Node().(ast.Expr)) // a method: Error
			}
		case *ast.CallExpr:
			if n.Fun == self {
				out.other = true
			}
			out.values = append(out.values, c.Node().(ast.Expr))
		default:
			out.other = true
		}
	}
	return out
}

// become writes the uses for the new form: reads of fields by the row, values by x where the variable goes away.
func (u uses) become(r row, x ast.Expr) ([]edit.Edit, bool) {
	if u.other {
		return nil, false
	}
	var out []edit.Edit
	for _, f := range u.fields {
		text := r.fields[f.Sel.Name]
		if text == "" || r.is != "" {
			return nil, false
		}
		out = append(out, edit.Replace(f, edit.Text(fmt.Sprintf(text, u.v.Name()))))
	}
	if r.is != "" {
		id, ok := ast.Unparen(x).(*ast.Ident)
		if len(u.values) > 0 && !ok {
			return nil, false
		}
		for _, e := range u.values {
			out = append(out, edit.Replace(e, edit.Text(id.Name)))
		}
	}
	return out, true
}

// variable is the form `var t *v1compat.T` with errors.As(err, &t).
func (c *check) variable(p *rewrite.Package, spec inspector.Cursor, vs *ast.ValueSpec, typ ast.Node) {
	name := c.names[0]
	v, ok := p.Info.Defs[vs.Names[0]].(*types.Var)
	if !ok {
		return
	}
	var calls []inspector.Cursor
	filled := map[ast.Node]bool{}
	for _, use := range p.Uses[v] {
		par, self := rewrite.ParentSkippingParens(use)
		u, ok := par.Node().(*ast.UnaryExpr)
		if !ok || u.Op != token.AND || u.X != self {
			continue
		}
		up, arg := rewrite.ParentSkippingParens(par)
		call, ok := up.Node().(*ast.CallExpr)
		if !ok || !isFuncOf(p.Info, call, "errors", "As") || len(call.Args) != 2 || call.Args[1] != arg {
			c.tested = nil // it may be filled from anywhere
			return
		}
		filled[use.Node()] = true
		calls = append(calls, up)
		c.tested = append(c.tested, call.Args[0])
	}
	if len(calls) == 0 {
		return
	}
	rest := usesOf(p, v, filled)
	decl := spec.Parent().Node().(*ast.GenDecl)
	stmt := spec.Parent().Parent().Node().(*ast.DeclStmt)
	c.write = func(k *rewrite.Class, rs map[string]row) ([]edit.Edit, bool) {
		r := rs[name]
		if r.is != "" && len(rest.values) > 0 && !sameIdent(c.tested) {
			return nil, false
		}
		out, ok := rest.become(r, c.tested[0])
		if !ok {
			return nil, false
		}
		if r.is != "" {
			for _, at := range calls {
				call := at.Node().(*ast.CallExpr)
				out = append(out, edit.Replace(call, is(k, call.Pos(), call.Args[0], r)...))
			}
			if len(decl.Specs) == 1 {
				return append(out, k.Deletion(stmt)), true
			}
			return append(out, edit.Edit{Pos: vs.Pos(), End: vs.End()}), true
		}
		out = append(out, retype(k, typ, r))
		if r.and != "" {
			for _, at := range calls {
				out = append(out, besides(at, fmt.Sprintf(r.and, v.Name()))...)
			}
		}
		return out, true
	}
}

// sameIdent reports whether all expressions are the same variable.
func sameIdent(list []ast.Expr) bool {
	for _, e := range list {
		id, ok := ast.Unparen(e).(*ast.Ident)
		if first, same := ast.Unparen(list[0]).(*ast.Ident); !ok || !same || id.Name != first.Name {
			return false
		}
	}
	return true
}

// besides adds a condition to the one at cur.
func besides(cur inspector.Cursor, cond string) []edit.Edit {
	e := cur.Node()
	switch n := cur.Parent().Node().(type) {
	case *ast.UnaryExpr:
		return []edit.Edit{edit.Insert(e.Pos(), "("), edit.Insert(e.End(), " && "+cond+")")}
	case *ast.BinaryExpr:
		if n.Op != token.LAND && n.Op != token.LOR {
			return []edit.Edit{edit.Insert(e.Pos(), "("), edit.Insert(e.End(), " && "+cond+")")}
		}
	}
	return []edit.Edit{edit.Insert(e.End(), " && "+cond)}
}

// pair is the form `t, ok := expression`, of errors.AsType or, with assert, of a type assertion.
func (c *check) pair(p *rewrite.Package, cur inspector.Cursor, typ ast.Node, assert *ast.TypeAssertExpr) {
	name := c.names[0]
	par, self := rewrite.ParentSkippingParens(cur)
	s, ok := par.Node().(*ast.AssignStmt)
	if !ok || s.Tok != token.DEFINE || len(s.Lhs) != 2 || len(s.Rhs) != 1 || s.Rhs[0] != self {
		return
	}
	tID, ok1 := s.Lhs[0].(*ast.Ident)
	okID, ok2 := s.Lhs[1].(*ast.Ident)
	if !ok1 || !ok2 {
		return
	}
	tv, _ := p.Info.Defs[tID].(*types.Var)
	okv, _ := p.Info.Defs[okID].(*types.Var)
	if tID.Name != "_" && tv == nil || okv == nil {
		return
	}
	rest := uses{}
	if tv != nil {
		rest = usesOf(p, tv, nil)
	}
	c.write = func(k *rewrite.Class, rs map[string]row) ([]edit.Edit, bool) {
		r := rs[name]
		x := c.tested[0]
		out, ok := rest.become(r, x)
		if !ok {
			return nil, false
		}
		if r.is != "" {
			if head, ok := par.Parent().Node().(*ast.IfStmt); ok && head.Init == s && len(p.Uses[okv]) == 1 {
				if id, ok := head.Cond.(*ast.Ident); ok && p.Info.Uses[id] == okv {
					return append(out, edit.Edit{Pos: s.Pos(), End: head.Cond.End(), Pieces: is(k, s.Pos(), x, r)}), true
				}
			}
			return append(out, edit.Replace(s, append([]edit.Piece{edit.Text(okID.Name + " := ")}, is(k, s.Pos(), x, r)...)...)), true
		}
		text := tID.Name
		if r.and != "" {
			if text == "_" {
				text = k.Fresh(rewrite.Outermost(par), s.Pos(), "refused")
				out = append(out, edit.Replace(tID, edit.Text(text)))
			}
			for _, use := range p.Uses[okv] {
				out = append(out, besides(use, fmt.Sprintf(r.and, text))...)
			}
		}
		if assert == nil {
			return append(out, retype(k, typ, r)), true
		}
		return append(out, edit.Replace(assert, edit.Text(k.Q(s.Pos(), "errors")+".AsType[*"+k.Q(s.Pos(), r.home())+"."+r.as+"]("), edit.Src(assert.X), edit.Text(")"))), true
	}
}
