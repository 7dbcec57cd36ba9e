package v1client

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// websocketUse is what the constructors of a class say about WithWebsocket.
type websocketUse int

const (
	neverWebsocket websocketUse = iota
	alwaysWebsocket
	someWebsocket // they differ, or it is computed
)

// websocketUse reads the constructors: what ConfigureCredentials and the like mean depends on it.
func (k *class) websocketUse() websocketUse {
	yes, no := false, false
	for _, c := range k.c.Ctors {
		use, known := false, !c.Call.Ellipsis.IsValid()
		for _, a := range c.Call.Args[1:] {
			call, ok := ast.Unparen(a).(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				continue
			}
			if f := flow.StaticCallee(k.p.Info, call); f == nil || !paths.Func(f, paths.V1Compat, "WithWebsocket") {
				continue
			}
			v := k.value(call.Args[0])
			use, known = v != nil && constant.BoolVal(v), known && v != nil
		}
		yes, no = yes || use || !known, no || !use || !known
	}
	switch {
	case yes && no:
		return someWebsocket
	case yes:
		return alwaysWebsocket
	}
	return neverWebsocket
}

// sometimes blocks a call whose meaning depends on what is not the same for all constructors of the class.
func (k *class) sometimes(c *ast.CallExpr) {
	k.block(c.Pos(), "configure", "websocket", "whether the client uses a websocket is not the same for all of its constructors, or computed")
}

// chain writes the Auth of a websocket client that nobody gave credentials: v1 looked for some. It writes nothing when
// ConfigureIAMCredentials replaces it in any case.
func (k *class) chain(c *ast.CallExpr, o string) []edit.Piece {
	if iam := k.calls("ConfigureIAMCredentials"); len(iam) == 1 && len(k.c.Ctors) == 1 {
		r, places := k.owned[iam[0]], placesOf(iam[0].Cur)
		if r != nil && len(places) > 0 && places[len(places)-1].list == r.list {
			return nil
		}
	}
	q := k.q(c.Pos(), paths.V2Auth)
	return []edit.Piece{edit.Text("\n" + o + ".Auth = " + q + `.Websocket("", ` + q + ".V1Chain())")}
}

// iamCredentials writes the Auth of a client that was given AWS credentials. v1 took them at any time and used them for
// the next handshake; v2 asks a provider, which is for the program to write.
func iamCredentials(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if k.connectedBefore(c) {
		k.block(c.Pos(), "configure", "websocket", renewsCredentials)
		return nil
	}
	switch k.websocketUse() {
	case someWebsocket:
		k.sometimes(c)
		return nil
	case neverWebsocket:
		k.note(c.Pos(), "websocket", "ConfigureIAMCredentials is dropped: without WithWebsocket(true) it means nothing")
		return k.discard(c, c.Args)
	}
	q := k.q(c.Pos(), paths.V2Auth)
	auth := edit.Text(o + ".Auth = " + q + `.Websocket("", ` + q + ".")
	empty, known := false, true
	for _, a := range c.Args[:2] {
		v := k.value(a)
		known = known && v != nil
		empty = empty || v != nil && constant.StringVal(v) == ""
	}
	if empty && known { // then v1 looked for credentials elsewhere
		return []edit.Piece{auth, edit.Text("V1Chain())")}
	}
	if !known {
		k.note(c.Pos(), "websocket", "when the access key id or the secret is empty, v1 looks in the environment and in ~/.aws/credentials; awsauth.Static does not, awsauth.V1Chain does")
	}
	return []edit.Piece{auth, edit.Text("Static("), edit.Range(c.Args[0].Pos(), c.Args[2].End()), edit.Text("))")}
}

const renewsCredentials = "ConfigureIAMCredentials gives a client in use new credentials; in v2 awsauth.Websocket takes a provider (aws.CredentialsProvider), which is asked at every attempt to connect"

// connectedBefore reports whether a Connect stands before c in the same function.
func (k *class) connectedBefore(c *ast.CallExpr) bool {
	cur, _ := k.p.ins.Root().FindNode(c)
	for _, name := range [...]string{"Connect", "ConnectAsync"} {
		for _, u := range k.calls(name) {
			if u.Call.Pos() < c.Pos() && innermost(u.Cur) == innermost(cur) {
				return true
			}
		}
	}
	return false
}

// websocketCredentials is ConfigureCredentials of a websocket client: only the CA has a part in it.
func (k *class) websocketCredentials(c *ast.CallExpr, o string) []edit.Piece {
	rest := c.Args[1:]
	if k.literals(rest) {
		return []edit.Piece{edit.Text(o + ".CAFile = "), edit.Src(c.Args[0])}
	}
	out := []edit.Piece{edit.Text(o + ".CAFile" + strings.Repeat(", _", len(rest)) + " = "), edit.Src(c.Args[0])}
	for _, a := range rest {
		out = append(out, edit.Text(", "), edit.Src(a))
	}
	return out
}

// discard replaces a call that means nothing by its arguments, for their effects and because they may be the only use
// of a variable; it deletes the statement when they are literals.
func (k *class) discard(c *ast.CallExpr, args []ast.Expr) []edit.Piece {
	cur, _ := k.p.ins.Root().FindNode(c)
	if stmt, ok := stmtOf(cur); ok && k.literals(args) {
		for _, r := range k.regions {
			if r.opts != "" && stmts(r.list)[r.last] == stmt { // the client is made at the end of its line
				k.edit(edit.Edit{Pos: stmt.Pos(), End: stmt.End()})
				return nil
			}
		}
		k.deleteStmt(stmt)
		return nil
	}
	out := []edit.Piece{edit.Text("_" + strings.Repeat(", _", len(args)-1) + " = ")}
	for i, a := range args {
		if i > 0 {
			out = append(out, edit.Text(", "))
		}
		out = append(out, edit.Src(a))
	}
	return out
}

// literals reports whether nothing is lost when the expressions go: no effect, no use of a variable or an import.
func (k *class) literals(list []ast.Expr) bool {
	for _, e := range list {
		switch e := ast.Unparen(e).(type) {
		case *ast.BasicLit:
		case *ast.Ident:
			c, ok := k.p.Info.Uses[e].(*types.Const)
			if !ok || c.Pkg() != k.p.Types {
				return false
			}
		default:
			return false
		}
	}
	return true
}
