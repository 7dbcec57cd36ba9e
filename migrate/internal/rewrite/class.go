package rewrite

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// Class is one flow class while its rewrite is planned.
type Class struct {
	Family   *Family
	group    group // the family and those that join it
	Pkg      *Package
	Flow     *flow.Class // Uses without those that are Bridged
	Unit     *unit.Unit
	State    any                         // what the family keeps beside
	Bridged  map[*flow.Use][]unit.Reason // uses that stay on v1's shape, and why
	Apart    map[*Branch][]unit.Reason   // what stays on v1's API with all of its uses, and why
	Helpers  map[types.Object]string     // parameters that only configure, with their name in the rewritten helper
	Regions  []*Region
	Owned    map[*flow.Use]*Region // configure uses by region
	uses     []*flow.Use           // all of them
	plain    map[types.Object]bool // parameters that are no Helpers
	subject  *flow.Use             // whose writer runs
	refused  map[*flow.Use][]unit.Reason
	staying  map[*Branch][]unit.Reason // what has to be Apart
	side     side
	todos    map[*ast.FuncDecl]int  // calls without a context to pass, by function
	threaded map[*ast.FuncDecl]bool // functions that have got a context to pass

	configurers []*configurer
	elsewhere   []surveyed // the other classes of the client
	makers      []*ast.CallExpr
}

// rewriteAll writes the whole class: its constructors, configuring calls, operations and declarations.
func (k *Class) rewriteAll() {
	k.countTodos()
	k.borders()
	if len(k.Flow.Ctors) == 0 && k.Flow.Callback == nil && len(k.MadeElsewhere()) == 0 && !k.arrives() {
		k.Block(k.Flow.First(), "class", "no-constructor", "no constructor of this client is in the package, so its options are unknown here")
	}
	k.findHelpers()
	if k.Family.Begin != nil {
		k.Family.Begin(k)
	}
	k.findRegions()
	if k.Family.Regions != nil {
		k.Family.Regions(k)
	}
	for _, r := range k.Regions {
		r.plan()
	}
	k.planConfigurers()
	k.configures()
	k.operations()
	k.bridges()
	k.separate()
	k.Readings(k.Flow)
	k.arrivals()
	k.declarations()
	k.embedded()
	k.finish()
}

// Readings puts what the package's own calls of the accessors of c return in their place: the accessors keep their types.
func (k *Class) Readings(c *flow.Class) {
	for _, r := range c.Reads {
		k.Edit(edit.Replace(r.Name, edit.Text(r.Path)))
		k.Edit(edit.Edit{Pos: r.Name.End(), End: r.Call.End()})
	}
}

// finish does what is the same for all that has edits.
func (k *Class) finish() {
	k.comments()
	k.files()
}

// operations lets the rows of the uses that do not configure write them.
func (k *Class) operations() {
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.FieldGet || u.Kind == flow.FieldSet {
			k.about(u, func() { k.hook(u) })
		}
	}
	for _, u := range k.Flow.Uses {
		switch u.Kind {
		case flow.Call:
			if k.role(u) != Configure {
				k.about(u, func() { k.operation(u) })
			}
		case flow.Link:
			k.about(u, func() { k.row(k.linkName(u)).Operation(k, u) })
		}
	}
}

// linkName is the name of the function that u passes a value to.
func (k *Class) linkName(u *flow.Use) string { return flow.StaticCallee(k.Pkg.Info, u.Call).Name() }

// hook rewrites the assignment of a function to a field of the client.
func (k *Class) hook(u *flow.Use) {
	name := u.Sel.Sel.Name
	row := k.row(name)
	switch {
	case u.Kind == flow.FieldGet:
		k.Block(u.Sel.Sel.Pos(), "hooks", "hooks", "the hook "+name+" is read or assigned together with something else")
	case row.Operation == nil:
		k.Block(u.Sel.Sel.Pos(), "hooks", "hooks", name+" has no v2 form")
	default:
		row.Operation(k, u)
	}
}

