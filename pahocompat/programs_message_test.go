package mqtt_test

import (
	"fmt"
	"strings"
	"sync"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// spyStore notes what is put into it and removed.
type spyStore struct {
	*paho.OrderedMemoryStore
	mu    sync.Mutex
	lines []string
}

func (s *spyStore) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *spyStore) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return outboundOnly(s.lines)
}

// Put implements paho.Store.
func (s *spyStore) Put(key string, m packets.ControlPacket) {
	p, _ := m.(*packets.PublishPacket)
	s.note("put %s qos=%d %s", key, p.Qos, p.Payload)
	s.OrderedMemoryStore.Put(key, m)
}

// Del implements paho.Store. paho asks for more than there is.
func (s *spyStore) Del(key string) {
	for _, k := range s.All() {
		if k == key {
			s.note("del %s", key)
		}
	}
	s.OrderedMemoryStore.Del(key)
}

// messagePrograms show which handlers get what.
var messagePrograms = []program{
	{name: "the parts of a message", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("+"), 1, h))
		for qos := range byte(2) {
			must(s.t, "Publish", c.Publish(s.topic("a"), qos, false, fmt.Sprint(qos)))
			s.next("the message", heard)
		}
	}},
	{name: "retained messages", run: func(s *stage) {
		c := s.connect(s.options())
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, true, "kept"))
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		s.next("the retained message", heard)
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, true, ""))
		s.next("the empty message", heard)
	}},
	{name: "the order of messages", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		for i := range 60 {
			c.Publish(s.topic("a"), 1, false, fmt.Sprint(i))
		}
		for range 60 {
			s.next("a message", heard)
		}
	}},
	{name: "the order at QoS 0", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 0, h))
		for i := range 60 {
			c.Publish(s.topic("a"), 0, false, fmt.Sprint(i))
		}
		for range 60 {
			s.next("a message", heard)
		}
	}},
	{name: "SetOrderMatters(false)", run: func(s *stage) {
		c := s.connect(s.options().SetOrderMatters(false))
		var mu sync.Mutex
		running, most := 0, 0
		all := make(chan string, 10)
		wait := make(chan struct{})
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, func(_ paho.Client, m paho.Message) {
			mu.Lock()
			running++
			most = max(most, running)
			if running == 3 {
				close(wait)
			}
			mu.Unlock()
			<-wait // until three run at once
			all <- string(m.Payload())
		}))
		for i := range 3 {
			c.Publish(s.topic("a"), 1, false, fmt.Sprint(i))
		}
		for range 3 {
			s.next("a message", all)
		}
		s.say("%d at once", most)
	}},
	{name: "the default handler", run: func(s *stage) {
		def, heard := s.hear("default")
		c := s.connect(s.options().SetDefaultPublishHandler(def))
		h, routed := s.hear("route")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		must(s.t, "Subscribe", c.Subscribe(s.topic("b"), 1, h))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the default's message", heard)
		must(s.t, "Publish", c.Publish(s.topic("b"), 1, false, "2"))
		s.next("the route's message", routed)
	}},
	{name: "AddRoute", run: func(s *stage) {
		c := s.client(s.options())
		h, heard := s.hear("route")
		c.AddRoute(s.topic("+/x"), h)
		c.AddRoute(s.topic("nil"), nil)
		must(s.t, "Connect", c.Connect())
		must(s.t, "Subscribe", c.Subscribe(s.topic("#"), 1, nil))
		must(s.t, "Publish", c.Publish(s.topic("a/x"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "routes that overlap", run: func(s *stage) {
		c := s.client(s.options())
		first, _ := s.hear("first")
		second, _ := s.hear("second")
		third, heard := s.hear("third")
		c.AddRoute(s.topic("#"), first)
		c.AddRoute(s.topic("a"), second)
		c.AddRoute(s.topic("+"), third)
		must(s.t, "Connect", c.Connect())
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "a handler in the place of another", run: func(s *stage) {
		c := s.connect(s.options())
		one, _ := s.hear("one")
		two, heard := s.hear("two")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, one))
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, two))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "Unsubscribe takes the route", run: func(s *stage) {
		def, heard := s.hear("default")
		c := s.connect(s.options().SetDefaultPublishHandler(def))
		h, routed := s.hear("route")
		must(s.t, "Subscribe", c.SubscribeMultiple(map[string]byte{s.topic("a"): 1, s.topic("b"): 1}, h))
		must(s.t, "Publish", c.Publish(s.topic("b"), 1, false, "1"))
		s.next("the route's message", routed)
		s.token("Unsubscribe", c.Unsubscribe(s.topic("a"), s.topic("b")))
		must(s.t, "Subscribe", c.Subscribe(s.topic("+"), 1, nil))
		must(s.t, "Publish", c.Publish(s.topic("b"), 1, false, "2"))
		s.next("the default's message", heard)
	}},
	{name: "publishing in a handler", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("answer")
		must(s.t, "Subscribe", c.Subscribe(s.topic("answer"), 1, h))
		must(s.t, "Subscribe", c.Subscribe(s.topic("ask"), 1, func(c paho.Client, m paho.Message) {
			go c.Publish(s.topic("answer"), 1, false, "to "+string(m.Payload()))
		}))
		must(s.t, "Publish", c.Publish(s.topic("ask"), 1, false, "x"))
		s.next("the answer", heard)
	}},
	{name: "a large payload", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, strings.Repeat("x", 128<<10)))
		if got := s.next("the message", heard); len(got) != 128<<10 {
			s.say("%d bytes", len(got))
		}
	}},
	{name: "a shared subscription has its route", run: func(s *stage) {
		c := s.connect(s.options())
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe("$share/g/"+s.topic("a/+"), 1, h))
		must(s.t, "Publish", c.Publish(s.topic("a/b"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "Ack by the program", run: func(s *stage) {
		o := s.options().SetAutoAckDisabled(true).SetCleanSession(false)
		c := s.connect(o)
		held := make(chan paho.Message, 1)
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, func(_ paho.Client, m paho.Message) { held <- m }))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		m := next(s.t, "the message", held)
		s.say("dup %v", m.Duplicate())
		s.proxy.cut() // before Ack: the broker sends it again
		again := next(s.t, "the message again", held)
		s.say("dup %v: %s", again.Duplicate(), s.text(again))
		again.Ack()
		again.Ack()
	}},
}
