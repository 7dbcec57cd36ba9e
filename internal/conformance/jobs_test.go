package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// jobs speaks to the Jobs service about the thing's jobs.
type jobs struct {
	p      *probe
	c      *conn
	prefix string
}

// jobs connects without a subscription: the answers come all the same.
func (p *probe) jobs() *jobs {
	return &jobs{p: p, c: p.connect(), prefix: "$aws/things/" + p.thing + "/jobs"}
}

func (j *jobs) ask(op, payload string) (accepted bool, answer object) {
	to := j.prefix + "/" + op
	j.c.pub(to, payload)
	m := j.c.next("answer to "+op, func(m message) bool { t := topicOf(m); return t == to+"/accepted" || t == to+"/rejected" })
	return strings.HasSuffix(topicOf(m), "/accepted"), j.p.parse(payloadOf(m))
}

func (j *jobs) ok(op, payload string) object {
	accepted, answer := j.ask(op, payload)
	if !accepted {
		j.p.fail("%s %s: %v", op, payload, answer)
	}
	return answer
}

func (j *jobs) refused(op, payload, code string) object {
	accepted, answer := j.ask(op, payload)
	if accepted {
		j.p.fail("%s %s was accepted", op, payload)
	}
	j.p.equal("code of "+op, at(answer, "code"), any(code))
	return answer
}

// create makes jobs, as an operator.
func (j *jobs) create(o iotlocal.JobOptions, ids ...string) {
	for _, id := range ids {
		j.p.check(j.p.srv.Jobs(j.p.thing).Create(id, `{"do":"it"}`, o))
	}
}

// ids returns the job ids of a list of summaries.
func ids(list any) (all []string) {
	entries, _ := list.([]any)
	for _, e := range entries {
		o, _ := e.(object)
		all = append(all, fmt.Sprint(o["jobId"]))
	}
	return all
}

// notified subscribes to the notifications.
func (j *jobs) notified() { j.c.sub(1, j.prefix+"/notify", j.prefix+"/notify-next") }

func (j *jobs) note(which string) object {
	return j.p.parse(j.c.message(j.prefix + "/" + which).Payload)
}

