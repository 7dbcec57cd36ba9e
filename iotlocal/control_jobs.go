package iotlocal

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
)

// jobHandlers are the operations on jobs and their executions.
func (a *controlAPI) jobHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateJob": a.createJob, "DescribeJob": a.describeJob, "GetJobDocument": a.getJobDocument, "ListJobs": a.listJobs, "UpdateJob": a.updateJob,
		"CancelJob": a.cancelJob, "DeleteJob": a.deleteJob, "AssociateTargetsWithJob": a.associateTargets,
		"DescribeJobExecution": a.describeJobExecution, "ListJobExecutionsForJob": a.listExecutionsForJob, "ListJobExecutionsForThing": a.listExecutionsForThing,
		"CancelJobExecution": a.cancelJobExecution, "DeleteJobExecution": a.deleteJobExecution,
	}
}

// unsupported are members of CreateJob and UpdateJob that would change what devices see, and that nothing here does.
var unsupported = map[string]string{
	"documentSource":     "documents are not fetched from S3: give document",
	"presignedUrlConfig": "nothing signs URLs of S3",
	"abortConfig":        "no job is aborted for its failures: cancel it",
	"schedulingConfig":   "jobs begin at once",
	"jobTemplateArn":     "there are no job templates",
	"documentParameters": "there are no managed job templates",
	"namespaceId":        "there are no namespaces",
}

func refuseUnsupported(c *control.Call) error {
	for _, name := range slices.Sorted(maps.Keys(unsupported)) {
		if c.Has(name) {
			return rest.Invalid("%s is not available on this local endpoint: %s", name, unsupported[name])
		}
	}
	return nil
}

// jobRefusal is an error of the Jobs service as the control API has it: AWS IoT API reference, the errors of each operation.
func jobRefusal(err *jobs.Error) error {
	switch err.Code {
	case jobs.ResourceNotFound:
		return rest.NotFound("%s", err.Message)
	case jobs.AlreadyExists:
		return control.Refuse(control.AlreadyExists, "%s", err.Message)
	case jobs.InvalidStateTransition:
		return control.Refuse(control.InvalidTransition, "%s", err.Message)
	case jobs.VersionMismatch:
		return control.Refuse(control.VersionConflict, "%s", err.Message)
	case jobs.InternalError:
		return fmt.Errorf("%s", err.Message)
	}
	return rest.Invalid("%s", err.Message)
}

// operate runs what an operator does and publishes what comes of it.
func (a *controlAPI) operate(f func(now time.Time) ([]jobs.Event, *jobs.Error)) error {
	if err := a.s.jobs.operate(f); err != nil {
		return jobRefusal(err)
	}
	return nil
}

// targets reads the ARNs of targets: their resources, and the things that they mean now, those of groups below a group too.
func (a *controlAPI) targets(arns []string) (resources, things []string, err error) {
	for _, arn := range arns {
		resource, ok := control.Resource(arn)
		thing, isThing := strings.CutPrefix(resource, jobs.ThingTarget)
		group, isGroup := strings.CutPrefix(resource, jobs.GroupTarget)
		switch {
		case !ok || !isThing && !isGroup:
			return nil, nil, rest.Invalid("target %q is not the ARN of a thing or of a group of things", arn)
		case isThing:
			if _, ok := a.s.registry.Thing(thing); !ok {
				return nil, nil, rest.NotFound("Thing %s does not exist.", thing)
			}
			things = append(things, thing)
		default:
			members, ok := a.s.registry.ThingsInGroup(group, true)
			if !ok {
				return nil, nil, rest.NotFound("Thing Group %s does not exist.", group)
			}
			things = append(things, members...)
		}
		resources = append(resources, resource)
	}
	return resources, things, nil
}

// jobTimeout is timeoutConfig.
type jobTimeout struct {
	Minutes *int64 `json:"inProgressTimeoutInMinutes"`
}

// jobRetries is jobExecutionsRetryConfig.
type jobRetries struct {
	Criteria []jobRetryRule `json:"criteriaList"`
}

type jobRetryRule struct {
	FailureType     string `json:"failureType"`
	NumberOfRetries int    `json:"numberOfRetries"`
}

// retryKinds are the fields of Retry for the failure types.
func retryKinds(r *jobs.Retry) map[string]*int {
	return map[string]*int{"FAILED": &r.Failed, "TIMED_OUT": &r.TimedOut, "ALL": &r.All}
}

