// Package codebase makes up a Go module of any size that looks like a grown program with v1-shaped clients in it: layers
// of packages that import each other, most with ordinary code, some with clients in the shapes that real programs have.
// The same options always give the same module.
package codebase

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Options is the size of a module.
type Options struct {
	Lines    int    // of Go code, about
	Packages int    // how many packages they are in
	Clients  int    // how many of the packages have v1-shaped clients
	Module   string // directory of the module of the clients, which go.mod replaces by it
}

// Path is the import path of the module.
const Path = "example.com/fleet"

// clientLines is how many lines the clients of a package have, about.
const clientLines = 100

// Write makes the module in dir, an empty directory, and returns how many lines of Go code it has. The directory of the
// package that nothing imports is dir/leaf: it has clients too.
func Write(dir string, o Options) (lines int, err error) {
	if o.Packages < 2 || o.Clients < 1 || o.Clients > o.Packages || o.Lines < o.Packages*2*clientLines {
		return 0, fmt.Errorf("a module of %d lines in %d packages, %d of them with clients: want two packages or more, %d lines in each, and clients in some", o.Lines, o.Packages, o.Clients, 2*clientLines)
	}
	if err := writeMod(dir, o.Module); err != nil {
		return 0, err
	}
	r := rand.New(rand.NewPCG(1, uint64(o.Packages)))
	for i := range o.Packages {
		p := pkg{name: fmt.Sprintf("p%03d", i), rnd: r}
		if i == o.Packages-1 {
			p.name = "leaf"
		}
		p.clients = (i+1)*o.Clients/o.Packages > i*o.Clients/o.Packages // evenly spread, the leaf in any case
		for range min(i, 3) {
			p.imports = append(p.imports, fmt.Sprintf("p%03d", r.IntN(i)))
		}
		text := p.text(o.Lines / o.Packages)
		lines += strings.Count(text, "\n")
		if err := os.MkdirAll(filepath.Join(dir, p.name), 0o755); err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, p.name, p.name+".go"), []byte(text), 0o644); err != nil {
			return 0, err
		}
	}
	return lines, nil
}

// writeMod takes over the requirements of the module of the clients, so that the go command has nothing to look up.
func writeMod(dir, module string) error {
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return err
	}
	path := strings.Fields(string(mod))[1]
	text := strings.Replace(string(mod), "module "+path, "module "+Path, 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", path, filepath.ToSlash(module))
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}

// pkg is one package that is made up.
type pkg struct {
	name    string
	imports []string // packages of the module, some twice
	clients bool
	rnd     *rand.Rand
	b       strings.Builder
	lines   int
}

func (p *pkg) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.lines += strings.Count(text, "\n")
	p.b.WriteString(text)
}

func (p *pkg) text(lines int) string {
	p.add("// Package %s is made up.\npackage %[1]s\n\nimport (\n\t\"fmt\"\n\t\"sort\"\n\t\"strings\"\n", p.name)
	seen := map[string]bool{}
	for _, i := range p.imports {
		if !seen[i] {
			p.add("\n\t%q\n", Path+"/"+i)
		}
		seen[i] = true
	}
	if p.clients {
		p.add("\n\t%q\n", "github.com/portage-iot/awsiot/v1compat")
	}
	p.add(")\n\n// Total is what other packages build on.\nfunc Total(n int) int {\n")
	for _, i := range p.imports {
		if seen[i] {
			p.add("\tn += %s.Total(n - 1)\n", i)
			seen[i] = false
		}
	}
	p.add("\treturn n + %d\n}\n", p.rnd.IntN(100))
	if p.clients {
		p.add(clientCode, p.name)
	}
	for n := 0; p.lines < lines; n++ {
		p.add(ordinaryCode, n, p.rnd.IntN(1000), p.rnd.IntN(1000))
	}
	return p.b.String()
}
