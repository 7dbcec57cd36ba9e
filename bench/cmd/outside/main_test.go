package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRow(t *testing.T) {
	r := &row{name: "m", rule: "constructor", compiles: "yes", empty: "yes", took: 1500 * time.Millisecond}
	text := `{"units": [
		{"package": "m/a", "rewritten": true, "sites": [{"rule": "import", "outcome": "rewritten"}, {"rule": "constructor", "outcome": "rewritten"}, {"rule": "publish", "outcome": "bridged"},
			{"rule": "token", "outcome": "rewritten"}, {"rule": "token", "outcome": "bridged"}],
		 "bridges": [{"what": "Publish", "text": "no rule"}]},
		{"package": "m/b", "sites": [{"rule": "constructor", "outcome": "left"}, {"rule": "token", "outcome": "left"}], "reasons": [{"text": "generated"}]},
		{"package": "m/b", "sites": [{"rule": "constructor", "outcome": "left"}], "reasons": [{"text": "shared", "link": "https://example.com/MIGRATION.md#exported-api"}]},
		{"package": "m/c", "sites": [], "reasons": [{"text": "generated"}]}
	], "problems": [{"package": "m/d"}]}`
	if err := json.Unmarshal([]byte(text), &r.report); err != nil {
		t.Fatal(err)
	}
	if got, want := r.String(), "| m (1 packages do not compile as they are) | 1 of 3 (33 %) | 1 of 2 (50 %) | 2 of 3 (67 %) | 1 of 3 | 3 | 2 | 3 | yes | yes | 1.5 |"; got != want {
		t.Errorf("row %s\nwant %s", got, want)
	}
	if got, want := r.reasons(), []string{"2 generated", "1 bridge: Publish: no rule", "1 shared"}; !slices.Equal(got, want) {
		t.Errorf("reasons %q, want %q", got, want)
	}
}

// TestUsage: no modules, no work.
func TestUsage(t *testing.T) {
	if err := run(context.Background(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), "no modules") {
		t.Errorf("%v", err)
	}
}
