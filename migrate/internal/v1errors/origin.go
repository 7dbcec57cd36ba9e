package v1errors

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
)

// origin tells where an error can come from.
type origin struct {
	calls   map[*ast.CallExpr]Op // the operations
	unknown bool                 // from elsewhere too
	wrapped bool                 // perhaps inside another error
}

func (o *origin) add(other *origin) {
	for c, op := range other.calls {
		o.calls[c] = op
	}
	o.unknown = o.unknown || other.unknown
	o.wrapped = o.wrapped || other.wrapped
}

func newOrigin() *origin { return &origin{calls: map[*ast.CallExpr]Op{}} }

// tracer follows errors backwards inside a package.
type tracer struct {
	p    *rewrite.Package
	seen map[any]bool // variables and functions on the way
}

// operation is what c does, when it calls a method of a facade.
func operation(info *types.Info, c *ast.CallExpr) (Op, bool) {
	f := flow.StaticCallee(info, c)
	if f == nil || f.Pkg() == nil || f.Signature().Recv() == nil {
		return 0, false
	}
	switch f.Pkg().Path() {
	case paths.V1Compat, paths.ShadowCompat, paths.JobsCompat, paths.Discovery:
		op, ok := ops[f.Name()]
		return op, ok
	}
	return 0, false
}

// expr follows result i of e.
func (t *tracer) expr(e ast.Expr, i int) *origin {
	out := newOrigin()
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		switch o := t.p.Info.ObjectOf(e).(type) {
		case *types.Nil:
		case *types.Var:
			return t.variable(o)
		default:
			out.unknown = true
		}
	case *ast.SelectorExpr:
		v, ok := t.p.Info.Uses[e.Sel].(*types.Var)
		out.unknown = !ok || v.IsField() || v.Pkg() == t.p.Types // an error value of another package is none of an operation
	case *ast.CallExpr:
		return t.call(e, i)
	case *ast.UnaryExpr:
		if lit, ok := e.X.(*ast.CompositeLit); ok && e.Op == token.AND {
			return t.literal(lit)
		}
		out.unknown = true
	case *ast.CompositeLit:
		return t.literal(e)
	default:
		out.unknown = true
	}
	return out
}

// literal follows the errors inside an error of the program's own.
func (t *tracer) literal(lit *ast.CompositeLit) *origin {
	out := newOrigin()
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		if isError(t.p.Info.TypeOf(e)) {
			out.add(t.expr(e, 0))
		}
	}
	out.wrapped = true
	return out
}

func (t *tracer) call(c *ast.CallExpr, i int) *origin {
	out := newOrigin()
	if op, ok := operation(t.p.Info, c); ok {
		out.calls[c] = op
		return out
	}
	if lit, ok := ast.Unparen(c.Fun).(*ast.FuncLit); ok {
		return t.returns(lit, lit.Type, lit.Body, i)
	}
	f := flow.StaticCallee(t.p.Info, c)
	switch {
	case f == nil || flow.Interface(f):
		out.unknown = true
	case f.Pkg() == t.p.Types:
		if d := t.p.Decls[f.Origin()]; d != nil && d.Body != nil {
			return t.returns(f, d.Type, d.Body, i)
		}
		out.unknown = true
	case f.Pkg() != nil && !t.related(f.Pkg()): // knows only what it is given
		for _, a := range c.Args {
			switch typ := t.p.Info.TypeOf(a); {
			case isError(typ):
				out.add(t.expr(a, 0))
				out.wrapped = true
			case typ != nil && isFunc(typ):
				lit, ok := ast.Unparen(a).(*ast.FuncLit)
				if !ok {
					out.unknown = true
				} else if n := lit.Type.Results.NumFields(); n > 0 && isError(t.p.Info.TypeOf(lit.Type.Results.List[len(lit.Type.Results.List)-1].Type)) {
					out.add(t.returns(lit, lit.Type, lit.Body, n-1))
					out.wrapped = true
				}
			}
		}
	default:
		out.unknown, out.wrapped = true, true
	}
	return out
}

// related reports whether errors of clients can come from a package by themselves.
func (t *tracer) related(p *types.Package) bool {
	return t.p.Reaches != nil && t.p.Reaches(p.Path())
}

