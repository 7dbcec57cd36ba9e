package v1client

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
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
		if v, ok := k.Pkg.Info.Uses[x].(*types.Var); ok && k.Pkg.Constant(v) && k.onlySubscribed(v) {
			if lit, ok := k.Pkg.Defs[v].(*ast.FuncLit); ok {
				if m, ok := k.plainCallback(lit.Type); ok {
					return &callback{lit: lit, held: true, msg: m}
				}
			}
		}
	}
	if d := k.funcDecl(cb); d != nil && k.onlySubscribed(k.Pkg.Info.Defs[d.Name]) {
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
	d := k.funcDecl(e)
	if d == nil {
		return nil
	}
	c := &callback{decl: d, msg: k.messageParam(d.Type, 0)}
	for _, use := range k.Pkg.Uses[k.Pkg.Info.Defs[d.Name]] {
		if _, call := calledAt(use); !k.handedOver(use) && (!call || c.msg == nil) {
			return nil
		}
	}
	return c
}

// body is what the callback runs.
func (c *callback) body() *ast.BlockStmt {
	if c.decl != nil {
		return c.decl.Body
	}
	return c.lit.Body
}

// messageRoots collects the message parameters of all callbacks of the class that can change.
func (k *class) messageRoots() {
	for _, u := range k.Flow.Uses {
		var c *callback
		switch cb := k.Callback(u); {
		case cb != nil:
			c = k.subscribed(cb)
		case u.Kind == flow.FieldSet && u.Sel.Sel.Name == "OnMessage":
			c = k.hooked(k.AssignOf(u).Rhs[0])
		}
		if c != nil && c.msg != nil {
			k.roots[c.msg] = c.body()
		}
	}
}

// convert rewrites a callback and returns what stands in its place, nil when its message cannot change.
func (k *class) convert(e ast.Expr, c *callback) []edit.Piece {
	if c == nil || c.msg != nil && !k.message(c.msg) {
		return nil
	}
	switch {
	case c.decl != nil:
		k.handlerDecl(c.decl, c.msg)
	case !c.held:
		return k.handlerLit(c.lit, c.msg)
	case !k.litDone[c.lit]:
		k.litDone[c.lit] = true
		k.Edit(edit.Replace(c.lit, k.handlerLit(c.lit, c.msg)...))
	}
	return []edit.Piece{edit.Src(e)}
}

// handler writes the Handler of a Subscription for a v1 message callback. A callback that only reads its message is
// rewritten; any other stays as it is behind v1compat.Handler, which hands it what v1 did.
func (k *class) handler(u *flow.Use, cb ast.Expr) (pieces []edit.Piece, none bool) {
	if tv := k.Pkg.Info.Types[cb]; tv.IsNil() {
		return nil, true
	}
	k.lacks = ""
	if pieces := k.convert(cb, k.subscribed(cb)); pieces != nil {
		return pieces, false
	}
	if !k.Pkg.Pure(u.Sel.X) {
		k.Block(cb.Pos(), "subscribe", "callbacks", "the callback needs the client, which is the result of a call")
		return nil, false
	}
	if k.lacks != "" {
		k.Note(cb.Pos(), "message-fields", "the callback reads "+k.lacks+" of its message, and keeps v1's form behind v1compat.Handler")
	} else {
		k.Note(cb.Pos(), "callbacks", "the callback keeps v1's form behind v1compat.Handler")
	}
	q := k.Q(cb.Pos(), paths.V1Compat)
	return []edit.Piece{edit.Text(q + ".Handler("), rewrite.Receiver(u.Sel), edit.Text(k.UseType(u).Inner + ", "), edit.Src(cb), edit.Text(")")}, false
}

// funcDecl is the function or method of this package that e names, when it may be changed.
func (k *class) funcDecl(e ast.Expr) *ast.FuncDecl {
	f := k.named(e)
	if f == nil || f.Exported() && k.Pkg.Types.Name() != "main" {
		return nil
	}
	return k.Pkg.Decls[f]
}

// named is the function or method of this package that e names; nil when it names none.
func (k *class) named(e ast.Expr) *types.Func {
	var id *ast.Ident
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
	default:
		return nil
	}
	f, ok := k.Pkg.Info.Uses[id].(*types.Func)
	if !ok || f.Pkg() != k.Pkg.Types {
		return nil
	}
	return f
}

// plainCallback returns the message parameter of a MessageCallback that uses neither its client nor its user data.
func (k *class) plainCallback(t *ast.FuncType) (*types.Var, bool) {
	i := 0
	var msg *types.Var
	for _, f := range t.Params.List {
		for _, name := range f.Names {
			v, _ := k.Pkg.Info.Defs[name].(*types.Var)
			if i < 2 && v != nil && len(k.Pkg.Uses[v]) > 0 {
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
				v, _ := k.Pkg.Info.Defs[name].(*types.Var)
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
	k.Unit.Changed = append(k.Unit.Changed, d.Name.Name)
	k.Edit(edit.Edit{Pos: d.Type.Params.Opening + 1, End: d.Type.Params.Closing, Pieces: []edit.Piece{edit.Text(k.messageText(d.Pos(), m))}})
}

func (k *class) messageText(pos token.Pos, m *types.Var) string {
	t := "*" + k.Q(pos, paths.V2) + ".Message"
	if m == nil {
		return "_ " + t
	}
	return m.Name() + " " + t
}

// onlySubscribed reports whether every use of f is the callback of a Subscribe or SubscribeAsync of this class.
func (k *class) onlySubscribed(f types.Object) bool {
	return !slices.ContainsFunc(k.Pkg.Uses[f], func(c inspector.Cursor) bool { return !k.handedOver(c) })
}

// handedOver reports whether cur names a function that is given to the class as a callback or hook for messages.
func (k *class) handedOver(cur inspector.Cursor) bool {
	e := cur.Node()
	if s, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == e {
		e = s
	}
	return slices.ContainsFunc(k.Flow.Uses, func(u *flow.Use) bool {
		if u.Kind == flow.FieldSet {
			return u.Sel.Sel.Name == "OnMessage" && k.AssignOf(u).Rhs[0] == e
		}
		cb := k.Callback(u)
		return cb != nil && ast.Unparen(cb) == e
	})
}
