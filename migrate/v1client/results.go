package v1client

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// pair writes a blocking call whose v1 form returns (bool, error), and adapts what is done with the two. v1's bool
// is true when the broker has answered and false when the request was queued: err == nil && !res.Queued.
//
// With convert the payload is made by awsiot.PayloadV1 in a statement before the call, and convert gives the packet
// for the variable that holds it.
func (k *class) pair(u *flow.Use, p packet, method, result string, convert func(string) packet) {
	cur := k.callCur(u)
	par, _ := parentSkippingParens(cur)
	fn := outermost(u.Cur)
	call := func(p packet) []edit.Piece {
		out := []edit.Piece{receiver(u.Sel), edit.Text("." + method + "(" + k.ctx(u.Call.Pos()) + ", ")}
		return append(append(out, p...), edit.Text(")"))
	}
	if convert != nil {
		k.converted(u, par, call, convert, fn)
		return
	}
	switch s := par.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		k.edit(edit.Replace(u.Call, call(p)...))
	case *ast.ReturnStmt:
		res, err := k.fresh(fn, s.Pos(), result), k.errName(fn, s.Pos())
		pieces := append([]edit.Piece{edit.Text(res + ", " + err + " := ")}, call(p)...)
		k.edit(edit.Replace(s, append(pieces, edit.Text("\nreturn "+err+" == nil && !"+res+".Queued, "+err))...))
	case *ast.AssignStmt:
		if len(s.Lhs) != 2 {
			k.block(u.Call.Pos(), ruleOf(method), "result-use", "the results of "+method+" are assigned together with others")
			return
		}
		k.assigned(u, par, s, call(p), result, fn)
	default:
		k.block(u.Call.Pos(), ruleOf(method), "result-use", "both results of "+method+" are passed on at once")
	}
}

// errName is the name of an error variable whose only readers are in the statement after its declaration: err, also
// when that hides another one or is that of the same block.
func (k *class) errName(fn ast.Node, pos token.Pos) string {
	if s := k.p.Types.Scope().Innermost(pos); s != nil {
		if o := s.Lookup("err"); o != nil && !types.Identical(o.Type(), types.Universe.Lookup("error").Type()) {
			return k.fresh(fn, pos, "err")
		}
	}
	return "err"
}

// assigned adapts ok, err := client.Publish(...).
func (k *class) assigned(u *flow.Use, par inspector.Cursor, s *ast.AssignStmt, call []edit.Piece, result string, fn ast.Node) {
	rule := ruleOf(u.Sel.Sel.Name)
	okID, isID := s.Lhs[0].(*ast.Ident)
	if isID && okID.Name == "_" {
		k.edit(edit.Replace(u.Call, call...))
		return
	}
	errID, errIsID := s.Lhs[1].(*ast.Ident)
	okVar := types.Object(nil)
	if isID {
		okVar = k.p.Info.Defs[okID]
	}
	_, inList := stmtOf(par)
	blankErr := errIsID && errID.Name == "_"
	if s.Tok == token.DEFINE && okVar != nil && errIsID && k.p.constant(okVar) {
		errVar := k.p.Info.ObjectOf(errID)
		errName := errID.Name
		if !blankErr && k.changes(errVar, s, par) {
			if !inList {
				k.block(s.Lhs[0].Pos(), rule, "result-use", "the bool result is read after the error variable has changed")
				return
			}
			res := k.fresh(fn, s.Pos(), result)
			k.edit(edit.Replace(okID, edit.Text(res)))
			k.edit(edit.Replace(u.Call, call...))
			k.after(s, "\n"+okID.Name+" := "+errName+" == nil && !"+res+".Queued")
			return
		}
		if blankErr {
			errName = k.fresh(fn, s.Pos(), "err")
			k.edit(edit.Replace(errID, edit.Text(errName)))
		}
		res := k.fresh(fn, s.Pos(), result)
		k.edit(edit.Replace(okID, edit.Text(res)))
		k.edit(edit.Replace(u.Call, call...))
		for _, c := range k.p.uses[okVar] {
			if !blankErr {
				if _, o := k.p.Types.Scope().Innermost(c.Node().Pos()).LookupParent(errName, c.Node().Pos()); o != errVar {
					k.block(c.Node().Pos(), rule, "result-use", "the bool result is read where "+errName+" means another variable")
					return
				}
			}
			text := errName + " == nil && !" + res + ".Queued"
			if !plainPlace(c) {
				text = "(" + text + ")"
			}
			k.edit(edit.Replace(c.Node(), edit.Text(text)))
		}
		return
	}
	header, _ := par.Parent().Node().(*ast.IfStmt)
	if !inList {
		if _, direct := stmtOf(par.Parent()); header == nil || header.Init != s || s.Tok != token.ASSIGN || !direct || header.Cond == nil {
			k.block(s.Lhs[0].Pos(), rule, "result-use", "the bool result goes to a variable that is declared elsewhere")
			return
		}
	}
	res := k.fresh(fn, s.Pos(), result)
	if s.Tok == token.DEFINE && errIsID && !blankErr && k.p.Info.Defs[errID] != nil {
		k.edit(edit.Replace(okID, edit.Text(res)))
		k.edit(edit.Replace(u.Call, call...))
		k.after(s, "\n"+okID.Name+" = "+errID.Name+" == nil && !"+res+".Queued")
		return
	}
	if s.Tok == token.DEFINE {
		k.block(s.Lhs[0].Pos(), rule, "result-use", "the bool result goes to a variable that is assigned again")
		return
	}
	err := k.fresh(fn, s.Pos(), "err")
	pieces := append([]edit.Piece{edit.Text(res + ", " + err + " := ")}, call...)
	pieces = append(pieces, edit.Text("\n"), edit.Src(s.Lhs[0]), edit.Text(", "), edit.Src(s.Lhs[1]),
		edit.Text(" = "+err+" == nil && !"+res+".Queued, "+err))
	if !inList { // if ok, err = call; cond: the assignment moves before the if
		k.edit(edit.Edit{Pos: header.Pos(), End: header.Cond.Pos(), Pieces: append(pieces, edit.Text("\nif "))})
		return
	}
	k.edit(edit.Replace(s, pieces...))
}

