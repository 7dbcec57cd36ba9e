package rewrite

import (
	"go/ast"
	"go/token"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// configures rewrites every configuring use, as an assignment where a region or a helper has options, else as an Update.
func (k *Class) configures() {
	var late []*lateCall
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.Pass || u.Kind == flow.Call && k.role(u) == Configure {
			k.about(u, func() {
				if l := k.configure(u); l != nil {
					late = append(late, l)
				}
			})
		}
	}
	k.updates(late)
}

// configure rewrites one configuring use; it returns what has to become an Update.
func (k *Class) configure(u *flow.Use) *lateCall {
	o, ok := k.OptionsAt(u)
	switch u.Kind {
	case flow.Call:
		row := k.row(u.Sel.Sel.Name)
		cur := k.CallCur(u)
		if _, plain := cur.Parent().Node().(*ast.ExprStmt); !plain {
			k.Block(u.Sel.Sel.Pos(), "configure", "deferred", u.Sel.Sel.Name+" in a go or defer statement")
			return nil
		}
		if u.Call.Ellipsis.IsValid() {
			k.Block(u.Call.Pos(), "configure", "computed-options", "optional arguments passed as a slice")
			return nil
		}
		if !ok {
			return k.lateCall(u, func(o string) []edit.Piece { return row.Option(k, u.Call, o) })
		}
		if pieces := row.Option(k, u.Call, o); pieces != nil {
			k.Edit(edit.Replace(u.Call, pieces...))
		}
	case flow.Pass:
		if _, helper := k.Helpers[u.To]; !helper {
			return nil
		}
		switch k.CallCur(u).Parent().Node().(type) {
		case *ast.GoStmt, *ast.DeferStmt:
			k.Block(u.Call.Pos(), "configure", "deferred", "a function that configures is called in a go or defer statement")
			return nil
		}
		if _, plain := k.CallCur(u).Parent().Node().(*ast.ExprStmt); !ok && !plain {
			k.Block(u.Call.Pos(), "configure", "configure-elsewhere", "the result of a function that configures is used, and it is not called where the client is made")
		} else if !ok {
			return k.lateCall(u, func(o string) []edit.Piece {
				return []edit.Piece{edit.Range(u.Call.Pos(), u.Expr.Pos()), edit.Text(o), edit.Range(u.Expr.End(), u.Call.End())}
			})
		} else if k.Owned[u] != nil {
			k.Edit(edit.Replace(u.Expr, edit.Text("&"+o)))
		} else {
			k.Edit(edit.Replace(u.Expr, edit.Text(o)))
		}
	}
	return nil
}

// lateCall is a configuring call on a client that is there already.
type lateCall struct {
	use   *flow.Use
	root  Root
	place Place // of its statement; List is nil where no other statements can be put beside it
	pure  bool  // its arguments have no effects
	write func(o string) []edit.Piece
}

func (k *Class) lateCall(u *flow.Use, write func(string) []edit.Piece) *lateCall {
	l := &lateCall{use: u, write: write, pure: true}
	l.root, _ = k.rootOf(u)
	if _, ok := StmtOf(u.Cur); ok {
		l.place.List, l.place.Idx = inList(u.Cur)
	}
	for _, a := range u.Call.Args {
		l.pure = l.pure && (a == u.Expr || k.Pkg.Pure(a))
	}
	return l
}

// follows reports whether l can stand in one Update with m before it: it is the next statement, about the same client,
// and nothing has to be computed between the two.
func (l *lateCall) follows(m *lateCall) bool {
	return l.pure && l.root.base != nil && l.root == m.root && l.place.List != nil && l.place == Place{m.place.List, m.place.Idx + 1}
}

