package rewrite

import (
	"go/ast"
	"go/token"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// NewPackage indexes a package for a family that plans by itself.
func NewPackage(in Input) *Package { return newPackage(in) }

// NewClass is a plan of edits, under the name of a family that plans by itself. calls are the positions of those that will
// need a context.
func NewClass(p *Package, f *Family, calls []token.Pos) *Class {
	k := &Class{Family: f, group: group{f}, Pkg: p, Flow: &flow.Class{},
		Unit: &unit.Unit{Package: p.Types.Path(), Family: f.Name, Edits: map[string]*unit.FileEdits{}}}
	k.todos = map[*ast.FuncDecl]int{}
	for _, pos := range calls {
		if k.ctxVar(pos) != nil {
			continue
		}
		if fn := p.declAt(pos); fn != nil && p.nameIsFree(fn) {
			k.todos[fn]++
		}
	}
	return k
}

// Finish adds what follows from the edits as they are.
func (k *Class) Finish() { k.finish() }