// operation rewrites a call of a method that does not configure.
func (k *Class) operation(u *flow.Use) {
	name, c := u.Sel.Sel.Name, u.Call
	row := k.row(name)
	if c.Ellipsis.IsValid() && !row.Variadic {
		k.Block(c.Pos(), k.Rule(name), "computed-options", "arguments passed as a slice")
		return
	}
	if len(c.Args) == 1 && k.Pkg.Info.Types[c.Args[0]].Type != nil {
		if _, multi := k.Pkg.Info.TypeOf(c.Args[0]).(*types.Tuple); multi {
			k.Block(c.Pos(), k.Rule(name), "result-use", "all arguments come from one call")
			return
		}
	}
	switch {
	case row.Operation != nil:
		row.Operation(k, u)
	case row.Missing.Text != "":
		k.Block(u.Sel.Sel.Pos(), row.Rule, row.Missing.Anchor, row.Missing.Text)
	default:
		k.Block(u.Sel.Sel.Pos(), "class", "unknown-use", name+" has no v2 form that the tool knows")
	}
}

// Rule is the rule that covers a member; reports and statistics are kept by rule.
func (k *Class) Rule(name string) string {
	if row := k.row(name); row.Rule != "" {
		return row.Rule
	}
	return "class"
}

// role is what the member that u calls is for.
func (k *Class) role(u *flow.Use) Role { return k.row(u.Sel.Sel.Name).Role }

// name is what a report calls the class: its first variable or field.
func (k *Class) name() string {
	for _, m := range k.Flow.Members {
		if m.Name() != "" {
			return m.Name()
		}
	}
	return "client"
}

// describe fills the unit with what the report says of it in any case.
func (k *Class) describe() {
	first := k.Flow.First()
	k.Unit.Pos, k.Unit.Name = k.Pkg.Pos(first), k.name()
	k.Unit.Start, k.Unit.End = first, first
	if len(k.Flow.Ctors) > 0 {
		k.Unit.End = k.Flow.Ctors[0].Call.End()
	}
	k.sites()
}

// sites records what a report counts.
func (k *Class) sites() {
	for _, c := range k.Flow.Ctors {
		k.Unit.Sites = append(k.Unit.Sites, unit.Site{Pos: k.Pkg.Pos(c.Call.Pos()), Rule: "constructor", What: k.Type(c.Call).Constructor})
	}
	for _, u := range k.Flow.Uses {
		if u.Kind == flow.Link {
			k.Unit.Sites = append(k.Unit.Sites, unit.Site{Pos: k.Pkg.Pos(u.Call.Pos()), Rule: k.Rule(k.linkName(u)), What: k.linkName(u)})
		} else if u.Sel != nil {
			k.Unit.Sites = append(k.Unit.Sites, unit.Site{Pos: k.Pkg.Pos(u.Sel.Sel.Pos()), Rule: k.Rule(u.Sel.Sel.Name), What: u.Sel.Sel.Name})
		}
	}
}

// declarations rewrites the type names of the members and records what changes for other files.
func (k *Class) declarations() {
	seen := map[ast.Expr]bool{}
	for _, m := range k.Flow.Mentions {
		if seen[m.Expr] {
			continue
		}
		seen[m.Expr] = true
		t := k.group.of(types.NewPointer(k.Pkg.Info.TypeOf(m.Expr)))
		name := k.to(m.Expr, t)
		if t.Instead != nil && t.Instead(k, m.Expr) != nil {
			to := t.Instead(k, m.Expr)
			name = k.Q(m.Expr.Pos(), to.Package) + "." + to.Name
		}
		if _, ok := k.Helpers[m.Owner]; ok {
			name = k.Q(m.Expr.Pos(), k.Family.Options.Package) + "." + k.Family.Options.Type
		}
		k.Edit(edit.Replace(m.Expr, edit.Text(name)))
	}
	for _, m := range k.Flow.Members {
		if v, ok := m.(*types.Var); ok && (v.IsField() || v.Parent() == k.Pkg.Types.Scope()) {
			k.Unit.Changed = append(k.Unit.Changed, v.Name())
		} else if fd := k.Pkg.DeclOf(m); fd != nil {
			k.Unit.Changed = append(k.Unit.Changed, fd.Name.Name)
		}
	}
}

// files adds a reason for every file of the class that must not be edited.
func (k *Class) files() {
	for name := range k.Unit.Edits {
		if why := k.Pkg.Untouchable(name); why != "" {
			at := token.Position{Filename: name, Line: 1, Column: 1}
			if f := k.Pkg.fileNamed(name); f != nil { // what cgo makes says where it comes from
				if from := k.Pkg.Pos(f.Package); from.Filename != name {
					at = from
				}
			}
			k.BlockAt(at, "files", "generated-files", "the file "+why)
		}
	}
}

