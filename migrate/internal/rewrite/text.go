package rewrite

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// Q returns the name under which the package importPath can be written at pos, and sees to it that the file
// imports it. A name that a local variable, a package-level object or another import hides at pos is not used.
func (k *Class) Q(pos token.Pos, importPath string) string {
	name := paths.NameOf(importPath)
	f := k.Pkg.fileAt(pos)
	scope := k.Pkg.Types.Scope().Innermost(pos)
	for _, s := range f.Imports {
		if p, _ := strconv.Unquote(s.Path.Value); p != importPath {
			continue
		}
		have := name
		if s.Name != nil {
			have = s.Name.Name
		}
		if have == "." || have == "_" || scope == nil {
			continue
		}
		if _, o := scope.LookupParent(have, pos); o != nil {
			if pn, ok := o.(*types.PkgName); ok && pn.Imported().Path() == importPath {
				return have
			}
		}
	}
	fe := k.fileEdits(pos)
	try := name
	for i := 2; !k.Pkg.nameFree(f, try); i++ {
		try = name + strconv.Itoa(i)
	}
	for _, im := range fe.Imports {
		if im.Path == importPath && im.Name == try {
			return try
		}
	}
	fe.Imports = append(fe.Imports, unit.Import{Path: importPath, Name: try})
	return try
}

// nameFree reports whether nothing in f, at any depth, and nothing in the package is called name, so that an import
// of that name hides nothing and nothing hides it.
func (p *Package) nameFree(f *ast.File, name string) bool {
	if p.Types.Scope().Lookup(name) != nil {
		return false
	}
	for id, o := range p.Info.Defs {
		if id.Name == name && o != nil && f.FileStart <= id.Pos() && id.Pos() <= f.FileEnd {
			if v, ok := o.(*types.Var); ok && v.IsField() {
				continue
			}
			if fn, ok := o.(*types.Func); ok && fn.Signature().Recv() != nil {
				continue
			}
			return false
		}
	}
	for _, s := range f.Imports {
		if pn := p.Info.PkgNameOf(s); pn != nil && pn.Name() == name {
			return false
		}
	}
	return true
}

// newName is a name that a rewrite gave out, with the block it is visible in.
type newName struct {
	name  string
	scope *types.Scope
}

// Fresh returns a name for a variable to be declared at pos that no identifier in fn, no import of its file and no
// Name given out for the same, an outer or an inner block has.
func (k *Class) Fresh(fn ast.Node, pos token.Pos, base string) string {
	taken := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			taken[id.Name] = true
		}
		return true
	})
	if f := k.Pkg.fileAt(fn.Pos()); f != nil {
		for _, s := range f.Imports {
			if pn := k.Pkg.Info.PkgNameOf(s); pn != nil {
				taken[pn.Name()] = true
			}
		}
	}
	scope := k.Pkg.Types.Scope().Innermost(pos)
	for _, n := range k.Pkg.named[fn] {
		if encloses(n.scope, scope) || encloses(scope, n.scope) {
			taken[n.name] = true
		}
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	k.Pkg.named[fn] = append(k.Pkg.named[fn], newName{name, scope})
	return name
}

func encloses(outer, inner *types.Scope) bool {
	for ; inner != nil; inner = inner.Parent() {
		if inner == outer {
			return true
		}
	}
	return false
}

// Ctx is the context to pass at pos: a variable of type context.Context in scope, else context.TODO().
func (k *Class) Ctx(pos token.Pos) string {
	if v := k.ctxVar(pos); v != nil {
		return v.Name()
	}
	return k.todo(pos)
}

// todo is context.TODO(), or a variable that holds it for a function with several calls.
func (k *Class) todo(pos token.Pos) string {
	text := k.Q(pos, "context") + ".TODO()"
	fn := k.Pkg.declAt(pos)
	few := fn == nil || k.todos[fn] < 2
	if k.Pkg.Idioms && fn != nil {
		if k.Pkg.threads(fn) {
			k.thread(fn)
			return "ctx"
		}
		few = !k.Pkg.nameIsFree(fn)
		if fn.Recv == nil && fn.Name.Name == "main" {
			text = k.Q(pos, "context") + ".Background()"
		}
	}
	if few {
		return text
	}
	at, end := k.endOfLine(fn.Body.Lbrace+1), ""
	if tf := k.Pkg.Fset.File(at); tf.Line(at) == tf.Line(fn.Body.List[0].Pos()) {
		end = "\n"
	}
	k.Edit(edit.Edit{Pos: at, End: at, Pieces: []edit.Piece{edit.Text("\nctx := " + text + end)}, Once: true})
	return "ctx"
}

