package paho

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// plan returns the units of a package: one for the clients that move together with all that goes with them, one for every
// client that stays.
func plan(in rewrite.Input) []*unit.Unit {
	p := analyzed(in)
	var out []*unit.Unit
	var roots []*class
	owners := map[*ast.SelectorExpr]*unit.Unit{}
	for _, c := range p.all() {
		if r := c.root(); c.moves() && !slices.Contains(roots, r) {
			roots = append(roots, r)
		}
	}
	for _, r := range roots {
		w := p.writer(r)
		w.write()
		if u := w.k.Unit; !in.Bridges && len(u.Bridges) > 0 {
			for _, b := range u.Bridges {
				u.AddReason(unit.Reason{Pos: b.Pos, Rule: b.Rule, Text: b.Text, Anchor: b.Anchor})
			}
			u.Drop()
			for s, o := range p.tokens {
				if o != unit.Left && w.ownsToken(s) {
					p.tokens[s] = unit.Left
				}
			}
		}
		out = append(out, w.k.Unit)
		for _, s := range w.looked {
			owners[s] = w.k.Unit
		}
	}
	for _, c := range p.classes[client] {
		if u := p.left(c); u != nil {
			out = append(out, u)
		}
	}
	p.strayTokens(&out, owners)
	p.loggers(out)
	for _, u := range out {
		u.SortReasons()
	}
	slices.SortStableFunc(out, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	return out
}

// writer writes what moves together.
type writer struct {
	*pkg
	k       *rewrite.Class
	classes []*class
	looked  []*ast.SelectorExpr // uses of the tokens of its clients
}

func (p *pkg) writer(root *class) *writer {
	w := &writer{pkg: p}
	for k := range kinds {
		for _, c := range p.classes[k] {
			if c.moves() && c.root() == root {
				w.classes = append(w.classes, c)
			}
		}
	}
	var calls []token.Pos
	for _, c := range w.of(client) {
		for _, u := range c.flow.Uses {
			if u.Kind == flow.Call && p.waits(u) {
				calls = append(calls, u.Call.Pos())
			}
		}
	}
	w.k = rewrite.NewClass(p.Package, Family, calls)
	return w
}

// of are the classes of a kind that move together.
func (w *writer) of(k kind) []*class {
	return slices.DeleteFunc(slices.Clone(w.classes), func(c *class) bool { return c.kind != k })
}

// q names a package at pos.
func (w *writer) q(pos token.Pos) func(string) string {
	return func(path string) string { return w.k.Q(pos, path) }
}

// write plans the edits.
func (w *writer) write() {
	w.describe()
	for _, c := range w.of(client) {
		w.constructors(c)
	}
	for _, c := range w.classes {
		w.mentions(c)
	}
	w.functionTypes()
	for _, c := range w.of(options) {
		w.settings(c)
	}
	for _, c := range w.classes {
		if c.kind.isHandler() {
			w.handlers(c)
		}
	}
	w.handlerCalls()
	for _, c := range w.of(message) {
		w.messages(c)
	}
	for _, c := range w.of(client) {
		w.operations(c)
		w.handedOver(c, "FromV2", "move what takes the client, then run the tool again")
	}
	for _, c := range w.of(message) {
		w.handedOver(c, "MessageFromV2", "move what takes the message, then run the tool again")
	}
	for _, c := range w.of(promise) {
		w.promised(c)
	}
	w.shadowTopics()
	w.optionHandlers()
	for _, c := range w.classes {
		w.k.Readings(c.flow)
		w.changed(c)
	}
	w.k.Finish()
}

// describe fills the unit with what the report says of it.
func (w *writer) describe() {
	u := w.k.Unit
	for _, c := range w.of(client) {
		if len(c.flow.Ctors) == 0 {
			continue
		}
		if !u.Pos.IsValid() {
			first := c.flow.Ctors[0].Call
			u.Pos, u.Name, u.Start, u.End = w.Pos(first.Pos()), c.name(), first.Pos(), first.End()
		}
		for _, m := range c.flow.Ctors {
			u.Sites = append(u.Sites, unit.Site{Pos: w.Pos(m.Call.Pos()), Rule: "constructor", What: "NewClient"})
		}
	}
	for _, c := range w.classes {
		w.sites(c, u)
		u.Shared = append(u.Shared, c.shared()...)
	}
	if !u.Pos.IsValid() { // all of it is made in other packages
		c := w.classes[0]
		u.Pos, u.Name, u.Start, u.End = w.Pos(c.flow.First()), c.name(), c.flow.First(), c.flow.First()
	}
}

// sites adds the uses of a class to a unit.
func (p *pkg) sites(c *class, u *unit.Unit) {
	for _, use := range c.flow.Uses {
		if use.Sel == nil || c.kind == promise { // strayTokens has those
			continue
		}
		s := unit.Site{Pos: p.Pos(use.Sel.Sel.Pos()), Rule: "options", What: use.Sel.Sel.Name}
		if c.kind == client {
			s.Rule = ruleOf(s.What)
		}
		if c.kind == message {
			s.Rule = "message"
		}
		u.Sites = append(u.Sites, s)
	}
}

// name is what a report calls a class: its first variable or field.
func (c *class) name() string {
	for _, m := range c.flow.Members {
		if m.Name() != "" {
			return m.Name()
		}
	}
	return "client"
}

// left is the unit of a client that stays, nil for what is none.
func (p *pkg) left(c *class) *unit.Unit {
	if c.moves() || len(c.flow.Ctors) == 0 && !slices.ContainsFunc(c.flow.Uses, func(u *flow.Use) bool { return u.Kind == flow.Call }) {
		return nil
	}
	first := c.flow.First()
	if u := p.bridgedBefore(c); u != nil {
		return u
	}
	u := &unit.Unit{Pos: p.Pos(first), Name: c.name(), Package: p.Types.Path(), Family: Family.Name, Start: first, End: first, Reasons: c.why, Shared: c.shared()}
	for _, m := range c.flow.Ctors {
		u.Sites = append(u.Sites, unit.Site{Pos: p.Pos(m.Call.Pos()), Rule: "constructor", What: "NewClient", Outcome: unit.Left})
	}
	p.sites(c, u)
	for i := range u.Sites {
		u.Sites[i].Outcome = unit.Left
	}
	return u
}

// bridgedBefore is the unit of a class whose values are all paho's shape of a client that has moved; nil for any other.
func (p *pkg) bridgedBefore(c *class) *unit.Unit {
	comes := slices.DeleteFunc(slices.Clone(c.flow.Borders), func(b flow.Border) bool { return b.Way == flow.Leaves })
	if len(c.flow.Ctors) > 0 || len(comes) == 0 || slices.ContainsFunc(comes, func(b flow.Border) bool {
		return !paths.Func(b.Func, paths.PahoCompat, Family.Bridge.Forward)
	}) {
		return nil
	}
	first := c.flow.First()
	u := &unit.Unit{Pos: p.Pos(first), Name: c.name(), Package: p.Types.Path(), Family: Family.Name, Start: first, End: first}
	p.sites(c, u)
	for i, s := range u.Sites {
		u.Sites[i].Outcome = unit.Bridged
		u.Bridges = append(u.Bridges, unit.Bridge{Pos: s.Pos, Rule: s.Rule, What: s.What, Form: "mqtt." + Family.Bridge.Forward, Anchor: "bridge",
			Text: "an earlier run has left this call on paho's shape", Next: "write it with a call of awsiot.Client"})
	}
	return u
}

// constructors rewrites the calls of NewClient.
func (w *writer) constructors(c *class) {
	for _, m := range c.flow.Ctors {
		call := m.Call
		arg := call.Args[0]
		o := w.classOf(options, arg)
		if o.moves() {
			w.k.Edit(edit.Replace(call.Fun, edit.Text(w.k.Q(call.Pos(), paths.V2)+".NewClient")))
			if !w.isChain(arg) {
				w.k.Edit(edit.Replace(arg, edit.Text("*"), edit.Src(arg)))
			}
			continue
		}
		q := w.k.Q(call.Pos(), paths.PahoCompat)
		w.k.Edit(edit.Replace(call.Fun, edit.Text(q+".NewV2")))
		text, anchor := "the options come from elsewhere, where they may be set in any way", "options"
		if o != nil && len(o.why) > 0 {
			var texts []string
			for _, r := range o.why {
				if !slices.Contains(texts, r.Text) {
					texts = append(texts, r.Text)
				}
			}
			text, anchor = strings.Join(texts, "; "), o.why[0].Anchor
		}
		w.bridge(call.Pos(), "options", "NewClient", "mqtt.NewV2", text, anchor, "write the options as awsiot.ClientOptions; awsiot.OptionsPaho has paho's defaults")
	}
}

// bridge reports a place that keeps paho's shape.
func (w *writer) bridge(pos token.Pos, rule, what, form, text, anchor, next string) {
	w.k.Unit.Bridges = append(w.k.Unit.Bridges, unit.Bridge{Pos: w.Pos(pos), Rule: rule, What: what, Form: form, Text: text, Anchor: anchor, Next: next})
	w.outcome(pos, unit.Bridged)
}

// outcome sets what becomes of the site at pos.
func (w *writer) outcome(pos token.Pos, o unit.Outcome) {
	at := w.Pos(pos)
	for i := range w.k.Unit.Sites {
		if w.k.Unit.Sites[i].Pos == at {
			w.k.Unit.Sites[i].Outcome = o
		}
	}
}

// typeText is what a type of the kind becomes, as written at pos.
func (w *writer) typeText(k kind, pos token.Pos) string {
	v2 := w.k.Q(pos, paths.V2)
	return map[kind]string{client: "*" + v2 + ".Client", message: "*" + v2 + ".Message", handler: v2 + ".MessageHandler",
		connected: "func(*" + v2 + ".Client)", lost: "func(*" + v2 + ".Client, error)", options: v2 + ".ClientOptions", promise: v2 + ".Pending"}[k]
}

// mentions rewrites the type names in the declarations of a class.
func (w *writer) mentions(c *class) {
	seen := map[ast.Expr]bool{}
	for _, m := range c.flow.Mentions {
		if seen[m.Expr] {
			continue
		}
		seen[m.Expr] = true
		text := w.typeText(c.kind, m.Expr.Pos())
		if call, ok := w.cursor(m.Expr).Parent().Node().(*ast.CallExpr); ok && call.Fun == m.Expr && c.kind != handler {
			text = "(" + text + ")"
		}
		w.k.Edit(edit.Replace(m.Expr, edit.Text(text)))
	}
}

// functionTypes rewrites the types of handlers that are written out.
func (w *writer) functionTypes() {
	for cur := range w.Ins.Root().Preorder((*ast.FuncType)(nil)) {
		t := cur.Node().(*ast.FuncType)
		k, ok := w.handlerKind(t)
		if !ok {
			continue
		}
		if slices.ContainsFunc(w.written(k, cur), func(c *class) bool { return c.moves() && slices.Contains(w.classes, c) }) {
			w.k.Edit(edit.Replace(t, edit.Text(w.typeText(k, t.Pos()))))
		}
	}
}

// written are the classes of what is declared, or made, with the type of functions at cur, alone or in a container.
func (p *pkg) written(k kind, cur inspector.Cursor) []*class {
	up := cur.Parent()
	for {
		switch up.Node().(type) {
		case *ast.ArrayType, *ast.MapType, *ast.ChanType, *ast.ParenExpr, *ast.Ellipsis:
			up = up.Parent()
			continue
		}
		break
	}
	var names []*ast.Ident
	switch n := up.Node().(type) {
	case *ast.Field:
		if len(n.Names) == 0 {
			return []*class{p.unnamed(up)}
		}
		names = n.Names
	case *ast.ValueSpec:
		names = n.Names
	case *ast.TypeSpec:
		names = []*ast.Ident{n.Name}
	case *ast.CompositeLit:
		return []*class{p.ofExpr[k][n]}
	case *ast.CallExpr: // of make
		return []*class{p.ofExpr[k][n]}
	}
	var out []*class
	for _, name := range names {
		out = append(out, p.of[p.Info.Defs[name]])
	}
	return out
}

// unnamed is the class of the parameter or result without a name that the field at cur declares.
func (p *pkg) unnamed(cur inspector.Cursor) *class {
	list, _ := cur.Parent().Node().(*ast.FieldList)
	ft, ok := cur.Parent().Parent().Node().(*ast.FuncType)
	if !ok || list == nil {
		return nil
	}
	var sig *types.Signature
	switch f := cur.Parent().Parent().Parent().Node().(type) {
	case *ast.FuncDecl:
		if fn, ok := p.Info.Defs[f.Name].(*types.Func); ok {
			sig = fn.Signature()
		}
	case *ast.FuncLit:
		sig, _ = p.Info.TypeOf(f).(*types.Signature)
	default:
		sig, _ = p.Info.TypeOf(ft).(*types.Signature)
	}
	i := slices.Index(list.List, cur.Node().(*ast.Field))
	if sig == nil {
		return nil
	}
	vars := sig.Params()
	if list == ft.Results {
		vars = sig.Results()
	}
	if i < 0 || i >= vars.Len() {
		return nil
	}
	return p.of[vars.At(i)]
}

// handedOver bridges the places where a value goes to something that keeps paho's shape.
func (w *writer) handedOver(c *class, form, next string) {
	for _, b := range c.flow.Borders {
		if b.Expr == nil || b.Way != flow.Leaves {
			continue
		}
		if call := w.callAround(b.Expr); call != nil {
			if h := w.calleeClass(call); h.moves() && slices.Contains(w.classes, h) {
				continue
			}
		}
		why, then := borderText(c.kind, b), next
		if whole := w.byWhole(); b.Kind == flow.Exported && whole != "" {
			then = whole
		}
		q := w.k.Q(b.Expr.Pos(), paths.PahoCompat) + "." + form + "("
		if _, call := ast.Unparen(b.Expr).(*ast.CallExpr); call {
			w.k.Insert(b.Expr.Pos(), q)
			w.k.Insert(b.Expr.End(), ")")
		} else {
			w.k.Edit(edit.Replace(b.Expr, edit.Text(q), edit.Src(b.Expr), edit.Text(")")))
		}
		what := b.Detail
		if what == "" {
			what = "the " + c.kind.String()
		}
		w.bridge(b.Pos, "class", what, "mqtt."+form, why.Text, why.Anchor, then)
	}
}

// changed records what changes for other files.
func (w *writer) changed(c *class) {
	for _, m := range c.flow.Members {
		if v, ok := m.(*types.Var); ok && (v.IsField() || v.Parent() == w.Types.Scope()) {
			w.k.Unit.Changed = append(w.k.Unit.Changed, v.Name())
		} else if d := w.DeclOf(m); d != nil {
			w.k.Unit.Changed = append(w.k.Unit.Changed, d.Name.Name)
		}
	}
	for _, f := range c.funcs {
		if f.decl != nil {
			w.k.Unit.Changed = append(w.k.Unit.Changed, f.decl.Name.Name)
		}
	}
}
