//go:build interop

package interop

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// TestQoS: messages of both qualities arrive as they were sent, over both transports.
func TestQoS(t *testing.T) {
	b := startBroker(t)
	for name, options := range map[string]func(string) awsiot.ClientOptions{"plain": b.plain, "mutual TLS": b.mutual} {
		for _, qos := range []awsiot.QoS{awsiot.AtMostOnce, awsiot.AtLeastOnce} {
			t.Run(fmt.Sprint(name, " ", qos), func(t *testing.T) {
				c := client(t, options(""))
				topic := fmt.Sprintf("qos/%s/%d", name, qos)
				ctx := bounded(t)
				res, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: topic, Payload: []byte("to nobody"), QoS: qos})
				if err != nil {
					t.Fatal(err)
				}
				if wanted := map[awsiot.QoS]awsiot.ReasonCode{1: awsiot.ReasonNoMatchingSubscribers}[qos]; res.Code != wanted {
					t.Errorf("code %v, want %v", res.Code, wanted)
				}
				messages := subscribe(t, c, "qos/+/#")
				for _, payload := range []string{"", "hello", strings.Repeat("x", 100_000)} {
					res, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: qos})
					if err != nil || res.Code != awsiot.ReasonSuccess {
						t.Fatalf("%v %v", res, err)
					}
					if m := want(t, messages, topic, payload); m.QoS != qos || m.Retain || m.Duplicate {
						t.Errorf("QoS %v retain %v dup %v", m.QoS, m.Retain, m.Duplicate)
					}
				}
				if _, err := c.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"qos/+/#"}}); err != nil {
					t.Fatal(err)
				}
				if res, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: topic, QoS: awsiot.AtLeastOnce}); err != nil || res.Code != awsiot.ReasonNoMatchingSubscribers {
					t.Errorf("after unsubscribing: %v, %v", res.Code, err)
				}
			})
		}
	}
}

func TestRetained(t *testing.T) {
	b := startBroker(t)
	c := client(t, b.plain("retained"))
	ctx := bounded(t)
	keep := func(payload string) {
		t.Helper()
		if _, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: "r/1", Payload: []byte(payload), QoS: awsiot.AtLeastOnce, Retain: true}); err != nil {
			t.Fatal(err)
		}
	}
	keep("kept")
	messages := subscribe(t, c, "r/+")
	if m := want(t, messages, "r/1", "kept"); !m.Retain {
		t.Error("a stored message comes without the retain flag")
	}
	keep("new")
	if m := want(t, messages, "r/1", "new"); m.Retain {
		t.Error("a new message comes with the retain flag")
	}
	h, published := inbox()
	_, err := client(t, b.plain("as-published")).Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
		{TopicFilter: "r/#", QoS: awsiot.AtLeastOnce, RetainAsPublished: true, RetainHandling: awsiot.RetainDontSend, Handler: h}}})
	if err != nil {
		t.Fatal(err)
	}
	keep("") // deletes it
	if m := want(t, published, "r/1", ""); !m.Retain {
		t.Error("retain as published: the flag is gone")
	}
	late := subscribe(t, client(t, b.plain("late")), "r/+")
	publish(t, c, "r/2", "marker")
	want(t, late, "r/2", "marker") // and nothing stored before it
}

// TestWill: the broker publishes it when the connection is dropped, not when the client stops.
func TestWill(t *testing.T) {
	b := startBroker(t)
	watcher := client(t, b.plain("watcher"))
	messages := subscribe(t, watcher, "will/#")
	options := func() awsiot.ClientOptions {
		o := b.mutual("mortal")
		o.Will = &awsiot.Will{Topic: "will/1", Payload: []byte("gone"), QoS: awsiot.AtLeastOnce, ContentType: "text/plain",
			UserProperties: []awsiot.UserProperty{{Name: "k", Value: "v"}}}
		return o
	}
	client(t, options()).Abort()
	m := want(t, messages, "will/1", "gone")
	if m.QoS != awsiot.AtLeastOnce || m.ContentType != "text/plain" || !reflect.DeepEqual(m.UserProperties, []awsiot.UserProperty{{Name: "k", Value: "v"}}) {
		t.Errorf("the will lost its properties: %+v", m)
	}

	if err := client(t, options()).Stop(bounded(t), nil); err != nil {
		t.Fatal(err)
	}
	publish(t, watcher, "will/2", "marker")
	want(t, messages, "will/2", "marker")

	c := client(t, options())
	if err := c.Stop(bounded(t), &awsiot.DisconnectPacket{Code: awsiot.ReasonDisconnectWithWillMessage}); err != nil {
		t.Fatal(err)
	}
	want(t, messages, "will/1", "gone")
}

