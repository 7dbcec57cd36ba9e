package shadowcompat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"
)

// Every method beside every other one.
func TestPairs(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	h := c.CreateShadowHandlerWithName("Bot", false)
	none := func(string, string, string) {}
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
		"CreateShadowHandlerWithName":       func() { c.CreateShadowHandlerWithName("Bot", true) },
		"ShadowGet":                         func() { _, _ = h.ShadowGet(none, 0.05) },
		"ShadowUpdate":                      func() { _, _ = h.ShadowUpdate(`{"state":{"reported":{"a":1}}}`, none, 0.05) },
		"ShadowDelete":                      func() { _, _ = h.ShadowDelete(none, 0.05) },
		"ShadowRegisterDeltaCallback":       func() { _ = h.ShadowRegisterDeltaCallback(none) },
		"ShadowUnregisterDeltaCallback":     func() { _ = h.ShadowUnregisterDeltaCallback() },
	})
	require.NoError(t, c.Connect()) // it is of use afterwards
	c.ConfigureMQTTOperationTimeout(5)
	answered := make(chan string, 1)
	_, err := c.CreateShadowHandlerWithName("Other", true).ShadowGet(func(_, status, _ string) { answered <- status }, 5)
	require.NoError(t, err)
	require.Equal(t, "rejected", facadetest.Next(t, answered))
}
