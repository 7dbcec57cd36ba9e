package v1compat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

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
		assert.NoError(t, err, p.payload)
		assert.True(t, ok, p.payload)
	}
	assert.Equal(t, []string{"CONNECT", "PUBLISH a/b 0 text", "PUBLISH a/b 1 bytes",
		"PUBLISH a/b 0 42", "PUBLISH a/b 1 1.5", "PUBLISH a/b 1 ", "PUBLISH a/b 0 "}, facadetest.Sent(t, srv, "pub", 7), "packets")
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
			require.NoError(t, c.Connect())
		}
		for _, tt := range calls {
			t.Run(tt.name, func(t *testing.T) {
				err := tt.call(c)
				if assert.Error(t, err, "online") {
					assert.True(t, strings.HasPrefix(err.Error(), tt.want), "online")
				}
				var ve *v1compat.ValueError
				var te *v1compat.TypeError
				assert.False(t, !errors.As(err, &ve) && !errors.As(err, &te))
			})
		}
		if !online {
			require.NoError(t, c.Connect())
		}
		facadetest.Acked(t)(c.Publish("fine", "x", 1))
		assert.Equal(t, uint64(0), c.V2().Stats().IncompleteOperationCount)
		require.NoError(t, c.Disconnect())
	}
}

// Per-filter callbacks in the order of the first subscription, then OnMessage;
// each once for a message, all with the same message; arguments as documented.
func TestMessageOrder(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "order")
	ev := facadetest.NewEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.Add("OnMessage %s", m.Topic) }
	require.NoError(t, c.Connect())
	var got *v1compat.Message
	cb := func(name string) v1compat.MessageCallback {
		return func(cl *v1compat.AWSIoTMQTTClient, userdata any, m *v1compat.Message) {
			assert.Same(t, c, cl, "%s: client %p, userdata %v", name, cl, userdata)
			assert.Nil(t, userdata, "%s: client %p, userdata %v", name, cl, userdata)
			if got == nil {
				got = m
			} else {
				assert.Same(t, m, got, "%s: another message", name)
			}
			ev.Add("%s %s", name, m.Topic)
		}
	}
	for _, f := range []string{"o/#", "o/a", "+/a", "other", "o/+"} {
		facadetest.Acked(t)(c.Subscribe(f, 0, cb(f)))
	}
	// The same filter again keeps its place.
	facadetest.Acked(t)(c.Subscribe("o/#", 0, cb("o/# second")))
	_, err := srv.Publish(iotlocal.Message{Topic: "o/a", Payload: []byte("x")})
	require.NoError(t, err)
	assert.Equal(t, []string{"o/# second o/a", "o/a o/a", "+/a o/a", "o/+ o/a", "OnMessage o/a"}, ev.Wait(t, 5), "callbacks")
	assert.Equal(t, byte(0), got.QoS)
	assert.Equal(t, v1compat.Mid(0), got.Mid)
	assert.Equal(t, "x", string(got.Payload))
	assert.False(t, got.Retain)
	assert.False(t, got.Dup)
	assert.LessOrEqual(t, time.Since(got.Timestamp), facadetest.Patience)
}

func TestMessageFields(t *testing.T) {
	srv := server(t)
	_, err := srv.Publish(iotlocal.Message{Topic: "kept", Payload: []byte("r"), QoS: 1, Retain: true})
	require.NoError(t, err)
	c := connected(t, srv, "fields")
	got := make(chan *v1compat.Message, 2)
	facadetest.Acked(t)(c.Subscribe("kept", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got <- m }))
	m := <-got
	assert.True(t, m.Retain)
	assert.Equal(t, byte(1), m.QoS)
	assert.Equal(t, v1compat.Mid(1), m.Mid)
	assert.Equal(t, "r", string(m.Payload))
	facadetest.Acked(t)(c.Publish("kept", "again", 1))
	m = <-got
	assert.False(t, m.Retain)
	assert.Equal(t, v1compat.Mid(2), m.Mid)
}

