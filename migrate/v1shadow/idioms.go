package v1shadow

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// typed is handlers that become clients of package iotshadow under Idioms, a branch of their class: their uses become typed
// requests, which name the thing.
type typed struct {
	branch *rewrite.Branch
	thing  string // as it is written wherever a handler is used
	field  string // of the struct that has the handler in another one, in place of thing: its name
	asks   string // the request that they make with a callback, "": none
	deltas int    // how often a callback for deltas is registered
}

// because is why handlers keep v1's callbacks, and what would change that.
type because struct{ why, do string }

// operations are v1's requests: what v2 calls them, where the callback stands among the arguments, and their topic.
var operations = map[string]struct {
	name     string
	callback int
	topic    string
}{
	"ShadowGet":    {"GetShadow", 0, "get"},
	"ShadowUpdate": {"UpdateShadow", 1, "update"},
	"ShadowDelete": {"DeleteShadow", 0, "delete"},
}

const registerDelta = "ShadowRegisterDeltaCallback"

// handlerOf is the typed handlers of a use, of a call that makes them or of a mention of their type; without them, why they
// stay HandlerV1.
func handlerOf(k *rewrite.Class, e ast.Expr) (*typed, because) {
	b := k.Branch(e)
	if !k.Pkg.Idioms || b == nil {
		return nil, because{}
	}
	type answer struct {
		h   *typed
		why because
	}
	known, _ := k.Pkg.Memo["typed handlers"].(map[*rewrite.Branch]answer)
	if known == nil {
		known = map[*rewrite.Branch]answer{}
		k.Pkg.Memo["typed handlers"] = known
	}
	a, ok := known[b]
	if !ok {
		a.h, a.why = handlers(k, b)
		known[b] = a
	}
	return a.h, a.why
}

// instead is what handlers become that are typed.
func instead(k *rewrite.Class, e ast.Expr) *rewrite.Name {
	if h, _ := handlerOf(k, e); h != nil {
		return &rewrite.Name{Package: paths.IOTShadow, Name: "Client"}
	}
	return nil
}

// handlers is what the handlers of a branch become under Idioms; nil: they stay HandlerV1, and why says so.
func handlers(k *rewrite.Class, b *rewrite.Branch) (*typed, because) {
	h := &typed{branch: b}
	switch {
	case len(b.Borders) > 0:
		return nil, because{"it goes to or comes from code that is not followed: " + rewrite.BorderWhy(b.Borders[0]).Text, "hand that code the thing, or what it asks for"}
	case len(b.Shared) > 0:
		return nil, because{"other packages have it too", "make one for each package"}
	}
	for _, c := range b.Ctors {
		if f := flow.StaticCallee(k.Pkg.Info, c.Call); f.Pkg() == nil || f.Pkg().Path() != paths.ShadowCompat || len(c.Call.Args) != 2 {
			return nil, because{"it is not made by a call with two arguments", "name the thing and the flag where it is made"}
		}
		if !k.Pkg.Pure(c.Call.Args[1]) {
			return nil, because{"whether it is persistent is the result of a call", "put that into a variable"}
		}
	}
	if why := h.named(k); why.why != "" {
		return nil, why
	}
	kinds := map[string]bool{} // of requests; those without a callback are one
	for _, u := range b.Uses {
		switch u.Kind {
		case flow.Compare, flow.Move, flow.Pass:
			continue
		}
		if why := h.refuses(k, u); why.why != "" {
			return nil, why
		}
		switch op, request := operations[u.Sel.Sel.Name]; {
		case !request:
			h.deltas++
		case k.Pkg.Info.Types[u.Call.Args[op.callback]].IsNil():
			kinds[""] = true
		default:
			kinds[op.name], h.asks = true, op.name
		}
	}
	switch {
	case h.deltas > 1:
		return nil, because{"it has more than one callback for deltas", "call both from one function"}
	case len(kinds) > 1:
		return nil, because{"it makes requests of several kinds, or with and without a callback, which could overtake each other", "make a handler for each kind"}
	}
	return h, because{}
}

