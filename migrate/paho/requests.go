package paho

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// shadowRequests are the operations that iotshadow publishes, by their topic.
var shadowRequests = map[string]string{"get": "Get", "update": "Update", "delete": "Delete"}

// shadowRequest is a publish that is waited for as iotshadow's call of the first generation; nil where it would say something
// else: the body must be a JSON object for certain, as iotshadow sends a Document as it is, and refuses any other.
func (w *writer) shadowRequest(u *flow.Use) *operation {
	if !w.Idioms || u.Sel.Sel.Name != "Publish" {
		return nil
	}
	args := u.Call.Args
	retained := w.Info.Types[args[2]].Value
	t, ok := w.shadowTopic(args[0])
	name := shadowRequests[t.op]
	if !ok || name == "" || retained == nil || constant.BoolVal(retained) || !w.isObject(args[3]) {
		return nil
	}
	body, ok := w.payload(args[3])
	if !ok {
		return nil
	}
	w.requested = append(w.requested, args[0])
	pos := u.Call.Pos()
	kind := name + "Shadow"
	if t.shadow != nil {
		kind = name + "NamedShadow"
	}
	shadows := w.k.Q(pos, paths.IOTShadow)
	packet := slices.Concat([]edit.Piece{edit.Text("&" + shadows + "." + kind + "Request{ThingName: ")}, t.thing.pieces())
	if t.shadow != nil {
		packet = slices.Concat(packet, []edit.Piece{edit.Text(", ShadowName: ")}, t.shadow.pieces())
	}
	packet = slices.Concat(packet, []edit.Piece{edit.Text(", Document: ")}, body, []edit.Piece{edit.Text("}, ")}, w.qos(args[1], w.k.Q(pos, paths.V2)))
	return &operation{u: u, packet: packet, wait: "Publish" + kind, bare: true,
		on: []edit.Piece{edit.Text(shadows + ".NewClient("), rewrite.Receiver(u.Sel), edit.Text(", " + w.k.Q(pos, paths.ReqResp) + ".Options{})")}}
}

// isObject reports whether e is a JSON object whatever the program does: a constant, or what json.Marshal makes of a map or a
// struct that is written out, or of a struct.
func (p *pkg) isObject(e ast.Expr) bool {
	e = ast.Unparen(e)
	if c, ok := e.(*ast.CallExpr); ok && len(c.Args) == 1 && p.Info.Types[c.Fun].IsType() {
		return p.isObject(c.Args[0])
	}
	if v := p.Info.Types[e].Value; v != nil && v.Kind() == constant.String {
		text := []byte(constant.StringVal(v))
		return json.Valid(text) && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	c := p.madeBy(id)
	return c != nil && paths.Func(flow.StaticCallee(p.Info, c), "encoding/json", "Marshal") && len(c.Args) == 1 && p.marshalsAsObject(c.Args[0])
}

// madeBy is the call whose first result is all that the variable id ever holds, or nil.
func (p *pkg) madeBy(id *ast.Ident) *ast.CallExpr {
	v, ok := p.Info.Uses[id].(*types.Var)
	if !ok || v.IsField() || !p.Constant(v) {
		return nil
	}
	var call *ast.CallExpr
	for cur := range p.Ins.Root().Preorder((*ast.AssignStmt)(nil)) {
		as := cur.Node().(*ast.AssignStmt)
		for i, l := range as.Lhs {
			l, ok := ast.Unparen(l).(*ast.Ident)
			if !ok || p.Info.ObjectOf(l) != v {
				continue
			}
			c, ok := ast.Unparen(as.Rhs[0]).(*ast.CallExpr)
			if p.Info.Defs[l] == nil || i != 0 || len(as.Rhs) != 1 || !ok {
				return nil
			}
			call = c
		}
	}
	return call
}

// marshalsAsObject reports whether encoding/json makes an object of e: of no nil, and by no method of its type.
func (p *pkg) marshalsAsObject(e ast.Expr) bool {
	e = ast.Unparen(e)
	if u, ok := e.(*ast.UnaryExpr); ok {
		e = ast.Unparen(u.X)
	}
	_, written := e.(*ast.CompositeLit)
	t := p.Info.TypeOf(e)
	if t == nil {
		return false
	}
	methods := types.NewMethodSet(types.NewPointer(t))
	if methods.Lookup(nil, "MarshalJSON") != nil || methods.Lookup(nil, "MarshalText") != nil {
		return false
	}
	switch t.Underlying().(type) {
	case *types.Struct:
		return true
	case *types.Map:
		return written
	}
	return false
}
