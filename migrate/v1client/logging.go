package v1client

import (
	"go/ast"
	"go/types"
	"iter"
	"maps"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// logger writes the logger of a client in a program that calls v1compat.SetLogger, here or in a related package, or what an
// earlier run has made of that: what the client logs goes where it went before.
func (k *class) logger(c *ast.CallExpr, o string) []edit.Piece {
	if !k.setsLogger() {
		return nil
	}
	return []edit.Piece{edit.Text("\n" + o + ".Logger = " + k.Q(c.Pos(), paths.LogrusLog) + `.Default().With("logger", "AWSIoTPythonSDK.core")`)}
}

// setsLogger reports whether the logger of the process is set.
func (k *class) setsLogger() bool {
	const memo = "v1client.logger"
	if set, ok := k.Pkg.Memo[memo].(bool); ok {
		return set
	}
	set := setsLogger(maps.Keys(k.Pkg.Uses))
	for _, f := range k.Pkg.Foreign {
		set = set || f.Fact(memo, func(p *flow.Package) any { return setsLogger(maps.Values(p.Info.Uses)) }).(bool)
	}
	k.Pkg.Memo[memo] = set
	return set
}

// setsLogger reports whether one of the objects that a package uses is what sets the logger of the process.
func setsLogger(used iter.Seq[types.Object]) bool {
	for o := range used {
		if f, ok := o.(*types.Func); ok && (paths.Func(f, paths.V1Compat, "SetLogger") || paths.Func(f, paths.LogrusLog, "SetDefault")) {
			return true
		}
	}
	return false
}