// updates writes the calls, those that follow each other together, as Update of the client.
func (k *Class) updates(calls []*lateCall) {
	slices.SortStableFunc(calls, func(a, b *lateCall) int { return int(a.use.Call.Pos() - b.use.Call.Pos()) })
	for i := 0; i < len(calls); {
		j := i + 1
		for j < len(calls) && calls[j].follows(calls[j-1]) {
			j++
		}
		k.update(calls[i:j])
		i = j
	}
}

// update writes one Update for calls that follow each other. Update may call its function again, so what has an effect
// of its own among the arguments comes before it.
func (k *Class) update(calls []*lateCall) {
	u := calls[0].use
	defer func(u *flow.Use) { k.subject = u }(k.subject)
	k.subject = u
	if k.Family.Options.Update == "" {
		for _, l := range calls {
			k.subject = l.use
			k.Block(l.use.Call.Pos(), "configure", "configure-after-use", "it is configured behind a use of it, or in another function, and its options are fixed once it is made")
		}
		return
	}
	if !k.effectsBefore(u) {
		return
	}
	o := "o" // hides nothing but within the function
	if slices.ContainsFunc(calls, func(l *lateCall) bool { return mentionsName(l.use.Call, o) }) || !k.Pkg.importFree(u.Call, o) {
		o = k.Fresh(Outermost(u.Cur), u.Call.Pos(), o)
	}
	q := k.Q(u.Call.Pos(), k.Family.Options.Package)
	head := "." + k.Family.Options.Update + "(func(" + o + " *" + q + "." + k.Family.Options.Type + ") {\n"
	const tail = "\n})"
	var last *lateCall
	for _, l := range calls {
		k.subject = l.use
		pieces := l.write(o)
		if pieces == nil {
			continue
		}
		if last == nil {
			pieces = append([]edit.Piece{edit.Src(l.use.Expr), edit.Text(head)}, pieces...)
			k.Note(l.use.Call.Pos(), "configure-after-use", "what the old API reported at the next Connect, "+k.Family.Options.Update+" returns at once")
		}
		if l.place.List == nil {
			pieces = append(pieces, edit.Text(tail))
		}
		k.Edit(edit.Replace(l.use.Call, pieces...))
		last = l
	}
	if last != nil && last.place.List != nil {
		k.Insert(k.endOfLine(Stmts(last.place.List)[last.place.Idx].End()), tail)
	}
}

// effectsBefore puts the effects among the arguments of a late call before its statement; false where that cannot be.
func (k *Class) effectsBefore(u *flow.Use) bool {
	for _, a := range u.Call.Args {
		if a == u.Expr || k.Pkg.Pure(a) {
			continue
		}
		stmt, ok := StmtOf(k.CallCur(u))
		effects := k.Pkg.effects(a)
		if !ok || len(effects) == 0 {
			k.Block(a.Pos(), "configure", "evaluation-order", "an effect among the arguments may come more than once in the client's Update")
			return false
		}
		for _, e := range effects {
			name := k.Fresh(Outermost(u.Cur), u.Call.Pos(), "value")
			k.Edit(edit.Edit{Pos: stmt.Pos(), End: stmt.Pos(), Pieces: []edit.Piece{edit.Text(name + " := "), edit.Src(e), edit.Text("\n")}})
			k.Edit(edit.Replace(e, edit.Text(name)))
		}
	}
	return true
}

// effects are the calls in e, in their order, that may have an effect or another result the next time; calls among
// their arguments are theirs. Nil when something that is no call has one.
func (p *Package) effects(e ast.Expr) []ast.Expr {
	var out []ast.Expr
	other := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.UnaryExpr:
			other = other || n.Op == token.ARROW
		case *ast.CallExpr:
			if !p.Info.Types[ast.Unparen(n.Fun)].IsType() {
				out = append(out, n)
				return false
			}
		}
		return true
	})
	if other {
		return nil
	}
	return out
}

// Configures reports whether u calls a member that sets options.
func (k *Class) Configures(u *flow.Use) bool { return u.Kind == flow.Call && k.role(u) == Configure }
