package v1compat_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// Clients are printed by programs, also by accident: no verb of package fmt shows a key or a password, as v1 showed none.
func TestPrintsWithoutSecrets(t *testing.T) {
	secrets := []string{"TOPSECRET", "TOPTOKEN", "TOPUSER", "TOPPASS"}
	c := v1compat.NewAWSIoTMQTTClient("x", v1compat.WithWebsocket(true))
	c.ConfigureIAMCredentials("AKID", secrets[0], secrets[1])
	c.ConfigureUsernamePassword("u?token="+secrets[2], secrets[3])
	for name, v := range map[string]any{
		"client":    c,
		"structure": struct{ c *v1compat.AWSIoTMQTTClient }{c},
		"shadow":    shadowcompat.NewAWSIoTMQTTShadowClientWith(c),
		"jobs":      jobscompat.NewAWSIoTMQTTThingJobsClientWith(c, "x", "thing", 0),
		"core":      struct{ c any }{c.V2()},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, s := range secrets {
				for _, form := range []string{s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), fmt.Sprintf("%d", []byte(s))[1:12]} {
					assert.NotContains(t, text, form, "%s with %s", name, verb)
				}
			}
		}
	}
}
