package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Program is an executable with the arguments that come before all others.
type Program struct {
	Path string
	Args []string
	// Command: it was named with its arguments, and takes none of Options.Args.
	Command bool
}

// Build makes a program of what: a directory with a Go program, a package as the go command names it, an executable, which
// is taken as it is, or words: a command with its arguments, in any language. Go programs are built in their own module,
// into dir, under the file name given.
func Build(ctx context.Context, what []string, dir, file string) (Program, error) {
	if len(what) != 1 {
		return command(what)
	}
	path, err := build(ctx, what[0], dir, file)
	return Program{Path: path}, err
}

// command looks a command up as a shell does.
func command(words []string) (Program, error) {
	if len(words) == 0 {
		return Program{}, errors.New("no program")
	}
	path, err := exec.LookPath(words[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return Program{}, fmt.Errorf("%s: no such command: %w", words[0], err)
	}
	return Program{Path: path, Args: words[1:], Command: true}, nil
}

func build(ctx context.Context, what, dir, file string) (path string, err error) {
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	st, err := os.Stat(what)
	switch {
	case err == nil && st.IsDir():
		return goBuild(ctx, what, ".", dir, file)
	case err == nil && strings.HasSuffix(what, ".go"):
		return "", fmt.Errorf("%s: name the directory of the program, not one of its files", what)
	case err == nil:
		if path, err = filepath.Abs(what); err != nil {
			return "", err
		}
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("%s: neither a Go package nor an executable", what)
		}
		return path, nil
	case strings.HasPrefix(what, ".") && !strings.Contains(what, "...") || filepath.IsAbs(what):
		return "", fmt.Errorf("%s: no such directory or executable", what)
	}
	return goBuild(ctx, "", what, dir, file)
}

// goBuild builds the one program that pattern names.
func goBuild(ctx context.Context, in, pattern, dir, file string) (string, error) {
	// An interrupted go build leaves its own temporary files behind: in dir they go with the rest.
	env := append(os.Environ(), "GOTMPDIR="+dir)
	list, err := Go(ctx, in, env, "list", "-f", "{{.Name}}\t{{.ImportPath}}", "--", pattern)
	if err != nil {
		return "", err
	}
	var programs, others []string
	for line := range strings.Lines(list) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name == "main" {
			programs = append(programs, path)
		} else {
			others = append(others, path)
		}
	}
	shown := pattern
	if in != "" {
		shown = in
	}
	switch {
	case len(programs) > 1:
		return "", fmt.Errorf("%s: %d programs, want one: %s", shown, len(programs), strings.Join(programs, ", "))
	case len(programs) == 0 && len(others) > 0:
		return "", fmt.Errorf("%s: no program (package main), but %s", shown, strings.Join(others, ", "))
	case len(programs) == 0:
		return "", fmt.Errorf("%s: no Go package", shown)
	}
	out := filepath.Join(dir, file)
	// Without the version stamp: a work tree of somebody else's would make git, and with it the build, fail.
	if _, err := Go(ctx, in, env, "build", "-buildvcs=false", "-o", out, "--", programs[0]); err != nil {
		return "", err
	}
	return out, nil
}

// Go runs the go command in a directory and returns what it printed; its error carries what it printed to stderr. env nil
// is the environment of the process. At the end of ctx the command is interrupted, so that it ends what it has started.
func Go(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if errors.Is(err, exec.ErrNotFound) {
			return "", fmt.Errorf("the go command is not in PATH: %w", err)
		}
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
