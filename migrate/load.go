package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/packages"
)

// probeDir is the directory of a made-up package, which never exists on disk. It imports the packages that rewritten files
// may import and the originals may not: they are loaded along, so that the type-check of the result finds them as the same
// objects. As packages of their own they would be loaded from source, with everything that imports them.
const probeDir = "iotmigrate_probe_of_imports"

// loadMode takes dependencies from the compiler's export data, which the go command has in its cache.
const loadMode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo |
	packages.NeedModule | packages.NeedForTest

// crossMode takes dependencies from source: for another system they would all have to be compiled first.
const crossMode = loadMode | packages.NeedDeps

// set is the packages as one operating system and the tags see them.
type set struct {
	goos    string
	rules   *rules
	dir     string // directory of the run, absolute
	fset    *token.FileSet
	pkgs    []*packages.Package                    // to analyze: test variants instead of what they contain
	extra   map[string]*packages.Package           // rules.written by path
	foreign map[*packages.Package]*rewrite.Foreign // pkgs as those related to them see them
	view    *view                                  // what the first look has shown; nil with an overlay
	bad     []Problem                              // packages that do not type-check
	linked  map[string]bool                        // import paths of the packages whose change others are type-checked with; nil: none changes what it exports
	joint   map[string]bool                        // import paths of the packages that are rewritten together with their users
	whole   bool                                   // Config.Whole
	stand   map[string]*types.Package              // in place of those of extra that the module does not have yet
	bridges bool                                   // Config.Bridges
	idioms  bool                                   // Config.Idioms
}

// Problem is a package that cannot be analyzed as it is.
type Problem struct {
	Package string   `json:"package"`        // import path
	GOOS    string   `json:"goos,omitempty"` // where it does not compile, when that is not the system of the run
	Errors  []string `json:"errors"`         // what the go command and the compiler say, each once
}

// add adds an error once.
func (p *Problem) add(text string) {
	if !slices.Contains(p.Errors, text) {
		p.Errors = append(p.Errors, text)
	}
}

// LoadError reports that no package with v1-shaped code loads and type-checks.
type LoadError struct{ Problems []Problem }

// Error lists the first ten errors.
func (e *LoadError) Error() string { return problemsText(e.Problems) }

// environ is the environment of the go command for an operating system.
func (c Config) environ(goos string) []string {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	if goos != runtime.GOOS {
		env = append(slices.Clone(env), "GOOS="+goos, "CGO_ENABLED=0")
	}
	return env
}

// load returns the packages with v1-shaped code as an operating system sees them, and the packages that do not compile.
func load(ctx context.Context, c Config, goos string) (*set, error) {
	env := c.environ(goos)
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	rs, err := c.ruleset()
	if err != nil {
		return nil, err
	}
	if c.Whole {
		if c.Patterns, err = modulePatterns(ctx, c, env); err != nil {
			return nil, err
		}
	}
	s := &set{goos: goos, rules: rs, dir: dir, whole: c.Whole, bridges: c.Bridges, idioms: c.Idioms}
	s.unload()
	if len(c.Overlay) == 0 {
		c.stage("looking for packages that use " + s.rules.words.API + " (go list " + strings.Join(c.Patterns, " ") + ")")
		v, err := look(ctx, c, rs, env)
		if err != nil {
			return nil, err
		}
		s.view = v
		if len(v.load) == 0 {
			return s, nil
		}
		c.Patterns = v.load
		c.stage(fmt.Sprintf("packages that use %s: %d of %d; compiling what they import for GOOS=%s, which takes longest the first time",
			s.rules.words.API, len(v.load), v.total, goos))
	}
	all, err := s.loadListed(ctx, c, env)
	if all == nil && err == nil {
		s.unload()
		all, err = s.loadAll(ctx, c, env)
	}
	if err != nil {
		return nil, err
	}
	return s, s.sort(all, c)
}

// unload leaves nothing of what was loaded.
func (s *set) unload() {
	s.fset, s.extra, s.foreign = token.NewFileSet(), map[string]*packages.Package{}, map[*packages.Package]*rewrite.Foreign{}
}