// jobConfig reads timeoutConfig and jobExecutionsRetryConfig; nil for one that is not there.
func jobConfig(c *control.Call) (timeout *time.Duration, retry *jobs.Retry, err error) {
	var t jobTimeout
	if err := c.Decode("timeoutConfig", &t); err != nil {
		return nil, nil, err
	}
	if c.Has("timeoutConfig") {
		timeout = new(time.Duration(0))
	}
	if t.Minutes != nil {
		if most := int64(jobs.MaxTimeout / time.Minute); *t.Minutes < 1 || *t.Minutes > most {
			return nil, nil, rest.Invalid("timeoutConfig: inProgressTimeoutInMinutes %d is not from 1 to %d", *t.Minutes, most)
		}
		*timeout = time.Duration(*t.Minutes) * time.Minute
	}
	var list jobRetries
	if err := c.Decode("jobExecutionsRetryConfig", &list); err != nil {
		return nil, nil, err
	}
	if c.Has("jobExecutionsRetryConfig") {
		retry = &jobs.Retry{}
	}
	seen := map[string]bool{}
	for _, rule := range list.Criteria {
		kind := retryKinds(retry)[rule.FailureType]
		if kind == nil || seen[rule.FailureType] {
			return nil, nil, rest.Invalid("jobExecutionsRetryConfig: failureType %q is not one of FAILED, TIMED_OUT and ALL, each once", rule.FailureType)
		}
		*kind, seen[rule.FailureType] = rule.NumberOfRetries, true
	}
	return timeout, retry, nil
}

func (a *controlAPI) createJob(c *control.Call) (any, error) {
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	if !c.Has("document") {
		return nil, rest.Invalid("document is missing")
	}
	timeout, retry, err := jobConfig(c)
	if err != nil {
		return nil, err
	}
	n := jobs.NewJob{Document: []byte(c.Text("document")), Description: c.Text("description"), Continuous: c.Text("targetSelection") == "CONTINUOUS"}
	if timeout != nil {
		n.Options.InProgressTimeout = *timeout
	}
	if retry != nil {
		n.Options.Retry = *retry
	}
	if err := c.Decode("jobExecutionsRolloutConfig", &n.Rollout); err != nil {
		return nil, err
	}
	id := c.Text("jobId")
	if n.Targets, n.Things, err = a.targets(c.List("targets")); err != nil {
		return nil, err
	}
	var refused *jobs.Error
	err = a.operate(func(now time.Time) (events []jobs.Event, _ *jobs.Error) {
		events, refused = a.s.jobs.service.CreateJob(id, n, now)
		return events, refused
	})
	if refused != nil && refused.Code == jobs.AlreadyExists {
		old, _, _ := a.s.jobs.service.Job(id)
		same := registry.SameJSON(string(old.Document), string(n.Document)) && old.Description == n.Description && old.Continuous == n.Continuous &&
			reflect.DeepEqual(old.Options, n.Options) && slices.Equal(old.Targets, n.Targets)
		return nil, control.Exists(same, id, c.ARN("job/"+id), "%s", refused.Message)
	}
	if err != nil {
		return nil, err
	}
	return jobAnswer(c, id, n.Description), nil
}

func jobAnswer(c *control.Call, id, description string) map[string]any {
	answer := map[string]any{"jobArn": c.ARN("job/" + id), "jobId": id}
	if description != "" {
		answer["description"] = description
	}
	return answer
}

// job returns a job and its executions.
func (a *controlAPI) job(c *control.Call) (jobs.Job, []JobExecution, error) {
	a.s.jobs.expire()
	j, executions, err := a.s.jobs.service.Job(c.Text("jobId"))
	if err != nil {
		return j, nil, jobRefusal(err)
	}
	return j, executions, nil
}

// selection is targetSelection.
func selection(j jobs.Job) string {
	if j.Continuous {
		return "CONTINUOUS"
	}
	return "SNAPSHOT"
}

