package iotlocal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

func retain(r *raw, topic, payload string, expiry *uint32) {
	r.t.Helper()
	m := pub5(topic, payload, 1, 77)
	m.Retain, m.Properties.MessageExpiry = true, expiry
	r.send(m)
	want[*p5.Puback](r)
}

func TestRetained(t *testing.T) {
	standard := iotlocal.Options{Standard: iotlocal.Standard{RetainedToWildcards: true, HashMatchesParent: true}}
	for _, tt := range []struct {
		name   string
		o      iotlocal.Options
		filter string
		want   []string
	}{
		{"exact", iotlocal.Options{}, "r/a", []string{"r/a=1"}},
		{"wildcard as AWS", iotlocal.Options{}, "r/+", nil},
		{"wildcard as the standard", standard, "r/+", []string{"r/a=1", "r/b=2"}},
		{"hash with parent as the standard", standard, "r/a/#", []string{"r/a=1"}},
		{"shared gets none", standard, "$share/g/r/a", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.o, func(e *env) {
				p, _ := e.connect5("p")
				retain(p, "r/a", "0", nil)
				retain(p, "r/a", "1", nil)
				retain(p, "r/b", "2", nil)
				retain(p, "r/gone", "3", nil)
				retain(p, "r/gone", "", nil)
				c, _ := e.connect5("c")
				if code := c.sub(1, tt.filter)[0]; code != 1 {
					t.Fatalf("SUBACK 0x%02X", code)
				}
				var got []string
				for range tt.want {
					m := want[*p5.Publish](c)
					if !m.Retain || m.QoS != 1 {
						t.Errorf("%v", m)
					}
					got = append(got, m.Topic+"="+string(m.Payload))
				}
				slices.Sort(got)
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				c.quiet()
				c.bye()
				p.bye()
			})
		})
	}
}

func TestRetainedDetails(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		p, _ := e.connect5("p")
		retain(p, "r", "x", new(uint32(100)))
		time.Sleep(30 * time.Second)
		c, _ := e.connect5("c")
		subscribe := func(handling byte, asPublished bool) {
			c.send(&p5.Subscribe{PacketID: 1, Properties: &p5.Properties{},
				Subscriptions: []p5.SubOptions{{Topic: "r", QoS: 1, RetainHandling: handling, RetainAsPublished: asPublished}}})
			want[*p5.Suback](c)
		}
		subscribe(2, false) // never
		c.quiet()
		subscribe(1, false) // only if new, which it is not
		c.quiet()
		subscribe(0, false)
		if m := want[*p5.Publish](c); !m.Retain || *m.Properties.MessageExpiry != 68 { // 2 s of quiet too
			t.Errorf("%v", m)
		}
		retain(p, "r", "live", nil)
		if m := want[*p5.Publish](c); m.Retain {
			t.Error("live message with RETAIN")
		}
		subscribe(2, true)
		retain(p, "r", "live", nil)
		if m := want[*p5.Publish](c); !m.Retain {
			t.Error("retain as published: RETAIN lost")
		}
		retain(p, "r", "short", new(uint32(5)))
		want[*p5.Publish](c)
		time.Sleep(6 * time.Second)
		three, _ := e.connect3("three")
		three.sub3(1, "r")
		three.quiet()
		if n, err := e.srv.Publish(iotlocal.Message{Topic: "r", Payload: []byte("from Go"), Retain: true}); n != 2 || err != nil {
			t.Errorf("Publish: %d, %v", n, err)
		}
		if m := three.read3().(*p3.PublishPacket); string(m.Payload) != "from Go" || m.Retain || m.Qos != 0 {
			t.Errorf("%v", m)
		}
		three.drop()
		c.drop()
		p.bye()
	})
}

