// Package v1jobs holds the rules that rewrite code on jobscompat: the jobs client becomes an iotjobs.ClientV1, which is the
// awsiot.Client with the thing, the token and the QoS of its requests; requests become typed ones, and subscriptions those of
// the client, with v1's callbacks.
package v1jobs

import (
	"go/ast"
	"go/constant"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
	"github.com/portage-iot/awsiot/migrate/v1client"
)

// Family is the rules for jobscompat.AWSIoTMQTTThingJobsClient. The methods that configure, connect and disconnect have the
// rows of v1client.
var Family = &rewrite.Family{
	Name:     "v1jobs",
	Packages: []string{paths.JobsCompat},
	Joins:    v1client.Family,
	Types: []rewrite.Type{{Package: paths.JobsCompat, Name: "AWSIoTMQTTThingJobsClient", Constructor: "NewAWSIoTMQTTThingJobsClient", Arguments: 3,
		To: rewrite.Name{Package: paths.IOTJobs, Name: "ClientV1"}, Inner: ".Client", Birth: birth,
		Whole: &rewrite.Whole{Form: "jobscompat.NewAWSIoTMQTTThingJobsClientWith", Write: whole},
		Old:   &rewrite.Old{Form: "jobscompat.NewAWSIoTMQTTThingJobsClientWith", Write: old}}},
	Members: members,
	Shapes: []rewrite.Doc{
		rewrite.Line(22, "`NewAWSIoTMQTTThingJobsClient(id, thing, qos)`", "as row 1, then `&iotjobs.ClientV1{Client: awsiot.NewClient(opts), ClientToken: id, ThingName: thing, QoS: qos}`", "C: the arguments have no effects"),
	},
}

// rule is the rule under which reports count the members.
const rule = "jobs"

var members = []rewrite.Member{
	{Name: "NewAWSIoTMQTTThingJobsClientWith", Takes: "client text thing qos", Gives: "jobs", Rule: rule, Links: true, Operation: with,
		Docs: []rewrite.Doc{rewrite.Line(22, "`NewAWSIoTMQTTThingJobsClientWith(client, id, thing, qos)`", "`&iotjobs.ClientV1{Client: client, ClientToken: id, ThingName: thing, QoS: qos}`", "S")}},
	{Name: "CreateJobSubscription", Takes: "callback request reply job", Gives: "handle error", Rule: rule, Operation: subscribe, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(22, "`CreateJobSubscription(callback, topicType, replyType, jobID)`", "`jobs.Subscribe(ctx, &awsiot.SubscribePacket{...})` to the topic that `iotjobs` has for the two, `jobs/#` for the wildcard; the callback as in row 14", "C: both enums are constant, and the handle is not used")}},
	{Name: "CreateJobSubscriptionAsync", Takes: "ack callback request reply job", Gives: "mid error", Rule: rule, Operation: subscribeAsync,
		Docs: []rewrite.Doc{rewrite.Line(22, "`CreateJobSubscriptionAsync(ack, callback, ...)`", "the same with `SubscribeAsync`, as row 15", "C: both enums are constant")}},
	{Name: "SendJobsQuery", Takes: "request job", Gives: "done error", Rule: rule, Operation: query, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(23, "`SendJobsQuery(topicType, jobID)`", "`jobs.PublishGetPendingJobExecutions(ctx, &iotjobs.GetPendingJobExecutionsRequest{})`, or the request of the other topic type", "C: the enum is constant")}},
	{Name: "SendJobsStartNext", Takes: "options", Gives: "done error", Rule: rule, Operation: startNext, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(23, "`SendJobsStartNext`, `SendJobsDescribe`, `SendJobsUpdate`", "`jobs.PublishStartNextPendingJobExecution(ctx, &iotjobs.StartNextPendingJobExecutionRequest{...})` and so on; zero numbers and false flags are left out, computed numbers are `iotjobs.Positive(n)`", "C: the options are literals, the status is constant, see [jobs](#jobs)")}},
	{Name: "SendJobsDescribe", Takes: "job number flag", Gives: "done error", Rule: rule, Operation: describe, Blocks: true},
	{Name: "SendJobsUpdate", Takes: "job status options", Gives: "done error", Rule: rule, Operation: update, Blocks: true,
		Wire: updateWire},
}

// updateWire is what an update says differently on the wire.
var updateWire = []unit.WireDifference{{Packet: "PUBLISH sent", Topic: "$aws/things/+/jobs/+/update", What: []string{"payload"},
	Text: "expectedVersion and executionNumber are numbers, where v1 sent them as strings"}}

