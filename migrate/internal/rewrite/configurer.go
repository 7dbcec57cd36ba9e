package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// configurer is a function that configures a client which it reaches through a field of its receiver or of a
// parameter, or through a package variable, and does nothing else with it. Called only where the client is made, it
// gets the options as its first parameter.
type configurer struct {
	fn    *types.Func
	decl  *ast.FuncDecl
	root  Root // of the client in it
	arg   int  // of root's base among the parameters; see the constants
	uses  []*flow.Use
	calls []*configurerCall
	opts  string // the name of the parameter, once it is certain
}

// What arg is for a client that is not reached through a parameter.
const (
	byReceiver = -1
	byVariable = -2
)

// configurerCall is one call of a configurer, as the configuring use that it is.
type configurerCall struct {
	*flow.Use
	root Root // of the client where the call stands
}

// findConfigurers finds the functions that could be configurers.
func (k *Class) findConfigurers() {
	byDecl := map[*ast.FuncDecl]*configurer{}
	for _, u := range k.Flow.Uses {
		d, ok := Innermost(u.Cur).(*ast.FuncDecl)
		if _, helper := k.Helpers[u.Node]; !ok || helper || !k.configuring(u) {
			continue
		}
		rt, ok := k.rootOf(u)
		if !ok {
			continue
		}
		c := byDecl[d]
		if c == nil {
			fn, _ := k.Pkg.Info.Defs[d.Name].(*types.Func)
			c = &configurer{fn: fn, decl: d, root: rt}
			byDecl[d] = c
			k.configurers = append(k.configurers, c)
		}
		c.uses = append(c.uses, u)
		if rt != c.root {
			c.fn = nil // configures two clients
		}
	}
	k.keepConfigurers(k.carries)
	for k.keepConfigurers(k.onlyThat) {
	}
	k.keepConfigurers(k.called)
}

// keepConfigurers drops those that are not as ok says, and reports whether there was one.
func (k *Class) keepConfigurers(ok func(*configurer) bool) (dropped bool) {
	var kept []*configurer // ok looks at all of them
	for _, c := range k.configurers {
		if ok(c) {
			kept = append(kept, c)
		} else {
			dropped = true
		}
	}
	k.configurers = kept
	return dropped
}

// carries finds out how the client comes into c; false: in no way that a call shows.
func (k *Class) carries(c *configurer) bool {
	if c.fn == nil || c.decl.Body == nil || c.fn.Exported() && k.Pkg.Types.Name() != "main" || k.interfaceMethod(c.fn) {
		return false
	}
	for _, f := range c.decl.Type.Params.List {
		if len(f.Names) == 0 {
			return false
		}
	}
	v, ok := c.root.base.(*types.Var)
	if !ok || c.root.container() != "" || c.fn.Signature().TypeParams() != nil || c.fn.Signature().RecvTypeParams() != nil {
		return false
	}
	if v.Parent() == k.Pkg.Types.Scope() {
		c.arg = byVariable
		return true
	}
	if !k.Pkg.Constant(v) || v.Name() == c.root.path {
		return false
	}
	if v == c.fn.Signature().Recv() {
		c.arg = byReceiver
		return true
	}
	for i := range c.fn.Signature().Params().Len() {
		if c.fn.Signature().Params().At(i) == v && !c.fn.Signature().Variadic() {
			c.arg = i
			return true
		}
	}
	return false
}

// interfaceMethod reports whether an interface of the package asks for a method of that name.
func (k *Class) interfaceMethod(f *types.Func) bool {
	if f.Signature().Recv() == nil {
		return f.Name() == "init" || f.Name() == "main"
	}
	for _, o := range k.Pkg.Info.Defs {
		t, ok := o.(*types.TypeName)
		if !ok {
			continue
		}
		if i, ok := t.Type().Underlying().(*types.Interface); ok {
			for m := range i.Methods() {
				if m.Name() == f.Name() {
					return true
				}
			}
		}
	}
	return false
}

// onlyThat reports whether c does nothing else with the client, and calls nothing that does.
func (k *Class) onlyThat(c *configurer) bool {
	for _, b := range k.Flow.Ctors {
		if Outermost(b.Cur) == ast.Node(c.decl) {
			return false
		}
	}
	for _, b := range k.Flow.Borders {
		if b.Expr != nil && c.decl.Pos() <= b.Pos && b.Pos < c.decl.End() {
			return false
		}
	}
	for _, u := range k.uses {
		if Outermost(u.Cur) == ast.Node(c.decl) && !slices.Contains(c.uses, u) && !k.lateLiteral(u.Cur, c.decl, c.decl.End()) {
			return false
		}
	}
	shared := k.shared()
	ok := true
	ast.Inspect(c.decl.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			f := flow.StaticCallee(k.Pkg.Info, n)
			if f == nil || f.Pkg() != k.Pkg.Types || k.Pkg.reads[n] != nil || slices.ContainsFunc(k.configurers, func(o *configurer) bool { return o.fn == f.Origin() }) {
				return true
			}
			ok = ok && !k.Pkg.reaches(f.Origin(), shared)
		}
		return ok
	})
	return ok
}

