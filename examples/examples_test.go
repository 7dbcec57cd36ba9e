package examples_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate"
)

var update = flag.Bool("update", false, "write the v2-style programs that iotmigrate produces")

// pairs are the programs that stand in both styles under one name.
var pairs = map[string]*example{
	"v1-style/pubsub": program("v1-style/pubsub"), "v2-style/pubsub": program("v2-style/pubsub"),
	"v1-style/shadow": program("v1-style/shadow"), "v2-style/shadow": program("v2-style/shadow"),
}

// TestPrograms runs every example as a new user does, without an endpoint. Programs of one name are one program, so
// they print the same lines.
func TestPrograms(t *testing.T) {
	t.Parallel()
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
	for _, tt := range tests {
		for _, style := range []string{"v1-style", "v2-style"} {
			t.Run(style+"/"+tt.name, func(t *testing.T) {
				p := pairs[style+"/"+tt.name].start(t, nil, tt.args...)
				if status := p.wait(t); status != 0 || troubled(&p.stderr) {
					t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
				}
				if got := p.said(); !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		}
	}
}

// troubled reports whether a standard error has more than what v1compat logs of the ordinary course of things.
func troubled(stderr *bytes.Buffer) bool {
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, " level=info ") && !strings.Contains(line, " level=debug ") || !strings.Contains(line, " logger=AWSIoTPythonSDK.core.") {
			return true
		}
	}
	return false
}

// TestCovered: every example is a variable of these tests, which staticcheck holds to be used.
func TestCovered(t *testing.T) {
	programs, err := filepath.Glob("*-style/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) < len(pairs) {
		t.Fatalf("found only %v", programs)
	}
	for _, p := range programs {
		if filepath.Base(p) == "internal" {
			continue // what they share
		}
		if covered[filepath.ToSlash(p)] == nil {
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

// TestTwins: the v2-style program is what iotmigrate makes of the v1-style one, to the byte from the package
// clause on. go test ./examples -run Twins -update writes it.
func TestTwins(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"pubsub", "shadow"} {
		t.Run(program, func(t *testing.T) { twin(t, program) })
	}
}

func twin(t *testing.T, program string) {
	res := rewrite(t, "v1-style/"+program)
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
		twin := filepath.Join("v2-style", program, filepath.Base(name))
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
