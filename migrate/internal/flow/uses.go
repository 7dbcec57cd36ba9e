package flow

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// use records what the parent of up does with e, whose member is n.
func (a *analysis) use(up inspector.Cursor, e ast.Expr, n types.Object) {
	self, _ := up.Node().(ast.Expr)
	par := up.Parent()
	move := func(to types.Object) {
		a.union(n, to)
		a.uses = append(a.uses, &Use{Kind: Move, Node: n, Expr: e, Cur: up})
	}
	switch p := par.Node().(type) {
	case *ast.AssignStmt:
		a.assign(p.Lhs, p.Rhs, up, self, e, n)
	case *ast.ValueSpec:
		lhs := make([]ast.Expr, len(p.Names))
		for i, id := range p.Names {
			lhs[i] = id
		}
		a.assign(lhs, p.Values, up, self, e, n)
	case *ast.KeyValueExpr:
		a.keyed(par, p, self, n, move)
	case *ast.CompositeLit:
		a.unkeyed(p, self, n, move)
	case *ast.ReturnStmt:
		a.returned(par, p, self, n, move)
	case *ast.SelectorExpr:
		if a.t.Is(a.info.TypeOf(e)) {
			a.selected(par, p, n, e, up)
		}
	case *ast.CallExpr:
		a.argument(p, self, n, e, up)
	case *ast.BinaryExpr:
		other := p.Y
		if p.Y == self {
			other = p.X
		}
		if a.t.Is(a.info.TypeOf(other)) {
			a.union(n, a.nodeOf(other))
		} else if tv := a.info.Types[other]; !tv.IsNil() {
			a.leaves(n, Converted, e, a.typeText(a.info.TypeOf(other)), nil)
		}
		a.uses = append(a.uses, &Use{Kind: Compare, Node: n, Expr: e, Cur: up})
	case *ast.IndexExpr:
		if p.X != self {
			a.leaves(n, MapKey, e, "", nil)
		}
	case *ast.RangeStmt:
		a.ranged(p, self, n)
	case *ast.SendStmt:
		if p.Value == self {
			if a.holds(a.info.TypeOf(p.Chan)) {
				move(a.nodeOf(p.Chan))
			} else {
				a.leaves(n, Converted, e, "a channel of another type", nil)
			}
		}
	case *ast.UnaryExpr:
		if p.Op == token.AND {
			a.border(n, Address, e.Pos(), "&")
		}
	case *ast.StarExpr:
		a.border(n, Address, e.Pos(), "*")
	case *ast.TypeAssertExpr:
		a.leaves(n, Converted, e, "a type assertion", nil)
	case *ast.ExprStmt, *ast.SliceExpr, *ast.Field:
	default:
		a.border(n, Unfollowed, e.Pos(), fmt.Sprintf("%T", p))
	}
}

func (a *analysis) assign(lhs, rhs []ast.Expr, up inspector.Cursor, self, e ast.Expr, n types.Object) {
	moved := &Use{Kind: Move, Node: n, Expr: e, Cur: up}
	if len(lhs) != len(rhs) {
		for i, l := range lhs {
			if l == self && len(rhs) == 1 {
				a.union(n, a.resultNode(rhs[0], i))
			}
		}
		return
	}
	for i := range lhs {
		switch self {
		case rhs[i]:
			if id, ok := lhs[i].(*ast.Ident); ok && id.Name == "_" {
				a.uses = append(a.uses, moved)
				continue
			}
			if lt := a.typeOf(lhs[i]); lt == nil || !a.holds(lt) {
				detail := "another type"
				if lt != nil {
					detail = a.typeText(lt)
				}
				a.leaves(n, Converted, e, detail, nil)
				continue
			}
			a.union(n, a.nodeOf(lhs[i]))
			a.uses = append(a.uses, moved)
		case lhs[i]:
			if rt := a.info.TypeOf(rhs[i]); rt != nil && a.holds(rt) {
				a.union(n, a.nodeOf(rhs[i]))
			}
		}
	}
}

func (a *analysis) keyed(par inspector.Cursor, p *ast.KeyValueExpr, self ast.Expr, n types.Object, move func(types.Object)) {
	lit, ok := par.Parent().Node().(*ast.CompositeLit)
	if !ok || p.Key == self {
		a.leaves(n, MapKey, self, "", nil)
		return
	}
	if id, ok := p.Key.(*ast.Ident); ok {
		if f, ok := a.info.Uses[id].(*types.Var); ok && f.IsField() {
			if a.holds(f.Type()) && a.own(f.Pkg()) {
				move(f.Origin())
			} else {
				a.leaves(n, Converted, self, "field "+f.Name(), nil)
			}
			return
		}
	}
	if a.holds(a.info.TypeOf(lit)) {
		move(a.nodeOf(lit))
		return
	}
	a.leaves(n, Converted, self, a.typeText(a.info.TypeOf(lit)), nil)
}

