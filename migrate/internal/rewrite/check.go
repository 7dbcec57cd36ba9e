package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// check refuses a region in which the client is used before it is complete.
func (r *Region) check(block blocker) bool {
	k, list := r.K, Stmts(r.List)
	from, to := list[r.First].Pos(), list[r.Last].End()
	fn := Innermost(r.Births[0].Ctor.Cur)
	ok := true
	bad := func(pos token.Pos, anchor, text string) {
		ok = false
		block(pos, "constructor", anchor, text)
	}
	for _, c := range r.occurrences() {
		pos := c.Node().Pos()
		if pos < from || pos >= to {
			continue
		}
		if Innermost(c) == fn {
			bad(pos, "configure-after-use", "the client is used here and configured after that")
		} else if !k.lateLiteral(c, fn, to) {
			bad(pos, "configure-after-use", "a function literal that may run before the last Configure* call uses the client")
		}
	}
	if !definite(list[r.First:r.Last+1], r) {
		bad(r.Births[0].Ctor.Call.Pos(), "conditional-constructor", "the client is made on some paths only, and configured on all")
	}
	shared := k.shared()
	for _, s := range list[r.First : r.Last+1] {
		ast.Inspect(s, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ReturnStmt, *ast.BranchStmt:
				if r.leaves(n) {
					bad(n.Pos(), "configure-after-use", "a statement that leaves early stands between the constructor and the last Configure* call: the variable would stay empty")
				}
			case *ast.LabeledStmt:
				bad(n.Pos(), "configure-after-use", "a label stands between the constructor and the last Configure* call")
			case *ast.FuncLit:
				return false
			case *ast.CallExpr:
				f := flow.StaticCallee(k.Pkg.Info, n)
				if f != nil && f.Pkg() != nil && f.Pkg() != k.Pkg.Types && len(k.Unit.Shared) > 0 && k.Pkg.Linked(f.Pkg()) {
					bad(n.Pos(), "configure-after-use", "a call of "+f.FullName()+", which may use the client, stands before the last Configure* call")
				}
				if f != nil && f.Pkg() == k.Pkg.Types && k.Pkg.reads[n] == nil && len(shared) > 0 && !r.configuresBy(n) && k.Pkg.reaches(f.Origin(), shared) {
					bad(n.Pos(), "configure-after-use", "a call of "+f.Name()+", which uses the client, stands before the last Configure* call")
				}
			}
			return true
		})
	}
	return ok
}

// configuresBy reports whether c is one of the calls that configure.
func (r *Region) configuresBy(c *ast.CallExpr) bool {
	return slices.ContainsFunc(r.Config, func(u *flow.Use) bool { return u.Call == c })
}

// leaves reports whether a return, or a jump out of the region, lets somebody see the variable before the client is
// born: a global, a field of a parameter or receiver, or something that the return hands out.
func (r *Region) leaves(n ast.Node) bool {
	base, ok := r.Root.base.(*types.Var)
	if !ok {
		return true
	}
	if b, ok := n.(*ast.BranchStmt); ok && b.Label == nil && (b.Tok == token.BREAK || b.Tok == token.FALLTHROUGH) {
		return false // out of a switch or loop that is inside; a break of a loop around is the end of its body's variables
	}
	fn, ok := r.Root.fn.(*ast.FuncDecl)
	if !ok || fn.Body == nil || base.Pos() < fn.Body.Pos() || base.Pos() >= fn.Body.End() {
		return true // declared outside of the body
	}
	if b, ok := n.(*ast.BranchStmt); ok {
		return b.Label != nil || base.Pos() < Stmts(r.List)[0].Pos()
	}
	found := false
	ast.Inspect(n, func(m ast.Node) bool {
		id, ok := m.(*ast.Ident)
		found = found || ok && r.K.Pkg.Info.Uses[id] == base
		return !found
	})
	return found
}

// lateLiteral reports whether the function literal around c cannot run before end: it is the value of a hook, or of
// a local variable that is not used before end.
func (k *Class) lateLiteral(c inspector.Cursor, fn ast.Node, end token.Pos) bool {
	var lit inspector.Cursor
	for f := range c.Enclosing((*ast.FuncLit)(nil)) {
		if Innermost(f) == fn {
			lit = f
			break
		}
	}
	if !lit.Valid() {
		return false
	}
	as, ok := lit.Parent().Node().(*ast.AssignStmt)
	if !ok || len(as.Lhs) != 1 {
		return false
	}
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.FieldSet && as.Lhs[0] == u.Sel {
			return true
		}
	}
	id, ok := as.Lhs[0].(*ast.Ident)
	if !ok || as.Tok != token.DEFINE {
		return false
	}
	for _, u := range k.Pkg.Uses[k.Pkg.Info.Defs[id]] {
		if u.Node().Pos() < end && !k.hookRHS(u.Node()) {
			return false
		}
	}
	return true
}

// hookRHS reports whether n is what a hook of the class is set to.
func (k *Class) hookRHS(n ast.Node) bool {
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.FieldSet && k.AssignOf(u).Rhs[0] == n {
			return true
		}
	}
	return false
}

// capturedBefore reports whether a literal before the end of the region uses the client, so that the variable must
// be declared at the start.
func (r *Region) capturedBefore(list []ast.Stmt) bool {
	for _, c := range r.occurrences() {
		if p := c.Node().Pos(); p >= list[r.First].Pos() && p < list[r.Last].End() {
			return true
		}
	}
	return false
}
