// Package v1client holds the rules that rewrite code on v1compat's AWSIoTMQTTClient to the v2 client.
//
// The shape of a rewrite: the constructor becomes `opts := awsiot.OptionsV1(id)`, every Configure* call becomes one
// assignment to a field of opts in place, and the client is made from opts after the last of them. So control flow,
// comments and evaluation order stay, and no argument ever has to be proved free of effects. A class is rewritten
// when every use of every member has a rule; otherwise the unit carries all reasons and nothing changes.
package v1client

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// Input is a type-checked package and what the analysis must know about its files.
type Input struct {
	flow.Package
	// Untouchable returns why a file must not be edited (generated, vendored, made by cgo), or "".
	Untouchable func(filename string) string
	// ForeignErrors are the places in related packages that inspect v1's error types.
	ForeignErrors []token.Position
}

// Analyze returns the units of the package in source order.
func Analyze(in Input) []*unit.Unit {
	if in.Types.Path() == paths.Module || paths.Facade(in.Types.Path()) || in.Types.Path() == paths.V2 || !mentions(in.Files) {
		return nil
	}
	p := newPkg(in)
	var out []*unit.Unit
	errs := p.errorChecks()
	for _, c := range flow.Analyze(&in.Package, p.ins, target) {
		if c.Callback && len(c.Ctors) == 0 || len(c.Members) == 0 {
			continue // values that v1compat hands to a callback: the adapter goes on giving them
		}
		if len(c.Ctors) == 0 && len(c.Uses) == 0 && len(c.Borders) == 0 {
			continue
		}
		k := &class{p: p, c: c, u: &unit.Unit{Package: in.Types.Path(), Edits: map[string]*unit.FileEdits{}}}
		k.plan(errs)
		out = append(out, k.u)
	}
	return append(out, p.loose()...)
}

// mentions reports whether a file imports one of the facades: nothing else can hold v1-shaped code.
func mentions(files []*ast.File) bool {
	for _, f := range files {
		for _, s := range f.Imports {
			if len(s.Path.Value) > 2 && paths.Facade(s.Path.Value[1:len(s.Path.Value)-1]) {
				return true
			}
		}
	}
	return false
}

var target = flow.Target{
	Is:   func(t types.Type) bool { return paths.IsPointer(t, paths.V1Compat, paths.V1Client) },
	Ctor: func(f *types.Func) bool { return paths.Func(f, paths.V1Compat, paths.V1Constructor) },
	Callback: func(s *types.Signature) bool {
		p := s.Params()
		return p.Len() == 3 && s.Results().Len() == 0 && paths.IsPointer(p.At(0).Type(), paths.V1Compat, paths.V1Client) &&
			types.IsInterface(p.At(1).Type()) && paths.IsPointer(p.At(2).Type(), paths.V1Compat, paths.V1Message)
	},
}

// class is one flow class while its rewrite is planned.
type class struct {
	p       *pkg
	c       *flow.Class
	u       *unit.Unit
	helpers map[types.Object]string // parameters that only configure, with their name in the rewritten helper
	regions []*region
	keep    keepAlive
	handled map[*ast.FuncDecl]bool // callback declarations already rewritten
	litDone map[*ast.FuncLit]bool  // callback literals held by a variable, already rewritten
	roots   map[*types.Var]bool    // message parameters of callbacks that can change
	msgs    map[*types.Var]bool    // message variables that change their type
	owned   map[*flow.Use]*region  // configure uses by region
}

// plan fills the unit: sites, then either edits or reasons.
func (k *class) plan(errs []token.Position) {
	k.helpers, k.handled, k.owned = map[types.Object]string{}, map[*ast.FuncDecl]bool{}, map[*flow.Use]*region{}
	k.litDone, k.msgs, k.roots = map[*ast.FuncLit]bool{}, map[*types.Var]bool{}, map[*types.Var]bool{}
	first := k.c.First()
	k.u.Pos, k.u.Name = k.p.pos(first), k.name()
	k.u.Start, k.u.End = first, first
	if len(k.c.Ctors) > 0 {
		k.u.End = k.c.Ctors[0].Call.End()
	}
	k.sites()
	k.borders()
	if len(k.c.Ctors) == 0 {
		k.block(first, "class", "no-constructor", "no constructor of this client is in the package, so its options are unknown here")
	}
	for _, pos := range errs {
		k.blockAt(pos, "errors", "v1-errors", "an error type of v1 is inspected here; errors of this client may reach it")
	}
	k.findHelpers()
	k.messageRoots()
	k.findRegions()
	k.keepAlives()
	for _, r := range k.regions {
		r.plan()
	}
	k.configures()
	k.hooks()
	k.operations()
	k.declarations()
	k.comments()
	k.files()
	if len(k.u.Reasons) > 0 {
		k.u.Edits = nil
	}
	k.u.SortReasons()
}

