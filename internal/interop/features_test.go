//go:build interop

package interop

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// The MQTT 5 features of the migration guide's appendix whose effect takes time or a second program: what expires is
// seen to be gone and not only announced, answers are seen to come back. (Reason codes and the broker's DISCONNECT are
// in reasons_test.go; aliases, packet sizes and shared subscriptions in messages_test.go and connection_test.go.)

// breath is the interval of what is to expire: short enough to wait for, long enough for a client that comes back at once.
const breath = 2 * time.Second

// leave stops a client and waits until the broker knows.
func (b *broker) leave(t *testing.T, c *awsiot.Client, id string, p *awsiot.DisconnectPacket) {
	t.Helper()
	said := fmt.Sprintf("Received DISCONNECT from %s", id)
	n := b.count(said)
	if err := c.Stop(bounded(t), p); err != nil {
		t.Fatal(err)
	}
	b.waitFor(t, n+1, said)
}

// breathe lets a breath, and at most a second more, go by on the broker's clock, by which it expires things: the broker
// says when it has ended a session of that length. Nobody sleeps, and a slow machine changes nothing.
func (b *broker) breathe(t *testing.T) {
	t.Helper()
	o := b.plain("clock")
	o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, breath
	b.leave(t, client(t, o), "clock", nil)
	b.waitFor(t, 1, "Expiring client clock due to timeout")
}

// TestExpiry: sessions and messages end when they should, and not before. Each part begins, all wait for the same
// breath, then each returns to what it has begun.
func TestExpiry(t *testing.T) {
	b := startBroker(t)
	type part struct {
		name  string
		begin func(*testing.T) (end func(*testing.T))
	}
	parts := []part{{"message for a sleeping session", b.sleepersMessages}, {"retained message", b.retainedMessages},
		{"message in the client's queue", b.queuedMessages}}
	for _, s := range []expiringSession{
		{"hour", time.Hour, nil, false, true},
		{"breath", breath, nil, true, false},
		{"DISCONNECT-shortens", time.Hour, new(breath), true, false},
		{"DISCONNECT-lengthens", breath, new(time.Hour), false, true},
		{"DISCONNECT-ends", time.Hour, new(time.Duration(0)), false, false},
	} {
		parts = append(parts, part{"session/" + s.id, func(t *testing.T) func(*testing.T) { return s.begin(t, b) }})
	}
	ends := make([]func(*testing.T), len(parts))
	for i, p := range parts {
		ends[i] = p.begin(t)
	}
	b.breathe(t)
	for i, p := range parts {
		t.Run(p.name, ends[i])
	}
}

// expiringSession is a session and what becomes of it in a breath.
type expiringSession struct {
	id         string
	connect    time.Duration  // the expiry in CONNECT
	disconnect *time.Duration // and in DISCONNECT
	expires    bool           // the broker counts down to its end
	kept       bool
}

