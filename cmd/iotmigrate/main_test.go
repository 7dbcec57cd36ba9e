package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portage-iot/awsiot/internal/testsize"
)

// TestMain lets the go command link without the symbol table, which takes a third of the time of linking: these tests
// link some thirty programs.
func TestMain(m *testing.M) {
	os.Setenv("GOFLAGS", strings.TrimSpace(os.Getenv("GOFLAGS")+" -ldflags=-s"))
	testscript.Main(runner{m}, map[string]func(){"iotmigrate": main})
}

// runner removes what the tests share.
type runner struct{ *testing.M }

func (r runner) Run() int {
	code := r.M.Run()
	if toolDir != "" {
		os.RemoveAll(toolDir)
	}
	return code
}

// scriptModule writes the go.mod and go.sum of a module outside that replaces ours by the working copy.
func scriptModule(dir string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	path := strings.Fields(string(mod))[1]
	text := strings.Replace(string(mod), "module "+path, "module example.com/device", 1) +
		"\nrequire " + path + " v0.0.0\n\nreplace " + path + " => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}

// TestScripts runs the command as a user does, in a module that replaces ours by the working copy. $TOOL is the built program.
func TestScripts(t *testing.T) {
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	// The go command needs its caches, which are found through the real home.
	var keep []string
	for _, name := range []string{"HOME", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"} {
		if v, ok := os.LookupEnv(name); ok {
			keep = append(keep, name+"="+v)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(name string) (bool, error) {
			if name == "large" { // what the go command takes seconds for
				return testsize.Large, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, keep...)
			e.Setenv("TOOL", path)
			return scriptModule(e.WorkDir)
		},
	})
}

func TestRegister(t *testing.T) {
	saved := commands
	defer func() { commands = saved }()
	register(command{"extra", "a command of another file", func(_ context.Context, args []string, stdout, _ io.Writer) int { return len(args) }})
	var out bytes.Buffer
	usage(&out)
	if !strings.Contains(out.String(), "extra    a command of another file") {
		t.Errorf("help text:\n%s", out.String())
	}
}
