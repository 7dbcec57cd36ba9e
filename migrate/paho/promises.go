package paho

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Tokens that are returned, passed on or stored are a flow class of their own: when all of them come from clients that move,
// and none goes where it cannot be followed, they become awsiot.Pending, which v2's futures are whatever their result.

// caller is the class of the client that call is a method of, with the use; nil: it is not followed.
func (p *pkg) caller(call *ast.CallExpr) (*class, *flow.Use) {
	s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return nil, nil
	}
	c := p.classOf(client, s.X)
	if c == nil {
		return nil, nil
	}
	i := slices.IndexFunc(c.flow.Uses, func(u *flow.Use) bool { return u.Call == call && u.Kind == flow.Call })
	if i < 0 {
		return nil, nil
	}
	return c, c.flow.Uses[i]
}

// dependsOnCallers lets a class of tokens stay that comes from a client that does, and one of which nothing but what the
// rules of single calls know is done.
func (p *pkg) dependsOnCallers(c *class) {
	for _, m := range c.flow.Ctors {
		cl, u := p.caller(m.Call)
		switch {
		case !cl.moves():
			p.stays(c, m.Call.Pos(), "token", "tokens", "its client keeps paho's shape")
		case !p.hasFuture(cl, u):
			p.stays(c, m.Call.Pos(), "token", "tokens", "the call has no form that does not wait")
		}
	}
	if !c.anyOf(func(o *class) bool {
		return slices.ContainsFunc(o.flow.Ctors, func(m *flow.Ctor) bool {
			_, u := o.in.caller(m.Call)
			return u != nil && o.in.useOfToken(u).kind == kept
		})
	}) {
		p.stays(c, c.flow.First(), "token", "tokens", "the token is looked at where it is made")
	}
	for _, m := range c.flow.Members {
		if v, ok := m.(*types.Var); ok && v.Embedded() {
			p.stays(c, v.Pos(), "token", "tokens", "it is embedded, and its methods are those of another type")
		}
	}
	for _, v := range c.flow.Members {
		if len(p.Assigned[v]) > 0 && !p.declaresAlone(v) {
			p.stays(c, v.Pos(), "token", "tokens", "the variable is declared with others, or in the head of a statement")
		}
	}
}

// hasFuture reports whether the call of u has a form of v2 that does not wait.
func (p *pkg) hasFuture(c *class, u *flow.Use) bool {
	if len(u.Call.Args) == 1 {
		if _, multi := p.Info.TypeOf(u.Call.Args[0]).(*types.Tuple); multi {
			return false
		}
	}
	if u.Sel.Sel.Name != "Connect" {
		return true
	}
	all := c.optionsOf()
	return len(all) > 0 && !slices.ContainsFunc(all, func(o *class) bool {
		return o == nil || o.set == nil || o.set.retries || o.set.unknown || o.set.elsewhere
	})
}

// declaresAlone reports whether v, which is assigned again, can be declared with its type: it has one, or is alone in a statement
// of a list that declares it.
func (p *pkg) declaresAlone(v types.Object) bool {
	as := p.definition(v)
	if as == nil {
		return true
	}
	stmt, inList := rewrite.StmtOf(p.cursor(as.Rhs[0]))
	return len(as.Lhs) == 1 && inList && stmt == as
}

// definition is the := that declares v, nil when something else does.
func (p *pkg) definition(v types.Object) *ast.AssignStmt {
	for cur := range p.Ins.Root().Preorder((*ast.AssignStmt)(nil)) {
		as := cur.Node().(*ast.AssignStmt)
		if as.Tok == token.DEFINE && slices.ContainsFunc(as.Lhs, func(e ast.Expr) bool {
			id, ok := e.(*ast.Ident)
			return ok && p.Info.Defs[id] == v
		}) {
			return as
		}
	}
	return nil
}

// isPromise reports whether the token of a call is one of a class that moves.
func (p *pkg) isPromise(call *ast.CallExpr) bool { return p.ofExpr[promise][call].moves() }

// promise writes a call whose token becomes a Pending.
func (w *writer) promise(o *operation) {
	w.tokensOf(o.u, unit.Rewritten)
	w.k.Edit(edit.Replace(o.u.Call, o.call(o.async, "")...))
}

// promised writes what is done with the tokens of a class.
func (w *writer) promised(c *class) {
	for _, v := range c.flow.Members {
		as := w.definition(v)
		if as == nil || len(w.Assigned[v]) == 0 || !isToken(v.Type()) { // a container has its type from what it is made by
			continue
		}
		pending := w.typeText(promise, as.Pos())
		w.k.Insert(as.Pos(), "var ")
		w.k.Edit(edit.Edit{Pos: as.Lhs[0].End(), End: as.Rhs[0].Pos(), Pieces: []edit.Piece{edit.Text(" " + pending + " = ")}})
	}
	for _, u := range c.flow.Uses {
		if u.Kind != flow.Call {
			continue
		}
		w.tokens[u.Sel] = unit.Rewritten
		w.looked = append(w.looked, u.Sel)
		switch u.Sel.Sel.Name {
		case "Error":
			w.k.Edit(edit.Replace(u.Sel.Sel, edit.Text("Err")))
		case "Wait":
			par, _ := rewrite.ParentSkippingParens(w.cursor(u.Call))
			switch par.Node().(type) {
			case *ast.ExprStmt:
				w.k.Insert(u.Call.Pos(), "<-")
				w.k.Edit(edit.Replace(u.Sel.Sel, edit.Text("Done")))
			default:
				w.k.Insert(u.Call.Pos(), w.k.Q(u.Call.Pos(), paths.V2)+".WaitPaho(")
				w.k.Edit(edit.Edit{Pos: u.Sel.X.End(), End: u.Call.End(), Pieces: []edit.Piece{edit.Text(")")}})
			}
		}
	}
}

// bridgedTokens finds the uses of tokens that are paho's shape of futures: those of a class whose tokens all come from clients that
// have moved.
func (p *pkg) bridgedTokens() {
	for _, c := range p.classes[promise] {
		if c.moves() || len(c.flow.Ctors) == 0 || slices.ContainsFunc(c.flow.Ctors, func(m *flow.Ctor) bool {
			s, ok := ast.Unparen(m.Call.Fun).(*ast.SelectorExpr)
			o, known := p.tokens[s]
			return !ok || !known || o == unit.Left
		}) {
			continue
		}
		for _, u := range c.flow.Uses {
			if _, known := p.tokens[u.Sel]; u.Kind == flow.Call && !known {
				p.tokens[u.Sel] = unit.Bridged
			}
		}
	}
}
