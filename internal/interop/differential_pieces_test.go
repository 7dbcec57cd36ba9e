//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// large is a payload near AWS's limit of 128 KiB, with every byte in it.
var large = func() string {
	b := make([]byte, 120<<10)
	for i := range b {
		b[i] = byte(i + i>>8)
	}
	return string(b)
}()

// lines are messages as an observer or callback reports them.
func lines(label string, all ...message) []string {
	var out []string
	for _, m := range all {
		if label != "" {
			out = append(out, label+": "+m.String())
		} else {
			out = append(out, m.String())
		}
	}
	return out
}

// numbered are n messages of QoS 1 on a topic, "PREFIX 0" and so on.
func numbered(topic, prefix string, n int) []message {
	var all []message
	for i := range n {
		all = append(all, message{topic: topic, payload: fmt.Sprint(prefix, " ", i), qos: 1})
	}
	return all
}

var published = []message{
	{topic: "p/text", payload: "hello", qos: 0},
	{topic: "p/text", payload: "hello", qos: 1},
	{topic: "p/empty", qos: 0},
	{topic: "p/empty", qos: 1},
	{topic: "p/binary", payload: "\x00\x01\xfe\xff", qos: 1},
	{topic: "p/json", payload: `{"a": [1, 2.5, null], "ü": "\u00fc"}`, qos: 0},
	{topic: "p/grüße/水", payload: "grüße", qos: 1},
	{topic: "p//levels/", payload: "empty levels", qos: 1},
	{topic: "p/large", payload: large, qos: 0},
	{topic: "p/large", payload: large, qos: 1},
}

