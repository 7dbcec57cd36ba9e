package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

// Bridge names what lets the old and the new API work on one client: Package.Forward(client) gives the new client the
// old shape, and the method Back of that is the new client.
type Bridge struct{ Package, Forward, Back string }

// legacyName is the variable that two or more bridges in one function share.
const legacyName = "legacy"

// bridgePoint is an expression that is the new client after the rewrite, where the old shape is needed.
type bridgePoint struct {
	expr   ast.Expr
	cur    inspector.Cursor
	suffix string // what leads from it to the client, where that is embedded
}

// bridges writes the bridges of all uses that stay on the old shape.
func (k *Class) bridges() {
	var points []bridgePoint
	for _, u := range k.uses {
		if why := k.Bridged[u]; why != nil {
			if o := k.old(u); o != nil {
				k.Edit(edit.Replace(u.Expr, o.Write(k, u)...))
			} else {
				points = append(points, bridgePoint{u.Expr, u.Cur, k.embeddedPath(u)})
			}
			k.Unit.Bridges = append(k.Unit.Bridges, k.bridgeOf(u, why))
			if keep := k.row(u.Sel.Sel.Name).Kept; keep != nil {
				keep(k, u)
			}
		}
	}
	for _, b := range k.Flow.Borders {
		if !k.leaves(b) || slices.ContainsFunc(points, func(p bridgePoint) bool { return p.expr == b.Expr }) {
			continue
		}
		why, rule := k.borderText(b)
		bridge := k.handedOver(b.Pos, rule, b.Detail, why)
		if !k.hasBridge(b.Expr) {
			bridge.Form = k.Type(b.Expr).Whole.Form
			k.whole(b.Expr)
			k.Unit.Bridges = append(k.Unit.Bridges, bridge)
			continue
		}
		k.Unit.Bridges = append(k.Unit.Bridges, bridge)
		k.guard(b)
		cur, _ := k.Pkg.Ins.Root().FindNode(b.Expr)
		points = append(points, bridgePoint{expr: b.Expr, cur: cur})
	}
	byRoot := map[Root][]bridgePoint{}
	var roots []Root
	for _, p := range points {
		rt, ok := k.Pkg.RootOf(p.cur, p.expr)
		if !ok || p.suffix != "" || p.expr.Pos() < k.bornBefore(rt) {
			k.span(p, k.forward(p.expr.Pos()))
			continue
		}
		if byRoot[rt] == nil {
			roots = append(roots, rt)
		}
		byRoot[rt] = append(byRoot[rt], p)
	}
	for _, rt := range roots {
		k.share(rt, byRoot[rt])
	}
}

// forward is the function that gives a client the old shape, as it is written at pos.
func (k *Class) forward(pos token.Pos) string {
	return k.Q(pos, k.Family.Bridge.Package) + "." + k.Family.Bridge.Forward
}

// span writes a bridge where its expression stands.
func (k *Class) span(p bridgePoint, forward string) {
	if c, call := p.expr.(*ast.CallExpr); call && k.Pkg.reads[c] == nil { // a constructor, perhaps, which is replaced itself
		k.Insert(p.expr.Pos(), forward+"(")
		k.Insert(p.expr.End(), ")")
		return
	}
	k.Edit(edit.Replace(p.expr, edit.Text(forward+"("), edit.Src(p.expr), edit.Text(p.suffix+")")))
}

// leaves reports whether b is where a client goes to something that stays on the old shape, and can go there in that.
func (k *Class) leaves(b flow.Border) bool {
	return k.Pkg.Bridges && b.Way == flow.Leaves && b.Expr != nil && (k.hasBridge(b.Expr) || k.hasWhole(b.Expr))
}

