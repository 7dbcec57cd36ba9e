package v1compat_test

// The table of differences from v1, in the manner of encoding/json's v2_diff_test.go: one row for each behaviour of v1
// that was kept or changed, with a small program that shows it. The cells of the table are what the programs saw:
// the table in MIGRATION.md is generated from them.

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat"
)

var update = flag.Bool("update", false, "rewrite the generated table in MIGRATION.md")

// quirkRow is one behaviour.
type quirkRow struct {
	name string // a field of Quirks, a rule of the transcripts, or a name of its own
	what string // the behaviour, for the table

	v1    string // what v1 did
	here  string // what v1compat, or another facade, does; asV1 if that
	v2    string // what awsiot.Client does, with OptionsV1; with none in front it has nothing to run
	quirk string // the field of Quirks that changes it, or ""
	// flipped is what v1compat does with the quirk: v1's behaviour where WithStrictV1 sets it.
	flipped string

	threads string // issue threads of the v1 SDK; "rec": a recording shows it
	run     func(*stage) string
}

const (
	asV1 = "as v1"
	none = "–: " // in front of a v2 cell that no program can show
)

// quirkRows is the table, in its order.
func quirkRows() []quirkRow {
	return slices.Concat(keptRows, connectionRows, configureRows, queueRows, callbackRows, requestRows, shadowRows, websocketRows, serviceRows)
}

// want is what v1compat does.
func (r *quirkRow) want() string {
	if r.here == asV1 {
		return r.v1
	}
	return r.here
}

// TestQuirkTable runs every row through the facade, the facade with the row's switch turned, and v2. A row whose switch
// is turned must show something else: no row passes whatever the quirk is.
func TestQuirkTable(t *testing.T) {
	strict := v1compat.NewAWSIoTMQTTClient("strict", v1compat.WithStrictV1()).Quirks()
	for _, r := range quirkRows() {
		t.Run(r.name, func(t *testing.T) {
			check := func(where, want string, on *stage) string {
				saw := onStage(t, on, r.run)
				assert.Equal(t, want, saw, "%s:\n saw %s\nwant %s", where, saw, want)
				return saw
			}
			saw := check("v1compat", r.want(), &stage{})
			check("FromV2", r.want(), &stage{half: true})
			if !strings.HasPrefix(r.v2, none) {
				check("v2", r.v2, &stage{onV2: true})
			}
			if r.quirk == "" {
				assert.False(t, r.here != asV1 && r.here == r.v1, "it does what v1 did: say asV1")
				return
			}
			var q v1compat.Quirks
			reflect.ValueOf(&q).Elem().FieldByName(r.quirk).SetBool(true)
			assert.NotEqual(t, saw, check("v1compat with "+r.quirk, r.flipped, &stage{quirks: q}), "%s changes nothing that this row sees", r.quirk)
			isV1 := r.want() // the side that does what v1 did
			if reflect.ValueOf(strict).FieldByName(r.quirk).Bool() {
				isV1 = r.flipped
			}
			assert.Equal(t, r.v1, isV1, "what brings v1 back does")
		})
	}
}

// TestQuirkTableComplete: every field of Quirks and every rule of the transcripts is a row, and no name stands twice.
func TestQuirkTableComplete(t *testing.T) {
	rows := map[string]*quirkRow{}
	for _, r := range quirkRows() {
		assert.Nil(t, rows[r.name], "%s stands twice", r.name)
		rows[r.name] = &r
		assert.NotEmpty(t, r.what, "%s has an empty cell", r.name)
		assert.NotEmpty(t, r.v1, "%s has an empty cell", r.name)
		assert.NotEmpty(t, r.here, "%s has an empty cell", r.name)
		assert.NotEmpty(t, r.v2, "%s has an empty cell", r.name)
		assert.NotEmpty(t, r.threads, "%s has an empty cell", r.name)
		assert.NotNil(t, r.run, "%s has an empty cell", r.name)
		assert.False(t, r.quirk != "" && r.quirk != r.name, "%s: its switch has another name: %s", r.name, r.quirk)
	}
	quirks := reflect.TypeFor[v1compat.Quirks]()
	for i := range quirks.NumField() {
		r := rows[quirks.Field(i).Name]
		if assert.NotNil(t, r, "Quirks.%s is no row with a switch", quirks.Field(i).Name) {
			assert.NotEmpty(t, r.quirk, "Quirks.%s is no row with a switch", quirks.Field(i).Name)
		}
	}
	for _, rule := range trRules {
		switch r := rows[rule.name]; {
		case r == nil:
			assert.Fail(t, fmt.Sprintf("the rule %s of the transcripts is no row", rule.name))
		case rule.quirk != (r.quirk != ""):
			assert.Fail(t, fmt.Sprintf("the rule %s and its row do not agree about a switch", rule.name))
		}
	}
}

// The marks around the table in MIGRATION.md.
const (
	tableBegin = "<!-- generated from v1compat's quirk rows: go test ./v1compat -run TestQuirkTableInMigration -update -->\n"
	tableEnd   = "<!-- end of the generated table -->\n"
	migration  = "../MIGRATION.md"
)

// TestQuirkTableInMigration compares the table in MIGRATION.md with the rows.
func TestQuirkTableInMigration(t *testing.T) {
	b, err := os.ReadFile(migration)
	require.NoError(t, err)
	before, rest, ok1 := strings.Cut(string(b), tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	require.True(t, ok1, "MIGRATION.md lacks the marks")
	require.True(t, ok2, "MIGRATION.md lacks the marks")
	if want := quirkMarkdown(quirkRows()); old != want {
		require.True(t, *update, "the table in MIGRATION.md is stale: run this test with -update")
		require.NoError(t, os.WriteFile(migration, []byte(before+tableBegin+want+tableEnd+after), 0o644))
	}
}

// quirkMarkdown is the table as Markdown.
func quirkMarkdown(rows []quirkRow) string {
	var b strings.Builder
	b.WriteString("\n| Behaviour | v1 | v1compat | Switch | v2 | Threads |\n|---|---|---|---|---|---|\n")
	strict := reflect.ValueOf(v1compat.NewAWSIoTMQTTClient("strict", v1compat.WithStrictV1()).Quirks())
	for _, r := range rows {
		key := "–"
		if r.quirk != "" {
			key = "`Quirks." + r.quirk + "`"
			if strict.FieldByName(r.quirk).Bool() {
				key += ", `WithStrictV1`"
			} else {
				key += ": " + r.flipped
			}
		}
		v2 := strings.TrimPrefix(r.v2, none)
		if v2 == r.want() {
			v2 = "as v1compat"
		}
		for i, cell := range []string{"**" + r.name + "**: " + r.what, r.v1, r.here, key, v2, r.threads} {
			if i == 0 {
				b.WriteString("|")
			}
			b.WriteString(" " + strings.ReplaceAll(cell, "|", `\|`) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return b.String()
}
