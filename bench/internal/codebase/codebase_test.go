package codebase

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrite: the module has the size that was asked for, is clean for go vet, and is the same each time.
func TestWrite(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Lines: 3000, Packages: 10, Clients: 3, Module: root}
	a, b := t.TempDir(), t.TempDir()
	n, err := Write(a, o)
	if err != nil || n < 3000 || n > 3600 {
		t.Fatalf("%d lines, %v", n, err)
	}
	if _, err := Write(b, o); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("diff", "-r", a, b).CombinedOutput(); err != nil {
		t.Errorf("two modules of one size differ: %v\n%.500s", err, out)
	}
	vet := exec.Command("go", "vet", "./...")
	vet.Dir = a
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	grep := exec.Command("grep", "-rlw", "v1compat", "--include=*.go", ".")
	grep.Dir = a
	if out, _ := grep.Output(); strings.Count(string(out), "\n") != o.Clients || !strings.Contains(string(out), "leaf") {
		t.Errorf("packages with clients:\n%s", out)
	}
}

func TestWriteErrors(t *testing.T) {
	for _, o := range []Options{{}, {Lines: 10000, Packages: 3}, {Lines: 10000, Packages: 3, Clients: 4}, {Lines: 100, Packages: 3, Clients: 1}} {
		if _, err := Write(t.TempDir(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
