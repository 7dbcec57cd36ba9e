package rewrite

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"golang.org/x/tools/go/ast/inspector"
)

// threads reports whether fn gets a context as its first parameter: an unexported function, no method, that is only
// called, from places that can pass one.
func (p *Package) threads(fn *ast.FuncDecl) bool {
	if !p.Idioms || fn.Recv != nil || fn.Name.IsExported() || fn.Name.Name == "main" || fn.Name.Name == "init" || !p.nameIsFree(fn) ||
		p.Untouchable(p.Pos(fn.Pos()).Filename) != "" {
		return false
	}
	uses := p.Uses[p.Info.Defs[fn.Name]]
	for _, use := range uses {
		c, ok := callOf(use)
		if !ok || p.declAt(c.Pos()) == nil || p.Untouchable(p.Pos(c.Pos()).Filename) != "" {
			return false
		}
		if len(c.Args) == 1 {
			if _, multi := p.Info.TypeOf(c.Args[0]).(*types.Tuple); multi {
				return false
			}
		}
	}
	return len(uses) > 0
}

// nameIsFree reports whether a variable ctx can be declared in fn.
func (p *Package) nameIsFree(fn *ast.FuncDecl) bool {
	return !mentionsName(fn, "ctx") && p.importFree(fn, "ctx")
}

// callOf is the call of the function that cur names.
func callOf(cur inspector.Cursor) (*ast.CallExpr, bool) {
	par, self := ParentSkippingParens(cur)
	c, ok := par.Node().(*ast.CallExpr)
	return c, ok && c.Fun == self
}

// thread gives fn its context, and the calls of it one to pass.
func (k *Class) thread(fn *ast.FuncDecl) {
	if k.threaded[fn] {
		return
	}
	if k.threaded == nil {
		k.threaded = map[*ast.FuncDecl]bool{}
	}
	k.threaded[fn] = true
	k.Unit.Changed = append(k.Unit.Changed, fn.Name.Name)
	add := func(opening edit.Edit, more bool) {
		if more {
			opening.Pieces = append(opening.Pieces, edit.Text(", "))
		}
		opening.Once = true
		k.Edit(opening)
	}
	open := fn.Type.Params.Opening + 1
	add(edit.Insert(open, "ctx "+k.Q(fn.Pos(), "context")+".Context"), len(fn.Type.Params.List) > 0)
	for _, use := range k.Pkg.Uses[k.Pkg.Info.Defs[fn.Name]] {
		c, _ := callOf(use)
		add(edit.Insert(c.Lparen+1, k.Ctx(c.Pos())), len(c.Args) > 0)
	}
}
