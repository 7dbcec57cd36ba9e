package migrate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/report"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/paho"
	"github.com/portage-iot/awsiot/migrate/pahodropin"
	"github.com/portage-iot/awsiot/migrate/unit"
	"github.com/portage-iot/awsiot/migrate/v1client"
	"github.com/portage-iot/awsiot/migrate/v1discovery"
	"github.com/portage-iot/awsiot/migrate/v1jobs"
	"github.com/portage-iot/awsiot/migrate/v1shadow"
)

// API is a client API that code is migrated from.
type API int

// The APIs.
const (
	FromV1   API = iota // the v1 SDK's shape: v1compat, shadowcompat, jobscompat and v1compat/discovery
	FromPaho            // github.com/eclipse/paho.mqtt.golang, or pahocompat, which has the same names
)

// String is the name of the API as -from takes it.
func (a API) String() string {
	switch a {
	case FromV1:
		return "v1"
	case FromPaho:
		return "paho"
	}
	return fmt.Sprintf("API(%d)", int(a))
}

// Target is what code is migrated to.
type Target int

// The targets.
const (
	ToV2     Target = iota // awsiot.Client, with its own calls
	ToDropIn               // the package of this module that has the old API on awsiot.Client: the import line changes
)

// String is the name of the target as -to takes it.
func (t Target) String() string {
	switch t {
	case ToV2:
		return "v2"
	case ToDropIn:
		return "dropin"
	}
	return fmt.Sprintf("Target(%d)", int(t))
}

// route is the rules that lead from an API to a target, or why there is no such way.
type route struct {
	from       API
	to         Target
	families   []*rewrite.Family
	moves      []*pahodropin.Move
	words      report.Words
	impossible string
}

// routes are all pairs of API and target. Nothing else in the driver knows a family by name.
var routes = []route{
	{from: FromV1, to: ToV2, families: []*rewrite.Family{v1client.Family, v1shadow.Family, v1jobs.Family, v1discovery.Family}, words: report.V1},
	{from: FromV1, to: ToDropIn, impossible: "v1-shaped code runs on v1compat as it is; use -to v2"},
	{from: FromPaho, to: ToV2, families: []*rewrite.Family{paho.Family},
		words: report.Words{Unit: "client", Found: "clients of paho.mqtt.golang", Owner: "paho", Shape: "paho's API", API: "paho's API", Target: "v2"}},
	{from: FromPaho, to: ToDropIn, moves: []*pahodropin.Move{pahodropin.Paho},
		words: report.Words{Unit: "file", Found: "imports of paho.mqtt.golang", Owner: "paho", Shape: "paho.mqtt.golang", API: "paho.mqtt.golang", Target: "pahocompat"}},
}

// bothWords are those of several APIs at once.
var bothWords = report.Words{Unit: "client", Found: "clients of v1's shape or of paho.mqtt.golang", Owner: "the old API", Shape: "the old API", API: "the old API", Target: "v2"}

// rules are what a run rewrites by.
type rules struct {
	families []*rewrite.Family
	moves    []*pahodropin.Move
	words    report.Words
}

// ruleset returns the rules that lead from the APIs of the configuration to its target.
func (c Config) ruleset() (*rules, error) {
	from := c.From
	if len(from) == 0 {
		from = []API{FromV1}
	}
	rs := &rules{}
	for i, a := range from {
		if slices.Contains(from[:i], a) {
			continue
		}
		at := slices.IndexFunc(routes, func(r route) bool { return r.from == a && r.to == c.To })
		if at < 0 {
			return nil, fmt.Errorf("migrate: there are no rules from %v to %v", a, c.To)
		}
		if why := routes[at].impossible; why != "" {
			return nil, errors.New("-from " + a.String() + " -to " + c.To.String() + ": " + why)
		}
		rs.families = append(rs.families, routes[at].families...)
		rs.moves = append(rs.moves, routes[at].moves...)
		if rs.words = routes[at].words; len(from) > 1 {
			rs.words = bothWords
		}
	}
	return rs, nil
}

// Validate reports whether there is a way from From to To.
func (c Config) Validate() error {
	_, err := c.ruleset()
	return err
}

// v1Rules returns those of a configuration that names none.
func v1Rules() *rules {
	rs, _ := Config{}.ruleset() // there is such a route: TestRoutes
	return rs
}

// analyze returns the units of packages, of each by itself. The packages of an API itself, and of what replaces it, have none.
func (rs *rules) analyze(all []rewrite.Input) [][]*unit.Unit {
	out, _ := each(all, func(in rewrite.Input) ([]*unit.Unit, error) {
		if rs.own(in.Types.Path()) {
			return nil, nil
		}
		return rewrite.Analyze(in, rs.families), nil
	})
	var users []rewrite.Input
	var at []int
	for i, in := range all {
		if !rs.own(in.Types.Path()) {
			users, at = append(users, in), append(at, i)
		}
	}
	for _, m := range rs.moves {
		for i, units := range m.Analyze(users) {
			out[at[i]] = append(out[at[i]], units...)
		}
	}
	return out
}

// analyzeOne is analyze for a package that is looked at alone.
func (rs *rules) analyzeOne(in rewrite.Input) []*unit.Unit { return rs.analyze([]rewrite.Input{in})[0] }

// isMove reports whether a family of units is a change of imports.
func (rs *rules) isMove(family string) bool {
	return slices.ContainsFunc(rs.moves, func(m *pahodropin.Move) bool { return m.Name == family })
}

// own reports whether path is a package of an API, or of what replaces it.
func (rs *rules) own(path string) bool {
	return path == paths.Module || path == paths.V2 || rs.facade(path) ||
		slices.ContainsFunc(rs.moves, func(m *pahodropin.Move) bool { return m.To == path })
}

// facade reports whether path is one of the packages whose API is rewritten.
func (rs *rules) facade(path string) bool { return slices.Contains(rs.packages(), path) }

// packages are the import paths of the API that is rewritten.
func (rs *rules) packages() []string {
	var out []string
	for _, f := range rs.families {
		out = append(out, f.Packages...)
	}
	for _, m := range rs.moves {
		out = append(out, m.From)
	}
	return out
}

// written are the import paths that rewritten files may have and the originals may not.
func (rs *rules) written() []string {
	out := rewrite.Written(rs.families)
	for _, m := range rs.moves {
		out = append(out, m.To)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// WireDifferences are what the rules make a program say differently on the wire, on purpose, by the name of the rule.
func WireDifferences() map[string][]unit.WireDifference {
	out := map[string][]unit.WireDifference{}
	for _, r := range routes {
		for _, f := range r.families {
			for _, m := range f.Members {
				if len(m.Wire) > 0 {
					out[m.Rule] = append(out[m.Rule], m.Wire...)
				}
			}
		}
	}
	return out
}
