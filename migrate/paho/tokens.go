package paho

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// fate is what becomes of a token.
type fate int

const (
	kept    fate = iota // it goes where only paho's shape fits
	dropped             // nobody looks at it
	waited              // it is waited for on the spot: v2's call that waits
	future              // it is looked at later: v2's future
)

// tokenUse is what a program does with the token of one call.
type tokenUse struct {
	kind  fate
	stmt  ast.Stmt           // that assigns it, or that the call is all of
	def   *ast.AssignStmt    // nil: the call is an operand of a method of the token, or a statement
	v     *types.Var         // the variable
	uses  []inspector.Cursor // selectors on the variable, from this assignment to the next
	outer *ast.CallExpr      // the method that is called on the call itself
	wait  *waitPoint         // waited: where
}

// waitPoint is where a token is waited for, right behind its assignment.
type waitPoint struct {
	stmt  ast.Stmt        // a statement that does nothing else; nil: there is none
	head  *ast.IfStmt     // an if statement in whose condition or first part it is
	first *ast.BinaryExpr // the && whose left side waits
	alone bool            // the condition is nothing but the wait
	init  bool            // it is the first part of the if statement
	inIf  bool            // the assignment is the first part of the if statement
}

// tokenMethod is the method of the token at sel, with its call; "" when it is not called, or no method of a token.
func (p *pkg) tokenMethod(sel inspector.Cursor) (string, *ast.CallExpr) {
	s, ok := sel.Node().(*ast.SelectorExpr)
	if !ok {
		return "", nil
	}
	par, self := rewrite.ParentSkippingParens(sel)
	c, ok := par.Node().(*ast.CallExpr)
	if !ok || c.Fun != self || !isToken(p.Info.TypeOf(s.X)) {
		return "", nil
	}
	switch s.Sel.Name {
	case "Wait", "WaitTimeout", "Done", "Error":
		return s.Sel.Name, c
	}
	return "", nil
}

// useOfToken finds what becomes of the token of u.
func (p *pkg) useOfToken(u *flow.Use) tokenUse {
	cur := p.cursor(u.Call)
	par, self := rewrite.ParentSkippingParens(cur)
	switch s := par.Node().(type) {
	case *ast.ExprStmt:
		return tokenUse{kind: dropped, stmt: s}
	case *ast.GoStmt:
		return tokenUse{kind: dropped, stmt: s}
	case *ast.DeferStmt:
		return tokenUse{kind: dropped, stmt: s}
	case *ast.SelectorExpr:
		name, call := p.tokenMethod(par)
		if name == "" {
			return tokenUse{}
		}
		up, _ := rewrite.ParentSkippingParens(p.cursor(call))
		t := tokenUse{kind: future, outer: call}
		switch st := up.Node().(type) {
		case *ast.ExprStmt:
			if name == "Wait" {
				return tokenUse{kind: waited, stmt: st, outer: call}
			}
		case *ast.AssignStmt:
			if id, ok := st.Lhs[0].(*ast.Ident); ok && name == "Wait" && len(st.Lhs) == 1 && id.Name == "_" {
				return tokenUse{kind: waited, stmt: st, outer: call}
			}
		}
		if name == "Wait" { // behind go and defer, too: the call itself is made at once, and the wait alone is put off
			return tokenUse{}
		}
		return t
	case *ast.AssignStmt:
		if len(s.Lhs) != 1 || len(s.Rhs) != 1 || s.Rhs[0] != self {
			return tokenUse{}
		}
		id, ok := s.Lhs[0].(*ast.Ident)
		if !ok {
			return tokenUse{}
		}
		if id.Name == "_" {
			return tokenUse{kind: dropped, stmt: s, def: s}
		}
		return p.segment(par, s, id)
	}
	return tokenUse{}
}

// asserted reports whether the token of u is asked for its type.
func (p *pkg) asserted(u *flow.Use) bool {
	par, self := rewrite.ParentSkippingParens(p.cursor(u.Call))
	switch s := par.Node().(type) {
	case *ast.TypeAssertExpr:
		return true
	case *ast.AssignStmt:
		if len(s.Lhs) != 1 || s.Rhs[0] != self {
			return false
		}
		id, ok := s.Lhs[0].(*ast.Ident)
		if !ok {
			return false
		}
		return slices.ContainsFunc(p.Uses[p.Info.ObjectOf(id)], func(c inspector.Cursor) bool {
			up, _ := rewrite.ParentSkippingParens(c)
			_, is := up.Node().(*ast.TypeAssertExpr)
			return is
		})
	}
	return false
}

