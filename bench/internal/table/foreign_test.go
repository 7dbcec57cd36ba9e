package table

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

func TestParseBenchmark(t *testing.T) {
	const head = "goos: linux\nBenchmarkMatch/exact/100         \t"
	for _, c := range []struct {
		name, out string
		want      measure.Result
		text      string
	}{
		{"one", head + " 6200000\t 20.0 ns/op\t 8 B/op\t 1 allocs/op\nPASS\n",
			measure.Result{Count: 6200000, P50: 0.02, CPU: 0.02, Rate: 5e7, Bytes: 8, Allocs: 1}, ""},
		{"none", "PASS\n", measure.Result{}, "no benchmark"},
		{"the fastest of three", head + "5 30 ns/op\n" + head + "7 20 ns/op\n" + head + "6 25 ns/op\n",
			measure.Result{Count: 7, P50: 0.02, CPU: 0.02, Rate: 5e7}, ""},
		{"another", head + "1 2 ns/op\nBenchmarkMatch/exact/1 1 2 ns/op\n", measure.Result{}, "more than one"},
		{"no number", head + "x 2 ns/op\n", measure.Result{}, "invalid syntax"},
		{"no time", head + "1 2 MB/s\n", measure.Result{}, "no benchmark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseBenchmark([]byte(c.out), measure.Spec{})
			if c.text == "" && (err != nil || r != c.want) {
				t.Errorf("%+v, %v", r, err)
			}
			if c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("error %v, want one with %q", err, c.text)
			}
		})
	}
}

func TestFindCRT(t *testing.T) {
	dir, how, err := FindCRT(t.Context())
	if err != nil || (dir == "") == (how == "") {
		t.Fatalf("%q, %q, %v: want the folder or how to get it", dir, how, err)
	}
	if how != "" && !strings.Contains(how, "npm ci") {
		t.Errorf("%q does not say how to get it", how)
	}
	root, err := moduleDir(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"crt.js", "lib.js", "package.json", "package-lock.json"} {
		if _, err := os.Stat(filepath.Join(root, "node", f)); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("PATH", filepath.Dir(goCommand(t)))
	if _, how, err = FindCRT(t.Context()); err != nil || !strings.Contains(how, "no Node.js") {
		t.Errorf("without Node.js: %q, %v", how, err)
	}
}

// goCommand makes a folder with nothing but the go command.
func goCommand(t *testing.T) string {
	t.Helper()
	root, err := moduleDir(t.Context(), module)
	if err != nil {
		t.Fatal(root, err)
	}
	for dir := range strings.SplitSeq(os.Getenv("PATH"), string(os.PathListSeparator)) {
		for _, name := range []string{"go", "go.exe"} {
			at := filepath.Join(dir, name)
			if st, err := os.Stat(at); err == nil && !st.IsDir() {
				to := filepath.Join(t.TempDir(), name)
				if err := os.Symlink(at, to); err != nil {
					return at // no links here: Node.js may be beside it
				}
				return to
			}
		}
	}
	t.Fatal("no go command")
	return ""
}

func TestWithout(t *testing.T) {
	rows := Rows(Core)
	has := func(rows []Row) bool {
		return slices.ContainsFunc(rows, func(r Row) bool {
			return slices.Contains(r.vs(Core), CRT) || slices.ContainsFunc(r.Floors, func(f Floor) bool { return f.Than == CRT })
		})
	}
	if !has(rows) || has(Without(rows, CRT)) {
		t.Fatalf("%s: %v before, %v after", CRT, has(rows), has(Without(rows, CRT)))
	}
	if !has(rows) {
		t.Error("the rows it was given have changed")
	}
	if has(Rows(Gate)) {
		t.Errorf("the gate needs %s", CRT)
	}
}

func TestFloorsInWords(t *testing.T) {
	for _, c := range []struct {
		f        Floor
		v        float64
		text, is string
		distance string
	}{
		{floor(Core, Rate, theLimit, 0.6).aim(0.9), 0.81, "≥ 60 % raw limit", "81 %", "10 % short of it"},
		{floor(Core, Engine, CRT, 0.125), 0.05, "CPU per publish ≤ 1/8 the event-loop thread of aws-crt (npm)", "1/20", "-"},
		{floor(Core, RSS, "", 20).aim(13), 19.5, "RSS ≤ 20 KiB per client", "19.5 KiB", "50 % above it"},
		{floor(Core, Heap, "", 8).aim(4), 3, "Go heap ≤ 8 KiB per client", "3 KiB", "reached"},
		{floor(Core, Heap, pahoGo, 1), 0.5, "Go heap ≤ 1x paho.golang", "0.5x", "-"},
		{floor(Core, Goroutines, "", 2), 2, "≤ 2 goroutines per client", "2 goroutines", "-"},
		{floor(Core, P50, oneFilter, 1.3), 1.1, "time ≤ 1.3x over one filter", "1.1x", "-"},
		{floor(Core, Ceiling, "", 105), 100, "≤ 105/s", "100/s", "-"},
		{reported(Rate, byFunc), 0.5, "rate vs PublishFunc (reported)", "0.5x", "-"},
		{reported(Goroutines, ""), 2, "goroutines per client (reported)", "2 goroutines", "-"},
		{floor(Core, Mean, pahoGo, 0.7), 0.5, "mean time ≤ 0.7x paho.golang", "0.5x", "-"},
		{floor(Gate, CPU, pahoGo, 1.0/60), 0.05, "CPU per message ≤ 1/60 paho.golang", "1/20", "-"},
		{reported(RSS, ""), 30, "RSS per client (reported)", "30 KiB", "-"},
	} {
		if got := c.f.String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
		if got := c.f.format(c.v); got != c.is {
			t.Errorf("%s: is %q, want %q", c.text, got, c.is)
		}
		if got := c.f.distance(c.v); got != c.distance {
			t.Errorf("%s: distance %q, want %q", c.text, got, c.distance)
		}
	}
}

// TestSlack: a count or a quota is kept or it is not.
func TestSlack(t *testing.T) {
	r := Row{V2: Cell{"v2", idle(10)}}
	d := &Data{results: map[Cell][]measure.Result{r.V2: {{Gos: 3, Heap: 12, Rate: 120}}}}
	for _, c := range []struct {
		f    Floor
		want bool
	}{
		{floor(Core, Goroutines, "", 2), false}, {floor(Core, Goroutines, "", 3), true}, {floor(Core, Ceiling, "", 105), false},
		{floor(Core, Heap, "", 8), true}, {floor(Core, Heap, "", 5), false}, {floor(Core, Rate, "", 200), true}, {floor(Core, Rate, "", 300), false},
		{reported(Heap, ""), true},
	} {
		if met, known := d.Met(r, Core, c.f, 0.5); met != c.want || !known {
			t.Errorf("%s with slack: %v, %v; want %v", c.f, met, known, c.want)
		}
	}
}
