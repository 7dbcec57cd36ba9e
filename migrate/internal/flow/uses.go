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
		a.selected(par, p, n, e, up)
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
			a.border(n, Converted, e.Pos(), "a comparison with another type")
		}
		a.uses = append(a.uses, &Use{Kind: Compare, Node: n, Expr: e, Cur: up})
	case *ast.IndexExpr:
		if p.X != self {
			a.border(n, MapKey, e.Pos(), "")
		}
	case *ast.RangeStmt:
		a.ranged(p, self, n)
	case *ast.SendStmt:
		if p.Value == self {
			if a.t.Holds(a.info.TypeOf(p.Chan)) {
				move(a.nodeOf(p.Chan))
			} else {
				a.border(n, Converted, e.Pos(), "a channel of another type")
			}
		}
	case *ast.UnaryExpr:
		if p.Op == token.AND {
			a.border(n, Address, e.Pos(), "&")
		}
	case *ast.StarExpr:
		a.border(n, Address, e.Pos(), "*")
	case *ast.TypeAssertExpr:
		a.border(n, Converted, e.Pos(), "a type assertion")
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
			if lt := a.typeOf(lhs[i]); lt == nil || !a.t.Holds(lt) {
				detail := "another type"
				if lt != nil {
					detail = types.TypeString(lt, types.RelativeTo(a.p.Types))
				}
				a.border(n, Converted, e.Pos(), detail)
				continue
			}
			a.union(n, a.nodeOf(lhs[i]))
			a.uses = append(a.uses, moved)
		case lhs[i]:
			if rt := a.info.TypeOf(rhs[i]); rt != nil && a.t.Holds(rt) {
				a.union(n, a.nodeOf(rhs[i]))
			}
		}
	}
}

func (a *analysis) keyed(par inspector.Cursor, p *ast.KeyValueExpr, self ast.Expr, n types.Object, move func(types.Object)) {
	lit, ok := par.Parent().Node().(*ast.CompositeLit)
	if !ok || p.Key == self {
		a.border(n, MapKey, self.Pos(), "")
		return
	}
	if id, ok := p.Key.(*ast.Ident); ok {
		if f, ok := a.info.Uses[id].(*types.Var); ok && f.IsField() {
			if a.t.Holds(f.Type()) && f.Pkg() == a.p.Types {
				move(f.Origin())
			} else {
				a.border(n, Converted, self.Pos(), "field "+f.Name())
			}
			return
		}
	}
	if a.t.Holds(a.info.TypeOf(lit)) {
		move(a.nodeOf(lit))
		return
	}
	a.border(n, Converted, self.Pos(), types.TypeString(a.info.TypeOf(lit), types.RelativeTo(a.p.Types)))
}

func (a *analysis) unkeyed(p *ast.CompositeLit, self ast.Expr, n types.Object, move func(types.Object)) {
	t := a.info.TypeOf(p)
	if s, ok := t.Underlying().(*types.Struct); ok {
		for i, el := range p.Elts {
			if el == self && i < s.NumFields() && a.t.Holds(s.Field(i).Type()) && s.Field(i).Pkg() == a.p.Types {
				move(s.Field(i).Origin())
				return
			}
		}
	} else if a.t.Holds(t) {
		move(a.nodeOf(p))
		return
	}
	a.border(n, Converted, self.Pos(), types.TypeString(t, types.RelativeTo(a.p.Types)))
}

func (a *analysis) returned(par inspector.Cursor, p *ast.ReturnStmt, self ast.Expr, n types.Object, move func(types.Object)) {
	var sig *types.Signature
	for fc := range par.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		switch f := fc.Node().(type) {
		case *ast.FuncDecl:
			if fn, ok := a.info.Defs[f.Name].(*types.Func); ok {
				sig = fn.Signature()
			}
		case *ast.FuncLit:
			sig, _ = a.info.TypeOf(f).(*types.Signature)
		}
		break
	}
	if sig != nil && len(p.Results) == sig.Results().Len() {
		for i, r := range p.Results {
			if r == self {
				if v := sig.Results().At(i); a.t.Holds(v.Type()) {
					move(v)
				} else {
					a.border(n, Converted, self.Pos(), types.TypeString(v.Type(), types.RelativeTo(a.p.Types)))
				}
				return
			}
		}
	}
	a.border(n, Unfollowed, self.Pos(), "a return")
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
		a.border(n, MethodValue, p.Sel.Pos(), p.Sel.Name)
		return
	}
	u.Kind = FieldGet
	a.uses = append(a.uses, u)
}

func (a *analysis) argument(p *ast.CallExpr, self ast.Expr, n types.Object, e ast.Expr, up inspector.Cursor) {
	if p.Fun == self || a.info.Types[ast.Unparen(p.Fun)].IsType() {
		if p.Fun != self && !a.t.Holds(a.info.TypeOf(p)) {
			a.border(n, Converted, e.Pos(), types.ExprString(p.Fun))
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
			a.border(n, Foreign, e.Pos(), id.Name)
		}
		return
	}
	var sig *types.Signature
	f := StaticCallee(a.info, p)
	if f != nil {
		if f.Pkg() != a.p.Types || Interface(f) || f.Origin() != f {
			kind := Foreign
			if Interface(f) {
				kind = Converted
			}
			a.borders = append(a.borders, nodeBorder{n, Border{Kind: kind, Pos: e.Pos(), Detail: f.FullName(), Func: f}})
			return
		}
		sig = f.Signature()
	} else if lit, ok := ast.Unparen(p.Fun).(*ast.FuncLit); ok {
		sig, _ = a.info.TypeOf(lit).(*types.Signature)
	}
	if sig == nil {
		a.border(n, FuncValue, e.Pos(), "a call of a function value")
		return
	}
	i := min(idx, sig.Params().Len()-1)
	if i < 0 || !a.t.Holds(sig.Params().At(i).Type()) {
		a.border(n, Converted, e.Pos(), "a parameter of another type")
		return
	}
	v := sig.Params().At(i)
	a.union(v, n)
	a.uses = append(a.uses, &Use{Kind: Pass, Node: n, Expr: e, Cur: up, Call: p, To: v})
}

func (a *analysis) ranged(p *ast.RangeStmt, self ast.Expr, n types.Object) {
	if p.X != self {
		return // the key or the value, joined from X
	}
	to := p.Value
	if _, ok := a.info.TypeOf(p.X).Underlying().(*types.Chan); ok {
		to = p.Key
	}
	if to == nil {
		return
	}
	if id, ok := to.(*ast.Ident); ok && id.Name == "_" {
		return
	}
	if t := a.typeOf(to); t != nil && a.t.Holds(t) {
		a.union(n, a.nodeOf(to))
	} else {
		a.border(n, Converted, to.Pos(), "a loop variable of another type")
	}
}
