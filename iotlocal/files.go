package iotlocal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// fileKind is what a file of the directory holds.
type fileKind int

const (
	public fileKind = iota // a certificate
	secret                 // a private key: for its owner only
)

// mode is the one that files are written with.
func (k fileKind) mode() fs.FileMode {
	if k == secret {
		return 0o600
	}
	return 0o644
}

// readFile reads a file of the directory. A symbolic link is not followed: who
// may write to the directory could have the server read, and use, another file.
// A key that others than its owner can read is narrowed, and an error when that
// cannot be done.
func readFile(path string, k fileKind) ([]byte, error) {
	before, err := regular(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("iotlocal: %w", err)
	case !os.SameFile(before, st):
		return nil, fmt.Errorf("iotlocal: %s was replaced while it was opened", path)
	case k == secret && runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0:
		if err := f.Chmod(k.mode()); err != nil {
			return nil, fmt.Errorf("iotlocal: others can read the private key %s (mode %04o), and that cannot be changed: %w", path, st.Mode().Perm(), err)
		}
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: %w", err)
	}
	return b, nil
}

// regular returns what is at path, which must be a file in its own right.
func regular(path string) (fs.FileInfo, error) {
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("iotlocal: %w", err)
	case st.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("iotlocal: %s is a symbolic link, which is not followed: remove it", path)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("iotlocal: %s is no regular file", path)
	}
	return st, nil
}

// writeFile makes or replaces a file of the directory, all at once: it is whole
// or not there, and its mode is right from the beginning.
func writeFile(path string, data []byte, k fileKind) error {
	if _, err := regular(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".iotlocal-*") // mode 0600
	if err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(k.mode()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("iotlocal: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// devices are the names that Windows keeps for devices, whatever the extension.
var devices = []string{"con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

// checkFileName refuses the thing names, valid ones of AWS, that cannot be names
// of files everywhere. A directory is carried from one system to another, so the
// rules do not depend on where the server runs, but for the colon, which names of
// things have often and which only Windows cannot have.
func checkFileName(thing string) error {
	switch lower := strings.ToLower(thing); {
	case lower == caName: // many disks do not tell CA.pem from ca.pem
		return fmt.Errorf("iotlocal: thing name %q would overwrite the CA's files", thing)
	case slices.Contains(devices, lower):
		return fmt.Errorf("iotlocal: thing name %q cannot be that of a file: on Windows it is a device", thing)
	case runtime.GOOS == "windows" && strings.Contains(thing, ":"):
		return fmt.Errorf("iotlocal: thing name %q cannot be that of a file on Windows: it has a colon", thing)
	}
	return nil
}