var pieces = []piece{
	{
		name: "publish",
		run: func(s *stage) {
			s.engine.connect(s.T)
			for _, m := range published {
				s.engine.publish(s.T, m)
			}
		},
		seen: lines("", published...),
	},
	{
		name: "a burst stays in order",
		run: func(s *stage) {
			s.engine.connect(s.T)
			var acks []<-chan struct{}
			for i := range 300 {
				acks = append(acks, s.engine.send("burst", fmt.Sprint("message ", i)))
			}
			s.ack(acks...)
		},
		seen: lines("", numbered("burst", "message", 300)...),
	},
	{
		name: "wildcards",
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "w/+/c", 1, s.hear("plus"))
			s.engine.subscribe(s.T, "x/y/#", 1, s.hear("hash"))
			s.engine.subscribe(s.T, "exact", 0, s.hear("exact"))
			s.engine.subscribe(s.T, "fin", 1, s.hear("fin"))
			for i, topic := range []string{"w/b/c", "w//c", "w/b/d", "w/b/c/d", "x/y/z", "x/y", "x/z", "exact", "exact/not", "w/ü/c"} {
				s.peer(message{topic: topic, payload: fmt.Sprint(i), qos: byte(i % 2)})
			}
			s.await("plus", "9")
			s.engine.unsubscribe(s.T, "x/y/#")
			s.peer(message{topic: "x/y/z", payload: "unsubscribed", qos: 1})
			s.peer(message{topic: "w/z/c", payload: "still", qos: 1})
			s.peer(message{topic: "fin", payload: "fin", qos: 1})
			s.await("fin", "fin")
		},
		seen: lines("", message{"w/b/c", "0", 0, false}, message{"w//c", "1", 1, false}, message{"w/b/d", "2", 0, false}, message{"w/b/c/d", "3", 1, false},
			message{"x/y/z", "4", 0, false}, message{"x/y", "5", 1, false}, message{"x/z", "6", 0, false}, message{"exact", "7", 1, false},
			message{"exact/not", "8", 0, false}, message{"w/ü/c", "9", 1, false}, message{"x/y/z", "unsubscribed", 1, false},
			message{"w/z/c", "still", 1, false}, message{"fin", "fin", 1, false}),
		received: []string{`plus: w/b/c 0 - "0"`, `plus: w//c 1 - "1"`, `hash: x/y/z 0 - "4"`, `hash: x/y 1 - "5"`, `exact: exact 0 - "7"`,
			`plus: w/ü/c 1 - "9"`, `plus: w/z/c 1 - "still"`, `fin: fin 1 - "fin"`},
	},
	{
		name: "overlapping subscriptions",
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "o/#", 1, s.hear("hash"))
			s.engine.subscribe(s.T, "o/+", 1, s.hear("plus"))
			s.engine.subscribe(s.T, "o/a", 1, s.hear("exact"))
			s.engine.subscribe(s.T, "fin", 1, s.hear("fin"))
			s.peer(message{topic: "o/a", payload: "three", qos: 1})
			s.peer(message{topic: "o/b", payload: "two", qos: 1})
			s.peer(message{topic: "o/b/c", payload: "one", qos: 1})
			s.await("hash", "one")
			s.engine.unsubscribe(s.T, "o/+")
			s.peer(message{topic: "o/a", payload: "two left", qos: 1})
			s.peer(message{topic: "fin", payload: "fin", qos: 1})
			s.await("fin", "fin")
		},
		unordered: true,
		seen: lines("", message{"o/a", "three", 1, false}, message{"o/b", "two", 1, false}, message{"o/b/c", "one", 1, false},
			message{"o/a", "two left", 1, false}, message{"fin", "fin", 1, false}),
		received: []string{`exact: o/a 1 - "three"`, `exact: o/a 1 - "two left"`, `fin: fin 1 - "fin"`,
			`hash: o/a 1 - "three"`, `hash: o/a 1 - "two left"`, `hash: o/b 1 - "two"`, `hash: o/b/c 1 - "one"`,
			`plus: o/a 1 - "three"`, `plus: o/b 1 - "two"`},
	},
	{
		name: "retained messages",
		run: func(s *stage) {
			s.peer(message{topic: "r/1", payload: "kept", qos: 1, retain: true})
			s.peer(message{topic: "r/2", payload: "kept too", qos: 0, retain: true})
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "r/1", 1, s.hear("exact"))
			s.await("exact", "kept")
			s.peer(message{topic: "r/1", payload: "newer", qos: 1, retain: true})
			s.await("exact", "newer")
			s.engine.subscribe(s.T, "r/+", 1, s.hear("late")) // the first filter matches r/1, too
			s.await("late", "kept too")
			s.peer(message{topic: "r/1", qos: 1, retain: true}) // deletes it
			s.await("late", "")
		},
		unordered: true,
		seen: lines("", message{"r/1", "kept", 1, true}, message{"r/2", "kept too", 0, true}, message{"r/1", "newer", 1, true},
			message{"r/1", "", 1, true}),
		received: []string{`exact: r/1 1 - ""`, `exact: r/1 1 - "newer"`, `exact: r/1 1 retained "kept"`, `exact: r/1 1 retained "newer"`,
			`late: r/1 1 - ""`, `late: r/1 1 retained "newer"`, `late: r/2 0 retained "kept too"`},
	},
	{
		name: "last will after a lost connection",
		will: &message{topic: "will", payload: "gone \x00", qos: 1, retain: true},
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.publish(s.T, message{topic: "alive", payload: "yes", qos: 1})
			s.relay.cut()
			s.engine.offline(s.T)
			late := observe(s.T, s.place, "late")
			late.waitFor(s.T, 1, "will 1 1 676f6e6520"+"00")
		},
		seen: lines("", message{"alive", "yes", 1, false}, message{"will", "gone \x00", 1, true}),
	},
	{
		name: "no last will after a disconnect",
		will: &message{topic: "will", payload: "gone", qos: 0},
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.publish(s.T, message{topic: "alive", payload: "yes", qos: 1})
			s.disconnect()
			s.engine.connect(s.T)
			s.engine.publish(s.T, message{topic: "alive", payload: "again", qos: 1})
		},
		seen: lines("", message{"alive", "yes", 1, false}, message{"alive", "again", 1, false}),
	},
	{
		name: "offline queue, then drained in order",
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.publish(s.T, message{topic: "q", payload: "online", qos: 1})
			s.relay.cut()
			s.engine.offline(s.T)
			var acks []<-chan struct{}
			for i := range 30 {
				acks = append(acks, s.engine.send("q", fmt.Sprint("queued ", i)))
			}
			s.peer(message{topic: "other", payload: "meanwhile", qos: 1})
			s.relay.resume()
			s.ack(acks...)
			s.ack(s.engine.send("q", "online again"))
		},
		seen: lines("", append(append([]message{{"q", "online", 1, false}, {"other", "meanwhile", 1, false}},
			numbered("q", "queued", 30)...), message{"q", "online again", 1, false})...),
	},
	{
		name: "subscribed again after a lost connection",
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "in/+", 1, s.hear("in"))
			s.engine.subscribe(s.T, "other", 0, s.hear("other"))
			s.engine.subscribe(s.T, "never", 1, s.hear("never"))
			s.engine.unsubscribe(s.T, "never")
			s.peer(message{topic: "in/1", payload: "before", qos: 1})
			s.await("in", "before")
			for i := range 2 {
				s.relay.cut()
				s.engine.offline(s.T)
				s.peer(message{topic: "in/1", payload: fmt.Sprint("lost ", i), qos: 1})
				s.relay.resume()
				s.place.subacks(s.T, "player", 3+2*(i+1))
				s.peer(message{topic: "never", payload: "never", qos: 1})
				s.peer(message{topic: "other", payload: fmt.Sprint("back ", i), qos: 1})
				s.peer(message{topic: "in/2", payload: fmt.Sprint("back ", i), qos: 1})
				s.await("in", fmt.Sprint("back ", i))
				s.await("other", fmt.Sprint("back ", i))
			}
		},
		seen: lines("", message{"in/1", "before", 1, false}, message{"in/1", "lost 0", 1, false}, message{"never", "never", 1, false},
			message{"other", "back 0", 1, false}, message{"in/2", "back 0", 1, false}, message{"in/1", "lost 1", 1, false}, message{"never", "never", 1, false},
			message{"other", "back 1", 1, false}, message{"in/2", "back 1", 1, false}),
		received: []string{`in: in/1 1 - "before"`, `other: other 0 - "back 0"`, `in: in/2 1 - "back 0"`, `other: other 0 - "back 1"`, `in: in/2 1 - "back 1"`},
	},
	{
		name: "a session that is kept",
		stay: true,
		run: func(s *stage) {
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "s/#", 1, s.hear("s"))
			s.disconnect()
			for _, m := range numbered("s/1", "away", 10) {
				s.peer(m)
			}
			s.engine.connect(s.T)
			s.await("s", "away 9")
			s.peer(message{topic: "s/2", payload: "there", qos: 1})
			s.await("s", "there")
		},
		seen:     lines("", append(numbered("s/1", "away", 10), message{"s/2", "there", 1, false})...),
		received: lines("s", append(numbered("s/1", "away", 10), message{"s/2", "there", 1, false})...),
	},
	{
		name: "requests and answers like a shadow's",
		run: func(s *stage) {
			service(s)
			s.engine.connect(s.T)
			s.engine.subscribe(s.T, "things/t/update/accepted", 0, s.hear("accepted"))
			s.engine.subscribe(s.T, "things/t/update/rejected", 0, s.hear("rejected"))
			for i := range 5 {
				payload := fmt.Sprintf(`{"state":{"desired":{"n":%d}}}`, i)
				label := "accepted"
				if i%2 == 1 {
					payload, label = fmt.Sprintf(`{"state":%d`, i), "rejected"
				}
				s.engine.publish(s.T, message{topic: "things/t/update", payload: payload})
				s.await(label, payload)
			}
		},
		seen: requests(func(_, payload, _ string) []string {
			return lines("", message{"things/t/update", payload, 0, false}, message{"things/t/update/" + answerTo(payload), payload, 0, false})
		}),
		received: requests(func(_, payload, answer string) []string {
			return lines(answer, message{"things/t/update/" + answer, payload, 0, false})
		}),
	},
	{
		name: "publishing in a callback",
		run: func(s *stage) {
			s.engine.connect(s.T)
			acks := make(chan (<-chan struct{}), 20)
			s.engine.subscribe(s.T, "cb/in", 1, func(m message) { acks <- s.engine.send("cb/out", strings.ToUpper(m.payload)) })
			s.engine.subscribe(s.T, "cb/out", 1, s.hear("out"))
			for i := range 5 {
				s.peer(message{topic: "cb/in", payload: fmt.Sprint("echo ", i), qos: 1})
				s.ack(next(s.T, acks))
				s.await("out", fmt.Sprint("ECHO ", i))
			}
		},
		seen: requests(func(i, _, _ string) []string {
			return lines("", message{"cb/in", "echo " + i, 1, false}, message{"cb/out", "ECHO " + i, 1, false})
		}),
		received: lines("out", numbered("cb/out", "ECHO", 5)...),
	},
}

