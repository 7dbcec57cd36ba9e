package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// Pair writes a blocking call whose old form returns (bool, error), and adapts what is done with the two. The old bool
// is true when the broker has answered and false when the request was queued: err == nil && !res.Queued.
func (k *Class) Pair(u *flow.Use, p []edit.Piece, method, result string) {
	cur := k.CallCur(u)
	par, _ := ParentSkippingParens(cur)
	fn := Outermost(u.Cur)
	call := func(p []edit.Piece) []edit.Piece {
		out := []edit.Piece{Receiver(u.Sel), edit.Text("." + method + "(" + k.Ctx(u.Call.Pos()) + ", ")}
		return append(append(out, p...), edit.Text(")"))
	}
	switch s := par.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		k.Edit(edit.Replace(u.Call, call(p)...))
	case *ast.ReturnStmt:
		res, err := k.Fresh(fn, s.Pos(), result), k.errName(fn, s.Pos())
		pieces := append([]edit.Piece{edit.Text(res + ", " + err + " := ")}, call(p)...)
		k.Edit(edit.Replace(s, append(pieces, edit.Text("\nreturn "+err+" == nil && !"+res+".Queued, "+err))...))
	case *ast.AssignStmt:
		if len(s.Lhs) != 2 {
			k.Block(u.Call.Pos(), k.Rule(method), "result-use", "the results of "+method+" are assigned together with others")
			return
		}
		k.assigned(u, par, s, call(p), result, fn)
	default:
		k.Block(u.Call.Pos(), k.Rule(method), "result-use", "both results of "+method+" are passed on at once")
	}
}

// errName is the name of an error variable whose only readers are in the statement after its declaration: err, also
// when that hides another one or is that of the same block.
func (k *Class) errName(fn ast.Node, pos token.Pos) string {
	if s := k.Pkg.Types.Scope().Innermost(pos); s != nil {
		if o := s.Lookup("err"); o != nil && !types.Identical(o.Type(), types.Universe.Lookup("error").Type()) {
			return k.Fresh(fn, pos, "err")
		}
	}
	return "err"
}

// assigned adapts ok, err := client.Publish(...).
func (k *Class) assigned(u *flow.Use, par inspector.Cursor, s *ast.AssignStmt, call []edit.Piece, result string, fn ast.Node) {
	rule := k.Rule(u.Sel.Sel.Name)
	okID, isID := s.Lhs[0].(*ast.Ident)
	if isID && okID.Name == "_" {
		k.Edit(edit.Replace(u.Call, call...))
		return
	}
	errID, errIsID := s.Lhs[1].(*ast.Ident)
	okVar := types.Object(nil)
	if isID {
		okVar = k.Pkg.Info.Defs[okID]
	}
	_, inList := StmtOf(par)
	blankErr := errIsID && errID.Name == "_"
	if s.Tok == token.DEFINE && okVar != nil && errIsID && k.Pkg.Constant(okVar) {
		errVar := k.Pkg.Info.ObjectOf(errID)
		errName := errID.Name
		if !blankErr && k.changes(errVar, s, par) {
			if !inList {
				k.Block(s.Lhs[0].Pos(), rule, "result-use", "the bool result is read after the error variable has changed")
				return
			}
			res := k.Fresh(fn, s.Pos(), result)
			k.Edit(edit.Replace(okID, edit.Text(res)))
			k.Edit(edit.Replace(u.Call, call...))
			k.after(s, "\n"+okID.Name+" := "+errName+" == nil && !"+res+".Queued")
			return
		}
		if blankErr {
			errName = k.Fresh(fn, s.Pos(), "err")
			k.Edit(edit.Replace(errID, edit.Text(errName)))
		}
		res := k.Fresh(fn, s.Pos(), result)
		k.Edit(edit.Replace(okID, edit.Text(res)))
		k.Edit(edit.Replace(u.Call, call...))
		for _, c := range k.Pkg.Uses[okVar] {
			if !blankErr {
				if _, o := k.Pkg.Types.Scope().Innermost(c.Node().Pos()).LookupParent(errName, c.Node().Pos()); o != errVar {
					k.Block(c.Node().Pos(), rule, "result-use", "the bool result is read where "+errName+" means another variable")
					return
				}
			}
			k.answered(c, errName, res)
		}
		return
	}
	header, _ := par.Parent().Node().(*ast.IfStmt)
	if !inList {
		if _, direct := StmtOf(par.Parent()); header == nil || header.Init != s || s.Tok != token.ASSIGN || !direct || header.Cond == nil {
			k.Block(s.Lhs[0].Pos(), rule, "result-use", "the bool result goes to a variable that is declared elsewhere")
			return
		}
	}
	res := k.Fresh(fn, s.Pos(), result)
	if s.Tok == token.DEFINE && errIsID && !blankErr && k.Pkg.Info.Defs[errID] != nil {
		k.Edit(edit.Replace(okID, edit.Text(res)))
		k.Edit(edit.Replace(u.Call, call...))
		op := " = "
		if okVar != nil {
			op = " := "
		}
		k.after(s, "\n"+okID.Name+op+errID.Name+" == nil && !"+res+".Queued")
		return
	}
	if s.Tok == token.DEFINE {
		k.Block(s.Lhs[0].Pos(), rule, "result-use", "the bool result goes to a variable that is assigned again")
		return
	}
	err := k.Fresh(fn, s.Pos(), "err")
	pieces := append([]edit.Piece{edit.Text(res + ", " + err + " := ")}, call...)
	pieces = append(pieces, edit.Text("\n"), edit.Src(s.Lhs[0]), edit.Text(", "), edit.Src(s.Lhs[1]),
		edit.Text(" = "+err+" == nil && !"+res+".Queued, "+err))
	if !inList { // if ok, err = call; cond: the assignment moves before the if
		k.Edit(edit.Edit{Pos: header.Pos(), End: header.Cond.Pos(), Pieces: append(pieces, edit.Text("\nif "))})
		return
	}
	k.Edit(edit.Replace(s, pieces...))
}

