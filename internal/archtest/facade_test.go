package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// facades are the packages in the shape of the v1 SDK.
var facades = []string{"v1compat", "shadowcompat", "jobscompat", "v1compat/discovery"}

// TestFacadeComments: every exported name of a facade names v1 in its comment, and says in a paragraph that editors show
// (https://go.dev/wiki/Deprecated) what takes its place. Methods of the standard library's interfaces go with their type.
func TestFacadeComments(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		if f.isTest || generated(f) || !slices.Contains(facades, f.dir) {
			continue
		}
		seen[f.dir] = true
		check := func(node ast.Node, name string, doc *ast.CommentGroup) {
			text := "\n\n" + doc.Text()
			if !strings.Contains(text, "\n\nDeprecated: ") {
				t.Errorf("%s: the comment of %s has no paragraph that begins with %q", position(f, node), name, "Deprecated: ")
			}
			if before, _, _ := strings.Cut(text, "Deprecated: "); !strings.Contains(before, "v1") && !strings.Contains(before, "Python") {
				t.Errorf("%s: the comment of %s does not say what it is in v1, or that v1 had none", position(f, node), name)
			}
		}
		for _, decl := range f.ast.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				standard := decl.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "Is", "As", "String"}, decl.Name.Name)
				if decl.Name.IsExported() && exportedReceiver(decl) && !standard {
					check(decl, decl.Name.Name, decl.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					doc := decl.Doc
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Doc != nil {
							doc = spec.Doc
						}
						if spec.Name.IsExported() {
							check(spec, spec.Name.Name, doc)
						}
					case *ast.ValueSpec: // the paragraph of a group counts for each of its names
						if slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) {
							check(spec, spec.Names[0].Name, doc)
						}
					}
				}
			}
		}
	}
	for _, dir := range facades {
		if !seen[dir] {
			t.Errorf("no files of %s", dir)
		}
	}
}
