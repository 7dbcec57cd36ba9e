package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is this repository's module path.
const module = "github.com/portage-iot/awsiot"

// root is the repository's root as seen from this package's directory, where go test runs.
var root = sync.OnceValue(func() string {
	abs, err := filepath.Abs("../..")
	if err != nil {
		return "../.."
	}
	return abs
})

// goFile is one parsed Go file of the tree.
type goFile struct {
	name   string // path from the root, with slashes
	dir    string // its directory, "." for the root
	lines  int
	src    []byte
	ast    *ast.File
	isTest bool
}

// external reports whether f belongs to an external test package (package x_test).
func (f *goFile) external() bool { return f.isTest && strings.HasSuffix(f.ast.Name.Name, "_test") }

// imports lists the import paths of f.
func (f *goFile) imports() []string {
	var list []string
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			list = append(list, p)
		}
	}
	return list
}

var fset = token.NewFileSet()

// tree parses every Go file of the repository but testdata. Files are parsed, not taken from `go list`, for two reasons:
// a rule must hold for the files of every system and build tag, and go test's cache notices the files that a test opens
// but not those that a command run by it reads, so a cached result would hide a new fault.
var tree = sync.OnceValues(func() ([]*goFile, error) {
	var files []*goFile
	err := filepath.WalkDir(root(), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base == "testdata" || base == "vendor" || (base != "." && strings.HasPrefix(base, ".") && name != root()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root(), name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		files = append(files, &goFile{
			name: rel, dir: path.Dir(rel), src: src, ast: parsed,
			lines:  bytes.Count(src, []byte("\n")),
			isTest: strings.HasSuffix(base, "_test.go"),
		})
		return nil
	})
	return files, err
})

// files returns the parsed tree or ends the test.
func files(t *testing.T) []*goFile {
	t.Helper()
	list, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Fatalf("only %d Go files found under %s: is this the repository?", len(list), root())
	}
	return list
}

// packageDirs returns the directories that hold non-test Go files of this module, sorted; bench is another module.
func packageDirs(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range files(t) {
		if !f.isTest && !inBench(f.dir) {
			seen[f.dir] = true
		}
	}
	dirs := make([]string, 0, len(seen))
	for dir := range seen {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// inBench reports whether dir belongs to the bench module.
func inBench(dir string) bool { return dir == "bench" || strings.HasPrefix(dir, "bench/") }

// position renders where node stands, from the root.
func position(f *goFile, node ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, fset.Position(node.Pos()).Line)
}

// goCommand runs the go command in dir and returns what it printed. Nothing needs the network once the module cache has
// what this repository's go.mod names (GOPROXY=off works); on a fresh machine the go command may still fetch that.
func goCommand(dir string, env []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("go %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}
