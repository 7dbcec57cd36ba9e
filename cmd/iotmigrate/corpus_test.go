package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/migrate"
)

// corpusArgs are the arguments of the programs of the corpora that ask for no others.
const corpusArgs = "{host} {port} {ca} {cert} {key} {tcp-port}"

// corpusProgram is one program of the corpora.
type corpusProgram struct {
	name  string
	files func(self string) (map[string][]byte, error) // by path, for the import path of its directory
	o     verifyOptions
	whole bool // nothing of it may be left or bridged
	from  migrate.API
	to    migrate.Target
}

// corpus is a module with all programs twice, before and after, of which the one was rewritten. Each of its two
// executables holds all programs: one link for all of them.
type corpus struct {
	m        *demoModule
	res      *migrate.Result
	programs []*corpusProgram
	extra    map[string][]byte // more packages, by path, that are built but not rewritten: a variable Main is called
}

// TestCorpus rewrites the programs of the corpora, runs each before and after, and compares what it said on the wire and
// what it printed. Those of testdata/corpus rely on something that v1 did by itself: a default of an option, an order of
// events; they must be rewritten whole. Those of testdata/samples are the samples of the v1 SDK, each in four dresses,
// those of testdata/shapes are in the shapes of programs from outside, those of testdata/halfmoved move in part, and some
// are made by chance. Those of testdata/idioms are rewritten with -idioms. Those of testdata/paho are on paho.mqtt.golang, on
// their way to pahocompat and to v2. Mutants of a rewritten program follow, each of which must be noticed.
//
// Nine tenths of the time here are compiling and linking, and go test ./... is to stay short. So all this is done
// where testsize.Large is set; elsewhere only corpus, idioms and halfmoved are rewritten, and the last two run.
func TestCorpus(t *testing.T) {
	c := &corpus{extra: map[string][]byte{}}
	c.add(t, "idioms", true, mainOnly)
	c.add(t, "halfmoved", false, mainOnly)
	run := len(c.programs)
	c.add(t, "corpus", true, mainOnly)
	var mutants []mutant
	if testsize.Large {
		c.add(t, "samples", false, mainOnly, structField, helpers, library)
		c.add(t, "shapes", false, mainOnly)
		c.chance(t, uint64(len(holders)))
		c.addPaho(t, migrate.ToDropIn, true)
		c.addPaho(t, migrate.ToV2, false)
		mutants, run = c.addMutants(t), len(c.programs)
	}
	c.rewrite(t)
	c.halfMoved(t)
	c.programs = c.programs[:run]
	c.build(t)
	var wait sync.WaitGroup
	slots := make(chan bool, 4)
	for _, p := range c.programs {
		wait.Go(func() {
			slots <- true
			defer func() { <-slots }()
			c.compare(t, p)
		})
	}
	wait.Wait()
	if testsize.Large {
		c.mutations(t, mutants)
		c.verifyPaho(t)
	}
}

// add takes the programs of a directory of testdata, in the dresses.
func (c *corpus) add(t *testing.T, dir string, whole bool, in ...dress) {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + dir + "/*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal("no programs", err)
	}
	shared, err := filepath.Glob("testdata/" + dir + "/*/*.go") // files that all programs of the directory have
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range in {
			name := strings.TrimSuffix(filepath.Base(path), ".go")
			if len(in) > 1 {
				name += "_" + d.String()
			}
			o, err := programOptions(src)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			c.programs = append(c.programs, &corpusProgram{name: name, o: o, whole: whole, from: migrate.FromV1, to: migrate.ToV2, files: func(self string) (map[string][]byte, error) {
				files, err := dressed(src, d, self)
				for _, path := range shared {
					if data, e := os.ReadFile(path); e == nil && err == nil {
						files[filepath.Base(path)] = data
					}
				}
				return files, err
			}})
		}
	}
}

