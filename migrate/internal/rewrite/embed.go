package rewrite

import (
	"go/ast"
	"go/types"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// embedded rewrites the structs that embed the client: the field has another name after it, and what was promoted is
// selected from the field by name, so that no rule has to know about it and no method of the struct comes in between.
func (k *Class) embedded() {
	for _, m := range k.Flow.Members {
		v, ok := m.(*types.Var)
		if !ok || !v.Embedded() || k.group.of(v.Type()) == nil {
			continue
		}
		name := k.fieldName(v)
		if t := k.Pkg.hides(v, name); t != "" {
			k.Block(v.Pos(), "class", "embedding", "the client is embedded in a struct, and "+t+" has another "+name)
		}
		for _, c := range k.Pkg.Uses[v] {
			if id := c.Node().(*ast.Ident); id.Name == v.Name() {
				k.Edit(edit.Replace(id, edit.Text(name)))
			}
		}
	}
	done := map[ast.Expr]bool{}
	for _, u := range k.Flow.Uses {
		if len(u.Through) == 0 || done[u.Expr] {
			continue
		}
		done[u.Expr] = true
		text := k.embeddedPath(u)
		last := edit.Range(u.Expr.End()-1, u.Expr.End())
		k.Edit(edit.Edit{Pos: last.Pos, End: last.End, Pieces: []edit.Piece{last, edit.Text(text)}})
	}
}

// embeddedPath is what leads from the value of u to the client that is embedded in it; "" where it is the client itself.
func (k *Class) embeddedPath(u *flow.Use) string {
	text := ""
	for _, f := range u.Through {
		text += "." + k.fieldName(f)
	}
	return text
}

// fieldName is the name of field v after the rewrite: an embedded client is named by its type.
func (k *Class) fieldName(v *types.Var) string {
	if t := k.group.of(v.Type()); t != nil && v.Embedded() {
		return t.To.Name
	}
	return v.Name()
}

// hides returns a type of the package in which the embedded field v is seen and name means something else already.
func (p *Package) hides(v *types.Var, name string) string {
	for _, o := range p.Info.Defs {
		tn, ok := o.(*types.TypeName)
		if !ok || types.IsInterface(tn.Type()) {
			continue
		}
		if f, _, _ := types.LookupFieldOrMethod(tn.Type(), true, p.Types, v.Name()); f != v {
			continue
		}
		if x, index, _ := types.LookupFieldOrMethod(tn.Type(), true, p.Types, name); x != nil || index != nil {
			return tn.Name()
		}
	}
	return ""
}

// path is how e is written with no embedded field left out.
func (p *Package) path(e ast.Expr) string {
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && p.reads[c] != nil {
		if s, ok := ast.Unparen(c.Fun).(*ast.SelectorExpr); ok {
			return p.path(s.X) + p.through(s) + "." + p.reads[c].Path
		}
		return p.reads[c].Path
	}
	s, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return types.ExprString(ast.Unparen(e))
	}
	return p.path(s.X) + p.through(s) + "." + s.Sel.Name
}

// through is the part of a path that s leaves out, up to a followed value and not into it.
func (p *Package) through(s *ast.SelectorExpr) string {
	var b strings.Builder
	for _, f := range flow.Implicit(p.Info, s) {
		if f.Pkg() == p.Types || p.Linked != nil && p.Linked(f.Pkg()) {
			b.WriteString("." + f.Name())
		}
	}
	return b.String()
}

// pathAt is the path of the expression at cur, and of the embedded client in it when cur is the struct of a promoted
// selector.
func (p *Package) pathAt(cur inspector.Cursor, e ast.Expr) string {
	if s, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && s.X == cur.Node() {
		return p.path(e) + p.through(s)
	}
	return p.path(e)
}
