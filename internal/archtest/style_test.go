package archtest

import (
	"go/ast"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is the size above which a file is two files.
const maxLines = 600

// generated reports whether f was written by stringer: the only generator here, and its output has no comments.
func generated(f *goFile) bool { return strings.HasSuffix(f.name, "_string.go") }

func TestFileSize(t *testing.T) {
	for _, f := range files(t) {
		if f.lines > maxLines && !generated(f) {
			t.Errorf("%s has %d lines, more than %d: split it by subject", f.name, f.lines, maxLines)
		}
	}
}

func TestPackageDoc(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]string{}
	for _, f := range files(t) {
		if f.isTest {
			continue
		}
		seen[f.dir] = f.ast.Name.Name
		if f.ast.Doc == nil {
			continue
		}
		text := f.ast.Doc.Text()
		want := "Package " + f.ast.Name.Name
		if f.ast.Name.Name == "main" {
			want = "Command " + path.Base(f.dir)
		}
		if rest, ok := strings.CutPrefix(text, want); !ok || rest != "" && isWordByte(rest[0]) {
			t.Errorf("%s: the package comment begins %q, want %q", f.name, firstWords(text), want)
		}
		documented[f.dir] = true
	}
	for dir, name := range seen {
		if !documented[dir] {
			t.Errorf("package %s in %s has no doc comment", name, dir)
		}
	}
}

// TestExportedDoc: every exported name of every package, internal ones too, says what it is, beginning with its name.
func TestExportedDoc(t *testing.T) {
	for _, f := range files(t) {
		if f.isTest || generated(f) || f.ast.Name.Name == "main" {
			continue
		}
		for _, decl := range f.ast.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Name.IsExported() && exportedReceiver(decl) {
					checkDoc(t, f, decl, decl.Name.Name, decl.Doc)
				}
			case *ast.GenDecl:
				checkGenDecl(t, f, decl)
			}
		}
	}
}

// exportedReceiver reports whether a method's type is exported: methods of others are seen through interfaces only.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil || len(decl.Recv.List) == 0 {
		return true
	}
	typ := decl.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// checkGenDecl checks types one by one; constants and variables may share the comment of their group.
func checkGenDecl(t *testing.T, f *goFile, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			doc := spec.Doc
			if doc == nil && !decl.Lparen.IsValid() {
				doc = decl.Doc
			}
			checkDoc(t, f, spec, spec.Name.Name, doc)
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					t.Errorf("%s: %s %s has no comment, nor has its group", position(f, spec), decl.Tok, name.Name)
				}
			}
		}
	}
}

// checkDoc asks for a comment that begins with the name, after an article at most.
func checkDoc(t *testing.T, f *goFile, node ast.Node, name string, doc *ast.CommentGroup) {
	t.Helper()
	text := doc.Text()
	if strings.TrimSpace(text) == "" {
		t.Errorf("%s: %s has no doc comment", position(f, node), name)
		return
	}
	for _, article := range []string{"", "A ", "An ", "The "} {
		rest, ok := strings.CutPrefix(text, article+name)
		if ok && (rest == "" || !isWordByte(rest[0])) {
			return
		}
	}
	t.Errorf("%s: the comment of %s begins %q, not with the name", position(f, node), name, firstWords(text))
}

func isWordByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}

// firstWords shortens a comment for a message.
func firstWords(text string) string {
	words := strings.Fields(text)
	return strings.Join(words[:min(len(words), 4)], " ")
}

// banned is a call that the style forbids, with where and why.
type banned struct {
	pkg, name string // pkg "" is a predeclared function or, for methods of testing types, any receiver named t, b, f
	inTests   bool   // forbidden in tests; otherwise outside them
	why       string
}

var bannedCalls = []banned{
	{"", "panic", false, "return an error: nothing outside a test panics"},
	{"time", "Sleep", true, "use testing/synctest or a channel"},
	{"t", "Skip", true, "what needs an outside program stands behind the tag interop"},
	{"t", "Skipf", true, "what needs an outside program stands behind the tag interop"},
	{"t", "SkipNow", true, "what needs an outside program stands behind the tag interop"},
	{"os", "Exit", false, "only a program may end the process"},
}

