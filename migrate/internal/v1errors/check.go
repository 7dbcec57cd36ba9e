package v1errors

import (
	"go/ast"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// check is one place that asks for error types of v1.
type check struct {
	where  string            // the function or package that it stands in
	names  []string          // the types
	tested []ast.Expr        // the errors that are asked
	direct bool              // it does not look inside an error that wraps
	write  writer            // nil: a form that cannot change
	froms  map[ast.Node]bool // the type expressions it covers
}

// writer makes the edits of a check in its new form; false when the form cannot take it. r is the row of its type.
type writer func(k *rewrite.Class, r map[string]row) ([]edit.Edit, bool)

// verdict is a check with what was found out about it.
type verdict struct {
	*check
	origin *origin
	can    bool // it has an exact form
}

// from are the operations whose errors it is about.
func (c *check) from() Op {
	var out Op
	for _, n := range c.names {
		out |= rowOf(n).from
	}
	return out
}

// rowOf is the row of a type; one that the table does not know may come from everywhere.
func rowOf(name string) row {
	if r, ok := rows[name]; ok {
		return r
	}
	return row{from: all}
}

// isV1 reports whether o is an error type or value of v1compat or its discovery, or one of the roots.
func isV1(o types.Object) bool {
	if o == nil || o.Pkg() == nil || o.Pkg().Path() != paths.V1Compat && o.Pkg().Path() != paths.Discovery {
		return false
	}
	switch o := o.(type) {
	case *types.TypeName:
		return isError(o.Type()) || isError(types.NewPointer(o.Type()))
	case *types.Var:
		return !o.IsField() && o.Parent() == o.Pkg().Scope() && isError(o.Type())
	}
	return false
}

// foreign is what counts of a related package.
type foreign struct {
	present Op       // the operations that it calls
	names   []string // the types that it asks for
}

// foreignOf looks at a related package, once for all that it is related to.
func foreignOf(f *rewrite.Foreign) foreign {
	return f.Fact("v1errors", func(p *flow.Package) any {
		var out foreign
		for _, file := range p.Files {
			ast.Inspect(file, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok {
					op, _ := operation(p.Info, c)
					out.present |= op
				}
				return true
			})
		}
		names := map[string]bool{}
		for _, o := range p.Info.Uses {
			if isV1(o) {
				names[o.Name()] = true
			}
		}
		out.names = slices.Sorted(maps.Keys(names))
		return out
	}).(foreign)
}

// presentIn are the operations that a package and those related to it call.
func presentIn(p *rewrite.Package) Op {
	present := Op(0)
	for cur := range p.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		op, _ := operation(p.Info, cur.Node().(*ast.CallExpr))
		present |= op
	}
	for _, f := range p.Foreign {
		present |= foreignOf(f).present
	}
	return present
}

// verdicts finds the checks of a package and judges them, once.
func verdicts(p *rewrite.Package) []*verdict {
	if v, ok := p.Memo["v1errors"].([]*verdict); ok {
		return v
	}
	out := []*verdict{}
	present := sync.OnceValue(func() Op { return presentIn(p) }) // most packages ask for no error, or for one whose origin is known
	made := map[string]bool{}                                    // types that the program makes values of
	covered := map[ast.Node]bool{}
	var found []*check
	for cur := range p.Ins.Root().Preorder((*ast.Ident)(nil)) {
		id := cur.Node().(*ast.Ident)
		o := p.Info.Uses[id]
		if !isV1(o) || covered[id] {
			continue
		}
		if cur.ParentEdgeKind().String() == "SelectorExpr.Sel" {
			cur = cur.Parent()
		}
		if lit, ok := cur.Parent().Node().(*ast.CompositeLit); ok && lit.Type == cur.Node() {
			made[o.Name()] = true
			continue
		}
		c := checkAt(p, cur, o.Name())
		c.where = filepath.Base(p.Pos(id.Pos()).Filename)
		for d := range cur.Enclosing((*ast.FuncDecl)(nil)) {
			c.where = d.Node().(*ast.FuncDecl).Name.Name
		}
		for n := range c.froms {
			covered[n] = true
		}
		found = append(found, c)
	}
	for _, c := range found {
		v := &verdict{check: c, origin: newOrigin()}
		t := &tracer{p: p, seen: map[any]bool{}}
		for _, e := range c.tested {
			v.origin.add(t.expr(e, 0))
		}
		v.origin.unknown = v.origin.unknown || len(c.tested) == 0
		reach := Op(0)
		for _, op := range v.origin.calls {
			reach |= op
		}
		if v.origin.unknown {
			reach |= present()
		}
		v.can = c.write != nil && !(c.direct && (v.origin.unknown || v.origin.wrapped))
		for _, n := range c.names {
			r := rowOf(n)
			v.can = v.can && r.exact(reach) && !made[n] && !(r.drops && dropsOldest(p))
		}
		out = append(out, v)
	}
	for _, f := range p.Foreign {
		for _, name := range foreignOf(f).names {
			out = append(out, &verdict{check: &check{where: "package " + f.Types.Name(), names: []string{name}}, origin: &origin{unknown: true}})
		}
	}
	p.Memo["v1errors"] = out
	return out
}

// dropsOldest reports whether a client of the package may push the oldest request out of a full queue: one of v1, or a new
// one, which an earlier run may have made of it.
func dropsOldest(p *rewrite.Package) bool {
	for o := range p.Uses {
		if c, ok := o.(*types.Const); ok && c.Name() == "DropOldest" && c.Pkg() != nil && c.Pkg().Path() == paths.V2 {
			return true
		}
	}
	for cur := range p.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		c := cur.Node().(*ast.CallExpr)
		f := flow.StaticCallee(p.Info, c)
		if f == nil || f.Pkg() == nil || f.Pkg().Path() != paths.V1Compat || f.Name() != "ConfigureOfflinePublishQueueing" || len(c.Args) < 2 {
			continue
		}
		size, drop := p.Info.Types[c.Args[0]].Value, p.Info.Types[c.Args[1]].Value
		endless := size != nil && size.ExactString()[0] == '-'
		if !endless && (drop == nil || drop.ExactString() != "1") {
			return true
		}
	}
	return false
}

// Plan adds the edits of the checks that errors of the class reach, and refuses the operations whose errors reach one
// that has to stay.
func Plan(k *rewrite.Class) {
	for _, v := range verdicts(k.Pkg) {
		var reach []*flow.Use
		for _, u := range k.Flow.Uses {
			if u.Kind == flow.Call && v.hears(k, u) {
				reach = append(reach, u)
			}
		}
		if len(reach) == 0 {
			continue
		}
		if v.can {
			byName := map[string]row{}
			for _, n := range v.names {
				byName[n] = rowOf(n)
			}
			if edits, ok := v.write(k, byName); ok {
				for _, e := range edits {
					e.Once = true
					k.Edit(e)
				}
				continue
			}
		}
		for _, u := range reach {
			k.Refuse(u, "errors", "v1-errors", "its error may reach the check for "+strings.Join(v.names, " and ")+" in "+v.where+", which has no v2 form that means the same")
		}
	}
}

// hears reports whether the error of u can get to the check and be what it asks for.
func (v *verdict) hears(k *rewrite.Class, u *flow.Use) bool {
	op, ok := operation(k.Pkg.Info, u.Call)
	if !ok || op&v.from() == 0 {
		return false
	}
	_, here := v.origin.calls[u.Call]
	return here || v.origin.unknown && k.Escapes(u)
}
