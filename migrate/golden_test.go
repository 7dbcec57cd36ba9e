package migrate

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files")

// newModule makes a module outside of the tree that replaces ours by the working copy, and returns its directory.
func newModule(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module "+paths.Module, "module golden", 1)
	text += "\nrequire " + paths.Module + " v0.0.0\n\nreplace " + paths.Module + " => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := map[string]string{"go.mod": text, "go.sum": string(sum)}
	for name, s := range files {
		all[name] = s
	}
	for name, s := range all {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestGolden rewrites every archive of testdata/golden in one run: each is a package. An archive holds the input,
// the files that change under want/, and the report. The rewritten module is then built, and a second run must
// have nothing to rewrite.
func TestGolden(t *testing.T) {
	byName, files := goldenFiles(t)
	dir := newModule(t, files)
	c := Config{Dir: dir, Patterns: []string{"./..."}, Mode: Fix}
	res, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*bytes.Buffer{}
	for _, u := range res.Units {
		name := strings.SplitN(relative(res.Dir, u.Pos.Filename), "/", 2)[0]
		if got[name] == nil {
			got[name] = &bytes.Buffer{}
		}
		var b strings.Builder
		res.unitText(&b, u)
		got[name].WriteString(strings.ReplaceAll(b.String(), name+"/", ""))
	}
	for name, ar := range byName {
		t.Run(name, func(t *testing.T) {
			out := &txtar.Archive{Comment: ar.Comment}
			want := map[string]string{}
			for _, f := range ar.Files {
				want[f.Name] = string(f.Data)
				if f.Name != "report" && !strings.HasPrefix(f.Name, "want/") {
					out.Files = append(out.Files, f)
				}
			}
			for _, f := range out.Files {
				if ch, ok := res.Files[filepath.Join(res.Dir, name, filepath.FromSlash(f.Name))]; ok {
					out.Files = append(out.Files, txtar.File{Name: "want/" + f.Name, Data: ch.New})
				}
			}
			report := ""
			if got[name] != nil {
				report = got[name].String()
			}
			out.Files = append(out.Files, txtar.File{Name: "report", Data: []byte(report)})
			if *update {
				if err := os.WriteFile("testdata/golden/"+name+".txtar", txtar.Format(out), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, f := range out.Files {
				if want[f.Name] != string(f.Data) {
					t.Errorf("%s differs:\n--- got\n%s--- want\n%s", f.Name, f.Data, want[f.Name])
				}
				delete(want, f.Name)
			}
			for name := range want {
				t.Errorf("%s is not produced", name)
			}
		})
	}
	build := exec.Command("go", "vet", "./...")
	build.Dir = dir
	if msg, err := build.CombinedOutput(); err != nil {
		t.Errorf("the rewritten module does not build: %v\n%s", err, msg)
	}
	again, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal("second run:", err)
	}
	if len(again.Files) != 0 {
		t.Errorf("the second run changes files:\n%s", again.Diff())
	}
	for _, u := range again.Units {
		if u.Rewritten {
			t.Errorf("the second run rewrites %s at %s", u.Name, u.Pos)
		}
	}
}

// goldenFiles reads the archives: by name, and their input files for newModule.
func goldenFiles(t *testing.T) (byName map[string]*txtar.Archive, files map[string]string) {
	t.Helper()
	archives, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no golden archives", err)
	}
	files = map[string]string{}
	byName = map[string]*txtar.Archive{}
	for _, a := range archives {
		ar, err := txtar.ParseFile(a)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(a), ".txtar")
		byName[name] = ar
		for _, f := range ar.Files {
			if f.Name != "report" && !strings.HasPrefix(f.Name, "want/") {
				files[name+"/"+f.Name] = string(f.Data)
			}
		}
	}
	return byName, files
}