func (a *controlAPI) describeJob(c *control.Call) (any, error) {
	j, executions, err := a.job(c)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, t := range j.Targets {
		arns = append(arns, c.ARN(t))
	}
	counts := map[JobStatus]int{}
	latest := map[string]JobStatus{}
	for _, e := range executions { // in the order of their numbers
		latest[e.ThingName] = e.Status
	}
	for _, status := range latest {
		counts[status]++
	}
	job := jobAnswer(c, j.ID, j.Description)
	job["targetSelection"], job["status"], job["forceCanceled"], job["isConcurrent"] = selection(j), j.Status, j.ForceCanceled, false
	job["targets"], job["createdAt"], job["lastUpdatedAt"] = arns, j.CreatedAt.Unix(), j.LastUpdatedAt.Unix()
	job["jobProcessDetails"] = map[string]any{"numberOfQueuedThings": counts[JobQueued], "numberOfInProgressThings": counts[JobInProgress],
		"numberOfSucceededThings": counts[JobSucceeded], "numberOfFailedThings": counts[JobFailed], "numberOfTimedOutThings": counts[JobTimedOut],
		"numberOfRejectedThings": counts[JobRejected], "numberOfRemovedThings": counts[JobRemoved], "numberOfCanceledThings": counts[JobCanceled]}
	for name, text := range map[string]string{"comment": j.Comment, "reasonCode": j.ReasonCode} {
		if text != "" {
			job[name] = text
		}
	}
	if !j.CompletedAt.IsZero() {
		job["completedAt"] = j.CompletedAt.Unix()
	}
	if d := j.Options.InProgressTimeout; d > 0 {
		job["timeoutConfig"] = jobTimeout{new(int64(d / time.Minute))}
	}
	var list jobRetries
	for _, kind := range []string{"FAILED", "TIMED_OUT", "ALL"} {
		if n := *retryKinds(&j.Options.Retry)[kind]; n > 0 {
			list.Criteria = append(list.Criteria, jobRetryRule{kind, n})
		}
	}
	if list.Criteria != nil {
		job["jobExecutionsRetryConfig"] = list
	}
	if j.Rollout != nil {
		job["jobExecutionsRolloutConfig"] = j.Rollout
	}
	return map[string]any{"job": job}, nil
}

func (a *controlAPI) getJobDocument(c *control.Call) (any, error) {
	j, _, err := a.job(c)
	if err != nil {
		return nil, err
	}
	return map[string]string{"document": string(j.Document)}, nil
}

// listJobs lists the latest first.
func (a *controlAPI) listJobs(c *control.Call) (any, error) {
	for _, name := range []string{"namespaceId", "thingGroupId"} {
		if c.Has(name) {
			return nil, rest.Invalid("%s is not available on this local endpoint", name)
		}
	}
	group := ""
	if c.Has("thingGroupName") {
		group = jobs.GroupTarget + c.Text("thingGroupName")
	}
	a.s.jobs.expire()
	var all []jobs.Job
	for _, j := range a.s.jobs.service.Jobs() {
		if keep(c, "status", string(j.Status)) && keep(c, "targetSelection", selection(j)) && (group == "" || slices.Contains(j.Targets, group)) {
			all = append(all, j)
		}
	}
	key := func(j jobs.Job) string { return fmt.Sprintf("%020d %s", j.CreatedAt.UnixNano(), j.ID) }
	return control.List(c, control.ByToken, "jobs", all, true, key, func(j jobs.Job) map[string]any {
		row := map[string]any{"jobArn": c.ARN("job/" + j.ID), "jobId": j.ID, "targetSelection": selection(j), "status": j.Status,
			"createdAt": j.CreatedAt.Unix(), "lastUpdatedAt": j.LastUpdatedAt.Unix(), "isConcurrent": false}
		if !j.CompletedAt.IsZero() {
			row["completedAt"] = j.CompletedAt.Unix()
		}
		return row
	})
}

// keep reports whether a value is the one that a field asks for, if it is there.
func keep(c *control.Call, field, value string) bool { return !c.Has(field) || c.Text(field) == value }

func (a *controlAPI) updateJob(c *control.Call) (any, error) {
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	var change jobs.Change
	var err error
	if change.Timeout, change.Retry, err = jobConfig(c); err != nil {
		return nil, err
	}
	if err := c.Decode("jobExecutionsRolloutConfig", &change.Rollout); err != nil {
		return nil, err
	}
	if c.Has("description") {
		change.Description = new(c.Text("description"))
	}
	return nil, a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return nil, a.s.jobs.service.UpdateJob(c.Text("jobId"), change, now)
	})
}

func (a *controlAPI) cancelJob(c *control.Call) (any, error) {
	id := c.Text("jobId")
	err := a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return a.s.jobs.service.CancelJob(id, jobs.JobCancel{Force: c.Bool("force", false), ReasonCode: c.Text("reasonCode"), Comment: c.Text("comment")}, now)
	})
	if err != nil {
		return nil, err
	}
	j, _, err := a.job(c)
	return jobAnswer(c, id, j.Description), err
}

func (a *controlAPI) deleteJob(c *control.Call) (any, error) {
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	return nil, a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return a.s.jobs.service.DeleteJob(c.Text("jobId"), c.Bool("force", false), now)
	})
}