// named finds what the thing of the handlers is called wherever one is used.
func (h *typed) named(k *rewrite.Class) because {
	first := h.branch.Ctors[0].Call.Args[0]
	v := k.Value(first)
	for _, c := range h.branch.Ctors[1:] {
		if w := k.Value(c.Call.Args[0]); v == nil || w == nil || !constant.Compare(v, token.EQL, w) {
			return because{"handlers of several things come together", "keep those of each thing in variables or fields of their own"}
		}
	}
	moves := because{"the name of the thing is neither a constant nor a variable that keeps its value wherever it is used", "give the name to a constant, to a variable of the package that is set where it is declared, or to an unexported field beside the handler that only literals set"}
	id, isIdent := ast.Unparen(first).(*ast.Ident)
	switch {
	case isIdent && h.visible(k, id) && (v != nil || h.keeps(k, id)):
		h.thing = id.Name
	case v != nil:
		if h.thing = strconv.Quote(constant.StringVal(v)); isLiteral(first) {
			h.thing = ast.Unparen(first).(*ast.BasicLit).Value
		}
	default:
		if h.field = h.beside(k); h.field == "" {
			return moves
		}
	}
	return because{}
}

// thingAt is the thing as it is written at a use.
func (h *typed) thingAt(u *flow.Use) string {
	if h.field != "" {
		return types.ExprString(ast.Unparen(u.Expr).(*ast.SelectorExpr).X) + "." + h.field
	}
	return h.thing
}

func isLiteral(e ast.Expr) bool {
	_, ok := ast.Unparen(e).(*ast.BasicLit)
	return ok
}

// visible reports whether the name id means the same wherever a handler is used.
func (h *typed) visible(k *rewrite.Class, id *ast.Ident) bool {
	o := k.Pkg.Info.Uses[id]
	for _, u := range h.branch.Uses {
		at := u.Expr.Pos()
		if _, found := k.Pkg.Types.Scope().Innermost(at).LookupParent(id.Name, at); found != o {
			return false
		}
	}
	return true
}

// keeps reports whether the variable id has the name of each handler's thing for good: it is one of the package that only
// its declaration sets, or the handler is in one local variable beside it.
func (h *typed) keeps(k *rewrite.Class, id *ast.Ident) bool {
	v, ok := k.Pkg.Info.Uses[id].(*types.Var)
	if !ok || !k.Pkg.Constant(v) {
		return false
	}
	if v.Parent() == k.Pkg.Types.Scope() {
		return k.Pkg.Defs[v] != nil && (!v.Exported() || k.Pkg.Types.Name() == "main")
	}
	var in []*types.Var
	for _, m := range h.branch.Members {
		if x, ok := m.(*types.Var); ok && x.Name() != "" {
			in = append(in, x)
		}
	}
	if len(in) != 1 || len(h.branch.Members) != len(h.branch.Exprs)+1 || in[0].IsField() || in[0].Parent() == k.Pkg.Types.Scope() || !k.Pkg.Constant(in[0]) {
		return false
	}
	return k.Pkg.Defs[in[0]] != nil && ast.Unparen(k.Pkg.Defs[in[0]]) == ast.Expr(h.branch.Ctors[0].Call)
}

// refuses is why a use keeps the handlers in v1's shape.
func (h *typed) refuses(k *rewrite.Class, u *flow.Use) because {
	if u.Kind != flow.Call || len(u.Through) > 0 {
		return because{"it is used for more than calls of its methods", "call its methods"}
	}
	name, c := u.Sel.Sel.Name, u.Call
	op, request := operations[name]
	switch {
	case c.Ellipsis.IsValid():
		return because{"arguments of it come as a slice", "write them out"}
	case request:
		if len(c.Args) != op.callback+2 {
			return because{"all arguments of a request come from one call", "put them into variables"}
		}
		if !k.Pkg.Info.Types[c.Args[op.callback]].IsNil() {
			if v := k.Value(c.Args[op.callback+1]); v == nil || constant.Sign(v) <= 0 {
				return because{"the time that a request waits for its answer is not a positive constant", "give it one"}
			}
		} else if !k.Pkg.Pure(c.Args[op.callback+1]) {
			return because{"the time that a request waits for its answer is the result of a call", "give it a constant"}
		}
		if !place(k, u, 2) {
			return because{"the results of a request are used for more than its error", "assign the error alone, the token to _"}
		}
		return callbackStays(k, c.Args[op.callback])
	case name == registerDelta:
		if len(c.Args) != 1 || k.Pkg.Info.Types[c.Args[0]].IsNil() {
			return because{"a callback for deltas is nil", "take the call out"}
		}
		if !place(k, u, 1) {
			return because{"the result of " + name + " is returned or passed on at once", "put it into a variable first"}
		}
		if !h.once(k, u) {
			return because{"the callback for deltas may be registered more than once", "register it right behind the call that makes the handler, by the same variable or field"}
		}
		return callbackStays(k, c.Args[0])
	}
	return because{name + " has no typed form", "close the subscription that SubscribeToShadowDeltaUpdatedEvents returns, by hand"}
}

