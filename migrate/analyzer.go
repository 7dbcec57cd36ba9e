package migrate

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/report"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"golang.org/x/tools/go/analysis"
)

// Analyzer reports v1-shaped clients: those that `iotmigrate fix` would rewrite, and those it would leave, with the
// reasons. It carries no fixes: drivers apply fixes one by one without type-checking the result, and drop all of
// them when two touch the same import (golang/go#77482), so the rewrite itself is left to Run.
//
// It needs nothing but export data of a package's imports and exports no facts, so that drivers which analyze a package at
// a time can run it: go vet -vettool, gopls, a plugin of golangci-lint, Bazel's nogo. What other packages do with a client
// is not seen there: what they can reach is left, where Run with Whole would look at all of them.
//
// Its flags -from and -to choose other code as those of iotmigrate do: -from paho for code on paho.mqtt.golang.
var Analyzer = analyzer("iotmigrate", "report v1-shaped AWS IoT clients and whether they can be rewritten to v2", FromV1)

// PahoAnalyzer is Analyzer for code on paho.mqtt.golang, without flags to be set.
var PahoAnalyzer = analyzer("iotmigratepaho", "report clients of paho.mqtt.golang and whether they can be rewritten to v2", FromPaho)

// analyzer is one whose flags begin with an API.
func analyzer(name, doc string, from API) *analysis.Analyzer {
	a := &analysis.Analyzer{Name: name, Doc: doc, URL: url}
	source := a.Flags.String("from", from.String(), "`APIs` to migrate from, by commas: v1, paho")
	target := a.Flags.String("to", ToV2.String(), "`API` to migrate to: v2, or dropin (of paho)")
	a.Run = func(pass *analysis.Pass) (any, error) { return nil, diagnose(pass, *source, *target) }
	return a
}

// url is where MIGRATION.md can be read.
const url = "https://" + paths.Module + "/blob/main/" + paths.Migration

// named is the configuration of flags.
func named(from, to string) (c Config, err error) {
	for w := range strings.SplitSeq(from, ",") {
		i := slices.IndexFunc(routes, func(r route) bool { return r.from.String() == w })
		if i < 0 {
			return c, fmt.Errorf("-from %q: want v1 or paho, or both by a comma", w)
		}
		c.From = append(c.From, routes[i].from)
	}
	i := slices.IndexFunc(routes, func(r route) bool { return r.to.String() == to })
	if i < 0 {
		return c, fmt.Errorf("-to %q: want v2 or dropin", to)
	}
	c.To = routes[i].to
	return c, nil
}

func diagnose(pass *analysis.Pass, from, to string) error {
	conf, err := named(from, to)
	if err != nil {
		return err
	}
	rs, err := conf.ruleset()
	if err != nil {
		return err
	}
	in := rewrite.Input{Bridges: true, Package: flow.Package{Fset: pass.Fset, Files: pass.Files, Types: pass.Pkg, Info: pass.TypesInfo}}
	in.Untouchable = func(name string) string {
		for _, f := range pass.Files {
			if pass.Fset.File(f.FileStart).Name() == name && ast.IsGenerated(f) {
				return "is generated; change what generates it"
			}
		}
		return ""
	}
	for _, u := range rs.analyzeOne(in) {
		pass.Report(diagnostic(u, rs.words))
	}
	return nil
}

// diagnostic is what `go vet` says of a unit.
func diagnostic(u *Unit, words report.Words) analysis.Diagnostic {
	what := words.Owner + " " + words.Unit + " " + u.Name
	d := analysis.Diagnostic{Pos: u.Start, End: u.End, Category: u.Family}
	switch {
	case len(u.Edits) > 0 && len(u.Reasons) == 0:
		d.Message = fmt.Sprintf("%s: iotmigrate fix can rewrite it (%s)", what, count(len(u.Sites), "call site"))
		if len(u.Bridges) > 0 {
			d.Message += ", but for " + count(len(u.Bridges), "bridge") + ":"
		}
	case len(u.Edits) > 0:
		d.Message = what + " is left to you; iotmigrate fix can rewrite calls on it:"
	case len(u.Reasons) == 0:
		d.Message = what + " has bridges:"
	default:
		d.Message = what + " is left to you:"
	}
	var anchors []string
	for _, r := range u.Reasons {
		d.Message += fmt.Sprintf("\n\t%s: %s (%s)", short(r.Pos), r.Text, link(r.Anchor))
		anchors = append(anchors, r.Anchor)
	}
	for _, b := range u.Bridges {
		d.Message += fmt.Sprintf("\n\t%s: %s through %s: %s (%s)", short(b.Pos), b.What, b.Form, b.Text, link(b.Anchor))
		anchors = append(anchors, b.Anchor)
	}
	if len(anchors) > 0 {
		d.URL = link(anchors[0])
	}
	return d
}
