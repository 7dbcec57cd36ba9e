package migrate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

const clean = "package clean\n\nfunc Clean() {}\n"

// TestLook: what a first look at a module shows, without compiling it.
func TestLook(t *testing.T) {
	dir := newModule(t, map[string]string{
		"good/main.go":       ping,
		"clean/clean.go":     clean,
		"tests/t.go":         "package tests\n",
		"tests/t_test.go":    strings.Replace(ping, "package main", "package tests_test", 1),
		"part/part.go":       "package part\n",
		"part/x_windows.go":  strings.Replace(ping, "package main", "package part", 1),
		"none/y_windows.go":  strings.Replace(ping, "package main", "package none", 1),
		"none/z_windows.go":  "package none\n",
		"testdata/main.go":   ping,
		"nested/go.mod":      "module nested\n",
		"nested/n_plan9.go":  ping,
		"missing/main.go":    strings.Replace(ping, "import ", "import _ \"nowhere.example.com/x\"\nimport ", 1),
		"unrelated/clean.go": "package unrelated\n\nimport _ \"nowhere.example.com/y\"\n",
	})
	v, err := look(t.Context(), Config{Dir: dir, Patterns: []string{"./..."}}, v1Rules(), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"golden/good", "golden/tests"}; !slices.Equal(v.load, want) {
		t.Errorf("to load %v, want %v", v.load, want)
	}
	var excluded []string
	for _, name := range v.excluded {
		excluded = append(excluded, relative(dir, name))
	}
	slices.Sort(excluded)
	if want := []string{"none/y_windows.go", "part/x_windows.go"}; !slices.Equal(excluded, want) {
		t.Errorf("excluded %v, want %v", excluded, want)
	}
	if len(v.bad) != 1 || v.bad[0].Package != "golden/missing" || len(v.bad[0].Errors) != 1 ||
		!strings.Contains(v.bad[0].Errors[0], "no required module provides package nowhere.example.com/x") || strings.Contains(v.bad[0].Errors[0], "-:") {
		t.Errorf("bad %q", v.bad)
	}
	if v.total != 6 {
		t.Errorf("%d packages", v.total)
	}
	for _, tt := range []struct{ pattern, want string }{
		{"./nothing", "directory not found"},
		{"./nothing/...", "no such file or directory"},
		{"nowhere.example.com/z", "no required module provides package"},
	} {
		if _, err := look(t.Context(), Config{Dir: dir, Patterns: []string{tt.pattern}}, v1Rules(), os.Environ()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.pattern, err, tt.want)
		}
	}
	if _, err := look(t.Context(), Config{Dir: t.TempDir(), Patterns: []string{"./..."}}, v1Rules(), append(os.Environ(), "GOWORK=off")); err == nil || strings.Contains(err.Error(), "-:") {
		t.Errorf("no module: %v", err)
	}
}

// TestProblems: packages that do not compile cost neither the report of the others nor a line twice, and nothing is
// written beside them. A module without v1-shaped code is not compiled at all.
func TestProblems(t *testing.T) {
	dir := newModule(t, map[string]string{
		"good/main.go":    ping,
		"bad/main.go":     strings.Replace(ping, "c.Connect()", "undefined()", 1),
		"test/t.go":       "package test\n",
		"test/t_test.go":  strings.Replace(strings.Replace(ping, "package main", "package test", 1), "c.Connect()", "c.Conect()", 1),
		"syntax/main.go":  strings.Replace(ping, "c.Connect()", "c.Connect(", 1),
		"uses/uses.go":    "package uses\n\nfunc f() { undefined() }\n",
		"missing/main.go": strings.Replace(ping, "import ", "import _ \"nowhere.example.com/x\"\nimport ", 1),
	})
	var stages []string
	c := Config{Dir: dir, Patterns: []string{"./..."}, Mode: Fix, Progress: func(s string) { stages = append(stages, s) }}
	res, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Units) != 1 || !res.Units[0].Rewritten || res.Written {
		t.Errorf("units %+v, written %v", res.Units, res.Written)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "good", "main.go")); err != nil || string(got) != ping {
		t.Errorf("good/main.go was written: %v", err)
	}
	var b bytes.Buffer
	if err := res.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"would be rewritten: constructor 1", "undefined: undefined", "c.Conect undefined", "no required module provides package nowhere.example.com/x", "golden/syntax:", "nothing was written"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("not once: %q in\n%s", want, text)
		}
	}
	for _, no := range []string{"-: ", probeDir, "uses.go"} {
		if strings.Contains(text, no) {
			t.Errorf("%q in\n%s", no, text)
		}
	}
	if !slices.ContainsFunc(stages, func(s string) bool {
		return strings.Contains(s, "use v1's API: 4 of 6;")
	}) {
		t.Errorf("stages %q", stages)
	}
	_, err = Run(t.Context(), Config{Dir: dir, Patterns: []string{"./bad"}})
	if le, ok := errors.AsType[*LoadError](err); !ok || len(le.Problems) != 1 || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("only a package that does not compile: %v", err)
	}
	stages = nil
	c.Patterns = []string{"./uses"}
	if res, err := Run(t.Context(), c); err != nil || len(res.Units)+len(res.Problems) != 0 || len(stages) != 2 {
		t.Errorf("no v1-shaped code: %+v, %v, stages %q", res, err, stages)
	}
}

