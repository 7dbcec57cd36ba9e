package migrate

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/v1client"
	"golang.org/x/tools/go/packages"
)

// helpersOfOutput are packages that rewritten files may import and the originals may not: they are loaded along, so
// that the type-check of the result finds them as the same objects. A package made up in the overlay imports them;
// as packages of their own they would be loaded from source, with everything that imports them.
var helpersOfOutput = []string{"context", "net", "time", paths.V2, paths.V2Auth}

// probeDir is the directory of the made-up package. It never exists on disk.
const probeDir = "iotmigrate_probe_of_imports"

// loadMode takes dependencies from the compiler's export data, which the go command has in its cache.
const loadMode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo |
	packages.NeedModule | packages.NeedForTest

// crossMode takes dependencies from source: for another system they would all have to be compiled first.
const crossMode = loadMode | packages.NeedDeps

// set is the packages as one operating system and the tags see them.
type set struct {
	goos  string
	fset  *token.FileSet
	pkgs  []*packages.Package          // to analyze: test variants instead of what they contain
	extra map[string]*packages.Package // helpersOfOutput by path
}

// LoadError reports packages that do not load or type-check before anything is changed.
type LoadError struct {
	GOOS   string
	Errors []packages.Error
}

// Error lists the first ten errors.
func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the packages do not compile for GOOS=%s as they are:", e.GOOS)
	for i, x := range e.Errors {
		if i == 10 {
			fmt.Fprintf(&b, "\n\t... and %d more", len(e.Errors)-i)
			break
		}
		fmt.Fprintf(&b, "\n\t%s", x)
	}
	return b.String()
}

func load(ctx context.Context, c Config, goos string) (*set, error) {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	mode := packages.LoadMode(loadMode)
	if goos != runtime.GOOS {
		mode = crossMode
		env = append(slices.Clone(env), "GOOS="+goos, "CGO_ENABLED=0")
	}
	s := &set{goos: goos, fset: token.NewFileSet(), extra: map[string]*packages.Package{}}
	pc := &packages.Config{Context: ctx, Mode: mode, Dir: c.Dir, Env: env, Fset: s.fset, Tests: true}
	probe, err := filepath.Abs(filepath.Join(c.Dir, probeDir))
	if err != nil {
		return nil, err
	}
	pc.Overlay = maps.Clone(c.Overlay)
	if pc.Overlay == nil {
		pc.Overlay = map[string][]byte{}
	}
	pc.Overlay[filepath.Join(probe, "probe.go")] = []byte("package probe\n\nimport (\n\t_ \"" + strings.Join(helpersOfOutput, "\"\n\t_ \"") + "\"\n)\n")
	if len(c.Tags) > 0 {
		pc.BuildFlags = []string{"-tags=" + strings.Join(c.Tags, ",")}
	}
	all, err := packages.Load(pc, append(slices.Clone(c.Patterns), "./"+probeDir)...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	variant := map[string]bool{}
	for _, p := range all {
		if p.ForTest != "" && p.ForTest == p.PkgPath {
			variant[p.PkgPath] = true
		}
	}
	var bad []packages.Error
	var why []packages.Error // what the go command says about the made-up package: that there is no module, for one
	named := 0
	for _, p := range all {
		if filepath.Base(p.PkgPath) == probeDir {
			s.extra, why = p.Imports, p.Errors
			continue
		}
		if strings.HasSuffix(p.ID, ".test") {
			continue // the generated test main
		}
		bad = append(bad, p.Errors...)
		named++
		if p.ID == p.PkgPath && variant[p.PkgPath] {
			continue // contained in its test variant
		}
		s.pkgs = append(s.pkgs, p)
	}
	if len(bad) > 0 {
		return nil, &LoadError{goos, bad}
	}
	if named == 0 && len(why) > 0 {
		return nil, fmt.Errorf("no packages match %s: %s", strings.Join(c.Patterns, " "), why[0].Msg)
	}
	if named == 0 {
		return nil, fmt.Errorf("no packages match %s; is the directory inside a Go module?", strings.Join(c.Patterns, " "))
	}
	return s, nil
}

// input prepares one package for the analysis.
func (s *set) input(p *packages.Package) v1client.Input {
	in := v1client.Input{Package: flow.Package{Fset: s.fset, Files: p.Syntax, Types: p.Types, Info: p.TypesInfo}}
	in.Untouchable = func(name string) string { return untouchable(p, name) }
	for _, q := range s.pkgs {
		if q != p && related(p, q) {
			in.ForeignErrors = append(in.ForeignErrors,
				v1client.ErrorChecks(&flow.Package{Fset: s.fset, Files: q.Syntax, Types: q.Types, Info: q.TypesInfo})...)
		}
	}
	return in
}

// related reports whether an error can flow between two packages: one imports the other, directly or not.
func related(p, q *packages.Package) bool {
	return imports(p, q.PkgPath, map[*packages.Package]bool{}) || imports(q, p.PkgPath, map[*packages.Package]bool{})
}

func imports(p *packages.Package, path string, seen map[*packages.Package]bool) bool {
	if seen[p] {
		return false
	}
	seen[p] = true
	for _, i := range p.Imports {
		if i.PkgPath == path || imports(i, path, seen) {
			return true
		}
	}
	return false
}

// untouchable tells why a file of p must not be edited, "" when it may be.
func untouchable(p *packages.Package, name string) string {
	if !slices.Contains(p.GoFiles, name) {
		return "is made by cgo or by the go command"
	}
	if p.Module != nil && !p.Module.Main {
		return "belongs to module " + p.Module.Path
	}
	if strings.Contains(filepath.ToSlash(name), "/vendor/") {
		return "is vendored"
	}
	for _, f := range p.Syntax {
		if p.Fset.File(f.FileStart).Name() != name {
			continue
		}
		if ast.IsGenerated(f) {
			return "is generated; change what generates it"
		}
		for _, s := range f.Imports {
			if s.Path.Value == `"C"` {
				return "uses cgo"
			}
		}
	}
	return ""
}

var errOverlayFix = errors.New("an overlay cannot be written: use Check and take the files from the result")
