package mqtt_test

// The table of differences from paho.mqtt.golang under the v2 engine: one row for each, with a small program that shows it. The
// cells of the table are what the programs see; the table in MIGRATION.md is generated from them.

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

var update = flag.Bool("update", false, "rewrite the generated table in MIGRATION.md")

// difference is one row.
type difference struct {
	what       string // the behaviour, for the table
	paho, here string // what the program says on paho.mqtt.golang, and on this package with the v2 engine
	run        func(*stage) string
}

// differences is the table, in its order.
func differences() []difference {
	return append(append([]difference(nil), protocolDifferences...), mendedDifferences...)
}

// TestDifferences runs every row on both.
func TestDifferences(t *testing.T) {
	for _, d := range differences() {
		t.Run(d.what, func(t *testing.T) {
			if d.paho == d.here {
				t.Error("no difference")
			}
			for i, want := range []string{d.paho, d.here} {
				t.Run(libraries[i].name, func(t *testing.T) {
					srv := iotlocal.StartT(t, iotlocal.Options{})
					s := newStage(t, fmt.Sprintf("%s:%d", srv.Host(), srv.TCPPort()), srv)
					s.lib = libraries[i]
					if got := d.run(s); got != want {
						t.Errorf("says %s\nwant %s", got, want)
					}
					s.end()
				})
			}
		})
	}
}

const (
	tableBegin = "<!-- generated from pahocompat's difference rows: go test ./pahocompat -run TestDifferencesInMigration -update -->\n"
	tableEnd   = "<!-- end of the generated table of pahocompat -->\n"
)

// TestDifferencesInMigration: the table in MIGRATION.md is that of the rows.
func TestDifferencesInMigration(t *testing.T) {
	const file = "../MIGRATION.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	if !ok {
		t.Fatal("MIGRATION.md has no place for the table")
	}
	_, after, ok := strings.Cut(rest, tableEnd)
	if !ok {
		t.Fatal("MIGRATION.md has no end of the table")
	}
	var b strings.Builder
	b.WriteString("\n| | paho.mqtt.golang | pahocompat |\n|---|---|---|\n")
	for _, d := range differences() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(d.what), cell(d.paho), cell(d.here))
	}
	want := before + tableBegin + b.String() + "\n" + tableEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("MIGRATION.md is not up to date: go test ./pahocompat -run TestDifferencesInMigration -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cell makes text fit a cell.
func cell(s string) string { return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(s) }