// plainPlace reports whether a comparison can stand at c without parentheses.
func plainPlace(c inspector.Cursor) bool {
	switch c.ParentEdgeKind() {
	case edge.IfStmt_Cond, edge.ReturnStmt_Results, edge.CallExpr_Args, edge.AssignStmt_Rhs, edge.ParenExpr_X, edge.ValueSpec_Values, edge.KeyValueExpr_Value:
		return true
	}
	return false
}

// changes reports whether v is assigned after s, or s may run again before a read (a loop without the declaration).
func (k *class) changes(v types.Object, s *ast.AssignStmt, par inspector.Cursor) bool {
	for _, p := range k.p.assigned[v] {
		if p > s.End() {
			return true
		}
	}
	if v.Pos() == s.Lhs[1].Pos() {
		return false
	}
	for c := range par.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
		if v.Pos() < c.Node().Pos() {
			for _, p := range k.p.assigned[v] {
				if p != s.Lhs[1].Pos() && p > c.Node().Pos() && p < c.Node().End() {
					return true
				}
			}
		}
	}
	return false
}

// after inserts text behind a statement.
func (k *class) after(s ast.Stmt, text string) {
	k.insert(k.endOfLine(s.End()), text)
}

// converted writes a call whose payload only awsiot.PayloadV1 can convert.
func (k *class) converted(u *flow.Use, par inspector.Cursor, call func(packet) []edit.Piece, convert func(string) packet, fn ast.Node) {
	arg := u.Call.Args[1]
	q := k.q(u.Call.Pos(), paths.V2)
	refuse := func() {
		k.block(arg.Pos(), "publish", "payload-types", "the static type of the payload is "+k.typeName(arg)+", and the results are used in a way that has no rule")
	}
	stmt, inList := stmtOf(par)
	if !inList || !k.p.pure(u.Call.Args[0]) && !k.p.pure(arg) {
		refuse()
		return
	}
	payload := k.fresh(fn, u.Call.Pos(), "payload")
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		err := "err"
		if k.quiet(u.Call, err, fn) != err {
			err = k.fresh(fn, s.Pos(), err)
		}
		pieces := []edit.Piece{edit.Text("if " + payload + ", " + err + " := " + q + ".PayloadV1("), edit.Src(arg), edit.Text("); " + err + " == nil {\n")}
		pieces = append(append(pieces, call(convert(payload))...), edit.Text("\n}"))
		k.edit(edit.Replace(stmt, pieces...))
	case *ast.AssignStmt:
		okID, _ := s.Lhs[0].(*ast.Ident)
		errID, _ := s.Lhs[1].(*ast.Ident)
		if okID == nil || errID == nil || okID.Name != "_" || errID.Name == "_" {
			refuse()
			return
		}
		op := " := "
		if s.Tok == token.ASSIGN {
			k.insert(s.Pos(), "var "+payload+" []byte\n")
			op = " = "
		}
		pieces := []edit.Piece{edit.Text(payload + ", " + errID.Name + op + q + ".PayloadV1("), edit.Src(arg), edit.Text(")\nif " + errID.Name + " == nil {\n_, " + errID.Name + " = ")}
		pieces = append(append(pieces, call(convert(payload))...), edit.Text("\n}"))
		k.edit(edit.Replace(stmt, pieces...))
	default:
		refuse()
	}
}
