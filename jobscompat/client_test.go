package jobscompat_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

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
	if acked, err := c.SendJobsQuery(jobscompat.JobGetPendingTopic, ""); acked || err != nil {
		t.Errorf("query: %v, %v; want false", acked, err)
	}
	sub, err := c.CreateJobSubscription(nil, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, "")
	must(t, err)
	if !sub.Queued() || sub.Topic() != prefix+"notify" {
		t.Errorf("subscription of %s, queued: %v", sub.Topic(), sub.Queued())
	}
	acks := make(chan string, 1)
	mid, err := c.CreateJobSubscriptionAsync(func(mid v1compat.Mid, data []byte) { acks <- fmt.Sprint(mid > 0, data) }, nil, jobscompat.JobUpdateTopic, jobscompat.JobWildcardReplyType, "+")
	if mid != v1compat.MidQueued || err != nil {
		t.Errorf("asynchronous subscription: %v, %v; want QUEUED", mid, err)
	}
	var want []string
	for i := range 30 { // more than the 20 of v1's README
		if _, err := c.SendJobsDescribe(fmt.Sprint(i), 0, false); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf(`PUBLISH %d/get 1 {"includeJobDocument": false, "clientToken": "jobs"}`, i))
	}
	must(t, c.Connect())
	if ack := next(t, acks); ack != "true [1]" {
		t.Errorf("ack %s", ack)
	}
	want = append([]string{`PUBLISH get 1 {"clientToken": "jobs"}`, "SUBSCRIBE notify 1", "SUBSCRIBE +/update/# 1"}, want...)
	equal(t, "packets", sent(t, srv, len(want)), want)
}

// A filter has one callback, as in v1, and ends for all that subscribed to it.
func TestSubscription(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	must(t, c.Connect())
	got := make(chan string, 4)
	cb := func(name string) v1compat.MessageCallback {
		return func(client *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
			if client != c.GetMQTTConnection() || userdata != nil {
				t.Errorf("client %p, userdata %v", client, userdata)
			}
			got <- fmt.Sprintf("%s %s %s", name, m.Topic, m.Payload)
		}
	}
	first, err := c.CreateJobSubscription(cb("first"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	must(t, err)
	second, err := c.CreateJobSubscription(cb("second"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	must(t, err)
	answer := func(payload string) {
		t.Helper()
		_, err := srv.Publish(iotlocal.Message{Topic: prefix + "job1/update/accepted", Payload: []byte(payload)})
		must(t, err)
	}
	answer("1")
	if m := next(t, got); m != "second "+prefix+"job1/update/accepted 1" {
		t.Errorf("got %s", m)
	}
	if first.Topic() != second.Topic() || first.Queued() {
		t.Errorf("%s and %s", first.Topic(), second.Topic())
	}
	ok(t)(first.Unsubscribe())
	answer("2")
	ok(t)(second.Unsubscribe()) // goes to the server all the same, as in v1
	_, err = c.CreateJobSubscription(cb("third"), jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	must(t, err)
	answer("3")
	if m := next(t, got); m != "third "+prefix+"job1/update/accepted 3" {
		t.Errorf("got %s", m)
	}
	const filter = "+/update/accepted"
	equal(t, "packets", sent(t, srv, 5), []string{"SUBSCRIBE " + filter + " 1", "SUBSCRIBE " + filter + " 1", "UNSUBSCRIBE " + filter, "UNSUBSCRIBE " + filter, "SUBSCRIBE " + filter + " 1"})
}

// A refused subscription has its code, and is not there.
func TestRefused(t *testing.T) {
	srv, c := started(t, "jobs", 1)
	must(t, c.Connect())
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Times: 1, Action: iotlocal.Reject, Code: 0x87})
	must(t, err)
	sub, err := c.CreateJobSubscription(nil, jobscompat.JobWildcardTopic, jobscompat.JobRequestType, "")
	var se *v1compat.SubackError
	if sub != nil || !errors.As(err, &se) || se.Suback < 0x80 {
		t.Errorf("%v, %v; want a SubackError", sub, err)
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
	if _, err := c.SendJobsQuery(jobscompat.JobGetPendingTopic, ""); !errors.As(err, &qe) {
		t.Errorf("the configuration of the connection was changed: %v", err)
	}
	got := make(chan string, 4)
	mqtt.OnOnline = func() { got <- "online of the connection" }
	mqtt.OnOffline = func() { got <- "offline of the connection" }
	c.OnOnline = func() { got <- "online" }
	must(t, c.Connect(30))
	if s := next(t, got); s != "online" {
		t.Error(s)
	}
	must(t, c.Disconnect())
	must(t, c.Connect())
	if s := next(t, got); s != "online" { // OnOffline was nil
		t.Error(s)
	}
	if c.GetMQTTConnection() != mqtt {
		t.Error("another connection")
	}
	var keepAlive []string
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.CONNECT {
			keepAlive = append(keepAlive, fmt.Sprint(p.ClientID, p.Connect.KeepAlive))
		}
	}
	equal(t, "CONNECT packets", keepAlive, []string{"jobs30", "jobs600"})
}

// Every Configure call reaches the connection, and no other: one that is not
// possible, Connect reports under its name.
func TestConfigure(t *testing.T) {
	for _, tt := range []struct {
		name      string
		configure func(c *jobscompat.AWSIoTMQTTThingJobsClient)
	}{
		{"ConfigureEndpoint", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureEndpoint("h", 1) }},
		{"ConfigureCredentials", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureCredentials("ca", "key", "cert") }},
		{"ConfigureLastWill", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureLastWill("x", "x", 0) }},
		{"ConfigureAutoReconnectBackoffTime", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureAutoReconnectBackoffTime(1, 2, 3) }},
		{"ConfigureConnectDisconnectTimeout", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureConnectDisconnectTimeout(1) }},
		{"ConfigureMQTTOperationTimeout", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureMQTTOperationTimeout(1) }},
		{"ConfigureIAMCredentials", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureIAMCredentials("a", "b", "c") }},
		{"ConfigureSocketFactory", func(c *jobscompat.AWSIoTMQTTThingJobsClient) {
			c.ConfigureSocketFactory(func() (net.Conn, error) { return nil, net.ErrClosed })
		}},
		{"EnableMetricsCollection", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.EnableMetricsCollection() }},
		{"DisableMetricsCollection", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.DisableMetricsCollection() }},
		{"ConfigureUsernamePassword", func(c *jobscompat.AWSIoTMQTTThingJobsClient) { c.ConfigureUsernamePassword("u", "p") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core := awsiot.NewClient(awsiot.OptionsV1("jobs"))
			defer core.Close()
			c := jobscompat.NewAWSIoTMQTTThingJobsClientWith(v1compat.FromV2(core), "jobs", "Thing1", 0) // takes no configuration
			tt.configure(c)
			var ce *v1compat.ConfigureError
			if err := c.Connect(); !errors.As(err, &ce) || ce.Call != tt.name || !errors.Is(err, v1compat.ErrWrapped) {
				t.Errorf("%v, want an error of %s", err, tt.name)
			}
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
	must(t, c.Connect())
	must(t, c.Disconnect())
	c.ClearLastWill()
	must(t, c.Connect())
	if dialled != 2 {
		t.Errorf("the socket factory was called %d times", dialled)
	}
	var got []string
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.CONNECT {
			got = append(got, fmt.Sprint(p.Connect.Will != nil, p.Connect.Username == "user", p.Connect.HasPassword))
		}
	}
	equal(t, "will, user name, password", got, []string{"true true true", "false true true"})
}
