package migrate

import (
	"bufio"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/gcexportdata"
	"golang.org/x/tools/go/packages"
)

// loading type-checks the packages that the first look has chosen, from what that has found out: only the export data of what
// they import is asked of the go command. It knows the plain case alone, which is nearly all of them, and leaves everything
// else to the loader of golang.org/x/tools, which asks the go command for all again and says what is wrong.
type loading struct {
	set   *set
	sizes types.Sizes
	nodes map[string]*node          // by ImportPath
	order []*node                   // those that are type-checked from source, each after what it imports
	data  map[string]*types.Package // from export data
	again bool                      // packages that are no roots may be type-checked again, with what a root exports then
	odd   atomic.Bool               // it is not the plain case
}

// node is a package that is loaded.
type node struct {
	*packages.Package
	from    *listed
	root    bool
	source  bool // it is type-checked from source, since it is a root or depends on one
	imports []*node
	checked chan struct{} // closed when it is
}

// loadListed loads the packages of the first look. It returns nil where it is not the plain case.
func (s *set) loadListed(ctx context.Context, c Config, env []string) ([]*packages.Package, error) {
	driver := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "GOPACKAGESDRIVER=") })
	if driver || s.goos != runtime.GOOS || s.view == nil || s.view.files != "" || s.view.all.twice {
		return nil, nil
	}
	arch, errs, err := goCommand(ctx, c.Dir, env, "env", "GOARCH")
	if err != nil {
		return nil, errors.Join(err, reason(errs))
	}
	l := &loading{set: s, sizes: types.SizesFor("gc", strings.TrimSpace(string(arch))), nodes: map[string]*node{}, data: map[string]*types.Package{},
		again: s.whole || len(s.rules.moves) > 0 || slices.ContainsFunc(s.view.load, func(path string) bool { return strings.Contains("/"+path+"/", "/internal/") })}
	roots := l.roots()
	exports := l.exports()
	if l.odd.Load() || l.sizes == nil {
		return nil, nil
	}
	flag, remove, err := overlayFlag(filepath.Join(s.dir, probeDir, "probe.go"), s.probe("probe"))
	if err != nil {
		return nil, err
	}
	defer remove()
	parsed := make(chan struct{})
	go func() {
		each(l.order, func(n *node) (struct{}, error) { l.parse(n); return struct{}{}, nil })
		close(parsed)
	}()
	// The made-up package is listed for an error alone: go.mod would need updates for what it imports.
	more, _, _, err := c.list(ctx, env, append([]string{"-export", flag, "--", "./" + probeDir}, exports...)...)
	<-parsed
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil || more.twice || l.odd.Load() || !l.read(more, exports) {
		return nil, nil
	}
	each(l.order, func(n *node) (struct{}, error) { l.check(n); return struct{}{}, nil })
	if l.odd.Load() {
		return nil, nil
	}
	for _, path := range s.rules.written() {
		s.extra[path] = l.written(path, more)
	}
	return roots, nil
}

// roots makes the graph of the packages to load, without what only the standard library imports.
func (l *loading) roots() (out []*packages.Package) {
	load := map[string]bool{}
	for _, path := range l.set.view.load {
		load[path] = true
	}
	var ids []string
	for id, p := range l.set.view.all.byPath {
		if !p.DepOnly && (load[id] || load[p.ForTest] && !strings.HasSuffix(id, ".test")) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		l.nodes[id] = l.newNode(l.set.view.all.byPath[id])
		l.nodes[id].root = true
		out = append(out, l.nodes[id].Package)
	}
	done := map[*node]bool{}
	for _, id := range ids {
		if _, begun := done[l.nodes[id]]; !begun {
			l.visit(l.nodes[id], done)
		}
	}
	return out
}

func (l *loading) newNode(p *listed) *node {
	pkgPath, _, _ := strings.Cut(p.ImportPath, " ")
	abs := func(names []string) (out []string) {
		for _, name := range names {
			out = append(out, filepath.Join(p.Dir, name))
		}
		return out
	}
	files := abs(p.GoFiles)
	return &node{from: p, checked: make(chan struct{}), Package: &packages.Package{ID: p.ImportPath, PkgPath: pkgPath, Name: p.Name, Dir: p.Dir, Fset: l.set.fset,
		GoFiles: files, CompiledGoFiles: files, IgnoredFiles: abs(p.IgnoredGoFiles), Imports: map[string]*packages.Package{}, Module: p.Module, ForTest: p.ForTest,
		TypesSizes: l.sizes}}
}

