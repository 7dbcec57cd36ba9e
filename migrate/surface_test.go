package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// TestSurfaces: which packages hand a client out, by what their source says.
func TestSurfaces(t *testing.T) {
	const client = "*v1compat.AWSIoTMQTTClient"
	for i, tt := range []struct {
		text string // after the imports of v1compat, errors, sync, plain and hands
		want bool
	}{
		{"func New() " + client + " { return nil }", true},
		{"func new_() " + client + " { return nil }", false},
		{"func Do() error { return errors.New(v1compat.Version) }", false},
		{"func Handle(func(" + client + ")) {}", true},
		{"func Any[C interface{ " + client + " }]() {}", true},
		{"func Any[C any](c C) C { return c }", false},
		{"type T struct{ Client " + client + " }", true},
		{"type T struct{ client " + client + "; Name string }", false},
		{"type T struct{ client struct{ C " + client + " } }", false},
		{"type T struct{ Inner struct{ C " + client + " } }", true},
		{"type inner struct{ " + client + " }\ntype T struct{ inner }", true},
		{"type T struct{ c " + client + " }\nfunc (t T) client() " + client + " { return t.c }", false},
		{"type t struct{ c " + client + " }\nfunc (t t) Client() " + client + " { return t.c }", true},
		{"type Alias = v1compat.Message", true},
		{"type list []" + client, true},
		{"type i interface{ client() " + client + " }", true},
		{"var Shared " + client, true},
		{"var shared " + client, false},
		{"var shared " + client + "\nvar Other = shared", true},
		{"func make_() " + client + " { return nil }\nvar Shared = make_()", true},
		{"func make_() string { return v1compat.Version }\nvar Text = make_()", false},
		{"var Err = errors.New(\"no\")", false},
		{"var Once = sync.OnceValue(func() " + client + " { return nil })", true},
		{"var Once = sync.OnceValue(func() int { var c " + client + "; _ = c; return 1 })", false},
		{"type h struct{ c " + client + " }\nvar v h\nvar Shared = v.c", true},
		{"var All = map[string]any{\"a\": 1}", false},
		{"var All = map[string]" + client + "{}", true},
		{"type row struct{ name string }\nvar All = []row{{name: \"a\"}, {\"b\"}}", false},
		{"var a, B = B, a", false},
		{"const (\n\tq = v1compat.QoS\n\tQ\n)", true},
		{"func Through() plain.T { return plain.T{} }", false},
		{"func Through() hands.T { return hands.T{} }", true},
		{"var Through = hands.Value", true},
		{"var Through = plain.Value", false},
		{"func New() {", true}, // no Go: nobody knows
	} {
		dir := t.TempDir()
		imports := []string{paths.V1Compat, "errors", "sync", "m/plain", "m/hands"}
		text := "package p\n\nimport (\n\t\"" + strings.Join(imports, "\"\n\t\"") + "\"\n)\n\n" + tt.text + "\n"
		files := map[string]string{"p.go": text, "plain.go": "package plain\ntype T struct{}\nvar Value T\n",
			"hands.go": fmt.Sprintf("package hands\nimport old %q\ntype T struct { old.AWSIoTMQTTClient }\nvar Value T\n", paths.V1Compat)}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all := map[string]*listed{
			paths.V1Compat: {Name: "v1compat"},
			"errors":       {Name: "errors", Standard: true},
			"sync":         {Name: "sync", Standard: true},
			"m/plain":      {Name: "plain", Dir: dir, GoFiles: []string{"plain.go"}},
			"m/hands":      {Name: "hands", Dir: dir, GoFiles: []string{"hands.go"}, Imports: []string{paths.V1Compat}},
			"m/p":          {Name: "p", Dir: dir, GoFiles: []string{"p.go"}, Imports: imports},
		}
		s := &surfaces{rules: v1Rules(), all: all, known: map[string]bool{}}
		if got := s.hands("m/p"); got != tt.want {
			t.Errorf("%d: %v, want %v:\n%s", i, got, tt.want, tt.text)
		}
	}
	s := &surfaces{rules: v1Rules(), all: map[string]*listed{}, known: map[string]bool{}}
	if !s.hands("nowhere.example.com/x") || s.hands("C") || s.hands("unsafe") {
		t.Error("unlisted packages")
	}
}

// TestLookThrough: a package that depends on clients is only loaded when it can get hold of one, and errors of clients
// can come through it all the same.
func TestLookThrough(t *testing.T) {
	dir := newModule(t, map[string]string{
		"inside/inside.go": "package inside\n\nimport \"" + paths.V1Compat + "\"\n\nvar c = v1compat.NewAWSIoTMQTTClient(\"x\")\n\n// Send sends.\nfunc Send() error { return c.Connect() }\n",
		"out/out.go":       "package out\n\nimport \"" + paths.V1Compat + "\"\n\n// C is shared.\nvar C = v1compat.NewAWSIoTMQTTClient(\"x\")\n",
		"middle/middle.go": "package middle\n\nimport \"golden/inside\"\n\n// Box holds an error.\ntype Box struct{ Err error }\n\n" +
			"// Send sends.\nfunc Send(b *Box) error {\n\tif b.Err == nil {\n\t\treturn inside.Send()\n\t}\n\treturn b.Err\n}\n",
		"app/main.go": "package main\n\nimport (\n\t\"golden/middle\"\n\n\t\"" + paths.V1Compat + "\"\n)\n\n" +
			"func main() {\n\tc := v1compat.NewAWSIoTMQTTClient(\"y\")\n\terr := middle.Send(&middle.Box{Err: c.Connect()})\n" +
			"\tif _, ok := err.(*v1compat.ConnectTimeoutError); ok {\n\t\tprintln(\"timeout\")\n\t}\n}\n",
		"user/user.go":    "package user\n\nimport \"golden/out\"\n\nfunc use() error { return out.C.Connect() }\n",
		"tests/t.go":      "package tests\n",
		"tests/t_test.go": "package tests_test\n\nimport \"golden/out\"\n\nvar _ = out.C\n",
	})
	c := Config{Dir: dir, Patterns: []string{"./..."}}
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"one system", c, "app inside out tests user"},
		{"only a user", Config{Dir: dir, Patterns: []string{"./user"}}, "user"},
		{"whole", Config{Dir: dir, Patterns: c.Patterns, Whole: true}, "app inside middle out tests user"},
		{"two systems", Config{Dir: dir, Patterns: c.Patterns, GOOS: []string{"linux", "windows"}}, "app inside middle out tests user"},
	} {
		v, err := look(t.Context(), tt.c, v1Rules(), os.Environ())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(strings.Join(slices.Sorted(slices.Values(v.load)), " "), "golden/", ""); got != tt.want {
			t.Errorf("%s: to load %s, want %s", tt.name, got, tt.want)
		}
		if tt.name != "only a user" && !v.reach["golden/middle"] {
			t.Errorf("%s: errors do not come through middle", tt.name)
		}
	}
	c.Bridges = true
	res, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(res.Units, func(u *Unit) bool {
		return u.Package == "golden/app" && len(u.Bridges) == 1 && strings.Contains(u.Bridges[0].Text, "may reach the check for ConnectTimeoutError")
	}) {
		t.Errorf("an error that comes back through middle is not seen: %+v", res.Units)
	}
}