func (a *analysis) unkeyed(p *ast.CompositeLit, self ast.Expr, n types.Object, move func(types.Object)) {
	t := a.info.TypeOf(p)
	if s, ok := t.Underlying().(*types.Struct); ok {
		for i, el := range p.Elts {
			if el == self && i < s.NumFields() && a.holds(s.Field(i).Type()) && a.own(s.Field(i).Pkg()) {
				move(s.Field(i).Origin())
				return
			}
		}
	} else if a.holds(t) {
		move(a.nodeOf(p))
		return
	}
	a.leaves(n, Converted, self, a.typeText(t), nil)
}

func (a *analysis) returned(par inspector.Cursor, p *ast.ReturnStmt, self ast.Expr, n types.Object, move func(types.Object)) {
	sig := a.signatureAround(par)
	if sig != nil && len(p.Results) == sig.Results().Len() {
		for i, r := range p.Results {
			if r == self {
				if v := sig.Results().At(i); a.holds(v.Type()) && a.keeps(v, self) && a.find(v) != a.find(n) {
					a.leaves(n, Exported, self, a.declaredBy[v].Name(), nil)
				} else if a.holds(v.Type()) {
					move(v)
				} else {
					a.leaves(n, Converted, self, a.typeText(v.Type()), nil)
				}
				return
			}
		}
	}
	a.border(n, Unfollowed, self.Pos(), "a return")
}

// signatureAround is the type of the innermost function around cur.
func (a *analysis) signatureAround(cur inspector.Cursor) *types.Signature {
	for fc := range cur.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		switch f := fc.Node().(type) {
		case *ast.FuncDecl:
			if fn, ok := a.info.Defs[f.Name].(*types.Func); ok {
				return fn.Signature()
			}
		case *ast.FuncLit:
			sig, _ := a.info.TypeOf(f).(*types.Signature)
			return sig
		}
		break
	}
	return nil
}

func (a *analysis) selected(par inspector.Cursor, p *ast.SelectorExpr, n types.Object, e ast.Expr, up inspector.Cursor) {
	outer, node := par.Parent(), ast.Expr(p)
	for {
		pe, ok := outer.Node().(*ast.ParenExpr)
		if !ok {
			break
		}
		node, outer = pe, outer.Parent()
	}
	u := &Use{Node: n, Expr: e, Cur: up, Sel: p}
	switch q := outer.Node().(type) {
	case *ast.CallExpr:
		if _, isFunc := a.info.Uses[p.Sel].(*types.Func); q.Fun == node && isFunc {
			u.Kind, u.Call = Call, q
			a.uses = append(a.uses, u)
			return
		}
	case *ast.AssignStmt:
		if len(q.Lhs) == 1 && q.Lhs[0] == node && q.Tok == token.ASSIGN {
			u.Kind = FieldSet
			a.uses = append(a.uses, u)
			return
		}
	}
	if _, ok := a.info.Uses[p.Sel].(*types.Func); ok {
		a.leaves(n, MethodValue, e, p.Sel.Name, nil)
		a.borders[len(a.borders)-1].Pos = p.Sel.Pos()
		return
	}
	u.Kind = FieldGet
	a.uses = append(a.uses, u)
}

func (a *analysis) argument(p *ast.CallExpr, self ast.Expr, n types.Object, e ast.Expr, up inspector.Cursor) {
	if p.Fun == self || a.info.Types[ast.Unparen(p.Fun)].IsType() {
		if p.Fun != self && !a.holds(a.info.TypeOf(p)) {
			a.leaves(n, Converted, e, types.ExprString(p.Fun), nil)
		}
		return
	}
	idx := -1
	for i, arg := range p.Args {
		if arg == self {
			idx = i
		}
	}
	if id, ok := ast.Unparen(p.Fun).(*ast.Ident); ok && a.info.Types[id].IsBuiltin() {
		switch id.Name {
		case "append":
			a.union(a.callNode(p), n)
		case "copy":
			a.union(a.nodeOf(p.Args[0]), a.nodeOf(p.Args[1]))
		case "len", "cap", "delete", "close", "clear":
		default:
			a.leaves(n, Foreign, e, id.Name, nil)
		}
		return
	}
	if arg, ok := a.t.links(StaticCallee(a.info, p)); ok && arg == idx {
		a.union(a.linked(p, arg), n)
		a.uses = append(a.uses, &Use{Kind: Link, Node: n, Expr: e, Cur: up, Call: p})
		return
	}
	to, b := a.parameter(p, idx)
	if to == nil {
		a.leaves(n, b.Kind, e, b.Detail, b.Func)
		return
	}
	if a.keeps(to, e) && a.find(to) != a.find(n) {
		a.leaves(n, Exported, e, a.declaredBy[to].Name(), nil)
		return
	}
	a.union(to, n)
	u := &Use{Kind: Pass, Node: n, Expr: e, Cur: up, Call: p, To: to}
	if v, ok := to.(*types.Var); !ok || a.synth[p] == to || !a.t.Is(v.Type()) {
		u.Kind, u.To, u.Call = Move, nil, nil
	}
	a.uses = append(a.uses, u)
}

