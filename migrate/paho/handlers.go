package paho

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// handlerArg is a handler of v2 for e, a message handler of paho.
func (p *pkg) handlerArg(e ast.Expr, unordered bool, q func(string) string) []edit.Piece {
	if p.Info.Types[e].IsNil() {
		return []edit.Piece{edit.Text("nil")}
	}
	out := []edit.Piece{edit.Src(e)}
	if !p.classOf(handler, e).moves() {
		out = []edit.Piece{edit.Text(q(paths.PahoCompat) + ".HandlerV2("), edit.Src(e), edit.Text(")")}
	}
	if unordered && !p.acks() { // HandlerV2 does it then
		out = append(append([]edit.Piece{edit.Text(q(paths.V2) + ".Unordered(")}, out...), edit.Text(")"))
	}
	return out
}

// handlers rewrites the functions of a class: those for messages have the message as their only parameter, and the client
// from that.
func (w *writer) handlers(c *class) {
	if c.kind != handler {
		return // their parameters keep their places
	}
	for _, f := range c.funcs {
		if f.classes[0] != c {
			continue // of that one
		}
		m := f.param(1)
		used := f.param(0)
		if used != nil && len(w.reads(used)) == 0 {
			used = nil
		}
		name := "_"
		if m != nil {
			name = m.Name()
		} else if used != nil {
			name = w.k.Fresh(f.around(), f.body.Pos(), "m")
		}
		open, end := f.typ.Params.Opening+1, f.typ.Params.Closing
		w.k.Edit(edit.Edit{Pos: open, End: end, Pieces: []edit.Piece{edit.Text(name + " *" + w.k.Q(open, paths.V2) + ".Message")}})
		if used != nil {
			text := "\n" + used.Name() + " := " + name + ".Client()"
			if tf := w.Fset.File(f.body.Pos()); len(f.body.List) > 0 && tf.Line(f.body.List[0].Pos()) == tf.Line(f.body.Lbrace) {
				text += "\n"
			}
			w.k.Insert(f.body.Lbrace+1, text)
		}
	}
}

// around is what names must not clash with.
func (f *function) around() ast.Node {
	if f.decl != nil {
		return f.decl
	}
	return f.lit
}

// reads are the uses of the client parameter of a handler that are left: not as the argument that calls of handlers lose.
func (w *writer) reads(v *types.Var) []ast.Node {
	var out []ast.Node
	for _, use := range w.Uses[v] {
		e := use.Node().(ast.Expr)
		if call := w.callAround(e); call != nil && len(call.Args) == 2 && ast.Unparen(call.Args[0]) == e {
			if h := w.calleeClass(call); h != nil && h.kind == handler && h.moves() {
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// handlerCalls rewrites the direct calls of message handlers.
func (w *writer) handlerCalls() {
	for cur := range w.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		c := cur.Node().(*ast.CallExpr)
		if w.Info.Types[ast.Unparen(c.Fun)].IsType() || len(c.Args) != 2 {
			continue
		}
		h := w.calleeClass(c)
		if h == nil || h.kind != handler || !h.moves() || !slices.Contains(w.classes, h) {
			continue
		}
		w.k.Edit(edit.Edit{Pos: c.Args[0].Pos(), End: c.Args[1].Pos()})
	}
}

// getters are the methods of a message, with what they become.
var getters = map[string]struct{ before, field, after string }{
	"Topic":     {"", "Topic", ""},
	"Payload":   {"", "Payload", ""},
	"Qos":       {"byte(", "QoS", ")"},
	"Retained":  {"", "Retain", ""},
	"Duplicate": {"", "Duplicate", ""},
	"MessageID": {"", "PacketID()", ""},
}

// messages rewrites the calls on the messages of a class.
func (w *writer) messages(c *class) {
	for _, u := range c.flow.Uses {
		if u.Kind != flow.Call {
			continue
		}
		g, ok := getters[u.Sel.Sel.Name]
		if !ok {
			continue
		}
		w.k.Edit(edit.Replace(u.Call, edit.Text(g.before), edit.Src(u.Sel.X), edit.Text("."+g.field+g.after)))
	}
}

// adapters give a function that has moved paho's shape, where the options keep theirs.
var adapters = map[kind]string{handler: "HandlerFromV2", connected: "OnConnectFromV2", lost: "ConnectionLostFromV2"}

// optionHandlers writes them, for the handlers that are given to options, or to a client, that stay.
func (w *writer) optionHandlers() {
	for _, c := range w.classes {
		if !c.kind.isHandler() {
			continue
		}
		adapt := func(e ast.Expr) {
			q := w.k.Q(e.Pos(), paths.PahoCompat)
			w.k.Edit(edit.Replace(e, edit.Text(q+"."+adapters[c.kind]+"("), edit.Src(e), edit.Text(")")))
		}
		for _, b := range c.flow.Borders {
			if b.Expr == nil {
				continue
			}
			call := w.callAround(b.Expr)
			name, onClient := sinkOf(w.Info, call, b.Expr)
			s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
			if name == "" || !ok {
				continue
			}
			k := options
			if onClient {
				k = client
			}
			if !w.classOf(k, s.X).moves() {
				adapt(b.Expr)
			}
		}
		for _, e := range c.flow.Exprs {
			s, ok := ast.Unparen(e).(*ast.SelectorExpr)
			if !ok || !isHook(w.Info, s) || w.classOf(options, s.X).moves() {
				continue
			}
			if as, ok := w.cursor(s).Parent().Node().(*ast.AssignStmt); ok && len(as.Rhs) == 1 && !w.Info.Types[as.Rhs[0]].IsNil() {
				adapt(as.Rhs[0])
			}
		}
	}
}
