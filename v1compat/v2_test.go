package v1compat_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A half-migrated program: both sides on one connection and one session.
func TestV2(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "half")
	ev := facadetest.NewEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.Add("OnMessage %s", m.Topic) }
	v2 := c.V2() // before Connect: it makes the core
	assert.Equal(t, awsiot.StateStopped, v2.State())
	require.NoError(t, c.Connect())
	assert.Same(t, v2, c.V2(), "another core after Connect")
	facadetest.Acked(t)(c.Subscribe("h/#", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("v1 %s", m.Topic) }))
	_, err := v2.Subscribe(bg(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "h/a", QoS: 1,
		Handler: func(m *awsiot.Message) { ev.Add("v2 %s", m.Topic) }}}})
	require.NoError(t, err)
	_, err = v2.Publish(bg(), &awsiot.PublishPacket{Topic: "h/b", QoS: 1})
	require.NoError(t, err)
	facadetest.Acked(t)(c.Publish("h/a", "x", 1))
	got := ev.Wait(t, 5)
	assert.Equal(t, 1, len(srv.Clients()))
	assert.Equal(t, []string{"v1 h/b", "OnMessage h/b"}, got[:2], "messages")
	assert.Equal(t, []string{"v1 h/a", "v2 h/a", "OnMessage h/a"}, got[2:5], "messages")

	// Stopped on the v2 side: as Disconnect, and Connect starts it again.
	require.NoError(t, v2.Stop(bg(), nil))
	var de *v1compat.DisconnectError
	assert.ErrorAs(t, c.Disconnect(), &de)
	require.NoError(t, c.Connect())
	assert.Same(t, v2, c.V2(), "another core after Stop")
	// Closed on the v2 side: this client is at its end, too.
	require.NoError(t, v2.Close())
	<-v2.Done()
	assert.ErrorIs(t, c.Connect(), awsiot.ErrClosed)
	assert.Same(t, v2, c.V2())
}

// v2Client starts an awsiot.Client.
func v2Client(t *testing.T, srv *iotlocal.Server, id string) *awsiot.Client {
	t.Helper()
	o := awsiot.OptionsV1(id)
	o.Endpoint, o.Port, o.Auth = srv.Host(), srv.TCPPort(), awsiot.PlainTCP()
	client := awsiot.NewClient(o)
	t.Cleanup(func() {
		client.Close()
		<-client.Done()
	})
	return client
}

func TestFromV2(t *testing.T) {
	srv := server(t)
	client := v2Client(t, srv, "from")
	c := v1compat.FromV2(client)
	assert.Same(t, client, c.V2(), "V2 is another client")
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	c.OnMessage = func(m *v1compat.Message) { ev.Add("OnMessage %s", m.Topic) }
	require.NoError(t, client.StartAndWait(bg()))
	assert.Equal(t, []string{"online"}, ev.Wait(t, 1), "whoever connects it")
	require.NoError(t, c.Connect()) // ends the connection and makes another one, as v1 did
	facadetest.Acked(t)(c.Subscribe("f", 1, func(cl *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		if cl != c {
			assert.Fail(t, "another client")
		}
		ev.Add("message %s", m.Topic)
	}))
	facadetest.Acked(t)(c.Publish("f", "x", 1))
	ev.Wait(t, 4)
	require.NoError(t, c.Disconnect()) // stops it for both
	assert.Equal(t, awsiot.StateStopped, client.State())
	assert.Equal(t, []string{"online", "online", "message f", "OnMessage f", "offline"}, ev.Wait(t, 5))
	require.NoError(t, c.Connect()) // starts it
	assert.Equal(t, awsiot.StateConnected, client.State())
	assert.Equal(t, []string{"CONNECT", "CONNECT", "SUBSCRIBE f 1", "PUBLISH f 1 x", "DISCONNECT", "CONNECT", "SUBSCRIBE f 1"}, facadetest.Sent(t, srv, "from", 7), "packets")

	// Closed by its owner: calls say so, none makes another client.
	require.NoError(t, client.Close())
	var pe *v1compat.PublishError
	ok, err := c.Publish("f", "x", 1)
	assert.False(t, ok, "after Close")
	if assert.ErrorAs(t, err, &pe, "after Close") {
		assert.ErrorIs(t, err, awsiot.ErrClosed, "after Close")
	}
	assert.ErrorIs(t, c.Connect(), awsiot.ErrClosed, "Connect after Close")
}

// Configure calls change the options of the awsiot.Client; what Update refuses is an error of Connect, in v1's words.
func TestFromV2Configure(t *testing.T) {
	srv := server(t)
	client := v2Client(t, srv, "conf")
	c := v1compat.FromV2(client)
	c.ConfigureLastWill("w", "bye", 1)
	c.ConfigureUsernamePassword("user", "secret")
	c.ConfigureMQTTOperationTimeout(7)
	c.ConfigureOfflinePublishQueueing(3, v1compat.DropOldest)
	o := client.Options()
	assert.Equal(t, 7*time.Second, o.AckTimeout)
	assert.Equal(t, 3, o.OfflineQueue.MaxOperations)
	require.NoError(t, c.Connect(45))
	assert.Equal(t, "clean 45 user password will w bye 1 false", connectText(srv, "conf"))
	require.NoError(t, c.Connect()) // keeps the keep-alive
	assert.Equal(t, "clean 45 user password will w bye 1 false", connectText(srv, "conf"))

	c.ConfigureEndpoint("ssl://h", 1)
	var ce *v1compat.ConfigureError
	var ve *v1compat.ValueError
	err := c.Connect()
	if assert.ErrorAs(t, err, &ce) && assert.ErrorAs(t, err, &ve) {
		assert.Equal(t, "ConfigureEndpoint", ce.Call)
		assert.Equal(t, "Invalid host.", ve.Message)
	}
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	require.NoError(t, c.Connect())

	var te *v1compat.TypeError
	assert.ErrorAs(t, v1compat.FromV2(nil).Connect(), &te, "nil client")
	bad := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "ssl://h"})
	defer bad.Close()
	err = v1compat.FromV2(bad).Connect()
	assert.ErrorAs(t, err, &ve, "%v", err)
}

func TestHandler(t *testing.T) {
	srv := server(t)
	client := v2Client(t, srv, "handler")
	require.NoError(t, client.StartAndWait(bg()))
	ev := facadetest.NewEvents()
	cb := func(c *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
		ok, err := c.Publish("out", m.Payload, 1)
		ev.Add("%s %v %v %v %v", m.Payload, userdata, c.V2() == client, ok, err)
	}
	_, err := client.Subscribe(bg(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
		{TopicFilter: "in", QoS: 1, Handler: v1compat.Handler(client, cb)},
		{TopicFilter: "in/nil", QoS: 1, Handler: v1compat.Handler(client, nil)},
	}})
	require.NoError(t, err)
	for _, topic := range []string{"in/nil", "in"} {
		_, err = client.Publish(bg(), &awsiot.PublishPacket{Topic: topic, Payload: []byte("x"), QoS: 1})
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"x <nil> true true <nil>"}, ev.Wait(t, 1), "events")
}
