package v1client

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

func credentials(k *class, c *ast.CallExpr, o string) []edit.Piece {
	ca, key, cert := c.Args[0], c.Args[1], c.Args[2]
	use, cond := k.websocketAt(c)
	switch {
	case use == alwaysWebsocket:
		return k.websocketCredentials(c, o)
	case use == someWebsocket && (cond == "" || !k.Pkg.Pure(key) || !k.Pkg.Pure(cert)):
		k.sometimes(c)
		return nil
	}
	if len(c.Args) > 3 {
		k.Block(c.Args[3].Pos(), "configure", "ciphers", "a cipher list has to be written as a tls.Config")
		return nil
	}
	q := k.Q(c.Pos(), paths.V2)
	if use == someWebsocket { // which has no use for a certificate
		auth := []edit.Piece{edit.Text(o + ".Auth = " + q + ".MTLSFromPath("), edit.Src(cert), edit.Text(", "), edit.Src(key), edit.Text(")")}
		return append([]edit.Piece{edit.Text(o + ".CAFile = "), edit.Src(ca), edit.Text("\n")}, when("!"+cond, auth)...)
	}
	if k.Pkg.Pure(key) || k.Pkg.Pure(cert) {
		return []edit.Piece{edit.Text(o + ".CAFile, " + o + ".Auth = "), edit.Src(ca), edit.Text(", " + q + ".MTLSFromPath("),
			edit.Src(cert), edit.Text(", "), edit.Src(key), edit.Text(")")}
	}
	// Both have effects: keep v1's order, key before certificate.
	cur, _ := k.Pkg.Ins.Root().FindNode(c)
	if _, ok := rewrite.StmtOf(cur); !ok {
		k.Block(c.Pos(), "configure", "evaluation-order", "key and certificate paths are calls whose order would change")
		return nil
	}
	caVar, keyVar := k.Fresh(rewrite.Outermost(cur), c.Pos(), "caFile"), k.Fresh(rewrite.Outermost(cur), c.Pos(), "keyFile")
	return []edit.Piece{edit.Text(caVar + ", " + keyVar + " := "), edit.Src(ca), edit.Text(", "), edit.Src(key),
		edit.Text("\n" + o + ".CAFile, " + o + ".Auth = " + caVar + ", " + q + ".MTLSFromPath("), edit.Src(cert), edit.Text(", " + keyVar + ")")}
}

// socketFactory writes the proxy that the factory goes through, where that can be read, else the dialer. Whether its sockets carry TLS is for Auth to say, see plainDefault.
func socketFactory(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if proxy := k.throughProxy(c, o); proxy != nil {
		return proxy
	}
	f := c.Args[0]
	ctxPkg, netPkg := k.Q(c.Pos(), "context"), k.Q(c.Pos(), "net")
	sig := "func(" + ctxPkg + ".Context, string, string) (" + netPkg + ".Conn, error) "
	var before, dial []edit.Piece
	cur, _ := k.Pkg.Ins.Root().FindNode(c)
	if lit, ok := ast.Unparen(f).(*ast.FuncLit); ok {
		dial = []edit.Piece{edit.Text(sig), edit.Src(lit.Body)}
	} else if k.stable(f) {
		dial = []edit.Piece{edit.Text(sig + "{ return "), edit.Src(f), edit.Text("() }")}
	} else {
		if _, ok := rewrite.StmtOf(cur); !ok {
			k.Block(c.Pos(), "configure", "evaluation-order", "the socket factory is computed inside a statement's header")
			return nil
		}
		name := k.Fresh(rewrite.Outermost(cur), c.Pos(), "dial")
		before = []edit.Piece{edit.Text(name + " := "), edit.Src(f), edit.Text("\n")}
		dial = []edit.Piece{edit.Text(sig + "{ return " + name + "() }")}
	}
	return append(before, rewrite.Assignment(o, []string{"Dialer"}, [][]edit.Piece{dial})...)
}

// stable reports whether f names a function that stays the same: a declared one, or a variable that is set once.
func (k *class) stable(f ast.Expr) bool {
	id, ok := ast.Unparen(f).(*ast.Ident)
	if !ok {
		return false
	}
	switch o := k.Pkg.Info.Uses[id].(type) {
	case *types.Func:
		return true
	case *types.Var:
		return k.Pkg.Constant(o) && o.Parent() != k.Pkg.Types.Scope()
	}
	return false
}

