package v1compat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

func TestPublish(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "pub")
	for _, p := range []struct {
		payload any
		qos     byte
	}{{"text", 0}, {[]byte("bytes"), 1}, {42, 0}, {1.5, 1}, {nil, 1}, {"", 0}} {
		ok, err := c.Publish("a/b", p.payload, p.qos)
		if !ok || err != nil {
			t.Errorf("%v: %v, %v", p.payload, ok, err)
		}
	}
	equal(t, "packets", sent(t, srv, "pub", 7), []string{"CONNECT", "PUBLISH a/b 0 text", "PUBLISH a/b 1 bytes",
		"PUBLISH a/b 0 42", "PUBLISH a/b 1 1.5", "PUBLISH a/b 1 ", "PUBLISH a/b 0 "})
}

// An argument that v1 refused is refused at the call, online and offline, and
// nothing else suffers (v1: an invalid request in the queue ended the queue).
func TestBadArguments(t *testing.T) {
	srv := server(t)
	calls := []struct {
		name string
		call func(c *v1compat.AWSIoTMQTTClient) error
		want string
	}{
		{"publish no topic", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("", "x", 0); return err }, "Invalid topic."},
		{"publish plus", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("a/+", "x", 0); return err }, "Publish topic cannot contain wildcards."},
		{"publish hash", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.PublishAsync("a/#", "x", 1, nil); return err }, "Publish topic cannot contain wildcards."},
		{"publish zero byte", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("a\x00", "x", 0); return err }, "Invalid topic."},
		{"publish long topic", func(c *v1compat.AWSIoTMQTTClient) error {
			_, err := c.Publish(strings.Repeat("a", 65536), "x", 0)
			return err
		}, "Invalid topic."},
		{"publish bad UTF-8", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("a\xff", "x", 0); return err }, "Invalid topic."},
		{"publish QoS 2", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("a", "x", 2); return err }, "Invalid QoS level. (AWS IoT has no QoS 2"},
		{"publish QoS 3", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.PublishAsync("a", "x", 3, nil); return err }, "Invalid QoS level."},
		{"publish payload", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Publish("a", map[string]int{}, 0); return err }, "payload must be a string, bytearray, int, float or None."},
		{"subscribe nothing", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Subscribe("", 0, nil); return err }, "Invalid topic."},
		{"subscribe filter", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Subscribe("a/#/b", 0, nil); return err }, "Invalid topic."},
		{"subscribe filter plus", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.SubscribeAsync("a+", 0, nil, nil); return err }, "Invalid topic."},
		{"subscribe QoS 2", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Subscribe("a", 2, nil); return err }, "Invalid QoS level."},
		{"unsubscribe nothing", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.Unsubscribe(""); return err }, "Invalid topic."},
		{"unsubscribe filter", func(c *v1compat.AWSIoTMQTTClient) error { _, err := c.UnsubscribeAsync("#a", nil); return err }, "Invalid topic."},
	}
	for _, online := range []bool{true, false} {
		c := plain(t, srv, "args")
		if online {
			must(t, c.Connect())
		}
		for _, tt := range calls {
			t.Run(tt.name, func(t *testing.T) {
				err := tt.call(c)
				if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("online %v: got %v, want %q", online, err, tt.want)
				}
				var ve *v1compat.ValueError
				var te *v1compat.TypeError
				if !errors.As(err, &ve) && !errors.As(err, &te) {
					t.Errorf("%T", err)
				}
			})
		}
		if !online {
			must(t, c.Connect())
		}
		if ok, err := c.Publish("fine", "x", 1); !ok || err != nil {
			t.Errorf("online %v: afterwards: %v, %v", online, ok, err)
		}
		if n := c.V2().Stats().IncompleteOperationCount; n != 0 {
			t.Errorf("%d operations are left", n)
		}
		must(t, c.Disconnect())
	}
}

