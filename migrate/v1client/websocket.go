package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/ast/inspector"
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
	if len(k.Flow.Ctors) == 0 && len(k.MadeElsewhere()) == 0 {
		return someWebsocket // a bridge of an earlier run: nobody knows
	}
	seen := map[websocketUse]bool{}
	for _, c := range k.Flow.Ctors {
		seen[k.websocketOf(c.Call)] = true
	}
	for _, n := range k.MadeElsewhere() {
		if n > 1 { // with options, in another package
			return someWebsocket
		}
		seen[neverWebsocket] = true
	}
	switch {
	case seen[someWebsocket], seen[alwaysWebsocket] && seen[neverWebsocket]:
		return someWebsocket
	case seen[alwaysWebsocket]:
		return alwaysWebsocket
	}
	return neverWebsocket
}

// websocketOf reads one constructor; someWebsocket means that it is computed.
func (k *class) websocketOf(c *ast.CallExpr) websocketUse {
	use := neverWebsocket
	for _, a := range k.optionsOf(c) {
		call := k.optionCall(a)
		if call == nil {
			return someWebsocket
		}
		if !paths.Func(flow.StaticCallee(k.Pkg.Info, call), paths.V1Compat, "WithWebsocket") {
			continue
		}
		switch v := k.Value(call.Args[0]); {
		case v == nil:
			return someWebsocket
		case constant.BoolVal(v):
			use = alwaysWebsocket
		default:
			use = neverWebsocket
		}
	}
	return use
}

// sometimes blocks a call whose meaning depends on what is not the same for all constructors of the class.
func (k *class) sometimes(c *ast.CallExpr) {
	k.Block(c.Pos(), "configure", "websocket", "whether the client uses a websocket is not the same for all of its constructors, or computed")
}

// websocketFlag is the variable that tells whether a constructor is given a websocket; v is nil for a new one.
type websocketFlag struct {
	name string
	v    types.Object
}

// websocketAt is what the constructor before a configuring call says; with someWebsocket, cond is the condition, or "" when
// that is not known there.
func (k *class) websocketAt(c *ast.CallExpr) (use websocketUse, cond string) {
	i := slices.IndexFunc(k.Flow.Uses, func(u *flow.Use) bool { return u.Call == c })
	if i < 0 || k.Owned[k.Flow.Uses[i]] == nil {
		return k.websocketUse(), ""
	}
	u := k.Flow.Uses[i]
	var b *rewrite.Birth
	around := rewrite.PlacesOf(u.Cur)
	for _, o := range k.Owned[u].Births { // the last one that has run for certain
		in := rewrite.PlacesOf(o.Ctor.Cur)
		if o.Ctor.Call.Pos() < c.Pos() && slices.ContainsFunc(around, func(p rewrite.Place) bool { return p.List == in[len(in)-1].List }) {
			b = o
		}
	}
	if b == nil {
		return k.websocketUse(), ""
	}
	use = k.websocketOf(b.Ctor.Call)
	if use != someWebsocket {
		return use, ""
	}
	flag := k.websockets[b.Ctor.Call]
	if _, o := k.Pkg.Types.Scope().Innermost(c.Pos()).LookupParent(flag.name, c.Pos()); flag.v != nil && o != flag.v {
		return someWebsocket, "" // another variable of the name
	}
	cond = flag.name
	switch k.branch(u.Cur, cond) {
	case yes:
		return alwaysWebsocket, ""
	case no:
		return neverWebsocket, ""
	}
	return someWebsocket, cond
}

// answer is what is known of a condition.
type answer int

const (
	unknown answer = iota
	yes
	no
)

// branch finds an if statement around cur that has asked for a variable that stays as it is.
func (k *class) branch(cur inspector.Cursor, name string) answer {
	for c := range cur.Enclosing() {
		s, ok := c.Parent().Node().(*ast.IfStmt)
		if !ok || name == "" {
			continue
		}
		x, then, other := ast.Unparen(s.Cond), yes, no
		if n, ok := x.(*ast.UnaryExpr); ok && n.Op == token.NOT {
			x, then, other = ast.Unparen(n.X), no, yes
		}
		if id, ok := x.(*ast.Ident); !ok || id.Name != name {
			continue
		}
		switch c.Node() {
		case s.Body:
			return then
		case s.Else:
			return other
		}
	}
	return unknown
}

// maybeWebsocket writes the Auth of a client for which x tells whether it uses a websocket. What depends on that later
// needs the answer by a name: x, when it is a variable that stays as it is, or a new one.
func (k *class) maybeWebsocket(r *rewrite.Region, b *rewrite.Birth, x ast.Expr, o string) []edit.Piece {
	if r == nil {
		return nil
	}
	c := b.Ctor.Call
	var out []edit.Piece
	cond := []edit.Piece{edit.Src(x)}
	if id, ok := ast.Unparen(x).(*ast.Ident); ok && k.settled(id) {
		k.websockets[c] = websocketFlag{id.Name, k.Pkg.Info.Uses[id]}
	} else if b.Form != rewrite.Inline && len(k.Calls("ConfigureCredentials"))+len(k.Calls("ConfigureIAMCredentials")) > 0 {
		if k.websockets[c].name == "" {
			k.websockets[c] = websocketFlag{name: k.Fresh(rewrite.Outermost(b.Ctor.Cur), c.Pos(), "useWebsocket")}
		}
		cond = []edit.Piece{edit.Text(k.websockets[c].name)}
		out = []edit.Piece{edit.Text("\n" + k.websockets[c].name + " := "), edit.Src(x)}
	} else if hasLiteral(x) {
		cond = []edit.Piece{edit.Text("("), edit.Src(x), edit.Text(")")}
	}
	q := k.Q(c.Pos(), paths.V2Auth)
	out = append(append(append(out, edit.Text("\nif ")), cond...), edit.Text(" {\n"+o+".Auth = "+q+`.Websocket("", `+q+".V1Chain())\n}"))
	if k.plain(b, r) {
		out = append(out, edit.Text(" else {\n"), k.plainAuth(c, o), edit.Text("\n}"))
	}
	return out
}

