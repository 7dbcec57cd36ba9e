package iotjobs

import (
	"fmt"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/internal/service"
)

// The table of the service: each operation and event once. Topics, filters and bodies are those of AWS's SDKs.
var (
	getPendingJobExecutions = operation("GetPendingJobExecutions", topic.JobsGetPending,
		(*GetPendingJobExecutionsRequest).common, (*GetPendingJobExecutionsRequest).encode, (*GetPendingJobExecutionsResponse).read)
	startNextPendingJobExecution = operation("StartNextPendingJobExecution", topic.JobsStartNext,
		(*StartNextPendingJobExecutionRequest).common, (*StartNextPendingJobExecutionRequest).encode, (*ExecutionResponse).read)
	describeJobExecution = operation("DescribeJobExecution", topic.JobsDescribe,
		(*DescribeJobExecutionRequest).common, (*DescribeJobExecutionRequest).encode, (*ExecutionResponse).read)
	updateJobExecution = operation("UpdateJobExecution", topic.JobsUpdate,
		(*UpdateJobExecutionRequest).common, (*UpdateJobExecutionRequest).encode, (*UpdateJobExecutionResponse).read)

	jobExecutionsChanged    = event("JobExecutionsChanged", topic.JobsNotify, (*JobExecutionsChangedEvent).read)
	nextJobExecutionChanged = event("NextJobExecutionChanged", topic.JobsNotifyNext, (*ExecutionResponse).read)
)

// jobsTopic returns the topic of an operation or event for a row's names, thing and job.
func jobsTopic(op topic.JobsOp, n service.Names) string {
	return topic.Jobs{Thing: n[0]}.Request(op, n[1])
}

func operation[Req, Resp any](name string, op topic.JobsOp, common func(*Req) (service.Common, error),
	encode func(*Req, *jsonobj.Writer), read func(*Resp, []byte) error) *service.Operation[Req, Resp] {
	return &service.Operation[Req, Resp]{
		Name:       "iotjobs." + name,
		Topic:      func(n service.Names) string { return jobsTopic(op, n) },
		Answers:    service.Suffixed,
		Wildcard:   true,
		Token:      true,
		Repeatable: op == topic.JobsGetPending || op == topic.JobsDescribe,
		Common:     common,
		Encode:     func(w *jsonobj.Writer, r *Req) { encode(r, w) },
		Decode:     func(_ string, payload []byte, to *Resp) error { return read(to, payload) },
		Refusal:    refusal,
	}
}

func event[E any](name string, op topic.JobsOp, read func(*E, []byte) error) *service.Event[E] {
	return &service.Event[E]{
		Name:   "iotjobs." + name,
		Topic:  func(n service.Names) string { return jobsTopic(op, n) },
		Decode: func(m *awsiot.Message, to *E) error { return read(to, m.Payload) },
	}
}

// thing checks the name of a thing.
func thing(name string) (service.Names, error) {
	if err := topic.CheckThingName(name); err != nil {
		return service.Names{}, service.Missing("ThingName", err)
	}
	return service.Names{name}, nil
}

// job checks the names of a thing and a job.
func job(name, id string) (service.Names, error) {
	n, err := thing(name)
	if err != nil {
		return n, err
	}
	if err := topic.CheckJobID(id); err != nil {
		return n, service.Missing("JobID", err)
	}
	n[1] = id
	return n, nil
}

func (r JobsSubscriptionRequest) names() (service.Names, error) { return thing(r.ThingName) }

func (r JobSubscriptionRequest) names() (service.Names, error) {
	if r.JobID == "+" {
		n, err := thing(r.ThingName)
		n[1] = "+"
		return n, err
	}
	return job(r.ThingName, r.JobID)
}

func (r *GetPendingJobExecutionsRequest) common() (service.Common, error) {
	n, err := thing(r.ThingName)
	return service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}, err
}

func (r *GetPendingJobExecutionsRequest) encode(*jsonobj.Writer) {}

func (r *StartNextPendingJobExecutionRequest) common() (service.Common, error) {
	n, err := thing(r.ThingName)
	if err == nil {
		err = checkStep(r.StepTimeoutInMinutes)
	}
	m := service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}
	if r.StatusDetails != nil || r.StepTimeoutInMinutes != nil {
		m.Mixed = "StatusDetails or StepTimeoutInMinutes"
	}
	return m, err
}

func (r *StartNextPendingJobExecutionRequest) encode(w *jsonobj.Writer) {
	w.Strings("statusDetails", r.StatusDetails)
	w.Int("stepTimeoutInMinutes", r.StepTimeoutInMinutes)
}

func (r *DescribeJobExecutionRequest) common() (service.Common, error) {
	n, err := job(r.ThingName, r.JobID)
	m := service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}
	if r.ExecutionNumber != nil || r.IncludeJobDocument != nil {
		m.Mixed = "ExecutionNumber or IncludeJobDocument"
	}
	return m, err
}

func (r *DescribeJobExecutionRequest) encode(w *jsonobj.Writer) {
	w.Int("executionNumber", r.ExecutionNumber)
	w.Bool("includeJobDocument", r.IncludeJobDocument)
}

func (r *UpdateJobExecutionRequest) common() (service.Common, error) {
	n, err := job(r.ThingName, r.JobID)
	m := service.Common{Names: n, Token: r.ClientToken, Document: r.Document, Timeout: r.Timeout}
	if err == nil {
		err = checkStep(r.StepTimeoutInMinutes)
	}
	if err != nil {
		return m, err
	}
	if r.StatusDetails != nil || r.ExpectedVersion != nil || r.ExecutionNumber != nil || r.IncludeJobExecutionState != nil ||
		r.IncludeJobDocument != nil || r.StepTimeoutInMinutes != nil {
		m.Mixed = "a field of the update"
	}
	if err := m.Require("Status", string(r.Status)); err != nil || r.Status == "" {
		return m, err
	}
	switch r.Status {
	case StatusInProgress, StatusSucceeded, StatusFailed, StatusRejected:
		return m, nil
	}
	return m, &awsiot.ValidationError{Field: "Status", Problem: fmt.Sprintf("%q: a device may report IN_PROGRESS, SUCCEEDED, FAILED and REJECTED", r.Status)}
}

func (r *UpdateJobExecutionRequest) encode(w *jsonobj.Writer) {
	w.String("status", string(r.Status))
	w.Strings("statusDetails", r.StatusDetails)
	w.Int("expectedVersion", r.ExpectedVersion)
	w.Int("executionNumber", r.ExecutionNumber)
	w.Bool("includeJobExecutionState", r.IncludeJobExecutionState)
	w.Bool("includeJobDocument", r.IncludeJobDocument)
	w.Int("stepTimeoutInMinutes", r.StepTimeoutInMinutes)
}

// maxStep is the longest step timer, 7 days (AWS IoT jobs API reference, UpdateJobExecution).
const maxStep = 10080

func checkStep(minutes *int64) error {
	if minutes == nil || *minutes == -1 || *minutes >= 1 && *minutes <= maxStep {
		return nil
	}
	return &awsiot.ValidationError{Field: "StepTimeoutInMinutes", Problem: fmt.Sprintf("%d; 1 to %d are possible, and -1 for no timer", *minutes, maxStep)}
}