// TestExcluded: v1 code that no build of the run sees is reported, and rewritten once its system is named.
func TestExcluded(t *testing.T) {
	dir := newModule(t, map[string]string{
		"main.go":         "package main\n\nfunc main() { run() }\n",
		"run_windows.go":  strings.Replace(ping, "main()", "run()", 1),
		"run_other.go":    "//go:build !windows\n\npackage main\n\nfunc run() {}\n",
		"only/x_plan9.go": ping,
		"tool.go":         "//go:build ignore\n\n" + ping,
	})
	res, err := Run(t.Context(), Config{Dir: dir, Patterns: []string{"./..."}, GOOS: []string{"linux"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range res.Units {
		got = append(got, relative(res.Dir, u.Pos.Filename)+": "+u.Reasons[0].Text)
	}
	want := []string{
		"only/x_plan9.go: build constraints exclude this file, so it was not analyzed; name its system with -goos or its tag with -tags",
		"run_windows.go: build constraints exclude this file, so it was not analyzed; name its system with -goos or its tag with -tags",
		"tool.go: the file is for no build (ignore), so it was not analyzed; run the tool on the file itself",
	}
	if !slices.Equal(got, want) || !res.Left() {
		t.Errorf("got %q, want %q", got, want)
	}
	if res, err := Run(t.Context(), Config{Dir: dir, Patterns: []string{"tool.go"}}); err != nil || len(res.Units) != 1 || !res.Units[0].Rewritten {
		t.Errorf("the file itself: %+v, %v", res, err)
	}
}

// TestForm: line ends of two bytes and a byte-order mark stay, and what is written compiles and is final.
func TestForm(t *testing.T) {
	text := "\xef\xbb\xbf" + strings.ReplaceAll(strings.Replace(ping, "c.Connect()", "c.Connect() // wait\n\tconst s = `a\nb`\n\tc.Publish(s, s, 0)", 1), "\n", "\r\n")
	dir := newModule(t, map[string]string{"main.go": text})
	c := Config{Dir: dir, Mode: Fix}
	res, err := Run(t.Context(), c)
	if err != nil || !res.Written {
		t.Fatal(err, res)
	}
	got, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(got, []byte("\xef\xbb\xbfpackage main\r\n")) || bytes.Count(got, []byte("\n")) != bytes.Count(got, []byte("\r\n")) || bytes.Contains(got, []byte("\r\r")) {
		t.Errorf("got %q", got)
	}
	if !bytes.Contains(got, []byte("\tc.StartAndWait(ctx) // wait\r\n\tconst s = `a\r\nb`\r\n")) {
		t.Errorf("got %s", got)
	}
	if again, err := Run(t.Context(), c); err != nil || len(again.Files) != 0 {
		t.Errorf("the second run: %v\n%s", err, again.Diff())
	}
}

// TestLookForImports: where only imports change, a package that has none of them is not loaded, whatever it depends on.
func TestLookForImports(t *testing.T) {
	client := "package lib\n\nimport mqtt \"" + paths.Paho + "\"\n\n// New makes a client.\nfunc New() mqtt.Client { return mqtt.NewClient(mqtt.NewClientOptions()) }\n"
	dir := newModule(t, map[string]string{
		"lib/lib.go":   client,
		"user/main.go": "package main\n\nimport \"golden/lib\"\n\nfunc main() { lib.New().Connect() }\n",
	})
	for _, tt := range []struct {
		to   Target
		want []string
	}{{ToDropIn, []string{"golden/lib"}}, {ToV2, []string{"golden/lib", "golden/user"}}} {
		c := Config{Dir: dir, Patterns: []string{"./..."}, From: []API{FromPaho}, To: tt.to}
		rs, err := c.ruleset()
		if err != nil {
			t.Fatal(err)
		}
		v, err := look(t.Context(), c, rs, os.Environ())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.load, tt.want) {
			t.Errorf("-to %v: to load %v, want %v", tt.to, v.load, tt.want)
		}
	}
}

// TestProbeNeedsUpdates: a go.mod that replaces our module and that go mod tidy has rid of what only the new imports need.
// What is in the module is planned all the same, and the note says what brings the rest.
func TestProbeNeedsUpdates(t *testing.T) {
	dir := newModule(t, map[string]string{"main.go": "package main\n\nimport mqtt \"github.com/eclipse/paho.mqtt.golang\"\n\nfunc main() { mqtt.NewClient(mqtt.NewClientOptions()).Connect() }\n"})
	name := filepath.Join(dir, "go.mod")
	mod, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(mod)) {
		if !strings.Contains(line, "github.com/coder/websocket ") {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(name, []byte(strings.Join(kept, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		to    Target
		files int
		note  string
	}{
		{ToDropIn, 1, "go mod tidy, when the files are written"},
		{ToV2, 0, "as _ in a file of the module, go mod tidy, then run this again"},
	} {
		res, err := Run(t.Context(), Config{Dir: dir, Patterns: []string{"./..."}, From: []API{FromPaho}, To: tt.to})
		if err != nil {
			t.Errorf("to %v: %v", tt.to, err)
		} else if len(res.Files) != tt.files || !slices.ContainsFunc(res.Notes, func(n string) bool {
			return strings.Contains(n, "go.mod replaces "+paths.Module) && strings.HasSuffix(n, tt.note)
		}) {
			t.Errorf("to %v: %d files, notes %q", tt.to, len(res.Files), res.Notes)
		}
	}
}

func TestReplaces(t *testing.T) {
	for mod, want := range map[string]bool{
		"module m\n\nreplace a.b/c => ../c\n":               true,
		"module m\n\nreplace a.b/c v1.0.0 => ../c\n":        true,
		"module m\n\nreplace (\n\ta.b/c => ../c\n)\n":       true,
		"module m\n\nreplace a.b/d => a.b/c v1.0.0\n":       false,
		"module m\n\nrequire a.b/c v1.0.0 // not => x\n":    false,
		"module m\n\n// replace a.b/c => ../c\nreplace x\n": false,
	} {
		if got := replaces(mod, "a.b/c"); got != want {
			t.Errorf("%v for %q", got, mod)
		}
	}
}
