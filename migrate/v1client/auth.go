package v1client

import (
	"go/ast"
	"go/token"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// plain reports whether a client can get to an endpoint without ConfigureCredentials: v1 spoke plain MQTT then, while v2
// connects to nothing that it was not told how to connect to. It is not so where ConfigureCredentials runs in any case,
// for a client without an endpoint, which v1 could not connect either, and where nobody gives an endpoint without
// credentials.
func (k *class) plain(b *rewrite.Birth, r *rewrite.Region) bool {
	if k.Leaves() || k.CallsElsewhere("ConfigureEndpoint", "ConfigureSocketFactory") {
		return !k.always(b, r, "ConfigureCredentials")
	}
	return len(k.Calls("ConfigureEndpoint"))+len(k.Calls("ConfigureSocketFactory")) > 0 &&
		!k.always(b, r, "ConfigureCredentials") && !k.together("ConfigureEndpoint", "ConfigureCredentials")
}

// plainAuth is the Auth of such a client.
func (k *class) plainAuth(c *ast.CallExpr, o string) edit.Piece {
	k.Note(c.Pos(), "plain-tcp", "without ConfigureCredentials v1 speaks MQTT without TLS, and so does awsiot.PlainTCP")
	return edit.Text(o + ".Auth = " + k.Q(c.Pos(), paths.V2) + ".PlainTCP()")
}

// always reports whether every path from the constructor to the birth of its client calls method, directly or in a
// function that only configures.
func (k *class) always(b *rewrite.Birth, r *rewrite.Region, method string) bool {
	around := rewrite.PlacesOf(b.Ctor.Cur)
	return slices.ContainsFunc(r.Config, func(u *flow.Use) bool {
		at := rewrite.PlacesOf(u.Cur)
		if len(at) == 0 || u.Expr.Pos() < b.Ctor.Call.Pos() {
			return false
		}
		in := at[len(at)-1].List
		return slices.ContainsFunc(around, func(p rewrite.Place) bool { return p.List == in }) && k.callsIn(u, method, map[*ast.FuncDecl]bool{})
	})
}

// together reports whether method is called at all, and beside each of its calls one of other on the same client, with
// nothing but configuring calls between them.
func (k *class) together(method, other string) bool {
	calls := k.Calls(method)
	return len(calls) > 0 && !slices.ContainsFunc(calls, func(u *flow.Use) bool {
		return !slices.ContainsFunc(k.Calls(other), func(v *flow.Use) bool { return k.beside(u, v) })
	})
}

// beside reports whether two calls about one client stand in one statement list, with only configuring ones between.
func (k *class) beside(u, v *flow.Use) bool {
	a, okA := k.Pkg.RootOf(u.Cur, u.Expr)
	b, okB := k.Pkg.RootOf(v.Cur, v.Expr)
	x, y := rewrite.PlacesOf(u.Cur), rewrite.PlacesOf(v.Cur)
	if !okA || !okB || a != b || len(x) == 0 || len(x) != len(y) || x[len(x)-1].List != y[len(y)-1].List {
		return false
	}
	i, j := x[len(x)-1].Idx, y[len(y)-1].Idx
	for _, s := range rewrite.Stmts(x[len(x)-1].List)[min(i, j) : max(i, j)+1] {
		if !slices.ContainsFunc(k.Flow.Uses, func(w *flow.Use) bool {
			x, ok := s.(*ast.ExprStmt)
			return ok && w.Call == x.X && k.Configures(w)
		}) {
			return false
		}
	}
	return true
}

// callsIn reports whether u is a call of method, or passes the client to a function that calls it on every path.
func (k *class) callsIn(u *flow.Use, method string, seen map[*ast.FuncDecl]bool) bool {
	switch u.Kind {
	case flow.Call:
		return u.Sel.Sel.Name == method
	case flow.Pass:
		d, uses := k.Callee(u)
		if d == nil || seen[d] {
			return false
		}
		seen[d] = true
		return slices.ContainsFunc(uses, func(v *flow.Use) bool {
			return len(rewrite.PlacesOf(v.Cur)) == 1 && !returnsBefore(d.Body, v.Expr.Pos()) && k.callsIn(v, method, seen)
		})
	}
	return false
}

// returnsBefore reports whether a return stands in a function's body before pos.
func returnsBefore(body *ast.BlockStmt, pos token.Pos) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || n.Pos() < pos
		}
		return !found
	})
	return found
}
