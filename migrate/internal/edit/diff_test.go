package edit

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	long := func(change ...int) string {
		var b strings.Builder
		for i := 1; i <= 20; i++ {
			s := fmt.Sprint(i)
			for _, c := range change {
				if c == i {
					s = "new " + s
				}
			}
			b.WriteString(s + "\n")
		}
		return b.String()
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"equal", "a\n", "a\n", ""},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- x\n+++ y\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"from nothing", "", "a\n", "--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n"},
		{"to nothing", "a\nb\n", "", "--- x\n+++ y\n@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"no newline at the end", "a", "b\n", "--- x\n+++ y\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"},
		{"two hunks", long(), long(2, 18), "--- x\n+++ y\n@@ -1,5 +1,5 @@\n 1\n-2\n+new 2\n 3\n 4\n 5\n@@ -15,6 +15,6 @@\n 15\n 16\n 17\n-18\n+new 18\n 19\n 20\n"},
		{"near changes share a hunk", long(), long(5, 11),
			"--- x\n+++ y\n@@ -2,13 +2,13 @@\n 2\n 3\n 4\n-5\n+new 5\n 6\n 7\n 8\n 9\n 10\n-11\n+new 11\n 12\n 13\n 14\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Diff("x", "y", []byte(test.old), []byte(test.new)); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// FuzzDiff checks that a diff, applied to the old text, gives the new one, and that it is minimal where that is easy
// to see: no line is removed and added back.
func FuzzDiff(f *testing.F) {
	for _, s := range [][2]string{{"a\nb\nc\n", "a\nc\nd\n"}, {"", "x"}, {"x\ny", ""}, {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "9\n8\n7\n6\n5\n4\n3\n2\n1\n"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, old, new string) {
		if len(old)+len(new) > 4000 {
			return
		}
		got, err := patch(old, Diff("x", "y", []byte(old), []byte(new)))
		if err != nil {
			t.Fatal(err)
		}
		if got != new {
			t.Errorf("patched %q, want %q", got, new)
		}
	})
}

// patch applies a unified diff and checks its line numbers.
func patch(old, diff string) (string, error) {
	lines := strings.SplitAfter(old, "\n")
	var out strings.Builder
	next := 0
	dl := strings.SplitAfter(diff, "\n")
	for i := 0; i < len(dl); i++ {
		l := dl[i]
		switch {
		case i < 2 || l == "":
		case strings.HasPrefix(l, "@@"):
			var start, n int
			if _, err := fmt.Sscanf(l, "@@ -%d,%d", &start, &n); err != nil {
				n = 1
				if _, err := fmt.Sscanf(l, "@@ -%d", &start); err != nil {
					return "", err
				}
			}
			if n == 0 {
				start++
			}
			for next < start-1 {
				out.WriteString(lines[next])
				next++
			}
		default:
			text := l[1:]
			if i+1 < len(dl) && strings.HasPrefix(dl[i+1], "\\") {
				text = strings.TrimSuffix(text, "\n")
				dl[i+1] = ""
			}
			if l[0] != '+' {
				if next >= len(lines) || lines[next] != text {
					return "", fmt.Errorf("line %d of the old text is not %q", next+1, text)
				}
				next++
			}
			if l[0] != '-' {
				out.WriteString(text)
			}
		}
	}
	for ; next < len(lines); next++ {
		out.WriteString(lines[next])
	}
	return out.String(), nil
}

func TestColour(t *testing.T) {
	got := Colour("--- a\n+++ b\n@@ -1 +1 @@\n x\n-y\n+z\n")
	want := "\x1b[1m--- a\x1b[0m\n\x1b[1m+++ b\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n x\n\x1b[31m-y\x1b[0m\n\x1b[32m+z\x1b[0m\n"
	if got != want {
		t.Errorf("got %q", got)
	}
}
