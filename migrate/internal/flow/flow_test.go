package flow

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/ast/inspector"
)

// lib is the followed package of the tests.
const lib = `package lib
type C struct{ Hook func() }
func New() *C { return nil }
func (c *C) Do() {}
func Share(c *C) {}
func Made() *C { return nil }
func Sub(cb func(c *C, data any)) {}
`

// classes type-checks body as a package that imports lib and describes its classes, one string each.
func classes(t *testing.T, pkg, body string) []string {
	t.Helper()
	fset := token.NewFileSet()
	check := func(path, src string, imp types.Importer) (*types.Package, *ast.File, *types.Info) {
		f, err := parser.ParseFile(fset, path+".go", src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
		p, err := (&types.Config{Importer: imp}).Check(path, fset, []*ast.File{f}, info)
		if err != nil {
			t.Fatal(err)
		}
		return p, f, info
	}
	lp, _, _ := check("lib", lib, nil)
	tp, f, info := check("p", "package "+pkg+"\nimport \"lib\"\n"+body, importer{lp})
	target := Target{
		Is:   func(x types.Type) bool { return types.TypeString(x, nil) == "*lib.C" },
		Ctor: func(fn *types.Func) bool { return fn.FullName() == "lib.New" },
		Callback: func(s *types.Signature) bool {
			return s.Params().Len() == 2 && types.TypeString(s.Params().At(1).Type(), nil) == "any"
		},
	}
	var out []string
	for _, c := range Analyze(&Package{fset, []*ast.File{f}, tp, info}, inspector.New([]*ast.File{f}), target) {
		var names, kinds []string
		for _, m := range c.Members {
			if n := m.Name(); n != "" && n != "constructor" && n != "literal" && n != "built-in" && n != "conversion" {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		for _, b := range c.Borders {
			kinds = append(kinds, borderNames[b.Kind])
		}
		slices.Sort(kinds)
		kinds = slices.Compact(kinds)
		s := fmt.Sprintf("%s ctors=%d mentions=%d", strings.Join(names, ","), len(c.Ctors), len(c.Mentions))
		if c.Callback {
			s += " callback"
		}
		if len(kinds) > 0 {
			s += " !" + strings.Join(kinds, ",")
		}
		out = append(out, s)
	}
	return out
}

var borderNames = map[BorderKind]string{Converted: "converted", Exported: "exported", Foreign: "foreign", Opaque: "opaque", FuncValue: "funcvalue",
	Address: "address", Embedded: "embedded", MethodValue: "methodvalue", MapKey: "mapkey", Unfollowed: "unfollowed"}

type importer struct{ p *types.Package }

func (i importer) Import(string) (*types.Package, error) { return i.p, nil }

func TestClasses(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []string
	}{
		{"local", "func f() { c := lib.New(); c.Do() }", []string{"c ctors=1 mentions=0"}},
		{"two stay apart", "func f() { a := lib.New(); b := lib.New(); a.Do(); b.Do() }", []string{"a ctors=1 mentions=0", "b ctors=1 mentions=0"}},
		{"assignment joins", "func f() { a := lib.New(); b := lib.New(); a = b; a.Do() }", []string{"a,b ctors=2 mentions=0"}},
		{"comparison joins", "func f() { a := lib.New(); b := lib.New(); println(a == b, a == nil) }", []string{"a,b ctors=2 mentions=0"}},
		{"field, parameter, result", "type d struct{ c *lib.C }\nfunc mk() (*lib.C, error) { return lib.New(), nil }\nfunc use(p *lib.C) { p.Do() }\nfunc f() { x, err := mk(); _ = err; v := d{c: x}; use(v.c) }",
			[]string{"c,p,x ctors=1 mentions=3"}},
		{"unkeyed literal", "type d struct{ c *lib.C }\nfunc f() { v := d{lib.New()}; v.c.Do() }", []string{"c ctors=1 mentions=1"}},
		{"containers", "func f() { m := map[string]*lib.C{\"a\": lib.New()}; var s []*lib.C; s = append(s, m[\"a\"]); for _, x := range s { x.Do() }; ch := make(chan *lib.C); ch <- s[0]; (<-ch).Do() }",
			[]string{"ch,m,s,x ctors=1 mentions=3"}},
		{"variadic", "func all(cs ...*lib.C) {}\nfunc f() { all(lib.New(), lib.New()) }", []string{"cs ctors=2 mentions=1"}},
		{"literal called at once", "func f() { func(c *lib.C) { c.Do() }(lib.New()) }", []string{"c ctors=1 mentions=1"}},
		{"map key", "func f() { m := map[*lib.C]int{}; c := lib.New(); m[c] = 1 }", []string{"c ctors=1 mentions=0 !mapkey"}},
		{"map key in a literal", "func f() { c := lib.New(); _ = map[*lib.C]int{c: 1} }", []string{"c ctors=1 mentions=0 !mapkey"}},
		{"interface", "func f() { var x any = lib.New(); _ = x }", []string{" ctors=1 mentions=0 !converted"}},
		{"argument of an interface type", "func g(any) {}\nfunc f() { c := lib.New(); g(c) }", []string{"c ctors=1 mentions=0 !converted"}},
		{"other package", "func f() { c := lib.New(); lib.Share(c) }", []string{"c ctors=1 mentions=0 !foreign"}},
		{"from another package", "func f() { c := lib.Made(); c.Do() }", []string{"c ctors=0 mentions=0 !foreign"}},
		{"method value", "func f() { c := lib.New(); g := c.Do; g() }", []string{"c ctors=1 mentions=0 !methodvalue"}},
		{"address", "func f() { c := lib.New(); p := &c; _ = p }", []string{"c ctors=1 mentions=0 !address"}},
		{"copy", "func f() { c := lib.New(); d := *c; d.Do() }", []string{"c ctors=1 mentions=0 !address"}},
		{"embedded", "type d struct{ *lib.C }\nfunc f() { d{lib.New()}.Do() }", []string{"C ctors=1 mentions=0 !embedded"}},
		{"function as a value", "func use(c *lib.C) {}\nvar g = use\nfunc f() { g(lib.New()) }", []string{"c ctors=0 mentions=1 !funcvalue", " ctors=1 mentions=0 !funcvalue"}},
		{"type assertion", "func f(x any) { c := x.(*lib.C); c.Do() }", []string{"c ctors=0 mentions=0 !opaque"}},
		{"generic", "func id[T any](x T) T { return x }\nfunc f() { c := lib.New(); id(c).Do() }", []string{" ctors=0 mentions=0 !opaque", "c ctors=1 mentions=0 !converted"}},
		{"callback parameter", "func f() { lib.Sub(func(c *lib.C, _ any) { c.Do() }) }", []string{"c ctors=0 mentions=1 callback"}},
		{"declared callback", "func cb(c *lib.C, _ any) { c.Do() }\nfunc f() { lib.Sub(cb) }", []string{"c ctors=0 mentions=1 callback"}},
		{"callback parameter kept", "var kept *lib.C\nfunc f() { kept = lib.New(); lib.Sub(func(c *lib.C, _ any) { kept = c }) }", []string{"c,kept ctors=1 mentions=2 callback"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := classes(t, "main", test.body)
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestExported(t *testing.T) {
	const body = "type D struct{ C *lib.C; in *lib.C }\nfunc New() *D { return &D{C: lib.New(), in: lib.New()} }\nfunc Get() *lib.C { x := lib.New(); return x }\n"
	got := classes(t, "p", body)
	want := []string{"C ctors=1 mentions=1 !exported", "in ctors=1 mentions=1", "x ctors=1 mentions=1 !exported"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, c := range classes(t, "main", body) {
		if strings.Contains(c, "exported") {
			t.Errorf("package main has a border: %s", c)
		}
	}
}
