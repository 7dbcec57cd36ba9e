package paho

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// class is a flow class of one kind, and whether it moves.
type class struct {
	kind  kind
	flow  *flow.Class
	why   []unit.Reason // it stays
	funcs []*function   // a class of handlers: the functions in it
	set   *facts        // a class of options: what is set, here and by its peers
	group *class        // union-find over what is rewritten together
	in    *pkg
	peers []*class // the classes of other packages that share a member with it
	held  bool     // it stays because of a peer, and for nothing before that
}

// moves reports whether the class is rewritten.
func (c *class) moves() bool { return c != nil && len(c.why) == 0 }

func (c *class) root() *class {
	if c == nil || c.group == nil || c.group == c {
		return c
	}
	c.group = c.group.root()
	return c.group
}

func join(a, b *class) {
	if a != nil && b != nil {
		a.root().group = b.root()
	}
}

// function is a function that paho would call.
type function struct {
	lit     *ast.FuncLit
	decl    *ast.FuncDecl
	typ     *ast.FuncType
	body    *ast.BlockStmt
	params  []*types.Var
	classes []*class // one for each of the places where it is a value
}

// pkg is a package while it is planned.
type pkg struct {
	*rewrite.Package
	classes [kinds][]*class
	of      map[types.Object]*class
	ofExpr  [kinds]map[ast.Expr]*class
	funcs   map[ast.Node]*function // by literal or declaration
	byParam map[*types.Var]*function
	tokens  map[*ast.SelectorExpr]unit.Outcome // uses of tokens

	mod *module

	topicsDone bool       // shadowTopics has looked at the whole package
	requested  []ast.Expr // topics that have become requests
}

// newPkg finds the classes of a package.
func newPkg(in rewrite.Input) *pkg {
	p := &pkg{Package: rewrite.NewPackage(in), of: map[types.Object]*class{}, funcs: map[ast.Node]*function{}, byParam: map[*types.Var]*function{},
		tokens: map[*ast.SelectorExpr]unit.Outcome{}}
	for k := range kinds {
		p.ofExpr[k] = map[ast.Expr]*class{}
		for _, f := range flow.Analyze(&p.Input.Package, p.Ins, k.target(&in)) {
			c := &class{kind: k, flow: f, in: p}
			p.classes[k] = append(p.classes[k], c)
			for _, m := range f.Members {
				if m.Name() != "" || m.Pos() == token.NoPos {
					p.of[m] = c
				} else if _, known := p.of[m]; !known {
					p.of[m] = c
				}
			}
			for _, e := range f.Exprs {
				p.ofExpr[k][ast.Unparen(e)] = c
			}
		}
	}
	for _, k := range []kind{handler, connected, lost} {
		for _, c := range p.classes[k] {
			p.functions(c)
		}
	}
	return p
}

// classOf is the class of the value e, nil when it is none.
func (p *pkg) classOf(k kind, e ast.Expr) *class {
	e = ast.Unparen(e)
	if c := p.ofExpr[k][e]; c != nil {
		return c
	}
	switch e := e.(type) {
	case *ast.Ident:
		if o := p.Info.ObjectOf(e); o != nil && k.is(o.Type()) {
			return p.of[origin(o)]
		}
	case *ast.SelectorExpr:
		if o := p.Info.Uses[e.Sel]; o != nil {
			return p.of[origin(o)]
		}
	case *ast.IndexExpr:
		return p.containerClass(e.X)
	case *ast.CallExpr:
		if f := flow.StaticCallee(p.Info, e); f != nil {
			for v := range f.Origin().Signature().Results().Variables() {
				if c := p.of[v]; c != nil && k.is(v.Type()) {
					return c
				}
			}
		}
		if k == options {
			if s, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr); ok {
				return p.classOf(k, s.X)
			}
		}
	}
	return nil
}

// containerClass is the class of what a variable that holds several values has.
func (p *pkg) containerClass(e ast.Expr) *class {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return p.of[origin(p.Info.ObjectOf(e))]
	case *ast.SelectorExpr:
		return p.of[origin(p.Info.Uses[e.Sel])]
	}
	return nil
}

// origin is the declared variable of an instance.
func origin(o types.Object) types.Object {
	if v, ok := o.(*types.Var); ok {
		return v.Origin()
	}
	return o
}

