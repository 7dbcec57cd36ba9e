package pahodropin

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Limit is an argument, or a field of the options, with a constant that the new client does not hold. The code moves all the same:
// PORTAGE_PAHO_ENGINE=paho keeps the program on paho's own client, which does.
type Limit struct {
	Method  string // of a type of From; "": none
	Arg     int    // the argument, or, where it is a map, its values
	Field   string // of a struct of From that means the same; "": none
	Refused func(int64) bool
	Anchor  string
	Text    string // in one sentence without a full stop
}

// keepPaho is what to do about a limit.
const keepPaho = "; PORTAGE_PAHO_ENGINE=paho in the environment keeps the program on paho's own client"

var (
	exactlyOnce   = func(q int64) bool { return q == 2 }
	otherVersions = func(v int64) bool { return v != 0 && v != 4 }
)

// limits are those of pahocompat.
var limits = []Limit{
	{Method: "Publish", Arg: 1, Refused: exactlyOnce, Anchor: "qos2", Text: "a publish at QoS 2 is an error of its token on MQTT 5" + keepPaho},
	{Method: "Subscribe", Arg: 1, Refused: exactlyOnce, Anchor: "qos2", Text: "a subscription at QoS 2 is an error of its token on MQTT 5" + keepPaho},
	{Method: "SubscribeMultiple", Arg: 0, Refused: exactlyOnce, Anchor: "qos2", Text: "a subscription at QoS 2 is an error of its token on MQTT 5" + keepPaho},
	{Method: "SetWill", Arg: 2, Refused: exactlyOnce, Anchor: "qos2", Text: "a will with QoS 2 is an error of Connect on MQTT 5" + keepPaho},
	{Method: "SetBinaryWill", Arg: 2, Field: "WillQos", Refused: exactlyOnce, Anchor: "qos2", Text: "a will with QoS 2 is an error of Connect on MQTT 5" + keepPaho},
	{Method: "SetProtocolVersion", Arg: 0, Field: "ProtocolVersion", Refused: otherVersions, Anchor: "protocol-version", Text: "this protocol version is an error of Connect on MQTT 5" + keepPaho},
}

// notes adds what of the file the new client does not hold.
func (m *Move) notes(in rewrite.Input, f *ast.File, u *unit.Unit) {
	note := func(n ast.Node, l Limit) {
		u.Notes = append(u.Notes, unit.Note{Pos: in.Fset.Position(n.Pos()), Anchor: l.Anchor, Text: l.Text})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			fn := flow.StaticCallee(in.Info, n)
			if fn == nil || fn.Signature().Recv() == nil || fn.Pkg() == nil || fn.Pkg().Path() != m.From {
				return true
			}
			for _, l := range m.Limits {
				if l.Method == fn.Name() && l.Arg < len(n.Args) && slices.ContainsFunc(m.constants(in, f, n.Args[l.Arg]), l.Refused) {
					note(n, l)
				}
			}
		case *ast.AssignStmt:
			for i, x := range n.Lhs {
				sel, ok := x.(*ast.SelectorExpr)
				if v, isVar := in.Info.ObjectOf(selected(sel)).(*types.Var); !ok || !isVar || len(n.Lhs) != len(n.Rhs) || !v.IsField() || v.Pkg() == nil || v.Pkg().Path() != m.From {
					continue
				}
				for _, l := range m.Limits {
					if l.Field != "" && l.Field == sel.Sel.Name && slices.ContainsFunc(m.constants(in, f, n.Rhs[i]), l.Refused) {
						note(x, l)
					}
				}
			}
		}
		return true
	})
}

// selected is the name that s selects, which is of no use where s is none.
func selected(s *ast.SelectorExpr) *ast.Ident {
	if s == nil {
		return &ast.Ident{}
	}
	return s.Sel
}

// constants are the values of e that the source tells: its own, or those of a map that is written out, here or where the variable
// is made.
func (m *Move) constants(in rewrite.Input, f *ast.File, e ast.Expr) (out []int64) {
	if v := in.Info.Types[e].Value; v != nil {
		if i, exact := constant.Int64Val(constant.ToInt(v)); exact {
			out = append(out, i)
		}
		return out
	}
	if id, ok := ast.Unparen(e).(*ast.Ident); ok {
		if lit := literal(in, f, in.Info.Uses[id]); lit != nil {
			e = lit
		}
	}
	lit, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, x := range lit.Elts {
		if kv, ok := x.(*ast.KeyValueExpr); ok {
			if v := in.Info.Types[kv.Value].Value; v != nil {
				if i, exact := constant.Int64Val(constant.ToInt(v)); exact {
					out = append(out, i)
				}
			}
		}
	}
	return out
}

// literal is the composite literal that a variable is declared with in f, nil if there is none.
func literal(in rewrite.Input, f *ast.File, o types.Object) (out ast.Expr) {
	take := func(name *ast.Ident, value ast.Expr) {
		if lit, ok := ast.Unparen(value).(*ast.CompositeLit); ok && o != nil && in.Info.Defs[name] == o {
			out = lit
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, x := range n.Lhs {
				if id, ok := x.(*ast.Ident); ok && len(n.Lhs) == len(n.Rhs) {
					take(id, n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if len(n.Names) == len(n.Values) {
					take(id, n.Values[i])
				}
			}
		}
		return out == nil
	})
	return out
}
