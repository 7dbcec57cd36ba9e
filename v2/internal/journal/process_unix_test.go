//go:build unix

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// otherHelper opens dir without the rights of root and says how that went.
func otherHelper(what, dir string) error {
	if what != "open" {
		return fmt.Errorf("no helper %q", what)
	}
	if os.Getuid() == 0 {
		const nobody = 65534
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	_, _, err := Open(dir, Options{})
	fmt.Println(err)
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("not a matter of permissions: %w", err)
	}
	os.Exit(0)
	return nil
}

// The directory, or a file in it, belongs to somebody else (or to nobody who may
// write): Open says which file.
func TestPermissions(t *testing.T) {
	tests := []struct {
		name string
		mode map[string]os.FileMode // by name in the directory, "" itself
		file string                 // in the error
	}{
		{"directory closed", map[string]os.FileMode{"": 0o000}, "lock"},
		{"directory read-only", map[string]os.FileMode{"": 0o555, "lock": 0o444}, "lock"},
		{"lock not ours", map[string]os.FileMode{"": 0o777, "lock": 0o000}, "lock"},
		{"directory cannot be listed", map[string]os.FileMode{"": 0o333, "lock": 0o666}, ""},
		{"segment unreadable", map[string]os.FileMode{"": 0o777, "lock": 0o666, segName(1): 0o000}, segName(1)},
		{"segment read-only", map[string]os.FileMode{"": 0o777, "lock": 0o666, segName(1): 0o444}, segName(1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			j, _ := mustOpen(t, dir, Options{})
			mustAppend(t, j, "x")
			kill(j)
			for _, name := range []string{segName(1), "lock", ""} { // the directory last
				if mode, ok := tt.mode[name]; ok {
					if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Cleanup(func() { os.Chmod(dir, 0o700) })
			out, err := helper(t, "open", dir).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := fmt.Sprintf("store: open %q: permission denied", filepath.Join(dir, tt.file))
			if got := strings.TrimSpace(string(out)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