func TestFilters(t *testing.T) {
	for _, tt := range []struct {
		filter, topic string
		match, std    bool
	}{
		{"a/#", "a/b", true, true}, {"a/#", "a/b/c", true, true}, {"a/#", "a", false, true},
		{"#", "a", true, true}, {"#", "a/b", true, true}, {"#", "$aws/rules/x", false, false},
		{"+", "a", true, true}, {"+", "$sys", false, false}, {"$sys/+", "$sys/a", true, true},
		{"+/b", "a/b", true, true}, {"+/b", "a/b/c", false, false}, {"a/+", "a/", true, true}, {"a/+", "a", false, false},
		{"/+", "/a", true, true}, {"+/+", "/a", true, true}, {"+", "/a", false, false}, {"a/+/#", "a/b", false, true},
		{"$share/g/a/+", "a/b", true, true}, {"A", "a", false, false},
	} {
		for _, std := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s %v", tt.filter, tt.topic, std), func(t *testing.T) {
				bubble(t, iotlocal.Options{Standard: iotlocal.Standard{HashMatchesParent: std}}, func(e *env) {
					c, _ := e.connect5("c")
					c.sub(0, tt.filter)
					c.send(pub5(tt.topic, "x", 0, 0))
					got := c.seen(e, tt.topic)
					if want := std && tt.std || !std && tt.match; got != want {
						t.Errorf("match %v, want %v", got, want)
					}
					c.drop()
				})
			})
		}
	}
}

// AWS's own topics are longer than it allows others to be; what a rule gets is not AWS's own.
func TestSlashes(t *testing.T) {
	const eight = "a/b/c/d/e/f/g/h/i"
	for _, tt := range []struct {
		filter string
		good   bool
	}{
		{"a/b/c/d/e/f/g/h", true}, {eight, false}, {"$share/group/a/b/c/d/e/f/g/h", true}, {"$share/group/" + eight, false},
		{"$aws/commands/things/lamp/executions/+/response/accepted/json", true},
		{"$aws/commands/things/lamp/executions/+/response/rejected/json", true},
		{"$aws/commands/clients/lamp/executions/0a1b/response/accepted/json", true},
		{"$share/group/$aws/commands/things/lamp/executions/+/request/json/x/y", true},
		{"$aws/things/lamp/shadow/name/mode/update/documents", true}, {"$aws/things/lamp/streams/s/description/json", true},
		{"$aws/rules/rule/a/b/c/d/e/f/g/h", true}, {"$aws/rules/rule/" + eight, false}, {"$aws/rules/rule/$aws/" + eight, false}, {"$other/" + eight, false},
	} {
		t.Run(tt.filter, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				c, _ := e.connect5("c")
				if code := c.sub(1, tt.filter)[0]; (code == 1) != tt.good || !tt.good && code != 0x8F {
					t.Errorf("SUBACK 0x%02X", code)
				}
				if !strings.HasPrefix(tt.filter, "$share") && !strings.Contains(tt.filter, "+") {
					c.send(pub5(tt.filter, "", 1, 1))
					for {
						if a, ok := c.read().(*p5.Puback); ok {
							if (a.ReasonCode == 0) != tt.good || !tt.good && a.ReasonCode != 0x90 {
								t.Errorf("PUBACK 0x%02X", a.ReasonCode)
							}
							break
						}
					}
				}
				c.drop()
			})
		})
	}
}

// seen reports whether the server sent the client a PUBLISH on topic.
func (r *raw) seen(e *env, topic string) bool {
	synctest.Wait()
	return slices.ContainsFunc(e.srv.Recorder().Packets(), func(p iotlocal.Packet) bool {
		return p.ClientID == r.id && p.Dir == iotlocal.ServerToClient && p.Type == iotlocal.PUBLISH && p.Topic == topic
	})
}

func TestOverlapAndNoLocal(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c")
		c.sub(0, "o/a", "o/#")
		c.sub(1, "o/+")
		if code := c.pub2("o/a", "x"); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		c.quiet() // once, with the highest QoS: pub2 took it
		c.send(&p5.Subscribe{PacketID: 1, Properties: &p5.Properties{}, Subscriptions: []p5.SubOptions{{Topic: "mine", QoS: 1, NoLocal: true}}})
		want[*p5.Suback](c)
		if code := c.pub("mine", "x", 3); code != 0x10 {
			t.Errorf("no local: PUBACK 0x%02X", code)
		}
		p, _ := e.connect5("p")
		p.pub("mine", "y", 1)
		want[*p5.Publish](c)
		c.drop()
		p.bye()
	})
}

