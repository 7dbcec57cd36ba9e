package examples_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/migrate"
)

var update = flag.Bool("update", false, "write the v2-style programs that iotmigrate produces")

// output builds a program and runs it against a server in its own process.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	bin := filepath.Join(t.TempDir(), "program.exe")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "./"+program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\nstdout:\n%s\nstderr:\n%s", program, err, out, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("%s wrote to stderr:\n%s", program, &stderr)
	}
	return string(out)
}

// TestPrograms runs every example as a new user does, without an endpoint. Programs of one name are one program, so
// they print the same lines.
func TestPrograms(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"pubsub", []string{"-n", "2", "-interval", "1ms", "-t", "a/b"}, []string{
			"online",
			`received {"message": "Hello World!", "sequence": 0} from a/b`, "published 0",
			`received {"message": "Hello World!", "sequence": 1} from a/b`, "published 1",
			"offline",
		}},
		{"shadow", []string{"-n", "2", "-interval", "1ms"}, []string{
			"delete rejected",
			"update accepted: property 0", "delta: property 0",
			"update accepted: property 1", "delta: property 1",
		}},
	}
	covered := map[string]bool{}
	for _, tt := range tests {
		want := strings.Join(tt.want, "\n") + "\n"
		for _, style := range []string{"v1-style", "v2-style"} {
			program := style + "/" + tt.name
			covered[program] = true
			t.Run(program, func(t *testing.T) {
				if got := output(t, program, tt.args...); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
	programs, err := filepath.Glob("*-style/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if !covered[filepath.ToSlash(p)] {
			t.Errorf("no test runs %s", p)
		}
	}
}

// rewrite is what iotmigrate makes of an example.
func rewrite(t *testing.T, program string) *migrate.Result {
	t.Helper()
	res, err := migrate.Run(t.Context(), migrate.Config{Patterns: []string{"./" + program}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// twinComment is what a twin says in place of what its v1-style program says, in the comment before the package
// clause only: the tool leaves comments alone.
var twinComment = strings.NewReplacer("in v1's shape", "as iotmigrate rewrites it", "examples/v1-style/", "examples/v2-style/")

// TestPubSubTwin: the v2-style program is what iotmigrate makes of the v1-style one, to the byte from the package
// clause on. go test ./examples -run Twin -update writes it.
func TestPubSubTwin(t *testing.T) {
	res := rewrite(t, "v1-style/pubsub")
	if s := res.Stats(); s.Left > 0 || s.Rewritten == 0 {
		t.Errorf("%d call sites rewritten, %d left: want all rewritten", s.Rewritten, s.Left)
	}
	if len(res.Files) != 1 {
		t.Fatalf("%d files change, want 1:\n%s", len(res.Files), res.Diff())
	}
	for name, file := range res.Files {
		comment, code, ok := strings.Cut(string(file.New), "\npackage main\n")
		if !ok {
			t.Fatalf("%s has no package clause", name)
		}
		want := twinComment.Replace(comment) + "\npackage main\n" + code
		twin := filepath.Join("v2-style", "pubsub", filepath.Base(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(twin), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(twin, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(twin)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what iotmigrate produces; it produces\n%s", twin, want)
		}
	}
}

// TestShadowTwin: the shadow example's twin is written by hand, as there are no rules for shadow clients. What the tool
// says of the program is asserted, so that the day it gets a rule this test asks for the twin that the tool makes.
func TestShadowTwin(t *testing.T) {
	res := rewrite(t, "v1-style/shadow")
	if len(res.Files) != 0 {
		t.Fatalf("the tool changes the shadow example; make its output the twin:\n%s", res.Diff())
	}
	if len(res.Units) != 1 || res.Units[0].Rewritten {
		t.Fatalf("units %+v, want the one client, left", res.Units)
	}
	var reasons []string
	for _, r := range res.Units[0].Reasons {
		reasons = append(reasons, r.Anchor+": "+r.Text)
	}
	if got, want := strings.Join(reasons, "\n"), "shadow: shadow clients have no rule yet"; got != want {
		t.Errorf("reasons:\n%s\nwant\n%s", got, want)
	}
}
