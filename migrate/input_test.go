package migrate

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/portage-iot/awsiot/internal/testsize"
)

// badInput is code in a state that a tool meets and should not stumble over.
type badInput struct {
	name     string
	files    map[string]string                // in a module of ours, unless there is a go.mod among them
	prepare  func(t *testing.T, dir string)   // more than files
	env      []string                         // for the go command
	goos     string                           // "": the system of the run
	patterns []string                         // none: "./..."
	err      string                           // Run fails, with this
	problem  string                           // a package cannot be analyzed, with this
	reason   string                           // a unit stays as it is, with this
	written  map[string]func(b []byte) string // files that are rewritten, with what is wrong with the new content
}

// rewritten accepts a file that v2's client is in, and v1's is not.
func rewritten(b []byte) string {
	if !bytes.Contains(b, []byte("awsiot.NewClient(")) || bytes.Contains(b, []byte("v1compat")) {
		return "not rewritten"
	}
	return ""
}

var badInputs = []badInput{
	{name: "does not type-check", files: map[string]string{"main.go": strings.Replace(ping, "c.Connect()", "c.Connect(missing)", 1), "ok/main.go": ping},
		problem: "main.go:8:12: undefined: missing"},
	{name: "does not parse", files: map[string]string{"main.go": ping + "func {", "ok/main.go": ping},
		problem: "main.go:10:6: expected 'IDENT', found '{'"},
	{name: "two packages in a directory", files: map[string]string{"main.go": ping, "other.go": "package other\n"},
		err: "found packages main (main.go) and other (other.go)"},
	{name: "an import cycle", files: map[string]string{"a/a.go": "package a\n\nimport (\n\t_ \"golden/b\"\n\t_ \"github.com/portage-iot/awsiot/v1compat\"\n)\n", "b/b.go": "package b\n\nimport _ \"golden/a\"\n"},
		err: "import cycle not allowed"},
	{name: "a missing module", files: map[string]string{"main.go": strings.Replace(ping, "import \"", "import _ \"nowhere.example.com/x\"\n\nimport \"", 1), "ok/main.go": ping},
		problem: "no required module provides package nowhere.example.com/x"},
	{name: "GOPATH leftovers: no go.mod", files: map[string]string{"src/app/main.go": ping},
		prepare: func(t *testing.T, dir string) { remove(t, dir, "go.mod", "go.sum") }, err: "no go.mod in "},
	{name: "GOPATH leftovers: a relative import", files: map[string]string{"main.go": strings.Replace(ping, "import \"", "import _ \"./sub\"\n\nimport \"", 1), "sub/sub.go": "package sub\n"},
		err: "relative import"},
	{name: "GOPATH mode", files: map[string]string{"main.go": ping}, env: []string{"GO111MODULE=off"}, err: "cannot find package"},
	{name: "cgo, switched off", files: map[string]string{"main.go": strings.Replace(ping, "import", "import \"C\"\n\nimport", 1)}, env: []string{"CGO_ENABLED=0"},
		reason: "main.go:5:8: the file uses cgo, which is switched off"},
	{name: "cgo beside", files: map[string]string{"main.go": strings.Replace(ping, "c.Connect()", "with(c)", 1),
		"cgo.go": "package main\n\nimport \"C\"\n\nimport \"github.com/portage-iot/awsiot/v1compat\"\n\nfunc with(c *v1compat.AWSIoTMQTTClient) { c.Connect() }\n"}, env: []string{"CGO_ENABLED=1"},
		reason: "cgo.go:1:1: the file uses cgo"},
	{name: "a huge file", files: map[string]string{"main.go": ping + strings.Repeat("\nfunc _() int {\n\treturn 1 + 2 + 3\n}\n", 12_500)}, written: map[string]func([]byte) string{"main.go": rewritten}},
	{name: "a read-only file", files: map[string]string{"main.go": ping, "ok/main.go": ping},
		prepare: func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, "main.go"), 0o444); err != nil {
				t.Fatal(err)
			}
		}, err: "main.go: permission denied; nothing was written"},
	{name: "a symbolic link", files: map[string]string{"real/real.txt": ping, "link/keep.go": "package main\n"},
		prepare: func(t *testing.T, dir string) {
			if err := os.Symlink("../real/real.txt", filepath.Join(dir, "link", "main.go")); err != nil {
				t.Fatal(err)
			}
		}, written: map[string]func([]byte) string{"link/main.go": rewritten, "real/real.txt": rewritten}},
	{name: "a link that leads nowhere", files: map[string]string{"main.go": ping},
		prepare: func(t *testing.T, dir string) {
			if err := os.Symlink("nowhere.go", filepath.Join(dir, "dead.go")); err != nil {
				t.Fatal(err)
			}
		}, err: "dead.go: no such file or directory"},
	{name: "CRLF", files: map[string]string{"main.go": strings.ReplaceAll(ping, "\n", "\r\n")}, written: map[string]func([]byte) string{"main.go": func(b []byte) string {
		if bytes.Count(b, []byte("\n")) != bytes.Count(b, []byte("\r\n")) {
			return "line ends are mixed"
		}
		return rewritten(b)
	}}},
	{name: "a byte-order mark", files: map[string]string{"main.go": "\ufeff" + ping}, written: map[string]func([]byte) string{"main.go": func(b []byte) string {
		if !bytes.HasPrefix(b, []byte("\ufeffpackage")) {
			return "the mark is gone"
		}
		return rewritten(b)
	}}},
	{name: "Latin-1", files: map[string]string{"main.go": strings.Replace(ping, "\"ping\"", "\"p\xefng\"", 1), "ok/main.go": ping},
		problem: "illegal UTF-8 encoding"},
	{name: "UTF-16", files: map[string]string{"main.go": utf16le(ping), "ok/main.go": ping}, problem: "main.go"},
	{name: "go.work", files: map[string]string{
		"app/main.go":    strings.NewReplacer("c.Connect()", "c.Connect()\n\tlib.Up()", "import \"", "import \"example.com/lib\"\n\nimport \"").Replace(ping),
		"lib/lib.go":     strings.NewReplacer("package main", "package lib", "main()", "Up()").Replace(ping),
		"lib/go.mod":     "module example.com/lib\n\ngo 1.26\n",
		"other/other.go": strings.NewReplacer("package main", "package other", "main()", "Up()").Replace(ping),
		"other/go.mod":   "module example.com/other\n\ngo 1.26\n",
		"go.work":        "go 1.26.0\n\nuse (\n\t.\n\t./lib\n)\n",
	}, written: map[string]func([]byte) string{"app/main.go": rewritten, "lib/lib.go": rewritten}, patterns: []string{"./...", "./lib/..."}},
	{name: "vendored", files: map[string]string{"app/main.go": ping}, prepare: vendor, goos: vendorSystem(), written: map[string]func([]byte) string{"app/main.go": rewritten}},
}

