//go:build interop

package migrate

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestExamples: of the programs in v1's shape, which README names for a first look, nothing is left and nothing bridged,
// and what they become builds. PORTAGE_MIGRATED keeps what the go command needs to see them so: GOFLAGS=-overlay=FILE.
func TestExamples(t *testing.T) {
	res, err := Run(t.Context(), Config{Dir: "..", Patterns: []string{"./examples/v1-style/..."}, Bridges: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range res.Units {
		if !u.Done() {
			t.Errorf("%s is not done:\n%s", u.Name, res.report().UnitText(u))
		}
	}
	if s := res.Stats(); res.Left() || s.Rewritten < 100 || s.Bridged+s.Left > 0 {
		t.Errorf("Left is %v, %d rewritten, %d bridged, %d left", res.Left(), s.Rewritten, s.Bridged, s.Left)
	}
	dir := os.Getenv("PORTAGE_MIGRATED")
	if dir == "" {
		dir = t.TempDir()
	}
	overlay := overlayOf(t, dir, res)
	build := exec.Command("go", "build", "-o", os.DevNull, "-overlay="+overlay, "./examples/v1-style/...")
	build.Dir = ".."
	if msg, err := build.CombinedOutput(); err != nil {
		t.Errorf("the rewritten programs do not build: %v\n%s", err, msg)
	}
}

// overlayOf writes the files that a run has rewritten into dir, and returns the file for the flag -overlay of the go command.
func overlayOf(t *testing.T, dir string, res *Result) string {
	t.Helper()
	replace := map[string]string{}
	for name, f := range res.Files {
		to := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(to, f.New, 0o644); err != nil {
			t.Fatal(err)
		}
		replace[name] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return overlay
}
