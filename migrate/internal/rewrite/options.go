package rewrite

import (
	"go/ast"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
)

// Fixed assigns one value that does not depend on arguments.
func Fixed(field, value string) Option {
	return func(_ *Class, _ *ast.CallExpr, o string) []edit.Piece {
		return []edit.Piece{edit.Text(o + "." + field + " = " + value)}
	}
}

// Tuple assigns the arguments as they are, in their order.
func Tuple(fields ...string) Option {
	return func(_ *Class, c *ast.CallExpr, o string) []edit.Piece {
		var values [][]edit.Piece
		for i := range fields {
			values = append(values, []edit.Piece{edit.Src(c.Args[i])})
		}
		return Assignment(o, fields, values)
	}
}

// Assignment writes o.a, o.b = x, y.
func Assignment(o string, fields []string, values [][]edit.Piece) []edit.Piece {
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

// maxColumns is how long a line may get before one assignment of several fields becomes one for each.
const maxColumns = 120

// tabColumns is how wide a tab counts.
const tabColumns = 4

// Lines writes o.a, o.b = x, y, or one assignment per line where that would be too long a line. Fields of options do not
// depend on each other, so both mean the same.
func (k *Class) Lines(c *ast.CallExpr, o string, fields []string, values [][]edit.Piece) []edit.Piece {
	cur, _ := k.Pkg.Ins.Root().FindNode(c)
	all := Assignment(o, fields, values)
	stmt, ok := StmtOf(cur)
	if !ok || (k.Pkg.Pos(stmt.Pos()).Column-1)*tabColumns+width(all) <= maxColumns {
		return all
	}
	var out []edit.Piece
	for i := range fields {
		if i > 0 {
			out = append(out, edit.Text("\n"))
		}
		out = append(out, Assignment(o, fields[i:i+1], values[i:i+1])...)
	}
	return out
}

// width is how many bytes the pieces take.
func width(pieces []edit.Piece) int {
	n := 0
	for _, p := range pieces {
		n += len(p.Text) + int(p.End-p.Pos)
	}
	return n
}