// answered writes what the old bool says where it was read at c: the broker has answered. A negation is turned around
// rather than put in front, and a test of the error beside it, which says the same, goes.
func (k *Class) answered(c inspector.Cursor, err, res string) {
	ok, no := err+" == nil && !"+res+".Queued", err+" != nil || "+res+".Queued"
	at := skipParens(c)
	text, op, test := ok, token.LAND, token.EQL
	if not, is := at.Parent().Node().(*ast.UnaryExpr); is && not.Op == token.NOT {
		at = skipParens(at.Parent())
		text, op, test = no, token.LOR, token.NEQ
	}
	if b, is := at.Parent().Node().(*ast.BinaryExpr); is && b.Op == op {
		other := b.X
		if other == at.Node() {
			other = b.Y
		}
		if k.isNilTest(other, err, test) {
			at = skipParens(at.Parent())
		}
	}
	if b, is := at.Parent().Node().(*ast.BinaryExpr); !plainPlace(at) && !(is && (b.Op == op || b.Op == token.LOR)) {
		text = "(" + text + ")"
	}
	k.Edit(edit.Replace(at.Node(), edit.Text(text)))
}

// isNilTest reports whether e compares the variable name with nil by op.
func (k *Class) isNilTest(e ast.Expr, name string, op token.Token) bool {
	b, ok := ast.Unparen(e).(*ast.BinaryExpr)
	if !ok || b.Op != op {
		return false
	}
	id, ok := ast.Unparen(b.X).(*ast.Ident)
	return ok && id.Name == name && k.Pkg.Info.Types[b.Y].IsNil()
}

// skipParens returns the outermost parenthesis around cur, or cur.
func skipParens(cur inspector.Cursor) inspector.Cursor {
	for {
		if _, ok := cur.Parent().Node().(*ast.ParenExpr); !ok {
			return cur
		}
		cur = cur.Parent()
	}
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
func (k *Class) changes(v types.Object, s *ast.AssignStmt, par inspector.Cursor) bool {
	for _, p := range k.Pkg.Assigned[v] {
		if p > s.End() {
			return true
		}
	}
	if v.Pos() == s.Lhs[1].Pos() {
		return false
	}
	for c := range par.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
		if v.Pos() < c.Node().Pos() {
			for _, p := range k.Pkg.Assigned[v] {
				if p != s.Lhs[1].Pos() && p > c.Node().Pos() && p < c.Node().End() {
					return true
				}
			}
		}
	}
	return false
}

// after inserts text behind a statement.
func (k *Class) after(s ast.Stmt, text string) {
	k.Insert(k.endOfLine(s.End()), text)
}
