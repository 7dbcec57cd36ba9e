package jobscompat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// Every method beside every other one.
func TestPairs(t *testing.T) {
	srv, c := started(t, "pairs", 1)
	none := func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) {}
	facadetest.Pairs(t, map[string]func(){
		"ConfigureEndpoint":                 func() { c.ConfigureEndpoint(srv.Host(), srv.TCPPort()) },
		"ConfigureLastWill":                 func() { c.ConfigureLastWill("w", "x", 1) },
		"ClearLastWill":                     func() { c.ClearLastWill() },
		"ConfigureAutoReconnectBackoffTime": func() { c.ConfigureAutoReconnectBackoffTime(0.01, 0.02, 1) },
		"ConfigureConnectDisconnectTimeout": func() { c.ConfigureConnectDisconnectTimeout(5) },
		"ConfigureMQTTOperationTimeout":     func() { c.ConfigureMQTTOperationTimeout(0.05) },
		"ConfigureIAMCredentials":           func() { c.ConfigureIAMCredentials("a", "b", "c") },
		"ConfigureUsernamePassword":         func() { c.ConfigureUsernamePassword("u", "p") },
		"ConfigureSocketFactory":            func() { c.ConfigureSocketFactory(nil) },
		"EnableMetricsCollection":           func() { c.EnableMetricsCollection() },
		"DisableMetricsCollection":          func() { c.DisableMetricsCollection() },
		"Connect":                           func() { _ = c.Connect() },
		"Disconnect":                        func() { _ = c.Disconnect() },
		"GetMQTTConnection":                 func() { c.GetMQTTConnection() },
		"CreateJobSubscription": func() {
			if s, err := c.CreateJobSubscription(none, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, ""); err == nil {
				_, _ = s.Unsubscribe()
			}
		},
		"CreateJobSubscriptionAsync": func() {
			_, _ = c.CreateJobSubscriptionAsync(func(v1compat.Mid, []byte) {}, none, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, "")
		},
		"SendJobsQuery":     func() { _, _ = c.SendJobsQuery(jobscompat.JobGetPendingTopic, "") },
		"SendJobsDescribe":  func() { _, _ = c.SendJobsDescribe("$next", 0, true) },
		"SendJobsStartNext": func() { _, _ = c.SendJobsStartNext(jobscompat.StartNextOptions{}) },
		"SendJobsUpdate": func() {
			_, _ = c.SendJobsUpdate("job1", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{})
		},
	})
	require.NoError(t, c.Connect()) // it is of use afterwards
}