// TestProperties: everything that a PUBLISH can carry comes back as it was sent.
func TestProperties(t *testing.T) {
	b := startBroker(t)
	c := client(t, b.mutual("properties"))
	messages := subscribe(t, c, "p/#")
	sent := &awsiot.PublishPacket{Topic: "p/1", Payload: []byte("grüße"), QoS: awsiot.AtLeastOnce,
		PayloadFormat: new(awsiot.PayloadUTF8), MessageExpiry: new(time.Hour), ContentType: "text/plain", ResponseTopic: "p/answer",
		CorrelationData: []byte{0, 1, 255}, UserProperties: []awsiot.UserProperty{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}, {Name: "", Value: "ü"}}}
	if _, err := c.Publish(bounded(t), sent); err != nil {
		t.Fatal(err)
	}
	m := want(t, messages, "p/1", "grüße")
	if m.PayloadFormat == nil || *m.PayloadFormat != awsiot.PayloadUTF8 {
		t.Errorf("payload format %v", m.PayloadFormat)
	}
	if m.MessageExpiry == nil || *m.MessageExpiry > time.Hour || *m.MessageExpiry < time.Hour-patience {
		t.Errorf("message expiry %v, want what is left of an hour", m.MessageExpiry)
	}
	if m.ContentType != sent.ContentType || m.ResponseTopic != sent.ResponseTopic || string(m.CorrelationData) != string(sent.CorrelationData) {
		t.Errorf("content type %q, response topic %q, correlation data %v", m.ContentType, m.ResponseTopic, m.CorrelationData)
	}
	if !reflect.DeepEqual(m.UserProperties, sent.UserProperties) {
		t.Errorf("user properties %v, want %v", m.UserProperties, sent.UserProperties)
	}
	publish(t, c, "p/2", "bare")
	m = want(t, messages, "p/2", "bare")
	if m.PayloadFormat != nil || m.MessageExpiry != nil || m.ContentType != "" || m.ResponseTopic != "" || m.CorrelationData != nil || m.UserProperties != nil {
		t.Errorf("properties out of nothing: %+v", m)
	}
}

