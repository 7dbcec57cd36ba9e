package topic

import (
	"fmt"
	"strings"
)

// NextJob stands for the next pending job where a job identifier is expected.
const NextJob = "$next"

// JobsOp is an operation or an event of the Jobs service.
type JobsOp uint8

// The operations, then the events.
const (
	JobsGetPending JobsOp = iota // list the pending executions
	JobsStartNext                // start the next pending execution
	JobsDescribe                 // describe one execution; needs a job identifier
	JobsUpdate                   // update one execution; needs a job identifier
	JobsNotify                   // event: the list of pending executions changed
	JobsNotifyNext               // event: another execution is the next one
)

var jobsOps = [...]string{"get", "start-next", "get", "update", "notify", "notify-next"}

// String returns the last topic level of the operation, as "start-next".
// JobsGetPending and JobsDescribe share "get".
func (op JobsOp) String() string {
	if int(op) < len(jobsOps) {
		return jobsOps[op]
	}
	return fmt.Sprintf("JobsOp(%d)", uint8(op))
}

// IsEvent reports whether op is an event: it has one topic, of role Event, and
// cannot be requested.
func (op JobsOp) IsEvent() bool { return op == JobsNotify || op == JobsNotifyNext }

// NeedsJob reports whether the topics of op name a job.
func (op JobsOp) NeedsJob() bool { return op == JobsDescribe || op == JobsUpdate }

// Jobs names the Jobs topics of one thing (AWS IoT developer guide, "Jobs device
// MQTT API"). Its methods build topics from whatever Thing holds; Validate first.
type Jobs struct {
	Thing string
}

// Validate checks the thing name.
func (j Jobs) Validate() error { return CheckThingName(j.Thing) }

// Prefix returns `$aws/things/THING/jobs`.
func (j Jobs) Prefix() string { return thingsPrefix + j.Thing + "/jobs" }

// Request returns the topic that op is requested on. jobID is used by the
// operations that need a job and may be NextJob.
func (j Jobs) Request(op JobsOp, jobID string) string {
	if op.NeedsJob() {
		return j.Prefix() + "/" + jobID + "/" + op.String()
	}
	return j.Prefix() + "/" + op.String()
}

// Accepted returns the topic of op's successful answers.
func (j Jobs) Accepted(op JobsOp, jobID string) string { return j.Request(op, jobID) + "/accepted" }

// Rejected returns the topic of op's refusals.
func (j Jobs) Rejected(op JobsOp, jobID string) string { return j.Request(op, jobID) + "/rejected" }

// Notify returns the topic of changes to the list of pending executions.
func (j Jobs) Notify() string { return j.Request(JobsNotify, "") }

// NotifyNext returns the topic of changes of the next pending execution.
func (j Jobs) NotifyNext() string { return j.Request(JobsNotifyNext, "") }

// ResponseFilter returns the filter AWS's v2 SDKs subscribe to for the answers
// of op, such as `.../jobs/get/+`.
func (j Jobs) ResponseFilter(op JobsOp, jobID string) string { return j.Request(op, jobID) + "/+" }

// JobsTopic is a topic of the Jobs service taken apart.
type JobsTopic struct {
	Jobs
	Op    JobsOp
	JobID string // set for the operations that need a job; may be NextJob
	Role  Role   // Event for the events, else Request, Accepted or Rejected
}

// String returns the topic.
func (t JobsTopic) String() string { return t.Request(t.Op, t.JobID) + t.Role.suffix() }

// CutJobs splits any topic below the Jobs service of a thing,
// `$aws/things/THING/jobs/REST`, whether or not it is one that ParseJobs knows.
func CutJobs(topic string) (thing, rest string, ok bool) { return cutThing(topic, "jobs/") }

// ParseJobs takes a topic of the Jobs service apart; ok is false for any other
// topic. Names are taken as they are (not empty).
func ParseJobs(topic string) (t JobsTopic, ok bool) {
	thing, rest, ok := cutThing(topic, "jobs/")
	if !ok {
		return JobsTopic{}, false
	}
	t.Thing = thing
	rest, t.Role = cutRole(rest)
	job, op, hasJob := strings.Cut(rest, "/")
	if !hasJob {
		op = rest
	} else if job == "" {
		return JobsTopic{}, false
	}
	for i, name := range jobsOps {
		if o := JobsOp(i); name == op && o.NeedsJob() == hasJob {
			t.Op = o
			if hasJob {
				t.JobID = job
			}
			if o.IsEvent() {
				if t.Role != Request {
					return JobsTopic{}, false
				}
				t.Role = Event
			}
			return t, true
		}
	}
	return JobsTopic{}, false
}
