package migrate

import (
	"path/filepath"
	"testing"
)

// TestWhole rewrites the archives of testdata/whole as one module, each in a directory of its own with several packages.
// Want and report are as in TestGolden; the rewritten module is then built, and a second run has nothing to rewrite.
func TestWhole(t *testing.T) {
	byName, files, err := readArchives("testdata/whole")
	if err != nil {
		t.Fatal(err)
	}
	dir := newModule(t, files)
	conf := Config{Dir: filepath.Join(dir, "moves", "lib"), Whole: true, Bridges: true, Mode: Fix, Force: true}
	res, err := Run(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Problems) > 0 {
		t.Fatal(res.Problems)
	}
	texts := unitTexts(res, dir)
	for name, ar := range byName {
		t.Run(name, func(t *testing.T) {
			compareArchive(t, "testdata/whole/"+name+".txtar", ar, filepath.Join(dir, name), res, texts[name])
		})
	}
	settled(t, dir, conf)
}
