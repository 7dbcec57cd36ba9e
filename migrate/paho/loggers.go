package paho

import (
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/edge"
)

// loggers reports the assignments to paho's loggers, of which a client that has moved knows nothing, with the first of these.
func (p *pkg) loggers(units []*unit.Unit) {
	i := slices.IndexFunc(units, func(u *unit.Unit) bool { return u.Edits != nil })
	if i < 0 {
		return
	}
	for o, uses := range p.Uses {
		v, ok := o.(*types.Var)
		if !ok || v.Pkg() == nil || v.Pkg().Path() != paths.Paho && v.Pkg().Path() != paths.PahoCompat || v.IsField() {
			continue
		}
		switch v.Name() {
		case "DEBUG", "WARN", "ERROR", "CRITICAL":
		default:
			continue
		}
		for _, use := range uses {
			if use.Parent().ParentEdgeKind() != edge.AssignStmt_Lhs && use.ParentEdgeKind() != edge.AssignStmt_Lhs {
				continue
			}
			at := p.Pos(use.Node().Pos())
			units[i].Sites = append(units[i].Sites, unit.Site{Pos: at, Rule: "logging", What: v.Name(), Outcome: unit.Bridged})
			units[i].Bridges = append(units[i].Bridges, unit.Bridge{Pos: at, Rule: "logging", What: v.Name(), Form: "mqtt." + v.Name(), Anchor: "logging",
				Text: "awsiot.Client logs to the Logger of its options, and not to paho's", Next: "set opts.Logger to a slog.Logger, then drop the assignment"})
		}
	}
}
