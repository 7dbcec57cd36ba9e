package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// v2For returns a started awsiot.Client that NewV2 has made.
func v2For(t *testing.T, o *mqtt.ClientOptions) *awsiot.Client {
	t.Helper()
	core := mqtt.NewV2(o)
	t.Cleanup(func() { core.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := core.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	return core
}

// Connect of a client that connects again does nothing, as paho's: the attempt that fails next does not stop it.
func TestFromV2ConnectsAgain(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lost := make(chan struct{}, 10)
	core := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TCPPort(), Auth: awsiot.PlainTCP(), ClientID: "again",
		OnDisconnection: func(*awsiot.Disconnection) { lost <- struct{}{} }})
	t.Cleanup(func() { core.Close() })
	c := mqtt.FromV2(core)
	must(t, "Connect", c.Connect())
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost
	must(t, "Connect again", c.Connect())
	if !c.IsConnected() || c.IsConnectionOpen() {
		t.Errorf("the client is in state %v", core.State())
	}
}

// ConnectRetryInterval is the first delay, and nothing without ConnectRetry.
func TestNewV2RetryInterval(t *testing.T) {
	for _, retry := range []bool{true, false} {
		core := mqtt.NewV2(mqtt.NewClientOptions().AddBroker("tcp://localhost:1").SetConnectRetry(retry).SetConnectRetryInterval(7 * time.Second))
		t.Cleanup(func() { core.Close() })
		var got time.Duration
		if err := core.Update(func(o *awsiot.ClientOptions) { got = o.InitialReconnectDelay }); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]time.Duration{true: 7 * time.Second}[retry]; got != want {
			t.Errorf("ConnectRetry %v: %v, not %v", retry, got, want)
		}
	}
}

// Nothing has the shape of nothing.
func TestFromV2OfNil(t *testing.T) {
	if mqtt.FromV2(nil) != nil || mqtt.MessageFromV2(nil) != nil || mqtt.OnConnectFromV2(nil) != nil || mqtt.ConnectionLostFromV2(nil) != nil ||
		mqtt.HandlerFromV2(nil) != nil || mqtt.HandlerV2(nil) != nil {
		t.Error("a value for nil")
	}
}

// One connection has both shapes: what one subscribes the other publishes, and the shape is one for life.
func TestFromV2(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	core := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TCPPort(), Auth: awsiot.PlainTCP(), ClientID: "half"})
	t.Cleanup(func() { core.Close() })
	c := mqtt.FromV2(core)
	if c != mqtt.FromV2(core) {
		t.Error("two shapes of one client")
	}
	if back, ok := mqtt.V2(c); !ok || back != core {
		t.Error("V2 of FromV2 is another client")
	}
	if c.IsConnected() || c.IsConnectionOpen() {
		t.Error("connected before Connect")
	}
	tok := c.Connect()
	must(t, "Connect", tok)
	if rc := tok.(*mqtt.ConnectToken).ReturnCode(); rc != 0 {
		t.Errorf("return code %d", rc)
	}
	got := make(chan string, 10)
	sub := c.Subscribe("a/+", 1, func(from mqtt.Client, m mqtt.Message) {
		if from != c {
			t.Errorf("the handler got %p, not %p", from, c)
		}
		got <- m.Topic() + string(m.Payload())
	})
	must(t, "Subscribe", sub)
	if r := sub.(*mqtt.SubscribeToken).Result(); r["a/+"] != 1 {
		t.Errorf("Result() = %v", r)
	}
	if _, err := core.Publish(t.Context(), &awsiot.PublishPacket{Topic: "a/1", Payload: []byte("v2"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if s := next(t, "the message", got); s != "a/1v2" {
		t.Error(s)
	}
	must(t, "Publish", c.Publish("a/2", 1, false, "paho"))
	if s := next(t, "the message", got); s != "a/2paho" {
		t.Error(s)
	}
	c.AddRoute("b", func(mqtt.Client, mqtt.Message) { got <- "routed" })
	must(t, "SubscribeMultiple", c.SubscribeMultiple(map[string]byte{"b": 0}, nil))
	must(t, "Publish", c.Publish("b", 0, false, []byte("x")))
	if s := next(t, "the message", got); s != "routed" {
		t.Error(s)
	}
	for what, tok := range map[string]mqtt.Token{
		"QoS 2": c.Publish("a", 2, false, "x"), "a payload": c.Publish("a", 0, false, 5), "no filters": c.SubscribeMultiple(nil, nil), "a filter": c.Subscribe("", 0, nil),
	} {
		if tok.Wait(); tok.Error() == nil {
			t.Errorf("%s: no error", what)
		}
	}
	must(t, "Unsubscribe", c.Unsubscribe("a/+", "b"))
	if r := c.OptionsReader(); r.ClientID() != "half" {
		t.Errorf("client id %q", r.ClientID())
	}
	c.Disconnect(100)
	if c.IsConnected() || core.State() != awsiot.StateStopped {
		t.Error("connected after Disconnect")
	}
	if mqtt.FromV2(nil) != nil {
		t.Error("a shape of nothing")
	}
}

// NewV2 tries the servers in order, and calls the handlers with the shape of its client.
func TestNewV2(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	up, lost, msgs := make(chan mqtt.Client, 4), make(chan error, 4), make(chan string, 4)
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1").AddBroker(addr(srv)).SetClientID("plain").SetAutoReconnect(false)
	o.SetOnConnectHandler(mqtt.OnConnectFromV2(func(c *awsiot.Client) { up <- mqtt.FromV2(c) }))
	o.SetConnectionLostHandler(mqtt.ConnectionLostFromV2(func(_ *awsiot.Client, err error) { lost <- err }))
	o.SetDefaultPublishHandler(mqtt.HandlerFromV2(func(m *awsiot.Message) { msgs <- m.Topic }))
	o.SetCredentialsProvider(func() (string, string) { return "name", "word" })
	core := v2For(t, o)
	if c := next(t, "OnConnect", up); c != mqtt.FromV2(core) {
		t.Error("OnConnect got another client")
	}
	if name, word := core.Options().ConnectCredentials(); name != "name" || string(word) != "word" {
		t.Errorf("credentials %q %q", name, word)
	}
	must(t, "Subscribe", mqtt.FromV2(core).Subscribe("seen", 1, nil))
	handled := make(chan string, 1)
	if _, err := core.Subscribe(t.Context(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "taken", Handler: mqtt.HandlerV2(func(c mqtt.Client, m mqtt.Message) { handled <- m.Topic() })}}}); err != nil {
		t.Fatal(err)
	}
	must(t, "Publish", mqtt.TokenFromV2(core.PublishAsync(&awsiot.PublishPacket{Topic: "taken"})))
	must(t, "Publish", mqtt.FromV2(core).Publish("seen", 1, false, "x"))
	if s := next(t, "the default handler", msgs); s != "seen" {
		t.Errorf("the default handler got %q", s)
	}
	if s := next(t, "the handler", handled); s != "taken" {
		t.Error(s)
	}
	stopped := make(chan struct{})
	core.Observe(awsiot.Observer{OnStopped: func(*awsiot.Stopped) { close(stopped) }})
	srv.Faults().Cut("plain")
	if err := next(t, "the loss", lost); err == nil {
		t.Error("lost without an error")
	}
	next(t, "the stop", stopped) // AutoReconnect is off
}

