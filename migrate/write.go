package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// writer replaces files: all of them, or none.
type writer struct {
	journalDir string            // where the journal stands
	step       func(what string) // is told before every change on the disk; nil: nobody. A test ends the process there
}

func (w writer) at(what string) {
	if w.step != nil {
		w.step(what)
	}
}

// replacement is one file on its way from the old content to the new.
type replacement struct {
	File
	name   string // real path
	temp   string // the new content, next to the file, until it is in place
	backup string // a second link to the old file while the others are not done
	inside bool   // written over in place: other names or an owner that a new file cannot have
	staged bool
	backed bool
	placed bool
}

// write replaces the files. First the journal says what begins; then every new content is written beside its file, which
// is where a full disk or an end of ctx is noticed; then they change places, which ctx no longer interrupts, and what a
// failure leaves half done is undone. The journal goes last: what a killed process leaves, the next run finds by it.
// Names, owner and mode bits of a file stay, and so do its other hard links.
func (w writer) write(ctx context.Context, files map[string]File) error {
	all, err := replacements(files)
	if err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	w.at("journal")
	j, err := begin(w.journalDir, all)
	if err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	for _, r := range all {
		if ctx.Err() != nil {
			err = fmt.Errorf("nothing was written: %w", context.Cause(ctx))
			break
		}
		w.at("stage " + r.name)
		if err = r.stage(); err != nil {
			err = fmt.Errorf("%w; nothing was written", writing(r.name, err))
			break
		}
	}
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("nothing was written: %w", context.Cause(ctx))
	}
	if err == nil {
		var undone error
		if err, undone = w.commit(all); undone != nil { // the journal and the old files stay for the next run
			j.release()
			return errors.Join(err, undone, fmt.Errorf("some files are new and some are old: the next run tries again to undo it, by %s", j.path))
		}
	}
	for _, r := range all {
		w.at("clean " + r.name)
		r.clean()
	}
	w.at("end")
	return errors.Join(err, j.end())
}

// replacements are the files by their real names, each once, in order.
func replacements(files map[string]File) ([]*replacement, error) {
	var all []*replacement
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return nil, writing(name, err)
		}
		if !seen[real] {
			seen[real] = true
			all = append(all, &replacement{File: files[name], name: real})
		}
	}
	return all, nil
}

// writing is what stopped the writing of a file, whose name is in it once.
func writing(name string, err error) error {
	if p, ok := err.(*fs.PathError); ok && p.Path == name {
		err = p.Err
	}
	return fmt.Errorf("write %s: %w", name, err)
}

// commit puts everything in place, or nothing; undone is what went wrong while it was taken back.
func (w writer) commit(all []*replacement) (err, undone error) {
	// What is written over in place can still fail for want of room, so it goes first.
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *replacement) int {
		switch {
		case a.inside == b.inside:
			return 0
		case a.inside:
			return -1
		}
		return 1
	})
	for i, r := range order {
		if err := r.place(w); err != nil {
			for _, done := range order[:i+1] {
				w.at("undo " + done.name)
				undone = errors.Join(undone, done.undo())
			}
			return writing(r.name, err), undone
		}
	}
	var errs []error
	for _, r := range order {
		if r.inside { // what is shorter than before is cut last, so that undoing needs no room
			w.at("cut " + r.name)
			errs = append(errs, os.Truncate(r.name, int64(len(r.New))))
		}
	}
	return nil, errors.Join(errs...)
}

// stage writes the new content to a temporary file next to the file, after a check that the file is still what was
// read.
func (r *replacement) stage() error {
	st, err := os.Stat(r.name)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(r.name)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, r.Old) {
		return errors.New("the file has changed during the run")
	}
	if st.Mode().Perm()&0o200 == 0 {
		return &os.PathError{Op: "write", Path: r.name, Err: os.ErrPermission}
	}
	t, err := os.OpenFile(r.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	r.staged = true
	r.inside = links(st) > 1 || !takeOwner(t, st)
	_, err = t.Write(r.New)
	if err == nil {
		err = t.Sync()
	}
	return errors.Join(err, t.Chmod(st.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)), t.Close())
}

// tempPrefix begins the names of the files that exist while the tool writes.
const tempPrefix = ".iotmigrate-"

// place puts the new content where the old one is.
func (r *replacement) place(w writer) error {
	r.placed = true
	if r.inside {
		w.at("over " + r.name)
		return over(r.name, r.New)
	}
	w.at("link " + r.name)
	r.backed = os.Link(r.name, r.backup) == nil // without links, undo writes the old content
	w.at("rename " + r.name)
	if err := os.Rename(r.temp, r.name); err != nil {
		r.placed = false
		return err
	}
	r.staged = false
	return nil
}

// undo brings the old content back. It needs no room on the disk: the old file is still there under its second name,
// or its blocks are still its own.
func (r *replacement) undo() error {
	switch {
	case !r.placed:
		return nil
	case r.backed:
		err := os.Rename(r.backup, r.name)
		r.backed = err != nil
		return err
	}
	return errors.Join(over(r.name, r.Old), os.Truncate(r.name, int64(len(r.Old))))
}

// over writes data over the beginning of a file without giving up a block of it.
func over(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Sync(), f.Close())
}

// clean removes what stands beside the file.
func (r *replacement) clean() {
	if r.staged {
		os.Remove(r.temp)
	}
	if r.backed {
		os.Remove(r.backup)
	}
}