// called gathers the calls of c; false: it is used in another way than a call, or nowhere.
func (k *Class) called(c *configurer) bool {
	for _, cur := range k.Pkg.Uses[c.fn] {
		if p, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && p.Sel == cur.Node() {
			cur = cur.Parent()
		}
		par := cur.Parent()
		call, ok := par.Node().(*ast.CallExpr)
		if !ok || call.Fun != cur.Node() || call.Ellipsis.IsValid() {
			return false
		}
		switch par.Parent().Node().(type) {
		case *ast.GoStmt, *ast.DeferStmt:
			return false
		}
		rt, ok := k.rootOfCall(c, par, call)
		if !ok {
			return false
		}
		c.calls = append(c.calls, &configurerCall{&flow.Use{Kind: flow.Pass, Expr: call, Cur: par, Call: call}, rt})
	}
	return len(c.calls) > 0
}

// rootOfCall is the client that a call of c configures.
func (k *Class) rootOfCall(c *configurer, cur inspector.Cursor, call *ast.CallExpr) (Root, bool) {
	var e ast.Expr
	switch c.arg {
	case byVariable:
		return Root{fn: Outermost(cur), base: c.root.base, path: c.root.path}, true
	case byReceiver:
		s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if !ok {
			return Root{}, false
		}
		e = s.X
	default:
		if len(call.Args) <= c.arg {
			return Root{}, false
		}
		e = call.Args[c.arg]
	}
	if a, ok := ast.Unparen(e).(*ast.UnaryExpr); ok && a.Op == token.AND {
		e = a.X
	}
	rt, ok := k.Pkg.RootOf(cur, e)
	rt.path += c.root.path[len(c.root.base.Name()):]
	return rt, ok
}

// inside is the configurer that u is a part of, or nil.
func (k *Class) inside(u *flow.Use) *configurer {
	for _, c := range k.configurers {
		if slices.Contains(c.uses, u) {
			return c
		}
	}
	return nil
}

// around is the configurer in which a call of another one is about the same client, or nil.
func (k *Class) around(u *configurerCall) *configurer {
	for _, c := range k.configurers {
		if Innermost(u.Cur) == ast.Node(c.decl) && u.root == c.root {
			return c
		}
	}
	return nil
}

// dropConfigurers drops those with a call that is neither in a region nor in another configurer, and reports whether
// there was one.
func (k *Class) dropConfigurers() bool {
	return k.keepConfigurers(func(c *configurer) bool {
		return !slices.ContainsFunc(c.calls, func(u *configurerCall) bool { return k.Owned[u.Use] == nil && k.around(u) == nil })
	})
}

// planConfigurers gives the configurers their parameter, and their calls the options. An options name is needed before
// the uses in them are rewritten.
func (k *Class) planConfigurers() {
	for _, c := range k.configurers {
		c.opts = k.Fresh(c.decl, c.decl.Body.Pos(), "opts")
		at, o := c.decl.Type.Params, k.Family.Options
		k.Insert(at.Opening+1, c.opts+" *"+k.Q(at.Pos(), o.Package)+"."+o.Type+comma(len(at.List)))
		k.Unit.Changed = append(k.Unit.Changed, c.fn.Name())
	}
	for _, c := range k.configurers {
		for _, u := range c.calls {
			arg := ""
			if r := k.Owned[u.Use]; r != nil {
				arg = "&" + r.Opts
			} else {
				arg = k.around(u).opts
			}
			k.Insert(u.Call.Lparen+1, arg+comma(len(u.Call.Args)))
		}
	}
}

// comma separates a new first element from n others.
func comma(n int) string {
	if n == 0 {
		return ""
	}
	return ", "
}

// OptionsAt is the name of the options, or of a pointer to them, that a configuring use sets; false when its client is
// made already.
func (k *Class) OptionsAt(u *flow.Use) (name string, ok bool) {
	if r := k.Owned[u]; r != nil {
		return r.Opts, true
	}
	if c := k.inside(u); c != nil {
		return c.opts, true
	}
	name, ok = k.Helpers[u.Node]
	return name, ok
}

// Callee is the function that a configuring use calls, with the configuring uses of the same client in it; nil for a use
// that is no such call.
func (k *Class) Callee(u *flow.Use) (*ast.FuncDecl, []*flow.Use) {
	if u.To != nil {
		var uses []*flow.Use
		for _, v := range k.Flow.Uses {
			if v.Node == u.To {
				uses = append(uses, v)
			}
		}
		return k.Pkg.DeclOf(u.To), uses
	}
	for _, c := range k.configurers {
		if !slices.ContainsFunc(c.calls, func(call *configurerCall) bool { return call.Use == u }) {
			continue
		}
		uses := slices.Clone(c.uses)
		for _, inner := range k.configurers {
			for _, call := range inner.calls {
				if k.around(call) == c {
					uses = append(uses, call.Use)
				}
			}
		}
		return c.decl, uses
	}
	return nil, nil
}

// shared are the members of the class that more than one function can see.
func (k *Class) shared() map[types.Object]bool {
	out := map[types.Object]bool{}
	for _, m := range k.Flow.Members {
		if v, isVar := m.(*types.Var); isVar && (v.IsField() || v.Parent() == k.Pkg.Types.Scope()) {
			out[v] = true
		}
	}
	return out
}
