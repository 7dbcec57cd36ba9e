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
type Maker func() *C
type Box[T any] struct{ p *T }
func (b *Box[T]) Set(p *T) { b.p = p }
func (b *Box[T]) Get() *T { return b.p }
func Sub(cb func(c *C, data any)) {}
type D struct{}
func With(c *C) *D { return nil }
func (d *D) Inner() *C { return nil }
func (d *D) Find() (*C, error) { return nil, nil }
`

// analyze type-checks body as a package that imports lib and returns its classes.
func analyze(t *testing.T, pkg, body string, change ...func(*Target)) []*Class {
	t.Helper()
	fset := token.NewFileSet()
	check := func(path, src string, imp types.Importer) (*types.Package, *ast.File, *types.Info) {
		f, err := parser.ParseFile(fset, path+".go", src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Implicits: map[ast.Node]types.Object{}, Instances: map[*ast.Ident]types.Instance{}}
		p, err := (&types.Config{Importer: imp}).Check(path, fset, []*ast.File{f}, info)
		if err != nil {
			t.Fatal(err)
		}
		return p, f, info
	}
	lp, _, _ := check("lib", lib, nil)
	tp, f, info := check("p", "package "+pkg+"\nimport \"lib\"\n"+body, importer{lp})
	target := Target{
		Is: func(x types.Type) bool {
			p, ok := types.Unalias(x).(*types.Pointer)
			return ok && types.TypeString(types.Unalias(p.Elem()), nil) == "lib.C" || ok && types.TypeString(types.Unalias(p.Elem()), nil) == "lib.D"
		},
		Ctor: func(fn *types.Func) bool { return fn.FullName() == "lib.New" },
		Callback: func(s *types.Signature) bool {
			return s.Params().Len() == 2 && types.TypeString(s.Params().At(1).Type(), nil) == "any"
		},
		Links: func(fn *types.Func) (int, bool) {
			switch fn.Name() {
			case "With":
				return 0, true
			case "Inner", "Find":
				return -1, true
			}
			return 0, false
		},
	}
	for _, c := range change {
		c(&target)
	}
	return Analyze(&Package{fset, []*ast.File{f}, tp, info}, inspector.New([]*ast.File{f}), target)
}

// classes describes the classes of body, one string each.
func classes(t *testing.T, pkg, body string) []string {
	t.Helper()
	var out []string
	for _, c := range analyze(t, pkg, body) {
		var names, kinds []string
		for _, m := range c.Members {
			if n := m.Name(); n != "" {
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
		if c.Callback != nil {
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
		{"one type for two", "type d struct{ a, b *lib.C }\nfunc f() { v := d{a: lib.New()}; v.b = lib.New(); v.a.Do() }", []string{"a,b ctors=2 mentions=2"}},
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
		{"embedded", "type d struct{ *lib.C }\nfunc f() { d{lib.New()}.Do() }", []string{"C ctors=1 mentions=1"}},
		{"struct embedded", "type d struct{ lib.C }\nfunc f() { c := lib.New(); c.Do() }", []string{"C ctors=0 mentions=0 !embedded", "c ctors=1 mentions=0"}},
		{"embedded in another", "type d struct{ *lib.C }\ntype e struct{ d; n int }\nfunc f() { v := e{d: d{C: lib.New()}}; v.Do(); v.C.Do(); v.Hook = nil }", []string{"C ctors=1 mentions=1"}},
		{"function as a value", "func use(c *lib.C) {}\nvar g = use\nfunc f() { g(lib.New()) }", []string{"c,g ctors=1 mentions=1"}},
		{"method of the program as a value", "type d struct{}\nfunc (d) use(c *lib.C) {}\nfunc f() { g := d{}.use; g(lib.New()) }", []string{"c,g ctors=1 mentions=1"}},
		{"function field", "type d struct{ made func(*lib.C) error }\nfunc f() { v := d{made: func(c *lib.C) error { c.Do(); return nil }}; v.made(lib.New()) }", []string{"c,made ctors=1 mentions=2"}},
		{"factories in a map", "var m = map[string]func() *lib.C{\"a\": func() *lib.C { return lib.New() }, \"b\": mk}\nfunc mk() *lib.C { return lib.New() }\nfunc f() { c := m[\"a\"](); c.Do(); m[\"b\"]().Do() }",
			[]string{"c,m ctors=2 mentions=3"}},
		{"named function type", "type use func(*lib.C)\nfunc run(u use) { u(lib.New()) }\nfunc f() { run(func(c *lib.C) { c.Do() }); run(use(func(d *lib.C) { d.Do() })) }",
			[]string{"c,d,u,use ctors=1 mentions=3"}},
		{"function from a type of another package", "func f(g lib.Maker) { g().Do() }", []string{" ctors=0 mentions=0 !funcvalue"}},
		{"named container", "type fleet map[string]*lib.C\nfunc (f fleet) all() { for _, c := range f { c.Do() } }\nfunc f() { m := fleet{\"a\": lib.New()}; m.all(); m[\"a\"].Do() }",
			[]string{"c,f,fleet,m ctors=1 mentions=1"}},
		{"alias of the pointer", "type conn = *lib.C\nfunc f() { var c conn = lib.New(); c.Do() }", []string{"c,conn ctors=1 mentions=1"}},
		{"alias of the struct", "type cl = lib.C\nfunc f() { var c *cl = lib.New(); c.Do() }", []string{"c ctors=1 mentions=1"}},
		{"alias of a container", "type list = []*lib.C\nfunc f() { l := list{lib.New()}; l[0].Do() }", []string{"l,list ctors=1 mentions=1"}},
		{"interface that gives it", "type dev interface{ conn() *lib.C }\ntype a struct{ c *lib.C }\nfunc (x a) conn() *lib.C { return x.c }\ntype b struct{}\nfunc (*b) conn() *lib.C { return lib.New() }\nfunc f(d dev) { d.conn().Do() }\nfunc g() { f(a{lib.New()}); f(&b{}) }",
			[]string{"c ctors=2 mentions=4"}},
		{"all results returned", "func a() (*lib.C, error) { return lib.New(), nil }\nfunc b() (*lib.C, error) { return a() }\nfunc f() { var c, err = b(); _ = err; c.Do() }", []string{"c ctors=1 mentions=2"}},
		{"all results passed", "func a() (*lib.C, error) { return lib.New(), nil }\nfunc b(c *lib.C, err error) { c.Do() }\nfunc f() { b(a()) }", []string{"c ctors=1 mentions=2"}},
		{"struct in a map", "type d struct{ c *lib.C }\nfunc f() { m := map[string]d{}; m[\"a\"] = d{c: lib.New()}; m[\"a\"].c.Do() }", []string{"c ctors=1 mentions=1"}},
		{"sequence", "func all() func(func(*lib.C) bool) { return func(yield func(*lib.C) bool) { yield(lib.New()) } }\nfunc f() { for c := range all() { c.Do() } }", []string{"c,yield ctors=1 mentions=2"}},
		{"keys of a map", "func f(m map[*lib.C]int) { d := lib.New(); for c := range m { d = c }; d.Do() }", []string{"c,d ctors=1 mentions=0 !mapkey"}},
		{"type switch", "func f(x any) { d := lib.New(); switch c := x.(type) { case *lib.C: d = c }; d.Do() }", []string{"c,d ctors=1 mentions=0 !converted"}},
		{"closure", "func f() { var c *lib.C; func() { c = lib.New() }(); defer func() { c.Do() }() }", []string{"c ctors=1 mentions=1"}},
		{"type assertion", "func f(x any) { c := x.(*lib.C); c.Do() }", []string{"c ctors=0 mentions=0 !opaque"}},
		{"made of another value", "func f() { c := lib.New(); d := lib.With(c); e := d.Inner(); e.Do() }", []string{"c,d,e ctors=1 mentions=0"}},
		{"made of another value in a chain", "func f() { c := lib.New(); lib.With(c).Inner().Do() }", []string{"c ctors=1 mentions=0"}},
		{"made of another value with an error", "type s struct { d *lib.D }\nfunc f() { c := lib.New(); v := s{lib.With(c)}; x, err := v.d.Find(); _ = err; x.Do() }", []string{"c,d,x ctors=1 mentions=1"}},
		{"made of nothing", "func f() { d := lib.With(nil); d.Inner().Do() }", []string{"d ctors=0 mentions=0"}},
		{"generic", "func id[T any](x T) T { return x }\nfunc f() { c := lib.New(); id(c).Do() }", []string{"c ctors=1 mentions=0"}},
		{"generic with its type written", "func id[T any](x T) T { return x }\nfunc f() { c := lib.New(); id[*lib.C](c).Do() }", []string{"c ctors=1 mentions=1"}},
		{"generic with a method", "func do[T interface{ Do() }](x T) { x.Do() }\nfunc f() { c := lib.New(); do(c) }", []string{"c ctors=1 mentions=0 !converted"}},
		{"generic that looks at the type", "func is[T any](x T) bool { _, ok := any(x).(int); return ok }\nfunc f() { c := lib.New(); is(c) }", []string{"c ctors=1 mentions=0 !converted"}},
		{"instance of a generic type", "var p lib.Box[lib.C]\nfunc f() { p.Set(lib.New()); p.Get().Do() }", []string{"p ctors=1 mentions=1"}},
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

// TestWays looks at what a border names: the value that can be converted where it leaves or enters.
func TestWays(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"interface", "func f() { c := lib.New(); var x any = (c); _ = x }", "leaves c"},
		{"argument", "func f() { c := lib.New(); lib.Share(c) }", "leaves c"},
		{"method value", "func f() { c := lib.New(); g := c.Do; g() }", "leaves c"},
		{"key", "func f() { c := lib.New(); m := map[*lib.C]int{}; m[c] = 1 }", "leaves c"},
		{"comparison", "func f(x any) { c := lib.New(); println(x == c) }", "leaves c"},
		{"container", "func f() { c := []*lib.C{lib.New()}; var x any = c; _ = x }", "declared"},
		{"made elsewhere", "func f() { c := lib.Made(); c.Do() }", "enters lib.Made()"},
		{"asserted", "func f(x any) { c := x.(*lib.C); c.Do() }", "enters x.(*lib.C)"},
		{"asserted with ok", "func f(x any) { c, ok := x.(*lib.C); _ = ok; c.Do() }", "declared"},
		{"address", "func f() { c := lib.New(); p := &c; _ = p }", "declared"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range analyze(t, "main", test.body) {
				for _, b := range c.Borders {
					s := []string{"declared", "leaves", "enters"}[b.Way]
					if b.Expr != nil {
						s += " " + types.ExprString(b.Expr)
					}
					got = append(got, s)
				}
			}
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestReachable looks at exported names that other packages can reach, and at those that they cannot.
func TestReachable(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       bool
	}{
		{"field of an unexported struct", "type d struct{ C *lib.C }\nvar x = d{lib.New()}", false},
		{"field of a struct that a function returns", "type d struct{ C *lib.C }\nfunc New() *d { return &d{lib.New()} }", true},
		{"field of a struct in an exported variable", "type d struct{ C *lib.C }\nvar X = map[string][]d{\"a\": {{lib.New()}}}", true},
		{"field of an embedded struct", "type d struct{ C *lib.C }\ntype E struct{ d }\nvar x = E{d{lib.New()}}", true},
		{"embedded client", "type d struct{ *lib.C }\nvar x = d{lib.New()}", false},
		{"embedded client of an exported struct", "type D struct{ *lib.C }\nvar x = D{lib.New()}", true},
		{"method of an unexported type", "type d struct{}\nfunc (d) Get() *lib.C { return lib.New() }", false},
		{"method of an exported type", "type D struct{}\nfunc (D) Get() *lib.C { return lib.New() }", true},
		{"method of a type argument", "type d struct{}\nfunc (d) Get() *lib.C { return lib.New() }\nvar X lib.Box[d]", true},
		{"exported container", "type Fleet []*lib.C\nvar x = Fleet{lib.New()}", true},
		{"unexported container", "type fleet []*lib.C\nvar x = fleet{lib.New()}", false},
		{"method of an exported interface", "type I interface{ Get() *lib.C }\ntype d struct{}\nfunc (d) Get() *lib.C { return lib.New() }", true},
		{"local type with an exported name", "func f() { type Fleet []*lib.C; x := Fleet{lib.New()}; _ = x }", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := classes(t, "p", test.body)
			if len(got) != 1 || strings.Contains(got[0], "!exported") != test.want {
				t.Errorf("got %q, exported should be %t", got, test.want)
			}
		})
	}
}

// TestKeep: what an exported function returns or is given leaves its class; what its callers get does not come into it.
func TestKeep(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"returned", "type d struct{ c *lib.C }\nfunc (x *d) Get() *lib.C { return x.c }\nfunc New() *d { return &d{lib.New()} }", "leaves x.c"},
		{"returned from a literal called at once", "func Get() *lib.C { c := lib.New(); return func() *lib.C { return c }() }", "leaves (func() *lib.C literal)()"},
		{"given", "func Use(c *lib.C) { c.Do() }\nfunc f() { x := lib.New(); Use(x) }", "leaves x"},
		{"made where it is returned", "func Get() *lib.C { return lib.New() }", ""},
		{"of an unexported function", "func get() *lib.C { c := lib.New(); return c }", ""},
		{"nil", "func Get() *lib.C { return nil }", ""},
		{"of a function that is a value", "func Get() *lib.C { c := lib.New(); return c }\nvar get = Get", "leaves c"},
		{"of a method that implements an interface", "type I interface{ Get() *lib.C }\ntype D struct{}\nfunc (D) Get() *lib.C { c := lib.New(); return c }", "leaves c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range analyze(t, "p", test.body, func(t *Target) { t.Keep = true }) {
				for _, b := range c.Borders {
					if b.Way == Leaves {
						got = append(got, "leaves "+types.ExprString(b.Expr))
					}
				}
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, c := range analyze(t, "p", "func Get() *lib.C { c := lib.New(); return c }\nfunc f() { x := Get(); x.Do() }", func(t *Target) { t.Keep = true }) {
		if len(c.Ctors) > 0 && len(c.Uses) > 2 {
			t.Errorf("the class of the constructor has what a caller of Get does: %+v", c.Uses)
		}
	}
}
