package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// block is a fenced piece of a document.
type block struct {
	doc   string   // the document's path from the root
	line  int      // of the opening fence
	lang  string   // the first word after the fence
	words []string // the other words
	text  string
	next  *block // the following block of the same document, nil for the last
}

// where says where b stands.
func (b *block) where() string { return fmt.Sprintf("%s:%d", b.doc, b.line) }

// complete reports whether b is a file of its own, not a fragment.
func (b *block) complete() bool { return strings.HasPrefix(b.text, "package ") }

// documents reads every Markdown file of the repository but testdata, by path from the root.
var documents = sync.OnceValues(func() (map[string]string, error) {
	docs := map[string]string{}
	err := filepath.WalkDir(root(), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root(), name)
		docs[filepath.ToSlash(rel)] = string(text)
		return err
	})
	return docs, err
})

// blocks cuts a document into its fenced blocks.
func blocks(doc, text string) ([]*block, error) {
	var list []*block
	var open *block
	n := 0
	for line := range strings.Lines(text) {
		n++
		if open != nil && strings.TrimRight(line, "\n ") == "```" {
			if len(list) > 0 {
				list[len(list)-1].next = open
			}
			list, open = append(list, open), nil
			continue
		}
		if open != nil {
			open.text += line
			continue
		}
		if info, ok := strings.CutPrefix(line, "```"); ok {
			words := strings.Fields(info)
			open = &block{doc: doc, line: n}
			if len(words) > 0 {
				open.lang, open.words = words[0], words[1:]
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block is not closed", open.where())
	}
	return list, nil
}

// allBlocks returns the blocks of all documents.
func allBlocks(t *testing.T) []*block {
	t.Helper()
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	var list []*block
	for doc, text := range docs {
		b, err := blocks(doc, text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b...)
	}
	return list
}

// preambles are the variables that a fragment may use without declaring them, by the word after "go" in its fence:
// "```go v2" is a fragment of a function that has a client of package awsiot. ctx is there in every fragment.
var preambles = map[string]string{
	"v1":       "var client *v1compat.AWSIoTMQTTClient",
	"v2":       "var client *awsiot.Client; var opts awsiot.ClientOptions",
	"services": "var client *awsiot.Client; var shadows *iotshadow.Client; var jobs *iotjobs.Client",
	"shadow":   "var shadow *shadowcompat.AWSIoTMQTTShadowClient",
	"local":    "var server *iotlocal.Server",
	"test":     "var t *testing.T",
	// What iotmigrate makes of the block before it: TestOutsideTool runs the tool and compares.
	"rewritten": "",
}

// fragmentImports are the packages that a fragment may name without importing them. A file that is complete imports by
// itself, anything.
var fragmentImports = map[string]string{
	"awsiot":       module + "/v2",
	"v1compat":     module + "/v1compat",
	"shadowcompat": module + "/shadowcompat",
	"jobscompat":   module + "/jobscompat",
	"iotshadow":    module + "/v2/iotshadow",
	"iotjobs":      module + "/v2/iotjobs",
	"iotidentity":  module + "/v2/iotidentity",
	"reqresp":      module + "/v2/reqresp",
	"iotlocal":     module + "/iotlocal",
	"migrate":      module + "/migrate",
	"context":      "context",
	"errors":       "errors",
	"fmt":          "fmt",
	"json":         "encoding/json",
	"http":         "net/http",
	"log":          "log",
	"net":          "net",
	"os":           "os",
	"proxy":        "golang.org/x/net/proxy",
	"slog":         "log/slog",
	"testing":      "testing",
	"time":         "time",
	"tls":          "crypto/tls",
	"url":          "net/url",
}

// source makes a file of b. Declarations are taken as they are, statements become the body of a function that may
// return an error.
func (b *block) source() (string, error) {
	if b.complete() {
		return b.text, nil
	}
	var setup []string
	for _, word := range b.words {
		preamble, ok := preambles[word]
		if !ok {
			return "", fmt.Errorf("%s: unknown word %q after go in the fence", b.where(), word)
		}
		setup = append(setup, preamble)
	}
	body := b.text
	if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.text, 0); err != nil {
		body = fmt.Sprintf("func _(ctx context.Context) error {\n{\n%s}\nreturn nil\n}\n", b.text)
		if len(setup) > 0 {
			body = strings.Join(setup, "\n") + "\n" + body
		}
	} else if len(setup) > 0 {
		return "", fmt.Errorf("%s: declarations stand alone, they take no words after go in the fence", b.where())
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", b.where(), err)
	}
	var imports bytes.Buffer
	seen := map[string]bool{}
	ast.Inspect(parsed, func(node ast.Node) bool {
		if sel, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && fragmentImports[x.Name] != "" && !seen[x.Name] {
				seen[x.Name] = true
				fmt.Fprintf(&imports, "import %s %q\n", x.Name, fragmentImports[x.Name])
			}
		}
		return true
	})
	return "package p\n" + imports.String() + body, nil
}

