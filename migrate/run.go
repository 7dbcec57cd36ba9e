package migrate

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Run plans the rewrite of the packages, checks it, and in mode Fix writes it.
//
// Before all, in every mode, it undoes what a killed run has left half written, and says so in Notes of the result.
//
// It returns an error when no package with v1-shaped code loads and compiles as it is, when a file cannot be written, or
// when git has no copy of what would change (mode Fix without Force). Single packages that do not compile are in
// Problems of the result, and what cannot be rewritten in its units, with the reasons.
func Run(ctx context.Context, c Config) (*Result, error) {
	if len(c.Patterns) == 0 {
		c.Patterns = []string{"."}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	res := &Result{Dir: dir, Files: map[string]File{}, mode: c.Mode}
	if res.baseline, err = readBaseline(c.Baseline); err != nil {
		return nil, err
	}
	said, err := restoreAll(dir, c.Patterns)
	if err != nil {
		return nil, err
	}
	res.Notes = append(res.Notes, said...)
	if err := res.run(ctx, c); err != nil {
		if len(said) > 0 { // it must not stay unsaid
			return nil, fmt.Errorf("%s; then: %w", strings.Join(said, "; "), err)
		}
		return nil, err
	}
	return res, nil
}

// restoreAll undoes what killed runs have left in the directories of a run and above them, and says what it did.
func restoreAll(dir string, patterns []string) (said []string, err error) {
	seen := map[string]bool{}
	for _, p := range append([]string{"."}, patterns...) {
		p = filepath.FromSlash(strings.TrimSuffix(p, "..."))
		switch {
		case filepath.IsAbs(p):
		case p == "." || strings.HasPrefix(p, "."+string(filepath.Separator)) || strings.HasPrefix(p, ".."):
			p = filepath.Join(dir, p)
		default:
			continue // an import path
		}
		for d := range parents(filepath.Clean(p)) {
			if seen[d] {
				break
			}
			seen[d] = true
			what, err := restore(d)
			if err != nil {
				return nil, err
			}
			if what != "" {
				said = append(said, what)
			}
		}
	}
	return said, nil
}

// run does what is asked for, into r.
func (r *Result) run(ctx context.Context, c Config) error {
	tracked, err := r.guard(ctx, c)
	if err != nil {
		return err
	}
	sets, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	r.words = sets[0].rules.words
	c.stage("analyzing")
	files, err := r.plan(c, sets)
	if err != nil {
		return err
	}
	if get := sets[0].toGet(); len(get) > 0 && len(sets[0].pkgs) > 0 {
		r.Notes = append(r.Notes, getLine(r.Dir, get, len(sets[0].stand) == len(get)))
	}
	if c.Mode == Fix && len(r.Files) > 0 && len(r.Problems) == 0 {
		if !c.Force {
			if err := protect(ctx, r.Dir, tracked, r.Files); err != nil {
				return err
			}
		}
		c.stage("writing " + count(len(files), "file"))
		if err := (writer{journalDir: journalDir(r.Dir)}).write(ctx, r.Files); err != nil {
			return err
		}
		r.Written = true
	}
	return nil
}

// replaces reports whether a go.mod replaces a module.
func replaces(mod, module string) bool {
	for line := range strings.Lines(mod) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "replace "))
		if len(words) > 2 && words[0] == module && slices.Contains(words[1:3], "=>") {
			return true
		}
	}
	return false
}

// getLine is how a module comes to the packages that its files will import. tidy tells that the files can be written before.
func getLine(dir string, get []string, tidy bool) string {
	version := "latest"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == paths.Module && strings.HasPrefix(info.Main.Version, "v") {
		version = info.Main.Version
	}
	var words []string
	for _, p := range get {
		words = append(words, p+"@"+version)
	}
	line := "go.mod does not name " + paths.Module + " yet: go get " + strings.Join(words, " ")
	for d := range parents(dir) {
		if mod, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil {
			if replaces(string(mod), paths.Module) { // a version that can be got would be another one
				line = "go.mod replaces " + paths.Module + " and does not name all that it needs yet: "
				if tidy {
					line += "go mod tidy, when the files are written"
				} else {
					line += "import " + strings.Join(get, ", ") + " as _ in a file of the module, go mod tidy, then run this again"
				}
			}
			if _, err := os.Stat(filepath.Join(d, "vendor", "modules.txt")); err == nil {
				line += ", then go mod vendor"
			}
			break
		}
	}
	return line
}

// guard refuses what must not be written into, before the work begins. tracked tells whether git looks after it.
func (r *Result) guard(ctx context.Context, c Config) (tracked bool, err error) {
	if c.Mode != Fix {
		return false, nil
	}
	if len(c.Overlay) > 0 {
		return false, errOverlayFix
	}
	note, err := workTree(ctx, r.Dir, c.Force)
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	return note == "", err
}

// load returns the packages as every operating system that was asked for sees them.
func (r *Result) load(ctx context.Context, c Config) ([]*set, error) {
	goos := c.GOOS
	if len(goos) == 0 {
		goos = []string{runtime.GOOS}
	}
	var sets []*set
	loaded := 0
	for _, g := range goos {
		s, err := load(ctx, c, g)
		if err != nil {
			return nil, err
		}
		if s.view != nil {
			r.problems(s.view.bad)
		}
		r.problems(s.bad)
		loaded += len(s.pkgs)
		sets = append(sets, s)
	}
	if loaded == 0 && len(r.Problems) > 0 {
		return nil, &LoadError{r.Problems}
	}
	return sets, nil
}

// problems adds what one operating system sees, each package once.
func (r *Result) problems(list []Problem) {
	for _, p := range list {
		if !slices.ContainsFunc(r.Problems, func(o Problem) bool { return o.Package == p.Package }) {
			r.Problems = append(r.Problems, p)
		}
	}
}

// plan fills the units, and Files with what changes.
func (r *Result) plan(c Config, sets []*set) (map[string][]byte, error) {
	closeAll(sets)
	units, err := gather(sets)
	for err == nil && !c.Whole && reopen(sets, units) {
		units, err = gather(sets)
	}
	if err != nil {
		return nil, err
	}
	r.Units = units
	var ready []*unit.Unit
	for _, u := range r.Units {
		if len(u.Edits) > 0 {
			ready = append(ready, u)
		}
	}
	r.src = &source{overlay: c.Overlay, read: map[string][]byte{}}
	ck := &checker{sets: sets, src: r.src, gone: gonePackages(sets)}
	good, files, err := ck.settle(ready)
	if err != nil {
		return nil, fmt.Errorf("type-check the rewritten packages: %w", err)
	}
	if err := ck.again(r.Units); err != nil {
		return nil, err
	}
	for _, u := range good {
		u.Rewritten = true
	}
	if c.Todo {
		if files, err = ck.todo(r.Units, files); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		old, err := ck.src.file(name)
		if err != nil {
			return nil, err
		}
		if string(old) != string(files[name]) {
			r.Files[name] = File{Old: old, New: files[name]}
		}
	}
	return files, nil
}
