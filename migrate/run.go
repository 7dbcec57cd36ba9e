package migrate

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// Run plans the rewrite of the packages, checks it, and in mode Fix writes it.
//
// It returns an error when the packages do not load or compile as they are, when a file cannot be written, or when
// the git work tree has uncommitted changes (mode Fix without Force). What cannot be rewritten is not an error: it
// is in the units of the result, with its reasons.
func Run(ctx context.Context, c Config) (*Result, error) {
	if len(c.Patterns) == 0 {
		c.Patterns = []string{"."}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	res := &Result{Dir: dir, Files: map[string]File{}}
	if c.Mode == Fix {
		if len(c.Overlay) > 0 {
			return nil, errOverlayFix
		}
		note, err := workTree(ctx, dir, c.Force)
		if err != nil {
			return nil, err
		}
		if note != "" {
			res.Notes = append(res.Notes, note)
		}
	}
	goos := c.GOOS
	if len(goos) == 0 {
		goos = []string{runtime.GOOS}
	}
	var sets []*set
	for _, g := range goos {
		s, err := load(ctx, c, g)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	res.Units = gather(sets)
	var ready []*unit.Unit
	for _, u := range res.Units {
		if len(u.Reasons) == 0 {
			ready = append(ready, u)
		}
	}
	ck := &checker{sets: sets, src: &source{overlay: c.Overlay, read: map[string][]byte{}}, gone: gonePackages(sets)}
	good, files, err := ck.settle(ready)
	if err != nil {
		return nil, fmt.Errorf("type-check the rewritten packages: %w", err)
	}
	if err := ck.again(files, res.Units); err != nil {
		return nil, err
	}
	for _, u := range good {
		u.Rewritten = true
	}
	if c.Todo {
		if files, err = ck.todo(res.Units, files); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		old, err := ck.src.file(name)
		if err != nil {
			return nil, err
		}
		if string(old) != string(files[name]) {
			res.Files[name] = File{Old: old, New: files[name]}
		}
	}
	if c.Mode == Fix && len(res.Files) > 0 {
		if err := write(res.Files); err != nil {
			return nil, err
		}
		res.Written = true
	}
	return res, nil
}
