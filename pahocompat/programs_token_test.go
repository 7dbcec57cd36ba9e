package mqtt_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// connectToken is what both libraries' tokens of Connect can do.
type connectToken interface {
	paho.Token
	ReturnCode() byte
	SessionPresent() bool
}

type publishToken interface{ MessageID() uint16 }

type subscribeToken interface{ Result() map[string]byte }

// tokenPrograms show what tokens say.
var tokenPrograms = []program{
	{name: "the token of Connect", run: func(s *stage) {
		c := s.client(s.options())
		s.say("before: %v %v", c.IsConnected(), c.IsConnectionOpen())
		tok := c.Connect()
		s.token("Connect", tok)
		s.say("%d %v", tok.(connectToken).ReturnCode(), tok.(connectToken).SessionPresent())
		s.say("after: %v %v", c.IsConnected(), c.IsConnectionOpen())
		c.Disconnect(quiesce)
		s.say("at the end: %v %v", c.IsConnected(), c.IsConnectionOpen())
	}},
	{name: "Connect on a connection, with AutoReconnect", run: func(s *stage) {
		s.token("Connect", s.connect(s.options()).Connect())
	}},
	{name: "Connect on a connection, without AutoReconnect", run: func(s *stage) {
		s.token("Connect", s.connect(s.options().SetAutoReconnect(false)).Connect())
	}},
	{name: "no servers", run: func(s *stage) {
		o := s.options()
		o.Servers = nil
		s.token("Connect", s.client(o).Connect())
	}},
	{name: "an unknown scheme", run: func(s *stage) {
		o := s.options()
		o.Servers = nil
		tok := s.client(o.AddBroker("carrier-pigeon://localhost:1")).Connect()
		s.token("Connect", tok)
		s.say("%d", tok.(connectToken).ReturnCode())
	}},
	{name: "calls before Connect", run: func(s *stage) {
		c := s.client(s.options())
		for _, qos := range []byte{0, 1} {
			tok := c.Publish("t", qos, false, "x")
			s.token("Publish", tok)
			s.say("%v", tok.Error() == paho.ErrNotConnected)
		}
		s.token("Subscribe", c.Subscribe("t", 1, nil))
		s.token("SubscribeMultiple", c.SubscribeMultiple(map[string]byte{"t": 1}, nil))
		s.token("Unsubscribe", c.Unsubscribe("t"))
	}},
	{name: "types of payloads", run: func(s *stage) {
		c := s.connect(s.options())
		s.token("string", c.Publish(s.topic("a"), 1, false, "text"))
		s.token("[]byte", c.Publish(s.topic("a"), 1, false, []byte("bytes")))
		s.token("bytes.Buffer", c.Publish(s.topic("a"), 1, false, *bytes.NewBufferString("buffer")))
		s.token("nothing", c.Publish(s.topic("a"), 1, false, []byte(nil)))
		s.token("int", c.Publish(s.topic("a"), 1, false, 7))
		s.token("nil", c.Publish(s.topic("a"), 1, false, nil))
	}},
	{name: "message ids of tokens", run: func(s *stage) {
		c := s.connect(s.options())
		for _, qos := range []byte{1, 0, 1, 1} {
			tok := c.Publish(s.topic("a"), qos, false, "x")
			s.token("Publish", tok)
			s.say("%d", tok.(publishToken).MessageID())
		}
	}},
	{name: "filters that are none", run: func(s *stage) {
		c := s.connect(s.options())
		for _, f := range []string{"", "a/#/b", "#/a"} {
			tok := c.Subscribe(f, 0, nil)
			s.token("Subscribe "+f, tok)
			s.say("%v %v", tok.Error() == paho.ErrInvalidTopicEmptyString, tok.Error() == paho.ErrInvalidTopicMultilevel)
			s.token("SubscribeMultiple", c.SubscribeMultiple(map[string]byte{f: 1}, nil))
		}
		s.token("QoS 3", c.Subscribe("a", 3, nil))
		s.token("no filters", c.SubscribeMultiple(nil, nil))
	}},
	{name: "results of subscriptions", run: func(s *stage) {
		c := s.connect(s.options())
		one := c.Subscribe(s.topic("a"), 0, nil)
		s.token("Subscribe", one)
		s.say("%v", one.(subscribeToken).Result())
		two := c.SubscribeMultiple(map[string]byte{s.topic("b"): 1, s.topic("c"): 0}, nil)
		s.token("SubscribeMultiple", two)
		s.say("%v", two.(subscribeToken).Result())
		shared := c.Subscribe("$share/g/"+s.topic("d"), 1, nil)
		s.token("shared", shared)
		s.say("%v", shared.(subscribeToken).Result())
	}},
	{name: "a refused subscription", local: true, run: func(s *stage) {
		if _, err := s.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87}); err != nil {
			s.t.Fatal(err)
		}
		tok := s.connect(s.options()).Subscribe(s.topic("a"), 1, nil)
		s.token("Subscribe", tok)
		s.say("%v", tok.(subscribeToken).Result())
	}},
	{name: "a refused connection", local: true, run: func(s *stage) {
		for _, code := range []iotlocal.Code{0x85, 0x86, 0x88} {
			rule, err := s.srv.Faults().RefuseConnects(100, code)
			if err != nil {
				s.t.Fatal(err)
			}
			c := s.client(s.options())
			tok := c.Connect()
			s.token("Connect", tok)
			rc := tok.(connectToken).ReturnCode()
			s.say("%d %v %v", rc, tok.Error() == packets.ConnErrors[rc], c.IsConnected())
			rule.Remove()
		}
	}},
	{name: "a broker that is not there", run: func(s *stage) {
		s.proxy.set(func(p *proxy) { p.refuse = true })
		tok := s.client(s.options()).Connect()
		if !tok.WaitTimeout(patience) {
			s.t.Error("the token of Connect has not ended")
		}
		s.say("%v", strings.HasPrefix(fmt.Sprint(tok.Error()), "network Error : ")) // then our reason is longer
		s.say("%d %v", tok.(connectToken).ReturnCode(), errors.Is(tok.Error(), packets.ErrorNetworkError))
	}},
	{name: "tokens end at Disconnect", local: true, run: func(s *stage) {
		if _, err := s.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop, Type: iotlocal.PUBACK}); err != nil {
			s.t.Fatal(err)
		}
		c := s.connect(s.options())
		tok := c.Publish(s.topic("a"), 1, false, "x")
		s.say("%v %v", tok.WaitTimeout(10*time.Millisecond), tok.Error())
		await(s.t, s.srv, "the message", func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBLISH })
		c.Disconnect(50)
		s.token("Publish", tok)
	}},
	{name: "many tokens at once", run: func(s *stage) {
		c := s.connect(s.options())
		var toks []paho.Token
		for range 500 {
			toks = append(toks, c.Publish(s.topic("a"), 1, false, "x"))
		}
		ids := map[uint16]bool{}
		for _, tok := range toks {
			must(s.t, "Publish", tok)
			ids[tok.(publishToken).MessageID()] = true
		}
		s.say("%d ids", len(ids))
	}},
	{name: "what the options reader says", run: func(s *stage) {
		o := s.options().SetUsername("u").SetPassword("p").SetWill("w", "gone", 1, true).SetResumeSubs(true).SetConnectRetry(true).
			SetConnectRetryInterval(3 * time.Second).SetMaxReconnectInterval(time.Minute).SetWriteTimeout(4 * time.Second).SetPingTimeout(time.Second)
		r := s.client(o).OptionsReader()
		s.say("%v %v %v %v %v %v", r.Username(), r.Password(), r.CleanSession(), r.Order(), r.KeepAlive(), r.PingTimeout())
		s.say("%v %v %s %v %v", r.WillEnabled(), r.WillTopic(), r.WillPayload(), r.WillQos(), r.WillRetained())
		s.say("%v %v %v %v %v %v", r.ResumeSubs(), r.ConnectRetry(), r.ConnectRetryInterval(), r.MaxReconnectInterval(), r.WriteTimeout(), r.AutoReconnect())
		s.say("%d", len(r.Servers()))
	}},
	{name: "what a store sees", run: func(s *stage) {
		st := &spyStore{OrderedMemoryStore: paho.NewOrderedMemoryStore()}
		c := s.connect(s.options().SetStore(st).SetCleanSession(false))
		must(s.t, "QoS 0", c.Publish(s.topic("a"), 0, false, "x"))
		for range 3 {
			must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "x"))
		}
		s.until("the last Del", func() bool { return len(st.All()) == 0 })
		for _, line := range st.calls() {
			s.say("%s", line)
		}
	}},
}

// outbound keeps the lines about what a client sends.
func outboundOnly(lines []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return !bytes.Contains([]byte(l), []byte(" o.")) })
}
