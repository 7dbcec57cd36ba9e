package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A mosquitto that was asked for and is not there must not be another one, or none.
func TestFind(t *testing.T) {
	if path, err := find(filepath.Join(t.TempDir(), "mosquitto")); err == nil {
		t.Errorf("found %q", path)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := find(self); path != self || err != nil {
		t.Errorf("%q, %v, want %q", path, err, self)
	}
	if _, err := find(""); err != nil {
		t.Errorf("without an option: %v", err)
	}
}
