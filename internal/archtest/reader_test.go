package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A reader has a clone and nothing else. These tests keep the tree readable from it alone.

// numbered is a test file whose name is a count: faults2_test.go. It says nothing of what the file holds.
var numbered = regexp.MustCompile(`[a-z_][0-9]+_test\.go$`)

// numberIsSubject are the names in which the number is part of the subject.
var numberIsSubject = map[string]bool{
	"v1compat/v2_test.go": true, // V2(), the way from the facade to its core
}

func TestFileNamedBySubject(t *testing.T) {
	for _, f := range files(t) {
		if name := f.name; numbered.MatchString(name) && !numberIsSubject[name] && !strings.HasSuffix(name, "mqtt311_test.go") {
			t.Errorf("%s is named by a number: name it by what it tests", name)
		}
	}
	for name := range numberIsSubject {
		if _, err := os.Stat(filepath.Join(root(), filepath.FromSlash(name))); err != nil {
			t.Errorf("numberIsSubject names a file that is gone: %v", err)
		}
	}
}

// elsewhere are texts that stood beside the repository while it was written, and numbers that only they explain.
var elsewhere = regexp.MustCompile(`(?i)\bv[12]-surface|\bv1-samples|\barchitecture\.md|\baws-iot-core\.md|\.\./shared\b|\bupstream group` +
	`|\b(performance|faults|libraries|bridges)\.md\b|\b[Ff]aults? [0-9]+\b|\b[Tt]rap T?[0-9]+\b|\b[Ii]ssue [0-9]\b`)

// TestClonesCanFollow: no comment and no document cites a text that a clone does not have. The fact itself stands there.
func TestClonesCanFollow(t *testing.T) {
	check := func(name string, line int, text string) {
		if cited := elsewhere.FindString(text); cited != "" {
			t.Errorf("%s:%d cites %q, which a clone does not have: state the fact instead", name, line, cited)
		}
	}
	for _, f := range files(t) {
		if f.name == "internal/archtest/reader_test.go" {
			continue
		}
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for i, text := range strings.Split(c.Text, "\n") {
					check(f.name, fset.Position(c.Pos()).Line+i, text)
				}
			}
		}
	}
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range docs {
		for i, text := range strings.Split(src, "\n") {
			check(name, i+1, text)
		}
	}
}
