// Package v1discovery holds the rules that rewrite code on v1compat/discovery: the provider becomes a greengrass.Client, and
// what it finds a greengrass.DiscoverResponse, which has v1's lists under new names.
package v1discovery

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/internal/v1errors"
	"github.com/portage-iot/awsiot/migrate/v1client"
)

// Family is the rules for discovery.DiscoveryInfoProvider and what it returns, which are one unit.
var Family = &rewrite.Family{
	Name:     "v1discovery",
	Packages: []string{paths.Discovery},
	Writes:   []string{"context", "time", paths.V2},
	Types: []rewrite.Type{
		{Package: paths.Discovery, Name: "DiscoveryInfo", To: rewrite.Name{Package: paths.Greengrass, Name: "DiscoverResponse"}},
		{Package: paths.Discovery, Name: "DiscoveryInfoProvider", Constructor: "NewDiscoveryInfoProvider", To: rewrite.Name{Package: paths.Greengrass, Name: "Client"}},
		{Package: paths.Discovery, Name: "ProgressiveBackOffCore", Constructor: "NewProgressiveBackOffCore", To: rewrite.Name{Package: paths.Greengrass, Name: "BackOffV1"}, Make: "NewBackOffV1"},
	},
	Options: rewrite.Options{Package: paths.Greengrass, Type: "Options", Make: "NewClient"},
	Bridge:  rewrite.Bridge{Package: paths.Discovery, Forward: "FromV2"},
	Members: members,
	Shapes: []rewrite.Doc{
		rewrite.Line(25, "`NewDiscoveryInfoProvider()` with the Configure calls behind it", "`opts := greengrass.Options{}`, one assignment per call, `greengrass.NewClient(opts)` after the last", "C: none of them comes later"),
	},
	Begin:       begin,
	Constructed: func(*rewrite.Class, *rewrite.Region, *rewrite.Birth, string) []edit.Piece { return nil },
	Complete:    func(*rewrite.Class, *rewrite.Region, *ast.CallExpr) []edit.Piece { return nil },
}

// rule is the rule under which reports count the members.
const rule = "discovery"

var members = []rewrite.Member{
	{Name: "ConfigureEndpoint", Takes: "host port?", Role: rewrite.Configure, Rule: rule, Option: endpoint,
		Docs: []rewrite.Doc{rewrite.Line(25, "`ConfigureEndpoint(host, port)`, `ConfigureCredentials(ca, cert, key)`, `ConfigureTimeout(s)`", "`opts.Endpoint, opts.Port`; `opts.CAFile, opts.Auth`; `opts.Timeout`", "S")}},
	{Name: "ConfigureCredentials", Takes: "path path path", Role: rewrite.Configure, Rule: rule, Option: credentials},
	{Name: "ConfigureTimeout", Takes: "seconds", Role: rewrite.Configure, Rule: rule, Option: timeout},
	{Name: "Discover", Takes: "thing", Gives: "response error", Rule: rule, Links: true, Operation: discover, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(25, "", "`client.Discover(ctx, thing)`", "C: errors as in row 27")}},
	{Name: "RawJSON", Gives: "document", Rule: rule, Operation: raw, Docs: []rewrite.Doc{rewrite.Line(25, "", "`string(response.Raw)`", "S")}},
	{Name: "GetAllCores", Gives: "list error", Rule: rule, Operation: list("CoresV1"),
		Docs: []rewrite.Doc{rewrite.Line(25, "`GetAllCores`, `GetAllCas`, `GetAllGroups`, `ToObjectAtGroupLevel`", "`response.CoresV1()`, `CAsV1()`, `GroupsV1()`, `ObjectV1()`, whose error is always nil: `error(nil)`", "S: see [discovery](#discovery)")}},
	{Name: "GetAllCas", Gives: "list error", Rule: rule, Operation: list("CAsV1")},
	{Name: "GetAllGroups", Gives: "list error", Rule: rule, Operation: list("GroupsV1")},
	{Name: "ToObjectAtGroupLevel", Gives: "list error", Rule: rule, Operation: list("ObjectV1")},
	{Name: "BackOff", Rule: rule, Operation: wait, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(25, "`BackOff()`, `BackOffContext(ctx)`, `Reset()`, `ConfigTime(base, max, min)` of a ProgressiveBackOffCore", "`Wait(ctx)`, `Reset()`, `Configure(base, max, min)` of a `greengrass.BackOffV1`", "S; C for `ConfigTime`: its error is only compared with nil, or not looked at")}},
	{Name: "BackOffContext", Takes: "context", Gives: "error", Rule: rule, Operation: named("Wait")},
	{Name: "Reset", Rule: rule, Operation: named("Reset")},
	{Name: "ConfigTime", Takes: "seconds seconds seconds", Gives: "error", Rule: rule, Operation: configTime},
}

// endpoint writes host and port. Without a port v1 took 8443 again, and so does 0.
func endpoint(k *rewrite.Class, c *ast.CallExpr, o string) []edit.Piece {
	if len(c.Args) == 1 {
		return rewrite.Assignment(o, []string{"Endpoint", "Port"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Text("0")}})
	}
	if len(c.Args) > 2 {
		k.Block(c.Pos(), rule, "discovery", "there is more than one port")
		return nil
	}
	return rewrite.Assignment(o, []string{"Endpoint", "Port"}, [][]edit.Piece{{edit.Src(c.Args[0])}, {edit.Src(c.Args[1])}})
}