// name is what a report calls the class: its first variable or field.
func (k *class) name() string {
	for _, m := range k.c.Members {
		if m.Name() != "" && m.Name() != "constructor" && m.Name() != "literal" {
			return m.Name()
		}
	}
	return "client"
}

func (k *class) sites() {
	for _, c := range k.c.Ctors {
		k.u.Sites = append(k.u.Sites, unit.Site{Pos: k.p.pos(c.Call.Pos()), Rule: "constructor", What: paths.V1Constructor})
	}
	for _, u := range k.c.Uses {
		if u.Sel != nil {
			k.u.Sites = append(k.u.Sites, unit.Site{Pos: k.p.pos(u.Sel.Sel.Pos()), Rule: ruleOf(u.Sel.Sel.Name), What: u.Sel.Sel.Name})
		}
	}
}

// declarations rewrites the type names of the members and records what changes for other files.
func (k *class) declarations() {
	seen := map[ast.Expr]bool{}
	for _, m := range k.c.Mentions {
		if seen[m.Expr] {
			continue
		}
		seen[m.Expr] = true
		name := "Client"
		if _, ok := k.helpers[m.Owner]; ok {
			name = "ClientOptions"
		}
		k.edit(edit.Replace(m.Expr, edit.Text(k.q(m.Expr.Pos(), paths.V2)+"."+name)))
	}
	for _, m := range k.c.Members {
		if v, ok := m.(*types.Var); ok && (v.IsField() || v.Parent() == k.p.Types.Scope()) {
			k.u.Changed = append(k.u.Changed, v.Name())
		} else if fd := k.p.declOf(m); fd != nil {
			k.u.Changed = append(k.u.Changed, fd.Name.Name)
		}
	}
}

// files adds a reason for every file of the class that must not be edited.
func (k *class) files() {
	for name := range k.u.Edits {
		if why := k.p.Untouchable(name); why != "" {
			k.blockAt(token.Position{Filename: name, Line: 1, Column: 1}, "files", "generated-files", "the file "+why)
		}
	}
}

// comments carries the comments that an edit would delete to lines above the statement they were in.
func (k *class) comments() {
	for name, fe := range k.u.Edits {
		f := k.p.fileNamed(name)
		for _, e := range fe.Edits {
			if e.Pos == e.End {
				continue
			}
			for _, c := range edit.Lost(f, e) {
				if cur, ok := k.p.ins.Root().FindByPos(e.Pos, e.End); ok {
					if list, i := inList(cur); list != nil {
						fe.Edits = append(fe.Edits, edit.Insert(stmts(list)[i].Pos(), c.Text+"\n"))
						continue
					}
				}
				k.block(c.Pos(), "class", "comments", "a comment here would be lost")
			}
		}
	}
}

// edit adds e to its file.
func (k *class) edit(e edit.Edit) {
	fe := k.fileEdits(e.Pos)
	fe.Edits = append(fe.Edits, e)
}

func (k *class) insert(pos token.Pos, text string) { k.edit(edit.Insert(pos, text)) }

func (k *class) fileEdits(pos token.Pos) *unit.FileEdits {
	name := k.p.Fset.File(pos).Name()
	if k.u.Edits[name] == nil {
		k.u.Edits[name] = &unit.FileEdits{}
	}
	return k.u.Edits[name]
}

func (k *class) block(pos token.Pos, rule, anchor, text string) {
	k.blockAt(k.p.pos(pos), rule, anchor, text)
}

func (k *class) blockAt(pos token.Position, rule, anchor, text string) {
	k.u.AddReason(unit.Reason{Pos: pos, Rule: rule, Anchor: anchor, Text: text})
}

func (k *class) note(pos token.Pos, anchor, text string) {
	k.u.Notes = append(k.u.Notes, unit.Note{Pos: k.p.pos(pos), Anchor: anchor, Text: text})
}

// use returns the cursor of the call or selector of u.
func (k *class) callCur(u *flow.Use) inspector.Cursor {
	cur := u.Cur
	for cur.Node() != u.Call {
		cur = cur.Parent()
	}
	return cur
}