// markers are the words that say that something is unfinished; split, so that this file does not match itself.
var markers = []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}

func TestBannedCallsAndMarkers(t *testing.T) {
	// Inside a synctest bubble Sleep waits for fake time: there it is how a test lets an hour pass. The bubble may be
	// made by a helper in another file, so the folder counts.
	fakeTime := map[string]bool{}
	for _, f := range files(t) {
		fakeTime[f.dir] = fakeTime[f.dir] || f.isTest && slices.Contains(f.imports(), "testing/synctest")
	}
	for _, f := range files(t) {
		for _, group := range f.ast.Comments {
			for _, marker := range markers {
				// The word in quotes is spoken of; bare it is a note to somebody.
				if strings.Contains(group.Text(), marker) && !strings.Contains(group.Text(), "context."+marker) {
					t.Errorf("%s: a comment says %s", position(f, group), marker)
				}
			}
		}
		ast.Inspect(f.ast, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, b := range bannedCalls {
				if b.inTests != f.isTest || !calls(call, b) || b.name == "Exit" && program(f) || b.name == "Sleep" && fakeTime[f.dir] {
					continue
				}
				t.Errorf("%s: %s: %s", position(f, call), strings.TrimPrefix(b.pkg+"."+b.name, "."), b.why)
			}
			return true
		})
	}
}

// program reports whether f belongs to a program: a main package, or what the examples share.
func program(f *goFile) bool {
	return f.ast.Name.Name == "main" || strings.HasPrefix(f.dir, "examples/")
}

// calls reports whether call is of the function b names.
func calls(call *ast.CallExpr, b banned) bool {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return b.pkg == "" && fun.Name == b.name
	case *ast.SelectorExpr:
		x, ok := fun.X.(*ast.Ident)
		return ok && b.pkg != "" && x.Name == b.pkg && fun.Sel.Name == b.name
	}
	return false
}

// TestExplicitV2Import: the folder v2 holds package awsiot, so every import names it; tools that guess the name from the
// path would write v2.
func TestExplicitV2Import(t *testing.T) {
	for _, f := range files(t) {
		for _, spec := range f.ast.Imports {
			if spec.Path.Value != `"`+module+`/v2"` {
				continue
			}
			if spec.Name == nil || spec.Name.Name != "awsiot" && spec.Name.Name != "." && spec.Name.Name != "_" {
				t.Errorf("%s: import %s with the explicit name awsiot", position(f, spec), spec.Path.Value)
			}
		}
	}
}

// leftovers are the endings of files that tools leave behind and nobody means to keep.
var leftovers = []string{".fail", ".orig", ".rej", ".prof", ".test", ".swp"}

// TestNoLeftovers: rapid saves failing cases beside the tests and tries them again for ever; one that is worth keeping
// becomes a test of its own. The others are from merges, profiles and builds.
func TestNoLeftovers(t *testing.T) {
	err := filepath.WalkDir(root(), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if !d.IsDir() && slices.Contains(leftovers, filepath.Ext(name)) {
			t.Errorf("%s: left behind by a tool", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAliasesSayWhere: go doc shows of an alias the name of another type and no field, so its comment links the type that it
// stands for, as [broker.Limits].
func TestAliasesSayWhere(t *testing.T) {
	seen := 0
	for _, f := range files(t) {
		if f.isTest || f.dir != "iotlocal" {
			continue
		}
		for _, decl := range f.ast.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range group.Specs {
				spec, ok := s.(*ast.TypeSpec)
				if !ok || !spec.Assign.IsValid() || !spec.Name.IsExported() {
					continue
				}
				of, ok := spec.Type.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				seen++
				pkg, _ := of.X.(*ast.Ident)
				text := strings.Join(strings.Fields(group.Doc.Text()+" "+spec.Doc.Text()), " ")
				if link := "[" + pkg.Name + "." + of.Sel.Name + "]"; !strings.Contains(text, link) {
					t.Errorf("%s: the comment of %s does not say where its fields stand: %s", position(f, spec), spec.Name.Name, link)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d aliases seen", seen)
	}
}
