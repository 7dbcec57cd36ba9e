package paho

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// examine records what keeps a class from being rewritten, whatever becomes of the others.
func (p *pkg) examine(c *class) {
	for _, b := range c.flow.Borders {
		if b.Expr != nil && b.Way == flow.Leaves && p.leaves(c, b) {
			continue
		}
		if b.Expr == nil && c.kind.isHandler() && p.hookAt(c, b) {
			continue
		}
		why := borderText(c.kind, b)
		if b.Kind == flow.Exported {
			why = p.exported(why.Text)
		}
		p.stays(c, b.Pos, "class", why.Anchor, why.Text)
	}
	switch c.kind {
	case client:
		p.examineClient(c)
	case message:
		for _, u := range c.flow.Uses {
			if u.Kind == flow.Call && u.Sel.Sel.Name == "Ack" {
				p.stays(c, u.Sel.Sel.Pos(), "message", "acks", "the message is acknowledged by the program")
			}
		}
	case handler:
		if len(c.funcs) > 0 && p.acks() {
			p.stays(c, c.flow.First(), "class", "acks", "the program acknowledges messages itself, by their Ack")
		}
	case options:
		p.examineOptions(c)
	}
}

// leaves reports whether a value that goes to where it is not followed can go there after the rewrite: through a bridge, or
// because that place is rewritten, too.
func (p *pkg) leaves(c *class, b flow.Border) bool {
	switch c.kind {
	case client, message:
		return true
	case options:
		call := p.callAround(b.Expr)
		return call != nil && made(flow.StaticCallee(p.Info, call), "NewClient")
	}
	call := p.callAround(b.Expr)
	if call == nil {
		return false
	}
	name, _ := sinkOf(p.Info, call, b.Expr)
	return name != ""
}

// hookAt reports whether b is the field of options that a handler is assigned to.
func (p *pkg) hookAt(c *class, b flow.Border) bool {
	for _, e := range c.flow.Exprs {
		if s, ok := ast.Unparen(e).(*ast.SelectorExpr); ok && s.Pos() == b.Pos && isHook(p.Info, s) {
			if as, ok := p.cursor(s).Parent().Node().(*ast.AssignStmt); ok && len(as.Lhs) == 1 && as.Lhs[0] == s {
				return true
			}
		}
	}
	return false
}

// depends lets c stay when something that it depends on does.
func (p *pkg) depends(c *class) {
	for _, m := range c.flow.Members {
		v, ok := m.(*types.Var)
		if !ok || c.kind != client && c.kind != message {
			continue
		}
		if f := p.byParam[v]; f != nil && !f.moves() {
			p.stays(c, v.Pos(), "class", "callbacks", "it comes into a handler that keeps paho's shape")
		}
	}
	if c.kind.isHandler() {
		for _, f := range c.funcs {
			if !f.moves() {
				p.stays(c, f.typ.Pos(), "class", "callbacks", "the function is also used where it cannot be rewritten")
			}
			for i := range f.params {
				v := f.param(i)
				if v == nil {
					continue
				}
				if to := p.of[v]; to != nil && to != c && !to.moves() && (to.kind == client || to.kind == message) && len(p.Uses[v]) > 0 {
					p.stays(c, v.Pos(), "class", "callbacks", "its "+to.kind.String()+" parameter goes where it cannot be followed")
				}
			}
		}
		p.dependsOnCalls(c)
	}
	if c.kind == promise {
		p.dependsOnCallers(c)
	}
	if c.kind != options {
		return
	}
	for _, u := range c.flow.Uses {
		s := p.settingOf(u)
		if s == nil {
			continue
		}
		if r := s.rule(); r != nil && r.hook != client && s.varies() && !p.classOf(r.hook, s.args[0]).moves() {
			p.stays(c, u.Sel.Sel.Pos(), "options", "callbacks", "the handler is a value that may be nil, or change, and keeps paho's shape")
		}
	}
	for _, b := range c.flow.Borders {
		call := p.callAround(nodeExpr(b))
		if call == nil {
			continue
		}
		switch to := p.ofExpr[client][call]; {
		case to == nil:
		case !to.moves():
			p.stays(c, call.Pos(), "options", "bridge", "a client that is made of these options keeps paho's shape")
		case (c.set.retry || c.set.unordered) && to.anyOf(func(o *class) bool {
			return slices.ContainsFunc(o.flow.Borders, func(b flow.Border) bool { return b.Way == flow.Leaves })
		}):
			p.stays(c, call.Pos(), "options", "bridge", "the client goes to code that keeps paho's shape, which must know of ConnectRetry and of the order of messages")
		}
	}
}