// comments carries the comments that an edit would delete to lines above the statement they were in.
func (k *Class) comments() {
	for name, fe := range k.Unit.Edits {
		f := k.Pkg.fileNamed(name)
		for _, e := range fe.Edits {
			if e.Pos == e.End {
				continue
			}
			for _, c := range edit.Lost(f, e) {
				if cur, ok := k.Pkg.Ins.Root().FindByPos(e.Pos, e.End); ok {
					if list, i := inList(cur); list != nil {
						fe.Edits = append(fe.Edits, edit.Insert(Stmts(list)[i].Pos(), c.Text+"\n"))
						continue
					}
				}
				k.Block(c.Pos(), "class", "comments", "a comment here would be lost")
			}
		}
	}
}

// Edit adds e to its file.
func (k *Class) Edit(e edit.Edit) {
	fe := k.fileEdits(e.Pos)
	fe.Edits = append(fe.Edits, e)
}

// Insert adds text at pos.
func (k *Class) Insert(pos token.Pos, text string) { k.Edit(edit.Insert(pos, text)) }

func (k *Class) fileEdits(pos token.Pos) *unit.FileEdits {
	name := k.Pkg.Fset.File(pos).Name()
	if k.Unit.Edits[name] == nil {
		k.Unit.Edits[name] = &unit.FileEdits{}
	}
	return k.Unit.Edits[name]
}

// Block records why the use whose writer runs, or else the class, cannot be rewritten.
func (k *Class) Block(pos token.Pos, rule, anchor, text string) {
	k.BlockAt(k.Pkg.Pos(pos), rule, anchor, text)
}

// BlockAt is Block for a place that is known by its position.
func (k *Class) BlockAt(pos token.Position, rule, anchor, text string) {
	r := unit.Reason{Pos: pos, Rule: rule, Anchor: anchor, Text: text}
	if k.subject != nil {
		k.refuse(k.subject, r)
		return
	}
	k.Unit.AddReason(r)
}

// Note records something that the rewrite changes and a reader should know.
func (k *Class) Note(pos token.Pos, anchor, text string) {
	k.Unit.Notes = append(k.Unit.Notes, unit.Note{Pos: k.Pkg.Pos(pos), Anchor: anchor, Text: text})
}

// CallCur returns the cursor of the call of u.
func (k *Class) CallCur(u *flow.Use) inspector.Cursor {
	cur := u.Cur
	for cur.Node() != u.Call {
		cur = cur.Parent()
	}
	return cur
}

// borders turns what the flow analysis does not follow into reasons.
func (k *Class) borders() {
	if p := k.Flow.Callback; p != nil && len(k.Flow.Ctors) == 0 {
		k.Block(p.Pos(), "class", "callbacks", "the client is the one that v1 hands to a callback")
		return
	} else if p != nil {
		k.Block(p.Pos(), "class", "callbacks", "the client parameter of a message callback flows into this client's variables")
	}
	for _, b := range k.Flow.Borders {
		if k.leaves(b) {
			continue // see bridges
		}
		if k.arrival(b) != nil {
			continue // see arrivals
		}
		why, rule := k.borderText(b)
		if r := (unit.Reason{Pos: k.Pkg.Pos(b.Pos), Rule: rule, Anchor: why.Anchor, Text: why.Text}); !k.stays(b, r) {
			k.BlockAt(r.Pos, rule, why.Anchor, why.Text)
		}
	}
}

// AssignOf is the assignment to a field that u is.
func (k *Class) AssignOf(u *flow.Use) *ast.AssignStmt {
	for c := range u.Cur.Enclosing((*ast.AssignStmt)(nil)) {
		return c.Node().(*ast.AssignStmt)
	}
	return nil
}

// Calls returns the uses of the class that call method name, those that are bridged too.
func (k *Class) Calls(name string) []*flow.Use {
	var out []*flow.Use
	for _, u := range k.uses {
		if u.Kind == flow.Call && u.Sel.Sel.Name == name {
			out = append(out, u)
		}
	}
	return out
}

// TypeName is the static type of e as this package writes it.
func (k *Class) TypeName(e ast.Expr) string {
	return types.TypeString(k.Pkg.Info.TypeOf(e), types.RelativeTo(k.Pkg.Types))
}
