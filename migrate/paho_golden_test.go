package migrate

import (
	"maps"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// pahoDir has the archives of code on paho.
const pahoDir = "testdata/paho"

// TestPahoMutants is TestMutants for code on paho.
func TestPahoMutants(t *testing.T) {
	_, files, err := readArchives(pahoDir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := load(t.Context(), Config{Dir: newModule(t, files), Patterns: []string{"./..."}, From: []API{FromPaho}, Bridges: true}, runtime.GOOS)
	if err != nil {
		t.Fatal(err)
	}
	tryMutants(t, s, 200, 150, func(string, int) bool { return true })
}

// TestPahoGolden rewrites every archive of testdata/paho from paho to v2: each is a package, as in TestGolden. The rewritten
// module is built, and a second run must have nothing to rewrite.
func TestPahoGolden(t *testing.T) {
	byName, files, err := readArchives(pahoDir)
	if err != nil || len(byName) < 5 {
		t.Fatalf("%d archives: %v", len(byName), err)
	}
	for _, idioms := range []bool{false, true} {
		these := maps.Clone(files)
		maps.DeleteFunc(these, func(name, _ string) bool { return strings.HasPrefix(name, "idioms") != idioms })
		if len(these) > 0 {
			pahoGolden(t, pahoDir, byName, these, Config{From: []API{FromPaho}, Patterns: []string{"./..."}, Mode: Fix, Bridges: true, Idioms: idioms})
		}
	}
}

// TestPahoWhole rewrites the archives of testdata/pahowhole as one module, each in a directory with several packages.
func TestPahoWhole(t *testing.T) {
	byName, files, err := readArchives("testdata/pahowhole")
	if err != nil {
		t.Fatal(err)
	}
	pahoGolden(t, "testdata/pahowhole", byName, files, Config{From: []API{FromPaho}, Patterns: []string{"./..."}, Mode: Fix, Bridges: true, Whole: true})
}

func pahoGolden(t *testing.T, dir string, byName map[string]*txtar.Archive, files map[string]string, conf Config) {
	conf.Dir = newModule(t, files)
	res, err := Run(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range res.Problems {
		t.Errorf("a package does not load: %v", p)
	}
	texts := unitTexts(res, res.Dir)
	for name, ar := range byName {
		if strings.HasPrefix(name, "idioms") == conf.Idioms {
			t.Run(name, func(t *testing.T) {
				compareArchive(t, dir+"/"+name+".txtar", ar, filepath.Join(res.Dir, name), res, texts[name])
			})
		}
	}
	settled(t, conf.Dir, conf)
}
