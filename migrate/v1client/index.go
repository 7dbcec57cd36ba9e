package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// pkg is the package with the indexes that the rules look things up in.
type pkg struct {
	Input
	ins      *inspector.Inspector
	uses     map[types.Object][]inspector.Cursor // identifiers by what they denote, declarations not included
	defs     map[types.Object]ast.Expr           // the value a variable is declared with
	assigned map[types.Object][]token.Pos        // later assignments, increments and taken addresses
	decls    map[*types.Func]*ast.FuncDecl
	calls    map[*types.Func][]*types.Func // static calls inside the package
	named    map[ast.Node][]newName        // new names given out per function
}

func newPkg(in Input) *pkg {
	p := &pkg{Input: in, ins: inspector.New(in.Files), uses: map[types.Object][]inspector.Cursor{},
		defs: map[types.Object]ast.Expr{}, assigned: map[types.Object][]token.Pos{},
		decls: map[*types.Func]*ast.FuncDecl{}, calls: map[*types.Func][]*types.Func{},
		named: map[ast.Node][]newName{}}
	define := func(id *ast.Ident, v ast.Expr) {
		if o := in.Info.Defs[id]; o != nil && v != nil {
			p.defs[o] = v
		}
	}
	reassign := func(e ast.Expr) {
		if id, ok := ast.Unparen(e).(*ast.Ident); ok {
			if o := in.Info.Uses[id]; o != nil {
				p.assigned[o] = append(p.assigned[o], id.Pos())
			}
		}
	}
	for cur := range p.ins.Root().Preorder() {
		switch n := cur.Node().(type) {
		case *ast.Ident:
			if o := in.Info.Uses[n]; o != nil {
				p.uses[o] = append(p.uses[o], cur)
			}
		case *ast.FuncDecl:
			if f, ok := in.Info.Defs[n.Name].(*types.Func); ok {
				p.decls[f] = n
			}
		case *ast.CallExpr:
			if f := flow.StaticCallee(in.Info, n); f != nil && f.Pkg() == in.Types {
				if from := p.funcAround(cur); from != nil {
					p.calls[from] = append(p.calls[from], f.Origin())
				}
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if len(n.Lhs) == len(n.Rhs) && n.Tok == token.DEFINE {
					if id, ok := l.(*ast.Ident); ok {
						define(id, n.Rhs[i])
					}
				}
				reassign(l)
			}
		case *ast.ValueSpec:
			if len(n.Names) == len(n.Values) {
				for i, id := range n.Names {
					define(id, n.Values[i])
				}
			}
		case *ast.IncDecStmt:
			reassign(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				reassign(n.Key)
				reassign(n.Value)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				reassign(n.X)
			}
		}
	}
	return p
}

func (p *pkg) pos(pos token.Pos) token.Position { return p.Fset.Position(pos) }

func (p *pkg) fileAt(pos token.Pos) *ast.File {
	for _, f := range p.Files {
		if f.FileStart <= pos && pos <= f.FileEnd {
			return f
		}
	}
	return nil
}

func (p *pkg) fileNamed(name string) *ast.File {
	for _, f := range p.Files {
		if p.Fset.File(f.FileStart).Name() == name {
			return f
		}
	}
	return nil
}

// funcAround is the declared function that cur is in.
func (p *pkg) funcAround(cur inspector.Cursor) *types.Func {
	for c := range cur.Enclosing((*ast.FuncDecl)(nil)) {
		f, _ := p.Info.Defs[c.Node().(*ast.FuncDecl).Name].(*types.Func)
		return f
	}
	return nil
}

// declOf is the declared function that o is a parameter or result of.
func (p *pkg) declOf(o types.Object) *ast.FuncDecl {
	for f, d := range p.decls {
		s := f.Signature()
		for _, t := range []*types.Tuple{s.Params(), s.Results()} {
			for v := range t.Variables() {
				if v == o {
					return d
				}
			}
		}
	}
	return nil
}

// constant reports whether o keeps the value it was declared with.
func (p *pkg) constant(o types.Object) bool { return len(p.assigned[o]) == 0 }

// innermost is the function, literal or declared, whose body cur is in.
func innermost(cur inspector.Cursor) ast.Node {
	for c := range cur.Parent().Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return c.Node()
	}
	return nil
}