// moves reports whether all classes that a function is in are rewritten.
func (f *function) moves() bool {
	return !slices.ContainsFunc(f.classes, func(c *class) bool { return !c.moves() })
}

// dependsOnCalls looks at the direct calls of handlers: they lose the client among their arguments.
func (p *pkg) dependsOnCalls(c *class) {
	if c.kind != handler {
		return
	}
	for _, f := range c.funcs {
		if f.decl == nil {
			continue
		}
		for _, use := range p.Uses[p.Info.Defs[f.decl.Name]] {
			if call, ok := calledBy(use); ok && (len(call.Args) != 2 || !p.Pure(call.Args[0])) {
				p.stays(c, call.Pos(), "class", "callbacks", "the handler is called with a client that is computed")
			}
		}
	}
}

// calledBy is the call of the function that cur names.
func calledBy(cur inspector.Cursor) (*ast.CallExpr, bool) {
	if s, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == cur.Node() {
		cur = cur.Parent()
	}
	c, ok := cur.Parent().Node().(*ast.CallExpr)
	return c, ok && c.Fun == cur.Node()
}

// joinAll joins c with the classes that it is rewritten together with.
func (p *pkg) joinAll(c *class) {
	for _, m := range c.flow.Members {
		if v, ok := m.(*types.Var); ok {
			if f := p.byParam[v]; f != nil {
				for _, h := range f.classes {
					join(c, h)
				}
			}
		}
	}
	for _, f := range c.funcs {
		for _, o := range f.classes {
			join(c, o)
		}
	}
	if c.kind == promise {
		for _, m := range c.flow.Ctors {
			cl, _ := p.caller(m.Call)
			join(c, cl)
		}
		return
	}
	for _, b := range c.flow.Borders {
		if b.Expr == nil {
			continue
		}
		call := p.callAround(b.Expr)
		if call == nil {
			continue
		}
		if c.kind == options {
			join(c, p.ofExpr[client][call])
			continue
		}
		if s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && c.kind.isHandler() {
			if name, onClient := sinkOf(p.Info, call, b.Expr); name != "" && onClient {
				join(c, p.movingClass(client, s.X))
			} else if name != "" {
				p.joinOptions(c, s.X)
			}
		}
	}
	for _, e := range c.flow.Exprs {
		if s, ok := ast.Unparen(e).(*ast.SelectorExpr); ok && c.kind.isHandler() && isHook(p.Info, s) {
			p.joinOptions(c, s.X)
		}
	}
}

// joinOptions joins a handler with the options e that it is given to, or, where those stay, with the clients made of them.
func (p *pkg) joinOptions(c *class, e ast.Expr) {
	o := p.classOf(options, e)
	if o == nil {
		return
	}
	if o.moves() {
		join(c, o)
		return
	}
	for _, b := range o.flow.Borders {
		if b.Expr == nil {
			continue
		}
		if call := p.callAround(b.Expr); call != nil {
			if to := p.ofExpr[client][call]; to.moves() {
				join(c, to)
			}
		}
	}
}

// movingClass is the class of e when that is rewritten.
func (p *pkg) movingClass(k kind, e ast.Expr) *class {
	if c := p.classOf(k, e); c.moves() {
		return c
	}
	return nil
}

// calleeClass is the class of the handler that c calls as a function.
func (p *pkg) calleeClass(c *ast.CallExpr) *class {
	k, ok := p.handlerKind(c.Fun)
	if !ok {
		return nil
	}
	if f := flow.StaticCallee(p.Info, c); f != nil {
		if d := p.Decls[f.Origin()]; d != nil && p.funcs[d] != nil {
			return p.funcs[d].classes[0]
		}
		return nil
	}
	return p.classOf(k, c.Fun)
}
