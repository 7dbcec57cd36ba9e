package migrate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// filesPackage is the import path of a package that is given as a list of files.
const filesPackage = "command-line-arguments"

// view is what a first look at the packages shows, as one operating system and the tags see them.
type view struct {
	load     []string                          // what to hand to the loader: the packages that import a facade, or what hands a client out
	reach    map[string]bool                   // import paths of those that depend on a facade, loaded or not: errors of clients can come from them
	dirs     map[string]bool                   // directories of the packages to load
	all      listing                           // the packages and all they depend on
	deps     map[string]func() map[string]bool // import paths of the dependencies by package id
	bad      []Problem                         // packages of v1 code that cannot be loaded
	excluded []string                          // files that import a facade and that build constraints leave out
	ignored  []string                          // files that build constraints leave out
	known    map[string]bool                   // directories of all packages that the patterns match, without those of bad and those that do not compile
	total    int                               // packages that the patterns match
	surfaces *surfaces                         // nil: all that depends on a facade is loaded
	files    string                            // the patterns are files: the name of the package they make
}

// look asks the go command what the packages import. Only a package that can get hold of a client can have v1-shaped code, so
// only those have to be compiled with all they depend on, which takes minutes when nothing is in the build cache.
func look(ctx context.Context, c Config, rs *rules, env []string) (*view, error) {
	l, all, errs, err := c.list(ctx, env, append([]string{"-test", "-deps", "--"}, c.Patterns...)...)
	if err != nil {
		return nil, fmt.Errorf("go list: %w", cmp.Or(reason(errs), err))
	}
	v := &view{all: l, deps: map[string]func() map[string]bool{}, dirs: map[string]bool{}, known: map[string]bool{}, reach: map[string]bool{}}
	if !c.Whole && len(rs.moves) == 0 && len(c.GOOS) < 2 { // else all that depends on a change is type-checked with it
		v.surfaces = &surfaces{rules: rs, all: l.byPath, known: map[string]bool{}}
	}
	all = slices.DeleteFunc(all, func(p *listed) bool { return p.DepOnly })
	users := l.users(rs.facade)
	for _, p := range all {
		v.deps[p.ImportPath] = sync.OnceValue(func() map[string]bool { return l.deps(p.ImportPath) })
		v.known[p.Dir] = true
		for _, name := range p.IgnoredGoFiles {
			v.ignored = append(v.ignored, filepath.Join(p.Dir, name))
		}
	}
	for _, p := range all {
		if p.ForTest != "" || strings.HasSuffix(p.ImportPath, ".test") {
			continue // a variant of a package that is in the list by itself
		}
		v.total++
		if err := v.add(c, rs, p, all, users); err != nil {
			return nil, cmp.Or(noModule(c.Dir, env), err)
		}
	}
	more, hidden, err := unlisted(c, rs, all)
	if err != nil {
		return nil, err
	}
	v.excluded = append(v.excluded, more...)
	v.ignored = append(v.ignored, hidden...)
	if v.total == 0 && len(v.excluded) == 0 {
		return nil, fmt.Errorf("no packages match %s%s", strings.Join(c.Patterns, " "), prefixed(": ", reason(errs)))
	}
	return v, nil
}

// add sorts one package in: to be loaded, without v1 code, or unfit to be loaded. users are all that depend on a facade.
func (v *view) add(c Config, rs *rules, p *listed, all []*listed, users map[string]bool) error {
	for _, name := range p.IgnoredGoFiles {
		if name = filepath.Join(p.Dir, name); rs.imported(name) {
			v.excluded = append(v.excluded, name)
		}
	}
	if p.Dir == "" { // a pattern that names no package
		if p.Error != nil {
			return errors.New(p.Error.text())
		}
		return fmt.Errorf("no packages match %s; is it inside a Go module?", p.ImportPath)
	}
	imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
	direct := slices.ContainsFunc(imports, rs.facade)
	if p.Error != nil && p.Name == "" && strings.Contains(p.Error.Err, "build constraints exclude all Go files") {
		v.excluded = append(v.excluded, slices.DeleteFunc(goFiles(p.Dir), func(name string) bool { return !rs.imported(name) })...)
		return nil
	}
	if p.Error != nil && !hasGo(p.Dir) {
		return errors.New(p.Error.text())
	}
	// A package can use a client that another one hands out without importing what it comes from; it has no import to change.
	uses := direct || len(rs.families) > 0 && slices.ContainsFunc(all, func(q *listed) bool {
		return (q == p || q.ForTest == p.ImportPath) && users[q.ImportPath]
	})
	uses = uses || p.Error != nil && slices.ContainsFunc(goFiles(p.Dir), rs.imported)
	if !uses {
		return nil
	}
	var why []*listError
	for _, q := range all { // the package, and its tests
		if q == p || q.ForTest == p.ImportPath {
			if q.Error != nil {
				why = append(why, q.Error)
			}
			why = append(why, q.DepsErrors...)
		}
	}
	switch {
	case len(why) > 0:
	case p.ImportPath == filesPackage:
		v.dirs[p.Dir] = true
		v.load, v.files = c.Patterns, p.Name
		return nil
	default:
		v.reach[p.ImportPath] = true
		if direct || v.surfaces == nil || slices.ContainsFunc(imports, v.surfaces.hands) {
			v.dirs[p.Dir] = true
			v.load = append(v.load, p.ImportPath)
		}
		return nil
	}
	b := Problem{Package: p.ImportPath}
	for _, e := range why {
		b.add(e.text())
	}
	v.bad = append(v.bad, b)
	delete(v.known, p.Dir)
	return nil
}