// credentials writes the three paths, in v1's order: CA, certificate, key.
func credentials(k *rewrite.Class, c *ast.CallExpr, o string) []edit.Piece {
	auth := []edit.Piece{edit.Text(k.Q(c.Pos(), paths.V2) + ".MTLSFromPath("), edit.Range(c.Args[1].Pos(), c.Args[2].End()), edit.Text(")")}
	return rewrite.Assignment(o, []string{"CAFile", "Auth"}, [][]edit.Piece{{edit.Src(c.Args[0])}, auth})
}

func timeout(k *rewrite.Class, c *ast.CallExpr, o string) []edit.Piece {
	d := v1client.Seconds(k, c.Args[0])
	if d == nil {
		return nil
	}
	return rewrite.Assignment(o, []string{"Timeout"}, [][]edit.Piece{d})
}

func discover(k *rewrite.Class, u *flow.Use) {
	k.Edit(edit.Replace(u.Call, rewrite.Receiver(u.Sel), edit.Text(".Discover("+k.Ctx(u.Call.Pos())+", "), edit.Src(u.Call.Args[0]), edit.Text(")")))
}

func raw(k *rewrite.Class, u *flow.Use) {
	k.Edit(edit.Replace(u.Call, edit.Text("string("), rewrite.Receiver(u.Sel), edit.Text(".Raw)")))
}

// models are the types of v1's lists, with their names in package greengrass. The old ones are aliases of the new ones, so
// that each place can be rewritten by itself.
var models = map[string]string{"GroupConnectivityInfo": "GroupV1", "CoreConnectivityInfo": "CoreV1", "ConnectivityInfo": "ConnectivityInfoV1", "Ca": "CAV1"}

func begin(k *rewrite.Class) {
	v1errors.Plan(k)
	for o, places := range k.Pkg.Uses {
		to := models[o.Name()]
		if _, ok := o.(*types.TypeName); !ok || to == "" || o.Pkg() == nil || o.Pkg().Path() != paths.Discovery {
			continue
		}
		for _, cur := range places {
			n := cur.Node()
			if s, ok := cur.Parent().Node().(*ast.SelectorExpr); ok && s.Sel == n {
				n = s
			}
			e := edit.Replace(n, edit.Text(k.Q(n.Pos(), paths.Greengrass)+"."+to))
			e.Once = true
			k.Edit(e)
		}
	}
}

// list writes one of v1's lists. The document has been read by then, which is where v1 raised errors of it.
func list(method string) func(*rewrite.Class, *flow.Use) {
	return func(k *rewrite.Class, u *flow.Use) {
		call := []edit.Piece{rewrite.Receiver(u.Sel), edit.Text("." + method + "()")}
		par, self := rewrite.ParentSkippingParens(k.CallCur(u))
		switch s := par.Node().(type) {
		case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
			k.Edit(edit.Replace(self, call...))
			return
		case *ast.AssignStmt:
			if id, ok := s.Lhs[1].(*ast.Ident); ok && id.Name == "_" {
				k.Edit(edit.Edit{Pos: s.Lhs[0].End(), End: id.End()})
				k.Edit(edit.Replace(self, call...))
				return
			}
		}
		k.Edit(edit.Replace(self, append(call, edit.Text(", error(nil)"))...))
	}
}

// wait writes v1's wait, which nothing could end.
func wait(k *rewrite.Class, u *flow.Use) {
	k.Edit(edit.Replace(u.Call, rewrite.Receiver(u.Sel), edit.Text(".Wait("+k.Ctx(u.Call.Pos())+")")))
}

// named writes a method that is there under another name.
func named(method string) func(*rewrite.Class, *flow.Use) {
	return func(k *rewrite.Class, u *flow.Use) { k.Edit(edit.Replace(u.Sel.Sel, edit.Text(method))) }
}

// configTime writes the method whose error is of another type.
func configTime(k *rewrite.Class, u *flow.Use) {
	if !onlyNil(k, u) {
		k.Block(u.Call.Pos(), rule, "discovery", "the error of ConfigTime is used for more than a comparison with nil, and is of another type in v2")
		return
	}
	named("Configure")(k, u)
}

// onlyNil reports whether the one result of u is not used, or compared with nil where it stands or as a variable of an if.
func onlyNil(k *rewrite.Class, u *flow.Use) bool {
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		return true
	case *ast.BinaryExpr:
		return isNil(k, s.X) || isNil(k, s.Y)
	case *ast.AssignStmt:
		id, ok := s.Lhs[0].(*ast.Ident)
		if !ok || id.Name == "_" {
			return ok
		}
		v := k.Pkg.Info.Defs[id]
		if v == nil || !k.Pkg.Constant(v) {
			return false
		}
		for _, cur := range k.Pkg.Uses[v] {
			b, ok := cur.Parent().Node().(*ast.BinaryExpr)
			if !ok || !isNil(k, b.X) && !isNil(k, b.Y) {
				return false
			}
		}
		return true
	}
	return false
}

func isNil(k *rewrite.Class, e ast.Expr) bool { return k.Pkg.Info.Types[e].IsNil() }