// outermost is the declaration that cur is in: a function, or a package-level one.
func outermost(cur inspector.Cursor) ast.Node {
	var out ast.Node
	for c := range cur.Enclosing((*ast.FuncDecl)(nil), (*ast.GenDecl)(nil)) {
		out = c.Node()
	}
	return out
}

// inList returns the nearest statement list around cur and the index of the statement in it that holds cur.
func inList(cur inspector.Cursor) (ast.Node, int) {
	for c := range cur.Enclosing() {
		switch k, i := c.ParentEdge(); k {
		case edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body:
			return c.Parent().Node(), i
		case edge.FuncLit_Body, edge.FuncDecl_Body:
			return nil, 0
		}
	}
	return nil, 0
}

// stmtOf returns the list and index when the statement that cur is in stands directly in a list, so that other
// statements can be put before and after it; ok is false inside the header of an if, for or switch.
func stmtOf(cur inspector.Cursor) (s ast.Stmt, ok bool) {
	for c := range cur.Enclosing() {
		st, is := c.Node().(ast.Stmt)
		if !is {
			continue
		}
		switch k := c.ParentEdgeKind(); k {
		case edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body:
			return st, true
		}
		return st, false
	}
	return nil, false
}

func stmts(list ast.Node) []ast.Stmt {
	switch l := list.(type) {
	case *ast.BlockStmt:
		return l.List
	case *ast.CaseClause:
		return l.Body
	case *ast.CommClause:
		return l.Body
	}
	return nil
}

// pure reports whether evaluating e has no effect and may move past other statements that do not assign its parts.
func (p *pkg) pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if !p.Info.Types[ast.Unparen(n.Fun)].IsType() {
				ok = false
			}
		case *ast.UnaryExpr:
			ok = ok && n.Op != token.ARROW
		case *ast.FuncLit:
			return false
		}
		return ok
	})
	return ok
}

// settled reports whether e, evaluated later, has the value it has now: it is pure, and made of constants, variables
// that are set once, and fields of the message that a callback was given.
func (p *pkg) settled(e ast.Expr) bool {
	ok := p.pure(e)
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if paths.IsPointer(p.Info.TypeOf(n.X), paths.V1Compat, paths.V1Message) {
				return true
			}
			if _, isConst := p.Info.Uses[n.Sel].(*types.Const); !isConst {
				ok = false
			}
			return false
		case *ast.IndexExpr, *ast.StarExpr:
			ok = false
		case *ast.Ident:
			if v, isVar := p.Info.Uses[n].(*types.Var); isVar && !v.IsField() && (!p.constant(v) || v.Parent() == p.Types.Scope()) {
				ok = false
			}
		}
		return ok
	})
	return ok
}

// reaches reports whether f, or what it calls inside the package, uses one of the objects.
func (p *pkg) reaches(f *types.Func, objs map[types.Object]bool) bool {
	seen := map[*types.Func]bool{}
	var visit func(*types.Func) bool
	visit = func(f *types.Func) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		d := p.decls[f]
		for o := range objs {
			for _, c := range p.uses[o] {
				if d != nil && d.Pos() <= c.Node().Pos() && c.Node().Pos() < d.End() {
					return true
				}
			}
		}
		return slices.ContainsFunc(p.calls[f], visit)
	}
	return visit(f)
}

// errorChecks returns the places where v1's error types are named, here and in related packages.
func (p *pkg) errorChecks() []token.Position {
	out := slices.Clone(p.ForeignErrors)
	return append(out, ErrorChecks(&p.Package)...)
}

// ErrorChecks returns the places where a package names an error type of v1compat.
func ErrorChecks(p *flow.Package) []token.Position {
	var out []token.Position
	for id, o := range p.Info.Uses {
		t, ok := o.(*types.TypeName)
		if ok && t.Pkg() != nil && t.Pkg().Path() == paths.V1Compat && strings.HasSuffix(t.Name(), "Error") {
			out = append(out, p.Fset.Position(id.Pos()))
		}
	}
	slices.SortFunc(out, func(a, b token.Position) int {
		return strings.Compare(a.String(), b.String())
	})
	return out
}
