package v1errors

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// typeSwitch is the form `switch err.(type)`. It becomes a switch without an expression, where every case has one.
func (c *check) typeSwitch(p *rewrite.Package, sw *ast.TypeSwitchStmt) {
	c.direct, c.names, c.froms = true, nil, map[ast.Node]bool{}
	assert, bound := (*ast.TypeAssertExpr)(nil), ""
	switch s := sw.Assign.(type) {
	case *ast.ExprStmt:
		assert, _ = s.X.(*ast.TypeAssertExpr)
	case *ast.AssignStmt:
		assert, _ = s.Rhs[0].(*ast.TypeAssertExpr)
		bound = s.Lhs[0].(*ast.Ident).Name
	}
	if assert == nil {
		return
	}
	x, isIdent := ast.Unparen(assert.X).(*ast.Ident)
	c.tested = []ast.Expr{assert.X}
	type branch struct {
		expr ast.Expr
		name string // of v1's type
		text string // else, the test
	}
	var branches []branch
	known := isIdent
	var values []ast.Expr // uses of what the switch binds
	for _, s := range sw.Body.List {
		cc := s.(*ast.CaseClause)
		for _, e := range cc.List {
			id := nameOf(e)
			switch {
			case id != nil && isV1(p.Info.Uses[id]):
				c.names = append(c.names, id.Name)
				c.froms[id] = true
				branches = append(branches, branch{expr: e, name: id.Name})
			case p.Info.Types[e].IsNil():
				branches = append(branches, branch{expr: e, text: " == nil"})
			case types.Identical(p.Info.TypeOf(e), types.Universe.Lookup("error").Type()):
				branches = append(branches, branch{expr: e, text: " != nil"})
			default:
				known = false
			}
		}
		if v, ok := p.Info.Implicits[cc].(*types.Var); ok && bound != "" {
			u := usesOf(p, v, nil)
			v1 := len(cc.List) == 1 && nameOf(cc.List[0]) != nil && isV1(p.Info.Uses[nameOf(cc.List[0])])
			if v1 && (u.other || len(u.fields) > 0) {
				known = false
			}
			for _, use := range p.Uses[v] {
				values = append(values, use.Node().(ast.Expr))
			}
		}
	}
	if !known {
		return
	}
	c.write = func(k *rewrite.Class, rs map[string]row) ([]edit.Edit, bool) {
		head := []edit.Piece{edit.Text("switch ")}
		if sw.Init != nil {
			head = append(head, edit.Src(sw.Init), edit.Text("; "))
		}
		out := []edit.Edit{{Pos: sw.Switch, End: sw.Body.Lbrace, Pieces: head}}
		for _, b := range branches {
			r := rs[b.name]
			switch {
			case b.text != "":
				out = append(out, edit.Replace(b.expr, edit.Text(x.Name+b.text)))
			case r.is == "":
				return nil, false
			default:
				out = append(out, edit.Replace(b.expr, is(k, b.expr.Pos(), x, r)...))
			}
		}
		for _, e := range values {
			out = append(out, edit.Replace(e, edit.Text(x.Name)))
		}
		return out, true
	}
}

// nameOf is the identifier that a type expression ends with.
func nameOf(e ast.Expr) *ast.Ident {
	e = ast.Unparen(e)
	if s, ok := e.(*ast.StarExpr); ok {
		e = ast.Unparen(s.X)
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	}
	return nil
}
