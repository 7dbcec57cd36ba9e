package rewrite

import (
	"go/ast"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
)

// Parts are what arguments and results can be, each with the types that it has in the API, as go/types writes them: a row
// that has another number of arguments than the member, or a part of another type, is wrong.
var Parts = map[string][]string{
	// What is said on the wire.
	"topic":    {"string"},
	"topics":   {"map[string]byte"},
	"payload":  {"any"},
	"qos":      {"byte"},
	"document": {"string"},
	"thing":    {"string"},
	"job":      {"string"},
	// Settings.
	"host":      {"string"},
	"port":      {"int"},
	"path":      {"string"},
	"ciphers":   {"string"},
	"text":      {"string"},
	"number":    {"int", "int64"},
	"flag":      {"bool"},
	"seconds":   {"float64"},
	"hertz":     {"float64"},
	"context":   {"context.Context"},
	"keepalive": {"int"},
	"factory":   {"func() (net.Conn, error)"},
	"drop":      {"v1compat.DropBehavior"},
	"request":   {"jobscompat.JobExecutionTopicType"},
	"reply":     {"jobscompat.JobExecutionTopicReplyType"},
	"status":    {"jobscompat.JobExecutionStatus"},
	"options":   {"jobscompat.StartNextOptions", "jobscompat.UpdateOptions"},
	// What is called later.
	"callback": {"v1compat.MessageCallback", "mqtt.MessageHandler"},
	"ack":      {"func(mid v1compat.Mid)", "func(mid v1compat.Mid, data int)", "func(mid v1compat.Mid, data []byte)"},
	"answer":   {"shadowcompat.ShadowCallback"},
	// Clients, and what they hand out.
	"client":   {"*v1compat.AWSIoTMQTTClient"},
	"shadow":   {"*shadowcompat.AWSIoTMQTTShadowClient"},
	"jobs":     {"*jobscompat.AWSIoTMQTTThingJobsClient"},
	"handler":  {"*shadowcompat.ShadowHandler"},
	"handle":   {"*jobscompat.JobSubscription"},
	"response": {"*discovery.DiscoveryInfo"},
	"v2":       {"*awsiot.Client"},
	// Results.
	"done":  {"bool"}, // false: it was queued
	"mid":   {"v1compat.Mid"},
	"token": {"string"},
	"list":  {"[]*discovery.CoreConnectivityInfo", "[]*discovery.GroupConnectivityInfo", "[]discovery.Ca", "map[string]*discovery.GroupConnectivityInfo"},
	"error": {"error"},
}

// Arguments are the parts that the member takes.
func (m Member) Arguments() []string { return strings.Fields(m.Takes) }

// Results are the parts that the member gives.
func (m Member) Results() []string { return strings.Fields(m.Gives) }

// Call is how the table of rules writes a call of the member, with its arguments by their parts.
func (m Member) Call() string {
	if m.Role == Hook {
		return "`" + m.Name + "`"
	}
	return "`" + m.Name + "(" + strings.ReplaceAll(strings.Join(m.Arguments(), ", "), "?", "") + ")`"
}

// Argument is the argument of a call that is a part, the first when there are several; nil when the call has none.
func (k *Class) Argument(u *flow.Use, part string) ast.Expr {
	i := slices.IndexFunc(k.row(u.Sel.Sel.Name).Arguments(), func(a string) bool { return strings.TrimSuffix(a, "?") == part })
	if i < 0 || i >= len(u.Call.Args) {
		return nil
	}
	return u.Call.Args[i]
}
