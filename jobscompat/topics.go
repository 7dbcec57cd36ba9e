package jobscompat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
)

var operations = map[JobExecutionTopicType]topic.JobsOp{
	JobGetPendingTopic: topic.JobsGetPending,
	JobStartNextTopic:  topic.JobsStartNext,
	JobDescribeTopic:   topic.JobsDescribe,
	JobUpdateTopic:     topic.JobsUpdate,
	JobNotifyTopic:     topic.JobsNotify,
	JobNotifyNextTopic: topic.JobsNotifyNext,
}

var suffixes = map[JobExecutionTopicReplyType]string{
	JobUnrecognizedTopicType: "",
	JobRequestType:           "",
	JobAcceptedReplyType:     "/accepted",
	JobRejectedReplyType:     "/rejected",
	JobWildcardReplyType:     "/#",
}

// anyJob stands for every job in a filter.
const anyJob = "+"

// jobTopic is v1's getJobTopic. An error says why there is no topic, where v1
// returned None. jobID "" is v1's None.
func jobTopic(thing string, topicType JobExecutionTopicType, replyType JobExecutionTopicReplyType, jobID string) (string, error) {
	if err := checkLevel("thing name", thing); err != nil {
		return "", err
	}
	jobs := topic.Jobs{Thing: thing}
	if topicType == JobWildcardTopic {
		return jobs.Prefix() + "/#", nil
	}
	op, known := operations[topicType]
	suffix, replies := suffixes[replyType]
	switch {
	case !known:
		return "", fmt.Errorf("%v has no topic", topicType)
	case !replies:
		return "", fmt.Errorf("%v has no topic", replyType)
	case op.IsEvent() && replyType != JobRequestType:
		return "", fmt.Errorf("%v goes with JobRequestType, not with %v", topicType, replyType)
	case !op.NeedsJob() && jobID != "":
		return "", fmt.Errorf("%v takes no job id, but there is %q", topicType, jobID)
	case op.NeedsJob() && jobID == "":
		return "", fmt.Errorf("%v needs a job id", topicType)
	}
	if op.NeedsJob() && jobID != anyJob {
		if err := checkLevel("job id", jobID); err != nil {
			return "", err
		}
	}
	return jobs.Request(op, jobID) + suffix, nil
}

// checkLevel checks that s is one level of a topic. More v1 did not ask of names
// either: the service says what else is wrong with them.
func checkLevel(what, s string) error {
	if s == "" {
		return errors.New("the " + what + " is empty")
	}
	if i := strings.IndexAny(s, "/+#\x00"); i >= 0 {
		return fmt.Errorf("%q cannot be a %s: it has a %q", s, what, s[i])
	}
	return nil
}
