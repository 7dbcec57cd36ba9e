package migrate

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/txtar"

	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// TestMutants takes the golden inputs apart: every statement is left out once, every two neighbours change
// places, and every variable takes some of the names that rewrites like to use. What still compiles is analyzed; a rewrite that the rules plan must compile too, and a second one must
// find nothing. So the rules are tried on some thousand shapes that nobody thought of.
func TestMutants(t *testing.T) {
	byName, _, err := readArchives(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(byName, func(name string, _ *txtar.Archive) bool { return strings.HasPrefix(name, "guide") }) // plain shapes that others have too
	tryMutants(t, shared(t, slices.Collect(maps.Keys(byName))...).set, 500, 500, func(name string, i int) bool {
		return strings.HasPrefix(filepath.Base(filepath.Dir(name)), "bridge") || i%2 == 0 // half of the others too
	})
}

// tryMutants tries the mutants of all packages of a set, of which at least so many must compile and be rewritten.
func tryMutants(t *testing.T, s *set, compile, rewrites int64, bridges func(name string, i int) bool) {
	share := 3 // one mutant of so many is tried, and as many fewer must compile
	switch {
	case testsize.Race:
		share = 10
	case testsize.Large:
		share = 1
	}
	gone := gonePackages([]*set{s})
	var tried, planned atomic.Int64
	_, err := each(s.pkgs, func(p *packages.Package) (struct{}, error) {
		sub := *s
		for _, f := range p.Syntax {
			name := s.fset.File(f.FileStart).Name()
			src, err := os.ReadFile(name)
			if err != nil {
				return struct{}{}, err
			}
			tf := s.fset.File(f.FileStart)
			for i, m := range append(mutants(tf, src, f), renamed(tf, src, p.TypesInfo)...) {
				if i%share != 0 {
					continue
				}
				sub.bridges = bridges(name, i)
				in, err := sub.recheck(p, map[string][]byte{name: m.text})
				if err != nil || in == nil {
					continue // the mutant itself does not compile
				}
				tried.Add(1)
				planned.Add(int64(tryMutant(t, &sub, p, in, name, m, gone)))
			}
		}
		return struct{}{}, nil
	})
	t.Logf("%d mutants compile, %d rewrites planned", tried.Load(), planned.Load())
	if err != nil || tried.Load() < compile/int64(share) || planned.Load() < rewrites/int64(share) || planned.Load() == 0 {
		t.Errorf("only %d mutants and %d rewrites were tried: %v", tried.Load(), planned.Load(), err)
	}
}

type mutant struct {
	what string
	text []byte
}

// mutants are the variants of a file with one statement fewer or two neighbours swapped.
func mutants(tf *token.File, src []byte, f *ast.File) []mutant {
	var out []mutant
	add := func(what string, at token.Pos, e ...edit.Edit) {
		if text, err := edit.Apply(tf, src, e); err == nil {
			out = append(out, mutant{fmt.Sprintf("%s: %s", tf.Position(at), what), text})
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		}
		for i, s := range list {
			add("left out", s.Pos(), edit.Edit{Pos: s.Pos(), End: s.End()})
			if i > 0 {
				add("swapped", s.Pos(), edit.Replace(list[i-1], edit.Src(s)), edit.Replace(s, edit.Src(list[i-1])))
			}
		}
		return true
	})
	return out
}

// renamed are the variants of a file in which one variable, parameter or result has a name that rewrites like to use.
func renamed(tf *token.File, src []byte, info *types.Info) []mutant {
	names := []string{"context", "opts", "time", "res", "err", "awsiot", "ctx", "v1compat", "payload", "net"}
	var vars []*types.Var
	uses := map[types.Object][]*ast.Ident{}
	for _, ids := range []map[*ast.Ident]types.Object{info.Defs, info.Uses} {
		for id, o := range ids {
			if v, ok := o.(*types.Var); ok && !v.IsField() && v.Name() != "_" && tf.Base() <= int(id.Pos()) && int(id.Pos()) <= tf.Base()+tf.Size() {
				uses[v] = append(uses[v], id)
				if info.Defs[id] == o {
					vars = append(vars, v)
				}
			}
		}
	}
	slices.SortFunc(vars, func(a, b *types.Var) int { return int(a.Pos() - b.Pos()) })
	var out []mutant
	for i, v := range vars {
		for j := range 3 {
			name := names[(3*i+j)%len(names)]
			var edits []edit.Edit
			for _, id := range uses[v] {
				edits = append(edits, edit.Replace(id, edit.Text(name)))
			}
			if text, err := edit.Apply(tf, src, edits); err == nil {
				out = append(out, mutant{fmt.Sprintf("%s: %s renamed to %s", tf.Position(v.Pos()), v.Name(), name), text})
			}
		}
	}
	return out
}

// tryMutant analyzes one mutant and checks what the rules plan for it; it returns the number of rewrites.
func tryMutant(t *testing.T, s *set, p *packages.Package, in *rewrite.Input, name string, m mutant, gone []edit.Package) int {
	t.Helper()
	src := &source{overlay: map[string][]byte{name: m.text}, read: map[string][]byte{}}
	var ready []*unit.Unit
	for _, u := range s.rules.analyzeOne(*in) {
		if len(u.Edits) > 0 {
			normalize(u, s.fset)
			ready = append(ready, u)
		}
	}
	if len(ready) == 0 {
		return 0
	}
	out, err := src.render(ready, gone)
	if err != nil {
		t.Errorf("%s: %v", m.what, err)
		return 0
	}
	if _, ok := out[name]; !ok {
		out[name] = m.text
	}
	again, err := s.recheck(p, out)
	if err != nil {
		t.Errorf("%s: the rewrite does not compile: %v", m.what, err)
		return 0
	}
	for _, u := range s.rules.analyzeOne(*again) {
		if len(u.Edits) > 0 {
			t.Errorf("%s: a second run would rewrite %s again", m.what, u.Name)
		}
	}
	return len(slices.Compact(ready))
}
