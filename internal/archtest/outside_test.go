//go:build !race

package archtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests run programs of their own, which the race detector does not see.

// outsideModule makes a module in a folder of its own that takes this repository through a replace directive, as a
// user's module would take a release: nothing of the tree's own go.mod, internal packages or test files is within reach.
// It returns the folder.
func outsideModule(t *testing.T) string {
	t.Helper()
	files(t) // ties go test's cache to the packages that the programs are built from
	dir := t.TempDir()
	mod, err := os.ReadFile(filepath.Join(root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	// The requirements are copied, so that the module needs no look-up: the cache has what the repository itself needs.
	_, requires, ok := strings.Cut(string(mod), "require (")
	if !ok {
		t.Fatal("go.mod has no require block")
	}
	text := "module example.com/outside\n\ngo 1.26\n\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + filepath.ToSlash(root()) +
		"\n\nrequire (" + requires
	write(t, dir, "go.mod", text)
	sum, err := os.ReadFile(filepath.Join(root(), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "go.sum", string(sum))
	return dir
}

// write puts a file into dir, making its folder.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// modEnv lets the go command of the outside module complete go.mod and go.sum, as it would for a user, without asking
// the checksum database about what the module cache has, and link without the symbol table, which takes a third of the time.
var modEnv = []string{"GOFLAGS=-mod=mod -ldflags=-s", "GOSUMDB=off"}

// executable is the file name of a program on this system.
func executable(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// readmePrograms are the complete programs of the README that say what they print: each is followed by a text block.
// They are the ways in, so they are what the outside module builds and runs.
func readmePrograms(t *testing.T) []*block {
	t.Helper()
	var list []*block
	for _, b := range allBlocks(t) {
		if b.doc == "README.md" && b.lang == "go" && strings.HasPrefix(b.text, "package main") {
			list = append(list, b)
		}
	}
	return list
}

// TestOutsidePrograms builds and runs the README's programs in a module outside the tree: the one on v1compat, the one
// on v2. Each must print what the README says it prints.
func TestOutsidePrograms(t *testing.T) {
	dir := outsideModule(t)
	imported := map[string]bool{}
	for _, program := range readmePrograms(t) {
		imports := "other"
		for _, way := range []string{"v1compat", "v2"} {
			if strings.Contains(program.text, `"`+module+"/"+way+`"`) {
				imports = way
			}
		}
		imported[imports] = true
		t.Run(imports, func(t *testing.T) {
			if program.next == nil || program.next.lang != "text" {
				t.Fatalf("%s: the program is not followed by a text block with what it prints", program.where())
			}
			name := "prog" + imports
			write(t, dir, name+"/main.go", program.text)
			binary := executable(dir, name+"-bin")
			if out, err := goCommand(dir, modEnv, "build", "-o", binary, "./"+name); err != nil {
				t.Fatalf("%s does not build outside the tree: %v\n%s", program.where(), err, out)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary)
			cmd.Dir = t.TempDir()
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v\nstdout:\n%s\nstderr:\n%s", program.where(), err, &stdout, &stderr)
			}
			if got, want := stdout.String(), program.next.text; got != want {
				t.Errorf("%s printed\n%s\nthe README says\n%s\nstderr:\n%s", program.where(), got, want, &stderr)
			}
		})
	}
	for _, way := range []string{"v1compat", "v2"} {
		if !imported[way] {
			t.Errorf("README.md has no complete program on %s", way)
		}
	}
}

// v1Program has a client that the tool can move.
const v1Program = `package main

import "github.com/portage-iot/awsiot/v1compat"

func main() {
	client := v1compat.NewAWSIoTMQTTClient("outside")
	client.ConfigureEndpoint("localhost", 8883)
	client.ConfigureCredentials("ca.pem", "thing.key", "thing.pem")
	if err := client.Connect(); err != nil {
		panic(err)
	}
	if _, err := client.Publish("a/b", []byte("hello"), 1); err != nil {
		panic(err)
	}
	if err := client.Disconnect(); err != nil {
		panic(err)
	}
}
`

// outsideTool is outsideModule with the migration tool in it.
func outsideTool(t *testing.T) (dir, tool string) {
	t.Helper()
	dir = outsideModule(t)
	tool = executable(dir, "iotmigrate")
	if out, err := goCommand(root(), nil, "build", "-o", tool, "./cmd/iotmigrate"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir, tool
}

// TestOutsideTool lets the migration tool rewrite programs outside the tree.
func TestOutsideTool(t *testing.T) {
	dir, tool := outsideTool(t)
	t.Run("fix: MIGRATION.md shows what the tool writes", func(t *testing.T) {
		// One run for all pairs of which nothing is left, and one for those with a bridge, which is work that is left.
		pairs := map[int][]pair{}
		for _, before := range allBlocks(t) {
			after := before.next
			if after == nil || !slices.Contains(after.words, "rewritten") {
				continue
			}
			status := 0
			if strings.Contains(after.text, "v1compat.") {
				status = 3
			}
			pairs[status] = append(pairs[status], pair{fmt.Sprintf("pair%d-%d", status, len(pairs[status])), before, after})
		}
		if len(pairs[0]) == 0 || len(pairs[3]) == 0 {
			t.Errorf("blocks of the documents fenced as rewritten: %d, and %d with a bridge", len(pairs[0]), len(pairs[3]))
		}
		for status, all := range pairs {
			checkRewrites(t, tool, dir, status, all)
		}
	})
}

// TestOutsideInstall gets the tool in the two ways that the README names, in a module outside the tree.
func TestOutsideInstall(t *testing.T) {
	const tool = module + "/cmd/iotmigrate"
	text := documentText(t, "README.md")
	for _, way := range []string{"go get -tool " + tool, "go install " + tool, "go tool iotmigrate check ./..."} {
		if !strings.Contains(text, way) {
			t.Errorf("README.md does not say %q", way)
		}
	}
	dir := outsideModule(t)
	write(t, dir, "legacy/main.go", v1Program)
	env := append([]string{"GOPROXY=off", "GOBIN=" + filepath.Join(dir, "bin")}, modEnv...)
	const want = "legacy/main.go:6:12: client: would be rewritten: constructor 1"
	t.Run("go get -tool", func(t *testing.T) {
		if out, err := goCommand(dir, env, "get", "-tool", tool); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// Without -mod=mod: everything the tool needs is in go.mod and go.sum now.
		out, err := goCommand(dir, []string{"GOPROXY=off", "GOSUMDB=off"}, "tool", "iotmigrate", "check", "./...")
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("go tool iotmigrate: %v, no %q in\n%s", err, want, out)
		}
	})
	t.Run("go install", func(t *testing.T) {
		if out, err := goCommand(dir, env, "install", tool); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		cmd := exec.Command(executable(filepath.Join(dir, "bin"), "iotmigrate"), "check", "./...")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOPROXY=off")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, no %q in\n%s", err, want, out)
		}
	})
}

// documentText is a document of the repository.
func documentText(t *testing.T, name string) string {
	t.Helper()
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	return docs[name]
}

// pair is a block of a document, the one that the tool makes of it, and the package that has them in the outside module.
type pair struct {
	pkg           string
	before, after *block
}

// checkRewrites lets the tool rewrite programs that have the blocks before as the body of a function, and looks for the blocks
// after in them.
func checkRewrites(t *testing.T, tool, dir string, status int, all []pair) {
	t.Helper()
	args := []string{"fix", "-C", dir}
	for _, p := range all {
		write(t, dir, p.pkg+"/main.go", "package main\n\nimport (\n\t\"context\"\n\n\t\""+module+"/v1compat\"\n)\n\nfunc main() { _ = run(context.Background()) }\n\n"+
			"func run(ctx context.Context) error {\n"+indent(p.before.text)+"\treturn nil\n}\n")
		args = append(args, "./"+p.pkg)
	}
	cmd := exec.Command(tool, args...)
	cmd.Env = append(os.Environ(), append(modEnv, "GOWORK=off")...)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
		t.Errorf("iotmigrate fix of %d blocks: %v, want exit status %d\n%s", len(all), err, status, out)
		return
	}
	for _, p := range all {
		got, err := os.ReadFile(filepath.Join(dir, p.pkg, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), indent(p.after.text)) {
			t.Errorf("%s: the tool writes\n%s\nthe document says\n%s", p.after.where(), got, indent(p.after.text))
		}
		if left := strings.Contains(string(got), "/v1compat\""); left != (status != 0) {
			t.Errorf("%s: imports v1compat afterwards: %v", p.before.where(), left)
		}
	}
}

// indent puts a tab before every line that is not empty.
func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			out.WriteByte('\t')
		}
		out.WriteString(line)
	}
	return out.String()
}
