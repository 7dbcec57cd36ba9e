package migrate

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repo is a git work tree with one committed file.
type repo struct{ dir string }

func newRepo(t *testing.T) repo {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := repo{dir}
	r.git(t, "init", "-q")
	r.write(t, "sub/clean.go", "package sub\n")
	r.git(t, "add", ".")
	r.git(t, "commit", "-q", "-m", "x")
	return r
}

func (r repo) git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func (r repo) write(t *testing.T, name, text string) string {
	t.Helper()
	full := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return full
}

// TestProtect: a file of which git has no copy is refused wherever it lies.
func TestProtect(t *testing.T) {
	r, other := newRepo(t), newRepo(t)
	r.write(t, ".gitignore", "made*.go\nout\n")
	r.git(t, "add", ".")
	r.git(t, "commit", "-q", "-m", "y")
	r.write(t, "sub/clean.go", "package sub\n")
	changed := r.write(t, "changed [1] ü.go", "package x\n")
	ignored := r.write(t, "sub/made.go", "package sub\n")
	deep := r.write(t, "out/x/deep.go", "package x\n")
	r.git(t, "add", changed)
	r.git(t, "commit", "-q", "-m", "z")
	r.write(t, "changed [1] ü.go", "package y\n")
	foreign := other.write(t, "new.go", "package other\n")
	outside := repo{t.TempDir()}.write(t, "free.go", "package free\n")
	linked := filepath.Join(r.dir, "sub", "linked.go")
	if err := os.Symlink(outside, linked); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(r.dir, "sub", "foreign.go")
	if err := os.Symlink(foreign, loop); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(r.dir, "sub")
	tests := []struct {
		name    string
		file    string
		tracked bool
		want    DirtyError
	}{
		{"committed", filepath.Join(sub, "clean.go"), true, DirtyError{}},
		{"above the directory", changed, true, DirtyError{Files: []string{filepath.ToSlash(changed)}}},
		{"ignored", ignored, true, DirtyError{Ignored: []string{"made.go"}}},
		{"in an ignored directory", deep, true, DirtyError{Ignored: []string{filepath.ToSlash(deep)}}},
		{"in another work tree", foreign, true, DirtyError{Files: []string{filepath.ToSlash(foreign)}}},
		{"in another work tree, by a link", loop, true, DirtyError{Files: []string{filepath.ToSlash(foreign)}}},
		{"in another work tree, from outside of all", foreign, false, DirtyError{Files: []string{filepath.ToSlash(foreign)}}},
		{"outside, by a link", linked, true, DirtyError{Outside: []string{filepath.ToSlash(outside)}}},
		{"outside of all", outside, false, DirtyError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := protect(t.Context(), sub, tt.tracked, map[string]File{tt.file: {}})
			got := DirtyError{}
			if de, ok := errors.AsType[*DirtyError](err); ok {
				got = *de
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Files, tt.want.Files) || !slices.Equal(got.Ignored, tt.want.Ignored) || !slices.Equal(got.Outside, tt.want.Outside) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDirtyErrorText(t *testing.T) {
	e := &DirtyError{Files: []string{"a", "b", "c", "d", "e", "f"}, Ignored: []string{"i"}, Outside: []string{"o"}}
	for _, want := range []string{"a, b, c, d, e and 1 more", "git ignores files that would change, and has no copy of them: i", "in no git work tree: o", "-force"} {
		if !strings.Contains(e.Error(), want) {
			t.Errorf("no %q in %v", want, e)
		}
	}
}

func TestWorkTree(t *testing.T) {
	ctx := context.Background()
	dir := newModule(t, map[string]string{"main.go": ping})
	r := repo{dir}
	r.git(t, "init", "-q")
	c := Config{Dir: dir, Mode: Fix}
	if _, err := Run(ctx, c); err == nil || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("untracked files: %v", err)
	}
	r.git(t, "add", ".")
	r.git(t, "commit", "-q", "-m", "x")
	for _, name := range []string{"go.mod", "go.sum"} { // as go get leaves them: Fix does not write them
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := Run(ctx, c)
	if err != nil || !res.Written || len(res.Notes) != 0 {
		t.Fatalf("clean tree: %+v, %v", res, err)
	}
	if _, err := Run(ctx, c); err == nil {
		t.Error("the changed tree is accepted")
	} else if de, ok := errors.AsType[*DirtyError](err); !ok || !slices.Equal(de.Files, []string{"main.go"}) {
		t.Errorf("changed tree: %v", err)
	}
	c.Force = true
	if res, err := Run(ctx, c); err != nil || res.Written {
		t.Errorf("-force: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "config"), []byte("broken ["), 0o644); err != nil {
		t.Fatal(err)
	}
	if note, err := workTree(ctx, dir, false); err == nil || errors.Is(err, errNoTree) {
		t.Errorf("a work tree that git cannot read: %q, %v", note, err)
	}
}