// Without a callback the message reaches OnMessage only.
func TestNilCallbacks(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "nil")
	ev := facadetest.NewEvents()
	c.OnMessage = func(m *v1compat.Message) { ev.Add("%s", m.Payload) }
	require.NoError(t, c.Connect())
	mid, err := c.SubscribeAsync("n", 0, nil, nil)
	require.Equal(t, v1compat.Mid(1), mid)
	require.NoError(t, err)
	facadetest.Acked(t)(c.Subscribe("n", 0, nil))
	mid, err = c.PublishAsync("n", "x", 1, nil)
	require.Equal(t, v1compat.Mid(3), mid)
	require.NoError(t, err)
	assert.Equal(t, []string{"x"}, ev.Wait(t, 1), "messages")
	mid, err = c.UnsubscribeAsync("n", nil)
	require.Equal(t, v1compat.Mid(4), mid)
	require.NoError(t, err)
}

// Ids are counted over all calls, QoS 0 included; ack callbacks come in the order
// of the acknowledgements with the id of their call; QoS 0 has none.
func TestAsyncAcks(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "async")
	ev := facadetest.NewEvents()
	want := func(mid v1compat.Mid, err error, id v1compat.Mid) {
		t.Helper()
		assert.Equal(t, id, mid)
		assert.NoError(t, err)
	}
	mid, err := c.SubscribeAsync("s/1", 1, func(m v1compat.Mid, data []byte) { ev.Add("sub %d %v", m, data) }, nil)
	want(mid, err, 1)
	mid, err = c.PublishAsync("p", "0", 0, func(m v1compat.Mid) { ev.Add("QoS 0 %d", m) })
	want(mid, err, 2)
	mid, err = c.PublishAsync("p", "1", 1, func(m v1compat.Mid) { ev.Add("pub %d", m) })
	want(mid, err, 3)
	facadetest.Acked(t)(c.Publish("p", "2", 1))
	mid, err = c.UnsubscribeAsync("s/1", func(m v1compat.Mid) { ev.Add("unsub %d", m) })
	want(mid, err, 5)
	assert.Equal(t, []string{"sub 1 [1]", "pub 3", "unsub 5"}, ev.Wait(t, 3), "acks")
}

func TestUnsubscribe(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "unsub")
	ev := facadetest.NewEvents()
	cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s %s", m.Topic, m.Payload) }
	for _, f := range []string{"u/1", "u/2"} {
		facadetest.Acked(t)(c.Subscribe(f, 0, cb))
	}
	facadetest.Acked(t)(c.Unsubscribe("u/1"))
	facadetest.Acked(t)(c.Unsubscribe("never"))
	for _, topic := range []string{"u/1", "u/2"} {
		facadetest.Acked(t)(c.Publish(topic, "x", 0))
	}
	assert.Equal(t, []string{"u/2 x"}, ev.Wait(t, 1), "messages")
	assert.Equal(t, []string{"CONNECT", "SUBSCRIBE u/1 0", "SUBSCRIBE u/2 0", "UNSUBSCRIBE u/1", "UNSUBSCRIBE never",
		"PUBLISH u/1 0 x", "PUBLISH u/2 0 x"}, facadetest.Sent(t, srv, "unsub", 7), "packets")
}