// loadTypes loads packages from the build cache's export data: signatures, no sources.
func loadTypes(paths ...string) (map[string]*types.Package, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes, Dir: root(),
	}, paths...)
	if err != nil {
		return nil, err
	}
	byPath := map[string]*types.Package{}
	for _, p := range loaded {
		for _, e := range p.Errors {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, e)
		}
		byPath[p.PkgPath] = p.Types
	}
	return byPath, nil
}

// importerOf serves the packages that were loaded, and nothing else.
type importerOf map[string]*types.Package

func (m importerOf) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := m[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no package %s", path)
}

// TestDocumentsCompile type-checks every Go block of every document: an example that does not compile is worse than none.
func TestDocumentsCompile(t *testing.T) {
	type unit struct {
		*block
		file *ast.File
	}
	docFset := token.NewFileSet()
	var units []unit
	var paths []string
	for _, b := range allBlocks(t) {
		if b.lang != "go" {
			continue
		}
		src, err := b.source()
		if err != nil {
			t.Error(err)
			continue
		}
		file, err := parser.ParseFile(docFset, b.where(), src, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range file.Imports {
			paths = append(paths, strings.Trim(spec.Path.Value, `"`))
		}
		units = append(units, unit{b, file})
	}
	if len(units) < 5 {
		t.Fatalf("only %d Go blocks found in the documents", len(units))
	}
	files(t) // ties go test's cache to the packages that the blocks are checked against
	slices.Sort(paths)
	loaded, err := loadTypes(slices.Compact(paths)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units {
		config := types.Config{Importer: importerOf(loaded), Error: func(err error) {
			if e, ok := err.(types.Error); ok && e.Soft && !u.complete() {
				return // a fragment need not use all it declares
			}
			t.Errorf("%s: %v", u.where(), err)
		}}
		// The error is the first of those that Error has had.
		_, _ = config.Check("p", docFset, []*ast.File{u.file}, nil)
	}
}

// TestBlockSource shows what the compile test would say of wrong blocks.
func TestBlockSource(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"not closed", "```go\nx := 1\n", "not closed"},
		{"unknown word", "```go v3\nx := 1\n```\n", "unknown word"},
		{"no Go", "```go\nthis is not Go\n```\n", "expected"},
		{"declarations with a word", "```go v2\nfunc f() {}\n```\n", "stand alone"},
		{"fragment", "```go v2\nclient.Close()\n```\n", ""},
		{"file", "```go\npackage main\n```\n", ""},
		{"other language", "```sh\ngo test ./...\n```\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := blocks("x.md", tt.text)
			if err == nil && len(list) != 1 {
				t.Fatalf("%d blocks, want 1", len(list))
			}
			if err == nil && list[0].lang == "go" {
				_, err = list[0].source()
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
