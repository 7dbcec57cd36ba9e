package v1client

import (
	"go/ast"
	"go/constant"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// configure is the rule of one Configure* call: it writes the assignment to options o that replaces the call, or
// records a reason and returns nil.
type configure struct {
	write func(k *class, c *ast.CallExpr, o string) []edit.Piece
	// elsewhere is the reason to leave a call that does not stand where the client is made; "" is the usual one.
	elsewhere string
}

// configures is the table of ARCHITECTURE.md section 5.
var configures map[string]configure

func init() {
	configures = map[string]configure{
		"ConfigureEndpoint":                 {write: tuple("Endpoint", "Port")},
		"ConfigureCredentials":              {write: credentials},
		"ConfigureIAMCredentials":           {write: iamCredentials, elsewhere: renewsCredentials},
		"ConfigureSocketFactory":            {write: socketFactory},
		"ConfigureLastWill":                 {write: lastWill},
		"ClearLastWill":                     {write: fixed("Will", "nil")},
		"ConfigureUsernamePassword":         {write: usernamePassword},
		"ConfigureAutoReconnectBackoffTime": {write: seconds("MinReconnectDelay", "MaxReconnectDelay", "MinConnectedTimeToResetReconnectDelay")},
		"ConfigureOfflinePublishQueueing":   {write: offlineQueue},
		"ConfigureDrainingFrequency":        {write: drainRate},
		"ConfigureConnectDisconnectTimeout": {write: seconds("ConnackTimeout")},
		"ConfigureMQTTOperationTimeout":     {write: seconds("AckTimeout")},
		"EnableMetricsCollection":           {write: fixed("DisableMetrics", "false")},
		"DisableMetricsCollection":          {write: fixed("DisableMetrics", "true")},
	}
}

// configures rewrites every configuring use, or reports the ones that no region and no helper owns.
func (k *class) configures() {
	for _, u := range k.c.Uses {
		o, ok := k.helpers[u.Node]
		r := k.owned[u]
		if r != nil {
			o, ok = r.opts, true
		}
		switch u.Kind {
		case flow.Call:
			rule, is := configures[u.Sel.Sel.Name]
			if !is {
				continue
			}
			if !ok && rule.elsewhere != "" {
				k.block(u.Sel.Sel.Pos(), "configure", "websocket", rule.elsewhere)
				continue
			}
			if !ok {
				k.block(u.Sel.Sel.Pos(), "configure", "configure-elsewhere", u.Sel.Sel.Name+" is not called where the client is made")
				continue
			}
			cur := k.callCur(u)
			if _, plain := cur.Parent().Node().(*ast.ExprStmt); !plain {
				k.block(u.Sel.Sel.Pos(), "configure", "deferred", u.Sel.Sel.Name+" in a go or defer statement")
				continue
			}
			if u.Call.Ellipsis.IsValid() {
				k.block(u.Call.Pos(), "configure", "computed-options", "optional arguments passed as a slice")
				continue
			}
			if pieces := rule.write(k, u.Call, o); pieces != nil {
				k.edit(edit.Replace(u.Call, pieces...))
			}
		case flow.Pass:
			if _, helper := k.helpers[u.To]; !helper {
				continue
			}
			switch k.callCur(u).Parent().Node().(type) {
			case *ast.GoStmt, *ast.DeferStmt:
				k.block(u.Call.Pos(), "configure", "deferred", "a function that configures is called in a go or defer statement")
				continue
			}
			if !ok {
				k.block(u.Call.Pos(), "configure", "configure-elsewhere", "configured in a function that is not called where the client is made")
			} else if r != nil {
				k.edit(edit.Replace(u.Expr, edit.Text("&"+o)))
			} else {
				k.edit(edit.Replace(u.Expr, edit.Text(o)))
			}
		}
	}
}

// fixed assigns one value that does not depend on arguments.
func fixed(field, value string) func(*class, *ast.CallExpr, string) []edit.Piece {
	return func(_ *class, _ *ast.CallExpr, o string) []edit.Piece {
		return []edit.Piece{edit.Text(o + "." + field + " = " + value)}
	}
}

// tuple assigns the arguments as they are, in their order.
func tuple(fields ...string) func(*class, *ast.CallExpr, string) []edit.Piece {
	return func(_ *class, c *ast.CallExpr, o string) []edit.Piece {
		var values [][]edit.Piece
		for i := range fields {
			values = append(values, []edit.Piece{edit.Src(c.Args[i])})
		}
		return assignment(o, fields, values)
	}
}

// assignment writes o.a, o.b = x, y.
func assignment(o string, fields []string, values [][]edit.Piece) []edit.Piece {
	var out []edit.Piece
	for i, f := range fields {
		if i > 0 {
			out = append(out, edit.Text(", "))
		}
		out = append(out, edit.Text(o+"."+f))
	}
	for i, v := range values {
		sep := ", "
		if i == 0 {
			sep = " = "
		}
		out = append(append(out, edit.Text(sep)), v...)
	}
	return out
}

func credentials(k *class, c *ast.CallExpr, o string) []edit.Piece {
	ca, key, cert := c.Args[0], c.Args[1], c.Args[2]
	switch k.websocketUse() {
	case someWebsocket:
		k.sometimes(c)
		return nil
	case alwaysWebsocket:
		return k.websocketCredentials(c, o)
	}
	if len(c.Args) > 3 {
		k.block(c.Args[3].Pos(), "configure", "ciphers", "a cipher list has to be written as a tls.Config")
		return nil
	}
	q := k.q(c.Pos(), paths.V2)
	if k.p.pure(key) || k.p.pure(cert) {
		return []edit.Piece{edit.Text(o + ".CAFile, " + o + ".Auth = "), edit.Src(ca), edit.Text(", " + q + ".MTLSFromPath("),
			edit.Src(cert), edit.Text(", "), edit.Src(key), edit.Text(")")}
	}
	// Both have effects: keep v1's order, key before certificate.
	cur, _ := k.p.ins.Root().FindNode(c)
	if _, ok := stmtOf(cur); !ok {
		k.block(c.Pos(), "configure", "evaluation-order", "key and certificate paths are calls whose order would change")
		return nil
	}
	caVar, keyVar := k.fresh(outermost(cur), c.Pos(), "caFile"), k.fresh(outermost(cur), c.Pos(), "keyFile")
	return []edit.Piece{edit.Text(caVar + ", " + keyVar + " := "), edit.Src(ca), edit.Text(", "), edit.Src(key),
		edit.Text("\n" + o + ".CAFile, " + o + ".Auth = " + caVar + ", " + q + ".MTLSFromPath("), edit.Src(cert), edit.Text(", " + keyVar + ")")}
}

// socketFactory writes the dialer. Without ConfigureCredentials v1 speaks plain MQTT over the factory's socket.
func socketFactory(k *class, c *ast.CallExpr, o string) []edit.Piece {
	f := c.Args[0]
	ctxPkg, netPkg := k.q(c.Pos(), "context"), k.q(c.Pos(), "net")
	sig := "func(" + ctxPkg + ".Context, string, string) (" + netPkg + ".Conn, error) "
	var before, dial []edit.Piece
	cur, _ := k.p.ins.Root().FindNode(c)
	if lit, ok := ast.Unparen(f).(*ast.FuncLit); ok {
		dial = []edit.Piece{edit.Text(sig), edit.Src(lit.Body)}
	} else if k.stable(f) {
		dial = []edit.Piece{edit.Text(sig + "{ return "), edit.Src(f), edit.Text("() }")}
	} else {
		if _, ok := stmtOf(cur); !ok {
			k.block(c.Pos(), "configure", "evaluation-order", "the socket factory is computed inside a statement's header")
			return nil
		}
		name := k.fresh(outermost(cur), c.Pos(), "dial")
		before = []edit.Piece{edit.Text(name + " := "), edit.Src(f), edit.Text("\n")}
		dial = []edit.Piece{edit.Text(sig + "{ return " + name + "() }")}
	}
	fields, values := []string{"Dialer"}, [][]edit.Piece{dial}
	switch k.websocketUse() {
	case someWebsocket:
		k.sometimes(c)
		return nil
	case alwaysWebsocket:
		return append(before, assignment(o, fields, values)...)
	}
	if creds := k.calls("ConfigureCredentials"); len(creds) == 0 {
		fields, values = append(fields, "Auth"), append(values, []edit.Piece{edit.Text(k.q(c.Pos(), paths.V2) + ".PlainTCP()")})
	} else if r := k.owned[creds[0]]; r == nil || len(creds) != 1 || len(placesOf(creds[0].Cur)) == 0 ||
		placesOf(creds[0].Cur)[len(placesOf(creds[0].Cur))-1].list != r.list {
		k.block(c.Pos(), "configure", "socket-factory", "whether the socket carries TLS is decided at run time")
		return nil
	}
	return append(before, assignment(o, fields, values)...)
}

// stable reports whether f names a function that stays the same: a declared one, or a variable that is set once.
func (k *class) stable(f ast.Expr) bool {
	id, ok := ast.Unparen(f).(*ast.Ident)
	if !ok {
		return false
	}
	switch o := k.p.Info.Uses[id].(type) {
	case *types.Func:
		return true
	case *types.Var:
		return k.p.constant(o) && o.Parent() != k.p.Types.Scope()
	}
	return false
}

// calls returns the uses of the class that call method name.
func (k *class) calls(name string) []*flow.Use {
	var out []*flow.Use
	for _, u := range k.c.Uses {
		if u.Kind == flow.Call && u.Sel.Sel.Name == name {
			out = append(out, u)
		}
	}
	return out
}

func lastWill(k *class, c *ast.CallExpr, o string) []edit.Piece {
	body, ok := k.payload(c.Args[1])
	if !ok {
		k.block(c.Args[1].Pos(), "configure", "payload-types", "the static type of the will's payload is "+k.typeName(c.Args[1]))
		return nil
	}
	out := []edit.Piece{edit.Text(o + ".Will = &" + k.q(c.Pos(), paths.V2) + ".Will{Topic: "), edit.Src(c.Args[0]), edit.Text(", Payload: ")}
	out = append(append(out, body...), edit.Text(", QoS: "))
	out = append(out, k.qos(c.Args[2], "configure")...)
	if len(c.Args) > 3 {
		out = append(out, edit.Text(", Retain: "), edit.Src(c.Args[3]))
	}
	return append(out, edit.Text("}"))
}

func (k *class) typeName(e ast.Expr) string {
	return types.TypeString(k.p.Info.TypeOf(e), types.RelativeTo(k.p.Types))
}

func usernamePassword(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if len(c.Args) == 1 {
		if len(k.calls("ConfigureUsernamePassword")) == 1 {
			return assignment(o, []string{"Username"}, [][]edit.Piece{{edit.Src(c.Args[0])}})
		}
		return assignment(o, []string{"Username", "Password"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Text("nil")}})
	}
	return assignment(o, []string{"Username", "Password"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Text("[]byte("), edit.Src(c.Args[1]), edit.Text(")")}})
}

