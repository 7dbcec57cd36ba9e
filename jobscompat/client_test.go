package jobscompat_test

import (
	"fmt"
	"net"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// v1's transcript jobs_offline_queue: everything waits, in its order, in a queue
// without a limit.
func TestOfflineQueue(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	c.GetMQTTConnection().ConfigureDrainingFrequency(1000)
	acked, err := c.SendJobsQuery(jobscompat.JobGetPendingTopic, "")
	assert.False(t, acked, "query")
	assert.NoError(t, err, "query")
	sub, err := c.CreateJobSubscription(nil, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, "")
	require.NoError(t, err)
	assert.True(t, sub.Queued(), "subscription of %s, queued: %v", sub.Topic(), sub.Queued())
	assert.Equal(t, prefix+"notify", sub.Topic(), "subscription of %s, queued: %v", sub.Topic(), sub.Queued())
	acks := make(chan string, 1)
	mid, err := c.CreateJobSubscriptionAsync(func(mid v1compat.Mid, data []byte) { acks <- fmt.Sprint(mid > 0, data) }, nil, jobscompat.JobUpdateTopic, jobscompat.JobWildcardReplyType, "+")
	assert.Equal(t, v1compat.MidQueued, mid, "asynchronous subscription: %v, %v; want QUEUED", mid, err)
	assert.NoError(t, err, "asynchronous subscription: %v, %v; want QUEUED", mid, err)
	var want []string
	for i := range 30 { // more than the 20 of v1's README
		_, err := c.SendJobsDescribe(fmt.Sprint(i), 0, false)
		require.NoError(t, err)
		want = append(want, fmt.Sprintf(`PUBLISH %d/get 1 {"includeJobDocument": false, "clientToken": "jobs"}`, i))
	}
	require.NoError(t, c.Connect())
	assert.Equal(t, "true [1]", facadetest.Next(t, acks))
	want = append([]string{`PUBLISH get 1 {"clientToken": "jobs"}`, "SUBSCRIBE notify 1", "SUBSCRIBE +/update/# 1"}, want...)
	assert.Equal(t, want, wire(srv).Sent(t, len(want)), "packets")
}

// A filter has one callback, as in v1, and ends for all that subscribed to it.
func TestSubscription(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	require.NoError(t, c.Connect())
	got := make(chan string, 4)
	cb := func(name string) v1compat.MessageCallback {
		return func(client *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
			assert.Same(t, c.GetMQTTConnection(), client, "client %p, userdata %v", client, userdata)
			assert.Nil(t, userdata, "client %p, userdata %v", client, userdata)
			got <- fmt.Sprintf("%s %s %s", name, m.Topic, m.Payload)
		}
	}
	first, err := c.CreateJobSubscription(cb("first"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	require.NoError(t, err)
	second, err := c.CreateJobSubscription(cb("second"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	require.NoError(t, err)
	answer := func(payload string) {
		t.Helper()
		_, err := srv.Publish(iotlocal.Message{Topic: prefix + "job1/update/accepted", Payload: []byte(payload)})
		require.NoError(t, err)
	}
	answer("1")
	assert.Equal(t, "second "+prefix+"job1/update/accepted 1", facadetest.Next(t, got))
	assert.Equal(t, second.Topic(), first.Topic(), "%s and %s", first.Topic(), second.Topic())
	assert.False(t, first.Queued(), "%s and %s", first.Topic(), second.Topic())
	facadetest.Acked(t)(first.Unsubscribe())
	answer("2")
	facadetest.Acked(t)(second.Unsubscribe()) // goes to the server all the same, as in v1
	_, err = c.CreateJobSubscription(cb("third"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	require.NoError(t, err)
	answer("3")
	assert.Equal(t, "third "+prefix+"job1/update/accepted 3", facadetest.Next(t, got))
	const filter = "+/update/accepted"
	assert.Equal(t, []string{"SUBSCRIBE " + filter + " 1", "SUBSCRIBE " + filter + " 1", "UNSUBSCRIBE " + filter, "UNSUBSCRIBE " + filter, "SUBSCRIBE " + filter + " 1"}, wire(srv).Sent(t, 5), "packets")
}

// A refused subscription has its code, and is not there.
func TestRefused(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	require.NoError(t, c.Connect())
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Times: 1, Action: iotlocal.Reject, Code: 0x87})
	require.NoError(t, err)
	sub, err := c.CreateJobSubscription(nil, jobscompat.JobWildcardTopic, jobscompat.JobRequestType, "")
	var se *v1compat.SubackError
	assert.Nil(t, sub)
	if assert.ErrorAs(t, err, &se) {
		assert.GreaterOrEqual(t, se.Suback, byte(0x80))
	}
}

// Connect takes the place of the hooks of the connection, also with none; v1's
// transcript shadow_on_existing_client has the same base.
func TestHooks(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	mqtt := v1compat.NewAWSIoTMQTTClient("jobs")
	mqtt.ConfigureOfflinePublishQueueing(0)
	c := jobscompat.NewAWSIoTMQTTThingJobsClientWith(mqtt, "token", "Thing1", 0)
	reach(t, srv, c)
	var qe *v1compat.PublishQueueDisabledError
	_, err := c.SendJobsQuery(jobscompat.JobGetPendingTopic, "")
	assert.ErrorAs(t, err, &qe, "the configuration of the connection was changed")
	got := make(chan string, 4)
	mqtt.OnOnline = func() { got <- "online of the connection" }
	mqtt.OnOffline = func() { got <- "offline of the connection" }
	c.OnOnline = func() { got <- "online" }
	require.NoError(t, c.Connect(30))
	assert.Equal(t, "online", facadetest.Next(t, got))
	require.NoError(t, c.Disconnect())
	require.NoError(t, c.Connect())
	assert.Equal(t, "online", facadetest.Next(t, got))
	assert.Same(t, mqtt, c.GetMQTTConnection(), "another connection")
	var keepAlive []string
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.CONNECT {
			keepAlive = append(keepAlive, fmt.Sprint(p.ClientID, p.Connect.KeepAlive))
		}
	}
	assert.Equal(t, []string{"jobs30", "jobs600"}, keepAlive, "CONNECT packets")
}

// Every Configure call reaches the connection: an option of its awsiot.Client changes.
func TestConfigure(t *testing.T) {
	for _, tt := range []struct {
		name      string
		field     string
		configure func(c *jobscompat.AWSIoTMQTTThingJobsClient)
	}{
		{"ConfigureEndpoint", "Endpoint", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureEndpoint("h", 1) }},
		{"ConfigureCredentials", "CAFile", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureCredentials("ca", "key", "cert") }},
		{"ConfigureLastWill", "Will", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureLastWill("x", "x", 0) }},
		{"ConfigureAutoReconnectBackoffTime", "MaxReconnectDelay", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureAutoReconnectBackoffTime(1, 2, 3) }},
		{"ConfigureConnectDisconnectTimeout", "ConnackTimeout", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureConnectDisconnectTimeout(1) }},
		{"ConfigureMQTTOperationTimeout", "AckTimeout", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureMQTTOperationTimeout(1) }},
		{"ConfigureIAMCredentials", "Auth", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureIAMCredentials("a", "b", "c") }},
		{"ConfigureSocketFactory", "Dialer", func(c *jobscompat.AWSIoTMQTTThingJobsClient) {
			c.ConfigureSocketFactory(func() (net.Conn, error) { return nil, net.ErrClosed })
		}},
		{"EnableMetricsCollection", "DisableMetrics", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.EnableMetricsCollection() }},
		{"DisableMetricsCollection", "DisableMetrics", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.DisableMetricsCollection() }},
		{"ConfigureUsernamePassword", "Username", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureUsernamePassword("u", "p") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := awsiot.OptionsV1("jobs")
			o.DisableMetrics = tt.name == "EnableMetricsCollection"
			core := awsiot.NewClient(o)
			defer core.Close()
			value := func() reflect.Value { o := core.Options(); return reflect.ValueOf(o).FieldByName(tt.field) }
			former := value()
			tt.configure(jobscompat.NewAWSIoTMQTTThingJobsClientWith(v1compat.FromV2(core), "jobs", "Thing1", 0))
			if former.Kind() == reflect.Func {
				assert.True(t, former.IsNil() && !value().IsNil())
				return
			}
			assert.NotEqual(t, former.Interface(), value().Interface())
		})
	}
}

// What the CONNECT shows of the other Configure calls.
func TestConfigured(t *testing.T) {
	srv, c := started(t, "jobs", 0)
	dialled := 0
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		dialled++
		return net.Dial("tcp", net.JoinHostPort(srv.Host(), fmt.Sprint(srv.TCPPort())))
	})
	c.ConfigureUsernamePassword("user", "secret")
	c.ConfigureLastWill("will", "gone", 1)
	require.NoError(t, c.Connect())
	require.NoError(t, c.Disconnect())
	c.ClearLastWill()
	require.NoError(t, c.Connect())
	assert.Equal(t, 2, dialled, "the socket factory was called %d times", dialled)
	var got []string
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.CONNECT {
			got = append(got, fmt.Sprint(p.Connect.Will != nil, p.Connect.Username == "user", p.Connect.HasPassword))
		}
	}
	assert.Equal(t, []string{"true true true", "false true true"}, got, "will, user name, password")
}
