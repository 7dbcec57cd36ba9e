package rewrite

import "github.com/portage-iot/awsiot/migrate/internal/flow"

// borderText is the reason that a border gives, and the rule under which it counts.
func (k *Class) borderText(b flow.Border) (why Why, rule string) {
	if b.Kind == flow.Foreign && b.Func != nil && b.Func.Pkg() != nil && k.Family.Foreign != nil {
		if why, rule := k.Family.Foreign(b.Func); why.Text != "" {
			return why, rule
		}
	}
	return BorderWhy(b), "class"
}

// BorderWhy is the reason that a border gives for any family.
func BorderWhy(b flow.Border) Why {
	switch b.Kind {
	case flow.Converted:
		return Why{"interfaces", "the client is converted to or from " + b.Detail}
	case flow.Exported:
		return Why{"exported-api", "the client can be reached from other packages through " + b.Detail}
	case flow.Foreign:
		return Why{"other-packages", "the client is passed to or made by " + b.Detail}
	case flow.FuncValue:
		return Why{"function-values", "the client goes through a function value: " + b.Detail}
	case flow.Address:
		return Why{"pointers", "the client's address, value or struct type is used (" + b.Detail + ")"}
	case flow.Embedded:
		return Why{"embedding", "the client is embedded in a struct"}
	case flow.MethodValue:
		return Why{"method-values", "the method value " + b.Detail + " is used without a call"}
	case flow.MapKey:
		return Why{"containers", "the client is the key of a map"}
	case flow.Opaque:
		return Why{"unknown-use", "the client comes from " + b.Detail + ", which is not followed"}
	}
	return Why{"unknown-use", "the client is used in " + b.Detail}
}
