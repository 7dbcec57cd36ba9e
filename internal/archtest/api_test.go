package archtest

import (
	"flag"
	"fmt"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of the exported API")

// public reports whether the package in dir can be imported by other modules and is meant to be.
func public(dir string) bool {
	return !strings.Contains("/"+dir+"/", "/internal/") && !strings.HasPrefix(dir, "cmd/") && !strings.HasPrefix(dir, "examples/") && dir != "."
}

// goldenName is the golden file of the package in dir.
func goldenName(dir string) string {
	return filepath.Join("testdata", "api", strings.ReplaceAll(dir, "/", "_")+".txt")
}

// TestAPI compares the exported API with its golden file, so that a change of a name or signature is seen in review as
// a change of a text file, and never happens by accident.
func TestAPI(t *testing.T) {
	var dirs, paths []string
	for _, dir := range packageDirs(t) {
		if public(dir) {
			dirs, paths = append(dirs, dir), append(paths, module+"/"+dir)
		}
	}
	loaded, err := loadTypes(paths...)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for i, dir := range dirs {
		name := goldenName(dir)
		kept[name] = true
		got := describe(loaded[paths[i]])
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("%s: %v (a new package: run with -update)", dir, err)
			continue
		}
		if diff := lineDiff(string(want), got); diff != "" {
			t.Errorf("the exported API of %s is not that of %s; if that is meant, run with -update:\n%s", dir, name, diff)
		}
	}
	golden, err := filepath.Glob(filepath.Join("testdata", "api", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range golden {
		if kept[name] {
			continue
		}
		if !*update {
			t.Errorf("%s belongs to no package", name)
		} else if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// lineDiff lists the lines that only one side has; both are sorted, so order says nothing.
func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintf(&out, "- %s\n", line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintf(&out, "+ %s\n", line)
		}
	}
	return out.String()
}

// describe lists what a package exports, one line each, sorted.
func describe(pkg *types.Package) string {
	qualify := func(other *types.Package) string {
		if other == pkg {
			return ""
		}
		return other.Name()
	}
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			add("const %s %s = %s", name, types.TypeString(obj.Type(), qualify), obj.Val())
		case *types.TypeName:
			describeType(obj, qualify, add)
		default: // variables and functions
			add("%s", types.ObjectString(obj, qualify))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// describeType lists a type, its exported fields and its methods.
func describeType(obj *types.TypeName, qualify types.Qualifier, add func(string, ...any)) {
	name := obj.Name()
	if obj.IsAlias() {
		add("type %s = %s", name, types.TypeString(types.Unalias(obj.Type()), qualify))
		return
	}
	named, ok := obj.Type().(*types.Named)
	if !ok {
		add("type %s %s", name, types.TypeString(obj.Type(), qualify))
		return
	}
	full := types.TypeString(named, qualify) // with type parameters
	for method := range named.Methods() {
		if method.Exported() {
			add("method %s", strings.TrimPrefix(types.ObjectString(method, qualify), "func "))
		}
	}
	switch under := named.Underlying().(type) {
	case *types.Struct:
		add("type %s struct", full)
		for field := range under.Fields() {
			if field.Exported() {
				add("field %s.%s %s", name, field.Name(), types.TypeString(field.Type(), qualify))
			}
		}
	case *types.Interface:
		add("type %s interface", full)
		for method := range under.Methods() {
			if method.Exported() {
				add("method (%s) %s%s", name, method.Name(), strings.TrimPrefix(types.TypeString(method.Type(), qualify), "func"))
			} else {
				add("method (%s) unexported: no other package can implement it", name)
			}
		}
	default:
		add("type %s %s", full, types.TypeString(under, qualify))
	}
}