// begin has a client come, go, come back at once, and go; end has another one with its id come.
func (s expiringSession) begin(t *testing.T, b *broker) (end func(*testing.T)) {
	sender := client(t, b.plain("sender of "+s.id))
	topic := "session/" + s.id
	connected := make(chan *awsiot.ConnectionSuccess, 1)
	o := b.plain(s.id)
	o.SessionBehavior, o.SessionExpiry, o.Resubscribe.When = awsiot.RejoinAlways, s.connect, awsiot.ResubscribeNever
	o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
	present := func(t *testing.T, want bool) {
		t.Helper()
		if c := next(t, connected); c.Connack.SessionPresent != want || c.Settings.RejoinedSession != want || c.Settings.SessionExpiry != s.connect {
			t.Errorf("session present %v, rejoined %v, want %v; expiry %v, want %v", c.Connack.SessionPresent, c.Settings.RejoinedSession, want,
				c.Settings.SessionExpiry, s.connect)
		}
	}
	c := client(t, o)
	present(t, false)
	messages := subscribe(t, c, topic)
	b.leave(t, c, s.id, nil)
	publish(t, sender, topic, "at once")
	if err := c.StartAndWait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	present(t, true)
	want(t, messages, topic, "at once")
	var p *awsiot.DisconnectPacket
	if s.disconnect != nil {
		p = &awsiot.DisconnectPacket{SessionExpiry: s.disconnect}
	}
	b.leave(t, c, s.id, p)
	publish(t, sender, topic, "meanwhile")

	return func(t *testing.T) {
		if s.expires {
			b.waitFor(t, 1, fmt.Sprintf("Expiring client %s due to timeout", s.id))
		}
		again := awsiot.NewClient(o)
		t.Cleanup(func() { _ = again.Close() })
		h, messages := inbox()
		again.Handle(topic, h)
		if err := again.StartAndWait(bounded(t)); err != nil {
			t.Fatal(err)
		}
		present(t, s.kept)
		if s.kept {
			want(t, messages, topic, "meanwhile")
		} else { // neither the subscription is there nor what came for it
			res, err := sender.Publish(bounded(t), &awsiot.PublishPacket{Topic: topic, Payload: []byte("to nobody"), QoS: awsiot.AtLeastOnce})
			if err != nil || res.Code != awsiot.ReasonNoMatchingSubscribers {
				t.Errorf("publish to a session that has ended: %v, %v", res.Code, err)
			}
			subscribe(t, again, topic)
		}
		publish(t, sender, topic, "marker")
		want(t, messages, topic, "marker")
	}
}

// expiring publishes at QoS 1 with an expiry, or without one.
func expiring(t *testing.T, c *awsiot.Client, topic, payload string, expiry *time.Duration, retain bool) {
	t.Helper()
	p := &awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: awsiot.AtLeastOnce, MessageExpiry: expiry, Retain: retain}
	if _, err := c.Publish(bounded(t), p); err != nil {
		t.Fatal(err)
	}
}

// aged checks that a message arrives with what is left of an hour: a breath, and not all the time, is gone.
func aged(t *testing.T, m *awsiot.Message) {
	t.Helper()
	if e := m.MessageExpiry; e == nil || *e > time.Hour-breath || *e < time.Hour-4*patience {
		t.Errorf("%q: message expiry %v, want what is left of an hour", m.Payload, e)
	}
}

// sleepersMessages: of what waits in the session of a client that is away, only that is delivered whose time is not over.
func (b *broker) sleepersMessages(t *testing.T) (end func(*testing.T)) {
	o := b.plain("sleeper")
	o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
	c, sender := client(t, o), client(t, b.plain("sleeper's sender"))
	messages := subscribe(t, c, "expiry")
	expiring(t, sender, "expiry", "in time", new(breath), false)
	want(t, messages, "expiry", "in time")
	b.leave(t, c, "sleeper", nil)
	expiring(t, sender, "expiry", "short", new(breath), false)
	expiring(t, sender, "expiry", "long", new(time.Hour), false)
	expiring(t, sender, "expiry", "short again", new(breath), false)
	expiring(t, sender, "expiry", "for ever", nil, false)

	return func(t *testing.T) {
		if err := c.StartAndWait(bounded(t)); err != nil {
			t.Fatal(err)
		}
		aged(t, want(t, messages, "expiry", "long"))
		if m := want(t, messages, "expiry", "for ever"); m.MessageExpiry != nil {
			t.Errorf("an expiry out of nothing: %v", *m.MessageExpiry)
		}
		publish(t, sender, "expiry", "marker")
		want(t, messages, "expiry", "marker")
	}
}

