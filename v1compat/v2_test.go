package v1compat_test

import (
	"errors"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A half-migrated program: both sides on one connection and one session.
func TestV2(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "half")
	ev := newEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.add("OnMessage %s", m.Topic) }
	v2 := c.V2() // before Connect: it makes the core
	if v2.State() != awsiot.StateStopped {
		t.Error(v2.State())
	}
	must(t, c.Connect())
	if c.V2() != v2 {
		t.Error("another core after Connect")
	}
	if ok, err := c.Subscribe("h/#", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("v1 %s", m.Topic) }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err := v2.Subscribe(bg(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "h/a", QoS: 1,
		Handler: func(m *awsiot.Message) { ev.add("v2 %s", m.Topic) }}}})
	must(t, err)
	_, err = v2.Publish(bg(), &awsiot.PublishPacket{Topic: "h/b", QoS: 1})
	must(t, err)
	if ok, err := c.Publish("h/a", "x", 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got := ev.wait(t, 5)
	if n := len(srv.Clients()); n != 1 {
		t.Errorf("%d connections", n)
	}
	equal(t, "messages", got[:2], []string{"v1 h/b", "OnMessage h/b"})
	equal(t, "messages", got[2:5], []string{"v1 h/a", "v2 h/a", "OnMessage h/a"})

	// Stopped on the v2 side: as Disconnect, and Connect starts it again.
	must(t, v2.Stop(bg(), nil))
	var de *v1compat.DisconnectError
	if err := c.Disconnect(); !errors.As(err, &de) {
		t.Error(err)
	}
	must(t, c.Connect())
	if c.V2() != v2 {
		t.Error("another core after Stop")
	}
	// Closed on the v2 side: Connect makes a new one.
	must(t, v2.Close())
	<-v2.Done()
	must(t, c.Connect())
	if c.V2() == v2 {
		t.Error("the closed core is still used")
	}
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
	must(t, client.StartAndWait(bg()))
	c := v1compat.FromV2(client)
	if c.V2() != client {
		t.Error("V2 is another client")
	}
	ev := newEvents()
	c.OnOnline = func() { ev.add("online") }
	c.OnOffline = func() { ev.add("offline") }
	c.OnMessage = func(m *v1compat.Message) { ev.add("OnMessage %s", m.Topic) }
	must(t, c.Connect()) // it is connected: nothing is sent
	must(t, c.Connect())
	if ok, err := c.Subscribe("f", 1, func(cl *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		if cl != c {
			t.Error("another client")
		}
		ev.add("message %s", m.Topic)
	}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := c.Publish("f", "x", 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ev.wait(t, 3)
	must(t, c.Disconnect()) // stops it for both
	if client.State() != awsiot.StateStopped {
		t.Error(client.State())
	}
	got := ev.wait(t, 4)
	if got[0] != "online" || got[3] != "offline" {
		t.Errorf("%q", got)
	}
	must(t, c.Connect()) // starts it
	if client.State() != awsiot.StateConnected {
		t.Error(client.State())
	}
	equal(t, "packets", sent(t, srv, "from", 6), []string{"CONNECT", "SUBSCRIBE f 1", "PUBLISH f 1 x", "DISCONNECT", "CONNECT", "SUBSCRIBE f 1"})

	// Closed by its owner: calls say so, none makes another client.
	must(t, client.Close())
	var pe *v1compat.PublishError
	if ok, err := c.Publish("f", "x", 1); ok || !errors.As(err, &pe) || !errors.Is(err, awsiot.ErrClosed) {
		t.Errorf("after Close: %v, %v", ok, err)
	}
	if err := c.Connect(); !errors.Is(err, awsiot.ErrClosed) {
		t.Errorf("Connect after Close: %v", err)
	}
}

func TestFromV2Configure(t *testing.T) {
	srv := server(t)
	c := v1compat.FromV2(v2Client(t, srv, "conf"))
	c.ConfigureEndpoint("h", 1)
	c.ConfigureIAMCredentials("a", "b", "c")
	err := c.Connect()
	var ce *v1compat.ConfigureError
	if !errors.Is(err, v1compat.ErrWrapped) || !errors.As(err, &ce) || ce.Call != "ConfigureEndpoint" {
		t.Errorf("%v", err)
	}
	var te *v1compat.TypeError
	if err := v1compat.FromV2(nil).Connect(); !errors.As(err, &te) {
		t.Errorf("nil client: %v", err)
	}
}

func TestHandler(t *testing.T) {
	srv := server(t)
	client := v2Client(t, srv, "handler")
	must(t, client.StartAndWait(bg()))
	ev := newEvents()
	cb := func(c *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
		ok, err := c.Publish("out", m.Payload, 1)
		ev.add("%s %v %v %v %v", m.Payload, userdata, c.V2() == client, ok, err)
	}
	_, err := client.Subscribe(bg(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
		{TopicFilter: "in", QoS: 1, Handler: v1compat.Handler(client, cb)},
		{TopicFilter: "in/nil", QoS: 1, Handler: v1compat.Handler(client, nil)},
	}})
	must(t, err)
	for _, topic := range []string{"in/nil", "in"} {
		_, err = client.Publish(bg(), &awsiot.PublishPacket{Topic: topic, Payload: []byte("x"), QoS: 1})
		must(t, err)
	}
	equal(t, "events", ev.wait(t, 1), []string{"x <nil> true true <nil>"})
}
