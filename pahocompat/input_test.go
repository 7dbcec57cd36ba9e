package mqtt_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// TestBadOptions: what paho panics on, ignores or sends as it is, is an error from Connect that names the option. NewClient and every other
// call of such a client still work.
func TestBadOptions(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	for _, tt := range []struct {
		name   string
		change func(*paho.ClientOptions)
		want   []string
	}{
		{"no brokers", func(o *paho.ClientOptions) { o.Servers = nil }, []string{"no servers defined to connect to"}},
		{"a broker that cannot be parsed", func(o *paho.ClientOptions) { o.Servers = nil; o.AddBroker("tcp://a b:x") }, []string{"no servers"}},
		{"a nil broker", func(o *paho.ClientOptions) { o.Servers = []*url.URL{nil} }, []string{"Servers: number 0 is nil"}},
		{"an unknown scheme", func(o *paho.ClientOptions) { o.Servers[0].Scheme = "gopher" }, []string{"unknown protocol"}},
		{"a will with QoS 2", func(o *paho.ClientOptions) { o.SetWill("w", "", 2, false) }, []string{"WillQos", "PORTAGE_PAHO_ENGINE=paho"}},
		{"a will with QoS 3", func(o *paho.ClientOptions) { o.SetWill("w", "", 3, false) }, []string{"WillQos", "3", "invalid QoS"}},
		{"a will without a topic", func(o *paho.ClientOptions) { o.SetWill("", "", 1, false) }, []string{"Will.Topic"}},
		{"a will for a wildcard", func(o *paho.ClientOptions) { o.SetWill("a/#", "", 1, false) }, []string{"Will.Topic"}},
		{"MQTT 3.1", func(o *paho.ClientOptions) { o.SetProtocolVersion(3) }, []string{"ProtocolVersion", "PORTAGE_PAHO_ENGINE=paho"}},
		{"a bridge's protocol", func(o *paho.ClientOptions) { o.SetProtocolVersion(0x84) }, []string{"ProtocolVersion", "PORTAGE_PAHO_ENGINE=paho"}},
		{"a negative keep-alive", func(o *paho.ClientOptions) { o.SetKeepAlive(-time.Second) }, []string{"KeepAlive"}},
		{"a keep-alive of a day", func(o *paho.ClientOptions) { o.SetKeepAlive(24 * time.Hour) }, []string{"KeepAlive"}},
		{"negative times", func(o *paho.ClientOptions) {
			o.SetPingTimeout(-1).SetConnectTimeout(-1).SetWriteTimeout(-1).SetMaxReconnectInterval(-1).SetConnectRetryInterval(-1)
		}, []string{"PingTimeout", "ConnectTimeout", "WriteTimeout", "MaxReconnectInterval", "ConnectRetryInterval"}},
		{"a negative MaxResumePubInFlight", func(o *paho.ClientOptions) { o.SetMaxResumePubInFlight(-1) }, []string{"MaxResumePubInFlight"}},
		{"a client id that is not UTF-8", func(o *paho.ClientOptions) { o.SetClientID("\xff") }, []string{"ClientID"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1").SetClientID("c")
			tt.change(o)
			c := mqtt.NewClient(o)
			tok := c.Connect()
			err := mqtt.WaitTokenTimeout(tok, patience)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Connect: %v, want %q in it", err, want)
				}
			}
			if c.IsConnected() || c.IsConnectionOpen() {
				t.Error("connected")
			}
			for _, tok := range []mqtt.Token{c.Publish("a", 0, false, "x"), c.Subscribe("a", 0, nil), c.SubscribeMultiple(nil, nil), c.Unsubscribe()} {
				if err := mqtt.WaitTokenTimeout(tok, patience); err != mqtt.ErrNotConnected {
					t.Errorf("%T: %v", tok, err)
				}
			}
			c.AddRoute("a", func(mqtt.Client, mqtt.Message) {})
			c.Disconnect(0)
			again := mqtt.WaitTokenTimeout(c.Connect(), patience)
			if fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("the second Connect: %v", again)
			}
		})
	}
}

// TestBadCalls: wrong arguments are errors of the token, and the connection stays.
func TestBadCalls(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c"))
	for _, tt := range []struct {
		name string
		tok  mqtt.Token
		want string
	}{
		{"an unknown payload type", c.Publish("a", 1, false, struct{}{}), "unknown payload type"},
		{"QoS 7", c.Publish("a", 7, false, "x"), "invalid QoS"},
		{"no topic", c.Publish("", 1, false, "x"), "Topic"},
		{"a wildcard in a topic", c.Publish("a/+", 0, false, "x"), "Topic"},
		{"no filter", c.Subscribe("", 1, nil), "empty string"},
		{"a filter that is none", c.Subscribe("a/b#", 1, nil), "Subscriptions[0].TopicFilter"},
		{"a shared filter without a group", c.Subscribe("$share/a", 1, nil), "TopicFilter"},
		{"no filters", c.SubscribeMultiple(map[string]byte{}, nil), "must not be empty"},
		{"nothing to unsubscribe", c.Unsubscribe(), "TopicFilters"},
		{"an empty filter to unsubscribe", c.Unsubscribe(""), "TopicFilters"},
	} {
		if err := mqtt.WaitTokenTimeout(tt.tok, patience); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.want)
		}
	}
	c.AddRoute("a", nil)
	c.AddRoute("a/#/b", func(mqtt.Client, mqtt.Message) {})
	if !c.IsConnectionOpen() {
		t.Error("the connection is gone")
	}
	must(t, "Publish", c.Publish("a", 1, false, "x"))
}

// A nil handler is none; a message that nobody takes is not acknowledged, and comes when somebody does.
func TestNobodyTakesAMessage(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	o := mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c").SetCleanSession(false).
		SetOnConnectHandler(nil).SetConnectionLostHandler(nil).SetReconnectingHandler(nil).SetDefaultPublishHandler(nil)
	c := connected(t, o)
	heard, behind := make(chan mqtt.Message, 1), make(chan mqtt.Message, 1)
	must(t, "Subscribe", c.Subscribe("a", 1, nil))
	must(t, "Subscribe", c.Subscribe("b", 0, func(_ mqtt.Client, m mqtt.Message) { behind <- m }))
	must(t, "Publish", c.Publish("a", 1, false, "x"))
	must(t, "Publish", c.Publish("b", 0, false, "y"))
	next(t, "the message behind the one that nobody takes", behind)
	c.Disconnect(quiesce)
	c.AddRoute("a", func(_ mqtt.Client, m mqtt.Message) { heard <- m })
	must(t, "Connect", c.Connect())
	if m := next(t, "the message", heard); string(m.Payload()) != "x" || !m.Duplicate() {
		t.Errorf("got %s, duplicate %v", m.Payload(), m.Duplicate())
	}
}