// unlisted finds files that import a facade in directories of which `go list` says nothing, since build constraints
// exclude all that is in them; hidden are all files there. Only patterns that name a directory tree can hold such.
func unlisted(c Config, rs *rules, all []*listed) (out, hidden []string, err error) {
	known := map[string]bool{}
	for _, p := range all {
		known[p.Dir] = true
	}
	for _, pattern := range c.Patterns {
		root, ok := strings.CutSuffix(pattern, "...")
		if !ok || !strings.HasPrefix(root, ".") && !filepath.IsAbs(root) {
			continue
		}
		if !filepath.IsAbs(root) {
			root = filepath.Join(c.Dir, root)
		}
		root, err := filepath.Abs(root)
		if err != nil {
			return nil, nil, err
		}
		err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // what cannot be read holds nothing that could be rewritten
			case !d.IsDir():
				if dir := filepath.Dir(name); !known[dir] && strings.HasSuffix(name, ".go") {
					hidden = append(hidden, name)
					if rs.imported(name) {
						out = append(out, name)
					}
				}
				return nil
			case name == root:
				return nil
			}
			base := d.Name()
			if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return fs.SkipDir // another module
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return out, hidden, nil
}

// imported reports whether a file imports a package of the API that is rewritten.
func (rs *rules) imported(name string) bool {
	src, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	named := false
	for _, p := range rs.packages() {
		if wide := strings.Join(strings.Split(p, ""), "\x00"); bytes.Contains(src, []byte(wide)) {
			return true // in UTF-16, which is no Go, as the go command will say
		}
		named = named || bytes.Contains(src, []byte(p))
	}
	if !named {
		return false
	}
	return slices.ContainsFunc(importsOf(name, src), rs.facade)
}

// importsOf are the import paths in a file, as far as it parses.
func importsOf(name string, src []byte) (out []string) {
	f, _ := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if f == nil {
		return nil
	}
	for _, s := range f.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// goFiles are the Go files of a directory.
func goFiles(dir string) []string {
	if dir == "" {
		return nil
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.go")) // only a malformed pattern is an error
	return names
}

func hasGo(dir string) bool { return len(goFiles(dir)) > 0 }

// goCommand runs the go command; ctx ends it by an interrupt, so that it can take its temporary files along.
func goCommand(ctx context.Context, dir string, env []string, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		errs.Reset()
	}
	return out.Bytes(), errs.Bytes(), err
}

// reason is what the go command printed, nil for nothing.
func reason(stderr []byte) error {
	if s := strings.TrimSpace(string(stderr)); s != "" {
		return errors.New(strings.TrimPrefix(s, "go: "))
	}
	return nil
}

// noModule says that a directory is in no module, where that is so. The go command's own words for it are about patterns.
func noModule(dir string, env []string) error {
	if slices.Contains(env, "GO111MODULE=off") {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for d := range parents(dir) {
		for _, name := range []string{"go.mod", "go.work"} {
			if _, err := os.Stat(filepath.Join(d, name)); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("no go.mod in %s or above: the directory is in no Go module; code from the time of GOPATH needs one (go mod init)", dir)
}

func prefixed(lead string, err error) string {
	if err == nil {
		return ""
	}
	return lead + err.Error()
}

// related reports whether an error can flow between two packages: one depends on the other.
func (v *view) related(p, q string) bool { return v.depends(p, q) || v.depends(q, p) }

func (v *view) depends(id, on string) bool {
	deps := v.deps[id]
	if deps == nil {
		return false
	}
	path, _, _ := strings.Cut(on, " ")
	return deps()[path]
}
