package jobscompat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// What AWS IoT Core does not take by its size is refused at the call, also offline.
func TestTooLargeForAWS(t *testing.T) {
	c := jobscompat.NewAWSIoTMQTTThingJobsClient("jobs", "Thing1", 1)
	c.ConfigureEndpoint("abc123-ats.iot.eu-west-1.amazonaws.com", 8883)
	details := map[string]string{"a": strings.Repeat("x", 128<<10)}
	acked, err := c.SendJobsUpdate("job1", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{StatusDetails: details})
	var ve *v1compat.ValueError
	var v2 *awsiot.ValidationError
	assert.False(t, acked)
	assert.ErrorAs(t, err, &ve)
	assert.ErrorAs(t, err, &v2)
}