func TestSubscriptionIdentifiers(t *testing.T) {
	b := startBroker(t)
	c := client(t, b.plain("identifiers"))
	h, messages := inbox()
	for filter, id := range map[string]uint32{"i/#": 1, "i/+": 268_435_455} {
		_, err := c.Subscribe(bounded(t), &awsiot.SubscribePacket{SubscriptionIdentifier: &id,
			Subscriptions: []awsiot.Subscription{{TopicFilter: filter, QoS: awsiot.AtLeastOnce}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Handle("i/#", h)
	publish(t, c, "i/1", "x")
	publish(t, c, "i/1/2", "y")
	got := map[string][]uint32{}
	for len(got["y"]) == 0 { // the broker may send one copy per subscription or one for both
		m := next(t, messages)
		got[string(m.Payload)] = append(got[string(m.Payload)], m.SubscriptionIdentifiers...)
	}
	if x := got["x"]; len(x) != 2 || x[0]+x[1] != 268_435_456 {
		t.Errorf("identifiers %v, want those of both subscriptions", x)
	}
	if y := got["y"]; !reflect.DeepEqual(y, []uint32{1}) {
		t.Errorf("identifiers %v, want [1]", y)
	}
}

// TestSharedSubscriptions: each message reaches one member of the group, all of them the last one that is left.
func TestSharedSubscriptions(t *testing.T) {
	b := startBroker(t)
	const n = 100
	got := make(chan string, 2*n)
	var members [2]atomic.Int32
	var clients [2]*awsiot.Client
	for i := range members {
		c := client(t, b.plain(fmt.Sprint("member", i)))
		clients[i] = c
		_, err := c.Subscribe(bounded(t), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "$share/group/s/#", QoS: awsiot.AtLeastOnce,
			Handler: func(m *awsiot.Message) { members[i].Add(1); got <- string(m.Payload) }}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := subscribe(t, client(t, b.plain("all")), "s/#")
	sender := client(t, b.plain("sender"))
	for i := range n {
		publish(t, sender, "s/1", fmt.Sprint(i))
		want(t, all, "s/1", fmt.Sprint(i))
	}
	seen := map[string]bool{}
	for range n {
		seen[next(t, got)] = true
	}
	if len(seen) != n {
		t.Errorf("%d different messages, want %d", len(seen), n)
	}
	for i := range members {
		if members[i].Load() == 0 {
			t.Errorf("member %d got nothing", i)
		}
	}
	if _, err := clients[0].Unsubscribe(bounded(t), &awsiot.UnsubscribePacket{TopicFilters: []string{"$share/group/s/#"}}); err != nil {
		t.Fatal(err)
	}
	before := members[1].Load()
	for range 4 {
		publish(t, sender, "s/1", "to the other")
		next(t, got)
	}
	if n := members[1].Load() - before; n != 4 {
		t.Errorf("the member that stayed got %d of 4", n)
	}
}

// counted counts the bytes that are written to connections.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// TestTopicAliases: repeated topics leave as numbers and are messages of those topics for the broker, more topics than
// it allows numbers included. In the other direction the client offers aliases and takes what comes; mosquitto 2.0
// makes no use of the offer.
func TestTopicAliases(t *testing.T) {
	b := startBroker(t)
	var written atomic.Int64
	o := b.plain("aliases")
	o.TopicAliasing = awsiot.TopicAliasing{Outbound: awsiot.AliasLRU, Inbound: awsiot.AliasEnabled, InboundMaximum: 5}
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return counted{c, &written}, err
	}
	connected := make(chan *awsiot.ConnectionSuccess, 1)
	o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
	c := client(t, o)
	allowed := next(t, connected).Settings.TopicAliasMaximumToServer
	if allowed == 0 {
		t.Fatal("the broker allows no aliases")
	}
	messages := subscribe(t, c, "alias/#")
	send := func(topics, rounds int) (bytes int64) {
		before := written.Load()
		for r := range rounds {
			for i := range topics {
				topic, payload := fmt.Sprintf("alias/%s/%d", strings.Repeat("long", 100), i), fmt.Sprint(r, i)
				publish(t, c, topic, payload)
				want(t, messages, topic, payload)
			}
		}
		return written.Load() - before
	}
	if bytes := send(int(allowed), 20); bytes > int64(allowed)*20*100 {
		t.Errorf("%d bytes for %d messages on topics of 400: no aliases in use", bytes, int(allowed)*20)
	}
	send(int(allowed)*2, 3)
	// An alias holds for a connection only.
	c.Abort()
	if _, err := c.AwaitConnected(bounded(t)); err != nil {
		if err := c.StartAndWait(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	messages = subscribe(t, c, "alias/#")
	send(2, 2)

	t.Run("manual", func(t *testing.T) {
		o := b.plain("manual")
		o.TopicAliasing.Outbound = awsiot.AliasManual
		c := client(t, o)
		messages := subscribe(t, c, "manual/#")
		for _, topic := range []string{"manual/1", "manual/1", "manual/2", "manual/2"} { // one alias moves from topic to topic
			if _, err := c.Publish(bounded(t), &awsiot.PublishPacket{Topic: topic, QoS: awsiot.AtLeastOnce, TopicAlias: new(uint16(1))}); err != nil {
				t.Fatal(err)
			}
			want(t, messages, topic, "")
		}
	})
}

// TestReceiveMaximum1: with one unacknowledged message allowed in each direction, a burst arrives whole and in order,
// and the broker never has two on the way.
func TestReceiveMaximum1(t *testing.T) {
	b := startBroker(t, "max_inflight_messages 1")
	o := b.plain("one")
	o.ReceiveMaximum = 1
	c := client(t, o)
	messages := subscribe(t, c, "burst")
	const n = 1000
	done := make(chan error, n)
	for i := range n {
		c.PublishFunc(&awsiot.PublishPacket{Topic: "burst", Payload: fmt.Append(nil, i), QoS: awsiot.AtLeastOnce},
			func(_ awsiot.PublishResult, err error) { done <- err })
	}
	for i := range n {
		want(t, messages, "burst", fmt.Sprint(i))
	}
	for range n {
		if err := next(t, done); err != nil {
			t.Fatal(err)
		}
	}
	b.waitFor(t, n, "Received PUBACK from one")
	out, in := 0, 0
	for _, line := range b.said() {
		switch {
		case strings.Contains(line, "Sending PUBLISH to one"):
			out++
		case strings.Contains(line, "Received PUBACK from one"):
			out--
		case strings.Contains(line, "Received PUBLISH from one"):
			in++
		case strings.Contains(line, "Sending PUBACK to one"):
			in--
		}
		if out > 1 || in > 1 {
			t.Fatalf("%d to the client and %d from it on the way, at: %s", out, in, line)
		}
	}
}