// retainedMessages: a retained message is for later subscribers until its time is over.
func (b *broker) retainedMessages(t *testing.T) (end func(*testing.T)) {
	sender := client(t, b.plain("keeper"))
	expiring(t, sender, "kept/1", "short", new(breath), true)
	expiring(t, sender, "kept/2", "long", new(time.Hour), true)
	early := want(t, subscribe(t, client(t, b.plain("early")), "kept/1"), "kept/1", "short")
	if !early.Retain || early.MessageExpiry == nil || *early.MessageExpiry > breath {
		t.Errorf("in time: retain %v, expiry %v", early.Retain, early.MessageExpiry)
	}

	return func(t *testing.T) {
		late := subscribe(t, client(t, b.plain("late")), "kept/+")
		publish(t, sender, "kept/3", "marker")
		aged(t, want(t, late, "kept/2", "long"))
		want(t, late, "kept/3", "marker")
	}
}

// queuedMessages: what expires while the client has no connection is not sent, and its caller is told.
func (b *broker) queuedMessages(t *testing.T) (end func(*testing.T)) {
	messages := subscribe(t, client(t, b.plain("listener")), "queued")
	c := awsiot.NewClient(b.plain("queuer"))
	t.Cleanup(func() { _ = c.Close() })
	send := func(payload string, expiry time.Duration) *awsiot.Future[awsiot.PublishResult] {
		return c.PublishAsync(&awsiot.PublishPacket{Topic: "queued", Payload: []byte(payload), QoS: awsiot.AtLeastOnce, MessageExpiry: &expiry})
	}
	short, long := send("short", breath), send("long", time.Hour)

	return func(t *testing.T) {
		if err := c.StartAndWait(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := short.Wait(bounded(t)); !errors.Is(err, awsiot.ErrExpired) {
			t.Errorf("the short one ended with %v, want %v", err, awsiot.ErrExpired)
		}
		if _, err := long.Wait(bounded(t)); err != nil {
			t.Error(err)
		}
		aged(t, want(t, messages, "queued", "long"))
		publish(t, c, "queued", "marker")
		want(t, messages, "queued", "marker")
	}
}

// responder answers requests on a topic: "pong" for "ping 1", with the correlation data, where the request says.
func (b *broker) responder(t *testing.T, topic string) {
	t.Helper()
	c := client(t, b.mutual("responder"))
	answer := func(m *awsiot.Message) {
		c.PublishFunc(&awsiot.PublishPacket{Topic: m.ResponseTopic, CorrelationData: m.CorrelationData, QoS: awsiot.AtLeastOnce,
			Payload: []byte(strings.Replace(string(m.Payload), "ping", "pong", 1))}, func(_ awsiot.PublishResult, err error) {
			if err != nil {
				t.Errorf("the answer to %q for %q: %v", m.Payload, m.ResponseTopic, err)
			}
		})
	}
	if _, err := c.Subscribe(bounded(t), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: topic, QoS: awsiot.AtLeastOnce, Handler: answer}}}); err != nil {
		t.Fatal(err)
	}
}