// guard lets nil go out as nil, where the client is compared, with that in most cases: a bridge of nil is not nil.
func (k *Class) guard(b flow.Border) {
	ret := k.Pkg.guarded(b)
	if b.Kind != flow.Exported || ret == nil || !slices.ContainsFunc(k.uses, func(u *flow.Use) bool { return u.Kind == flow.Compare }) {
		return
	}
	k.Edit(edit.Edit{Pos: ret.Pos(), End: ret.Pos(), Pieces: []edit.Piece{edit.Text("if "), edit.Src(b.Expr), edit.Text(" == nil {\nreturn nil\n}\n")}})
}

// hasWhole reports whether e, of another type than the one that the bridge gives, can be made anew in its old shape.
func (k *Class) hasWhole(e ast.Expr) bool {
	t := k.Type(e)
	if t == nil || t.Whole == nil {
		return false
	}
	n := mentions(t.Whole.Write(k, e))
	return n == 1 || n > 1 && k.Pkg.Pure(e)
}

// mentions is how many pieces are source.
func mentions(pieces []edit.Piece) (n int) {
	for _, p := range pieces {
		if p.Pos.IsValid() {
			n++
		}
	}
	return n
}

// whole writes e in its old shape. A constructor is replaced itself.
func (k *Class) whole(e ast.Expr) {
	pieces := k.Type(e).Whole.Write(k, e)
	if _, call := e.(*ast.CallExpr); !call || k.Pkg.reads[e.(*ast.CallExpr)] != nil {
		k.Edit(edit.Replace(e, pieces...))
		return
	}
	at := e.Pos()
	for _, p := range pieces {
		if p.Pos.IsValid() {
			at = e.End()
		} else {
			k.Insert(at, p.Text)
		}
	}
}

// share writes the bridges of one variable in one function: through a variable, where there are several and the client
// is the same for all of them.
func (k *Class) share(rt Root, points []bridgePoint) {
	at := k.commonStmt(rt, points)
	for _, p := range points {
		if at == nil {
			k.span(p, k.forward(p.expr.Pos()))
		}
	}
	if at == nil {
		return
	}
	name := k.Fresh(rt.fn, at.Pos(), legacyName)
	k.Insert(at.Pos(), name+" := "+k.forward(at.Pos())+"("+rt.path+")\n")
	for _, p := range points {
		k.Edit(edit.Replace(p.expr, edit.Text(name)))
	}
}

// bornBefore is the position behind which the client of a root is there, for one that is made in its function.
func (k *Class) bornBefore(rt Root) token.Pos {
	var end token.Pos
	for _, r := range k.Regions {
		if r.Root == rt && r.List != nil {
			end = max(end, Stmts(r.List)[r.Last].End())
		}
	}
	return end
}

// commonStmt is the statement before which a variable for all points can be declared; nil when there is one point only,
// no such statement, or when the client may be another one at some of them.
func (k *Class) commonStmt(rt Root, points []bridgePoint) ast.Stmt {
	v, ok := rt.base.(*types.Var)
	if _, isFunc := rt.fn.(*ast.FuncDecl); len(points) < 2 || !ok || !isFunc || v.IsField() || rt.path != v.Name() || v.Parent() == k.Pkg.Types.Scope() {
		return nil
	}
	var all [][]Place
	literal := false
	for _, p := range points {
		all = append(all, placesThrough(p.cur))
		literal = literal || Innermost(p.cur) != Innermost(points[0].cur)
	}
	depth := -1
	for d := 0; d < minLen(all); d++ {
		same := true
		for _, p := range all {
			same = same && p[d].List == all[0][d].List
		}
		if !same {
			break
		}
		depth = d
	}
	if depth < 0 {
		return nil
	}
	first := all[0][depth]
	for _, p := range all {
		if p[depth].Idx < first.Idx {
			first = p[depth]
		}
	}
	s := Stmts(first.List)[first.Idx]
	if _, label := s.(*ast.LabeledStmt); label || s.Pos() < v.Pos() || s.Pos() < k.bornBefore(rt) {
		return nil
	}
	births := 0
	for _, r := range k.Regions {
		if r.Root == rt {
			births += len(r.Births)
		}
	}
	for _, p := range k.Pkg.Assigned[v] {
		if p >= s.Pos() {
			return nil
		}
	}
	if len(k.Pkg.Assigned[v]) > births || literal && births > 1 {
		return nil
	}
	return s
}