// loadAll loads packages of any kind, with their errors.
func (s *set) loadAll(ctx context.Context, c Config, env []string) ([]*packages.Package, error) {
	mode := packages.LoadMode(loadMode)
	pc := &packages.Config{Context: ctx, Dir: c.Dir, Env: env, Fset: s.fset, Tests: true}
	if s.goos != runtime.GOOS {
		mode = crossMode
		pc.ParseFile = s.parse
	}
	pc.Mode = mode
	if len(c.Tags) > 0 {
		pc.BuildFlags = []string{"-tags=" + strings.Join(c.Tags, ",")}
	}
	name, probe, patterns := "probe", filepath.Join(s.dir, probeDir, "probe.go"), append(slices.Clone(c.Patterns), "./"+probeDir)
	if s.view != nil && s.view.files != "" { // files cannot be mixed with packages: the imports are another file of theirs
		beside := filepath.Join(filepath.Dir(c.Patterns[0]), probeDir+".go")
		name, probe, patterns = s.view.files, beside, append(slices.Clone(c.Patterns), beside)
		if !filepath.IsAbs(probe) {
			probe = filepath.Join(s.dir, probe)
		}
	}
	text := s.probe(name)
	with := *pc
	if len(c.Overlay) > 0 || s.view.files != "" {
		with.Overlay = maps.Clone(c.Overlay)
		if with.Overlay == nil {
			with.Overlay = map[string][]byte{}
		}
		with.Overlay[probe] = text
	} else {
		flag, remove, err := overlayFlag(probe, text)
		if err != nil {
			return nil, err
		}
		defer remove()
		with.BuildFlags = append(slices.Clone(pc.BuildFlags), flag)
	}
	all, err := packages.Load(&with, patterns...)
	if err == nil && len(all) == 0 {
		// go.mod would need updates for what the made-up package imports, and then the go command lists nothing at all. What
		// is in the module does load without: as where go.mod does not name our module yet.
		pc.Overlay = c.Overlay
		all, err = packages.Load(pc, c.Patterns...)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	return all, nil
}

// probe is the made-up file, of a package of that name.
func (s *set) probe(name string) []byte {
	return []byte("package " + name + "\n\nimport (\n\t_ \"" + strings.Join(s.rules.written(), "\"\n\t_ \"") + "\"\n)\n")
}

// overlayFlag makes a file exist for the go command. Given an overlay of its own, the loader takes no export data, since
// a file that it replaces may be in any package; this one is new and in a package by itself. The loader cannot read it,
// and need not: the go command says what it imports.
func overlayFlag(name string, text []byte) (flag string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "iotmigrate-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	file, list := filepath.Join(dir, "probe.go"), filepath.Join(dir, "overlay.json")
	data, err := json.Marshal(map[string]map[string]string{"Replace": {name: file}})
	if err == nil {
		err = errors.Join(os.WriteFile(file, text, 0o600), os.WriteFile(list, data, 0o600))
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return "-overlay=" + list, remove, nil
}

// parse reads a file. What dependencies declare is all that is wanted of them: without the bodies of their functions
// they take a fraction of the time and of the memory.
func (s *set) parse(fset *token.FileSet, name string, src []byte) (*ast.File, error) {
	if s.view == nil || s.view.dirs[filepath.Dir(name)] {
		return parser.ParseFile(fset, name, src, parser.AllErrors|parser.ParseComments)
	}
	f, err := parser.ParseFile(fset, name, src, parser.AllErrors|parser.SkipObjectResolution)
	if f != nil {
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok {
				fd.Body = nil
			}
		}
	}
	return f, err
}

// sort takes what was loaded apart: the packages to analyze, the helpers of the output, and what does not compile.
func (s *set) sort(all []*packages.Package, c Config) error {
	variant := map[string]bool{}
	for _, p := range all {
		if p.ForTest != "" && p.ForTest == p.PkgPath {
			variant[p.PkgPath] = true
		}
	}
	named := 0
	var why []string // what the go command says about the made-up package: that there is no module, for one
	for _, p := range all {
		if filepath.Base(p.PkgPath) == probeDir {
			s.extra = p.Imports
			for _, e := range p.Errors {
				why = append(why, s.errorText(e))
			}
			continue
		}
		if strings.HasSuffix(p.ID, ".test") {
			continue // the generated test main
		}
		named++
		if s.problem(p) {
			continue
		}
		if p.ID == p.PkgPath && variant[p.PkgPath] {
			continue // contained in its test variant
		}
		s.pkgs = append(s.pkgs, p)
		s.foreign[p] = &rewrite.Foreign{Package: flow.Package{Fset: s.fset, Files: p.Syntax, Types: p.Types, Info: p.TypesInfo}}
	}
	if c.Whole || len(s.rules.moves) > 0 {
		s.link(all)
	}
	s.standIn()
	if named == 0 {
		return fmt.Errorf("no packages match %s: %s", strings.Join(c.Patterns, " "), strings.Join(append(why, "is the directory inside a Go module?")[:1], ""))
	}
	return nil
}

// standIn makes a package in place of each that the rules write and that the module does not have yet, where its API is known
// from what it replaces.
func (s *set) standIn() {
	s.stand = map[string]*types.Package{}
	for _, m := range s.rules.moves {
		if x := s.extra[m.To]; x != nil && !missing(x) {
			continue
		}
		for _, p := range s.pkgs {
			if from := p.Imports[m.From]; from != nil && from.Types != nil {
				s.stand[m.To] = m.StandIn(from.Types)
				break
			}
		}
	}
}

// missing reports whether the go command does not find a package.
func missing(p *packages.Package) bool {
	return slices.ContainsFunc(p.Errors, func(e packages.Error) bool { return e.Kind == packages.ListError })
}

// toGet are the packages of ours that the rules write and that the go command does not find from here.
func (s *set) toGet() (out []string) {
	for _, path := range s.rules.written() {
		if x := s.extra[path]; strings.HasPrefix(path, paths.Module+"/") && (x == nil || missing(x)) {
			out = append(out, path)
		}
	}
	return out
}

// problem records what is wrong with a package, and reports whether something is.
func (s *set) problem(p *packages.Package) bool {
	if len(p.Errors) == 0 {
		return false
	}
	name := p.PkgPath
	if p.ForTest != "" {
		name = p.ForTest
	}
	i := slices.IndexFunc(s.bad, func(b Problem) bool { return b.Package == name })
	if s.view != nil {
		delete(s.view.known, p.Dir)
	}
	if i < 0 {
		i = len(s.bad)
		s.bad = append(s.bad, Problem{Package: name})
		if s.goos != runtime.GOOS {
			s.bad[i].GOOS = s.goos
		}
	}
	for _, e := range p.Errors {
		if text := s.errorText(e); !strings.HasPrefix(text, "# ") || len(p.Errors) == 1 { // the compiler's words, which follow one by one
			s.bad[i].add(text)
		}
	}
	return true
}

// errorText is the message of an error, with its place when it has one; file names are relative to the run's directory.
func (s *set) errorText(e packages.Error) string {
	msg := strings.TrimPrefix(strings.TrimSpace(e.Msg), "-: ")
	if e.Pos == "" || e.Pos == "-" {
		return msg
	}
	return relative(s.dir, e.Pos) + ": " + msg
}

// input prepares one package for the analysis.
func (s *set) input(p *packages.Package) rewrite.Input {
	return s.inputOf(p, flow.Package{Fset: s.fset, Files: p.Syntax, Types: p.Types, Info: p.TypesInfo})
}

// inputOf is input with other contents of the package's files.
func (s *set) inputOf(p *packages.Package, as flow.Package) rewrite.Input {
	in := rewrite.Input{Package: as, Bridges: s.bridges, Whole: s.whole, Idioms: s.idioms}
	in.Untouchable = func(name string) string { return untouchable(p, name) }
	in.Reaches = s.reaches
	for _, q := range s.pkgs {
		if q != p && !s.rules.facade(q.PkgPath) && s.related(p, q) { // the API itself checks nothing of its users
			in.Foreign = append(in.Foreign, s.foreign[q])
		}
	}
	return in
}

// reaches reports whether a package of the run depends on the API that is rewritten, without being of it.
func (s *set) reaches(path string) bool {
	if s.view != nil && s.view.files == "" {
		return s.view.reach[path] && !s.rules.facade(path)
	}
	return !s.rules.facade(path) && s.hasPackage(path)
}

// related reports whether an error can flow between two packages: one imports the other, directly or not.
func (s *set) related(p, q *packages.Package) bool {
	if s.view != nil {
		return s.view.related(p.ID, q.ID)
	}
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
		return "uses cgo, or is made by the go command"
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
