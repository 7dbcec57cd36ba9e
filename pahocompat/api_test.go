package mqtt_test

import (
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const (
	pahoPath = "github.com/eclipse/paho.mqtt.golang"
	ourPath  = "github.com/portage-iot/awsiot/pahocompat"
)

// ours are the exported names that paho has not.
var ours = []string{"Engine", "EngineAuto", "ConnectionLostFromV2", "EnginePaho", "EngineV2", "Fallbacks", "FromV2", "HandlerFromV2", "HandlerV2", "OnConnectFromV2", "MessageFromV2", "NewV2", "SetEngine", "TokenFromV2", "V2"}

// TestSameAPI holds every exported name of paho.mqtt.golang against the one of this package: kind, signature, value of a
// constant, type of a variable, identity of an alias, and the exported methods and fields of a type of our own.
func TestSameAPI(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{Mode: packages.LoadTypes}, pahoPath, ourPath)
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[string]*types.Scope{}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			t.Fatal(e)
		}
		scopes[p.PkgPath] = p.Types.Scope()
	}
	theirs, mine := scopes[pahoPath], scopes[ourPath]
	count := 0
	for _, name := range theirs.Names() {
		want := theirs.Lookup(name)
		if !want.Exported() {
			continue
		}
		count++
		got := mine.Lookup(name)
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		for _, problem := range differs(want, got) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if count < 75 {
		t.Errorf("only %d names compared", count)
	}
	for _, name := range mine.Names() {
		if mine.Lookup(name).Exported() && theirs.Lookup(name) == nil && !slices.Contains(ours, name) {
			t.Errorf("%s is not paho's, and not among those of this package", name)
		}
	}
}

func differs(want, got types.Object) (problems []string) {
	bad := func(s ...string) { problems = append(problems, strings.Join(s, " ")) }
	switch want := want.(type) {
	case *types.Const:
		got, ok := got.(*types.Const)
		if !ok {
			bad("is no constant")
		} else if !constant.Compare(want.Val(), token.EQL, got.Val()) || !types.Identical(want.Type(), got.Type()) {
			bad("is", got.String(), "and not", want.String())
		}
	case *types.Var:
		if !types.Identical(want.Type(), got.Type()) {
			bad("has type", got.Type().String())
		}
	case *types.Func:
		if got, ok := got.(*types.Func); !ok || !same(want.Type(), got.Type()) {
			bad("is", got.String())
		}
	case *types.TypeName:
		if types.Identical(want.Type(), types.Unalias(got.Type())) {
			return nil
		}
		a, b := methods(want.Type()), methods(got.Type())
		for name, m := range a {
			if b[name] == nil || !same(m, b[name]) {
				bad("method", name, "is not as paho's")
			}
		}
		for name := range b {
			if a[name] == nil {
				bad("method", name, "is not paho's")
			}
		}
		if s, ok := want.Type().Underlying().(*types.Struct); ok {
			for f := range s.Fields() {
				if f.Exported() {
					bad("field", f.Name(), "cannot be compared: only an alias has it")
				}
			}
		} else {
			bad("is neither an alias nor a struct")
		}
	}
	return problems
}

// methods returns the exported methods of a pointer to typ.
func methods(typ types.Type) map[string]types.Type {
	all := map[string]types.Type{}
	set := types.NewMethodSet(types.NewPointer(typ))
	for i := range set.Len() {
		if m := set.At(i).Obj(); m.Exported() {
			all[m.Name()] = m.Type()
		}
	}
	return all
}

// same compares signatures by what they take and return: names of parameters and receivers do not count.
func same(a, b types.Type) bool {
	x, ok1 := a.(*types.Signature)
	y, ok2 := b.(*types.Signature)
	return ok1 && ok2 && x.Variadic() == y.Variadic() && types.Identical(x.Params(), y.Params()) && types.Identical(x.Results(), y.Results())
}
