package v1client

import (
	"go/ast"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// borders turns what the flow analysis does not follow into reasons.
func (k *class) borders() {
	if k.c.Callback {
		k.block(k.c.First(), "class", "callbacks", "the client parameter of a message callback flows into this client's variables")
	}
	for _, b := range k.c.Borders {
		anchor, text := borderText(b)
		rule := "class"
		if anchor == "shadow" || anchor == "jobs" {
			rule = anchor
		}
		k.block(b.Pos, rule, anchor, text)
	}
}

func borderText(b flow.Border) (anchor, text string) {
	switch b.Kind {
	case flow.Converted:
		return "interfaces", "the client is converted to or from " + b.Detail
	case flow.Exported:
		return "exported-api", "the client can be reached from other packages through " + b.Detail
	case flow.Foreign:
		if b.Func != nil && b.Func.Pkg() != nil {
			switch b.Func.Pkg().Path() {
			case paths.ShadowCompat:
				return "shadow", "the client is shared with a shadow client by " + b.Func.Name()
			case paths.JobsCompat:
				return "jobs", "the client is shared with a jobs client by " + b.Func.Name()
			case paths.V1Compat:
				return "bridge", "the client comes from v1compat." + b.Func.Name()
			}
		}
		return "other-packages", "the client is passed to or made by " + b.Detail
	case flow.FuncValue:
		return "function-values", "the client goes through a function value: " + b.Detail
	case flow.Address:
		return "pointers", "the client's address, value or struct type is used (" + b.Detail + ")"
	case flow.Embedded:
		return "embedding", "the client is embedded in a struct"
	case flow.MethodValue:
		return "method-values", "the method value " + b.Detail + " is used without a call"
	case flow.MapKey:
		return "containers", "the client is the key of a map"
	case flow.Opaque:
		return "unknown-use", "the client comes from " + b.Detail + ", which is not followed"
	}
	return "unknown-use", "the client is used in " + b.Detail
}

// loose returns units for uses of v1's API that belong to no class of this analyzer and have no rule: shadow, jobs
// and discovery clients, and the logger.
func (p *pkg) loose() []*unit.Unit {
	var out []*unit.Unit
	add := func(c *ast.CallExpr, name, rule, anchor, text string) {
		at := p.pos(c.Pos())
		u := &unit.Unit{Pos: at, Name: name, Package: p.Types.Path(), Start: c.Pos(), End: c.End(),
			Sites:   []unit.Site{{Pos: at, Rule: rule, What: name}},
			Reasons: []unit.Reason{{Pos: at, Rule: rule, Anchor: anchor, Text: text}}}
		out = append(out, u)
	}
	for cur := range p.ins.Root().Preorder((*ast.CallExpr)(nil)) {
		c := cur.Node().(*ast.CallExpr)
		f := flow.StaticCallee(p.Info, c)
		if f == nil || f.Pkg() == nil || f.Signature().Recv() != nil {
			continue
		}
		switch path := f.Pkg().Path(); {
		case path == paths.ShadowCompat && strings.HasPrefix(f.Name(), "New"):
			add(c, f.Name(), "shadow", "shadow", "shadow clients have no rule yet")
		case path == paths.JobsCompat && strings.HasPrefix(f.Name(), "New"):
			add(c, f.Name(), "jobs", "jobs", "jobs clients have no rule yet")
		case path == paths.Discovery && strings.HasPrefix(f.Name(), "New"):
			add(c, f.Name(), "discovery", "discovery", "discovery has no rule yet")
		case path == paths.V1Compat && f.Name() == "SetLogger":
			add(c, f.Name(), "logging", "logging", "v2 logs to the slog.Logger in its options")
		}
	}
	slices.SortStableFunc(out, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	return out
}