// countTodos counts the calls that have no context to pass, in the functions where the name ctx is free.
func (k *Class) countTodos() {
	k.todos = map[*ast.FuncDecl]int{}
	for _, u := range k.Flow.Uses {
		if u.Kind != flow.Call || !k.row(u.Sel.Sel.Name).Blocks || k.ctxVar(u.Call.Pos()) != nil {
			continue
		}
		if fn := k.Pkg.declAt(u.Call.Pos()); fn != nil && fn.Body != nil && k.Pkg.nameIsFree(fn) {
			k.todos[fn]++
		}
	}
}

// declAt is the declared function whose body pos is in.
func (p *Package) declAt(pos token.Pos) *ast.FuncDecl {
	for _, d := range p.fileAt(pos).Decls {
		if fd, ok := d.(*ast.FuncDecl); ok && fd.Body != nil && fd.Body.Pos() <= pos && pos < fd.Body.End() {
			return fd
		}
	}
	return nil
}

// mentionsName reports whether an identifier in n has the name.
func mentionsName(n ast.Node, name string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == name
		return !found
	})
	return found
}

// importFree reports whether no import of the file around n has the name.
func (p *Package) importFree(n ast.Node, name string) bool {
	return !slices.ContainsFunc(p.fileAt(n.Pos()).Imports, func(s *ast.ImportSpec) bool {
		pn := p.Info.PkgNameOf(s)
		return pn != nil && pn.Name() == name
	})
}

// StopCtx is the context for a call that used to be made whatever had been cancelled: Disconnect usually runs because a
// context has ended, and with that context the DISCONNECT packet would not be sent.
func (k *Class) StopCtx(pos token.Pos) string {
	v := k.ctxVar(pos)
	if v == nil {
		text := k.todo(pos)
		if fn := k.Pkg.declAt(pos); fn != nil && k.threaded[fn] {
			return k.Q(pos, "context") + ".WithoutCancel(" + text + ")"
		}
		return text
	}
	if c, ok := k.Pkg.Defs[v].(*ast.CallExpr); ok && k.Pkg.Constant(v) {
		if s, ok := c.Fun.(*ast.SelectorExpr); ok {
			if f, ok := k.Pkg.Info.Uses[s.Sel].(*types.Func); ok && (f.FullName() == "context.Background" || f.FullName() == "context.TODO") {
				return v.Name()
			}
		}
	}
	return k.Q(pos, "context") + ".WithoutCancel(" + v.Name() + ")"
}

func (k *Class) ctxVar(pos token.Pos) *types.Var {
	var best *types.Var
	for s := k.Pkg.Types.Scope().Innermost(pos); s != nil && s != k.Pkg.Types.Scope(); s = s.Parent() {
		for _, name := range s.Names() {
			_, o := s.LookupParent(name, pos)
			v, ok := o.(*types.Var)
			if !ok || name == "_" || !paths.Is(v.Type(), "context", "Context") {
				continue
			}
			if _, seen := k.Pkg.Types.Scope().Innermost(pos).LookupParent(name, pos); seen != v {
				continue // hidden at pos
			}
			if best == nil || name == "ctx" && best.Name() != "ctx" {
				best = v
			}
		}
	}
	return best
}

// Value returns the constant value of e, or nil.
func (k *Class) Value(e ast.Expr) constant.Value { return k.Pkg.Info.Types[e].Value }

// Untyped reports whether e can be written where another numeric type is wanted: literals, untyped constants and
// arithmetic on them.
func (k *Class) Untyped(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident, *ast.SelectorExpr:
		id, ok := e.(*ast.Ident)
		if !ok {
			id = e.(*ast.SelectorExpr).Sel
		}
		c, ok := k.Pkg.Info.Uses[id].(*types.Const)
		if !ok {
			return false
		}
		b, ok := c.Type().(*types.Basic)
		return ok && b.Info()&types.IsUntyped != 0
	case *ast.UnaryExpr:
		return k.Untyped(e.X)
	case *ast.BinaryExpr:
		return k.Untyped(e.X) && k.Untyped(e.Y)
	}
	return false
}

// Receiver is the source of the client expression of a use.
func Receiver(s *ast.SelectorExpr) edit.Piece { return edit.Src(s.X) }

// ParentSkippingParens returns the parent of cur and the node that is its direct child.
func ParentSkippingParens(cur inspector.Cursor) (inspector.Cursor, ast.Node) {
	n, p := cur.Node(), cur.Parent()
	for {
		pe, ok := p.Node().(*ast.ParenExpr)
		if !ok {
			return p, n
		}
		n, p = pe, p.Parent()
	}
}
