package migrate

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// journalName is the file that stands at the root of a module or workspace while a run writes. It holds the old and the
// new content of every file, so that the run after one that was killed can undo what that began. Where the system has
// file locks (flock), the journal of a run that still writes is left alone; elsewhere two runs at a time are not told apart.
const journalName = tempPrefix + "journal"

// journal is what is being written.
type journal struct {
	path string
	file *os.File // open and locked as long as the run writes
}

// record is what a journal holds; a line feed ends it, and without one nothing had begun.
type record struct {
	Version int
	Files   []recordFile
}

type recordFile struct {
	Name         string // real path
	Temp, Backup string // what can stand beside it
	Old, New     []byte
}

// journalDir is where a run in dir keeps its journal: the nearest directory above with a go.work or go.mod, else dir.
func journalDir(dir string) string {
	for _, name := range []string{"go.work", "go.mod"} {
		for d := range parents(dir) {
			if st, err := os.Stat(filepath.Join(d, name)); err == nil && st.Mode().IsRegular() {
				return d
			}
		}
	}
	return dir
}

// parents are dir and all directories above.
func parents(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for yield(dir) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
	}
}

var errOtherRun = errors.New("another run of iotmigrate is writing")

// begin writes the journal, and gives the replacements the names of what stands beside them.
func begin(dir string, all []*replacement) (*journal, error) {
	id := strings.ToLower(rand.Text()[:10])
	rec := record{Version: 1}
	for i, r := range all {
		r.temp = filepath.Join(filepath.Dir(r.name), fmt.Sprintf("%s%s-%d", tempPrefix, id, i))
		r.backup = r.temp + ".old"
		rec.Files = append(rec.Files, recordFile{r.name, r.temp, r.backup, r.Old, r.New})
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	j := &journal{path: filepath.Join(dir, journalName)}
	j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", j.path, errOtherRun)
	}
	if err != nil {
		return nil, fmt.Errorf("write the journal: %w", err)
	}
	if !lock(j.file) {
		j.release()
		return nil, fmt.Errorf("%s: %w", j.path, errOtherRun)
	}
	_, err = j.file.Write(append(data, '\n'))
	if err = errors.Join(err, j.file.Sync()); err != nil {
		return nil, errors.Join(fmt.Errorf("write the journal: %w", err), j.end())
	}
	return j, nil
}

// end removes the journal: nothing is left to undo.
func (j *journal) end() error {
	err := os.Remove(j.path)
	if err != nil && filepath.Separator == '\\' { // Windows removes no open file
		j.release()
		err = os.Remove(j.path)
	}
	j.release()
	return err
}

// release closes the journal and leaves it where it is.
func (j *journal) release() { j.file.Close() }

// restore undoes what a killed run has left, by its journal in dir, and says what it did; "" when there is none.
func restore(dir string) (said string, err error) {
	j := &journal{path: filepath.Join(dir, journalName)}
	j.file, err = os.OpenFile(j.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	st, errStat := os.Stat(j.path)
	if err == nil {
		st, errStat = j.file.Stat()
	}
	if errStat == nil && !own(st) { // it could write any file of the user's: it came with a clone, or lies in a directory that others write to
		if err == nil {
			j.release()
		}
		return j.path + " is no journal of your own runs, which others can neither read nor write, and was left alone: remove it", nil
	}
	if err != nil {
		return "", fmt.Errorf("an interrupted run has left its journal: %w", err)
	}
	if !lock(j.file) {
		j.release()
		return "", fmt.Errorf("%s: %w", j.path, errOtherRun)
	}
	if a, errA := j.file.Stat(); errA == nil {
		if b, errB := os.Stat(j.path); errB != nil || !os.SameFile(a, b) {
			j.release() // its run has ended meanwhile
			return restore(dir)
		}
	}
	data, err := io.ReadAll(j.file)
	if err != nil {
		j.release()
		return "", fmt.Errorf("read the journal of an interrupted run: %w", err)
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		return "a run was interrupted before it changed anything", j.end()
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil || rec.Version != 1 {
		j.release()
		return "", fmt.Errorf("%s is not a journal that this version can read: undo what it names with the version that wrote it, or remove it to keep all files as they are", j.path)
	}
	said, err = rec.restore()
	if err != nil {
		j.release()
		return "", fmt.Errorf("an interrupted run cannot be undone: %w; its old and new files are in %s, which you can remove to keep all files as they are", err, j.path)
	}
	return said, j.end()
}

// restore makes every file old again, unless all are new.
func (rec record) restore() (said string, err error) {
	now := make([][]byte, len(rec.Files))
	isNew, isOld := 0, 0
	for i, f := range rec.Files {
		if now[i], err = os.ReadFile(f.Name); err != nil {
			return "", err
		}
		switch {
		case bytes.Equal(now[i], f.New):
			isNew++
		case bytes.Equal(now[i], f.Old):
			isOld++
		case !mixed(now[i], f.Old, f.New):
			return "", fmt.Errorf("%s was changed since", f.Name)
		}
	}
	if isNew < len(rec.Files) {
		for i, f := range rec.Files {
			if bytes.Equal(now[i], f.Old) {
				continue
			}
			if err := f.restore(); err != nil {
				return "", err
			}
		}
	}
	for _, f := range rec.Files {
		for _, name := range []string{f.Temp, f.Backup} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	switch n := count(len(rec.Files), "file"); {
	case isNew == len(rec.Files):
		return "finished what an interrupted run began: " + n + " had been rewritten", nil
	case isOld == len(rec.Files):
		return "undid what an interrupted run began: no file had been rewritten", nil
	default:
		return fmt.Sprintf("undid what an interrupted run began: %s of %d had been rewritten, and are as they were before", count(len(rec.Files)-isOld, "file"), len(rec.Files)), nil
	}
}

// restore brings the old content of a file back: the old file itself where it has a second name, so that it stays the
// same file, else by writing over.
func (f recordFile) restore() error {
	if b, err := os.ReadFile(f.Backup); err == nil && bytes.Equal(b, f.Old) {
		return os.Rename(f.Backup, f.Name)
	}
	return errors.Join(over(f.Name, f.Old), os.Truncate(f.Name, int64(len(f.Old))))
}

// mixed reports whether data can be what is left when writing one of the contents over the other was cut off.
func mixed(data, a, b []byte) bool {
	if len(data) > max(len(a), len(b)) || len(data) < min(len(a), len(b)) {
		return false
	}
	for i, c := range data {
		if !(i < len(a) && a[i] == c || i < len(b) && b[i] == c) {
			return false
		}
	}
	return true
}
