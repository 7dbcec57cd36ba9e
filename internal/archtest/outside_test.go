package archtest

import (
	"bytes"
	"context"
	"errors"
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
// the checksum database about what the module cache has.
var modEnv = []string{"GOFLAGS=-mod=mod", "GOSUMDB=off"}

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

// stuckProgram has one that it cannot: it is made with an option that v2 does not have.
const stuckProgram = `package main

import "github.com/portage-iot/awsiot/v1compat"

func main() {
	client := v1compat.NewAWSIoTMQTTClient("outside", v1compat.WithStrictV1())
	if err := client.Connect(); err != nil {
		panic(err)
	}
}
`

// TestOutsideTool runs the migration tool over programs outside the tree: as go vet's tool, and to rewrite.
func TestOutsideTool(t *testing.T) {
	dir := outsideModule(t)
	tool := executable(dir, "iotmigrate")
	if out, err := goCommand(root(), nil, "build", "-o", tool, "./cmd/iotmigrate"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, dir, "legacy/main.go", v1Program)
	write(t, dir, "stuck/main.go", stuckProgram)
	write(t, dir, "clean/main.go", "package main\n\nfunc main() {}\n")
	tests := []struct {
		name, pkg string
		want      []string // nothing: the tool has nothing to say
	}{
		{"vet: no MQTT", "./clean", nil},
		{"vet: can be rewritten", "./legacy", []string{"legacy/main.go:6:12", "iotmigrate fix can rewrite it", "6 call sites"}},
		{"vet: cannot be rewritten", "./stuck", []string{"stuck/main.go:6:12", "MIGRATION.md#quirks", "WithStrictV1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := goCommand(dir, modEnv, "vet", "-vettool="+tool, tt.pkg)
			if tt.want == nil {
				if err != nil {
					t.Errorf("go vet -vettool: %v", err)
				}
				return
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("go vet -vettool reported nothing: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("go vet -vettool: no %q in\n%v", want, err)
				}
			}
		})
	}
	t.Run("fix: MIGRATION.md shows what the tool writes", func(t *testing.T) {
		pairs := 0
		for _, before := range allBlocks(t) {
			after := before.next
			if after == nil || !slices.Contains(after.words, "rewritten") {
				continue
			}
			pairs++
			checkRewrite(t, tool, dir, fmt.Sprintf("pair%d", pairs), before, after)
		}
		if pairs == 0 {
			t.Error("no block of a document is fenced as rewritten")
		}
	})
}

// checkRewrite lets the tool rewrite a program that has before as the body of a function, and looks for after in it.
func checkRewrite(t *testing.T, tool, dir, pkg string, before, after *block) {
	t.Helper()
	src := "package main\n\nimport (\n\t\"context\"\n\n\t\"" + module + "/v1compat\"\n)\n\nfunc main() { _ = run(context.Background()) }\n\n" +
		"func run(ctx context.Context) error {\n" + indent(before.text) + "\treturn nil\n}\n"
	write(t, dir, pkg+"/main.go", src)
	cmd := exec.Command(tool, "fix", "-C", dir, "./"+pkg)
	cmd.Env = append(os.Environ(), append(modEnv, "GOWORK=off")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: iotmigrate fix: %v\n%s", before.where(), err, out)
		return
	}
	got, err := os.ReadFile(filepath.Join(dir, pkg, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), indent(after.text)) {
		t.Errorf("%s: the tool writes\n%s\nthe document says\n%s", after.where(), got, indent(after.text))
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
