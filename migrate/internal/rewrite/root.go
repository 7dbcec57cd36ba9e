package rewrite

import (
	"go/ast"
	"go/types"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// Root names the variable, field chain or element that holds a client while it is configured, within one function.
type Root struct {
	fn   ast.Node     // outermost declaration
	base types.Object // x of x, x.f.g or x[key]
	key  types.Object // of an element whose index is a variable that stays as it is
	path string       // source text, such as "d.client"
}

// container is the path of the container that the root is an element of, "" for none. Any other use of that may reach
// the same client.
func (rt Root) container() string {
	before, _, ok := strings.Cut(rt.path, "[")
	if !ok {
		return ""
	}
	return before
}

// begins reports whether path leads to the root, or to what it is part of.
func (rt Root) begins(path string) bool {
	rest, ok := strings.CutPrefix(rt.path, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// RootOf returns the root that e denotes at cur: an identifier or a chain of fields of one.
func (p *Package) RootOf(cur inspector.Cursor, e ast.Expr) (Root, bool) {
	x := ast.Unparen(e)
	rt := Root{fn: Outermost(cur), path: p.pathAt(cur, x)}
	for {
		switch s := x.(type) {
		case *ast.SelectorExpr:
			x = ast.Unparen(s.X)
		case *ast.CallExpr:
			if p.reads[s] == nil {
				return Root{}, false
			}
			x = ast.Unparen(s.Fun)
			if id, ok := x.(*ast.Ident); ok {
				rt.base = p.variable(p.reads[s], id)
				return rt, rt.base != nil
			}
		case *ast.IndexExpr:
			key, ok := p.index(s)
			if !ok || rt.key != nil {
				return Root{}, false
			}
			rt.key = key
			x = ast.Unparen(s.X)
		case *ast.Ident:
			rt.base = p.Info.ObjectOf(s)
			return rt, rt.base != nil
		default:
			return Root{}, false
		}
	}
}

// variable is the package variable that r, a call of the function id, reads.
func (p *Package) variable(r *flow.Read, id *ast.Ident) types.Object {
	name, _, _ := strings.Cut(r.Path, ".")
	return p.Types.Scope().Lookup(name)
}

// index returns the variable that the index of an element is, or nil for a constant; ok is false where it may be another
// one the next time.
func (p *Package) index(e *ast.IndexExpr) (key types.Object, ok bool) {
	if p.Info.Types[e.Index].Value != nil {
		return nil, true
	}
	id, ok := ast.Unparen(e.Index).(*ast.Ident)
	if !ok {
		return nil, false
	}
	v, ok := p.Info.Uses[id].(*types.Var)
	return v, ok && p.Constant(v) && v.Parent() != p.Types.Scope()
}

// rootOf is the root of the client that u is a use of.
func (k *Class) rootOf(u *flow.Use) (Root, bool) {
	return k.Pkg.RootOf(u.Cur, k.Pkg.linkRoot(k.group, u.Expr))
}

// occurrences returns every place in the function that reads or writes the root, the constructor's own left-hand
// sides and the configuring uses left out.
func (r *Region) occurrences() []inspector.Cursor {
	skip := map[ast.Node]bool{}
	for _, u := range r.Config {
		skip[r.K.Pkg.linkRoot(r.K.group, u.Expr)] = true
	}
	for _, b := range r.Births {
		if as, ok := b.Stmt.(*ast.AssignStmt); ok && b.Form != Element {
			skip[as.Lhs[0]] = true
		}
	}
	var out []inspector.Cursor
	for _, c := range r.K.Pkg.Uses[r.Root.base] {
		if Outermost(c) != r.Root.fn {
			continue
		}
		// Grow from the base to the longest chain that is still a prefix of the root's path.
		p := r.K.Pkg
		for {
			kind, up := c.ParentEdgeKind(), c.Parent()
			if kind == edge.SelectorExpr_X && up.ParentEdgeKind() == edge.CallExpr_Fun && p.reads[up.Parent().Node().(*ast.CallExpr)] != nil {
				up = up.Parent()
			}
			if kind != edge.SelectorExpr_X && kind != edge.IndexExpr_X || !r.Root.begins(p.path(up.Node().(ast.Expr))) {
				break
			}
			c = up
		}
		e := c.Node().(ast.Expr)
		if (p.path(e) == r.Root.path || p.path(e) == r.Root.container() || p.pathAt(c, e) == r.Root.path) && !skip[e] {
			out = append(out, c)
		}
	}
	return out
}
