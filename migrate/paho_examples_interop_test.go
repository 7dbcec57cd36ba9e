//go:build interop

package migrate

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPahoExamplesRunAfterwards moves the programs of examples/paho-style, each of which brings its own broker, and compares what
// they print with what they print as they are.
func TestPahoExamplesRunAfterwards(t *testing.T) {
	pahoExamples(t, Config{Patterns: []string{"./examples/paho-style/..."}}, 3)
}

// TestPahoExampleIdioms is TestPahoExamplesRunAfterwards for the program on shadows, as new code would be.
func TestPahoExampleIdioms(t *testing.T) {
	pahoExamples(t, Config{Patterns: []string{"./examples/paho-style/shadow"}, Idioms: true}, 1)
}

func pahoExamples(t *testing.T, conf Config, clients int) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	conf.Dir, conf.From, conf.Bridges = root, []API{FromPaho}, true
	res, err := Run(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Units) != clients || len(res.Files) != clients {
		t.Fatalf("%d clients, %d files", len(res.Units), len(res.Files))
	}
	list := overlayOf(t, t.TempDir(), res)
	for _, u := range res.Units {
		name := filepath.Base(filepath.Dir(u.Pos.Filename))
		t.Run(name, func(t *testing.T) {
			if !u.Rewritten {
				t.Fatalf("the client stays: %v", u.Reasons)
			}
			run := func(flags ...string) string {
				cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"run"}, flags...), "./examples/paho-style/"+name, "-n", "3")...)
				cmd.Dir = root
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v: %v", cmd, err)
				}
				return string(out)
			}
			before, after := run(), run("-overlay="+list)
			if before != after || before == "" {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
		})
	}
}
