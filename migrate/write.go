package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// DirtyError reports uncommitted changes in the git work tree that Fix would write into.
type DirtyError struct{ Files []string }

// Error names the first five files.
func (e *DirtyError) Error() string {
	n := min(len(e.Files), 5)
	s := "the git work tree has uncommitted changes, which a rewrite would mix with: " + strings.Join(e.Files[:n], ", ")
	if n < len(e.Files) {
		s += fmt.Sprintf(" and %d more", len(e.Files)-n)
	}
	return s + "; commit or stash them, or use -force"
}

// workTree refuses a dirty git work tree. Outside of one it returns a note, since there is no way back then.
func workTree(ctx context.Context, dir string, force bool) (note string, err error) {
	cmd := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--untracked-files=all", ".")
	out, err := cmd.Output()
	if err != nil {
		return "not in a git work tree: only your own copy can undo the rewrite", nil
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		if len(line) > 3 {
			files = append(files, strings.TrimSpace(line[3:]))
		}
	}
	if len(files) > 0 && !force {
		return "", &DirtyError{files}
	}
	return "", nil
}

// write replaces the files one by one, each atomically. When one fails, those already replaced get their old content
// back, so that a rewrite is written as a whole or not at all.
func write(files map[string]File) error {
	type staged struct{ name, temp string }
	var todo []staged
	clean := func() {
		for _, s := range todo {
			os.Remove(s.temp)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		real, err := filepath.EvalSymlinks(name)
		if err == nil {
			var temp string
			if temp, err = stage(real, files[name]); err == nil {
				todo = append(todo, staged{real, temp})
			}
		}
		if err != nil {
			clean()
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	for i, s := range todo {
		if err := os.Rename(s.temp, s.name); err != nil {
			err = fmt.Errorf("write %s: %w", s.name, err)
			for _, d := range todo[:i] {
				for name, f := range files {
					if r, e := filepath.EvalSymlinks(name); e == nil && r == d.name {
						err = errors.Join(err, os.WriteFile(d.name, f.Old, 0o644))
					}
				}
			}
			clean()
			return err
		}
	}
	return nil
}

// stage writes the new content to a temporary file next to name, after a check that name is still what was read.
func stage(name string, f File) (temp string, err error) {
	st, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	now, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(now, f.Old) {
		return "", errors.New("the file has changed during the run")
	}
	if st.Mode().Perm()&0o200 == 0 {
		return "", &os.PathError{Op: "write", Path: name, Err: os.ErrPermission}
	}
	t, err := os.CreateTemp(filepath.Dir(name), ".iotmigrate-*")
	if err != nil {
		return "", err
	}
	_, err = t.Write(f.New)
	err = errors.Join(err, t.Chmod(st.Mode().Perm()), t.Close())
	if err != nil {
		os.Remove(t.Name())
		return "", err
	}
	return t.Name(), nil
}

// relative is name relative to dir with slashes, or name itself when it is not below dir.
func relative(dir, name string) string {
	rel, err := filepath.Rel(dir, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(name)
	}
	return filepath.ToSlash(rel)
}
