package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"sync"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// Package is a type-checked package with the indexes that the rules look things up in.
type Package struct {
	Input
	Ins      *inspector.Inspector
	Uses     map[types.Object][]inspector.Cursor // identifiers by what they denote, declarations not included
	Defs     map[types.Object]ast.Expr           // the value a variable is declared with
	Assigned map[types.Object][]token.Pos        // later assignments, increments and taken addresses
	Decls    map[*types.Func]*ast.FuncDecl
	Memo     map[string]any                // what rules have found out about the package, by their name
	calls    map[*types.Func][]*types.Func // static calls inside the package
	named    map[ast.Node][]newName        // new names given out per function
	bridge   func(*types.Func) bool        // functions that only show a client in another shape
	reads    map[*ast.CallExpr]*flow.Read  // calls that stand for a field or variable
	given    bool                          // calls on what the library hands to a callback go through it to the new client
}

// Input is a type-checked package and what the analysis must know about its files.
type Input struct {
	flow.Package
	// Untouchable returns why a file must not be edited (generated, vendored, made by cgo), or "".
	Untouchable func(filename string) string
	// Foreign are the related packages, between which and this one an error can flow.
	Foreign []*Foreign
	// Reaches reports whether the package at an import path depends on the API that is rewritten and is looked at in the same
	// run, though it need not be in Foreign: clients that nobody sees may be inside of it; nil: none is.
	Reaches func(path string) bool
	// Bridges says that a use without a rule may stay on the old shape while the rest is rewritten.
	Bridges bool
	// Whole says that all packages of a module are rewritten at once. Rules by a table write no bridges then, and take those of
	// an earlier run away between the packages; only calls on what the library hands to a callback go through it to the new client.
	Whole bool
	// Idioms says that the result is written as new code would be, where that means the same.
	Idioms bool
	// Linked finds the packages that are rewritten together with those that use them; nil: none. What other packages can
	// reach in this one is left when it is none of them. Survey has looked at all of them.
	Linked func(*types.Package) bool
	Survey *Survey
}

// Foreign is a package that others are related to, with what rules have found out about it. Packages that are analyzed at the
// same time share it.
type Foreign struct {
	flow.Package
	facts sync.Map // by the name of the rule: func() any
}

// Fact is what find returns for the package; it is called once, whoever asks by that name.
func (f *Foreign) Fact(name string, find func(*flow.Package) any) any {
	fact, _ := f.facts.LoadOrStore(name, sync.OnceValue(func() any { return find(&f.Package) }))
	return fact.(func() any)()
}

// Closed reports whether all users of the package are rewritten together with it.
func (in *Input) Closed() bool { return in.Linked != nil && in.Linked(in.Types) }

func newPackage(in Input) *Package {
	p := &Package{Input: in, Ins: inspector.New(in.Files), Uses: map[types.Object][]inspector.Cursor{},
		Defs: map[types.Object]ast.Expr{}, Assigned: map[types.Object][]token.Pos{},
		Decls: map[*types.Func]*ast.FuncDecl{}, calls: map[*types.Func][]*types.Func{},
		named: map[ast.Node][]newName{}, Memo: map[string]any{}, reads: map[*ast.CallExpr]*flow.Read{}}
	define := func(id *ast.Ident, v ast.Expr) {
		if o := in.Info.Defs[id]; o != nil && v != nil {
			p.Defs[o] = v
		}
	}
	reassign := func(e ast.Expr) {
		if id, ok := ast.Unparen(e).(*ast.Ident); ok {
			if o := in.Info.Uses[id]; o != nil {
				p.Assigned[o] = append(p.Assigned[o], id.Pos())
			}
		}
	}
	for cur := range p.Ins.Root().Preorder() {
		switch n := cur.Node().(type) {
		case *ast.Ident:
			if o := in.Info.Uses[n]; o != nil {
				p.Uses[o] = append(p.Uses[o], cur)
			}
		case *ast.SelectorExpr:
			for _, f := range flow.Implicit(in.Info, n) { // an embedded field, left out
				p.Uses[f] = append(p.Uses[f], cur.ChildAt(edge.SelectorExpr_Sel, -1))
			}
		case *ast.FuncDecl:
			if f, ok := in.Info.Defs[n.Name].(*types.Func); ok {
				p.Decls[f] = n
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

// Pos is the place of pos.
func (p *Package) Pos(pos token.Pos) token.Position { return p.Fset.Position(pos) }

func (p *Package) fileAt(pos token.Pos) *ast.File {
	for _, f := range p.Files {
		if f.FileStart <= pos && pos <= f.FileEnd {
			return f
		}
	}
	return nil
}

func (p *Package) fileNamed(name string) *ast.File {
	for _, f := range p.Files {
		if p.Fset.File(f.FileStart).Name() == name {
			return f
		}
	}
	return nil
}

// funcAround is the declared function that cur is in.
func (p *Package) funcAround(cur inspector.Cursor) *types.Func {
	for c := range cur.Enclosing((*ast.FuncDecl)(nil)) {
		f, _ := p.Info.Defs[c.Node().(*ast.FuncDecl).Name].(*types.Func)
		return f
	}
	return nil
}

// DeclOf is the declared function that o is a parameter or result of.
func (p *Package) DeclOf(o types.Object) *ast.FuncDecl {
	for f, d := range p.Decls {
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

// Constant reports whether o keeps the value it was declared with.
func (p *Package) Constant(o types.Object) bool { return len(p.Assigned[o]) == 0 }

// Innermost is the function, literal or declared, whose body cur is in.
func Innermost(cur inspector.Cursor) ast.Node {
	for c := range cur.Parent().Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return c.Node()
	}
	return nil
}

// Outermost is the declaration that cur is in: a function, or a package-level one.
func Outermost(cur inspector.Cursor) ast.Node {
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

// StmtOf returns the list and index when the statement that cur is in stands directly in a list, so that other
// statements can be put before and after it; ok is false inside the header of an if, for or switch.
func StmtOf(cur inspector.Cursor) (s ast.Stmt, ok bool) {
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

// Stmts are the statements of a list that InList or PlacesOf has found.
func Stmts(list ast.Node) []ast.Stmt {
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

// Pure reports whether evaluating e has no effect and may move past other statements that do not assign its parts.
func (p *Package) Pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f := flow.StaticCallee(p.Info, n); p.reads[n] == nil && !p.Info.Types[ast.Unparen(n.Fun)].IsType() && (f == nil || p.bridge == nil || !p.bridge(f)) {
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

// Changes reports whether a variable that e names is assigned after pos in the function around it, or can be anywhere.
func (k *Class) Changes(e ast.Expr, pos token.Pos) bool {
	changes := false
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			v, ok := k.Pkg.Info.Uses[id].(*types.Var)
			changes = changes || ok && slices.ContainsFunc(k.Pkg.Assigned[v], func(p token.Pos) bool { return p > pos })
		}
		return !changes
	})
	return changes
}

// reaches reports whether f, or what it calls inside the package, uses one of the objects.
func (p *Package) reaches(f *types.Func, objs map[types.Object]bool) bool {
	seen := map[*types.Func]bool{}
	var visit func(*types.Func) bool
	visit = func(f *types.Func) bool {
		if seen[f] {
			return false
		}
		seen[f] = true
		d := p.Decls[f]
		for o := range objs {
			for _, c := range p.Uses[o] {
				if d != nil && d.Pos() <= c.Node().Pos() && c.Node().Pos() < d.End() {
					return true
				}
			}
		}
		return slices.ContainsFunc(p.calls[f], visit)
	}
	return visit(f)
}