func offlineQueue(k *class, c *ast.CallExpr, o string) []edit.Piece {
	q := k.q(c.Pos(), paths.V2)
	var size []edit.Piece
	if v := k.value(c.Args[0]); v == nil {
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
	if len(c.Args) > 1 {
		v := k.value(c.Args[1])
		if v == nil {
			k.block(c.Args[1].Pos(), "configure", "computed-options", "the drop behavior is computed")
			return nil
		}
		switch v.ExactString() {
		case "0":
			drop = "DropOldest"
		case "1":
			drop = "RejectNew"
		default:
			k.block(c.Args[1].Pos(), "configure", "computed-options", "the drop behavior "+v.String()+" is not one of v1's")
			return nil
		}
	} else if len(k.calls("ConfigureOfflinePublishQueueing")) > 1 {
		drop = "RejectNew"
	}
	if drop != "" {
		fields, values = append(fields, "OfflineQueue.WhenFull"), append(values, []edit.Piece{edit.Text(q + "." + drop)})
	}
	return assignment(o, fields, values)
}

func drainRate(k *class, c *ast.CallExpr, o string) []edit.Piece {
	if v := k.value(c.Args[0]); v != nil && constant.Sign(v) <= 0 {
		k.block(c.Args[0].Pos(), "configure", "zero-times", "a draining frequency of "+v.String()+" Hz fails in v1 and means no limit in v2")
		return nil
	}
	return assignment(o, []string{"OfflineQueue.DrainRate"}, [][]edit.Piece{{edit.Src(c.Args[0])}})
}
