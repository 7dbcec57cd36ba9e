//go:build interop

package main

import (
	"fmt"
	"go/format"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/migrate"
)

// generatedCases is how many clients the generated program makes, each in a shape of its own.
const generatedCases = 80

// TestGenerated makes a program of clients that are made, configured and used in shapes drawn at random: in variables,
// fields, package variables and maps, in branches, loops, methods, helpers and literals, before the first connection and
// between two. Every argument is computed by a function that prints it, so that an order that changes is seen. All of it
// is rewritten, says the same before and after, and has nothing to rewrite the second time.
func TestGenerated(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			src, err := format.Source([]byte(generated(rand.New(rand.NewPCG(seed+1, 0)))))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			root, err := filepath.Abs("../..")
			if err != nil {
				t.Fatal(err)
			}
			m, err := newModule(dir, root, offline, map[string][]byte{"before/main.go": src, "after/main.go": src})
			if err != nil {
				t.Fatal(err)
			}
			conf := migrate.Config{Dir: dir, Patterns: []string{"./after/..."}, Mode: migrate.Fix, Force: true, Env: m.environ()}
			res, err := migrate.Run(t.Context(), conf)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range res.Units {
				if !u.Rewritten {
					t.Errorf("%s: left: %v", u.Pos, u.Reasons)
				}
			}
			if again, err := migrate.Run(t.Context(), conf); err != nil || len(again.Files) > 0 {
				t.Errorf("the second run: %v\n%s", err, again.Diff())
			}
			var runs [2]*replay.Run
			for i, which := range []string{"before", "after"} {
				bin := filepath.Join(dir, "bin-"+which)
				if _, err := replay.Go(t.Context(), dir, m.environ(), "build", "-buildvcs=false", "-o", bin, "./"+which); err != nil {
					t.Fatal(err)
				}
				if runs[i], err = replay.Record(t.Context(), which, replay.Program{Path: bin}, replay.Options{Args: strings.Fields(corpusArgs), Thing: "generated", Timeout: 2 * time.Minute}); err != nil {
					t.Fatal(err)
				}
			}
			if cmp := wirediff.Compare(runs[0].Packets, runs[1].Packets, wirediff.Options{}); !cmp.Equal() {
				t.Errorf("on the wire: %v", cmp.Differences)
			}
			before, after := strings.Split(runs[0].Stdout, "\n"), strings.Split(runs[1].Stdout, "\n")
			for i := range before {
				if i >= len(after) || before[i] != after[i] {
					t.Errorf("line %d printed differs: %q before, then %q", i+1, before[i], after[min(i, len(after)-1):min(i+3, len(after))])
					break
				}
			}
			if n := strings.Count(runs[0].Stdout, "published true"); n < generatedCases {
				t.Errorf("only %d messages were published:\n%s", n, runs[0].Stdout)
			}
		})
	}
}
