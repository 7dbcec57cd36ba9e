package awsiot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every exported type, function and method of Client appears in an Example; for an enum one of its values will do.
func TestExamplesCoverTheAPI(t *testing.T) {
	files := token.NewFileSet()
	parse := func(pattern string) (all []*ast.File) {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") == strings.HasPrefix(pattern, "example") {
				f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, f)
			}
		}
		return all
	}
	shown := map[string]bool{} // what stands behind a dot
	for _, f := range parse("example*_test.go") {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				shown[s.Sel.Name] = true
			}
			return true
		})
	}
	api := map[string][]string{} // a name, and those that may stand for it
	add := func(name, by string) {
		if ast.IsExported(name) && name != "Format" { // which package fmt calls
			api[name] = append(api[name], by)
		}
	}
	for _, f := range parse("*.go") {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if fn.Recv == nil || typeName(fn.Recv.List[0].Type) == "Client" {
					add(fn.Name.Name, fn.Name.Name)
					if r := fn.Type.Results; r != nil && fn.Name.IsExported() { // a function shows the type that it makes
						add(typeName(r.List[0].Type), fn.Name.Name)
					}
				}
				continue
			}
			last := ""
			for _, s := range d.(*ast.GenDecl).Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					add(s.Name.Name, s.Name.Name)
				case *ast.ValueSpec:
					if s.Type != nil {
						last = typeName(s.Type)
					} else if s.Values != nil {
						last = ""
					}
					for _, n := range s.Names {
						add(last, n.Name)
					}
				}
			}
		}
	}
	if len(api) < 80 || len(shown) < 80 {
		t.Fatalf("%d names, %d shown: this test has lost its way", len(api), len(shown))
	}
	for name, by := range api {
		if !slices.ContainsFunc(by, func(s string) bool { return shown[s] }) {
			t.Errorf("%s is in no Example", name)
		}
	}
}

// typeName returns the name of a type of this package, behind a pointer or before type arguments, too.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	}
	return ""
}