var jobFacts = []fact{
	{id: "jobs.answers", says: "Answers go to the client that asks, also without a subscription, and to no other", source: guideJobsMQTT, probe: func(p *probe) {
		j, other := p.jobs(), p.connect()
		other.sub(1, j.prefix+"/get/+")
		j.ok("get", `{"clientToken":"t"}`)
		other.none(j.prefix + "/get/")
	}},
	{id: "jobs.get", says: "get lists what is in progress and what is queued, with clientToken and timestamp", source: guideJobsMQTT, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one", "two")
		j.ok("start-next", `{}`)
		answer := j.ok("get", `{"clientToken":"g"}`)
		p.equal("in progress", fmt.Sprint(ids(answer["inProgressJobs"])), "[one]")
		p.equal("queued", fmt.Sprint(ids(answer["queuedJobs"])), "[two]")
		p.equal("clientToken", answer["clientToken"], any("g"))
		for _, member := range []string{"queuedAt", "lastUpdatedAt", "versionNumber", "executionNumber"} {
			list, _ := answer["queuedJobs"].([]any)
			if len(list) > 0 && at(list[0].(object), member) == nil {
				p.differ("a summary without %s", member)
			}
		}
	}},
	{id: "jobs.get-empty", says: "get without jobs has empty lists", source: guideJobsMQTT, needs: operator, probe: func(p *probe) {
		answer := p.jobs().ok("get", `{}`)
		p.equal("lists", len(ids(answer["inProgressJobs"]))+len(ids(answer["queuedJobs"])), 0)
	}},
	{id: "jobs.start-next", says: "start-next takes the execution in progress, else the oldest that is queued, which it starts with the given details", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one", "two")
		answer := j.ok("start-next", `{"statusDetails":{"step":"1"}}`)
		p.equal("job", at(answer, "execution.jobId"), any("one"))
		p.equal("status", at(answer, "execution.status"), any("IN_PROGRESS"))
		p.same("details", at(answer, "execution.statusDetails"), `{"step":"1"}`)
		answer = j.ok("start-next", `{"statusDetails":{"step":"2"}}`)
		p.equal("job again", at(answer, "execution.jobId"), any("one"))
		p.same("details of what is in progress already", at(answer, "execution.statusDetails"), `{"step":"1"}`)
	}},
	{id: "jobs.start-next-none", says: "start-next without pending jobs is accepted, without execution", source: guideJobs, needs: operator, probe: func(p *probe) {
		answer := p.jobs().ok("start-next", `{"clientToken":"n"}`)
		p.equal("execution", at(answer, "execution"), nil)
		p.equal("clientToken", answer["clientToken"], any("n"))
	}},
	{id: "jobs.describe", says: "get of a job, or of $next, describes it; includeJobDocument is true by default, executionNumber may be given", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		for _, op := range []string{"one/get", "$next/get"} {
			p.same(op, at(j.ok(op, `{}`), "execution.jobDocument"), `{"do":"it"}`)
		}
		p.equal("without document", at(j.ok("one/get", `{"includeJobDocument":false,"executionNumber":1}`), "execution.jobDocument"), nil)
		j.refused("one/get", `{"executionNumber":7}`, "ResourceNotFound")
	}},
	{id: "jobs.update", says: "update takes IN_PROGRESS, again and again, FAILED, SUCCEEDED and REJECTED, and raises versionNumber each time", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		for i, last := range []string{"SUCCEEDED", "FAILED", "REJECTED"} {
			id := fmt.Sprint("job", i)
			j.create(iotlocal.JobOptions{}, id)
			for n, status := range []string{"IN_PROGRESS", "IN_PROGRESS", last} {
				answer := j.ok(id+"/update", `{"status":"`+status+`","includeJobExecutionState":true}`)
				p.equal("status", at(answer, "executionState.status"), any(status))
				p.equal("versionNumber", at(answer, "executionState.versionNumber"), any(float64(n+2)))
			}
		}
	}},
	{id: "jobs.update-asks", says: "includeJobExecutionState and includeJobDocument add executionState and jobDocument to update/accepted; without them neither is there", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		answer := j.ok("one/update", `{"status":"IN_PROGRESS","includeJobDocument":true,"includeJobExecutionState":true}`)
		p.same("jobDocument", at(answer, "jobDocument"), `{"do":"it"}`)
		answer = j.ok("one/update", `{"status":"IN_PROGRESS"}`)
		if answer["executionState"] != nil || answer["jobDocument"] != nil {
			p.differ("unasked: %v", answer)
		}
	}},
	{id: "jobs.status", says: "status must be given, and a device may not set QUEUED, TIMED_OUT, REMOVED and CANCELED", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		j.refused("one/update", `{}`, "InvalidRequest")
		for _, status := range []string{"QUEUED", "TIMED_OUT", "REMOVED", "CANCELED", "DONE"} {
			accepted, answer := j.ask("one/update", `{"status":"`+status+`"}`)
			if code := fmt.Sprint(answer["code"]); accepted || code != "InvalidRequest" && code != "InvalidStateTransition" {
				p.differ("%s: accepted %v, %v", status, accepted, answer)
			}
		}
	}},
	{id: "jobs.expected-version", says: "expectedVersion must be the version: VersionMismatch with executionState else", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		j.ok("one/update", `{"status":"IN_PROGRESS","expectedVersion":1}`)
		answer := j.refused("one/update", `{"status":"SUCCEEDED","expectedVersion":99}`, "VersionMismatch")
		p.equal("executionState", at(answer, "executionState.status"), any("IN_PROGRESS"))
	}},
	{id: "jobs.mismatch-text", says: "The message of VersionMismatch is Expected version N but found version M", source: "ministack, captures of the live service", sure: reported, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		answer := j.refused("one/update", `{"status":"IN_PROGRESS","expectedVersion":99}`, "VersionMismatch")
		p.contains("message", fmt.Sprint(answer["message"]), "xpected version 99 but found version 1")
	}},
	{id: "jobs.strings", says: "expectedVersion and executionNumber may be strings with a number: the v1 SDK for Python sends them so", source: "v1 SDK for Python, jobs client", sure: measured, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		j.ok("one/update", `{"status":"IN_PROGRESS","expectedVersion":"1","executionNumber":"1"}`)
	}},
	{id: "jobs.terminal", says: "SUCCEEDED, FAILED, TIMED_OUT, REJECTED, REMOVED and CANCELED are final: update is InvalidStateTransition with executionState, describe TerminalStateReached", source: guideJobsLife, needs: operator, probe: func(p *probe) {
		j, operator := p.jobs(), p.srv.Jobs(p.thing)
		j.create(iotlocal.JobOptions{}, "SUCCEEDED", "FAILED", "REJECTED", "REMOVED", "CANCELED")
		for _, id := range []string{"SUCCEEDED", "FAILED", "REJECTED"} {
			j.ok(id+"/update", `{"status":"`+id+`"}`)
		}
		p.check(operator.Remove("REMOVED"))
		p.check(operator.Cancel("CANCELED", iotlocal.CancelJobOptions{}))
		for _, id := range []string{"SUCCEEDED", "FAILED", "REJECTED", "REMOVED", "CANCELED"} {
			answer := j.refused(id+"/update", `{"status":"IN_PROGRESS"}`, "InvalidStateTransition")
			p.equal("executionState", at(answer, "executionState.status"), any(id))
			j.refused(id+"/get", `{}`, "TerminalStateReached")
		}
	}},
	{id: "jobs.step-timer", says: "stepTimeoutInMinutes of start-next and update is a timer whose end is TIMED_OUT", source: guideJobs, needs: clock, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one", "two")
		j.ok("start-next", `{"stepTimeoutInMinutes":5}`)
		j.ok("two/update", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":10}`)
		p.srv.Clock().Advance(6 * time.Minute)
		p.status("one", "TIMED_OUT")
		p.status("two", "IN_PROGRESS")
		p.srv.Clock().Advance(5 * time.Minute)
		p.status("two", "TIMED_OUT")
	}},
	{id: "jobs.step-timer-cancel", says: "stepTimeoutInMinutes: -1 ends the timer, 1 to 10080 sets it anew, left out it goes on", source: "AWS IoT Jobs Data API reference, UpdateJobExecution", needs: clock, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "off", "goes-on")
		for _, id := range []string{"off", "goes-on"} {
			j.ok(id+"/update", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":5}`)
		}
		j.ok("off/update", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`)
		j.ok("goes-on/update", `{"status":"IN_PROGRESS"}`)
		j.refused("off/update", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":10081}`, "InvalidRequest")
		p.srv.Clock().Advance(6 * time.Minute)
		p.status("off", "IN_PROGRESS")
		p.status("goes-on", "TIMED_OUT")
	}},
	{id: "jobs.timeout-config", says: "The step timer and the job's own in-progress timer are two: either ends the execution", source: "AWS IoT developer guide, jobs-configurations-details", needs: clock, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{InProgressTimeout: 10 * time.Minute}, "one")
		j.ok("start-next", `{"stepTimeoutInMinutes":60}`)
		p.srv.Clock().Advance(11 * time.Minute)
		p.status("one", "TIMED_OUT")
	}},
	{id: "jobs.retry", says: "FAILED and TIMED_OUT are tried again if the job says so, with the next executionNumber", source: "AWS IoT developer guide, jobs-configurations-details", needs: clock, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{Retry: iotlocal.JobRetry{Failed: 1, TimedOut: 1}}, "one")
		j.ok("one/update", `{"status":"FAILED"}`)
		answer := j.ok("start-next", `{"stepTimeoutInMinutes":1}`)
		p.equal("executionNumber", at(answer, "execution.executionNumber"), any(2.0))
		p.srv.Clock().Advance(2 * time.Minute)
		p.equal("executionNumber", at(j.ok("one/get", `{}`), "execution.executionNumber"), any(3.0))
	}},
	{id: "jobs.notify", says: "notify comes when an execution enters or leaves the list of pending ones, with all of them by status", source: guideNotify, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.notified()
		j.create(iotlocal.JobOptions{}, "one")
		p.equal("queued", fmt.Sprint(ids(at(j.note("notify"), "jobs.QUEUED"))), "[one]")
		j.ok("one/update", `{"status":"SUCCEEDED"}`)
		n := j.note("notify")
		p.same("after the last one", n, `{"timestamp":0,"jobs":{}}`)
	}},
	{id: "jobs.notify-not", says: "A change within the list, as to IN_PROGRESS, brings no notify", source: guideNotify, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		j.notified()
		j.ok("start-next", `{}`)
		j.ok("one/update", `{"status":"IN_PROGRESS"}`)
		j.c.none(j.prefix + "/notify")
	}},
	{id: "jobs.notify-next", says: "notify-next comes only when another job is the next one, in progress before queued, and has no execution when there is none", source: guideNotify, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.notified()
		j.create(iotlocal.JobOptions{}, "one")
		p.equal("next", at(j.note("notify-next"), "execution.jobId"), any("one"))
		j.create(iotlocal.JobOptions{}, "two")
		j.c.none(j.prefix + "/notify-next")
		j.ok("two/update", `{"status":"IN_PROGRESS"}`) // overtakes
		p.equal("next", at(j.note("notify-next"), "execution.jobId"), any("two"))
		j.ok("two/update", `{"status":"SUCCEEDED"}`)
		p.equal("next", at(j.note("notify-next"), "execution.jobId"), any("one"))
		j.ok("one/update", `{"status":"SUCCEEDED"}`)
		p.equal("none", at(j.note("notify-next"), "execution"), nil)
	}},
	{id: "jobs.times", says: "Times in answers are seconds since the epoch (examples of the guide mix them with milliseconds)", source: "models of the AWS SDKs", sure: unconfirmed, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		j.create(iotlocal.JobOptions{}, "one")
		answer := j.ok("one/get", `{}`)
		for _, member := range []string{"timestamp", "execution.queuedAt", "execution.lastUpdatedAt"} {
			if n, ok := at(answer, member).(float64); !ok || !near(n, float64(time.Now().Unix())) {
				p.differ("%s is %v", member, at(answer, member))
			}
		}
	}},
}