func lastWill(k *class, c *ast.CallExpr, o string) []edit.Piece {
	body, ok := k.payload(c.Args[1])
	if !ok {
		k.Block(c.Args[1].Pos(), "configure", "payload-types", "the static type of the will's payload is "+k.TypeName(c.Args[1]))
		return nil
	}
	out := []edit.Piece{edit.Text(o + ".Will = &" + k.Q(c.Pos(), paths.V2) + ".Will{Topic: "), edit.Src(c.Args[0]), edit.Text(", Payload: ")}
	out = append(append(out, body...), edit.Text(", QoS: "))
	out = append(out, k.qos(c.Args[2], "configure")...)
	if len(c.Args) > 3 {
		out = append(out, edit.Text(", Retain: "), edit.Src(c.Args[3]))
	}
	return append(out, edit.Text("}"))
}

func usernamePassword(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if len(c.Args) == 1 {
		if len(k.Calls("ConfigureUsernamePassword")) == 1 && !k.CallsElsewhere("ConfigureUsernamePassword") {
			return rewrite.Assignment(o, []string{"Username"}, [][]edit.Piece{{edit.Src(c.Args[0])}})
		}
		return rewrite.Assignment(o, []string{"Username", "Password"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Text("nil")}})
	}
	return rewrite.Assignment(o, []string{"Username", "Password"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Text("[]byte("), edit.Src(c.Args[1]), edit.Text(")")}})
}

func offlineQueue(k *class, c *ast.CallExpr, o string) []edit.Piece {
	q := k.Q(c.Pos(), paths.V2)
	var size []edit.Piece
	if v := k.Value(c.Args[0]); v == nil {
		size = []edit.Piece{edit.Text(q + ".QueueSizeV1("), edit.Src(c.Args[0]), edit.Text(")")}
	} else if constant.Sign(v) > 0 {
		size = []edit.Piece{edit.Src(c.Args[0])}
	} else if constant.Sign(v) == 0 {
		size = []edit.Piece{edit.Text("-1")}
	} else {
		size = []edit.Piece{edit.Text("0")}
	}
	fields, values := []string{"OfflineQueue.MaxOperations"}, [][]edit.Piece{size}
	drop := ""
	var computed []edit.Piece
	if len(c.Args) > 1 {
		const oldest = "v1 says queue full to the request that pushes the oldest out, v2 to the one that is pushed out"
		v := k.Value(c.Args[1])
		switch {
		case v == nil:
			drop = "RejectNew"
			k.Note(c.Args[1].Pos(), "drop-oldest", oldest+"; what is neither of v1's drop behaviors, which Connect refused, is RejectNew here")
			computed = slices.Concat([]edit.Piece{edit.Text("\nif ")}, k.compared(c.Args[1]), []edit.Piece{edit.Text(" == " +
				k.Q(c.Pos(), paths.V1Compat) + ".DropOldest {\n" + o + ".OfflineQueue.WhenFull = " + q + ".DropOldest\n}")})
		case v.ExactString() == "0":
			drop = "DropOldest"
			k.Note(c.Args[1].Pos(), "drop-oldest", oldest)
		case v.ExactString() == "1":
			drop = "RejectNew"
		default:
			k.Block(c.Args[1].Pos(), "configure", "computed-options", "the drop behavior "+v.String()+" is not one of v1's")
			return nil
		}
	} else if len(k.Calls("ConfigureOfflinePublishQueueing")) > 1 || k.CallsElsewhere("ConfigureOfflinePublishQueueing") {
		drop = "RejectNew"
	}
	if drop != "" {
		fields, values = append(fields, "OfflineQueue.WhenFull"), append(values, []edit.Piece{edit.Text(q + "." + drop)})
	}
	return append(rewrite.Assignment(o, fields, values), computed...)
}

// compared is e as it can be compared in the header of an if statement.
func (k *class) compared(e ast.Expr) []edit.Piece {
	if _, binary := e.(*ast.BinaryExpr); binary || hasLiteral(e) {
		return []edit.Piece{edit.Text("("), edit.Src(e), edit.Text(")")}
	}
	return []edit.Piece{edit.Src(e)}
}

func drainRate(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if v := k.Value(c.Args[0]); v != nil && constant.Sign(v) <= 0 {
		k.Block(c.Args[0].Pos(), "configure", "zero-times", "a draining frequency of "+v.String()+" Hz fails in v1 and means no limit in v2")
		return nil
	}
	return rewrite.Assignment(o, []string{"OfflineQueue.DrainRate"}, [][]edit.Piece{{edit.Src(c.Args[0])}})
}
