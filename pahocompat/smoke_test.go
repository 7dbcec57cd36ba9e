package mqtt_test

import (
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

func TestPubSub(t *testing.T) {
	for _, e := range []mqtt.Engine{mqtt.EngineAuto, mqtt.EngineV2, mqtt.EnginePaho} {
		t.Run(e.String(), func(t *testing.T) {
			withEngine(t, e)
			srv := iotlocal.StartT(t, iotlocal.Options{})
			up := make(chan mqtt.Client, 1)
			o := mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c").SetOnConnectHandler(func(c mqtt.Client) { up <- c })
			c := connected(t, o)
			if got := next(t, "OnConnect", up); got != c {
				t.Errorf("OnConnect got %p, not the client %p", got, c)
			}
			msgs := make(chan mqtt.Message, 10)
			sub := c.Subscribe("a/+", 1, func(_ mqtt.Client, m mqtt.Message) { msgs <- m })
			must(t, "Subscribe", sub)
			if r := sub.(*mqtt.SubscribeToken).Result(); r["a/+"] != 1 || len(r) != 1 {
				t.Errorf("Result() = %v", r)
			}
			for qos, payload := range []any{"text", []byte("bytes")} {
				tok := c.Publish("a/b", byte(qos), false, payload)
				must(t, "Publish", tok)
				if id := tok.(*mqtt.PublishToken).MessageID(); (id != 0) != (qos == 1) {
					t.Errorf("QoS %d: MessageID %d", qos, id)
				}
				m := next(t, "the message", msgs)
				if m.Topic() != "a/b" || m.Qos() != byte(qos) || m.Duplicate() || m.Retained() || (m.MessageID() != 0) != (qos == 1) {
					t.Errorf("got %v %v %v %v %v", m.Topic(), m.Qos(), m.Duplicate(), m.Retained(), m.MessageID())
				}
			}
			must(t, "Unsubscribe", c.Unsubscribe("a/+"))
			if _, ok := mqtt.V2(c); ok != (e != mqtt.EnginePaho) {
				t.Errorf("V2: %v", ok)
			}
			c.Disconnect(quiesce)
			if c.IsConnected() || c.IsConnectionOpen() {
				t.Error("connected after Disconnect")
			}
		})
	}
}
