package jobscompat

import (
	"fmt"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// StartNextOptions are the optional arguments of v1's sendJobsStartNext.
//
// Deprecated: use iotjobs.StartNextPendingJobExecutionRequest.
type StartNextOptions struct {
	// StatusDetails is v1's statusDetails. Nil: none; an empty map is sent. The
	// service takes text only: write numbers and booleans with strconv.
	StatusDetails map[string]string
	// StepTimeoutInMinutes is v1's stepTimeoutInMinutes: the execution times out
	// when it has no final status by then, 1 to 10080. Nil: not sent.
	StepTimeoutInMinutes *int64
}

// UpdateOptions are the optional arguments of v1's sendJobsUpdate.
//
// Deprecated: use iotjobs.UpdateJobExecutionRequest.
type UpdateOptions struct {
	// StatusDetails is v1's statusDetails, text as in StartNextOptions. Nil or
	// empty: not sent.
	StatusDetails map[string]string
	// ExpectedVersion is v1's expectedVersion: the service refuses the update of
	// an execution with another one. Not sent unless positive.
	ExpectedVersion int64
	// ExecutionNumber is v1's executionNumber. Not sent unless positive.
	ExecutionNumber int64
	// IncludeJobExecutionState is v1's includeJobExecutionState: the answer has
	// the state of the execution.
	IncludeJobExecutionState bool
	// IncludeJobDocument is v1's includeJobDocument: the answer has the document.
	IncludeJobDocument bool
	// StepTimeoutInMinutes is v1's stepTimeoutInMinutes: a new timer from now, 1 to
	// 10080, or -1, which cancels the one that runs. Nil: not sent.
	StepTimeoutInMinutes *int64
}

// SendJobsQuery is v1's sendJobsQuery: a request with nothing but the
// clientToken, as JobGetPendingTopic or JobDescribeTopic with a job id. jobID ""
// is v1's None; "$next" is the next pending job.
//
// The results are those of v1compat's Publish: (true, nil) sent, for QoS 1
// acknowledged; (false, nil) in the offline queue; *v1compat.ValueError also for
// arguments that have no topic. The answer goes to CreateJobSubscription's
// callback.
//
// Deprecated: use iotjobs.Client.GetPendingJobExecutions or
// DescribeJobExecution.
func (c *AWSIoTMQTTThingJobsClient) SendJobsQuery(topicType JobExecutionTopicType, jobID string) (bool, error) {
	return c.request(topicType, jobID, c.token)
}

// SendJobsStartNext is v1's sendJobsStartNext: it asks for the next pending job
// and starts it. See SendJobsQuery.
//
// Deprecated: use iotjobs.Client.StartNextPendingJobExecution, or iotjobs.Run.
func (c *AWSIoTMQTTThingJobsClient) SendJobsStartNext(o StartNextOptions) (bool, error) {
	return c.request(JobStartNextTopic, "", func(b *members) {
		c.token(b)
		if o.StatusDetails != nil {
			b.details("statusDetails", o.StatusDetails)
		}
		b.number("stepTimeoutInMinutes", o.StepTimeoutInMinutes)
	})
}

// SendJobsUpdate is v1's sendJobsUpdate: it tells how an execution is. status is
// one that has a word: another one is a *v1compat.ValueError, where v1 published
// an empty message. See SendJobsQuery.
//
// Deprecated: use iotjobs.Client.UpdateJobExecution.
func (c *AWSIoTMQTTThingJobsClient) SendJobsUpdate(jobID string, status JobExecutionStatus, o UpdateOptions) (bool, error) {
	return c.request(JobUpdateTopic, jobID, func(b *members) {
		word := status.word()
		if word == "" {
			b.fail(&v1compat.ValueError{Message: "Invalid job execution status.", Err: fmt.Errorf("%v is not one that can be sent", status)})
			return
		}
		b.text("status", word)
		if len(o.StatusDetails) > 0 {
			b.details("statusDetails", o.StatusDetails)
		}
		// v1 sent these two as strings, here but not in sendJobsDescribe.
		if o.ExpectedVersion > 0 {
			b.text("expectedVersion", strconv.FormatInt(o.ExpectedVersion, 10))
		}
		if o.ExecutionNumber > 0 {
			b.text("executionNumber", strconv.FormatInt(o.ExecutionNumber, 10))
		}
		if o.IncludeJobExecutionState {
			b.flag("includeJobExecutionState", true)
		}
		if o.IncludeJobDocument {
			b.flag("includeJobDocument", true)
		}
		c.token(b)
		b.number("stepTimeoutInMinutes", o.StepTimeoutInMinutes)
	})
}

// SendJobsDescribe is v1's sendJobsDescribe: it asks for an execution. jobID may
// be "$next". An executionNumber that is not positive is not sent: the service
// takes the newest. v1's defaults were 0 and true. See SendJobsQuery.
//
// Deprecated: use iotjobs.Client.DescribeJobExecution.
func (c *AWSIoTMQTTThingJobsClient) SendJobsDescribe(jobID string, executionNumber int64, includeJobDocument bool) (bool, error) {
	return c.request(JobDescribeTopic, jobID, func(b *members) {
		b.flag("includeJobDocument", includeJobDocument)
		if executionNumber > 0 {
			b.number("executionNumber", &executionNumber)
		}
		c.token(b)
	})
}

// token adds the clientToken.
func (c *AWSIoTMQTTThingJobsClient) token(b *members) {
	if !c.OmitClientToken {
		b.text("clientToken", c.clientID)
	}
}

// request publishes a request. What is wrong with the topic comes first, as in v1.
func (c *AWSIoTMQTTThingJobsClient) request(topicType JobExecutionTopicType, jobID string, fill func(*members)) (bool, error) {
	topic, err := jobTopic(c.thing, topicType, JobRequestType, jobID)
	if err != nil {
		return false, &v1compat.ValueError{Message: "Invalid topic.", Err: err}
	}
	var b members
	fill(&b)
	payload, err := b.object()
	if err != nil {
		return false, err
	}
	return c.mqtt.Publish(topic, payload, c.qos)
}
