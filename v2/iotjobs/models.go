package iotjobs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// JobExecutionSummary is a job in a list. Times that were not given are zero.
type JobExecutionSummary struct {
	JobID           string
	ExecutionNumber int64
	VersionNumber   int64
	QueuedAt        time.Time
	StartedAt       time.Time
	LastUpdatedAt   time.Time
}

func (s *JobExecutionSummary) read(v jsonobj.Value) error {
	return v.Object(func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "jobId":
			return v.String(&s.JobID)
		case "executionNumber":
			return v.Int(&s.ExecutionNumber)
		case "versionNumber":
			return v.Int(&s.VersionNumber)
		case "queuedAt":
			return v.Time(&s.QueuedAt)
		case "startedAt":
			return v.Time(&s.StartedAt)
		case "lastUpdatedAt":
			return v.Time(&s.LastUpdatedAt)
		}
		return nil
	})
}

// JobExecutionData is a job with all that is known of it.
type JobExecutionData struct {
	JobExecutionSummary
	ThingName     string
	Status        JobStatus
	StatusDetails map[string]string
	JobDocument   json.RawMessage // nil when it was not asked for
}

func (d *JobExecutionData) read(v jsonobj.Value) error {
	if err := d.JobExecutionSummary.read(v); err != nil {
		return err
	}
	return v.Object(func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "thingName":
			return v.String(&d.ThingName)
		case "status":
			return v.String((*string)(&d.Status))
		case "statusDetails":
			return v.Strings(&d.StatusDetails)
		case "jobDocument":
			d.JobDocument = v.Raw()
		}
		return nil
	})
}

// JobExecutionState is what an update may change.
type JobExecutionState struct {
	Status        JobStatus
	StatusDetails map[string]string
	VersionNumber int64
}

func (s *JobExecutionState) read(v jsonobj.Value) error {
	return v.Object(func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "status":
			return v.String((*string)(&s.Status))
		case "statusDetails":
			return v.Strings(&s.StatusDetails)
		case "versionNumber":
			return v.Int(&s.VersionNumber)
		}
		return nil
	})
}

// GetPendingJobExecutionsResponse lists the jobs of a thing that have not ended.
type GetPendingJobExecutionsResponse struct {
	InProgressJobs []JobExecutionSummary
	QueuedJobs     []JobExecutionSummary
	Timestamp      time.Time
	ClientToken    string
	Raw            json.RawMessage // all of it, members that this package does not know included
}

// ExecutionResponse has one job of a thing.
type ExecutionResponse struct {
	Execution   *JobExecutionData // nil: there is none
	Timestamp   time.Time
	ClientToken string
	Raw         json.RawMessage
}

// The names that AWS's SDKs have for it.
type (
	// StartNextJobExecutionResponse is the answer to StartNextPendingJobExecution: the job that is now in progress, if there is one.
	StartNextJobExecutionResponse = ExecutionResponse
	// DescribeJobExecutionResponse is the answer to DescribeJobExecution. For Next there may be no job.
	DescribeJobExecutionResponse = ExecutionResponse
	// NextJobExecutionChangedEvent says that another job is the next one; without Execution, that none is left.
	NextJobExecutionChangedEvent = ExecutionResponse
)

// UpdateJobExecutionResponse is the answer to an update, with what was asked for.
type UpdateJobExecutionResponse struct {
	ExecutionState *JobExecutionState
	JobDocument    json.RawMessage
	Timestamp      time.Time
	ClientToken    string
	Raw            json.RawMessage
}

// JobExecutionsChangedEvent says that the list of jobs that have not ended has changed; it has them by status.
type JobExecutionsChangedEvent struct {
	Jobs      map[JobStatus][]JobExecutionSummary
	Timestamp time.Time
	Raw       json.RawMessage
}

// common reads what every answer has; false: another member.
func common(name []byte, v jsonobj.Value, at *time.Time, token *string) (known bool, err error) {
	switch string(name) {
	case "timestamp":
		return true, v.Time(at)
	case "clientToken":
		return true, v.String(token)
	}
	return false, nil
}