func (a *controlAPI) associateTargets(c *control.Call) (any, error) {
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	resources, things, err := a.targets(c.List("targets"))
	if err != nil {
		return nil, err
	}
	id := c.Text("jobId")
	err = a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return a.s.jobs.service.Associate(id, resources, things, c.Text("comment"), now)
	})
	if err != nil {
		return nil, err
	}
	j, _, err := a.job(c)
	return jobAnswer(c, id, j.Description), err
}

// summary is JobExecutionSummary.
func summary(e JobExecution) map[string]any {
	s := map[string]any{"status": e.Status, "queuedAt": e.QueuedAt.Unix(), "lastUpdatedAt": e.LastUpdatedAt.Unix(), "executionNumber": e.ExecutionNumber}
	if !e.StartedAt.IsZero() {
		s["startedAt"] = e.StartedAt.Unix()
	}
	return s
}

func (a *controlAPI) describeJobExecution(c *control.Call) (any, error) {
	a.s.jobs.expire()
	e, refused := a.s.jobs.service.Get(c.Text("thingName"), c.Text("jobId"), c.Int("executionNumber", 0))
	if refused != nil {
		return nil, jobRefusal(refused)
	}
	out := summary(e)
	out["jobId"], out["thingArn"], out["versionNumber"] = e.JobID, c.ARN("thing/"+e.ThingName), e.VersionNumber
	out["forceCanceled"] = false
	if j, _, err := a.s.jobs.service.Job(e.JobID); err == nil && e.Status == JobCanceled {
		out["forceCanceled"] = j.ForceCanceled
	}
	details := e.StatusDetails
	if details == nil {
		details = map[string]string{}
	}
	out["statusDetails"] = map[string]any{"detailsMap": details}
	if !e.TimesOutAt.IsZero() {
		out["approximateSecondsBeforeTimedOut"] = max(0, int64(e.TimesOutAt.Sub(a.s.clock.Now()).Seconds()))
	}
	return map[string]any{"execution": out}, nil
}

// listed is a page of executions. place is the member beside the summary that says where an execution is.
func listed(c *control.Call, all []JobExecution, place string, where func(JobExecution) string) (any, error) {
	return control.List(c, control.ByToken, "executionSummaries", all, false, executionKey,
		func(e JobExecution) map[string]any {
			return map[string]any{place: where(e), "jobExecutionSummary": summary(e)}
		})
}

// executionKey is the order of lists. It names an execution among those of a job, and among those of a thing.
func executionKey(e JobExecution) string {
	return fmt.Sprintf("%s %s %020d", e.ThingName, e.JobID, e.ExecutionNumber)
}

func (a *controlAPI) listExecutionsForJob(c *control.Call) (any, error) {
	_, executions, err := a.job(c)
	if err != nil {
		return nil, err
	}
	var all []JobExecution
	for _, e := range executions {
		if keep(c, "status", e.Status.String()) {
			all = append(all, e)
		}
	}
	return listed(c, all, "thingArn", func(e JobExecution) string { return c.ARN("thing/" + e.ThingName) })
}

func (a *controlAPI) listExecutionsForThing(c *control.Call) (any, error) {
	if c.Has("namespaceId") {
		return nil, rest.Invalid("namespaceId is not available on this local endpoint")
	}
	thing := c.Text("thingName")
	if _, ok := a.s.registry.Thing(thing); !ok {
		return nil, rest.NotFound("Thing %s does not exist.", thing)
	}
	var all []JobExecution
	for _, e := range a.s.Jobs(thing).List() {
		if keep(c, "status", e.Status.String()) && keep(c, "jobId", e.JobID) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b JobExecution) int { return strings.Compare(executionKey(a), executionKey(b)) })
	return listed(c, all, "jobId", func(e JobExecution) string { return e.JobID })
}

func (a *controlAPI) cancelJobExecution(c *control.Call) (any, error) {
	o := CancelJobOptions{Force: c.Bool("force", false), ExpectedVersion: c.Int("expectedVersion", 0), StatusDetails: c.Map("statusDetails")}
	return nil, a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return a.s.jobs.service.Cancel(c.Text("thingName"), c.Text("jobId"), o, now)
	})
}

func (a *controlAPI) deleteJobExecution(c *control.Call) (any, error) {
	if err := refuseUnsupported(c); err != nil {
		return nil, err
	}
	return nil, a.operate(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return a.s.jobs.service.DeleteExecution(c.Text("thingName"), c.Text("jobId"), c.Int("executionNumber", 0), c.Bool("force", false), now)
	})
}