// pub2 publishes to itself: the message and the PUBACK come in this order.
func (r *raw) pub2(topic, payload string) byte {
	r.t.Helper()
	r.send(pub5(topic, payload, 1, 5))
	if m := want[*p5.Publish](r); m.QoS != 1 || string(m.Payload) != payload {
		r.t.Errorf("%v", m)
	}
	return want[*p5.Puback](r).ReasonCode
}

func TestSharedSubscriptions(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		a, _ := e.connect5("a", persistent)
		b, _ := e.connect5("b")
		alone, _ := e.connect5("alone")
		a.sub(1, "$share/g/s/+")
		b.sub(1, "$share/g/s/+")
		alone.sub(1, "$share/other/s/+", "s/x")
		p, _ := e.connect5("p")
		for i := range 10 {
			p.pub("s/x", fmt.Sprint(i), 1)
		}
		synctest.Wait()
		count := map[string]int{}
		for _, k := range e.srv.Recorder().Packets() {
			if k.Dir == iotlocal.ServerToClient && k.Type == iotlocal.PUBLISH {
				count[k.ClientID]++
			}
		}
		if count["a"] != 5 || count["b"] != 5 || count["alone"] != 20 {
			t.Errorf("%v, want a 5, b 5, alone 20", count)
		}
		b.drop()
		a.drop()
		if code := p.pub("s/x", "stored", 1); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		if s, _ := e.srv.Session("a"); s.Queued != 6 {
			t.Errorf("%d stored for the offline member, want its 5 and 1 more", s.Queued)
		}
		alone.drop()
		p.bye()
	})
}

// A member of a group that is away takes nothing at QoS 0, which would be lost: the other one gets it all.
func TestSharedOffline(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		for id, qos := range map[string]byte{"zero": 0, "one": 1} {
			c, _ := e.connect5(id, persistent)
			c.sub(qos, "$share/g/s")
			c.drop()
		}
		p, _ := e.connect5("p")
		for range 6 {
			if code := p.pub("s", "x", 1); code != 0 {
				t.Errorf("PUBACK 0x%02X", code)
			}
		}
		if s, _ := e.srv.Session("one"); s.Queued != 6 {
			t.Errorf("%d of 6 are stored", s.Queued)
		}
		p.bye()
	})
}

func TestBasicIngestReachesNobody(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("c")
		c.sub(1, "$aws/rules/r/+", "#")
		if code := c.pub("$aws/rules/r/t", "x", 1); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		c.quiet()
		c.bye()
	})
}