// visit finds what n imports, and whether it must be type-checked from source.
func (l *loading) visit(n *node, done map[*node]bool) {
	done[n] = false
	n.source = n.root
	path := map[string]string{} // what the files say, by ImportPath
	for p, id := range n.from.ImportMap {
		path[id] = p
	}
	for _, id := range n.from.Imports {
		p := l.set.view.all.byPath[id]
		if p == nil {
			l.odd.Store(l.odd.Load() || id != "C" || n.root)
			continue
		}
		i := l.nodes[id]
		if i == nil {
			i = l.newNode(p)
			l.nodes[id] = i
		}
		if visited, begun := done[i]; begun && !visited {
			l.odd.Store(true) // a circle
			continue
		} else if !begun && (i.root || !p.Standard) {
			l.visit(i, done)
		}
		n.source = n.source || i.source
		n.imports = append(n.imports, i)
		name := id
		if as, ok := path[id]; ok {
			name = as
		}
		n.Imports[name] = i.Package
	}
	done[n] = true
	if n.source {
		l.order = append(l.order, n)
		p := n.from
		l.odd.Store(l.odd.Load() || len(p.CgoFiles)+len(p.SwigFiles)+len(p.SwigCXXFiles)+len(p.DepsErrors) > 0 || p.Error != nil)
	}
}

// exports are the import paths of the packages whose export data is needed: those that the source imports, and what the rules
// write.
func (l *loading) exports() []string {
	need := map[string]bool{}
	unlisted := false
	for _, path := range l.set.rules.written() {
		n := l.nodes[path]
		need[path] = n == nil || !n.source
		unlisted = unlisted || l.set.view.all.byPath[path] == nil
	}
	for _, n := range l.order {
		// Of our own module, what the rules write might depend on what is type-checked here.
		l.odd.Store(l.odd.Load() || unlisted && strings.HasPrefix(n.PkgPath, paths.Module+"/"))
		for _, i := range n.imports {
			need[i.ID] = !i.source
			l.odd.Store(l.odd.Load() || i.ForTest != "" && !i.source)
		}
	}
	maps.DeleteFunc(need, func(path string, is bool) bool { return !is || path == "unsafe" })
	return slices.Sorted(maps.Keys(need))
}

// written is a package that the rules write.
func (l *loading) written(path string, more listing) *packages.Package {
	if n := l.nodes[path]; n != nil && n.source {
		return n.Package
	}
	p := &packages.Package{ID: path, PkgPath: path, Types: l.data[path], Fset: l.set.fset}
	if e := more.byPath[path]; e.Error != nil {
		p.Errors = []packages.Error{{Pos: e.Error.Pos, Msg: strings.TrimSpace(e.Error.Err), Kind: packages.ListError}}
	}
	return p
}

// read reads export data. It returns false when some is missing that is needed; what the rules write may be missing from the
// module.
func (l *loading) read(more listing, exports []string) bool {
	for _, path := range exports {
		p := more.byPath[path]
		switch {
		case p == nil:
			return false
		case p.Export == "" || p.Error != nil:
			if l.nodes[path] != nil || p.Error == nil || len(p.GoFiles) > 0 {
				return false
			}
			continue
		}
		pkg, err := l.readFile(p.Export, path)
		if err != nil {
			return false
		}
		if n := l.nodes[path]; n != nil {
			n.Types = pkg
		}
	}
	return true
}

func (l *loading) readFile(name, path string) (*types.Package, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	//lint:ignore SA1019 up to Go 1.27 the go command names archives, which Read alone does not take
	r, err := gcexportdata.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	return gcexportdata.Read(r, l.set.fset, l.data, path)
}

// parse parses the files of a package that is type-checked from source. What one between two roots declares is all that is
// wanted of it, in most cases: the bodies of its functions would be most of the memory.
func (l *loading) parse(n *node) {
	mode := parser.AllErrors | parser.SkipObjectResolution
	if n.root {
		mode |= parser.ParseComments
	}
	for _, name := range n.CompiledGoFiles {
		f, err := parser.ParseFile(l.set.fset, name, nil, mode)
		if err != nil {
			l.odd.Store(true)
			return
		}
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Body != nil && !n.root && !l.again {
				fd.Body.List = nil
			}
		}
		n.Syntax = append(n.Syntax, f)
	}
}

// check type-checks a package, after those that it imports.
func (l *loading) check(n *node) {
	defer close(n.checked)
	for _, i := range n.imports {
		if i.source {
			<-i.checked
		}
	}
	conf := &types.Config{Sizes: l.sizes, IgnoreFuncBodies: !n.root, Error: func(error) { l.odd.Store(true) },
		Importer: importerFunc(func(path string) (*types.Package, error) {
			if path == "unsafe" {
				return types.Unsafe, nil
			}
			if i := n.Imports[path]; i != nil && i.Types != nil {
				return i.Types, nil
			}
			return nil, errors.New("not loaded")
		})}
	if n.Module != nil && n.Module.GoVersion != "" {
		conf.GoVersion = "go" + n.Module.GoVersion
	}
	n.Types = types.NewPackage(n.PkgPath, n.Name)
	if n.root {
		n.TypesInfo = newInfo(n.Syntax)
	}
	if err := types.NewChecker(conf, l.set.fset, n.Types, n.TypesInfo).Files(n.Syntax); err != nil {
		l.odd.Store(true)
	}
}
