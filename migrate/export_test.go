package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/packages"
)

// listedModule has packages with tests of both kinds, one that is built anew for a test, and one between two with clients.
var listedModule = map[string]string{
	"lib/lib.go":        "// Package lib has a client.\npackage lib\n\nimport \"" + paths.V1Compat + "\"\n\n// C is shared.\nvar C = v1compat.NewAWSIoTMQTTClient(\"x\")\n\n// T is a type.\ntype T struct{ N int }\n",
	"lib/in_test.go":    "package lib\n\nimport \"testing\"\n\nfunc TestIn(t *testing.T) { C.Connect() }\n",
	"lib/out_test.go":   "package lib_test\n\nimport (\n\t\"testing\"\n\n\t\"golden/between\"\n\t\"golden/lib\"\n)\n\nfunc TestOut(t *testing.T) {\n\tvar v lib.T = between.Make()\n\tif v.N == 0 {\n\t\tlib.C.Connect()\n\t}\n}\n",
	"lib/x_plan9.go":    "package lib\n",
	"between/b.go":      "package between\n\nimport \"golden/lib\"\n\n// Make makes one.\nfunc Make() lib.T { return lib.T{N: plain()} }\n\nfunc plain() int { return 1 }\n",
	"app/main.go":       "package main\n\nimport (\n\t\"golden/between\"\n\t\"golden/lib\"\n\t\"golden/middle\"\n)\n\nfunc main() {\n\tvar v lib.T = between.Make()\n\tif v.N > middle.N() {\n\t\tlib.C.Connect()\n\t}\n}\n",
	"middle/middle.go":  "// Package middle shows nothing of what it uses.\npackage middle\n\nimport \"golden/inside\"\n\n// N counts.\nfunc N() int { inside.Send(); return G(0) }\n\nfunc init() { inside.Send() }\n\n// G is generic.\nfunc G[T any](t T) T { return t }\n",
	"inside/inside.go":  "// Package inside keeps its client.\npackage inside\n\nimport \"" + paths.V1Compat + "\"\n\nvar c = v1compat.NewAWSIoTMQTTClient(\"x\")\n\n// Send sends.\nfunc Send() { c.Connect() }\n",
	"clean/clean.go":    clean,
	"only/only.go":      "package only\n",
	"only/only_test.go": "package only\n\nimport \"golden/lib\"\n\nvar _ = lib.C\n",
}

// lookInto is a set with what the first look shows, not loaded yet.
func lookInto(t *testing.T, dir string, conf Config) *set {
	t.Helper()
	rs, err := conf.ruleset()
	if err != nil {
		t.Fatal(err)
	}
	s := &set{goos: runtime.GOOS, rules: rs, dir: dir}
	s.unload()
	if s.view, err = look(t.Context(), conf, rs, os.Environ()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLoadListed: what is loaded from the first look is what the loader of x/tools would load.
func TestLoadListed(t *testing.T) {
	dir := newModule(t, listedModule)
	conf := Config{Dir: dir, Patterns: []string{"./..."}}
	s := lookInto(t, dir, conf)
	own, err := s.loadListed(t.Context(), conf, os.Environ())
	if err != nil || own == nil {
		t.Fatalf("%v, %v", own, err)
	}
	extra := s.extra
	conf.Patterns = s.view.load
	s.unload()
	all, err := s.loadAll(t.Context(), conf, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(p *packages.Package) bool {
		if filepath.Base(p.PkgPath) == probeDir {
			for _, path := range s.rules.written() {
				if x, y := extra[path], p.Imports[path]; x == nil || len(x.Errors) > 0 || x.Types.Path() != y.Types.Path() || strings.Join(x.Types.Scope().Names(), " ") != strings.Join(y.Types.Scope().Names(), " ") {
					t.Errorf("%s differs", path)
				}
			}
			return true
		}
		return strings.HasSuffix(p.ID, ".test")
	})
	got, want := describeAll(own), describeAll(all)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var ids []string
	for _, p := range own {
		ids = append(ids, strings.ReplaceAll(p.ID, "golden/", ""))
	}
	if want := []string{"app", "between", "inside", "lib", "lib [lib.test]", "lib_test [lib.test]", "only", "only [only.test]"}; !slices.Equal(ids, want) {
		t.Errorf("loaded %q", ids)
	}
}

// describeAll is what the tool uses of packages.
func describeAll(all []*packages.Package) string {
	var out []string
	for _, p := range all {
		var imports []string
		for path, i := range p.Imports {
			imports = append(imports, path+"="+i.ID+" "+i.Types.Path()+fmt.Sprint(i.Types.Complete()))
		}
		slices.Sort(imports)
		var objects []string
		for _, name := range p.Types.Scope().Names() {
			objects = append(objects, p.Types.Scope().Lookup(name).String())
		}
		slices.Sort(p.IgnoredFiles)
		out = append(out, fmt.Sprintln(p.ID, p.PkgPath, p.Name, p.Dir, p.ForTest, p.GoFiles, p.CompiledGoFiles, p.IgnoredFiles, p.Errors, len(p.Syntax),
			p.Module.Path, p.Module.Main, p.Module.GoVersion, p.TypesSizes, len(p.TypesInfo.Uses), len(p.TypesInfo.Defs))+strings.Join(imports, "\n")+"\n"+strings.Join(objects, "\n"))
	}
	slices.Sort(out)
	return strings.Join(out, "\n\n")
}

// TestLoadListedOdd: what the first look cannot be trusted with is left to the other loader, which says what is wrong.
func TestLoadListedOdd(t *testing.T) {
	for name, file := range map[string][2]string{
		"a type error":                 {"lib/bad.go", "package lib\n\nvar _ int = \"\"\n"},
		"a syntax error":               {"lib/bad.go", "package lib\n\nfunc f( {\n"},
		"a test that does not compile": {"lib/bad_test.go", "package lib\n\nvar _ int = \"\"\n"},
		"a dependency that does not":   {"clean/clean.go", "package clean\n\nvar Clean int = \"\"\n"},
		"cgo":                          {"lib/c.go", "package lib\n\n// int one(void) { return 1; }\nimport \"C\"\n"},
	} {
		files := map[string]string{"lib/lib.go": strings.Replace(listedModule["lib/lib.go"], "import ", "import _ \"golden/clean\"\nimport ", 1), "clean/clean.go": clean, file[0]: file[1]}
		dir := newModule(t, files)
		conf := Config{Dir: dir, Patterns: []string{"./..."}}
		s := lookInto(t, dir, conf)
		if all, err := s.loadListed(t.Context(), conf, os.Environ()); all != nil || err != nil {
			t.Errorf("%s: %d packages, %v", name, len(all), err)
		}
	}
}
