package v1client

import (
	"go/ast"
	"go/constant"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// defaults are v1's, as OptionsV1 returns them: fields by their values, where v2. stands for the package.
var defaults = []struct{ field, value string }{
	{"KeepAlive", "600 * time.Second"},
	{"AckTimeout", "5 * time.Second"},
	{"ConnackTimeout", "30 * time.Second"},
	{"RetryJitterMode", "v2.JitterNone"},
	{"InitialReconnectDelay", "1 * time.Second"},
	{"MinReconnectDelay", "1 * time.Second"},
	{"MaxReconnectDelay", "32 * time.Second"},
	{"MinConnectedTimeToResetReconnectDelay", "20 * time.Second"},
	{"MaxInflight", "20"},
	{"Resubscribe", "v2.Resubscribe{When: v2.ResubscribeAlways, BatchSize: 1}"},
	{"OfflineQueue", "v2.OfflineQueue{Behavior: v2.KeepAll, WhenFull: v2.RejectNew, DrainRate: 2, ReturnQueued: true}"},
	{"FlowControl", "v2.FlowControlNone"},
	{"SerialCallbacks", "true"},
}

// optionsLiteral writes OptionsV1(id) as a literal; nil for an id that may be empty, which OptionsV1 makes up.
func optionsLiteral(k *rewrite.Class, c *ast.CallExpr) []edit.Piece {
	id := c.Args[0]
	v := k.Value(id)
	if v == nil || constant.StringVal(v) == "" {
		return nil
	}
	q, t := k.Q(c.Pos(), paths.V2), k.Q(c.Pos(), "time")
	out := []edit.Piece{edit.Text(q + ".ClientOptions{\nClientID: "), edit.Src(id), edit.Text(",\n")}
	for _, d := range defaults {
		value := strings.ReplaceAll(strings.ReplaceAll(d.value, "v2.", q+"."), "time.", t+".")
		out = append(out, edit.Text(d.field+": "+value+",\n"))
	}
	return append(out, edit.Text("}"))
}