// with writes what stands for the jobs client on a connection that is there.
func with(k *rewrite.Class, u *flow.Use) {
	c := u.Call
	if c.Ellipsis.IsValid() || len(c.Args) != 4 {
		k.Block(c.Pos(), rule, "result-use", "all arguments come from one call")
		return
	}
	k.Edit(edit.Replace(c, literal(k, c, []edit.Piece{edit.Src(c.Args[0])}, c.Args[1:])...))
}

// literal is the ClientV1 of a client and of id, thing and QoS.
func literal(k *rewrite.Class, c *ast.CallExpr, client []edit.Piece, args []ast.Expr) []edit.Piece {
	out := append([]edit.Piece{edit.Text("&" + k.Q(c.Pos(), paths.IOTJobs) + ".ClientV1{Client: ")}, client...)
	out = append(out, edit.Text(", ClientToken: "), edit.Src(args[0]), edit.Text(", ThingName: "), edit.Src(args[1]), edit.Text(", QoS: "))
	return append(append(out, v1client.QoS(k, args[2], rule)...), edit.Text("}"))
}

// birth writes what stands for a jobs client with a connection of its own, which is there now.
func birth(k *rewrite.Class, b *rewrite.Birth, client string) []edit.Piece {
	args := b.Ctor.Call.Args[:3]
	for _, a := range args {
		if !k.Pkg.Pure(a) || k.Changes(a, b.Ctor.Call.Pos()) {
			k.Block(a.Pos(), rule, "evaluation-order", "an argument of the constructor may have another value where the client is made")
		}
	}
	return literal(k, b.Ctor.Call, []edit.Piece{edit.Text(client)}, args)
}

// old writes a v1 jobs client on the connection of a new one, for one call; what the connection does itself is made on that.
func old(k *rewrite.Class, u *flow.Use) []edit.Piece {
	if k.Rule(u.Sel.Sel.Name) != rule {
		return connection(k, u.Expr)
	}
	return whole(k, u.Expr)
}

// connection writes the v1 client of the connection of a new jobs client.
func connection(k *rewrite.Class, e ast.Expr) []edit.Piece {
	return []edit.Piece{edit.Text(k.Q(e.Pos(), paths.V1Compat) + ".FromV2("), edit.Src(e), edit.Text(".Client)")}
}

// whole writes a v1 jobs client on the connection of a new one.
func whole(k *rewrite.Class, e ast.Expr) []edit.Piece {
	self := edit.Src(e)
	head := edit.Text(k.Q(e.Pos(), paths.JobsCompat) + ".NewAWSIoTMQTTThingJobsClientWith(")
	return slices.Concat([]edit.Piece{head}, connection(k, e), []edit.Piece{edit.Text(", "), self, edit.Text(".ClientToken, "), self, edit.Text(".ThingName, byte("), self, edit.Text(".QoS))")})
}

// number is the value of a constant of one of v1's enums.
func number(k *rewrite.Class, e ast.Expr) (int64, bool) {
	v := k.Value(e)
	if v == nil {
		return 0, false
	}
	return constant.Int64Val(constant.ToInt(v))
}

// empty reports whether e is the constant "": v1's None for a job id.
func empty(k *rewrite.Class, e ast.Expr) bool {
	v := k.Value(e)
	return v != nil && constant.StringVal(v) == ""
}

// computed blocks an enum that is no constant.
func computed(k *rewrite.Class, e ast.Expr) {
	k.Block(e.Pos(), rule, "jobs", "the topic type, reply type or status is computed")
}

// request writes the publish of a typed request with its fields, on lines of their own where the old call took several.
func request(k *rewrite.Class, u *flow.Use, operation string, fields ...[]edit.Piece) {
	fields = slices.DeleteFunc(fields, func(f []edit.Piece) bool { return f == nil })
	open, sep, end := "", ", ", ""
	if len(fields) > 0 && k.Pkg.Pos(u.Call.Pos()).Line < k.Pkg.Pos(u.Call.End()).Line {
		open, sep, end = "\n", ",\n", ",\n"
	}
	out := []edit.Piece{edit.Text("&" + k.Q(u.Call.Pos(), paths.IOTJobs) + "." + operation + "Request{" + open)}
	for i, f := range fields {
		if i > 0 {
			out = append(out, edit.Text(sep))
		}
		out = append(out, f...)
	}
	k.Pair(u, append(out, edit.Text(end+"}")), "Publish"+operation, "res")
}

// field is NAME: e.
func field(name string, e ast.Expr) []edit.Piece {
	return []edit.Piece{edit.Text(name + ": "), edit.Src(e)}
}
