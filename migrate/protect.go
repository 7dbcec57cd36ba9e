package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// DirtyError reports files that Fix would change although git has no copy of them as they are.
type DirtyError struct {
	Files   []string // changed or new
	Ignored []string // ignored by git, so that it has no copy at all
	Outside []string // in no git work tree, while the directory of the run is in one
}

// Error names the first five files of each kind.
func (e *DirtyError) Error() string {
	var parts []string
	for _, k := range []struct {
		files []string
		what  string
	}{
		{e.Files, "the git work tree has uncommitted changes, which a rewrite would mix with: "},
		{e.Ignored, "git ignores files that would change, and has no copy of them: "},
		{e.Outside, "files that would change are in no git work tree: "},
	} {
		if len(k.files) == 0 {
			continue
		}
		n := min(len(k.files), 5)
		s := k.what + strings.Join(k.files[:n], ", ")
		if n < len(k.files) {
			s += fmt.Sprintf(" and %d more", len(k.files)-n)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ") + "; commit, stash or copy them, or use -force"
}

// errNoTree says that a directory is in no git work tree.
var errNoTree = errors.New("not in a git work tree")

// git runs git in dir. Its error is errNoTree where git says so, and has git's own words otherwise.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound), err != nil && strings.Contains(stderr.String(), "not a git repository"):
		return "", errNoTree
	case err != nil:
		return "", fmt.Errorf("git %s in %s: %w: %s", args[0], dir, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// status lists what `git status` says about paths below dir, by its code.
func status(ctx context.Context, dir string, paths ...string) (dirty, ignored []string, err error) {
	args := append([]string{"status", "--porcelain", "-z", "--untracked-files=all", "--ignored=matching", "--no-renames", "--"}, paths...)
	out, err := git(ctx, dir, args...)
	for entry := range strings.SplitSeq(out, "\x00") {
		switch {
		case len(entry) < 4:
		case strings.HasPrefix(entry, "!!"):
			ignored = append(ignored, entry[3:])
		default:
			dirty = append(dirty, entry[3:])
		}
	}
	return dirty, ignored, err
}

// workTree refuses a git work tree in which something below dir is not committed that a rewrite could mix with. Changes of
// go.mod and go.sum are none of that: Fix does not write them, and `go get` of what the rewritten files import comes before
// it. Outside of a work tree it returns a note, since there is no way back then.
func workTree(ctx context.Context, dir string, force bool) (note string, err error) {
	dirty, _, err := status(ctx, dir, ":(glob)**/*.go", ":(glob)**/go.work")
	switch {
	case errors.Is(err, errNoTree):
		return "not in a git work tree: only your own copy can undo the rewrite", nil
	case err != nil && !force:
		return "", fmt.Errorf("whether everything is committed cannot be told: %w; -force goes on without", err)
	case len(dirty) > 0 && !force:
		return "", &DirtyError{Files: dirty}
	}
	return "", nil
}

// protect refuses files that Fix would change although git could not bring them back, wherever they lie: in another
// directory of the work tree, in another work tree, behind a symbolic link, or ignored. tracked tells whether the
// directory of the run is in a work tree: where it is not, neither need a file be.
func protect(ctx context.Context, dir string, tracked bool, files map[string]File) error {
	byDir := map[string][]string{}
	for name := range files {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return err
		}
		byDir[filepath.Dir(real)] = append(byDir[filepath.Dir(real)], filepath.Base(real))
	}
	e := &DirtyError{}
	for _, d := range slices.Sorted(maps.Keys(byDir)) {
		names := slices.Sorted(slices.Values(byDir[d]))
		shown := func(n string) string { return relative(dir, filepath.Join(d, n)) }
		top, err := git(ctx, d, "rev-parse", "--show-toplevel")
		if errors.Is(err, errNoTree) {
			for _, n := range names {
				if tracked {
					e.Outside = append(e.Outside, shown(n))
				}
			}
			continue
		}
		if err != nil {
			return err
		}
		literal := make([]string, len(names)) // no pattern characters
		for i, n := range names {
			literal[i] = ":(literal)" + n
		}
		dirty, ignored, err := status(ctx, d, literal...)
		if err != nil {
			return err
		}
		root := strings.TrimSuffix(top, "\n")
		for _, n := range dirty { // relative to the work tree
			e.Files = append(e.Files, relative(dir, filepath.Join(root, n)))
		}
		for _, n := range names {
			if slices.ContainsFunc(ignored, func(i string) bool { return covers(filepath.Join(root, i), filepath.Join(d, n)) }) {
				e.Ignored = append(e.Ignored, shown(n))
			}
		}
	}
	if len(e.Files)+len(e.Ignored)+len(e.Outside) > 0 {
		return e
	}
	return nil
}

// covers reports whether path is name, or in the directory name.
func covers(name, path string) bool {
	return path == name || strings.HasPrefix(path, name+string(filepath.Separator))
}