// chance takes programs made from the first seeds.
func (c *corpus) chance(t *testing.T, seeds uint64) {
	t.Helper()
	for seed := range seeds {
		src, err := format.Source(program(seed))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, program(seed))
		}
		o, err := programOptions(src)
		if err != nil {
			t.Fatal(err)
		}
		c.programs = append(c.programs, &corpusProgram{name: fmt.Sprint("chance", seed), o: o, from: migrate.FromV1, to: migrate.ToV2, files: func(string) (map[string][]byte, error) {
			return map[string][]byte{"main.go": src}, nil
		}})
	}
}

// programOptions reads the flags of verify in the line "// verify:" of a program, and what the endpoint does while it runs
// in the lines "//script".
func programOptions(src []byte) (verifyOptions, error) {
	words := []string{"-args", corpusArgs}
	var script []string
	for line := range strings.Lines(string(src)) {
		if flags, ok := strings.CutPrefix(line, "// verify: "); ok {
			more, err := splitWords(flags)
			if err != nil {
				return verifyOptions{}, err
			}
			words = append(words, more...)
		}
		if event, ok := strings.CutPrefix(line, "//script "); ok {
			script = append(script, event)
		}
	}
	o, err := parseVerify(append(words, "old", "new"), io.Discard)
	if err != nil {
		return o, err
	}
	o.run.Script, err = replay.ParseScript(strings.Join(script, ""))
	return o, err
}

// rewrite makes the module, rewrites its second half, and looks whether a second run would rewrite more.
func (c *corpus) rewrite(t *testing.T) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, p := range c.programs {
		for _, half := range []string{"before", "after"} {
			made, err := p.files(modulePath() + "/examples/demo/" + half + "/" + p.name)
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			for name, data := range made {
				files[half+"/"+p.name+"/"+name] = data
			}
		}
	}
	// Compiling some hundred small packages is most of the time here, and optimizing them a third of it.
	env := append(slices.Clone(offline), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod '-gcflags=./...=-N -l'")
	if c.m, err = newModule(t.TempDir(), root, env, files); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		from   migrate.API
		to     migrate.Target
		idioms bool
	}{{migrate.FromPaho, migrate.ToDropIn, false}, {migrate.FromPaho, migrate.ToV2, false}, {migrate.FromV1, migrate.ToV2, true}, {migrate.FromV1, migrate.ToV2, false}} {
		config := migrate.Config{Dir: c.m.dir, From: []migrate.API{r.from}, To: r.to, Mode: migrate.Fix, Force: true, Bridges: true, Idioms: r.idioms, Env: c.m.environ()}
		for _, p := range c.programs {
			if p.from == r.from && p.to == r.to && p.o.idioms == r.idioms {
				config.Patterns = append(config.Patterns, "./after/"+p.name+"/...")
			}
		}
		if len(config.Patterns) > 0 {
			c.run(t, config)
		}
	}
}

// run rewrites the programs of one route.
func (c *corpus) run(t *testing.T, config migrate.Config) {
	t.Helper()
	res, err := migrate.Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	c.res = res // the last one is v1's
	whole := map[string]bool{}
	for _, p := range c.programs {
		whole[p.name] = p.whole
	}
	for _, u := range res.Units {
		if name, _, _ := strings.Cut(u.Package[strings.LastIndex(u.Package, "/after/")+len("/after/"):], "/"); whole[name] && !u.Done() {
			t.Errorf("%s: left: %v, bridged: %v", u.Pos, u.Reasons, u.Bridges)
		}
	}
	t.Logf("from %v to %v, %d programs: %+v", config.From, config.To, len(config.Patterns), res.Stats())
	config.Mode = migrate.Check
	again, err := migrate.Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if diff := again.Diff(); len(diff) > 0 {
		t.Errorf("a second run would change more:\n%s", diff)
	}
}