// placesThrough is PlacesOf up to the declared function: literals do not end it.
func placesThrough(cur inspector.Cursor) []Place {
	var out []Place
	for c := range cur.Enclosing() {
		kind, i := c.ParentEdge()
		if kind == edge.BlockStmt_List || kind == edge.CaseClause_Body || kind == edge.CommClause_Body {
			out = append(out, Place{c.Parent().Node(), i})
		}
		if kind == edge.FuncDecl_Body {
			break
		}
	}
	slices.Reverse(out)
	return out
}

// bridgeOf reports a use that stays on the old shape.
func (k *Class) bridgeOf(u *flow.Use, why []unit.Reason) unit.Bridge {
	var texts []string
	for _, r := range why {
		if !slices.Contains(texts, r.Text) {
			texts = append(texts, r.Text)
		}
	}
	name := u.Sel.Sel.Name
	next := "write it with a call of " + k.Family.Types[0].To.Name + ", or wait for a rule: a later run takes the bridge away"
	if u.Kind != flow.Call {
		next = "write it with Observe or an option, or wait for a rule: a later run takes the bridge away"
	}
	form := k.form()
	if o := k.old(u); o != nil {
		form = o.Form
	}
	return unit.Bridge{Pos: k.Pkg.Pos(u.Sel.Sel.Pos()), Rule: k.Rule(name), What: name, Form: form, Text: strings.Join(texts, "; "), Next: next, Anchor: why[0].Anchor}
}

// handedOver reports a client that goes, as a whole, to something that stays on the old shape.
func (k *Class) handedOver(pos token.Pos, rule, to string, why Why) unit.Bridge {
	if to == "" {
		to = "the client"
	}
	return unit.Bridge{Pos: k.Pkg.Pos(pos), Rule: rule, What: to, Form: k.form(), Text: why.Text, Anchor: why.Anchor,
		Next: "move what takes the client, then run the tool again"}
}

// form is how code reads a bridge.
func (k *Class) form() string {
	return path.Base(k.Family.Bridge.Package) + "." + k.Family.Bridge.Forward
}

// old is how the value of u gets its old shape, when it is of a type that has a way of its own, and can be evaluated twice.
func (k *Class) old(u *flow.Use) *Old {
	if u.Kind != flow.Call && (group{k.Family}).row(u.Sel.Sel.Name).Name == "" {
		return nil // a field that only what is made anew would have
	}
	if t := k.UseType(u); t != nil && len(u.Through) == 0 && k.Pkg.Pure(u.Expr) {
		return t.Old
	}
	return nil
}

// hasBridge reports whether e is of the type that the bridge gives.
func (k *Class) hasBridge(e ast.Expr) bool {
	return k.Type(e) == &k.Family.Types[0]
}

// Leaves reports whether the client goes, on v1's shape, to code that is not followed.
func (k *Class) Leaves() bool {
	return slices.ContainsFunc(k.Flow.Borders, k.leaves)
}

// bridgeable reports whether u can stay on the old shape by itself.
func (k *Class) bridgeable(u *flow.Use) bool {
	if u.Sel == nil {
		return false
	}
	if n := len(u.Through); n > 0 {
		return k.group.of(u.Through[n-1].Type()) == &k.Family.Types[0]
	}
	if k.hasBridge(u.Expr) || k.old(u) != nil {
		return true
	}
	// What becomes the client itself, and calls what the client has.
	return k.group.isClient(k.UseType(u)) && group{k.Family}.row(u.Sel.Sel.Name).Name != ""
}