// summaries reads a list of jobs.
func summaries(v jsonobj.Value, to *[]JobExecutionSummary) error {
	return v.Array(func(v jsonobj.Value) error {
		var s JobExecutionSummary
		err := s.read(v)
		*to = append(*to, s)
		return err
	})
}

func (r *GetPendingJobExecutionsResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if known, err := common(name, v, &r.Timestamp, &r.ClientToken); known {
			return err
		}
		switch string(name) {
		case "inProgressJobs":
			return summaries(v, &r.InProgressJobs)
		case "queuedJobs":
			return summaries(v, &r.QueuedJobs)
		}
		return nil
	})
}

func (r *ExecutionResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if known, err := common(name, v, &r.Timestamp, &r.ClientToken); known {
			return err
		}
		if string(name) != "execution" || v.IsNull() {
			return nil
		}
		var d JobExecutionData
		if err := d.read(v); err != nil {
			return err
		}
		if d.JobID != "" { // {} stands for no job as well
			r.Execution = &d
		}
		return nil
	})
}

func (r *UpdateJobExecutionResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if known, err := common(name, v, &r.Timestamp, &r.ClientToken); known {
			return err
		}
		switch string(name) {
		case "executionState":
			return state(v, &r.ExecutionState)
		case "jobDocument":
			r.JobDocument = v.Raw()
		}
		return nil
	})
}

func state(v jsonobj.Value, to **JobExecutionState) error {
	if v.IsNull() {
		return nil
	}
	*to = &JobExecutionState{}
	return (*to).read(v)
}

func (e *JobExecutionsChangedEvent) read(payload []byte) error {
	e.Raw, e.Jobs = payload, map[JobStatus][]JobExecutionSummary{}
	var none string
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if known, err := common(name, v, &e.Timestamp, &none); known {
			return err
		}
		if string(name) != "jobs" {
			return nil
		}
		return v.Object(func(status []byte, v jsonobj.Value) error {
			var list []JobExecutionSummary
			err := summaries(v, &list)
			e.Jobs[JobStatus(status)] = list
			return err
		})
	})
}

// The codes of refusals that the service documents. Others may come.
const (
	CodeInternalError          = "InternalError"
	CodeInvalidJSON            = "InvalidJson"
	CodeInvalidRequest         = "InvalidRequest"
	CodeInvalidStateTransition = "InvalidStateTransition" // RejectedError.ExecutionState has the status
	CodeInvalidTopic           = "InvalidTopic"
	CodeRequestThrottled       = "RequestThrottled"
	CodeResourceNotFound       = "ResourceNotFound"
	CodeTerminalStateReached   = "TerminalStateReached"
	CodeVersionMismatch        = "VersionMismatch" // RejectedError.ExecutionState has the version
)

// RejectedError is a refusal by the service. A call returns it within a *reqresp.Error.
type RejectedError struct {
	Code           string
	Message        string
	ExecutionState *JobExecutionState // with InvalidStateTransition and VersionMismatch
	Timestamp      time.Time
	ClientToken    string
	Raw            json.RawMessage
}

// Error returns a text such as `rejected (VersionMismatch): Expected version 2 but found version 3`.
func (e *RejectedError) Error() string { return fmt.Sprintf("rejected (%s): %s", e.Code, e.Message) }

// refusal decodes a rejected answer.
func refusal(payload []byte) error {
	e := &RejectedError{Raw: payload}
	err := jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		if known, err := common(name, v, &e.Timestamp, &e.ClientToken); known {
			return err
		}
		switch string(name) {
		case "code":
			return v.String(&e.Code)
		case "message":
			return v.String(&e.Message)
		case "executionState":
			return state(v, &e.ExecutionState)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w (%w: %w)", e, reqresp.ErrMalformed, err)
	}
	return e
}