// status asks what has become of a job.
func (p *probe) status(id, want string) {
	e, err := p.srv.Jobs(p.thing).Describe(id)
	p.check(err)
	p.equal("status of "+id, e.Status.String(), want)
}

var jobErrorFacts = []fact{
	{id: "jobs.error.topic", says: "InvalidTopic: a topic below jobs that is no operation", source: guideJobs, probe: func(p *probe) {
		p.jobs().refused("one/unknown", `{}`, "InvalidTopic")
	}},
	{id: "jobs.error.json", says: "InvalidJson: a body that is no JSON", source: guideJobs, probe: func(p *probe) { p.jobs().refused("get", `{`, "InvalidJson") }},
	{id: "jobs.error.request", says: "InvalidRequest: a member that may not be so", source: guideJobs, probe: func(p *probe) {
		p.jobs().refused("start-next", `{"stepTimeoutInMinutes":0}`, "InvalidRequest")
	}},
	{id: "jobs.error.none", says: "ResourceNotFound: there is no such job, with code, message, clientToken and timestamp", source: guideJobs, probe: func(p *probe) {
		answer := p.jobs().refused("no-such-job/get", `{"clientToken":"c"}`, "ResourceNotFound")
		p.equal("clientToken", answer["clientToken"], any("c"))
		if answer["message"] == nil || answer["timestamp"] == nil {
			p.differ("%v", answer)
		}
	}},
	{id: "jobs.error.faults", says: "RequestThrottled and InternalError are answers that a device must expect", source: guideJobs, needs: operator, probe: func(p *probe) {
		j := p.jobs()
		for _, code := range []iotlocal.JobErrorCode{iotlocal.JobRequestThrottled, iotlocal.JobInternalError} {
			p.check(p.srv.Jobs(p.thing).Refuse(code, 1))
			j.refused("get", `{}`, code.String())
		}
		j.ok("get", `{}`)
	}},
	{id: "jobs.wildcards", says: "The v2 SDKs subscribe to jobs/get/+, jobs/start-next/+, jobs/ID/get/+ and jobs/ID/update/+", source: "AWS IoT Device SDKs v2", sure: measured, probe: func(p *probe) {
		j := p.jobs()
		j.c.sub(1, j.prefix+"/get/+", j.prefix+"/start-next/+", j.prefix+"/one/get/+", j.prefix+"/one/update/+")
		j.ok("get", `{}`)
		j.c.none(j.prefix + "/get/") // one answer, not two
	}},
}
