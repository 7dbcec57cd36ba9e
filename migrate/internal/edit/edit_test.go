package edit

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// at is an edit of the n-th occurrence of old in src, whose pieces are written with «...» around parts of old that
// are source ranges.
func at(t *testing.T, src, old, text string) Edit {
	t.Helper()
	i := strings.Index(src, old)
	if i < 0 {
		t.Fatalf("%q is not in the source", old)
	}
	e := Edit{Pos: token.Pos(i + 1), End: token.Pos(i + 1 + len(old))}
	for text != "" {
		before, rest, ok := strings.Cut(text, "«")
		e.Pieces = append(e.Pieces, Text(before))
		if !ok {
			break
		}
		part, after, _ := strings.Cut(rest, "»")
		j := i + strings.Index(old, part)
		e.Pieces = append(e.Pieces, Range(token.Pos(j+1), token.Pos(j+1+len(part))))
		text = after
	}
	return e
}

func TestApply(t *testing.T) {
	const src = "a.Call(first, func() { inner() }, last) // note\nnext()\n"
	for _, test := range []struct {
		name  string
		edits func() []Edit
		want  string
	}{
		{"nothing", func() []Edit { return nil }, src},
		{"inner edits follow a moved argument", func() []Edit {
			return []Edit{
				at(t, src, "a.Call(first, func() { inner() }, last)", "b(«last», «first»).Done(«func() { inner() }»)"),
				at(t, src, "inner()", "deep(«inner»)"),
			}
		}, "b(last, first).Done(func() { deep(inner) }) // note\nnext()\n"},
		{"an edit in a dropped range goes with it", func() []Edit {
			return []Edit{at(t, src, "first, func() { inner() }", "x"), at(t, src, "inner()", "deep()")}
		}, "a.Call(x, last) // note\nnext()\n"},
		{"insertions at the edges of a replaced range stay outside", func() []Edit {
			call := "a.Call(first, func() { inner() }, last)"
			return []Edit{
				at(t, src, call, "(«"+call+"»)"),
				Insert(1, "before;"),
				Insert(token.Pos(len(call)+1), ";after"),
			}
		}, "before;(a.Call(first, func() { inner() }, last));after // note\nnext()\n"},
		{"insertions at one place keep their order", func() []Edit {
			return []Edit{Insert(1, "1"), Insert(1, "2"), Insert(1, "3")}
		}, "123" + src},
		{"a range may be used twice", func() []Edit {
			return []Edit{at(t, src, "first", "«first»+«first»")}
		}, strings.Replace(src, "first", "first+first", 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			tf := token.NewFileSet().AddFile("x.go", 1, len(src))
			got, err := Apply(tf, []byte(src), test.edits())
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestApplyConflicts(t *testing.T) {
	const src = "abcdefgh"
	tf := token.NewFileSet().AddFile("x.go", 1, len(src))
	for _, test := range []struct {
		name  string
		edits []Edit
	}{
		{"equal", []Edit{{Pos: 2, End: 4}, {Pos: 2, End: 4}}},
		{"overlap", []Edit{{Pos: 2, End: 5}, {Pos: 4, End: 7}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Apply(tf, []byte(src), test.edits)
			if _, ok := errors.AsType[*ConflictError](err); !ok {
				t.Errorf("got %v, want a ConflictError", err)
			}
		})
	}
	if _, err := Apply(tf, []byte(src), []Edit{{Pos: 5, End: 100}}); err == nil {
		t.Error("an edit behind the end of the file is accepted")
	}
}

func TestLost(t *testing.T) {
	const src = "package p\n\nvar _ = f(1, /* kept */ 2 /* lost */, 3) // outside\n"
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	call := f.Decls[0].(*ast.GenDecl).Specs[0].(*ast.ValueSpec).Values[0].(*ast.CallExpr)
	var got []string
	for _, c := range Lost(f, Replace(call, Text("g("), Range(call.Args[0].Pos(), call.Args[1].End()), Text(")"))) {
		got = append(got, c.Text)
	}
	if len(got) != 1 || got[0] != "/* lost */" {
		t.Errorf("got %q", got)
	}
}

// TestApplyOnce: of equal insertions that several rewrites need, one is made; others stay.
func TestApplyOnce(t *testing.T) {
	src := []byte("package p\n")
	tf := token.NewFileSet().AddFile("p.go", 1, len(src))
	once := func(text string) Edit {
		e := Insert(1, text)
		e.Once = true
		return e
	}
	got, err := Apply(tf, src, []Edit{once("a"), once("a"), once("b"), Insert(1, "c"), Insert(1, "c")})
	if want := "abccpackage p\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