// Per-filter callbacks in the order of the first subscription, then OnMessage;
// each once for a message, all with the same message; arguments as documented.
func TestMessageOrder(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "order")
	ev := newEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.add("OnMessage %s", m.Topic) }
	must(t, c.Connect())
	var got *v1compat.Message
	cb := func(name string) v1compat.MessageCallback {
		return func(cl *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
			if cl != c || userdata != nil {
				t.Errorf("%s: client %p, userdata %v", name, cl, userdata)
			}
			if got == nil {
				got = m
			} else if got != m {
				t.Errorf("%s: another message", name)
			}
			ev.add("%s %s", name, m.Topic)
		}
	}
	for _, f := range []string{"o/#", "o/a", "+/a", "other", "o/+"} {
		if ok, err := c.Subscribe(f, 0, cb(f)); !ok || err != nil {
			t.Fatal(f, ok, err)
		}
	}
	// The same filter again keeps its place.
	if ok, err := c.Subscribe("o/#", 0, cb("o/# second")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := srv.Publish(iotlocal.Message{Topic: "o/a", Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "callbacks", ev.wait(t, 5), []string{"o/# second o/a", "o/a o/a", "+/a o/a", "o/+ o/a", "OnMessage o/a"})
	if got.QoS != 0 || got.Mid != 0 || string(got.Payload) != "x" || got.Retain || got.Dup || time.Since(got.Timestamp) > patience {
		t.Errorf("%+v", got)
	}
}

func TestMessageFields(t *testing.T) {
	srv := server(t)
	if _, err := srv.Publish(iotlocal.Message{Topic: "kept", Payload: []byte("r"), QoS: 1, Retain: true}); err != nil {
		t.Fatal(err)
	}
	c := connected(t, srv, "fields")
	got := make(chan *v1compat.Message, 2)
	if ok, err := c.Subscribe("kept", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got <- m }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if m := <-got; !m.Retain || m.QoS != 1 || m.Mid != 1 || string(m.Payload) != "r" {
		t.Errorf("%+v", m)
	}
	if ok, err := c.Publish("kept", "again", 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if m := <-got; m.Retain || m.Mid != 2 {
		t.Errorf("%+v", m)
	}
}

// Without a callback the message reaches OnMessage only.
func TestNilCallbacks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "nil")
	ev := newEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.add("%s", m.Payload) }
	must(t, c.Connect())
	if mid, err := c.SubscribeAsync("n", 0, nil, nil); mid != 1 || err != nil {
		t.Fatal(mid, err)
	}
	if ok, err := c.Subscribe("n", 0, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if mid, err := c.PublishAsync("n", "x", 1, nil); mid != 3 || err != nil {
		t.Fatal(mid, err)
	}
	equal(t, "messages", ev.wait(t, 1), []string{"x"})
	if mid, err := c.UnsubscribeAsync("n", nil); mid != 4 || err != nil {
		t.Fatal(mid, err)
	}
}

// Ids are counted over all calls, QoS 0 included; ack callbacks come in the order
// of the acknowledgements with the id of their call; QoS 0 has none.
func TestAsyncAcks(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "async")
	ev := newEvents()
	want := func(mid v1compat.Mid, err error, id v1compat.Mid) {
		t.Helper()
		if mid != id || err != nil {
			t.Errorf("got %v, %v; want %d", mid, err, id)
		}
	}
	mid, err := c.SubscribeAsync("s/1", 1, func(m v1compat.Mid, data []byte) { ev.add("sub %d %v", m, data) }, nil)
	want(mid, err, 1)
	mid, err = c.PublishAsync("p", "0", 0, func(m v1compat.Mid) { ev.add("QoS 0 %d", m) })
	want(mid, err, 2)
	mid, err = c.PublishAsync("p", "1", 1, func(m v1compat.Mid) { ev.add("pub %d", m) })
	want(mid, err, 3)
	if ok, err := c.Publish("p", "2", 1); !ok || err != nil { // takes id 4
		t.Fatal(ok, err)
	}
	mid, err = c.UnsubscribeAsync("s/1", func(m v1compat.Mid) { ev.add("unsub %d", m) })
	want(mid, err, 5)
	equal(t, "acks", ev.wait(t, 3), []string{"sub 1 [1]", "pub 3", "unsub 5"})
}

