package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"iotmigrate": main})
}

// TestScripts runs the command as a user does, in a module that replaces ours by the working copy.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	path := strings.Fields(string(mod))[1]
	text := strings.Replace(string(mod), "module "+path, "module example.com/device", 1) +
		"\nrequire " + path + " v0.0.0\n\nreplace " + path + " => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
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
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, keep...)
			e.Setenv("ROOT", root)
			if err := os.WriteFile(filepath.Join(e.WorkDir, "go.mod"), []byte(text), 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "go.sum"), sum, 0o644)
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
