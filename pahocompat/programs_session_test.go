package mqtt_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
)

// calls notes which handlers ran, each once between two looks.
type calls struct {
	mu   sync.Mutex
	list []string
	ch   chan string
}

func newCalls() *calls { return &calls{ch: make(chan string, 1000)} }

func (k *calls) add(name string) {
	k.mu.Lock()
	k.list = append(k.list, name)
	k.mu.Unlock()
	k.ch <- name
}

// wait waits until a handler has run.
func (k *calls) wait(s *stage, name string) {
	s.t.Helper()
	for next(s.t, name, k.ch) != name {
	}
}

// distinct returns the names in alphabetical order.
func (k *calls) distinct() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := slices.Clone(k.list)
	slices.Sort(l)
	return slices.Compact(l)
}

// hooked sets the handlers.
func (k *calls) hooked(o *paho.ClientOptions) *paho.ClientOptions {
	return o.SetOnConnectHandler(func(paho.Client) { k.add("connect") }).
		SetConnectionLostHandler(func(paho.Client, error) { k.add("lost") }).
		SetReconnectingHandler(func(paho.Client, *paho.ClientOptions) { k.add("reconnecting") })
}

// sessionPrograms show what outlives a connection.
var sessionPrograms = []program{
	{name: "messages of a kept session", run: func(s *stage) {
		heard := make(chan string, 10)
		o := s.options().SetCleanSession(false).SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { heard <- s.text(m) })
		c := s.connect(o)
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		c.Disconnect(quiesce)
		other, _ := s.observer("")
		must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "while away"))
		tok := c.Connect()
		must(s.t, "Connect", tok)
		s.say("session present: %v", tok.(connectToken).SessionPresent())
		s.say("%s", s.next("the message", heard))
	}},
	{name: "a clean session forgets", run: func(s *stage) {
		h, heard := s.hear("got")
		c := s.connect(s.options().SetDefaultPublishHandler(h))
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		c.Disconnect(quiesce)
		other, _ := s.observer("")
		must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "while away"))
		tok := c.Connect()
		must(s.t, "Connect", tok)
		s.say("session present: %v", tok.(connectToken).SessionPresent())
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "afterwards"))
		s.next("the message", heard)
	}},
	{name: "after a loss nothing is subscribed again by itself", run: func(s *stage) {
		k := newCalls()
		h, heard := s.hear("got")
		c := s.connect(k.hooked(s.options()).SetDefaultPublishHandler(h))
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		k.wait(s, "connect")
		s.cut(k)
		must(s.t, "lost", c.Publish(s.topic("a"), 1, false, "nobody"))
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "somebody"))
		s.next("the message", heard)
		s.say("%v", k.distinct())
	}},
	{name: "OnConnect subscribes", run: func(s *stage) {
		h, heard := s.hear("got")
		ups := make(chan string, 10)
		c := s.connect(s.options().SetOnConnectHandler(func(c paho.Client) {
			must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
			ups <- "up"
		}))
		s.next("the first", ups)
		s.again(s.proxy.cut, func() { s.next("the second", ups) })
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "routes stay over a reconnect", run: func(s *stage) {
		k := newCalls()
		h, heard := s.hear("got")
		c := s.connect(k.hooked(s.options().SetCleanSession(false)))
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		k.wait(s, "connect")
		s.cut(k)
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "a publish without an answer is sent again", local: true, run: func(s *stage) {
		k := newCalls()
		_, got := s.observer("a")
		c := s.connect(k.hooked(s.options().SetCleanSession(false)))
		k.wait(s, "connect")
		rule, err := s.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop, Times: 1, ClientID: s.options().ClientID})
		if err != nil {
			s.t.Fatal(err)
		}
		tok := c.Publish(s.topic("a"), 1, false, "1")
		s.until("the lost PUBACK", func() bool { return rule.Hits() > 0 })
		s.proxy.cut()
		s.token("Publish", tok)
		for range 2 { // paho ends the token before the second
			next(s.t, "the message", got)
		}
	}},
	{name: "publishing while there is no connection", run: func(s *stage) {
		k := newCalls()
		_, got := s.observer("#")
		c := s.connect(k.hooked(s.options().SetCleanSession(false).SetMaxReconnectInterval(100 * time.Millisecond)))
		k.wait(s, "connect")
		s.proxy.set(func(p *proxy) { p.refuse = true })
		s.proxy.cut()
		k.wait(s, "reconnecting")
		s.say("%v %v", c.IsConnected(), c.IsConnectionOpen())
		s.token("QoS 0", c.Publish(s.topic("zero"), 0, false, "lost"))
		tok := c.Publish(s.topic("one"), 1, false, "kept")
		s.say("%v", tok.WaitTimeout(time.Millisecond))
		s.token("Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		s.token("Unsubscribe", c.Unsubscribe(s.topic("a")))
		s.proxy.set(func(p *proxy) { p.refuse = false })
		k.wait(s, "connect")
		s.token("QoS 1", tok)
		s.say("observer: %s", s.text(next(s.t, "the kept message", got)))
	}},
	{name: "ResumeSubs keeps a subscription for the next connection", run: func(s *stage) {
		k := newCalls()
		heard := make(chan string, 1000)
		h := func(_ paho.Client, m paho.Message) { heard <- s.text(m) }
		c := s.connect(k.hooked(s.options().SetCleanSession(false).SetResumeSubs(true).SetMaxReconnectInterval(100 * time.Millisecond)))
		k.wait(s, "connect")
		s.proxy.set(func(p *proxy) { p.refuse = true })
		s.proxy.cut()
		k.wait(s, "reconnecting")
		tok := c.Subscribe(s.topic("a"), 1, h)
		s.say("%v", tok.WaitTimeout(time.Millisecond))
		s.proxy.set(func(p *proxy) { p.refuse = false })
		s.token("Subscribe", tok)
		other, _ := s.observer("a")
		s.until("the message", func() bool { // paho ends the token before the SUBACK
			must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "1"))
			return len(heard) > 0
		})
		s.say("%s", <-heard)
	}},
	{name: "Disconnect and Connect", run: func(s *stage) {
		k := newCalls()
		h, heard := s.hear("got")
		c := s.connect(k.hooked(s.options()))
		for i := range 3 {
			must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
			must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, fmt.Sprint(i)))
			s.next("the message", heard)
			c.Disconnect(quiesce)
			s.token("Publish", c.Publish(s.topic("a"), 1, false, "refused"))
			must(s.t, "Connect", c.Connect())
		}
		s.say("%v", k.distinct())
	}},
	{name: "MaxResumePubInFlight", local: true, races: true, run: func(s *stage) {
		k := newCalls()
		_, got := s.observer("a")
		c := s.connect(k.hooked(s.options().SetCleanSession(false).SetMaxResumePubInFlight(1).SetStore(paho.NewOrderedMemoryStore())))
		k.wait(s, "connect")
		rule, err := s.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop, ClientID: s.options().ClientID})
		if err != nil {
			s.t.Fatal(err)
		}
		var toks []paho.Token
		for i := range 3 {
			toks = append(toks, c.Publish(s.topic("a"), 1, false, fmt.Sprint(i)))
		}
		s.until("three lost PUBACKs", func() bool { return rule.Hits() == 3 })
		rule.Remove()
		s.proxy.cut()
		for _, tok := range toks {
			s.token("Publish", tok)
		}
		for range 6 {
			next(s.t, "the message", got)
		}
		acked, ahead := 0, 0
		for _, p := range s.srv.Recorder().Packets() {
			switch {
			case p.ClientID != s.options().ClientID:
			case p.Type == iotlocal.PUBLISH && p.Dir == iotlocal.ClientToServer && p.Dup:
				ahead++
			case p.Type == iotlocal.PUBACK && p.Fault == "":
				acked++
			}
			if ahead > acked+1 {
				s.say("two at once")
			}
		}
	}},
}
