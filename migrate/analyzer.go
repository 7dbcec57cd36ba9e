package migrate

import (
	"fmt"
	"go/ast"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/v1client"
	"golang.org/x/tools/go/analysis"
)

// Analyzer reports v1-shaped clients: those that `iotmigrate fix` would rewrite, and those it would leave, with the
// reasons. It carries no fixes: drivers apply fixes one by one without type-checking the result, and drop all of
// them when two touch the same import (golang/go#77482), so the rewrite itself is left to Run.
var Analyzer = &analysis.Analyzer{
	Name: "iotmigrate",
	Doc:  "report v1-shaped AWS IoT clients and whether they can be rewritten to v2",
	URL:  url,
	Run:  analyze,
}

// url is where MIGRATION.md can be read.
const url = "https://" + paths.Module + "/blob/main/" + paths.Migration

func analyze(pass *analysis.Pass) (any, error) {
	in := v1client.Input{Package: flow.Package{Fset: pass.Fset, Files: pass.Files, Types: pass.Pkg, Info: pass.TypesInfo}}
	in.Untouchable = func(name string) string {
		for _, f := range pass.Files {
			if pass.Fset.File(f.FileStart).Name() == name && ast.IsGenerated(f) {
				return "is generated; change what generates it"
			}
		}
		return ""
	}
	for _, u := range v1client.Analyze(in) {
		d := analysis.Diagnostic{Pos: u.Start, End: u.End, Category: "v1client"}
		if len(u.Reasons) == 0 {
			d.Message = fmt.Sprintf("v1 client %s: iotmigrate fix can rewrite it (%s)", u.Name, count(len(u.Sites), "call site"))
			pass.Report(d)
			continue
		}
		d.Message = fmt.Sprintf("v1 client %s is left to you:", u.Name)
		for _, r := range u.Reasons {
			d.Message += fmt.Sprintf("\n\t%s: %s (%s#%s)", short(r.Pos), r.Text, paths.Migration, r.Anchor)
		}
		d.URL = url + "#" + u.Reasons[0].Anchor
		pass.Report(d)
	}
	return nil, nil
}
