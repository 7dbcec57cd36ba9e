package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// seconds assigns v1 times, float64 seconds, to durations.
func seconds(fields ...string) func(*class, *ast.CallExpr, string) []edit.Piece {
	return func(k *class, c *ast.CallExpr, o string) []edit.Piece {
		var values [][]edit.Piece
		for i := range fields {
			v := k.seconds(c.Args[i])
			if v == nil {
				return nil
			}
			values = append(values, v)
		}
		return rewrite.Assignment(o, fields, values)
	}
}

// backoff assigns the three times of ConfigureAutoReconnectBackoffTime. v1 took a maximum below the base, and waited the
// base then; v2 refuses it.
func backoff(k *class, c *ast.CallExpr, o string) []edit.Piece {
	base, highest := k.Value(c.Args[0]), k.Value(c.Args[1])
	fields := []string{"MinReconnectDelay", "MaxReconnectDelay", "MinConnectedTimeToResetReconnectDelay"}
	values := make([][]edit.Piece, len(fields))
	for i := range fields {
		if values[i] = k.seconds(c.Args[i]); values[i] == nil {
			return nil
		}
	}
	switch {
	case base != nil && highest != nil:
		if constant.Compare(base, token.GTR, highest) {
			values[1] = k.seconds(c.Args[0])
		}
	case k.Pkg.Pure(c.Args[0]) && k.Pkg.Pure(c.Args[1]):
		values[1] = slices.Concat([]edit.Piece{edit.Text("max(")}, k.seconds(c.Args[0]), []edit.Piece{edit.Text(", ")}, values[1], []edit.Piece{edit.Text(")")})
	default:
		k.Block(c.Pos(), "configure", "evaluation-order", "the base and the maximum of the back-off are calls, and the larger one has to be taken")
		return nil
	}
	return k.Lines(c, o, fields, values)
}

// Seconds is the duration of e seconds, for the rules of what stands on the client.
func Seconds(k *rewrite.Class, e ast.Expr) []edit.Piece { return (&class{Class: k}).seconds(e) }

// seconds is the duration of e seconds. Zero and negative times mean something else in v2 (the default, none).
func (k *class) seconds(e ast.Expr) []edit.Piece {
	v := k.Value(e)
	t := k.Q(e.Pos(), "time")
	if v == nil {
		if inner := k.floatOfInt(e); inner != nil {
			return []edit.Piece{edit.Text(t + ".Duration("), edit.Src(inner), edit.Text(") * " + t + ".Second")}
		}
		return []edit.Piece{edit.Text(t + ".Duration("), k.operand(e)[0], edit.Src(e), k.operand(e)[1], edit.Text(" * float64(" + t + ".Second))")}
	}
	if constant.Sign(v) <= 0 {
		k.Block(e.Pos(), "configure", "zero-times", "a time of "+v.String()+" seconds means something else in v2")
		return nil
	}
	ns := constant.BinaryOp(constant.ToFloat(v), token.MUL, constant.MakeInt64(int64(time.Second)))
	n, exact := constant.Int64Val(constant.ToInt(ns))
	if !exact {
		return []edit.Piece{edit.Text(t + ".Duration("), k.operand(e)[0], edit.Src(e), k.operand(e)[1], edit.Text(" * float64(" + t + ".Second))")}
	}
	if _, literal := ast.Unparen(e).(*ast.BasicLit); !literal {
		if k.untypedInt(e) {
			return []edit.Piece{k.operand(e)[0], edit.Src(e), k.operand(e)[1], edit.Text(" * " + t + ".Second")}
		}
		return []edit.Piece{edit.Text(t + ".Duration("), k.operand(e)[0], edit.Src(e), k.operand(e)[1], edit.Text(" * float64(" + t + ".Second))")}
	}
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{time.Second, "Second"}, {time.Millisecond, "Millisecond"}, {time.Microsecond, "Microsecond"}, {1, "Nanosecond"}} {
		if n%int64(u.d) == 0 {
			return []edit.Piece{edit.Text(strconv.FormatInt(n/int64(u.d), 10) + " * " + t + "." + u.name)}
		}
	}
	return nil
}

// operand are the parentheses that e needs as an operand of *.
func (k *class) operand(e ast.Expr) [2]edit.Piece {
	if _, ok := e.(*ast.BinaryExpr); ok {
		return [2]edit.Piece{edit.Text("("), edit.Text(")")}
	}
	return [2]edit.Piece{edit.Text(""), edit.Text("")}
}

// floatOfInt returns n when e is float64(n) for an integer n.
func (k *class) floatOfInt(e ast.Expr) ast.Expr {
	c, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || len(c.Args) != 1 || !k.Pkg.Info.Types[c.Fun].IsType() {
		return nil
	}
	if b, ok := k.Pkg.Info.TypeOf(c.Args[0]).Underlying().(*types.Basic); ok && b.Info()&types.IsInteger != 0 {
		return c.Args[0]
	}
	return nil
}

// untypedInt reports whether e is built from untyped constants with whole values, so that e * time.Second compiles.
func (k *class) untypedInt(e ast.Expr) bool {
	return k.Untyped(e) && constant.ToInt(k.Value(e)).Kind() == constant.Int
}
