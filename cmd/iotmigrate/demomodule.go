package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/iotlocal"
)

// modulePath is the path of this program's module, from a package of it that is linked in: the module's path stands as
// a string in one place of the repository only.
func modulePath() string { return path.Dir(reflect.TypeFor[iotlocal.Server]().PkgPath()) }

// errNoSource says what to do when the sources of this program are nowhere to be found.
var errNoSource = errors.New("the sources of this program are needed and not found: run the demo in a checkout of its repository, or in a module that requires it")

// sourceDir is the root of the module that holds the examples: where this program was built from, if that is still
// there; else what the go command knows by the module in whose directory it is called; else the release this program is
// of, in the module cache.
func sourceDir(ctx context.Context) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // with -trimpath it is not
		if dir := filepath.Join(filepath.Dir(file), "..", ".."); isSource(dir) {
			return dir, nil
		}
	}
	if out, err := replay.Go(ctx, "", nil, "list", "-m", "-f", "{{.Dir}}", modulePath()); err == nil {
		if dir := strings.TrimSpace(out); isSource(dir) {
			return dir, nil
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == modulePath() && strings.HasPrefix(info.Main.Version, "v") {
		var m struct{ Dir string }
		out, err := replay.Go(ctx, "", nil, "mod", "download", "-json", info.Main.Path+"@"+info.Main.Version)
		if err == nil && json.Unmarshal([]byte(out), &m) == nil && isSource(m.Dir) {
			return m.Dir, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	return "", errNoSource
}

// isSource reports whether dir is the root of this module, with the example.
func isSource(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || dir == "" {
		return false
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	_, err = os.Stat(filepath.Join(dir, filepath.FromSlash(demoExample), "main.go"))
	return err == nil && strings.TrimSpace(first) == "module "+modulePath()
}

// demoModule is a module in a directory of its own with two copies of the example: before, and after, to be rewritten.
type demoModule struct {
	dir string
	env []string
}

// newDemoModule writes the module into dir.
func newDemoModule(dir, source string, env []string) (*demoModule, error) {
	files := map[string][]byte{}
	example := filepath.Join(source, filepath.FromSlash(demoExample))
	entries, err := os.ReadDir(example)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(filepath.Join(example, e.Name()))
		if err != nil {
			return nil, err
		}
		files["before/"+e.Name()], files["after/"+e.Name()] = src, src
	}
	return newModule(dir, source, env, files)
}

// newModule writes files as a module into dir. It requires this one as its users do, by a replace directive that leads
// to source, and takes over its requirements and sums, so that the go command has nothing to look up.
func newModule(dir, source string, env []string, files map[string][]byte) (*demoModule, error) {
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(source, "go.sum"))
	if err != nil {
		return nil, err
	}
	// A path below examples/, for the sake of what the examples share: examples/internal is open to these paths only.
	name := modulePath() + "/examples/demo"
	text := strings.Replace(string(mod), "module "+modulePath(), "module "+name, 1)
	text += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", modulePath(), filepath.ToSlash(source))
	files["go.mod"], files["go.sum"] = []byte(text), sum
	for name, data := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(full, data, 0o600); err != nil {
			return nil, err
		}
	}
	return &demoModule{dir: dir, env: env}, nil
}

// environ is the environment of the go command in the module. Interrupted, it leaves its own temporary files behind: in
// the module's directory they go with the rest.
func (m *demoModule) environ() []string {
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -mod=mod")
	return append(append(os.Environ(), "GOWORK=off", "GOFLAGS="+flags, "GOTMPDIR="+m.dir), m.env...)
}

// build builds one of the programs and returns the path of the executable.
func (m *demoModule) build(ctx context.Context, which string) (string, error) {
	out := filepath.Join(m.dir, "bin-"+which)
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	_, err := replay.Go(ctx, m.dir, m.environ(), "build", "-buildvcs=false", "-o", out, "./"+which)
	return out, err
}

// errNothingToMutate is what mutate says of a program without a payload that it knows.
var errNothingToMutate = errors.New("no payload to change: no string literal that is a JSON object")

// mutate changes one byte of the first string literal that looks like a JSON object: a payload of the example.
func mutate(source []byte) ([]byte, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "main.go", source, 0)
	if err != nil {
		return nil, err
	}
	at := -1
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if ok && at < 0 && lit.Kind == token.STRING && strings.HasPrefix(strings.Trim(lit.Value, "`\""), "{") {
			if o := strings.Index(lit.Value, "Hello"); o >= 0 {
				at = set.Position(lit.Pos()).Offset + o
			}
		}
		return true
	})
	if at < 0 {
		return nil, errNothingToMutate
	}
	changed := bytes.Clone(source)
	changed[at] = 'h'
	return changed, nil
}
