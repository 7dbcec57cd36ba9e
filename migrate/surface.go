package migrate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// surfaces finds which packages hand a client out: those that name, where their users can see it, something of the API
// that is rewritten or of another package that hands one out. A package can only have a use of a client when it imports
// one of them; the others need not be loaded, though a client may be inside of what they call.
//
// It reads the source alone and takes every doubt for a yes: a yes costs time, a wrong no would leave a use unseen.
type surfaces struct {
	rules *rules
	all   map[string]*listed // by import path
	known map[string]bool
}

// hands reports whether the package at an import path hands a client out.
func (s *surfaces) hands(path string) bool {
	if is, ok := s.known[path]; ok {
		return is
	}
	s.known[path] = true // should imports go in a circle, which the go command reports
	is := s.look(path)
	s.known[path] = is
	return is
}

func (s *surfaces) look(path string) bool {
	switch {
	case path == "C" || path == "unsafe":
		return false
	case s.rules.facade(path) || path == paths.Module || strings.HasPrefix(path, paths.Module+"/") || slices.Contains(s.rules.written(), path):
		return true // also what an earlier run may have written
	}
	p := s.all[path]
	switch {
	case p == nil || p.Error != nil:
		return true // nobody knows
	case p.Standard || !slices.ContainsFunc(p.Imports, s.hands):
		return false
	}
	fset := token.NewFileSet()
	pkg := &surface{of: s, tops: map[string]top{}, clear: map[string]bool{}}
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil || !pkg.add(f) {
			return true
		}
	}
	return pkg.hands()
}

// surface is the top level of a package.
type surface struct {
	of    *surfaces
	files []*surfaceFile
	tops  map[string]top  // functions, variables and constants by name
	clear map[string]bool // those of tops that are known to hold no client, or are being looked at
}

// surfaceFile is a file with the names that its imports of packages that hand clients out have.
type surfaceFile struct {
	*ast.File
	names map[string]bool
	own   map[string]bool // names of all other imports
}

// top is a declaration at the top level and its file: a function, or a variable or constant.
type top struct {
	file *surfaceFile
	fn   *ast.FuncDecl
	spec *ast.ValueSpec
}

// add takes a file in. It returns false when it cannot be known what the names in it mean.
func (s *surface) add(f *ast.File) bool {
	sf := &surfaceFile{File: f, names: map[string]bool{}, own: map[string]bool{}}
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, "`\"")
		p := s.of.all[path]
		hands := s.of.hands(path)
		switch {
		case i.Name != nil && i.Name.Name == "_":
		case i.Name != nil && i.Name.Name == "." || i.Name == nil && p == nil && path != "C":
			return false
		case hands && i.Name != nil:
			sf.names[i.Name.Name] = true
		case hands:
			sf.names[p.Name] = true
		case i.Name != nil:
			sf.own[i.Name.Name] = true
		case path == "C":
			sf.own[path] = true
		default:
			sf.own[p.Name] = true
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				s.tops[d.Name.Name] = top{sf, d, nil}
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, n := range v.Names {
						s.tops[n.Name] = top{sf, nil, v}
					}
				}
			}
		}
	}
	s.files = append(s.files, sf)
	return true
}

// hands reports whether users of the package can reach a client through it. Types count whether their names are exported
// or not, since values of them go out; a field counts when it can be selected from outside.
func (s *surface) hands() bool {
	for _, f := range s.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && s.names(f, d.Type) {
					return true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.TypeParams != nil && s.names(f, spec.TypeParams) || s.names(f, spec.Type) {
							return true
						}
					case *ast.ValueSpec: // a constant without a value repeats one that may not be exported
						exported := slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported)
						if (exported || d.Tok == token.CONST) && s.value(f, spec) {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// names reports whether a type names something of a package that hands clients out.
func (s *surface) names(f *surfaceFile, typ ast.Node) bool {
	found := false
	ast.Inspect(typ, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && f.names[id.Name] {
				found = true
			}
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					found = found || s.names(f, field.Type)
				}
			}
			return false
		}
		return !found
	})
	return found
}

// value reports whether a variable may hold a client, or something that leads to one.
func (s *surface) value(f *surfaceFile, spec *ast.ValueSpec) bool {
	if spec.Type != nil {
		return s.names(f, spec.Type)
	}
	return slices.ContainsFunc(spec.Values, func(e ast.Expr) bool { return s.expr(f, e) })
}

// expr is value for an expression. What a package's function returns that hands no client out is none, unless it was given
// one; the type of a field or of a method's result is not known here.
func (s *surface) expr(f *surfaceFile, e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			found = found || s.names(f, n.Type)
			return false
		case *ast.StructType:
			found = found || s.names(f, n)
			return false
		case *ast.KeyValueExpr: // the key may be the name of a field
			if _, ok := n.Key.(*ast.Ident); !ok {
				found = found || s.expr(f, n.Key)
			}
			found = found || s.expr(f, n.Value)
			return false
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			found = found || !ok || !f.own[id.Name]
			return false
		case *ast.Ident:
			found = found || s.top(n.Name)
		}
		return !found
	})
	return found
}

// top is value for what a name at the top level stands for. Types have been looked at by themselves.
func (s *surface) top(name string) bool {
	t, ok := s.tops[name]
	if !ok || s.clear[name] {
		return false
	}
	s.clear[name] = true
	is := t.fn != nil && s.names(t.file, t.fn.Type) || t.spec != nil && s.value(t.file, t.spec)
	s.clear[name] = !is
	return is
}
