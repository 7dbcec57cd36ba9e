package paho

import (
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// byWhole is what to do about what other packages see; "" in a run that does it.
func (p *pkg) byWhole() string {
	if p.Whole {
		return ""
	}
	return "-whole, in place of this run, moves what packages share with all of its users in the module"
}

// exported is the reason of something that other packages see.
func (p *pkg) exported(text string) rewrite.Why {
	if next := p.byWhole(); next != "" {
		text += "; " + next
	}
	return rewrite.Why{Anchor: "exported-api", Text: text}
}

// borderText is the reason that a border gives for a class of the kind.
func borderText(k kind, b flow.Border) rewrite.Why {
	what := "the " + k.String()
	is := " is "
	if k == options {
		is = " are "
	}
	switch b.Kind {
	case flow.Converted:
		return rewrite.Why{Anchor: "interfaces", Text: what + is + "converted to or from " + b.Detail}
	case flow.Exported:
		return rewrite.Why{Anchor: "exported-api", Text: what + " can be reached from other packages through " + b.Detail}
	case flow.Foreign:
		return rewrite.Why{Anchor: "other-packages", Text: what + is + "passed to or made by " + b.Detail}
	case flow.FuncValue:
		return rewrite.Why{Anchor: "function-values", Text: what + " goes through a function value: " + b.Detail}
	case flow.Address:
		return rewrite.Why{Anchor: "pointers", Text: "the address or the value of the " + k.String() + " is used (" + b.Detail + ")"}
	case flow.Embedded:
		return rewrite.Why{Anchor: "embedding", Text: what + is + "embedded in a struct"}
	case flow.MethodValue:
		return rewrite.Why{Anchor: "method-values", Text: "the method value " + b.Detail + " is used without a call"}
	case flow.MapKey:
		return rewrite.Why{Anchor: "containers", Text: what + is + "the key of a map"}
	}
	return rewrite.Why{Anchor: "unknown-use", Text: what + " comes from " + b.Detail + ", which is not followed"}
}
