package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// classes returns the flow classes of the old client that have something to rewrite or to report, and those whose values
// are all an old shape of a new client: what an earlier run has bridged, one class for each new client.
func (g group) classes(p *Package) (classes, bridged []*flow.Class) {
	f := g[0]
	var shapes []*flow.Class
	t := g.target()
	t.Linked = p.Linked
	t.Keep = p.Bridges && !p.Closed()
	all := flow.Analyze(&p.Package, p.Ins, t)
	if t.Keep && slices.ContainsFunc(all, func(c *flow.Class) bool { return g.decidesOutside(p, c) }) {
		t.Keep = false
		all = flow.Analyze(&p.Package, p.Ins, t)
	}
	for _, c := range all {
		for _, r := range c.Reads {
			p.reads[r.Call] = r
		}
		switch {
		case len(c.Ctors) == 0 && len(c.Uses) == 0 && len(c.Borders) == 0 && (len(c.Shared) == 0 || len(c.Mentions) == 0):
		case t.Keep && len(c.Ctors)+len(c.Uses) == 0 && c.Callback == nil && !slices.ContainsFunc(c.Borders, func(b flow.Border) bool { return b.Kind != flow.Exported || b.Way != flow.Declared }):
			// what functions hand out whose types stay: said where a client goes there
		case c.Given() && (!p.given || !g.calls(c)):
			// values that the library hands to a callback: it goes on giving them
		case len(c.Ctors) == 0 && c.Callback == nil && g.shape(p, c) && (p.Bridges || len(c.Shared) == 0):
			shapes = append(shapes, c)
		default:
			classes = append(classes, c)
		}
	}
	if len(shapes) == 0 {
		return classes, nil
	}
	return classes, f.byClient(p, shapes)
}

// decidesOutside reports whether c goes out of the package or in and is compared, with nil in most cases, which a bridge
// of nil is not where it cannot be guarded, or configured where it comes in, so that the options are not all known where
// the client is made.
func (g group) decidesOutside(p *Package, c *flow.Class) bool {
	exported := func(b flow.Border) bool { return b.Kind == flow.Exported }
	bare := func(b flow.Border) bool { return exported(b) && p.guarded(b) == nil }
	return slices.ContainsFunc(c.Uses, func(u *flow.Use) bool {
		return u.Kind == flow.Compare && slices.ContainsFunc(c.Borders, bare) ||
			u.Kind == flow.Call && len(c.Ctors) == 0 && g.row(u.Sel.Sel.Name).Role == Configure && slices.ContainsFunc(c.Borders, exported)
	})
}

// guarded is the statement that does nothing but return the value of b, and before which another one can return nil in
// its place; nil: there is none.
func (p *Package) guarded(b flow.Border) *ast.ReturnStmt {
	if b.Way != flow.Leaves || b.Expr == nil || !p.Pure(b.Expr) {
		return nil
	}
	cur, ok := p.Ins.Root().FindNode(b.Expr)
	if !ok {
		return nil
	}
	par, _ := ParentSkippingParens(cur)
	ret, ok := par.Node().(*ast.ReturnStmt)
	if _, inList := StmtOf(par); !ok || !inList || len(ret.Results) != 1 {
		return nil
	}
	return ret
}

// calls reports whether c has a call that can go through the old client to the new one.
func (g group) calls(c *flow.Class) bool {
	for _, u := range c.Uses {
		if u.Kind == flow.Call && g.row(u.Sel.Sel.Name).Request {
			return true
		}
	}
	return false
}

// shape reports whether c has no values but those that the bridge makes, and what is made of them.
func (g group) shape(p *Package, c *flow.Class) bool {
	made := false
	for _, b := range c.Borders {
		switch {
		case b.Kind == flow.Foreign && b.Func != nil && g[0].isBridge(b.Func):
			made = true
		case p.branches(g).border[b.Pos] != nil: // which an earlier run has left for itself
		case b.Kind == flow.Opaque, b.Kind == flow.Exported, b.Kind == flow.FuncValue:
			return false
		}
	}
	return made
}

// byClient joins the shapes of one new client: what stays in one of them can decide about another.
func (f *Family) byClient(p *Package, shapes []*flow.Class) []*flow.Class {
	to, made := f.Types[0].To, f.Options
	owner := map[token.Pos]int{} // of the argument of a bridge: the class of the new client
	target := flow.Target{Is: func(t types.Type) bool { return paths.IsPointer(t, to.Package, to.Name) }, Ctor: func(fn *types.Func) bool { return paths.Func(fn, made.Package, made.Make) }}
	for i, c := range flow.Analyze(&p.Package, p.Ins, target) {
		for _, b := range c.Borders {
			if b.Kind == flow.Foreign && b.Func != nil && f.isBridge(b.Func) {
				owner[b.Pos] = i + 1
			}
		}
	}
	argument := map[token.Pos]token.Pos{} // of the call of a bridge
	for cur := range p.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		c := cur.Node().(*ast.CallExpr)
		if fn := flow.StaticCallee(p.Info, c); fn != nil && f.isBridge(fn) && len(c.Args) > 0 {
			argument[c.Pos()] = ast.Unparen(c.Args[0]).Pos()
		}
	}
	joined := map[int]*flow.Class{}
	var out []*flow.Class
	for _, c := range shapes {
		client := 0
		for _, b := range c.Borders {
			if client == 0 && b.Func != nil && f.isBridge(b.Func) {
				client = owner[argument[b.Pos]]
			}
		}
		if j := joined[client]; j != nil && client != 0 {
			j.Members, j.Uses = append(j.Members, c.Members...), append(j.Uses, c.Uses...)
			j.Mentions, j.Borders = append(j.Mentions, c.Mentions...), append(j.Borders, c.Borders...)
			continue
		}
		joined[client] = c
		out = append(out, c)
	}
	return out
}