func TestWill(t *testing.T) {
	will := func(delay, expiry uint32) func(*p5.Connect) {
		return func(c *p5.Connect) {
			willOf(c, "w").WillQOS = 1
			c.WillProperties.User = []p5.User{{Key: "k", Value: "v"}}
			c.WillProperties.WillDelayInterval = &delay
			c.CleanStart, c.Properties.SessionExpiryInterval = false, &expiry
		}
	}
	for _, tt := range []struct {
		name  string
		c     func(*p5.Connect)
		end   func(e *env, r *raw)
		after time.Duration // -1: never
	}{
		{"connection lost", will(0, 0), func(_ *env, r *raw) { r.drop() }, 0},
		{"DISCONNECT", will(0, 0), func(_ *env, r *raw) { r.bye() }, -1},
		{"DISCONNECT with will", will(0, 0), func(_ *env, r *raw) {
			r.send(&p5.Disconnect{ReasonCode: 4, Properties: &p5.Properties{}})
			r.closed()
		}, 0},
		{"protocol error", will(0, 0), func(_ *env, r *raw) { r.write([]byte{0xF0, 0}); r.disconnected(0x82) }, 0},
		{"takeover", will(0, 0), func(e *env, r *raw) {
			n, _ := e.connect5("c")
			r.disconnected(0x8E)
			n.bye()
		}, 0},
		{"delay", will(5, 100), func(_ *env, r *raw) { r.drop() }, 5 * time.Second},
		{"delay ends with the session", will(50, 7), func(_ *env, r *raw) { r.drop() }, 7 * time.Second},
		{"delay without a session", will(5, 0), func(_ *env, r *raw) { r.drop() }, 0},
		{"back within the delay", will(5, 100), func(e *env, r *raw) {
			r.drop()
			time.Sleep(4 * time.Second)
			n, _ := e.connect5("c", persistent)
			n.bye()
		}, -1},
		{"clean start within the delay", will(5, 100), func(e *env, r *raw) {
			r.drop()
			n, _ := e.connect5("c")
			n.bye()
		}, 0},
		{"kicked", will(0, 0), func(e *env, r *raw) {
			e.srv.Faults().Disconnect("c", 0x98, "go away")
			r.disconnected(0x98)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				o, _ := e.connect5("observer", func(c *p5.Connect) { c.KeepAlive = 1000 })
				o.sub(1, "w")
				r, _ := e.connect5("c", tt.c)
				start := time.Now()
				tt.end(e, r)
				if tt.after < 0 {
					time.Sleep(200 * time.Second)
					o.quiet()
				} else {
					m := want[*p5.Publish](o)
					if string(m.Payload) != "gone" || m.QoS != 1 || m.Retain || len(m.Properties.User) != 1 || m.Properties.MessageExpiry != nil {
						t.Errorf("%v", m)
					}
					if d := time.Since(start); d < tt.after || d > tt.after+time.Second {
						t.Errorf("will after %v, want %v", d, tt.after)
					}
				}
				o.bye()
			})
		})
	}
}

// paho.golang writes only user properties and delay of a will, so this CONNECT
// is spelled out: no property may be lost on the way.
func TestWillKeepsItsProperties(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		o, _ := e.connect5("o")
		o.sub(1, "w")
		r := e.dial()
		props := "\x01\x01" + "\x02\x00\x00\x00\x63" + "\x03\x00\x02ct" + "\x08\x00\x02rt" + "\x09\x00\x02\x01\x02" + "\x26\x00\x01k\x00\x01v"
		body := "\x00\x04MQTT\x05\x2e\x00\x3c\x00" + "\x00\x01c" + string(rune(len(props))) + props + "\x00\x01w\x00\x01p"
		r.write([]byte("\x10" + string(rune(len(body))) + body))
		if ack := want[*p5.Connack](r); ack.ReasonCode != 0 {
			t.Fatal(ack)
		}
		r.drop()
		m := want[*p5.Publish](o)
		p := m.Properties
		if m.QoS != 1 || *p.PayloadFormat != 1 || *p.MessageExpiry != 99 || p.ContentType != "ct" || p.ResponseTopic != "rt" ||
			string(p.CorrelationData) != "\x01\x02" || p.User[0].Value != "v" {
			t.Errorf("%v", m)
		}
		late, _ := e.connect5("late")
		late.sub(0, "w")
		if m := want[*p5.Publish](late); !m.Retain {
			t.Errorf("retained will: %v", m)
		}
		late.bye()
		o.drop()
	})
}

func TestWill311(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		o, _ := e.connect3("o")
		o.sub3(1, "w")
		for _, clean := range []bool{true, false} {
			r, _ := e.connect3("c", func(c *p3.ConnectPacket) {
				c.WillFlag, c.WillTopic, c.WillMessage, c.WillQos = true, "w", []byte("gone"), 1
			})
			if clean {
				r.send3(p3.NewControlPacket(p3.Disconnect))
				r.closed()
				o.quiet()
				continue
			}
			r.drop()
			if m := o.read3().(*p3.PublishPacket); string(m.Payload) != "gone" || m.Qos != 1 {
				t.Errorf("%v", m)
			}
		}
		o.drop()
	})
}

func TestPublishFromGoErrors(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		for _, m := range []iotlocal.Message{{Topic: "a/#"}, {Topic: ""}, {Topic: "a", QoS: 2}} {
			if _, err := e.srv.Publish(m); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: ") {
				t.Errorf("Publish %q: %v", m.Topic, err)
			}
		}
	})
}
