package iotjobs

import "github.com/portage-iot/awsiot/internal/topic"

// The topics of the service, for code that subscribes by itself. The answers to a request come on TOPIC/accepted and
// TOPIC/rejected. Names are not checked; a jobID may be Next, and + in a filter.

// TopicGetPendingJobExecutions returns the topic on which the jobs of a thing are asked for.
func TopicGetPendingJobExecutions(thing string) string {
	return topic.Jobs{Thing: thing}.Request(topic.JobsGetPending, "")
}

// TopicStartNextPendingJobExecution returns the topic on which the next job of a thing is started.
func TopicStartNextPendingJobExecution(thing string) string {
	return topic.Jobs{Thing: thing}.Request(topic.JobsStartNext, "")
}

// TopicDescribeJobExecution returns the topic on which a job is asked for.
func TopicDescribeJobExecution(thing, jobID string) string {
	return topic.Jobs{Thing: thing}.Request(topic.JobsDescribe, jobID)
}

// TopicUpdateJobExecution returns the topic on which a device reports how a job fares.
func TopicUpdateJobExecution(thing, jobID string) string {
	return topic.Jobs{Thing: thing}.Request(topic.JobsUpdate, jobID)
}

// TopicJobExecutionsChanged returns the topic of JobExecutionsChangedEvent.
func TopicJobExecutionsChanged(thing string) string { return topic.Jobs{Thing: thing}.Notify() }

// TopicNextJobExecutionChanged returns the topic of NextJobExecutionChangedEvent.
func TopicNextJobExecutionChanged(thing string) string { return topic.Jobs{Thing: thing}.NotifyNext() }

// Accepted returns the topic of the answers to a request that is published on topic.
func Accepted(topic string) string { return topic + "/accepted" }

// Rejected returns the topic of the refusals of a request that is published on topic.
func Rejected(topic string) string { return topic + "/rejected" }