func TestUnsubscribe(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "unsub")
	ev := newEvents()
	cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s %s", m.Topic, m.Payload) }
	for _, f := range []string{"u/1", "u/2"} {
		if ok, err := c.Subscribe(f, 0, cb); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if ok, err := c.Unsubscribe("u/1"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := c.Unsubscribe("never"); !ok || err != nil {
		t.Error("a filter that was never subscribed:", ok, err)
	}
	for _, topic := range []string{"u/1", "u/2"} {
		if ok, err := c.Publish(topic, "x", 0); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	equal(t, "messages", ev.wait(t, 1), []string{"u/2 x"})
	equal(t, "packets", sent(t, srv, "unsub", 7), []string{"CONNECT", "SUBSCRIBE u/1 0", "SUBSCRIBE u/2 0", "UNSUBSCRIBE u/1", "UNSUBSCRIBE never",
		"PUBLISH u/1 0 x", "PUBLISH u/2 0 x"})
}

// Refused by the server: v1's connection was closed for it, MQTT 5 says why.
func TestDenied(t *testing.T) {
	srv := server(t)
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.PUBLISH, Action: iotlocal.Reject, Code: 0x87})
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87})
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.UNSUBSCRIBE, Action: iotlocal.Reject, Code: 0x87})
	c := plain(t, srv, "denied")
	ev := newEvents()
	c.OnAsyncError = func(op, topic string, err error) {
		var re *awsiot.ReasonError
		ev.add("%s %s %T %v", op, topic, err, errors.As(err, &re) && re.Code == awsiot.ReasonNotAuthorized)
	}
	c.OnOffline = func() { ev.add("offline") }
	must(t, c.Connect())

	ok, err := c.Publish("no", "x", 1)
	var pe *v1compat.PublishError
	var re *awsiot.ReasonError
	if ok || !errors.As(err, &pe) || pe.Code != 12 || !errors.As(err, &re) || re.Code != 0x87 {
		t.Errorf("publish: %v, %v", ok, err)
	}
	ok, err = c.Subscribe("no", 1, nil)
	var se *v1compat.SubackError
	if ok || !errors.As(err, &se) || se.Suback != 0x87 || !errors.As(err, &re) {
		t.Errorf("subscribe: %v, %v", ok, err)
	}
	ok, err = c.Unsubscribe("no")
	var ue *v1compat.UnsubscribeError
	if ok || !errors.As(err, &ue) || ue.Code != 12 {
		t.Errorf("unsubscribe: %v, %v", ok, err)
	}
	if _, err := c.PublishAsync("no", "x", 1, func(v1compat.Mid) { ev.add("ack") }); err != nil {
		t.Error(err)
	}
	if _, err := c.SubscribeAsync("no", 1, func(_ v1compat.Mid, data []byte) { ev.add("suback %x", data) }, nil); err != nil {
		t.Error(err)
	}
	if _, err := c.UnsubscribeAsync("no", func(v1compat.Mid) { ev.add("ack") }); err != nil {
		t.Error(err)
	}
	equal(t, "callbacks", ev.wait(t, 4), []string{"publish no *v1compat.PublishError true", "suback 87",
		"subscribe no *v1compat.SubackError true", "unsubscribe no *v1compat.UnsubscribeError true"})
	if ok, err := c.Publish("yes", "x", 1); !ok || err != nil {
		t.Errorf("the connection is gone: %v, %v", ok, err)
	}
}

// No acknowledgement: the call ends in time, the operation goes on.
func TestOperationTimeouts(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "slow")
	c.ConfigureMQTTOperationTimeout(0.05)
	must(t, c.Connect())
	var rules []*iotlocal.RuleHandle
	for _, typ := range []iotlocal.PacketType{iotlocal.PUBACK, iotlocal.SUBACK, iotlocal.UNSUBACK} {
		rules = append(rules, fault(t, srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: typ, Action: iotlocal.Hold}))
	}
	ev := newEvents()

	_, err := c.Publish("p", "x", 1)
	var pt *v1compat.PublishTimeoutError
	if !errors.As(err, &pt) || !errors.Is(err, awsiot.ErrAckTimeout) {
		t.Errorf("publish: %v", err)
	}
	_, err = c.Subscribe("t", 0, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s", m.Payload) })
	var st *v1compat.SubscribeTimeoutError
	if !errors.As(err, &st) {
		t.Errorf("subscribe: %v", err)
	}
	_, err = c.Unsubscribe("other")
	var ut *v1compat.UnsubscribeTimeoutError
	if !errors.As(err, &ut) {
		t.Errorf("unsubscribe: %v", err)
	}
	if n := c.V2().Stats().UnackedOperationCount; n != 3 {
		t.Errorf("%d operations are in flight, want 3", n)
	}
	// The record stays: messages are dispatched.
	if ok, err := c.Publish("t", "hello", 0); !ok || err != nil {
		t.Error(ok, err)
	}
	equal(t, "messages", ev.wait(t, 1), []string{"hello"})
	for _, r := range rules {
		r.Release()
	}
	if err := c.Disconnect(); err != nil {
		t.Error(err)
	}
}

func TestCiphersConnect(t *testing.T) {
	srv := server(t)
	thing, err := srv.NewThing("cipher")
	must(t, err)
	c := v1compat.NewAWSIoTMQTTClient("cipher")
	c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	c.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile, "ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA")
	must(t, c.Connect())
	must(t, c.Disconnect())
	open := slices.ContainsFunc(srv.Recorder().Packets(), func(p iotlocal.Packet) bool {
		return p.Transport != nil && p.Transport.TLS && p.Transport.ClientCert == "cipher"
	})
	if !open {
		t.Error("no mutual TLS")
	}
	must(t, c.V2().Close())
}