// once reports whether u happens at most once for a handler: in the function that makes it, in no loop that does not, and
// by what it is assigned to.
func (h *typed) once(k *rewrite.Class, u *flow.Use) bool {
	if len(h.branch.Ctors) != 1 {
		return false
	}
	made, call := h.branch.Ctors[0], k.CallCur(u)
	if rewrite.Innermost(call) != rewrite.Innermost(made.Cur) {
		return false
	}
	for c := range call.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
		if c.Node().Pos() > made.Call.Pos() {
			return false
		}
	}
	par, _ := rewrite.ParentSkippingParens(made.Cur)
	self := func(e ast.Expr) bool { return ast.Unparen(e) == ast.Expr(made.Call) }
	switch s := par.Node().(type) {
	case *ast.SelectorExpr:
		return s == u.Sel // made and used at once
	case *ast.AssignStmt:
		i := slices.IndexFunc(s.Rhs, self)
		return i >= 0 && len(s.Lhs) == len(s.Rhs) && types.ExprString(ast.Unparen(u.Expr)) == types.ExprString(s.Lhs[i])
	case *ast.ValueSpec:
		i := slices.IndexFunc(s.Values, self)
		return i >= 0 && len(s.Names) == len(s.Values) && types.ExprString(ast.Unparen(u.Expr)) == s.Names[i].Name
	}
	return false
}

// place reports whether the results of u are unused, or are assigned with the first of two left out.
func place(k *rewrite.Class, u *flow.Use, results int) bool {
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		return true
	case *ast.AssignStmt:
		if len(s.Rhs) != 1 || len(s.Lhs) != results {
			return false
		}
		return results == 1 || blank(s.Lhs[0])
	}
	return false
}

func blank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

// callbackStays is why a callback cannot run as one of the client's. There, one that waits would hold up the
// answer that it waits for.
func callbackStays(k *rewrite.Class, e ast.Expr) because {
	e = ast.Unparen(e)
	if k.Pkg.Info.Types[e].IsNil() {
		return because{}
	}
	var body *ast.BlockStmt
	switch x := e.(type) {
	case *ast.FuncLit:
		body = x.Body
	case *ast.Ident:
		body = bodyOf(k, x)
	case *ast.SelectorExpr:
		if id, ok := ast.Unparen(x.X).(*ast.Ident); ok {
			if v, ok := k.Pkg.Info.Uses[id].(*types.Var); ok && v.Parent() != k.Pkg.Types.Scope() && k.Pkg.Constant(v) && isPointer(v) {
				body = bodyOf(k, x.Sel)
			}
		}
	}
	if body == nil {
		return because{"a callback is neither a literal nor a function of the package", "write a function literal that calls it"}
	}
	if waits(k, body) {
		return because{"a callback waits", "let it start a goroutine that waits"}
	}
	return because{}
}

func isPointer(v *types.Var) bool {
	_, ok := types.Unalias(v.Type()).Underlying().(*types.Pointer)
	return ok
}

// bodyOf is the body of the function that id names, or of the literal that its variable keeps; nil when there is none.
func bodyOf(k *rewrite.Class, id *ast.Ident) *ast.BlockStmt {
	switch o := k.Pkg.Info.Uses[id].(type) {
	case *types.Func:
		if d := k.Pkg.Decls[o]; d != nil {
			return d.Body
		}
	case *types.Var:
		if lit, ok := k.Pkg.Defs[o].(*ast.FuncLit); ok && k.Pkg.Constant(o) && o.Parent() != k.Pkg.Types.Scope() {
			return lit.Body
		}
	}
	return nil
}

// waits reports whether a body can be seen to wait for another goroutine, or for time to pass.
func waits(k *rewrite.Class, body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			return false
		case *ast.UnaryExpr:
			found = found || n.Op == token.ARROW
		case *ast.SelectStmt:
			found = true
		case *ast.RangeStmt:
			_, ch := k.Pkg.Info.TypeOf(n.X).Underlying().(*types.Chan)
			found = found || ch
		case *ast.CallExpr:
			if f := flow.StaticCallee(k.Pkg.Info, n); f != nil {
				found = found || f.Name() == "Wait" || f.FullName() == "time.Sleep"
			}
		}
		return !found
	})
	return found
}