// vendor makes the vendor tree.
func vendor(t *testing.T, dir string) {
	cmd := exec.CommandContext(t.Context(), "go", "mod", "vendor")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// vendorSystem is where the vendored packages are for: in a directory of their own the go command compiles all of them, which
// takes half a minute. For another system they are read from source; only where testsize.Large is set are they compiled.
func vendorSystem() string {
	if testsize.Large {
		return runtime.GOOS
	}
	return map[bool]string{true: "darwin", false: "linux"}[runtime.GOOS == "linux"]
}

// utf16le is text as some editors of Windows save it.
func utf16le(s string) string {
	b := []byte("\xff\xfe")
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return string(b)
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadInput: whatever the input, there is a clear message, and what is not whole is not written.
func TestBadInput(t *testing.T) {
	for _, tt := range badInputs {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newModule(t, maps.Clone(tt.files))
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			before := treeOf(t, dir)
			patterns := tt.patterns
			if patterns == nil {
				patterns = []string{"./..."}
			}
			conf := Config{Dir: dir, Patterns: patterns, Mode: Fix, Force: true, Env: append(os.Environ(), tt.env...)}
			if tt.goos != "" {
				conf.GOOS = []string{tt.goos}
			}
			res, err := Run(t.Context(), conf)
			switch {
			case (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err):
				t.Errorf("error %v, want %q", err, tt.err)
			case err != nil && strings.Count(err.Error(), "write ") > 1:
				t.Errorf("error %v says what failed twice", err)
			case err == nil:
				var b strings.Builder
				if err := res.WriteText(&b); err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{tt.problem, tt.reason} {
					if !strings.Contains(b.String(), want) {
						t.Errorf("no %q in\n%s", want, b.String())
					}
				}
				if (len(res.Problems) > 0) != (tt.problem != "") || res.Written != (len(tt.written) > 0) {
					t.Errorf("problems %v, written %t\n%s", res.Problems, res.Written, b.String())
				}
			}
			after := treeOf(t, dir)
			for name, check := range tt.written {
				if wrong := check([]byte(after[name])); wrong != "" {
					t.Errorf("%s: %s:\n%.500s", name, wrong, after[name])
				}
				delete(before, name)
				delete(after, name)
			}
			if !maps.Equal(before, after) {
				t.Errorf("files before %v, after %v, or their content has changed", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
			}
		})
	}
}

// treeOf is the content of every file below dir, a link as what it leads to.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			b = []byte(err.Error())
		}
		out[relative(dir, name)] = string(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