// ownsToken reports whether the token that s looks at comes from a call on a client of w.
func (w *writer) ownsToken(s *ast.SelectorExpr) bool {
	return slices.Contains(w.looked, s)
}

// tokensOf records what becomes of the uses of the token of u.
func (w *writer) tokensOf(u *flow.Use, o unit.Outcome) {
	par, self := rewrite.ParentSkippingParens(w.cursor(u.Call))
	w.tokens[u.Sel] = o // for those that are dropped
	w.looked = append(w.looked, u.Sel)
	if s, ok := par.Node().(*ast.SelectorExpr); ok {
		w.tokens[s] = o
		w.looked = append(w.looked, s)
	}
	as, ok := par.Node().(*ast.AssignStmt)
	if !ok || len(as.Lhs) != 1 || as.Rhs[0] != self {
		return
	}
	id, ok := as.Lhs[0].(*ast.Ident)
	if !ok {
		return
	}
	for _, use := range w.Uses[w.Info.ObjectOf(id)] {
		if s, ok := use.Parent().Node().(*ast.SelectorExpr); ok && use.Node().Pos() > as.Pos() {
			if w.tokens[s] == unit.Rewritten {
				w.tokens[s] = o
			}
			w.looked = append(w.looked, s)
		}
	}
}

// token rewrites a call that returns a token, with what is done with that.
func (w *writer) token(o *operation) {
	u := o.u
	if w.isPromise(u.Call) {
		w.promise(o)
		return
	}
	t := w.useOfToken(u)
	if t.kind != kept && t.def != nil && !w.sameFate(t.v) {
		t.kind = kept
	}
	if t.kind == kept && o.packet == nil {
		w.keep(u, rewrite.Why{Anchor: "tokens", Text: "the token of " + u.Sel.Sel.Name + " is not waited for on the spot"})
		return
	}
	switch t.kind {
	case kept:
		q := w.k.Q(u.Call.Pos(), paths.PahoCompat)
		w.k.Edit(edit.Replace(u.Call, slices.Concat([]edit.Piece{edit.Text(q + ".TokenFromV2(")}, o.call(o.async, ""), []edit.Piece{edit.Text(")")})...))
		w.bridge(u.Sel.Sel.Pos(), ruleOf(u.Sel.Sel.Name), u.Sel.Sel.Name, "mqtt.TokenFromV2", "the token goes to where paho's shape is asked for", "tokens", "return and pass on the future, or the error")
		w.tokensOf(u, unit.Bridged)
		return
	case dropped:
		w.tokensOf(u, unit.Rewritten)
		w.k.Edit(edit.Replace(u.Call, o.call(cmp.Or(o.drop, o.async), "")...))
		return
	case waited:
		if r := w.shadowRequest(u); r != nil {
			o = r
		}
		w.tokensOf(u, unit.Rewritten)
		w.waited(o, t)
	case future:
		w.tokensOf(u, unit.Rewritten)
		w.future(o, t)
	}
}

// sameFate reports whether every token that is assigned to v can be rewritten, so that v may go.
func (w *writer) sameFate(v *types.Var) bool {
	if v == nil {
		return true
	}
	defs, ok := w.assignments(v)
	if !ok {
		return false
	}
	if len(defs) == 1 {
		return true
	}
	for _, s := range defs {
		c := ast.Unparen(s.Rhs[0]).(*ast.CallExpr)
		sel, ok := ast.Unparen(c.Fun).(*ast.SelectorExpr)
		if !ok {
			return false
		}
		cl := w.classOf(client, sel.X)
		if !cl.moves() {
			return false
		}
		i := slices.IndexFunc(cl.flow.Uses, func(u *flow.Use) bool { return u.Call == c && u.Kind == flow.Call })
		if i < 0 {
			return false
		}
		u := cl.flow.Uses[i]
		if len(c.Args) == 1 {
			if _, multi := w.Info.TypeOf(c.Args[0]).(*types.Tuple); multi {
				return false
			}
		}
		t := w.useOfToken(u)
		set := w.factsOf(cl)
		_, why := w.operation(u, set)
		if why.Text != "" || t.kind == kept {
			return false
		}
	}
	return true
}

