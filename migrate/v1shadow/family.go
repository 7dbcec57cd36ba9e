// Package v1shadow holds the rules that rewrite code on shadowcompat: the shadow client becomes the awsiot.Client that it was
// made of or with, a handler an iotshadow.HandlerV1 on it, which keeps v1's callbacks and packets.
package v1shadow

import (
	"go/ast"
	"go/constant"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/v1client"
)

// Family is the rules for shadowcompat.AWSIoTMQTTShadowClient and its handlers. The methods that configure, connect and
// disconnect have the rows of v1client.
var Family = &rewrite.Family{
	Name:     "v1shadow",
	Packages: []string{paths.ShadowCompat},
	Joins:    v1client.Family,
	Writes:   []string{paths.ReqResp},
	Types: []rewrite.Type{
		{Package: paths.ShadowCompat, Name: "AWSIoTMQTTShadowClient", Constructor: "NewAWSIoTMQTTShadowClient", Arguments: 1,
			To: rewrite.Name{Package: paths.V2, Name: "Client"}, Defaults: []string{"OfflineQueue.MaxOperations = -1", "OfflineQueue.DrainRate = 10"},
			Whole: &rewrite.Whole{Form: "shadowcompat.NewAWSIoTMQTTShadowClientWith", Write: whole}},
		{Package: paths.ShadowCompat, Name: "ShadowHandler", To: rewrite.Name{Package: paths.IOTShadow, Name: "HandlerV1"}, About: about, Instead: instead},
	},
	Members: members,
	Shapes: []rewrite.Doc{
		rewrite.Line(19, "`NewAWSIoTMQTTShadowClient(id)`", "as row 1, with `opts.OfflineQueue.MaxOperations = -1` and `opts.OfflineQueue.DrainRate = 10`, v1's defaults for shadows", "S"),
	},
}

// rule is the rule under which reports count the members.
const rule = "shadow"

var members = []rewrite.Member{
	{Name: "NewAWSIoTMQTTShadowClientWith", Takes: "client", Gives: "shadow", Rule: rule, Links: true, Operation: with,
		Docs: []rewrite.Doc{rewrite.Line(19, "`NewAWSIoTMQTTShadowClientWith(client)`", "`client`: a shadow client is a use of its connection", "S")}},
	{Name: "CreateShadowHandlerWithName", Takes: "thing flag", Gives: "handler", Rule: rule, Links: true, Operation: create,
		Docs: []rewrite.Doc{rewrite.Line(19, "`CreateShadowHandlerWithName(thing, persistent)`", "`iotshadow.NewHandlerV1(client, thing, persistent)`", "S")}},
	{Name: "ShadowGet", Takes: "answer seconds", Gives: "token error", Rule: rule, Operation: request("Get"), Blocks: true, Wire: slices.Concat(asking("get"), silent("get")),
		Docs: []rewrite.Doc{rewrite.Line(20, "`ShadowGet`, `ShadowUpdate`, `ShadowDelete`", "`Get(ctx, callback, timeout)`, `Update(ctx, payload, callback, timeout)`, `Delete(ctx, callback, timeout)` of the handler: the callback stays as it is", "S, see [shadow](#shadow)")}},
	{Name: "ShadowUpdate", Takes: "document answer seconds", Gives: "token error", Rule: rule, Operation: request("Update"), Blocks: true, Wire: slices.Concat(asking("update"), silent("update"))},
	{Name: "ShadowDelete", Takes: "answer seconds", Gives: "token error", Rule: rule, Operation: request("Delete"), Blocks: true, Wire: slices.Concat(asking("delete"), silent("delete"))},
	{Name: "ShadowRegisterDeltaCallback", Takes: "answer", Gives: "error", Rule: rule, Operation: request("RegisterDelta"), Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(21, "`ShadowRegisterDeltaCallback(callback)`, `ShadowUnregisterDeltaCallback()`", "`RegisterDelta(ctx, callback)`, `UnregisterDelta(ctx)`", "S")}},
	{Name: "ShadowUnregisterDeltaCallback", Gives: "error", Rule: rule, Operation: request("UnregisterDelta"), Blocks: true},
}

// with writes the connection in place of the shadow client on it.
func with(k *rewrite.Class, u *flow.Use) { k.Edit(edit.Replace(u.Call, edit.Src(u.Call.Args[0]))) }

// whole writes a v1 shadow client on the connection that the new one is.
func whole(k *rewrite.Class, e ast.Expr) []edit.Piece {
	return []edit.Piece{edit.Text(k.Q(e.Pos(), paths.ShadowCompat) + ".NewAWSIoTMQTTShadowClientWith(" + k.Q(e.Pos(), paths.V1Compat) + ".FromV2("), edit.Src(e), edit.Text("))")}
}

// about is the thing of a handler, "" for one that is computed.
func about(k *rewrite.Class, c *ast.CallExpr) string {
	if len(c.Args) > 0 {
		if v := k.Value(c.Args[0]); v != nil {
			return v.ExactString()
		}
	}
	return ""
}

func create(k *rewrite.Class, u *flow.Use) {
	if k.Pkg.Idioms {
		h, why := handlerOf(k, u.Call)
		if h != nil {
			h.notes(k, u.Call)
			k.Edit(edit.Replace(u.Call, edit.Text(k.Q(u.Call.Pos(), paths.IOTShadow)+".NewClient("), edit.Src(u.Sel.X),
				edit.Text(", "+k.Q(u.Call.Pos(), paths.ReqResp)+".Options{})")))
			return
		}
		k.Note(u.Call.Pos(), "shadow", "the handler keeps v1's callbacks: "+why.why+"; "+why.do)
	}
	k.Note(u.Call.Pos(), "shadow", "each request of a handler has its own callback, and is refused at once while offline")
	k.Edit(edit.Replace(u.Call, edit.Text(k.Q(u.Call.Pos(), paths.IOTShadow)+".NewHandlerV1("), edit.Src(u.Sel.X), edit.Text(", "),
		edit.Range(u.Call.Args[0].Pos(), u.Call.Args[1].End()), edit.Text(")")))
}

// request writes a method of a handler that keeps v1's callbacks: a context in front, and seconds as a duration.
func request(method string) func(*rewrite.Class, *flow.Use) {
	return func(k *rewrite.Class, u *flow.Use) {
		if h, _ := handlerOf(k, u.Expr); h != nil {
			h.write(k, u)
			return
		}
		out := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text("." + method + "(" + k.Ctx(u.Call.Pos()))}
		for i, a := range u.Call.Args {
			out = append(out, edit.Text(", "))
			if i > 0 && i == len(u.Call.Args)-1 {
				out = append(out, seconds(k, a)...)
			} else {
				out = append(out, edit.Src(a))
			}
		}
		k.Edit(edit.Replace(u.Call, append(out, edit.Text(")"))...))
	}
}

// seconds is a timeout; 0 s is one too.
func seconds(k *rewrite.Class, e ast.Expr) []edit.Piece {
	if v := k.Value(e); v != nil && constant.Sign(v) == 0 {
		return []edit.Piece{edit.Text("0")}
	}
	return v1client.Seconds(k, e)
}
