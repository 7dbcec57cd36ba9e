package migrate

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files")

// corpus is one module with all programs that the tests of this package analyze, and one load of it: running the go
// command and compiling what the programs import is what takes time, so the tests share it.
type corpus struct {
	dir string
	set *set
}

var loadCorpus = sync.OnceValues(func() (*corpus, error) {
	_, files, err := readArchives(goldenDir)
	if err != nil {
		return nil, err
	}
	maps.Copy(files, orderPrograms())
	files["bisect/main.go"] = bisectProgram
	files["todo/main.go"] = todoProgram
	dir, err := os.MkdirTemp("", "migrate-test-")
	if err != nil {
		return nil, err
	}
	corpusDir = dir
	if err := writeModule(dir, files); err != nil {
		return nil, err
	}
	s, err := load(context.Background(), Config{Dir: dir, Patterns: []string{"./..."}}, runtime.GOOS)
	if err == nil && len(s.bad)+len(s.view.bad) > 0 {
		err = &LoadError{append(s.bad, s.view.bad...)}
	}
	return &corpus{dir, s}, err
})

// corpusDir is where loadCorpus has written the module; "" while no test has asked for it.
var corpusDir string

// TestMain removes the shared module. It does not load it: some tests run this program again, for one of them.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // the heap is small, the loads and type-checks are many
	}
	code := m.Run()
	if corpusDir != "" {
		os.RemoveAll(corpusDir)
	}
	os.Exit(code)
}

// shared returns the corpus with only the packages in some of its directories; none means all.
func shared(t *testing.T, dirs ...string) *corpus {
	t.Helper()
	c, err := loadCorpus()
	if err != nil {
		t.Fatal(err)
	}
	sub := *c.set
	sub.view = &view{deps: c.set.view.deps}
	sub.pkgs = slices.DeleteFunc(slices.Clone(sub.pkgs), func(p *packages.Package) bool {
		return len(dirs) > 0 && !slices.Contains(dirs, filepath.Base(filepath.Dir(p.GoFiles[0])))
	})
	return &corpus{c.dir, &sub}
}

// plan is Run without loading and writing.
func (c *corpus) plan(t *testing.T, conf Config) *Result {
	t.Helper()
	c.set.bridges, c.set.idioms = conf.Bridges, conf.Idioms
	res := &Result{Dir: c.dir, Files: map[string]File{}, mode: Fix}
	if _, err := res.plan(conf, []*set{c.set}); err != nil {
		t.Fatal(err)
	}
	return res
}

// newModule makes a module outside of the tree that replaces ours by the working copy, and returns its directory.
func newModule(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeModule(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeModule writes files into dir, with a go.mod that replaces our module by the working copy.
func writeModule(dir string, files map[string]string) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(mod), "module "+paths.Module, "module golden", 1)
	text += "\nrequire " + paths.Module + " v0.0.0\n\nreplace " + paths.Module + " => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	all := map[string]string{"go.mod": text, "go.sum": string(sum)}
	maps.Copy(all, files)
	for name, s := range all {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// TestGolden rewrites every archive of testdata/golden: each is a package. An archive holds the input, the files that
// change under want/, and the report. The rewritten module is then built, and a second run must have nothing to rewrite.
// Those whose names begin with bridge are rewritten with bridges, the others all or nothing; with idioms in Config.Idioms.
func TestGolden(t *testing.T) {
	all, files, err := readArchives(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, conf := range []Config{{}, {Bridges: true}, {Idioms: true}} {
		byName := maps.Clone(all)
		maps.DeleteFunc(byName, func(name string, _ *txtar.Archive) bool {
			return strings.HasPrefix(name, "bridge") != conf.Bridges || strings.HasPrefix(name, "idioms") != conf.Idioms
		})
		these := maps.Clone(files)
		maps.DeleteFunc(these, func(name, _ string) bool { return byName[strings.SplitN(name, "/", 2)[0]] == nil })
		golden(t, byName, these, conf)
	}
}

// compareArchive compares what a run made of an archive, whose files lie in dir, with what the archive in file says: the
// files that were rewritten, and the report. With -update it writes that.
func compareArchive(t *testing.T, file string, ar *txtar.Archive, dir string, res *Result, report string) {
	t.Helper()
	out := &txtar.Archive{Comment: ar.Comment}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
		if f.Name != "report" && !strings.HasPrefix(f.Name, "want/") {
			out.Files = append(out.Files, f)
		}
	}
	for _, f := range out.Files {
		if ch, ok := res.Files[filepath.Join(dir, filepath.FromSlash(f.Name))]; ok {
			out.Files = append(out.Files, txtar.File{Name: "want/" + f.Name, Data: ch.New})
		}
	}
	out.Files = append(out.Files, txtar.File{Name: "report", Data: []byte(report)})
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
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
}

func golden(t *testing.T, byName map[string]*txtar.Archive, files map[string]string, conf Config) {
	res := shared(t, slices.Collect(maps.Keys(byName))...).plan(t, conf)
	dir := newModule(t, files)
	texts := unitTexts(res, res.Dir)
	for name, ar := range byName {
		t.Run(name, func(t *testing.T) {
			compareArchive(t, goldenDir+"/"+name+".txtar", ar, filepath.Join(res.Dir, name), res, texts[name])
		})
	}
	for name, f := range res.Files {
		if err := os.WriteFile(filepath.Join(dir, relative(res.Dir, name)), f.New, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, dir, Config{Dir: dir, Patterns: []string{"./..."}, Mode: Fix, Bridges: conf.Bridges, Idioms: conf.Idioms})
}

// unitTexts are the reports of a run on archives, each in a directory of its name under dir.
func unitTexts(res *Result, dir string) map[string]string {
	out := map[string]string{}
	at := *res
	for _, u := range res.Units {
		name, _, _ := strings.Cut(relative(dir, u.Pos.Filename), "/")
		at.Dir = filepath.Join(dir, name)
		out[name] += at.report().UnitText(u)
	}
	return out
}

// settled fails the test unless the module in dir, which a run of conf has rewritten, builds, and a second run has nothing
// to rewrite.
func settled(t *testing.T, dir string, conf Config) {
	t.Helper()
	build := exec.Command("go", "vet", "./...")
	build.Dir = dir
	if msg, err := build.CombinedOutput(); err != nil {
		t.Errorf("the rewritten module does not build: %v\n%s", err, msg)
	}
	again, err := Run(t.Context(), conf)
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

// goldenDir has the archives of code on v1.
const goldenDir = "testdata/golden"

// readArchives reads the archives of a directory: by name, and their input files.
func readArchives(dir string) (byName map[string]*txtar.Archive, files map[string]string, err error) {
	archives, err := filepath.Glob(dir + "/*.txtar")
	if err != nil || len(archives) == 0 {
		return nil, nil, fmt.Errorf("no archives in %s: %v", dir, err)
	}
	files = map[string]string{}
	byName = map[string]*txtar.Archive{}
	for _, a := range archives {
		ar, err := txtar.ParseFile(a)
		if err != nil {
			return nil, nil, err
		}
		name := strings.TrimSuffix(filepath.Base(a), ".txtar")
		byName[name] = ar
		for _, f := range ar.Files {
			if f.Name != "report" && !strings.HasPrefix(f.Name, "want/") {
				files[name+"/"+f.Name] = string(f.Data)
			}
		}
	}
	return byName, files, nil
}
