package v1compat_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// calls are all methods of a client, with what they return thrown away.
func calls(srv *iotlocal.Server, c *v1compat.AWSIoTMQTTClient) map[string]func() {
	return map[string]func(){
		"ConfigureEndpoint":                 func() { c.ConfigureEndpoint(srv.Host(), srv.TCPPort()) },
		"ConfigureIAMCredentials":           func() { c.ConfigureIAMCredentials("a", "b", "c") },
		"ConfigureLastWill":                 func() { c.ConfigureLastWill("w", "x", 1) },
		"ClearLastWill":                     func() { c.ClearLastWill() },
		"ConfigureAutoReconnectBackoffTime": func() { c.ConfigureAutoReconnectBackoffTime(0.01, 0.02, 1) },
		"ConfigureOfflinePublishQueueing":   func() { c.ConfigureOfflinePublishQueueing(100, v1compat.DropOldest) },
		"ConfigureDrainingFrequency":        func() { c.ConfigureDrainingFrequency(1000) },
		"ConfigureConnectDisconnectTimeout": func() { c.ConfigureConnectDisconnectTimeout(5) },
		"ConfigureMQTTOperationTimeout":     func() { c.ConfigureMQTTOperationTimeout(0.05) },
		"ConfigureUsernamePassword":         func() { c.ConfigureUsernamePassword("u", "p") },
		"ConfigureSocketFactory":            func() { c.ConfigureSocketFactory(nil) },
		"EnableMetricsCollection":           func() { c.EnableMetricsCollection() },
		"DisableMetricsCollection":          func() { c.DisableMetricsCollection() },
		"Connect":                           func() { _ = c.Connect() },
		"ConnectAsync":                      func() { _, _ = c.ConnectAsync(600, func(v1compat.Mid, int) {}) },
		"Disconnect":                        func() { _ = c.Disconnect() },
		"DisconnectAsync":                   func() { _, _ = c.DisconnectAsync(func(v1compat.Mid, int) {}) },
		"Publish":                           func() { _, _ = c.Publish("a", "x", 1) },
		"PublishAsync":                      func() { _, _ = c.PublishAsync("a", "x", 1, func(v1compat.Mid) {}) },
		"Subscribe":                         func() { _, _ = c.Subscribe("a", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) {}) },
		"SubscribeAsync":                    func() { _, _ = c.SubscribeAsync("a", 1, func(v1compat.Mid, []byte) {}, nil) },
		"Unsubscribe":                       func() { _, _ = c.Unsubscribe("a") },
		"UnsubscribeAsync":                  func() { _, _ = c.UnsubscribeAsync("a", func(v1compat.Mid) {}) },
		"Quirks":                            func() { c.Quirks() },
		"SetHooks":                          func() { c.SetHooks(func() {}, func() {}) },
		"V2":                                func() { c.V2() },
		"ConfigureCredentials":              func() { c.ConfigureCredentials("", "", "") },
	}
}

// TestPairs runs every method beside every other one, on an owned client and on one of FromV2.
func TestPairs(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, srv *iotlocal.Server) *v1compat.AWSIoTMQTTClient
	}{
		{"owned", func(t *testing.T, srv *iotlocal.Server) *v1compat.AWSIoTMQTTClient { return plain(t, srv, "pairs") }},
		{"FromV2", func(t *testing.T, srv *iotlocal.Server) *v1compat.AWSIoTMQTTClient {
			o := awsiot.OptionsV1("pairs")
			o.Endpoint, o.Port, o.Auth = srv.Host(), srv.TCPPort(), awsiot.PlainTCP()
			client := awsiot.NewClient(o)
			t.Cleanup(func() { client.Close(); <-client.Done() })
			return v1compat.FromV2(client)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t)
			c := tt.make(t, srv)
			all := calls(srv, c)
			delete(all, "ConfigureCredentials") // which would make it TLS, to a plain port
			if tt.name == "FromV2" {
				delete(all, "ConfigureIAMCredentials") // and this a websocket
			}
			c.ConfigureMQTTOperationTimeout(0.05)
			facadetest.Pairs(t, all)
			require.NoError(t, c.Connect()) // it is of use afterwards
			c.ConfigureMQTTOperationTimeout(5)
			c.ConfigureOfflinePublishQueueing(-1) // what the pairs have queued may still be there
			acks := make(chan []byte, 1)
			_, err := c.SubscribeAsync("end", 1, func(_ v1compat.Mid, data []byte) { acks <- data }, nil)
			require.NoError(t, err)
			assert.Equal(t, []byte{1}, facadetest.Next(t, acks))
		})
	}
	methods := reflect.TypeFor[*v1compat.AWSIoTMQTTClient]()
	known := calls(nil, nil)
	for i := range methods.NumMethod() {
		_, ok := known[methods.Method(i).Name]
		assert.True(t, ok, "%s is not among the pairs", methods.Method(i).Name)
	}
	for name := range known {
		_, ok := methods.MethodByName(name)
		assert.True(t, ok, name)
	}
}
