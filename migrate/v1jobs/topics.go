package v1jobs

import (
	"go/ast"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/v1client"
)

// topic is what stands for one of v1's topic types.
type topic struct {
	function string // of package iotjobs that makes the topic
	job      bool   // it takes a job id
	event    bool   // it has no answers
	query    string // the operation that SendJobsQuery asks for with it; "": none
}

// wildcard is v1's topic type for everything of a thing.
const wildcard = 7

// topics are v1's topic types but the wildcard, by their numbers.
var topics = map[int64]topic{
	1: {function: "TopicGetPendingJobExecutions", query: "GetPendingJobExecutions"},
	2: {function: "TopicStartNextPendingJobExecution", query: "StartNextPendingJobExecution"},
	3: {function: "TopicDescribeJobExecution", job: true, query: "DescribeJobExecution"},
	4: {function: "TopicUpdateJobExecution", job: true},
	5: {function: "TopicJobExecutionsChanged", event: true},
	6: {function: "TopicNextJobExecutionChanged", event: true},
}

// requestReply is v1's reply type of a topic itself.
const requestReply = 1

// replies are what v1's reply types make of a topic, by their numbers: a function of package iotjobs around it, or text behind it.
var replies = map[int64]struct{ around, behind string }{
	requestReply: {},
	2:            {around: "Accepted"},
	3:            {around: "Rejected"},
	4:            {behind: ` + "/#"`},
}

// filter is the topic filter of a subscription, nil when it has none; the reason is recorded then.
func filter(k *rewrite.Class, u *flow.Use, topicType, replyType, jobID ast.Expr) []edit.Piece {
	if !k.Pkg.Pure(u.Sel.X) {
		k.Block(u.Sel.X.Pos(), rule, "evaluation-order", "the jobs client is the result of a call, and is needed more than once")
		return nil
	}
	t, ok := number(k, topicType)
	r, ok2 := number(k, replyType)
	if !ok || !ok2 && t != wildcard {
		computed(k, topicType)
		return nil
	}
	self := rewrite.Receiver(u.Sel)
	if t == wildcard {
		return []edit.Piece{edit.Text(`"$aws/things/" + `), self, edit.Text(`.ThingName + "/jobs/#"`)}
	}
	row, known := topics[t]
	reply, has := replies[r]
	if !known || !has || row.event && r != requestReply || row.job == empty(k, jobID) || !row.job && k.Value(jobID) == nil {
		k.Block(u.Call.Pos(), rule, "jobs", "there is no topic for these arguments")
		return nil
	}
	q := k.Q(u.Call.Pos(), paths.IOTJobs)
	out := []edit.Piece{edit.Text(q + "." + row.function + "("), self, edit.Text(".ThingName")}
	if row.job {
		out = append(out, edit.Text(", "), edit.Src(jobID))
	}
	out = append(out, edit.Text(")"+reply.behind))
	if reply.around != "" {
		out = append(append([]edit.Piece{edit.Text(q + "." + reply.around + "(")}, out...), edit.Text(")"))
	}
	return out
}

// qos is the QoS of a subscription.
func qos(u *flow.Use) []edit.Piece {
	return []edit.Piece{rewrite.Receiver(u.Sel), edit.Text(".QoS")}
}

// typed notes, under Idioms, the subscription whose callback would get what is in a message. The one that is written hands
// on the message, which the callback reads by itself.
func typed(k *rewrite.Class, u *flow.Use, topicType, replyType ast.Expr) {
	t, _ := number(k, topicType)
	r, _ := number(k, replyType)
	row := topics[t]
	_, name, _ := strings.Cut(row.function, "Topic")
	switch {
	case !k.Pkg.Idioms:
		return
	case row.event:
		name += "Events"
	case replies[r].around != "":
		name += replies[r].around
	default:
		k.Note(u.Sel.Sel.Pos(), "jobs", "the callback keeps messages as they come: messages of several kinds, or requests, have no typed form; subscribe to each kind of answer by itself")
		return
	}
	k.Note(u.Sel.Sel.Pos(), "jobs", "the callback keeps messages as they come, and reads them itself; SubscribeTo"+name+" of an iotjobs.Client on the same connection hands out what is in them")
}

func subscribe(k *rewrite.Class, u *flow.Use) {
	c := u.Call
	par, _ := rewrite.ParentSkippingParens(k.CallCur(u))
	switch s := par.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
	case *ast.AssignStmt:
		if id, ok := s.Lhs[0].(*ast.Ident); !ok || id.Name != "_" {
			k.Block(s.Lhs[0].Pos(), rule, "result-use", "the subscription that CreateJobSubscription returns is used")
			return
		}
	default:
		k.Block(c.Pos(), rule, "result-use", "the subscription that CreateJobSubscription returns is used")
		return
	}
	if f := filter(k, u, c.Args[1], c.Args[2], c.Args[3]); f != nil {
		typed(k, u, c.Args[1], c.Args[2])
		k.Pair(u, append(v1client.SubscribePacket(k, u, f, qos(u)), edit.Text("}")), "Subscribe", "suback")
	}
}

func subscribeAsync(k *rewrite.Class, u *flow.Use) {
	c := u.Call
	if f := filter(k, u, c.Args[2], c.Args[3], c.Args[4]); f != nil {
		typed(k, u, c.Args[2], c.Args[3])
		v1client.SubscribeAsync(k, u, v1client.SubscribePacket(k, u, f, qos(u)), c.Args[0])
	}
}