// waited writes the call that waits.
func (w *writer) waited(o *operation, t tokenUse) {
	call := o.call(o.wait, w.k.Ctx(o.u.Call.Pos()))
	if t.def == nil { // call.Wait()
		if as, ok := t.stmt.(*ast.AssignStmt); ok {
			w.k.Edit(edit.Replace(as, call...))
			return
		}
		w.k.Edit(edit.Replace(t.outer, call...))
		return
	}
	var reads []*ast.CallExpr
	for _, sel := range t.uses {
		if name, c := w.tokenMethod(sel); name == "Error" {
			reads = append(reads, c)
		}
	}
	blank := ""
	if o.packet != nil && !o.bare {
		blank = "_, "
	}
	p := t.wait
	if as := w.readNext(t, reads); as != nil {
		w.k.DeleteStmt(t.def)
		w.k.DeleteStmt(p.stmt)
		w.k.Insert(as.Lhs[0].Pos(), blank)
		w.k.Edit(edit.Replace(reads[0], call...))
		return
	}
	errName := ""
	if len(reads) > 0 {
		errName = w.errName(t, reads)
		for _, c := range reads {
			w.k.Edit(edit.Replace(c, edit.Text(errName)))
		}
	}
	head := []edit.Piece{}
	if errName != "" {
		head = append(head, edit.Text(blank+errName+" := "))
	}
	assign := append(head, call...)
	switch {
	case p.inIf:
		w.k.Edit(edit.Replace(t.def, assign...))
	case errName != "" && w.movesIn(t, reads):
		from := p.head.Cond.Pos()
		w.k.Edit(edit.Edit{Pos: t.def.Pos(), End: from, Pieces: slices.Concat([]edit.Piece{edit.Text("if ")}, assign, []edit.Piece{edit.Text("; ")})})
		if p.first != nil {
			w.dropWait(p.first)
		}
		return
	default:
		w.k.Edit(edit.Replace(t.def, assign...))
	}
	switch {
	case p.stmt != nil:
		w.k.DeleteStmt(p.stmt)
	case p.init:
		w.k.Edit(edit.Edit{Pos: p.head.Init.Pos(), End: p.head.Cond.Pos()})
	case p.alone:
		w.k.Edit(edit.Replace(p.head.Cond, edit.Text("true")))
	default:
		w.dropWait(p.first)
	}
}

// readNext is the assignment right behind a wait that stands alone, itself or the first part of an if statement, when it takes
// the error of the token and nothing else reads that: the call moves there. nil for anything else.
func (w *writer) readNext(t tokenUse, reads []*ast.CallExpr) *ast.AssignStmt {
	if t.wait.stmt == nil || len(reads) != 1 {
		return nil
	}
	par, self := rewrite.ParentSkippingParens(w.cursor(reads[0]))
	as, ok := par.Node().(*ast.AssignStmt)
	if !ok || len(as.Lhs) != 1 || len(as.Rhs) != 1 || as.Rhs[0] != self || as.Tok != token.DEFINE && as.Tok != token.ASSIGN {
		return nil
	}
	if id, ok := as.Lhs[0].(*ast.Ident); !ok || id.Name == "_" {
		return nil
	}
	next := par
	if head, ok := par.Parent().Node().(*ast.IfStmt); ok && head.Init == as {
		next = par.Parent()
	}
	wait := w.cursor(t.wait.stmt)
	if before, ok := next.PrevSibling(); !ok || before.Node() != wait.Node() {
		return nil
	}
	if before, ok := wait.PrevSibling(); !ok || before.Node() != t.def {
		return nil
	}
	return as
}

// movesIn reports whether the call moves into the if statement that waits for it: nothing else reads its error, and no blank line
// stands between the two.
func (w *writer) movesIn(t tokenUse, reads []*ast.CallExpr) bool {
	p := t.wait
	return p.head != nil && !p.inIf && !p.alone && w.allIn(reads, p.head) && w.k.Pkg.Pos(t.def.End()).Line+1 >= w.k.Pkg.Pos(p.head.Pos()).Line
}

// dropWait takes the left side of an && away.
func (w *writer) dropWait(b *ast.BinaryExpr) {
	w.k.Edit(edit.Edit{Pos: b.X.Pos(), End: b.Y.Pos()})
}

// allIn reports whether all calls are inside of n.
func (w *writer) allIn(calls []*ast.CallExpr, n ast.Node) bool {
	return !slices.ContainsFunc(calls, func(c *ast.CallExpr) bool { return c.Pos() < n.Pos() || c.End() > n.End() })
}