// stays records why c is not rewritten.
func (p *pkg) stays(c *class, pos token.Pos, rule, anchor, text string) {
	r := unit.Reason{Pos: p.Pos(pos), Rule: rule, Anchor: anchor, Text: text}
	if !slices.Contains(c.why, r) {
		c.why = append(c.why, r)
	}
}

// functions finds the functions in a class of handlers.
func (p *pkg) functions(c *class) {
	for _, e := range c.flow.Exprs {
		f := &function{classes: []*class{c}}
		switch x := ast.Unparen(e).(type) {
		case *ast.FuncLit:
			f.lit, f.typ, f.body = x, x.Type, x.Body
		case *ast.Ident, *ast.SelectorExpr:
			id, ok := x.(*ast.Ident)
			if !ok {
				id = x.(*ast.SelectorExpr).Sel
			}
			fn, ok := p.Info.Uses[id].(*types.Func)
			if !ok {
				continue
			}
			d := p.Decls[fn.Origin()]
			if d == nil || d.Body == nil {
				if p.Linked != nil && fn.Pkg() != p.Types && p.Linked(fn.Pkg()) {
					p.stays(c, e.Pos(), "class", "exported-api", fn.FullName()+" is a handler in another package than its own")
				}
				continue // else a border tells
			}
			if known := p.funcs[d]; known != nil {
				known.classes = append(known.classes, c)
				c.funcs = append(c.funcs, known)
				continue
			}
			f.decl, f.typ, f.body = d, d.Type, d.Body
			if fn.Exported() && p.Types.Name() != "main" && (d.Recv == nil || exportedReceiver(d)) && !(p.Closed() && p.usedHereOnly(fn)) {
				why := p.exported("other packages can call " + fn.Name())
				p.stays(c, e.Pos(), "class", why.Anchor, why.Text)
			}
		default:
			continue
		}
		sig, _ := p.Info.TypeOf(e).(*types.Signature)
		if f.lit == nil {
			sig = p.Info.Defs[f.decl.Name].(*types.Func).Signature()
		} else if sig == nil {
			sig, _ = p.Info.TypeOf(f.lit).Underlying().(*types.Signature)
		}
		for v := range sig.Params().Variables() {
			f.params = append(f.params, v)
			p.byParam[v] = f
		}
		c.funcs = append(c.funcs, f)
		if f.lit != nil {
			p.funcs[f.lit] = f
		} else {
			p.funcs[f.decl] = f
		}
	}
}

// usedHereOnly reports whether no other package of those that are rewritten together names fn.
func (p *pkg) usedHereOnly(fn *types.Func) bool {
	for _, in := range p.Survey.Inputs {
		for _, o := range in.Info.Uses {
			if f, ok := o.(*types.Func); ok && in.Types != p.Types && f.Name() == fn.Name() && f.FullName() == fn.FullName() {
				return false
			}
		}
	}
	return true
}

// exportedReceiver reports whether other packages can name the type of a method.
func exportedReceiver(d *ast.FuncDecl) bool {
	found := false
	ast.Inspect(d.Recv, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && ast.IsExported(id.Name) {
			found = true
		}
		return true
	})
	return found
}

// param is parameter i of f, nil when it has no name.
func (f *function) param(i int) *types.Var {
	if i < len(f.params) {
		if v := f.params[i]; v.Name() != "" && v.Name() != "_" {
			return v
		}
	}
	return nil
}

// callAround is the call that e is an argument of.
func (p *pkg) callAround(e ast.Expr) *ast.CallExpr {
	cur, ok := p.Ins.Root().FindNode(e)
	if !ok {
		return nil
	}
	par, self := rewrite.ParentSkippingParens(cur)
	c, ok := par.Node().(*ast.CallExpr)
	if !ok || c.Fun == self {
		return nil
	}
	return c
}

// cursor is that of n.
func (p *pkg) cursor(n ast.Node) inspector.Cursor {
	cur, _ := p.Ins.Root().FindNode(n)
	return cur
}

// handlerKind is the kind of function that e is.
func (p *pkg) handlerKind(e ast.Expr) (kind, bool) {
	t := p.Info.TypeOf(e)
	for _, k := range []kind{handler, connected, lost} {
		if k.is(t) {
			return k, true
		}
	}
	return 0, false
}
