package shadowcompat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// What AWS IoT Core does not take by its size is refused at the call, also offline, and leaves no request behind.
func TestTooLargeForAWS(t *testing.T) {
	c := shadowcompat.NewAWSIoTMQTTShadowClient("shadow")
	c.ConfigureEndpoint("abc123-ats.iot.eu-west-1.amazonaws.com", 8883)
	c.GetMQTTConnection().ConfigureOfflinePublishQueueing(-1)
	h := c.CreateShadowHandlerWithName("Bot", true)
	token, err := h.ShadowUpdate(`{"state":{"reported":{"a":"`+strings.Repeat("x", 128<<10)+`"}}}`, func(string, string, string) { assert.Fail(t, "callback") }, 0)
	var ve *v1compat.ValueError
	var v2 *awsiot.ValidationError
	assert.Empty(t, token)
	assert.ErrorAs(t, err, &ve)
	assert.ErrorAs(t, err, &v2)
}