// What NewV2 cannot do is an error of the start, which names the option.
func TestNewV2Refuses(t *testing.T) {
	for name, o := range map[string]*mqtt.ClientOptions{
		"nil":    nil,
		"broker": mqtt.NewClientOptions(),
		"will":   mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1").SetWill("t", "x", 2, false),
		"notify": mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1").SetConnectionNotificationHandler(func(mqtt.Client, mqtt.ConnectionNotification) {}),
	} {
		if err := mqtt.NewV2(o).StartAndWait(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	err := mqtt.NewV2(mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1")).StartAndWait(t.Context())
	if _, ok := errors.AsType[*awsiot.ConnectError](err); !ok {
		t.Errorf("%v is no *ConnectError", err)
	}
}

// A FileStore of paho becomes one of awsiot: what paho has left there arrives, and what is left there next survives, too.
func TestNewV2Store(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	d := t.TempDir()
	k := keepers{t, srv, func() mqtt.Store { return mqtt.NewFileStore(d) }}
	k.leave(mqtt.EnginePaho, 2)
	o := func() *mqtt.ClientOptions {
		return mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("kept").SetCleanSession(false).SetStore(mqtt.NewFileStore(d))
	}
	arrived := func(payload string) func(iotlocal.Packet) bool {
		return func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBLISH && string(p.Payload) == payload }
	}
	srv.Recorder().Reset()
	core := v2For(t, o())
	await(t, srv, "what paho has left", arrived(fmt.Sprint(mqtt.EnginePaho, 1)))
	if err := core.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	core.PublishAsync(&awsiot.PublishPacket{Topic: "kept/t", Payload: []byte("stopped"), QoS: 1})
	core.Close()
	srv.Recorder().Reset()
	again := mqtt.NewV2(o())
	t.Cleanup(func() { again.Close() })
	if err := again.StartAndWait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Publish(t.Context(), &awsiot.PublishPacket{Topic: "kept/t", Payload: []byte("last"), QoS: 1}); err != nil {
		t.Error(err)
	}
	if n := count(srv, arrived(fmt.Sprint(mqtt.EnginePaho, 1))); n != 0 {
		t.Errorf("sent %d times again", n)
	}
}

// own is a Store that is not paho's.
type own struct{ *mqtt.MemoryStore }

func TestNewV2OtherStore(t *testing.T) {
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1").SetCleanSession(false).SetStore(own{mqtt.NewMemoryStore()})
	if err := mqtt.NewV2(o).StartAndWait(t.Context()); err == nil || !strings.Contains(err.Error(), "Store: mqtt_test.own") {
		t.Errorf("%v", err)
	}
}

// With AutoAckDisabled a message is acknowledged by its Ack, which may come later, and by nothing else.
func TestNewV2Ack(t *testing.T) {
	for _, order := range []bool{true, false} {
		srv := iotlocal.StartT(t, iotlocal.Options{})
		core := v2For(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("acks").SetAutoAckDisabled(true).SetOrderMatters(order))
		got := make(chan mqtt.Message, 2)
		handler := mqtt.HandlerV2(func(_ mqtt.Client, m mqtt.Message) { got <- m })
		if _, err := core.Subscribe(t.Context(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "t", QoS: 1, Handler: handler}}}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"first", "second"} {
			if _, err := core.Publish(t.Context(), &awsiot.PublishPacket{Topic: "t", Payload: []byte(text), QoS: 1}); err != nil {
				t.Fatal(err)
			}
		}
		acked := func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBACK }
		a, b := next(t, "a message", got), next(t, "a message", got)
		if n := count(srv, acked); n != 0 {
			t.Errorf("%d acknowledgements before Ack", n)
		}
		a.Ack()
		await(t, srv, "the acknowledgement", acked)
		if n := count(srv, acked); n != 1 {
			t.Errorf("%d acknowledgements", n)
		}
		b.Ack()
	}
}