// halfMoved looks at the programs of testdata/halfmoved: every unit of them is rewritten, and keeps something on v1's shape.
func (c *corpus) halfMoved(t *testing.T) {
	t.Helper()
	units := map[string]int{}
	want := map[string]int{"moved": 3, "stays": 3, "elsewhere": 1}
	for _, u := range c.res.Units {
		name := filepath.Base(filepath.Dir(u.Pos.Filename))
		if want[name] == 0 {
			continue
		}
		units[name]++
		if !u.Rewritten || len(u.Bridges) == 0 && len(u.Reasons) == 0 {
			t.Errorf("%s: rewritten %v, %d bridges, reasons %v", u.Pos, u.Rewritten, len(u.Bridges), u.Reasons)
		}
		if stays := len(u.Reasons) > 0; stays != (name == "stays") {
			t.Errorf("%s: the client stays v1's: %v: %v", u.Pos, stays, u.Reasons)
		}
	}
	if !maps.Equal(units, want) {
		t.Errorf("units %v, want %v", units, want)
	}
}

// build makes the two executables: the mains become functions of packages, and one main calls the one that its
// environment names.
func (c *corpus) build(t *testing.T) {
	t.Helper()
	for path, data := range c.extra {
		c.write(t, path, data)
	}
	for _, half := range []string{"before", "after"} {
		names := map[string]bool{}
		for _, p := range c.programs {
			names[p.name] = true
			paths, err := filepath.Glob(filepath.Join(c.m.dir, half, p.name, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				c.write(t, half+"/"+p.name+"/"+filepath.Base(path), asPackage(src))
			}
		}
		for path := range c.extra {
			if parts := strings.Split(path, "/"); parts[0] == half {
				names[parts[1]] = true
			}
		}
		var imports, table strings.Builder
		for i, name := range slices.Sorted(maps.Keys(names)) {
			fmt.Fprintf(&imports, "\tp%d %q\n", i, modulePath()+"/examples/demo/"+half+"/"+name)
			fmt.Fprintf(&table, "\t%q: p%d.Main,\n", name, i)
		}
		c.write(t, half+"/main.go", []byte("package main\n\nimport (\n\t\"os\"\n"+imports.String()+")\n\nfunc main() {\n\tmap[string]func(){\n"+table.String()+"}[os.Getenv(\"PROGRAM\")]()\n}\n"))
	}
	if _, err := replay.Go(t.Context(), c.m.dir, c.m.environ(), "build", "-buildvcs=false", "-o", filepath.Join(c.m.dir, "bin")+string(filepath.Separator), "./before", "./after"); err != nil {
		t.Fatal(err)
	}
}

// asPackage makes a package out of a program.
func asPackage(src []byte) []byte {
	src = bytes.Replace(append([]byte("\n"), src...), []byte("\npackage main\n"), []byte("\npackage program\n"), 1)
	return bytes.Replace(src, []byte("\nfunc main() {"), []byte("\n// Main is the program.\nfunc Main() {"), 1)
}

func (c *corpus) write(t *testing.T, path string, data []byte) {
	t.Helper()
	full := filepath.Join(c.m.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// record runs a program of one half.
func (c *corpus) record(t *testing.T, half, name string, o replay.Options) (*replay.Run, error) {
	o.Env = append(slices.Clone(o.Env), "PROGRAM="+name)
	return replay.Record(t.Context(), half+"/"+name, replay.Program{Path: filepath.Join(c.m.dir, "bin", half)}, o)
}

// compare runs a program before and after.
func (c *corpus) compare(t *testing.T, p *corpusProgram) {
	var runs [2]*replay.Run
	for i, half := range []string{"before", "after"} {
		run, err := c.record(t, half, p.name, p.o.run)
		if err != nil {
			t.Error(err)
			return
		}
		if len(run.Unplayed) > 0 {
			t.Errorf("%s/%s: not played: %q", half, p.name, run.Unplayed)
		}
		runs[i] = run
	}
	if res := wirediff.Compare(runs[0].Packets, runs[1].Packets, wirediff.Options{Expected: expected(p.o.idioms)}); !res.Equal() {
		t.Errorf("%s: on the wire: %v", p.name, res.Differences)
	}
	if runs[0].Stdout != runs[1].Stdout {
		t.Errorf("%s: printed\n%s\nbefore\n%s", p.name, runs[1].Stdout, runs[0].Stdout)
	}
}