// TestRequestResponse: answers come back to the one who asked, and tell which question they answer, though both
// use the same correlation data, and ask before they listen to the first answer.
func TestRequestResponse(t *testing.T) {
	b := startBroker(t)
	b.responder(t, "request")
	ids := [][]byte{{0}, {0, 1, 255}, []byte("text")}
	answers := map[string]<-chan *awsiot.Message{}
	for _, name := range []string{"alice", "bob"} {
		c := client(t, b.plain(name))
		answers[name] = subscribe(t, c, "answers/"+name)
		for _, id := range ids {
			p := &awsiot.PublishPacket{Topic: "request", Payload: fmt.Appendf(nil, "ping of %s %x", name, id), QoS: awsiot.AtLeastOnce,
				ResponseTopic: "answers/" + name, CorrelationData: id}
			if _, err := c.Publish(bounded(t), p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, messages := range answers {
		for _, id := range ids {
			if m := want(t, messages, "answers/"+name, fmt.Sprintf("pong of %s %x", name, id)); !slices.Equal(m.CorrelationData, id) {
				t.Errorf("the answer %q has the correlation data %x", m.Payload, m.CorrelationData)
			}
		}
		select {
		case m := <-messages:
			t.Errorf("%s also got %q", name, m.Payload)
		default:
		}
	}

	// mosquitto_rr asks: a requester that shares no code with the library takes the answer for one.
	rr := start(t, tool(t, "mosquitto_rr"), b.tools("-t", "request", "-e", "answers/rr", "-q", "1", "-m", "ping of mosquitto_rr",
		"-D", "publish", "correlation-data", "its own", "-W", "20", "-F", "%t %D %p")...)
	rr.waitFor(t, 1, "answers/rr its own pong of mosquitto_rr")
	if err := rr.wait(t); err != nil {
		t.Errorf("mosquitto_rr: %v", err)
	}
}

// TestPropertiesOfPeers: payload format, content type and the other properties of a message mean to mosquitto's own
// programs what they mean to the client, in both directions; a text that is none is not sent.
func TestPropertiesOfPeers(t *testing.T) {
	b := startBroker(t)
	c := client(t, b.mutual("properties"))
	observer := start(t, tool(t, "mosquitto_sub"), b.tools("-V", "mqttv5", "-i", "observer", "-t", "out/#", "-q", "1", "-F", "%t|%F|%C|%R|%D|%E|%P|%p")...)
	b.waitFor(t, 1, "Sending SUBACK to observer")
	text := awsiot.PublishPacket{Topic: "out/text", Payload: []byte("grüße"), QoS: awsiot.AtLeastOnce, PayloadFormat: new(awsiot.PayloadUTF8),
		MessageExpiry: new(time.Hour), ContentType: "text/plain", ResponseTopic: "in/answer", CorrelationData: []byte("id"),
		UserProperties: []awsiot.UserProperty{{Name: "a", Value: "1"}, {Name: "a", Value: "ü"}}}
	binary, bad := text, text
	binary.Topic, binary.PayloadFormat, binary.ContentType, binary.UserProperties = "out/bytes", new(awsiot.PayloadBytes), "application/x", nil
	bad.Payload = []byte("\xff")
	var refused *awsiot.ValidationError
	if _, err := c.Publish(bounded(t), &bad); !errors.As(err, &refused) || refused.Field != "Payload" {
		t.Errorf("not UTF-8: %v", err)
	}
	for _, p := range []*awsiot.PublishPacket{&text, &binary} {
		if _, err := c.Publish(bounded(t), p); err != nil {
			t.Fatal(err)
		}
	}
	observer.waitFor(t, 1, "out/bytes|")
	if lines, want := observer.said(), []string{"out/text|1|text/plain|in/answer|id|3600|a:1 a:ü|grüße", "out/bytes|0|application/x|in/answer|id|3600||grüße"}; !slices.Equal(lines, want) {
		t.Errorf("mosquitto_sub saw\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}

	messages := subscribe(t, c, "in/#")
	run(t, tool(t, "mosquitto_pub"), b.tools("-t", "in/1", "-q", "1", "-m", "grüße", "-D", "publish", "payload-format-indicator", "1",
		"-D", "publish", "content-type", "text/plain", "-D", "publish", "response-topic", "out/answer", "-D", "publish", "correlation-data", "id",
		"-D", "publish", "message-expiry-interval", "3600", "-D", "publish", "user-property", "a", "1", "-D", "publish", "user-property", "a", "ü")...)
	m := want(t, messages, "in/1", "grüße")
	if m.PayloadFormat == nil || *m.PayloadFormat != awsiot.PayloadUTF8 || m.ContentType != "text/plain" || m.ResponseTopic != "out/answer" ||
		string(m.CorrelationData) != "id" || m.MessageExpiry == nil || *m.MessageExpiry > time.Hour || *m.MessageExpiry < time.Hour-patience ||
		!reflect.DeepEqual(m.UserProperties, text.UserProperties) {
		t.Errorf("from mosquitto_pub: %+v", m)
	}
}
