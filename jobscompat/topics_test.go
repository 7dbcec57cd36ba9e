package jobscompat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/topic"
)

// v1's transcripts jobs_subscribe_all and jobs_illegal_combinations, and what
// they leave out.
func TestJobTopic(t *testing.T) {
	const prefix = "$aws/things/Thing1/jobs/"
	for _, tt := range []struct {
		topicType JobExecutionTopicType
		replyType JobExecutionTopicReplyType
		jobID     string
		want      string // after the prefix
		wrong     string // part of the error
	}{
		{JobGetPendingTopic, JobRequestType, "", "get", ""},
		{JobGetPendingTopic, JobAcceptedReplyType, "", "get/accepted", ""},
		{JobGetPendingTopic, JobRejectedReplyType, "", "get/rejected", ""},
		{JobGetPendingTopic, JobWildcardReplyType, "", "get/#", ""},
		{JobGetPendingTopic, JobUnrecognizedTopicType, "", "get", ""},
		{JobGetPendingTopic, JobRequestType, "job1", "", `JobGetPendingTopic takes no job id, but there is "job1"`},
		{JobStartNextTopic, JobRequestType, "", "start-next", ""},
		{JobStartNextTopic, JobAcceptedReplyType, "", "start-next/accepted", ""},
		{JobStartNextTopic, JobRejectedReplyType, "", "start-next/rejected", ""},
		{JobStartNextTopic, JobWildcardReplyType, "", "start-next/#", ""},
		{JobStartNextTopic, JobRequestType, "+", "", "JobStartNextTopic takes no job id"},
		{JobDescribeTopic, JobRequestType, "job1", "job1/get", ""},
		{JobDescribeTopic, JobAcceptedReplyType, "$next", "$next/get/accepted", ""},
		{JobDescribeTopic, JobRejectedReplyType, "+", "+/get/rejected", ""},
		{JobDescribeTopic, JobWildcardReplyType, "+", "+/get/#", ""},
		{JobDescribeTopic, JobAcceptedReplyType, "", "", "JobDescribeTopic needs a job id"},
		{JobUpdateTopic, JobRequestType, "job1", "job1/update", ""},
		{JobUpdateTopic, JobAcceptedReplyType, "+", "+/update/accepted", ""},
		{JobUpdateTopic, JobRejectedReplyType, "$next", "$next/update/rejected", ""},
		{JobUpdateTopic, JobWildcardReplyType, "job 1", "job 1/update/#", ""},
		{JobUpdateTopic, JobRequestType, "", "", "JobUpdateTopic needs a job id"},
		{JobUpdateTopic, JobRequestType, "a/b", "", `"a/b" cannot be a job id: it has a '/'`},
		{JobUpdateTopic, JobRequestType, "#", "", `"#" cannot be a job id: it has a '#'`},
		{JobUpdateTopic, JobRequestType, "a+", "", `"a+" cannot be a job id: it has a '+'`},
		{JobUpdateTopic, JobRequestType, "a\x00", "", "cannot be a job id"},
		{JobNotifyTopic, JobRequestType, "", "notify", ""},
		{JobNotifyTopic, JobAcceptedReplyType, "", "", "JobNotifyTopic goes with JobRequestType, not with JobAcceptedReplyType"},
		{JobNotifyTopic, JobRequestType, "job1", "", "JobNotifyTopic takes no job id"},
		{JobNotifyNextTopic, JobRequestType, "", "notify-next", ""},
		{JobNotifyNextTopic, JobWildcardReplyType, "", "", "JobNotifyNextTopic goes with JobRequestType"},
		{JobNotifyNextTopic, JobUnrecognizedTopicType, "", "", "JobNotifyNextTopic goes with JobRequestType"},
		{JobWildcardTopic, JobRequestType, "", "#", ""},
		{JobWildcardTopic, JobAcceptedReplyType, "job1", "#", ""},
		{JobWildcardTopic, 99, "a/b", "#", ""},
		{JobUnrecognizedTopic, JobRequestType, "", "", "JobUnrecognizedTopic has no topic"},
		{99, JobRequestType, "", "", "JobExecutionTopicType(99) has no topic"},
		{JobGetPendingTopic, -1, "", "", "JobExecutionTopicReplyType(-1) has no topic"},
	} {
		got, err := jobTopic("Thing1", tt.topicType, tt.replyType, tt.jobID)
		switch {
		case tt.wrong == "" && (err != nil || got != prefix+tt.want):
			assert.Fail(t, fmt.Sprintf("%v %v %q: got %q, %v; want %q", tt.topicType, tt.replyType, tt.jobID, got, err, prefix+tt.want))
		case tt.wrong != "" && (err == nil || got != "" || !strings.Contains(err.Error(), tt.wrong)):
			assert.Fail(t, fmt.Sprintf("%v %v %q: got %q, %v; want an error with %q", tt.topicType, tt.replyType, tt.jobID, got, err, tt.wrong))
		}
	}
	for thing, wrong := range map[string]string{"": "the thing name is empty", "a/b": "cannot be a thing name", "+": "cannot be a thing name", "#": "cannot be a thing name", "a\x00": "cannot be a thing name"} {
		for _, topicType := range []JobExecutionTopicType{JobGetPendingTopic, JobWildcardTopic} {
			got, err := jobTopic(thing, topicType, JobRequestType, "")
			if assert.Error(t, err, "thing %q: got %q, %v; want an error with %q", thing, got, err, wrong) {
				assert.Contains(t, err.Error(), wrong, "thing %q: got %q, %v; want an error with %q", thing, got, err, wrong)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{JobUnrecognizedTopic.String(), "JobUnrecognizedTopic"},
		{JobGetPendingTopic.String(), "JobGetPendingTopic"},
		{JobNotifyNextTopic.String(), "JobNotifyNextTopic"},
		{JobWildcardTopic.String(), "JobWildcardTopic"},
		{JobExecutionTopicType(8).String(), "JobExecutionTopicType(8)"},
		{JobUnrecognizedTopicType.String(), "JobUnrecognizedTopicType"},
		{JobRequestType.String(), "JobRequestType"},
		{JobWildcardReplyType.String(), "JobWildcardReplyType"},
		{JobExecutionTopicReplyType(-1).String(), "JobExecutionTopicReplyType(-1)"},
		{JobExecutionStatusNotSet.String(), "JobExecutionStatusNotSet"},
		{JobExecutionQueued.String(), "JobExecutionQueued"},
		{JobExecutionRejected.String(), "JobExecutionRejected"},
		{JobExecutionUnknownStatus.String(), "JobExecutionUnknownStatus"},
		{JobExecutionStatus(7).String(), "JobExecutionStatus(7)"},
	} {
		assert.Equal(t, tt.want, tt.got)
	}
}

// The numbers that v1 gave its enums, and the words of the service.
func TestNumbers(t *testing.T) {
	for i, want := range []JobExecutionTopicType{JobUnrecognizedTopic, JobGetPendingTopic, JobStartNextTopic, JobDescribeTopic, JobUpdateTopic, JobNotifyTopic, JobNotifyNextTopic, JobWildcardTopic} {
		assert.Equal(t, i, int(want), "%v is %d, want %d", want, int(want), i)
	}
	for i, want := range []JobExecutionTopicReplyType{JobUnrecognizedTopicType, JobRequestType, JobAcceptedReplyType, JobRejectedReplyType, JobWildcardReplyType} {
		assert.Equal(t, i, int(want), "%v is %d, want %d", want, int(want), i)
	}
	for _, tt := range []struct {
		status JobExecutionStatus
		number int
		word   string
	}{
		{JobExecutionStatusNotSet, 0, ""}, {JobExecutionQueued, 1, "QUEUED"}, {JobExecutionInProgress, 2, "IN_PROGRESS"}, {JobExecutionFailed, 3, "FAILED"},
		{JobExecutionSucceeded, 4, "SUCCEEDED"}, {JobExecutionCanceled, 5, "CANCELED"}, {JobExecutionRejected, 6, "REJECTED"}, {JobExecutionUnknownStatus, 99, ""},
		{7, 7, ""}, {-1, -1, ""},
	} {
		assert.Equal(t, tt.number, int(tt.status), tt.status)
		assert.Equal(t, tt.word, tt.status.word(), tt.status)
	}
}

// FuzzJobTopic: a topic that there is, is one of that thing and job and of
// nobody else's: names never add a level or a wildcard.
func FuzzJobTopic(f *testing.F) {
	f.Add("Thing1", 4, 2, "+")
	f.Add("T", 3, 4, "$next")
	f.Add("a/b", 1, 1, "")
	f.Add("T", 3, 1, "a/#")
	f.Fuzz(func(t *testing.T, thing string, topicType, replyType int, jobID string) {
		got, err := jobTopic(thing, JobExecutionTopicType(topicType), JobExecutionTopicReplyType(replyType), jobID)
		if err != nil {
			require.Empty(t, got, "%q beside %v", got, err)
			return
		}
		rest, ok := strings.CutPrefix(got, "$aws/things/"+thing+"/jobs/")
		require.True(t, ok, "%q is not of thing %q", got, thing)
		require.NotContains(t, thing, "/", "%q is not of thing %q", got, thing)
		rest = strings.TrimSuffix(rest, "/#")
		parsed, ok := topic.ParseJobs("$aws/things/T/jobs/" + rest)
		require.False(t, rest != "#" && (!ok || parsed.JobID != jobID), "%q is not of job %q: %+v", got, jobID, parsed)
	})
}