// returns follows result i of a function.
func (t *tracer) returns(key any, ft *ast.FuncType, body *ast.BlockStmt, i int) *origin {
	out := newOrigin()
	type result struct {
		key any
		i   int
	}
	if t.seen[result{key, i}] {
		return out
	}
	t.seen[result{key, i}] = true
	named, n := []*types.Var(nil), 0
	if ft.Results != nil {
		for _, f := range ft.Results.List {
			for _, name := range f.Names {
				v, _ := t.p.Info.Defs[name].(*types.Var)
				named = append(named, v)
			}
		}
		n = ft.Results.NumFields()
	}
	ast.Inspect(body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			switch {
			case len(node.Results) == n && i < n:
				out.add(t.expr(node.Results[i], 0))
			case len(node.Results) == 1:
				out.add(t.expr(node.Results[0], i))
			}
		}
		return true
	})
	if i < len(named) && named[i] != nil {
		out.add(t.variable(named[i]))
	}
	return out
}

// variable follows all that a variable is given.
func (t *tracer) variable(v *types.Var) *origin {
	out := newOrigin()
	if t.seen[v] {
		return out
	}
	t.seen[v] = true
	if v.IsField() || v.Parent() == t.p.Types.Scope() || v.Pkg() != t.p.Types {
		out.unknown = true
		return out
	}
	if fn := t.paramOf(v); fn != nil {
		return t.parameter(v, fn)
	}
	for _, c := range append(t.p.Uses[v], t.definition(v)...) {
		par, self := rewrite.ParentSkippingParens(c)
		switch p := par.Node().(type) {
		case *ast.AssignStmt:
			for i, l := range p.Lhs {
				if l != self {
					continue
				}
				if len(p.Rhs) == len(p.Lhs) {
					out.add(t.expr(p.Rhs[i], 0))
				} else {
					out.add(t.expr(p.Rhs[0], i))
				}
			}
		case *ast.ValueSpec:
			for i, name := range p.Names {
				if name != self || len(p.Values) == 0 {
					continue
				}
				if len(p.Values) == len(p.Names) {
					out.add(t.expr(p.Values[i], 0))
				} else {
					out.add(t.expr(p.Values[0], i))
				}
			}
		case *ast.UnaryExpr:
			out.unknown = out.unknown || p.Op == token.AND
		case *ast.RangeStmt:
			out.unknown = out.unknown || p.Key == self || p.Value == self
		case *ast.Field:
			ft, ok := par.Parent().Parent().Node().(*ast.FuncType)
			if !ok || ft.Results != par.Parent().Node() {
				out.unknown = true // a parameter of a function literal
				continue
			}
			out.add(t.ownReturns(par.Parent().Parent().Parent().Node(), ft, v))
		}
	}
	return out
}

// ownReturns follows what the function returns for its named result v.
func (t *tracer) ownReturns(fn ast.Node, ft *ast.FuncType, v *types.Var) *origin {
	i := 0
	for _, f := range ft.Results.List {
		for _, name := range f.Names {
			if t.p.Info.Defs[name] == v {
				switch fn := fn.(type) {
				case *ast.FuncDecl:
					return t.returns(t.p.Info.Defs[fn.Name], ft, fn.Body, i)
				case *ast.FuncLit:
					return t.returns(fn, ft, fn.Body, i)
				}
			}
			i++
		}
	}
	return newOrigin()
}

// definition is the identifier that declares v.
func (t *tracer) definition(v *types.Var) []inspector.Cursor {
	if c, ok := t.p.Ins.Root().FindByPos(v.Pos(), v.Pos()+token.Pos(len(v.Name()))); ok {
		if id, ok := c.Node().(*ast.Ident); ok && t.p.Info.Defs[id] == v {
			return []inspector.Cursor{c}
		}
	}
	return nil
}

// paramOf is the declared function that v is a parameter of.
func (t *tracer) paramOf(v *types.Var) *types.Func {
	for f := range t.p.Decls {
		for p := range f.Signature().Params().Variables() {
			if p == v {
				return f
			}
		}
	}
	return nil
}

// parameter follows what the calls of fn pass for v.
func (t *tracer) parameter(v *types.Var, fn *types.Func) *origin {
	out := newOrigin()
	out.unknown = fn.Exported() && t.p.Types.Name() != "main" || fn.Signature().Variadic()
	for _, c := range t.p.Uses[fn] {
		if s, ok := c.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == c.Node() {
			c = c.Parent()
		}
		call, ok := c.Parent().Node().(*ast.CallExpr)
		if !ok || call.Fun != c.Node() || len(call.Args) != fn.Signature().Params().Len() {
			out.unknown = true
			continue
		}
		for i, a := range call.Args {
			if fn.Signature().Params().At(i) == v {
				out.add(t.expr(a, 0))
			}
		}
	}
	return out
}

func isError(t types.Type) bool {
	return t != nil && types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

func isFunc(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}
