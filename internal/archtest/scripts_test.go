package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts: each script of ci is a step of .ci/run and described in CONTRIBUTING.md, so that none is forgotten, and
// each begins as the others do.
func TestScripts(t *testing.T) {
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.ReadFile(filepath.Join(root(), ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(root(), "ci", "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if len(scripts) < 5 {
		t.Fatalf("%d scripts in ci", len(scripts))
	}
	for _, name := range scripts {
		base := "ci/" + filepath.Base(name)
		if base == "ci/lib.sh" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "#!/usr/bin/env bash\n# ") {
			t.Errorf("%s does not begin with its interpreter and a comment that says what it checks", base)
		}
		if !strings.Contains(string(text), "\nsource \"$(dirname \"${BASH_SOURCE[0]}\")/lib.sh\"\n") {
			t.Errorf("%s does not source ci/lib.sh, which sets the error options and the directory", base)
		}
		if !strings.Contains(string(run), "bash "+base) {
			t.Errorf("%s is no step of .ci/run", base)
		}
		if !strings.Contains(docs["CONTRIBUTING.md"], "`"+base) {
			t.Errorf("%s is not in the table of CONTRIBUTING.md", base)
		}
	}
}