// parameter is the member that argument i of a call goes to. It is nil, with a border, when that is not followed.
func (a *analysis) parameter(p *ast.CallExpr, i int) (types.Object, Border) {
	var sig *types.Signature
	f := StaticCallee(a.info, p)
	lit, isLit := ast.Unparen(p.Fun).(*ast.FuncLit)
	switch {
	case isLit:
		sig, _ = a.info.TypeOf(lit).(*types.Signature)
	case f == nil && a.holds(a.info.TypeOf(p.Fun)):
		sig, _ = a.info.TypeOf(p.Fun).Underlying().(*types.Signature)
		if at := parameterAt(sig, i); at != nil && a.holds(at.Type()) {
			return a.nodeOf(p.Fun), Border{}
		}
		return nil, Border{Kind: Converted, Detail: "a parameter of another type"}
	case f == nil:
		return nil, Border{Kind: FuncValue, Detail: "a call of a function value"}
	case a.ofInstance(p) != nil:
		return a.ofInstance(p), Border{}
	case generic(f):
		at := parameterAt(f.Signature(), i)
		if tv, ok := a.info.Types[ast.Unparen(p.Fun)]; ok {
			if inst, ok := tv.Type.(*types.Signature); ok {
				at = parameterAt(inst, i)
			}
		}
		if at == nil || !a.holds(at.Type()) || !a.blind(f.Origin()) {
			return nil, Border{Kind: Converted, Detail: f.FullName(), Func: f}
		}
		return a.generic(p, f), Border{}
	case !a.own(f.Pkg()):
		kind := Foreign
		if Interface(f) {
			kind = Converted
		}
		return nil, Border{Kind: kind, Detail: f.FullName(), Func: f}
	default:
		sig = f.Origin().Signature()
	}
	at := parameterAt(sig, i)
	if at == nil || !a.holds(at.Type()) {
		return nil, Border{Kind: Converted, Detail: a.parameterText(at)}
	}
	return at, Border{}
}

// parameterText is the type of a parameter as this package writes it.
func (a *analysis) parameterText(v *types.Var) string {
	if v == nil {
		return "a parameter of another type"
	}
	return a.typeText(v.Type())
}

// typeText is a type as this package writes it.
func (a *analysis) typeText(t types.Type) string {
	return types.TypeString(t, types.RelativeTo(a.p.Types))
}

// parameterAt is the parameter that argument i goes to.
func parameterAt(sig *types.Signature, i int) *types.Var {
	if sig == nil || sig.Params().Len() == 0 {
		return nil
	}
	return sig.Params().At(min(i, sig.Params().Len()-1))
}

func (a *analysis) ranged(p *ast.RangeStmt, self ast.Expr, n types.Object) {
	switch self {
	case p.X:
	case p.Key:
		if m, ok := a.info.TypeOf(p.X).Underlying().(*types.Map); ok && a.t.Is(m.Key()) {
			a.border(n, MapKey, self.Pos(), "")
		}
		return
	default:
		return // the value, joined from X
	}
	vars := []ast.Expr{p.Value}
	switch a.info.TypeOf(p.X).Underlying().(type) {
	case *types.Chan:
		vars[0] = p.Key
	case *types.Signature:
		vars = append(vars, p.Key)
	}
	for _, to := range vars {
		if to == nil {
			continue
		}
		if id, ok := to.(*ast.Ident); ok && id.Name == "_" {
			continue
		}
		if t := a.typeOf(to); t != nil && a.holds(t) {
			a.union(n, a.nodeOf(to))
		} else if len(vars) == 1 {
			a.border(n, Converted, to.Pos(), "a loop variable of another type")
		}
	}
}
