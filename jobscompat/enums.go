package jobscompat

import "fmt"

// JobExecutionTopicType is v1's jobExecutionTopicType: what a topic of the Jobs
// service is about. The numbers are v1's.
//
// Deprecated: use the methods of iotjobs.Client, one for each topic.
type JobExecutionTopicType int

// The members of v1's jobExecutionTopicType.
//
// Deprecated: use the methods of iotjobs.Client, one for each topic.
const (
	// JobUnrecognizedTopic is v1's JOB_UNRECOGNIZED_TOPIC, which has no topic.
	JobUnrecognizedTopic JobExecutionTopicType = iota
	// JobGetPendingTopic is v1's JOB_GET_PENDING_TOPIC: jobs/get, without a job id.
	JobGetPendingTopic
	// JobStartNextTopic is v1's JOB_START_NEXT_TOPIC: jobs/start-next, without a
	// job id.
	JobStartNextTopic
	// JobDescribeTopic is v1's JOB_DESCRIBE_TOPIC: jobs/JOB/get.
	JobDescribeTopic
	// JobUpdateTopic is v1's JOB_UPDATE_TOPIC: jobs/JOB/update.
	JobUpdateTopic
	// JobNotifyTopic is v1's JOB_NOTIFY_TOPIC: jobs/notify, without a job id and
	// with JobRequestType only.
	JobNotifyTopic
	// JobNotifyNextTopic is v1's JOB_NOTIFY_NEXT_TOPIC: jobs/notify-next, without
	// a job id and with JobRequestType only.
	JobNotifyNextTopic
	// JobWildcardTopic is v1's JOB_WILDCARD_TOPIC, the default of
	// createJobSubscription: jobs/#, whatever the reply type and the job id.
	JobWildcardTopic
)

var topicTypeNames = []string{"JobUnrecognizedTopic", "JobGetPendingTopic", "JobStartNextTopic", "JobDescribeTopic", "JobUpdateTopic",
	"JobNotifyTopic", "JobNotifyNextTopic", "JobWildcardTopic"}

// String returns the name of the constant.
func (t JobExecutionTopicType) String() string {
	return name("JobExecutionTopicType", topicTypeNames, int(t))
}

// JobExecutionTopicReplyType is v1's jobExecutionTopicReplyType: whether a topic
// is that of a request or of its answers. The numbers are v1's.
//
// Deprecated: use the methods of iotjobs.Client, one for each topic.
type JobExecutionTopicReplyType int

// The members of v1's jobExecutionTopicReplyType.
//
// Deprecated: use the methods of iotjobs.Client, one for each topic.
const (
	// JobUnrecognizedTopicType is v1's JOB_UNRECOGNIZED_TOPIC_TYPE. As in v1 its
	// topics are those of JobRequestType, but it has none for the notifications.
	JobUnrecognizedTopicType JobExecutionTopicReplyType = iota
	// JobRequestType is v1's JOB_REQUEST_TYPE: the topic itself, as for requests
	// and notifications; the default of createJobSubscription.
	JobRequestType
	// JobAcceptedReplyType is v1's JOB_ACCEPTED_REPLY_TYPE: /accepted.
	JobAcceptedReplyType
	// JobRejectedReplyType is v1's JOB_REJECTED_REPLY_TYPE: /rejected.
	JobRejectedReplyType
	// JobWildcardReplyType is v1's JOB_WILDCARD_REPLY_TYPE: /#, which matches the
	// request topic too.
	JobWildcardReplyType
)

var replyTypeNames = []string{"JobUnrecognizedTopicType", "JobRequestType", "JobAcceptedReplyType", "JobRejectedReplyType", "JobWildcardReplyType"}

// String returns the name of the constant.
func (t JobExecutionTopicReplyType) String() string {
	return name("JobExecutionTopicReplyType", replyTypeNames, int(t))
}

// JobExecutionStatus is v1's jobExecutionStatus. The numbers are v1's.
//
// Deprecated: use iotjobs.JobStatus.
type JobExecutionStatus int

// The members of v1's jobExecutionStatus.
//
// Deprecated: use iotjobs.JobStatus.
const (
	// JobExecutionStatusNotSet is v1's JOB_EXECUTION_STATUS_NOT_SET, which no
	// request takes.
	JobExecutionStatusNotSet JobExecutionStatus = iota
	// JobExecutionQueued is v1's JOB_EXECUTION_QUEUED.
	JobExecutionQueued
	// JobExecutionInProgress is v1's JOB_EXECUTION_IN_PROGRESS.
	JobExecutionInProgress
	// JobExecutionFailed is v1's JOB_EXECUTION_FAILED.
	JobExecutionFailed
	// JobExecutionSucceeded is v1's JOB_EXECUTION_SUCCEEDED.
	JobExecutionSucceeded
	// JobExecutionCanceled is v1's JOB_EXECUTION_CANCELED.
	JobExecutionCanceled
	// JobExecutionRejected is v1's JOB_EXECUTION_REJECTED.
	JobExecutionRejected
	// JobExecutionUnknownStatus is v1's JOB_EXECUTION_UNKNOWN_STATUS, which no
	// request takes.
	JobExecutionUnknownStatus JobExecutionStatus = 99
)

var (
	statusNames = []string{"JobExecutionStatusNotSet", "JobExecutionQueued", "JobExecutionInProgress", "JobExecutionFailed",
		"JobExecutionSucceeded", "JobExecutionCanceled", "JobExecutionRejected"}
	statusWords = []string{"", "QUEUED", "IN_PROGRESS", "FAILED", "SUCCEEDED", "CANCELED", "REJECTED"}
)

// String returns the name of the constant.
func (s JobExecutionStatus) String() string {
	if s == JobExecutionUnknownStatus {
		return "JobExecutionUnknownStatus"
	}
	return name("JobExecutionStatus", statusNames, int(s))
}

// word is the status as the service spells it, "" if it stands for none.
func (s JobExecutionStatus) word() string {
	if s < 0 || int(s) >= len(statusWords) {
		return ""
	}
	return statusWords[s]
}

func name(kind string, names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}
