package migrate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// TestAnchors reads the anchors that the code names and compares them with the table.
func TestAnchors(t *testing.T) {
	used := map[string]bool{}
	names := []string{}
	for _, dir := range []string{".", "internal/rewrite", "internal/v1errors", "v1client", "v1shadow", "v1jobs", "v1discovery", "paho", "paho", "pahodropin"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			ast.Inspect(f, func(n ast.Node) bool { anchorsIn(n, used); return true })
		}
	}
	used[doesNotCompile] = true
	if len(used) < 20 || len(names) < 10 {
		t.Fatalf("only %d anchors found in %d files", len(used), len(names))
	}
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	var known []string
	for _, a := range unit.Anchors {
		known = append(known, a.ID)
		if !form.MatchString(a.ID) || a.Title == "" {
			t.Errorf("anchor %+v is incomplete", a)
		}
		if slug := strings.ReplaceAll(strings.ToLower(a.Title), " ", "-"); slug != a.ID {
			t.Errorf("the heading %q gives #%s, not #%s", a.Title, slug, a.ID)
		}
		if !used[a.ID] {
			t.Errorf("anchor %s is not used", a.ID)
		}
	}
	if !slices.IsSorted(known) {
		t.Error("the table is not sorted")
	}
	for id := range used {
		if !slices.Contains(known, id) {
			t.Errorf("anchor %s is not in the table", id)
		}
	}
}

// anchorsIn records the anchors that n names: an argument of the functions that add reasons and notes, a field
// Anchor, or the first element of a Why.
func anchorsIn(n ast.Node, used map[string]bool) {
	add := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			s, _ := strconv.Unquote(l.Value)
			used[s] = true
		}
	}
	arg := map[string]int{"Block": 2, "BlockAt": 2, "Refuse": 2, "stays": 3, "bridge": 5, "Note": 1, "bad": 1}
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if i, ok := arg[name]; ok && i < len(n.Args) {
			add(n.Args[i])
		}
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Anchor" {
			add(n.Value)
		}
	case *ast.CompositeLit: // Why{"anchor", "text"}
		if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Why" && len(n.Elts) == 2 {
			add(n.Elts[0])
		}
	}
}
