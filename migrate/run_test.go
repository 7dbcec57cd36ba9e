package migrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ping = `package main

import "github.com/portage-iot/awsiot/v1compat"

func main() {
	c := v1compat.NewAWSIoTMQTTClient("ping")
	c.ConfigureEndpoint("localhost", 8883)
	c.Connect()
}
`

// TestOrder permutes the Configure* calls: every order is rewritten, and the assignments stand in that order.
func TestOrder(t *testing.T) {
	calls := [][2]string{
		{`c.ConfigureEndpoint("h", 1)`, `opts.Endpoint, opts.Port =`},
		{`c.ConfigureCredentials("a", "b", "c")`, `opts.CAFile, opts.Auth =`},
		{`c.ConfigureMQTTOperationTimeout(x)`, `opts.AckTimeout =`},
		{`c.ConfigureOfflinePublishQueueing(3)`, `opts.OfflineQueue.MaxOperations =`},
		{`c.OnOnline = func() { c.Publish("t", nil, 0) }`, `opts.OnConnectionSuccess =`},
		{`c.DisableMetricsCollection()`, `opts.DisableMetrics =`},
		{`if x > 1 { c.ClearLastWill() }`, `opts.Will =`},
		{`help(c)`, `help(&opts)`},
		{`x++`, `x++`},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	files := map[string]string{}
	var orders [][]int
	for i := range 16 {
		order := rnd.Perm(len(calls))
		orders = append(orders, order)
		var b strings.Builder
		b.WriteString("package main\n\nimport \"github.com/portage-iot/awsiot/v1compat\"\n\nfunc help(c *v1compat.AWSIoTMQTTClient) { c.ConfigureDrainingFrequency(1) }\n\nfunc main() {\n\tx := 1.0\n\tc := v1compat.NewAWSIoTMQTTClient(\"id\")\n")
		for _, n := range order {
			b.WriteString("\t" + calls[n][0] + "\n")
		}
		b.WriteString("\tc.Connect()\n}\n")
		files[fmt.Sprintf("p%d/main.go", i)] = b.String()
	}
	dir := newModule(t, files)
	res, err := Run(context.Background(), Config{Dir: dir, Patterns: []string{"./..."}})
	if err != nil {
		t.Fatal(err)
	}
	for i, order := range orders {
		f := res.Files[filepath.Join(res.Dir, fmt.Sprintf("p%d", i), "main.go")]
		text := string(f.New)
		at, last := strings.Index(text, "OptionsV1"), 0
		for _, n := range order {
			next := strings.Index(text[max(at, 0):], calls[n][1])
			if at < 0 || next < 0 {
				t.Errorf("order %v: %q is missing or out of order in\n%s", order, calls[n][1], text)
				break
			}
			at += next
			if !strings.HasPrefix(calls[n][1], "x") {
				last = at
			}
		}
		if last > strings.Index(text, "awsiot.NewClient(") {
			t.Errorf("order %v: the client is made too early:\n%s", order, text)
		}
	}
	if s := res.Stats(); s.Left != 0 || s.UnitsRewritten != len(orders) {
		t.Errorf("stats %+v", s)
	}
}

// TestBisect mixes a client whose rewrite does not compile with two that do: only that one is taken back, with the
// compiler's message.
func TestBisect(t *testing.T) {
	dir := newModule(t, map[string]string{"main.go": `package main

import "github.com/portage-iot/awsiot/v1compat"

type holder interface{ conn() *v1compat.AWSIoTMQTTClient }

type impl struct{ c *v1compat.AWSIoTMQTTClient }

func (i impl) conn() *v1compat.AWSIoTMQTTClient { return i.c }

var _ holder = impl{}

func main() {
	a := v1compat.NewAWSIoTMQTTClient("a")
	a.Connect()
	i := impl{v1compat.NewAWSIoTMQTTClient("i")}
	i.c.Connect()
	b := v1compat.NewAWSIoTMQTTClient("b")
	b.Connect()
}
`})
	res, err := Run(context.Background(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, u := range res.Units {
		got[u.Name] = u.Rewritten
		if u.Name == "c" && (len(u.Reasons) != 1 || u.Reasons[0].Anchor != "does-not-compile" || !strings.Contains(u.Reasons[0].Text, "wrong type for method conn")) {
			t.Errorf("reasons %+v", u.Reasons)
		}
	}
	if !got["a"] || !got["b"] || got["c"] || len(got) != 3 {
		t.Errorf("rewritten: %v", got)
	}
}

// TestSystems: a file that only Windows compiles uses a field. With its system named it is rewritten along; without,
// the unit is left. A file for another tag works the same, and `//go:build ignore` does not count.
func TestSystems(t *testing.T) {
	dir := newModule(t, map[string]string{
		"main.go": `package main

import "github.com/portage-iot/awsiot/v1compat"

type app struct{ conn *v1compat.AWSIoTMQTTClient }

func main() {
	a := app{conn: v1compat.NewAWSIoTMQTTClient("a")}
	a.conn.Connect()
	a.system()
}
`,
		"main_windows.go": `package main

func (a app) system() { a.conn.Publish("windows", nil, 0) }
`,
		"main_other.go": `//go:build !windows

package main

func (a app) system() { a.conn.Disconnect() }
`,
		"tool.go": `//go:build ignore

package main

var conn = 1
`,
	})
	ctx := context.Background()
	res, err := Run(ctx, Config{Dir: dir, GOOS: []string{"linux"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Units) != 1 || res.Units[0].Rewritten || len(res.Files) != 0 || res.Units[0].Reasons[0].Anchor != "build-constraints" ||
		filepath.Base(res.Units[0].Reasons[0].Pos.Filename) != "main_windows.go" {
		t.Fatalf("linux only: %+v, %d files", res.Units[0], len(res.Files))
	}
	res, err = Run(ctx, Config{Dir: dir, GOOS: []string{"linux", "windows"}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range res.Files {
		names = append(names, filepath.Base(n))
	}
	slices.Sort(names)
	if len(res.Units) != 1 || !res.Units[0].Rewritten || !slices.Equal(names, []string{"main.go", "main_other.go", "main_windows.go"}) {
		t.Errorf("linux and windows: %+v, files %v", res.Units[0], names)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	dir := newModule(t, map[string]string{"good/main.go": ping, "bad/main.go": "package main\n\nfunc main() { undefined() }\n"})
	_, err := Run(ctx, Config{Dir: dir, Patterns: []string{"./bad"}})
	if le, ok := errors.AsType[*LoadError](err); !ok || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("a package that does not compile: %v, %v", le, err)
	}
	if _, err := Run(ctx, Config{Dir: dir, Patterns: []string{"./none"}}); err == nil {
		t.Error("a pattern that matches nothing is accepted")
	}
	if _, err := Run(ctx, Config{Dir: filepath.Join(dir, "none")}); err == nil {
		t.Error("a directory that does not exist is accepted")
	}
	if _, err := Run(ctx, Config{Dir: dir, Mode: Fix, Overlay: map[string][]byte{"/x.go": nil}}); !errors.Is(err, errOverlayFix) {
		t.Errorf("overlay with Fix: %v", err)
	}
	name := filepath.Join(dir, "good", "main.go")
	over, err := Run(ctx, Config{Dir: dir, Patterns: []string{"./good"}, Overlay: map[string][]byte{name: []byte(strings.Replace(ping, "8883", "443", 1))}})
	if err != nil || !strings.Contains(over.Diff(), "+\topts.Endpoint, opts.Port = \"localhost\", 443\n") {
		t.Errorf("overlay: %v", err)
	}
	if b, _ := os.ReadFile(name); string(b) != ping {
		t.Error("Check wrote a file")
	}
}

func TestWorkTree(t *testing.T) {
	ctx := context.Background()
	dir := newModule(t, map[string]string{"main.go": ping})
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	c := Config{Dir: dir, Mode: Fix}
	if _, err := Run(ctx, c); err == nil || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("untracked files: %v", err)
	}
	git("add", ".")
	git("commit", "-q", "-m", "x")
	res, err := Run(ctx, c)
	if err != nil || !res.Written || len(res.Notes) != 0 {
		t.Fatalf("clean tree: %+v, %v", res, err)
	}
	if _, err := Run(ctx, c); err == nil {
		t.Error("the changed tree is accepted")
	} else if de, ok := errors.AsType[*DirtyError](err); !ok || !slices.Equal(de.Files, []string{"main.go"}) {
		t.Errorf("changed tree: %v", err)
	}
	c.Force = true
	if res, err := Run(ctx, c); err != nil || res.Written {
		t.Errorf("-force: %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.go"), filepath.Join(dir, "b.go")
	reset := func() {
		for _, n := range []string{a, b} {
			if err := os.WriteFile(n, []byte("old"), 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	files := map[string]File{a: {[]byte("old"), []byte("new a")}, b: {[]byte("old"), []byte("new b")}}
	reset()
	if err := write(files); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(b); string(got) != "new b" {
		t.Errorf("b.go is %q", got)
	}
	if st, _ := os.Stat(a); st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	reset()
	if err := os.WriteFile(b, []byte("edited meanwhile"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := write(files); err == nil || !strings.Contains(err.Error(), "changed during the run") {
		t.Errorf("a file that changed: %v", err)
	}
	if got, _ := os.ReadFile(a); string(got) != "old" {
		t.Errorf("a.go is %q: written although b.go could not be", got)
	}
	reset()
	if err := os.Chmod(b, 0o440); err != nil {
		t.Fatal(err)
	}
	if err := write(files); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a read-only file: %v", err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 2 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// TestTodo: comments stand above the lines that block, and a second run adds none.
func TestTodo(t *testing.T) {
	dir := newModule(t, map[string]string{"main.go": strings.Replace(ping, "c.Connect()", "f := c.Connect\n\tf()", 1)})
	c := Config{Dir: dir, Mode: Fix, Todo: true}
	res, err := Run(context.Background(), c)
	if err != nil || len(res.Files) != 1 {
		t.Fatal(err, res)
	}
	b, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	want := "\t// iotmigrate: the method value Connect is used without a call (MIGRATION.md#method-values)\n\tf := c.Connect\n"
	if !strings.Contains(string(b), want) {
		t.Errorf("got\n%s", b)
	}
	res, err = Run(context.Background(), c)
	if err != nil || len(res.Files) != 0 {
		t.Errorf("second run: %v\n%s", err, res.Diff())
	}
}
