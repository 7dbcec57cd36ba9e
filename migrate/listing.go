package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// listed is what `go list` says about a package.
type listed struct {
	ImportPath, Dir, Name, ForTest    string
	Standard, DepOnly                 bool
	GoFiles, CgoFiles, IgnoredGoFiles []string
	SwigFiles, SwigCXXFiles           []string
	Imports                           []string          // by ImportPath, in most cases what the files say
	ImportMap                         map[string]string // from what the files say, where that differs
	TestImports, XTestImports         []string
	Module                            *packages.Module
	Export                            string // -export
	Error                             *listError
	DepsErrors                        []*listError
}

// listFields are those of listed that are asked for. The go command would also say all that a package depends on, which of a
// large module is most of the text and takes long to put together.
const listFields = "ImportPath,Dir,Name,ForTest,Standard,DepOnly,GoFiles,CgoFiles,IgnoredGoFiles,SwigFiles,SwigCXXFiles,Imports,ImportMap,TestImports,XTestImports,Module,Error,DepsErrors"

type listError struct{ Pos, Err string }

// text is the go command's own reason, without what only it understands.
func (e *listError) text() string {
	s := strings.TrimSpace(e.Err)
	if e.Pos != "" && e.Pos != "-" && !strings.HasPrefix(s, e.Pos) {
		s = e.Pos + ": " + s
	}
	return s
}

// listing is packages and all they depend on.
type listing struct {
	byPath map[string]*listed // by ImportPath, which has the test in it where a package is built anew for one
	twice  bool               // some package looks different to different users of it: at least one must not import it
}

// list runs `go list` and returns what it says, also in its order.
func (c Config) list(ctx context.Context, env []string, args ...string) (l listing, all []*listed, stderr []byte, err error) {
	line := []string{"list", "-e", "-json=" + listFields}
	if slices.Contains(args, "-export") {
		line[2] = "-json=ImportPath,GoFiles,Export,Error"
	}
	if len(c.Tags) > 0 {
		line = append(line, "-tags="+strings.Join(c.Tags, ","))
	}
	out, errs, err := goCommand(ctx, c.Dir, env, append(line, args...)...)
	if err != nil {
		return l, nil, errs, err
	}
	l.byPath = map[string]*listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &listed{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return l, all, errs, nil
		} else if err != nil {
			return l, nil, nil, err
		}
		all = append(all, p)
		old := l.byPath[p.ImportPath]
		l.twice = l.twice || old != nil
		if old == nil || old.Error != nil {
			l.byPath[p.ImportPath] = p
		}
	}
}

// deps are the import paths that a package depends on, no matter for which test they are built.
func (l listing) deps(id string) map[string]bool {
	seen, paths := map[string]bool{}, map[string]bool{}
	var add func(id string)
	add = func(id string) {
		p := l.byPath[id]
		if p == nil {
			return
		}
		for _, i := range p.Imports {
			if !seen[i] {
				seen[i] = true
				path, _, _ := strings.Cut(i, " ")
				paths[path] = true
				add(i)
			}
		}
	}
	add(id)
	return paths
}

// users are the packages that depend on one of some others.
func (l listing) users(is func(path string) bool) map[string]bool {
	importers := map[string][]string{}
	for id, p := range l.byPath {
		for _, i := range p.Imports {
			importers[i] = append(importers[i], id)
		}
	}
	out := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		for _, u := range importers[id] {
			if !out[u] {
				out[u] = true
				add(u)
			}
		}
	}
	for i := range importers {
		if is(i) {
			add(i)
		}
	}
	return out
}
