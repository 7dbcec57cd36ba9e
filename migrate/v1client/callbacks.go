package v1client

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// callback is a message callback or OnMessage hook that can be given v2's form.
type callback struct {
	lit  *ast.FuncLit  // the literal, or
	decl *ast.FuncDecl // the declared function
	held bool          // the literal is the value of a variable
	msg  *types.Var    // its message parameter, nil when it has no name
}

// subscribed is the callback that cb names, nil when it has to stay as it is: it uses its client or user data, it is
// used elsewhere too, or it is a function value whose origin is unknown.
func (k *class) subscribed(cb ast.Expr) *callback {
	switch x := ast.Unparen(cb).(type) {
	case *ast.FuncLit:
		if m, ok := k.plainCallback(x.Type); ok {
			return &callback{lit: x, msg: m}
		}
		return nil
	case *ast.Ident:
		if v, ok := k.p.Info.Uses[x].(*types.Var); ok && k.p.constant(v) && k.onlySubscribed(v) {
			if lit, ok := k.p.defs[v].(*ast.FuncLit); ok {
				if m, ok := k.plainCallback(lit.Type); ok {
					return &callback{lit: lit, held: true, msg: m}
				}
			}
		}
	}
	if d := k.funcDecl(cb); d != nil && k.onlySubscribed(k.p.Info.Defs[d.Name]) {
		if m, ok := k.plainCallback(d.Type); ok {
			return &callback{decl: d, msg: m}
		}
	}
	return nil
}

// hooked is the callback that an OnMessage assignment names.
func (k *class) hooked(e ast.Expr) *callback {
	if lit, ok := ast.Unparen(e).(*ast.FuncLit); ok {
		return &callback{lit: lit, msg: k.messageParam(lit.Type, 0)}
	}
	if d := k.funcDecl(e); d != nil && k.onlyHook(d, "OnMessage") {
		return &callback{decl: d, msg: k.messageParam(d.Type, 0)}
	}
	return nil
}

// messageRoots collects the message parameters of all callbacks of the class that can change.
func (k *class) messageRoots() {
	for _, u := range k.c.Uses {
		var c *callback
		switch {
		case u.Kind == flow.Call && u.Sel.Sel.Name == "Subscribe":
			c = k.subscribed(u.Call.Args[2])
		case u.Kind == flow.Call && u.Sel.Sel.Name == "SubscribeAsync":
			c = k.subscribed(u.Call.Args[3])
		case u.Kind == flow.FieldSet && u.Sel.Sel.Name == "OnMessage":
			c = k.hooked(k.assignOf(u).Rhs[0])
		}
		if c != nil && c.msg != nil {
			k.roots[c.msg] = true
		}
	}
}

// convert rewrites a callback and returns what stands in its place, nil when its message cannot change.
func (k *class) convert(e ast.Expr, c *callback, rule string) []edit.Piece {
	if c == nil || c.msg != nil && !k.message(c.msg, rule) {
		return nil
	}
	switch {
	case c.decl != nil:
		k.handlerDecl(c.decl, c.msg)
	case !c.held:
		return k.handlerLit(c.lit, c.msg)
	case !k.litDone[c.lit]:
		k.litDone[c.lit] = true
		k.edit(edit.Replace(c.lit, k.handlerLit(c.lit, c.msg)...))
	}
	return []edit.Piece{edit.Src(e)}
}

// handler writes the Handler of a Subscription for a v1 message callback. A callback that only reads its message is
// rewritten; any other stays as it is behind v1compat.Handler, which hands it what v1 did.
func (k *class) handler(u *flow.Use, cb ast.Expr) (pieces []edit.Piece, none bool) {
	if tv := k.p.Info.Types[cb]; tv.IsNil() {
		return nil, true
	}
	if pieces := k.convert(cb, k.subscribed(cb), "subscribe"); pieces != nil {
		return pieces, false
	}
	if !k.p.pure(u.Sel.X) {
		k.block(cb.Pos(), "subscribe", "callbacks", "the callback needs the client, which is the result of a call")
		return nil, false
	}
	k.note(cb.Pos(), "callbacks", "the callback keeps v1's form behind v1compat.Handler")
	q := k.q(cb.Pos(), paths.V1Compat)
	return []edit.Piece{edit.Text(q + ".Handler("), receiver(u.Sel), edit.Text(", "), edit.Src(cb), edit.Text(")")}, false
}

// funcDecl is the function or method of this package that e names, when it may be changed.
func (k *class) funcDecl(e ast.Expr) *ast.FuncDecl {
	var id *ast.Ident
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
	default:
		return nil
	}
	f, ok := k.p.Info.Uses[id].(*types.Func)
	if !ok || f.Pkg() != k.p.Types || f.Exported() && k.p.Types.Name() != "main" {
		return nil
	}
	return k.p.decls[f]
}

// plainCallback returns the message parameter of a MessageCallback that uses neither its client nor its user data.
func (k *class) plainCallback(t *ast.FuncType) (*types.Var, bool) {
	i := 0
	var msg *types.Var
	for _, f := range t.Params.List {
		for _, name := range f.Names {
			v, _ := k.p.Info.Defs[name].(*types.Var)
			if i < 2 && v != nil && len(k.p.uses[v]) > 0 {
				return nil, false
			}
			if i == 2 && v != nil && name.Name != "_" {
				msg = v
			}
			i++
		}
	}
	return msg, true
}

// messageParam is parameter i of a function type, nil when it has no name.
func (k *class) messageParam(t *ast.FuncType, i int) *types.Var {
	n := 0
	for _, f := range t.Params.List {
		for _, name := range f.Names {
			if n == i && name.Name != "_" {
				v, _ := k.p.Info.Defs[name].(*types.Var)
				return v
			}
			n++
		}
	}
	return nil
}

func (k *class) handlerLit(lit *ast.FuncLit, m *types.Var) []edit.Piece {
	return []edit.Piece{edit.Text("func(" + k.messageText(lit.Pos(), m) + ") "), edit.Src(lit.Body)}
}

// handlerDecl gives a declared callback the parameter list of a MessageHandler.
func (k *class) handlerDecl(d *ast.FuncDecl, m *types.Var) {
	if k.handled[d] {
		return
	}
	k.handled[d] = true
	k.u.Changed = append(k.u.Changed, d.Name.Name)
	k.edit(edit.Edit{Pos: d.Type.Params.Opening + 1, End: d.Type.Params.Closing, Pieces: []edit.Piece{edit.Text(k.messageText(d.Pos(), m))}})
}

func (k *class) messageText(pos token.Pos, m *types.Var) string {
	t := "*" + k.q(pos, paths.V2) + ".Message"
	if m == nil {
		return "_ " + t
	}
	return m.Name() + " " + t
}

// onlySubscribed reports whether every use of f is the callback of a Subscribe or SubscribeAsync of this class.
func (k *class) onlySubscribed(f types.Object) bool {
	for _, c := range k.p.uses[f] {
		e := c.Node()
		if s, ok := c.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == e {
			e = s
		}
		found := false
		for _, u := range k.c.Uses {
			if u.Kind != flow.Call {
				continue
			}
			switch u.Sel.Sel.Name {
			case "Subscribe":
				found = found || ast.Unparen(u.Call.Args[2]) == e
			case "SubscribeAsync":
				found = found || ast.Unparen(u.Call.Args[3]) == e
			}
		}
		if !found {
			return false
		}
	}
	return true
}
