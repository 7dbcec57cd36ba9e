package iotjobs

import "time"

// JobStatus is the status of the execution of a job.
type JobStatus string

// The statuses. A device may report InProgress, Succeeded, Failed and Rejected; the others are the service's.
const (
	StatusQueued     JobStatus = "QUEUED"
	StatusInProgress JobStatus = "IN_PROGRESS"
	StatusSucceeded  JobStatus = "SUCCEEDED"
	StatusFailed     JobStatus = "FAILED"
	StatusTimedOut   JobStatus = "TIMED_OUT"
	StatusRejected   JobStatus = "REJECTED"
	StatusRemoved    JobStatus = "REMOVED"
	StatusCanceled   JobStatus = "CANCELED"
)

// Next stands for the next job of a thing where a JobID is asked for.
const Next = "$next"

// GetPendingJobExecutionsRequest asks for the jobs of a thing that have not ended.
type GetPendingJobExecutionsRequest struct {
	ThingName   string
	ClientToken string        // at most 64 bytes; "": a new one
	Document    []byte        // the whole body as JSON, to which the token is added, in place of any other
	Timeout     time.Duration // 0: reqresp.Options.OperationTimeout
}

// StartNextPendingJobExecutionRequest starts the next job of a thing: the one in progress, else the oldest that is queued.
type StartNextPendingJobExecutionRequest struct {
	ThingName            string
	StatusDetails        map[string]string // for a job that was queued
	StepTimeoutInMinutes *int64            // 1 to 10080, or -1 for none: when the job times out unless it is updated
	ClientToken          string
	Document             []byte
	Timeout              time.Duration
}

// DescribeJobExecutionRequest asks for a job of a thing.
type DescribeJobExecutionRequest struct {
	ThingName          string
	JobID              string // or Next
	ExecutionNumber    *int64 // nil: the last execution
	IncludeJobDocument *bool  // nil: yes
	ClientToken        string
	Document           []byte
	Timeout            time.Duration
}

// UpdateJobExecutionRequest reports how a job of a thing fares. Status is required, unless Document is the body.
type UpdateJobExecutionRequest struct {
	ThingName                string
	JobID                    string
	Status                   JobStatus
	StatusDetails            map[string]string // nil: those that are there stay
	ExpectedVersion          *int64            // another version of the execution is a VersionMismatch
	ExecutionNumber          *int64
	IncludeJobExecutionState *bool  // nil: no
	IncludeJobDocument       *bool  // nil: no
	StepTimeoutInMinutes     *int64 // 1 to 10080 sets the timer anew, -1 ends it; nil leaves it
	ClientToken              string
	Document                 []byte
	Timeout                  time.Duration
}

// JobsSubscriptionRequest names a thing, to subscribe to something of all its jobs.
type JobsSubscriptionRequest struct{ ThingName string }

// JobSubscriptionRequest names a job of a thing, to subscribe to the answers of requests about it. JobID may be Next, or + for
// every job.
type JobSubscriptionRequest struct{ ThingName, JobID string }

// The names that AWS's SDKs have for the two, by what is subscribed to.
type (
	// GetPendingJobExecutionsSubscriptionRequest names the thing of the answers to GetPendingJobExecutions.
	GetPendingJobExecutionsSubscriptionRequest = JobsSubscriptionRequest
	// StartNextPendingJobExecutionSubscriptionRequest names the thing of the answers to StartNextPendingJobExecution.
	StartNextPendingJobExecutionSubscriptionRequest = JobsSubscriptionRequest
	// DescribeJobExecutionSubscriptionRequest names the job of the answers to DescribeJobExecution.
	DescribeJobExecutionSubscriptionRequest = JobSubscriptionRequest
	// UpdateJobExecutionSubscriptionRequest names the job of the answers to UpdateJobExecution.
	UpdateJobExecutionSubscriptionRequest = JobSubscriptionRequest
	// JobExecutionsChangedSubscriptionRequest names the thing of the event JobExecutionsChanged.
	JobExecutionsChangedSubscriptionRequest = JobsSubscriptionRequest
	// NextJobExecutionChangedSubscriptionRequest names the thing of the event NextJobExecutionChanged.
	NextJobExecutionChangedSubscriptionRequest = JobsSubscriptionRequest
)
