package pahodropin

import (
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestStandIn: what stands in for the new package has the names of the real one, of the same types, and of types of its own where
// that has such, with the same methods.
func TestStandIn(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{Mode: packages.LoadTypes}, Paho.From, Paho.To)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]*types.Package{}
	for _, p := range pkgs {
		if len(p.Errors) > 0 {
			t.Fatal(p.Errors)
		}
		byPath[p.PkgPath] = p.Types
	}
	from, want := byPath[Paho.From], byPath[Paho.To]
	got := Paho.StandIn(from)
	exported := func(p *types.Package) []string {
		return slices.DeleteFunc(p.Scope().Names(), func(n string) bool { return !token.IsExported(n) })
	}
	if g, w := exported(got), exported(want); !slices.Equal(g, w) {
		t.Fatalf("names %v, want %v", g, w)
	}
	own := func(p *types.Package, o types.Object) bool {
		n, ok := types.Unalias(o.Type()).(*types.Named)
		return ok && n.Obj().Pkg() == p
	}
	for _, name := range exported(want) {
		w, g := want.Scope().Lookup(name), got.Scope().Lookup(name)
		theirs := from.Scope().Lookup(name)
		if theirs == nil {
			if !slices.Contains(Paho.More, name) {
				t.Errorf("%s is new, and no name that only the new package has", name)
			}
			continue
		}
		if own(want, w) != own(got, g) || own(got, g) != slices.Contains(Paho.Tokens, name) {
			t.Errorf("%s: a type of its own: %v, want %v, as a token type: %v", name, own(got, g), own(want, w), slices.Contains(Paho.Tokens, name))
		}
		if slices.Contains(Paho.Tokens, name) {
			if gm, wm := methods(g), methods(w); !slices.Equal(gm, wm) {
				t.Errorf("%s has methods\n%v\nwant\n%v", name, gm, wm)
			}
			continue
		}
		if !types.Identical(g.Type(), w.Type()) {
			t.Errorf("%s is of type %v, want %v", name, g.Type(), w.Type())
		}
		if c, ok := w.(*types.Const); ok && !constant.Compare(c.Val(), token.EQL, g.(*types.Const).Val()) {
			t.Errorf("%s is %v", name, g)
		}
		if _, isVar := w.(*types.Var); isVar && w.Type() == theirs.Type() && strings.HasSuffix(w.Type().String(), ".Logger") != slices.Contains(Paho.Loggers, name) {
			t.Errorf("%s: a logger: %v", name, slices.Contains(Paho.Loggers, name))
		}
	}
}

// methods are the exported methods of a pointer to a type, with their signatures.
func methods(o types.Object) (out []string) {
	for s := range types.NewMethodSet(types.NewPointer(o.Type())).Methods() {
		if s.Obj().Exported() {
			sig := s.Obj().(*types.Func).Signature()
			out = append(out, s.Obj().Name()+sig.Params().String()+sig.Results().String())
		}
	}
	return out
}
