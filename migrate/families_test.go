package migrate

import (
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// TestRoutes: every pair of API and target has rules or says why not, and several APIs at once have those of each, once.
func TestRoutes(t *testing.T) {
	tests := []struct {
		name     string
		c        Config
		packages []string // some of those whose users are looked at
		err      string
	}{
		{name: "none", packages: []string{paths.V1Compat, paths.JobsCompat}},
		{name: "v1 to v2", c: Config{From: []API{FromV1}}, packages: []string{paths.V1Compat, paths.JobsCompat}},
		{name: "v1 to its drop-in", c: Config{From: []API{FromV1}, To: ToDropIn}, err: "-from v1 -to dropin: v1-shaped code runs on v1compat"},
		{name: "paho to v2", c: Config{From: []API{FromPaho}}, packages: []string{paths.Paho, paths.PahoCompat}},
		{name: "paho to its drop-in", c: Config{From: []API{FromPaho}, To: ToDropIn}, packages: []string{paths.Paho}},
		{name: "both to v2", c: Config{From: []API{FromPaho, FromV1, FromPaho}}, packages: []string{paths.V1Compat, paths.Paho}},
		{name: "both to the drop-in", c: Config{From: []API{FromPaho, FromV1}, To: ToDropIn}, err: "-from v1 -to dropin"},
		{name: "no such API", c: Config{From: []API{7}}, err: "no rules from API(7) to v2"},
		{name: "no such target", c: Config{To: 7}, err: "no rules from v1 to Target(7)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rs, err := tt.c.ruleset()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tt.packages {
				if !rs.facade(p) {
					t.Errorf("users of %s are passed over", p)
				}
			}
			if seen := slices.Sorted(slices.Values(rs.packages())); len(slices.Compact(slices.Clone(seen))) != len(seen) {
				t.Errorf("packages twice: %v", seen)
			}
			if written := rs.written(); len(rs.moves) > 0 && !slices.Contains(written, paths.PahoCompat) || slices.Contains(rs.packages(), paths.Module) {
				t.Errorf("written %v", written)
			}
		})
	}
}