// errName is the name of the error that stands for a token: err where that name means nothing else where it is read.
func (w *writer) errName(t tokenUse, reads []*ast.CallExpr) string {
	var scope ast.Node = t.wait.head
	if !t.wait.inIf && !w.movesIn(t, reads) {
		scope = rewrite.Outermost(w.cursor(t.def))
		return w.k.Fresh(scope, t.def.Pos(), "err")
	}
	used := false
	ast.Inspect(scope, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		used = used || ok && id.Name == "err"
		if ret, ok := n.(*ast.ReturnStmt); ok && len(ret.Results) == 0 { // which returns a result named err, and must see it
			_, err := w.k.Pkg.Types.Scope().Innermost(ret.Pos()).LookupParent("err", ret.Pos())
			used = used || err != nil
		}
		return !used
	})
	if !used {
		return "err"
	}
	return w.k.Fresh(rewrite.Outermost(w.cursor(t.def)), t.def.Pos(), "err")
}

// future writes the call that does not wait.
func (w *writer) future(o *operation, t tokenUse) {
	call := o.call(o.async, "")
	if t.def == nil {
		w.k.Edit(edit.Replace(o.u.Call, call...))
		if name, c := w.tokenMethod(w.cursor(t.outer.Fun)); name == "Error" {
			w.k.Edit(edit.Replace(ast.Unparen(c.Fun).(*ast.SelectorExpr).Sel, edit.Text("Err")))
		}
		return
	}
	name := t.v.Name()
	op := t.def.Tok.String()
	if defs, _ := w.assignments(t.v); len(defs) > 1 {
		op = ":="
		if t.def.Tok != token.DEFINE {
			name = w.k.Fresh(rewrite.Outermost(w.cursor(t.def)), t.def.Pos(), name)
		}
	}
	if len(t.uses) == 0 {
		w.k.Edit(edit.Replace(t.def, call...))
		return
	}
	w.k.Edit(edit.Replace(t.def, append([]edit.Piece{edit.Text(name + " " + op + " ")}, call...)...))
	for _, sel := range t.uses {
		m, c := w.tokenMethod(sel)
		s := sel.Node().(*ast.SelectorExpr)
		if m == "Wait" {
			done := "<-" + name + ".Done()"
			st := w.laterWait(c)
			if head, ok := st.(*ast.IfStmt); ok {
				w.k.Insert(head.Pos(), done+"\n")
				w.dropWait(w.firstAnd(head.Cond, t.v))
			} else {
				w.k.Edit(edit.Replace(st, edit.Text(done)))
			}
			continue
		}
		if m == "Error" {
			m = "Err"
		}
		w.k.Edit(edit.Replace(s, edit.Text(name+"."+m)))
	}
}

// strayTokens adds the uses of tokens to the units, each to that of its client (owners), else to any, or, without, to a unit of its
// own. A call whose token is dropped is a use, too.
func (p *pkg) strayTokens(units *[]*unit.Unit, owners map[*ast.SelectorExpr]*unit.Unit) {
	p.bridgedTokens()
	for cur := range p.Ins.Root().Preorder((*ast.SelectorExpr)(nil)) {
		s := cur.Node().(*ast.SelectorExpr)
		at, what := p.Pos(s.Sel.Pos()), s.Sel.Name
		if call := p.drops(cur); call != nil {
			at, what = p.Pos(call.Rparen), "dropped"
		} else if !isToken(p.Info.TypeOf(s.X)) {
			continue
		}
		outcome, known := p.tokens[s]
		if !known {
			outcome = unit.Left
		}
		to := owners[s]
		for i := 0; i < len(*units) && owners[s] == nil; i++ {
			if u := (*units)[i]; to == nil || outcome != unit.Left && u.Edits != nil && to.Edits == nil {
				to = u
			}
		}
		if to == nil {
			to = &unit.Unit{Pos: at, Name: "token", Package: p.Types.Path(), Family: Family.Name, Start: s.Pos(), End: s.End(),
				Reasons: []unit.Reason{{Pos: at, Rule: "token", Anchor: "tokens", Text: "the client of this token is not of this package, or keeps paho's shape"}}}
			*units = append(*units, to)
		}
		to.Sites = append(to.Sites, unit.Site{Pos: at, Rule: "token", What: what, Outcome: outcome})
	}
}

// drops is the call of a method of a client whose token nobody looks at, when sel is that method; nil for anything else.
func (p *pkg) drops(sel inspector.Cursor) *ast.CallExpr {
	par, self := rewrite.ParentSkippingParens(sel)
	call, ok := par.Node().(*ast.CallExpr)
	if !ok || call.Fun != self || !isToken(p.Info.TypeOf(call)) {
		return nil
	}
	if _, ok := method(flow.StaticCallee(p.Info, call), "Client"); !ok {
		return nil
	}
	switch s := par.Parent().Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		return call
	case *ast.AssignStmt:
		if id, ok := s.Lhs[0].(*ast.Ident); ok && len(s.Lhs) == 1 && id.Name == "_" {
			return call
		}
	}
	return nil
}