// requests are five of them, in the form that f gives to each.
func requests(f func(i, payload, answer string) []string) []string {
	var out []string
	for i := range 5 {
		payload := fmt.Sprintf(`{"state":{"desired":{"n":%d}}}`, i)
		if i%2 == 1 {
			payload = fmt.Sprintf(`{"state":%d`, i)
		}
		out = append(out, f(fmt.Sprint(i), payload, answerTo(payload))...)
	}
	return out
}

// answerTo is how the service answers.
func answerTo(payload string) string {
	if strings.HasSuffix(payload, "}") {
		return "accepted"
	}
	return "rejected"
}

// service answers requests as the Device Shadow service does, by topic. It is a peer of the engine under test.
func service(s *stage) {
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", s.place.port())).SetClientID("service"))
	wait(s.T, "connect", c.Connect())
	s.Cleanup(func() { c.Disconnect(250) })
	wait(s.T, "subscribe", c.Subscribe("things/+/update", 1, func(c mqtt.Client, m mqtt.Message) {
		c.Publish(m.Topic()+"/"+answerTo(string(m.Payload())), 0, false, m.Payload())
	}))
}

// TestDifferentialNames: no two pieces have one name, or the second would hide behind a number.
func TestDifferentialNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pieces {
		if seen[p.name] || p.run == nil || len(p.seen) == 0 {
			t.Errorf("%q: twice, or nothing to do or see", p.name)
		}
		seen[p.name] = true
	}
}