// not is the negation of x, as the condition of an if statement.
func (k *class) not(x ast.Expr) []edit.Piece {
	if n, ok := ast.Unparen(x).(*ast.UnaryExpr); ok && n.Op == token.NOT && !hasLiteral(n.X) {
		return []edit.Piece{edit.Src(n.X)}
	}
	if _, binary := x.(*ast.BinaryExpr); binary || hasLiteral(x) {
		return []edit.Piece{edit.Text("!("), edit.Src(x), edit.Text(")")}
	}
	return []edit.Piece{edit.Text("!"), edit.Src(x)}
}

// hasLiteral reports whether e has a composite literal, which needs parentheses in the header of a statement.
func hasLiteral(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		_, lit := n.(*ast.CompositeLit)
		found = found || lit
		return !found
	})
	return found
}

// when writes pieces under a condition.
func when(cond string, pieces []edit.Piece) []edit.Piece {
	return slices.Concat([]edit.Piece{edit.Text("if " + cond + " {\n")}, pieces, []edit.Piece{edit.Text("\n}")})
}

// chain writes the Auth of a websocket client that nobody gave credentials: v1 looked for some. It writes nothing when
// ConfigureIAMCredentials replaces it in any case.
func (k *class) chain(c *ast.CallExpr, o string) []edit.Piece {
	if iam := k.Calls("ConfigureIAMCredentials"); len(iam) == 1 && len(k.Flow.Ctors) == 1 {
		r, places := k.Owned[iam[0]], rewrite.PlacesOf(iam[0].Cur)
		if r != nil && len(places) > 0 && places[len(places)-1].List == r.List {
			return nil
		}
	}
	q := k.Q(c.Pos(), paths.V2Auth)
	return []edit.Piece{edit.Text("\n" + o + ".Auth = " + q + `.Websocket("", ` + q + ".V1Chain())")}
}

// iamCredentials writes the Auth of a client that was given AWS credentials. v1 took them at any time and used them for
// the next handshake, and so does Update.
func iamCredentials(k *class, c *ast.CallExpr, o string) []edit.Piece {
	use, cond := k.websocketAt(c)
	switch {
	case use == someWebsocket && (cond == "" || slices.ContainsFunc(c.Args, func(a ast.Expr) bool { return !k.Pkg.Pure(a) })):
		k.sometimes(c)
		return nil
	case use == someWebsocket:
		return when(cond, k.iamAuth(c, o))
	case use == neverWebsocket:
		k.Note(c.Pos(), "websocket", "ConfigureIAMCredentials is dropped: without WithWebsocket(true) it means nothing")
		return k.discard(c, c.Args)
	}
	return k.iamAuth(c, o)
}

// iamAuth is the Auth of a websocket client with the credentials of a call.
func (k *class) iamAuth(c *ast.CallExpr, o string) []edit.Piece {
	q := k.Q(c.Pos(), paths.V2Auth)
	auth := edit.Text(o + ".Auth = " + q + `.Websocket("", ` + q + ".")
	empty, known := false, true
	for _, a := range c.Args[:2] {
		v := k.Value(a)
		known = known && v != nil
		empty = empty || v != nil && constant.StringVal(v) == ""
	}
	if empty && known { // then v1 looked for credentials elsewhere
		return []edit.Piece{auth, edit.Text("V1Chain())")}
	}
	if !known {
		k.Note(c.Pos(), "websocket", "when the access key id or the secret is empty, v1 looks in the environment and in ~/.aws/credentials; awsauth.Static does not, awsauth.V1Chain does")
	}
	return []edit.Piece{auth, edit.Text("Static("), edit.Range(c.Args[0].Pos(), c.Args[2].End()), edit.Text("))")}
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
	cur, _ := k.Pkg.Ins.Root().FindNode(c)
	if stmt, ok := rewrite.StmtOf(cur); ok && k.literals(args) {
		for _, r := range k.Regions {
			if r.Opts != "" && rewrite.Stmts(r.List)[r.Last] == stmt { // the client is made at the end of its line
				k.Edit(edit.Edit{Pos: stmt.Pos(), End: stmt.End()})
				return nil
			}
		}
		k.DeleteStmt(stmt)
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
			c, ok := k.Pkg.Info.Uses[e].(*types.Const)
			if !ok || c.Pkg() != k.Pkg.Types {
				return false
			}
		default:
			return false
		}
	}
	return true
}