// Refused by the server: v1's connection was closed for it, MQTT 5 says why.
func TestDenied(t *testing.T) {
	srv := server(t)
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.PUBLISH, Action: iotlocal.Reject, Code: 0x87})
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87})
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Topic: "no", Type: iotlocal.UNSUBSCRIBE, Action: iotlocal.Reject, Code: 0x87})
	c := plain(t, srv, "denied")
	ev := facadetest.NewEvents()
	c.OnAsyncError = func(op, topic string, err error) {
		var re *awsiot.ReasonError
		ev.Add("%s %s %T %v", op, topic, err, errors.As(err, &re) && re.Code == awsiot.ReasonNotAuthorized)
	}
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())

	ok, err := c.Publish("no", "x", 1)
	var pe *v1compat.PublishError
	var re *awsiot.ReasonError
	assert.False(t, ok, "publish")
	if assert.ErrorAs(t, err, &pe, "publish") {
		assert.Equal(t, 12, pe.Code, "publish")
		if assert.ErrorAs(t, err, &re, "publish") {
			assert.Equal(t, awsiot.ReasonCode(0x87), re.Code, "publish")
		}
	}
	ok, err = c.Subscribe("no", 1, nil)
	var se *v1compat.SubackError
	assert.False(t, ok, "subscribe")
	if assert.ErrorAs(t, err, &se, "subscribe") {
		assert.Equal(t, byte(0x87), se.Suback, "subscribe")
		assert.ErrorAs(t, err, &re, "subscribe")
	}
	ok, err = c.Unsubscribe("no")
	var ue *v1compat.UnsubscribeError
	assert.False(t, ok, "unsubscribe")
	if assert.ErrorAs(t, err, &ue, "unsubscribe") {
		assert.Equal(t, 12, ue.Code, "unsubscribe")
	}
	_, err = c.PublishAsync("no", "x", 1, func(v1compat.Mid) { ev.Add("ack") })
	assert.NoError(t, err)
	_, err = c.SubscribeAsync("no", 1, func(_ v1compat.Mid, data []byte) { ev.Add("suback %x", data) }, nil)
	assert.NoError(t, err)
	_, err = c.UnsubscribeAsync("no", func(v1compat.Mid) { ev.Add("ack") })
	assert.NoError(t, err)
	assert.Equal(t, []string{"publish no *v1compat.PublishError true", "suback 87",
		"subscribe no *v1compat.SubackError true", "unsubscribe no *v1compat.UnsubscribeError true"}, ev.Wait(t, 4), "callbacks")
	facadetest.Acked(t)(c.Publish("yes", "x", 1))
}

// No acknowledgement: the call ends in time, the operation goes on.
func TestOperationTimeouts(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "slow")
	c.ConfigureMQTTOperationTimeout(0.05)
	require.NoError(t, c.Connect())
	var rules []*iotlocal.RuleHandle
	for _, typ := range []iotlocal.PacketType{iotlocal.PUBACK, iotlocal.SUBACK, iotlocal.UNSUBACK} {
		rules = append(rules, fault(t, srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: typ, Action: iotlocal.Hold}))
	}
	ev := facadetest.NewEvents()

	_, err := c.Publish("p", "x", 1)
	var pt *v1compat.PublishTimeoutError
	if assert.ErrorAs(t, err, &pt, "publish") {
		assert.ErrorIs(t, err, awsiot.ErrAckTimeout, "publish")
	}
	_, err = c.Subscribe("t", 0, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s", m.Payload) })
	var st *v1compat.SubscribeTimeoutError
	assert.ErrorAs(t, err, &st, "subscribe")
	_, err = c.Unsubscribe("other")
	var ut *v1compat.UnsubscribeTimeoutError
	assert.ErrorAs(t, err, &ut, "unsubscribe")
	assert.Equal(t, uint64(3), c.V2().Stats().UnackedOperationCount)
	// The record stays: messages are dispatched.
	facadetest.Acked(t)(c.Publish("t", "hello", 0))
	assert.Equal(t, []string{"hello"}, ev.Wait(t, 1), "messages")
	for _, r := range rules {
		r.Release()
	}
	assert.NoError(t, c.Disconnect())
}

func TestCiphersConnect(t *testing.T) {
	srv := server(t)
	thing, err := srv.NewThing("cipher")
	require.NoError(t, err)
	c := v1compat.NewAWSIoTMQTTClient("cipher")
	c.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	c.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile, "ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA")
	require.NoError(t, c.Connect())
	require.NoError(t, c.Disconnect())
	open := slices.ContainsFunc(srv.Recorder().Packets(), func(p iotlocal.Packet) bool {
		return p.Transport != nil && p.Transport.TLS && p.Transport.ClientCert == "cipher"
	})
	assert.True(t, open, "no mutual TLS")
	require.NoError(t, c.V2().Close())
}
