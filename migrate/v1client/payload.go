package v1client

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// settled reports whether e, evaluated later, has the value it has now: it is pure, and made of constants, variables
// that are set once, and fields of the message that a callback was given.
func settled(p *rewrite.Package, e ast.Expr) bool {
	ok := p.Pure(e)
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
			if v, isVar := p.Info.Uses[n].(*types.Var); isVar && !v.IsField() && (!p.Constant(v) || v.Parent() == p.Types.Scope()) {
				ok = false
			}
		}
		return ok
	})
	return ok
}

// qos is the QoS of a packet, checked when it is constant: AWS IoT Core refuses QoS 2, and so does v2.
func (k *class) qos(e ast.Expr, rule string) []edit.Piece {
	if v := k.Value(e); v != nil {
		if n, ok := constant.Int64Val(constant.ToInt(v)); ok && n > 1 {
			k.Block(e.Pos(), rule, "qos2", "QoS 2 has no v2 form; AWS IoT Core refuses it")
		}
		if k.Untyped(e) {
			return []edit.Piece{edit.Src(e)}
		}
	}
	e = ast.Unparen(e)
	if c, ok := e.(*ast.CallExpr); ok && len(c.Args) == 1 && k.Pkg.Info.Types[c.Fun].IsType() && k.Value(e) == nil {
		if b, ok := k.Pkg.Info.TypeOf(c.Args[0]).Underlying().(*types.Basic); ok && b.Info()&types.IsInteger != 0 {
			e = c.Args[0] // byte(n): one conversion is enough
		}
	}
	return []edit.Piece{edit.Text(k.Q(e.Pos(), paths.V2) + ".QoS("), edit.Src(e), edit.Text(")")}
}

// payload converts a v1 payload to []byte by its static type; ok is false when only awsiot.PayloadV1 can do it.
func (k *class) payload(e ast.Expr) ([]edit.Piece, bool) {
	tv := k.Pkg.Info.Types[e]
	if tv.IsNil() {
		return []edit.Piece{edit.Text("nil")}, true
	}
	if v := tv.Value; v != nil && v.Kind() == constant.Int {
		if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Kind() == types.Int && types.Unalias(tv.Type) == tv.Type {
			return []edit.Piece{edit.Text(fmt.Sprintf("[]byte(%q)", v.ExactString()))}, true
		}
	}
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && len(c.Args) == 1 && k.Pkg.Info.Types[c.Fun].IsType() {
		// string(b): the bytes themselves
		if bytes := types.NewSlice(types.Typ[types.Byte]); tv.Type == types.Typ[types.String] && types.Identical(k.Pkg.Info.TypeOf(c.Args[0]), bytes) {
			return []edit.Piece{edit.Src(c.Args[0])}, true
		}
	}
	switch t := tv.Type.Underlying().(type) {
	case *types.Basic:
		if t.Info()&types.IsString != 0 && types.Identical(tv.Type, t) || t.Kind() == types.UntypedString {
			return []edit.Piece{edit.Text("[]byte("), edit.Src(ast.Unparen(e)), edit.Text(")")}, true
		}
	case *types.Slice:
		if types.Identical(tv.Type, types.NewSlice(types.Typ[types.Byte])) {
			return []edit.Piece{edit.Src(e)}, true
		}
	}
	return nil, false
}

// converted writes a call whose payload only awsiot.PayloadV1 can convert.
func (k *class) converted(u *flow.Use, convert func(string) packet) {
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	fn := rewrite.Outermost(u.Cur)
	call := func(p packet) []edit.Piece {
		out := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".Publish(" + k.Ctx(u.Call.Pos()) + ", ")}
		return append(append(out, p...), edit.Text(")"))
	}
	arg := u.Call.Args[1]
	q := k.Q(u.Call.Pos(), paths.V2)
	refuse := func() {
		k.Block(arg.Pos(), "publish", "payload-types", "the static type of the payload is "+k.TypeName(arg)+", and the results are used in a way that has no rule")
	}
	stmt, inList := rewrite.StmtOf(par)
	if !inList || !k.Pkg.Pure(u.Call.Args[0]) && !k.Pkg.Pure(arg) {
		refuse()
		return
	}
	payload := k.Fresh(fn, u.Call.Pos(), "payload")
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		err := "err"
		if k.quiet(u.Call, err, fn) != err {
			err = k.Fresh(fn, s.Pos(), err)
		}
		pieces := []edit.Piece{edit.Text("if " + payload + ", " + err + " := " + q + ".PayloadV1("), edit.Src(arg), edit.Text("); " + err + " == nil {\n")}
		pieces = append(append(pieces, call(convert(payload))...), edit.Text("\n}"))
		k.Edit(edit.Replace(stmt, pieces...))
	case *ast.AssignStmt:
		okID, _ := s.Lhs[0].(*ast.Ident)
		errID, _ := s.Lhs[1].(*ast.Ident)
		if okID == nil || errID == nil || okID.Name != "_" || errID.Name == "_" {
			refuse()
			return
		}
		op := " := "
		if s.Tok == token.ASSIGN {
			k.Insert(s.Pos(), "var "+payload+" []byte\n")
			op = " = "
		}
		pieces := []edit.Piece{edit.Text(payload + ", " + errID.Name + op + q + ".PayloadV1("), edit.Src(arg), edit.Text(")\nif " + errID.Name + " == nil {\n_, " + errID.Name + " = ")}
		pieces = append(append(pieces, call(convert(payload))...), edit.Text("\n}"))
		k.Edit(edit.Replace(stmt, pieces...))
	default:
		refuse()
	}
}
